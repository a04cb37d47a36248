//! The sandbox as a process of its own, over HTTPS.

use crate::failure::Result;
use crate::https::ApiServer;
use crate::process::{Daemon, Scratch};
use crate::test::built;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long it may take to be ready.
const START: Duration = Duration::from_mins(1);

/// A sandbox that serves.
#[derive(Debug)]
pub(in crate::conformance) struct Server {
    daemon: Daemon,
    api: ApiServer,
    kubeconfig: PathBuf,
    // The last to go: the daemon writes into it.
    _folder: Scratch,
}

/// The program that serves: the one named, or the example of the crate, built.
pub(in crate::conformance) fn program(named: Option<&str>) -> Result<PathBuf> {
    match named {
        Some(path) => Ok(PathBuf::from(path)),
        None => built(&["--package", "sandbox", "--example", "serve"], "serve", |_| ()),
    }
}

impl Server {
    /// Starts it with an empty store, with or without controllers.
    pub(in crate::conformance) fn start(program: &Path, controllers: bool) -> Result<Self> {
        let folder = Scratch::new()?;
        let place = folder.path().join("sandbox");
        std::fs::create_dir(&place).map_err(|error| crate::failure::Failure::new(error.to_string()))?;
        let mut command = Command::new(program);
        command.arg(&place).arg("0");
        if !controllers {
            command.arg("bare");
        }
        let daemon = Daemon::start(&mut command, &folder.path().join("serve.log"))?;
        daemon.says("KUBECONFIG=", START)?;
        Ok(Self {
            daemon,
            api: ApiServer::of(&place.join("kubeconfig"))?,
            kubeconfig: place.join("kubeconfig"),
            _folder: folder,
        })
    }

    pub(in crate::conformance) fn api(&self) -> &ApiServer {
        &self.api
    }

    /// The kubeconfig of its administrator.
    pub(in crate::conformance) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Fails when it has ended.
    pub(in crate::conformance) fn check(&self) -> Result<()> {
        self.daemon.check()
    }
}
