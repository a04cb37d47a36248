//! The infrastructure repository: a bare Git repository in which one branch says what is wanted. Reads and
//! writes go straight to its objects, without a work tree; each call starts as few git processes as it can,
//! and blocks: call it from `spawn_blocking` where that matters. Knows nothing about what the files mean.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::change::{Attempt, ChangeSet, Entry, Import, Touched};
use crate::error::{Error, Result};
use crate::git::{Git, LOCAL};
use crate::path::{Author, CommitId, Remote, RepoPath};

pub(crate) const BRANCH: &str = "main";
/// How often a change is put on top of a branch that keeps moving.
pub(crate) const ATTEMPTS: usize = 24;
/// As much as a single file may hold.
pub(crate) const FILE_LIMIT: usize = 4 * 1024 * 1024;
/// Room for a list of names, not of contents.
pub(crate) const LIST_LIMIT: usize = 256 * 1024 * 1024;

/// What a change set came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The branch has a new commit.
    Committed {
        /// The new commit.
        id: CommitId,
        /// The files that changed, sorted.
        paths: Vec<RepoPath>,
    },
    /// Everything was as wished already.
    NothingChanged {
        /// The head that has it all.
        head: CommitId,
    },
}

impl Outcome {
    /// The commit that holds what was wished for.
    pub fn commit(&self) -> &CommitId {
        match self {
            Self::Committed { id, .. } | Self::NothingChanged { head: id } => id,
        }
    }
}

/// An open infrastructure repository. Cheap to clone; any number of processes may have it open.
#[derive(Debug, Clone)]
pub struct Repository {
    pub(crate) path: PathBuf,
    pub(crate) git: Git,
    pub(crate) remote: Option<Remote>,
}

