//! Versions and the ranges that Helm's users write for them: `^1.2`, `~1.2.x`, `>=1.0 <2.0 || 3.x`, `1.2 - 1.4`.
//! The rules are those of Masterminds/semver, which are not Cargo's.

use std::cmp::Ordering;
use std::fmt;

use crate::error::ChartError;

/// A version; minor and patch numbers may have been left out when it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) major: u64,
    pub(crate) minor: u64,
    pub(crate) patch: u64,
    pub(crate) prerelease: String,
    pub(crate) metadata: String,
    pub(crate) original: String,
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.prerelease.is_empty() {
            write!(formatter, "-{}", self.prerelease)?;
        }
        if !self.metadata.is_empty() {
            write!(formatter, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

const INVALID: &str = "invalid semantic version";

/// The numbers of a version as written, each with whether it was there, and what follows them.
struct Parts<'text> {
    numbers: Vec<&'text str>,
    prerelease: &'text str,
    metadata: &'text str,
}

fn is_identifiers(text: &str) -> bool {
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// Cuts a version (or one with wildcards) into its parts.
fn parts(text: &str) -> Option<Parts<'_>> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (rest, metadata) = match text.split_once('+') {
        Some((rest, metadata)) if is_identifiers(metadata) => (rest, metadata),
        Some(_) => return None,
        None => (text, ""),
    };
    let (numbers, prerelease) = match rest.split_once('-') {
        Some((numbers, prerelease)) if is_identifiers(prerelease) => (numbers, prerelease),
        Some(_) => return None,
        None => (rest, ""),
    };
    let numbers: Vec<&str> = numbers.split('.').collect();
    (numbers.len() <= 3).then_some(Parts {
        numbers,
        prerelease,
        metadata,
    })
}

/// Which of two versions comes first. What is no version comes before all that are, in the order of the text.
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    match (Version::parse(left), Version::parse(right)) {
        (Ok(one), Ok(other)) => one.cmp_precedence(&other).then_with(|| left.cmp(right)),
        (one, other) => (one.is_ok().cmp(&other.is_ok())).then_with(|| left.cmp(right)),
    }
}

/// The newest of the versions that lie in a range, as Helm chooses one: exactly the version that is named, if it is
/// there; else the first in order, which is a prerelease only where the range names one. An empty range is any.
/// What is no version is never chosen; a range that cannot be read is said so.
pub fn newest_version<'a>(
    range: &str,
    versions: impl IntoIterator<Item = &'a str>,
) -> Result<Option<&'a str>, ChartError> {
    let range = if range.is_empty() { "*" } else { range };
    let read = Range::parse(range).map_err(ChartError::Invalid)?;
    let mut newest: Option<(Version, &str)> = None;
    for text in versions {
        if text == range {
            return Ok(Some(text));
        }
        let Ok(version) = Version::parse(text) else {
            continue;
        };
        let is_newer = newest
            .as_ref()
            .is_none_or(|(so_far, _)| version.cmp_precedence(so_far) == Ordering::Greater);
        if is_newer && read.contains(&version) {
            newest = Some((version, text));
        }
    }
    Ok(newest.map(|(_, text)| text))
}

impl Version {
    /// The next version, by the name of Masterminds' method: `IncMajor`, `IncMinor` or `IncPatch`.
    pub(crate) fn raised(&self, method: &str) -> Self {
        let (major, minor, patch) = match method {
            "IncMajor" => (self.major.saturating_add(1), 0, 0),
            "IncMinor" => (self.major, self.minor.saturating_add(1), 0),
            // A version before this patch is followed by the patch itself.
            _ if !self.prerelease.is_empty() => (self.major, self.minor, self.patch),
            _ => (self.major, self.minor, self.patch.saturating_add(1)),
        };
        let prefix = if self.original.starts_with('v') { "v" } else { "" };
        Self {
            major,
            minor,
            patch,
            prerelease: String::new(),
            metadata: String::new(),
            original: format!("{prefix}{major}.{minor}.{patch}"),
        }
    }

