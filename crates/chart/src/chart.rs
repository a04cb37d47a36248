//! Loading a chart: its files become metadata, default values, parsed templates and subcharts.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};

use crate::dependencies::Instance;
use crate::error::ChartError;
use crate::files::Files;
use crate::metadata::{Dependency, Metadata};
use crate::package;
use crate::schema::Schema;
use crate::source::{Allowance, ChartFiles};
use crate::template::{ParseError, ParsedFile, parse};
use crate::values::merge_maps;
use crate::version::is_compatible;

/// How deep folders and subcharts may nest.
pub(crate) const MAX_DEPTH: usize = 16;

/// A template file, read once and rendered many times.
#[derive(Debug)]
pub(crate) struct TemplateFile {
    /// Its path in the chart.
    pub(crate) path: String,
    /// A template that cannot be read is an error only when the chart is rendered.
    pub(crate) parsed: Result<ParsedFile, ParseError>,
}

/// A loaded chart. Loading reads all templates, so that rendering is cheap.
pub struct Chart {
    pub(crate) metadata: Metadata,
    pub(crate) values: Map<String, Json>,
    pub(crate) schema: Option<Schema>,
    pub(crate) templates: Vec<TemplateFile>,
    pub(crate) files: Files,
    /// The files under `crds/`, by path.
    pub(crate) crds: Vec<(String, Arc<str>)>,
    pub(crate) subcharts: Vec<Chart>,
    digest: String,
}

impl std::fmt::Debug for Chart {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Chart({} {} {})",
            self.metadata.name, self.metadata.version, self.digest
        )
    }
}

impl Chart {
    /// Loads a chart from its files.
    pub fn new(source: &ChartFiles) -> Result<Self, ChartError> {
        Self::load(source.files.clone(), 0, &mut source.allowance.clone())
    }

