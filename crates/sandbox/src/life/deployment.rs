//! Deployments: one ReplicaSet a pod template, moved over by the strategy, with revisions to go back
//! to and conditions that say how it goes. After Kubernetes' deployment controller.
//!
//! A pure function; knows nothing of clients. One look moves things on as far as what is observed
//! allows; the ReplicaSets' statuses lead to the next look.

mod conditions;
mod history;
mod sizes;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::change::{About, Change, Creation, Note, Plan};
use super::kind::Kind;
use super::object::{self, list, map, name, number, set, text, truth};
use super::template_hash::template_hash;
use sizes::Sizes;

/// The label that ties a ReplicaSet and its pods to one template.
pub(crate) const HASH_LABEL: &str = "pod-template-hash";

/// What a Deployment is looked at with.
pub(crate) struct Slice<'a> {
    /// The Deployment.
    pub(crate) deployment: &'a Value,
    /// The ReplicaSets it controls.
    pub(crate) sets: Vec<&'a Value>,
    /// The pods of those ReplicaSets.
    pub(crate) pods: Vec<&'a Value>,
}

/// What is to be done for a Deployment.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let deployment = slice.deployment;
    let mut plan = Plan::default();
    if object::deleting(deployment) {
        return plan;
    }
    let about = About::new(Kind::Deployment, deployment);
    if !selects_something(deployment) {
        let message = "This deployment is selecting all pods. A non-empty selector is required.";
        plan.note(Note::warning(about, "SelectingAll", message).once());
        return plan;
    }

    let sizes = Sizes::of(deployment);
    let paused = truth(deployment, "/spec/paused");
    let mut sets = Sets::split(deployment, &slice.sets);
    let mut conditions = list(deployment, "/status/conditions").to_vec();
    conditions::pause(deployment, &mut conditions, now);

    let revision = history::next_revision(&sets.old);
    let mut made = None;
    let mut progress = false;
    let mut collision = false;
    if let Some(current) = &mut sets.current {
        history::annotate(deployment, current, revision);
        conditions::found(deployment, current, &mut conditions, now);
    }

    if paused || sizes::scaling_event(&sets, &sizes) {
        sizes::scale(deployment, &mut sets, &sizes);
    } else {
        progress = true;
        let recreate = text(deployment, "/spec/strategy/type") == "Recreate";
        let blocked = recreate && sizes::stop_old(&mut sets, &sizes, &slice.pods);
        if sets.current.is_none() && !blocked {
            let fresh = new_set(deployment, &sets, &sizes, revision);
            if slice.sets.iter().any(|set| name(set) == name(&fresh)) {
                collision = true;
            } else {
                conditions::created(deployment, &fresh, &mut conditions, now);
                made = Some(fresh);
            }
        } else if recreate && !blocked {
            sizes::fill_current(&mut sets, &sizes);
        } else if !recreate {
            sizes::roll(&mut sets, &sizes);
        }
    }

    for (before, after) in sets.pairs(&slice.sets) {
        if before == after {
            continue;
        }
        plan.push(Change::Update(Kind::ReplicaSet, after.clone()));
        let (from, to) = (sizes::wanted(before), sizes::wanted(after));
        if from != to {
            let direction = if to > from { "up" } else { "down" };
            let message = format!(
                "Scaled {direction} replica set {} from {from} to {to}",
                name(after)
            );
            plan.note(Note::normal(about.clone(), "ScalingReplicaSet", message));
        }
    }
    if let Some(fresh) = made {
        let size = sizes::wanted(&fresh);
        let message = format!("Scaled up replica set {{name}} from 0 to {size}");
        let failure = format!("Failed to create new replica set \"{}\": {{error}}", name(&fresh));
        plan.push(Change::Create(Box::new(Creation {
            kind: Kind::ReplicaSet,
            object: fresh,
            done: (size > 0).then(|| Note::normal(about.clone(), "ScalingReplicaSet", message)),
            failed: Some(Note::warning(about.clone(), "ReplicaSetCreateError", failure)),
        })));
    }

    let known_revision = sets.current.as_ref().map_or(revision, history::revision);
    let mut deployment_after = deployment.clone();
    if sets.current.is_some() || !paused {
        history::mark(&mut deployment_after, known_revision);
    }
    if deployment_after != *deployment {
        plan.push(Change::Update(Kind::Deployment, deployment_after.clone()));
    }

    let mut status = conditions::status(deployment, &sets, &sizes, conditions, progress, now);
    if collision {
        let collisions = number(deployment, "/status/collisionCount").unwrap_or_default();
        set(&mut status, &["collisionCount"], json!(collisions + 1));
    }
    if conditions::complete(deployment, &sizes, &status) || paused {
        for old in history::superfluous(deployment, &sets.old) {
            plan.push(Change::Delete(super::change::Target::of(Kind::ReplicaSet, old)));
        }
    }
    if let Some(deadline) = conditions::deadline(deployment, &sizes, &status) {
        plan.wake_at(deadline);
    }
    if status != *object::status(deployment) {
        plan.push(Change::Status(
            Kind::Deployment,
            object::with_status(&deployment_after, status),
        ));
    }
    plan
}

