//! The status of a pod from those of its containers: phase, conditions, addresses, quality of service.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::life::object::{self, condition, list, map, moment, number, stamp, text, truth, uid};

/// The statuses of a pod's containers.
#[derive(Debug, Default)]
pub(super) struct Containers {
    /// Those that prepare.
    pub(super) preparing: Vec<Value>,
    /// The others.
    pub(super) main: Vec<Value>,
    /// Did all that prepare do so?
    pub(super) prepared: bool,
}

impl Containers {
    /// None of them can be made yet.
    pub(super) fn creating(pod: &Value) -> Self {
        let preparing = list(pod, "/spec/initContainers");
        let (first, then) = ("ContainerCreating", "PodInitializing");
        let main = if preparing.is_empty() { first } else { then };
        Self {
            preparing: preparing.iter().map(|spec| waiting(spec, then)).collect(),
            main: list(pod, "/spec/containers")
                .iter()
                .map(|spec| waiting(spec, main))
                .collect(),
            prepared: preparing.is_empty(),
        }
    }
}

/// A container that has not been touched yet.
pub(super) fn waiting(spec: &Value, reason: &str) -> Value {
    json!({
        "name": text(spec, "/name"),
        "image": text(spec, "/image"),
        "imageID": "",
        "state": {"waiting": {"reason": reason}},
        "lastState": {},
        "restartCount": 0,
        "started": false,
        "ready": false,
    })
}

/// The status of a pod that no node takes.
pub(super) fn unschedulable(pod: &Value, why: &str, now: Timestamp) -> Value {
    let mut status = object::status(pod).as_object().cloned().unwrap_or_default();
    let mut conditions = list(pod, "/status/conditions").to_vec();
    let next = transition(pod, "PodScheduled", false, Some(("Unschedulable", why)), now);
    object::set_condition(&mut conditions, next);
    status.insert("phase".to_owned(), json!("Pending"));
    status.insert("qosClass".to_owned(), json!(quality(pod)));
    status.insert("conditions".to_owned(), Value::Array(conditions));
    Value::Object(status)
}

/// The status of a pod on a node.
pub(super) fn of(
    pod: &Value,
    node: &Value,
    containers: &Containers,
    address_taken: &dyn Fn(&str) -> bool,
    now: Timestamp,
) -> Value {
    let phase = phase(pod, containers);
    let over = matches!(phase, "Succeeded" | "Failed");
    let mut status = object::status(pod).as_object().cloned().unwrap_or_default();
    status.insert("phase".to_owned(), json!(phase));
    status.insert("qosClass".to_owned(), json!(quality(pod)));
    status.insert("containerStatuses".to_owned(), json!(containers.main));
    if !containers.preparing.is_empty() {
        status.insert("initContainerStatuses".to_owned(), json!(containers.preparing));
    }
    status.entry("startTime").or_insert_with(|| json!(stamp(now)));
    if let Some(host) = internal_address(node) {
        status.insert("hostIP".to_owned(), json!(host));
        status.insert("hostIPs".to_owned(), json!([{"ip": host}]));
        let known = text(pod, "/status/podIP");
        let address = if truth(pod, "/spec/hostNetwork") {
            host.to_owned()
        } else if known.is_empty() {
            free_address(pod, node, address_taken)
        } else {
            known.to_owned()
        };
        status.insert("podIP".to_owned(), json!(address));
        status.insert("podIPs".to_owned(), json!([{"ip": address}]));
    }

    let unready = names(&containers.main, |status| !truth(status, "/ready"));
    let incomplete = names(&containers.preparing, |status| {
        number(status, "/state/terminated/exitCode") != Some(0) && !truth(status, "/started")
    });
    let unready_message = format!("containers with unready status: [{unready}]");
    let incomplete_message = format!("containers with incomplete status: [{incomplete}]");
    let not_ready = if phase == "Succeeded" {
        Some(("PodCompleted", ""))
    } else if phase == "Failed" {
        Some(("PodFailed", ""))
    } else {
        (!unready.is_empty()).then_some(("ContainersNotReady", unready_message.as_str()))
    };
    let not_initialized =
        (!containers.prepared).then_some(("ContainersNotInitialized", incomplete_message.as_str()));
    let gates = list(pod, "/spec/readinessGates")
        .iter()
        .map(|gate| text(gate, "/conditionType"));
    let closed = gates
        .into_iter()
        .find(|gate| !object::is_true(object::status(pod), gate));
    let gate_message =
        closed.map(|gate| format!("the status of pod readiness gate \"{gate}\" is not \"True\", but False"));
    let pod_not_ready = not_ready.or_else(|| {
        gate_message
            .as_deref()
            .map(|message| ("ReadinessGatesNotReady", message))
    });

    let mut conditions: Vec<Value> = Vec::new();
    for (kind, objection) in [
        ("PodReadyToStartContainers", over.then_some(("", ""))),
        ("Initialized", not_initialized),
        ("Ready", pod_not_ready),
        ("ContainersReady", not_ready),
        ("PodScheduled", None),
    ] {
        conditions.push(transition(pod, kind, objection.is_none(), objection, now));
    }
    let foreign = |condition: &&Value| {
        let kind = text(condition, "/type");
        !conditions.iter().any(|own| text(own, "/type") == kind)
    };
    let kept: Vec<Value> = list(pod, "/status/conditions")
        .iter()
        .filter(foreign)
        .cloned()
        .collect();
    conditions.extend(kept);
    status.insert("conditions".to_owned(), Value::Array(conditions));
    Value::Object(status)
}

