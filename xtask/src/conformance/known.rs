//! Tables in the documentation that a command goes by: what is known to differ, what is left out, and why.

use super::sandbox::fits;
use crate::failure::{Doing, Result, fail};
use std::cell::Cell;
use std::fs;
use std::path::Path;

/// The rows below one heading of a page.
#[derive(Debug)]
pub(super) struct Known(Vec<Row>);

#[derive(Debug)]
struct Row {
    /// What it speaks of; `*` stands for any text.
    what: Vec<String>,
    used: Cell<bool>,
}

impl Known {
    /// Reads the rows whose first cell is in code font; the last cell is the reason.
    pub(super) fn read(page: &Path, heading: &str) -> Result<Self> {
        let text = fs::read_to_string(page).doing(|| format!("read {}", page.display()))?;
        Self::of(&text, heading)
    }

    pub(super) fn of(text: &str, heading: &str) -> Result<Self> {
        let Some((_, below)) = text.split_once(&format!("\n## {heading}\n")) else {
            fail!("the page has no heading \"{heading}\"")
        };
        let below = below.split("\n## ").next().unwrap_or_default();
        let mut rows = Vec::new();
        for line in below.lines().filter(|line| line.starts_with("| `")) {
            let mut cells = line.trim_matches('|').split(" | ").map(str::trim);
            let (first, reason) = (cells.next().unwrap_or_default(), cells.last());
            if reason.is_none_or(str::is_empty) {
                fail!("a row has no reason: {line}");
            }
            let what = first.split("`, `").map(|part| part.trim_matches('`').to_owned());
            rows.push(Row {
                what: what.collect(),
                used: Cell::new(false),
            });
        }
        Ok(Self(rows))
    }

    /// Whether a row speaks of this.
    pub(super) fn has(&self, name: &str) -> bool {
        let row = self
            .0
            .iter()
            .find(|row| row.what.iter().any(|what| fits(what, name)));
        row.inspect(|row| row.used.set(true)).is_some()
    }

    /// Rows that spoke of nothing that was asked for.
    pub(super) fn unused(&self) -> Vec<String> {
        let rows = self.0.iter().filter(|row| !row.used.get());
        rows.map(|row| row.what.join(", ")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_and_what_is_unused_is_told() {
        let page = "# A\n\n## Other\n\n| `z` | why |\n\n## Left out\n\n| tests | why |\n| --- | --- |\n\
                    | `a *`, `b` | because |\n| `c` | as well |\n\n## Next\n\n| `d` | no |\n";
        let known = Known::of(page, "Left out").unwrap();
        assert!(known.has("a 1") && known.has("b"));
        assert!(!known.has("d") && !known.has("z"));
        assert_eq!(known.unused(), ["c"]);
        assert!(Known::of(page, "Right in").is_err());
        assert!(Known::of("\n## H\n\n| `a` |  |\n", "H").is_err());
        assert!(Known::of("\n## H\n\n| `a` |\n", "H").is_err());
    }
}
