//! Teams from create to delete, as people meet them: what they print, what they refuse, and what a kill at any point
//! leaves behind.

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{CLUSTER, Checkout, Machine, text};

const CREATE: &str = "team create shop --owner Ada --group shop-devs --host shop.example.com --quota pods=80";
const DELETE: &str = "team delete shop --yes";
const FILE: &str = "platform/teams/shop.yaml";
const NAMESPACES: [&str; 3] = ["shop-dev", "shop-production", "shop-staging"];

fn runs(machine: &Machine) -> Value {
    machine.run("operation list -o json").exits(0).json()
}

/// The team's namespaces as the cluster has them.
fn namespaces(machine: &Machine) -> Vec<String> {
    machine.up().names("Namespace", CLUSTER, "shop-")
}

#[test]
fn a_team_from_create_to_delete() {
    let machine = Machine::new();
    let made = machine.run(CREATE).exits(0).says(&["✓ boundaries stand", FILE]);
    for words in [
        "Team shop is ready.",
        "namespace shop-staging",
        "platform team get shop",
    ] {
        assert!(made.stdout.contains(words), "{words}\n{made}");
    }
    assert_eq!(machine.commits(FILE), ["Create team shop"]);
    let file = machine.in_git(FILE).unwrap();
    assert!(!file.contains("status"), "{file}");
    let team = machine.run("team get shop -o json").exits(0).json();
    assert_eq!(team["ready"], true);
    assert_eq!(team["simulated"], true);
    assert_eq!(text(&team, "/spec/owner"), "Ada");
    let names: Vec<&str> = team["namespaces"]
        .as_array()
        .unwrap()
        .iter()
        .map(|namespace| text(namespace, "/name"))
        .collect();
    assert_eq!(
        names,
        ["shop-dev", "shop-staging", "shop-production"],
        "in order of promotion"
    );
    let pods = |environment: &str| {
        let place = team["namespaces"].as_array().unwrap();
        let place = place.iter().find(|n| n["environment"] == environment).unwrap();
        let quota = place["quota"].as_array().unwrap();
        text(quota.iter().find(|q| q["resource"] == "pods").unwrap(), "/hard").to_owned()
    };
    assert_eq!(pods("dev"), "80");

    // The same again, then another wish.
    machine
        .run(CREATE)
        .exits(0)
        .says(&["already in Git as asked; nothing is written"]);
    assert_eq!(machine.commits(FILE).len(), 1);
    machine
        .run("team create shop --owner Bob")
        .fails(6, &["exists already", "hint: ", "platform team get shop", FILE]);

    // A service counts.
    machine
        .run("service create orders --language go --no-scaffold --team shop --database postgres")
        .exits(0);
    let list = machine.run("team list -o json").exits(0).json();
    let shop = list
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["name"] == "shop")
        .unwrap();
    assert_eq!(
        (&shop["services"], &shop["unwell"], &shop["ready"]),
        (&json!(1), &json!(0), &json!(true))
    );
    let shown = machine.run("team get shop").exits(0);
    assert!(shown.stdout.contains("service orders  Healthy"), "{shown}");

    // Neither a service nor its data goes by the way.
    let before = machine.written();
    machine
        .run(DELETE)
        .fails(6, &["teams/shop/dev/applications/orders.yaml", "hint: "]);
    assert_eq!(machine.written(), before);
    machine.run("service delete orders --team shop --yes").exits(0);
    let before = machine.written();
    machine.run(DELETE).fails(
        6,
        &[
            "Database orders-db in shop-dev",
            "PersistentVolumeClaim data-orders-db-0",
            "hint: ",
            "platform service delete orders --team shop --environment dev --delete-data",
        ],
    );
    assert_eq!(machine.written(), before);
    machine
        .run("service delete orders --team shop --environment dev --delete-data --yes")
        .exits(0);

    // The team goes, its namespaces stay, and go when they are asked for.
    let gone = machine.run(DELETE).exits(0);
    assert!(gone.stdout.contains("Its namespaces stay"), "{gone}");
    assert_eq!(machine.in_git(FILE), None);
    machine.run("team get shop").fails(4, &["hint: "]);
    assert_eq!(namespaces(&machine), NAMESPACES);
    let gone = machine
        .run("team delete shop --yes --delete-namespaces -o json")
        .exits(0)
        .json();
    assert_eq!(gone["deleted"], json!(NAMESPACES));
    assert_eq!(namespaces(&machine), [""; 0]);
    machine.run(DELETE).fails(4, &["hint: "]);
}

