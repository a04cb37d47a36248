//! What an object uses.
//!
//! Reference: `pkg/quota/v1/evaluator/core` of Kubernetes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schema::Quantity;
use serde_json::Value;

use super::super::pods::{Amounts, add, amounts, containers, quantity, speaks_for_itself, total};
use super::super::{Attributes, Operation};
use super::scope::terminates;
use crate::store::Collection;
use crate::verbs::text;

const OF_PODS: [&str; 10] = [
    "pods",
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
/// What containers must name when a quota bounds it.
const NAMED: [&str; 6] = [
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];
const OF_SERVICES: [&str; 3] = ["services", "services.nodeports", "services.loadbalancers"];
const COUNTED: [&str; 4] = [
    "configmaps",
    "secrets",
    "replicationcontrollers",
    "resourcequotas",
];
const OF_CLASS: &str = ".storageclass.storage.k8s.io/";

/// The objects that use something a quota bounds; none when nobody knows what it means.
pub(super) fn collection_of(name: &str) -> Option<Collection> {
    if let Some(counted) = name.strip_prefix("count/") {
        let (plural, group) = counted.split_once('.').unwrap_or((counted, ""));
        return Some(Collection::new(group, plural));
    }
    let of_claims = |name: &str| matches!(name, "persistentvolumeclaims" | "requests.storage");
    let core = if of_claims(name) || name.split_once(OF_CLASS).is_some_and(|(_, name)| of_claims(name)) {
        "persistentvolumeclaims"
    } else if OF_PODS.contains(&name)
        || name.starts_with("hugepages-")
        || name.starts_with("requests.hugepages-")
        || name.strip_prefix("requests.").is_some_and(is_foreign)
    {
        "pods"
    } else if OF_SERVICES.contains(&name) {
        "services"
    } else if COUNTED.contains(&name) {
        name
    } else {
        return None;
    };
    Some(Collection::new("", core))
}

/// Whether a resource is somebody else's, such as `example.com/gpu`.
fn is_foreign(name: &str) -> bool {
    name.contains('/') && !name.contains("kubernetes.io/")
}

/// What of a quota is about a collection.
pub(super) fn tracked(hard: &Amounts, what: &Collection) -> BTreeSet<String> {
    let names = hard
        .keys()
        .filter(|name| collection_of(name).as_ref() == Some(what));
    names.cloned().collect()
}

/// Whether a write may change what is used.
pub(super) fn is_charged(write: &Attributes<'_>, what: &Collection, object: &Value) -> bool {
    if &*what.plural == "events" || !write.target.subresource.is_empty() {
        return false;
    }
    match write.operation {
        Operation::Create => true,
        Operation::Delete => false,
        Operation::Update if what.is("", "pods") => {
            write.old.is_some_and(|old| terminates(old) != terminates(object))
        }
        Operation::Update => what.is("", "services") || what.is("", "persistentvolumeclaims"),
    }
}

/// What the containers of a pod must name and do not.
pub(super) fn missing(bounded: &BTreeSet<String>, what: &Collection, pod: &Value) -> Option<String> {
    if !what.is("", "pods") || speaks_for_itself(pod) {
        return None;
    }
    let mut silent: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for container in containers(pod) {
        let resources = &container["resources"];
        let named = compute(&amounts(&resources["requests"]), &amounts(&resources["limits"]));
        for name in bounded.iter().filter(|name| NAMED.contains(&name.as_str())) {
            if !named.contains_key(name) {
                silent.entry(name).or_default().insert(text(container, &["name"]));
            }
        }
    }
    let told: Vec<String> = silent
        .into_iter()
        .map(|(name, containers)| {
            let containers: Vec<&str> = containers.into_iter().collect();
            format!("{name} for: {}", containers.join(","))
        })
        .collect();
    (!told.is_empty()).then(|| format!("must specify {}", told.join("; ")))
}

/// Whether an object uses nothing but its own number.
pub(super) fn is_only_counted(what: &Collection) -> bool {
    !what.group.is_empty() || !matches!(&*what.plural, "pods" | "services" | "persistentvolumeclaims")
}

/// What so many objects use by being there.
pub(super) fn counts(what: &Collection, number: i64) -> Amounts {
    let mut used = Amounts::new();
    if what.group.is_empty() {
        used.insert(format!("count/{}", what.plural), Quantity::whole(number));
        if COUNTED.contains(&&*what.plural) {
            used.insert(what.plural.to_string(), Quantity::whole(number));
        }
    } else {
        used.insert(
            format!("count/{}.{}", what.plural, what.group),
            Quantity::whole(number),
        );
    }
    used
}

/// What an object uses.
pub(super) fn usage(what: &Collection, object: &Value, now: Timestamp) -> Amounts {
    let one = Quantity::whole(1);
    let mut used = counts(what, 1);
    if is_only_counted(what) {
        return used;
    }
    match &*what.plural {
        "pods" if !is_over(object, now) => {
            used.insert("pods".to_owned(), one);
            let (mut requests, mut limits) = (total(object, "requests"), total(object, "limits"));
            let overhead = amounts(&object["spec"]["overhead"]);
            add(&mut requests, &overhead);
            for (name, amount) in &overhead {
                if let Some(limit) = limits.get_mut(name) {
                    *limit = limit.plus(*amount);
                }
            }
            used.extend(compute(&requests, &limits));
        }
        "services" => service(object, &mut used),
        "persistentvolumeclaims" => claim(object, &mut used),
        _ => {}
    }
    used
}

/// Whether a pod has ended, or should have gone by now.
fn is_over(pod: &Value, now: Timestamp) -> bool {
    if matches!(text(pod, &["status", "phase"]), "Failed" | "Succeeded") {
        return true;
    }
    let at: Option<Timestamp> = text(pod, &["metadata", "deletionTimestamp"]).parse().ok();
    let grace = pod["metadata"]["deletionGracePeriodSeconds"].as_i64();
    match (at, grace) {
        (Some(at), Some(grace)) => now.duration_since(at) > SignedDuration::from_secs(grace),
        _ => false,
    }
}

/// The names that quotas use for requests and limits.
fn compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut used = Amounts::new();
    for (name, amount) in requests {
        let known = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        if known || name.starts_with("hugepages-") {
            used.insert(name.clone(), *amount);
        }
        if known || name.starts_with("hugepages-") || is_foreign(name) {
            used.insert(format!("requests.{name}"), *amount);
        }
    }
    for (name, amount) in limits {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            used.insert(format!("limits.{name}"), *amount);
        }
    }
    used
}

