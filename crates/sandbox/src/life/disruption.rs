//! PodDisruptionBudgets: how many of the pods they choose may be taken away. After Kubernetes' disruption
//! controller; the API itself refuses an eviction that a budget has no room for.
//!
//! A pure function.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::change::{About, Change, Note, Plan};
use super::kind::Kind;
use super::object::{
    self, condition, controller, deleting, generation, list, map, moment, name, number, seconds_after,
    set_condition, stamp, text,
};
use super::replicaset::is_ready;

const CONDITION: &str = "DisruptionAllowed";
/// How long an evicted pod may take to go before it counts as staying.
const TIMEOUT: i64 = 120;

/// What a PodDisruptionBudget is looked at with.
pub(crate) struct Slice<'a> {
    /// The budget.
    pub(crate) budget: &'a Value,
    /// The pods its selector chooses.
    pub(crate) pods: Vec<&'a Value>,
    /// The uid of what a pod is scaled by, and how many there should be; none where it is not scaled.
    pub(crate) scale: &'a dyn Fn(&Value) -> Option<(String, i64)>,
}

/// What is to be done for a budget.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let budget = slice.budget;
    let mut plan = Plan::default();
    if deleting(budget) {
        return plan;
    }
    let about = About::new(Kind::PodDisruptionBudget, budget);
    if slice.pods.is_empty() {
        plan.note(Note::normal(about.clone(), "NoPods", "No matching pods found").once());
    }
    let status = match expectation(slice, &about, &mut plan) {
        Ok((expected, wanted)) => counted(slice, expected, wanted, now, &mut plan),
        Err(why) => {
            let message = format!("Failed to calculate the number of expected pods: {why}");
            plan.note(Note::warning(about, "CalculateExpectedPodCountFailed", message).once());
            failed(budget, &why, now)
        }
    };
    if status != *object::status(budget) {
        plan.push(Change::Status(
            Kind::PodDisruptionBudget,
            object::with_status(budget, status),
        ));
    }
    plan
}

/// How many pods there should be, and how many of them must be healthy.
fn expectation(slice: &Slice<'_>, about: &About, plan: &mut Plan) -> Result<(i64, i64), String> {
    let spec = slice.budget.get("spec").unwrap_or(&Value::Null);
    let given = |field: &str| spec.get(field).filter(|value| !value.is_null());
    if let Some(most) = given("maxUnavailable") {
        let expected = expected_scale(slice, about, plan)?;
        return Ok((expected, (expected - share(most, expected)?).max(0)));
    }
    let Some(least) = given("minAvailable") else {
        return Ok((0, 0));
    };
    if let Some(least) = least.as_i64() {
        return Ok((slice.pods.len() as i64, least));
    }
    let expected = expected_scale(slice, about, plan)?;
    Ok((expected, share(least, expected)?))
}

/// How many pods those who make them were asked for.
fn expected_scale(slice: &Slice<'_>, about: &About, plan: &mut Plan) -> Result<i64, String> {
    let mut scales: Vec<(String, i64)> = Vec::new();
    let mut unmanaged = false;
    for pod in &slice.pods {
        if list(pod, "/metadata/ownerReferences")
            .iter()
            .all(|owner| !object::truth(owner, "/controller"))
        {
            unmanaged = true;
            continue;
        }
        let scale = (slice.scale)(pod).ok_or_else(|| {
            let owner =
                controller(pod).map_or("its owner".to_owned(), |(kind, name, _)| format!("{kind} {name}"));
            format!("pod \"{}\" belongs to {owner}, which has no scale", name(pod))
        })?;
        if !scales.contains(&scale) {
            scales.push(scale);
        }
    }
    if unmanaged {
        let selector = slice.budget.pointer("/spec/selector").unwrap_or(&Value::Null);
        let message = format!(
            "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a \
             result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. \
             To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value."
        );
        plan.note(Note::warning(about.clone(), "UnmanagedPods", message).once());
    }
    Ok(scales
        .iter()
        .fold(0, |sum: i64, (_, scale)| sum.saturating_add(*scale)))
}

