//! Where a chart's files come from on disk: a folder, or a packed file. Nothing outside is ever read, and how
//! much is read is bounded. What the files mean is `chart`'s business.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chart::MAX_DEPTH;
use crate::error::ChartError;
use crate::ignore::Rules;
use crate::package;

/// How long a file of a chart may be; the same as Helm's.
const MAX_FILE: u64 = 5 << 20;
/// How many bytes the files of a chart and of all below it may have together.
const MAX_BYTES: u64 = 128 << 20;
/// How many files that may be.
const MAX_FILES: usize = 20_000;

/// The files of a chart, before anything is made of them. What is wrong with a chart may be found in them even
/// where it cannot be loaded.
#[derive(Clone)]
pub struct ChartFiles {
    pub(crate) files: BTreeMap<String, Arc<[u8]>>,
    /// What packed subcharts may still bring along.
    pub(crate) allowance: Allowance,
}

impl ChartFiles {
    /// Takes files by their paths in the chart (`templates/deployment.yaml`), but for those that `.helmignore` names.
    pub fn from_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, ChartError> {
        let mut allowance = Allowance::default();
        let mut all: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
        for (path, data) in files {
            let path = path.strip_prefix("./").unwrap_or(&path).replace('\\', "/");
            if path.starts_with('/') || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(ChartError::Invalid(format!(
                    "the path {path:?} leads out of the chart"
                )));
            }
            allowance.take_file(&path, data.len() as u64)?;
            all.insert(path, Arc::from(without_mark(&data)));
        }
        let ignored = all.get(".helmignore").map(|data| String::from_utf8_lossy(data));
        let rules = rules(&ignored.unwrap_or_default())?;
        all.retain(|path, _| !rules.ignores(path));
        Ok(Self {
            files: all,
            allowance,
        })
    }

    /// Reads a folder, but for what its `.helmignore` names. Symbolic links are followed inside it, and refused
    /// where they lead out.
    pub fn from_directory(path: &Path) -> Result<Self, ChartError> {
        let mut allowance = Allowance::default();
        let files = read_directory(path, &mut allowance)?;
        Ok(Self { files, allowance })
    }

    /// Unpacks a chart. `.helmignore` is not looked at: it was when the chart was packed.
    pub fn from_package(data: &[u8]) -> Result<Self, ChartError> {
        let mut allowance = Allowance::default();
        let files = package::unpack(data, &mut allowance)?;
        Ok(Self { files, allowance })
    }

    /// Reads a folder or a packed file.
    pub fn open(path: &Path) -> Result<Self, ChartError> {
        match read_package(path)? {
            None => Self::from_directory(path),
            Some(data) => Self::from_package(&data),
        }
    }

    /// One file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(|data| &**data)
    }

    /// A file as text; what is not UTF-8 in it is replaced.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.get(path)
            .map(|data| String::from_utf8_lossy(data).into_owned())
    }
}

fn rules(text: &str) -> Result<Rules, ChartError> {
    Rules::parse(text).map_err(|message| ChartError::Invalid(format!("cannot read .helmignore: {message}")))
}

/// How much a chart, with all that is packed in it, may still bring along.
#[derive(Clone)]
pub(crate) struct Allowance {
    bytes: u64,
    files: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            bytes: MAX_BYTES,
            files: MAX_FILES,
        }
    }
}

impl Allowance {
    /// The most that may still be unpacked.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes room for one more file or folder.
    pub(crate) fn take_entry(&mut self) -> Result<(), ChartError> {
        self.files = self
            .files
            .checked_sub(1)
            .ok_or_else(|| ChartError::Invalid(format!("a chart may have {MAX_FILES} files at most")))?;
        Ok(())
    }

    /// Makes room for a file.
    pub(crate) fn take_file(&mut self, path: &str, bytes: u64) -> Result<(), ChartError> {
        self.take_entry()?;
        if bytes > MAX_FILE {
            return Err(ChartError::Invalid(format!(
                "chart file {path:?} is larger than the maximum file size {MAX_FILE}"
            )));
        }
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| {
            ChartError::Invalid(format!("the chart is larger than the maximum size {MAX_BYTES}"))
        })?;
        Ok(())
    }
}

/// A file without the mark that some editors put at its start.
pub(crate) fn without_mark(data: &[u8]) -> &[u8] {
    data.strip_prefix(b"\xef\xbb\xbf").unwrap_or(data)
}

