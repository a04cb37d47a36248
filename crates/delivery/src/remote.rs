//! A repository elsewhere whose branch decides what is true: fetched from, and pushed to without ever forcing.

use std::fs;
use std::path::Path;

use crate::change::{Attempt, Import};
use crate::error::{Error, Result};
use crate::git::{Git, LOCAL, NETWORK};
use crate::path::{CommitId, Remote};
use crate::repository::{ATTEMPTS, BRANCH, LIST_LIMIT, Outcome, Repository, stage_beside, unique};

impl Repository {
    /// Opens (or makes) a local mirror of a remote, whose branch decides what is true: changes are pushed,
    /// never forced, and put on top again when somebody else was faster.
    pub fn mirror(path: &Path, remote: Remote) -> Result<(Self, CommitId)> {
        if !path.join("HEAD").exists() {
            let stage = stage_beside(path)?;
            let branch = format!("--initial-branch={BRANCH}");
            Git::at(stage.clone()).run(
                "make a repository",
                &["init", "--quiet", "--bare", &branch, "--template=", "--", "."],
                b"",
                LIST_LIMIT,
            )?;
            if let Err(source) = fs::rename(&stage, path) {
                let _ = fs::remove_dir_all(&stage);
                return Err(Error::Io {
                    doing: format!("put the new mirror at {}", path.display()),
                    source,
                });
            }
        }
        let repository = Self {
            remote: Some(remote),
            ..Self::at(path)
        };
        let head = repository.fetch()?;
        Ok((repository, head))
    }

    /// Puts the change on top of the remote's branch under a name of its own here, and pushes that.
    pub(crate) fn put_remote(
        &self,
        remote: &Remote,
        attempt: impl Fn(Import<'_>, &str) -> Result<Attempt>,
    ) -> Result<Outcome> {
        for _ in 0..ATTEMPTS {
            let head = self.fetch()?;
            let branch = format!("pending/{}", unique());
            let made = attempt(Import::start(&self.git, Some(head.clone()))?, &branch)?;
            let Attempt::Committed { id, paths } = made else {
                return Ok(Outcome::NothingChanged { head });
            };
            let target = format!("{id}:refs/heads/{BRANCH}");
            let arguments = ["push", "--porcelain", "--no-verify", "--", remote.url(), &target];
            let pushed = self
                .git
                .finish("push to the remote", &arguments, b"", LIST_LIMIT, NETWORK);
            let pending = format!("refs/heads/{branch}");
            self.git
                .run("tidy up", &["update-ref", "-d", &pending], b"", LIST_LIMIT)?;
            let pushed = pushed?;
            if pushed.status.success() {
                let reference = format!("refs/heads/{BRANCH}");
                // When another process fetched meanwhile, its head is newer and stays.
                let arguments = ["update-ref", &reference, id.as_str(), head.as_str()];
                self.git
                    .finish("follow the remote", &arguments, b"", LIST_LIMIT, LOCAL)?;
                return Ok(Outcome::Committed { id, paths });
            }
            let said = String::from_utf8_lossy(&pushed.output).into_owned() + &pushed.complaint;
            if ![
                "non-fast-forward",
                "fetch first",
                "cannot lock ref",
                "failed to update ref",
            ]
            .iter()
            .any(|sign| said.contains(sign))
            {
                let reason = said
                    .lines()
                    .find(|line| line.starts_with('!'))
                    .and_then(|line| line.rsplit('\t').next())
                    .map_or(pushed.complaint.clone(), str::to_owned);
                return Err(Error::Rejected {
                    remote: remote.shown(),
                    detail: reason,
                });
            }
        }
        Err(Error::Contended {
            branch: BRANCH.to_owned(),
            attempts: ATTEMPTS,
        })
    }

    /// Brings the mirror up to the remote's branch, wherever that moved. Without a remote it is [`Self::head`].
    pub fn fetch(&self) -> Result<CommitId> {
        let Some(remote) = &self.remote else {
            return self.head();
        };
        let target = format!("+refs/heads/{BRANCH}:refs/heads/{BRANCH}");
        let arguments = [
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--",
            remote.url(),
            &target,
        ];
        let doing = format!("fetch from {}", remote.shown());
        self.git
            .finish(&doing, &arguments, b"", LIST_LIMIT, NETWORK)?
            .success(&doing)?;
        self.head()
    }
}
