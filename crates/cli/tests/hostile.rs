//! Wrong words, broken homes, full disks, taken ports, clusters that are not there: one clear message with a hint, the
//! exit code of the table, and nothing half done.

mod support;

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;

use support::{MAIN_FILE, MAIN_JOB, Machine, text};

/// A small service: enough where it does not matter what it is.
const SMALL: &str = "service create small --language go --no-scaffold";

#[test]
fn names_that_cannot_be() {
    let machine = Machine::new();
    let long = "a".repeat(41);
    for (name, hint) in [
        ("Api_Gateway", Some("hint: api-gateway\n")),
        ("api.gateway", Some("hint: api-gateway\n")),
        ("9lives", Some("hint: lives\n")),
        ("api-", Some("hint: api\n")),
        ("api gateway", Some("hint: api-gateway\n")),
        ("../../etc/passwd", Some("hint: etc-passwd\n")),
        ("api\nname", Some("hint: api-name\n")),
        ("$(reboot)", Some("hint: reboot\n")),
        (long.as_str(), Some("hint: aaaa")),
        ("größe", Some("hint: gr-e\n")),
        ("", None),
        ("日本", None),
        ("0", None),
    ] {
        let refused = machine
            .finish(machine.words(&["service", "create", name, "--language", "go"]))
            .fails(
                2,
                &[
                    "cannot be a service name",
                    "lowercase letters, digits and hyphens",
                ],
            );
        match hint {
            Some(hint) => drop(refused.says(&[hint])),
            None => assert!(!refused.stderr.contains("hint"), "{refused}"),
        }
    }
    for line in [
        "service create api --language go --team Pay_Ments",
        "service create api --language go --environment De_v",
    ] {
        machine.run(line).fails(2, &["cannot be a", "hint: "]);
    }
    machine.nothing_was_made();
}

#[test]
fn values_that_are_not_offered() {
    let machine = Machine::new();
    for (line, code, words) in [
        ("service create api --language cobol", 2, "there is go"),
        (
            "service create api --language go --database oracle",
            2,
            "there is postgres",
        ),
        (
            "service create api --language go --database postgres:9",
            2,
            "there is 17",
        ),
        (
            "service create api --language go --database postgres:",
            2,
            "there is 17",
        ),
        (
            "service create api --language go --cache memcached",
            2,
            "there is redis",
        ),
        (
            "service create api --language go --cache redis:1",
            2,
            "there is 7",
        ),
        ("service create api --language go --replicas -3", 2, "--help"),
        ("service create api --language go --replicas 5000", 2, "0..=1000"),
        ("service create api --language go --replicas three", 2, "--help"),
        ("service create api --language go --port 0", 2, "--help"),
        ("service create api --language go --port 70000", 2, "--help"),
        (
            "service create api --language go --timeout soon",
            2,
            "90s, 5m or 1h",
        ),
        ("service create api --language go --environment nowhere", 4, "dev"),
        (
            "service create api --language go --dir x --no-scaffold",
            2,
            "--help",
        ),
        ("service create", 2, "--help"),
        (
            "service create api --langauge go",
            2,
            "did you mean '--language'?",
        ),
        ("service create api extra", 2, "unexpected word 'extra'"),
        ("service crate api", 2, "did you mean 'create'?"),
        ("servise list", 2, "did you mean 'service'?"),
        ("frobnicate", 2, "there is no command 'frobnicate'"),
        ("service list -o xml", 2, "--help"),
        ("operation undo", 2, "--help"),
        ("operation undo x", 4, "platform operation list"),
        ("operation resume ../../etc/passwd", 4, "platform operation list"),
        ("up --port 99999", 2, "--help"),
        ("up --context somewhere", 2, "platform operator --context"),
        ("operator", 2, "--context"),
        ("service get nothing", 4, "platform service list"),
        ("service delete nothing --yes", 4, "platform service list"),
    ] {
        machine.run(line).fails(code, &["hint: ", words]);
    }
    // The choice is small enough to be in the message itself.
    machine
        .run("service create api --language go --size gigantic")
        .fails(2, &["spec.size", "small, medium and large"]);
    for line in ["", "service", "operation"] {
        let help = machine.run(line).exits(2).says(&["Usage:", "Commands:"]);
        assert_eq!(help.stdout, "", "talk goes to stderr");
    }
    for line in ["--help", "service create --help", "--version", "version"] {
        let help = machine.run(line).exits(0);
        assert!(!help.stdout.is_empty() && help.stderr.is_empty(), "{help}");
    }
    machine.nothing_was_made();
}