#[test]
fn one_environment_and_its_own_quota() {
    let machine = Machine::new();
    let dry = machine
        .run("team create shop -e staging --quota staging:limits.memory=64Gi --dry-run")
        .exits(0);
    assert!(dry.stdout.contains("limitsMemory: 64Gi"), "{dry}");
    assert_eq!(machine.in_git(FILE), None);
    machine
        .run("team create shop -e staging --quota staging:limits.memory=64Gi")
        .exits(0);
    let up = machine.up();
    assert_eq!(up.names("Namespace", CLUSTER, "shop-"), ["shop-staging"]);
    let quota = up.get("ResourceQuota", "shop-staging", "team-quota").unwrap();
    assert_eq!(text(&quota, "/spec/hard/limits.memory"), "64Gi");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_written() {
    let machine = Machine::new();
    machine.run("team list").exits(0);
    let before = machine.written();
    let wrong = |words: &[&str], code: i32, said: &[&str]| {
        let all: Vec<&str> = ["team", "create"].iter().chain(words).copied().collect();
        drop(machine.finish(machine.words(&all)).fails(code, said));
    };
    for (name, hint) in [
        ("Shop_Team", "hint: shop-team\n"),
        ("../../etc", "hint: etc\n"),
        ("9lives", "hint: lives\n"),
        ("sh\nop", "hint: sh-op\n"),
        ("$(reboot)", "hint: reboot\n"),
        ("größe", "hint: gr-e\n"),
        (&"a".repeat(41), "hint: aaaa"),
    ] {
        wrong(&[name], 2, &["cannot be a team name", hint]);
    }
    wrong(&[""], 2, &["cannot be a team name"]);
    wrong(
        &["shop", "-e", "nowhere"],
        4,
        &["no environment called \"nowhere\"", "hint: there is dev"],
    );
    wrong(&["shop", "-e", "dev", "-e", "dev"], 2, &["named twice"]);
    wrong(
        &["shop", "--quota", "cpu=1"],
        2,
        &["no quota for \"cpu\"", "hint: there is requests.cpu"],
    );
    wrong(
        &["shop", "--quota", "pods=x"],
        2,
        &["not a number of pods", "hint: "],
    );
    wrong(
        &["shop", "--quota", "test:pods=1"],
        2,
        &["does not use", "hint: it uses dev"],
    );
    wrong(&["shop", "--host", "*"], 2, &["is not a host name", "hint: "]);
    wrong(&["shop", "--host", "a b"], 2, &["is not a host name", "hint: "]);
    wrong(
        &["shop", "--group", "system:masters"],
        2,
        &["cannot be a team's group", "hint: "],
    );
    wrong(
        &["shop", "--group", "a\nb"],
        2,
        &["cannot be a team's group", "hint: "],
    );
    wrong(&["shop", "--allow-from", "a/b"], 2, &["is not a namespace"]);
    wrong(
        &["shop", "--owner", "a\nb: c"],
        2,
        &["cannot be the owner", "hint: "],
    );
    wrong(&["shop", "--owner", " "], 2, &["cannot be the owner", "hint: "]);
    wrong(
        &["shop", "--chat", &"x".repeat(501)],
        2,
        &["cannot be the chat", "hint: "],
    );
    wrong(&["shop", "--mesh", "consul"], 2, &["--help"]);
    wrong(&["shop", "--workloads", "all"], 2, &["--help"]);
    wrong(&["shop", "--ownr", "Ada"], 2, &["did you mean '--owner'?"]);
    wrong(&[], 2, &["--help"]);
    for (line, code, words) in [
        ("team get nothing", 4, "there is demo"),
        ("team get demoo", 4, "did you mean \"demo\"?"),
        ("team get ../../etc/passwd", 4, "hint: "),
        ("team delete nothing --yes", 4, "there is demo"),
        ("team delete ../demo --yes", 4, "hint: "),
        ("team delete demo", 2, "add --yes"),
        ("team crate x", 2, "did you mean 'create'?"),
        (
            "team delete demo --yes --delete-namespace",
            2,
            "did you mean '--delete-namespaces'?",
        ),
    ] {
        machine.run(line).fails(code, &[words]);
    }
    assert_eq!(machine.written(), before);
}

#[test]
fn what_people_write_is_text_and_nothing_else() {
    let machine = Machine::new();
    let hostile = "Ada: \"x\" # {{ .Values.x }} $(reboot) 'y' -- &a *a !!str yes";
    machine
        .finish(machine.words(&[
            "team", "create", "shop", "-e", "dev", "--owner", hostile, "--group", hostile,
        ]))
        .exits(0);
    let team = machine.run("team get shop -o json").exits(0).json();
    assert_eq!(text(&team, "/spec/owner"), hostile);
    assert_eq!(text(&team, "/spec/groups/0"), hostile);
    let up = machine.up();
    let live = up.get("Team", CLUSTER, "shop").unwrap();
    assert_eq!(text(&live, "/spec/groups/0"), hostile);
}

#[test]
fn a_namespace_of_somebody_else_is_in_the_way() {
    let machine = Machine::new();
    let up = machine.up();
    up.create(
        CLUSTER,
        &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop-dev"}}),
    )
    .unwrap();
    machine.run(CREATE).fails(
        6,
        &[
            "shop-dev is in the cluster already",
            "hint: ",
            "kubectl label namespace",
        ],
    );
    assert_eq!(machine.in_git(FILE), None);

    // Two teams whose names and environments would run together.
    let checkout = Checkout::of(&machine);
    let other = "apiVersion: platform.company.com/v1\nkind: Environment\nmetadata:\n  name: x-dev\nspec:\n  order: 9\n";
    checkout.write("platform/environments/x-dev.yaml", other);
    checkout.push("another environment");
    machine.run("team create shop -e x-dev").exits(0);
    machine
        .run("team create shop-x -e dev")
        .fails(6, &["the namespace shop-x-dev belongs to team shop", "hint: "]);
}

#[test]
fn what_others_put_into_a_namespace_keeps_it() {
    let machine = Machine::new();
    machine.run("team create shop -e dev").exits(0);
    let up = machine.up();
    up.create(
        "shop-dev",
        &json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "mine", "namespace": "shop-dev"}, "data": {"a": "b"},
        }),
    )
    .unwrap();
    machine
        .run("team delete shop --yes --delete-namespaces")
        .fails(6, &["ConfigMap mine in shop-dev", "hint: "]);
    assert!(machine.in_git(FILE).is_some());
    machine.run(DELETE).exits(0);
    machine
        .run("team delete shop --yes --delete-namespaces")
        .fails(6, &["ConfigMap mine in shop-dev"]);
    assert!(up.get("ConfigMap", "shop-dev", "mine").is_some());
}

