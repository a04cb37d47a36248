use super::*;
use crate::life::told::{status_of, told};

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn set(strategy: &Value) -> Value {
    json!({"metadata": {"name": "agent", "namespace": "shop", "uid": "d", "generation": 3},
        "spec": {"updateStrategy": strategy, "template": {
            "metadata": {"labels": {"app": "agent"}},
            "spec": {"nodeSelector": {"disk": "ssd"}, "containers": [{"name": "agent", "image": "agent:1"}]}}}})
}

fn node(name: &str, spec: &Value) -> Value {
    json!({"metadata": {"name": name, "labels": {"disk": "ssd"}}, "spec": spec})
}

/// A pod on a node, of the present template or an older one.
fn pod(name: &str, node: &str, new: bool, ready: bool) -> Value {
    let hash = if new {
        hash(&set(&json!({})))
    } else {
        "old".to_owned()
    };
    let ready = if ready { "True" } else { "False" };
    json!({"metadata": {"name": name, "uid": name, "labels": {revisions::LABEL: hash},
            "creationTimestamp": "2026-01-01T11:00:00Z"},
        "spec": {"nodeName": node},
        "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": ready, "lastTransitionTime": "2026-01-01T11:00:00Z"}]}})
}

fn revision(set: &Value) -> Value {
    Revisions::of(Kind::DaemonSet, set, &[]).update
}

fn hash(set: &Value) -> String {
    revisions::hash(&revision(set)).to_owned()
}

fn look(set: &Value, nodes: &[Value], pods: &[Value]) -> Plan {
    let known = revision(set);
    let slice = Slice {
        set,
        nodes: nodes.iter().collect(),
        pods: pods.iter().collect(),
        revisions: vec![&known],
        refusal: None,
    };
    desired(&slice, now())
}

/// What happens to pods: `+ node` for one that is made, `- pod` for one that goes.
fn moves(plan: &Plan) -> Vec<String> {
    let moves = plan.changes.iter().filter_map(|change| match change {
        Change::Create(creation) => {
            let path = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0\
                /matchFields/0/values/0";
            Some(format!("+ {}", text(&creation.object, path)))
        }
        Change::Delete(target) => Some(format!("- {}", target.name)),
        _ => None,
    });
    moves.collect()
}

#[test]
fn each_node_that_takes_it_gets_a_pod() {
    let taint = |effect: &str| json!({"taints": [{"key": "slow", "effect": effect}]});
    let mut tape = node("tape", &json!({}));
    tape["metadata"]["labels"]["disk"] = json!("tape");
    let nodes = [
        node("a", &json!({})),
        node("cordoned", &json!({"unschedulable": true})),
        node("slow", &taint("NoSchedule")),
        node("bad", &taint("NoExecute")),
        tape,
    ];
    let check = |pods: &[Value], expect: &[&str]| {
        assert_eq!(moves(&look(&set(&json!({})), &nodes, pods)), expect);
    };
    check(&[], &["+ a", "+ cordoned"]);
    let settled = [pod("1", "a", true, true), pod("2", "cordoned", true, true)];
    check(&settled, &[]);
    let with = |more: &[Value]| [&settled, more].concat();
    check(&with(&[pod("3", "slow", true, true)]), &[]);
    check(&with(&[pod("3", "bad", true, true)]), &["- 3"]);
    check(&with(&[pod("3", "tape", true, true)]), &["- 3"]);
    check(&with(&[pod("3", "gone", true, true)]), &["- 3"]);
    check(&with(&[pod("3", "a", true, true)]), &["- 3"]);
    let mut failed = pod("1", "a", true, false);
    failed["status"]["phase"] = json!("Failed");
    check(&[failed, settled[1].clone()], &["- 1"]);
}