#[test]
fn homes_that_cannot_be() {
    let machine = Machine::new();
    let at_home = |home: &Path, line: &str| {
        let mut command = machine.platform(line);
        command.env("TOWPATH_HOME", home);
        machine.finish(command)
    };
    let file = machine.path("file");
    fs::write(&file, "mine").unwrap();
    for line in [SMALL, "service list", "up --port 0"] {
        at_home(&file, line).fails(1, &["file", "hint: "]);
        at_home(&file.join("below"), line).fails(1, &["below", "hint: "]);
        at_home(Path::new("/proc/towpath"), line).fails(1, &["/proc/towpath", "hint: "]);
        at_home(Path::new(""), line).fails(2, &["the home folder is empty", "hint: "]);
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

    // A parent that is missing is made, for the user alone.
    let deep = machine.path("a/b/c");
    at_home(&deep, SMALL).exits(0);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&deep).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o700);
    let mut command = machine.platform(&format!("service list -o json --home {}", deep.display()));
    command.env_remove("TOWPATH_HOME");
    assert_eq!(text(&machine.finish(command).exits(0).json(), "/0/name"), "small");

    // Without a word about it, it is where the system says data goes.
    let mut command = machine.platform("service list");
    command.env_remove("TOWPATH_HOME");
    machine.finish(command).exits(0);
    assert!(machine.path("user/.local/share/towpath").is_dir());
    let mut command = machine.platform("service list");
    command
        .env_remove("TOWPATH_HOME")
        .env("XDG_DATA_HOME", machine.path("data"));
    machine.finish(command).exits(0);
    assert!(machine.path("data/towpath").is_dir());
    let mut command = machine.platform("service list");
    command.env_remove("TOWPATH_HOME").env_remove("HOME");
    machine
        .finish(command)
        .fails(2, &["neither XDG_DATA_HOME nor HOME is set", "hint: "]);
}

#[test]
fn a_store_that_is_no_store() {
    let machine = Machine::new();
    machine.run(SMALL).exits(0);
    let store = machine.home().join("sandbox.redb");
    let good = fs::read(&store).unwrap();
    let mut torn = good.clone();
    torn.truncate(good.len() / 2);
    let mut scribbled = good.clone();
    for byte in &mut scribbled[100..8192] {
        *byte = 0xa5;
    }
    for (what, bad) in [
        ("text", b"this is no store".repeat(1000)),
        ("one byte", vec![0]),
        ("torn", torn),
        ("scribbled on", scribbled),
    ] {
        for line in ["service list", SMALL, "up --port 0"] {
            fs::write(&store, &bad).unwrap();
            let refused = machine.run(line);
            assert!(
                matches!(refused.code, Some(1 | 2)),
                "a store that is {what}\n{refused}"
            );
            refused.says(&["error: ", "sandbox.redb", "hint: move that file away"]);
        }
    }
    // What the hint says works: Git keeps the services.
    fs::remove_file(&store).unwrap();
    let up = machine.up();
    up.until("Application", "demo-dev", "small", |application| {
        application.is_some_and(|application| text(application, "/status/health") == "Healthy")
    });
}

#[test]
fn a_repository_that_is_no_repository() {
    let machine = Machine::new();
    machine.run(SMALL).exits(0);
    let infrastructure = machine.infrastructure();
    let aside = machine.path("aside.git");
    fs::rename(&infrastructure, &aside).unwrap();
    let lines = [
        "service create another --language go --no-scaffold",
        "service render small",
        "up --port 0",
    ];

    fs::write(&infrastructure, "no repository").unwrap();
    for line in lines {
        machine
            .run(line)
            .fails(1, &["infrastructure.git", "not a Git repository", "hint: "]);
    }
    fs::remove_file(&infrastructure).unwrap();

    // A folder with something else in it.
    fs::create_dir(&infrastructure).unwrap();
    fs::write(infrastructure.join("notes.txt"), "mine").unwrap();
    for line in lines {
        machine
            .run(line)
            .fails(1, &["infrastructure.git", "not a Git repository", "hint: "]);
    }
    assert_eq!(
        fs::read_to_string(infrastructure.join("notes.txt")).unwrap(),
        "mine"
    );
    fs::remove_dir_all(&infrastructure).unwrap();

    // A repository whose objects are gone.
    fs::rename(&aside, &infrastructure).unwrap();
    let objects = infrastructure.join("objects");
    fs::rename(&objects, machine.path("objects")).unwrap();
    fs::create_dir(&objects).unwrap();
    for line in lines {
        machine.run(line).fails(1, &["infrastructure.git", "hint: "]);
    }
    fs::remove_dir_all(&objects).unwrap();
    fs::rename(machine.path("objects"), &objects).unwrap();
    machine.run(lines[0]).exits(0);
    machine.run(SMALL).exits(0);
}

