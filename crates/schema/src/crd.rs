//! Structural schemas: the `openAPIV3Schema` of custom resource definitions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::builtin::Schemas;
use crate::error::SchemaError;
use crate::model::{Field, ListType, MapType, PatchStrategy, Ref, Rules, Schema, Type};
use crate::pattern::Pattern;

/// Deeper schemas than this are refused.
const DEEPEST: usize = 100;

impl Schema {
    /// The schema of the objects of a custom resource, from `spec.versions[].schema.openAPIV3Schema`.
    /// `apiVersion`, `kind` and `metadata` are added; `metadata` is that of every Kubernetes object.
    pub fn from_crd(schema: &Value) -> Result<Schema, SchemaError> {
        let mut root = Schema::from_openapi_v3(schema)?;
        root.kind = Type::Object;
        add_object_fields(&mut root);
        Ok(root)
    }

    /// A schema from its OpenAPI v3 form, as structural schemas use it: no references.
    pub fn from_openapi_v3(schema: &Value) -> Result<Schema, SchemaError> {
        read(schema, &mut String::new(), 0)
    }
}

fn add_object_fields(schema: &mut Schema) {
    let text = || {
        Field::new(Ref::own(Schema {
            kind: Type::String,
            ..Schema::default()
        }))
    };
    schema.fields.entry("apiVersion".to_owned()).or_insert_with(text);
    schema.fields.entry("kind".to_owned()).or_insert_with(text);
    if let Some(metadata) = Schemas::builtin().reference("meta.v1.ObjectMeta") {
        schema.fields.insert("metadata".to_owned(), Field::new(metadata));
    }
}

fn read(schema: &Value, place: &mut String, depth: usize) -> Result<Schema, SchemaError> {
    if depth > DEEPEST {
        return Err(SchemaError::TooDeep(DEEPEST));
    }
    let Some(facts) = schema.as_object() else {
        return Err(SchemaError::NotAnObject(place.clone()));
    };
    let is_true = |key: &str| facts.get(key).and_then(Value::as_bool).unwrap_or(false);
    let text = |key: &str| {
        facts
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let int_or_string = is_true("x-kubernetes-int-or-string") || text("format") == "int-or-string";
    let kind = match text("type").as_str() {
        _ if int_or_string => Type::IntOrString,
        "" if facts.contains_key("properties") || facts.contains_key("additionalProperties") => Type::Object,
        "" => Type::Any,
        "object" => Type::Object,
        "array" => Type::Array,
        "string" => Type::String,
        "integer" => Type::Integer,
        "number" => Type::Number,
        "boolean" => Type::Boolean,
        other => {
            return Err(SchemaError::UnknownType {
                place: place.clone(),
                kind: other.to_owned(),
            });
        }
    };
    let mut node = Schema {
        kind,
        format: text("format"),
        nullable: is_true("nullable"),
        required: strings(facts, "required"),
        preserve_unknown: is_true("x-kubernetes-preserve-unknown-fields"),
        embedded: is_true("x-kubernetes-embedded-resource"),
        list: list_type(facts, place)?,
        map: map_type(facts, place)?,
        patch: PatchStrategy::Default,
        default: facts.get("default").filter(|default| !default.is_null()).cloned(),
        rules: rules(facts, int_or_string, place, depth)?.map(Box::new),
        ..Schema::default()
    };
    let mut fields = BTreeMap::new();
    for (name, property) in facts
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let child = below(property, place, &format!(".{name}"), depth)?;
        fields.insert(name.clone(), Field::new(Ref::own(child)));
    }
    node.fields = fields;
    match facts.get("additionalProperties") {
        Some(Value::Bool(true)) => node.preserve_unknown = true,
        Some(values @ Value::Object(_)) => {
            node.values = Some(Ref::own(below(values, place, ".*", depth)?));
        }
        _ => {}
    }
    if let Some(items) = facts.get("items") {
        node.items = Some(Ref::own(below(items, place, "[]", depth)?));
    }
    if node.embedded {
        add_object_fields(&mut node);
    }
    Ok(node)
}

