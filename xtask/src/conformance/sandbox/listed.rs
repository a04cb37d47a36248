//! The differences that are known: rows of a table on a page such as `docs/conformance/sandbox.md`, each with its reason.
//!
//! A row names sequences, or what else was done, and places in the answers, several with commas; `*` stands for any
//! text.

use crate::failure::{Doing, Result, fail};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The table's rows in their order.
#[derive(Debug)]
pub(crate) struct Listed(Vec<(Vec<String>, Vec<String>)>);

impl Listed {
    /// Reads the table below the heading "Listed differences".
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file).doing(|| format!("read {}", file.display()))?;
        Self::of(&text)
    }

    fn of(text: &str) -> Result<Self> {
        let Some((_, text)) = text.split_once("\n## Listed differences\n") else {
            fail!("the list of differences has no heading \"Listed differences\"")
        };
        let text = text.split("\n## ").next().unwrap_or_default();
        let mut rows = Vec::new();
        for line in text.lines().filter(|line| line.starts_with("| `")) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let [sequences, places, reason] = cells.as_slice() else {
                fail!("a row of the list of differences has three cells, not {line}")
            };
            if reason.is_empty() {
                fail!("a listed difference has no reason: {line}");
            }
            rows.push((patterns(sequences), patterns(places)));
        }
        Ok(Self(rows))
    }

    /// The row that a difference at a place is listed in.
    pub(crate) fn row(&self, sequence: &str, place: &str) -> Option<usize> {
        let any = |patterns: &[String], text: &str| patterns.iter().any(|pattern| fits(pattern, text));
        self.0
            .iter()
            .position(|(sequences, places)| any(sequences, sequence) && any(places, place))
    }

    /// Rows about what was played that nothing needs any more.
    pub(crate) fn unused(&self, used: &BTreeSet<usize>, played: &BTreeSet<&str>) -> Vec<String> {
        let was_played = |patterns: &[String]| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| played.iter().any(|one| fits(pattern, one)))
        };
        self.0
            .iter()
            .enumerate()
            .filter(|(number, (sequences, _))| !used.contains(number) && was_played(sequences))
            .map(|(_, (sequences, places))| format!("{} at {}", sequences.join(", "), places.join(", ")))
            .collect()
    }
}

/// The patterns of a cell: "`one`, `other`".
fn patterns(cell: &str) -> Vec<String> {
    cell.split("`, `")
        .map(|part| part.trim_matches('`').to_owned())
        .collect()
}

/// Whether a text is of the form of a pattern.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(fits(pattern, text), expect, "{pattern} {text}");
        };
        check("a", "a", true);
        check("a", "ab", false);
        check("a*", "ab", true);
        check("*b", "ab", true);
        check("a*b*c", "a-b-b-c", true);
        check("a*b", "ac", false);
        check("*", "", true);
    }

    #[test]
    fn the_list_is_a_table_with_reasons() {
        let table = |row: &str| {
            format!(
                "# A\n\n## Listed differences\n\n| sequences | places | why |\n| --- | --- | --- |\n{row}\n"
            )
        };
        let listed = Listed::of(&table("| `a *`, `b` | `body/x*` | because |")).unwrap();
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<_>>();
        assert_eq!(listed.0, [(words(&["a *", "b"]), words(&["body/x*"]))]);
        assert!(Listed::of(&table("| `a *` | `body/x*` |  |")).is_err());
        assert!(Listed::of(&table("| `a *` | because |")).is_err());
        assert!(Listed::of("nothing").is_err());
    }
}
