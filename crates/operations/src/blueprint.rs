//! The infrastructure repository as it begins, and what `platform/platform.yaml` says.

use api::{Group, Kind};
use delivery::layout::{SETTINGS, platform_file};
use delivery::{Author, ChangeSet, RepoPath, Repository, Snapshot};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

use crate::error::OperationError;

/// The team of the sandbox.
const DEMO_TEAM: &str = "demo";
/// What runs in the sandbox until a service has an image of its own. Nothing is pulled: pods are simulated.
const SANDBOX_FIRST_IMAGE: &str = "registry.sandbox.internal/first-image:v1";
/// API versions that the sandbox knows beyond Kubernetes' own.
const SANDBOX_API_VERSIONS: [&str; 1] = ["monitoring.coreos.com/v1"];
/// The environments every platform begins with, in the order of promotion.
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "production"];

/// What `platform/platform.yaml` says: written once at install, read everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The API group, immutable.
    pub group: Group,
    /// The team a command means when it names none; only the sandbox has one.
    pub team: Option<String>,
    /// The environment a command means when it names none.
    pub environment: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SettingsFile {
    group: String,
    #[serde(default)]
    defaults: Defaults,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Defaults {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    team: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    environment: Option<String>,
}

impl Settings {
    /// Reads the settings of a repository at its head.
    pub fn read(repository: &Repository, head: &delivery::CommitId) -> Result<Self, OperationError> {
        let bytes = repository.read(&RepoPath::new(SETTINGS)?, head)?;
        Self::from(bytes.as_deref(), repository.path())
    }

    /// The settings of files that come without any.
    pub(crate) fn standalone() -> Self {
        Self {
            group: Group::default(),
            team: None,
            environment: None,
        }
    }

    /// The settings among the files of the repository at `path`.
    pub(crate) fn of(snapshot: &Snapshot, path: &Path) -> Result<Self, OperationError> {
        let file = snapshot.files.get(&RepoPath::new(SETTINGS)?);
        Self::from(file.map(|file| &*file.contents), path)
    }

    fn from(bytes: Option<&[u8]>, repository: &Path) -> Result<Self, OperationError> {
        match bytes {
            Some(bytes) => Self::parse(&String::from_utf8_lossy(bytes)),
            None => Err(OperationError::invalid_hint(
                format!("the repository {} has no {SETTINGS}", repository.display()),
                "is it an infrastructure repository of this platform?",
            )),
        }
    }

    /// Reads the text of `platform/platform.yaml`.
    pub fn parse(text: &str) -> Result<Self, OperationError> {
        let wrong = |why: String| OperationError::invalid(format!("{SETTINGS}: {why}"));
        let document = yaml::parse(text).map_err(|e| wrong(e.to_string()))?;
        let file: SettingsFile = serde_json::from_value(document.value).map_err(|e| wrong(e.to_string()))?;
        let group = Group::parse(&file.group).map_err(|e| wrong(e.to_string()))?;
        Ok(Self {
            group,
            team: file.defaults.team,
            environment: file.defaults.environment,
        })
    }
}

/// The first commit of an infrastructure repository: settings, environments, guardrails and, in the sandbox, a
/// team to try things with.
pub fn first_commit(
    group: &Group,
    sandbox: bool,
    author: Author,
    now: jiff::Timestamp,
) -> Result<ChangeSet, OperationError> {
    let mut change = ChangeSet::new("Begin the platform's infrastructure repository", author, now);
    let defaults = Defaults {
        team: sandbox.then(|| DEMO_TEAM.to_owned()),
        environment: Some(ENVIRONMENTS[0].to_owned()),
    };
    let settings = SettingsFile {
        group: group.to_string(),
        defaults,
    };
    change = change.write(RepoPath::new(SETTINGS)?, emit(&json!(settings)));
    for (order, environment) in ENVIRONMENTS.iter().enumerate() {
        let mut spec = json!({"order": order});
        if sandbox {
            spec["firstImage"] = json!(SANDBOX_FIRST_IMAGE);
            spec["capabilities"] = json!({"apiVersions": SANDBOX_API_VERSIONS});
        }
        let resource = resource(group, Kind::Environment, environment, &spec);
        change = change.write(platform_file(Kind::Environment, environment)?, emit(&resource));
    }
    if sandbox {
        change = change.write(
            platform_file(Kind::Team, DEMO_TEAM)?,
            emit(&team(group, DEMO_TEAM, &ENVIRONMENTS)),
        );
    }
    for (name, text) in expansion::builtin::policies() {
        change = change.write(RepoPath::new(format!("platform/policies/{name}"))?, text);
    }
    Ok(change)
}

/// A team in some environments, with the platform's default quota.
pub(crate) fn team(group: &Group, name: &str, environments: &[&str]) -> Value {
    let environments: Vec<Value> = environments.iter().map(|e| json!({"name": e})).collect();
    resource(group, Kind::Team, name, &json!({"environments": environments}))
}

pub(crate) fn resource(group: &Group, kind: Kind, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": group.api_version(),
        "kind": kind.as_str(),
        "metadata": {"name": name},
        "spec": spec,
    })
}

fn emit(value: &Value) -> String {
    yaml::emit(value)
}
