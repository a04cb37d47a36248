//! The source repository of a new service, from the scaffold of its language.
//!
//! A scaffold is a plain folder. Two things happen to it and nothing else: placeholders such as `__NAME__` are
//! replaced literally, in contents and in file names; and lines between `scaffold:if database` and
//! `scaffold:end` stay only when the service has a database (a first line `scaffold:file database` decides on
//! the whole file). `scaffolds/README.md` describes both.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use delivery::{Author, ChangeSet, RepoPath, source};
use sha2::{Digest, Sha256};

use crate::error::OperationError;

/// What a scaffold is filled with. Every value is a checked name or a number, safe in any language.
#[derive(Clone, Debug)]
pub(crate) struct ScaffoldValues {
    pub name: String,
    pub team: String,
    pub environment: String,
    pub port: i32,
    pub database: bool,
    pub cache: bool,
}

/// The files of a new source repository, decided before any is written.
#[derive(Clone, Debug)]
pub struct ScaffoldPlan {
    /// The language, as people write it.
    pub language: String,
    /// Where it goes.
    pub folder: PathBuf,
    /// The files by path.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
    /// A digest of all of it.
    pub digest: String,
}

impl ScaffoldPlan {
    /// Fills the scaffold of a language.
    pub(crate) fn make(
        language: &str,
        folder: &Path,
        values: &ScaffoldValues,
    ) -> Result<Self, OperationError> {
        let folder = std::path::absolute(folder).map_err(OperationError::io("find", folder))?;
        let mut files = BTreeMap::new();
        for (path, content) in expansion::builtin::scaffold(language)? {
            let text = String::from_utf8_lossy(&content);
            let Some(text) = select(&text, values) else {
                continue;
            };
            files.insert(
                PathBuf::from(fill(&path, values)),
                fill(&text, values).into_bytes(),
            );
        }
        let digest = digest(&files);
        let mut title = language.to_owned();
        if let Some(first) = title.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        Ok(Self {
            language: title,
            folder,
            files,
            digest,
        })
    }

    /// An error where something is in the way.
    pub(crate) fn check_free(&self) -> Result<(), OperationError> {
        match fs::symlink_metadata(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => self.check_parent(),
            Err(source) => Err(OperationError::Io {
                doing: "look at",
                path: self.folder.clone(),
                source,
            }),
            Ok(found) if found.is_dir() && is_empty(&self.folder) => Ok(()),
            Ok(_) => Err(OperationError::Conflict {
                message: format!("{} is already there", self.folder.display()),
                hint: Some(
                    "choose another place with --dir, or leave the source repository out with --no-scaffold"
                        .to_owned(),
                ),
            }),
        }
    }

    fn check_parent(&self) -> Result<(), OperationError> {
        let parent = self.folder.parent().unwrap_or(&self.folder);
        match fs::metadata(parent) {
            Ok(found) if found.is_dir() => Ok(()),
            Ok(_) => Err(OperationError::invalid(format!(
                "{} is not a folder",
                parent.display()
            ))),
            Err(source) => Err(OperationError::Io {
                doing: "look at",
                path: parent.to_owned(),
                source,
            }),
        }
    }

    /// Writes everything, or nothing: into a folder beside, which then takes the name. Where the very same
    /// files are already, nothing happens.
    pub(crate) fn write(&self, run: &str, author: &Author) -> Result<(), OperationError> {
        if digest_of(&self.folder).as_deref() == Some(&self.digest) {
            return Ok(());
        }
        self.check_free()?;
        let aside = self.aside(run);
        if aside.exists() {
            fs::remove_dir_all(&aside).map_err(OperationError::io("clear", &aside))?;
        }
        let written = self.write_into(&aside, author).and_then(|()| {
            if self.folder.is_dir() {
                fs::remove_dir(&self.folder).map_err(OperationError::io("replace", &self.folder))?;
            }
            fs::rename(&aside, &self.folder).map_err(OperationError::io("write", &self.folder))
        });
        if written.is_err() {
            // What could not be written whole is taken back; the error says what went wrong.
            drop(fs::remove_dir_all(&aside));
        }
        written
    }

    fn write_into(&self, folder: &Path, author: &Author) -> Result<(), OperationError> {
        fs::create_dir(folder).map_err(OperationError::io("make the folder", folder))?;
        for (path, content) in &self.files {
            let path = folder.join(path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent).map_err(OperationError::io("make the folder", parent))?;
            }
            fs::write(&path, content).map_err(OperationError::io("write", &path))?;
        }
        let mut first = ChangeSet::new("Begin from the scaffold", author.clone(), jiff::Timestamp::now());
        for (path, content) in &self.files {
            first = first.write(RepoPath::new(path.to_string_lossy())?, content.as_slice());
        }
        Ok(source::begin(folder, &first)?)
    }

    fn aside(&self, run: &str) -> PathBuf {
        aside(&self.folder, run)
    }
}

fn aside(folder: &Path, run: &str) -> PathBuf {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{run}"))
}

/// What became of a folder that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removed {
    /// It is gone.
    Gone,
    /// It was never there.
    Absent,
    /// Somebody worked in it; it stays.
    Changed,
}

