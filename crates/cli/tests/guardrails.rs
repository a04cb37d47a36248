//! Guardrails as people meet them: at `create`, and at the door of the cluster.

mod support;

use serde_json::{Value, json};
use support::{Machine, NAMESPACE, deployment, pod, text};

#[test]
fn a_refused_service_leaves_nothing() {
    let machine = Machine::new();
    // A first service, so that there is something that must not change.
    machine
        .run("service create orders --language go --no-scaffold")
        .exits(0);
    let before = machine.written();
    let refused = machine
        .run("service create billing --language go --image registry.internal/billing:latest --database postgres")
        .exits(3)
        .says(&[
            "error: a guardrail refuses this service\n  rule     disallow-latest-tag (enforced",
            "\n  field    spec.image = \"registry.internal/billing:latest\"\n",
            "\n           (the object: Deployment billing, ",
            "\n  why      ",
            "\n  hint     ",
            "--image registry.internal/billing:v1",
            "\nNothing was created.",
        ]);
    assert!(refused.stderr.trim_end().ends_with("exit 3"), "{refused}");
    assert_eq!(refused.stdout, "", "there is no data");
    assert_eq!(machine.written(), before);
    machine.run("service get billing").fails(4, &[]);
    let up = machine.up();
    for kind in ["Application", "Deployment", "Database", "Secret", "Pod"] {
        assert_eq!(up.names(kind, support::CLUSTER, "billing"), [""; 0], "{kind}");
    }
}

#[test]
fn an_image_is_named_exactly() {
    let machine = Machine::new();
    for (image, expect) in [
        ("registry.internal/billing", 3),
        ("registry.internal:5000/billing", 3),
        ("registry.internal:5000/billing:latest", 3),
        ("registry.internal/billing:v1", 0),
        ("registry.internal:5000/billing:v1", 0),
    ] {
        machine
            .run(&format!("service create billing --image {image} --dry-run"))
            .exits(expect);
    }
}

#[test]
fn the_cluster_refuses_what_the_guardrails_refuse() {
    let machine = Machine::new();
    machine
        .run("service create orders --language go --no-scaffold")
        .exits(0);
    let up = machine.up();
    let refused = |object: &Value, words: &[&str]| match up.create(NAMESPACE, object) {
        Ok(_) => panic!("the cluster took {object:#}"),
        Err(kube::Error::Api(status)) => {
            assert_eq!(status.code, 403, "{status:?}");
            for word in words {
                assert!(status.message.contains(word), "{word}: {}", status.message);
            }
        }
        Err(error) => panic!("{error}"),
    };
    let latest = ["disallow-latest-tag", "The image tag latest is not allowed"];
    refused(&pod("registry.internal/x:latest"), &latest);
    refused(&deployment("registry.internal/x:latest"), &latest);
    // What a pod does not say of its limits, the team's LimitRange says; nobody says it of a template.
    let mut greedy = deployment("registry.internal/x:v1");
    greedy["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({});
    refused(&greedy, &["require-limits"]);
    let mut root = pod("registry.internal/x:v1");
    root["spec"]["containers"][0]["securityContext"]["privileged"] = json!(true);
    refused(&root, &["restricted"]);
    for kind in ["Pod", "Deployment"] {
        assert!(up.get(kind, NAMESPACE, "x").is_none(), "{kind}");
    }

    let made = up
        .create(NAMESPACE, &deployment("registry.internal/x:v1"))
        .unwrap();
    assert_eq!(made.metadata.name.as_deref(), Some("x"));
    up.until("Deployment", NAMESPACE, "x", |found| {
        found.is_some_and(|d| d["status"]["readyReplicas"] == 1)
    });
    let pods = up.list("Pod", NAMESPACE);
    assert!(
        pods.iter()
            .any(|pod| text(pod, "/metadata/name").starts_with("x-"))
    );
}
