//! Services that are not well, and whether the first cause is the one that a person needs to hear.

mod support;

use std::fs;

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use support::{Checkout, Machine, NAMESPACE, text};

#[test]
fn an_image_that_cannot_be_pulled() {
    let machine = Machine::new();
    let image = "registry.invalid/broken:v1";
    machine
        .run(&format!(
            "service create broken --language go --no-scaffold --replicas 1 --image {image}"
        ))
        .fails(
            1,
            &[
                "broken is Degraded",
                image,
                "hint: ",
                "platform service get broken",
            ],
        );
    let got = machine.run("service get broken -o json").exits(0).json();
    assert_eq!(text(&got, "/health"), "Degraded");
    assert_eq!(text(&got, "/sync"), "Synced", "Git is not the problem");
    assert!(text(&got, "/reason").contains(image), "{got:#}");
    let shown = machine.run("service get broken").exits(0);
    let cause = shown
        .stdout
        .lines()
        .find(|line| line.contains("first cause"))
        .unwrap();
    assert!(cause.contains(image), "{shown}");
    let list = machine.run("service list").exits(0);
    assert!(list.stdout.contains("Degraded"), "{list}");

    // It stands as asked: that is no run left half done, and deleting it works.
    let runs = machine.run("operation list -o json").exits(0).json();
    assert_eq!(text(&runs, "/0/state"), "done");
    machine.run("service delete broken --yes").exits(0);
    machine.run("service get broken").exits(4);
}

/// Whether an Application is not well, for a reason with these words.
fn unwell(application: Option<&Value>, words: &str) -> bool {
    application.is_some_and(|application| {
        !["Healthy", ""].contains(&text(application, "/status/health"))
            && text(application, "/status/reason").contains(words)
    })
}

#[test]
fn a_volume_of_a_class_that_does_not_exist() {
    let machine = Machine::new();
    machine
        .run("service create files --language go --no-scaffold")
        .exits(0);
    let up = machine.up();
    let clone = Checkout::of(&machine).folder;
    let file = clone.join("teams/demo/dev/applications/files.yaml");
    let good = fs::read_to_string(&file).unwrap();
    let push = |content: &str, message: &str| {
        fs::write(&file, content).unwrap();
        machine.git(&clone, &["commit", "-qam", message]);
        machine.git(&clone, &["push", "-q"]);
    };
    push(
        &format!("{good}  storage:\n  - class: fast\n    path: /data\n    size: 1Gi\n"),
        "Keep files",
    );
    up.until("Application", NAMESPACE, "files", |application| {
        unwell(application, "\"fast\"")
    });
    let got = machine.run("service get files -o json").exits(0).json();
    assert_ne!(text(&got, "/health"), "Healthy");
    assert!(
        text(&got, "/reason").contains("storage class \"fast\""),
        "{got:#}"
    );
    assert_eq!(text(&got, "/commit/subject"), "Keep files");

    // Going back heals it, through Git alone.
    push(&good, "Keep no files");
    up.until("Application", NAMESPACE, "files", |application| {
        application.is_some_and(|application| text(application, "/status/health") == "Healthy")
    });
    let got = machine.run("service get files -o json").exits(0).json();
    assert_eq!(text(&got, "/commit/subject"), "Keep no files");
}

#[test]
fn a_container_that_crashes() {
    let machine = Machine::new();
    machine
        .run("service create moody --language go --no-scaffold --replicas 2")
        .exits(0);
    let up = machine.up();
    let line = "cannot open the lock file";
    let annotate = |annotations: Value| {
        let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        let deployments = up.api("Deployment", NAMESPACE);
        up.wait(deployments.patch("moody", &PatchParams::default(), &Patch::Strategic(patch)))
            .unwrap();
    };
    annotate(json!({
        "sandbox.towpath.dev/fail": "crash",
        "sandbox.towpath.dev/exit-code": "3",
        "sandbox.towpath.dev/last-line": line,
    }));
    up.until("Application", NAMESPACE, "moody", |application| {
        unwell(application, line)
    });
    let got = machine.run("service get moody").exits(0);
    let cause = got
        .stdout
        .lines()
        .find(|line| line.contains("first cause"))
        .unwrap();
    assert!(cause.contains(line), "{got}");
    assert!(
        got.stdout.contains("Pod moody-"),
        "the chain leads to the pod\n{got}"
    );

    annotate(json!({
        "sandbox.towpath.dev/fail": null,
        "sandbox.towpath.dev/exit-code": null,
        "sandbox.towpath.dev/last-line": null,
    }));
    up.until("Application", NAMESPACE, "moody", |application| {
        application.is_some_and(|application| text(application, "/status/health") == "Healthy")
    });
}
