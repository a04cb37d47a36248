//! The one error of the chores: a sentence that says what was being done and why it failed.
//!
//! Nothing above branches on the kind of a failure; a chore either works or says in words what to do.

use std::fmt;

/// What went wrong, in words for the person at the keyboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure(String);

/// The result of every chore.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

impl Failure {
    /// A failure in these words.
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Adds to an error what was being done when it came up.
pub(crate) trait Doing<T> {
    /// `what` completes the sentence "cannot …".
    fn doing(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Doing<T> for std::result::Result<T, E> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Failure(format!("cannot {}: {error}", what())))
    }
}

/// Stops with a [`Failure`] in the words given.
macro_rules! fail {
    ($($words:tt)*) => { return Err($crate::failure::Failure::new(format!($($words)*))) };
}
pub(crate) use fail;
