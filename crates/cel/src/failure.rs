//! Why an expression has no value.

use crate::budget::Exhausted;

/// Why an expression has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// It went wrong; `||`, `&&`, `all` and `exists` may do without the value.
    Failed(Box<str>),
    /// What it asks about cannot be known here; the text names what.
    Unknown(Box<str>),
    /// It was cut off: nothing does without.
    Cut(Box<str>),
}

impl Failure {
    /// It went wrong.
    pub fn new(reason: impl Into<String>) -> Failure {
        Failure::Failed(reason.into().into_boxed_str())
    }

    /// It was cut off.
    pub fn cut(reason: impl Into<String>) -> Failure {
        Failure::Cut(reason.into().into_boxed_str())
    }

    /// What is asked about cannot be known here.
    pub fn unknown(what: &str) -> Failure {
        Failure::Unknown(format!("{what} is not known here").into_boxed_str())
    }
}

impl From<Exhausted> for Failure {
    fn from(_: Exhausted) -> Failure {
        Failure::cut("the evaluation was cut off: the expression costs too much on this object")
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Failure::Failed(reason) | Failure::Unknown(reason) | Failure::Cut(reason) => reason,
        })
    }
}
