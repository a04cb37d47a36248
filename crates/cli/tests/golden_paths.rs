//! A golden path of the platform team's own: from a folder of the infrastructure repository to services that follow it.

#![expect(clippy::unwrap_used, reason = "a test says so by failing")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{CLUSTER, Checkout, Machine, NAMESPACE, text};

const CHART: &str = "apiVersion: v2\nname: tiny\nversion: 1.0.0\n";
const RESOURCE: &str = "\
apiVersion: platform.company.com/v1
kind: GoldenPath
metadata:
  name: tiny
spec:
  kind: worker
  languages: [go]
  versions:
    - version: 1.0.0
      chart:
        directory: platform/golden-paths/tiny
";

/// The shipped worker's chart with its library, as the platform team would copy it.
fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../golden-paths")
        .join(name)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn application(name: &str, spec: &str) -> String {
    format!(
        "apiVersion: platform.company.com/v1\nkind: Application\nmetadata:\n  name: {name}\nspec:\n\
         \x20 image: registry.internal/{name}:v1\n{spec}"
    )
}

fn is(object: Option<&Value>, pointer: &str, expect: &str) -> bool {
    object.is_some_and(|object| text(object, pointer) == expect)
}

/// The Ready condition of a resource.
fn ready(object: Option<&Value>, status: &str) -> bool {
    let conditions = object.and_then(|object| object.pointer("/status/conditions")?.as_array());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == status)
}

#[test]
fn a_golden_path_of_ones_own() {
    let machine = Machine::new();
    machine
        .run("service create api-gateway --language go --no-scaffold")
        .exits(0);
    let up = machine.up();
    let clone = Checkout::of(&machine);
    copy(
        &shipped("worker"),
        &clone.folder.join("platform/golden-paths/tiny"),
    );
    copy(
        &shipped("service-library"),
        &clone.folder.join("platform/golden-paths/service-library"),
    );
    let description = fs::read_to_string(shipped("worker/Chart.yaml")).unwrap();
    let version = description
        .lines()
        .find_map(|line| line.strip_prefix("version: "))
        .unwrap();
    clone.write(
        "platform/golden-paths/tiny.yaml",
        &RESOURCE.replace("1.0.0", version),
    );
    clone.write(
        "teams/demo/dev/applications/queue.yaml",
        &application("queue", "  replicas: 1\n  goldenPath:\n    name: tiny\n"),
    );
    machine.run(&format!("check {}", clone.folder.display())).exits(0);
    clone.push("Offer a tiny golden path, and follow it");

    // The service waits for its golden path, not the other way round, whichever comes first.
    up.until("Application", NAMESPACE, "queue", |queue| {
        is(queue, "/status/health", "Healthy")
    });
    up.until("GoldenPath", CLUSTER, "tiny", |path| {
        ready(path, "True") && is(path, "/status/newest", version)
    });
    let got = machine.run("service get queue -o json").exits(0).json();
    assert_eq!(text(&got, "/goldenPath"), format!("tiny@{version}"));
    let rendered = machine.run("service render queue").exits(0);
    assert!(rendered.stdout.contains("kind: Deployment"), "{rendered}");
    assert!(
        !rendered.stdout.contains("kind: Service\n"),
        "a worker is not called: {rendered}"
    );

    // A change of the chart alone reaches the service.
    let library = clone
        .folder
        .join("platform/golden-paths/service-library/templates/_workload.tpl");
    let before = fs::read_to_string(&library).unwrap();
    let changed = before.replace("\nspec:\n", "\nspec:\n  revisionHistoryLimit: 7\n");
    assert_ne!(changed, before, "the library has another form now");
    fs::write(&library, changed).unwrap();
    clone.push("Keep seven revisions");
    up.until("Deployment", NAMESPACE, "queue", |deployment| {
        deployment.is_some_and(|deployment| deployment["spec"]["revisionHistoryLimit"] == 7)
    });

    // A chart that is no golden path is said at its resource; the service keeps what it has, and says why.
    clone.write(
        "platform/golden-paths/tiny/templates/random.yaml",
        "a: {{ lookup \"v1\" \"Secret\" \"\" \"x\" }}\n",
    );
    clone.push("Ask the cluster");
    up.until("GoldenPath", CLUSTER, "tiny", |path| ready(path, "False"));
    up.until("Application", NAMESPACE, "queue", |queue| {
        is(queue, "/status/health", "Degraded")
            && queue.is_some_and(|queue| text(queue, "/status/reason").contains("random.yaml:1 uses lookup"))
    });
    up.until("Deployment", NAMESPACE, "queue", |deployment| {
        deployment.is_some()
    });
    fs::remove_file(
        clone
            .folder
            .join("platform/golden-paths/tiny/templates/random.yaml"),
    )
    .unwrap();
    clone.push("Ask nobody");
    up.until("Application", NAMESPACE, "queue", |queue| {
        is(queue, "/status/health", "Healthy")
    });
}

