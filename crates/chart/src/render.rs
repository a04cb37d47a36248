//! Rendering: a chart, values, a release and what the cluster can do become objects.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use serde_json::{Map, Value as Json};

use crate::budget::{Limits, STACK_BELOW};
use crate::chart::Chart;
use crate::dependencies::Instance;
use crate::error::ChartError;
use crate::manifest::{self, Manifest};
use crate::object::{CapabilitySet, Object};
use crate::schema;
use crate::set::{Values, Whole};
use crate::template::{Bound, Engine, Failure, Scope};
use crate::value::{Declared, Dict, Entries, Value};
use crate::values::coalesce_values;
use crate::version::is_compatible;

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
    sorted(print(
        chart,
        values,
        None,
        true,
        release,
        capabilities,
        surroundings,
    )?)
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

/// What the templates of a chart print, before anything is made of it. The chart need not be one that can be
/// installed by itself.
pub(crate) fn print_templates(
    chart: &Chart,
    values: &Values,
    release: &Release,
    capabilities: &Capabilities,
    surroundings: &Surroundings,
) -> Result<Printed, ChartError> {
    let (table, whole) = (values.to_json(), values.whole());
    let checked = !values.are_unchecked();
    print(
        chart,
        &table,
        whole.as_ref(),
        checked,
        release,
        capabilities,
        surroundings,
    )
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

/// What templates have printed.
pub(crate) struct Printed {
    /// The files that are not empty, by template, in the order of their names.
    pub(crate) files: Vec<(String, String)>,
    notes: Option<String>,
    crd_files: Vec<(String, Arc<str>)>,
}

/// Why nothing was printed.
enum Stopped {
    /// The stack does not suffice for how deep templates call each other.
    TooDeep(ChartError),
    Failed(ChartError),
}

impl From<ChartError> for Stopped {
    fn from(error: ChartError) -> Self {
        Self::Failed(error)
    }
}

fn print(
    chart: &Chart,
    values: &Map<String, Json>,
    whole: Option<&Whole>,
    checked: bool,
    release: &Release,
    capabilities: &Capabilities,
    surroundings: &Surroundings,
) -> Result<Printed, ChartError> {
    let limits = surroundings.limits;
    let within = |stack: usize| {
        let surroundings = Surroundings {
            limits: Limits { stack, ..limits },
            ..*surroundings
        };
        print_within(
            chart,
            values,
            whole,
            checked,
            release,
            capabilities,
            &surroundings,
        )
    };
    let printed = match within(limits.stack) {
        // The same again, where there is room: a render is the same each time.
        Err(Stopped::TooDeep(_)) if limits.deep_stack > limits.stack => thread::scope(|scope| {
            let deep = thread::Builder::new()
                .stack_size(limits.deep_stack.saturating_add(STACK_BELOW))
                .spawn_scoped(scope, || within(limits.deep_stack));
            match deep {
                Ok(deep) => deep.join().unwrap_or_else(|panic| resume_unwind(panic)),
                Err(source) => Err(Stopped::Failed(ChartError::Invalid(format!(
                    "templates are nested deep, and no thread can be started to render them: {source}"
                )))),
            }
        }),
        first => first,
    };
    printed.map_err(|stopped| match stopped {
        Stopped::TooDeep(error) | Stopped::Failed(error) => error,
    })
}

fn print_within(
    chart: &Chart,
    values: &Map<String, Json>,
    whole: Option<&Whole>,
    checked: bool,
    release: &Release,
    capabilities: &Capabilities,
    surroundings: &Surroundings,
) -> Result<Printed, Stopped> {
    let root = Instance::resolve(chart, values).map_err(ChartError::Values)?;
    let values = coalesce_values(&root, values).map_err(ChartError::Values)?;
    if checked {
        schema::validate(&root, &values)?;
    }

    let mut collected = Collected {
        templates: Vec::new(),
        crd_files: Vec::new(),
    };
    let shared = Shared {
        release: release_value(release),
        capabilities: Value::object(Object::Capabilities(Arc::new(capability_set(capabilities)))),
    };
    let mut values = Value::from_json(&Json::Object(values));
    if let Some(whole) = whole {
        whole.restore_all(&root, &mut values);
    }
    let values = match values {
        Value::Map(map) => Value::declared(map.entries.take(), Declared::Values),
        other => other,
    };
    collected.add(&root, &root.name, &values, true, &shared)?;
    // Templates deep in the tree come first, so that those further up replace them.
    collected.templates.sort_by(|left, right| {
        let depth = |name: &str| name.matches('/').count();
        (depth(&right.name), &right.name).cmp(&(depth(&left.name), &left.name))
    });

    let mut scope = Scope {
        names: HashMap::new(),
        parent: None,
    };
    for template in &collected.templates {
        let parsed = template.file.parsed.as_ref().map_err(|error| ChartError::Parse {
            template: template.name.to_string(),
            line: error.line,
            message: error.message.clone(),
        })?;
        for (name, body) in &parsed.defined {
            scope.add(Bound {
                name: Arc::clone(name),
                file: Arc::clone(&template.name),
                template: Arc::clone(body),
            });
        }
        scope.add(Bound {
            name: Arc::clone(&template.name),
            file: Arc::clone(&template.name),
            template: Arc::clone(&parsed.main),
        });
    }
    let engine = Engine::new(scope, surroundings.limits, surroundings.now, &surroundings.seed);
    let mut files: Vec<(String, String)> = Vec::new();
    let mut notes = None;
    let own_notes = format!("{}/templates/NOTES.txt", root.name);
    for template in &collected.templates {
        let file_name = template.name.rsplit('/').next().unwrap_or_default();
        if file_name.starts_with('_') {
            continue;
        }
        let entries = Entries::from([
            (Arc::from("Name"), Value::Str(Arc::clone(&template.name))),
            (Arc::from("BasePath"), Value::str(&template.base_path)),
        ]);
        template
            .data
            .insert(Arc::from("Template"), Value::declared(entries, Declared::Values));
        let text = engine
            .execute(&template.name, &Value::Map(Rc::clone(&template.data)))
            .map_err(|failure| {
                let error = failed(&template.name, failure);
                if engine.budget.is_too_deep() {
                    Stopped::TooDeep(error)
                } else {
                    Stopped::Failed(error)
                }
            })?;
        let text = if text.contains("<no value>") {
            text.replace("<no value>", "")
        } else {
            text
        };
        if template.name.ends_with("NOTES.txt") {
            if *template.name == *own_notes {
                notes = Some(text);
            }
        } else if !text.trim().is_empty() {
            files.push((template.name.to_string(), text));
        }
    }
    files.sort();
    Ok(Printed {
        files,
        notes,
        crd_files: collected.crd_files,
    })
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

fn failed(template: &str, failure: Failure) -> ChartError {
    let error = match failure {
        Failure::Exec(error) | Failure::Wrapped(_, error) => error,
        Failure::Message(message) | Failure::Refusal(message) => {
            return ChartError::Template {
                template: template.to_owned(),
                line: 0,
                column: 0,
                message,
            };
        }
    };
    let (template, line, column) = (error.file.to_string(), error.line, error.column);
    match error.refusal {
        Some(message) => ChartError::Refused {
            template,
            line,
            column,
            message,
        },
        None => ChartError::Template {
            template,
            line,
            column,
            message: error.text,
        },
    }
}

/// A template in the tree of this render.
struct Collection<'chart> {
    name: Arc<str>,
    base_path: String,
    file: &'chart crate::chart::TemplateFile,
    /// The dot of its chart, shared by all its templates.
    data: Rc<Dict>,
}

struct Collected<'chart> {
    templates: Vec<Collection<'chart>>,
    crd_files: Vec<(String, Arc<str>)>,
}

