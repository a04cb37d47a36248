//! What the sync loop says about itself. Plain data.

use serde::{Deserialize, Serialize};

use crate::snapshot::Finding;

/// How the last round of the sync loop went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncStatus {
    /// The commit that the round was about; none before the first.
    pub revision: Option<String>,
    /// When the round ended.
    pub time: Option<jiff::Timestamp>,
    /// How many rounds there were since the loop started.
    pub rounds: u64,
    /// How many objects Git asks for.
    pub objects: usize,
    /// The objects that this round created or changed.
    pub applied: Vec<String>,
    /// The objects that this round removed.
    pub pruned: Vec<String>,
    /// What is wrong with files; each leaves only itself out.
    pub findings: Vec<Finding>,
    /// What the cluster did not take, by the file that asks for it.
    pub errors: Vec<Finding>,
    /// Namespaces that do not exist yet and are waited for.
    pub waiting: Vec<String>,
    /// Why the round as a whole could not be done: Git or the cluster could not be reached.
    pub failure: Option<String>,
}

impl SyncStatus {
    /// Whether everything that Git asks for stands in the cluster.
    pub fn complete(&self) -> bool {
        self.revision.is_some()
            && self.failure.is_none()
            && self.findings.is_empty()
            && self.errors.is_empty()
            && self.waiting.is_empty()
    }

    /// What is wrong with one file, in Git or in the cluster.
    pub fn about<'a>(&'a self, file: &'a str) -> impl Iterator<Item = &'a Finding> {
        self.findings
            .iter()
            .chain(&self.errors)
            .filter(move |finding| finding.file == file)
    }
}