fn below(schema: &Value, place: &mut String, step: &str, depth: usize) -> Result<Schema, SchemaError> {
    let length = place.len();
    place.push_str(step);
    let read = read(schema, place, depth + 1);
    place.truncate(length);
    read
}

fn strings(facts: &Map<String, Value>, key: &str) -> Vec<String> {
    let items = facts.get(key).and_then(Value::as_array);
    items
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

fn list_type(facts: &Map<String, Value>, place: &str) -> Result<ListType, SchemaError> {
    let wrong = |reason: String| SchemaError::Extension {
        place: place.to_owned(),
        reason,
    };
    match facts.get("x-kubernetes-list-type").and_then(Value::as_str) {
        None | Some("atomic") => Ok(ListType::Atomic),
        Some("set") => Ok(ListType::Set),
        Some("map") => match strings(facts, "x-kubernetes-list-map-keys") {
            keys if keys.is_empty() => Err(wrong(
                "x-kubernetes-list-map-keys must name the keys of a list of type map".to_owned(),
            )),
            keys => Ok(ListType::Map(keys)),
        },
        Some(other) => Err(wrong(format!(
            "x-kubernetes-list-type {other:?} is none of atomic, set, map"
        ))),
    }
}

fn map_type(facts: &Map<String, Value>, place: &str) -> Result<MapType, SchemaError> {
    match facts.get("x-kubernetes-map-type").and_then(Value::as_str) {
        None | Some("granular") => Ok(MapType::Granular),
        Some("atomic") => Ok(MapType::Atomic),
        Some(other) => Err(SchemaError::Extension {
            place: place.to_owned(),
            reason: format!("x-kubernetes-map-type {other:?} is neither granular nor atomic"),
        }),
    }
}

fn rules(
    facts: &Map<String, Value>,
    int_or_string: bool,
    place: &mut String,
    depth: usize,
) -> Result<Option<Rules>, SchemaError> {
    let number = |key: &str| facts.get(key).and_then(Value::as_f64);
    let count = |key: &str| facts.get(key).and_then(Value::as_u64);
    let is_true = |key: &str| facts.get(key).and_then(Value::as_bool).unwrap_or(false);
    let mut schemas = |key: &str| -> Result<Vec<Schema>, SchemaError> {
        let list = facts
            .get(key)
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        list.iter()
            .enumerate()
            .map(|(index, schema)| below(schema, place, &format!(".{key}[{index}]"), depth))
            .collect()
    };
    let all_of = schemas("allOf")?;
    // With int-or-string, anyOf only repeats the two types.
    let any_of = if int_or_string {
        Vec::new()
    } else {
        schemas("anyOf")?
    };
    let one_of = schemas("oneOf")?;
    let not = match facts.get("not") {
        Some(schema) => Some(below(schema, place, ".not", depth)?),
        None => None,
    };
    let pattern = match facts.get("pattern").and_then(Value::as_str) {
        None | Some("") => None,
        Some(pattern) => Some(Pattern::new(pattern).map_err(|reason| SchemaError::Pattern {
            place: place.clone(),
            pattern: pattern.to_owned(),
            reason,
        })?),
    };
    let rules = Rules {
        allowed: facts
            .get("enum")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default(),
        pattern,
        minimum: number("minimum").map(|limit| (limit, is_true("exclusiveMinimum"))),
        maximum: number("maximum").map(|limit| (limit, is_true("exclusiveMaximum"))),
        multiple_of: number("multipleOf"),
        min_length: count("minLength"),
        max_length: count("maxLength"),
        min_items: count("minItems"),
        max_items: count("maxItems"),
        unique_items: is_true("uniqueItems"),
        min_properties: count("minProperties"),
        max_properties: count("maxProperties"),
        all_of,
        any_of,
        one_of,
        not,
    };
    let constrains = [
        "enum",
        "pattern",
        "minimum",
        "maximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minProperties",
        "maxProperties",
        "allOf",
        "anyOf",
        "oneOf",
        "not",
    ]
    .iter()
    .any(|key| facts.contains_key(*key));
    Ok(constrains.then_some(rules))
}
