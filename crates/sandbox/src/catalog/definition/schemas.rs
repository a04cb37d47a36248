//! What may not be in the schema of a CRD: what is not structural, what Kubernetes does not take.

use schema::{Pattern, Schema};
use serde_json::{Map, Value};

use super::{Found, list};
use crate::rules;
use crate::status::Cause;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// How deep a schema is looked into. Deeper ones cannot be read at all.
const DEEPEST: usize = 64;

/// Checks the schema of a version, which is told of as being at `path`.
pub(super) fn check(version: &Value, path: &str, found: &mut Found) {
    let schema = &version["schema"]["openAPIV3Schema"];
    let before = found.0.len();
    of_schema(schema, path, 0, found);
    metadata(&schema["properties"]["metadata"], path, found);
    // What we cannot read is said, unless it was.
    if let Err(error) = Schema::from_crd(schema)
        && found.0.len() == before
    {
        found.0.push(Cause::new(
            "FieldValueInvalid",
            path,
            format!("Invalid value: {error}"),
        ));
    }
    found.0.extend(rules::check(schema, path));
}

/// Whether a version's schema fills anything in.
pub(super) fn has_defaults(version: &Value) -> bool {
    fn any(schema: &Value, depth: usize) -> bool {
        let inner = || {
            let fields = schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(_, inner)| inner);
            fields.chain([&schema["items"], &schema["additionalProperties"]])
        };
        depth < DEEPEST
            && schema.is_object()
            && (!schema["default"].is_null() || inner().any(|one| any(one, depth + 1)))
    }
    any(&version["schema"]["openAPIV3Schema"], 0)
}

/// The server's own metadata cannot be described, but for names.
fn metadata(schema: &Value, path: &str, found: &mut Found) {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let only_names = properties
        .map(|(name, _)| name.as_str())
        .all(|name| matches!(name, "name" | "generateName"));
    if !only_names {
        found.forbidden(
            &format!("{path}.properties[metadata]"),
            "must not specify anything other than name and generateName, but metadata is implicitly specified",
        );
    }
}

fn of_schema(schema: &Value, path: &str, depth: usize, found: &mut Found) {
    let Some(fields) = schema.as_object().filter(|_| depth < DEEPEST) else {
        return;
    };
    if fields.contains_key("$ref") {
        found.forbidden(&format!("{path}.$ref"), "$ref is not supported");
    }
    let is_open = schema["x-kubernetes-int-or-string"] == true
        || schema["x-kubernetes-preserve-unknown-fields"] == true;
    match schema["type"].as_str() {
        None | Some("") if depth == 0 => {
            found.required(&format!("{path}.type"), "must not be empty at the root");
        }
        None | Some("") if !is_open => {
            let what = match path.rsplit_once('.') {
                Some((_, "items")) => "array items",
                _ => "object fields",
            };
            found.required(
                &format!("{path}.type"),
                &format!("must not be empty for specified {what}"),
            );
        }
        Some(kind) if depth == 0 && kind != "object" => {
            found.invalid(
                &format!("{path}.type"),
                &schema["type"],
                "must be object at the root",
            );
        }
        Some(kind) if !TYPES.contains(&kind) => {
            found.unsupported(&format!("{path}.type"), &schema["type"], &TYPES);
        }
        _ => {}
    }
    if fields.contains_key("additionalProperties") && fields.contains_key("properties") {
        found.forbidden(
            &format!("{path}.additionalProperties"),
            "additionalProperties and properties are mutual exclusive",
        );
    }
    keys(schema, path, found);
    pattern(schema, path, found);
    default(fields, path, found);
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        of_schema(inner, &format!("{path}.properties[{name}]"), depth + 1, found);
    }
    of_schema(&schema["items"], &format!("{path}.items"), depth + 1, found);
    of_schema(
        &schema["additionalProperties"],
        &format!("{path}.additionalProperties"),
        depth + 1,
        found,
    );
}

fn keys(schema: &Value, path: &str, found: &mut Found) {
    let keys = &schema["x-kubernetes-list-map-keys"];
    let unknown = |key: &Value| schema["items"]["properties"][key.as_str().unwrap_or_default()].is_null();
    if list(keys).iter().any(unknown) {
        found.invalid(
            &format!("{path}.x-kubernetes-list-map-keys"),
            keys,
            "entries must all be names of item properties",
        );
    }
}

/// A default keeps to the schema it stands in.
fn default(fields: &Map<String, Value>, path: &str, found: &mut Found) {
    let Some(value) = fields.get("default").filter(|value| !value.is_null()) else {
        return;
    };
    let Ok(schema) = Schema::from_openapi_v3(&Value::Object(fields.clone())) else {
        return;
    };
    for error in schema::validate(&schema, value) {
        let message = error.message.split_once(": ").map_or("", |(_, rest)| rest);
        found.0.push(Cause::new(
            error.cause.reason(),
            format!("{path}.default"),
            message.replacen("<root>", "", 1),
        ));
    }
}

/// A pattern can be read.
fn pattern(schema: &Value, path: &str, found: &mut Found) {
    let Some(pattern) = schema["pattern"].as_str() else {
        return;
    };
    if let Err(why) = Pattern::new(pattern) {
        let why = format!(
            "must be a valid regular expression, but isn't: {}",
            parsing(pattern, &why)
        );
        found.invalid(&format!("{path}.pattern"), &schema["pattern"], &why);
    }
}

/// The commonest faults of a pattern in the words of upstream's parser.
fn parsing(pattern: &str, why: &str) -> String {
    let from = |letter: char| pattern.rfind(letter).map_or(pattern, |at| &pattern[at..]);
    let (what, part) = if why.contains("unclosed character class") {
        ("missing closing ]", from('['))
    } else if why.contains("unclosed group") {
        ("missing closing )", pattern)
    } else if why.contains("unopened group") {
        ("unexpected )", pattern)
    } else {
        return format!("error parsing regexp: {why}");
    };
    format!("error parsing regexp: {what}: `{part}`")
}
