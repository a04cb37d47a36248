//! The `context` of a rule: names, and where their values come from.

use serde_json::Value;

use super::rule::{Reading, learn};
use crate::cursor::{Cursor, Refusal};

/// A name that a rule's context gives a value.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) source: Source,
}

#[derive(Debug, Clone)]
pub(crate) enum Source {
    Variable {
        value: Option<Value>,
        path: Option<String>,
        default: Option<Value>,
    },
    /// Needs a cluster or a registry.
    Unsupported(&'static str),
}

pub(super) fn read_context(
    list: Option<Cursor<'_>>,
    reading: &mut Reading<'_>,
) -> Result<Vec<Entry>, Refusal> {
    let Some(list) = list else { return Ok(Vec::new()) };
    list.items()?
        .iter()
        .map(|item| read_entry(item, reading))
        .collect()
}

fn read_entry(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Entry, Refusal> {
    cursor.only(&[
        "name",
        "variable",
        "configMap",
        "apiCall",
        "imageRegistry",
        "globalReference",
    ])?;
    let name = cursor.required("name")?.string()?.to_owned();
    let source = if let Some(variable) = cursor.field("variable") {
        variable.only(&["value", "jmesPath", "default"])?;
        learn(&variable, reading)?;
        let path = variable.text("jmesPath")?;
        if let Some(path) = path.filter(|path| !path.contains("{{")) {
            reading
                .expressions
                .learn_expression(path.trim(), &mut reading.unsupported)
                .map_err(|reason| variable.refuse_below("/jmesPath", format!("cannot read it: {reason}")))?;
        }
        Source::Variable {
            value: variable.field("value").map(|value| value.value.clone()),
            path: path.map(|path| path.trim().to_owned()),
            default: variable.field("default").map(|value| value.value.clone()),
        }
    } else if cursor.field("configMap").is_some() {
        Source::Unsupported("a ConfigMap of the cluster")
    } else if cursor.field("apiCall").is_some() {
        Source::Unsupported("an API call")
    } else if cursor.field("imageRegistry").is_some() {
        Source::Unsupported("an image registry")
    } else if cursor.field("globalReference").is_some() {
        Source::Unsupported("a global context entry")
    } else {
        return Err(cursor.refuse("the context entry says nothing about where its value comes from"));
    };
    Ok(Entry { name, source })
}