    /// Reads a version; a leading `v` and missing numbers are allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let parts = parts(text).ok_or(INVALID)?;
        let mut numbers = [0_u64; 3];
        for (slot, number) in numbers.iter_mut().zip(&parts.numbers) {
            if number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
                return Err(INVALID.to_owned());
            }
            *slot = number
                .parse()
                .map_err(|_| "error parsing version segment: value out of range".to_owned())?;
        }
        let leading_zero =
            |part: &str| part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit());
        if parts.prerelease.split('.').any(leading_zero) {
            return Err("version segment starts with 0".to_owned());
        }
        let [major, minor, patch] = numbers;
        Ok(Self {
            major,
            minor,
            patch,
            prerelease: parts.prerelease.to_owned(),
            metadata: parts.metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    /// Which one comes first; metadata does not count.
    pub(crate) fn cmp_precedence(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch)
            .cmp(&(other.major, other.minor, other.patch))
            .then_with(|| compare_prereleases(&self.prerelease, &other.prerelease))
    }
}

fn compare_prereleases(left: &str, right: &str) -> Ordering {
    match (left.is_empty(), right.is_empty()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        let order = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(a), Some(b)) => match (a.parse::<u64>(), b.parse::<u64>()) {
                (Ok(a), Ok(b)) => a.cmp(&b),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => a.cmp(b),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// One comparison of a range.
#[derive(Debug)]
struct Comparison {
    operator: Operator,
    version: Version,
    /// Some number was a wildcard or left out.
    open: bool,
    open_minor: bool,
    open_patch: bool,
}

/// A range of versions: groups of comparisons, of which one must hold wholly.
#[derive(Debug)]
pub(crate) struct Range {
    groups: Vec<Vec<Comparison>>,
}

impl Range {
    /// Reads a range.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut groups = Vec::new();
        for group in text.split("||") {
            let improper = || format!("improper constraint: {group:?}");
            let mut comparisons = Vec::new();
            for (operator, version) in tokens(group).ok_or_else(improper)? {
                comparisons.push(Comparison::new(operator, version).ok_or_else(improper)?);
            }
            if comparisons.is_empty() {
                return Err(improper());
            }
            groups.push(comparisons);
        }
        Ok(Self { groups })
    }

    /// Whether a version lies in the range. Prereleases only do where the range names one itself.
    pub(crate) fn contains(&self, version: &Version) -> bool {
        self.groups.iter().any(|group| {
            let names_prerelease = group
                .iter()
                .any(|comparison| !comparison.version.prerelease.is_empty());
            (version.prerelease.is_empty() || names_prerelease)
                && group.iter().all(|comparison| comparison.holds(version))
        })
    }
}

/// The operators and versions of one group; `1.2 - 1.4` becomes two of them.
fn tokens(group: &str) -> Option<Vec<(Operator, &str)>> {
    const OPERATORS: [(&str, Operator); 11] = [
        ("!=", Operator::NotEqual),
        (">=", Operator::GreaterEqual),
        ("=>", Operator::GreaterEqual),
        ("<=", Operator::LessEqual),
        ("=<", Operator::LessEqual),
        ("~>", Operator::Tilde),
        ("=", Operator::Equal),
        (">", Operator::Greater),
        ("<", Operator::Less),
        ("~", Operator::Tilde),
        ("^", Operator::Caret),
    ];
    let mut tokens = Vec::new();
    let mut rest = group.trim();
    let is_version = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '*' | '-' | '+' | '|');
    while !rest.is_empty() {
        let mut operator = None;
        if let Some((sign, found)) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)) {
            operator = Some(*found);
            rest = rest[sign.len()..].trim_start();
        }
        let length = rest.find(|c| !is_version(c)).unwrap_or(rest.len());
        if length == 0 {
            return None;
        }
        let version = &rest[..length];
        rest = &rest[length..];
        let trimmed = rest.trim_start();
        if operator.is_none()
            && let Some(upper) = trimmed.strip_prefix("- ").filter(|_| trimmed.len() < rest.len())
        {
            let upper = upper.trim_start();
            let length = upper.find(|c| !is_version(c)).unwrap_or(upper.len());
            tokens.push((Operator::GreaterEqual, version));
            tokens.push((Operator::LessEqual, upper.get(..length)?));
            rest = upper[length..].trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
            continue;
        }
        tokens.push((operator.unwrap_or(Operator::Equal), version));
        match trimmed.strip_prefix(',') {
            Some(after) => {
                rest = after.trim_start();
                if rest.is_empty() {
                    return None;
                }
            }
            None if trimmed.len() < rest.len() || trimmed.is_empty() => rest = trimmed,
            None => return None,
        }
    }
    Some(tokens)
}

