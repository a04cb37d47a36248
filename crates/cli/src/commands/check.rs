//! `platform check`

use operations::{CheckFinding, Checked, ExitCode, OperationError, check};

use crate::args::{Check, Global};
use crate::print::value;

pub(super) fn run(global: &Global, request: &Check) -> Result<ExitCode, OperationError> {
    let checked = check(&request.path)?;
    super::printed(value(global.output, &checked, || text(&checked)))?;
    Ok(if checked.refused() {
        ExitCode::Refused
    } else if checked.findings.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
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
