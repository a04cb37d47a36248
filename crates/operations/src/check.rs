//! `check`: what a repository would deploy, judged where it stands, without server or cluster.

mod exceptions;
mod manifest;

use std::path::Path;

use apply::pointer;
use guardrails::Policies;
use serde::Serialize;

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
    /// Something about a file.
    pub(crate) fn at(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
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
    fn say(&mut self, file: &str, line: usize, said: Refusal, refuses: bool) {
        let list = if refuses {
            &mut self.findings
        } else {
            &mut self.warnings
        };
        list.push(CheckFinding {
            file: file.to_owned(),
            line: Some(line),
            message: format!("{}: {}", said.policy, said.message),
            hint: said.hint.clone(),
            refusal: Some(said),
        });
    }
}

/// Checks a folder with the layout of an infrastructure repository, or one manifest file.
///
/// A folder's own guardrails and environments count; a single file, or a folder without any, is judged by those
/// that ship with the platform.
pub fn check(path: &Path) -> Result<Checked, OperationError> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => nothing_to_check(path, "there is nothing called"),
        _ => OperationError::io("read", path)(error),
    })?;
    if metadata.is_file() {
        return manifest::check(path);
    }
    if !metadata.is_dir() {
        return Err(nothing_to_check(path, "neither a folder nor a file:"));
    }
    let catalog = Catalog::of_folder(path)?;
    let policies = load_policies(&catalog.snapshot)?;
    let mut checked = Checked::default();
    let desired = delivery::layout::read(&catalog.snapshot, catalog.group());
    for finding in &desired.findings {
        checked.findings.push(CheckFinding {
            file: finding.file.clone(),
            line: finding.line,
            message: finding.message.clone(),
            hint: finding.hint.clone(),
            refusal: None,
        });
    }
    for error in crate::scaffold::mistakes(&catalog.snapshot) {
        // What is no plain file is told already.
        if let OperationError::Scaffold { file, line, why } = error
            && !desired.broken().contains(file.as_str())
        {
            checked.findings.push(CheckFinding {
                file,
                line,
                message: why,
                hint: Some("the rules are in scaffolds/README.md of the platform".to_owned()),
                refusal: None,
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
    let line_of = |field: &str| {
        service
            .document
            .position(&pointer(field, &service.document.value))
            .map(|p| p.line)
    };
    let outcome = catalog.expand(service).map(|(expansion, inputs)| {
        let intent = inputs.intent(catalog.group(), &service.application, &service.place);
        expansion::judge(&intent, &expansion, policies, &now())
    });
    match outcome {
        Ok(judgement) => {
            for finding in &judgement.findings {
                let said = Refusal::from(finding);
                let line = said.field.as_deref().and_then(line_of);
                let line = line.unwrap_or_else(|| service.document.line());
                checked.say(file, line, said, finding.refuses());
            }
        }
        Err(OperationError::Expand(expansion::ExpandError::Invalid { problems, .. })) => {
            for problem in problems {
                checked.findings.push(CheckFinding {
                    file: file.to_owned(),
                    line: line_of(&problem.field),
                    message: problem.to_string(),
                    hint: problem.hint,
                    refusal: None,
                });
            }
        }
        Err(error) => checked.findings.push(CheckFinding::of(file, &error)),
    }
}