#[test]
fn a_journal_that_is_no_journal() {
    let machine = Machine::new();
    machine.run(SMALL).exits(0);
    let journals = machine.home().join("operations");
    fs::write(journals.join("20260101-000000-aaaaaa.jsonl"), [0, 159, 146, 150]).unwrap();
    fs::write(
        journals.join("20260101-000000-bbbbbb.jsonl"),
        "{\"record\": 1}\n[[[[",
    )
    .unwrap();
    fs::write(journals.join("notes.txt"), "mine").unwrap();
    fs::create_dir(journals.join("20260101-000000-cccccc.jsonl")).unwrap();
    let runs = machine.run("operation list -o json").exits(0).json();
    assert_eq!(runs.as_array().unwrap().len(), 1);
    machine.run(SMALL).exits(0);

    // A folder in which nothing can be written down: nothing is done.
    fs::rename(&journals, machine.path("journals")).unwrap();
    fs::write(&journals, "a file").unwrap();
    let head = machine.head();
    machine
        .run("service create another --language go")
        .fails(1, &["operations"]);
    assert_eq!(machine.head(), head);
    assert!(machine.written().work.is_empty());
}

/// Runs the main job where no file may grow beyond so many blocks of 512 bytes.
fn with_room_for(machine: &Machine, blocks: u32) -> support::Output {
    let mut command = machine.program("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_platform")])
        .args(MAIN_JOB.split_whitespace());
    machine.finish(command)
}

#[test]
fn a_disk_that_is_full_from_the_beginning() {
    for blocks in [0, 1, 8, 64, 256, 900] {
        let machine = Machine::new();
        with_room_for(&machine, blocks).fails(1, &["hint: ", "run the same command again"]);
        assert_eq!(machine.in_git(MAIN_FILE), None, "{blocks} blocks");
        assert!(machine.written().work.is_empty(), "{blocks} blocks");
        let made = machine.run(MAIN_JOB).exits(0);
        assert!(made.stdout.contains("Healthy"), "after {blocks} blocks\n{made}");
    }
}

#[test]
fn a_disk_that_becomes_full() {
    // Where it ends: the store, the journal, the scaffold (small and large files), the commit, the sync, the operator.
    for blocks in [0, 1, 2, 8, 16, 64, 500, 1000] {
        let machine = Machine::new();
        machine.run(SMALL).exits(0);
        let output = with_room_for(&machine, blocks);
        if blocks == 1000 && output.code == Some(0) {
            // By then there may be room enough.
            continue;
        }
        output.fails(1, &["hint: ", "run the same command again"]);
        let runs = machine.run("operation list -o json").exits(0).json();
        let half_done = text(&runs, "/1/state") == "half done";
        if !half_done {
            assert_eq!(machine.in_git(MAIN_FILE), None, "{blocks} blocks");
            assert!(machine.written().work.is_empty(), "{blocks} blocks");
        }
        let made = machine.run(MAIN_JOB).exits(0);
        assert!(made.stdout.contains("Healthy"), "after {blocks} blocks\n{made}");
        assert_eq!(
            machine.commits(MAIN_FILE),
            ["Create api-gateway in demo/dev"],
            "{blocks} blocks"
        );
    }
}

#[test]
fn a_machine_without_git() {
    let machine = Machine::new();
    let empty = machine.path("empty");
    fs::create_dir(&empty).unwrap();
    for line in [SMALL, "service list", "up --port 0"] {
        let mut command = machine.platform(line);
        command.env("PATH", &empty);
        machine
            .finish(command)
            .fails(1, &["git executable was not found", "hint: install git"]);
    }
    machine.run(SMALL).exits(0);
    let mut command = machine.platform("service render small");
    command.env("PATH", &empty);
    machine
        .finish(command)
        .fails(1, &["git executable was not found", "hint: install git"]);
}

