//! The golden paths that Git offers beside those that ship, read as the cluster gets them; and what `check` finds wrong
//! with them.

use api::{GoldenPathSpec, Group, Kind};
use apply::pointer;
use delivery::layout::{self, GOLDEN_PATHS};
use delivery::{RepoPath, Snapshot};
use expansion::{ExpandError, GoldenPaths};

use crate::catalog::{Catalog, typed};
use crate::check::CheckFinding;
use crate::error::OperationError;

/// A GoldenPath resource of the repository.
struct Resource {
    path: RepoPath,
    line: usize,
    name: String,
    spec: Result<GoldenPathSpec, String>,
}

/// What the repository holds of golden paths, with what cannot be read.
struct Offered {
    resources: Vec<Resource>,
    unread: Vec<String>,
}

fn offered(snapshot: &Snapshot, group: &Group) -> Offered {
    let desired = layout::read(&snapshot.below(GOLDEN_PATHS), group);
    let resources: Vec<Resource> = desired
        .objects
        .into_iter()
        .filter(|object| object.value["kind"] == Kind::GoldenPath.as_str())
        .map(|object| Resource {
            name: object.value["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            spec: serde_json::from_value(object.value["spec"].clone()).map_err(|error| error.to_string()),
            path: object.path,
            line: object.line,
        })
        .collect();
    // Of a chart's own files nothing is lost that its resource does not say too.
    let of_resources = desired.findings.iter().filter(|finding| {
        !finding
            .file
            .get(GOLDEN_PATHS.len()..)
            .unwrap_or_default()
            .contains('/')
    });
    let mut unread: Vec<String> = of_resources.map(ToString::to_string).collect();
    for resource in &resources {
        if let Err(why) = &resource.spec {
            unread.push(format!("{}:{}: {why}", resource.path, resource.line));
        }
    }
    Offered { resources, unread }
}

/// The golden paths that there are for the services of a repository.
pub(crate) fn golden_paths(snapshot: &Snapshot, group: &Group) -> Result<GoldenPaths, OperationError> {
    let offered = offered(snapshot, group);
    let resources = offered
        .resources
        .into_iter()
        .filter_map(|resource| Some((resource.name, resource.spec.ok()?)));
    Ok(GoldenPaths::default().replaced(resources, offered.unread)?)
}

/// Everything wrong with the golden paths of a repository that reading it does not say already.
pub(crate) fn check(catalog: &Catalog) -> Result<Vec<CheckFinding>, OperationError> {
    let group = catalog.group();
    let mut found = Vec::new();
    for resource in offered(&catalog.snapshot, group).resources {
        let file = resource.path.as_str();
        let text = catalog.text(&resource.path).unwrap_or_default();
        let documents = yaml::parse_all(&text).unwrap_or_default();
        let Some(document) = documents.iter().find(|document| document.line() == resource.line) else {
            continue;
        };
        if let Err(error) = typed::<api::GoldenPath>(group, Kind::GoldenPath, file, document) {
            found.push(CheckFinding::of(file, &error));
            continue;
        }
        let Ok(spec) = &resource.spec else { continue };
        let line_of = |field: &str| {
            let place = document
                .position(&pointer(field, &document.value))
                .map(|position| position.line);
            Some(place.unwrap_or(resource.line))
        };
        let problems = spec.problems(&resource.name);
        for problem in &problems {
            found.push(CheckFinding {
                line: line_of(&problem.field),
                message: problem.to_string(),
                hint: problem.hint.clone(),
                ..CheckFinding::at(file)
            });
        }
        if !problems.is_empty() {
            continue;
        }
        for (version, error) in catalog.offers()?.flaws(group, &resource.name) {
            let field = match version {
                None => "spec".to_owned(),
                Some(version) => {
                    let index = spec.versions.iter().position(|listed| listed.version == version);
                    format!("spec.versions[{}]", index.unwrap_or_default())
                }
            };
            found.push(CheckFinding {
                line: line_of(&field),
                message: words(&error, spec),
                hint: error.hint(),
                ..CheckFinding::at(file)
            });
        }
    }
    Ok(found)
}

/// What is wrong, in the words of somebody who looks at the repository.
fn words(error: &ExpandError, spec: &GoldenPathSpec) -> String {
    let words = error.explained();
    let folders = spec
        .versions
        .iter()
        .filter_map(|version| version.chart.directory.as_deref());
    match folders.collect::<Vec<_>>()[..] {
        [folder] => format!("{words} (the chart is in {folder})"),
        _ => words,
    }
}
