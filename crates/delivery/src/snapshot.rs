//! All files of the repository that say what is wanted, at one commit or in a folder on disk, within bounds.
//! What is no plain file with a plain name is left out and said. Knows nothing about what the files mean.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::git::{LOCAL, Session};
use crate::path::{CommitId, RepoPath};
use crate::repository::{LIST_LIMIT, Repository};

/// The folders that say what is wanted.
const ROOTS: [&str; 2] = ["platform", "teams"];
const READING: &str = "read the files";
const FILES_LIMIT: usize = 100_000;
const FILE_LIMIT: usize = 1024 * 1024;
const BYTES_LIMIT: usize = 256 * 1024 * 1024;
const DEPTH_LIMIT: usize = 16;

/// A problem with a file: where, what, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Finding {
    /// The file's path in the repository.
    pub file: String,
    /// The line, from 1, where the problem has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// The files under `platform/` and `teams/`.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// The commit they are of; none for a folder on disk.
    pub commit: Option<CommitId>,
    /// The files by path.
    pub files: BTreeMap<RepoPath, File>,
    /// What was left out, and why.
    pub findings: Vec<Finding>,
}

/// A file's contents.
#[derive(Debug, Clone)]
pub struct File {
    /// The bytes.
    pub contents: Arc<[u8]>,
    /// Git's name for these bytes; empty for a file on disk.
    object: String,
}

impl Snapshot {
    /// A snapshot of files in memory, for tests and previews.
    pub fn of_files<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut snapshot = Self::default();
        for (path, text) in files {
            let file = File {
                contents: text.as_bytes().into(),
                object: String::new(),
            };
            snapshot.files.insert(RepoPath::new(path)?, file);
        }
        Ok(snapshot)
    }

    /// A snapshot of a checked-out repository, for `check` and CI.
    pub fn of_folder(root: &Path) -> Result<Self> {
        let mut snapshot = Self::default();
        let mut bytes = 0;
        let mut open: Vec<String> = ROOTS.iter().map(|root| (*root).to_owned()).collect();
        while let Some(relative) = open.pop() {
            let folder = root.join(&relative);
            let failure = |source| Error::Io {
                doing: format!("read {}", folder.display()),
                source,
            };
            match fs::symlink_metadata(&folder) {
                Ok(facts) if facts.is_dir() => {}
                Ok(_) => continue,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failure(error)),
            }
            for entry in fs::read_dir(&folder).map_err(failure)? {
                let entry = entry.map_err(failure)?;
                let path = format!("{relative}/{}", entry.file_name().to_string_lossy());
                let facts = entry.metadata().map_err(failure)?;
                if facts.is_dir() {
                    if path.split('/').count() > DEPTH_LIMIT {
                        snapshot.leave_out(&path, "the folders are nested too deeply", None);
                    } else {
                        open.push(path);
                    }
                } else if !facts.is_file() {
                    snapshot.leave_out(&path, "only plain files are read", None);
                } else if let Some(path) = snapshot.admit(&path, facts.len(), &mut bytes)? {
                    let contents = fs::read(entry.path()).map_err(failure)?;
                    snapshot.files.insert(
                        path,
                        File {
                            contents: contents.into(),
                            object: String::new(),
                        },
                    );
                }
            }
        }
        snapshot.findings.sort();
        Ok(snapshot)
    }

    /// What lies below one folder, given with its slash at the end.
    #[must_use]
    pub fn below(&self, folder: &str) -> Self {
        let files = self
            .files
            .iter()
            .filter(|(path, _)| path.as_str().starts_with(folder));
        let findings = self
            .findings
            .iter()
            .filter(|finding| finding.file.starts_with(folder));
        Self {
            commit: self.commit.clone(),
            files: files.map(|(path, file)| (path.clone(), file.clone())).collect(),
            findings: findings.cloned().collect(),
        }
    }

    fn leave_out(&mut self, file: &str, message: &str, hint: Option<&str>) {
        let file: String = file
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .take(1024)
            .collect();
        let hint = hint.map(str::to_owned);
        self.findings.push(Finding {
            file,
            line: None,
            message: message.to_owned(),
            hint,
        });
    }

    /// Whether a file of this name and size may come in.
    fn admit(&mut self, path: &str, size: u64, bytes: &mut usize) -> Result<Option<RepoPath>> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let path = match RepoPath::new(path) {
            Ok(path) => path,
            Err(Error::BadPath { reason, .. }) => {
                self.leave_out(
                    path,
                    &format!("the file is left out: {reason}"),
                    Some("rename it"),
                );
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        if size > FILE_LIMIT {
            let message = format!("the file is left out: {size} bytes, at most {FILE_LIMIT}");
            self.leave_out(path.as_str(), &message, Some("split it"));
            return Ok(None);
        }
        *bytes += size;
        let too_large = |detail| {
            Err(Error::TooLarge {
                what: "the repository".to_owned(),
                detail,
            })
        };
        if *bytes > BYTES_LIMIT {
            return too_large(format!(
                "more than {BYTES_LIMIT} bytes under platform/ and teams/"
            ));
        }
        if self.files.len() >= FILES_LIMIT || self.findings.len() >= FILES_LIMIT {
            return too_large(format!(
                "more than {FILES_LIMIT} files under platform/ and teams/"
            ));
        }
        Ok(Some(path))
    }
}

