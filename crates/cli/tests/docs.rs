//! The documentation is true: its commands run, its links lead somewhere, its tables say what the code says.
//!
//! Commands stand in `console` blocks, one a line after `$ `; an exit code other than 0 is stated at the end of the
//! line as `# exit 3`. A block that begins with `file=NAME` after its language is written to that file first. Each
//! page runs from top to bottom in an empty home folder of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use api::{Kind, schema_of};
use serde_json::Value;

/// What a reader of a page does.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Write { file: String, text: String },
    Run { line: usize, command: String, exit: i32 },
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The readme and all pages of the guide.
fn pages() -> Vec<String> {
    let mut pages = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if Path::new(&name).extension().is_some_and(|e| e == "md") {
            pages.push(format!("docs/{name}"));
        }
    }
    pages.sort();
    pages
}

/// What a page asks its reader to do. Panics on a `console` block that holds anything but commands.
fn steps(page: &str, text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = text.lines().enumerate();
    while let Some((_, opening)) = lines.next() {
        let Some(info) = opening.strip_prefix("```") else {
            continue;
        };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        if let Some((_, file)) = info.split_once(" file=") {
            let text = block
                .iter()
                .fold(String::new(), |text, (_, line)| text + line + "\n");
            steps.push(Step::Write {
                file: file.to_owned(),
                text,
            });
        } else if info == "console" {
            steps.extend(block.into_iter().map(|(index, line)| {
                let line_number = index + 1;
                let command = line
                    .strip_prefix("$ ")
                    .unwrap_or_else(|| panic!("{page}:{line_number}: not a command: {line}"));
                let (command, exit) = command.split_once("# exit ").unwrap_or((command, "0"));
                Step::Run {
                    line: line_number,
                    command: command
                        .trim_end()
                        .replacen("cargo run --release --", "platform", 1),
                    exit: exit
                        .trim()
                        .parse()
                        .unwrap_or_else(|_| panic!("{page}:{line_number}: which exit code?")),
                }
            }));
        }
    }
    steps
}

/// A person who has git and never used the platform.
struct Reader {
    home: PathBuf,
    work: PathBuf,
}

impl Reader {
    fn new(page: &str) -> Self {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("docs")
            .join(page.replace('/', "-"));
        if home.exists() {
            fs::remove_dir_all(&home).unwrap();
        }
        let work = home.join("work");
        fs::create_dir_all(&work).unwrap();
        fs::write(
            home.join(".gitconfig"),
            "[user]\n\tname = Reader\n\temail = reader@example.com\n",
        )
        .unwrap();
        Self { home, work }
    }

    /// A shell command, with `platform` as it was just built.
    fn command(&self, text: &str) -> Command {
        let binary = Path::new(env!("CARGO_BIN_EXE_platform")).parent().unwrap();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("sh");
        command
            .args(["-c", text])
            .current_dir(&self.work)
            .stdin(Stdio::null())
            .env("PATH", format!("{}:{path}", binary.display()))
            .env("HOME", &self.home)
            .env("NO_COLOR", "1")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        for name in [
            "TOWPATH_HOME",
            "KUBECONFIG",
            "XDG_DATA_HOME",
            "XDG_CONFIG_HOME",
            "GIT_DIR",
            "GIT_WORK_TREE",
            "GIT_INDEX_FILE",
        ] {
            command.env_remove(name);
        }
        command
    }

    /// Follows a page to its end or to the first step that goes otherwise than it says.
    fn follow(&self, page: &str) -> Result<usize, String> {
        let steps = steps(page, &read(page));
        for step in &steps {
            match step {
                Step::Write { file, text } => {
                    let path = self.work.join(file);
                    fs::create_dir_all(path.parent().unwrap()).unwrap();
                    fs::write(path, text).unwrap();
                }
                Step::Run { line, command, exit } => {
                    let output = self.command(command).output().unwrap();
                    if output.status.code() != Some(*exit) {
                        return Err(format!(
                            "{page}:{line}: {command}\nexpected exit {exit}, got {}\n{}{}",
                            output.status,
                            String::from_utf8_lossy(&output.stdout),
                            String::from_utf8_lossy(&output.stderr),
                        ));
                    }
                }
            }
        }
        Ok(steps.len())
    }
}

#[test]
fn every_command_does_what_its_page_says() {
    let pages = pages();
    let outcomes: Vec<Result<usize, String>> = thread::scope(|scope| {
        let runs: Vec<_> = pages
            .iter()
            .map(|page| scope.spawn(|| Reader::new(page).follow(page)))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let failures: Vec<&String> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err())
        .collect();
    assert!(
        failures.is_empty(),
        "{}",
        failures.iter().fold(String::new(), |all, one| all + one + "\n")
    );
    let steps: usize = outcomes.iter().flatten().sum();
    assert!(steps > 30, "only {steps} steps were found");
}

#[test]
fn pages_are_read_as_they_are_meant() {
    let text = "a\n```yaml file=a/b.yaml\nx: 1\n\ny: 2\n```\n```text\n$ not this\n```\n\
                ```console\n$ platform check a/b.yaml   # exit 3\n$ cargo run --release -- version\n```\n";
    let run = |line, command: &str, exit| Step::Run {
        line,
        command: command.to_owned(),
        exit,
    };
    assert_eq!(
        steps("page", text),
        [
            Step::Write {
                file: "a/b.yaml".to_owned(),
                text: "x: 1\n\ny: 2\n".to_owned()
            },
            run(11, "platform check a/b.yaml", 3),
            run(12, "platform version", 0),
        ]
    );
}

#[test]
fn links_lead_somewhere() {
    let mut all = pages();
    all.extend(["ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(str::to_owned));
    for entry in fs::read_dir(root().join("docs/decisions")).unwrap() {
        all.push(format!(
            "docs/decisions/{}",
            entry.unwrap().file_name().into_string().unwrap()
        ));
    }
    let index = read("docs/decisions/README.md");
    let mut links = 0;
    for page in &all {
        let folder = root().join(page).parent().unwrap().to_path_buf();
        for target in read(page)
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            if target.contains("://") || file.is_empty() {
                continue;
            }
            links += 1;
            assert!(folder.join(file).exists(), "{page}: {target} leads nowhere");
        }
        if let Some(record) = page.strip_prefix("docs/decisions/0") {
            assert!(
                index.contains(record),
                "docs/decisions/README.md does not list {page}"
            );
        }
    }
    assert!(links > 30, "only {links} links were found");
}

/// The names of all fields of a schema, however deep.
fn fields(schema: &Value, found: &mut BTreeSet<String>) {
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        found.insert(name.clone());
        fields(inner, found);
    }
    if let Some(items) = schema.get("items") {
        fields(items, found);
    }
}

/// The words of a page that stand in code font.
fn words(text: &str) -> BTreeSet<&str> {
    let code = text.split('`').skip(1).step_by(2);
    code.flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric()))
        .collect()
}

