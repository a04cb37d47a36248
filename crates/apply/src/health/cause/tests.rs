//! Real-life statuses, and the plain words for them.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn check(facts: &Facts<'_>, expect: &str) {
    let found = first_cause(facts).map(|cause| cause.message).unwrap_or_default();
    assert_eq!(found, expect);
}

fn pod(container: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "api-7d9c-x2x4z", "uid": "u1"},
        "spec": {"containers": [{"name": "api", "image": "registry.internal/demo/api:v9", "resources": {"limits": {"memory": "256Mi"}}}]},
        "status": {"phase": "Pending", "containerStatuses": [container]},
    })
}

fn about(object: &Value, reason: &str, message: &str, at: &str) -> Value {
    json!({"reason": reason, "message": message, "lastTimestamp": at, "involvedObject": {
        "kind": object["kind"], "name": object["metadata"]["name"], "uid": object["metadata"]["uid"],
    }})
}

#[test]
fn images_that_cannot_be_pulled() {
    let waiting = |reason: &str, message: &str| {
        pod(
            &json!({"name": "api", "ready": false, "restartCount": 0, "state": {"waiting": {"reason": reason, "message": message}}}),
        )
    };
    let missing = "rpc error: code = NotFound desc = failed to pull and unpack image \"registry.internal/demo/api:v9\": failed to resolve reference \"registry.internal/demo/api:v9\": registry.internal/demo/api:v9: not found";
    let plain = "image registry.internal/demo/api:v9 cannot be pulled: the registry has no such image or tag";
    check(
        &Facts {
            pods: &[waiting("ErrImagePull", missing)],
            ..Facts::default()
        },
        plain,
    );
    let newer = format!("Back-off pulling image \"registry.internal/demo/api:v9\": ErrImagePull: {missing}");
    check(
        &Facts {
            pods: &[waiting("ImagePullBackOff", &newer)],
            ..Facts::default()
        },
        plain,
    );
    // Older kubelets tell the reason in an event alone.
    let older = waiting(
        "ImagePullBackOff",
        "Back-off pulling image \"registry.internal/demo/api:v9\"",
    );
    let events = [
        about(
            &older,
            "Failed",
            "Error: ImagePullBackOff",
            "2026-01-01T00:00:01Z",
        ),
        about(
            &older,
            "Failed",
            &format!("Failed to pull image \"registry.internal/demo/api:v9\": {missing}"),
            "2026-01-01T00:00:02Z",
        ),
    ];
    check(
        &Facts {
            pods: std::slice::from_ref(&older),
            events: &events,
            ..Facts::default()
        },
        plain,
    );
    check(
        &Facts {
            pods: &[older],
            ..Facts::default()
        },
        "image registry.internal/demo/api:v9 cannot be pulled",
    );
    // As kubelet 1.36 with containerd 1.6 says it, where the newest event of all says nothing.
    let nobody = "failed to pull and unpack image \"registry.internal/demo/api:v9\": failed to resolve reference \"registry.internal/demo/api:v9\": failed to do request: Head \"https://registry.internal/v2/demo/api/manifests/v9\": dial tcp: lookup registry.internal on 10.255.255.53:53: dial udp 10.255.255.53:53: connect: network is unreachable";
    let plain = "image registry.internal/demo/api:v9 cannot be pulled: the registry registry.internal cannot be reached: network is unreachable";
    let waits = format!("Back-off pulling image \"registry.internal/demo/api:v9\": ErrImagePull: {nobody}");
    for (reason, message) in [("ErrImagePull", nobody), ("ImagePullBackOff", &waits)] {
        check(
            &Facts {
                pods: &[waiting(reason, message)],
                ..Facts::default()
            },
            plain,
        );
    }
    let silent = waiting("ErrImagePull", "");
    let failed = format!("Failed to pull image \"registry.internal/demo/api:v9\": {nobody}");
    let events = [
        about(&silent, "Failed", &failed, "2026-01-01T00:00:02Z"),
        about(&silent, "Failed", "Error: ErrImagePull", "2026-01-01T00:00:02Z"),
    ];
    check(
        &Facts {
            pods: &[silent],
            events: &events,
            ..Facts::default()
        },
        plain,
    );
    check(
        &Facts {
            pods: &[waiting(
                "ErrImagePull",
                "rpc error: code = DeadlineExceeded desc = context deadline exceeded",
            )],
            ..Facts::default()
        },
        "image registry.internal/demo/api:v9 cannot be pulled: context deadline exceeded",
    );
    let refused = "failed to pull and unpack image \"r/x:1\": failed to resolve reference \"r/x:1\": unexpected status from HEAD request to https://r/v2/x/manifests/1: 401 Unauthorized";
    check(
        &Facts {
            pods: &[waiting("ErrImagePull", refused)],
            ..Facts::default()
        },
        "image registry.internal/demo/api:v9 cannot be pulled: the registry refuses access (unexpected status from HEAD request to https://r/v2/x/manifests/1: 401 Unauthorized)",
    );
    check(
        &Facts {
            pods: &[waiting("InvalidImageName", "")],
            ..Facts::default()
        },
        "image registry.internal/demo/api:v9 cannot be pulled: the name is not valid",
    );
}

