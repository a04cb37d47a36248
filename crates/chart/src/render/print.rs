//! What the templates of a chart and of those below it print, before anything is made of it: the tree of charts is put
//! together, each gets its dot, and every template is run. Nothing here knows what an object is.

use std::collections::HashMap;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use serde_json::{Map, Value as Json};

use super::{Capabilities, Release, Surroundings, capability_set};
use crate::budget::{Limits, STACK_BELOW};
use crate::chart::{Chart, TemplateFile};
use crate::dependencies::Instance;
use crate::error::ChartError;
use crate::object::Object;
use crate::schema;
use crate::set::{Values, Whole};
use crate::template::{Bound, Engine, Failure, Scope};
use crate::value::{Declared, Dict, Entries, Value};
use crate::values::coalesce_values;

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
    Print {
        chart,
        values: &table,
        whole: whole.as_ref(),
        checked,
        release,
        capabilities,
        surroundings,
    }
    .run()
}

/// What templates have printed.
pub(crate) struct Printed {
    /// The files that are not empty, by template, in the order of their names.
    pub(crate) files: Vec<(String, String)>,
    pub(super) notes: Option<String>,
    pub(super) crd_files: Vec<(String, Arc<str>)>,
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

/// What is printed, and from what.
pub(super) struct Print<'a> {
    pub(super) chart: &'a Chart,
    pub(super) values: &'a Map<String, Json>,
    pub(super) whole: Option<&'a Whole>,
    /// Whether values are held against the chart's schema.
    pub(super) checked: bool,
    pub(super) release: &'a Release,
    pub(super) capabilities: &'a Capabilities,
    pub(super) surroundings: &'a Surroundings,
}

impl Print<'_> {
    pub(super) fn run(&self) -> Result<Printed, ChartError> {
        let limits = self.surroundings.limits;
        let printed = match self.within(limits.stack) {
            // The same again, where there is room: a render is the same each time.
            Err(Stopped::TooDeep(_)) if limits.deep_stack > limits.stack => thread::scope(|scope| {
                let deep = thread::Builder::new()
                    .stack_size(limits.deep_stack.saturating_add(STACK_BELOW))
                    .spawn_scoped(scope, || self.within(limits.deep_stack));
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

    /// Within a stack of this size.
    fn within(&self, stack: usize) -> Result<Printed, Stopped> {
        let Self {
            chart, surroundings, ..
        } = *self;
        let limits = Limits {
            stack,
            ..surroundings.limits
        };
        let root = Instance::resolve(chart, self.values).map_err(ChartError::Values)?;
        let values = coalesce_values(&root, self.values).map_err(ChartError::Values)?;
        if self.checked {
            schema::validate(&root, &values)?;
        }

        let mut collected = Collected {
            templates: Vec::new(),
            crd_files: Vec::new(),
        };
        let shared = Shared {
            release: release_value(self.release),
            capabilities: Value::object(Object::Capabilities(Arc::new(capability_set(self.capabilities)))),
        };
        let mut values = Value::from_json(&Json::Object(values));
        if let Some(whole) = self.whole {
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
        let engine = Engine::new(scope, limits, surroundings.now, &surroundings.seed);
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
    file: &'chart TemplateFile,
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