/// What every chart of the tree sees alike.
struct Shared {
    release: Value,
    capabilities: Value,
}

impl<'chart> Collected<'chart> {
    /// Takes a chart and those below it; gives the chart's dot.
    fn add(
        &mut self,
        instance: &Instance<'chart>,
        full_path: &str,
        values: &Value,
        is_root: bool,
        shared: &Shared,
    ) -> Result<Value, ChartError> {
        let chart = instance.chart;
        let mut subcharts = Entries::new();
        for (path, text) in &chart.crds {
            self.crd_files
                .push((format!("{full_path}/{path}"), Arc::clone(text)));
        }
        for child in &instance.children {
            let own = match values {
                Value::Map(map) => map.get(&child.name),
                _ => None,
            };
            let own = match own {
                Some(Value::Map(map)) => Value::Map(map),
                _ => Value::declared(Entries::new(), Declared::Values),
            };
            let path = format!("{full_path}/charts/{}", child.name);
            let dot = self.add(child, &path, &own, false, shared)?;
            subcharts.insert(Arc::from(child.name.as_str()), dot);
        }
        let entries = Entries::from([
            (
                Arc::from("Chart"),
                chart.metadata.as_value(&instance.name, is_root),
            ),
            (
                Arc::from("Files"),
                Value::object(Object::Files(chart.files.clone())),
            ),
            (Arc::from("Release"), shared.release.clone()),
            (Arc::from("Capabilities"), shared.capabilities.clone()),
            (Arc::from("Values"), values.clone()),
            (Arc::from("Subcharts"), Value::map(subcharts)),
        ]);
        let dot = Value::declared(entries, Declared::Values);
        let Value::Map(data) = &dot else { return Ok(dot) };
        for file in &chart.templates {
            let base = file.path.rsplit('/').next().unwrap_or_default();
            if chart.metadata.is_library() && !base.starts_with('_') {
                continue;
            }
            self.templates.push(Collection {
                name: Arc::from(format!("{full_path}/{}", file.path)),
                base_path: format!("{full_path}/templates"),
                file,
                data: Rc::clone(data),
            });
        }
        Ok(dot)
    }
}

fn release_value(release: &Release) -> Value {
    Value::map(Entries::from([
        (Arc::from("Name"), Value::str(&release.name)),
        (Arc::from("Namespace"), Value::str(&release.namespace)),
        (Arc::from("IsUpgrade"), Value::Bool(release.is_upgrade)),
        (Arc::from("IsInstall"), Value::Bool(!release.is_upgrade)),
        (Arc::from("Revision"), Value::Int(i64::from(release.revision))),
        (Arc::from("Service"), Value::str(&release.service)),
    ]))
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
