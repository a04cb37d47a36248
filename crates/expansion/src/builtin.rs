//! What ships inside the binary: golden paths, guardrails, scaffolds.

use std::sync::{Arc, OnceLock};

use api::WorkloadKind;
use guardrails::Policies;
use rust_embed::RustEmbed;

use crate::{ExpandError, GoldenPath};

#[derive(RustEmbed)]
#[folder = "../../golden-paths"]
#[exclude = "*/charts/*"]
#[exclude = "*/Chart.lock"]
struct GoldenPathFiles;

#[derive(RustEmbed)]
#[folder = "../../policies"]
#[include = "*.yaml"]
#[exclude = "tests/*"]
struct PolicyFiles;

#[derive(RustEmbed)]
#[folder = "../../scaffolds"]
struct ScaffoldFiles;

/// The golden path of services when an Application names none.
pub const DEFAULT_GOLDEN_PATH: &str = "base-service";

/// The golden paths that ship with the platform, by name.
pub const GOLDEN_PATHS: [&str; 7] = [
    DEFAULT_GOLDEN_PATH,
    "cron-job",
    "postgres",
    "redis",
    "static-site",
    "team",
    "worker",
];

/// The golden paths among them that services can follow.
pub const SERVICE_PATHS: [&str; 4] = [DEFAULT_GOLDEN_PATH, "cron-job", "static-site", "worker"];

/// What runs on a golden path that ships with the platform.
pub fn workload_kind(name: &str) -> WorkloadKind {
    match name {
        "cron-job" => WorkloadKind::CronJob,
        "static-site" => WorkloadKind::StaticSite,
        "worker" => WorkloadKind::Worker,
        _ => WorkloadKind::Service,
    }
}

/// A golden path that ships with the platform, parsed once in the life of the process.
pub fn golden_path(name: &str) -> Result<Arc<GoldenPath>, ExpandError> {
    static PATHS: [OnceLock<Arc<GoldenPath>>; GOLDEN_PATHS.len()] =
        [const { OnceLock::new() }; GOLDEN_PATHS.len()];
    let unknown = || ExpandError::Unknown {
        what: "golden path",
        name: name.to_owned(),
        known: GOLDEN_PATHS.iter().map(|n| (*n).to_owned()).collect(),
    };
    let index = GOLDEN_PATHS.iter().position(|n| *n == name).ok_or_else(unknown)?;
    if let Some(path) = PATHS[index].get() {
        return Ok(Arc::clone(path));
    }
    let chart = chart::Chart::from_files(chart_files(name)).map_err(|source| ExpandError::Render {
        path: name.to_owned(),
        what: "its own files".to_owned(),
        source,
    })?;
    Ok(Arc::clone(
        PATHS[index].get_or_init(|| Arc::new(GoldenPath::shipped(chart))),
    ))
}

/// The version of a golden path that ships and what it is for, without loading its chart.
pub(crate) fn version_and_description(name: &str) -> Result<(String, String), ExpandError> {
    let broken = |source| ExpandError::Render {
        path: name.to_owned(),
        what: "its own files".to_owned(),
        source,
    };
    let missing = || {
        broken(chart::ChartError::Invalid(
            "Chart.yaml file is missing".to_owned(),
        ))
    };
    let file = GoldenPathFiles::get(&format!("{name}/Chart.yaml")).ok_or_else(missing)?;
    let described = yaml::parse(&String::from_utf8_lossy(&file.data)).map_err(|source| {
        broken(chart::ChartError::Yaml {
            file: "Chart.yaml".to_owned(),
            source,
        })
    })?;
    let text = |field: &str| described.value[field].as_str().unwrap_or_default().to_owned();
    Ok((text("version"), text("description")))
}

/// The files of a golden path, with the charts beside it that it depends on (`file://../<name>`) where
/// `helm dependency build` would put them: under `charts/<name>/`.
fn chart_files(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = files_below::<GoldenPathFiles>(name).collect();
    let neighbours: Vec<String> = files
        .iter()
        .filter(|(path, _)| path == "Chart.yaml")
        .flat_map(|(_, text)| neighbours(&String::from_utf8_lossy(text)))
        .collect();
    for neighbour in neighbours {
        let inner = files_below::<GoldenPathFiles>(&neighbour);
        files.extend(inner.map(|(path, data)| (format!("charts/{neighbour}/{path}"), data)));
    }
    files
}

/// The charts beside it that a Chart.yaml depends on. What else it depends on, the chart engine finds missing.
fn neighbours(description: &str) -> Vec<String> {
    let dependencies = yaml::parse(description).map(|document| document.value["dependencies"].clone());
    dependencies
        .ok()
        .as_ref()
        .and_then(serde_json::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|dependency| dependency["repository"].as_str()?.strip_prefix("file://../"))
        .map(str::to_owned)
        .collect()
}

/// The guardrails that ship with the platform, as (file name, text).
pub fn policies() -> Vec<(String, String)> {
    PolicyFiles::iter()
        .filter_map(|path| {
            let file = PolicyFiles::get(&path)?;
            Some((
                path.into_owned(),
                String::from_utf8_lossy(&file.data).into_owned(),
            ))
        })
        .collect()
}

/// The guardrails that ship with the platform, loaded.
pub fn guardrails() -> Result<Policies, ExpandError> {
    load(
        policies()
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str())),
    )
}

/// Loads guardrails from texts, each with the name of its file. All must be in order.
pub fn load<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Policies, ExpandError> {
    let mut all = Policies::default();
    for (name, text) in texts {
        let broken = |why: String| ExpandError::Guardrails { why };
        let documents = yaml::parse_all(text).map_err(|error| broken(format!("{name}: {error}")))?;
        all.merge(Policies::load(name, &documents).map_err(|error| broken(error.to_string()))?);
    }
    Ok(all)
}

/// The files of the scaffold for a language, as (path inside the scaffold, content).
pub fn scaffold(language: &str) -> Result<Vec<(String, Vec<u8>)>, ExpandError> {
    let files: Vec<_> = files_below::<ScaffoldFiles>(language).collect();
    if files.is_empty() {
        return Err(ExpandError::Unknown {
            what: "scaffold",
            name: language.to_owned(),
            known: api::LANGUAGES.iter().map(|l| (*l).to_owned()).collect(),
        });
    }
    Ok(files)
}

fn files_below<E: RustEmbed>(folder: &str) -> impl Iterator<Item = (String, Vec<u8>)> + use<E> {
    let prefix = format!("{folder}/");
    E::iter().filter_map(move |path| {
        let inner = path.strip_prefix(&prefix)?.to_owned();
        let file = E::get(&path)?;
        Some((inner, file.data.into_owned()))
    })
}

#[cfg(test)]
mod tests;
