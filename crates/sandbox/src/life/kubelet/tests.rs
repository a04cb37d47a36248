use super::*;
use crate::life::told::{status_of, told};
use jiff::SignedDuration;

fn start() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn pod(annotations: &Value, spec: &Value) -> Value {
    let mut pod = json!({
        "metadata": {"name": "web-a", "namespace": "shop", "uid": "u", "resourceVersion": "1", "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": "web:1"}]},
    });
    for (key, value) in spec.as_object().unwrap() {
        pod["spec"][key] = value.clone();
    }
    pod
}

/// A pod on its way through time, with whatever Secrets there are.
struct Life {
    pod: Value,
    now: Timestamp,
    secrets: Vec<&'static str>,
    claims: Value,
}

impl Life {
    fn of(annotations: impl Into<Value>, spec: impl Into<Value>) -> Self {
        Self {
            pod: pod(&annotations.into(), &spec.into()),
            now: start(),
            secrets: Vec::new(),
            claims: json!({}),
        }
    }

    fn plan(&self, woken: bool) -> Plan {
        let node = json!({"metadata": {"name": "sandbox-1"}, "spec": {"podCIDR": "10.128.0.0/16"},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.10"}]}});
        let secret = json!({"data": {"password": null}});
        desired(
            &Slice {
                pod: &self.pod,
                nodes: vec![&node],
                claim: &|name| self.claims.get(name),
                supplies: Supplies {
                    secret: &|name| self.secrets.contains(&name).then_some(&secret),
                    config_map: &|_| None,
                },
                address_taken: &|_| false,
                woken,
            },
            self.now,
        )
    }

    /// Looks, does what is to be done, and tells the events.
    fn step(&mut self, woken: bool) -> Vec<String> {
        let plan = self.plan(woken);
        for change in &plan.changes {
            match change {
                Change::Update(Kind::Pod, object) => self.pod = object.clone(),
                Change::Status(Kind::Pod, object) => {
                    self.pod["status"] = object["status"].clone();
                }
                _ => {}
            }
        }
        told(&plan)
            .into_iter()
            .filter(|line| line.starts_with("- ") || line.starts_with("! "))
            .collect()
    }

    /// Waits for the next moment the pod asks for, and looks then.
    fn wait(&mut self) -> (i64, Vec<String>) {
        let wake = self.plan(false).wake.expect("something to wait for");
        self.now = wake;
        (wake.as_second() - start().as_second(), self.step(true))
    }

    fn advance(&mut self, seconds: i64) -> Vec<String> {
        self.now += SignedDuration::from_secs(seconds);
        self.step(false)
    }

    fn state(&self) -> String {
        let container = &self.pod["status"]["containerStatuses"][0];
        let state = container["state"]
            .as_object()
            .and_then(|state| state.iter().next());
        let (word, detail) = state.map_or(("none", &Value::Null), |(word, detail)| (word.as_str(), detail));
        let reason = text(detail, "/reason");
        let ready = if container["ready"] == true { " ready" } else { "" };
        format!(
            "{} {word} {reason}{ready} {}",
            text(&self.pod, "/status/phase"),
            container["restartCount"]
        )
        .replace("  ", " ")
    }
}

#[test]
fn a_pod_runs_at_once() {
    let mut life = Life::of(json!({}), json!({}));
    assert_eq!(
        told(&life.plan(false)),
        [
            "update Pod web-a",
            "- Scheduled: Successfully assigned shop/web-a to sandbox-1",
            "- Pulling: Pulling image \"web:1\"",
            "- Pulled: Successfully pulled image \"web:1\" (simulated)",
            "- Created: Container created",
            "- Started: Container started",
            "status Pod web-a",
        ]
    );
    life.step(false);
    assert_eq!(
        life.pod["metadata"]["annotations"]["sandbox.towpath.dev/simulated"],
        "true"
    );
    assert_eq!(life.state(), "Running running ready 0");
    let status = &life.pod["status"];
    assert_eq!(
        (text(status, "/hostIP"), text(status, "/startTime")),
        ("10.0.0.10", "2026-01-01T12:00:00Z")
    );
    assert!(text(status, "/podIP").starts_with("10.128."));
    let conditions: Vec<String> = list(status, "/conditions")
        .iter()
        .map(|condition| format!("{} {}", text(condition, "/type"), text(condition, "/status")))
        .collect();
    assert_eq!(
        conditions,
        [
            "PodReadyToStartContainers True",
            "Initialized True",
            "Ready True",
            "ContainersReady True",
            "PodScheduled True",
        ]
    );
    assert_eq!(told(&life.plan(false)), Vec::<String>::new(), "and then rests");
}

#[test]
fn starting_takes_the_time_asked_for() {
    let mut life = Life::of(json!({"sandbox.towpath.dev/startup": "30s"}), json!({}));
    life.step(false);
    assert_eq!(life.state(), "Running running 0");
    let ready = object::condition(&life.pod["status"], "Ready").cloned().unwrap();
    assert_eq!(ready["message"], "containers with unready status: [web]");
    assert_eq!(life.wait().0, 30);
    assert_eq!(life.state(), "Running running ready 0");
}

#[test]
fn a_crash_loops_with_a_growing_pause() {
    let mut life = Life::of(
        json!({"sandbox.towpath.dev/fail": "crash", "sandbox.towpath.dev/exit-code": "3",
            "sandbox.towpath.dev/last-line": "no database"}),
        json!({}),
    );
    let told = life.step(false);
    assert_eq!(
        told.last().unwrap(),
        "! BackOff: Back-off restarting failed container web in pod web-a_shop(u)"
    );
    assert_eq!(life.state(), "Running waiting CrashLoopBackOff 1");
    let container = &life.pod["status"]["containerStatuses"][0];
    assert_eq!(
        text(container, "/state/waiting/message"),
        "back-off 10s restarting failed container=web pod=web-a_shop(u)"
    );
    assert_eq!(container["lastState"]["terminated"]["exitCode"], 3);
    assert_eq!(container["lastState"]["terminated"]["reason"], "Error");
    assert_eq!(container["lastState"]["terminated"]["message"], "no database");
    assert!(
        life.step(false).is_empty(),
        "nothing happens before the pause is over"
    );

    let moments: Vec<(i64, String)> = (0..4).map(|_| (life.wait().0, life.state())).collect();
    assert_eq!(
        moments,
        [
            (10, "Running waiting CrashLoopBackOff 2".to_owned()),
            (30, "Running waiting CrashLoopBackOff 3".to_owned()),
            (70, "Running waiting CrashLoopBackOff 4".to_owned()),
            (150, "Running waiting CrashLoopBackOff 5".to_owned()),
        ]
    );
}

#[test]
fn a_crash_may_come_late() {
    let mut life = Life::of(
        json!({"sandbox.towpath.dev/fail": "oom", "sandbox.towpath.dev/runs-for": "2m"}),
        json!({}),
    );
    life.step(false);
    assert_eq!(life.state(), "Running running ready 0");
    assert_eq!(life.wait().0, 120);
    assert_eq!(life.state(), "Running running ready 1");
    let terminated = life.pod["status"]["containerStatuses"][0]["lastState"]["terminated"].clone();
    assert_eq!(
        (&terminated["exitCode"], &terminated["reason"]),
        (&json!(137), &json!("OOMKilled"))
    );
    assert_eq!(life.wait().0, 240);
    assert_eq!(life.state(), "Running waiting CrashLoopBackOff 1");
}

#[test]
fn images_that_cannot_be_pulled() {
    let mut life = Life::of(
        json!({}),
        json!({"containers": [{"name": "web", "image": "registry.invalid/web:1"}]}),
    );
    let error = "failed to pull and unpack image \"registry.invalid/web:1\": failed to resolve reference \
                 \"registry.invalid/web:1\": failed to do request: Head \
                 \"https://registry.invalid/v2/web/manifests/1\": dial tcp: lookup registry.invalid: no such host";
    assert_eq!(
        life.step(false)[1..],
        [
            "- Pulling: Pulling image \"registry.invalid/web:1\"".to_owned(),
            format!("! Failed: Failed to pull image \"registry.invalid/web:1\": {error}"),
            "! Failed: Error: ErrImagePull".to_owned(),
        ]
    );
    assert_eq!(life.state(), "Pending waiting ErrImagePull 0");
    assert_eq!(
        life.step(false),
        [
            "- BackOff: Back-off pulling image \"registry.invalid/web:1\"",
            "! Failed: Error: ImagePullBackOff",
        ]
    );
    assert_eq!(life.state(), "Pending waiting ImagePullBackOff 0");
    let message = text(&life.pod, "/status/containerStatuses/0/state/waiting/message").to_owned();
    assert_eq!(
        message,
        format!("Back-off pulling image \"registry.invalid/web:1\": ErrImagePull: {error}")
    );
    assert!(life.step(false).is_empty());
    let (moment, told) = life.wait();
    assert_eq!((moment, told.len()), (10, 5), "{told:?}");

    life.pod["spec"]["containers"][0]["image"] = json!("web:1");
    life.step(false);
    assert_eq!(life.state(), "Running running ready 0");
}

#[test]
fn images_that_fail_on_request_or_are_none() {
    let mut asked = Life::of(json!({"sandbox.towpath.dev/fail": "image-pull"}), json!({}));
    asked.step(false);
    asked.step(false);
    assert_eq!(asked.state(), "Pending waiting ImagePullBackOff 0");

    let mut invalid = Life::of(
        json!({}),
        json!({"containers": [{"name": "web", "image": "Not An Image"}]}),
    );
    invalid.step(false);
    assert_eq!(invalid.state(), "Pending waiting InvalidImageName 0");
    assert!(
        invalid
            .plan(false)
            .changes
            .iter()
            .all(|change| matches!(change, Change::Note(_)))
    );
}

#[test]
fn a_pod_that_is_never_ready() {
    let mut life = Life::of(json!({"sandbox.towpath.dev/fail": "unready"}), json!({}));
    let told = life.step(false);
    assert_eq!(
        told.last().unwrap(),
        "! Unhealthy: Readiness probe failed: HTTP probe failed with statuscode: 503"
    );
    assert_eq!(life.state(), "Running running 0");
    assert_eq!(life.plan(false).wake, None);
}

#[test]
fn a_missing_secret_holds_the_container_back() {
    let env = json!([{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}]);
    let mut life = Life::of(
        json!({}),
        json!({"containers": [{"name": "web", "image": "web:1", "env": env}]}),
    );
    let told = life.step(false);
    assert_eq!(told.last().unwrap(), "! Failed: Error: secret \"db\" not found");
    assert_eq!(life.state(), "Pending waiting CreateContainerConfigError 0");
    assert_eq!(
        text(&life.pod, "/status/containerStatuses/0/state/waiting/message"),
        "secret \"db\" not found"
    );
    life.secrets.push("db");
    life.advance(5);
    assert_eq!(life.state(), "Running running ready 0");
}

#[test]
fn a_missing_volume_source_keeps_the_pod_from_being_made() {
    let mut life = Life::of(
        json!({}),
        json!({"volumes": [{"name": "files", "secret": {"secretName": "db"}}]}),
    );
    let told = life.step(false);
    assert_eq!(
        told.last().unwrap(),
        "! FailedMount: MountVolume.SetUp failed for volume \"files\" : secret \"db\" not found"
    );
    assert_eq!(life.state(), "Pending waiting ContainerCreating 0");
    life.secrets.push("db");
    life.advance(5);
    assert_eq!(life.state(), "Running running ready 0");
}

#[test]
fn an_unbound_claim_keeps_the_pod_from_its_node() {
    let mut life = Life::of(
        json!({}),
        json!({"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]}),
    );
    life.claims = json!({"data": {"status": {"phase": "Pending"}}});
    assert!(
        life.step(false)[0]
            .starts_with("! FailedScheduling: 0/1 nodes are available: pod has unbound immediate")
    );
    let scheduled = object::condition(&life.pod["status"], "PodScheduled")
        .cloned()
        .unwrap();
    assert_eq!(
        (text(&scheduled, "/status"), text(&scheduled, "/reason")),
        ("False", "Unschedulable")
    );
    assert_eq!(text(&life.pod, "/spec/nodeName"), "");
    life.claims = json!({"data": {"status": {"phase": "Bound"}}});
    life.advance(1);
    assert_eq!(life.state(), "Running running ready 0");
    assert!(object::is_true(&life.pod["status"], "PodScheduled"));
}

#[test]
fn init_containers_go_first() {
    let spec = json!({
        "initContainers": [{"name": "migrate", "image": "web:1"}, {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}],
    });
    let mut life = Life::of(json!({}), spec.clone());
    life.step(false);
    assert_eq!(life.state(), "Running running ready 0");
    let init = &life.pod["status"]["initContainerStatuses"];
    assert_eq!(init[0]["state"]["terminated"]["reason"], "Completed");
    assert!(init[1]["state"]["running"].is_object());

    let mut failing = Life::of(
        json!({"sandbox.towpath.dev/fail": "crash", "sandbox.towpath.dev/container": "migrate"}),
        spec,
    );
    failing.step(false);
    assert_eq!(failing.state(), "Pending waiting PodInitializing 0");
    assert_eq!(
        failing.pod["status"]["initContainerStatuses"][0]["state"]["waiting"]["reason"],
        "CrashLoopBackOff"
    );
    assert!(!object::is_true(&failing.pod["status"], "Initialized"));
}

#[test]
fn pods_that_are_meant_to_end_do_so() {
    let check = |annotations: Value, policy: &str, expect: &str| {
        let mut life = Life::of(annotations, json!({"restartPolicy": policy}));
        life.step(false);
        assert_eq!(life.state(), expect);
    };
    check(json!({}), "Never", "Succeeded terminated Completed ready 0");
    check(json!({}), "OnFailure", "Succeeded terminated Completed ready 0");
    check(
        json!({"sandbox.towpath.dev/fail": "crash"}),
        "Never",
        "Failed terminated Error 0",
    );
    check(
        json!({"sandbox.towpath.dev/fail": "crash"}),
        "OnFailure",
        "Running waiting CrashLoopBackOff 1",
    );
    check(
        json!({"sandbox.towpath.dev/runs-for": "10s"}),
        "Never",
        "Running running ready 0",
    );
}

#[test]
fn a_pod_that_is_asked_to_leaves_at_once() {
    let mut life = Life::of(json!({}), json!({}));
    life.step(false);
    life.pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T12:00:00Z");
    assert_eq!(
        told(&life.plan(false)),
        ["- Killing: Stopping container web", "delete Pod web-a now"]
    );
    life.pod["metadata"]["finalizers"] = json!(["example.com/wait"]);
    assert_eq!(told(&life.plan(false)), Vec::<String>::new());
}

#[test]
fn pods_of_others_are_left_alone() {
    for spec in [
        json!({"nodeName": "real-node"}),
        json!({"schedulerName": "other"}),
        json!({"schedulingGates": [{"name": "wait"}]}),
    ] {
        assert_eq!(told(&Life::of(json!({}), spec).plan(false)), Vec::<String>::new());
    }
}

#[test]
fn annotations_that_make_no_sense_are_said() {
    let mut life = Life::of(json!({"sandbox.towpath.dev/fail": "explode"}), json!({}));
    assert!(
        life.step(false)
            .iter()
            .any(|line| line.starts_with("! InvalidAnnotation: "))
    );
    assert_eq!(life.state(), "Running running ready 0");
}

#[test]
fn pods_of_odd_shapes_do_no_harm() {
    for spec in [
        json!({"containers": "none"}),
        json!({"containers": []}),
        json!({"containers": [null, 1, {"name": "x"}, {"image": 5}], "volumes": [null], "initContainers": {}}),
    ] {
        let mut life = Life::of(json!({}), spec);
        life.step(false);
        life.step(true);
        let _ = status_of(&life.plan(true));
    }
}
