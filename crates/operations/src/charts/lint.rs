//! Looking through a chart for what is wrong, or could be better.

use chart::{Finding, Severity, lint};
use serde::Serialize;

use super::template::{capabilities, surroundings};
use super::{ChartReference, ChartValues, find_chart};
use crate::error::OperationError;

/// Which chart to look through, and with what.
#[derive(Clone, Debug, Default)]
pub struct LintRequest {
    /// The chart.
    pub chart: ChartReference,
    /// Its values.
    pub values: ChartValues,
    /// The version of Kubernetes it is told of.
    pub kube_version: Option<String>,
    /// Warnings count as errors.
    pub strict: bool,
}

/// What was found in a chart.
#[derive(Debug, Serialize)]
pub struct Linted {
    /// The chart, as it was named.
    pub chart: String,
    /// What was found.
    pub findings: Vec<LintFinding>,
    /// Whether what was found is bad enough to fail.
    pub failed: bool,
}

/// One finding.
#[derive(Debug, Serialize)]
pub struct LintFinding {
    /// `error`, `warning` or `info`.
    pub severity: &'static str,
    /// The file, by its path in the chart; empty for the chart as a whole.
    pub file: String,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The column, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// Looks through a chart.
pub fn lint_chart(request: &LintRequest) -> Result<Linted, OperationError> {
    let values = request.values.read()?;
    let capabilities = capabilities(request.kube_version.as_deref(), &[])?;
    let files = find_chart(&request.chart)?;
    let findings = lint(&files, &values, &capabilities, &surroundings());
    let bound = if request.strict {
        Severity::Warning
    } else {
        Severity::Error
    };
    Ok(Linted {
        chart: request.chart.place.clone(),
        failed: findings.iter().any(|finding| finding.severity >= bound),
        findings: findings.into_iter().map(shown).collect(),
    })
}

fn shown(finding: Finding) -> LintFinding {
    LintFinding {
        severity: match finding.severity {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
        },
        file: finding.file,
        line: finding.line,
        column: finding.column,
        message: finding.message,
        hint: finding.hint,
    }
}
