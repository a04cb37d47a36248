//! Rules of built-in kinds that the API server keeps in Go and that users meet most: names, labels,
//! selectors, ports, and what may not change. Not all of them, by far.

use serde_json::Value;

use crate::error::{Cause, FieldError};
use crate::model::Schema;
use crate::validate::finding;

mod names;
mod network;
mod plain;
mod pod;
mod roles;
mod update;
mod workload;

pub use names::{label_key_mistakes, label_value_mistake};
pub(crate) use update::check_update;

/// What a check needs to report.
pub(crate) struct Report<'a> {
    pub(crate) errors: &'a mut Vec<FieldError>,
}

impl Report<'_> {
    pub(crate) fn add(&mut self, field: &str, cause: Cause, value: Option<&Value>, detail: &str) {
        self.errors.push(finding(field, cause, value, detail));
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