#[test]
fn a_port_and_a_store_that_are_taken() {
    let machine = Machine::new();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port();
    machine
        .run(&format!("up --port {port}"))
        .fails(6, &[&format!("port {port} is in use"), "hint: ", "--port 0"]);

    let up = machine.up();
    machine
        .run("up --port 0")
        .fails(6, &["in use by another process", "hint: ", "platform up"]);

    // Everything works through the one that runs.
    machine.run(MAIN_JOB).exits(0).says(&["✓ 3 of 3 replicas ready"]);
    machine.run(MAIN_JOB).exits(0).says(&["nothing is written"]);
    let got = machine.run("service get api-gateway -o json").exits(0).json();
    assert_eq!(text(&got, "/health"), "Healthy");
    assert!(up.get("Application", "demo-dev", "api-gateway").is_some());
    machine
        .run("service delete api-gateway --yes --delete-data")
        .exits(0);
    let list = machine.run("service list -o json").exits(0).json();
    assert_eq!(list, serde_json::json!([]));
    assert!(up.get("Application", "demo-dev", "api-gateway").is_none());

    // When it has ended, its kubeconfig is gone, and commands open the store themselves.
    drop(up);
    assert!(!machine.home().join("kubeconfig").exists());
    machine.run(SMALL).exits(0);
    assert!(machine.in_git(MAIN_FILE).is_none());
}

#[test]
fn clusters_that_are_not_there() {
    let machine = Machine::new();
    let kubeconfig = machine.path("kubeconfig");
    // Nothing listens on port 1 of this machine.
    fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\n\
         clusters: [{name: far, cluster: {server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}}]\n\
         users: [{name: me, user: {token: secret-token}}]\n\
         contexts: [{name: far, context: {cluster: far, user: me}}]\n\
         current-context: far\n",
    )
    .unwrap();
    let with = |line: &str| {
        let mut command = machine.platform(line);
        command.env("KUBECONFIG", &kubeconfig);
        machine.finish(command)
    };
    for line in [
        "service create api --language go --team payments --context far",
        "service list --context far",
        "service get api --context far",
        "service delete api --yes --context far",
        "team create payments --context far",
        "team list --context far",
        "team get payments --context far",
        "team delete payments --yes --context far",
        "install --image registry.internal/platform:v1 --context far",
        "uninstall --yes --context far",
        "operator --context far",
    ] {
        let refused = with(line).fails(1, &["context far", "127.0.0.1:1", "hint: "]);
        assert!(!refused.stderr.contains("secret-token"), "{refused}");
    }
    // One that differs says 1, so this one says something else.
    with("service diff api --context far").fails(2, &["context far", "127.0.0.1:1", "hint: "]);
    with("service list --context near").fails(4, &["\"near\"", "hint: ", "get-contexts"]);
    with("service create api --language go --context far").fails(2, &["which team", "hint: ", "--team"]);
    // The machine has no kubeconfig at all.
    machine
        .run("service list --context near")
        .fails(4, &["\"near\"", "hint: "]);
    fs::write(&kubeconfig, "{ not: [yaml").unwrap();
    with("service list --context far").fails(4, &["hint: "]);
    machine.nothing_was_made();
}

#[test]
fn folders_that_are_taken() {
    let machine = Machine::new();
    let folder = machine.work().join("api-gateway");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("mine.txt"), "mine").unwrap();
    let before = machine.written();
    machine.run(MAIN_JOB).fails(
        6,
        &["api-gateway is already there", "hint: ", "--dir", "--no-scaffold"],
    );
    let file = machine.work().join("a-file");
    fs::write(&file, "mine").unwrap();
    machine
        .run(&format!("{MAIN_JOB} --dir a-file"))
        .fails(6, &["a-file is already there", "hint: "]);
    machine
        .run(&format!("{MAIN_JOB} --dir a-file/below"))
        .fails(1, &["a-file"]);
    machine
        .run(&format!("{MAIN_JOB} --dir nowhere/below"))
        .fails(1, &["nowhere"]);
    fs::remove_file(&file).unwrap();
    assert_eq!(machine.written().work, before.work);
    assert_eq!(machine.in_git(MAIN_FILE), None);
    let runs = machine.run("operation list -o json").exits(0).json();
    assert!(
        runs.as_array()
            .unwrap()
            .iter()
            .all(|run| text(run, "/state") != "half done"),
        "{runs:#}"
    );

    // An empty folder is as good as none.
    fs::create_dir(machine.work().join("empty")).unwrap();
    machine.run(&format!("{MAIN_JOB} --dir empty")).exits(0);
    assert!(machine.work().join("empty/main.go").is_file());
}
