//! Where things lie in the infrastructure repository, and what a snapshot of it asks for.
//!
//! ```text
//! platform/platform.yaml, teams/, environments/, golden-paths/, policies/    the platform team's
//! teams/<team>/<environment>/{applications,databases,caches,secrets}/        a team's own
//! teams/<team>/{namespace.yaml,applications/,secrets/}                       a team with one environment
//! ```
//!
//! A path decides what a file may do: what lies under `teams/` can only hold the kinds in [`TEAM_KINDS`], in the
//! namespace that the path stands for. Every problem is a [`Finding`]; none stops another file. No I/O.

mod charts;
mod reader;

use std::collections::BTreeSet;

use api::Kind;
use serde_json::Value;

use crate::error::Result;
use crate::path::RepoPath;
use crate::snapshot::Finding;

pub use charts::GOLDEN_PATHS;
pub use reader::{read, reserved};

/// The platform's own kinds that a team may ask for.
pub const TEAM_KINDS: [Kind; 3] = [Kind::Application, Kind::Database, Kind::Cache];
/// The kind, group first, by which a team names secrets that live elsewhere.
pub const EXTERNAL_SECRET: (&str, &str) = ("external-secrets.io", "ExternalSecret");
/// The kind, in the platform's own group, by which the platform team offers a chart.
pub const GOLDEN_PATH: &str = "GoldenPath";
/// The groups of policies.
pub const POLICY_GROUPS: [&str; 2] = ["kyverno.io", "policies.kyverno.io"];
/// What a raw `namespace.yaml` may hold, group first.
const BOUNDARY_KINDS: [(&str, &str); 4] = [
    ("", "Namespace"),
    ("", "ResourceQuota"),
    ("", "LimitRange"),
    ("networking.k8s.io", "NetworkPolicy"),
];
/// Folder names of the layout, which no environment can have.
const FOLDERS: [&str; 4] = ["applications", "databases", "caches", "secrets"];
/// More objects than this in one file is a mistake or an attack.
const OBJECTS_IN_FILE: usize = 1000;

/// The platform's settings.
pub const SETTINGS: &str = "platform/platform.yaml";

/// The file of a platform-wide resource.
pub fn platform_file(kind: Kind, name: &str) -> Result<RepoPath> {
    let folder = match kind {
        Kind::GoldenPath => "golden-paths",
        other => other.plural(),
    };
    RepoPath::new(format!("platform/{folder}/{name}.yaml"))
}

/// The file of a resource of a team.
pub fn team_file(team: &str, environment: &str, kind: Kind, name: &str) -> Result<RepoPath> {
    RepoPath::new(format!(
        "teams/{team}/{environment}/{}/{name}.yaml",
        kind.plural()
    ))
}

/// The namespace of a team in an environment.
pub fn namespace(team: &str, environment: &str) -> String {
    format!("{team}-{environment}")
}

/// What a snapshot asks for.
#[derive(Debug, Clone, Default)]
pub struct Desired {
    /// The objects, by file.
    pub objects: Vec<DesiredObject>,
    /// Everything wrong, by file; includes what the snapshot had left out.
    pub findings: Vec<Finding>,
}

impl Desired {
    /// The files with findings. What they asked for before must not be taken as withdrawn.
    pub fn broken(&self) -> BTreeSet<&str> {
        self.findings
            .iter()
            .map(|finding| finding.file.as_str())
            .collect()
    }
}

/// An object that a file asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct DesiredObject {
    /// The file.
    pub path: RepoPath,
    /// The line where the object begins.
    pub line: usize,
    /// Whose file it is.
    pub place: Place,
    /// The object: only what Git may say, with its namespace.
    pub value: Value,
}

/// Whose a file is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The platform team's.
    Platform,
    /// A team's raw `namespace.yaml`.
    Boundary {
        /// The team.
        team: String,
        /// The namespace.
        namespace: String,
    },
    /// A team's, in one of its environments.
    Team {
        /// The team.
        team: String,
        /// The environment, where the path or the boundary says it.
        environment: Option<String>,
        /// The namespace.
        namespace: String,
    },
}
