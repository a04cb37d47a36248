//! What expressions see of a value: types by the schema, names of fields as expressions can write them.

use std::collections::BTreeMap;

use base64::Engine as _;
use cel::check::{Fields, Type};
use cel::quantity::parse_duration;
use cel::{Failure, Key, RESERVED, Text, Timestamp, Value};
use serde_json::{Map, Value as Json};

use super::Node;
use crate::verbs::texts;

/// How values of a schema are seen.
#[derive(Debug)]
pub(super) enum Shape {
    /// Not at all: nothing is known of its type.
    Hidden,
    /// As it is: an integer or a text.
    Plain,
    Scalar(Scalar),
    List(List),
    /// A map, by the schema of its values.
    Map(Box<Node>),
    Object(BTreeMap<String, Property>),
}

/// What a scalar becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Bool,
    Int,
    Double,
    Text,
    Bytes,
    Timestamp,
    Duration,
}

/// A list, and how its items are found again.
#[derive(Debug)]
pub(super) struct List {
    pub(super) item: Box<Node>,
    pub(super) kind: ListKind,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ListKind {
    Atomic,
    Set,
    /// By these fields.
    Map(Vec<String>),
}

/// A field of an object, and the names that expressions have for it.
#[derive(Debug)]
pub(super) struct Property {
    pub(super) names: Vec<String>,
    pub(super) node: Node,
}

/// The names of a field in expressions: escaped, and as it is written where that is a name.
pub(crate) fn names(field: &str) -> Vec<String> {
    if RESERVED.contains(&field) {
        return vec![format!("__{field}__"), field.to_owned()];
    }
    let begins = |letter: char| letter.is_ascii_alphabetic() || "_.-/".contains(letter);
    let goes_on = |letter: char| letter.is_ascii_alphanumeric() || "_.-/".contains(letter);
    if !field.starts_with(begins) || !field.chars().all(goes_on) {
        return Vec::new();
    }
    let escaped = field
        .replace("__", "__underscores__")
        .replace('.', "__dot__")
        .replace('-', "__dash__")
        .replace('/', "__slash__");
    vec![escaped]
}

impl Shape {
    /// Reads how values of a schema are seen, with what its parts are.
    pub(super) fn of(schema: &Json, whole: bool, below: &mut impl FnMut(&str, &Json) -> Node) -> Shape {
        if is_true(schema, "x-kubernetes-int-or-string") {
            return Shape::Plain;
        }
        let format = schema["format"].as_str().unwrap_or_default();
        match schema["type"].as_str().unwrap_or_default() {
            "boolean" => Shape::Scalar(Scalar::Bool),
            "integer" => Shape::Scalar(Scalar::Int),
            "number" => Shape::Scalar(Scalar::Double),
            "string" => Shape::Scalar(match format {
                "byte" => Scalar::Bytes,
                "date" | "date-time" => Scalar::Timestamp,
                "duration" => Scalar::Duration,
                _ => Scalar::Text,
            }),
            "array" if schema["items"].is_object() => Shape::List(List {
                item: Box::new(below("items", &schema["items"])),
                kind: match schema["x-kubernetes-list-type"].as_str() {
                    Some("set") => ListKind::Set,
                    Some("map") => ListKind::Map(texts(&schema["x-kubernetes-list-map-keys"])),
                    _ => ListKind::Atomic,
                },
            }),
            "object" if schema["additionalProperties"].is_object() => {
                let values = below("additionalProperties", &schema["additionalProperties"]);
                Shape::Map(Box::new(values))
            }
            "object" => {
                let mut fields = BTreeMap::new();
                if whole || is_true(schema, "x-kubernetes-embedded-resource") {
                    for field in ["apiVersion", "kind"] {
                        fields.insert(field.to_owned(), Property::of(field, Node::plain(Scalar::Text)));
                    }
                    let inner = ["name", "generateName"]
                        .map(|field| (field.to_owned(), Property::of(field, Node::plain(Scalar::Text))));
                    let metadata = Node {
                        rules: Vec::new(),
                        shape: Shape::Object(inner.into()),
                        any: false,
                    };
                    fields.insert("metadata".to_owned(), Property::of("metadata", metadata));
                }
                for (field, schema) in schema["properties"].as_object().into_iter().flatten() {
                    let node = below(&format!("properties[{field}]"), schema);
                    if !fields.contains_key(field) || node.any {
                        fields.insert(field.clone(), Property::of(field, node));
                    }
                }
                Shape::Object(fields)
            }
            _ => Shape::Hidden,
        }
    }