fn share(value: &Value, whole: i64) -> Result<i64, String> {
    object::share(value, whole).ok_or_else(|| format!("{value} is neither a number nor a percentage"))
}

fn counted(slice: &Slice<'_>, expected: i64, wanted: i64, now: Timestamp, plan: &mut Plan) -> Value {
    let budget = slice.budget;
    let mut disrupted = Map::new();
    let mut healthy = 0;
    for pod in slice.pods.iter().filter(|pod| !deleting(pod)) {
        let evicted = map(budget, "/status/disruptedPods").and_then(|pods| pods.get(name(pod)));
        let until = evicted
            .and_then(|since| moment(since, ""))
            .map(|since| seconds_after(since, TIMEOUT));
        match (evicted, until) {
            (Some(since), Some(until)) if until > now => {
                disrupted.insert(name(pod).to_owned(), since.clone());
                plan.wake_at(until);
            }
            _ => healthy += i64::from(is_ready(pod)),
        }
    }
    let allowed = if expected > 0 {
        (healthy - wanted).max(0)
    } else {
        0
    };
    let mut status = json!({
        "currentHealthy": healthy, "desiredHealthy": wanted, "disruptionsAllowed": allowed, "expectedPods": expected,
        "observedGeneration": generation(budget),
    });
    if !disrupted.is_empty() {
        status["disruptedPods"] = Value::Object(disrupted);
    }
    let why = if allowed > 0 {
        ("SufficientPods", "")
    } else {
        ("InsufficientPods", "")
    };
    status["conditions"] = conditions(budget, allowed > 0, why, now);
    status
}

/// Nothing may go while it is not known what must stay.
fn failed(budget: &Value, why: &str, now: Timestamp) -> Value {
    let known = |field: &str| number(budget, &format!("/status/{field}")).unwrap_or_default();
    let mut status = json!({"disruptionsAllowed": 0, "observedGeneration": generation(budget)});
    for field in ["currentHealthy", "desiredHealthy", "expectedPods"] {
        status[field] = json!(known(field));
    }
    status["conditions"] = conditions(budget, false, ("SyncFailed", why), now);
    status
}