/// Removes what a run wrote, unless somebody worked in it since.
pub(crate) fn remove(folder: &Path, digest: &str, run: &str) -> Result<Removed, OperationError> {
    let aside = aside(folder, run);
    if aside.exists() {
        fs::remove_dir_all(&aside).map_err(OperationError::io("remove", &aside))?;
    }
    if !folder.exists() {
        return Ok(Removed::Absent);
    }
    if digest_of(folder).as_deref() != Some(digest) || !source::untouched(folder) {
        return Ok(Removed::Changed);
    }
    fs::remove_dir_all(folder).map_err(OperationError::io("remove", folder))?;
    Ok(Removed::Gone)
}

/// The text with only those lines that apply; `None` when the whole file does not.
fn select(text: &str, values: &ScaffoldValues) -> Option<String> {
    let applies = |words: &str| {
        words
            .split_whitespace()
            .take_while(|w| w.bytes().all(|b| b.is_ascii_lowercase()))
            .any(|word| match word {
                "database" => values.database,
                "cache" => values.cache,
                _ => false,
            })
    };
    let mut kept = String::with_capacity(text.len());
    let mut hidden = false;
    let mut headed = false;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if let Some((_, words)) = line.split_once("scaffold:file ").filter(|_| index == 0) {
            if !applies(words) {
                return None;
            }
            headed = true;
        } else if index == 1 && headed && line.trim().is_empty() {
            // The line that set the directive apart goes with it.
        } else if let Some((_, words)) = line.split_once("scaffold:if ") {
            hidden = !applies(words);
        } else if line.contains("scaffold:end") {
            hidden = false;
        } else if !hidden {
            kept.push_str(line);
        }
    }
    Some(kept)
}

fn fill(text: &str, values: &ScaffoldValues) -> String {
    let module = &values.name;
    [
        ("__NAME__", values.name.as_str()),
        ("__MODULE__", module),
        ("__TEAM__", &values.team),
        ("__ENVIRONMENT__", &values.environment),
        ("__PORT__", &values.port.to_string()),
    ]
    .into_iter()
    .fold(text.to_owned(), |text, (placeholder, value)| {
        text.replace(placeholder, value)
    })
}

fn digest(files: &BTreeMap<PathBuf, Vec<u8>>) -> String {
    let mut hash = Sha256::new();
    for (path, content) in files {
        hash.update(path.to_string_lossy().as_bytes());
        hash.update([0]);
        hash.update(Sha256::digest(content));
    }
    format!("{:x}", hash.finalize())
}

/// The digest of a folder's files as they are on disk, Git's own aside; `None` when it cannot be read or is far larger than a scaffold.
fn digest_of(folder: &Path) -> Option<String> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).ok()? {
            let entry = entry.ok()?;
            let kind = entry.file_type().ok()?;
            let path = entry.path();
            if next == folder && entry.file_name() == ".git" {
                continue;
            }
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && files.len() < 10_000 {
                let inner = path.strip_prefix(folder).ok()?.to_owned();
                debug_assert!(inner.components().all(|c| matches!(c, Component::Normal(_))));
                files.insert(inner, fs::read(&path).ok()?);
            } else {
                return None;
            }
        }
    }
    Some(digest(&files))
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(database: bool, cache: bool) -> ScaffoldValues {
        ScaffoldValues {
            name: "api".into(),
            team: "demo".into(),
            environment: "dev".into(),
            port: 8080,
            database,
            cache,
        }
    }

    #[test]
    fn lines_stay_when_they_apply() {
        let text = "a\n// scaffold:if database\nb\n// scaffold:end\nc\n";
        assert_eq!(select(text, &values(true, false)).as_deref(), Some("a\nb\nc\n"));
        assert_eq!(select(text, &values(false, true)).as_deref(), Some("a\nc\n"));
        let file = "// scaffold:file if database or cache\n\nx\n";
        assert_eq!(select(file, &values(false, true)).as_deref(), Some("x\n"));
        assert_eq!(select(file, &values(false, false)), None);
    }

    #[test]
    fn a_folder_is_written_whole_and_removed_only_unchanged() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("api");
        let plan = ScaffoldPlan::make("go", &folder, &values(true, true)).unwrap();
        let author = Author::new("Ann", "ann@example.com");
        plan.write("r1", &author).unwrap();
        assert_eq!(digest_of(&folder).as_deref(), Some(plan.digest.as_str()));
        plan.write("r1", &author).unwrap();

        fs::write(folder.join("mine.txt"), "work").unwrap();
        assert!(plan.write("r2", &author).is_err());
        assert_eq!(remove(&folder, &plan.digest, "r1").unwrap(), Removed::Changed);
        fs::remove_file(folder.join("mine.txt")).unwrap();
        assert_eq!(remove(&folder, &plan.digest, "r1").unwrap(), Removed::Gone);
        assert_eq!(remove(&folder, &plan.digest, "r1").unwrap(), Removed::Absent);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
    }

    #[test]
    fn nothing_of_the_scaffold_language_is_left() {
        for (database, cache) in [(false, false), (true, false), (false, true), (true, true)] {
            let plan = ScaffoldPlan::make("go", Path::new("api"), &values(database, cache)).unwrap();
            for (path, content) in &plan.files {
                let text = String::from_utf8_lossy(content);
                assert!(!text.contains("scaffold:"), "{}", path.display());
                for placeholder in [
                    "__NAME__",
                    "__MODULE__",
                    "__TEAM__",
                    "__ENVIRONMENT__",
                    "__PORT__",
                ] {
                    assert!(
                        !text.contains(placeholder),
                        "{} has {placeholder}",
                        path.display()
                    );
                }
            }
            assert_eq!(plan.files.contains_key(Path::new("database.go")), database);
        }
    }
}