    /// The type that expressions are checked with; `None` when they see nothing.
    pub(super) fn checked(&self) -> Option<Type> {
        Some(match self {
            Shape::Hidden => return None,
            Shape::Plain => Type::Dyn,
            Shape::Scalar(scalar) => match scalar {
                Scalar::Bool => Type::Bool,
                Scalar::Int => Type::Int,
                Scalar::Double => Type::Double,
                Scalar::Text => Type::Text,
                Scalar::Bytes => Type::Bytes,
                Scalar::Timestamp => Type::Timestamp,
                Scalar::Duration => Type::Duration,
            },
            Shape::List(list) => Type::list(list.item.shape.checked()?),
            Shape::Map(values) => Type::map(Type::Text, values.shape.checked()?),
            Shape::Object(fields) => {
                let mut seen = Fields::new();
                for property in fields.values() {
                    if let Some(checked) = property.node.shape.checked() {
                        let names = property.names.iter().cloned();
                        seen.extend(names.map(|name| (name, checked.clone())));
                    }
                }
                Type::Object(seen.into())
            }
        })
    }

    /// A value as expressions see it.
    pub(super) fn see<'v>(&'v self, json: &'v Json) -> Result<Value<'v>, Failure> {
        match (self, json) {
            (_, Json::Null) => Ok(Value::Null),
            (Shape::Scalar(scalar), json) => Ok(scalar.see(json)),
            (Shape::List(list), Json::Array(items)) => {
                let items = items.iter().map(|item| list.item.shape.see(item));
                let items = items.collect::<Result<Vec<_>, _>>()?;
                if list.kind == ListKind::Atomic {
                    Value::list(items)
                } else {
                    Value::set(items)
                }
            }
            (Shape::Map(values), Json::Object(fields)) => {
                let entries = fields
                    .iter()
                    .map(|(key, value)| Ok((Key::Text(Text::Borrowed(key)), values.shape.see(value)?)));
                Value::map(entries.collect::<Result<_, Failure>>()?)
            }
            (Shape::Object(properties), Json::Object(fields)) => see_object(properties, fields),
            (_, json) => Ok(Value::from(json)),
        }
    }
}

/// A field that is null is one that is not there.
fn see_object<'v>(
    properties: &'v BTreeMap<String, Property>,
    fields: &'v Map<String, Json>,
) -> Result<Value<'v>, Failure> {
    let mut entries = BTreeMap::new();
    for (field, value) in fields {
        let Some(property) = properties.get(field).filter(|_| !value.is_null()) else {
            continue;
        };
        if matches!(property.node.shape, Shape::Hidden) {
            continue;
        }
        let seen = property.node.shape.see(value)?;
        for name in &property.names {
            entries.insert(Key::Text(Text::Borrowed(name)), seen.clone());
        }
    }
    Value::map(entries)
}

impl Scalar {
    /// What is not of the type is seen as it is: the schema has a word to say about it.
    fn see(self, json: &Json) -> Value<'_> {
        let plain = Value::from(json);
        match (self, json) {
            (Scalar::Double, Json::Number(number)) => number.as_f64().map_or(plain, Value::Double),
            (Scalar::Int, Json::Number(number)) => match (number.as_i64(), number.as_f64()) {
                (None, Some(double)) if double.fract() == 0.0 && double.abs() < 9.0e18 => {
                    Value::Int(double as i64)
                }
                _ => plain,
            },
            (Scalar::Bytes, Json::String(text)) => base64::engine::general_purpose::STANDARD
                .decode(text)
                .map_or(plain, |bytes| Value::Bytes(bytes.into())),
            (Scalar::Timestamp, Json::String(text)) => {
                let whole = Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}T00:00:00Z")));
                whole.map_or(plain, Value::Timestamp)
            }
            (Scalar::Duration, Json::String(text)) => parse_duration(text).map_or(plain, Value::Duration),
            _ => plain,
        }
    }
}

impl Property {
    fn of(field: &str, node: Node) -> Property {
        Property {
            names: names(field),
            node,
        }
    }
}

impl Node {
    fn plain(scalar: Scalar) -> Node {
        Node {
            rules: Vec::new(),
            shape: Shape::Scalar(scalar),
            any: false,
        }
    }
}

pub(super) fn is_true(schema: &Json, field: &str) -> bool {
    schema[field] == true
}
