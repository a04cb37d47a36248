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

/// What the sandbox is asked to simulate is told in the words that a real node's troubles are told in.
#[test]
fn containers_that_do_not_run() {
    let machine = Machine::new();
    machine
        .run("service create moody --language go --no-scaffold --replicas 2")
        .exits(0);
    let up = machine.up();
    let simulate = |fail: Value, code: Value, line: Value| {
        let annotations = json!({
            "sandbox.towpath.dev/fail": fail,
            "sandbox.towpath.dev/exit-code": code,
            "sandbox.towpath.dev/last-line": line,
        });
        let patch = json!({"spec": {"template": {"metadata": {"annotations": annotations}}}});
        let deployments = up.api("Deployment", NAMESPACE);
        up.wait(deployments.patch("moody", &PatchParams::default(), &Patch::Strategic(patch)))
            .unwrap();
    };
    let line = r#"{"level":"error","msg":"stopped","error":"cannot open the lock file"}"#;
    let cases: [(Value, &[&str]); 3] = [
        (
            json!(["crash", "3", line]),
            &[
                "container moody crashes right after it starts, with exit code 3",
                ": stopped: cannot open the lock file",
            ],
        ),
        (
            json!(["oom", null, null]),
            &[
                "container moody was killed: it used more memory than its limit of 512Mi",
                "; raise it with a larger size, or with resources.limits.memory, in the service's file in Git",
            ],
        ),
        (
            json!(["image-pull", null, null]),
            &["cannot be pulled: the registry has no such image or tag"],
        ),
    ];
    for (asked, words) in cases {
        let [fail, code, line] = [0, 1, 2].map(|index| asked[index].clone());
        simulate(fail, code, line);
        up.until("Application", NAMESPACE, "moody", |application| {
            words.iter().all(|words| unwell(application, words))
        });
        let got = machine.run("service get moody").exits(0);
        assert!(got.stdout.starts_with("moody in demo/dev is "), "{got}");
        let cause = got
            .stdout
            .lines()
            .find(|line| line.contains("first cause"))
            .unwrap();
        assert!(words.iter().all(|words| cause.contains(words)), "{got}");
        let mut pods = got.stdout.lines().filter(|line| line.contains("Pod moody-"));
        assert!(
            pods.any(|line| line.contains(words[0])),
            "the chain leads to the pod\n{got}"
        );
    }

    simulate(Value::Null, Value::Null, Value::Null);
    up.until("Application", NAMESPACE, "moody", |application| {
        application.is_some_and(|application| text(application, "/status/health") == "Healthy")
    });
}
