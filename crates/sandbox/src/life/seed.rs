//! What a new sandbox holds before anybody puts anything in: simulated nodes and storage
//! classes. (The API server itself makes the default service accounts.)
//!
//! Pure functions.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::change::{Change, Creation, Plan};
use super::claim::PROVISIONER;
use super::kind::Kind;
use super::object::{self, moment, name, seconds_after, set, stamp};

/// The storage classes that are always there; the first is the default.
const CLASSES: [&str; 2] = ["standard", "replicated"];

/// How often a node says that it is still there, in seconds: as a kubelet does when nothing else has changed.
const HEARTBEAT: i64 = 300;

/// The nodes and classes that are missing.
pub(crate) fn desired(nodes: usize, exists: &dyn Fn(Kind, &str) -> bool, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut create = |kind: Kind, object: Value| {
        if !exists(kind, name(&object)) {
            plan.push(Change::Create(Box::new(Creation {
                kind,
                object,
                done: None,
                failed: None,
            })));
        }
    };
    for number in 1..=nodes.min(100) {
        create(Kind::Node, node(number, now));
    }
    for (index, class) in CLASSES.into_iter().enumerate() {
        create(Kind::StorageClass, storage_class(class, index == 0));
    }
    plan
}

fn storage_class(class: &str, default: bool) -> Value {
    json!({
        "apiVersion": Kind::StorageClass.api_version(),
        "kind": Kind::StorageClass.name(),
        "metadata": {
            "name": class,
            "annotations": {
                super::SIMULATED: "true",
                "storageclass.kubernetes.io/is-default-class": default.to_string(),
            },
        },
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
        "allowVolumeExpansion": true,
    })
}

fn node(number: usize, now: Timestamp) -> Value {
    let name = format!("sandbox-{number}");
    json!({
        "apiVersion": Kind::Node.api_version(),
        "kind": Kind::Node.name(),
        "metadata": {
            "name": name,
            "annotations": {super::SIMULATED: "true"},
            "labels": {
                "kubernetes.io/hostname": name,
                "kubernetes.io/os": "linux",
                "kubernetes.io/arch": "amd64",
                "topology.kubernetes.io/region": "sandbox",
                "topology.kubernetes.io/zone": format!("sandbox-{}", (number - 1) % 3 + 1),
            },
        },
        "spec": {"podCIDR": format!("10.{}.0.0/16", 127 + number), "podCIDRs": [format!("10.{}.0.0/16", 127 + number)]},
        "status": node_status(number, &name, now),
    })
}

fn node_status(number: usize, name: &str, now: Timestamp) -> Value {
    let resources = json!({"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "10000"});
    let condition = |kind: &str, status: &str, reason: &str, message: &str| {
        json!({"type": kind, "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": stamp(now), "lastTransitionTime": stamp(now)})
    };
    json!({
        "capacity": resources,
        "allocatable": resources,
        "conditions": [
            condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
            condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
            condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
            condition("Ready", "True", "KubeletReady", "this node is simulated by the sandbox"),
        ],
        "addresses": [
            {"type": "InternalIP", "address": format!("10.0.0.{}", 9 + number)},
            {"type": "Hostname", "address": name},
        ],
        "nodeInfo": {
            "machineID": name, "systemUUID": name, "bootID": name,
            "kernelVersion": "simulated", "osImage": "Towpath sandbox (simulated)",
            "containerRuntimeVersion": "simulated://1", "kubeletVersion": "v1.36.3+sandbox",
            "kubeProxyVersion": "", "operatingSystem": "linux", "architecture": "amd64",
        },
    })
}

/// What is to be done for a node: one of ours says that it is ready, and from time to time that it still is.
pub(crate) fn desired_node(node: &Value, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let number = name(node)
        .strip_prefix("sandbox-")
        .and_then(|number| number.parse::<usize>().ok());
    let Some(number) = number.filter(|number| (1..=100).contains(number)) else {
        return plan;
    };
    if object::annotation(node, super::SIMULATED) != "true" {
        return plan;
    }
    let mut status = object::status(node).clone();
    let heard = object::condition(&status, "Ready").map(|ready| moment(ready, "/lastHeartbeatTime"));
    match heard {
        None => status = node_status(number, name(node), now),
        Some(heard) => {
            let next = heard.map_or(now, |heard| seconds_after(heard, HEARTBEAT));
            if next > now {
                plan.wake_at(next);
                return plan;
            }
            let conditions = status.get_mut("conditions").and_then(Value::as_array_mut);
            for condition in conditions.into_iter().flatten() {
                set(condition, &["lastHeartbeatTime"], json!(stamp(now)));
            }
        }
    }
    plan.push(Change::Status(Kind::Node, object::with_status(node, status)));
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::told::told;

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_new_sandbox_gets_nodes_and_classes() {
        assert_eq!(
            told(&desired(2, &|_, _| false, now())),
            [
                "create Node sandbox-1",
                "create Node sandbox-2",
                "create StorageClass standard",
                "create StorageClass replicated",
            ]
        );
        assert_eq!(
            told(&desired(2, &|_, name| name != "sandbox-2", now())),
            ["create Node sandbox-2"]
        );
    }

    #[test]
    fn our_nodes_become_ready_and_others_are_left_alone() {
        let mut ours = node(1, now());
        ours["status"] = json!({});
        assert_eq!(told(&desired_node(&ours, now())), ["status Node sandbox-1"]);
        assert_eq!(
            told(&desired_node(&node(1, now()), now())),
            ["wake 2026-01-01T12:05:00Z"]
        );
        let foreign = json!({"metadata": {"name": "sandbox-7"}});
        assert_eq!(told(&desired_node(&foreign, now())), Vec::<String>::new());
    }

    #[test]
    fn a_node_says_that_it_is_still_there() {
        let node = node(1, now());
        let later = seconds_after(now(), HEARTBEAT);
        let plan = desired_node(&node, later);
        let Some(Change::Status(_, written)) = plan.changes.first() else {
            panic!("{plan:?}");
        };
        let ready = object::condition(&written["status"], "Ready").unwrap();
        assert_eq!(ready["lastHeartbeatTime"], stamp(later));
        assert_eq!(ready["lastTransitionTime"], stamp(now()));
        assert_eq!(told(&desired_node(written, later)), ["wake 2026-01-01T12:10:00Z"]);
    }
}
