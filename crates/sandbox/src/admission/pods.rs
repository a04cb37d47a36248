//! What a pod asks for, and what admission writes into every pod.
//!
//! Reference: `k8s.io/component-helpers/resource` and the plugins DefaultTolerationSeconds and ServiceAccount.

use std::collections::BTreeMap;

use schema::Quantity;
use serde_json::{Value, json};

use crate::verbs::text;

/// How much of what.
pub(super) type Amounts = BTreeMap<String, Quantity>;

/// The quantities of a list such as `requests`; what cannot be read is left to validation.
pub(super) fn amounts(list: &Value) -> Amounts {
    let entries = list.as_object().into_iter().flatten();
    entries
        .filter_map(|(name, value)| Some((name.clone(), quantity(value)?)))
        .collect()
}

pub(super) fn quantity(value: &Value) -> Option<Quantity> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

pub(super) fn add(to: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = to.get(name).map_or(*amount, |held| held.plus(*amount));
        to.insert(name.clone(), sum);
    }
}

fn at_least(to: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        if to.get(name).is_none_or(|held| amount > held) {
            to.insert(name.clone(), *amount);
        }
    }
}

/// The containers of a pod, those for the beginning last.
pub(super) fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["containers", "initContainers"]
        .into_iter()
        .filter_map(|list| pod["spec"][list].as_array())
        .flatten()
}

/// The sum of `requests` or `limits`: containers run together, those for the beginning one after the other unless
/// they stay, and what is said of the pod as a whole goes before.
pub(super) fn total(pod: &Value, field: &str) -> Amounts {
    let of = |container: &Value| amounts(&container["resources"][field]);
    let mut sum = Amounts::new();
    for container in pod["spec"]["containers"].as_array().into_iter().flatten() {
        add(&mut sum, &of(container));
    }
    let (mut staying, mut beginning) = (Amounts::new(), Amounts::new());
    for container in pod["spec"]["initContainers"].as_array().into_iter().flatten() {
        let own = of(container);
        if container["restartPolicy"] == "Always" {
            add(&mut sum, &own);
            add(&mut staying, &own);
            at_least(&mut beginning, &staying);
        } else {
            let mut together = own;
            add(&mut together, &staying);
            at_least(&mut beginning, &together);
        }
    }
    at_least(&mut sum, &beginning);
    for (name, amount) in amounts(&pod["spec"]["resources"][field]) {
        if matches!(name.as_str(), "cpu" | "memory") || name.starts_with("hugepages-") {
            sum.insert(name, amount);
        }
    }
    sum
}

/// Whether the pod as a whole says what it needs.
pub(super) fn speaks_for_itself(pod: &Value) -> bool {
    ["requests", "limits"].into_iter().any(|field| {
        pod["spec"]["resources"][field]
            .as_object()
            .is_some_and(|list| !list.is_empty())
    })
}

/// A limit is the request as well, where no other is given.
pub(crate) fn default_requests(pod: &mut Value) {
    for list in ["containers", "initContainers"] {
        let containers = pod.pointer_mut(&format!("/spec/{list}"));
        for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
            let limits = container["resources"]["limits"].as_object().cloned();
            for (name, limit) in limits.into_iter().flatten() {
                let requests = &mut container["resources"]["requests"];
                if requests.is_null() {
                    *requests = json!({});
                }
                if let Some(requests) = requests.as_object_mut() {
                    requests.entry(name).or_insert(limit);
                }
            }
        }
    }
}

/// Every pod runs as somebody.
pub(super) fn settle_account(pod: &mut Value) {
    let given = text(pod, &["spec", "serviceAccountName"]);
    let account = if given.is_empty() { "default" } else { given }.to_owned();
    if let Some(spec) = pod.get_mut("spec").and_then(Value::as_object_mut) {
        spec.insert("serviceAccountName".to_owned(), json!(account));
        spec.insert("serviceAccount".to_owned(), json!(account));
    }
}

/// Pods stay for five minutes on a node that is in trouble, unless they say otherwise.
pub(crate) fn tolerate(object: &mut Value) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let given = object["spec"]["tolerations"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let covered = given.iter().any(|one| {
            let whole = one["key"].is_null() && one["operator"] == "Exists";
            (whole || one["key"] == key) && (one["effect"].is_null() || one["effect"] == "NoExecute")
        });
        if !covered {
            let toleration =
                json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 });
            let mut all = given.to_vec();
            all.push(toleration);
            object["spec"]["tolerations"] = json!(all);
        }
    }
}
