//! Reading a policy field by field, so that what is refused is refused with file, line and reason.
//!
//! Strict on purpose: a field that nobody knows is a guardrail that nobody keeps.

use serde_json::{Map, Value};

use crate::pattern::escape;

/// Why a policy was not loaded, and where that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The source as it was named by the caller: a file, usually.
    pub source: String,
    /// Line and column in the source, where they are known.
    pub position: Option<yaml::Position>,
    /// Where in the document: an RFC 6901 pointer.
    pub pointer: String,
    /// The policy, as far as its name could be read.
    pub policy: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.source)?;
        if let Some(position) = &self.position {
            write!(formatter, ":{}", position.line)?;
        }
        formatter.write_str(": ")?;
        if let Some(policy) = &self.policy {
            write!(formatter, "policy {policy}: ")?;
        }
        formatter.write_str(&self.reason)?;
        if !self.pointer.is_empty() {
            write!(formatter, " (at {})", self.pointer)?;
        }
        Ok(())
    }
}

/// Where values come from.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) source: &'a str,
    pub(crate) document: Option<&'a yaml::Document>,
    pub(crate) policy: Option<&'a str>,
}

impl<'a> Origin<'a> {
    /// That of a value which stands in no text.
    pub(crate) fn named(source: &'a str) -> Origin<'a> {
        Origin {
            source,
            document: None,
            policy: None,
        }
    }
}

/// A place in a document.
#[derive(Clone)]
pub(crate) struct Cursor<'a> {
    pub(crate) origin: Origin<'a>,
    pub(crate) value: &'a Value,
    pub(crate) pointer: String,
}

impl<'a> Cursor<'a> {
    /// The root of a document.
    pub(crate) fn root(origin: Origin<'a>, value: &'a Value) -> Cursor<'a> {
        Cursor {
            origin,
            value,
            pointer: String::new(),
        }
    }

    /// A refusal of this very place.
    pub(crate) fn refuse(&self, reason: impl Into<String>) -> Refusal {
        self.refuse_at(&self.pointer, reason)
    }

    /// A refusal of a place below this one.
    pub(crate) fn refuse_below(&self, pointer: &str, reason: impl Into<String>) -> Refusal {
        self.refuse_at(&format!("{}{pointer}", self.pointer), reason)
    }

    fn refuse_at(&self, pointer: &str, reason: impl Into<String>) -> Refusal {
        Refusal {
            source: self.origin.source.to_owned(),
            position: self
                .origin
                .document
                .and_then(|document| nearest(document, pointer)),
            pointer: pointer.to_owned(),
            policy: self.origin.policy.map(str::to_owned),
            reason: reason.into(),
        }
    }

    /// A field; null counts as absent.
    pub(crate) fn field(&self, key: &str) -> Option<Cursor<'a>> {
        self.entry(key).filter(|field| !field.value.is_null())
    }

    /// A field, if it is there, even as a null.
    pub(crate) fn entry(&self, key: &str) -> Option<Cursor<'a>> {
        Some(Cursor {
            origin: self.origin,
            value: self.value.get(key)?,
            pointer: format!("{}/{}", self.pointer, escape(key)),
        })
    }

    /// A field that must be there.
    pub(crate) fn required(&self, key: &str) -> Result<Cursor<'a>, Refusal> {
        self.object()?;
        self.field(key)
            .ok_or_else(|| self.refuse(format!("the field {key} is missing")))
    }

    /// The fields of a map.
    pub(crate) fn object(&self) -> Result<&'a Map<String, Value>, Refusal> {
        self.value
            .as_object()
            .ok_or_else(|| self.refuse(format!("a map is expected here, not {}", kind(self.value))))
    }

    /// Refuses fields that are not in the list.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), Refusal> {
        match self.object()?.keys().find(|key| !known.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(self.refuse_below(
                &format!("/{}", escape(key)),
                format!("the field {key} is not known"),
            )),
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Result<Vec<Cursor<'a>>, Refusal> {
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.refuse(format!("a list is expected here, not {}", kind(self.value))))?;
        Ok(items
            .iter()
            .enumerate()
            .map(|(index, value)| Cursor {
                origin: self.origin,
                value,
                pointer: format!("{}/{index}", self.pointer),
            })
            .collect())
    }

    /// This value as text.
    pub(crate) fn string(&self) -> Result<&'a str, Refusal> {
        self.value
            .as_str()
            .ok_or_else(|| self.refuse(format!("a string is expected here, not {}", kind(self.value))))
    }

    /// A field as text.
    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>, Refusal> {
        self.field(key).map(|field| field.string()).transpose()
    }

    /// A field as a boolean.
    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>, Refusal> {
        self.field(key)
            .map(|field| {
                field.value.as_bool().ok_or_else(|| {
                    field.refuse(format!(
                        "true or false is expected here, not {}",
                        kind(field.value)
                    ))
                })
            })
            .transpose()
    }

    /// A field as a list of texts; absent is empty.
    pub(crate) fn strings(&self, key: &str) -> Result<Vec<String>, Refusal> {
        match self.field(key) {
            None => Ok(Vec::new()),
            Some(list) => list
                .items()?
                .iter()
                .map(|item| item.string().map(str::to_owned))
                .collect(),
        }
    }

    /// A field as a map of texts; absent is empty.
    pub(crate) fn string_map(&self, key: &str) -> Result<Vec<(String, String)>, Refusal> {
        let Some(map) = self.field(key) else {
            return Ok(Vec::new());
        };
        map.object()?
            .keys()
            .map(|key| Ok((key.clone(), map.text(key)?.unwrap_or_default().to_owned())))
            .collect()
    }
}

/// The position of a place, or of the nearest one above it that has one.
fn nearest(document: &yaml::Document, pointer: &str) -> Option<yaml::Position> {
    let mut pointer = pointer;
    loop {
        if let Some(position) = document.position(pointer) {
            return Some(position);
        }
        pointer = &pointer[..pointer.rfind('/')?];
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
