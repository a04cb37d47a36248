//! Rules of built-in kinds that the API server keeps in Go and that users meet most: names, labels,
//! selectors, ports, and what may not change. Not all of them, by far.

use serde_json::Value;

use crate::error::{Cause, FieldError};
use crate::model::Schema;
use crate::validate::{MOST, finding, shown};

mod apps;
mod container;
mod data;
mod jobs;
mod limits;
mod names;
mod network;
mod placement;
mod pod;
mod policy;
mod roles;
mod scaling;
mod storage;
mod update;
mod words;
mod workload;

pub use names::{label_key_mistakes, label_value_mistake};
pub(crate) use update::check_update;
pub(crate) use words::{Words, words};

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";

/// What a check needs to report. When it is full, nothing more is written down: it does not matter then what a check
/// concludes from there being nothing new.
pub(crate) struct Report<'a> {
    pub(crate) errors: &'a mut Vec<FieldError>,
}

impl Report<'_> {
    pub(crate) fn add(&mut self, field: &str, cause: Cause, value: Option<&Value>, detail: &str) {
        if !self.is_full() {
            self.add_shown(field, cause, value.map(shown).as_deref(), detail);
        }
    }

    /// Like [`Report::add`] with a value that has its words already.
    fn add_shown(&mut self, field: &str, cause: Cause, value: Option<&str>, detail: &str) {
        if !self.is_full() {
            self.errors.push(finding(field, cause, value, detail));
        }
    }

    fn is_full(&self) -> bool {
        self.errors.len() >= MOST
    }

    fn invalid(&mut self, field: &str, value: &Value, detail: &str) {
        self.add(field, Cause::Invalid, Some(value), detail);
    }

    fn required(&mut self, field: &str, detail: &str) {
        self.add(field, Cause::Required, None, detail);
    }

    fn forbidden(&mut self, field: &str, detail: &str) {
        self.add(field, Cause::Forbidden, None, detail);
    }

    /// A value that is none of a few.
    fn unsupported(&mut self, field: &str, value: &Value, allowed: &[&str]) {
        self.add(field, Cause::Unsupported, Some(value), &supported(allowed));
    }
}

fn supported(allowed: &[&str]) -> String {
    let allowed: Vec<String> = allowed.iter().map(|word| format!("{word:?}")).collect();
    format!("supported values: {}", allowed.join(", "))
}

pub(crate) fn items<'a>(parent: &'a Value, name: &str) -> &'a [Value] {
    parent[name].as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The names of a map's entries.
fn keys(map: &Value) -> impl Iterator<Item = &str> {
    map.as_object().into_iter().flatten().map(|(key, _)| key.as_str())
}

fn quantity(value: &Value) -> Option<crate::Quantity> {
    value.as_str()?.parse().ok()
}

fn not_negative(parent: &Value, path: &str, fields: &[&str], report: &mut Report<'_>) {
    for field in fields {
        if parent[*field].as_i64().is_some_and(|number| number < 0) {
            report.invalid(&format!("{path}.{field}"), &parent[*field], NOT_NEGATIVE);
        }
    }
}

/// Checks the metadata of any object, and the spec of the kinds there are rules for.
pub(crate) fn check(schema: &Schema, object: &Value, errors: &mut Vec<FieldError>) {
    let mut report = Report { errors };
    names::metadata(schema, object, &mut report);
    if schema.typed {
        workload::check(schema, object, &mut report);
        roles::check(schema, object, &mut report);
    }
}

/// Checks what a new object may not have yet.
pub(crate) fn check_new(schema: &Schema, object: &Value, errors: &mut Vec<FieldError>) {
    if schema.name == "core.v1.Pod" {
        pod::new(object, &mut Report { errors });
    }
}
