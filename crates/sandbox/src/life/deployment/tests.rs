use super::*;
use crate::life::object::condition;
use crate::life::told::{status_of, told};

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn deployment(spec: &Value) -> Value {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "d", "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": "1"}},
        "spec": {
            "replicas": 3,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"image": "web:2"}]}},
        },
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    object
}

/// A ReplicaSet of a Deployment of `desired` replicas: asked for, there, available.
fn replica_set(version: u64, revision: u64, desired: u64, sizes: [u64; 3]) -> Value {
    let [asked, there, available] = sizes;
    json!({
        "metadata": {"name": format!("web-{version}"), "namespace": "shop", "uid": format!("s{version}"),
            "generation": 1, "creationTimestamp": format!("2026-01-01T10:0{version}:00Z"),
            "ownerReferences": [{"kind": "Deployment", "name": "web", "uid": "d", "controller": true}],
            "annotations": {
                "deployment.kubernetes.io/revision": revision.to_string(),
                "deployment.kubernetes.io/desired-replicas": desired.to_string(),
                "deployment.kubernetes.io/max-replicas": (desired + desired.div_ceil(4)).to_string()}},
        "spec": {
            "replicas": asked,
            "template": {"metadata": {"labels": {"app": "web", "pod-template-hash": version.to_string()}},
                "spec": {"containers": [{"image": format!("web:{version}")}]}}},
        "status": {"replicas": there, "readyReplicas": available, "availableReplicas": available,
            "observedGeneration": 1},
    })
}

fn plan(deployment: &Value, sets: &[Value]) -> Plan {
    desired(
        &Slice {
            deployment,
            sets: sets.iter().collect(),
            pods: Vec::new(),
        },
        now(),
    )
}

/// What happens to the ReplicaSets, without statuses and wakes.
fn check(spec: &Value, sets: &[Value], expect: &[&str]) {
    let lines = told(&plan(&deployment(spec), sets));
    let lines: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| line.contains("ReplicaSet") && !line.starts_with("status"))
        .collect();
    assert_eq!(lines, expect, "{spec}");
}

#[test]
fn the_first_replica_set() {
    let plan = plan(&deployment(&json!({})), &[]);
    let Some(Change::Create(creation)) = plan.changes.first() else {
        panic!("{plan:?}")
    };
    let set = &creation.object;
    let hash = set["metadata"]["labels"]["pod-template-hash"].as_str().unwrap();
    assert_eq!(name(set), format!("web-{hash}"));
    assert_eq!(set["spec"]["replicas"], 3);
    assert_eq!(
        set["spec"]["selector"]["matchLabels"],
        json!({"app": "web", "pod-template-hash": hash})
    );
    assert_eq!(
        set["spec"]["template"]["metadata"]["labels"]["pod-template-hash"],
        hash
    );
    assert_eq!(
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "1"
    );
    assert_eq!(
        set["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"],
        "3"
    );
    assert_eq!(
        set["metadata"]["annotations"]["deployment.kubernetes.io/max-replicas"],
        "4"
    );
    assert_eq!(set["metadata"]["ownerReferences"][0]["uid"], "d");

    let status = status_of(&plan);
    let progressing = condition(&status, "Progressing").unwrap();
    assert_eq!(progressing["reason"], "NewReplicaSetCreated");
    assert_eq!(
        progressing["message"],
        format!("Created new replica set \"web-{hash}\"")
    );
    assert_eq!(
        condition(&status, "Available").unwrap()["reason"],
        "MinimumReplicasUnavailable"
    );
    assert_eq!(plan.wake, Some("2026-01-01T12:10:00Z".parse().unwrap()));
}

#[test]
fn a_rolling_update_goes_step_by_step() {
    let roll = |old: [u64; 3], new: [u64; 3], expect: &[&str]| {
        check(
            &json!({}),
            &[replica_set(1, 1, 3, old), replica_set(2, 2, 3, new)],
            expect,
        );
    };
    roll(
        [3, 3, 3],
        [0, 0, 0],
        &[
            "update ReplicaSet web-2 to 1",
            "- ScalingReplicaSet: Scaled up replica set web-2 from 0 to 1",
        ],
    );
    roll([3, 3, 3], [1, 1, 0], &[]);
    roll(
        [3, 3, 3],
        [1, 1, 1],
        &[
            "update ReplicaSet web-1 to 2",
            "- ScalingReplicaSet: Scaled down replica set web-1 from 3 to 2",
        ],
    );
    roll(
        [2, 2, 2],
        [1, 1, 1],
        &[
            "update ReplicaSet web-2 to 2",
            "- ScalingReplicaSet: Scaled up replica set web-2 from 1 to 2",
        ],
    );
    roll([0, 0, 0], [3, 3, 3], &[]);
}

