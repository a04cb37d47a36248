//! The table and the report: how many cases came out how, and what the others differ in.

use super::Outcome;
use super::compare::{Verdict, class};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts of cases and of charts.
pub(super) fn summary(outcomes: &[Outcome], absent: usize, helm: &str) -> String {
    let count = |wanted: fn(&Verdict) -> bool| outcomes.iter().filter(|it| wanted(&it.verdict)).count();
    let rows = [
        ("identical bytes", count(|it| matches!(it, Verdict::Identical))),
        ("same objects", count(|it| matches!(it, Verdict::SameObjects))),
        (
            "same but for what Helm itself changes",
            count(|it| matches!(it, Verdict::SameButVolatile)),
        ),
        (
            "both fail, same words",
            count(|it| matches!(it, Verdict::BothFail)),
        ),
        (
            "both fail, same class",
            count(|it| matches!(it, Verdict::BothFailAlike { .. })),
        ),
        (
            "both fail, other class",
            count(|it| matches!(it, Verdict::BothFailElse { .. })),
        ),
        ("only we fail", count(|it| matches!(it, Verdict::OnlyWeFail(_)))),
        (
            "only Helm fails",
            count(|it| matches!(it, Verdict::OnlyHelmFails(_))),
        ),
        ("differs", count(|it| matches!(it, Verdict::Differs(_)))),
    ];
    let judged = outcomes
        .iter()
        .filter(|it| it.verdict.conforms().is_some())
        .count();
    let good = outcomes
        .iter()
        .filter(|it| it.verdict.conforms() == Some(true))
        .count();
    let mut charts: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for outcome in outcomes {
        if let Some(conforms) = outcome.verdict.conforms() {
            let (fine, all) = charts.entry(&outcome.chart).or_default();
            *fine += usize::from(conforms);
            *all += 1;
        }
    }
    let whole = charts.values().filter(|(fine, all)| fine == all).count();
    let mean = charts
        .values()
        .map(|(fine, all)| *fine as f64 / *all as f64)
        .sum::<f64>()
        / charts.len().max(1) as f64;
    let mut text = format!("\nchart engine beside Helm {helm}\n\n");
    // Writing to a string cannot fail.
    for (what, number) in rows {
        let _ = writeln!(text, "{what:<40} {number:>6} {:>7.2} %", share(number, judged));
    }
    let _ = writeln!(text, "{:<40} {judged:>6}", "cases judged");
    let _ = writeln!(
        text,
        "{:<40} {:>6}",
        "cases with missing dependencies",
        outcomes.len() - judged
    );
    if absent > 0 {
        let _ = writeln!(
            text,
            "{:<40} {absent:>6}",
            "charts of the list that are not there"
        );
    }
    let _ = writeln!(
        text,
        "\n{:<40} {good:>6} {:>7.2} %",
        "cases that conform",
        share(good, judged)
    );
    let _ = writeln!(
        text,
        "{:<40} {whole:>6} {:>7.2} %",
        "charts that conform in every case",
        share(whole, charts.len())
    );
    let _ = writeln!(
        text,
        "{:<40} {:>6} {:>7.2} %",
        "charts judged, and the mean of their shares",
        charts.len(),
        mean * 100.0
    );
    text
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

/// A paragraph for each case that does not conform.
pub(super) fn report(outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    for outcome in outcomes {
        let (what, first, second) = match &outcome.verdict {
            Verdict::BothFailElse { ours, helm } => ("OTHER CLASS", ours.as_str(), Some(helm.as_str())),
            Verdict::BothFailAlike { ours, helm } => ("other words", ours.as_str(), Some(helm.as_str())),
            Verdict::OnlyWeFail(ours) => ("ONLY WE FAIL", ours.as_str(), None),
            Verdict::OnlyHelmFails(helm) => ("ONLY HELM FAILS", helm.as_str(), None),
            Verdict::Differs(difference) => ("DIFFERS", difference.as_str(), None),
            _ => continue,
        };
        let values = &outcome.values;
        let kind = match &outcome.verdict {
            Verdict::Differs(_) => "",
            _ => class(first),
        };
        let _ = writeln!(
            text,
            "{what} {} {values} [{kind}]\n    {}",
            outcome.chart,
            indented(first)
        );
        if let Some(second) = second {
            let _ = writeln!(text, "    Helm: [{}] {}", class(second), indented(second));
        }
    }
    text
}

fn indented(message: &str) -> String {
    let message = message.replace('\n', "\n    ");
    match message.char_indices().nth(1_500) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cases_and_charts_are_counted() {
        let outcome = |chart: &str, verdict| Outcome {
            chart: chart.to_owned(),
            values: "defaults".to_owned(),
            verdict,
        };
        let outcomes = [
            outcome("a", Verdict::Identical),
            outcome(
                "a",
                Verdict::Differs("document 1 (A x).n: 1, Helm has 2".to_owned()),
            ),
            outcome("b", Verdict::SameObjects),
            outcome("c", Verdict::Incomplete),
        ];
        let summary = summary(&outcomes, 0, "v4");
        let line = |start: &str| {
            let line = summary.lines().find(|line| line.starts_with(start)).unwrap();
            line[start.len()..]
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
        };
        assert_eq!(line("cases judged"), "3");
        assert_eq!(line("cases with missing dependencies"), "1");
        assert_eq!(line("cases that conform"), "2 66.67 %");
        assert_eq!(line("charts that conform in every case"), "1 50.00 %");
        assert_eq!(line("charts judged, and the mean of their shares"), "2 75.00 %");
        assert_eq!(
            report(&outcomes),
            "DIFFERS a defaults []\n    document 1 (A x).n: 1, Helm has 2\n"
        );
    }
}