impl Comparison {
    fn new(operator: Operator, text: &str) -> Option<Self> {
        let parts = parts(text)?;
        let is_open = |index: usize| {
            parts
                .numbers
                .get(index)
                .is_none_or(|part| matches!(*part, "x" | "X" | "*"))
        };
        let mut numbers = [0_u64; 3];
        let mut open_at = 3;
        for (index, number) in numbers.iter_mut().enumerate() {
            if is_open(index) {
                open_at = index;
                break;
            }
            *number = parts.numbers[index].parse().ok()?;
        }
        // What follows a wildcard must be one as well, or a number that is then ignored.
        let known = |part: &str| matches!(part, "x" | "X" | "*") || part.bytes().all(|b| b.is_ascii_digit());
        if !parts.numbers.iter().all(|part| !part.is_empty() && known(part)) {
            return None;
        }
        let [major, minor, patch] = numbers;
        let version = Version {
            major,
            minor,
            patch,
            prerelease: parts.prerelease.to_owned(),
            metadata: String::new(),
            original: text.to_owned(),
        };
        Some(Self {
            operator,
            version,
            open: open_at < 3,
            open_minor: open_at == 1,
            open_patch: open_at == 2,
        })
    }

    fn holds(&self, version: &Version) -> bool {
        let bound = &self.version;
        let order = version.cmp_precedence(bound);
        match self.operator {
            Operator::Equal if self.open => self.tilde(version, order),
            Operator::Equal => order.is_eq(),
            Operator::NotEqual => {
                if self.open {
                    if version.major != bound.major {
                        return true;
                    }
                    if self.open_minor {
                        return false;
                    }
                    if version.minor != bound.minor {
                        return true;
                    }
                    if self.open_patch {
                        return compare_prereleases(&version.prerelease, &bound.prerelease).is_ne();
                    }
                }
                order.is_ne()
            }
            Operator::Greater => {
                if !self.open || version.major > bound.major {
                    return order.is_gt();
                }
                if version.major < bound.major || self.open_minor {
                    return false;
                }
                if self.open_patch {
                    version.minor > bound.minor
                } else {
                    order.is_gt()
                }
            }
            Operator::Less => order.is_lt(),
            Operator::GreaterEqual => order.is_ge(),
            Operator::LessEqual => {
                if !self.open {
                    return order.is_le();
                }
                let beyond = version.major > bound.major
                    || version.major == bound.major && version.minor > bound.minor && !self.open_minor;
                !beyond
            }
            Operator::Tilde => self.tilde(version, order),
            Operator::Caret => self.caret(version, order),
        }
    }

    fn tilde(&self, version: &Version, order: Ordering) -> bool {
        let bound = &self.version;
        if order.is_lt() {
            return false;
        }
        if (bound.major, bound.minor, bound.patch) == (0, 0, 0) && !self.open_minor && !self.open_patch {
            return true;
        }
        version.major == bound.major && (version.minor == bound.minor || self.open_minor)
    }

    fn caret(&self, version: &Version, order: Ordering) -> bool {
        let bound = &self.version;
        if order.is_lt() {
            return false;
        }
        if bound.major > 0 || self.open_minor {
            return version.major == bound.major;
        }
        if version.major > 0 {
            return false;
        }
        if bound.minor > 0 || self.open_patch {
            return version.minor == bound.minor;
        }
        version.minor == 0 && version.patch == bound.patch
    }
}

