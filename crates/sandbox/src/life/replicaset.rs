//! ReplicaSets, and ReplicationControllers as they were called before: as many pods as asked for. After Kubernetes'
//! replica set controller, which looks after both as well.
//!
//! A pure function; knows nothing of clients.

use std::cmp::Reverse;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::change::{About, Change, Creation, Note, Plan, Target};
use super::kind::Kind;
use super::object::{
    self, annotation, condition, generation, is_true, labels, list, map, moment, name, number,
    remove_condition, seconds_after, set, set_condition, stamp, text,
};
use super::refusal::Refusal;
use super::selector;

/// The most pods made or deleted in one go.
const BURST: usize = 500;

/// What a set is looked at with.
pub(crate) struct Slice<'a> {
    /// Whether it is a ReplicaSet or a ReplicationController.
    pub(crate) kind: Kind,
    /// The set.
    pub(crate) set: &'a Value,
    /// The pods it controls.
    pub(crate) pods: Vec<&'a Value>,
    /// Why its pods cannot be made at present.
    pub(crate) refusal: Option<&'a Refusal>,
}

/// What is to be done for a set.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let (kind, set) = (slice.kind, slice.set);
    let mut plan = Plan::default();
    let about = About::new(kind, set);
    let active: Vec<&Value> = slice.pods.iter().copied().filter(|pod| is_active(pod)).collect();
    let wanted = usize::try_from(number(set, "/spec/replicas").unwrap_or(1)).unwrap_or_default();
    let minimum = number(set, "/spec/minReadySeconds").unwrap_or_default();

    let mut refused = None;
    if !object::deleting(set) {
        if active.len() < wanted {
            match slice.refusal {
                Some(refusal) => {
                    if let Some(again) = refusal.again {
                        plan.wake_at(again);
                    }
                    if refusal.say {
                        let message = format!("Error creating: {}", refusal.message);
                        plan.note(Note::warning(about.clone(), "FailedCreate", message).once());
                    }
                    refused = Some(refusal.message.as_str());
                }
                None => {
                    for _ in 0..(wanted - active.len()).min(BURST) {
                        plan.push(Change::Create(Box::new(Creation {
                            kind: Kind::Pod,
                            object: new_pod(kind, set),
                            done: Some(Note::normal(
                                about.clone(),
                                "SuccessfulCreate",
                                "Created pod: {name}",
                            )),
                            failed: Some(Note::warning(
                                about.clone(),
                                "FailedCreate",
                                "Error creating: {error}",
                            )),
                        })));
                    }
                }
            }
        } else if active.len() > wanted {
            let mut victims = active.clone();
            victims.sort_by_key(|pod| reluctance(pod));
            for pod in victims.into_iter().take((active.len() - wanted).min(BURST)) {
                plan.push(Change::Delete(Target::of(Kind::Pod, pod)));
                let message = format!("Deleted pod: {}", name(pod));
                plan.note(Note::normal(about.clone(), "SuccessfulDelete", message));
            }
        }
    }

    // Pods that come or go lead to the next look; a status in between would only be a write more.
    let moving = plan
        .changes
        .iter()
        .any(|change| matches!(change, Change::Create(_) | Change::Delete(_)));
    let leaving = slice.pods.iter().filter(|pod| object::deleting(pod)).count();
    // Only the newer kind tells of those.
    let leaving = (kind == Kind::ReplicaSet).then_some(leaving);
    let status = status(set, (&active, leaving), minimum, refused, now);
    if !moving && status != *object::status(set) {
        plan.push(Change::Status(kind, object::with_status(set, status)));
    }
    if let Some(next) = active
        .iter()
        .filter_map(|pod| available_at(pod, minimum))
        .filter(|at| *at > now)
        .min()
    {
        plan.wake_at(next);
    }
    plan
}

/// Not over and not on its way out.
pub(crate) fn is_active(pod: &Value) -> bool {
    !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") && !object::deleting(pod)
}

/// Does the pod say it is ready?
pub(crate) fn is_ready(pod: &Value) -> bool {
    is_true(object::status(pod), "Ready")
}