/// The bytes of a packed chart; `None` for a folder.
fn read_package(path: &Path) -> Result<Option<Vec<u8>>, ChartError> {
    let failed = |source| ChartError::Io {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        return Ok(None);
    }
    if !metadata.is_file() {
        return Err(ChartError::Invalid(format!(
            "{} is neither a file nor a folder",
            path.display()
        )));
    }
    let mut data = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    file.take(MAX_BYTES + 1).read_to_end(&mut data).map_err(failed)?;
    if !data.starts_with(&[0x1f, 0x8b, 0x08]) {
        let name = path.display();
        let is_yaml = path.extension().is_some_and(|e| e == "yaml" || e == "yml");
        return Err(ChartError::Invalid(if is_yaml {
            format!("file '{name}' seems to be a YAML file, but expected a gzipped archive")
        } else {
            format!("file '{name}' does not appear to be a gzipped archive")
        }));
    }
    Ok(Some(data))
}

/// The files of a folder that belong to the chart, by their paths in it.
fn read_directory(path: &Path, allowance: &mut Allowance) -> Result<BTreeMap<String, Arc<[u8]>>, ChartError> {
    let root = fs::canonicalize(path).map_err(failed(path))?;
    let ignored = match fs::read_to_string(root.join(".helmignore")) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
        other => other,
    }
    .map_err(failed(&path.join(".helmignore")))?;
    let rules = rules(&ignored)?;
    let mut walk = Walk {
        root: &root,
        rules: &rules,
        above: Vec::new(),
        files: BTreeMap::new(),
        allowance,
    };
    walk.folder(&root, "")?;
    Ok(walk.files)
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> ChartError {
    let path = path.to_owned();
    move |source| ChartError::Io { path, source }
}

/// A walk through a chart's folders.
struct Walk<'a> {
    root: &'a Path,
    rules: &'a Rules,
    /// The folders on the way to the current one, without links.
    above: Vec<PathBuf>,
    files: BTreeMap<String, Arc<[u8]>>,
    allowance: &'a mut Allowance,
}

impl Walk<'_> {
    /// Reads a folder whose place is known to be inside the chart.
    fn folder(&mut self, place: &Path, prefix: &str) -> Result<(), ChartError> {
        if self.above.len() > 3 * MAX_DEPTH {
            return Err(ChartError::Invalid(format!(
                "folders are nested more than {} deep",
                3 * MAX_DEPTH
            )));
        }
        self.above.push(place.to_owned());
        for entry in fs::read_dir(place).map_err(failed(place))? {
            let entry = entry.map_err(failed(place))?;
            let found = entry.path();
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                return Err(ChartError::Invalid(format!(
                    "the name of {} is not UTF-8",
                    found.display()
                )));
            };
            // A repository's own folder is never part of a chart.
            if name == ".git" {
                continue;
            }
            let path = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(failed(&found))?;
            let place = if kind.is_symlink() {
                // What is ignored is not looked at, wherever it leads.
                if self.rules.ignores_entry(&path, false) && self.rules.ignores_entry(&path, true) {
                    continue;
                }
                self.follow(&found, &path)?
            } else {
                found
            };
            let metadata = fs::symlink_metadata(&place).map_err(failed(&place))?;
            if self.rules.ignores_entry(&path, metadata.is_dir()) {
                continue;
            }
            if metadata.is_dir() {
                self.allowance.take_entry()?;
                self.folder(&place, &format!("{path}/"))?;
            } else if metadata.is_file() {
                self.allowance.take_file(&path, metadata.len())?;
                let mut data = Vec::new();
                let file = fs::File::open(&place).map_err(failed(&place))?;
                file.take(metadata.len())
                    .read_to_end(&mut data)
                    .map_err(failed(&place))?;
                self.files.insert(path, Arc::from(without_mark(&data)));
            } else {
                return Err(ChartError::Invalid(format!(
                    "cannot load {path}: it is neither a file nor a folder"
                )));
            }
        }
        self.above.pop();
        Ok(())
    }

    /// Where a symbolic link leads, if that is inside the chart.
    fn follow(&self, link: &Path, path: &str) -> Result<PathBuf, ChartError> {
        let place = fs::canonicalize(link).map_err(failed(link))?;
        if !place.starts_with(self.root) {
            return Err(ChartError::Invalid(format!(
                "{path} is a symbolic link that leads out of the chart"
            )));
        }
        if self.above.contains(&place) {
            return Err(ChartError::Invalid(format!(
                "{path} is a symbolic link that leads in a circle"
            )));
        }
        Ok(place)
    }
}
