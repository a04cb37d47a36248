//! The table and the report.

use super::Outcome;
use super::differ::Difference;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How many unlisted differences are printed when there is no report.
const SHOWN: usize = 40;
/// How much of a value is printed.
const WIDTH: usize = 1_200;

#[derive(Default)]
struct Row {
    sequences: usize,
    steps: usize,
    equal: usize,
    listed: usize,
    unlisted: usize,
}

/// A row for each area, and their sum.
pub(super) fn summary(outcomes: &[Outcome]) -> String {
    let mut rows: BTreeMap<&str, Row> = BTreeMap::new();
    let mut sum = Row::default();
    for outcome in outcomes {
        for row in [rows.entry(&outcome.area).or_default(), &mut sum] {
            let listed = outcome
                .differences
                .iter()
                .filter(|(_, row)| row.is_some())
                .count();
            row.sequences += 1;
            row.steps += outcome.steps;
            row.equal += outcome.steps - outcome.steps_that_differ();
            row.listed += listed;
            row.unlisted += outcome.differences.len() - listed;
        }
    }
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:<44} {:>9} {:>6} {:>6} {:>7} {:>9}",
        "", "sequences", "steps", "equal", "listed", "unlisted"
    );
    for (area, row) in rows.iter().chain([(&"all", &sum)]) {
        let _ = writeln!(
            text,
            "{area:<44} {:>9} {:>6} {:>6} {:>7} {:>9}",
            row.sequences, row.steps, row.equal, row.listed, row.unlisted
        );
    }
    text
}

impl Outcome {
    /// How many steps differ in anything.
    fn steps_that_differ(&self) -> usize {
        let mut steps: Vec<usize> = self
            .differences
            .iter()
            .map(|(difference, _)| difference.step)
            .collect();
        steps.dedup();
        steps.len()
    }
}

/// How many differences nobody has listed.
pub(super) fn unlisted(outcomes: &[Outcome]) -> usize {
    all(outcomes).filter(|(_, _, row)| row.is_none()).count()
}

fn all(outcomes: &[Outcome]) -> impl Iterator<Item = (&Outcome, &Difference, Option<usize>)> {
    outcomes.iter().flat_map(|outcome| {
        let differences = outcome.differences.iter();
        differences.map(move |(difference, row)| (outcome, difference, *row))
    })
}

/// The first differences that are not listed.
pub(super) fn first(outcomes: &[Outcome]) -> String {
    let unlisted = all(outcomes).filter(|(_, _, row)| row.is_none()).take(SHOWN);
    unlisted
        .map(|(outcome, difference, _)| shown(outcome, difference, ""))
        .collect()
}

/// Every difference.
pub(super) fn report(outcomes: &[Outcome]) -> String {
    let mut text = summary(outcomes);
    for (outcome, difference, row) in all(outcomes) {
        text.push_str(&shown(
            outcome,
            difference,
            if row.is_some() { "LISTED " } else { "" },
        ));
    }
    text
}

fn shown(outcome: &Outcome, difference: &Difference, mark: &str) -> String {
    let Difference {
        step,
        request,
        place,
        ours,
        real,
    } = difference;
    format!(
        "{mark}{}: {}, step {step}, {request}\n  {place}\n    here {}\n    real {}\n",
        outcome.area,
        outcome.name,
        short(ours),
        short(real)
    )
}

fn short(text: &str) -> String {
    match text.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