/// A machine on which a command was killed at a point.
fn killed_at(machine: &Machine, line: &str, point: &str) {
    let mut command = machine.platform(line);
    command.env("TOWPATH_TEST_KILL", point);
    let killed = machine.finish(command);
    assert_eq!(killed.code, None, "nothing ended it at {point}\n{killed}");
}

const POINTS: [&str; 5] = [
    "begin:after",
    "commit:before",
    "commit:after",
    "ready:before",
    "ready:after",
];

#[test]
fn a_killed_create_goes_on() {
    for point in POINTS {
        let machine = Machine::new();
        killed_at(&machine, CREATE, point);
        let id = text(&runs(&machine), "/0/id").to_owned();
        machine.run("team create shop --owner Bob").fails(
            6,
            &[
                "half done",
                CREATE,
                "hint: ",
                &format!("platform operation undo {id}"),
            ],
        );
        if machine.in_git(FILE).is_some() {
            machine.run(DELETE).fails(6, &["half done", CREATE]);
        }
        machine.run(CREATE).exits(0).says(&["that was left half done"]);
        assert_eq!(machine.commits(FILE), ["Create team shop"], "{point}");
        assert_eq!(text(&runs(&machine), "/0/state"), "done", "{point}");
        assert_eq!(namespaces(&machine), NAMESPACES, "{point}");
    }
}

#[test]
fn a_killed_create_is_undone() {
    for point in POINTS {
        let machine = Machine::new();
        killed_at(&machine, CREATE, point);
        let id = text(&runs(&machine), "/0/id").to_owned();
        machine
            .run(&format!("operation undo {id}"))
            .exits(0)
            .says(&["is left of this run"]);
        assert_eq!(machine.in_git(FILE), None, "{point}");
        assert_eq!(namespaces(&machine), [""; 0], "{point}");
        assert_eq!(text(&runs(&machine), "/0/state"), "undone", "{point}");
        machine.run(CREATE).exits(0);
    }
}

#[test]
fn undo_leaves_a_team_that_others_have_come_to_use() {
    let machine = Machine::new();
    killed_at(&machine, CREATE, "ready:after");
    machine
        .run("service create orders --language go --no-scaffold --team shop")
        .exits(0);
    let id = text(&runs(&machine), "/0/id").to_owned();
    machine
        .run(&format!("operation undo {id}"))
        .exits(0)
        .says(&["it stays"]);
    assert!(machine.in_git(FILE).is_some());
    let got = machine.run("service get orders -o json").exits(0).json();
    assert_eq!(text(&got, "/health"), "Healthy");
}

