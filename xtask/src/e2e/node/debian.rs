//! File systems of images from the Debian packages on this machine: programs with the libraries they need, and nothing
//! else.

use crate::failure::{Doing, Result, fail};
use crate::process::run;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const CALL: Duration = Duration::from_mins(1);

/// Files by the path they have in the image; with each whether it is a program.
#[derive(Debug, Default)]
pub(super) struct Files(pub(super) BTreeMap<String, (Vec<u8>, bool)>);

impl Files {
    /// A file with this content.
    pub(super) fn put(&mut self, path: &str, content: &[u8], executable: bool) {
        self.0.insert(
            path.trim_start_matches('/').to_owned(),
            (content.to_vec(), executable),
        );
    }

    /// A file of this machine, under another path.
    pub(super) fn put_as(&mut self, path: &str, source: &Path) -> Result<()> {
        let what = || format!("read {}", source.display());
        let content = fs::read(source).doing(what)?;
        let mode = fs::metadata(source).doing(what)?.permissions().mode();
        self.put(path, &content, mode & 0o111 != 0);
        Ok(())
    }

    /// A folder of this machine, under its own path; `leave` says what of it stays out.
    pub(super) fn put_folder(&mut self, folder: &Path, leave: &dyn Fn(&Path) -> bool) -> Result<()> {
        let what = || format!("read {}", folder.display());
        for entry in folder.read_dir().doing(what)? {
            let path = entry.doing(what)?.path();
            if leave(&path) {
                continue;
            }
            if path.is_dir() {
                self.put_folder(&path, leave)?;
            } else if path.is_file() {
                self.put_as(&path.display().to_string(), &path)?;
            }
        }
        Ok(())
    }

    /// The libraries that these programs and libraries of this machine load when they start.
    pub(super) fn put_libraries_of(&mut self, programs: &[PathBuf]) -> Result<()> {
        let told = run(Command::new("ldd").args(programs), CALL)?;
        for line in told.stdout.lines() {
            // `libpq.so.5 => /lib/…/libpq.so.5 (0x…)`, and `/lib64/ld-linux-x86-64.so.2 (0x…)` for the loader.
            let found = line.split_once("=> ").map_or(line, |(_, found)| found).trim();
            let Some((path, _)) = found.split_once(" (0x") else {
                if line.contains("not found") {
                    fail!("a library is missing: {}", line.trim());
                }
                continue;
            };
            if path.starts_with('/') && !self.0.contains_key(path.trim_start_matches('/')) {
                self.put_as(path, Path::new(path))?;
            }
        }
        Ok(())
    }
}
