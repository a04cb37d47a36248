//! The reconcile of a Team: its boundaries, one namespace for each environment.

use std::time::Duration;

use api::{Kind, MANAGER_OPERATOR, Team, TeamStatus, condition, set_condition};
use apply::{ApplySet, Prune, Tracking};
use expansion::{Place, expand_team};
use kube::api::{Patch, PatchParams};
use kube::runtime::controller::Action;
use kube::{Api, ResourceExt};
use provision::recast;
use serde_json::json;

use crate::context::Context;
use crate::error::OperatorError;

/// A boundary is looked at again this much later, in case somebody bent it.
const RESYNC: Duration = Duration::from_mins(5);

/// Makes a team's boundaries true and writes the team's status.
///
/// Nothing of a boundary is ever pruned: a namespace may hold services and data, and a quota or a network rule
/// that goes away opens what it closed.
pub(crate) async fn reconcile(context: &Context, team: &Team) -> Result<Action, OperatorError> {
    if team.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    let name = team.name_any();
    let before = team.status.clone().unwrap_or_default();
    let mut status = before.clone();
    let outcome = boundaries(context, team, &mut status).await;
    let generation = team.metadata.generation;
    let now = jiff::Timestamp::now().to_string();
    let ready = match &outcome {
        Ok(words) => condition("Ready", "True", "BoundariesStand", words.clone()),
        Err(why) => condition("Ready", "False", "BoundariesFail", why.clone()),
    };
    status.observed_generation = generation;
    set_condition(&mut status.conditions, ready, generation, &now);
    if status != before {
        write_status(context, &name, &status).await?;
    }
    Ok(Action::requeue(RESYNC))
}

async fn boundaries(context: &Context, team: &Team, status: &mut TeamStatus) -> Result<String, String> {
    let name = team.name_any();
    let path = expansion::builtin::golden_path("team").map_err(|error| error.to_string())?;
    let objects = expand_team(&context.group, team, &path).map_err(|error| error.to_string())?;
    let tracking = Tracking::new(context.group.annotation_tracking(), format!("team-{name}"));
    let mut set = ApplySet::new(MANAGER_OPERATOR, tracking, objects);
    set.inventory = recast(&status.inventory);
    set.prune = Prune::Never;
    set.force = true;
    let applied = context.applier.apply(&set).await;
    status.inventory = recast(&applied.inventory);
    if let Some((object, problem)) = applied.problems().next() {
        return Err(format!("{object} cannot be applied: {problem}"));
    }
    status.namespaces = team
        .spec
        .environments
        .iter()
        .map(|e| Place::of(&name, &e.name).namespace)
        .collect();
    Ok(match status.namespaces.len() {
        1 => "1 namespace".to_owned(),
        count => format!("{count} namespaces"),
    })
}

async fn write_status(context: &Context, name: &str, status: &TeamStatus) -> Result<(), OperatorError> {
    let api: Api<Team> = Api::all_with(context.client.clone(), &context.group.resource(Kind::Team));
    let patch = json!({
        "apiVersion": context.group.api_version(),
        "kind": Kind::Team.as_str(),
        "metadata": {"name": name},
        "status": status,
    });
    let parameters = PatchParams::apply(MANAGER_OPERATOR).force();
    match api.patch_status(name, &parameters, &Patch::Apply(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(OperatorError::cluster(format!("write the status of team {name}"))(error)),
    }
}
