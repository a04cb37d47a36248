//! A room on this machine in which a node can do as nodes do: its own network, mounts and processes, and a control
//! group. All of them go with it, whatever ends it.
//!
//! It knows nothing of Kubernetes.

use super::images::Images;
use crate::failure::{Doing, Result, fail};
use crate::process::{Trace, run, run_aloud};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

const HIERARCHIES: &str = "/sys/fs/cgroup";
const CALL: Duration = Duration::from_mins(1);
/// What all scenarios of a node may take on a loaded machine.
const LIMIT: Duration = Duration::from_mins(30);
/// How long the last processes of a control group may take to be gone.
const GONE: Duration = Duration::from_secs(20);
/// Folders that its programs write to wherever they are told to write; they get empty ones.
const OWN: [&str; 3] = ["/run", "/var/lib", "/var/log"];

/// Says in one line what this machine lacks.
pub(in crate::e2e) fn can_be_had() -> Result<()> {
    if !cfg!(target_os = "linux") {
        fail!("a real node needs Linux");
    }
    if !nix::unistd::geteuid().is_root() {
        fail!("a real node needs root");
    }
    let trial = run(unshare().args(["mount", "-t", "tmpfs", "tmpfs", "/run"]), CALL)?;
    if !trial.status.success() {
        fail!(
            "a real node needs namespaces and mounts of its own, and this machine gives none: {}",
            trial.stderr.trim()
        );
    }
    let controllers = hierarchies();
    for needed in ["cpu", "memory", "pids"] {
        if !controllers
            .iter()
            .any(|(_, names)| names.iter().any(|name| name == needed))
        {
            fail!("a real node needs the cgroup controller {needed}, and {HIERARCHIES} has none");
        }
    }
    Ok(())
}

fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--net",
        "--ipc",
        "--uts",
        "--pid",
        "--fork",
        "--kill-child",
        "--mount-proc",
    ]);
    command
}

/// The hierarchies of control groups, each with its controllers.
fn hierarchies() -> Vec<(PathBuf, Vec<String>)> {
    let root = Path::new(HIERARCHIES);
    if let Ok(all) = fs::read_to_string(root.join("cgroup.controllers")) {
        return vec![(
            root.to_owned(),
            all.split_whitespace().map(str::to_owned).collect(),
        )];
    }
    let entries = root.read_dir().into_iter().flatten().flatten();
    entries
        .map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
        .filter(|(path, _)| path.join("cgroup.procs").is_file())
        // Where several controllers share one, links lead to it from each name.
        .map(|(path, name)| (path, name.split(',').map(str::to_owned).collect()))
        .collect()
}

/// A room, empty until something runs in it.
#[derive(Debug)]
pub(super) struct Room {
    cgroup: String,
    _traces: Vec<Trace>,
}

impl Room {
    /// Makes its control group.
    pub(super) fn new() -> Result<Self> {
        let name = format!("towpath-{}", std::process::id());
        let mut traces = Vec::new();
        for (root, _) in hierarchies() {
            let group = root.join(&name);
            if group.exists() {
                continue;
            }
            fs::create_dir(&group).doing(|| format!("make the control group {}", group.display()))?;
            traces.push(Trace::new(group.clone(), remove_group));
            // In the first version a new group may use no processor and no memory until it is told which.
            for setting in ["cpuset.cpus", "cpuset.mems"] {
                let (from, to) = (root.join(setting), group.join(setting));
                if from.is_file() && to.is_file() {
                    fs::read(&from)
                        .and_then(|all| fs::write(&to, all))
                        .doing(|| format!("set {}", to.display()))?;
                }
            }
            // In the second it hands on only what it is told to, of what it has.
            let given = fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
            if !given.trim().is_empty() {
                let all: Vec<String> = given.split_whitespace().map(|name| format!("+{name}")).collect();
                let handed = group.join("cgroup.subtree_control");
                fs::write(&handed, all.join(" ")).doing(|| format!("set {}", handed.display()))?;
            }
        }
        Ok(Self {
            cgroup: format!("/{name}"),
            _traces: traces,
        })
    }

    /// Runs the scenarios in it, aloud.
    pub(super) fn run(&self, platform: &Path, images: &Images, folder: &Path) -> Result<()> {
        let own = std::env::current_exe().doing(|| "find this program".to_owned())?;
        let mut command = unshare();
        command.arg(own).arg("on-a-node").arg(platform).arg(&self.cgroup);
        command.args([&images.database, &images.cache]).arg(folder);
        // What is written in it goes with our own folder, even when nothing in it can clean up any more.
        command.env("TMPDIR", folder);
        let ended = run_aloud(&mut command, LIMIT)?;
        if ended.success() {
            return Ok(());
        }
        fail!("it failed as said above")
    }
}

/// From the leaves up. When the room has ended, so has all that was in it; only where it was killed the kernel may still
/// be about it, and that tells nobody when it is done.
fn remove_group(group: &Path) {
    let started = Instant::now();
    while !removed(group) && started.elapsed() < GONE {
        thread::yield_now();
    }
}

fn removed(group: &Path) -> bool {
    let below = group.read_dir().into_iter().flatten().flatten();
    for entry in below {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            removed(&entry.path());
        }
    }
    fs::remove_dir(group).is_ok() || !group.exists()
}

/// In the room: empty folders where programs keep things under names nobody can choose.
pub(super) fn furnish() -> Result<()> {
    for folder in OWN {
        run(Command::new("mount").args(["-t", "tmpfs", "tmpfs", folder]), CALL)?
            .success(&format!("mount {folder}"))?;
    }
    Ok(())
}
