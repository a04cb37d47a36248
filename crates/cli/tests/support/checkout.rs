//! What somebody else pushes.

use std::fs;
use std::path::PathBuf;

use super::Machine;

/// A clone of the infrastructure repository.
pub(crate) struct Checkout<'a> {
    machine: &'a Machine,
    pub(crate) folder: PathBuf,
}

impl<'a> Checkout<'a> {
    pub(crate) fn of(machine: &'a Machine) -> Self {
        let folder = machine.path("clone");
        let (from, to) = (machine.infrastructure(), folder.display().to_string());
        machine.git(
            &machine.path("."),
            &["clone", "-q", &from.display().to_string(), &to],
        );
        Self { machine, folder }
    }

    pub(crate) fn write(&self, path: &str, content: &str) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn push(&self, message: &str) {
        self.machine.git(&self.folder, &["add", "-A"]);
        self.machine.git(&self.folder, &["commit", "-qm", message]);
        self.machine.git(&self.folder, &["pull", "-q", "--rebase"]);
        self.machine.git(&self.folder, &["push", "-q"]);
    }
}
