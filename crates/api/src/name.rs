//! What a service may be called, and what follows from its name.

use std::fmt;

/// The longest name of a service: `<name>-cache` must still fit a StatefulSet, whose pods carry a revision
/// label of their own (52 characters in all).
pub const NAME_LIMIT: usize = 40;

/// A name that is safe in every place the platform puts it: a DNS label of at most [`NAME_LIMIT`] characters
/// that starts with a letter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a string cannot be a name, and the nearest one that can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{given}\" cannot be a{} {what} name: lowercase letters, digits and hyphens, starting with a letter, at most {NAME_LIMIT} characters",
    if what.starts_with(['a', 'e', 'i', 'o', 'u']) { "n" } else { "" }
)]
pub struct NameError {
    /// What was given.
    pub given: String,
    /// What it was to name, in one word.
    pub what: &'static str,
    /// The nearest name that is allowed, if there is one.
    pub suggestion: Option<String>,
}

impl Name {
    /// Reads the name of a `what` ("service", "team", "environment").
    pub fn parse(what: &'static str, text: &str) -> Result<Self, NameError> {
        if is_name(text) {
            return Ok(Self(text.to_owned()));
        }
        let given: String = text
            .chars()
            .take(80)
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        Err(NameError {
            given,
            what,
            suggestion: nearest(text),
        })
    }

    /// The name itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= NAME_LIMIT
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && !text.ends_with('-')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

fn nearest(text: &str) -> Option<String> {
    let mut name = String::new();
    for c in text.chars().take(200) {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || (c.is_ascii_digit() && !name.is_empty()) {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.truncate(NAME_LIMIT);
    let name = name.trim_end_matches('-');
    is_name(name).then(|| name.to_owned())
}

/// The name of a service's database and of its default user inside the server: hyphens become underscores, so
/// that it is a bare SQL identifier. It is quoted wherever it is used all the same.
pub fn database_name(service: &str) -> String {
    service.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_dns_label() {
        for good in ["a", "api-gateway", "x9", &"a".repeat(40)] {
            assert!(Name::parse("service", good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "-a",
            "a-",
            "9a",
            "a_b",
            "A",
            "a.b",
            "ä",
            "a b",
            "a\n",
            &"a".repeat(41),
        ] {
            assert!(Name::parse("service", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_nearest_name_is_suggested() {
        let suggest = |text: &str| Name::parse("service", text).unwrap_err().suggestion;
        assert_eq!(suggest("Api_Gateway").as_deref(), Some("api-gateway"));
        assert_eq!(suggest("2fast").as_deref(), Some("fast"));
        assert_eq!(suggest("a--"), Some("a".to_owned()));
        assert_eq!(suggest(&"ab".repeat(30)).unwrap().len(), NAME_LIMIT);
        assert_eq!(suggest("___"), None);
    }
}
