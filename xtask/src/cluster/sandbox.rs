//! The sandbox as a server of its own, as `platform sandbox serve` starts it: a bare Kubernetes API with controllers and
//! nodes.

use crate::failure::Result;
use crate::process::Daemon;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// How long it may take to come up on a loaded machine.
const START: Duration = Duration::from_mins(1);

/// Starts it with what a folder holds, and waits until it is ready.
pub(crate) fn serve(program: &Path, port: u16, folder: &Path, kubeconfig: &Path) -> Result<Daemon> {
    let mut serve = Command::new(program);
    serve
        .args(["sandbox", "serve", "--port", &port.to_string(), "--data"])
        .arg(folder.join("data"))
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .current_dir(folder)
        .env("HOME", folder)
        .env("TOWPATH_HOME", folder.join("towpath"));
    let daemon = Daemon::start(&mut serve, &folder.join("serve.log"))?;
    daemon.says("ready at https://", START)?;
    Ok(daemon)
}