/// A program that is told to stop may end as it likes.
#[test]
fn pods_that_are_to_go_are_no_cause() {
    let mut pod = pod(&json!({"name": "api", "ready": false, "restartCount": 0,
        "state": {"terminated": {"exitCode": 143, "reason": "Error"}}}));
    let words = "container api crashes with exit code 143";
    check(
        &Facts {
            pods: std::slice::from_ref(&pod),
            ..Facts::default()
        },
        words,
    );
    pod["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    check(
        &Facts {
            pods: &[pod],
            ..Facts::default()
        },
        "",
    );
}

#[test]
fn containers_that_fall() {
    let loops = |terminated: Value| {
        let mut pod = pod(&json!({
            "name": "api", "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}},
            "lastState": {"terminated": terminated},
        }));
        pod["status"]["phase"] = json!("Running");
        pod
    };
    let crash = loops(json!({
        "exitCode": 1, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": "2026-01-01T00:00:02Z",
        "message": "starting\ndial tcp: lookup checkout-db: no such host\n\n",
    }));
    check(
        &Facts {
            pods: std::slice::from_ref(&crash),
            ..Facts::default()
        },
        "container api crashes 2 s after it starts, with exit code 1 (4 restarts): dial tcp: lookup checkout-db: no such host",
    );
    check(
        &Facts {
            pods: &[loops(json!({"exitCode": 137, "reason": "OOMKilled"}))],
            ..Facts::default()
        },
        "container api was killed: it used more memory than its limit of 256Mi (4 restarts)",
    );
    check(
        &Facts {
            pods: &[loops(json!({"exitCode": 0, "reason": "Completed"}))],
            ..Facts::default()
        },
        "container api ends without an error, and is meant to go on running (4 restarts)",
    );
    let events = [about(
        &crash,
        "Unhealthy",
        "Liveness probe failed: Get \"http://10.0.0.1:8080/health\": connection refused",
        "x",
    )];
    check(
        &Facts {
            pods: &[crash],
            events: &events,
            ..Facts::default()
        },
        "container api is restarted since its liveness probe fails (4 restarts): Get \"http://10.0.0.1:8080/health\": connection refused",
    );
}

