//! What the cluster refuses of a service: whoever is told, is told which field of the intent decides it.

mod support;

use serde_json::Value;
use support::{Checkout, Machine, NAMESPACE, text};

const FILE: &str = "teams/demo/dev/applications/files.yaml";

#[test]
fn an_override_that_the_cluster_refuses() {
    let machine = Machine::new();
    machine
        .run("service create files --language go --no-scaffold")
        .exits(0);
    let up = machine.up();
    let clone = Checkout::of(&machine);
    let good = machine.in_git(FILE).unwrap();
    let says = |words: &'static [&str]| {
        move |object: Option<&Value>| {
            object.is_some_and(|object| words.iter().all(|word| object.to_string().contains(word)))
        }
    };
    let cases = [
        (
            "patches: [{target: {kind: Deployment}, patch: {spec: {minReadySeconds: -5}}}]",
            &[
                "Deployment demo-dev/files cannot be applied",
                "greater than or equal to 0",
                "(spec.overrides.patches[0].patch.spec.minReadySeconds decides /spec/minReadySeconds)",
            ][..],
        ),
        (
            "patches: [{target: {kind: Service}, patch: [{op: replace, path: /spec/ports/0/port, value: 99999}]}]",
            &[
                "Service demo-dev/files cannot be applied",
                "between 1 and 65535",
                "(spec.overrides.patches[0].patch[0].value decides /spec/ports/0/port)",
            ],
        ),
    ];
    for (overrides, refused) in cases {
        clone.write(FILE, &format!("{good}  overrides:\n    {overrides}\n"));
        clone.push("Change too much");
        up.until("Application", NAMESPACE, "files", says(refused));
        let application = up.get("Application", NAMESPACE, "files").unwrap();
        assert_eq!(text(&application, "/status/health"), "Degraded");
        for condition in application["status"]["conditions"].as_array().unwrap() {
            if condition["type"] == "Ready" {
                assert_eq!(condition["message"], application["status"]["reason"]);
            }
        }
        let got = machine.run("service get files").exits(0);
        assert!(refused.iter().all(|words| got.stdout.contains(words)), "{got}");

        // What tries it in the cluster first says the same.
        let (field, path) = refused[2]
            .trim_matches(['(', ')'])
            .split_once(" decides ")
            .unwrap();
        let diff = machine.run("service diff files").exits(2);
        let decides = format!("# {field} decides {path}\n");
        assert!(diff.stdout.contains(refused[1]), "{diff}");
        assert!(diff.stdout.contains(&decides), "{diff}");
        let diff = machine.run("service diff files -o json").exits(2).json();
        assert_eq!(text(&diff, "/problems/0/field"), field);
        assert_eq!(text(&diff, "/problems/0/path"), path);
    }
    clone.write(FILE, &good);
    clone.push("Change nothing");
    up.until(
        "Application",
        NAMESPACE,
        "files",
        says(&["\"health\":\"Healthy\""]),
    );

    // Each was told before the next was tried.
    let events = up.list("Event", NAMESPACE);
    for (_, refused) in cases {
        assert!(
            events.iter().any(|event| says(refused)(Some(event))),
            "{refused:?}\n{events:#?}"
        );
    }
}
