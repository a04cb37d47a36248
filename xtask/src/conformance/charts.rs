//! Which charts and which values there are: folders with a `Chart.yaml` that are nobody's subchart, and the values
//! their authors keep for tests and as examples.

use super::{suites, variants};
use crate::failure::{Doing, Result, fail};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Folders of a chart in which authors keep values files.
const FOLDERS: [&str; 8] = [
    "ci",
    "example",
    "examples",
    "example-values",
    "values",
    "test",
    "tests",
    "test-values",
];
/// How many values files of one chart are taken.
const MAX_VALUES: usize = 40;
/// How deep charts may lie below the folder.
const MAX_DEPTH: usize = 12;

/// A chart and the values it is rendered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Case {
    /// Its folder below the folder of all charts, with `/`.
    pub(crate) chart: String,
    /// The defaults come first.
    pub(crate) values: Vec<Values>,
}

/// What a chart is rendered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Values {
    Defaults,
    /// A path in the chart.
    File(String),
    /// Values that stand in no file of their own.
    Made {
        name: String,
        values: Value,
    },
}

impl Values {
    /// How the case is called.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Defaults => "defaults",
            Self::File(name) | Self::Made { name, .. } => name,
        }
    }
}

/// All that is to be rendered.
#[derive(Debug)]
pub(crate) struct Cases {
    pub(crate) charts: Vec<Case>,
    /// How many charts of the list are not there.
    pub(crate) absent: usize,
}

impl Cases {
    /// Finds the charts below a folder: all of them, or those of a list.
    pub(crate) fn find(
        folder: &Path,
        listed: Option<&Listed>,
        only: &[&str],
        limit: Option<usize>,
        with_variants: bool,
    ) -> Result<Self> {
        let mut found = BTreeSet::new();
        walk(folder, "", 0, &mut found)?;
        let mut absent = 0;
        if let Some(listed) = listed {
            absent = listed.0.iter().filter(|chart| !found.contains(*chart)).count();
            found.retain(|chart| listed.0.contains(chart));
        }
        let wanted = |chart: &String| only.is_empty() || only.iter().any(|part| chart.contains(part));
        let charts = found
            .into_iter()
            .filter(wanted)
            .take(limit.unwrap_or(usize::MAX))
            .map(|chart| {
                let path = folder.join(&chart);
                let mut values = vec![Values::Defaults];
                values.extend(values_files(&path).into_iter().map(Values::File));
                values.extend(suites::values(&path));
                if with_variants {
                    values.extend(variants::values(&path));
                }
                Case { chart, values }
            })
            .collect();
        Ok(Self { charts, absent })
    }
}

/// Collects folders with a `Chart.yaml`; what lies in such a folder is part of that chart.
fn walk(root: &Path, inner: &str, depth: usize, found: &mut BTreeSet<String>) -> Result<()> {
    let folder = root.join(inner);
    if folder.join("Chart.yaml").is_file() && !inner.is_empty() {
        found.insert(inner.to_owned());
    }
    if depth == MAX_DEPTH {
        return Ok(());
    }
    let is_chart = found.contains(inner);
    for (name, is_folder) in entries(&folder)? {
        if is_folder && !(is_chart && matches!(name.as_str(), "charts" | "templates")) {
            let below = if inner.is_empty() {
                name
            } else {
                format!("{inner}/{name}")
            };
            walk(root, &below, depth + 1, found)?;
        }
    }
    Ok(())
}

/// The names in a folder, in order, and whether each is a folder; links are left out.
pub(crate) fn entries(folder: &Path) -> Result<Vec<(String, bool)>> {
    let doing = || format!("read {}", folder.display());
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).doing(doing)? {
        let entry = entry.doing(doing)?;
        let kind = entry.file_type().doing(doing)?;
        if let (Some(name), false) = (entry.file_name().to_str(), kind.is_symlink()) {
            names.push((name.to_owned(), kind.is_dir()));
        }
    }
    names.sort();
    Ok(names)
}

fn values_files(chart: &Path) -> Vec<String> {
    let mut files = Vec::new();
    let mut take = |prefix: &str, everything: bool| {
        for (name, is_folder) in entries(&chart.join(prefix)).unwrap_or_default() {
            let path = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}/{name}")
            };
            let is_values = if everything {
                is_yaml(&name)
            } else {
                is_values_name(&name)
            };
            if !is_folder && is_values && !is_object(&chart.join(&path)) {
                files.push(path);
            }
        }
    };
    take("ci", false);
    take("", false);
    for folder in FOLDERS.iter().skip(1) {
        take(folder, *folder != "tests" && *folder != "test");
    }
    files.truncate(MAX_VALUES);
    files
}

pub(super) fn is_yaml(name: &str) -> bool {
    let extension = Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str());
    matches!(extension, Some("yaml" | "yml"))
}

/// Names such as `ha-values.yaml`, `values-ha.yaml`, `values.ha.yaml`; not the defaults themselves.
fn is_values_name(name: &str) -> bool {
    let bare = name.trim_end_matches(".yaml").trim_end_matches(".yml");
    is_yaml(name) && bare != "values" && (bare.contains("values") || bare.contains("Values"))
}

/// Whether a file holds a Kubernetes object or a test suite rather than values.
fn is_object(path: &Path) -> bool {
    let text = fs::read_to_string(path).unwrap_or_default();
    let has = |key: &str| text.lines().any(|line| line.starts_with(key));
    (has("apiVersion:") && has("kind:")) || (has("suite:") && has("tests:"))
}

/// The charts of a list: a line each, `owner/repository commit path`.
#[derive(Debug)]
pub(crate) struct Listed(BTreeSet<String>);

impl Listed {
    /// Reads the list; empty lines and lines that start with `#` say nothing.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).doing(|| format!("read {}", path.display()))?;
        let mut charts = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            match line.split_whitespace().collect::<Vec<_>>().as_slice() {
                [repository, _commit, "."] => charts.insert((*repository).to_owned()),
                [repository, _commit, path] => charts.insert(format!("{repository}/{path}")),
                _ => fail!(
                    "line {} of {} is not `repository commit path`",
                    number + 1,
                    path.display()
                ),
            };
        }
        Ok(Self(charts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_and_their_values_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("o/r/web/Chart.yaml", "name: web\n");
        write("o/r/web/values.yaml", "a: 1\n");
        write("o/r/web/values-ha.yaml", "a: 2\n");
        write("o/r/web/ci/more-values.yaml", "a: 3\n");
        write("o/r/web/ci/script.yaml", "a: 3\n");
        write("o/r/web/examples/one.yaml", "a: 4\n");
        write("o/r/web/examples/object.yaml", "apiVersion: v1\nkind: Pod\n");
        write("o/r/web/charts/inner/Chart.yaml", "name: inner\n");
        write("o/r/other/Chart.yaml", "name: other\n");
        write("list", "# none\no/r abc web\no/r abc gone\n");
        let found = Cases::find(folder.path(), None, &[], None, false).unwrap();
        let names: Vec<&str> = found.charts.iter().map(|case| case.chart.as_str()).collect();
        assert_eq!(names, ["o/r/other", "o/r/web"]);
        let listed = Listed::read(&folder.path().join("list")).unwrap();
        let found = Cases::find(folder.path(), Some(&listed), &[], None, false).unwrap();
        assert_eq!((found.charts.len(), found.absent), (1, 1));
        let names: Vec<&str> = found.charts[0].values.iter().map(Values::name).collect();
        assert_eq!(
            names,
            [
                "defaults",
                "ci/more-values.yaml",
                "values-ha.yaml",
                "examples/one.yaml"
            ]
        );
    }
}
