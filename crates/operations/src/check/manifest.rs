//! One manifest file, checked as it stands: the platform's own resources by their rules, all else by the guardrails that
//! ship. What cannot be judged is a finding, never a pass.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use api::{Application, Environment, GoldenPath, Group, Kind, Problem, Team};
use apply::pointer;
use delivery::{RepoPath, Snapshot};
use expansion::{Finding, Place};
use guardrails::{Outcome, Policies, Request};
use kube::ResourceExt;
use serde_json::{Value, json};
use yaml::Position;

use super::{CheckFinding, Checked, judge_into, nothing_to_check};
use crate::blueprint::Settings;
use crate::catalog::{Catalog, ServiceFile, typed};
use crate::error::OperationError;
use crate::guard::load_policies;
use crate::policy::nearest;

/// A larger file is not read.
const LIMIT: u64 = 16 * 1024 * 1024;
/// Each search reads the text again; after so many a finding has the line of its document.
const SEARCHES: usize = 1_000;

pub(super) fn check(path: &Path, keep: bool) -> Result<Checked, OperationError> {
    let shown = path.display().to_string();
    let text = text(path)?;
    let documents = yaml::parse_all(&text).map_err(|e| OperationError::invalid(format!("{shown}: {e}")))?;
    let documents: Vec<_> = documents.into_iter().filter(|d| !d.value.is_null()).collect();
    if documents.is_empty() {
        return Err(nothing_to_check(path, "no manifest is in"));
    }
    let catalog = Catalog::new(Settings::standalone(), Snapshot::default());
    let policies = load_policies(&catalog.snapshot)?;
    let mut file = File {
        shown,
        catalog,
        policies,
        checked: Checked {
            keep,
            ..Checked::default()
        },
        searched: 0,
    };
    for document in documents {
        file.document(document)?;
    }
    Ok(file.checked)
}

