//! Rendering: a chart, values, a release and what the cluster can do become objects.

mod print;

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::budget::Limits;
use crate::chart::Chart;
use crate::dependencies::Instance;
use crate::error::ChartError;
use crate::manifest::{self, Manifest};
use crate::object::CapabilitySet;
use crate::schema;
use crate::set::Values;
use crate::values::coalesce_values;
use crate::version::is_compatible;
pub(crate) use print::print_templates;
use print::{Print, Printed};

/// What a chart is rendered as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// The namespace it goes to.
    pub namespace: String,
    /// How many times it was rendered for this release, from 1.
    pub revision: u32,
    /// It replaces an earlier one.
    pub is_upgrade: bool,
    /// Who renders, as templates see it; charts expect `Helm`.
    pub service: String,
}

impl Default for Release {
    fn default() -> Self {
        Self {
            name: "release-name".to_owned(),
            namespace: "default".to_owned(),
            revision: 1,
            is_upgrade: false,
            service: "Helm".to_owned(),
        }
    }
}

/// What the cluster can do, as `.Capabilities` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The version of Kubernetes, such as `v1.36.3`.
    pub kube_version: String,
    /// The API versions it serves, as `group/version` and, if wanted, `group/version/Kind`.
    pub api_versions: Vec<String>,
}

impl Default for Capabilities {
    /// Kubernetes 1.36 with the API versions it brings along.
    fn default() -> Self {
        Self {
            kube_version: "v1.36.3".to_owned(),
            api_versions: crate::builtin::API_VERSIONS
                .iter()
                .map(|version| (*version).to_owned())
                .collect(),
        }
    }
}

/// Everything about the world that a chart could ask for. Two renders with the same surroundings are the
/// same; whoever wants real time and fresh secrets passes them in.
#[derive(Debug, Clone, Copy, Default)]
pub struct Surroundings {
    /// The time, in nanoseconds since 1970.
    pub now: i128,
    /// Where random values come from. It must be secret if what is drawn from it shall be.
    pub seed: [u8; 32],
    /// What the render may cost.
    pub limits: Limits,
}

/// An object that a chart printed.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderedObject {
    /// The template it came from, as `chart/templates/deployment.yaml`.
    pub source: String,
    /// The line of that template's output on which it starts, from 1.
    pub line: usize,
    /// The object.
    pub value: Json,
}

/// What comes out of a chart.
#[derive(Debug, Clone)]
pub struct Rendered {
    /// The objects in the order of installation.
    pub objects: Vec<RenderedObject>,
    /// The objects that Helm runs around an installation, in the same order.
    pub hooks: Vec<RenderedObject>,
    /// What `NOTES.txt` says to who installs the chart.
    pub notes: Option<String>,
    pub(crate) manifests: Vec<Manifest>,
    pub(crate) hook_manifests: Vec<Manifest>,
    /// The files of the `crds` folders as they are: source and text.
    pub(crate) crd_files: Vec<(String, Arc<str>)>,
}

/// Renders a chart as `helm template` does, at the time 0 and with random values drawn from nothing, so that
/// the same input always gives the same output.
///
/// # Errors
/// Everything that is wrong with the values, the chart or its output; a chart that would not come to an end
/// is stopped.
pub fn render(
    chart: &Chart,
    values: &Json,
    release: &Release,
    capabilities: &Capabilities,
) -> Result<Rendered, ChartError> {
    render_in(chart, values, release, capabilities, &Surroundings::default())
}

/// Renders a chart at a time and with random values of the caller's.
pub fn render_in(
    chart: &Chart,
    values: &Json,
    release: &Release,
    capabilities: &Capabilities,
    surroundings: &Surroundings,
) -> Result<Rendered, ChartError> {
    let none = Map::new();
    let values = match values {
        Json::Null => &none,
        Json::Object(values) => values,
        _ => return Err(ChartError::Values("values must be a mapping".to_owned())),
    };
    check(chart, capabilities)?;
    let print = Print {
        chart,
        values,
        whole: None,
        checked: true,
        release,
        capabilities,
        surroundings,
    };
    sorted(print.run()?)
}

