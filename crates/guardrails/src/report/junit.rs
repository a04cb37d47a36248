//! JUnit XML: what pipelines show as tests. A policy is a suite, a rule on an object is a case.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Finding;
use crate::verdict::Outcome;

/// A JUnit document of all findings.
pub fn junit(findings: &[Finding<'_>], name: &str) -> String {
    let mut suites: BTreeMap<&str, Vec<&Finding<'_>>> = BTreeMap::new();
    for finding in findings {
        suites
            .entry(&finding.verdict.about.policy)
            .or_default()
            .push(finding);
    }
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "<testsuites name=\"{}\" {}>",
        escaped(name),
        counts(findings.iter())
    );
    for (policy, own) in &suites {
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" {}>",
            escaped(policy),
            counts(own.iter().copied())
        );
        for finding in own {
            case(&mut text, finding);
        }
        text.push_str("  </testsuite>\n");
    }
    text.push_str("</testsuites>\n");
    text
}

fn counts<'a>(findings: impl Iterator<Item = &'a Finding<'a>>) -> String {
    let (mut tests, mut failures, mut errors, mut skipped) = (0, 0, 0, 0);
    for finding in findings {
        tests += 1;
        match finding.verdict.outcome {
            Outcome::Fail => failures += 1,
            Outcome::Error => errors += 1,
            Outcome::Skip => skipped += 1,
            Outcome::Pass | Outcome::Warn => {}
        }
    }
    format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\" skipped=\"{skipped}\"")
}

fn case(text: &mut String, finding: &Finding<'_>) {
    let verdict = finding.verdict;
    let rule = if verdict.about.rule.is_empty() {
        &verdict.about.policy
    } else {
        &verdict.about.rule
    };
    let file = match (finding.file, finding.place) {
        (Some(file), Some((line, _))) => format!(" file=\"{}\" line=\"{line}\"", escaped(file)),
        (Some(file), None) => format!(" file=\"{}\"", escaped(file)),
        (None, _) => String::new(),
    };
    let _ = write!(
        text,
        "    <testcase classname=\"{}\" name=\"{}: {}\"{file}",
        escaped(&verdict.about.policy),
        escaped(rule),
        escaped(&finding.subject())
    );
    let element = match verdict.outcome {
        Outcome::Pass => {
            text.push_str("/>\n");
            return;
        }
        Outcome::Fail => "failure",
        Outcome::Error => "error",
        Outcome::Skip => "skipped",
        Outcome::Warn => "system-out",
    };
    let mut body = verdict.message.clone();
    let controls = (!verdict.about.controls.is_empty()).then(|| verdict.about.controls.join(", "));
    for (word, said) in [
        ("path", &verdict.path),
        ("why", &verdict.about.why),
        ("hint", &verdict.about.hint),
        ("controls", &controls),
    ] {
        if let Some(said) = said {
            let _ = write!(body, "\n{word}: {said}");
        }
    }
    text.push_str(">\n");
    let _ = if element == "system-out" {
        writeln!(text, "      <system-out>warning: {}</system-out>", escaped(&body))
    } else {
        writeln!(
            text,
            "      <{element} message=\"{}\">{}</{element}>",
            escaped(&verdict.message),
            escaped(&body)
        )
    };
    text.push_str("    </testcase>\n");
}

/// Text in XML; what XML cannot hold at all becomes a question mark.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            letter if letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}') => escaped.push('?'),
            letter => escaped.push(letter),
        }
    }
    escaped
}
