//! A place in a schema as merging sees it: is it a scalar, a list or a map, who shares it, and which
//! path element names a list item.

use serde_json::Value;

use crate::fields::{Element, FieldSet, Scalar, path_text};
use crate::model::{Field, ListType, MapType, Schema, Type};

/// A place in a schema, with the map type that the field leading there may override.
#[derive(Clone, Copy)]
pub(crate) struct Typed<'a> {
    pub(crate) schema: &'a Schema,
    map: MapType,
}

/// What kind of value merging takes a place for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Map,
    Scalar,
    List,
}

impl<'a> Typed<'a> {
    pub(crate) fn root(schema: &'a Schema) -> Typed<'a> {
        Typed {
            schema,
            map: if schema.kind == Type::Raw {
                MapType::Atomic
            } else {
                schema.map
            },
        }
    }

    fn field(field: &'a Field) -> Typed<'a> {
        let typed = Typed::root(field.schema.get());
        Typed {
            map: field.map.unwrap_or(typed.map),
            ..typed
        }
    }

    /// The place under a name, `None` when the schema does not know the name.
    pub(crate) fn known_child(self, name: &str) -> Option<Typed<'a>> {
        match self.schema.field(name) {
            Some(field) => Some(Typed::field(field)),
            None => self.schema.values().map(Typed::root),
        }
    }

    /// The place under a name; anything goes where the schema does not know the name.
    pub(crate) fn child(self, name: &str) -> Typed<'a> {
        self.known_child(name).unwrap_or(Typed::root(Schema::any()))
    }

    /// The place of list items.
    pub(crate) fn item(self) -> Typed<'a> {
        Typed::root(self.schema.item())
    }

    /// The place that a path element leads to.
    pub(crate) fn step(self, element: &Element) -> Option<Typed<'a>> {
        match element {
            Element::Field(name) => self.known_child(name),
            Element::Key(_) | Element::Value(_) | Element::Index(_) => Some(self.item()),
        }
    }

    pub(crate) fn is_atomic_map(self) -> bool {
        self.map == MapType::Atomic
    }

    pub(crate) fn is_atomic_list(self) -> bool {
        self.schema.list == ListType::Atomic
    }

    /// Whether the schema alone says that this is one value to its writers (and no scalar).
    pub(crate) fn is_atomic(self) -> bool {
        match self.schema.kind {
            Type::Object => self.is_atomic_map(),
            Type::Array => self.is_atomic_list(),
            _ => false,
        }
    }

    /// What this place is, given the value that stands there; a value that fits nothing (or null, or
    /// none) is taken for what the schema says first.
    pub(crate) fn shape(self, value: Option<&Value>) -> Shape {
        let (map, scalar, list) = match self.schema.kind {
            Type::Any | Type::Raw | Type::IntOrString => (true, true, true),
            Type::Object => (true, false, false),
            Type::Array => (false, false, true),
            _ => (false, true, false),
        };
        match value {
            Some(Value::String(_) | Value::Number(_) | Value::Bool(_)) if scalar => Shape::Scalar,
            Some(Value::Array(_)) if list => Shape::List,
            _ if map => Shape::Map,
            _ if scalar => Shape::Scalar,
            _ => Shape::List,
        }
    }
}

/// The path element that names an item of a set or keyed list.
pub(crate) fn item_element(list: &Schema, item: &Value) -> Result<Element, String> {
    match &list.list {
        ListType::Atomic => Err("the list is one value and its items have no names".to_owned()),
        ListType::Set => match item {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => {
                Err("associative list without keys has an element that's an explicit null".to_owned())
            }
            scalar => Ok(Element::Value(Scalar(scalar.clone()))),
        },
        ListType::Map(keys) => keyed_element(list, keys, item),
    }
}

fn keyed_element(list: &Schema, keys: &[String], item: &Value) -> Result<Element, String> {
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut key: Vec<(String, Scalar)> = Vec::with_capacity(keys.len());
    for name in keys {
        if let Some(value) = fields.get(name) {
            key.push((name.clone(), Scalar(value.clone())));
        } else if let Some(default) = key_default(list.item(), name) {
            key.push((name.clone(), Scalar(default)));
        }
    }
    if key.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] (and doesn't have \
             default values for any key fields)",
            keys.join(" ")
        ));
    }
    key.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(Element::Key(key))
}

/// What a key field that an item leaves out counts as.
fn key_default(item: &Schema, name: &str) -> Option<Value> {
    let field = item.field(name)?;
    let schema = field.schema.get();
    if let Some(default) = &schema.default {
        return Some(default.clone());
    }
    let named = item.name == "core.v1.LocalObjectReference";
    if !item.typed || !(named || item.required.iter().any(|required| required == name)) {
        return None;
    }
    match schema.kind {
        Type::String => Some(Value::from("")),
        Type::Integer => Some(Value::from(0)),
        _ => None,
    }
}

/// What keeps an applied configuration from being read by the schema: wrong types, unknown fields,
/// items that name the same thing twice. At most a handful are reported.
pub(crate) fn mistakes(typed: Typed<'_>, value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look_for_mistakes(typed, value, &mut Vec::new(), &mut found);
    found
}

fn look_for_mistakes(typed: Typed<'_>, value: &Value, path: &mut Vec<Element>, found: &mut Vec<String>) {
    const ENOUGH: usize = 10;
    if found.len() >= ENOUGH || value.is_null() {
        return;
    }
    let mut report = |path: &[Element], what: &str| {
        let place = path_text(path);
        found.push(if place.is_empty() {
            what.to_owned()
        } else {
            format!("{place}: {what}")
        });
    };
    match typed.shape(Some(value)) {
        Shape::Scalar => {
            let expected = match typed.schema.kind {
                Type::Integer | Type::Number if !value.is_number() => "numeric (int or float)",
                Type::String if !value.is_string() => "string",
                Type::Boolean if !value.is_boolean() => "boolean",
                Type::Quantity if !value.is_string() && !value.is_number() => "any scalar",
                _ => return,
            };
            report(path, &format!("expected {expected}, got {}", type_word(value)));
        }
        Shape::List => {
            let Some(items) = value.as_array() else {
                return report(path, &format!("expected list, got {}", type_word(value)));
            };
            let mut seen = FieldSet::new();
            for (place, item) in items.iter().enumerate() {
                let element = if typed.is_atomic_list() {
                    Element::Index(place as i64)
                } else {
                    match item_element(typed.schema, item) {
                        Ok(element) => element,
                        Err(what) => {
                            found.push(format!("{}: element {place}: {what}", path_text(path)));
                            return;
                        }
                    }
                };
                if seen.has_element(&element) {
                    found.push(format!(
                        "{}: duplicate entries for key {element}",
                        path_text(path)
                    ));
                }
                path.push(element);
                look_for_mistakes(typed.item(), item, path, found);
                if let Some(element) = path.pop() {
                    seen.insert(&[element]);
                }
            }
        }
        Shape::Map => {
            let Some(fields) = value.as_object() else {
                return report(path, &format!("expected map, got {}", type_word(value)));
            };
            for (name, value) in fields {
                path.push(Element::field(name));
                match typed.known_child(name) {
                    Some(child) => look_for_mistakes(child, value, path, found),
                    None => found.push(format!("{}: field not declared in schema", path_text(path))),
                }
                path.pop();
            }
        }
    }
}

fn type_word(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}
