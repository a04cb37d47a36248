//! What is typed, as it stands in a file: chapters of command lines, each with a word on what counts of its answer.
//!
//! Knows nothing of who runs it and where.

use crate::failure::{Doing, Result, fail};
use std::fs;
use std::path::Path;

/// What of a command's answer is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// Every line in its place.
    All,
    /// The last line: those before it tell of the way there.
    Last,
    /// Every line, in any order.
    Sorted,
    /// The exit code.
    Done,
}

/// A command line for `sh`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) line: String,
    pub(super) counts: Counts,
}

/// Steps in one namespace.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chapter {
    pub(super) name: String,
    pub(super) steps: Vec<Step>,
}

/// Reads a file of chapters.
pub(super) fn read(file: &Path) -> Result<Vec<Chapter>> {
    let text = fs::read_to_string(file).doing(|| format!("read {}", file.display()))?;
    parse(&text).doing(|| format!("understand {}", file.display()))
}

fn parse(text: &str) -> Result<Vec<Chapter>> {
    let mut chapters: Vec<Chapter> = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("## ") {
            chapters.push(Chapter {
                name: name.to_owned(),
                steps: Vec::new(),
            });
            continue;
        }
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut line = line.to_owned();
        while line.ends_with('\\') {
            line.pop();
            let Some(more) = lines.next() else {
                fail!("the last line goes on, and there is no other")
            };
            line.push_str(more.trim_start());
        }
        let Some(chapter) = chapters.last_mut() else {
            fail!("{line:?} stands before the first chapter")
        };
        let (counts, line) = match line.split_once("| ") {
            Some(("last", line)) => (Counts::Last, line),
            Some(("sorted", line)) => (Counts::Sorted, line),
            Some(("done", line)) => (Counts::Done, line),
            _ => (Counts::All, line.as_str()),
        };
        chapter.steps.push(Step {
            line: line.to_owned(),
            counts,
        });
    }
    if chapters.iter().all(|chapter| chapter.steps.is_empty()) {
        fail!("there are no steps");
    }
    Ok(chapters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapters_hold_the_lines_below_them() {
        let chapters =
            parse("# what\n\n## a\none | two\nlast| three \\\n  four\n## b\nsorted| x\ndone| y\n").unwrap();
        let step = |line: &str, counts| Step {
            line: line.to_owned(),
            counts,
        };
        let expect = [
            (
                "a",
                vec![step("one | two", Counts::All), step("three four", Counts::Last)],
            ),
            ("b", vec![step("x", Counts::Sorted), step("y", Counts::Done)]),
        ];
        let got: Vec<_> = chapters.into_iter().map(|it| (it.name, it.steps)).collect();
        assert_eq!(got, expect.map(|(name, steps)| (name.to_owned(), steps)));
    }

    #[test]
    fn what_is_not_in_a_chapter_is_refused() {
        for text in ["", "## a\n", "one\n## a\n", "## a\none \\"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