/// Renders a chart with values that know more than data does: which numbers are integers, and whether they are to
/// be checked against the chart's schema.
pub fn render_values(
    chart: &Chart,
    values: &Values,
    release: &Release,
    capabilities: &Capabilities,
    surroundings: &Surroundings,
) -> Result<Rendered, ChartError> {
    check(chart, capabilities)?;
    sorted(print_templates(
        chart,
        values,
        release,
        capabilities,
        surroundings,
    )?)
}

/// All values that a chart and those below it would be rendered with: what is given over what they come with.
pub fn values_of(chart: &Chart, values: &Values) -> Result<Map<String, Json>, ChartError> {
    let given = values.to_json();
    let root = Instance::resolve(chart, &given).map_err(ChartError::Values)?;
    let all = coalesce_values(&root, &given).map_err(ChartError::Values)?;
    if !values.are_unchecked() {
        schema::validate(&root, &all)?;
    }
    Ok(all)
}

/// Makes objects of what was printed, in the order of installation.
fn sorted(printed: Printed) -> Result<Rendered, ChartError> {
    let (mut manifests, hook_manifests) = manifest::sort(&printed.files)?;
    let hooks = hook_manifests
        .iter()
        .filter_map(|hook| Some(object(hook, hook.value.clone()?)));
    Ok(Rendered {
        objects: objects(&mut manifests),
        hooks: hooks.collect(),
        crd_files: printed.crd_files,
        notes: printed.notes,
        manifests,
        hook_manifests,
    })
}

/// What must hold before a chart is rendered at all.
fn check(chart: &Chart, capabilities: &Capabilities) -> Result<(), ChartError> {
    if chart.metadata.is_library() {
        return Err(ChartError::Invalid(
            "library charts are not installable".to_owned(),
        ));
    }
    if !matches!(chart.metadata.api_version.as_str(), "v1" | "v2") {
        return Err(ChartError::Invalid("invalid chart apiVersion".to_owned()));
    }
    let missing = Instance::missing(chart);
    if !missing.is_empty() {
        return Err(ChartError::Invalid(format!(
            "found in Chart.yaml, but missing in charts/ directory: {}",
            missing.join(", ")
        )));
    }
    let wanted = &chart.metadata.kube_version;
    if !wanted.is_empty() {
        let set = capability_set(capabilities);
        if !is_compatible(wanted, &set.normalized) {
            return Err(ChartError::KubeVersion {
                wanted: wanted.clone(),
                found: set.version,
            });
        }
    }
    Ok(())
}

impl Rendered {
    /// The objects of the `crds` folders, which are not templates: read when they are asked for, because they are
    /// often large.
    ///
    /// # Errors
    /// If one of the files cannot be read.
    pub fn crds(&self) -> Result<Vec<RenderedObject>, ChartError> {
        let mut found = Vec::new();
        for (source, text) in &self.crd_files {
            for (line, content) in manifest::split(text) {
                found.extend(objects(&mut [manifest::read(source, line, content)?]));
            }
        }
        Ok(found)
    }
}

fn object(manifest: &Manifest, value: Json) -> RenderedObject {
    RenderedObject {
        source: manifest.source.clone(),
        line: manifest.line,
        value,
    }
}

/// The objects of manifests, which keep their text only.
fn objects(manifests: &mut [Manifest]) -> Vec<RenderedObject> {
    let taken = manifests.iter_mut().filter_map(|manifest| {
        let value = manifest.value.take()?;
        Some(object(manifest, value))
    });
    taken.collect()
}

fn capability_set(capabilities: &Capabilities) -> CapabilitySet {
    let bare = capabilities.kube_version.trim_start_matches('v');
    let numbers: Vec<&str> = bare
        .split(['-', '+'])
        .next()
        .unwrap_or_default()
        .split('.')
        .map(|part| part.trim_end_matches(|c: char| !c.is_ascii_digit()))
        .collect();
    let number = |index: usize| {
        numbers
            .get(index)
            .filter(|part| !part.is_empty())
            .copied()
            .unwrap_or("0")
    };
    CapabilitySet {
        version: format!("v{bare}"),
        normalized: format!("v{}.{}.{}", number(0), number(1), number(2)),
        major: number(0).to_owned(),
        minor: number(1).to_owned(),
        api_versions: capabilities.api_versions.clone(),
    }
}
