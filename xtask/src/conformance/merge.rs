//! `cargo xtask conformance merge`: the published tests of structured-merge-diff, Kubernetes' own merge library, replayed
//! by our engine.
//!
//! Nobody here chose these cases. The library's tests run once with a recorder in between ([`crate::peers::merge_tests`]
//! has how); what they did is replayed by `schema::apply` and `schema::update`, the functions that the sandbox writes
//! with, and after each step the object, its managers and the conflicts must be what the library had. A difference is
//! fine only when `docs/conformance/merge.md` lists the case with its reason.

mod types;
mod values;
mod writes;

use super::asked::Asked;
use super::known::Known;
use crate::failure::{Doing, Result, fail};
use crate::peers::merge_tests;
use crate::say;
use schema::{FieldSet, Write};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use types::Types;

/// The page that lists what is known to differ.
const PAGE: &str = "docs/conformance/merge.md";
/// How many unlisted differences are printed when there is no report.
const SHOWN: usize = 20;
/// How much of a value is printed.
const WIDTH: usize = 1_500;

/// What came of one case.
#[derive(Debug)]
struct Outcome {
    /// The table's row it counts in.
    area: String,
    name: String,
    result: Verdict,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Equal,
    /// What is different.
    Differs(String),
    /// Why our engine cannot be asked.
    Apart(&'static str),
}

/// Replays everything and prints the table.
pub(crate) fn run(asked: &Asked<'_>) -> Result<()> {
    let known = Known::read(&crate::root().join(PAGE), "Listed differences")?;
    let recording = merge_tests::recording()?;
    let mut outcomes = writes::replay(&recording.writes)?;
    outcomes.extend(values::replay(&recording.values)?);
    outcomes.retain(|outcome| asked.wants(&outcome.name));
    if outcomes.is_empty() {
        fail!("no case has such a name");
    }
    let listed: Vec<bool> = outcomes
        .iter()
        .map(|outcome| matches!(outcome.result, Verdict::Differs(_)) && known.has(&outcome.name))
        .collect();
    say::line(summary(&outcomes, &listed));
    let differing = || {
        outcomes
            .iter()
            .zip(&listed)
            .filter_map(|(outcome, listed)| match &outcome.result {
                Verdict::Differs(what) => Some((outcome, what, *listed)),
                _ => None,
            })
    };
    let shown = |(outcome, what, listed): (&Outcome, &String, bool)| {
        let mark = if listed { "LISTED " } else { "" };
        format!("{mark}{}: {}\n{what}\n", outcome.area, outcome.name)
    };
    if let Some(report) = asked.report {
        let text: String = differing().map(shown).collect();
        fs::write(report, text).doing(|| format!("write {report}"))?;
        say::line(format!("what differs is in {report}"));
    } else {
        let first = differing().filter(|(_, _, listed)| !listed).take(SHOWN);
        say::line(first.map(shown).collect::<String>());
    }
    if asked.for_all() {
        for row in known.unused() {
            say::line(format!("listed, and differs no more: {row}"));
        }
    }
    match differing().filter(|(_, _, listed)| !listed).count() {
        0 => Ok(()),
        unlisted => fail!("{unlisted} cases differ and are not listed"),
    }
}

fn summary(outcomes: &[Outcome], listed: &[bool]) -> String {
    // Cases, equal, listed, unlisted, apart.
    let mut rows: BTreeMap<&str, [usize; 5]> = BTreeMap::new();
    let mut sum = [0; 5];
    let mut apart: BTreeMap<&str, usize> = BTreeMap::new();
    for (outcome, listed) in outcomes.iter().zip(listed) {
        let column = match (&outcome.result, listed) {
            (Verdict::Equal, _) => 1,
            (Verdict::Differs(_), true) => 2,
            (Verdict::Differs(_), false) => 3,
            (Verdict::Apart(why), _) => {
                *apart.entry(why).or_default() += 1;
                4
            }
        };
        for row in [rows.entry(&outcome.area).or_default(), &mut sum] {
            row[0] += 1;
            row[column] += 1;
        }
    }
    let mut text = format!(
        "{:<50} {:>6} {:>6} {:>7} {:>9} {:>6}\n",
        "", "cases", "equal", "listed", "unlisted", "apart"
    );
    for (area, [cases, equal, listed, unlisted, apart]) in rows.into_iter().chain([("all", sum)]) {
        let _ = writeln!(
            text,
            "{area:<50} {cases:>6} {equal:>6} {listed:>7} {unlisted:>9} {apart:>6}"
        );
    }
    for (why, count) in apart {
        let _ = writeln!(text, "{count:>6} apart: {why}");
    }
    text
}

/// The lines of a recording: the schemas, and the rest.
fn read(recording: &str) -> Result<(Types, Vec<Value>)> {
    let mut types = Types::default();
    let mut lines = Vec::new();
    for line in recording.lines() {
        let line: Value = serde_json::from_str(line).doing(|| format!("read the recorded line {line}"))?;
        match line["schema"].as_u64() {
            Some(number) => types.add(number, &line["types"]),
            None => lines.push(line),
        }
    }
    Ok((types, lines))
}

/// A write by this manager; the time never matters here.
fn write<'a>(manager: &'a str, version: &'a str, reset: &'a FieldSet) -> Write<'a> {
    Write {
        manager,
        api_version: version,
        subresource: "",
        time: "2026-01-01T00:00:00Z",
        reset,
    }
}

/// A set in the form of `fieldsV1`.
fn fields(value: &Value) -> Result<FieldSet> {
    FieldSet::from_fields_v1(value).doing(|| format!("read the set {value}"))
}

/// What was expected and what came, under each other.
fn differs(what: &str, ours: &Value, real: &Value) -> String {
    let short = |value: &Value| {
        let text = value.to_string();
        match text.char_indices().nth(WIDTH) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    };
    format!("  {what}\n    here {}\n    real {}", short(ours), short(real))
}

/// The entry of `managedFields` for one manager.
fn entry(manager: &str, version: &str, applied: bool, fields: &Value) -> Value {
    json!({
        "manager": manager,
        "operation": if applied { "Apply" } else { "Update" },
        "apiVersion": version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    })
}

/// Who manages what of an object, by manager: version, whether by apply, fields.
fn managers(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"].as_array();
    let mut managers: Vec<(String, Value)> = entries
        .into_iter()
        .flatten()
        .map(|entry| {
            let name = entry["manager"].as_str().unwrap_or_default().to_owned();
            let state = json!({
                "version": entry["apiVersion"],
                "applied": entry["operation"] == "Apply",
                "fields": entry["fieldsV1"],
            });
            (name, state)
        })
        .collect();
    managers.sort_by(|left, right| left.0.cmp(&right.0));
    managers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_are_counted_by_area() {
        let outcome = |area: &str, result| Outcome {
            area: area.to_owned(),
            name: String::new(),
            result,
        };
        let differs = || Verdict::Differs(String::new());
        let outcomes = [
            outcome("a", Verdict::Equal),
            outcome("a", differs()),
            outcome("b", differs()),
            outcome("b", Verdict::Apart("so")),
        ];
        let text = summary(&outcomes, &[false, true, false, false]);
        let lines: Vec<Vec<&str>> = text
            .lines()
            .skip(1)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(lines[0], ["a", "2", "1", "1", "0", "0"]);
        assert_eq!(lines[1], ["b", "2", "0", "0", "1", "1"]);
        assert_eq!(lines[2], ["all", "4", "1", "1", "1", "1"]);
        assert_eq!(lines[3], ["1", "apart:", "so"]);
    }
}
