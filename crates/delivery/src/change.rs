//! Putting a change set on top of a branch in one git process: `git fast-import` is asked what is there now,
//! told what should be there, and moves the branch only if nobody else moved it since. There is no work tree
//! and no index. Knows nothing about what the files mean.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::git::{Git, LOCAL, Session};
use crate::path::{Author, CommitId, RepoPath, quoted};

const FILES_LIMIT: usize = 10_000;
const BYTES_LIMIT: usize = 64 * 1024 * 1024;
const MESSAGE_LIMIT: usize = 64 * 1024;

/// A wish for a commit: files to write and files to delete, all or nothing.
#[derive(Debug, Clone)]
pub struct ChangeSet {
    /// The new contents of files, which may or may not be there already.
    pub writes: BTreeMap<RepoPath, Vec<u8>>,
    /// Files that shall be gone. One that is not there is no problem.
    pub deletes: BTreeSet<RepoPath>,
    /// The commit message.
    pub message: String,
    /// Who it is by.
    pub author: Author,
    /// When it is made.
    pub time: jiff::Timestamp,
    /// The commit the caller looked at when it decided. The change goes on top of whatever the branch is by
    /// then; but if one of these files differs between `base` and the branch (other than by being what is
    /// wished for already), the change is a [`Error::Conflict`]. Without it, the last writer of a file wins.
    pub base: Option<CommitId>,
}

impl ChangeSet {
    /// An empty change set.
    pub fn new(message: impl Into<String>, author: Author, time: jiff::Timestamp) -> Self {
        let message = message.into();
        Self {
            writes: BTreeMap::new(),
            deletes: BTreeSet::new(),
            message,
            author,
            time,
            base: None,
        }
    }

    /// Adds a file to write.
    #[must_use]
    pub fn write(mut self, path: RepoPath, contents: impl Into<Vec<u8>>) -> Self {
        self.deletes.remove(&path);
        self.writes.insert(path, contents.into());
        self
    }

    /// Adds a file to delete.
    #[must_use]
    pub fn delete(mut self, path: RepoPath) -> Self {
        self.writes.remove(&path);
        self.deletes.insert(path);
        self
    }

    /// Says which commit the change was decided on.
    #[must_use]
    pub fn based_on(mut self, base: CommitId) -> Self {
        self.base = Some(base);
        self
    }

    pub(crate) fn check(&self) -> Result<()> {
        let count = self.writes.len() + self.deletes.len();
        let bytes: usize = self.writes.values().map(Vec::len).sum();
        let too_large = |detail: String| {
            Err(Error::TooLarge {
                what: "the change".to_owned(),
                detail,
            })
        };
        if count > FILES_LIMIT {
            return too_large(format!("{count} files, at most {FILES_LIMIT}"));
        }
        if bytes > BYTES_LIMIT {
            return too_large(format!("{bytes} bytes, at most {BYTES_LIMIT}"));
        }
        if self.message.len() > MESSAGE_LIMIT {
            return too_large(format!(
                "a message of {} bytes, at most {MESSAGE_LIMIT}",
                self.message.len()
            ));
        }
        Ok(())
    }
}

/// What lies at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) mode: String,
    pub(crate) object: String,
}

/// A file that a commit changed: what lay there before, and after.
pub(crate) struct Touched {
    pub(crate) path: RepoPath,
    pub(crate) before: Option<Entry>,
    pub(crate) after: Option<Entry>,
}

/// What one attempt came to.
pub(crate) enum Attempt {
    Committed {
        id: CommitId,
        paths: Vec<RepoPath>,
    },
    NothingChanged,
    /// The branch moved meanwhile: try on top of its new head.
    Moved,
}

/// One running `git fast-import` on top of `parent`.
pub(crate) struct Import<'a> {
    session: Session,
    git: &'a Git,
    parent: Option<CommitId>,
    marks: usize,
    questions: usize,
}

impl<'a> Import<'a> {
    pub(crate) fn start(git: &'a Git, parent: Option<CommitId>) -> Result<Self> {
        let arguments = ["fast-import", "--quiet", "--done", "--date-format=raw"];
        let session = git.start("write a commit", &arguments, BYTES_LIMIT, LOCAL)?;
        Ok(Self {
            session,
            git,
            parent,
            marks: 0,
            questions: 0,
        })
    }

