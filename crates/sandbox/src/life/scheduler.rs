//! Which simulated node a pod goes to, or in which words Kubernetes' scheduler would say that none
//! takes it. Resources are not counted: simulated pods use none.
//!
//! A pure function.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::object::{annotation, labels, list, map, name, set, text, truth};
use super::selector;

/// Why a pod stays without a node: one sentence, as the scheduler prints it.
pub(crate) type Unschedulable = String;

/// The node for a pod. `claim` gives the claims of the pod's namespace by name.
pub(crate) fn place<'a>(
    pod: &Value,
    nodes: &[&'a Value],
    claim: &dyn Fn(&str) -> Option<&'a Value>,
) -> Result<&'a str, Unschedulable> {
    let all = nodes.len();
    if all == 0 {
        return Err("no nodes available to schedule pods".to_owned());
    }
    let preemption = |count: usize| {
        format!("preemption: 0/{all} nodes are available: {count} Preemption is not helpful for scheduling.")
    };

    for wanted in claims(pod) {
        let trouble = match claim(wanted) {
            None => format!("persistentvolumeclaim \"{wanted}\" not found"),
            Some(claim) if text(claim, "/status/phase") != "Bound" => {
                "pod has unbound immediate PersistentVolumeClaims".to_owned()
            }
            Some(_) => continue,
        };
        return Err(format!(
            "0/{all} nodes are available: {trouble}. {}",
            preemption(all)
        ));
    }

    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    for node in nodes {
        match objection(pod, node) {
            None => return Ok(name(node)),
            Some(reason) => *reasons.entry(reason).or_default() += 1,
        }
    }
    let mut reasons: Vec<String> = reasons
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    reasons.sort();
    Err(format!(
        "0/{all} nodes are available: {}. {}",
        reasons.join(", "),
        preemption(all)
    ))
}

/// The names of the claims a pod mounts.
pub(crate) fn claims(pod: &Value) -> impl Iterator<Item = &str> {
    list(pod, "/spec/volumes")
        .iter()
        .map(|volume| text(volume, "/persistentVolumeClaim/claimName"))
        .filter(|claim| !claim.is_empty())
}

/// May a pod start on a node, whatever else there is?
pub(crate) fn fits(pod: &Value, node: &Value) -> bool {
    objection(pod, node).is_none()
}

/// May a pod that is on a node stay there? Only taints that evict matter to it.
pub(crate) fn may_stay(pod: &Value, node: &Value) -> bool {
    let mut node = node.clone();
    let evicting: Vec<Value> = list(&node, "/spec/taints")
        .iter()
        .filter(|taint| text(taint, "/effect") == "NoExecute")
        .cloned()
        .collect();
    set(&mut node, &["spec"], json!({ "taints": evicting }));
    fits(pod, &node)
}

fn objection(pod: &Value, node: &Value) -> Option<String> {
    let own = labels(node);
    let selected = map(pod, "/spec/nodeSelector").is_none_or(|pairs| selector::contains(pairs, own));
    if truth(node, "/spec/unschedulable")
        && !tolerated(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule")
    {
        return Some("node(s) were unschedulable".to_owned());
    }
    if !selected || !affine(pod, node, own) {
        return Some("node(s) didn't match Pod's node affinity/selector".to_owned());
    }
    let taint = list(node, "/spec/taints").iter().find(|taint| {
        let effect = text(taint, "/effect");
        effect != "PreferNoSchedule" && !tolerated(pod, text(taint, "/key"), text(taint, "/value"), effect)
    })?;
    Some(format!(
        "node(s) had untolerated taint {{{}: {}}}",
        text(taint, "/key"),
        text(taint, "/value")
    ))
}

fn affine(pod: &Value, node: &Value, own: Option<&Map<String, Value>>) -> bool {
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution";
    let Some(required) = pod.pointer(required).filter(|required| !required.is_null()) else {
        return true;
    };
    list(required, "/nodeSelectorTerms").iter().any(|term| {
        let (expressions, fields) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
        let named = Value::Object(Map::from_iter([(
            "metadata.name".to_owned(),
            Value::from(name(node)),
        )]));
        (!expressions.is_empty() || !fields.is_empty())
            && expressions
                .iter()
                .all(|expression| selector::holds(expression, own))
            && fields
                .iter()
                .all(|expression| selector::holds(expression, named.as_object()))
    })
}

fn tolerated(pod: &Value, key: &str, value: &str, effect: &str) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| {
        let (its_key, its_effect) = (text(toleration, "/key"), text(toleration, "/effect"));
        let exists = text(toleration, "/operator") == "Exists";
        (its_effect.is_empty() || its_effect == effect)
            && (its_key == key || (its_key.is_empty() && exists))
            && (exists || text(toleration, "/value") == value)
    })
}

