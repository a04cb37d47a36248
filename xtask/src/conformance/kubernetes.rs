//! `cargo xtask conformance kubernetes`: the API machinery tests of Kubernetes' own conformance suite, against a real
//! cluster and against the sandbox.
//!
//! The tests are Kubernetes' own, built from its module ([`crate::peers::kubernetes_tests`]); none was written or changed
//! here. `docs/conformance/kubernetes.md` names those that are left out and why; all others have to pass on both. Those that
//! it lists as failing on the sandbox are not run there unless they are asked for by name: some would wait for ever.

use super::asked::Asked;
use super::known::Known;
use super::sandbox::server::{self, Server};
use crate::cluster::Cluster;
use crate::failure::{Doing, Result, fail};
use crate::peers::{self, KUBERNETES};
use crate::process::{Scratch, run as finish};
use crate::say;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// The page with the two lists.
const PAGE: &str = "docs/conformance/kubernetes.md";
/// What all chosen tests may take on one side; one of them waits for five to ten minutes by itself.
const LIMIT: Duration = Duration::from_mins(70);
/// How many rows the report of a failure has at most.
const LINES: usize = 12;

/// What came of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Came {
    Passed,
    Failed(String),
}

/// Runs the chosen tests on both and prints the table.
pub(crate) fn run(asked: &Asked<'_>) -> Result<()> {
    let started = Instant::now();
    let page = crate::root().join(PAGE);
    let left_out = Known::read(&page, "Left out")?;
    let listed = Known::read(&page, "Listed failures")?;
    let program = peers::kubernetes_tests()?;
    let scratch = Scratch::new()?;
    let real = Cluster::start()?;
    let all = names(&program, real.kubeconfig(), scratch.path())?;
    let chosen: Vec<&String> = all.iter().filter(|name| !left_out.has(name)).collect();
    let wanted: Vec<&str> = chosen
        .iter()
        .map(|name| name.as_str())
        .filter(|name| asked.wants(name))
        .collect();
    if wanted.is_empty() {
        fail!("no chosen test has such a name");
    }
    say::line(format!(
        "{} conformance tests of the API machinery, {} left out, {} chosen, {} to run",
        all.len(),
        all.len() - chosen.len(),
        chosen.len(),
        wanted.len()
    ));
    let hopeful: Vec<&str> = wanted
        .iter()
        .copied()
        .filter(|name| !listed.has(name) || !asked.for_all())
        .collect();
    let ours = Server::start(&server::program(None)?, true)?;
    let (on_real, on_ours) = thread::scope(|scope| {
        let (program, folder, wanted) = (&program, scratch.path(), &wanted);
        let play = move |kubeconfig: &Path, side, names: &[&str]| {
            play(program, kubeconfig, &folder.join(side), names)
        };
        let on_real = scope.spawn(move || play(real.kubeconfig(), "real", wanted));
        let on_ours = play(ours.kubeconfig(), "sandbox", &hopeful);
        (on_real.join(), on_ours)
    });
    let Ok(on_real) = on_real else {
        fail!("what ran the tests stopped by itself")
    };
    let (on_real, on_ours) = (on_real?, on_ours?);
    say::line(table(&on_real, &on_ours));
    let report = differing(&on_real, &on_ours, &listed);
    match asked.report {
        Some(file) => fs::write(file, &report.text).doing(|| format!("write {file}"))?,
        None => say::line(&report.text),
    }
    if asked.for_all() {
        for row in left_out.unused().iter().chain(&listed.unused()) {
            say::line(format!("listed for nothing: {row}"));
        }
    }
    say::line(format!("took {}", say::duration(started.elapsed())));
    match report.unlisted {
        0 => Ok(()),
        unlisted => fail!("{unlisted} tests failed and are not listed"),
    }
}

/// The names of all conformance tests that are about the API machinery.
fn names(program: &Path, kubeconfig: &Path, folder: &Path) -> Result<Vec<String>> {
    let report = folder.join("names.json");
    call(program, kubeconfig, &report, &["--ginkgo.dry-run"])?;
    let mut names: Vec<String> = specs(&report)?
        .iter()
        .filter(|spec| {
            let labels = [&spec["ContainerHierarchyLabels"], &spec["LeafNodeLabels"]];
            let labels = labels.map(Value::to_string).concat();
            labels.contains("\"Conformance\"") && labels.contains("\"sig-api-machinery\"")
        })
        .map(name)
        .collect();
    names.sort();
    if names.is_empty() {
        fail!("the program has no conformance tests of the API machinery");
    }
    Ok(names)
}

/// Runs tests one after the other.
fn play(program: &Path, kubeconfig: &Path, folder: &Path, wanted: &[&str]) -> Result<BTreeMap<String, Came>> {
    fs::create_dir_all(folder).doing(|| format!("make {}", folder.display()))?;
    let report = folder.join("report.json");
    let patterns: Vec<String> = wanted.iter().map(|name| pattern(name)).collect();
    let focus = format!("--ginkgo.focus={}", patterns.join("|"));
    // A second try, for what a busy machine was too slow for.
    let options = [
        &focus,
        "--num-nodes=1",
        "--ginkgo.timeout=1h",
        "--ginkgo.flake-attempts=2",
    ];
    call(program, kubeconfig, &report, &options)?;
    let mut results = BTreeMap::new();
    for spec in specs(&report)? {
        let name = name(&spec);
        if wanted.contains(&name.as_str()) {
            let result = match spec["State"].as_str() {
                Some("passed") => Came::Passed,
                state => {
                    let why = spec["Failure"]["Message"].as_str().or(state).unwrap_or_default();
                    Came::Failed(why.to_owned())
                }
            };
            results.insert(name, result);
        }
    }
    Ok(results)
}