/// The moment from which a ready pod counts as available.
pub(crate) fn available_at(pod: &Value, minimum: i64) -> Option<Timestamp> {
    if !is_ready(pod) {
        return None;
    }
    if minimum <= 0 {
        return Some(Timestamp::UNIX_EPOCH);
    }
    let since =
        condition(object::status(pod), "Ready").and_then(|ready| moment(ready, "/lastTransitionTime"))?;
    Some(seconds_after(since, minimum))
}

/// A pod from the template of its owner; the API completes its name.
pub(crate) fn new_pod(kind: Kind, owner: &Value) -> Value {
    let template = owner.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    let mut pod = json!({
        "apiVersion": Kind::Pod.api_version(),
        "kind": Kind::Pod.name(),
        "metadata": {
            "generateName": format!("{}-", name(owner)),
            "namespace": object::namespace(owner),
            "ownerReferences": [object::owner_reference(kind, owner)],
        },
        "spec": template.get("spec"),
    });
    for key in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.get("metadata").and_then(|metadata| metadata.get(key)) {
            set(&mut pod, &["metadata", key], value.clone());
        }
    }
    set(
        &mut pod,
        &["metadata", "annotations", super::SIMULATED],
        json!("true"),
    );
    pod
}

/// Pods that serve least go first: unscheduled, pending, not ready, cheap to delete, youngest.
fn reluctance(pod: &Value) -> (bool, u8, bool, i64, Reverse<Timestamp>, String) {
    let phase = match text(pod, "/status/phase") {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    };
    let cost = annotation(pod, "controller.kubernetes.io/pod-deletion-cost")
        .parse()
        .unwrap_or_default();
    let scheduled = !text(pod, "/spec/nodeName").is_empty();
    (
        scheduled,
        phase,
        is_ready(pod),
        cost,
        Reverse(object::created(pod)),
        name(pod).to_owned(),
    )
}