#[test]
fn every_field_of_every_resource_is_explained() {
    let page = read("docs/resources.md");
    // Blocks of code are examples; the tables must say it.
    let tables: String = page
        .lines()
        .filter(|line| line.starts_with(['|', '#']))
        .fold(String::new(), |text, line| text + line + "\n");
    let everywhere = words(&tables);
    for kind in Kind::ALL {
        let heading = match kind {
            Kind::Database | Kind::Cache => "## Database and Cache\n".to_owned(),
            other => format!("## {other}\n"),
        };
        let section = tables
            .split_once(&heading)
            .unwrap_or_else(|| panic!("docs/resources.md has no section on {kind}"))
            .1;
        let section = words(section.split("\n## ").next().unwrap_or_default());
        let schema = schema_of(kind);
        let (mut spec, mut status) = (BTreeSet::new(), BTreeSet::new());
        fields(&schema["properties"]["spec"], &mut spec);
        fields(&schema["properties"]["status"], &mut status);
        for field in spec {
            assert!(
                section.contains(field.as_str()),
                "{kind}: the field {field} is not explained"
            );
        }
        for field in status {
            assert!(
                everywhere.contains(field.as_str()),
                "{kind}: the field {field} is not explained"
            );
        }
    }
}

#[test]
fn every_command_and_option_is_explained() {
    let reader = Reader::new("help");
    let guide = pages()
        .iter()
        .fold(String::new(), |text, page| text + &read(page));
    let help = |arguments: &str| {
        let output = reader
            .command(&format!("platform {arguments} --help"))
            .output()
            .unwrap();
        assert!(output.status.success(), "platform {arguments} --help");
        String::from_utf8(output.stdout).unwrap()
    };
    let mut open = vec![String::new()];
    let mut seen = 0;
    while let Some(command) = open.pop() {
        seen += 1;
        let text = help(&command);
        if !command.is_empty() {
            assert!(
                guide.contains(command.trim()),
                "platform{command} is not explained"
            );
        }
        let mut part = "";
        for line in text.lines() {
            if !line.starts_with(' ') {
                part = line.trim_end_matches(':');
            }
            let first = line.split_whitespace().next().unwrap_or_default();
            let named = line.starts_with("  ") && !line.starts_with("   ");
            if part == "Commands" && named {
                open.push(format!("{command} {first}"));
            }
            if part == "Options" {
                let option = line.split_whitespace().find(|word| word.starts_with("--"));
                let option = option
                    .unwrap_or_default()
                    .trim_end_matches(',')
                    .trim_end_matches("...");
                // A value that may be left out is written next to it.
                let option = option.split_once("[=").map_or(option, |(name, _)| name);
                let common = ["", "--help", "--version", "--verbose", "--output"].contains(&option);
                assert!(
                    common || guide.contains(option),
                    "platform{command} {option} is not explained"
                );
            }
        }
    }
    assert!(seen > 10, "only {seen} commands were found");
}

#[test]
fn the_map_of_the_crates_is_right() {
    let mut floors = BTreeMap::new();
    let mut drawn = BTreeMap::new();
    for line in read("ARCHITECTURE.md").lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, floor, name, uses, _] = cells.as_slice() else {
            continue;
        };
        let Ok(floor) = floor.parse::<u32>() else { continue };
        let name = name.trim_matches('`').to_owned();
        let uses: BTreeSet<String> = uses
            .split(", ")
            .filter(|word| !word.is_empty())
            .map(|word| word.trim_matches('`').to_owned())
            .collect();
        floors.insert(name.clone(), floor);
        drawn.insert(name, uses);
    }
    let crates: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(drawn.keys().cloned().collect::<BTreeSet<_>>(), crates);
    for name in &crates {
        let manifest = read(&format!("crates/{name}/Cargo.toml"));
        let dependencies = manifest.split("\n[dependencies]\n").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let uses: BTreeSet<String> = dependencies
            .lines()
            .filter_map(|line| line.split([' ', '=', '.']).next())
            .filter(|word| crates.contains(*word))
            .map(str::to_owned)
            .collect();
        assert_eq!(drawn[name], uses, "what {name} uses");
        for used in &uses {
            assert!(
                floors[used] < floors[name],
                "{name} uses {used}, which is not below it"
            );
        }
    }
}