impl Repository {
    /// Makes a bare repository with a first commit. It appears at `path` complete or not at all.
    pub fn init(path: &Path, first: &ChangeSet) -> Result<(Self, CommitId)> {
        let in_use = || Error::AlreadyThere {
            path: path.to_owned(),
        };
        match fs::read_dir(path) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(in_use());
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => return Err(in_use()),
            Err(source) => {
                return Err(Error::Io {
                    doing: format!("read {}", path.display()),
                    source,
                });
            }
        }
        sweep_stages(path);
        let stage = stage_beside(path)?;
        let made = Self::fill(&stage, first);
        let placed = made.and_then(|id| {
            fs::rename(&stage, path).map_err(|source| match source.kind() {
                std::io::ErrorKind::DirectoryNotEmpty | std::io::ErrorKind::AlreadyExists => in_use(),
                _ => Error::Io {
                    doing: format!("put the new repository at {}", path.display()),
                    source,
                },
            })?;
            Ok(id)
        });
        match placed {
            Ok(id) => Ok((Self::at(path), id)),
            Err(error) => {
                let _ = fs::remove_dir_all(&stage);
                Err(error)
            }
        }
    }

    fn fill(stage: &Path, first: &ChangeSet) -> Result<CommitId> {
        let git = Git::at(stage.to_owned());
        let branch = format!("--initial-branch={BRANCH}");
        git.run(
            "make a repository",
            &["init", "--quiet", "--bare", &branch, "--template=", "--", "."],
            b"",
            LIST_LIMIT,
        )?;
        first.check()?;
        match Import::start(&git, None)?.apply(BRANCH, first)? {
            Attempt::Committed { id, .. } => Ok(id),
            Attempt::NothingChanged | Attempt::Moved => Err(Error::Git {
                doing: "make the first commit".to_owned(),
                detail: String::new(),
            }),
        }
    }

    /// Opens a bare repository and reads its head.
    pub fn open(path: &Path) -> Result<(Self, CommitId)> {
        match fs::symlink_metadata(path) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(Error::Missing {
                    path: path.to_owned(),
                });
            }
            Err(source) => {
                return Err(Error::Io {
                    doing: format!("read {}", path.display()),
                    source,
                });
            }
        }
        if path.join(".git").exists() {
            return Err(Error::HasWorkTree {
                path: path.to_owned(),
            });
        }
        if !path.join("HEAD").exists() && !path.join("objects").exists() {
            return Err(Error::NotARepository {
                path: path.to_owned(),
                detail: String::new(),
            });
        }
        let repository = Self::at(path);
        let head = match repository.plain_head() {
            Some(head) => head,
            None => repository.ask_head()?,
        };
        Ok((repository, head))
    }

    /// Opens the repository, or makes it where nothing is yet.
    pub fn open_or_init(path: &Path, first: impl FnOnce() -> ChangeSet) -> Result<(Self, CommitId)> {
        match Self::open(path) {
            Err(Error::Missing { .. }) => {}
            Err(Error::NotARepository { .. })
                if fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none()) => {}
            other => return other,
        }
        match Self::init(path, &first()) {
            // Somebody else was faster.
            Err(Error::AlreadyThere { .. }) => Self::open(path),
            other => other,
        }
    }

    pub(crate) fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            git: Git::at(path.to_owned()),
            remote: None,
        }
    }

    /// Where the repository lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The remote it mirrors, if it does.
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_ref()
    }

    /// The newest commit of the branch as far as it is known here. Usually costs one small file read.
    pub fn head(&self) -> Result<CommitId> {
        let loose = self.path.join("refs/heads").join(BRANCH);
        match fs::read_to_string(loose)
            .ok()
            .and_then(|text| CommitId::new(text.trim_end()).ok())
        {
            Some(id) => Ok(id),
            None => self.ask_head(),
        }
    }

    /// The head, where the folder looks whole and says it itself: git need not be asked then. Whoever reads from it
    /// learns what else may be wrong.
    fn plain_head(&self) -> Option<CommitId> {
        let points = fs::read_to_string(self.path.join("HEAD")).ok()?;
        let whole = points.starts_with("ref: refs/") && self.path.join("config").is_file();
        let loose = self.path.join("refs/heads").join(BRANCH);
        let text = fs::read_to_string(loose).ok().filter(|_| whole)?;
        let id = CommitId::new(text.trim_end()).ok()?;
        let objects = self.path.join("objects");
        let (folder, file) = id.as_str().split_at_checked(2)?;
        let has_packs =
            || fs::read_dir(objects.join("pack")).is_ok_and(|mut packs| packs.any(|pack| pack.is_ok()));
        (objects.join(folder).join(file).is_file() || has_packs()).then_some(id)
    }

    fn ask_head(&self) -> Result<CommitId> {
        let doing = "read the repository";
        let reference = format!("refs/heads/{BRANCH}^{{commit}}");
        let arguments = ["rev-parse", "--is-bare-repository", "--verify", &reference];
        let finished = self.git.finish(doing, &arguments, b"", LIST_LIMIT, LOCAL)?;
        let output = String::from_utf8_lossy(&finished.output);
        if let Some(id) = output.lines().find_map(|line| CommitId::new(line).ok()) {
            return Ok(id);
        }
        let path = self.path.clone();
        let complaint = finished.complaint;
        if is_none(&complaint) {
            return Err(Error::NotARepository {
                path,
                detail: complaint,
            });
        }
        let has_branch = self.path.join("refs/heads").join(BRANCH).exists()
            || fs::read_to_string(self.path.join("packed-refs")).is_ok_and(|refs| refs.contains(BRANCH));
        if has_branch || !complaint.contains("single revision") {
            return Err(Error::Corrupt {
                path,
                detail: complaint,
            });
        }
        Err(Error::Unborn {
            path,
            branch: BRANCH.to_owned(),
        })
    }

    /// A file's contents at a commit; `None` if there is no such file.
    pub fn read(&self, path: &RepoPath, commit: &CommitId) -> Result<Option<Vec<u8>>> {
        let doing = format!("read {path}");
        let arguments = [
            "ls-tree",
            "-z",
            "-l",
            "--full-tree",
            commit.as_str(),
            "--",
            path.as_str(),
        ];
        let listed = self.git.finish(&doing, &arguments, b"", LIST_LIMIT, LOCAL)?;
        if !listed.status.success() {
            return Err(self.read_failure(commit, listed.complaint));
        }
        let Some(object) = blob(&listed.output, path)? else {
            return Ok(None);
        };
        let contents = self
            .git
            .run(&doing, &["cat-file", "blob", &object], b"", FILE_LIMIT + 1)?;
        Ok(Some(contents))
    }

    pub(crate) fn read_failure(&self, commit: &CommitId, complaint: String) -> Error {
        if complaint.contains("ot a valid object name")
            || complaint.contains("bad object")
            || complaint.contains("not a tree object")
            || complaint.contains("unknown revision")
        {
            return Error::NoSuchCommit {
                commit: commit.to_string(),
            };
        }
        if is_none(&complaint) {
            return Error::NotARepository {
                path: self.path.clone(),
                detail: complaint,
            };
        }
        Error::Corrupt {
            path: self.path.clone(),
            detail: complaint,
        }
    }

    /// Makes a commit of the change set on top of the branch.
    ///
    /// Guarantees: all or nothing; identical content makes no commit; the branch only moves forward, by
    /// compare and swap, so concurrent writers in any process end up one on top of the other; a conflict is
    /// reported as [`ChangeSet::base`] says. With a remote, success means that the remote has it.
    pub fn commit(&self, change: &ChangeSet) -> Result<Outcome> {
        change.check()?;
        self.put(|import, branch| import.apply(branch, change))
    }

    /// Takes back what a commit did: each file it touched becomes what it was before. A file that changed
    /// again since makes the whole a [`Error::Conflict`]; what is as before already is left alone.
    pub fn revert(
        &self,
        commit: &CommitId,
        message: &str,
        author: &Author,
        time: jiff::Timestamp,
    ) -> Result<Outcome> {
        let touched = self.touched_by(commit)?;
        self.put(|import, branch| import.restore(branch, &touched, message, author, time))
    }

    fn put(&self, attempt: impl Fn(Import<'_>, &str) -> Result<Attempt>) -> Result<Outcome> {
        if let Some(remote) = &self.remote {
            return self.put_remote(remote, attempt);
        }
        for _ in 0..ATTEMPTS {
            let head = self.head()?;
            match attempt(Import::start(&self.git, Some(head.clone()))?, BRANCH)? {
                Attempt::Committed { id, paths } => return Ok(Outcome::Committed { id, paths }),
                Attempt::NothingChanged => return Ok(Outcome::NothingChanged { head }),
                Attempt::Moved => {}
            }
        }
        Err(Error::Contended {
            branch: BRANCH.to_owned(),
            attempts: ATTEMPTS,
        })
    }

    /// The files a commit touched, each with what was there before and after.
    fn touched_by(&self, commit: &CommitId) -> Result<Vec<Touched>> {
        let doing = format!("read commit {}", commit.short());
        let parent = format!("{commit}^1");
        let arguments = [
            "diff-tree",
            "-r",
            "-z",
            "--no-renames",
            &parent,
            commit.as_str(),
            "--",
        ];
        let finished = self.git.finish(&doing, &arguments, b"", LIST_LIMIT, LOCAL)?;
        if !finished.status.success() {
            let known = self
                .git
                .finish(&doing, &["cat-file", "-e", commit.as_str()], b"", 0, LOCAL)?;
            if !known.status.success() {
                return Err(Error::NoSuchCommit {
                    commit: commit.to_string(),
                });
            }
            return Err(Error::Git {
                doing,
                detail: "it is the first commit, which has nothing before it".to_owned(),
            });
        }
        let mut fields = finished.output.split(|byte| *byte == 0);
        let mut touched = Vec::new();
        while let (Some(facts), Some(path)) = (fields.next(), fields.next()) {
            let facts = String::from_utf8_lossy(facts);
            let mut words = facts.trim_start_matches(':').split(' ');
            let (Some(old_mode), Some(new_mode), Some(old), Some(new)) =
                (words.next(), words.next(), words.next(), words.next())
            else {
                return Err(Error::Corrupt {
                    path: self.path.clone(),
                    detail: format!("a strange answer to {doing}"),
                });
            };
            let entry = |mode: &str, object: &str| {
                (mode != "000000").then(|| Entry {
                    mode: mode.to_owned(),
                    object: object.to_owned(),
                })
            };
            let path = RepoPath::new(String::from_utf8_lossy(path))?;
            touched.push(Touched {
                path,
                before: entry(old_mode, old),
                after: entry(new_mode, new),
            });
        }
        Ok(touched)
    }

    /// Packs what many small commits left loose, when git finds it worth while. Slow at times: not for the
    /// way of a user's command.
    pub fn maintain(&self) -> Result<()> {
        let arguments = [
            "-c",
            "gc.auto=2000",
            "-c",
            "gc.autoDetach=false",
            "gc",
            "--auto",
            "--quiet",
        ];
        self.git
            .finish(
                "pack the repository",
                &arguments,
                b"",
                LIST_LIMIT,
                Duration::from_mins(10),
            )?
            .success("pack the repository")
            .map(drop)
    }

    /// The person that the user's git is set up for (environment first, then git's configuration), or the
    /// fallback.
    pub fn author(&self, fallback: &Author) -> Author {
        let from_environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let configured = || {
            let arguments = ["config", "-z", "--get-regexp", r"^user\.(name|email)$"];
            let finished = self
                .git
                .finish("read the configuration", &arguments, b"", FILE_LIMIT, LOCAL)
                .ok()?;
            Some(String::from_utf8_lossy(&finished.output).into_owned())
        };
        let (name, email) = (
            from_environment("GIT_AUTHOR_NAME"),
            from_environment("GIT_AUTHOR_EMAIL"),
        );
        let text = if name.is_some() && email.is_some() {
            None
        } else {
            configured()
        }
        .unwrap_or_default();
        // The last value wins, as in git itself.
        let look = |key: &str| {
            text.split('\0')
                .filter_map(|pair| pair.split_once('\n'))
                .rfind(|(k, _)| *k == key)
                .map(|(_, v)| v.to_owned())
        };
        let name = name.or_else(|| look("user.name"));
        let email = email.or_else(|| look("user.email"));
        Author::new(
            name.as_deref().unwrap_or_else(|| fallback.name()),
            email.as_deref().unwrap_or_else(|| fallback.email()),
        )
    }
}

