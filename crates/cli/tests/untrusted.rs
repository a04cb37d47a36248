//! Values that mean something to somebody else: to YAML, shells, templates, terminals. They are refused or stay what they
//! are, and none of them acts on the terminal that shows them.

mod support;

use support::{Checkout, Machine};

/// What means something to YAML, shells, SQL, templates, paths, terminals and readers.
const NASTY: [&str; 14] = [
    "a: b",
    "'; DROP TABLE services; --",
    "$(id)`id`${IFS}",
    "{{ .Values.image }}",
    "two\nlines",
    "back\rspace\u{8}",
    "\u{1b}[31mred\u{1b}]0;title\u{7}",
    "\u{9b}31m",
    "\u{202e}gnp.exe",
    "../../etc/passwd",
    "-rf",
    "<script>alert(1)</script>",
    "\u{430}pi",
    "",
];

#[test]
fn values_that_mean_something_elsewhere() {
    let machine = Machine::new();
    let service = ["service", "create", "api", "--dry-run"];
    let cron = [
        "service",
        "create",
        "api",
        "--dry-run",
        "--golden-path=cron-job",
        "--schedule=0 3 * * *",
    ];
    let team = ["team", "create", "pay", "--dry-run"];
    // What the command is, which option gets the value, the code, and the values that are as good as others.
    let cases: [(&[&str], &str, i32, &[&str]); 16] = [
        (&service, "--team", 2, &[]),
        (&service, "--environment", 2, &[]),
        (&service, "--language", 2, &[]),
        (&service, "--golden-path", 4, &[]),
        (&service, "--host", 2, &[]),
        (&service, "--image", 2, &[]),
        (&service, "--database", 2, &[]),
        (&service, "--size", 2, &[]),
        (&service, "--port", 2, &[]),
        (&cron, "--schedule", 2, &[]),
        (&cron, "--time-zone", 2, &[""]),
        (&team, "--host", 2, &[]),
        (&team, "--allow-from", 2, &[]),
        (&team, "--quota", 2, &[]),
        (&["install", "--print"], "--api-group", 2, &[]),
        (&["install", "--print"], "--image", 2, &[]),
    ];
    // One value after another for each option, so that every value meets some and every option most.
    for (at, (command, option, code, good)) in cases.into_iter().enumerate() {
        for value in NASTY
            .iter()
            .skip(at % 3)
            .step_by(3)
            .filter(|value| !good.contains(value))
        {
            let given = format!("{option}={value}");
            let command = command
                .iter()
                .filter(|word| !word.starts_with(&format!("{option}=")));
            let words: Vec<&str> = command.copied().chain([given.as_str()]).collect();
            machine.finish(machine.words(&words)).fails(code, &[]);
        }
    }
    machine.nothing_was_made();
}

#[test]
fn texts_of_a_team_stay_texts() {
    let machine = Machine::new();
    for (number, text) in NASTY.iter().enumerate() {
        let name = format!("team-{number}");
        let (owner, group) = (format!("--owner={text}"), format!("--group={text}"));
        let misleads = text.is_empty() || text.chars().any(|c| c.is_control() || c == '\u{202e}');
        if misleads {
            machine
                .finish(machine.words(&["team", "create", &name, &owner, "--dry-run"]))
                .fails(2, &["cannot be the owner of a team", "hint: one line"]);
            continue;
        }
        let words = ["team", "create", &name, &owner, &group, "--dry-run"];
        let said = machine.finish(machine.words(&words)).exits(0);
        let document = yaml::parse(&said.stdout).unwrap();
        assert_eq!(support::text(&document.value, "/spec/owner"), *text);
        assert_eq!(support::text(&document.value, "/spec/groups/0"), *text);
    }
    machine.nothing_was_made();
}

#[test]
fn what_git_holds_does_not_act_on_a_terminal() {
    let machine = Machine::new();
    machine
        .run("service create small --language go --no-scaffold")
        .exits(0);
    let clone = Checkout::of(&machine);
    let file = "teams/demo/dev/applications/small.yaml";
    let good = machine.in_git(file).unwrap();
    for value in ["\\e[31mred\\e]0;title\\a", "\\u202egnp", "a\\x9b31m", "a\\rb"] {
        for field in [
            format!("  image: \"{value}\"\n"),
            format!("  size: \"{value}\"\n"),
            format!("  \"{value}\": 1\n"),
            format!("  overrides:\n    values: {{\"{value}\": {{}}, image: \"{value}\"}}\n"),
            format!("  overrides:\n    patches: [{{target: {{kind: \"{value}\"}}, patch: {{}}}}]\n"),
        ] {
            clone.write(file, &format!("{good}{field}"));
            let checked = machine.run(&format!("check {}", clone.folder.display())).exits(1);
            assert!(!checked.stdout.contains('\u{202e}'), "{checked}");
        }
    }
    // A name of a file, and somebody's name.
    clone.write(file, &good);
    clone.write("teams/demo/dev/applications/a\u{1b}[31m.yaml", "x");
    let checked = machine.run(&format!("check {}", clone.folder.display())).exits(1);
    assert!(checked.stdout.contains("[31m.yaml"), "{checked}");
    machine.git(&clone.folder, &["config", "user.name", "\u{1b}[31mEve\u{202e}"]);
    clone.push("A\u{1b}]0;title\u{7} subject\u{202e}");
    machine.run("service list").exits(0);
    machine.run("service get small").exits(0);
    machine.run("service get small -o json").exits(0).json();
}
