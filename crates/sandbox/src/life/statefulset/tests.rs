use super::*;
use crate::life::object::set as put;
use crate::life::told::{status_of, told};

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn stateful_set(replicas: i64, image: &str) -> Value {
    json!({
        "metadata": {"name": "db", "namespace": "shop", "uid": "s", "generation": 1},
        "spec": {
            "replicas": replicas,
            "serviceName": "db",
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"image": image}]}},
        },
    })
}

fn revision_of(set: &Value, number: i64) -> Value {
    let mut revision = Revisions::of(Kind::StatefulSet, set, &[]).update;
    revision["revision"] = json!(number);
    revision
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Ready,
    Pending,
    Leaving,
    Failed,
}

fn pod(ordinal: i64, revision: &Value, state: State) -> Value {
    let mut pod = json!({
        "metadata": {"name": format!("db-{ordinal}"), "namespace": "shop", "uid": format!("p{ordinal}"),
            "labels": {"controller-revision-hash": name(revision)}},
        "status": {"phase": match state { State::Pending => "Pending", State::Failed => "Failed", _ => "Running" }},
    });
    if matches!(state, State::Ready | State::Leaving) {
        pod["status"]["conditions"] =
            json!([{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T11:59:50Z"}]);
    }
    if state == State::Leaving {
        put(
            &mut pod,
            &["metadata", "deletionTimestamp"],
            json!("2026-01-01T12:00:00Z"),
        );
    }
    pod
}

fn plan_with(set: &Value, pods: &[Value], revisions: &[Value], refusal: Option<&Refusal>) -> Plan {
    let slice = Slice {
        set,
        pods: pods.iter().collect(),
        revisions: revisions.iter().collect(),
        claim_exists: &|_| false,
        refusal,
    };
    desired(&slice, now())
}

/// What happens to pods and claims.
fn check(set: &Value, pods: &[Value], revisions: &[Value], expect: &[&str]) {
    let lines = told(&plan_with(set, pods, revisions, None));
    let lines: Vec<&str> = lines
        .iter()
        .map(String::as_str)
        .filter(|line| {
            (line.starts_with("create") || line.starts_with("delete")) && !line.contains("Revision")
        })
        .collect();
    assert_eq!(lines, expect);
}

#[test]
fn pods_are_made_in_order() {
    let set = stateful_set(3, "db:1");
    let revision = revision_of(&set, 1);
    let pods = |states: &[State]| -> Vec<Value> {
        states
            .iter()
            .zip(0..)
            .map(|(state, ordinal)| pod(ordinal, &revision, *state))
            .collect()
    };
    let known = [revision.clone()];
    check(&set, &[], &[], &["create Pod db-0"]);
    check(&set, &pods(&[State::Pending]), &known, &[]);
    check(&set, &pods(&[State::Ready]), &known, &["create Pod db-1"]);
    check(&set, &pods(&[State::Ready, State::Leaving]), &known, &[]);
    check(
        &set,
        &pods(&[State::Ready, State::Failed]),
        &known,
        &["delete Pod db-1"],
    );
    check(
        &set,
        &pods(&[State::Ready, State::Ready, State::Ready]),
        &known,
        &[],
    );

    let mut parallel = set.clone();
    parallel["spec"]["podManagementPolicy"] = json!("Parallel");
    check(
        &parallel,
        &[],
        &known,
        &["create Pod db-0", "create Pod db-1", "create Pod db-2"],
    );
}

#[test]
fn a_pod_has_a_name_a_number_and_claims() {
    let mut set = stateful_set(1, "db:1");
    set["spec"]["volumeClaimTemplates"] = json!([
        {"metadata": {"name": "data", "labels": {"kind": "disk"}}, "spec": {"storageClassName": "standard"}}]);
    set["spec"]["template"]["spec"]["volumes"] = json!([{"name": "data", "emptyDir": {}}, {"name": "tmp"}]);
    let plan = plan_with(&set, &[], &[], None);
    let made: Vec<&Value> = plan
        .changes
        .iter()
        .filter_map(|change| match change {
            Change::Create(creation) => Some(&creation.object),
            _ => None,
        })
        .collect();
    let [revision, claim, pod] = made.as_slice() else {
        panic!("{made:?}")
    };
    assert_eq!(revision["data"]["spec"]["template"]["$patch"], "replace");
    assert_eq!(name(claim), "data-db-0");
    assert_eq!(claim["metadata"]["labels"], json!({"app": "db", "kind": "disk"}));
    assert_eq!(claim["spec"]["storageClassName"], "standard");
    assert_eq!(name(pod), "db-0");
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"app": "db", "statefulset.kubernetes.io/pod-name": "db-0", "apps.kubernetes.io/pod-index": "0",
            "controller-revision-hash": name(revision)})
    );
    assert_eq!(
        (&pod["spec"]["hostname"], &pod["spec"]["subdomain"]),
        (&json!("db-0"), &json!("db"))
    );
    assert_eq!(
        pod["spec"]["volumes"],
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-0"}}, {"name": "tmp"}])
    );
}

#[test]
fn scaling_down_takes_the_last_first() {
    let set = stateful_set(1, "db:1");
    let revision = revision_of(&set, 1);
    let known = [revision.clone()];
    let three = |last: State| [0, 1, 2].map(|n| pod(n, &revision, if n == 2 { last } else { State::Ready }));
    check(&set, &three(State::Ready), &known, &["delete Pod db-2"]);
    check(&set, &three(State::Leaving), &known, &[]);
    check(&set, &three(State::Pending), &known, &["delete Pod db-2"]);
    let sick_first = [pod(0, &revision, State::Pending), pod(1, &revision, State::Ready)];
    check(&set, &sick_first, &known, &[]);
}

