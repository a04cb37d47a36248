//! What may not be in a CRD: names that are none, schemas that are not structural, changes of what must stay.

use schema::Schema;
use serde_json::{Map, Value};

use crate::status::Cause;

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
     character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
     '[a-z]([-a-z0-9]*[a-z0-9])?')";
/// Groups of Kubernetes itself need a word of approval.
const APPROVAL: &str = "api-approved.kubernetes.io";
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// How deep a schema is looked into. Deeper ones cannot be read at all.
const DEEPEST: usize = 64;

/// Collects what is wrong.
struct Found(Vec<Cause>);

impl Found {
    fn invalid(&mut self, field: &str, value: &Value, why: &str) {
        let message = format!("Invalid value: {value}: {why}");
        self.0.push(Cause::new("FieldValueInvalid", field, message));
    }

    fn required(&mut self, field: &str, why: &str) {
        let message = if why.is_empty() {
            "Required value".to_owned()
        } else {
            format!("Required value: {why}")
        };
        self.0.push(Cause::new("FieldValueRequired", field, message));
    }

    fn forbidden(&mut self, field: &str, why: &str) {
        self.0.push(Cause::new(
            "FieldValueForbidden",
            field,
            format!("Forbidden: {why}"),
        ));
    }

    fn unsupported(&mut self, field: &str, value: &Value, supported: &[&str]) {
        let supported: Vec<String> = supported.iter().map(|one| format!("{one:?}")).collect();
        let message = format!(
            "Unsupported value: {value}: supported values: {}",
            supported.join(", ")
        );
        self.0.push(Cause::new("FieldValueNotSupported", field, message));
    }

    fn label(&mut self, field: &str, value: &Value) {
        let text = value.as_str().unwrap_or_default();
        let letter = |byte: &u8| byte.is_ascii_lowercase();
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let fits =
            text.as_bytes().first().is_some_and(letter) && text.bytes().all(inner) && !text.ends_with('-');
        if !text.is_empty() && !fits {
            self.invalid(field, value, LABEL);
        }
    }
}

/// What is wrong with a new CRD.
pub(crate) fn check(definition: &Value) -> Vec<Cause> {
    let mut found = Found(Vec::new());
    let spec = &definition["spec"];
    let group = spec["group"].as_str().unwrap_or_default();
    let guarded = |domain: &str| group == domain || group.ends_with(&format!(".{domain}"));
    if (guarded("k8s.io") || guarded("kubernetes.io"))
        && definition["metadata"]["annotations"][APPROVAL].is_null()
    {
        found.required(
            &format!("metadata.annotations[{APPROVAL}]"),
            &format!(
                "protected groups must have approval annotation {APPROVAL:?}, see \
                 https://github.com/kubernetes/enhancements/pull/1111"
            ),
        );
    }
    if !matches!(spec["scope"].as_str(), None | Some("Cluster" | "Namespaced")) {
        found.unsupported("spec.scope", &spec["scope"], &["Cluster", "Namespaced"]);
    }
    found.label("spec.names.singular", &spec["names"]["singular"]);
    for (place, name) in list(&spec["names"]["shortNames"]).iter().enumerate() {
        found.label(&format!("spec.names.shortNames[{place}]"), name);
    }
    let conversion = &spec["conversion"];
    match conversion["strategy"].as_str() {
        None | Some("None") => {}
        Some("Webhook") => {
            if conversion["webhook"]["clientConfig"].is_null() {
                found.required(
                    "spec.conversion.webhookClientConfig",
                    "required when strategy is set to Webhook",
                );
            }
            if list(&conversion["webhook"]["conversionReviewVersions"]).is_empty() {
                found.required("spec.conversion.conversionReviewVersions", "");
            }
        }
        Some(_) => found.unsupported(
            "spec.conversion.strategy",
            &conversion["strategy"],
            &["None", "Webhook"],
        ),
    }
    if spec["preserveUnknownFields"] == true {
        found.invalid(
            "spec.preserveUnknownFields",
            &spec["preserveUnknownFields"],
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead",
        );
    }
    let versions = list(&spec["versions"]);
    for (place, version) in versions.iter().enumerate() {
        let at = format!("spec.versions[{place}]");
        found.label(&format!("{at}.name"), &version["name"]);
        columns(version, versions.len(), &at, &mut found);
        let schema = &version["schema"]["openAPIV3Schema"];
        // One schema for all is told of as such.
        let all_same = versions.iter().all(|other| other["schema"] == version["schema"]);
        let path = if all_same && place == 0 {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("{at}.schema.openAPIV3Schema")
        };
        if place == 0 || !all_same {
            of_schema(schema, &path, 0, &mut found);
            metadata(&schema["properties"]["metadata"], &path, &mut found);
        }
    }
    found.0
}

/// What may not change in a CRD that is served.
pub(crate) fn check_update(old: &Value, new: &Value) -> Vec<Cause> {
    let mut found = Found(Vec::new());
    let conditions = list(&old["status"]["conditions"]).iter();
    let established = conditions
        .clone()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True");
    if established {
        for pointer in ["/spec/scope", "/spec/names/kind"] {
            let (was, is) = (old.pointer(pointer), new.pointer(pointer));
            if was != is {
                let field = pointer.trim_start_matches('/').replace('/', ".");
                found.invalid(&field, is.unwrap_or(&Value::Null), "field is immutable");
            }
        }
    }
    found.0
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn columns(version: &Value, versions: usize, at: &str, found: &mut Found) {
    const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
    let at = if versions == 1 { "spec" } else { at };
    for (place, column) in list(&version["additionalPrinterColumns"]).iter().enumerate() {
        let at = format!("{at}.additionalPrinterColumns[{place}]");
        let kind = &column["type"];
        if kind.as_str().is_some_and(|kind| !COLUMN_TYPES.contains(&kind)) {
            let why = format!("must be one of {}", COLUMN_TYPES.join(","));
            found.invalid(&format!("{at}.type"), kind, &why);
        }
    }
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
