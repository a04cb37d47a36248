//! The main job as a newcomer does it: one command, a healthy service, and everything that can be asked about it
//! afterwards, until it is deleted.
#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

mod support;

use std::collections::BTreeSet;

use serde_json::Value;
use support::{AUTHOR, MAIN_FILE, MAIN_JOB, Machine, NAMESPACE, files, text};

/// Kinds and names.
fn identities<'a>(objects: impl IntoIterator<Item = &'a Value>, name: &str) -> BTreeSet<(String, String)> {
    let identity = |object: &Value| (text(object, "/kind").to_owned(), text(object, name).to_owned());
    objects.into_iter().map(identity).collect()
}

fn items(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

#[test]
fn one_command_makes_a_healthy_service() {
    let machine = Machine::new();
    let created = machine.run(MAIN_JOB).exits(0).says(&[
        "Using the sandbox: pods are simulated.",
        "✓ checked the request",
        "✓ expanded base-service ",
        "✓ guardrails",
        "✓ scaffolded the source repository",
        "✓ committed to infrastructure",
        "by Nora Newcomer",
        MAIN_FILE,
        "✓ synced",
        "✓ database postgres",
        "✓ cache redis",
        "✓ 3 of 3 replicas ready",
    ]);
    assert!(
        created
            .stdout
            .contains("api-gateway is Healthy and Synced in demo/dev."),
        "{created}"
    );
    assert!(
        created.stdout.contains("platform service get api-gateway"),
        "{created}"
    );

    // What can be asked about it.
    let got = machine.run("service get api-gateway -o json").exits(0).json();
    for (pointer, expect) in [
        ("/health", "Healthy"),
        ("/sync", "Synced"),
        ("/team", "demo"),
        ("/environment", "dev"),
        ("/namespace", NAMESPACE),
        ("/commit/subject", "Create api-gateway in demo/dev"),
        ("/commit/author", "Nora Newcomer"),
        ("/chain/0/kind", "Application"),
        ("/chain/0/health", "Healthy"),
    ] {
        assert_eq!(text(&got, pointer), expect, "{pointer} of {got:#}");
    }
    assert_eq!(got["simulated"], true);
    assert_eq!((&got["replicas"], &got["readyReplicas"]), (&3.into(), &3.into()));
    assert_eq!(
        text(&got, "/commit/id"),
        machine.head().unwrap().trim(),
        "the last commit is this service's"
    );
    let chain = identities(items(&got["chain"][0]["then"]), "/name");
    for (kind, name) in [
        ("Database", "api-gateway-db"),
        ("Cache", "api-gateway-cache"),
        ("Deployment", "api-gateway"),
    ] {
        assert!(chain.contains(&(kind.into(), name.into())), "{got:#}");
    }
    let yaml = machine.run("service get api-gateway -o yaml").exits(0);
    assert_eq!(yaml::parse(&yaml.stdout).unwrap().value, got);
    let table = machine.run("service get api-gateway").exits(0);
    assert!(
        table
            .stdout
            .starts_with("api-gateway in demo/dev is Healthy and Synced"),
        "{table}"
    );
    let list = machine.run("service list -o json").exits(0).json();
    assert_eq!(items(&list).len(), 1);
    assert_eq!(text(&list, "/0/name"), "api-gateway");
    let list = machine.run("service list").exits(0);
    assert!(list.stdout.contains("3/3"), "{list}");

    // What Git renders to is what the cluster holds.
    let rendered = machine.run("service render api-gateway -o json").exits(0).json();
    let rendered = identities(items(&rendered["items"]), "/metadata/name");
    let mut held = identities(items(&got["objects"]), "/name");
    // Its database is not the service's own: it outlives it, so the service's inventory does not hold it.
    assert!(
        held.insert(("Database".into(), "api-gateway-db".into())),
        "{held:?}"
    );
    assert_eq!(rendered, held);
    let stream = machine.run("service render api-gateway").exits(0);
    let stream = yaml::parse_all(&stream.stdout).unwrap();
    let stream = identities(stream.iter().map(|document| &document.value), "/metadata/name");
    assert_eq!(stream, rendered);

    // The infrastructure repository.
    let infrastructure = machine.infrastructure();
    assert_eq!(machine.commits(MAIN_FILE), ["Create api-gateway in demo/dev"]);
    let author = machine.git(&infrastructure, &["log", "-1", "--format=%an <%ae>", "main"]);
    assert_eq!(author.trim(), AUTHOR);
    let manifest = yaml::parse(&machine.in_git(MAIN_FILE).unwrap()).unwrap().value;
    assert_eq!(text(&manifest, "/kind"), "Application");
    assert_eq!(manifest["spec"]["replicas"], 3);
    assert!(
        !text(&manifest, "/spec/goldenPath/digest").is_empty(),
        "the exact version is in Git"
    );
    machine.git(&infrastructure, &["fsck", "--strict"]);

    // The source repository.
    let source = machine.work().join("api-gateway");
    assert_eq!(machine.git(&source, &["status", "--porcelain"]), "");
    assert_eq!(
        machine.git(&source, &["log", "--format=%an <%ae>"]).trim(),
        AUTHOR
    );
    let read = |name: &str| std::fs::read_to_string(source.join(name)).unwrap();
    assert!(read("catalog-info.yaml").contains("name: \"api-gateway\"\n"));
    assert!(read("Dockerfile").contains("USER"));
    for name in [
        "main.go",
        "database.go",
        "cache.go",
        "service_test.go",
        "README.md",
    ] {
        assert!(!read(name).contains("__"), "{name} has a placeholder left");
    }
    assert_eq!(
        machine
            .git(&source, &["ls-files"])
            .lines()
            .collect::<BTreeSet<_>>()
            .len(),
        files(&source)
            .keys()
            .filter(|path| source.join(path).is_file())
            .count(),
        "everything there is committed"
    );

    // And the run is over.
    let runs = machine.run("operation list -o json").exits(0).json();
    assert_eq!(items(&runs).len(), 1);
    assert_eq!(text(&runs, "/0/state"), "done");
}

#[test]
fn the_same_command_again_changes_nothing() {
    let machine = Machine::new();
    machine.run(MAIN_JOB).exits(0);
    let before = machine.written();
    let again = machine
        .run(MAIN_JOB)
        .exits(0)
        .says(&["already in Git as asked; nothing is written"]);
    assert!(again.stdout.contains("Healthy"), "{again}");
    assert_eq!(machine.written(), before);

    for other in [
        "service create api-gateway --language go --replicas 5 --database postgres --cache redis",
        "service create api-gateway --language go --replicas 3 --database postgres",
        "service create api-gateway --language go --replicas 3 --database postgres:16 --cache redis",
        "service create api-gateway --image registry.internal/api:v1",
    ] {
        machine.run(other).fails(
            6,
            &["api-gateway exists already in demo/dev", "hint: ", MAIN_FILE],
        );
        assert_eq!(machine.written(), before, "{other}");
    }
}

#[test]
fn no_password_leaves_the_cluster() {
    let machine = Machine::new();
    machine.run(MAIN_JOB).exits(0);
    machine.run("service get api-gateway -o yaml -vv").exits(0);
    machine.run("service render api-gateway").exits(0);
    let up = machine.up();
    let secrets = up.list("Secret", NAMESPACE);
    let names = up.names("Secret", NAMESPACE, "api-gateway");
    assert_eq!(names, ["api-gateway-cache", "api-gateway-db"]);
    let mut passwords = BTreeSet::new();
    for secret in &secrets {
        for (key, value) in secret["data"].as_object().unwrap() {
            if key == "password" || key == "uri" {
                // As it is kept in the Secret, and as a program reads it.
                let encoded = value.as_str().unwrap();
                passwords.insert(encoded.to_owned());
                passwords.insert(decoded(encoded));
            }
        }
    }
    assert!(
        passwords.len() >= 8,
        "two passwords and two addresses, in two forms each"
    );
    assert!(passwords.iter().all(|password| password.len() >= 16));
    machine.run("service get api-gateway -o json -vvv").exits(0);
    machine.run("service delete api-gateway --yes -vvv").exits(0);
    drop(up);

    let mut texts = vec![("what was said".to_owned(), machine.said())];
    for repository in [machine.infrastructure(), machine.work().join("api-gateway")] {
        let history = machine.git(&repository, &["log", "-p", "--all"]);
        texts.push((repository.display().to_string(), history));
    }
    let home = files(&machine.home());
    assert!(
        home.keys().any(|path| path.starts_with("operations")),
        "the journals are there"
    );
    for (path, content) in home.iter().filter(|(path, _)| !path.ends_with("sandbox.redb")) {
        texts.push((
            path.display().to_string(),
            String::from_utf8_lossy(content).into_owned(),
        ));
    }
    for (place, text) in &texts {
        for password in &passwords {
            assert!(!text.contains(password.as_str()), "a password is in {place}");
        }
    }
}

/// Base64 without a library: a test's needs are small.
fn decoded(text: &str) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.bytes().filter_map(|b| ALPHABET.iter().position(|a| *a == b));
    let (mut bits, mut count, mut bytes) = (0_usize, 0, Vec::new());
    for digit in digits {
        bits = ((bits << 6) | digit) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_dry_run_writes_nothing() {
    let machine = Machine::new();
    let dry = machine.run(&format!("{MAIN_JOB} --dry-run")).exits(0);
    assert!(dry.stdout.contains("kind: Application"), "{dry}");
    assert!(dry.stdout.contains("nothing was written"), "{dry}");
    let first = machine.head();
    let nothing = machine.written();
    assert!(
        nothing.journals.is_empty() && nothing.work.is_empty(),
        "{nothing:?}"
    );
    let dry = machine
        .run(&format!("{MAIN_JOB} --dry-run -o json"))
        .exits(0)
        .json();
    assert_eq!(dry["dryRun"], true);
    assert_eq!(machine.head(), first);
    assert_eq!(machine.written(), nothing);
    assert_eq!(machine.in_git(MAIN_FILE), None);
    machine.run("service get api-gateway").fails(4, &["hint: "]);
    let up = machine.up();
    for kind in ["Application", "Deployment", "Database", "Cache", "Secret", "Pod"] {
        assert_eq!(up.names(kind, support::CLUSTER, "api-gateway"), [""; 0], "{kind}");
    }
}

#[test]
fn the_source_goes_where_it_is_asked_to() {
    let machine = Machine::new();
    machine
        .run("service create plain --language go --no-scaffold")
        .exits(0);
    machine
        .run("service create image-only --image registry.internal/x:v1")
        .exits(0);
    assert!(
        machine.written().work.is_empty(),
        "neither has a source repository"
    );
    std::fs::create_dir(machine.work().join("code")).unwrap();
    machine
        .run("service create billing --language go --dir code/billing --cache redis")
        .exits(0)
        .says(&["code/billing"]);
    let source = machine.work().join("code/billing");
    assert_eq!(machine.git(&source, &["status", "--porcelain"]), "");
    assert!(source.join("cache.go").is_file());
    assert!(!source.join("database.go").exists(), "it has no database");
    let inside = std::fs::read_dir(machine.work().join("code")).unwrap().count();
    assert_eq!(inside, 1, "nothing is left beside it");
}

#[test]
fn services_and_teams_live_side_by_side() {
    let machine = Machine::new();
    machine
        .run("service create orders --language go --no-scaffold")
        .exits(0);
    machine
        .run("service create orders --language go --no-scaffold --team payments --environment staging")
        .fails(
            4,
            &[
                "there is no team called \"payments\"",
                "hint: there is demo",
                "platform team create",
            ],
        );
    machine.run("team create payments --environment staging").exits(0);
    machine
        .run("service create orders --language go --no-scaffold --team payments --environment staging")
        .exits(0);
    machine
        .run("service create invoices --language go --no-scaffold --team payments --environment staging")
        .exits(0);
    let list = machine.run("service list -o json").exits(0).json();
    let places: Vec<(&str, &str)> = items(&list)
        .iter()
        .map(|service| (text(service, "/namespace"), text(service, "/name")))
        .collect();
    assert_eq!(
        places,
        [
            ("demo-dev", "orders"),
            ("payments-staging", "invoices"),
            ("payments-staging", "orders")
        ]
    );
    assert!(items(&list).iter().all(|s| text(s, "/health") == "Healthy"));
    let payments = machine
        .run("service list --team payments -o json")
        .exits(0)
        .json();
    assert_eq!(items(&payments).len(), 2);

    // A name in two places must be told apart.
    for line in [
        "service get orders",
        "service render orders",
        "service delete orders --yes",
    ] {
        machine.run(line).fails(
            2,
            &[
                "there are 2 services called",
                "hint: ",
                "--team and --environment",
            ],
        );
    }
    let got = machine
        .run("service get orders --team payments -o json")
        .exits(0)
        .json();
    assert_eq!(text(&got, "/namespace"), "payments-staging");
    machine
        .run("service get invoices --team demo")
        .fails(4, &["hint: "]);
    machine.run("service get invoice").fails(4, &["did you mean"]);

    // Deleting one leaves its namesake.
    machine
        .run("service delete orders --team payments --yes")
        .exits(0);
    let left = machine.run("service get orders -o json").exits(0).json();
    assert_eq!(text(&left, "/namespace"), "demo-dev");
    assert_eq!(text(&left, "/health"), "Healthy");
    machine
        .run("service create orders --language go --team payments --environment dev")
        .fails(
            2,
            &[
                "does not use the environment dev",
                "hint: it uses staging",
                "platform/teams/payments.yaml",
            ],
        );
}

#[test]
fn deleting_keeps_the_data_unless_it_is_asked_for() {
    let machine = Machine::new();
    machine.run(MAIN_JOB).exits(0);
    let data = |up: &support::Up| {
        let uid = |kind, name| {
            up.get(kind, NAMESPACE, name)
                .map(|object| text(&object, "/metadata/uid").to_owned())
        };
        [
            uid("Database", "api-gateway-db"),
            uid("Secret", "api-gateway-db"),
            uid("PersistentVolumeClaim", "data-api-gateway-db-0"),
        ]
    };
    let up = machine.up();
    let before = data(&up);
    assert!(before.iter().all(Option::is_some), "{before:?}");
    drop(up);

    machine
        .run("service delete api-gateway")
        .fails(2, &["nobody to ask", "hint: add --yes"]);
    assert_eq!(machine.commits(MAIN_FILE).len(), 1);
    let deleted = machine
        .run("service delete api-gateway --yes -o json")
        .exits(0)
        .json();
    assert_eq!(
        deleted["kept"],
        serde_json::json!([
            "database api-gateway-db",
            "volume data-api-gateway-db-0",
            "secret api-gateway-db"
        ])
    );
    assert_eq!(machine.in_git(MAIN_FILE), None);
    assert_eq!(
        machine.commits(MAIN_FILE),
        [
            "Delete api-gateway from demo/dev",
            "Create api-gateway in demo/dev"
        ]
    );
    machine.run("service get api-gateway").fails(4, &["hint: "]);
    machine
        .run("service delete api-gateway --yes")
        .fails(4, &["hint: "]);
    let up = machine.up();
    for kind in [
        "Application",
        "Deployment",
        "ReplicaSet",
        "Pod",
        "Service",
        "Cache",
    ] {
        let names = up.names(kind, NAMESPACE, "api-gateway");
        let names: Vec<_> = names
            .iter()
            .filter(|name| !name.starts_with("api-gateway-db"))
            .collect();
        assert!(names.is_empty(), "{kind}: {names:?}");
    }
    assert_eq!(data(&up), before, "the data is the same");
    drop(up);

    // The same service finds its data again; its source repository is still there.
    machine
        .run(&format!("{MAIN_JOB} --no-scaffold"))
        .exits(0)
        .says(&["✓ 3 of 3 replicas ready"]);
    let up = machine.up();
    assert_eq!(data(&up), before, "the data is found again");

    let deleted = machine
        .run("service delete api-gateway --yes --delete-data")
        .exits(0);
    assert!(!deleted.stdout.contains("stays"), "{deleted}");
    for kind in [
        "Application",
        "Deployment",
        "Database",
        "Cache",
        "StatefulSet",
        "Secret",
    ] {
        assert_eq!(up.names(kind, NAMESPACE, "api-gateway"), [""; 0], "{kind}");
    }
    assert_eq!(
        up.names("PersistentVolumeClaim", NAMESPACE, "data-api-gateway"),
        [""; 0]
    );
    for volume in up.names("PersistentVolume", support::CLUSTER, "") {
        up.until("PersistentVolume", support::CLUSTER, &volume, |found| {
            found.is_none()
        });
    }
}

#[test]
fn data_that_a_service_left_can_be_deleted_later() {
    let machine = Machine::new();
    machine.run(&format!("{MAIN_JOB} --no-scaffold")).exits(0);
    let deleted = machine.run("service delete api-gateway --yes").exits(0);
    assert!(
        deleted.stdout.contains("Its data stays: database api-gateway-db"),
        "{deleted}"
    );
    let head = machine.head();
    machine
        .run("service delete api-gateway --yes --delete-data")
        .exits(0);
    assert_eq!(machine.head(), head, "Git has nothing to do with it");
    machine
        .run("service delete api-gateway --yes --delete-data")
        .fails(4, &["hint: "]);
    let up = machine.up();
    for kind in ["Database", "StatefulSet", "Secret", "Pod"] {
        assert_eq!(up.names(kind, NAMESPACE, "api-gateway"), [""; 0], "{kind}");
    }
    assert_eq!(up.names("PersistentVolumeClaim", NAMESPACE, ""), [""; 0]);
}
