//! The programs of others that the end-to-end run measures us against: which versions, where they are kept, how
//! to build what is missing.
//!
//! They are built from source as Go modules into a cache outside the clone, keyed by version:
//! `${TOWPATH_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/towpath}/peers/<name>-<version>/<binary>`.

mod go_module;
pub(crate) mod helm_sdk;
pub(crate) mod merge_tests;
pub(crate) mod source;

use crate::failure::{Doing, Result, fail};
use crate::process::{Scratch, run};
use crate::say;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A module of others and the programs we take from it.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    module: &'static str,
    /// Binary and the package it is built from.
    programs: &'static [(&'static str, &'static str)],
    /// What `replace x => ./somewhere` in its go.mod stands for: modules published under this version. Where it
    /// is unset the module already requires the published versions and local replacements are left out.
    staging: Option<&'static str>,
    /// Go release it was published with, where another release is known to break it.
    go: Option<&'static str>,
    /// Linker settings that tell the program its own version.
    version_settings: &'static [&'static str],
    /// A program of our own around its packages, where its own brings far more than we need.
    main: Option<&'static str>,
}

/// Kubernetes itself. Built with a Go newer than its own release it served a broken OpenAPI, so Go is pinned.
pub(crate) const KUBERNETES: Peer = Peer {
    name: "kubernetes",
    version: "v1.36.3",
    module: "k8s.io/kubernetes",
    programs: &[
        ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        (
            "kube-controller-manager",
            "k8s.io/kubernetes/cmd/kube-controller-manager",
        ),
        ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
        ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ],
    staging: Some("v0.36.3"),
    go: Some("go1.26"),
    version_settings: &[
        "k8s.io/component-base/version.gitVersion=v1.36.3",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=36",
    ],
    main: None,
};

/// What runs on a node of the same Kubernetes, in the same folder; only a real node needs it.
pub(crate) const KUBERNETES_NODE: Peer = Peer {
    programs: &[
        ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
        ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
    ],
    ..KUBERNETES
};

/// The names of Services, as far as a cluster needs them: a fifth of its plugins' dependencies, and of their build.
pub(crate) const COREDNS: Peer = Peer {
    name: "coredns",
    version: "v1.14.7",
    module: "github.com/coredns/coredns",
    programs: &[("coredns", ".")],
    staging: None,
    go: None,
    version_settings: &[],
    main: Some(
        r#"package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() {
	dnsserver.Directives = []string{"bind", "errors", "kubernetes"}
	coremain.Run()
}
"#,
    ),
};

/// The part of Kubernetes' own end-to-end tests that speaks to the API machinery: a program of ours around it.
const KUBERNETES_TESTS: Peer = Peer {
    name: "kubernetes-tests",
    version: "v1.36.3",
    module: "k8s.io/kubernetes",
    programs: &[("kubernetes-tests", ".")],
    staging: KUBERNETES.staging,
    go: KUBERNETES.go,
    version_settings: &["k8s.io/component-base/version.gitVersion=v1.36.3"],
    main: Some(include_str!("../../conformance/kubernetes/main.go")),
};

/// The kubectl of somebody who has not updated it for three minor versions.
pub(crate) const OLDER_KUBECTL: Peer = Peer {
    name: "kubernetes",
    version: "v1.33.13",
    module: "k8s.io/kubernetes",
    programs: &[("kubectl", "k8s.io/kubernetes/cmd/kubectl")],
    staging: Some("v0.33.13"),
    go: None,
    version_settings: &[
        "k8s.io/component-base/version.gitVersion=v1.33.13",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=33",
    ],
    main: None,
};

/// The store of the API server.
pub(crate) const ETCD: Peer = Peer {
    name: "etcd",
    version: "v3.7.3",
    module: "go.etcd.io/etcd/server/v3",
    programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
    staging: None,
    go: None,
    version_settings: &[],
    main: None,
};

/// Nodes and pods without machines.
pub(crate) const KWOK: Peer = Peer {
    name: "kwok",
    version: "v0.8.0",
    module: "sigs.k8s.io/kwok",
    programs: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")],
    staging: None,
    go: None,
    version_settings: &["sigs.k8s.io/kwok/pkg/consts.Version=0.8.0"],
    main: None,
};

/// What every golden path must also render under.
pub(crate) const HELM: Peer = Peer {
    name: "helm",
    version: "v4.3.1",
    module: "helm.sh/helm/v4",
    programs: &[("helm", "helm.sh/helm/v4/cmd/helm")],
    staging: None,
    go: None,
    version_settings: &["helm.sh/helm/v4/internal/version.version=v4.3.1"],
    main: None,
};

/// What every policy must come out as under, too; its command line.
pub(crate) const KYVERNO: Peer = Peer {
    name: "kyverno",
    version: "v1.18.2",
    module: "github.com/kyverno/kyverno",
    programs: &[("kyverno", "github.com/kyverno/kyverno/cmd/cli/kubectl-kyverno")],
    staging: None,
    go: None,
    version_settings: &["github.com/kyverno/kyverno/pkg/version.BuildVersion=v1.18.2"],
    main: None,
};

/// All that the end-to-end run needs, in the order in which they are built; what a real node needs besides, it builds.
pub(crate) const ALL: [&Peer; 5] = [&ETCD, &KWOK, &HELM, &OLDER_KUBECTL, &KUBERNETES];

