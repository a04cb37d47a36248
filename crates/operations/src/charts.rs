//! Helm charts as they are, without the platform around them: render one, look at its values, check it.
//!
//! The engine is the crate `chart`; here is what it must not do: read values files, look for a chart, fetch one, ask
//! a cluster, write into a folder.

mod fetch;
mod lint;
mod template;
mod validate;
mod values;

use std::path::{Path, PathBuf};

use chart::{Chart, ChartError, ChartFiles, ValuesSchema};
use hyper::body::Bytes;

use crate::error::{ExitCode, OperationError};

pub use fetch::{Credentials, Remote, fetch_chart};
pub use lint::{LintRequest, Linted, lint_chart};
pub use template::{TemplateRequest, Templated, template_chart};
pub use validate::{ObjectFinding, check_in_cluster, check_offline};
pub use values::{ChartValues, chart_values};

/// How a packed chart begins.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Which chart is meant.
#[derive(Clone, Debug, Default)]
pub struct ChartReference {
    /// A folder or a packed file; where it was fetched from, if it was.
    pub place: String,
    /// The packed chart, if it was fetched.
    pub fetched: Option<Bytes>,
    /// Dependencies with a `file://` repository that `charts/` does not hold are taken from there.
    pub neighbours: bool,
}

/// The files of the chart that is meant.
pub fn find_chart(reference: &ChartReference) -> Result<ChartFiles, OperationError> {
    if let Some(data) = &reference.fetched {
        if !data.starts_with(&GZIP) {
            return Err(OperationError::Fetch {
                place: reference.place.clone(),
                why: "what came is not a packed chart".to_owned(),
                hint: Some(
                    "is it the address of a .tgz? --repo URL takes that of a chart repository".to_owned(),
                ),
                exit: ExitCode::Failed,
            });
        }
        return ChartFiles::from_package(data).map_err(failed(reference));
    }
    let path = Path::new(&reference.place);
    if !path.exists() {
        return Err(OperationError::NotFound {
            what: "chart",
            name: reference.place.clone(),
            place: None,
            hint: Some(
                "name a folder that holds a Chart.yaml, or a .tgz that helm package made; elsewhere is NAME --repo URL, \
                 oci://… or https://…"
                    .to_owned(),
            ),
        });
    }
    ChartFiles::open(path).map_err(failed(reference))
}

/// The chart made of its files.
fn load(reference: &ChartReference) -> Result<Chart, OperationError> {
    let mut chart = Chart::new(&find_chart(reference)?).map_err(failed(reference))?;
    let place = Path::new(&reference.place);
    if reference.neighbours && reference.fetched.is_none() && place.is_dir() {
        add_neighbours(&mut chart, place, 0).map_err(failed(reference))?;
    }
    Ok(chart)
}

/// Completes a chart with dependencies that lie beside it, and those with theirs.
fn add_neighbours(chart: &mut Chart, place: &Path, depth: usize) -> Result<(), ChartError> {
    /// How far charts may lead to others.
    const MAX_DEPTH: usize = 16;
    if depth > MAX_DEPTH {
        return Err(ChartError::Invalid(format!(
            "its dependencies lead to each other more than {MAX_DEPTH} times"
        )));
    }
    let beside: Vec<PathBuf> = chart
        .missing()
        .iter()
        .filter_map(|(_, repository)| repository.strip_prefix("file://"))
        .map(|path| place.join(path))
        .collect();
    for path in beside {
        let mut neighbour = Chart::open(&path)?;
        add_neighbours(&mut neighbour, &path, depth + 1)?;
        chart.add_dependency(neighbour)?;
    }
    Ok(())
}

/// The `values.yaml` of a chart as it is, comments and all.
pub fn default_values(reference: &ChartReference) -> Result<String, OperationError> {
    let files = find_chart(reference)?;
    // What cannot be loaded is no chart.
    Chart::new(&files).map_err(failed(reference))?;
    let data = files.get("values.yaml").unwrap_or_default();
    Ok(String::from_utf8_lossy(data).into_owned())
}

/// The schema of a chart's values: its own, or an inferred one.
pub fn chart_schema(reference: &ChartReference) -> Result<ValuesSchema, OperationError> {
    ValuesSchema::of(&find_chart(reference)?).map_err(failed(reference))
}

/// For `map_err` on what a chart does.
fn failed(reference: &ChartReference) -> impl FnOnce(ChartError) -> OperationError {
    let chart = reference.place.clone();
    |source| OperationError::Chart {
        chart,
        source: Box::new(source),
    }
}

/// What to do about a chart's error, where there is something to say.
pub(crate) fn hint(error: &ChartError) -> Option<String> {
    let hint = match error {
        ChartError::Set { .. } => {
            "--set takes NAME=VALUE,NAME.INNER=VALUE,LIST[0]=VALUE,LIST={A,B}; \\ before a comma keeps it"
        }
        ChartError::Schema { .. } => {
            "platform chart schema CHART shows what is allowed; --skip-schema-validation renders all the same"
        }
        ChartError::KubeVersion { .. } => "--kube-version says which version of Kubernetes it is for",
        ChartError::NoTemplate(_) => {
            "name it by its path in the chart, such as templates/deployment.yaml; one that prints nothing is not there"
        }
        ChartError::Invalid(why) if why.contains("missing in charts/") => {
            "helm dependency build CHART fetches what it needs; --dependency-update takes what lies beside the chart"
        }
        ChartError::Invalid(why) if why.contains("gzipped archive") => {
            "a chart is a folder or a .tgz; values files go with -f"
        }
        ChartError::Invalid(why) if why.contains("symbolic link") => {
            "put the file itself into the chart: nothing outside of a chart is read"
        }
        ChartError::Subchart { source, .. } => return hint(source),
        _ => return None,
    };
    Some(hint.to_owned())
}
