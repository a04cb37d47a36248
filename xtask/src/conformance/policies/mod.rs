//! `cargo xtask conformance guardrails`: how near the policy engine is to Kyverno, over suites that others wrote.
//!
//! Every `kyverno-test.yaml` below a folder is run by the platform's own command line, one process for each, so that
//! what is measured is what users get. What counts first is where Kyverno refuses and we do not. With Kyverno's
//! command line beside it, its own results are held against ours, also for policies and resources that no suite pairs.

mod kyverno;
mod table;

use super::words::Words;
use crate::e2e::platform::Platform;
use crate::failure::{Doing, Result, fail};
use crate::peers;
use crate::process::run;
use crate::say;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kyverno::Kyverno;

/// What one suite may take.
const LIMIT: Duration = Duration::from_mins(2);

/// What can be asked for.
#[derive(Debug, Default)]
pub(crate) struct Options<'a> {
    suites: Vec<&'a str>,
    kyverno: Option<&'a str>,
    beside: bool,
    differential: bool,
    platform: Option<&'a str>,
    only: Vec<&'a str>,
    report: Option<&'a str>,
    causes: Option<&'a str>,
}

impl<'a> Options<'a> {
    /// Reads what stands after `conformance guardrails`.
    pub(crate) fn parse(arguments: &[&'a str]) -> Result<Self> {
        let mut options = Self::default();
        let mut words = Words::of(arguments);
        while let Some(option) = words.option() {
            match option {
                "--kyverno" => {
                    options.beside = true;
                    options.kyverno = words.value_if_any();
                }
                "--differential" => {
                    options.beside = true;
                    options.differential = true;
                }
                "--suites" => options.suites.push(words.value()?),
                "--platform" => options.platform = Some(words.value()?),
                "--only" => options.only.push(words.value()?),
                "--report" => options.report = Some(words.value()?),
                "--causes" => options.causes = Some(words.value()?),
                other => fail!("conformance guardrails has no option {other}"),
            }
        }
        Ok(options)
    }
}

/// What came of a suite.
#[derive(Debug)]
pub(crate) struct Suite {
    /// What the folder of all suites is called.
    source: String,
    /// Its folder below the folder of all suites.
    name: String,
    kind: Kind,
    /// Why it could not be run at all.
    broken: Option<String>,
    rows: Vec<Row>,
}

/// What is expected of a suite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Everything is as it says.
    Ordinary,
    /// It asks a registry.
    Registry,
    /// It is meant to fail.
    MeantToFail,
}

/// One expected result.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    policy: String,
    rule: String,
    resource: String,
    want: String,
    got: String,
    ok: bool,
    message: String,
    /// What Kyverno's own command line says of it, where it was asked.
    kyverno: Option<String>,
}

impl Row {
    fn read(row: &Value) -> Row {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        Row {
            policy: text("policy"),
            rule: text("rule"),
            resource: text("resource"),
            want: text("want"),
            got: text("got"),
            ok: row["ok"] == true,
            message: text("message"),
            kyverno: None,
        }
    }

    /// Whether Kyverno refuses and we do not. Where it fails its own suite and we do not, it does not count.
    fn fails_open(&self) -> bool {
        let met = self.ok && self.got == self.want;
        match &self.kyverno {
            Some(said) => said == "fail" && !met && ["pass", "skip", "excluded"].contains(&self.got.as_str()),
            None => self.want == "fail" && ["pass", "skip"].contains(&self.got.as_str()),
        }
    }

    /// Whether nothing is said of what the suite wants refused. Kyverno counts that as met.
    fn is_silent(&self) -> bool {
        self.want == "fail" && self.got == "excluded"
    }

    /// Whether it is as expected; where Kyverno was asked, whether it is as Kyverno says.
    fn agrees(&self) -> bool {
        match &self.kyverno {
            Some(said) => *said == self.got || (self.ok && *said == self.want),
            None => self.ok && !self.fails_open() && !self.is_silent(),
        }
    }
}