/// What programs of several languages leave behind when they fall, and which of it is worth telling.
#[test]
fn last_words_are_the_error() {
    let check = |log: &str, expect: &str| {
        assert_eq!(words::last_words(log).unwrap_or_default(), expect, "{log}");
    };
    check("", "");
    check("\n \n", "");
    check("starting\nno route to host\n\n", "no route to host");
    // Structured logs, as Go's slog, zerolog, pino and tracing write them.
    check(
        r#"{"time":"2026-01-01T00:00:00Z","level":"ERROR","msg":"stopped","error":"DATABASE_URL is not set"}"#,
        "stopped: DATABASE_URL is not set",
    );
    check(r#"{"level":"fatal","message":"no config"}"#, "no config");
    check(
        r#"{"level":60,"err":{"type":"Error","message":"connect ECONNREFUSED"},"msg":"cannot start"}"#,
        "cannot start: connect ECONNREFUSED",
    );
    check(
        r#"{"timestamp":"2026-01-01T00:00:00Z","level":"ERROR","fields":{"message":"stopped"},"target":"service"}"#,
        "stopped",
    );
    check(
        r#"{"level":"error","error":"disk full","msg":"disk full"}"#,
        "disk full",
    );
    check(r#"{"a":1}"#, r#"{"a":1}"#);
    check(
        r#"half a line","msg":"stopped"}"#,
        r#"half a line","msg":"stopped"}"#,
    );
    // Go, Node.js, Java, Python, Rust.
    check(
        "panic: no orders\n\ngoroutine 1 [running]:\nmain.main()\n\t/src/main.go:5 +0x25\nexit status 2",
        "panic: no orders",
    );
    check(
        "/app/main.js:3\nthrow new Error('no orders')\n^\n\nError: no orders\n    at main (/app/main.js:3:7)\n\nNode.js v22.1.0",
        "Error: no orders",
    );
    check(
        "node:events:497\n      throw er; // Unhandled 'error' event\n      ^\n\nError: connect ECONNREFUSED 10.0.0.1:5432\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1555:16)\nEmitted 'error' event on Client instance at:\n    at a (b.js:1:1) {\n  errno: -111,\n  code: 'ECONNREFUSED',\n  port: 5432\n}\n\nNode.js v22.1.0",
        "Error: connect ECONNREFUSED 10.0.0.1:5432",
    );
    check(
        "AggregateError:\n    at a (b.js:1:1) {\n  [errors]: [\n    Error: refused\n        at c (d.js:1:1) {\n      errno: -111\n    },\n  ]\n}",
        "AggregateError:",
    );
    check("no orders\n}", "no orders");
    check(
        "java.lang.IllegalStateException: start\n\tat a.B.c(B.java:1)\nCaused by: java.io.IOException: no orders\n\t... 12 more",
        "Caused by: java.io.IOException: no orders",
    );
    check(
        "Traceback (most recent call last):\n  File \"/app/main.py\", line 1, in <module>\nKeyError: 'ORDERS'",
        "KeyError: 'ORDERS'",
    );
    // Colours are for terminals.
    check(
        "\u{1b}[2m2026-01-01T00:00:00Z\u{1b}[0m \u{1b}[31mERROR\u{1b}[0m no orders\u{1b}[",
        "2026-01-01T00:00:00Z ERROR no orders",
    );
    check(
        "thread 'main' panicked at src/main.rs:5:5:\nno orders\nnote: run with `RUST_BACKTRACE=1` environment variable",
        "no orders",
    );
}

#[test]
fn configuration_that_is_missing() {
    let waiting = |message: &str| {
        pod(
            &json!({"name": "api", "ready": false, "state": {"waiting": {"reason": "CreateContainerConfigError", "message": message}}}),
        )
    };
    for (said, expect) in [
        (
            "secret \"stripe\" not found",
            "container api cannot start: secret stripe does not exist",
        ),
        (
            "configmap \"api\" not found",
            "container api cannot start: config map api does not exist",
        ),
        (
            "couldn't find key api-key in Secret demo/stripe",
            "container api cannot start: key api-key is missing in Secret demo/stripe",
        ),
        (
            "container has runAsNonRoot and image will run as root",
            "container api cannot start: container has runAsNonRoot and image will run as root",
        ),
    ] {
        check(
            &Facts {
                pods: &[waiting(said)],
                ..Facts::default()
            },
            expect,
        );
    }
    let creating =
        pod(&json!({"name": "api", "ready": false, "state": {"waiting": {"reason": "ContainerCreating"}}}));
    let events = [about(
        &creating,
        "FailedMount",
        "MountVolume.SetUp failed for volume \"binding\" : secret \"api-db\" not found",
        "x",
    )];
    check(
        &Facts {
            pods: &[creating],
            events: &events,
            ..Facts::default()
        },
        "volume binding cannot be mounted: secret api-db does not exist",
    );
}

#[test]
fn volumes_and_nodes() {
    let claim = json!({
        "kind": "PersistentVolumeClaim", "metadata": {"name": "data-checkout-db-0", "uid": "c1"},
        "spec": {"storageClassName": "fast"}, "status": {"phase": "Pending"},
    });
    let mut waiting = pod(&json!({}));
    waiting["status"] = json!({"phase": "Pending", "conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
    }]});
    let events = [about(
        &claim,
        "ProvisioningFailed",
        "storageclass.storage.k8s.io \"fast\" not found",
        "x",
    )];
    check(
        &Facts {
            pods: std::slice::from_ref(&waiting),
            events: &events,
            claims: std::slice::from_ref(&claim),
            ..Facts::default()
        },
        "volume claim data-checkout-db-0 is not bound: storage class \"fast\" does not exist",
    );
    let mut classless = claim.clone();
    classless["spec"] = json!({});
    let events = [about(
        &claim,
        "FailedBinding",
        "no persistent volumes available for this claim and no storage class is set",
        "x",
    )];
    check(
        &Facts {
            events: &events,
            claims: &[classless],
            ..Facts::default()
        },
        "volume claim data-checkout-db-0 is not bound: no volume fits, and the cluster has no default storage class",
    );
    // A claim that waits for its first pod is not the cause.
    let events = [about(
        &claim,
        "WaitForFirstConsumer",
        "waiting for first consumer to be created before binding",
        "x",
    )];
    check(
        &Facts {
            pods: &[waiting],
            events: &events,
            claims: &[claim],
            ..Facts::default()
        },
        "no node takes the pod: 0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
    );
}

