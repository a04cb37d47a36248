//! `platform policy impact`

use operations::{
    Catalog, Effect, ExitCode, Impact, ImpactCounts, ImpactRequest, OperationError, Stage, policy_impact,
};

use super::super::check::{one, plural};
use super::super::printed;
use super::now;
use crate::args::{Global, PolicyImpact, PolicyStage};
use crate::print::{table, value};
use crate::session::catalog;

/// How many reasons are shown to people.
const SHOWN: usize = 10;

pub(super) fn run(global: &Global, asked: PolicyImpact) -> Result<ExitCode, OperationError> {
    let catalog = match &asked.repository {
        Some(folder) => Catalog::of_folder(folder)?,
        None => catalog(global)?,
    };
    let request = ImpactRequest {
        policy: asked.policy,
        stage: asked.stage.map(|stage| match stage {
            PolicyStage::Off => Stage::Off,
            PolicyStage::Audit => Stage::Audit,
            PolicyStage::Warn => Stage::Warn,
            PolicyStage::Enforce => Stage::Enforce,
        }),
        environment: asked.environment,
        now: now(),
    };
    let impact = policy_impact(&catalog, &request)?;
    printed(value(global.output, &impact, || text(&impact)))?;
    Ok(if impact.counts.refused > 0 {
        ExitCode::Refused
    } else if impact.unknown.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

fn text(impact: &Impact) -> String {
    let ImpactCounts {
        services,
        refused,
        warned,
        reported,
    } = impact.counts;
    let policies = impact.policies.join(", ");
    let stage = impact.stage.map_or_else(
        || "as it is".to_owned(),
        |stage| format!("at stage {}", stage.word()),
    );
    let place = impact
        .environment
        .as_ref()
        .map(|name| format!(" in {name}"))
        .unwrap_or_default();
    let mut text = format!(
        "{policies} {stage}{place}: of {}, {refused} would be refused, {warned} warned of, {reported} reported.\n",
        plural(services, "service"),
    );
    if !impact.unknown.is_empty() {
        text = format!(
            "{text}{} cannot be rendered, so nothing is known of that.\n",
            plural(impact.unknown.len(), "service")
        );
    }
    if refused + warned + reported > 0 {
        let rows: Vec<Vec<String>> = impact
            .teams
            .iter()
            .map(|team| {
                let counts = &team.counts;
                let numbers = [counts.services, counts.refused, counts.warned, counts.reported];
                let names = [team.team.clone(), team.environment.clone()];
                names
                    .into_iter()
                    .chain(numbers.map(|number| number.to_string()))
                    .collect()
            })
            .collect();
        let head = ["TEAM", "ENVIRONMENT", "SERVICES", "REFUSED", "WARNED", "REPORTED"];
        text = format!("{text}\n{}\n", table(&head, &rows).trim_end());
    }
    let reasons = impact.findings.iter().take(SHOWN).map(|found| {
        let effect = match found.effect {
            Effect::Refused => "refused: ",
            Effect::Warned => "warned: ",
            Effect::Reported => "reported: ",
        };
        one(&found.finding, effect)
    });
    let unknown = impact
        .unknown
        .iter()
        .take(SHOWN)
        .map(|finding| one(finding, "unknown: "));
    let reasons: String = reasons.chain(unknown).collect();
    if !reasons.is_empty() {
        text = format!("{text}\n{reasons}");
    }
    let more = impact.findings.len().saturating_sub(SHOWN) + impact.unknown.len().saturating_sub(SHOWN);
    if more > 0 {
        text = format!("{text}and {more} more: -o json has all\n");
    }
    format!("{text}{}", change(impact))
}

/// What to do for the stage.
fn change(impact: &Impact) -> String {
    let source = match impact.source.strip_prefix("shipped/") {
        Some(file) => format!("a copy of policies/{file} in platform/policies/{file}"),
        None => impact.source.clone(),
    };
    match impact.stage {
        None => String::new(),
        Some(Stage::Off) if impact.environment.is_none() => {
            format!("\nTo do that, take the policy out of platform/policies ({source}).\n")
        }
        Some(_) if impact.change.is_empty() => "\nThe policy has that stage.\n".to_owned(),
        Some(_) => {
            let fields: String = impact
                .change
                .iter()
                .map(|set| match &set.value {
                    serde_json::Value::Null => format!("  {}  (take it out)\n", set.field),
                    serde_json::Value::String(text) => format!("  {}: {text}\n", set.field),
                    value => format!("  {}: {value}\n", set.field),
                })
                .collect();
            format!("\nTo do that, set in {source}:\n{fields}")
        }
    }
}
