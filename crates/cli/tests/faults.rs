//! A run that is killed or interrupted, at every point: it is resumed, or undone without a trace. And a sandbox that
//! is killed while it is written to: what it acknowledged is there.
#![expect(clippy::unwrap_used, reason = "tests say what went wrong by panicking")]

mod support;

use kube::api::PostParams;
use serde_json::{Value, json};
use support::{CLUSTER, MAIN_FILE, MAIN_JOB, Machine, NAMESPACE, Output, text};

/// The one run there is, as `operation list` has it.
fn only_run(machine: &Machine) -> Value {
    let runs = machine.run("operation list -o json").exits(0).json();
    assert_eq!(runs.as_array().unwrap().len(), 1, "{runs:#}");
    runs[0].clone()
}

/// A machine on which the main job was killed at a point, `step:when` as the journal names steps.
fn killed_at(point: &str) -> Machine {
    let machine = Machine::new();
    let mut command = machine.platform(MAIN_JOB);
    command.env("TOWPATH_TEST_KILL", point);
    let killed = machine.finish(command);
    assert_eq!(killed.code, None, "nothing ended it at {point}\n{killed}");
    assert_eq!(text(&only_run(&machine), "/state"), "half done");
    machine
}

/// The same command goes on; before that, no other command for the service gets in.
fn resumes(point: &str) {
    let machine = killed_at(point);
    let run = only_run(&machine);
    let id = text(&run, "/id");
    let before = machine.written();
    let undo = format!("platform operation undo {id}");
    for other in [
        "service create api-gateway --language go --replicas 5 --no-scaffold",
        "service create api-gateway --image registry.internal/api:v1 --dry-run",
        "service delete api-gateway --yes",
    ] {
        if other.contains("delete") && machine.in_git(MAIN_FILE).is_none() {
            // There is no service yet to delete.
            machine.run(other).fails(4, &["hint: "]);
        } else {
            machine
                .run(other)
                .fails(6, &["half done", MAIN_JOB, "hint: ", &undo]);
        }
        assert_eq!(machine.written(), before, "{other}");
    }
    // Another service is no business of the half-done run.
    machine
        .run("service create other --language go --no-scaffold --dry-run")
        .exits(0);

    let resumed = machine.run(MAIN_JOB).exits(0).says(&["that was left half done"]);
    assert!(
        resumed.stdout.contains("api-gateway is Healthy and Synced"),
        "{resumed}"
    );
    assert_eq!(machine.commits(MAIN_FILE), ["Create api-gateway in demo/dev"]);
    assert_eq!(text(&only_run(&machine), "/state"), "done");
    let source = machine.work().join("api-gateway");
    assert_eq!(machine.git(&source, &["status", "--porcelain"]), "");
    assert_eq!(machine.git(&source, &["log", "--format=%s"]).lines().count(), 1);
    only_the_source(&machine, &["api-gateway"]);
    let got = machine.run("service get api-gateway -o json").exits(0).json();
    assert_eq!(got["readyReplicas"], 3);
    let leftovers = machine.git(&machine.infrastructure(), &["count-objects", "-v"]);
    assert!(leftovers.contains("garbage: 0"), "{leftovers}");
}

/// Undo leaves nothing, and then the service can be made.
fn is_undone(point: &str) {
    let machine = killed_at(point);
    let run = only_run(&machine);
    let id = text(&run, "/id");
    machine
        .run(&format!("operation undo {id}"))
        .exits(0)
        .says(&["is left of this run"]);
    nothing_is_left(&machine);
    machine
        .run(&format!("operation undo {id}"))
        .fails(6, &["undone", "hint: "]);
    machine
        .run(&format!("operation resume {id}"))
        .fails(6, &["undone"]);
    let made = machine.run(MAIN_JOB).exits(0);
    assert!(
        made.stdout.contains("api-gateway is Healthy and Synced"),
        "{made}"
    );
}

/// Nothing is in the working folder but these.
fn only_the_source(machine: &Machine, names: &[&str]) {
    let there: Vec<_> = std::fs::read_dir(machine.work())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(there, names);
}

/// The main job left no trace but its journal and history.
fn nothing_is_left(machine: &Machine) {
    assert_eq!(machine.in_git(MAIN_FILE), None);
    only_the_source(machine, &[]);
    assert_eq!(text(&only_run(machine), "/state"), "undone");
    nothing_of_it_is_in_the_cluster(machine);
}

