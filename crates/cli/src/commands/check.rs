//! `platform check`

use operations::{CheckFinding, Checked, ExitCode, OperationError, check};

use crate::args::{Check, Global};
use crate::print::talk::Talk;
use crate::print::value;

pub(super) fn run(talk: &Talk, global: &Global, request: &Check) -> Result<ExitCode, OperationError> {
    let checked = check(&request.path)?;
    super::printed(value(global.output, &checked, || text(talk, &checked)))?;
    Ok(if checked.refused() {
        ExitCode::Refused
    } else if checked.findings.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

fn text(talk: &Talk, checked: &Checked) -> String {
    let mut what = Vec::new();
    if checked.services > 0 || checked.objects == 0 {
        what.push(plural(checked.services, "service"));
    }
    if checked.objects > 0 {
        what.push(plural(checked.objects, "object"));
    }
    let what = what.join(" and ");
    if checked.findings.is_empty() {
        return format!("{what} checked, all is well.\n");
    }
    let mut text = String::new();
    for finding in &checked.findings {
        text.push_str(&one(talk, finding));
    }
    format!(
        "{text}{what} checked, {} found.\n",
        plural(checked.findings.len(), "problem")
    )
}

fn one(talk: &Talk, finding: &CheckFinding) -> String {
    let place = match finding.line {
        Some(line) => format!("{}:{line}", finding.file),
        None => finding.file.clone(),
    };
    let mut text = format!("{place}: {}\n", finding.message);
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
            talk.dim(&format!(
                "{field}{}{}",
                refusal.object,
                refusal.path.as_deref().unwrap_or_default()
            ))
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

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
