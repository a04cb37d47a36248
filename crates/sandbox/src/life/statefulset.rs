//! StatefulSets: numbered pods with claims of their own, made in order and updated from the last to
//! the first. After Kubernetes' stateful set controller.
//!
//! A pure function; knows nothing of clients.

mod members;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::change::{About, Change, Creation, Note, Plan, Target};
use super::kind::Kind;
use super::object::{self, generation, label, name, number, text, uid};
use super::refusal::Refusal;
use super::replicaset::{available_at, is_ready};
use super::revisions::{self, Revisions};

/// The most pods made in one go where order does not matter.
const BURST: i64 = 500;

/// What a StatefulSet is looked at with.
pub(crate) struct Slice<'a> {
    /// The StatefulSet.
    pub(crate) set: &'a Value,
    /// The pods it controls.
    pub(crate) pods: Vec<&'a Value>,
    /// The ControllerRevisions it controls.
    pub(crate) revisions: Vec<&'a Value>,
    /// Is there a claim of this name in its namespace?
    pub(crate) claim_exists: &'a dyn Fn(&str) -> bool,
    /// Why its pods cannot be made at present.
    pub(crate) refusal: Option<&'a Refusal>,
}

/// What is to be done for a StatefulSet.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let set = slice.set;
    let mut plan = Plan::default();
    let revisions = Revisions::of(Kind::StatefulSet, set, &slice.revisions);
    let mut counts = Counts::of(slice, &revisions, now);

    if !object::deleting(set) {
        if revisions.fresh {
            plan.push(Change::Create(Box::new(Creation {
                kind: Kind::ControllerRevision,
                object: revisions.update.clone(),
                done: None,
                failed: None,
            })));
        } else if revisions.renumbered {
            plan.push(Change::Update(Kind::ControllerRevision, revisions.update.clone()));
        }
        step(slice, &revisions, now, &mut plan);
        let in_use = |revision: &Value| {
            let mut pods = slice.pods.iter();
            pods.any(|pod| label(pod, revisions::LABEL) == name(revision))
        };
        for idle in revisions::superfluous(set, &slice.revisions, &revisions, &in_use) {
            plan.push(Change::Delete(Target::of(Kind::ControllerRevision, idle)));
        }
    }

    // A pod that is being deleted does not hold its revision any more: the one that takes its place
    // is made from the new one.
    for change in &plan.changes {
        if let Change::Delete(target) = change
            && slice
                .pods
                .iter()
                .any(|pod| uid(pod) == target.uid && label(pod, revisions::LABEL) == name(&revisions.current))
        {
            counts.current -= 1;
        }
    }
    let status = counts.status(set, &revisions);
    if status != *object::status(set) {
        plan.push(Change::Status(
            Kind::StatefulSet,
            object::with_status(set, status),
        ));
    }
    let minimum = min_ready(set);
    if let Some(next) = slice
        .pods
        .iter()
        .filter_map(|pod| available_at(pod, minimum))
        .filter(|at| *at > now)
        .min()
    {
        plan.wake_at(next);
    }
    plan
}

fn min_ready(set: &Value) -> i64 {
    number(set, "/spec/minReadySeconds").unwrap_or_default()
}

fn replicas(set: &Value) -> i64 {
    number(set, "/spec/replicas")
        .unwrap_or(1)
        .clamp(0, i64::from(i32::MAX))
}

fn first_ordinal(set: &Value) -> i64 {
    number(set, "/spec/ordinals/start")
        .unwrap_or_default()
        .clamp(0, i64::from(i32::MAX))
}

fn partition(set: &Value) -> Option<i64> {
    number(set, "/spec/updateStrategy/rollingUpdate/partition")
}

fn is_on_delete(set: &Value) -> bool {
    text(set, "/spec/updateStrategy/type") == "OnDelete"
}

