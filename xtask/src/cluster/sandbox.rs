//! The sandbox as a server of its own, as `platform sandbox serve` starts it: a bare Kubernetes API with controllers and
//! nodes.

use super::{CALL, CONTEXT, kubectl};
use crate::failure::Result;
use crate::peers::KUBERNETES;
use crate::process::{Daemon, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long it may take to come up on a loaded machine.
const START: Duration = Duration::from_mins(1);

/// Which program serves it, and where.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) port: u16,
}

impl Program {
    /// Starts it with what a folder holds, and waits until it is ready and its kubeconfig has the name of clusters here.
    pub(super) fn serve(&self, folder: &Path, kubeconfig: &Path) -> Result<Daemon> {
        let mut serve = Command::new(&self.path);
        serve
            .args(["sandbox", "serve", "--port", &self.port.to_string(), "--data"])
            .arg(folder.join("data"))
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .current_dir(folder)
            .env("HOME", folder)
            .env("TOWPATH_HOME", folder.join("towpath"));
        let daemon = Daemon::start(&mut serve, &folder.join("serve.log"))?;
        daemon.says("ready at https://", START)?;
        let config = |arguments: &[&str]| {
            let mut command = kubectl(&KUBERNETES.binary("kubectl")?, kubeconfig);
            run(command.arg("config").args(arguments), CALL)?.success("kubectl config")
        };
        let own = config(&["current-context"])?;
        if own.trim() != CONTEXT {
            config(&["rename-context", own.trim(), CONTEXT])?;
        }
        Ok(daemon)
    }
}
