//! One stored object: the bytes that are sent and stored, and the value in them for whoever looks into it.
//!
//! A value takes ten times the room of its bytes, so it is made when it is looked at, and those that nobody has changed
//! for a while are let go again.

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use serde_json::Value;

/// One stored object.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) value: Parsed,
    pub(crate) json: Bytes,
    pub(crate) revision: u64,
}

/// The value in the bytes of an object; kept once it was asked for.
#[derive(Debug)]
pub(crate) struct Parsed {
    json: Bytes,
    value: OnceLock<Box<Value>>,
}

impl Deref for Parsed {
    type Target = Value;

    fn deref(&self) -> &Value {
        self.value.get_or_init(|| Box::new(parse(&self.json)))
    }
}

/// Bytes of an object were written by this program, and are a value.
fn parse(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}

impl Object {
    /// An object at a revision, which it is told.
    pub(crate) fn new(mut value: Value, revision: u64) -> Self {
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".to_owned(), Value::String(revision.to_string()));
        }
        Self::of(value, revision)
    }

    /// An object that is shown but not stored; its resource version is whatever it says.
    pub(crate) fn unstored(value: Value) -> Self {
        Self::of(value, 0)
    }

    fn of(value: Value, revision: u64) -> Self {
        // As long as they are and no longer: they stay.
        let json = Bytes::from(value.to_string().into_boxed_str().into_boxed_bytes());
        Self {
            value: Parsed {
                json: json.clone(),
                value: OnceLock::from(Box::new(value)),
            },
            json,
            revision,
        }
    }

    /// The bytes of an object at a revision.
    pub(super) fn stored(json: Bytes, revision: u64) -> Self {
        Self {
            value: Parsed {
                json: json.clone(),
                value: OnceLock::new(),
            },
            json,
            revision,
        }
    }

    /// The same without its value, when it has one.
    pub(super) fn let_go(&self) -> Option<Arc<Self>> {
        self.value.value.get()?;
        Some(Arc::new(Self::stored(self.json.clone(), self.revision)))
    }

    /// The value, for one look: it is not kept for that.
    pub(crate) fn look(&self) -> Cow<'_, Value> {
        match self.value.value.get() {
            Some(value) => Cow::Borrowed(value),
            None => Cow::Owned(parse(&self.json)),
        }
    }

    /// Whether it is written in an API version.
    pub(crate) fn is_of(&self, api_version: &str) -> bool {
        // Fields are written in their order, and nearly always this is the first.
        let beginning = self
            .json
            .strip_prefix(b"{\"apiVersion\":\"")
            .and_then(|rest| rest.strip_prefix(api_version.as_bytes()));
        beginning.is_some_and(|rest| rest.starts_with(b"\"")) || self.look()["apiVersion"] == api_version
    }

    pub(crate) fn metadata(&self, field: &str) -> Option<&Value> {
        self.value.get("metadata")?.get(field)
    }

    pub(crate) fn uid(&self) -> &str {
        self.metadata("uid").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn is_terminating(&self) -> bool {
        self.metadata("deletionTimestamp").is_some_and(|at| !at.is_null())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_comes_back_after_it_was_let_go() {
        let whole = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "u"}});
        let object = Object::new(whole, 7);
        let cold = object.let_go().expect("it had a value");
        assert!(cold.let_go().is_none());
        assert_eq!(cold.look().into_owned(), *object.value);
        assert!(cold.let_go().is_none(), "a look keeps nothing");
        assert_eq!((cold.uid(), &cold.json), ("u", &object.json));
        assert!(cold.let_go().is_some());
    }

    #[test]
    fn versions_are_told_apart() {
        let check = |value: Value, expect: bool| {
            assert_eq!(
                Object::unstored(value.clone()).is_of("apps/v1"),
                expect,
                "{value}"
            );
        };
        check(json!({"apiVersion": "apps/v1"}), true);
        check(json!({"apiVersion": "apps/v1beta1"}), false);
        check(json!({"apiVersion": "v1"}), false);
        check(json!({"A": 1, "apiVersion": "apps/v1"}), true);
        check(json!({"metadata": {"apiVersion": "apps/v1"}}), false);
    }
}
