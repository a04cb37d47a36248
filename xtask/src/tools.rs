//! Programs of the system that tests need: there, installed by apt when we may, or named in one line.

use crate::failure::{Result, fail};
use crate::process::run;
use crate::say;
use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A program and the Debian package that brings it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tool {
    program: &'static str,
    package: &'static str,
    /// Where to look besides the PATH; `*` stands for one folder of any name.
    beside: &'static [&'static str],
}

/// What delivers.
pub(crate) const GIT: Tool = Tool {
    program: "git",
    package: "git",
    beside: &[],
};
/// Makes the files of a PostgreSQL server; its neighbours in the folder run it.
pub(crate) const INITDB: Tool = Tool {
    program: "initdb",
    package: "postgresql",
    beside: &["/usr/lib/postgresql/*/bin"],
};
/// A Redis server.
pub(crate) const REDIS: Tool = Tool {
    program: "redis-server",
    package: "redis-server",
    beside: &[],
};
/// Reads container images.
pub(crate) const SKOPEO: Tool = Tool {
    program: "skopeo",
    package: "skopeo",
    beside: &[],
};
/// A registry of container images and charts.
pub(crate) const REGISTRY: Tool = Tool {
    program: "docker-registry",
    package: "docker-registry",
    beside: &[],
};
/// Runs containers, as a node's kubelet asks it to.
pub(crate) const CONTAINERD: Tool = Tool {
    program: "containerd",
    package: "containerd",
    beside: &[],
};
/// Its command line.
pub(crate) const CTR: Tool = Tool {
    program: "ctr",
    package: "containerd",
    beside: &[],
};
/// Starts a single container.
pub(crate) const RUNC: Tool = Tool {
    program: "runc",
    package: "runc",
    beside: &[],
};
/// Connects pods; its neighbours in the folder give them addresses.
pub(crate) const PTP: Tool = Tool {
    program: "ptp",
    package: "containernetworking-plugins",
    beside: &["/usr/*/cni", "/opt/*/bin"],
};
/// Filters and translates packets.
pub(crate) const IPTABLES: Tool = Tool {
    program: "iptables",
    package: "iptables",
    beside: &[],
};
/// Addresses and links.
pub(crate) const IP: Tool = Tool {
    program: "ip",
    package: "iproute2",
    beside: &[],
};
/// Judges shell scripts.
pub(crate) const SHELLCHECK: Tool = Tool {
    program: "shellcheck",
    package: "shellcheck",
    beside: &[],
};

/// Where these programs are. Installs what is missing when we are root on a Debian; else says what to install.
pub(crate) fn need(tools: &[Tool]) -> Result<Vec<PathBuf>> {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| find(tool).is_none()).collect();
    if !missing.is_empty() {
        let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
        packages.dedup();
        let packages = packages.join(" ");
        if !nix::unistd::geteuid().is_root() || in_path("apt-get").is_none() {
            fail!("please install {packages} first (on Debian and Ubuntu: sudo apt-get install {packages})");
        }
        install(&packages)?;
    }
    let mut found = Vec::new();
    for tool in tools {
        match find(tool) {
            Some(path) => found.push(path),
            None => fail!(
                "{} is still missing after installing {}",
                tool.program,
                tool.package
            ),
        }
    }
    Ok(found)
}

fn install(packages: &str) -> Result<()> {
    let started = Instant::now();
    let apt = |arguments: &str| {
        let mut command = Command::new("apt-get");
        command
            .args(arguments.split_whitespace())
            .env("DEBIAN_FRONTEND", "noninteractive");
        // Services of the packages are for us to start, on ports of our own.
        command.env("RUNLEVEL", "1");
        run(&mut command, Duration::from_mins(15))?.success(&format!("apt-get {arguments}"))
    };
    let install = format!("install --yes --no-install-recommends {packages}");
    if apt(&install).is_err() {
        apt("update")?;
        apt(&install)?;
    }
    say::done(&format!("installed {packages}"), started.elapsed());
    Ok(())
}

fn find(tool: &Tool) -> Option<PathBuf> {
    in_path(tool.program).or_else(|| {
        tool.beside
            .iter()
            .find_map(|pattern| beside(pattern, tool.program))
    })
}

/// A program on the PATH.
pub(crate) fn in_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The newest match of a pattern with one `*` folder.
fn beside(pattern: &str, program: &str) -> Option<PathBuf> {
    let (head, tail) = pattern.split_once("/*/")?;
    let mut found: Vec<PathBuf> = Path::new(head)
        .read_dir()
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path().join(tail).join(program)))
        .filter(|path| path.is_file())
        .collect();
    found.sort();
    found.pop()
}
