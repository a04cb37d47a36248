//! `platform policy …`

use operations::{
    ExitCode, OperationError, PolicyTestRequest, PolicyTested, TestRow, TestedSuite, test_policies,
};

use super::{print_exact, print_text, printed};
use crate::args::{Global, Output, Policy, PolicyTest};
use crate::print::talk::Talk;
use crate::print::{plain, table, value};

mod apply;
mod impact;
mod rows;

pub(super) fn run(talk: &Talk, global: &Global, command: Policy) -> Result<ExitCode, OperationError> {
    match command {
        Policy::Test(asked) => test(talk, global, asked),
        Policy::Apply(asked) => apply::run(talk, global, &asked),
        Policy::Impact(asked) => impact::run(talk, global, asked),
    }
}

/// Refuses what would reach out.
fn stay_here(talk: &Talk, branch: Option<&str>, registry: bool) -> Result<(), OperationError> {
    if registry {
        talk.say("warning: no registry is asked; what policies want to know of images is unknown here");
    }
    match branch {
        None => Ok(()),
        Some(_) => Err(OperationError::invalid_hint(
            "repositories are not fetched, so there is no branch to choose",
            "git clone --branch it first, then give the folder",
        )),
    }
}

pub(super) fn now() -> (i64, u32) {
    let now = jiff::Timestamp::now();
    (
        now.as_second(),
        u32::try_from(now.subsec_nanosecond()).unwrap_or_default(),
    )
}

fn test(talk: &Talk, global: &Global, asked: PolicyTest) -> Result<ExitCode, OperationError> {
    stay_here(talk, asked.git_branch.as_deref(), asked.registry)?;
    let format = asked.output_format.as_deref().or(match global.output {
        Output::Json => Some("json"),
        Output::Yaml => Some("yaml"),
        Output::Table => None,
        Output::Other(other) => Some(other),
    });
    if let Some(format) = format.filter(|format| !["json", "yaml", "markdown", "junit"].contains(format)) {
        return Err(OperationError::invalid_hint(
            format!("results cannot be printed as {format}"),
            "table, json, yaml, markdown or junit",
        ));
    }
    let request = PolicyTestRequest {
        folders: asked.folders,
        file_name: asked.file_name,
        selector: asked.selector,
        require_tests: asked.require_tests,
        now: Some(now()),
    };
    let mut tested = test_policies(&request)?;
    for suite in &tested.suites {
        for warning in &suite.warnings {
            talk.say(&format!("warning: {warning}"));
        }
    }
    if asked.fail_only {
        for suite in &mut tested.suites {
            suite.rows.retain(|row| !row.ok);
        }
        tested.suites.retain(|suite| !suite.rows.is_empty());
    }
    match format {
        Some("json") => printed(value(Output::Json, &tested, String::new))?,
        Some("yaml") => printed(value(Output::Yaml, &tested, String::new))?,
        Some("markdown") => print_exact(&rows::markdown(&tested, asked.detailed_results))?,
        Some("junit") => print_exact(&rows::junit(&tested))?,
        _ => print_text(&text(&tested, asked.fail_only, asked.detailed_results))?,
    };
    Ok(if tested.failed > 0 {
        ExitCode::Failed
    } else {
        ExitCode::Done
    })
}

fn text(tested: &PolicyTested, fail_only: bool, detailed: bool) -> String {
    let mut text = String::new();
    for suite in &tested.suites {
        text.push_str(&suite_text(suite, detailed));
    }
    let all = tested.passed + tested.skipped + tested.failed;
    let summary = if all == 0 {
        "No test yamls available".to_owned()
    } else if fail_only {
        format!("Test Summary: {} out of {all} tests failed", tested.failed)
    } else {
        format!(
            "Test Summary: {} tests passed and {} tests failed",
            tested.passed + tested.skipped,
            tested.failed
        )
    };
    format!("{text}{summary}\n")
}

fn suite_text(suite: &TestedSuite, detailed: bool) -> String {
    let name = if suite.name.is_empty() {
        String::new()
    } else {
        format!(" ({})", suite.name)
    };
    let mut head = vec!["ID", "POLICY", "RULE", "RESOURCE", "RESULT", "REASON"];
    if detailed {
        head.push("MESSAGE");
    }
    let cells = |(index, row): (usize, &TestRow)| {
        let mut cells = vec![
            (index + 1).to_string(),
            row.policy.clone(),
            row.rule.clone(),
            row.resource.clone(),
            if row.ok { "Pass" } else { "Fail" }.to_owned(),
            row.reason.clone(),
        ];
        if detailed {
            cells.push(plain::begin(&row.message).into_owned());
        }
        cells
    };
    let rows: Vec<Vec<String>> = suite.rows.iter().enumerate().map(cells).collect();
    format!("{}{name}\n{}\n", suite.file, table(&head, &rows))
}
