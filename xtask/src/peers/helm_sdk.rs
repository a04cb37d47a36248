//! Helm's own Go SDK in a process, by way of a Python package that carries it; kept beside the other peers.

use super::cache;
use crate::failure::{Doing, Result, fail};
use crate::process::run;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// The package, which says itself that it carries Helm 4.2.3.
const PACKAGE: &str = "helm-python-sdk==0.2.2";
const LIMIT: Duration = Duration::from_mins(5);

/// A Python that can import `helm_python`; installed when it is not there.
pub(crate) fn python() -> Result<PathBuf> {
    let folder = cache()?.join(PACKAGE.replace("==", "-"));
    let python = folder.join("bin/python");
    let knows = |python: &PathBuf| {
        let mut import = Command::new(python);
        import.args(["-c", "import helm_python"]);
        run(&mut import, LIMIT).is_ok_and(|finished| finished.status.success())
    };
    if knows(&python) {
        return Ok(python);
    }
    if folder.is_dir() {
        // An install that was cut off.
        fs::remove_dir_all(&folder).doing(|| format!("clear {}", folder.display()))?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder), LIMIT)?.success("python3 -m venv")?;
    let mut install = Command::new(&python);
    install.args(["-m", "pip", "install", "--quiet", PACKAGE]);
    run(&mut install, LIMIT)?.success("pip install")?;
    if !knows(&python) {
        fail!("{PACKAGE} was installed and cannot be imported");
    }
    Ok(python)
}
