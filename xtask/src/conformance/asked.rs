//! What can be asked of the suites that others wrote: some cases only, and a report.

use crate::failure::{Result, fail};

/// The options that such suites have in common.
#[derive(Debug, Default)]
pub(crate) struct Asked<'a> {
    only: Vec<&'a str>,
    /// Where to write what differs.
    pub(super) report: Option<&'a str>,
}

impl<'a> Asked<'a> {
    /// Reads what stands after the name of the suite.
    pub(crate) fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut asked = Self::default();
        for pair in arguments.chunks(2) {
            match pair {
                ["--only", part] => asked.only.push(part),
                ["--report", file] => asked.report = Some(file),
                [option @ ("--only" | "--report")] => fail!("{option} needs a value"),
                other => fail!("there is no option {}", other.join(" ")),
            }
        }
        Ok(asked)
    }

    /// Whether a case is one of those asked for.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.for_all() || self.only.iter().any(|part| name.contains(part))
    }

    /// Whether all cases are asked for.
    pub(super) fn for_all(&self) -> bool {
        self.only.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_cases_or_all_are_asked_for() {
        let some = Asked::parse(&["--only", "ab", "--report", "file", "--only", "c"]).unwrap();
        assert!(some.wants("xaby") && some.wants("c") && !some.wants("b"));
        assert_eq!(some.report, Some("file"));
        assert!(Asked::parse(&[]).unwrap().wants("anything"));
        assert!(Asked::parse(&["--only"]).is_err());
        assert!(Asked::parse(&["--none", "x"]).is_err());
    }
}
