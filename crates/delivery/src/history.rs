//! Questions to the past of the infrastructure repository: who changed a file, and which commit last touched
//! each of many. The branch's own line is followed (first parents), so that a merge request counts as the
//! commit that brought it in.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::git::LOCAL;
use crate::path::{Author, CommitId, RepoPath};
use crate::repository::{LIST_LIMIT, Repository};

/// One commit, as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The commit.
    pub id: CommitId,
    /// Who wrote it.
    pub author: Author,
    /// When.
    pub time: jiff::Timestamp,
    /// The message's first line.
    pub subject: String,
    /// The rest of the message.
    pub body: String,
}

impl Repository {
    /// The commits up to `from` that touched a path (all of them without one), newest first.
    pub fn log(&self, from: &CommitId, path: Option<&RepoPath>, limit: usize) -> Result<Vec<LogEntry>> {
        let count = format!("--max-count={limit}");
        let mut arguments = vec![
            "log",
            "-z",
            "--first-parent",
            "--diff-merges=first-parent",
            "--no-renames",
            "--format=%H%x1f%an%x1f%ae%x1f%at%x1f%s%x1f%b",
            &count,
            from.as_str(),
            "--",
        ];
        arguments.extend(path.map(RepoPath::as_str));
        let finished = self
            .git
            .finish("read the history", &arguments, b"", LIST_LIMIT, LOCAL)?;
        if !finished.status.success() {
            return Err(self.read_failure(from, finished.complaint));
        }
        String::from_utf8_lossy(&finished.output)
            .split('\0')
            .filter(|record| !record.is_empty())
            .map(|record| {
                let mut fields = record.trim_start_matches('\n').splitn(6, '\u{1f}');
                let mut next = || fields.next().unwrap_or_default();
                let id = CommitId::new(next())?;
                let author = Author::new(next(), next());
                let time = next()
                    .parse()
                    .ok()
                    .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
                Ok(LogEntry {
                    id,
                    author,
                    time: time.unwrap_or_default(),
                    subject: next().to_owned(),
                    body: next().trim_end().to_owned(),
                })
            })
            .collect()
    }

    /// For each path, the last commit up to `head` that touched it. Walks back from `head` only until all
    /// are found, or until the branch comes by `known.0`, at which `known.1` is taken to hold the answers.
    pub fn last_commit_touching(
        &self,
        paths: &BTreeSet<RepoPath>,
        head: &CommitId,
        known: Option<(&CommitId, &BTreeMap<RepoPath, CommitId>)>,
    ) -> Result<BTreeMap<RepoPath, CommitId>> {
        let mut found = BTreeMap::new();
        let mut open: BTreeSet<&str> = paths.iter().map(RepoPath::as_str).collect();
        // No path is given to git, so that commits which touch none of them are told as well: the known one
        // may be among them.
        let arguments = [
            "log",
            "-z",
            "--first-parent",
            "--diff-merges=first-parent",
            "--no-renames",
            "--name-only",
            "--format=%x01%H",
            head.as_str(),
            "--",
        ];
        let mut session = self
            .git
            .start("read the history", &arguments, LIST_LIMIT, LOCAL)?;
        let mut commit = None;
        while !open.is_empty() {
            let Some(field) = session.next_field(0)? else {
                break;
            };
            let text = String::from_utf8_lossy(&field);
            let text = text.trim_start_matches('\n');
            if let Some(id) = text.strip_prefix('\u{1}') {
                let id = CommitId::new(id.trim_end())?;
                if let Some((_, answers)) = known.filter(|(known, _)| **known == id) {
                    // What came in since the answers were found is left to the walk.
                    let mut unknown = BTreeSet::new();
                    for path in std::mem::take(&mut open) {
                        match answers.get_key_value(&RepoPath::new(path)?) {
                            Some((path, commit)) => drop(found.insert(path.clone(), commit.clone())),
                            None => drop(unknown.insert(path)),
                        }
                    }
                    open = unknown;
                }
                commit = Some(id);
            } else if let (Some(path), Some(commit)) = (open.take(text), &commit) {
                found.insert(RepoPath::new(path)?, commit.clone());
            }
        }
        if !open.is_empty() {
            let (status, complaint) = session.end()?;
            if !status.success() {
                return Err(self.read_failure(head, complaint));
            }
        }
        Ok(found)
    }

    /// Whether `older` is part of what led to `newer`.
    pub fn is_ancestor(&self, older: &CommitId, newer: &CommitId) -> Result<bool> {
        let doing = "compare two commits";
        let arguments = ["merge-base", "--is-ancestor", older.as_str(), newer.as_str()];
        let finished = self.git.finish(doing, &arguments, b"", LIST_LIMIT, LOCAL)?;
        match finished.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(Error::NoSuchCommit {
                commit: format!("{older} or {newer}"),
            }),
        }
    }
}