/// A condition that keeps the moment of its last change.
fn transition(
    pod: &Value,
    kind: &str,
    holds: bool,
    objection: Option<(&str, &str)>,
    now: Timestamp,
) -> Value {
    let word = if holds { "True" } else { "False" };
    let before = condition(object::status(pod), kind);
    let unchanged = before.filter(|before| text(before, "/status") == word);
    let since = unchanged
        .and_then(|before| moment(before, "/lastTransitionTime"))
        .unwrap_or(now);
    let mut next = Map::new();
    next.insert("type".to_owned(), json!(kind));
    next.insert("status".to_owned(), json!(word));
    next.insert("lastTransitionTime".to_owned(), json!(stamp(since)));
    for (key, value) in [
        ("reason", objection.map(|it| it.0)),
        ("message", objection.map(|it| it.1)),
    ] {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            next.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(next)
}

fn names(statuses: &[Value], wanted: impl Fn(&Value) -> bool) -> String {
    let names: Vec<&str> = statuses
        .iter()
        .filter(|status| wanted(status))
        .map(|status| text(status, "/name"))
        .collect();
    names.join(" ")
}

fn phase(pod: &Value, containers: &Containers) -> &'static str {
    let policy = text(pod, "/spec/restartPolicy");
    if !containers.prepared {
        let broken = containers
            .preparing
            .iter()
            .any(|status| number(status, "/state/terminated/exitCode").is_some_and(|code| code != 0));
        return if broken && policy == "Never" {
            "Failed"
        } else {
            "Pending"
        };
    }
    let (mut waiting, mut running, mut stopped, mut succeeded) = (0, 0, 0, 0);
    for status in &containers.main {
        if status.pointer("/state/running").is_some() {
            running += 1;
        } else if let Some(code) = number(status, "/state/terminated/exitCode") {
            stopped += 1;
            succeeded += i32::from(code == 0);
        } else if status.pointer("/lastState/terminated").is_some() {
            stopped += 1;
        } else {
            waiting += 1;
        }
    }
    if waiting > 0 {
        "Pending"
    } else if running > 0 {
        "Running"
    } else if stopped == 0 {
        "Pending"
    } else if policy == "Never" || (policy == "OnFailure" && stopped == succeeded) {
        if stopped == succeeded {
            "Succeeded"
        } else {
            "Failed"
        }
    } else {
        "Running"
    }
}

/// Guaranteed where every container's requests equal its limits, BestEffort where none has any.
fn quality(pod: &Value) -> &'static str {
    let (mut any, mut all) = (false, true);
    for container in list(pod, "/spec/containers")
        .iter()
        .chain(list(pod, "/spec/initContainers"))
    {
        for resource in ["cpu", "memory"] {
            let amount = |kind: &str| {
                map(container, &format!("/resources/{kind}"))
                    .and_then(|amounts| amounts.get(resource))
                    .cloned()
            };
            let (request, limit) = (amount("requests"), amount("limits"));
            any |= request.is_some() || limit.is_some();
            all &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn internal_address(node: &Value) -> Option<&str> {
    let addresses = list(node, "/status/addresses");
    let internal = addresses
        .iter()
        .find(|address| text(address, "/type") == "InternalIP");
    internal
        .map(|address| text(address, "/address"))
        .filter(|address| !address.is_empty())
}

/// An address from the node's range (`10.x.0.0/16`), chosen by the pod's uid.
fn free_address(pod: &Value, node: &Value, taken: &dyn Fn(&str) -> bool) -> String {
    const SIZE: u32 = 65_534;
    let range = text(node, "/spec/podCIDR")
        .split('.')
        .take(2)
        .collect::<Vec<_>>()
        .join(".");
    let range = if range.is_empty() {
        "10.128".to_owned()
    } else {
        range
    };
    let start = uid(pod).bytes().fold(0u32, |hash, byte| {
        hash.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let mut address = String::new();
    for step in 0..SIZE {
        let number = start.wrapping_add(step) % SIZE + 1;
        address.clear();
        if write!(address, "{range}.{}.{}", number >> 8, number & 0xff).is_err() || !taken(&address) {
            break;
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_of_service() {
        let check = |resources: &[Value], expect: &str| {
            let containers: Vec<Value> = resources.iter().map(|it| json!({"resources": it})).collect();
            assert_eq!(
                quality(&json!({"spec": {"containers": containers}})),
                expect,
                "{resources:?}"
            );
        };
        let both = json!({"cpu": "1", "memory": "1Gi"});
        check(&[json!({})], "BestEffort");
        check(&[json!({"limits": both})], "Guaranteed");
        check(&[json!({"limits": both, "requests": both})], "Guaranteed");
        check(
            &[json!({"limits": both, "requests": {"cpu": "500m"}})],
            "Burstable",
        );
        check(&[json!({"limits": both}), json!({})], "Burstable");
        check(&[json!({"requests": {"cpu": "1"}})], "Burstable");
    }

    #[test]
    fn addresses_avoid_each_other() {
        let node = json!({"spec": {"podCIDR": "10.129.0.0/16"}});
        let pod = json!({"metadata": {"uid": "abc"}});
        let first = free_address(&pod, &node, &|_| false);
        assert!(first.starts_with("10.129."), "{first}");
        let second = free_address(&pod, &node, &|address| address == first);
        assert_ne!(first, second);
    }
}
