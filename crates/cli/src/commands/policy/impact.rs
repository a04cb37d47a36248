//! `platform policy impact`

use operations::{
    Catalog, CheckFinding, ClusterImpact, Effect, ExitCode, Impact, ImpactCounts, ImpactException,
    ImpactRequest, OperationError, PolicyCluster, Stage, installation, policy_impact,
};

use super::super::check::{one, plural};
use super::super::printed;
use super::now;
use crate::args::{Global, PolicyImpact, PolicyStage};
use crate::print::talk::Talk;
use crate::print::{table, value};
use crate::session::{catalog, connect};

/// How many reasons are shown to people.
const SHOWN: usize = 10;

pub(super) fn run(talk: &Talk, global: &Global, asked: PolicyImpact) -> Result<ExitCode, OperationError> {
    // Kept until the end: the policy may ask the cluster, too.
    let runtime = crate::runtime()?;
    let (cluster, installed) = match &global.context {
        None => (None, None),
        Some(name) => {
            let client = runtime.block_on(connect(name))?;
            let installed = runtime.block_on(installation(&client))?;
            let cluster = PolicyCluster::look(client, runtime.handle().clone())?;
            (Some(cluster), installed)
        }
    };
    let catalog = match &asked.repository {
        Some(folder) => Catalog::of_folder(folder)?,
        None => match catalog(global) {
            Err(OperationError::NotFound { name, .. }) if cluster.is_some() => {
                talk.say(&format!(
                    "warning: there is no {name}, so only the objects of the cluster are judged; --repository FOLDER adds services"
                ));
                Catalog::of_nothing(installed.map(|installed| installed.group))
            }
            other => other?,
        },
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
    let impact = policy_impact(&catalog, cluster.as_ref(), &request)?;
    let context = global.context.as_deref().unwrap_or_default();
    printed(value(global.output, &impact, || {
        format!(
            "{}{}{}{}",
            fleet(&impact),
            impact
                .cluster
                .as_ref()
                .map(|there| objects(there, context))
                .unwrap_or_default(),
            exceptions(&impact.exceptions),
            change(&impact)
        )
    }))?;
    let there = impact.cluster.as_ref();
    Ok(
        if impact.counts.refused + there.map_or(0, |there| there.refused) > 0 {
            ExitCode::Refused
        } else if impact.unknown.is_empty() && there.is_none_or(|there| there.unknown.is_empty()) {
            ExitCode::Done
        } else {
            ExitCode::Failed
        },
    )
}

/// What becomes of the services in Git.
fn fleet(impact: &Impact) -> String {
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
    let shown = impact.findings.iter().take(SHOWN);
    let reasons = shown.map(|found| one(&found.finding, word(found.effect)));
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
    text
}

/// What becomes of the objects of a cluster.
fn objects(there: &ClusterImpact, context: &str) -> String {
    let ClusterImpact {
        objects,
        refused,
        warned,
        reported,
        ..
    } = there;
    let mut text = format!(
        "\nIn the cluster of context {context}, if it were written again: of {}, {refused} would be refused, {warned} warned of, {reported} reported.\n",
        plural(*objects, "object")
    );
    for error in &there.unknown {
        text = format!("{text}Nothing is known of some: {error}\n");
    }
    if !there.findings.is_empty() {
        text.push('\n');
    }
    for found in there.findings.iter().take(SHOWN) {
        let place = match (&found.team, &found.environment) {
            (Some(team), Some(environment)) => format!("{team}/{environment}"),
            _ if found.namespace.is_empty() => "the whole cluster".to_owned(),
            _ => format!("namespace {}", found.namespace),
        };
        let service = found.service.as_ref().map(|name| format!(" service {name}"));
        let finding = CheckFinding {
            message: format!("{}: {}", found.refusal.policy, found.refusal.message),
            hint: found.refusal.hint.clone(),
            refusal: Some(found.refusal.clone()),
            ..CheckFinding::at(&format!("{place}{}", service.unwrap_or_default()))
        };
        text.push_str(&one(&finding, word(found.effect)));
    }
    if there.findings.len() > SHOWN {
        text = format!("{text}and more: -o json has the first thousand\n");
    }
    text
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Refused => "refused: ",
        Effect::Warned => "warned: ",
        Effect::Reported => "reported: ",
    }
}

/// Who answers for what is let through, and until when.
fn exceptions(all: &[ImpactException]) -> String {
    if all.is_empty() {
        return String::new();
    }
    let said = |text: &Option<String>| text.clone().unwrap_or_else(|| "not said".to_owned());
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            vec![
                one.name.clone(),
                said(&one.owner),
                said(&one.expires),
                one.lets_through.to_string(),
                said(&one.reason),
            ]
        })
        .collect();
    let head = ["EXCEPTION", "OWNER", "LAST DAY", "LETS THROUGH", "REASON"];
    format!("\n{}\n", table(&head, &rows).trim_end())
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