    /// Loads a chart from its files, given by their paths in the chart (`templates/deployment.yaml`).
    ///
    /// What `.helmignore` names is left out, wherever the files come from, so that a folder and an embedded
    /// copy of it are the same chart with the same digest.
    pub fn from_files(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Result<Self, ChartError> {
        Self::new(&ChartFiles::from_files(files)?)
    }

    /// Loads a chart from a folder. A symbolic link inside the chart is followed; one that leads out of it is
    /// refused, because a chart may come from anywhere.
    pub fn from_directory(path: &Path) -> Result<Self, ChartError> {
        Self::new(&ChartFiles::from_directory(path)?)
    }

    /// Loads a packed chart, as `helm package` makes it.
    pub fn from_package(data: &[u8]) -> Result<Self, ChartError> {
        Self::new(&ChartFiles::from_package(data)?)
    }

    /// Loads a chart from a folder or from a packed file.
    pub fn open(path: &Path) -> Result<Self, ChartError> {
        Self::new(&ChartFiles::open(path)?)
    }

    fn load(
        files: BTreeMap<String, Arc<[u8]>>,
        depth: usize,
        allowance: &mut Allowance,
    ) -> Result<Self, ChartError> {
        if depth > MAX_DEPTH {
            return Err(ChartError::Invalid(format!(
                "subcharts are nested more than {MAX_DEPTH} deep"
            )));
        }
        // Nobody asks for the digest of a subchart.
        let digest = if depth == 0 {
            digest_of(&files)
        } else {
            String::new()
        };
        let Some(description) = files.get("Chart.yaml") else {
            return Err(ChartError::Invalid("Chart.yaml file is missing".to_owned()));
        };
        let mut metadata = Metadata::parse(&String::from_utf8_lossy(description), "Chart.yaml")?;
        let mut chart = Self {
            metadata: Metadata::default(),
            values: Map::new(),
            schema: None,
            templates: Vec::new(),
            files: Files::default(),
            crds: Vec::new(),
            subcharts: Vec::new(),
            digest,
        };
        let mut others = Vec::new();
        let mut subcharts: BTreeMap<String, BTreeMap<String, Arc<[u8]>>> = BTreeMap::new();
        let mut packed: BTreeMap<String, Arc<[u8]>> = BTreeMap::new();
        for (path, data) in files {
            match path.as_str() {
                "Chart.yaml" => {}
                "Chart.lock" => read_lock(&data, &path)?,
                "requirements.lock" => {
                    read_lock(&data, &path)?;
                    if metadata.api_version == "v1" {
                        others.push((path, data));
                    }
                }
                "values.yaml" => chart.values = read_values(&data, &path)?,
                "values.schema.json" => chart.schema = Some(Schema::new(data)),
                "requirements.yaml" => {
                    let text = String::from_utf8_lossy(&data);
                    let document = yaml::parse(&text).map_err(|source| ChartError::Yaml {
                        file: path.clone(),
                        source,
                    })?;
                    if let Json::Object(fields) = &document.value {
                        metadata.read_dependencies(fields, &path)?;
                    }
                    // Charts of today name their dependencies in Chart.yaml.
                    if metadata.api_version == "v1" {
                        others.push((path, data));
                    }
                }
                _ if path.starts_with("templates/") => {
                    let parsed = parse(&String::from_utf8_lossy(&data));
                    chart.templates.push(TemplateFile { path, parsed });
                }
                _ if path.starts_with("charts/") => {
                    let inner = &path["charts/".len()..];
                    let name = inner.split('/').next().unwrap_or(inner).to_owned();
                    if extension(inner) == Some("prov") {
                        others.push((path, data));
                        continue;
                    }
                    if name.starts_with(['_', '.']) {
                        continue;
                    }
                    if inner == name && extension(inner) == Some("tgz") {
                        packed.insert(name.clone(), Arc::clone(&data));
                    }
                    let folder = subcharts.entry(name.clone()).or_default();
                    if let Some(rest) = inner.strip_prefix(&name).and_then(|rest| rest.strip_prefix('/')) {
                        folder.insert(rest.to_owned(), data);
                    }
                }
                _ => {
                    let is_manifest = matches!(extension(&path), Some("yaml" | "yml" | "json"));
                    if path.starts_with("crds/") && is_manifest {
                        let text = String::from_utf8_lossy(&data);
                        chart.crds.push((path.clone(), Arc::from(text)));
                    }
                    others.push((path, data));
                }
            }
        }
        metadata.validate()?;
        chart.metadata = metadata;
        chart.files = Files::new(others);
        for (name, files) in subcharts {
            let loaded = match packed.remove(&name) {
                Some(data) => package::unpack(&data, allowance)
                    .and_then(|files| Self::load(files, depth + 1, allowance)),
                None => Self::load(files, depth + 1, allowance),
            };
            let subchart = loaded.map_err(|source| ChartError::Subchart {
                name: name.clone(),
                chart: chart.metadata.name.clone(),
                source: Box::new(source),
            })?;
            chart.subcharts.push(subchart);
        }
        Ok(chart)
    }

    /// The dependencies that `charts/` does not hold: each one's name and the repository it would come from.
    pub fn missing(&self) -> Vec<(&str, &str)> {
        let missing = Instance::missing(self);
        let named = self.metadata.dependencies.iter().flatten();
        named
            .filter(|dependency| missing.contains(&dependency.name.as_str()))
            .map(|dependency| (dependency.name.as_str(), dependency.repository.as_str()))
            .collect()
    }

    /// Puts a chart under `charts/`, as if it had been there.
    ///
    /// # Errors
    /// If the chart's own description names no such dependency, or not of this version.
    pub fn add_dependency(&mut self, subchart: Self) -> Result<(), ChartError> {
        let (name, version) = (subchart.name(), subchart.version());
        let mut named = self.metadata.dependencies.iter().flatten();
        let fits =
            |dependency: &Dependency| dependency.name == name && is_compatible(&dependency.version, version);
        if !named.any(fits) {
            return Err(ChartError::Invalid(format!(
                "{} does not depend on {name} {version}",
                self.name()
            )));
        }
        self.subcharts.push(subchart);
        Ok(())
    }

    /// The chart's name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The chart's version.
    pub fn version(&self) -> &str {
        &self.metadata.version
    }

    /// The version of the application in it, if the chart says one.
    pub fn app_version(&self) -> Option<&str> {
        Some(self.metadata.app_version.as_str()).filter(|version| !version.is_empty())
    }

    /// What the chart says of itself in one line; empty if it says nothing.
    pub fn description(&self) -> &str {
        &self.metadata.description
    }

    /// `sha256:` and the digest of all files with their paths, in the order of the paths.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The default values.
    pub fn values(&self) -> &Map<String, Json> {
        &self.values
    }

    /// Where a template of this chart, or of one below it, names the function called `name`: the file and the line.
    /// Text that only becomes a template while it is rendered is not looked at.
    pub fn line_of_call(&self, name: &str) -> Option<(String, usize)> {
        let own = self.templates.iter().find_map(|template| {
            let line = template.parsed.as_ref().ok()?.line_of_call(name)?;
            Some((template.path.clone(), line))
        });
        own.or_else(|| {
            self.subcharts.iter().find_map(|inner| {
                let (path, line) = inner.line_of_call(name)?;
                Some((format!("charts/{}/{path}", inner.name()), line))
            })
        })
    }

    /// The bytes of `values.schema.json`, if the chart has one.
    pub fn schema(&self) -> Option<&[u8]> {
        self.schema.as_ref().map(|schema| &*schema.bytes)
    }
}

/// What follows the last dot of a name.
fn extension(path: &str) -> Option<&str> {
    Path::new(path).extension()?.to_str()
}

/// Reads values: several documents are merged, the later over the earlier.
pub(crate) fn read_values(data: &[u8], file: &str) -> Result<Map<String, Json>, ChartError> {
    let text = String::from_utf8_lossy(data);
    let documents = yaml::parse_all(&text).map_err(|source| ChartError::Yaml {
        file: file.to_owned(),
        source,
    })?;
    let mut values = Map::new();
    for document in documents {
        let line = document.line();
        let Json::Object(members) = document.value else {
            let position = Some(yaml::Position { line, column: 1 });
            let message = "values must be a mapping".to_owned();
            return Err(ChartError::Yaml {
                file: file.to_owned(),
                source: yaml::Error { message, position },
            });
        };
        merge_maps(&mut values, members);
    }
    Ok(values)
}

/// A lock says what was fetched when; only that it can be read matters here.
fn read_lock(data: &[u8], file: &str) -> Result<(), ChartError> {
    yaml::parse(&String::from_utf8_lossy(data))
        .map(drop)
        .map_err(|source| ChartError::Yaml {
            file: file.to_owned(),
            source,
        })
}

fn digest_of(files: &BTreeMap<String, Arc<[u8]>>) -> String {
    let mut digest = Sha256::new();
    for (path, data) in files {
        // Lengths keep one file's end from being read as another's start.
        digest.update((path.len() as u64).to_be_bytes());
        digest.update(path.as_bytes());
        digest.update((data.len() as u64).to_be_bytes());
        digest.update(data);
    }
    let mut text = String::from("sha256:");
    text.push_str(&crate::functions::hex(&digest.finalize()));
    text
}