fn text(path: &Path) -> Result<String, OperationError> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(OperationError::io("read", path))?;
    let read = file.take(LIMIT + 1).read_to_end(&mut bytes);
    read.map_err(OperationError::io("read", path))?;
    if bytes.len() as u64 > LIMIT {
        return Err(OperationError::invalid_hint(
            format!("{} is larger than {LIMIT} bytes", path.display()),
            "check its manifests one by one",
        ));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file on its way through the check.
struct File {
    shown: String,
    catalog: Catalog,
    policies: Policies,
    checked: Checked,
    /// For how many places the text was searched.
    searched: usize,
}

impl File {
    fn document(&mut self, document: yaml::Document) -> Result<(), OperationError> {
        let value = document.value.clone();
        let items = value.get("items").and_then(Value::as_array);
        match items.filter(|_| value["kind"] == "List") {
            None => match self.own(&value) {
                Some(kind) => self.resource(kind, document)?,
                None => self.object(&document, "", &value),
            },
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    let at = format!("/items/{index}");
                    match self.own(item) {
                        Some(kind) => {
                            let what = format!("this {kind} is in a List, and is not checked there");
                            self.find(&document, &at, what, "give it a document of its own");
                        }
                        None => self.object(&document, &at, item),
                    }
                }
            }
        }
        Ok(())
    }

    /// Which of the platform's own kinds it is, if it is one.
    fn own(&self, value: &Value) -> Option<Kind> {
        let own = value["apiVersion"].as_str() == Some(&self.catalog.group().api_version());
        let kind = value["kind"].as_str().filter(|_| own)?;
        Kind::ALL.into_iter().find(|one| one.as_str() == kind)
    }

    fn find(&mut self, document: &yaml::Document, at: &str, message: String, hint: &str) {
        let line = document.position(at).map_or_else(|| document.line(), |p| p.line);
        self.checked.findings.push(CheckFinding {
            line: Some(line),
            message,
            hint: Some(hint.to_owned()),
            ..CheckFinding::at(&self.shown)
        });
    }

    /// One of the platform's own resources.
    fn resource(&mut self, kind: Kind, document: yaml::Document) -> Result<(), OperationError> {
        if kind == Kind::Application {
            return self.service(document);
        }
        self.checked.objects += 1;
        let group = self.catalog.group();
        match problems(group, kind, &self.shown, &document) {
            Ok(problems) => {
                for problem in problems {
                    let place = document.position(&pointer(&problem.field, &document.value));
                    self.checked.findings.push(CheckFinding {
                        line: Some(place.map_or_else(|| document.line(), |p| p.line)),
                        message: problem.to_string(),
                        hint: problem.hint,
                        ..CheckFinding::at(&self.shown)
                    });
                }
            }
            Err(error) => {
                let finding = CheckFinding::of(&self.shown, &error);
                self.checked.findings.push(finding);
            }
        }
        Ok(())
    }

    fn service(&mut self, document: yaml::Document) -> Result<(), OperationError> {
        self.checked.services += 1;
        match typed::<Application>(self.catalog.group(), Kind::Application, &self.shown, &document) {
            Ok(application) => {
                let place = Place {
                    namespace: application.namespace().unwrap_or_else(|| "default".to_owned()),
                    ..Place::default()
                };
                let service = ServiceFile {
                    path: RepoPath::new("service.yaml")?,
                    place,
                    application,
                    document,
                };
                judge_into(
                    &mut self.checked,
                    &self.catalog,
                    &service,
                    &self.policies,
                    &self.shown,
                );
            }
            Err(error) => {
                let finding = CheckFinding::of(&self.shown, &error);
                self.checked.findings.push(finding);
            }
        }
        Ok(())
    }

    /// An object of any other kind, which stands at `at` in its document.
    fn object(&mut self, document: &yaml::Document, at: &str, object: &Value) {
        let read = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (Some(_), Some(kind)) = (read("/apiVersion"), read("/kind")) else {
            self.find(
                document,
                at,
                "this is no manifest: it needs an apiVersion and a kind".to_owned(),
                "give the folder of an infrastructure repository, or one manifest file",
            );
            return;
        };
        self.checked.objects += 1;
        let labels = BTreeMap::new();
        let request = Request {
            namespace_labels: &labels,
            ..Request::new(object)
        };
        let outline = json!({
            "apiVersion": object["apiVersion"],
            "kind": kind,
            "metadata": {
                "name": object["metadata"]["name"], "namespace": object["metadata"]["namespace"],
            },
        });
        for verdict in self.policies.evaluate(&request) {
            let path = verdict.path.as_deref().unwrap_or_default();
            let mut place = Position {
                line: document.line(),
                column: 1,
            };
            let problem = !matches!(verdict.outcome, Outcome::Pass | Outcome::Skip);
            if problem && self.searched < SEARCHES {
                self.searched += 1;
                place = nearest(document, &format!("{at}{path}"), at).unwrap_or(place);
            }
            let finding = Finding {
                kind: kind.to_owned(),
                name: read("/metadata/name").unwrap_or_default().to_owned(),
                verdict,
                origin: None,
            };
            self.checked.say(&self.shown, place, finding, outline.clone());
        }
    }
}

/// What is wrong with a resource by the rules of its kind.
fn problems(
    group: &Group,
    kind: Kind,
    file: &str,
    document: &yaml::Document,
) -> Result<Vec<Problem>, OperationError> {
    Ok(match kind {
        Kind::Team => {
            let team: Team = typed(group, kind, file, document)?;
            team.spec.problems(&team.name_any())
        }
        Kind::Environment => {
            let environment: Environment = typed(group, kind, file, document)?;
            environment.spec.problems(&environment.name_any())
        }
        Kind::GoldenPath => {
            let path: GoldenPath = typed(group, kind, file, document)?;
            path.spec.problems(&path.name_any())
        }
        Kind::Application | Kind::Database | Kind::Cache => {
            typed::<Value>(group, kind, file, document)?;
            Vec::new()
        }
    })
}