impl Repository {
    /// All files under `platform/` and `teams/` at a commit, in two git processes; those that `previous` has
    /// already are taken from it.
    pub fn tree(&self, commit: &CommitId, previous: Option<&Snapshot>) -> Result<Snapshot> {
        // Nothing is known yet, so files will be asked for: that git starts while this one lists them.
        let reader = previous.is_none().then(|| self.start_reading()).transpose()?;
        let doing = "read the tree";
        let mut arguments = vec!["ls-tree", "-r", "-z", "-l", "--full-tree", commit.as_str(), "--"];
        arguments.extend(ROOTS);
        let listed = self.git.finish(doing, &arguments, b"", LIST_LIMIT, LOCAL)?;
        if !listed.status.success() {
            return Err(self.read_failure(commit, listed.complaint));
        }
        let mut snapshot = Snapshot {
            commit: Some(commit.clone()),
            ..Snapshot::default()
        };
        let mut bytes = 0;
        let mut wanted = Vec::new();
        for record in listed
            .output
            .split(|byte| *byte == 0)
            .filter(|record| !record.is_empty())
        {
            let split = record
                .iter()
                .position(|byte| *byte == b'\t')
                .unwrap_or(record.len());
            let (facts, path) = record.split_at(split);
            let facts = String::from_utf8_lossy(facts);
            let name = String::from_utf8_lossy(path.get(1..).unwrap_or_default());
            let mut words = facts.split_ascii_whitespace();
            let (Some(mode), Some(kind), Some(object), Some(size)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(Error::Corrupt {
                    path: self.path.clone(),
                    detail: "a strange tree".to_owned(),
                });
            };
            if mode == "120000" {
                snapshot.leave_out(
                    &name,
                    "symbolic links are left out",
                    Some("put the file itself here"),
                );
            } else if kind != "blob" {
                snapshot.leave_out(
                    &name,
                    "submodules are left out",
                    Some("put the files themselves here"),
                );
            } else if name.contains('\u{fffd}') {
                snapshot.leave_out(
                    &name,
                    "the file is left out: its name is not UTF-8",
                    Some("rename it"),
                );
            } else if let Some(path) = snapshot.admit(&name, size.parse().unwrap_or(u64::MAX), &mut bytes)? {
                let known = previous.and_then(|previous| previous.files.get(&path));
                let file = if let Some(file) = known.filter(|file| file.object == object) {
                    file.clone()
                } else {
                    wanted.push(path.clone());
                    File {
                        contents: [].into(),
                        object: object.to_owned(),
                    }
                };
                snapshot.files.insert(path, file);
            }
        }
        if !wanted.is_empty() {
            let reader = reader.map_or_else(|| self.start_reading(), Ok)?;
            self.read_into(&mut snapshot, &wanted, reader)?;
        }
        snapshot.findings.sort();
        Ok(snapshot)
    }

    fn start_reading(&self) -> Result<Session> {
        let arguments = ["cat-file", "--batch", "--buffer"];
        self.git
            .start(READING, &arguments, BYTES_LIMIT + LIST_LIMIT, LOCAL)
    }

    fn read_into(&self, snapshot: &mut Snapshot, wanted: &[RepoPath], reader: Session) -> Result<()> {
        let corrupt = |detail: String| Error::Corrupt {
            path: self.path.clone(),
            detail,
        };
        let mut input = String::new();
        for file in wanted.iter().filter_map(|path| snapshot.files.get(path)) {
            input.push_str(&file.object);
            input.push('\n');
        }
        let output = reader.finish(input.as_bytes())?.success(READING)?;
        let mut rest = output.as_slice();
        for path in wanted {
            let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
            let head = String::from_utf8_lossy(&rest[..end]).into_owned();
            let mut words = head.split(' ');
            let size = words
                .next()
                .and(words.next().filter(|kind| *kind == "blob"))
                .and(words.next());
            let Some(size) = size.and_then(|size| size.parse::<usize>().ok()) else {
                return Err(corrupt(format!("{path} cannot be read: {head}")));
            };
            let contents = rest
                .get(end + 1..end + 1 + size)
                .ok_or_else(|| corrupt(format!("{path} is cut short")))?;
            if let Some(file) = snapshot.files.get_mut(path) {
                file.contents = contents.into();
            }
            rest = rest.get(end + size + 2..).unwrap_or_default();
        }
        Ok(())
    }
}
