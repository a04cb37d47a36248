//! What the use cases work on: one cluster, one infrastructure repository, one home folder.

use std::path::PathBuf;
use std::sync::Arc;

use api::Group;
use delivery::{Author, Repository};
use kube::Client;
use tokio::sync::Notify;

use crate::blueprint::Settings;
use crate::error::OperationError;
use crate::journal::Journal;

/// Which cluster a command speaks to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The embedded sandbox: pods are simulated.
    Sandbox,
    /// A real cluster, by the name of its kubeconfig context.
    Context(String),
}

/// Where the sync loop runs, and so how it is asked to look at Git now.
#[derive(Clone, Debug)]
pub enum Nudge {
    /// In this process.
    Here(Arc<Notify>),
    /// In another one: `platform up`, or a server in the cluster.
    Elsewhere,
}

/// Everything a use case needs.
#[derive(Clone)]
pub struct Platform {
    /// The cluster.
    pub client: Client,
    /// Which cluster that is.
    pub target: Target,
    /// The infrastructure repository.
    pub repository: Repository,
    /// What the repository says about the platform as a whole.
    pub settings: Settings,
    /// Where journals are kept.
    pub journal: Journal,
    /// The home folder, for messages.
    pub home: PathBuf,
    /// How the sync loop is told that there is something new.
    pub nudge: Nudge,
    /// Who makes the commits.
    pub author: Author,
}

impl Platform {
    /// The API group of this platform.
    pub fn group(&self) -> &Group {
        &self.settings.group
    }

    /// Asks the sync loop, wherever it runs, to look at Git now.
    pub(crate) async fn sync_soon(&self) -> Result<(), OperationError> {
        match &self.nudge {
            Nudge::Here(nudge) => nudge.notify_one(),
            Nudge::Elsewhere => {
                delivery::sync::request_sync(&self.client, self.group(), jiff::Timestamp::now())
                    .await
                    .map_err(OperationError::cluster("ask the sync loop to look at Git"))?;
            }
        }
        Ok(())
    }

    /// Whether this is the sandbox in this program.
    pub(crate) fn is_embedded(&self) -> bool {
        self.target == Target::Sandbox
    }

    /// Whether pods are simulated here: a cluster may be a sandbox that somebody serves, and its version says so.
    pub(crate) async fn simulated(&self) -> Result<bool, OperationError> {
        if self.is_embedded() {
            return Ok(true);
        }
        let version = self.client.apiserver_version().await;
        let version = version.map_err(OperationError::cluster("ask the cluster for its version"))?;
        Ok(version.git_version.ends_with("+sandbox"))
    }
}

impl Target {
    /// As journals and locks write it.
    pub fn id(&self) -> String {
        match self {
            Self::Sandbox => "sandbox".to_owned(),
            Self::Context(name) => format!("context {name}"),
        }
    }
}