/// Runs all suites and prints the table.
pub(crate) fn guardrails(options: &Options<'_>) -> Result<()> {
    if options.suites.is_empty() {
        fail!("--suites needs a folder that holds suites");
    }
    let platform = match options.platform {
        Some(path) => Platform::at(Path::new(path))?,
        None => Platform::build_release()?,
    };
    let kyverno = match (options.beside, options.kyverno) {
        (false, _) => None,
        (true, Some(path)) => Some(Kyverno::at(Path::new(path))?),
        (true, None) => {
            peers::build(&[&peers::KYVERNO])?;
            Some(Kyverno::at(&peers::KYVERNO.binary("kyverno")?)?)
        }
    };
    if let (true, Some(kyverno)) = (options.differential, &kyverno) {
        return kyverno::differential(&platform, kyverno, &options.suites, &options.only);
    }
    let started = Instant::now();
    let mut suites = Vec::new();
    for folder in &options.suites {
        let folder = Path::new(folder);
        let mut files = Vec::new();
        find(folder, &mut files)?;
        files.sort();
        let source = folder.file_name().unwrap_or_default().display().to_string();
        for file in files {
            let name = file.strip_prefix(folder).unwrap_or(&file).display().to_string();
            if !options.only.is_empty() && !options.only.iter().any(|part| name.contains(part)) {
                continue;
            }
            let mut suite = one(&platform, &file, name)?;
            suite.source.clone_from(&source);
            if let Some(kyverno) = &kyverno {
                kyverno.fill(&file, &mut suite)?;
            }
            suites.push(suite);
        }
    }
    if suites.is_empty() {
        fail!("no kyverno-test.yaml was found");
    }
    let beside = kyverno.as_ref().map(Kyverno::version);
    say::line(table::summary(&suites, beside));
    say::line(format!("took {}", say::duration(started.elapsed())));
    if let Some(report) = options.report {
        fs::write(report, table::report(&suites, beside)).doing(|| format!("write {report}"))?;
        say::line(format!("the table is in {report}"));
    }
    if let Some(causes) = options.causes {
        fs::write(causes, table::causes(&suites)).doing(|| format!("write {causes}"))?;
        say::line(format!("what differs, by cause, is in {causes}"));
    }
    Ok(())
}

/// The suites below a folder; those of hidden folders too.
pub(crate) fn find(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).doing(|| format!("read {}", folder.display()))?;
    for entry in entries {
        let entry = entry.doing(|| format!("read {}", folder.display()))?;
        let path = entry.path();
        let kind = entry.file_type().doing(|| format!("read {}", path.display()))?;
        if kind.is_dir() {
            find(&path, files)?;
        } else if entry.file_name() == "kyverno-test.yaml" {
            files.push(path);
        }
    }
    Ok(())
}

/// Runs one suite.
fn one(platform: &Platform, file: &Path, name: String) -> Result<Suite> {
    let mut command = Command::new(platform.path());
    command.args(["policy", "test", "--output", "json"]).arg(file);
    let finished = run(&mut command, LIMIT)?;
    let kind = kind(file, &name);
    let said: Option<Value> = serde_json::from_str(&finished.stdout).ok();
    let Some(said) = said else {
        return Ok(Suite {
            source: String::new(),
            name,
            kind,
            broken: Some(finished.stderr.trim().to_owned()),
            rows: Vec::new(),
        });
    };
    let suites = said["suites"].as_array().into_iter().flatten();
    let rows = suites.flat_map(|suite| suite["rows"].as_array().into_iter().flatten());
    Ok(Suite {
        source: String::new(),
        name,
        kind,
        broken: None,
        rows: rows.map(Row::read).collect(),
    })
}

/// What is expected of a suite, by what its policies hold.
fn kind(file: &Path, name: &str) -> Kind {
    if name.contains("test-fail/") {
        return Kind::MeantToFail;
    }
    let asks = named(file, "policies").iter().any(|place| {
        let policy = fs::read_to_string(place).unwrap_or_default();
        let asks = [
            "verifyImages:",
            "imageRegistry:",
            "kind: ImageValidatingPolicy",
            "image.GetMetadata(",
        ];
        asks.iter().any(|word| policy.contains(word))
    });
    if asks { Kind::Registry } else { Kind::Ordinary }
}

/// The files of a list in a suite.
pub(crate) fn named(file: &Path, list: &str) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let text = fs::read_to_string(file).unwrap_or_default();
    let Ok(document) = yaml::parse(&text) else {
        return Vec::new();
    };
    let places = document.value[list].as_array().into_iter().flatten();
    places
        .filter_map(Value::as_str)
        .map(|place| folder.join(place))
        .collect()
}
