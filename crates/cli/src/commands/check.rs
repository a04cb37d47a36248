//! `platform check`

use std::path::{Component, Path, PathBuf};

use guardrails::report::{Finding, junit};
use guardrails::{About, Outcome, Verdict};
use operations::{CheckFinding, CheckVerdict, Checked, ExitCode, OperationError, check};
use serde_json::{Value, json};

use super::print_exact;
use super::reports::{self, Annotation};
use crate::args::{Check, Global, Output};
use crate::print::value;

/// Formats beside our own.
const FORMATS: [&str; 4] = ["sarif", "junit", "github", "gitlab"];

pub(super) fn run(global: &Global, request: &Check) -> Result<ExitCode, OperationError> {
    let format = match global.output {
        Output::Other(format) if FORMATS.contains(&format) => Some(format),
        Output::Other(format) => {
            return Err(OperationError::invalid_hint(
                format!("findings cannot be printed as {format}"),
                format!("table, json, yaml, {}", FORMATS.join(", ")),
            ));
        }
        _ => None,
    };
    request.reports.settle(global.output)?;
    let wants_all = request.reports.any() || matches!(format, Some("sarif" | "junit"));
    let checked = check(&request.path, wants_all)?;
    if wants_all {
        let told = told(&request.path, &checked);
        let findings: Vec<Finding<'_>> = told.iter().map(Told::finding).collect();
        match format {
            Some("sarif") => print_exact(&reports::sarif_log(&findings))?,
            Some("junit") => print_exact(&junit(&findings, "platform check"))?,
            _ => ExitCode::Done,
        };
        reports::write(&findings, &request.reports, "platform check", false)?;
    }
    match format {
        Some("github") => print_exact(&reports::github(&annotations(&request.path, &checked)))?,
        Some("gitlab") => print_exact(&reports::gitlab(&annotations(&request.path, &checked)))?,
        Some(_) => ExitCode::Done,
        None if request.reports.on_stdout() => ExitCode::Done,
        None => super::printed(value(global.output, &checked, || text(&checked)))?,
    };
    Ok(if checked.refused() {
        ExitCode::Refused
    } else if checked.findings.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

/// A verdict as reports tell it.
struct Told {
    verdict: Verdict,
    policy_kind: String,
    object: Value,
    file: String,
    place: (usize, usize),
}

impl Told {
    fn finding(&self) -> Finding<'_> {
        Finding {
            verdict: &self.verdict,
            policy_kind: &self.policy_kind,
            object: &self.object,
            file: Some(&self.file),
            place: Some(self.place),
        }
    }
}

/// What guardrails say, and what is wrong otherwise: that is an error of a policy named `platform`.
fn told(path: &Path, checked: &Checked) -> Vec<Told> {
    let said = checked.verdicts.iter().map(|said: &CheckVerdict| {
        let mut verdict = said.verdict.clone();
        if verdict.outcome == Outcome::Fail && !verdict.enforce {
            // It refuses nothing, so it must not break a pipeline either.
            verdict.outcome = Outcome::Warn;
        }
        Told {
            verdict,
            policy_kind: String::new(),
            object: said.object.clone(),
            file: from_here(path, &said.file),
            place: said.place,
        }
    });
    let others = checked
        .findings
        .iter()
        .filter(|finding| finding.refusal.is_none());
    let others = others.map(|finding| {
        let file = from_here(path, &finding.file);
        let about = About {
            policy: "platform".to_owned(),
            hint: finding.hint.clone(),
            title: Some("What the platform can read and render".to_owned()),
            ..About::default()
        };
        Told {
            verdict: Verdict::of_trouble(about, format!("File/{file}"), finding.message.clone()),
            policy_kind: String::new(),
            object: json!({"kind": "File", "metadata": {"name": file}}),
            file,
            place: (finding.line.unwrap_or(1), finding.column.unwrap_or(1)),
        }
    });
    said.chain(others).collect()
}

fn annotations<'a>(path: &Path, checked: &'a Checked) -> Vec<Annotation<'a>> {
    let all = checked.findings.iter().map(|finding| (finding, true));
    let all = all.chain(checked.warnings.iter().map(|finding| (finding, false)));
    all.map(|(finding, refuses)| {
        let said = finding.refusal.as_ref();
        let hint = finding.hint.as_ref().map(|hint| format!("\n{hint}"));
        Annotation {
            file: from_here(path, &finding.file),
            line: finding.line.unwrap_or(1),
            column: finding.column.unwrap_or(1),
            refuses,
            check: said.map_or_else(
                || "platform".to_owned(),
                |said| format!("{}/{}", said.policy, said.rule),
            ),
            object: said.map_or("", |said| said.object.as_str()),
            message: format!("{}{}", finding.message, hint.unwrap_or_default()),
        }
    })
    .collect()
}

/// A file of what was checked, as seen from the current folder, where code hosts look.
fn from_here(path: &Path, file: &str) -> String {
    let whole = if path.is_dir() {
        path.join(file)
    } else {
        PathBuf::from(file)
    };
    let here = std::env::current_dir().unwrap_or_default();
    let whole = whole.strip_prefix(&here).unwrap_or(&whole);
    let parts = whole.components().filter(|part| *part != Component::CurDir);
    parts.collect::<PathBuf>().display().to_string()
}

fn text(checked: &Checked) -> String {
    let mut what = Vec::new();
    if checked.services > 0 || checked.objects == 0 {
        what.push(plural(checked.services, "service"));
    }
    if checked.objects > 0 {
        what.push(plural(checked.objects, "object"));
    }
    let what = what.join(" and ");
    let mut text = String::new();
    for finding in &checked.findings {
        text.push_str(&one(finding, ""));
    }
    for warning in &checked.warnings {
        text.push_str(&one(warning, "warning: "));
    }
    let warned = match checked.warnings.len() {
        0 => String::new(),
        count => format!(" {} that refuse nothing.", plural(count, "warning")),
    };
    if checked.findings.is_empty() {
        return format!("{text}{what} checked, all is well.{warned}\n");
    }
    format!(
        "{text}{what} checked, {} found.{warned}\n",
        plural(checked.findings.len(), "problem")
    )
}

pub(super) fn one(finding: &CheckFinding, kind: &str) -> String {
    let place = match finding.line {
        Some(line) => format!("{}:{line}", finding.file),
        None => finding.file.clone(),
    };
    let mut text = format!("{place}: {kind}{}\n", finding.message);
    if let Some(refusal) = &finding.refusal {
        let value = refusal
            .value
            .as_ref()
            .map(|v| format!(" = {v}"))
            .unwrap_or_default();
        let field = refusal
            .field
            .as_deref()
            .map(|f| format!("{f}{value}, in "))
            .unwrap_or_default();
        text = format!(
            "{text}  {}\n",
            format_args!(
                "{field}{}{}",
                refusal.object,
                refusal.path.as_deref().unwrap_or_default()
            )
        );
        if let Some(why) = &refusal.why {
            text = format!("{text}  why   {why}\n");
        }
    }
    if let Some(hint) = &finding.hint {
        text = format!("{text}  hint  {hint}\n");
    }
    text
}

pub(super) fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