/// Whether a version lies in a range; a text that is neither lies in nothing.
pub(crate) fn is_compatible(range: &str, version: &str) -> bool {
    match (Range::parse(range), Version::parse(version)) {
        (Ok(range), Ok(version)) => range.contains(&version),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, version: &str, expect: bool) {
        let range_read = Range::parse(range).unwrap_or_else(|error| panic!("{range}: {error}"));
        let version_read = Version::parse(version).unwrap();
        assert_eq!(range_read.contains(&version_read), expect, "{version} in {range}");
    }

    #[test]
    fn the_newest_that_fits_is_chosen() {
        let there = ["1.0.0", "latest", "1.10.0", "1.9.0", "2.0.0-rc.1", "1.10.0+b"];
        let check = |range: &str, expect: Option<&str>| {
            assert_eq!(newest_version(range, there).unwrap(), expect, "{range}");
        };
        check("", Some("1.10.0"));
        check("^1.0", Some("1.10.0"));
        check("~1.9", Some("1.9.0"));
        check("1.10.0+b", Some("1.10.0+b"));
        check(">0.0.0-0", Some("2.0.0-rc.1"));
        check("2.0.0-rc.1", Some("2.0.0-rc.1"));
        check("3.x", None);
        assert!(newest_version("one", there).is_err());
    }

    #[test]
    fn versions_have_an_order() {
        let sorted = [
            "",
            "newest",
            "1.2.0-rc.1",
            "1.2",
            "1.2.0",
            "1.2.0+a",
            "1.9.0",
            "v1.10.0",
        ];
        let mut mixed = sorted;
        mixed.reverse();
        mixed.sort_by(|left, right| compare_versions(left, right));
        assert_eq!(mixed, sorted);
    }

    #[test]
    fn ranges_mean_what_masterminds_semver_says() {
        for (range, version, expect) in [
            ("=2.0.0", "1.2.3", false),
            ("2.0.0", "2.0.0", true),
            ("4.1", "4.1.3", true),
            ("4.1", "4.2.0", false),
            (">=2.1.x", "2.2.0", true),
            ("!=4.1.0", "4.1.0", false),
            ("!=4.x", "4.1.0", false),
            ("!=4.1.x", "4.2.0", true),
            (">1.1", "1.1.1", false),
            (">1.1", "1.2.0", true),
            (">11", "11.1.0", false),
            (">11.1", "11.2.1", true),
            ("<1.1", "1.1.0", false),
            ("<=1.1", "1.1.1", true),
            ("<=11", "11.9.9", true),
            ("~1.2.3", "1.2.9", true),
            ("~1.2.3", "1.3.0", false),
            ("~1", "1.9.9", true),
            ("~*", "2.1.1", true),
            ("~0.0.0", "7.1.1", true),
            ("^1.2.3", "1.8.9", true),
            ("^1.2.3", "2.0.0", false),
            ("^0.2.3", "0.2.9", true),
            ("^0.2.3", "0.3.0", false),
            ("^0.0.3", "0.0.4", false),
            ("^0", "0.9.9", true),
            ("^*", "1.2.3", false),
            ("*", "1.2.3", true),
            (">=1.0, <2.0", "1.5.0", true),
            (">=1.0 <2.0", "2.0.0", false),
            ("1.2 - 1.4.5", "1.4.5", true),
            ("1.2 - 1.4.5", "1.4.6", false),
            ("<1.0 || >=3", "3.1.0", true),
            ("<1.0 || >=3", "2.1.0", false),
            (">=1.19", "1.36.3", true),
            (">=1.19-0", "v1.36.3-gke.1", true),
            (">=1.19", "v1.36.3-gke.1", false),
            (">= 1.2.3-beta", "1.2.3-rc.1", true),
            ("=1.2.3+build", "1.2.3", true),
        ] {
            // A caret on a bare wildcard keeps the major number zero, as the original does.
            check(range, version, expect);
        }
        for range in ["foo", ">= ", ">=1.2.3,", "1.2.3.4", "^^1", "1.2.3 beta~"] {
            assert!(Range::parse(range).is_err(), "{range}");
        }
    }

    #[test]
    fn versions_are_read_loosely() {
        for (text, expect) in [
            ("1.2.3", "1.2.3"),
            ("v1.2", "1.2.0"),
            ("1", "1.0.0"),
            ("1.2.3-beta.1+b", "1.2.3-beta.1+b"),
            ("01.2.3", "1.2.3"),
        ] {
            assert_eq!(Version::parse(text).unwrap().to_string(), expect);
        }
        for text in ["", "a", "1.2.3.4", "1.2.x", "1.2.3-", "-1", "1.2.3-01"] {
            assert!(Version::parse(text).is_err(), "{text}");
        }
    }
}