/// The ReplicaSets of a Deployment, as they will be: the one of its present template, and the others
/// from oldest to newest.
struct Sets {
    current: Option<Value>,
    old: Vec<Value>,
}

impl Sets {
    fn split(deployment: &Value, sets: &[&Value]) -> Self {
        let mut sorted: Vec<&Value> = sets.to_vec();
        sorted.sort_by_key(|set| (object::created(set), name(set).to_owned()));
        let template = bare_template(deployment);
        let current = sorted.iter().position(|set| bare_template(set) == template);
        let current = current.map(|index| sorted.remove(index).clone());
        Self {
            current,
            old: sorted.into_iter().cloned().collect(),
        }
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.old.iter().chain(&self.current)
    }

    /// Each set as it was and as it will be.
    fn pairs<'a>(&'a self, before: &'a [&'a Value]) -> impl Iterator<Item = (&'a Value, &'a Value)> {
        self.all().filter_map(move |after| {
            let before = before.iter().find(|set| name(set) == name(after))?;
            Some((*before, after))
        })
    }
}

fn selects_something(deployment: &Value) -> bool {
    map(deployment, "/spec/selector/matchLabels").is_some_and(|labels| !labels.is_empty())
        || !list(deployment, "/spec/selector/matchExpressions").is_empty()
}

/// The pod template without the hash label.
fn bare_template(workload: &Value) -> Value {
    let mut template = workload.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    if let Some(labels) = template
        .pointer_mut("/metadata/labels")
        .and_then(Value::as_object_mut)
    {
        labels.remove(HASH_LABEL);
    }
    template
}

fn new_set(deployment: &Value, sets: &Sets, sizes: &Sizes, revision: i64) -> Value {
    let collisions = number(deployment, "/status/collisionCount").unwrap_or_default();
    let template = deployment
        .pointer("/spec/template")
        .cloned()
        .unwrap_or(Value::Null);
    let hash = template_hash(&template, collisions);
    let hash_value = Value::String(hash.clone());

    let mut labelled = template;
    set(
        &mut labelled,
        &["metadata", "labels", HASH_LABEL],
        hash_value.clone(),
    );
    let mut selector = deployment
        .pointer("/spec/selector")
        .cloned()
        .unwrap_or(Value::Null);
    set(&mut selector, &["matchLabels", HASH_LABEL], hash_value);

    let mut fresh = json!({
        "apiVersion": Kind::ReplicaSet.api_version(),
        "kind": Kind::ReplicaSet.name(),
        "metadata": {
            "name": set_name(name(deployment), &hash),
            "namespace": object::namespace(deployment),
            "labels": labelled.pointer("/metadata/labels"),
            "ownerReferences": [object::owner_reference(Kind::Deployment, deployment)],
        },
        "spec": {
            "replicas": sizes::room_for_new(sets, sizes),
            "selector": selector,
            "template": labelled,
        },
    });
    if let Some(seconds) = number(deployment, "/spec/minReadySeconds").filter(|seconds| *seconds > 0) {
        set(&mut fresh, &["spec", "minReadySeconds"], json!(seconds));
    }
    history::annotate(deployment, &mut fresh, revision);
    sizes::annotate(&mut fresh, sizes);
    fresh
}

/// Names are held to what a pod's label can carry, as Kubernetes does.
fn set_name(deployment: &str, hash: &str) -> String {
    let room = 253usize.saturating_sub(hash.len() + 1);
    let kept: String = deployment.chars().take(room).collect();
    format!("{kept}-{hash}")
}

#[cfg(test)]
mod tests;