fn conditions(budget: &Value, allowed: bool, (reason, message): (&str, &str), now: Timestamp) -> Value {
    let holds = if allowed { "True" } else { "False" };
    let known = condition(object::status(budget), CONDITION).filter(|known| text(known, "/status") == holds);
    let since = known.map_or_else(
        || stamp(now),
        |known| text(known, "/lastTransitionTime").to_owned(),
    );
    let mut conditions = list(budget, "/status/conditions").to_vec();
    set_condition(
        &mut conditions,
        json!({"type": CONDITION, "status": holds, "reason": reason, "message": message,
            "observedGeneration": generation(budget), "lastTransitionTime": since}),
    );
    Value::Array(conditions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::told::{status_of, told};

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn budget(spec: &Value) -> Value {
        json!({"metadata": {"name": "web", "namespace": "shop", "uid": "b", "generation": 2}, "spec": spec})
    }

    fn pod(name: &str, owner: &str, ready: bool) -> Value {
        let ready = if ready { "True" } else { "False" };
        let mut pod = json!({"metadata": {"name": name, "uid": name},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        if !owner.is_empty() {
            pod["metadata"]["ownerReferences"] =
                json!([{"kind": "ReplicaSet", "name": owner, "uid": owner, "controller": true}]);
        }
        pod
    }

    fn look(budget: &Value, pods: &[Value]) -> Plan {
        let scale = |pod: &Value| match controller(pod)?.1 {
            "web" => Some(("web".to_owned(), 4)),
            "api" => Some(("api".to_owned(), 1)),
            _ => None,
        };
        let slice = Slice {
            budget,
            pods: pods.iter().collect(),
            scale: &scale,
        };
        desired(&slice, now())
    }

    /// Expects healthy, wanted, allowed and expected pods.
    fn check(spec: &Value, pods: &[Value], expect: [i64; 4]) -> Plan {
        let plan = look(&budget(spec), pods);
        let status = status_of(&plan);
        let counts = [
            "currentHealthy",
            "desiredHealthy",
            "disruptionsAllowed",
            "expectedPods",
        ]
        .map(|field| status[field].as_i64().unwrap());
        assert_eq!(counts, expect, "{spec}");
        let condition = condition(&status, CONDITION).unwrap();
        assert_eq!(text(condition, "/status") == "True", expect[2] > 0, "{spec}");
        plan
    }

    #[test]
    fn what_may_go() {
        let three = [
            pod("a", "web", true),
            pod("b", "web", true),
            pod("c", "web", true),
        ];
        check(&json!({"minAvailable": 2}), &three, [3, 2, 1, 3]);
        check(&json!({"minAvailable": 3}), &three, [3, 3, 0, 3]);
        check(&json!({"minAvailable": "50%"}), &three, [3, 2, 1, 4]);
        check(&json!({"minAvailable": "51%"}), &three, [3, 3, 0, 4]);
        check(&json!({"maxUnavailable": 1}), &three, [3, 3, 0, 4]);
        check(&json!({"maxUnavailable": "50%"}), &three, [3, 2, 1, 4]);
        check(&json!({"maxUnavailable": 9}), &three, [3, 0, 3, 4]);
        check(&json!({}), &three, [3, 0, 0, 0]);
        let mixed = [
            pod("a", "web", true),
            pod("b", "web", false),
            pod("d", "api", true),
        ];
        check(&json!({"maxUnavailable": 3}), &mixed, [2, 2, 0, 5]);
        let plan = check(&json!({"minAvailable": 1}), &[], [0, 1, 0, 0]);
        assert_eq!(told(&plan)[0], "- NoPods: No matching pods found");
        let mut leaving = three.to_vec();
        leaving[0]["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:00Z");
        check(&json!({"minAvailable": 2}), &leaving, [2, 2, 0, 3]);
    }

    #[test]
    fn what_cannot_be_counted_must_stay() {
        let check = |spec: Value, pods: &[Value], expect: &str| {
            let plan = check(&spec, pods, [0, 0, 0, 0]);
            let status = status_of(&plan);
            let condition = condition(&status, CONDITION).unwrap();
            assert_eq!(
                (text(condition, "/reason"), text(condition, "/message")),
                ("SyncFailed", expect)
            );
        };
        check(
            json!({"maxUnavailable": 1}),
            &[pod("a", "job", true)],
            "pod \"a\" belongs to ReplicaSet job, which has no scale",
        );
        check(
            json!({"minAvailable": "half"}),
            &[pod("a", "web", true)],
            "\"half\" is neither a number nor a percentage",
        );
        let alone = look(&budget(&json!({"maxUnavailable": 1})), &[pod("a", "", true)]);
        assert!(told(&alone)[0].starts_with("! UnmanagedPods: "), "{alone:?}");
    }

    #[test]
    fn an_evicted_pod_does_not_count_until_it_is_overdue() {
        let pods = [pod("a", "web", true), pod("b", "web", true)];
        let check = |since: &str, expect: [i64; 2], wake: Option<&str>| {
            let mut known = budget(&json!({"minAvailable": 1}));
            known["status"] = json!({"disruptedPods": {"a": since, "gone": since}});
            let plan = look(&known, &pods);
            let status = status_of(&plan);
            assert_eq!(
                (&status["currentHealthy"], &status["disruptionsAllowed"]),
                (&json!(expect[0]), &json!(expect[1]))
            );
            assert_eq!(plan.wake, wake.map(|moment| moment.parse().unwrap()));
        };
        check("2026-01-01T11:59:00Z", [1, 0], Some("2026-01-01T12:01:00Z"));
        check("2026-01-01T11:58:00Z", [2, 1], None);
    }

    #[test]
    fn a_settled_budget_is_left_alone() {
        let pods = [pod("a", "web", true)];
        let mut known = budget(&json!({"minAvailable": 1}));
        known["status"] = status_of(&look(&known, &pods));
        assert_eq!(told(&look(&known, &pods)), Vec::<String>::new());
    }
}
