//! The values that templates work on: Go's, as far as a chart can see them.
//!
//! Maps are shared and mutable, because `set`, `unset` and `merge` change them in place and charts rely on
//! it. Whole numbers, 64-bit whole numbers and floats are different types, because Go's functions are
//! strict about them. It knows nothing of charts or of the template language.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::object::Object;

/// A value inside one render.
#[derive(Clone)]
pub(crate) enum Value {
    /// No value at all, what reflection calls the zero value: fields of it are missing as well.
    Missing,
    /// An empty interface: a key that is absent or null. Fields of it are an error.
    Nil,
    Bool(bool),
    /// Go's `int`.
    Int(i64),
    /// Go's `int64`, which most of Sprig's arithmetic gives.
    Int64(i64),
    /// Go's `float64`, which every number from a values file is.
    Float(f64),
    Str(Arc<str>),
    /// A string that is not UTF-8.
    Bytes(Arc<[u8]>),
    /// Go's `[]byte`, which is no string.
    Octets(Arc<[u8]>),
    List(Rc<List>),
    Map(Rc<Dict>),
    Object(Rc<Object>),
}

/// What the elements of a list were declared as; it shows in type names only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elements {
    Any,
    Strings,
    Ints,
    Lists,
}

/// A list. No function changes one in place.
pub(crate) struct List {
    pub(crate) items: Vec<Value>,
    pub(crate) elements: Elements,
}

/// What a map was declared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Declared {
    /// `map[string]interface {}`
    Any,
    /// `map[string]string`
    Strings,
    /// Helm's own name for a map of values.
    Values,
    /// A nil map of the first kind: nothing can be put into it.
    Nothing,
    /// A nil `map[string]string`.
    NoStrings,
}

pub(crate) type Entries = BTreeMap<Arc<str>, Value>;

/// A map that is shared by all who hold it.
pub(crate) struct Dict {
    pub(crate) entries: RefCell<Entries>,
    pub(crate) declared: Declared,
}

impl Declared {
    /// Whether it is a nil map.
    pub(crate) fn is_nil(self) -> bool {
        matches!(self, Self::Nothing | Self::NoStrings)
    }

    /// Whether all its values are text.
    pub(crate) fn holds_text(self) -> bool {
        matches!(self, Self::Strings | Self::NoStrings)
    }
}

impl Dict {
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        self.entries.borrow().get(key).cloned()
    }

    pub(crate) fn insert(&self, key: Arc<str>, value: Value) {
        self.entries.borrow_mut().insert(key, value);
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.borrow().len()
    }
}

impl Value {
    pub(crate) fn str(text: &str) -> Self {
        Self::Str(Arc::from(text))
    }

    pub(crate) fn list(items: Vec<Value>) -> Self {
        Self::List(Rc::new(List {
            items,
            elements: Elements::Any,
        }))
    }

    pub(crate) fn strings<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> Self {
        let items = items.into_iter().map(|item| Self::str(item.as_ref())).collect();
        Self::List(Rc::new(List {
            items,
            elements: Elements::Strings,
        }))
    }

    pub(crate) fn map(entries: Entries) -> Self {
        Self::declared(entries, Declared::Any)
    }

    pub(crate) fn declared(entries: Entries, declared: Declared) -> Self {
        Self::Map(Rc::new(Dict {
            entries: RefCell::new(entries),
            declared,
        }))
    }

    pub(crate) fn object(object: Object) -> Self {
        Self::Object(Rc::new(object))
    }

    /// Bytes as a string.
    pub(crate) fn text_from_bytes(bytes: &[u8]) -> Self {
        std::str::from_utf8(bytes).map_or_else(|_| Self::Bytes(Arc::from(bytes)), Self::str)
    }

    /// Takes what JSON holds as a values file would be read: every number is a float.
    pub(crate) fn from_json(value: &serde_json::Value) -> Self {
        match value {
            serde_json::Value::Null => Self::Nil,
            serde_json::Value::Bool(value) => Self::Bool(*value),
            serde_json::Value::Number(number) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            serde_json::Value::String(text) => Self::str(text),
            serde_json::Value::Array(items) => Self::list(items.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(members) => Self::map(
                members
                    .iter()
                    .map(|(key, value)| (Arc::from(key.as_str()), Self::from_json(value)))
                    .collect(),
            ),
        }
    }

    /// Whether there is nothing here.
    pub(crate) fn is_nil(&self) -> bool {
        matches!(self, Self::Missing | Self::Nil)
    }

    /// What `if` and `and` make of it.
    pub(crate) fn truth(&self) -> bool {
        match self {
            Self::Missing | Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) | Self::Int64(value) => *value != 0,
            Self::Float(value) => *value != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::Bytes(bytes) | Self::Octets(bytes) => !bytes.is_empty(),
            Self::List(list) => !list.items.is_empty(),
            Self::Map(map) => map.len() > 0,
            Self::Object(object) => object.length() != Some(0),
        }
    }

    /// The name of its type as Go prints it with `%T`.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Float(_) => "float64",
            Self::Str(_) | Self::Bytes(_) => "string",
            Self::Octets(_) => "[]uint8",
            Self::List(list) => match list.elements {
                Elements::Any => "[]interface {}",
                Elements::Strings => "[]string",
                Elements::Ints => "[]int",
                Elements::Lists => "[][]interface {}",
            },
            Self::Map(map) => match map.declared {
                Declared::Any | Declared::Nothing => "map[string]interface {}",
                Declared::Strings | Declared::NoStrings => "map[string]string",
                Declared::Values => "common.Values",
            },
            Self::Object(object) => object.type_name(),
        }
    }

    /// The name of its type in messages, where a nil interface has a type too.
    pub(crate) fn static_type_name(&self) -> &'static str {
        match self {
            Self::Nil => "interface {}",
            other => other.type_name(),
        }
    }

    /// The kind of its type as Go's reflection names it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Missing | Self::Nil => "invalid",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Float(_) => "float64",
            Self::Str(_) | Self::Bytes(_) => "string",
            Self::Octets(_) | Self::List(_) => "slice",
            Self::Map(_) => "map",
            Self::Object(object) => object.kind(),
        }
    }
}
