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

#[test]
fn two_things_of_one_name() {
    let machine = Machine::new();
    machine
        .run("service create shop --language go --no-scaffold --database postgres")
        .exits(0);
    machine
        .run("service create pages-cache --language go --no-scaffold")
        .exits(0);
    for (line, words) in [
        (
            "shop-db",
            "the name shop-db is taken by the database of the service shop",
        ),
        (
            "pages --cache redis",
            "the name pages-cache is taken by a service, and the cache of pages would have it",
        ),
    ] {
        machine
            .run(&format!("service create {line} --language go --no-scaffold"))
            .fails(6, &[words, "in demo/dev", "hint: choose another name"]);
    }
    // No name is taken where nothing has it.
    for line in ["shop-cache", "pages", "db", "shop-db-db"] {
        machine
            .run(&format!(
                "service create {line} --language go --no-scaffold --dry-run"
            ))
            .exits(0);
    }

    // Whoever goes past the commands is told by check, and by the operator; the database stays what it is.
    let up = machine.up();
    let clone = Checkout::of(&machine);
    let shop = machine.in_git("teams/demo/dev/applications/shop.yaml").unwrap();
    clone.write(
        "teams/demo/dev/applications/shop-db.yaml",
        &shop.replace("name: shop\n", "name: shop-db\n"),
    );
    let checked = machine.run(&format!("check {}", clone.folder.display())).exits(1);
    let words = "applications/shop-db.yaml:4: the name shop-db is taken by the database of the service shop";
    assert!(checked.stdout.contains(words), "{checked}");
    clone.push("Call a service as a database");
    up.until("Application", NAMESPACE, "shop-db", |application| {
        let reason = "demo-dev/shop-db cannot be applied: the object belongs to Database shop-db";
        application.is_some_and(|application| text(application, "/status/reason").contains(reason))
    });
    let service = up.get("Service", NAMESPACE, "shop-db").unwrap();
    assert_eq!(
        text(&service, "/spec/selector/app.kubernetes.io~1name"),
        "postgres"
    );
    assert_eq!(service["spec"]["ports"].as_array().unwrap().len(), 1);
}
