//! `check`: what a repository would deploy, judged where it stands, without server or cluster.

mod exceptions;
mod manifest;

use std::path::Path;

use apply::pointer;
use expansion::Finding;
use guardrails::{Outcome, Policies, Verdict};
use serde::Serialize;
use serde_json::{Value, json};
use yaml::Position;

use crate::catalog::{Catalog, ServiceFile};
use crate::error::OperationError;
use crate::guard::{Refusal, load_policies, now};

/// What was found in a repository or a file.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Checked {
    /// How many services were expanded and judged.
    pub services: usize,
    /// How many other objects were judged as they stand.
    pub objects: usize,
    /// Everything that is wrong.
    pub findings: Vec<CheckFinding>,
    /// What guardrails say that refuse nothing: those that are audited.
    pub warnings: Vec<CheckFinding>,
    /// All that guardrails say, also of what keeps them, if it is to be kept.
    #[serde(skip)]
    pub verdicts: Vec<CheckVerdict>,
    #[serde(skip)]
    keep: bool,
}

/// What a rule says of an object, and the place in a file that decided it.
#[derive(Clone, Debug)]
pub struct CheckVerdict {
    /// What it says.
    pub verdict: Verdict,
    /// The kind, name and namespace of the object.
    pub object: Value,
    /// The file, as in findings.
    pub file: String,
    /// The line and column in it, from 1.
    pub place: (usize, usize),
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckFinding {
    /// The file, as it was given.
    pub file: String,
    /// The line of the value that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Its column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// The guardrail that says so, if one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

impl CheckFinding {
    /// Something about a file or a place.
    pub fn at(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            message: String::new(),
            hint: None,
            refusal: None,
        }
    }

    /// What an error says about a file.
    pub(crate) fn of(file: &str, error: &OperationError) -> Self {
        // The reader of a file puts `file:line: ` before what it says.
        let text = match error {
            OperationError::Expand(error) => error.explained(),
            other => other.to_string(),
        };
        let (line, message) = text
            .strip_prefix(file)
            .and_then(|rest| rest.strip_prefix(':'))
            .and_then(|rest| rest.split_once(": "))
            .map_or((None, text.as_str()), |(line, message)| {
                (line.parse().ok(), message)
            });
        Self {
            line,
            message: message.to_owned(),
            hint: error.hint(),
            ..Self::at(file)
        }
    }
}

impl Checked {
    /// Whether a guardrail refuses something.
    pub fn refused(&self) -> bool {
        self.findings.iter().any(|f| f.refusal.is_some())
    }