    /// Stores contents. Its object id is the next answer.
    fn store(&mut self, contents: &[u8]) -> usize {
        self.marks += 1;
        let mark = self.marks;
        self.session
            .send(format!("blob\nmark :{mark}\ndata {}\n", contents.len()).as_bytes());
        self.session.send(contents);
        self.session.send(format!("\nget-mark :{mark}\n").as_bytes());
        self.questions += 1;
        mark
    }

    /// Asks what lies at a path. The entry is the next answer.
    fn ask(&mut self, commit: &CommitId, path: &str) {
        self.session
            .send(format!("ls {commit} {}\n", quoted(path)).as_bytes());
        self.questions += 1;
    }

    fn answer(&mut self) -> Result<String> {
        self.questions = self.questions.saturating_sub(1);
        match self.session.next_field(b'\n')? {
            Some(line) => Ok(String::from_utf8_lossy(&line).into_owned()),
            None => Err(self.failure()?),
        }
    }

    fn entry(&mut self) -> Result<Option<Entry>> {
        let line = self.answer()?;
        let mut words = line.split([' ', '\t']);
        Ok(match (words.next(), words.next(), words.next()) {
            (Some("missing"), ..) => None,
            (Some(mode), Some(_), Some(object)) => Some(Entry {
                mode: mode.to_owned(),
                object: object.to_owned(),
            }),
            _ => {
                return Err(Error::Git {
                    doing: "write a commit".to_owned(),
                    detail: line,
                });
            }
        })
    }

    /// Puts the change set on top of the parent.
    pub(crate) fn apply(mut self, branch: &str, change: &ChangeSet) -> Result<Attempt> {
        let parent = self.parent.clone();
        let base = change.base.clone().filter(|base| Some(base) != parent.as_ref());
        let touched: Vec<&RepoPath> = change.writes.keys().chain(&change.deletes).collect();
        let folders: BTreeSet<&str> = change.writes.keys().flat_map(RepoPath::folders).collect();

        // All questions first, then all answers: a thread of the session drains them meanwhile.
        let marks: BTreeMap<&RepoPath, usize> = change
            .writes
            .iter()
            .map(|(path, contents)| (path, self.store(contents)))
            .collect();
        for commit in [parent.as_ref(), base.as_ref().filter(|_| parent.is_some())]
            .into_iter()
            .flatten()
        {
            for path in &touched {
                self.ask(commit, path.as_str());
            }
        }
        if let Some(parent) = &parent {
            for folder in &folders {
                self.ask(parent, folder);
            }
        }

        let mut wished: BTreeMap<&RepoPath, Option<String>> =
            change.deletes.iter().map(|path| (path, None)).collect();
        for path in change.writes.keys() {
            wished.insert(path, Some(self.answer()?));
        }
        let mut here = BTreeMap::new();
        let mut conflicts = Vec::new();
        if parent.is_some() {
            for path in &touched {
                here.insert(*path, self.entry()?);
            }
            if base.is_some() {
                for path in &touched {
                    let before = self.entry()?;
                    let now = here.get(path).cloned().flatten();
                    let met =
                        now.as_ref().map(|entry| &entry.object) == wished.get(path).and_then(Option::as_ref);
                    if before != now && !met {
                        conflicts.push(path.to_string());
                    }
                }
            }
            for folder in &folders {
                if self.entry()?.is_some_and(|entry| entry.mode != "040000") {
                    return Err(Error::Conflict {
                        paths: vec![(*folder).to_owned()],
                        explanation: "a file lies where a folder is needed".to_owned(),
                    });
                }
            }
        }
        if !conflicts.is_empty() {
            let explanation = "somebody else changed the same files meanwhile".to_owned();
            return Err(Error::Conflict {
                paths: conflicts,
                explanation,
            });
        }

        let mut script = Vec::new();
        let mut paths = Vec::new();
        for (path, wish) in &wished {
            let now = here.get(path).cloned().flatten();
            if now
                .as_ref()
                .is_some_and(|entry| matches!(entry.mode.as_str(), "040000" | "160000"))
            {
                return Err(Error::Conflict {
                    paths: vec![path.to_string()],
                    explanation: "a folder lies where a file is meant".to_owned(),
                });
            }
            let executable = now.as_ref().is_some_and(|entry| entry.mode == "100755");
            let link = now.as_ref().is_some_and(|entry| entry.mode == "120000");
            match (wish, marks.get(path)) {
                (Some(object), Some(mark)) => {
                    if link || now.is_none_or(|entry| entry.object != *object) {
                        let mode = if executable { "100755" } else { "100644" };
                        script.push(format!("M {mode} :{mark} {}\n", path.quoted()));
                        paths.push((*path).clone());
                    }
                }
                _ => {
                    if now.is_some() {
                        script.push(format!("D {}\n", path.quoted()));
                        paths.push((*path).clone());
                    }
                }
            }
        }
        self.commit(
            branch,
            &script.concat(),
            paths,
            &change.message,
            &change.author,
            change.time,
        )
    }

