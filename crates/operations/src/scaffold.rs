//! The source repository of a new service, from the scaffold of its language.
//!
//! A scaffold is a plain folder (`library` finds it). Two things happen to its files and nothing else (`text`):
//! parts that the service lacks go, and placeholders such as `__NAME__` are replaced, in contents and in paths.
//! `scaffolds/README.md` describes both.

mod library;
mod text;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use api::Name;
use delivery::{Author, ChangeSet, RepoPath, Snapshot, source};
use sha2::{Digest, Sha256};

use crate::error::OperationError;
use library::mistake;

pub(crate) use library::languages;
pub(crate) use text::ScaffoldValues;

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
    /// Fills the scaffold of a language, own or shipped.
    pub(crate) fn make(
        language: &str,
        folder: &Path,
        values: &ScaffoldValues,
        snapshot: &Snapshot,
    ) -> Result<Self, OperationError> {
        let folder = std::path::absolute(folder).map_err(OperationError::io("find", folder))?;
        let files = files(language, values, snapshot)?;
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

/// The files of a new repository, by path.
fn files(
    language: &str,
    values: &ScaffoldValues,
    snapshot: &Snapshot,
) -> Result<BTreeMap<PathBuf, Vec<u8>>, OperationError> {
    let scaffold = library::scaffold(language, snapshot)?;
    let mut files = BTreeMap::new();
    for file in &scaffold.files {
        let shown = format!("{}{}", scaffold.origin, file.path);
        let Some(text) = text::select(&file.text, values)
            .map_err(|text::Mistake { line, why }| mistake(&shown, Some(line), &why))?
        else {
            continue;
        };
        let path = RepoPath::new(text::fill(&file.path, values))?;
        let content = text::fill(&text, values).into_bytes();
        if files.insert(PathBuf::from(path.as_str()), content).is_some() {
            return Err(mistake(&shown, None, &format!("another file becomes {path} too")));
        }
    }
    let blocked = files
        .keys()
        .find_map(|path| path.ancestors().skip(1).find(|above| files.contains_key(*above)));
    if let Some(path) = blocked {
        let shown = format!("{}{}", scaffold.origin, path.display());
        return Err(mistake(&shown, None, "it is both a file and a folder"));
    }
    if files.is_empty() {
        return Err(mistake(
            &scaffold.origin,
            None,
            "no file is left for this service",
        ));
    }
    Ok(files)
}

/// The mistakes in the platform team's own scaffolds: the first one of each language, whatever a service has.
pub(crate) fn mistakes(snapshot: &Snapshot) -> Vec<OperationError> {
    let Ok(name) = Name::parse("service", "name") else {
        return Vec::new();
    };
    let filled = |language: &str, database, cache| {
        let values = ScaffoldValues::new(&name, &name, &name, 8080).with(database, cache);
        files(language, &values, snapshot).err()
    };
    let parts = [(false, false), (true, false), (false, true), (true, true)];
    library::own_languages(snapshot)
        .iter()
        .filter_map(|language| {
            parts
                .iter()
                .find_map(|(database, cache)| filled(language, *database, *cache))
        })
        .collect()
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

    fn values(name: &str) -> ScaffoldValues {
        let parse = |text| Name::parse("service", text).unwrap();
        ScaffoldValues::new(&parse(name), &parse("demo"), &parse("dev"), 8080)
    }

    const VARIANTS: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

    #[test]
    fn a_folder_is_written_whole_and_removed_only_unchanged() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("api");
        let values = values("api").with(true, true);
        let plan = ScaffoldPlan::make("go", &folder, &values, &Snapshot::default()).unwrap();
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
        for language in api::LANGUAGES {
            for (database, cache) in VARIANTS {
                let values = values("api").with(database, cache);
                for (path, content) in files(language, &values, &Snapshot::default()).unwrap() {
                    let text = format!("{}\n{}", path.display(), String::from_utf8(content).unwrap());
                    for word in ["scaffold:", "__NAME__", "__TEAM__", "__ENVIRONMENT__", "__PORT__"] {
                        assert!(!text.contains(word), "{language}: {} has {word}", path.display());
                    }
                }
            }
        }
    }

    fn shipped(language: &str, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        files(language, &values(name).with(true, true), &Snapshot::default()).unwrap()
    }

    fn text(files: &BTreeMap<PathBuf, Vec<u8>>, path: &str) -> String {
        String::from_utf8(files[Path::new(path)].clone()).unwrap()
    }

    #[test]
    fn all_languages_share_what_has_no_language() {
        let go = shipped("go", "api");
        for language in api::LANGUAGES {
            let other = shipped(language, "api");
            for path in ["ci/deploy.sh", "docs/index.md", "mkdocs.yml"] {
                assert_eq!(text(&go, path), text(&other, path), "{language}: {path}");
            }
            for path in [
                ".dockerignore",
                ".gitignore",
                "Dockerfile",
                "README.md",
                "catalog-info.yaml",
            ] {
                assert!(other.contains_key(Path::new(path)), "{language}: {path}");
            }
        }
    }

    /// A name may be a word that YAML, JSON or TOML take for something else.
    #[test]
    fn a_name_stays_a_name_in_every_file_of_data() {
        for language in api::LANGUAGES {
            for name in ["true", "null", "no", "on", "y", "e1", "std", "con", "docs"] {
                let files = shipped(language, name);
                for document in yaml::parse_all(&text(&files, "catalog-info.yaml")).unwrap() {
                    let given = document.value["metadata"]["name"].as_str().unwrap();
                    assert!([name, &format!("{name}-db"), &format!("{name}-cache")].contains(&given));
                }
                let site = yaml::parse(&text(&files, "mkdocs.yml")).unwrap();
                assert_eq!(site.value["site_name"].as_str(), Some(name));
                for (path, content) in &files {
                    if path.extension().is_some_and(|e| e == "json") {
                        let value: serde_json::Value = serde_json::from_slice(content).unwrap();
                        assert_eq!(value["name"].as_str(), Some(name), "{}", path.display());
                    }
                }
            }
        }
    }

    /// What others type (branches, titles, commit messages) reaches no shell, and nothing floats that is run.
    #[test]
    fn the_pipelines_of_both_kinds_do_the_same_and_run_nothing_of_others() {
        for language in api::LANGUAGES {
            for (database, cache) in VARIANTS {
                let files = files(
                    language,
                    &values("api").with(database, cache),
                    &Snapshot::default(),
                )
                .unwrap();
                let gitlab = yaml::parse(&text(&files, ".gitlab-ci.yml")).unwrap().value;
                let github = yaml::parse(&text(&files, ".github/workflows/ci.yml"))
                    .unwrap()
                    .value;
                let strings = |value: &serde_json::Value| -> Vec<String> {
                    let entries = value.as_array().cloned().unwrap_or_default();
                    entries
                        .iter()
                        .filter_map(|v| Some(v.as_str()?.to_owned()))
                        .collect()
                };
                let mut runs = Vec::new();
                for (name, job) in github["jobs"].as_object().unwrap() {
                    for step in job["steps"].as_array().unwrap() {
                        if let Some(run) = step["run"].as_str() {
                            assert!(!run.contains("${{"), "{language}: {name}: {run}");
                            runs.push((name.clone(), run.to_owned()));
                        } else {
                            let uses = step["uses"].as_str().unwrap();
                            let (_, commit) = uses.split_once('@').unwrap();
                            assert!(commit.len() == 40, "{language}: {name}: {uses}");
                        }
                    }
                    let image = job["container"].as_str().unwrap_or("${{ vars.NONE }}");
                    assert!(
                        image.starts_with("${{ vars.") || image.rsplit('/').next().unwrap().contains(':')
                    );
                }
                let tested: Vec<String> = runs
                    .iter()
                    .filter(|(name, _)| name == "test")
                    .map(|(_, run)| run.clone())
                    .collect();
                let mut expect = strings(&gitlab["test"]["before_script"]);
                expect.extend(strings(&gitlab["test"]["script"]));
                assert_eq!(tested, expect, "{language}");
                assert_eq!(
                    gitlab["test"]["image"], github["jobs"]["test"]["container"],
                    "{language}"
                );
                for (job, mode) in [("platform-check", "check"), ("deploy", "push")] {
                    let call = format!("sh ci/deploy.sh {mode} \"$IMAGE\"");
                    assert_eq!(strings(&gitlab[job]["script"]), [call.as_str()]);
                    assert!(runs.contains(&(job.to_owned(), call)), "{language}: {job}");
                }
                let services = |value: &serde_json::Value| value.as_array().map_or(0, Vec::len);
                let count = usize::from(database) + usize::from(cache);
                assert_eq!(services(&gitlab["test"]["services"]), count);
                let services = github["jobs"]["test"]["services"].as_object();
                assert_eq!(services.map_or(0, serde_json::Map::len), count);
            }
        }
    }

    #[test]
    fn mistakes_of_own_scaffolds_are_found_before_anybody_uses_them() {
        let snapshot = Snapshot::of_files([
            ("platform/scaffolds/java/a.txt", "# scaffold:if cache\n"),
            ("platform/scaffolds/java/b.txt", "# scaffold:end\n"),
            (
                "platform/scaffolds/perl/a.txt",
                "# scaffold:if cache\n# scaffold:end\n",
            ),
            ("platform/scaffolds/zig/a.txt", "# scaffold:file if database\n"),
            ("platform/scaffolds/zig/__NAME__", ""),
        ])
        .unwrap();
        let told: Vec<String> = mistakes(&snapshot).iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("platform/scaffolds/java/a.txt:1: "), "{told:?}");
        assert!(mistakes(&Snapshot::default()).is_empty());
    }

    #[test]
    fn the_files_of_an_own_scaffold_are_filled_and_in_no_others_way() {
        let check = |own: &[(&str, &str)], expect: Result<&[(&str, &str)], &str>| {
            let paths: Vec<String> = own
                .iter()
                .map(|(path, _)| format!("platform/scaffolds/java/{path}"))
                .collect();
            let snapshot = Snapshot::of_files(
                paths
                    .iter()
                    .zip(own)
                    .map(|(path, (_, text))| (path.as_str(), *text)),
            )
            .unwrap();
            match (files("java", &values("api"), &snapshot), expect) {
                (Ok(files), Ok(expect)) => {
                    let expect: BTreeMap<_, _> = expect
                        .iter()
                        .map(|(path, text)| (PathBuf::from(path), text.as_bytes().to_vec()))
                        .collect();
                    assert_eq!(files, expect);
                }
                (Err(error), Err(expect)) => {
                    assert!(error.to_string().contains(expect), "{error}");
                }
                (got, expect) => panic!("{own:?}: {got:?}, not {expect:?}"),
            }
        };
        check(
            &[("src/__TEAM__/__NAME__.java", "class __NAME__ {}\n")],
            Ok(&[("src/demo/api.java", "class api {}\n")]),
        );
        check(
            &[("a.txt", "a"), ("b.txt", "# scaffold:file if cache\n")],
            Ok(&[("a.txt", "a")]),
        );
        check(
            &[("b.txt", "# scaffold:file if cache\n")],
            Err("platform/scaffolds/java/: no file is left"),
        );
        check(
            &[("a.txt", "x\n# scaffold:end\n")],
            Err("platform/scaffolds/java/a.txt:2: scaffold:end without"),
        );
        check(
            &[("__NAME__.txt", ""), ("api.txt", "")],
            Err("another file becomes api.txt too"),
        );
        check(
            &[("__NAME__", ""), ("api/x", "")],
            Err("platform/scaffolds/java/api: it is both"),
        );
    }
}