    /// Takes down what a guardrail says.
    fn say(&mut self, file: &str, place: Position, finding: Finding, object: Value) {
        if !matches!(finding.verdict.outcome, Outcome::Pass | Outcome::Skip) {
            let said = Refusal::from(&finding);
            let list = if finding.refuses() {
                &mut self.findings
            } else {
                &mut self.warnings
            };
            list.push(CheckFinding {
                file: file.to_owned(),
                line: Some(place.line),
                column: Some(place.column),
                message: format!("{}: {}", said.policy, said.message),
                hint: said.hint.clone(),
                refusal: Some(said),
            });
        }
        if self.keep {
            self.verdicts.push(CheckVerdict {
                verdict: finding.verdict,
                object,
                file: file.to_owned(),
                place: (place.line, place.column),
            });
        }
    }
}

/// Checks a folder with the layout of an infrastructure repository, or one manifest file.
///
/// A folder's own guardrails and environments count; a single file, or a folder without any, is judged by those
/// that ship with the platform. `keep` keeps all verdicts, for reports.
pub fn check(path: &Path, keep: bool) -> Result<Checked, OperationError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => nothing_to_check(path, "there is nothing called"),
        _ => OperationError::io("read", path)(error),
    })?;
    if metadata.is_file() {
        return manifest::check(path, keep);
    }
    if !metadata.is_dir() {
        return Err(nothing_to_check(path, "neither a folder nor a file:"));
    }
    let catalog = Catalog::of_folder(path)?;
    let policies = load_policies(&catalog.snapshot)?;
    let mut checked = Checked {
        keep,
        ..Checked::default()
    };
    let desired = delivery::layout::read(&catalog.snapshot, catalog.group());
    for finding in &desired.findings {
        checked.findings.push(CheckFinding {
            line: finding.line,
            message: finding.message.clone(),
            hint: finding.hint.clone(),
            ..CheckFinding::at(&finding.file)
        });
    }
    for error in crate::scaffold::mistakes(&catalog.snapshot) {
        // What is no plain file is told already.
        if let OperationError::Scaffold { file, line, why } = error
            && !desired.broken().contains(file.as_str())
        {
            checked.findings.push(CheckFinding {
                line,
                message: why,
                hint: Some("the rules are in scaffolds/README.md of the platform".to_owned()),
                ..CheckFinding::at(&file)
            });
        }
    }
    checked.findings.extend(crate::offers::check(&catalog)?);
    checked
        .findings
        .extend(exceptions::check(&catalog.snapshot, jiff::Timestamp::now()));
    let paths: Vec<_> = catalog
        .service_paths()
        .map(|(path, place, _)| (path.clone(), place))
        .collect();
    let broken = desired.broken();
    for (path, place) in paths
        .into_iter()
        .filter(|(path, _)| !broken.contains(path.as_str()))
    {
        checked.services += 1;
        match catalog.service(&path, place) {
            Ok(service) => {
                let name = service.application.metadata.name.as_deref().unwrap_or_default();
                if let Some(namesake) = catalog.namesake(name, &service.place, &service.application.spec) {
                    checked.findings.push(CheckFinding {
                        line: service.document.position("/metadata/name").map(|p| p.line),
                        message: namesake.to_string(),
                        hint: Some("give one of the two another name".to_owned()),
                        ..CheckFinding::at(path.as_str())
                    });
                }
                judge_into(&mut checked, &catalog, &service, &policies, path.as_str());
            }
            Err(error) => checked.findings.push(CheckFinding::of(path.as_str(), &error)),
        }
    }
    Ok(checked)
}

fn nothing_to_check(path: &Path, what: &str) -> OperationError {
    OperationError::invalid_hint(
        format!("{what} {}", path.display()),
        "give the folder of an infrastructure repository, or one manifest file",
    )
}

fn judge_into(
    checked: &mut Checked,
    catalog: &Catalog,
    service: &ServiceFile,
    policies: &Policies,
    file: &str,
) {
    let document = &service.document;
    let place_of = |field: &str| document.position(&pointer(field, &document.value));
    let start = || Position {
        line: document.line(),
        column: 1,
    };
    let outcome = catalog.expand(service).map(|(expansion, inputs)| {
        let intent = inputs.intent(catalog.group(), &service.application, &service.place);
        let judgement = expansion::judge(&intent, &expansion, policies, &now());
        (judgement, expansion)
    });
    match outcome {
        Ok((judgement, expansion)) => {
            let namespace = service.place.namespace.as_str();
            for finding in judgement.findings.into_iter().chain(judgement.kept) {
                let field = finding.origin.as_ref().map(|origin| origin.field.as_str());
                let place = field.and_then(place_of).unwrap_or_else(start);
                let mut made = expansion.objects.iter().chain(&expansion.claims);
                let made = made.find(|object| {
                    object["kind"] == finding.kind && object["metadata"]["name"] == finding.name
                });
                let object = json!({
                    "apiVersion": made.map(|object| &object["apiVersion"]),
                    "kind": finding.kind,
                    "metadata": {"name": finding.name, "namespace": namespace},
                });
                checked.say(file, place, finding, object);
            }
        }
        Err(OperationError::Expand(expansion::ExpandError::Invalid { problems, .. })) => {
            for problem in problems {
                let place = place_of(&problem.field);
                checked.findings.push(CheckFinding {
                    line: place.map(|place| place.line),
                    column: place.map(|place| place.column),
                    message: problem.to_string(),
                    hint: problem.hint,
                    ..CheckFinding::at(file)
                });
            }
        }
        Err(error) => checked.findings.push(CheckFinding::of(file, &error)),
    }
}