#[test]
fn pods_that_are_not_made() {
    let said = "pods \"api-7d9c-\" is forbidden: exceeded quota: team-quota, requested: limits.cpu=2, used: limits.cpu=19, limited: limits.cpu=20";
    let workload = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "generation": 1}, "spec": {"replicas": 3},
        "status": {"observedGeneration": 1, "conditions": [{"type": "ReplicaFailure", "status": "True", "message": said}]},
    });
    let expect = "no pods can be made: the team's share is used up (exceeded quota: team-quota, requested: limits.cpu=2, used: limits.cpu=19, limited: limits.cpu=20)";
    check(
        &Facts {
            workload: Some(&workload),
            ..Facts::default()
        },
        expect,
    );
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db", "uid": "s1"}, "spec": {"replicas": 1}});
    let events = [about(
        &set,
        "FailedCreate",
        "create Pod db-0 in StatefulSet db failed: denied by policy",
        "x",
    )];
    check(
        &Facts {
            workload: Some(&set),
            events: &events,
            ..Facts::default()
        },
        "no pods can be made: create Pod db-0 in StatefulSet db failed: denied by policy",
    );
}

#[test]
fn probes_and_evictions() {
    let mut running = pod(
        &json!({"name": "api", "ready": false, "restartCount": 0, "state": {"running": {"startedAt": "x"}}}),
    );
    running["status"]["phase"] = json!("Running");
    let events = [about(
        &running,
        "Unhealthy",
        "Readiness probe failed: HTTP probe failed with statuscode: 503",
        "x",
    )];
    check(
        &Facts {
            pods: std::slice::from_ref(&running),
            events: &events,
            ..Facts::default()
        },
        "container api runs but its readiness probe fails: HTTP probe failed with statuscode: 503",
    );
    check(
        &Facts {
            pods: &[running],
            ..Facts::default()
        },
        "",
    );
    let gone = json!({"metadata": {"name": "p"}, "status": {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."}});
    check(
        &Facts {
            pods: &[gone],
            ..Facts::default()
        },
        "the pod was evicted: The node was low on resource: memory.",
    );
}

#[test]
fn a_healthy_workload_has_no_cause() {
    let workload = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"generation": 1}, "spec": {"replicas": 1},
        "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "availableReplicas": 1},
    });
    let old = pod(&json!({"name": "api", "state": {"waiting": {"reason": "ErrImagePull"}}}));
    check(
        &Facts {
            workload: Some(&workload),
            pods: &[old],
            ..Facts::default()
        },
        "",
    );
    check(&Facts::default(), "");
}

proptest! {
    #[test]
    fn others_words_never_panic(said in "\\PC{0,60}|[a-z :\"=]{0,60}", reason in prop::sample::select(vec![
        "ErrImagePull", "ImagePullBackOff", "CreateContainerConfigError", "RunContainerError", "CrashLoopBackOff",
    ])) {
        let pod = pod(&json!({"name": "api", "state": {"waiting": {"reason": reason, "message": said}}}));
        let events = [about(&pod, "FailedMount", &said, "x"), about(&pod, "Failed", &said, "x")];
        let facts = Facts { pods: std::slice::from_ref(&pod), events: &events, ..Facts::default() };
        prop_assert!(first_cause(&facts).is_some());
    }
}