#[test]
fn a_first_look_keeps_the_template() {
    let set = set(&json!({}));
    let slice = Slice {
        set: &set,
        nodes: vec![],
        pods: vec![],
        revisions: vec![],
        refusal: None,
    };
    let lines = told(&desired(&slice, now()));
    assert!(
        lines[0].starts_with("create ControllerRevision agent-"),
        "{lines:?}"
    );
    let made = look(&set, &[node("a", &json!({}))], &[]);
    let Some(Change::Create(creation)) = made.changes.first() else {
        panic!("{made:?}")
    };
    let pod = &creation.object;
    assert_eq!(pod["metadata"]["generateName"], "agent-");
    assert_eq!(label(pod, revisions::LABEL), hash(&set));
    assert_eq!(label(pod, "app"), "agent");
}

#[test]
fn an_update_goes_node_by_node() {
    let nodes = ["a", "b", "c"].map(|name| node(name, &json!({})));
    let check = |rolling: Value, pods: &[Value], expect: &[&str]| {
        let set = set(&json!({"type": "RollingUpdate", "rollingUpdate": rolling}));
        assert_eq!(moves(&look(&set, &nodes, pods)), expect, "{rolling}");
    };
    let old = ["a", "b", "c"].map(|node| pod(&format!("old-{node}"), node, false, true));
    check(json!(null), &old, &["- old-a"]);
    check(json!({"maxUnavailable": 2}), &old, &["- old-a", "- old-b"]);
    check(json!({"maxUnavailable": "34%"}), &old, &["- old-a", "- old-b"]);
    check(json!({"maxUnavailable": 0}), &old, &["- old-a"]);
    let starting = [pod("new-a", "a", true, false), old[1].clone(), old[2].clone()];
    check(json!({"maxUnavailable": 1}), &starting, &[]);
    let started = [pod("new-a", "a", true, true), old[1].clone(), old[2].clone()];
    check(json!({"maxUnavailable": 1}), &started, &["- old-b"]);
    // What does not serve goes at once.
    let broken = [old[0].clone(), old[1].clone(), pod("old-c", "c", false, false)];
    check(json!({"maxUnavailable": 1}), &broken, &["- old-c"]);

    let surge = || json!({"maxSurge": 1, "maxUnavailable": 0});
    check(surge(), &old, &["+ a"]);
    let with = |pod: Value| [&old[..], &[pod]].concat();
    check(surge(), &with(pod("new-a", "a", true, false)), &[]);
    check(surge(), &with(pod("new-a", "a", true, true)), &["- old-a", "+ b"]);

    let by_hand = set(&json!({"type": "OnDelete"}));
    assert!(moves(&look(&by_hand, &nodes, &old)).is_empty());
}

#[test]
fn the_status_counts() {
    let nodes = ["a", "b", "c"].map(|name| node(name, &json!({})));
    let pods = [
        pod("a", "a", true, true),
        pod("b", "b", true, false),
        pod("c", "c", false, true),
    ];
    let mut by_hand = set(&json!({"type": "OnDelete"}));
    let status = status_of(&look(&by_hand, &nodes, &pods));
    assert_eq!(
        status,
        json!({"currentNumberScheduled": 3, "numberMisscheduled": 0, "desiredNumberScheduled": 3, "numberReady": 2,
            "observedGeneration": 3, "updatedNumberScheduled": 2, "numberAvailable": 2, "numberUnavailable": 1})
    );
    by_hand["status"] = status;
    assert_eq!(told(&look(&by_hand, &nodes, &pods)), Vec::<String>::new());
}

#[test]
fn a_refusal_is_told() {
    let set = set(&json!({}));
    let refusal = Refusal {
        message: "no such account".to_owned(),
        again: None,
        say: true,
    };
    let (known, node) = (revision(&set), node("a", &json!({})));
    let slice = Slice {
        set: &set,
        nodes: vec![&node],
        pods: vec![],
        revisions: vec![&known],
        refusal: Some(&refusal),
    };
    assert_eq!(
        told(&desired(&slice, now())),
        [
            "! FailedCreate: Error creating: no such account",
            "status DaemonSet agent"
        ]
    );
}
