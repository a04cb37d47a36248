//! The sandbox on its own: served without the platform, written out, read in.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use support::Machine;

#[test]
fn a_bare_api_keeps_what_it_is_told_to_keep() {
    let machine = Machine::new();
    let data = machine.work().join("cluster");
    let mut running = machine.start(machine.platform("sandbox serve --port 0 --data cluster"));
    running.until("everything is kept in");
    assert!(data.join("kubeconfig").is_file());
    // It is in use now.
    machine
        .run("sandbox export --data cluster")
        .fails(6, &["in use by another process", "Ctrl-C"]);
    running.interrupt();
    running.finish().exits(0);
    assert!(!data.join("kubeconfig").exists(), "it would lead nowhere");
    // Nothing of the platform was made.
    assert!(!machine.home().exists());

    let shown = machine.run("sandbox export --data cluster").exits(0);
    assert!(shown.stdout.contains(r#""kind":"Namespace""#), "{shown}");
    machine.run("sandbox export all.jsonl --data cluster").exits(0);
    let file = machine.work().join("all.jsonl");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    machine.run("sandbox import all.jsonl --data again").exits(0);
    let again = machine.run("sandbox export --data again").exits(0);
    assert_eq!(again.stdout, fs::read_to_string(&file).unwrap());
}

#[test]
fn what_cannot_be_served_written_or_read_is_said() {
    let machine = Machine::new();
    fs::write(machine.work().join("text"), "hello\n").unwrap();
    fs::write(machine.work().join("there"), "mine\n").unwrap();
    for (line, code, words) in [
        ("sandbox export", 4, "there is no sandbox"),
        ("sandbox export --data nowhere", 4, "--data"),
        ("sandbox import nowhere --data a", 1, "does not exist"),
        ("sandbox import text --data b", 2, "text, line 1"),
        (
            "sandbox import text --context somewhere",
            2,
            "leave --context out",
        ),
        ("sandbox serve --port 99999", 2, "--help"),
        ("sandbox serve --data text --port 0", 1, "text"),
    ] {
        machine.run(line).fails(code, &[words]);
    }
    assert!(!machine.work().join("b/sandbox.redb").exists());
}
