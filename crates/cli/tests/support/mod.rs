//! A newcomer's machine for one test: an empty home, an empty working folder, and the `platform` binary in a clean
//! environment. Every command has a deadline, and whatever any of them says is checked for being meant for people.
//!
//! Nothing here knows what a test is about.
#![allow(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    clippy::panic,
    reason = "each test file uses its own part, and tests say what went wrong by panicking"
)]

mod checkout;
mod objects;
mod running;
mod up;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;

pub(crate) use checkout::Checkout;
pub(crate) use objects::{deployment, line, pod};
pub(crate) use running::{Output, Running};
pub(crate) use up::{CLUSTER, Up, text};

/// Who works on the machine.
pub(crate) const AUTHOR: &str = "Nora Newcomer <nora@example.com>";
/// The command of the guide's first page.
pub(crate) const MAIN_JOB: &str =
    "service create api-gateway --language go --replicas 3 --database postgres --cache redis";
/// Where the main job's file goes.
pub(crate) const MAIN_FILE: &str = "teams/demo/dev/applications/api-gateway.yaml";
/// The namespace of the sandbox's own team.
pub(crate) const NAMESPACE: &str = "demo-dev";

/// One person's machine.
pub(crate) struct Machine {
    folder: TempDir,
    said: Arc<Mutex<String>>,
}

impl Machine {
    /// A machine on which the platform has never run.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let machine = Self {
            folder,
            said: Arc::default(),
        };
        fs::create_dir(machine.path("user")).unwrap();
        fs::create_dir(machine.work()).unwrap();
        machine
    }

    /// A path on this machine, outside of the platform's home and of the working folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The platform's home; not there before its first command.
    pub(crate) fn home(&self) -> PathBuf {
        self.path("home")
    }

    /// The folder commands run in.
    pub(crate) fn work(&self) -> PathBuf {
        self.path("work")
    }

    /// The sandbox's infrastructure repository.
    pub(crate) fn infrastructure(&self) -> PathBuf {
        self.home().join("infrastructure.git")
    }

    /// A program in the working folder, with nothing in its environment that comes from outside of this machine.
    pub(crate) fn program(&self, name: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(name);
        let (name, email) = AUTHOR.split_once(" <").unwrap();
        let email = email.trim_end_matches('>');
        command
            .current_dir(self.work())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.path("user"))
            .env("TOWPATH_HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_NAME", name)
            .env("GIT_AUTHOR_EMAIL", email)
            .env("GIT_COMMITTER_NAME", name)
            .env("GIT_COMMITTER_EMAIL", email);
        command
    }

    /// `platform` with the words of a line.
    pub(crate) fn platform(&self, line: &str) -> Command {
        self.words(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// `platform` with words that may hold anything.
    pub(crate) fn words(&self, words: &[&str]) -> Command {
        let mut command = self.program(env!("CARGO_BIN_EXE_platform"));
        command.args(words);
        command
    }

    /// Runs `platform` with the words of a line to its end.
    pub(crate) fn run(&self, line: &str) -> Output {
        self.start(self.platform(line)).finish()
    }

    /// Runs a command to its end.
    pub(crate) fn finish(&self, command: Command) -> Output {
        self.start(command).finish()
    }

    /// Starts a command.
    pub(crate) fn start(&self, command: Command) -> Running {
        Running::start(command, Arc::clone(&self.said))
    }

    /// Starts `platform up` on a free port and waits until it says that it is ready.
    pub(crate) fn up(&self) -> Up {
        Up::start(self)
    }

    /// Everything that any command on this machine has said.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// What git says in a folder. It must succeed.
    pub(crate) fn git(&self, folder: &Path, words: &[&str]) -> String {
        let output = self
            .program("git")
            .arg("-C")
            .arg(folder)
            .args(words)
            .output()
            .unwrap();
        assert!(output.status.success(), "git {words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The newest commit of the infrastructure repository, if there is one.
    pub(crate) fn head(&self) -> Option<String> {
        let there = self.infrastructure().exists();
        there.then(|| self.git(&self.infrastructure(), &["rev-parse", "main"]))
    }

    /// The first lines of the commits that touched a file of the infrastructure repository, newest first.
    pub(crate) fn commits(&self, path: &str) -> Vec<String> {
        let log = self.git(
            &self.infrastructure(),
            &["log", "--format=%s", "main", "--", path],
        );
        log.lines().map(str::to_owned).collect()
    }

    /// A file as the head of the infrastructure repository has it, if there is a repository.
    pub(crate) fn in_git(&self, path: &str) -> Option<String> {
        self.head()?;
        let listed = self.git(&self.infrastructure(), &["ls-tree", "-r", "--name-only", "main"]);
        let there = listed.lines().any(|line| line == path);
        there.then(|| self.git(&self.infrastructure(), &["show", &format!("main:{path}")]))
    }

    /// No service, no journal, nothing in the working folder.
    #[track_caller]
    pub(crate) fn nothing_was_made(&self) {
        let written = self.written();
        assert!(written.journals.is_empty(), "{:?}", written.journals.keys());
        assert!(written.work.is_empty(), "{:?}", written.work.keys());
        if self.head().is_some() {
            let commits = self.git(&self.infrastructure(), &["rev-list", "--count", "main"]);
            assert_eq!(commits.trim(), "1", "only the first commit of the repository");
        }
    }

    /// What is written for good: the head of Git, the journals, the working folder.
    pub(crate) fn written(&self) -> Written {
        Written {
            head: self.head(),
            journals: files(&self.home().join("operations")),
            work: files(&self.work()),
        }
    }
}

/// What is written for good outside of the sandbox's store.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) head: Option<String>,
    pub(crate) journals: BTreeMap<PathBuf, Vec<u8>>,
    pub(crate) work: BTreeMap<PathBuf, Vec<u8>>,
}

/// All files below a folder, Git's own folders aside.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let Ok(entries) = fs::read_dir(&next) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                // An empty folder is something too.
                found.insert(path.strip_prefix(folder).unwrap().join(""), Vec::new());
                if path.file_name().is_none_or(|name| name != ".git") {
                    folders.push(path);
                }
            } else {
                let content = fs::read(&path).unwrap();
                found.insert(path.strip_prefix(folder).unwrap().to_owned(), content);
            }
        }
    }
    found
}