#[test]
fn fences_bound_the_update() {
    let strategy = |surge: Value, unavailable: Value| {
        json!({"replicas": 4, "strategy": {"type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}})
    };
    // No surge: first down, then up.
    check(
        &strategy(json!(0), json!(2)),
        &[replica_set(1, 1, 4, [4, 4, 4]), replica_set(2, 2, 4, [0, 0, 0])],
        &[
            "update ReplicaSet web-1 to 2",
            "- ScalingReplicaSet: Scaled down replica set web-1 from 4 to 2",
        ],
    );
    check(
        &strategy(json!("100%"), json!(0)),
        &[replica_set(1, 1, 4, [4, 4, 4]), replica_set(2, 2, 4, [0, 0, 0])],
        &[
            "update ReplicaSet web-2 to 4",
            "- ScalingReplicaSet: Scaled up replica set web-2 from 0 to 4",
        ],
    );
    // Pods of the old set that are not available go first and at once.
    check(
        &strategy(json!(1), json!(1)),
        &[replica_set(1, 1, 4, [4, 4, 1]), replica_set(2, 2, 4, [1, 1, 1])],
        &[
            "update ReplicaSet web-1 to 2",
            "- ScalingReplicaSet: Scaled down replica set web-1 from 4 to 2",
        ],
    );
}

#[test]
fn recreate_stops_everything_first() {
    let spec = json!({"strategy": {"type": "Recreate"}});
    check(
        &spec,
        &[replica_set(1, 1, 3, [3, 3, 3])],
        &[
            "update ReplicaSet web-1 to 0",
            "- ScalingReplicaSet: Scaled down replica set web-1 from 3 to 0",
        ],
    );
    let deployment = deployment(&spec);
    let old = replica_set(1, 1, 3, [0, 0, 0]);
    let pod = json!({"metadata": {"name": "web-1-a", "deletionTimestamp": "2026-01-01T12:00:00Z",
        "ownerReferences": [{"kind": "ReplicaSet", "name": "web-1", "uid": "s1", "controller": true}]},
        "status": {"phase": "Running"}});
    let made = |pods: Vec<&Value>| {
        let slice = Slice {
            deployment: &deployment,
            sets: vec![&old],
            pods,
        };
        desired(&slice, now())
            .changes
            .iter()
            .any(|change| matches!(change, Change::Create(_)))
    };
    assert!(!made(vec![&pod]), "an old pod still runs");
    assert!(made(Vec::new()));
}

#[test]
fn scaling_follows_the_number() {
    check(
        &json!({"replicas": 5}),
        &[replica_set(2, 1, 3, [3, 3, 3])],
        &[
            "update ReplicaSet web-2 to 5",
            "- ScalingReplicaSet: Scaled up replica set web-2 from 3 to 5",
        ],
    );
    check(
        &json!({"replicas": 0}),
        &[replica_set(2, 1, 3, [3, 3, 3])],
        &[
            "update ReplicaSet web-2 to 0",
            "- ScalingReplicaSet: Scaled down replica set web-2 from 3 to 0",
        ],
    );
    // In the middle of a rollout both sets grow in proportion: 10 + 3 of surge becomes 20 + 5.
    check(
        &json!({"replicas": 20}),
        &[replica_set(1, 1, 10, [8, 8, 8]), replica_set(2, 2, 10, [5, 5, 2])],
        &[
            "update ReplicaSet web-1 to 15",
            "- ScalingReplicaSet: Scaled up replica set web-1 from 8 to 15",
            "update ReplicaSet web-2 to 10",
            "- ScalingReplicaSet: Scaled up replica set web-2 from 5 to 10",
        ],
    );
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    check(&json!({"paused": true}), &[replica_set(1, 1, 3, [3, 3, 3])], &[]);
    check(
        &json!({"paused": true, "replicas": 4}),
        &[replica_set(1, 1, 3, [3, 3, 3])],
        &[
            "update ReplicaSet web-1 to 4",
            "- ScalingReplicaSet: Scaled up replica set web-1 from 3 to 4",
        ],
    );
    let plan = plan(
        &deployment(&json!({"paused": true})),
        &[replica_set(1, 1, 3, [3, 3, 3])],
    );
    let progressing = condition(&status_of(&plan), "Progressing").cloned().unwrap();
    assert_eq!(progressing["reason"], "DeploymentPaused");
    assert_eq!(progressing["status"], "Unknown");
    assert_eq!(plan.wake, None);
}

#[test]
fn going_back_gives_the_old_set_the_next_revision() {
    let deployment = deployment(&json!({}));
    let sets = [replica_set(2, 1, 3, [0, 0, 0]), replica_set(3, 2, 3, [3, 3, 3])];
    let plan = plan(&deployment, &sets);
    let Some(Change::Update(Kind::ReplicaSet, set)) = plan.changes.first() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "3"
    );
    assert_eq!(
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"],
        "1"
    );
    let marked = plan.changes.iter().find_map(|change| match change {
        Change::Update(Kind::Deployment, object) => Some(object),
        _ => None,
    });
    assert_eq!(
        marked.unwrap()["metadata"]["annotations"]["deployment.kubernetes.io/revision"],
        "3"
    );
}

#[test]
fn history_is_bounded() {
    let sets = [
        replica_set(3, 1, 3, [0, 0, 0]),
        replica_set(4, 2, 3, [0, 0, 0]),
        replica_set(5, 3, 3, [0, 0, 0]),
        replica_set(2, 4, 3, [3, 3, 3]),
    ];
    check(
        &json!({"revisionHistoryLimit": 1}),
        &sets,
        &["delete ReplicaSet web-3", "delete ReplicaSet web-4"],
    );
    check(&json!({}), &sets, &[]);
}

#[test]
fn the_status_says_how_it_goes() {
    let state = |sets: &[Value], progressing: Value| {
        let mut deployment = deployment(&json!({}));
        if !progressing.is_null() {
            deployment["status"] = json!({"conditions": [progressing]});
        }
        let plan = plan(&deployment, sets);
        let status = status_of(&plan);
        let said = condition(&status, "Progressing").cloned().unwrap_or_default();
        (
            status,
            format!("{} {}", text(&said, "/status"), text(&said, "/reason")),
            plan.wake,
        )
    };
    let since = |reason: &str, moment: &str| {
        json!({"type": "Progressing", "status": "True", "reason": reason, "lastUpdateTime": moment,
            "lastTransitionTime": moment})
    };

    let (status, progressing, wake) = state(
        &[replica_set(2, 1, 3, [3, 3, 3])],
        since("ReplicaSetUpdated", "2026-01-01T11:59:00Z"),
    );
    assert_eq!(progressing, "True NewReplicaSetAvailable");
    assert_eq!(
        condition(&status, "Progressing").unwrap()["message"],
        "ReplicaSet \"web-2\" has successfully progressed."
    );
    assert_eq!(condition(&status, "Available").unwrap()["status"], "True");
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(
        [
            &status["replicas"],
            &status["updatedReplicas"],
            &status["readyReplicas"]
        ],
        [3, 3, 3]
    );
    assert_eq!(status["unavailableReplicas"], Value::Null);
    assert_eq!(wake, None);

    let (status, progressing, wake) = state(
        &[replica_set(2, 1, 3, [3, 3, 1])],
        since("NewReplicaSetCreated", "2026-01-01T11:59:00Z"),
    );
    assert_eq!(progressing, "True ReplicaSetUpdated");
    assert_eq!(status["unavailableReplicas"], 2);
    assert_eq!(wake, Some("2026-01-01T12:10:00Z".parse().unwrap()));

    let (_, progressing, wake) = state(
        &[replica_set(2, 1, 3, [3, 0, 0])],
        since("ReplicaSetUpdated", "2026-01-01T11:50:00Z"),
    );
    assert_eq!(progressing, "False ProgressDeadlineExceeded");
    assert_eq!(wake, None);

    let (_, progressing, wake) = state(
        &[replica_set(2, 1, 3, [3, 0, 0])],
        since("ReplicaSetUpdated", "2026-01-01T11:50:01Z"),
    );
    assert_eq!(progressing, "True ReplicaSetUpdated");
    assert_eq!(wake, Some("2026-01-01T12:00:01Z".parse().unwrap()));
}

#[test]
fn pods_that_cannot_be_made_are_reported() {
    let mut set = replica_set(2, 1, 3, [3, 0, 0]);
    set["status"]["conditions"] = json!([{"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
        "message": "no"}]);
    let status = status_of(&plan(&deployment(&json!({})), &[set]));
    let failure = condition(&status, "ReplicaFailure").unwrap();
    assert_eq!(
        (text(failure, "/reason"), text(failure, "/message")),
        ("FailedCreate", "no")
    );
}

#[test]
fn a_settled_deployment_is_left_alone() {
    let sets = [replica_set(2, 1, 3, [3, 3, 3])];
    let mut deployment = deployment(&json!({}));
    deployment["status"] = status_of(&plan(&deployment, &sets));
    assert_eq!(told(&plan(&deployment, &sets)), Vec::<String>::new());
}

#[test]
fn a_selector_that_selects_everything_is_refused() {
    let spec = json!({"selector": {}});
    assert_eq!(
        told(&plan(&deployment(&spec), &[])),
        ["! SelectingAll: This deployment is selecting all pods. A non-empty selector is required.",]
    );
}

#[test]
fn odd_numbers_and_shapes_do_no_harm() {
    for spec in [
        json!({"replicas": -1}),
        json!({"replicas": i64::MAX}),
        json!({"replicas": "three", "strategy": [], "template": "none"}),
        json!({"strategy": {"rollingUpdate": {"maxSurge": "999999999999999999999%", "maxUnavailable": {}}}}),
    ] {
        plan(
            &deployment(&spec),
            &[replica_set(2, 1, 3, [3, 3, 3]), replica_set(1, 0, 9, [9, 1, 7])],
        );
    }
}
