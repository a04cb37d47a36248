//! Everything that can go wrong with the infrastructure repository and the sync loop, in words a user can
//! act on. Knows nothing about how errors are printed.

use std::path::PathBuf;
use std::time::Duration;

/// What failed, on which object, and why. [`Error::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The `git` executable is not installed or not on the search path.
    #[error("the git executable was not found")]
    GitMissing,
    /// The `git` executable is there but could not be started.
    #[error("cannot start git to {doing}")]
    Start {
        /// What git was wanted for.
        doing: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// There is nothing at the repository's path.
    #[error("there is no infrastructure repository at {}", path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is something at the repository's path, but no Git repository.
    #[error("{} is not a Git repository{}", path.display(), colon(detail))]
    NotARepository {
        /// Where it was looked for.
        path: PathBuf,
        /// What git said, if it was asked.
        detail: String,
    },
    /// The path is a clone with checked-out files, which commits behind its back would leave stale.
    #[error("{} is a clone with checked-out files, not a bare repository", path.display())]
    HasWorkTree {
        /// The clone.
        path: PathBuf,
    },
    /// The repository has no commit on its branch yet.
    #[error("the repository {} has no commit on branch {branch}", path.display())]
    Unborn {
        /// The repository.
        path: PathBuf,
        /// The branch that was looked for.
        branch: String,
    },
    /// The repository exists but git cannot read what should be there.
    #[error("the repository {} is damaged: {detail}", path.display())]
    Corrupt {
        /// The repository.
        path: PathBuf,
        /// What could not be read.
        detail: String,
    },
    /// `init` found something where the new repository should go.
    #[error("cannot make a repository at {}: something is already there", path.display())]
    AlreadyThere {
        /// The path asked for.
        path: PathBuf,
    },
    /// A path inside the repository that no change set may touch.
    #[error("{path:?} cannot be a file in the repository: {reason}")]
    BadPath {
        /// The path as given.
        path: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// A branch name, remote address or commit id that cannot be handed to git.
    #[error("{value:?} is not a {what}: {reason}")]
    BadName {
        /// What it should have been.
        what: &'static str,
        /// The value as given.
        value: String,
        /// The rule it breaks.
        reason: &'static str,
    },
    /// The commit is not in the repository.
    #[error("there is no commit {commit} in the repository")]
    NoSuchCommit {
        /// The id asked for.
        commit: String,
    },
    /// Git did run, and failed.
    #[error("git could not {doing}{}", colon(detail))]
    Git {
        /// What git was wanted for.
        doing: String,
        /// What git said, without credentials.
        detail: String,
    },
    /// Git did not finish in time and was stopped.
    #[error("git took longer than {} s to {doing}", limit.as_secs())]
    TimedOut {
        /// What git was wanted for.
        doing: String,
        /// How long it was given.
        limit: Duration,
    },
    /// More than a repository of intent may hold.
    #[error("{what} is too large: {detail}")]
    TooLarge {
        /// The file, change set or tree.
        what: String,
        /// The limit and by how much it is missed.
        detail: String,
    },
    /// Somebody else changed the same files.
    #[error("{explanation}: {}", paths.join(", "))]
    Conflict {
        /// The files in question.
        paths: Vec<String>,
        /// What about them is in the way.
        explanation: String,
    },
    /// Other writers won every round.
    #[error("the branch {branch} kept moving: gave up after {attempts} attempts")]
    Contended {
        /// The branch.
        branch: String,
        /// How often the change was put on top.
        attempts: usize,
    },
    /// The remote does not take the change, and not because it moved.
    #[error("the remote {remote} refused the change: {detail}")]
    Rejected {
        /// The remote's address, without credentials.
        remote: String,
        /// What it said.
        detail: String,
    },
    /// A file or folder of the repository itself cannot be read or written.
    #[error("cannot {doing}")]
    Io {
        /// What was being done to which path.
        doing: String,
        /// What the operating system said.
        #[source]
        source: std::io::Error,
    },
    /// The sync loop could not talk to the cluster.
    #[error("cannot {doing}")]
    Cluster {
        /// What was being done to which object.
        doing: String,
        /// What the client said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// What the user can do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::GitMissing => "install git (2.31 or newer) and make sure it is on PATH".to_owned(),
            Self::Missing { .. } => "check the path, or create the repository first".to_owned(),
            Self::NotARepository { detail, .. } if detail.contains("dubious ownership") => {
                "the folder belongs to another user: fix its owner, or add it to git's safe.directory"
                    .to_owned()
            }
            Self::NotARepository { .. } | Self::AlreadyThere { .. } => {
                "move it away, or choose another path".to_owned()
            }
            Self::HasWorkTree { .. } => {
                "give the bare repository, or the address it was cloned from".to_owned()
            }
            Self::Unborn { branch, .. } => format!("make a first commit on branch {branch}"),
            Self::Corrupt { .. } => "run `git fsck` in it, or restore it from a clone".to_owned(),
            Self::Conflict { .. } => "look at the files as they are now and try again".to_owned(),
            Self::Contended { .. } => "try again in a moment".to_owned(),
            Self::Rejected { .. } => "the branch may be protected: open a merge request instead".to_owned(),
            Self::TimedOut { .. } => "check the network and the credentials for the remote".to_owned(),
            _ => return None,
        };
        Some(hint)
    }
}

fn colon(detail: &str) -> String {
    if detail.is_empty() {
        String::new()
    } else {
        format!(": {detail}")
    }
}

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
