//! Git: the infrastructure repository, change sets and the sync loop.
//!
//! - [`Repository`] reads and writes a bare Git repository through the `git` executable.
//! - [`Snapshot`] holds its files at one commit; [`layout`] says what they ask for.
//! - [`sync::Syncer`] brings that to the cluster and keeps it there.
//!
//! Knows neither the portal nor the command line.

mod change;
mod error;
mod git;
mod history;
pub mod layout;
mod path;
mod remote;
mod repository;
mod snapshot;
pub mod source;
pub mod sync;

pub use change::ChangeSet;
pub use error::{Error, Result};
pub use history::LogEntry;
pub use path::{Author, CommitId, Remote, RepoPath};
pub use repository::{Outcome, Repository};
pub use snapshot::{File, Finding, Snapshot};
