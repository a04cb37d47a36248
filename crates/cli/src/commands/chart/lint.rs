//! `platform chart lint`

use std::fmt::Write as _;
use std::path::Path;

use operations::{ExitCode, LintRequest, Linted, OperationError, lint_chart};

use super::super::printed;
use super::{given, reference};
use crate::args::{Global, Lint};
use crate::print::value;

pub(super) fn run(global: &Global, asked: Lint) -> Result<ExitCode, OperationError> {
    let request = LintRequest {
        chart: reference(asked.chart, asked.remote, Some(&asked.given))?,
        values: given(asked.given),
        kube_version: asked.kube_version,
        strict: asked.strict,
    };
    let linted = lint_chart(&request)?;
    printed(value(global.output, &linted, || text(&linted)))?;
    Ok(if linted.failed {
        ExitCode::Failed
    } else {
        ExitCode::Done
    })
}

fn text(linted: &Linted) -> String {
    let mut text = String::new();
    for finding in &linted.findings {
        let mut place = Path::new(&linted.chart).join(&finding.file).display().to_string();
        for number in [finding.line, finding.column].into_iter().flatten() {
            // Writing to a string cannot fail.
            let _ = write!(place, ":{number}");
        }
        let _ = writeln!(text, "{place}: {}: {}", finding.severity, finding.message);
        if let Some(hint) = &finding.hint {
            let _ = writeln!(text, "  hint  {hint}");
        }
    }
    let count = |severity: &str| {
        let count = linted
            .findings
            .iter()
            .filter(|finding| finding.severity == severity);
        let count = count.count();
        let plural = if count == 1 || severity == "info" { "" } else { "s" };
        (count > 0).then(|| format!("{count} {severity}{plural}"))
    };
    let counts: Vec<String> = ["error", "warning", "info"]
        .into_iter()
        .filter_map(count)
        .collect();
    let counts = if counts.is_empty() {
        "nothing found".to_owned()
    } else {
        counts.join(", ")
    };
    let verdict = if linted.failed { "it fails" } else { "all is well" };
    let _ = writeln!(text, "{}: {counts}; {verdict}.", linted.chart);
    text
}
