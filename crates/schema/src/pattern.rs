//! Regular expressions of schemas, compiled once and within bounds.

use std::fmt;

use regex::{Regex, RegexBuilder};

/// A regular expression that a string must match somewhere.
#[derive(Clone)]
pub struct Pattern(Regex);

impl Pattern {
    /// Compiles an expression. Expressions that would need much memory are refused.
    pub fn new(pattern: &str) -> Result<Pattern, String> {
        const MOST_BYTES: usize = 1 << 20;
        RegexBuilder::new(pattern)
            .size_limit(MOST_BYTES)
            .build()
            .map(Pattern)
            .map_err(|error| {
                error
                    .to_string()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .trim()
                    .to_owned()
            })
    }

    /// The expression as written.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether the text matches somewhere.
    pub fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", self.as_str())
    }
}