impl Peer {
    /// Where its binaries are kept.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        Ok(cache()?.join(format!("{}-{}", self.name, self.version)))
    }

    /// The path of one of its binaries.
    pub(crate) fn binary(&self, binary: &str) -> Result<PathBuf> {
        Ok(self.folder()?.join(binary))
    }

    fn missing(&self) -> Result<Vec<(&'static str, &'static str)>> {
        let folder = self.folder()?;
        Ok(self
            .programs
            .iter()
            .copied()
            .filter(|(binary, _)| !folder.join(binary).is_file())
            .collect())
    }
}

/// The folder where things are kept from run to run.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let root = set("TOWPATH_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("towpath")))
        .or_else(|| set("HOME").map(|folder| folder.join(".cache/towpath")));
    match root {
        Some(root) => Ok(root.join("peers")),
        None => fail!("no place for a cache: set TOWPATH_CACHE or HOME"),
    }
}

/// Why the peers cannot be had on this machine, in one line; nothing when they are there or can be built.
pub(crate) fn out_of_reach(peers: &[&Peer]) -> Result<Option<String>> {
    for peer in peers {
        if peer.missing()?.is_empty() {
            continue;
        }
        let Some(version) = go_version() else {
            return Ok(Some(format!(
                "{} must be built and Go is not installed",
                peer.name
            )));
        };
        if let Some(wanted) = peer.go
            && version != wanted
            && !version.starts_with(&format!("{wanted}."))
        {
            return Ok(Some(format!(
                "{} {} must be built with {wanted}, and this machine has {version}",
                peer.name, peer.version
            )));
        }
        let found = run(
            go(Path::new("/")).args([
                "mod",
                "download",
                "-json",
                &format!("{}@{}", peer.module, peer.version),
            ]),
            Duration::from_mins(5),
        )?;
        if !found.status.success() {
            return Ok(Some(format!(
                "{} {} must be built and Go's module proxy does not give it",
                peer.module, peer.version
            )));
        }
    }
    Ok(None)
}

/// Builds what is missing.
pub(crate) fn build(peers: &[&Peer]) -> Result<()> {
    if let Some(reason) = out_of_reach(peers)? {
        fail!("{reason}");
    }
    for peer in peers {
        for (binary, package) in peer.missing()? {
            say::line(format!(
                "  … building {binary} {} (minutes, once a version)",
                peer.version
            ));
            let started = Instant::now();
            build_one(peer, binary, package)?;
            say::done(&format!("built {binary} {}", peer.version), started.elapsed());
        }
    }
    Ok(())
}

/// The program with the tests of the API machinery, built when it is missing.
pub(crate) fn kubernetes_tests() -> Result<PathBuf> {
    build(&[&KUBERNETES_TESTS])?;
    KUBERNETES_TESTS.binary("kubernetes-tests")
}

/// Builds one program in a module of our own, and puts it in its place only when it is whole.
fn build_one(peer: &Peer, binary: &str, package: &str) -> Result<()> {
    let scratch = Scratch::new()?;
    let source = scratch.path();
    let published = published(peer)?;
    let go_mod = go_module::own(peer.module, peer.version, &published.go_mod, peer.staging);
    write(&source.join("go.mod"), &go_mod)?;
    if let Some(sums) = &published.go_sum {
        // Its own sums also vouch for modules that the checksum database has forgotten.
        write(&source.join("go.sum"), sums)?;
    }
    match peer.main {
        Some(main) => write(&source.join("main.go"), main)?,
        None => write(&source.join("tools.go"), &go_module::import(package))?,
    }

    let folder = peer.folder()?;
    fs::create_dir_all(&folder).doing(|| format!("make {}", folder.display()))?;
    let unfinished = folder.join(format!(".{binary}-{}", std::process::id()));
    let mut settings = "-s -w".to_owned();
    for setting in peer.version_settings {
        settings.push_str(" -X ");
        settings.push_str(setting);
    }
    let built = run(
        go(source)
            .args(["build", "-trimpath", "-ldflags", &settings, "-o"])
            .arg(&unfinished)
            .arg(package),
        Duration::from_mins(40),
    )
    .and_then(|finished| finished.success(&format!("go build {package}")))
    .and_then(|_| fs::rename(&unfinished, folder.join(binary)).doing(|| format!("put {binary} in place")));
    let _ = fs::remove_file(&unfinished);
    built
}

/// What a module says of the modules it needs.
struct Published {
    go_mod: String,
    go_sum: Option<String>,
}

fn published(peer: &Peer) -> Result<Published> {
    let module = format!("{}@{}", peer.module, peer.version);
    let answer = run(
        go(Path::new("/")).args(["mod", "download", "-json", &module]),
        Duration::from_mins(10),
    )?
    .success(&format!("go mod download {module}"))?;
    let answer: serde_json::Value =
        serde_json::from_str(&answer).doing(|| format!("read what Go says of {module}"))?;
    let (Some(go_mod), Some(folder)) = (answer["GoMod"].as_str(), answer["Dir"].as_str()) else {
        fail!("go names no go.mod for {module}")
    };
    Ok(Published {
        go_mod: fs::read_to_string(go_mod).doing(|| format!("read {go_mod}"))?,
        go_sum: fs::read_to_string(Path::new(folder).join("go.sum")).ok(),
    })
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).doing(|| format!("write {}", path.display()))
}

fn go_version() -> Option<String> {
    let finished = run(
        go(Path::new("/")).args(["env", "GOVERSION"]),
        Duration::from_mins(1),
    )
    .ok()?;
    finished
        .status
        .success()
        .then(|| finished.stdout.trim().to_owned())
}

fn go(folder: &Path) -> Command {
    let mut command = Command::new("go");
    command
        .current_dir(folder)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .env("GOWORK", "off");
    command.env("CGO_ENABLED", "0");
    command
}
