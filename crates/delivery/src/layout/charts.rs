//! The charts of golden paths in the repository: which files belong to one, and how they come into the resource that
//! names their folder. No I/O.

use std::collections::BTreeMap;

use api::GoldenPathSpec;
use serde_json::{Map, Value};

use crate::path::RepoPath;
use crate::snapshot::Snapshot;

/// Where golden paths and their charts lie.
pub const GOLDEN_PATHS: &str = "platform/golden-paths/";
/// What makes a folder a chart.
const DESCRIPTION: &str = "Chart.yaml";

/// Why a chart cannot come into its resource.
pub(super) struct Flaw {
    /// Where in the resource, as a JSON pointer.
    pub pointer: String,
    pub message: String,
    pub hint: String,
}

/// Whether a file lies in a chart: it or a folder above it, below `platform/golden-paths/`, has a Chart.yaml.
pub(super) fn in_chart(snapshot: &Snapshot, path: &RepoPath) -> bool {
    let mut folder = path.as_str();
    while let Some((above, _)) = folder.rsplit_once('/')
        && above.starts_with(GOLDEN_PATHS)
    {
        if holds(snapshot, &format!("{above}/{DESCRIPTION}")) {
            return true;
        }
        folder = above;
    }
    false
}

fn holds(snapshot: &Snapshot, path: &str) -> bool {
    RepoPath::new(path).is_ok_and(|path| snapshot.files.contains_key(&path))
}

/// Fills the files of the folders that a GoldenPath names into it.
pub(super) fn fill(snapshot: &Snapshot, resource: &mut Value) -> Result<(), Flaw> {
    let Some(versions) = resource
        .pointer_mut("/spec/versions")
        .and_then(Value::as_array_mut)
    else {
        return Ok(());
    };
    let mut size = 0;
    for (index, version) in versions.iter_mut().enumerate() {
        let Some(chart) = version.get_mut("chart").and_then(Value::as_object_mut) else {
            continue;
        };
        let Some(directory) = chart.get("directory").and_then(Value::as_str) else {
            continue;
        };
        let pointer = format!("/spec/versions/{index}/chart/directory");
        let flaw = |message: String, hint: &str| Flaw {
            pointer: pointer.clone(),
            message,
            hint: hint.to_owned(),
        };
        if chart.contains_key("files") {
            return Err(flaw(
                "the chart's files are given beside its directory".to_owned(),
                "leave chart.files out: it is filled in from the folder",
            ));
        }
        let directory = directory.trim_end_matches('/').to_owned();
        let files = files_of(snapshot, &directory).map_err(|(message, hint)| flaw(message, hint))?;
        size += encoded(&files);
        if size > GoldenPathSpec::CHARTS_LIMIT {
            let message = format!(
                "the charts of this golden path have more than {} bytes together",
                GoldenPathSpec::CHARTS_LIMIT
            );
            return Err(flaw(
                message,
                "leave out old versions, and files that are not needed",
            ));
        }
        let files: Map<String, Value> = files
            .into_iter()
            .map(|(path, text)| (path, text.into()))
            .collect();
        chart.insert("files".to_owned(), Value::Object(files));
    }
    Ok(())
}

fn encoded(files: &BTreeMap<String, String>) -> usize {
    files
        .iter()
        .map(|(path, text)| path.len() + Value::from(text.as_str()).to_string().len())
        .sum()
}

/// The files of a chart by their paths in it, with the charts beside it that it depends on (`file://../<name>`) where
/// `helm dependency build` puts them: under `charts/<name>/`.
fn files_of(
    snapshot: &Snapshot,
    directory: &str,
) -> Result<BTreeMap<String, String>, (String, &'static str)> {
    let mut files = texts(snapshot, directory)?;
    let neighbours = files
        .get(DESCRIPTION)
        .map(|text| neighbours(text))
        .unwrap_or_default();
    let beside = directory.rsplit_once('/').map_or("", |(above, _)| above);
    for neighbour in neighbours {
        let inside = format!("charts/{neighbour}/");
        if files.keys().any(|path| path.starts_with(&inside)) {
            continue;
        }
        for (path, text) in texts(snapshot, &format!("{beside}/{neighbour}"))? {
            files.insert(format!("{inside}{path}"), text);
        }
    }
    Ok(files)
}

/// The files below a folder that is a chart.
fn texts(snapshot: &Snapshot, directory: &str) -> Result<BTreeMap<String, String>, (String, &'static str)> {
    let inside = format!("{directory}/");
    let below = directory.strip_prefix(GOLDEN_PATHS);
    if below.is_none_or(|rest| rest.split('/').any(|part| matches!(part, "" | "." | ".."))) {
        return Err((
            format!("the folder {directory:?} is not below {GOLDEN_PATHS}"),
            "such as platform/golden-paths/web-api",
        ));
    }
    // A chart with a file left out is another chart.
    if let Some(finding) = snapshot
        .findings
        .iter()
        .find(|finding| finding.file == directory || finding.file.starts_with(&inside))
    {
        return Err((
            format!("the chart is not whole: {finding}"),
            "put plain files into the chart's folder",
        ));
    }
    let mut files = BTreeMap::new();
    for (path, file) in &snapshot.files {
        let Some(inner) = path.as_str().strip_prefix(&inside) else {
            continue;
        };
        let Ok(text) = std::str::from_utf8(&file.contents) else {
            return Err((
                format!("the chart cannot be taken over: {path} is not UTF-8 text"),
                "a golden path holds only text: take the file out of the folder",
            ));
        };
        files.insert(inner.to_owned(), text.to_owned());
    }
    if files.is_empty() {
        return Err((
            format!("there is no folder {directory}"),
            "put the chart there, or correct chart.directory",
        ));
    }
    if !files.contains_key(DESCRIPTION) {
        return Err((
            format!("the folder {directory} is no chart: it has no {DESCRIPTION}"),
            "name the folder that holds the Chart.yaml",
        ));
    }
    Ok(files)
}

/// The charts beside it that a Chart.yaml depends on. Whether it is a good one, whoever reads the chart says.
fn neighbours(description: &str) -> Vec<String> {
    let Ok(document) = yaml::parse(description) else {
        return Vec::new();
    };
    let dependencies = document.value["dependencies"].as_array();
    let named = dependencies
        .into_iter()
        .flatten()
        .filter_map(|dependency| dependency["repository"].as_str()?.strip_prefix("file://../"));
    named
        .map(|name| name.trim_end_matches('/').to_owned())
        .filter(|name| !name.contains('/') && !name.is_empty())
        .collect()
}
