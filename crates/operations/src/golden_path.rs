//! Golden paths as people look at them: those that ship with the platform and those that Git adds, their versions, and
//! which services follow them.

use std::collections::BTreeMap;

use api::{GoldenPath, Kind, WorkloadKind};
use delivery::layout::platform_file;
use serde::Serialize;

use crate::catalog::Catalog;
use crate::error::{OperationError, nearest};

/// The shipped charts that no service follows: of claims and of teams.
const INNER: [&str; 3] = ["postgres", "redis", "team"];

/// One golden path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GoldenPathView {
    /// Its name.
    pub name: String,
    /// What it is for, in a line.
    pub description: String,
    /// What runs on it: `service`, `worker`, `cron-job`, `static-site`.
    pub kind: &'static str,
    /// The languages it is for; all when empty.
    pub languages: Vec<String>,
    /// Whether services follow it that name no path.
    pub default: bool,
    /// Why nobody should begin with it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<String>,
    /// Its versions, newest first.
    pub versions: Vec<VersionView>,
    /// Its file in the infrastructure repository, where Git knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The services that follow it, as Git says.
    pub services: Vec<Follower>,
}

/// One version of a golden path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionView {
    /// The chart's version.
    pub version: String,
    /// The digest of the chart, `sha256:…`, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where the chart is: `shipped` or a folder of the repository.
    pub chart: String,
}

/// A service that follows a golden path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Follower {
    /// Its name.
    pub name: String,
    /// `team/environment`.
    pub place: String,
    /// The version it is pinned to; the newest where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// All golden paths that services can follow, by name.
pub fn list_golden_paths(catalog: &Catalog) -> Result<Vec<GoldenPathView>, OperationError> {
    let mut views = BTreeMap::new();
    for name in expansion::builtin::GOLDEN_PATHS {
        if !INNER.contains(&name) {
            views.insert(name.to_owned(), shipped(name)?);
        }
    }
    for name in catalog.golden_paths() {
        if let Some(resource) = catalog.golden_path(&name)? {
            let before = views.remove(&name);
            views.insert(name.clone(), from_git(&name, resource, before.as_ref())?);
        }
    }
    // Git may say which is the default.
    if views.values().any(|view| view.default && view.path.is_some()) {
        for view in views.values_mut().filter(|view| view.path.is_none()) {
            view.default = false;
        }
    }
    let default = views
        .values()
        .find(|view| view.default)
        .map(|view| view.name.clone());
    for (name, follower) in followers(catalog) {
        let name = name.or_else(|| default.clone()).unwrap_or_default();
        if let Some(view) = views.get_mut(&name) {
            view.services.push(follower);
        }
    }
    Ok(views.into_values().collect())
}

/// One golden path.
pub fn get_golden_path(catalog: &Catalog, name: &str) -> Result<GoldenPathView, OperationError> {
    let all = list_golden_paths(catalog)?;
    let names: Vec<String> = all.iter().map(|path| path.name.clone()).collect();
    all.into_iter()
        .find(|path| path.name == name)
        .ok_or_else(|| missing(name, &names))
}

/// There is no such golden path; those there are, or the one that was meant.
pub(crate) fn missing(name: &str, names: &[String]) -> OperationError {
    OperationError::NotFound {
        what: "golden path",
        name: name.chars().filter(|c| !c.is_control()).take(80).collect(),
        place: None,
        hint: Some(match nearest(name, names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("there is {}", names.join(", ")),
        }),
    }
}

fn shipped(name: &str) -> Result<GoldenPathView, OperationError> {
    let path = expansion::builtin::golden_path(name)?;
    Ok(GoldenPathView {
        name: name.to_owned(),
        description: path.description().to_owned(),
        kind: match name {
            "worker" => WorkloadKind::Worker,
            "cron-job" => WorkloadKind::CronJob,
            "static-site" => WorkloadKind::StaticSite,
            _ => WorkloadKind::Service,
        }
        .as_str(),
        languages: Vec::new(),
        default: name == expansion::builtin::DEFAULT_GOLDEN_PATH,
        deprecated: None,
        versions: vec![VersionView {
            version: path.version().to_owned(),
            digest: Some(path.digest().to_owned()),
            chart: "shipped".to_owned(),
        }],
        path: None,
        services: Vec::new(),
    })
}

/// What Git says of a golden path; what it leaves out is as it ships.
fn from_git(
    name: &str,
    resource: GoldenPath,
    before: Option<&GoldenPathView>,
) -> Result<GoldenPathView, OperationError> {
    let spec = resource.spec;
    let mut versions: Vec<VersionView> = spec
        .versions
        .into_iter()
        .map(|version| VersionView {
            version: version.version,
            digest: version.digest,
            chart: match (version.chart.embedded, version.chart.directory) {
                (Some(_), _) => "shipped".to_owned(),
                (None, Some(directory)) => directory,
                (None, None) => "in the file".to_owned(),
            },
        })
        .collect();
    // In the file they stand in the order in which they came.
    versions.reverse();
    Ok(GoldenPathView {
        description: spec
            .description
            .or_else(|| before.map(|view| view.description.clone()))
            .unwrap_or_default(),
        kind: match spec.kind {
            Some(kind) => kind.as_str(),
            None => before.map_or(WorkloadKind::Service.as_str(), |view| view.kind),
        },
        languages: spec.languages,
        default: spec.default,
        deprecated: spec.deprecated.map(|deprecation| {
            let successor = deprecation.successor.map(|name| format!("use {name}"));
            let words: Vec<String> = deprecation.reason.into_iter().chain(successor).collect();
            if words.is_empty() {
                "deprecated".to_owned()
            } else {
                words.join("; ")
            }
        }),
        versions,
        path: Some(platform_file(Kind::GoldenPath, name)?.to_string()),
        services: Vec::new(),
        name: name.to_owned(),
    })
}

/// Which service follows which path. A file that cannot be read follows none; `check` says why.
fn followers(catalog: &Catalog) -> Vec<(Option<String>, Follower)> {
    let read = catalog.service_paths().filter_map(|(path, place, name)| {
        let service = catalog.service(path, place.clone()).ok()?;
        let reference = service.application.spec.golden_path;
        let follower = Follower {
            name: name.to_owned(),
            place: place.describe(),
            version: reference.as_ref().and_then(|path| path.version.clone()),
        };
        Some((reference.map(|path| path.name), follower))
    });
    read.collect()
}