#[test]
fn undo_leaves_the_namespaces_of_an_earlier_life() {
    let machine = Machine::new();
    machine.run(CREATE).exits(0);
    machine.run(DELETE).exits(0);
    killed_at(&machine, CREATE, "ready:after");
    let id = text(&runs(&machine), "/2/id").to_owned();
    machine.run(&format!("operation undo {id}")).exits(0);
    assert_eq!(namespaces(&machine), NAMESPACES);
}

const GOING: [&str; 5] = [
    "begin:after",
    "commit:before",
    "commit:after",
    "namespaces:before",
    "namespaces:after",
];

#[test]
fn a_killed_delete_is_finished_by_the_same_command() {
    let line = "team delete shop --yes --delete-namespaces";
    for point in GOING {
        let machine = Machine::new();
        machine.run(CREATE).exits(0);
        killed_at(&machine, line, point);
        machine.run(CREATE).fails(6, &["half done", line, "hint: "]);
        machine.run(line).exits(0);
        assert_eq!(text(&runs(&machine), "/1/state"), "done", "{point}");
        assert_eq!(machine.in_git(FILE), None, "{point}");
        assert_eq!(namespaces(&machine), [""; 0], "{point}");
    }
}

#[test]
fn a_killed_delete_is_undone() {
    let line = "team delete shop --yes --delete-namespaces";
    for point in GOING {
        let machine = Machine::new();
        machine.run(CREATE).exits(0);
        killed_at(&machine, line, point);
        let id = text(&runs(&machine), "/1/id").to_owned();
        machine.run(&format!("operation undo {id}")).exits(0);
        machine.run(CREATE).exits(0).says(&["already in Git as asked"]);
        assert_eq!(namespaces(&machine), NAMESPACES, "{point}");
    }
}

#[test]
fn an_interrupt_leaves_all_or_nothing() {
    for words in ["✓ expanded", "✓ committed", "✓ synced"] {
        let machine = Machine::new();
        let mut running = machine.start(machine.platform(CREATE));
        running.until(words);
        running.interrupt();
        let output = running.finish();
        match output.code {
            Some(130) => {
                assert_eq!(machine.in_git(FILE), None, "{output}");
                assert_eq!(namespaces(&machine), [""; 0], "{output}");
            }
            Some(0) => assert_eq!(namespaces(&machine), NAMESPACES),
            _ => panic!("after {words:?}: {output}"),
        }
    }
}

#[test]
fn homes_and_clusters_that_cannot_be() {
    let machine = Machine::new();
    let file = machine.path("file");
    fs::write(&file, "mine").unwrap();
    for line in ["team list", "team get demo", CREATE, DELETE] {
        let mut command = machine.platform(line);
        command.env("TOWPATH_HOME", &file);
        machine.finish(command).fails(1, &["file", "hint: "]);
        machine
            .run(&format!("{line} --context near"))
            .fails(4, &["\"near\"", "hint: "]);
    }
    let kubeconfig = machine.path("kubeconfig");
    // Nothing listens on port 1 of this machine.
    fs::write(
        &kubeconfig,
        "apiVersion: v1\nkind: Config\n\
         clusters: [{name: far, cluster: {server: 'https://127.0.0.1:1', insecure-skip-tls-verify: true}}]\n\
         users: [{name: me, user: {token: secret-token}}]\n\
         contexts: [{name: far, context: {cluster: far, user: me}}]\n",
    )
    .unwrap();
    for line in ["team list", "team get demo", CREATE, DELETE] {
        let mut command = machine.platform(&format!("{line} --context far"));
        command.env("KUBECONFIG", &kubeconfig);
        let refused = machine
            .finish(command)
            .fails(1, &["context far", "127.0.0.1:1", "hint: "]);
        assert!(!refused.stderr.contains("secret-token"), "{refused}");
    }
    assert!(machine.written().journals.is_empty());
}

/// Runs a command where no file may grow beyond so many blocks of 512 bytes.
fn with_room_for(machine: &Machine, line: &str, blocks: u32) -> support::Output {
    let mut command = machine.program("sh");
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_platform")])
        .args(line.split_whitespace());
    machine.finish(command)
}

#[test]
fn a_disk_that_is_full() {
    for blocks in [0, 1, 8, 64] {
        let machine = Machine::new();
        machine.run("team list").exits(0);
        with_room_for(&machine, CREATE, blocks).fails(1, &["hint: ", "run the same command again"]);
        machine.run(CREATE).exits(0);
        assert_eq!(machine.commits(FILE), ["Create team shop"], "{blocks} blocks");
        with_room_for(&machine, DELETE, blocks).fails(1, &["hint: ", "run the same command again"]);
        machine.run(DELETE).exits(0);
        assert_eq!(machine.in_git(FILE), None, "{blocks} blocks");
    }
}