fn is_over(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

fn runs_ready(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running" && is_ready(pod)
}

/// The next step: pods that are missing, then pods too many, then pods of an old revision.
fn step(slice: &Slice<'_>, revisions: &Revisions, now: Timestamp, plan: &mut Plan) {
    let set = slice.set;
    let about = About::new(Kind::StatefulSet, set);
    let monotonic = text(set, "/spec/podManagementPolicy") != "Parallel";
    let minimum = min_ready(set);
    let available = |pod: &Value| {
        runs_ready(pod) && !object::deleting(pod) && available_at(pod, minimum).is_some_and(|at| at <= now)
    };

    let start = first_ordinal(set);
    let end = start + replicas(set);
    let mut condemned: Vec<(i64, &Value)> = Vec::new();
    let mut members: Vec<(i64, &Value)> = Vec::new();
    for pod in &slice.pods {
        match members::ordinal(set, pod) {
            Some(ordinal) if (start..end).contains(&ordinal) => members.push((ordinal, pod)),
            Some(ordinal) => condemned.push((ordinal, pod)),
            None => {}
        }
    }
    members.sort_by_key(|(ordinal, _)| *ordinal);
    condemned.sort_by_key(|(ordinal, _)| -ordinal);
    let first_unavailable = members
        .iter()
        .chain(condemned.iter().rev())
        .map(|(_, pod)| *pod)
        .find(|pod| !available(pod));

    let delete = |plan: &mut Plan, pod: &Value| {
        plan.push(Change::Delete(Target::of(Kind::Pod, pod)));
        let message = format!("Delete Pod {} in StatefulSet {} successful", name(pod), name(set));
        plan.note(Note::normal(about.clone(), "SuccessfulDelete", message));
    };

    let mut made = 0;
    let mut present = members.iter().peekable();
    for ordinal in start..end {
        let Some((_, pod)) = present.next_if(|(number, _)| *number == ordinal) else {
            if !make(slice, revisions, ordinal, &about, plan) {
                return;
            }
            made += 1;
            if monotonic || made >= BURST {
                return;
            }
            continue;
        };
        if is_over(pod) {
            if !object::deleting(pod) {
                delete(plan, pod);
            }
            if monotonic {
                return;
            }
            continue;
        }
        if text(pod, "/status/phase") == "Pending" {
            plan.changes
                .extend(members::missing_claims(set, name(pod), slice.claim_exists));
        }
        if monotonic && !available(pod) {
            return;
        }
    }

    for (_, pod) in &condemned {
        if object::deleting(pod) {
            if monotonic {
                return;
            }
            continue;
        }
        if monotonic && !available(pod) && first_unavailable.is_some_and(|first| name(first) != name(pod)) {
            return;
        }
        delete(plan, pod);
        if monotonic {
            return;
        }
    }

    if is_on_delete(set) || made > 0 {
        return;
    }
    let least = partition(set).unwrap_or_default();
    for (_, pod) in members.iter().rev().filter(|(ordinal, _)| *ordinal >= least) {
        let stale = label(pod, revisions::LABEL) != name(&revisions.update);
        if stale && !object::deleting(pod) {
            delete(plan, pod);
            return;
        }
        if !available(pod) {
            return;
        }
    }
}

/// Makes the claims and the pod with this number; false where it may not be made now.
fn make(slice: &Slice<'_>, revisions: &Revisions, ordinal: i64, about: &About, plan: &mut Plan) -> bool {
    let set = slice.set;
    if let Some(refusal) = slice.refusal {
        if let Some(again) = refusal.again {
            plan.wake_at(again);
        }
        if refusal.say {
            let (pod, set) = (format!("{}-{ordinal}", name(set)), name(set));
            let reason = &refusal.message;
            let message = format!("Create Pod {pod} in StatefulSet {set} failed error: {reason}");
            plan.note(Note::warning(about.clone(), "FailedCreate", message).once());
        }
        return false;
    }
    let keeps_current = !is_on_delete(set)
        && if let Some(partition) = partition(set).filter(|partition| *partition > 0) {
            ordinal < first_ordinal(set) + partition
        } else {
            let current = number(set, "/status/currentReplicas").unwrap_or_default();
            ordinal < first_ordinal(set) + current
        };
    let revision = if keeps_current {
        &revisions.current
    } else {
        &revisions.update
    };
    let pod = members::new_pod(set, revision, ordinal);
    plan.changes
        .extend(members::missing_claims(set, name(&pod), slice.claim_exists));
    let (pod_name, set_name) = (name(&pod).to_owned(), name(set));
    let done = format!("Create Pod {pod_name} in StatefulSet {set_name} successful");
    let failed = format!("Create Pod {pod_name} in StatefulSet {set_name} failed error: {{error}}");
    plan.push(Change::Create(Box::new(Creation {
        kind: Kind::Pod,
        object: pod,
        done: Some(Note::normal(about.clone(), "SuccessfulCreate", done)),
        failed: Some(Note::warning(about.clone(), "FailedCreate", failed)),
    })));
    true
}

#[derive(Default)]
struct Counts {
    replicas: i64,
    ready: i64,
    available: i64,
    current: i64,
    updated: i64,
}

impl Counts {
    fn of(slice: &Slice<'_>, revisions: &Revisions, now: Timestamp) -> Self {
        let mut counts = Self::default();
        let minimum = min_ready(slice.set);
        for pod in &slice.pods {
            counts.replicas += 1;
            if runs_ready(pod) {
                counts.ready += 1;
                counts.available += i64::from(available_at(pod, minimum).is_some_and(|at| at <= now));
            }
            if !object::deleting(pod) {
                let revision = label(pod, revisions::LABEL);
                counts.current += i64::from(revision == name(&revisions.current));
                counts.updated += i64::from(revision == name(&revisions.update));
            }
        }
        counts
    }

    fn status(&self, set: &Value, revisions: &Revisions) -> Value {
        let wanted = replicas(set);
        let complete =
            !is_on_delete(set) && self.updated == wanted && self.ready == wanted && self.replicas == wanted;
        let (current, current_revision) = if complete {
            (self.updated, name(&revisions.update))
        } else {
            (self.current, name(&revisions.current))
        };
        let mut status = Map::new();
        status.insert("observedGeneration".to_owned(), json!(generation(set)));
        status.insert("replicas".to_owned(), json!(self.replicas));
        status.insert("availableReplicas".to_owned(), json!(self.available));
        status.insert("collisionCount".to_owned(), json!(0));
        status.insert("currentRevision".to_owned(), json!(current_revision));
        status.insert("updateRevision".to_owned(), json!(name(&revisions.update)));
        for (key, value) in [
            ("readyReplicas", self.ready),
            ("currentReplicas", current),
            ("updatedReplicas", self.updated),
        ] {
            if value > 0 {
                status.insert(key.to_owned(), json!(value));
            }
        }
        Value::Object(status)
    }
}

#[cfg(test)]
mod tests;