#[test]
fn an_update_goes_from_the_last_to_the_first() {
    let (before, after) = (stateful_set(2, "db:1"), stateful_set(2, "db:2"));
    let (old, new) = (revision_of(&before, 1), revision_of(&after, 2));
    let known = [old.clone(), new.clone()];
    let mut set = after;
    set["status"] = json!({"currentRevision": name(&old), "currentReplicas": 2});
    check(
        &set,
        &[pod(0, &old, State::Ready), pod(1, &old, State::Ready)],
        &known,
        &["delete Pod db-1"],
    );
    check(
        &set,
        &[pod(0, &old, State::Ready), pod(1, &old, State::Leaving)],
        &known,
        &[],
    );
    set["status"]["currentReplicas"] = json!(1);
    check(&set, &[pod(0, &old, State::Ready)], &known, &["create Pod db-1"]);
    check(
        &set,
        &[pod(0, &old, State::Ready), pod(1, &new, State::Pending)],
        &known,
        &[],
    );
    check(
        &set,
        &[pod(0, &old, State::Ready), pod(1, &new, State::Ready)],
        &known,
        &["delete Pod db-0"],
    );

    set["spec"]["updateStrategy"] = json!({"rollingUpdate": {"partition": 1}});
    check(
        &set,
        &[pod(0, &old, State::Ready), pod(1, &new, State::Ready)],
        &known,
        &[],
    );
    set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
    check(
        &set,
        &[pod(0, &old, State::Ready), pod(1, &old, State::Ready)],
        &known,
        &[],
    );
}

#[test]
fn a_pod_remade_in_the_middle_of_an_update_keeps_its_revision() {
    let (before, after) = (stateful_set(2, "db:1"), stateful_set(2, "db:2"));
    let (old, new) = (revision_of(&before, 1), revision_of(&after, 2));
    let mut set = after;
    set["status"] = json!({"currentRevision": name(&old), "currentReplicas": 1});
    let plan = plan_with(&set, &[pod(1, &new, State::Ready)], &[old.clone(), new], None);
    let Some(Change::Create(creation)) = plan.changes.first() else {
        panic!("{plan:?}")
    };
    assert_eq!(label(&creation.object, revisions::LABEL), name(&old));
    assert_eq!(creation.object["spec"]["containers"][0]["image"], "db:1");
}

#[test]
fn going_back_reuses_the_old_revision_under_a_new_number() {
    let (first, second) = (stateful_set(1, "db:1"), stateful_set(1, "db:2"));
    let known = [revision_of(&first, 1), revision_of(&second, 2)];
    let plan = plan_with(&first, &[], &known, None);
    let Some(Change::Update(Kind::ControllerRevision, revision)) = plan.changes.first() else {
        panic!("{plan:?}")
    };
    assert_eq!(
        (name(revision), &revision["revision"]),
        (name(&known[0]), &json!(3))
    );
}

#[test]
fn the_status_counts_and_completes() {
    let (before, after) = (stateful_set(2, "db:1"), stateful_set(2, "db:2"));
    let (old, new) = (revision_of(&before, 1), revision_of(&after, 2));
    let known = [old.clone(), new.clone()];
    let mut set = after;
    set["status"] = json!({"currentRevision": name(&old)});
    let half = status_of(&plan_with(
        &set,
        &[pod(0, &old, State::Ready), pod(1, &new, State::Pending)],
        &known,
        None,
    ));
    assert_eq!(half["replicas"], 2);
    assert_eq!(half["readyReplicas"], 1);
    assert_eq!(
        (&half["currentReplicas"], &half["updatedReplicas"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(
        (text(&half, "/currentRevision"), text(&half, "/updateRevision")),
        (name(&old), name(&new))
    );

    let all = [pod(0, &new, State::Ready), pod(1, &new, State::Ready)];
    let whole = status_of(&plan_with(&set, &all, &known, None));
    assert_eq!(text(&whole, "/currentRevision"), name(&new));
    assert_eq!(
        (&whole["currentReplicas"], &whole["availableReplicas"]),
        (&json!(2), &json!(2))
    );

    set["status"] = whole;
    assert_eq!(told(&plan_with(&set, &all, &known, None)), Vec::<String>::new());
}

#[test]
fn a_refusal_is_told() {
    let refusal = Refusal {
        message: "no such account".to_owned(),
        again: None,
        say: true,
    };
    let lines = told(&plan_with(&stateful_set(2, "db:1"), &[], &[], Some(&refusal)));
    assert!(
        lines.contains(
            &"! FailedCreate: Create Pod db-0 in StatefulSet db failed error: no such account".to_owned()
        ),
        "{lines:?}"
    );
    assert!(
        !lines.iter().any(|line| line.starts_with("create Pod")),
        "{lines:?}"
    );
}

#[test]
fn huge_numbers_are_made_in_bounded_steps() {
    let mut set = stateful_set(i64::MAX, "db:1");
    set["spec"]["podManagementPolicy"] = json!("Parallel");
    set["spec"]["ordinals"] = json!({"start": i64::MAX});
    let made = told(&plan_with(&set, &[], &[], None))
        .iter()
        .filter(|line| line.starts_with("create Pod"))
        .count();
    assert_eq!(made, usize::try_from(BURST).unwrap());
}