fn service(object: &Value, used: &mut Amounts) {
    let spec = &object["spec"];
    let ports = spec["ports"].as_array().map(Vec::as_slice).unwrap_or_default();
    let kind = text(spec, &["type"]);
    let given = || {
        ports
            .iter()
            .filter(|port| port["nodePort"].as_i64().unwrap_or(0) != 0)
            .count()
    };
    let node_ports = match kind {
        "LoadBalancer" if spec["allocateLoadBalancerNodePorts"] == false => given(),
        "NodePort" | "LoadBalancer" => ports.len(),
        _ => 0,
    };
    let whole = |number: usize| Quantity::whole(i64::try_from(number).unwrap_or(i64::MAX));
    used.insert("services".to_owned(), whole(1));
    used.insert("services.nodeports".to_owned(), whole(node_ports));
    let balancers = usize::from(kind == "LoadBalancer");
    used.insert("services.loadbalancers".to_owned(), whole(balancers));
}

fn claim(object: &Value, used: &mut Amounts) {
    let annotated = &object["metadata"]["annotations"]["volume.beta.kubernetes.io/storage-class"];
    let class = annotated
        .as_str()
        .unwrap_or_else(|| text(object, &["spec", "storageClassName"]));
    let asked = quantity(&object["spec"]["resources"]["requests"]["storage"]);
    let given = quantity(&object["status"]["allocatedResources"]["storage"]);
    let both = [
        ("persistentvolumeclaims", Some(Quantity::whole(1))),
        (
            "requests.storage",
            asked.map(|asked| given.map_or(asked, |given| given.max(asked))),
        ),
    ];
    for (name, amount) in both {
        if let Some(amount) = amount {
            used.insert(name.to_owned(), amount);
            if !class.is_empty() {
                used.insert(format!("{class}{OF_CLASS}{name}"), amount);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_and_the_objects_they_count() {
        let check = |name: &str, expect: Option<(&str, &str)>| {
            let expect = expect.map(|(group, plural)| Collection::new(group, plural));
            assert_eq!(collection_of(name), expect, "{name}");
        };
        check("pods", Some(("", "pods")));
        check("requests.cpu", Some(("", "pods")));
        check("requests.example.com/gpu", Some(("", "pods")));
        check("hugepages-2Mi", Some(("", "pods")));
        check("requests.storage", Some(("", "persistentvolumeclaims")));
        check(
            "gold.storageclass.storage.k8s.io/requests.storage",
            Some(("", "persistentvolumeclaims")),
        );
        check("services.nodeports", Some(("", "services")));
        check("secrets", Some(("", "secrets")));
        check("count/deployments.apps", Some(("apps", "deployments")));
        check(
            "count/widgets.shop.example.com",
            Some(("shop.example.com", "widgets")),
        );
        check("count/pods", Some(("", "pods")));
        check("example.com/gpu", None);
        check("ingresses", None);
    }

    #[test]
    fn what_pods_use() {
        let check = |pod: Value, name: &str, expect: Option<&str>| {
            let now = "2026-01-02T03:04:05Z".parse().unwrap();
            let used = usage(&Collection::new("", "pods"), &pod, now);
            assert_eq!(
                used.get(name).map(ToString::to_string).as_deref(),
                expect,
                "{name} of {pod}"
            );
        };
        let container = |cpu: &str| json!({ "name": "c", "resources": { "requests": { "cpu": cpu } } });
        let two = json!({ "spec": { "containers": [container("100m"), container("200m")] } });
        check(two.clone(), "requests.cpu", Some("300m"));
        check(two.clone(), "cpu", Some("300m"));
        check(two.clone(), "limits.cpu", None);
        check(two.clone(), "pods", Some("1"));
        let mut begun = two.clone();
        begun["spec"]["initContainers"] = json!([container("1")]);
        check(begun.clone(), "requests.cpu", Some("1"));
        begun["spec"]["initContainers"][0]["restartPolicy"] = json!("Always");
        check(begun, "requests.cpu", Some("1300m"));
        let mut heavy = two.clone();
        heavy["spec"]["overhead"] = json!({ "cpu": "50m" });
        check(heavy, "requests.cpu", Some("350m"));
        let mut over = two;
        over["status"] = json!({ "phase": "Succeeded" });
        check(over.clone(), "pods", None);
        check(over, "count/pods", Some("1"));
    }
}
