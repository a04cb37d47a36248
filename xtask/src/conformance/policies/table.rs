//! The table and what does not agree, by suite and by cause.

use super::{Kind, Row, Suite};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The figures, the gravest first.
pub(super) fn summary(suites: &[Suite], kyverno: Option<&str>) -> String {
    let judged = || suites.iter().filter(|suite| suite.kind == Kind::Ordinary);
    let rows = || judged().flat_map(|suite| &suite.rows);
    let open = rows().filter(|row| row.fails_open()).count();
    let equal = rows().filter(|row| row.agrees()).count();
    let whole = judged().filter(|suite| agrees(suite)).count();
    let all = rows().count();
    let mut text = String::new();
    // Writing to a string cannot fail.
    let against = kyverno.map_or_else(
        || "the suites' own results".to_owned(),
        |version| format!("Kyverno {version}"),
    );
    let _ = writeln!(text, "\npolicy engine beside {against}\n");
    let _ = writeln!(
        text,
        "{:<52} {open:>6}",
        "FAIL-OPEN: Kyverno refuses and we do not"
    );
    let _ = writeln!(
        text,
        "{:<52} {equal:>6} of {all} {:>7.2} %",
        "results that agree",
        share(equal, all)
    );
    let mut sources: Vec<&str> = judged().map(|suite| suite.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    for source in sources {
        let of = || {
            judged()
                .filter(|suite| suite.source == source)
                .flat_map(|suite| &suite.rows)
        };
        let (equal, all) = (of().filter(|row| row.agrees()).count(), of().count());
        let what = format!("  of those in {source}");
        let _ = writeln!(
            text,
            "{what:<52} {equal:>6} of {all} {:>7.2} %",
            share(equal, all)
        );
    }
    let silent = rows().filter(|row| row.is_silent()).count();
    let alike = rows()
        .filter(|row| row.is_silent() && row.kyverno.as_deref() == Some("excluded"))
        .count();
    let alike = if kyverno.is_some() {
        format!(", Kyverno too of {alike}")
    } else {
        String::new()
    };
    let _ = writeln!(
        text,
        "{:<52} {silent:>6}{alike}",
        "silent where the suite wants it refused"
    );
    let count = judged().count();
    let _ = writeln!(
        text,
        "{:<52} {whole:>6} of {count} {:>7.2} %",
        "suites that agree as a whole",
        share(whole, count)
    );
    let broken = judged().filter(|suite| suite.broken.is_some()).count();
    let _ = writeln!(text, "{:<52} {broken:>6}", "suites that could not be run");
    for (kind, what) in [
        (Kind::Registry, "suites that ask a registry, of which as a whole"),
        (Kind::MeantToFail, "suites that are meant to fail, of which do"),
    ] {
        let those = || suites.iter().filter(|suite| suite.kind == kind);
        let good = match kind {
            Kind::MeantToFail => those().filter(|suite| fails(suite)).count(),
            _ => those().filter(|suite| agrees(suite)).count(),
        };
        let _ = writeln!(text, "{what:<52} {good:>6} of {}", those().count());
    }
    let registry = suites.iter().filter(|suite| suite.kind == Kind::Registry);
    let open = registry
        .flat_map(|suite| &suite.rows)
        .filter(|row| row.fails_open())
        .count();
    let _ = writeln!(
        text,
        "{:<52} {open:>6}",
        "  fail-open among those that ask a registry"
    );
    text
}

fn share(part: usize, whole: usize) -> f64 {
    part as f64 * 100.0 / whole.max(1) as f64
}

fn agrees(suite: &Suite) -> bool {
    suite.broken.is_none() && suite.rows.iter().all(Row::agrees)
}

fn fails(suite: &Suite) -> bool {
    suite.broken.is_some() || suite.rows.iter().any(|row| !row.ok)
}

/// The page for those who change the engine.
pub(super) fn report(suites: &[Suite], kyverno: Option<&str>) -> String {
    let mut text = format!("```text{}```\n", summary(suites, kyverno));
    text.push_str(
        "\n## What does not agree\n\n| suite | results | first difference |\n| --- | --- | --- |\n",
    );
    for suite in suites
        .iter()
        .filter(|suite| suite.kind != Kind::MeantToFail && !agrees(suite))
    {
        let differing = suite.rows.iter().filter(|row| !row.agrees());
        let first = match (&suite.broken, differing.clone().next()) {
            (Some(reason), _) => short(reason),
            (None, Some(row)) => format!("want {}, got {}: {}", row.want, row.got, short(&row.message)),
            (None, None) => String::new(),
        };
        let _ = writeln!(
            text,
            "| {} | {} of {} | {} |",
            suite.name.trim_end_matches("/kyverno-test.yaml"),
            differing.count(),
            suite.rows.len(),
            first.replace('|', "\\|")
        );
    }
    text
}

/// What does not agree, the commonest cause first.
pub(super) fn causes(suites: &[Suite]) -> String {
    let mut causes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for suite in suites.iter().filter(|suite| suite.kind != Kind::MeantToFail) {
        if let Some(reason) = &suite.broken {
            causes
                .entry(format!("BROKEN: {}", shape(reason)))
                .or_default()
                .push(suite.name.clone());
        }
        for row in suite.rows.iter().filter(|row| !row.agrees()) {
            let open = match (row.fails_open(), row.is_silent()) {
                (true, _) => "FAIL-OPEN ",
                (false, true) => "SILENT ",
                (false, false) => "",
            };
            let cause = format!(
                "{open}want {}, got {}: {}",
                row.want,
                row.got,
                shape(&row.message)
            );
            causes.entry(cause).or_default().push(format!(
                "{} {}/{} {}",
                suite.name, row.policy, row.rule, row.resource
            ));
        }
    }
    let mut sorted: Vec<_> = causes.into_iter().collect();
    sorted.sort_by_key(|(cause, places)| (!cause.starts_with("FAIL-OPEN"), std::cmp::Reverse(places.len())));
    let mut text = summary(suites, None);
    for (cause, places) in sorted {
        let _ = writeln!(text, "\n{} x {cause}", places.len());
        for place in places.iter().take(6) {
            let _ = writeln!(text, "    {place}");
        }
    }
    text
}

/// A message without what differs from object to object.
fn shape(message: &str) -> String {
    let mut shape = String::new();
    let mut quoted = false;
    for letter in message.chars().take(400) {
        match letter {
            '"' | '\'' => {
                quoted = !quoted;
                shape.push(letter);
            }
            _ if quoted => {}
            '0'..='9' => {
                if !shape.ends_with('#') {
                    shape.push('#');
                }
            }
            '\n' => shape.push(' '),
            _ => shape.push(letter),
        }
    }
    short(&shape)
}

fn short(text: &str) -> String {
    let text = text.replace('\n', " ");
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(want: &str, got: &str, ok: bool, kyverno: Option<&str>) -> Row {
        Row {
            policy: "p".to_owned(),
            rule: "r".to_owned(),
            resource: "v1/Pod/default/a".to_owned(),
            want: want.to_owned(),
            got: got.to_owned(),
            ok,
            message: "said \"x\" 12 times".to_owned(),
            kyverno: kyverno.map(str::to_owned),
        }
    }

    #[test]
    fn failing_open_is_counted_first() {
        assert!(row("fail", "pass", false, None).fails_open());
        assert!(!row("fail", "excluded", true, None).fails_open());
        assert!(row("fail", "excluded", true, None).is_silent());
        assert!(row("fail", "excluded", true, Some("fail")).fails_open());
        assert!(!row("fail", "excluded", true, Some("excluded")).fails_open());
        assert!(!row("fail", "error", false, None).fails_open());
        assert!(!row("pass", "fail", false, None).fails_open());
        assert!(row("pass", "pass", false, Some("fail")).fails_open());
        assert!(!row("pass", "pass", true, Some("fail")).fails_open());
        let suites = [
            Suite {
                source: "library".to_owned(),
                name: "a/kyverno-test.yaml".to_owned(),
                kind: Kind::Ordinary,
                broken: None,
                rows: vec![row("fail", "pass", false, None), row("pass", "pass", true, None)],
            },
            Suite {
                source: "library".to_owned(),
                name: "b/kyverno-test.yaml".to_owned(),
                kind: Kind::MeantToFail,
                broken: Some("no".to_owned()),
                rows: Vec::new(),
            },
        ];
        let text = summary(&suites, None);
        let line = text.lines().find(|line| line.starts_with("FAIL-OPEN")).unwrap();
        assert!(line.ends_with(" 1"), "{line}");
        assert!(text.contains("1 of 2   50.00 %"), "{text}");
        assert!(text.contains("  of those in library"), "{text}");
        assert!(causes(&suites).contains("FAIL-OPEN want fail, got pass: said \"\" # times"));
    }
}