/// Neither the service nor its data is in the cluster.
fn nothing_of_it_is_in_the_cluster(machine: &Machine) {
    machine.run("service get api-gateway").fails(4, &["hint: "]);
    let up = machine.up();
    for kind in [
        "Application",
        "Database",
        "Cache",
        "Secret",
        "ConfigMap",
        "Service",
        "ServiceAccount",
        "NetworkPolicy",
        "ServiceMonitor",
        "Deployment",
        "ReplicaSet",
        "StatefulSet",
        "Pod",
    ] {
        assert_eq!(up.names(kind, NAMESPACE, "api-gateway"), [""; 0], "{kind}");
    }
    let claims = up.names("PersistentVolumeClaim", NAMESPACE, "");
    assert_eq!(claims, [""; 0]);
    for volume in up.names("PersistentVolume", CLUSTER, "") {
        up.until("PersistentVolume", CLUSTER, &volume, |found| found.is_none());
    }
}

/// Both ways out of a kill, for each point.
macro_rules! killed {
    ($($name:ident: $point:literal,)*) => {$(
        mod $name {
            #[test]
            fn resumes() {
                super::resumes($point);
            }

            #[test]
            fn is_undone() {
                super::is_undone($point);
            }
        }
    )*};
}

killed! {
    killed_after_the_beginning: "begin:after",
    killed_before_the_scaffold: "scaffold:before",
    killed_after_the_scaffold: "scaffold:after",
    killed_before_the_commit: "commit:before",
    killed_after_the_commit: "commit:after",
    killed_before_it_is_ready: "ready:before",
    killed_after_it_is_ready: "ready:after",
}

#[test]
fn a_run_is_resumed_by_its_id_from_anywhere() {
    let machine = killed_at("commit:after");
    let run = only_run(&machine);
    machine
        .run(&format!("operation resume {}", text(&run, "/id")))
        .exits(0);
    assert_eq!(text(&only_run(&machine), "/state"), "done");
    let got = machine.run("service get api-gateway -o json").exits(0).json();
    assert_eq!(text(&got, "/health"), "Healthy");
    machine
        .run("operation undo nothing-like-it")
        .fails(4, &["hint: "]);
}

#[test]
fn undo_leaves_what_was_there_before() {
    let machine = Machine::new();
    machine.run(&format!("{MAIN_JOB} --no-scaffold")).exits(0);
    machine.run("service delete api-gateway --yes").exits(0);
    let secret = |up: &support::Up| {
        let secret = up.get("Secret", NAMESPACE, "api-gateway-db").unwrap();
        text(&secret, "/metadata/uid").to_owned()
    };
    let before = secret(&machine.up());
    let mut command = machine.platform(MAIN_JOB);
    command.env("TOWPATH_TEST_KILL", "ready:after");
    assert_eq!(machine.finish(command).code, None);
    // Somebody works in the source repository before it is undone.
    let mine = machine.work().join("api-gateway/mine.go");
    std::fs::write(&mine, "package main\n").unwrap();
    let runs = machine.run("operation list -o json").exits(0).json();
    machine
        .run(&format!("operation undo {}", text(&runs, "/2/id")))
        .exits(0)
        .says(&["it stays"]);
    assert!(mine.is_file(), "what somebody wrote is kept");
    assert_eq!(machine.in_git(MAIN_FILE), None);
    let up = machine.up();
    assert_eq!(secret(&up), before, "the data of an earlier service is kept");
    assert!(up.get("Application", NAMESPACE, "api-gateway").is_none());
    assert!(up.get("Cache", NAMESPACE, "api-gateway-cache").is_none());
}

/// A service whose delete, with its data, was killed at a point; and the id of that run.
fn delete_killed_at(point: &str) -> (Machine, String) {
    let machine = Machine::new();
    machine.run(&format!("{MAIN_JOB} --no-scaffold")).exits(0);
    let mut command = machine.platform(DELETE);
    command.env("TOWPATH_TEST_KILL", point);
    let killed = machine.finish(command);
    assert_eq!(killed.code, None, "nothing ended it at {point}\n{killed}");
    let runs = machine.run("operation list -o json").exits(0).json();
    assert_eq!(text(&runs, "/1/state"), "half done", "{runs:#}");
    let id = text(&runs, "/1/id").to_owned();
    (machine, id)
}

const DELETE: &str = "service delete api-gateway --yes --delete-data";