/// Does the pod ask for a scheduler that is not here?
pub(crate) fn is_foreign(pod: &Value) -> bool {
    !matches!(text(pod, "/spec/schedulerName"), "" | "default-scheduler")
        || !list(pod, "/spec/schedulingGates").is_empty()
        || annotation(pod, super::SIMULATED) == "false"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: &Value, expect: Result<&str, &str>) {
        let one = json!({"metadata": {"name": "sandbox-1", "labels": {"disk": "ssd", "zone": "a"}}});
        let two = json!({"metadata": {"name": "sandbox-2", "labels": {"disk": "tape"}},
            "spec": {"taints": [{"key": "slow", "value": "yes", "effect": "NoSchedule"}]}});
        let bound = json!({"status": {"phase": "Bound"}});
        let pending = json!({"status": {"phase": "Pending"}});
        let claim = |name: &str| match name {
            "bound" => Some(&bound),
            "pending" => Some(&pending),
            _ => None,
        };
        let placed = place(&json!({"spec": spec}), &[&one, &two], &claim);
        assert_eq!(
            placed.as_ref().map(|node| *node).map_err(String::as_str),
            expect,
            "{spec}"
        );
    }

    #[test]
    fn pods_find_their_node() {
        check(&json!({}), Ok("sandbox-1"));
        check(&json!({"nodeSelector": {"disk": "ssd"}}), Ok("sandbox-1"));
        check(
            &json!({"nodeSelector": {"disk": "tape"}, "tolerations": [{"key": "slow", "operator": "Exists"}]}),
            Ok("sandbox-2"),
        );
        let affinity = |values: Value| {
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
                {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": values}]}]}}}})
        };
        check(&affinity(json!(["a"])), Ok("sandbox-1"));
        check(
            &affinity(json!(["b"])),
            Err(
                "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector. \
                 preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            ),
        );
        check(
            &json!({"volumes": [{"persistentVolumeClaim": {"claimName": "bound"}}]}),
            Ok("sandbox-1"),
        );
    }

    #[test]
    fn pods_that_fit_nowhere_are_told_why() {
        check(
            &json!({"nodeSelector": {"disk": "tape"}}),
            Err(
                "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, \
                 1 node(s) had untolerated taint {slow: yes}. \
                 preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            ),
        );
        check(
            &json!({"volumes": [{"persistentVolumeClaim": {"claimName": "pending"}}]}),
            Err(
                "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. \
                 preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            ),
        );
        check(
            &json!({"volumes": [{"persistentVolumeClaim": {"claimName": "absent"}}]}),
            Err(
                "0/2 nodes are available: persistentvolumeclaim \"absent\" not found. \
                 preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.",
            ),
        );
        let placed = place(&json!({}), &[], &|_| None);
        assert_eq!(placed, Err("no nodes available to schedule pods".to_owned()));
    }

    #[test]
    fn an_unschedulable_node_takes_nothing() {
        let node = json!({"metadata": {"name": "sandbox-1"}, "spec": {"unschedulable": true}});
        let placed = place(&json!({}), &[&node], &|_| None);
        assert!(placed.is_err_and(|why| why.contains("1 node(s) were unschedulable")));
    }
}
