//! What a use case tells while it runs.

use std::time::Duration;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What was done: `committed to infrastructure`.
    pub what: String,
    /// What it was done to, or what came of it: `4f2c1a9 by you`.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
    /// Where to look: a path, a file.
    pub place: String,
}

/// Hears of progress.
pub trait Reporter: Send + Sync {
    /// A step begins. For a spinner; tests and pipes may ignore it.
    fn started(&self, _what: &str) {}
    /// A step is done.
    fn done(&self, progress: Progress);
    /// Something the person should know that is not a step.
    fn note(&self, text: &str);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Reporter for Silent {
    fn done(&self, _: Progress) {}
    fn note(&self, _: &str) {}
}