/// Whether git says that there is no repository, or none that it would touch.
fn is_none(complaint: &str) -> bool {
    complaint.contains("not a git repository") || complaint.contains("dubious ownership")
}

/// The blob in the answer of `git ls-tree -z -l` for one path; links and submodules are no files.
fn blob(listed: &[u8], path: &RepoPath) -> Result<Option<String>> {
    let text = String::from_utf8_lossy(listed);
    let Some((facts, _)) = text.split_once('\t') else {
        return Ok(None);
    };
    let mut words = facts.split_ascii_whitespace();
    let (Some(mode), Some("blob"), Some(object), Some(size)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Ok(None);
    };
    if !mode.starts_with("100") {
        return Ok(None);
    }
    if size.parse::<usize>().is_ok_and(|size| size > FILE_LIMIT) {
        return Err(Error::TooLarge {
            what: path.to_string(),
            detail: format!("{size} bytes, at most {FILE_LIMIT}"),
        });
    }
    Ok(Some(object.to_owned()))
}

/// A folder beside `path` in which something is made before it takes its place.
pub(crate) fn stage_beside(path: &Path) -> Result<PathBuf> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stage = parent.join(format!(".{name}.new-{}", unique()));
    fs::create_dir_all(&stage).map_err(|source| Error::Io {
        doing: format!("make the folder {}", stage.display()),
        source,
    })?;
    Ok(stage)
}

/// Removes what processes that died while making a repository here left behind.
fn sweep_stages(path: &Path) {
    const LONG_AGO: Duration = Duration::from_hours(1);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return;
    };
    let prefix = format!(".{}.new-", name.to_string_lossy());
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let old = entry
            .metadata()
            .and_then(|facts| facts.modified())
            .ok()
            .and_then(|time| time.elapsed().ok());
        if entry.file_name().to_string_lossy().starts_with(&prefix) && old.is_some_and(|age| age > LONG_AGO) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// A name that no other process or thread picks: for scratch places only, nothing that is kept depends on it.
pub(crate) fn unique() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let nanoseconds = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    format!(
        "{}-{}-{nanoseconds}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    )
}