#[test]
fn a_killed_delete_is_finished_by_the_same_command() {
    for point in ["commit:before", "commit:after", "data:before"] {
        let (machine, _) = delete_killed_at(point);
        machine
            .run(&format!("{MAIN_JOB} --no-scaffold"))
            .fails(6, &["half done", DELETE, "hint: "]);
        machine.run(DELETE).exits(0);
        let runs = machine.run("operation list -o json").exits(0).json();
        assert_eq!(text(&runs, "/1/state"), "done", "{point}: {runs:#}");
        assert_eq!(machine.commits(MAIN_FILE).len(), 2, "{point}");
        nothing_of_it_is_in_the_cluster(&machine);
    }
}

#[test]
fn a_killed_delete_is_undone() {
    for point in ["commit:before", "commit:after", "data:before"] {
        let (machine, id) = delete_killed_at(point);
        machine.run(&format!("operation undo {id}")).exits(0);
        let runs = machine.run("operation list -o json").exits(0).json();
        assert_eq!(text(&runs, "/1/state"), "undone", "{point}: {runs:#}");
        machine
            .run(&format!("{MAIN_JOB} --no-scaffold"))
            .exits(0)
            .says(&["already in Git as asked", "✓ 3 of 3 replicas ready"]);
    }
}

/// Ctrl-C once a line was said.
fn interrupted_at(words: &str) -> (Machine, Output) {
    let machine = Machine::new();
    let mut running = machine.start(machine.platform(MAIN_JOB));
    running.until(words);
    running.interrupt();
    let output = running.finish();
    (machine, output)
}

#[test]
fn an_interrupt_leaves_all_or_nothing() {
    for words in [
        "✓ guardrails",
        "✓ scaffolded",
        "✓ committed",
        "✓ synced",
        "✓ database",
    ] {
        let (machine, output) = interrupted_at(words);
        match output.code {
            Some(130) => {
                let runs = machine.run("operation list -o json").exits(0).json();
                if runs.as_array().unwrap().is_empty() {
                    // It had not begun.
                    assert_eq!(machine.in_git(MAIN_FILE), None);
                    only_the_source(&machine, &[]);
                } else {
                    let output = output.says(&["Stopping. Undoing what this run did"]);
                    assert!(!output.stdout.contains("Healthy"), "{output}");
                    nothing_is_left(&machine);
                }
            }
            Some(0) => {
                let got = machine.run("service get api-gateway -o json").exits(0).json();
                assert_eq!(text(&got, "/health"), "Healthy", "{output}");
                assert_eq!(text(&only_run(&machine), "/state"), "done");
            }
            _ => panic!("after {words:?}: {output}"),
        }
    }
}

#[test]
fn a_killed_sandbox_lost_nothing_that_it_acknowledged() {
    const WRITERS: usize = 4;
    const ENOUGH: usize = 80;
    let machine = Machine::new();
    let mut acknowledged = Vec::new();
    for round in 0..2 {
        let up = machine.up();
        let (sender, mut names) = tokio::sync::mpsc::unbounded_channel();
        let writers = (0..WRITERS).map(|writer| {
            let (api, sender) = (up.api("ConfigMap", "default"), sender.clone());
            async move {
                for count in 0.. {
                    let name = format!("written-{round}-{writer}-{count}");
                    let object = json!({
                        "apiVersion": "v1", "kind": "ConfigMap",
                        "metadata": {"name": name}, "data": {"count": count.to_string()},
                    });
                    let object = serde_json::from_value(object).unwrap();
                    if api.create(&PostParams::default(), &object).await.is_err() {
                        break;
                    }
                    if sender.send(name).is_err() {
                        break;
                    }
                }
            }
        });
        writers.for_each(|writer| up.spawn(writer));
        drop(sender);
        up.wait(async {
            for _ in 0..ENOUGH {
                acknowledged.push(names.recv().await.unwrap());
            }
        });
        let rest = up.kill(async move {
            let mut rest = Vec::new();
            while let Some(name) = names.recv().await {
                rest.push(name);
            }
            rest
        });
        acknowledged.extend(rest);
        // The kubeconfig of the killed one leads nowhere; commands work all the same.
        machine
            .run(&format!(
                "service create round-{round} --language go --no-scaffold"
            ))
            .exits(0);
    }
    let up = machine.up();
    let there: std::collections::BTreeSet<_> =
        up.names("ConfigMap", "default", "written-").into_iter().collect();
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|name| !there.contains(*name))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} are lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
}
