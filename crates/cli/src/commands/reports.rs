//! Verdicts for programs that did not ask for our own JSON: policy reports, SARIF, JUnit, and what pipelines show beside
//! the lines of a change.

use std::fmt::Write as _;

use guardrails::report::{Finding, Form, ReportOptions, junit, policy_reports, sarif};
use operations::OperationError;
use serde_json::{Value, json};

use super::policy::now;
use super::print_exact;
use crate::args::Reports;
use crate::print::plain;

/// Writes all reports that were asked for.
pub(super) fn write(
    findings: &[Finding<'_>],
    asked: &Reports,
    command: &str,
    audit_warn: bool,
) -> Result<(), OperationError> {
    if let Some(file) = &asked.sarif {
        put(file, &sarif_log(findings))?;
    }
    if let Some(file) = &asked.junit {
        put(file, &junit(findings, command))?;
    }
    if asked.policy_report {
        print_exact(&policy_report(findings, asked, audit_warn))?;
    }
    Ok(())
}

/// A SARIF log.
pub(super) fn sarif_log(findings: &[Finding<'_>]) -> String {
    format!("{:#}\n", sarif(findings, "platform", env!("CARGO_PKG_VERSION")))
}

fn put(file: &str, text: &str) -> Result<(), OperationError> {
    if file == "-" {
        return print_exact(text).map(|_| ());
    }
    std::fs::write(file, text).map_err(OperationError::io("write", file))
}

fn policy_report(findings: &[Finding<'_>], asked: &Reports, audit_warn: bool) -> String {
    let reports = policy_reports(
        findings,
        &ReportOptions {
            form: if asked.report_group == "openreports.io" {
                Form::OpenReports
            } else {
                Form::PolicyReport
            },
            name: "merged",
            seconds: now().0,
            audit_warn,
        },
    );
    let mut text = String::new();
    for (index, report) in reports.iter().enumerate() {
        if asked.output_format == "json" {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", plain::json(&report.to_string()));
        } else {
            let between = if index > 0 { "---\n" } else { "" };
            let _ = write!(text, "{between}{}", yaml::emit(report));
        }
    }
    text
}

/// One thing that is wrong, as pipelines show it.
pub(super) struct Annotation<'a> {
    pub file: String,
    pub line: usize,
    pub column: usize,
    /// Whether it refuses.
    pub refuses: bool,
    /// What says so: policy and rule.
    pub check: String,
    /// The object.
    pub object: &'a str,
    pub message: String,
}

/// Workflow commands of GitHub, which it shows beside the lines.
pub(super) fn github(annotations: &[Annotation<'_>]) -> String {
    let data = |text: &str| {
        let text = text.replace('%', "%25").replace('\r', "%0D");
        text.replace('\n', "%0A")
    };
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut text = String::new();
    for one in annotations {
        let level = if one.refuses { "error" } else { "warning" };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "::{level} file={},line={},col={},title={}::{}",
            property(&one.file),
            one.line,
            one.column,
            property(&one.check),
            data(&one.message)
        );
    }
    text
}

/// A code quality report of GitLab.
pub(super) fn gitlab(annotations: &[Annotation<'_>]) -> String {
    let mut seen = std::collections::BTreeMap::new();
    let issues: Vec<Value> = annotations
        .iter()
        .map(|one| {
            // Lines move with every change; what is the same finding must not.
            let print = format!("{} {} {} {}", one.check, one.file, one.object, one.message);
            let count: &mut usize = seen.entry(print.clone()).or_default();
            *count += 1;
            json!({
                "description": one.message,
                "check_name": one.check,
                "fingerprint": format!("{print} {count}"),
                "severity": if one.refuses { "critical" } else { "minor" },
                "location": {"path": one.file, "lines": {"begin": one.line}},
            })
        })
        .collect();
    format!("{:#}\n", Value::Array(issues))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn annotation(message: &str, refuses: bool) -> Annotation<'_> {
        Annotation {
            file: "teams/a,b/x.yaml".to_owned(),
            line: 7,
            column: 3,
            refuses,
            check: "require-limits/limits".to_owned(),
            object: "Deployment x",
            message: message.to_owned(),
        }
    }

    #[test]
    fn workflow_commands_stay_on_their_line() {
        let all = [
            annotation("100% is\nmuch: set ::limits::", true),
            annotation("b", false),
        ];
        assert_eq!(
            github(&all),
            "::error file=teams/a%2Cb/x.yaml,line=7,col=3,title=require-limits/limits::100%25 is%0Amuch: set ::limits::\n\
             ::warning file=teams/a%2Cb/x.yaml,line=7,col=3,title=require-limits/limits::b\n"
        );
    }

    #[test]
    fn fingerprints_tell_findings_apart_and_not_lines() {
        let lower = Annotation {
            line: 70,
            ..annotation("a", true)
        };
        let read = |all: &[Annotation<'_>]| -> Value { serde_json::from_str(&gitlab(all)).unwrap() };
        let all = read(&[
            annotation("a", true),
            annotation("a", true),
            annotation("b", false),
        ]);
        let prints: std::collections::BTreeSet<&str> = all
            .as_array()
            .unwrap()
            .iter()
            .map(|issue| issue["fingerprint"].as_str().unwrap())
            .collect();
        assert_eq!(prints.len(), 3);
        assert_eq!(all[0]["fingerprint"], read(&[lower])[0]["fingerprint"]);
        assert_eq!(all[2]["severity"], "minor");
        assert_eq!(read(&[]), json!([]));
    }
}