    /// Restores each path to what it was before, where it still is what it was after.
    pub(crate) fn restore(
        mut self,
        branch: &str,
        touched: &[Touched],
        message: &str,
        author: &Author,
        time: jiff::Timestamp,
    ) -> Result<Attempt> {
        let Some(parent) = self.parent.clone() else {
            return Ok(Attempt::NothingChanged);
        };
        for Touched { path, .. } in touched {
            self.ask(&parent, path.as_str());
        }
        let mut script = Vec::new();
        let mut paths = Vec::new();
        let mut conflicts = Vec::new();
        for Touched { path, before, after } in touched {
            let now = self.entry()?;
            if now == *before {
                continue;
            }
            if now != *after {
                conflicts.push(path.to_string());
                continue;
            }
            match before {
                Some(entry) => {
                    script.push(format!("M {} {} {}\n", entry.mode, entry.object, path.quoted()));
                }
                None => script.push(format!("D {}\n", path.quoted())),
            }
            paths.push(path.clone());
        }
        if !conflicts.is_empty() {
            let explanation = "changed again since, so the older change cannot be taken back".to_owned();
            return Err(Error::Conflict {
                paths: conflicts,
                explanation,
            });
        }
        self.commit(branch, &script.concat(), paths, message, author, time)
    }

    fn commit(
        mut self,
        branch: &str,
        script: &str,
        paths: Vec<RepoPath>,
        message: &str,
        author: &Author,
        time: jiff::Timestamp,
    ) -> Result<Attempt> {
        if paths.is_empty() && self.parent.is_some() {
            self.session.send(b"done\n");
            self.session.end()?;
            return Ok(Attempt::NothingChanged);
        }
        self.marks += 1;
        let mark = self.marks;
        let seconds = time.as_second().max(0);
        let person = format!("{} <{}> {seconds} +0000", author.name(), author.email());
        let message = message.replace('\0', "");
        let from = self
            .parent
            .as_ref()
            .map_or_else(String::new, |parent| format!("from {parent}\n"));
        self.session.send(
            format!(
                "commit refs/heads/{branch}\nmark :{mark}\nauthor {person}\ncommitter {person}\n\
                 data {}\n{message}\n{from}{script}\nget-mark :{mark}\ndone\n",
                message.len()
            )
            .as_bytes(),
        );
        let id = self.answer()?;
        let process = self.session.id();
        let (status, complaint) = self.session.end()?;
        if status.success() {
            return Ok(Attempt::Committed {
                id: CommitId::new(id)?,
                paths,
            });
        }
        self.git.sweep(process);
        if ["does not contain", "lock", "expected", "reference already exists"]
            .iter()
            .any(|sign| complaint.contains(sign))
        {
            return Ok(Attempt::Moved);
        }
        Err(Error::Git {
            doing: "write a commit".to_owned(),
            detail: complaint,
        })
    }

    fn failure(&mut self) -> Result<Error> {
        let process = self.session.id();
        let (_, complaint) = self.session.end()?;
        self.git.sweep(process);
        Ok(Error::Git {
            doing: "write a commit".to_owned(),
            detail: complaint,
        })
    }
}
