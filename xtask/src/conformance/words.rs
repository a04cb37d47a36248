//! The words behind a command, read from left to right: options, and the values of those that have one.

use crate::failure::{Result, fail};

/// The words that are left.
pub(super) struct Words<'w, 'a> {
    left: &'w [&'a str],
    /// The option that was read last.
    option: &'a str,
}

impl<'w, 'a> Words<'w, 'a> {
    pub(super) fn of(arguments: &'w [&'a str]) -> Self {
        Self {
            left: arguments,
            option: "",
        }
    }

    /// The next option.
    pub(super) fn option(&mut self) -> Option<&'a str> {
        let (&option, left) = self.left.split_first()?;
        (self.option, self.left) = (option, left);
        Some(option)
    }

    /// The value of the option that was read last.
    pub(super) fn value(&mut self) -> Result<&'a str> {
        let Some((&value, left)) = self.left.split_first() else {
            fail!("{} needs a value", self.option)
        };
        self.left = left;
        Ok(value)
    }

    /// The same for an option that may stand alone.
    pub(super) fn value_if_any(&mut self) -> Option<&'a str> {
        let next = self.left.first()?;
        (!next.starts_with("--")).then(|| self.value().ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_and_their_values() {
        let mut words = Words::of(&["--a", "1", "--b", "--c"]);
        assert_eq!(words.option(), Some("--a"));
        assert_eq!(words.value_if_any(), Some("1"));
        assert_eq!(words.option(), Some("--b"));
        assert_eq!(words.value_if_any(), None);
        assert_eq!(words.option(), Some("--c"));
        assert_eq!(words.value().unwrap_err().to_string(), "--c needs a value");
        assert_eq!((words.value_if_any(), words.option()), (None, None));
    }
}
