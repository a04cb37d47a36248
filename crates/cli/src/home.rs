//! The home folder: where the platform keeps its data on this machine.
//!
//! ```text
//! <home>/sandbox.redb             the sandbox's objects
//! <home>/infrastructure.git       the sandbox's infrastructure repository
//! <home>/contexts/<name>/         the same for a real cluster
//! <home>/operations/              journals
//! <home>/kubeconfig, tls/         made by `platform up`
//! ```

use std::path::{Path, PathBuf};

use operations::{OperationError, Target};

/// The home folder.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    root: PathBuf,
}

impl Home {
    /// The folder that was asked for, or the user's data folder. It need not exist yet.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self, OperationError> {
        let root = match given {
            Some(given) if given.as_os_str().is_empty() => {
                return Err(OperationError::invalid_hint(
                    "the home folder is empty",
                    "give a folder with --home or TOWPATH_HOME",
                ));
            }
            Some(given) => given.to_owned(),
            None => default_root().ok_or_else(|| {
                OperationError::invalid_hint(
                    "there is no home folder: neither XDG_DATA_HOME nor HOME is set",
                    "give a folder with --home or TOWPATH_HOME",
                )
            })?,
        };
        let root = std::path::absolute(&root).map_err(OperationError::io("find", root))?;
        Ok(Self { root })
    }

    /// A folder that is laid out as the home folder is: that of a sandbox on its own.
    pub(crate) fn at(root: PathBuf) -> Self {
        Self { root }
    }

    /// Makes the folder, for the user alone.
    pub(crate) fn make(&self) -> Result<(), OperationError> {
        use std::os::unix::fs::DirBuilderExt;
        if self.root.is_dir() {
            return Ok(());
        }
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(&self.root)
            .map_err(OperationError::io("make the folder", &self.root))
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.root.join("sandbox.redb")
    }

    pub(crate) fn tls(&self) -> PathBuf {
        self.root.join("tls")
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// The infrastructure repository for a target.
    pub(crate) fn repository(&self, target: &Target) -> PathBuf {
        match target {
            Target::Sandbox => self.root.join("infrastructure.git"),
            Target::Context(name) => self
                .root
                .join("contexts")
                .join(file_name(name))
                .join("infrastructure.git"),
        }
    }
}

fn default_root() -> Option<PathBuf> {
    let set = |key: &str| std::env::var_os(key).filter(|v| !v.is_empty()).map(PathBuf::from);
    // The base directory specification has relative paths ignored.
    let data = set("XDG_DATA_HOME").filter(|p| p.is_absolute());
    data.or_else(|| set("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("towpath"))
}

/// A context's name as a file name: what is not plain becomes its code, so that no two names meet.
fn file_name(context: &str) -> String {
    context.bytes().fold(String::new(), |name, byte| {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            format!("{name}{}", char::from(byte))
        } else {
            format!("{name}%{byte:02x}")
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_one_plain_file_name() {
        assert_eq!(file_name("kind-dev"), "kind-dev");
        assert_eq!(file_name("../x"), "%2e%2e%2fx");
        assert_ne!(file_name("a/b"), file_name("a%2fb"));
    }
}
