//! A Team becomes its boundaries: one namespace with quota, limits and network rules for each environment.

use api::{Capabilities, Group, Quota, Team};
use serde_json::{Map, Value, json};

use crate::error::ExpandError;
use crate::expand::{GoldenPath, refuse_problems};
use crate::place::Place;

/// The objects of a team's boundaries, namespace first for each environment.
pub fn expand_team(group: &Group, team: &Team, path: &GoldenPath) -> Result<Vec<Value>, ExpandError> {
    let name = team.metadata.name.as_deref().unwrap_or_default();
    let what = format!("Team {name}");
    refuse_problems(what.clone(), team.spec.problems(name))?;
    let mut objects = Vec::new();
    for environment in &team.spec.environments {
        let place = Place::of(name, &environment.name);
        let values = json!({
            "team": name,
            "environment": environment.name,
            "namespace": place.namespace,
            "labelDomain": group.as_str(),
            "quota": quota(&environment.quota),
            "groups": team.spec.groups,
            "workloads": team.spec.workloads.unwrap_or_default().as_str(),
            "hosts": team.spec.hosts,
            "network": network(team),
        });
        objects.extend(path.render(&what, name, &place.namespace, &values, &Capabilities::default())?);
    }
    Ok(objects)
}

fn network(team: &Team) -> Value {
    let network = team.spec.network.clone().unwrap_or_default();
    json!({
        "allowFrom": network.allow_from,
        "mesh": network.mesh.map(api::Mesh::as_str).unwrap_or_default(),
    })
}

/// Only what the team says; the chart has the defaults.
fn quota(quota: &Quota) -> Value {
    let given = [
        ("requests.cpu", quota.requests_cpu.as_ref().map(|q| json!(q))),
        (
            "requests.memory",
            quota.requests_memory.as_ref().map(|q| json!(q)),
        ),
        ("limits.cpu", quota.limits_cpu.as_ref().map(|q| json!(q))),
        ("limits.memory", quota.limits_memory.as_ref().map(|q| json!(q))),
        ("pods", quota.pods.map(|n| json!(n.to_string()))),
    ];
    let given = given
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    Value::Object(given.collect::<Map<_, _>>())
}