fn status(
    set: &Value,
    (active, leaving): (&[&Value], Option<usize>),
    minimum: i64,
    refused: Option<&str>,
    now: Timestamp,
) -> Value {
    let template_labels = map(set, "/spec/template/metadata/labels");
    let count = |holds: &dyn Fn(&Value) -> bool| active.iter().filter(|pod| holds(pod)).count();
    let labelled = count(&|pod| template_labels.is_none_or(|pairs| selector::contains(pairs, labels(pod))));
    let ready = count(&is_ready);
    let available = count(&|pod| available_at(pod, minimum).is_some_and(|at| at <= now));

    let mut conditions = list(set, "/status/conditions").to_vec();
    match refused {
        Some(message) if !is_true(object::status(set), "ReplicaFailure") => set_condition(
            &mut conditions,
            json!({"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
                "lastTransitionTime": stamp(now)}),
        ),
        Some(_) => {}
        None => remove_condition(&mut conditions, "ReplicaFailure"),
    }

    let mut status = Map::new();
    // Kubernetes always shows these zeroes and leaves the others out.
    status.insert("replicas".to_owned(), json!(active.len()));
    if let Some(leaving) = leaving {
        status.insert("terminatingReplicas".to_owned(), json!(leaving));
    }
    for (key, value) in [
        ("fullyLabeledReplicas", labelled),
        ("readyReplicas", ready),
        ("availableReplicas", available),
    ] {
        if value > 0 {
            status.insert(key.to_owned(), json!(value));
        }
    }
    status.insert("observedGeneration".to_owned(), json!(generation(set)));
    if !conditions.is_empty() {
        status.insert("conditions".to_owned(), Value::Array(conditions));
    }
    Value::Object(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::told::{status_of, told};

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn set(replicas: i64) -> Value {
        json!({
            "metadata": {"name": "web-1", "namespace": "shop", "uid": "s", "generation": 2},
            "spec": {"replicas": replicas, "template": {
                "metadata": {"labels": {"app": "web"}, "annotations": {"note": "kept"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]}}},
        })
    }

    fn pod(name: &str, phase: &str, ready_since: Option<&str>) -> Value {
        let mut pod = json!({
            "metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"app": "web"},
                "creationTimestamp": "2026-01-01T11:00:00Z"},
            "spec": {"nodeName": "sandbox-1"},
            "status": {"phase": phase},
        });
        if let Some(since) = ready_since {
            pod["status"]["conditions"] =
                json!([{"type": "Ready", "status": "True", "lastTransitionTime": since}]);
        }
        pod
    }

    fn plan(set: &Value, pods: &[Value], refusal: Option<&Refusal>) -> Plan {
        desired(
            &Slice {
                kind: Kind::ReplicaSet,
                set,
                pods: pods.iter().collect(),
                refusal,
            },
            now(),
        )
    }

    const SINCE: Option<&str> = Some("2026-01-01T11:59:50Z");

    #[test]
    fn missing_pods_are_made() {
        let plan = plan(&set(2), &[], None);
        assert_eq!(told(&plan), ["create Pod web-1-*", "create Pod web-1-*"]);
        let Some(Change::Create(creation)) = plan.changes.first() else {
            panic!("{plan:?}")
        };
        assert_eq!(creation.object["metadata"]["labels"], json!({"app": "web"}));
        assert_eq!(
            creation.object["metadata"]["annotations"],
            json!({"note": "kept", "sandbox.towpath.dev/simulated": "true"})
        );
        assert_eq!(creation.object["spec"]["containers"][0]["image"], "web:1");
    }

    #[test]
    fn a_huge_number_is_made_in_bounded_steps() {
        assert_eq!(plan(&set(i64::MAX), &[], None).changes.len(), BURST);
        assert_eq!(told(&plan(&set(-5), &[], None)), ["status ReplicaSet web-1"]);
    }

    #[test]
    fn the_least_useful_pods_go_first() {
        let pods = [
            pod("ready", "Running", SINCE),
            pod("waiting", "Pending", None),
            pod("unready", "Running", None),
        ];
        let check = |replicas: i64, expect: &[&str]| {
            let lines = told(&plan(&set(replicas), &pods, None));
            let deleted: Vec<&str> = lines
                .iter()
                .filter_map(|line| line.strip_prefix("delete Pod "))
                .collect();
            assert_eq!(deleted, expect);
        };
        check(3, &[]);
        check(2, &["waiting"]);
        check(1, &["waiting", "unready"]);
        check(0, &["waiting", "unready", "ready"]);
    }

    #[test]
    fn pods_that_are_over_do_not_count() {
        let mut leaving = pod("leaving", "Running", SINCE);
        leaving["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:00Z");
        let pods = [
            leaving,
            pod("failed", "Failed", None),
            pod("good", "Running", SINCE),
        ];
        let plan = plan(&set(1), &pods, None);
        assert_eq!(told(&plan), ["status ReplicaSet web-1"]);
        assert_eq!(status_of(&plan)["replicas"], 1);
    }

    #[test]
    fn available_takes_a_while_when_asked_for() {
        let mut slow = set(1);
        slow["spec"]["minReadySeconds"] = json!(30);
        let plan = plan(&slow, &[pod("web", "Running", SINCE)], None);
        let status = status_of(&plan);
        assert_eq!(
            (&status["readyReplicas"], &status["availableReplicas"]),
            (&json!(1), &Value::Null)
        );
        assert_eq!(plan.wake, Some("2026-01-01T12:00:20Z".parse().unwrap()));
    }

    #[test]
    fn a_refusal_is_told_and_leads_to_a_condition() {
        let refusal = Refusal {
            message: "no such account".to_owned(),
            again: None,
            say: true,
        };
        let plan = plan(&set(2), &[], Some(&refusal));
        assert_eq!(
            told(&plan),
            [
                "! FailedCreate: Error creating: no such account",
                "status ReplicaSet web-1"
            ]
        );
        let failure = condition(&status_of(&plan), "ReplicaFailure").cloned().unwrap();
        assert_eq!(
            (text(&failure, "/reason"), text(&failure, "/message")),
            ("FailedCreate", "no such account")
        );
    }

    #[test]
    fn a_settled_set_is_left_alone() {
        let mut set = set(1);
        let pods = [pod("web", "Running", SINCE)];
        set["status"] = status_of(&plan(&set, &pods, None));
        assert_eq!(told(&plan(&set, &pods, None)), Vec::<String>::new());
    }
}
