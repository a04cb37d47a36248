//! Semantic versions and the ranges of `semver_compare`, as blang/semver reads them: comparisons joined
//! by spaces must all hold, `||` separates alternatives, `x` stands for any number.

use std::cmp::Ordering;

/// A version; build metadata does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Version {
    core: [u64; 3],
    pre: Vec<Identifier>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Text(String),
}

impl Version {
    /// Reads `1.2.3-rc.1+build`; all three numbers are needed.
    pub fn parse(text: &str) -> Option<Version> {
        let word = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let (text, build) = text.split_once('+').unwrap_or((text, "0"));
        if !build.split('.').all(word) {
            return None;
        }
        let (core, pre) = text
            .split_once('-')
            .map_or((text, None), |(core, pre)| (core, Some(pre)));
        let mut numbers = core.split('.').map(number);
        let core = [numbers.next()??, numbers.next()??, numbers.next()??];
        if numbers.next().is_some() {
            return None;
        }
        let pre = match pre {
            None => Vec::new(),
            Some(pre) => pre
                .split('.')
                .map(|part| match number(part) {
                    Some(value) => Some(Identifier::Number(value)),
                    None if !word(part) || part.bytes().all(|byte| byte.is_ascii_digit()) => None,
                    None => Some(Identifier::Text(part.to_owned())),
                })
                .collect::<Option<_>>()?,
        };
        Some(Version { core, pre })
    }

    /// Major, minor and patch.
    pub fn core(&self) -> [u64; 3] {
        self.core
    }
}

fn number(text: &str) -> Option<u64> {
    let leading_zero = text.len() > 1 && text.starts_with('0');
    (!leading_zero && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        self.core
            .cmp(&other.core)
            .then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => self.pre.cmp(&other.pre),
            })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Whether a version lies in a range; `None` when the range cannot be read.
pub fn in_range(version: &Version, range: &str) -> Option<bool> {
    let mut any = false;
    for alternative in range.split("||") {
        let mut all = true;
        let spaced = alternative.split_whitespace().collect::<Vec<_>>();
        if spaced.is_empty() {
            return None;
        }
        // `>= 1.0.0` is one comparison even with a space in it.
        let mut parts = spaced.into_iter();
        while let Some(part) = parts.next() {
            let digits = part
                .find(|letter: char| letter.is_ascii_digit())
                .unwrap_or(part.len());
            let (operator, rest) = part.split_at(digits);
            let rest = if rest.is_empty() { parts.next()? } else { rest };
            all &= compare(version, operator, rest)?;
        }
        any |= all;
    }
    Some(any)
}

fn compare(version: &Version, operator: &str, text: &str) -> Option<bool> {
    let (low, above) = bounds(text)?;
    Some(match (operator, above) {
        ("" | "=" | "==", None) => *version == low,
        ("" | "=" | "==", Some(above)) => *version >= low && *version < above,
        ("!" | "!=", None) => *version != low,
        ("!" | "!=", Some(above)) => *version < low || *version >= above,
        (">", None) => *version > low,
        (">", Some(above)) => *version >= above,
        (">=", _) => *version >= low,
        ("<", _) => *version < low,
        ("<=", None) => *version <= low,
        ("<=", Some(above)) => *version < above,
        _ => return None,
    })
}

/// The version itself, or for `1.x` and `1.2.x` the lowest version and the first above.
fn bounds(text: &str) -> Option<(Version, Option<Version>)> {
    if let Some(version) = Version::parse(text) {
        return Some((version, None));
    }
    let release = |core| Version {
        core,
        pre: Vec::new(),
    };
    let mut parts = text.split('.');
    let major = number(parts.next()?)?;
    match (parts.next()?, parts.next()) {
        ("x", None | Some("x")) => Some((
            release([major, 0, 0]),
            Some(release([major.checked_add(1)?, 0, 0])),
        )),
        (minor, Some("x")) => {
            let minor = number(minor)?;
            Some((
                release([major, minor, 0]),
                Some(release([major, minor.checked_add(1)?, 0])),
            ))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_have_an_order() {
        let order = [
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0",
            "1.0.1",
            "1.10.0",
        ];
        for pair in order.windows(2) {
            assert!(Version::parse(pair[0]) < Version::parse(pair[1]), "{pair:?}");
        }
        for text in ["1.2", "1.2.3.4", "v1.2.3", "1.02.3", "1.2.x", "", "1.2.3-"] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn ranges() {
        let check = |version: &str, range: &str, expect: Option<bool>| {
            assert_eq!(
                in_range(&Version::parse(version).expect("a version"), range),
                expect,
                "{version} in {range}"
            );
        };
        check("1.2.3", ">=1.0.0 <2.0.0", Some(true));
        check("2.0.0", ">=1.0.0 <2.0.0", Some(false));
        check("3.1.0", "<1.0.0 || >=3.0.0", Some(true));
        check("1.2.3", "1.2.x", Some(true));
        check("1.3.0", "1.2.x", Some(false));
        check("1.3.0", "1.x", Some(true));
        check("1.3.0", ">1.x", Some(false));
        check("1.2.3", ">= 1.2.3", Some(true));
        check("1.2.3", "!1.2.3", Some(false));
        check("1.2.3", "", None);
        check("1.2.3", "~1.2.3", None);
    }
}