/// Runs the program, which ends with 1 when a test fails: only what it reports counts.
fn call(program: &Path, kubeconfig: &Path, report: &Path, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command
        .arg(format!("--kubeconfig={}", kubeconfig.display()))
        .arg(format!("--ginkgo.json-report={}", report.display()))
        .arg(format!(
            "--kubectl-path={}",
            KUBERNETES.binary("kubectl")?.display()
        ))
        .args([
            "--provider=skeleton",
            "--ginkgo.no-color",
            "--dump-logs-on-failure=false",
        ])
        .args(arguments);
    let finished = finish(&mut command, LIMIT)?;
    if report.is_file() {
        return Ok(());
    }
    finished.success("the tests of Kubernetes").map(drop)
}

/// The tests in a report of the program.
fn specs(report: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(report).doing(|| format!("read {}", report.display()))?;
    let suites: Value = serde_json::from_str(&text).doing(|| format!("read {}", report.display()))?;
    let specs = suites[0]["SpecReports"].as_array().cloned().unwrap_or_default();
    if let Some(failed) = specs
        .iter()
        .find(|spec| spec["LeafNodeType"] == "BeforeSuite" && spec["State"] == "failed")
    {
        fail!("no test could begin: {}", failed["Failure"]["Message"]);
    }
    Ok(specs)
}

/// A test's name: what it stands in, and its own.
fn name(spec: &Value) -> String {
    let parts = spec["ContainerHierarchyTexts"].as_array().into_iter().flatten();
    let parts = parts.chain([&spec["LeafNodeText"]]).filter_map(Value::as_str);
    parts.collect::<Vec<_>>().join(" ")
}

/// A regular expression for just this text.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\.+*?()|[]{}^$".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// What a test is about: its name up to the first words of its own.
fn area(name: &str) -> &str {
    let name = name.strip_prefix("[sig-api-machinery] ").unwrap_or(name);
    let end = [" [", " should ", " must ", " MUST "]
        .iter()
        .filter_map(|word| name.find(word))
        .min();
    &name[..end.unwrap_or(name.len())]
}

/// A row for each area: tests, passed on the real one, passed on the sandbox.
fn table(real: &BTreeMap<String, Came>, ours: &BTreeMap<String, Came>) -> String {
    let mut rows: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    let mut sum = [0; 3];
    for (name, on_real) in real {
        let counts = [
            true,
            *on_real == Came::Passed,
            ours.get(name) == Some(&Came::Passed),
        ];
        for row in [rows.entry(area(name)).or_default(), &mut sum] {
            for (total, counts) in row.iter_mut().zip(counts) {
                *total += usize::from(counts);
            }
        }
    }
    let mut text = format!("{:<50} {:>6} {:>6} {:>8}\n", "", "tests", "real", "sandbox");
    for (area, [tests, real, ours]) in rows.into_iter().chain([("all", sum)]) {
        let _ = writeln!(text, "{area:<50} {tests:>6} {real:>6} {ours:>8}");
    }
    text
}

struct Report {
    text: String,
    unlisted: usize,
}

/// What failed, and how much of it nobody has listed.
fn differing(real: &BTreeMap<String, Came>, ours: &BTreeMap<String, Came>, listed: &Known) -> Report {
    let mut report = Report {
        text: String::new(),
        unlisted: 0,
    };
    for (name, on_real) in real {
        let missing = Came::Failed("not run".to_owned());
        for (side, result) in [("real", on_real), ("sandbox", ours.get(name).unwrap_or(&missing))] {
            let Came::Failed(why) = result else { continue };
            let is_listed = side == "sandbox" && listed.has(name);
            report.unlisted += usize::from(!is_listed);
            let mark = if is_listed { "LISTED " } else { "" };
            let why: Vec<&str> = why.lines().take(LINES).collect();
            let _ = writeln!(report.text, "{mark}{side}: {name}\n    {}", why.join("\n    "));
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_put_together_and_stand_for_themselves_alone() {
        let spec = json!({"ContainerHierarchyTexts": ["[sig] A", "b"], "LeafNodeText": "should c. [Slow]"});
        assert_eq!(name(&spec), "[sig] A b should c. [Slow]");
        assert_eq!(pattern("[a] b. (c)"), r"\[a\] b\. \(c\)");
        assert_eq!(
            area("[sig-api-machinery] Watchers should see [Conformance]"),
            "Watchers"
        );
        assert_eq!(
            area("[sig-api-machinery] Namespaces [Serial] should go"),
            "Namespaces"
        );
    }

    #[test]
    fn failures_count_unless_listed_for_the_sandbox() {
        let failed = || Came::Failed("why\nmore".to_owned());
        let side = |first: Came, second: Came| {
            BTreeMap::from([("x a".to_owned(), first), ("x b".to_owned(), second)])
        };
        let listed = Known::of("\n## L\n\n| `x a` | because |\n", "L").unwrap();
        let report = differing(&side(Came::Passed, failed()), &side(failed(), failed()), &listed);
        assert_eq!(report.unlisted, 2);
        assert_eq!(
            report.text,
            "LISTED sandbox: x a\n    why\n    more\nreal: x b\n    why\n    more\nsandbox: x b\n    why\n    more\n"
        );
        let text = table(&side(Came::Passed, failed()), &side(failed(), Came::Passed));
        let last: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["all", "2", "1", "1"]);
        let nothing = differing(&side(Came::Passed, Came::Passed), &BTreeMap::new(), &listed);
        assert_eq!(nothing.unlisted, 1, "{}", nothing.text);
    }
}