#[test]
fn a_cron_job_is_healthy_without_copies() {
    let machine = Machine::new();
    machine
        .run("service create api-gateway --language go --no-scaffold")
        .exits(0);
    let up = machine.up();
    let clone = Checkout::of(&machine);
    clone.write(
        "teams/demo/dev/applications/nightly.yaml",
        &application(
            "nightly",
            "  schedule: 0 3 * * *\n  goldenPath:\n    name: cron-job\n",
        ),
    );
    clone.push("Clean up every night");
    up.until("Application", NAMESPACE, "nightly", |nightly| {
        is(nightly, "/status/health", "Healthy")
            && nightly.is_some_and(|nightly| {
                text(nightly, "/status/reason").contains("next run at")
                    && nightly
                        .pointer("/status/replicas")
                        .is_none_or(|count| *count == 0)
            })
    });
    let lost = application("lost", "  goldenPath:\n    name: webapp\n");
    clone.write("teams/demo/dev/applications/lost.yaml", &lost);
    clone.push("Follow what there is not");
    up.until("Application", NAMESPACE, "lost", |lost| {
        is(lost, "/status/health", "Degraded")
            && lost
                .is_some_and(|lost| text(lost, "/status/reason").contains("no golden path called \"webapp\""))
    });
}

#[test]
fn check_says_what_is_wrong_with_a_golden_path() {
    let machine = Machine::new();
    machine
        .run("service create api-gateway --language go --no-scaffold")
        .exits(0);
    let clone = Checkout::of(&machine);
    let check = |template: &str, resource: &str, expect: &[&str]| {
        clone.write("platform/golden-paths/tiny/Chart.yaml", CHART);
        clone.write("platform/golden-paths/tiny/templates/all.yaml", template);
        clone.write("platform/golden-paths/tiny.yaml", resource);
        let output = machine.run(&format!("check {}", clone.folder.display()));
        if expect.is_empty() {
            output.exits(0);
            return;
        }
        let output = output.exits(1);
        for words in expect {
            assert!(output.stdout.contains(words), "{output}\nshould say {words}");
        }
    };
    let good = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Values.name }}\n";
    let file = "platform/golden-paths/tiny.yaml:9:";
    let random = format!("{good}data:\n  password: {{{{ randAlphaNum 16 }}}}\n");
    check(good, RESOURCE, &[]);
    check(
        "a: {{ .Values.name\n",
        RESOURCE,
        &[file, "templates/all.yaml:1", "platform/golden-paths/tiny"],
    );
    check(&random, RESOURCE, &[file, "comes out different"]);
    check(
        good,
        &RESOURCE.replace("1.0.0", "1.1.0"),
        &[file, "its Chart.yaml says version 1.0.0"],
    );
    check(
        good,
        &RESOURCE.replace("golden-paths/tiny", "golden-paths/tinny"),
        &["tiny.yaml:11:", "there is no folder platform/golden-paths/tinny"],
    );
    check(
        good,
        &RESOURCE.replace("kind: worker", "kind: server"),
        &["tiny.yaml:6:", "spec.kind"],
    );
}
