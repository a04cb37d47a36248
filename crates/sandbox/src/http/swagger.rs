//! OpenAPI v2: the schemas of all kinds in one document, as JSON. Clients from before v3 ask for it, and some still look
//! there for what a definition makes of a kind.
//!
//! What v2 cannot say is left out, as Kubernetes does it: alternatives, nullable values, and what stands below a place
//! that keeps everything. The binary form, which kubectl asks for, is not there; kubectl goes on without.

use std::collections::BTreeSet;

use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use super::openapi;
use crate::catalog::{Catalog, Source};
use crate::status::ApiError;

const PRESERVES: &str = "x-kubernetes-preserve-unknown-fields";
const KIND: &str = "x-kubernetes-group-version-kind";

/// Whether a client can do with JSON.
pub(super) fn is_acceptable(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter().peekable();
    let reads = |value: &header::HeaderValue| {
        let value = value.to_str().unwrap_or_default();
        value.split(',').any(|one| {
            let one = one.split(';').next().unwrap_or_default().trim();
            matches!(one, "" | "*/*" | "application/*" | "application/json")
        })
    };
    accepted.peek().is_none() || accepted.any(reads)
}

/// The document.
pub(super) fn document(catalog: &Catalog) -> Result<Value, ApiError> {
    let versions: BTreeSet<(&str, &str)> = catalog
        .resources()
        .iter()
        .map(|resource| (resource.group.as_str(), resource.version.as_str()))
        .collect();
    let (mut definitions, mut paths) = (Map::new(), Map::new());
    for (group, version) in versions {
        let mut document = openapi::document(catalog, group, version)?;
        let mut parts = |pointer: &str| match document.pointer_mut(pointer).map(Value::take) {
            Some(Value::Object(parts)) => parts,
            _ => Map::new(),
        };
        for (name, schema) in parts("/components/schemas") {
            definitions.entry(name).or_insert_with(|| older(schema));
        }
        for (path, operations) in parts("/paths") {
            paths.insert(path, older_operations(operations));
        }
    }
    for resource in catalog.resources() {
        if let Source::Custom(custom) = &resource.source
            && (!custom.written.is_object() || custom.written[PRESERVES] == true)
        {
            // Fields beside others would be taken for all there are.
            let bare = json!({ "type": "object", KIND: [openapi::kind_of(resource)] });
            definitions.insert(openapi::type_name(resource), bare);
        }
    }
    Ok(json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": "v1.36.3" },
        "paths": paths,
        "definitions": definitions,
    }))
}

/// A schema as v2 says it.
fn older(schema: Value) -> Value {
    let mut facts = match schema {
        Value::Object(facts) => facts,
        other => return other,
    };
    if let Some([Value::Object(only)]) = facts.get("allOf").and_then(Value::as_array).map(Vec::as_slice)
        && let Some(reference) = only.get("$ref").cloned()
    {
        facts.insert("$ref".to_owned(), reference);
    }
    if let Some(Value::String(reference)) = facts.get_mut("$ref") {
        *reference = reference.replace("#/components/schemas/", "#/definitions/");
    }
    let alternatives = facts.remove("oneOf").is_some();
    for word in ["allOf", "anyOf", "not"] {
        facts.remove(word);
    }
    let is_true = |facts: &Map<String, Value>, word: &str| facts.get(word) == Some(&Value::Bool(true));
    let custom = is_true(&facts, "x-kubernetes-int-or-string");
    if alternatives && !custom && !facts.contains_key("type") {
        // Numbers that may be written as text, in kinds of Kubernetes' own.
        facts.insert("type".to_owned(), json!("string"));
    }
    let nullable = is_true(&facts, "nullable");
    let preserves = is_true(&facts, PRESERVES);
    if nullable || preserves {
        facts.remove("items");
        facts.remove("properties");
    }
    let kind = facts.get("type").and_then(Value::as_str).unwrap_or_default();
    if nullable || (kind == "array" && !facts.contains_key("items")) || (kind == "object" && preserves) {
        facts.remove("type");
        facts.remove("nullable");
    }
    let mut loose: Vec<String> = Vec::new();
    if let Some(Value::Object(properties)) = facts.get_mut("properties") {
        for (name, property) in properties {
            if property["nullable"] == true {
                loose.push(name.clone());
            }
            *property = older(property.take());
        }
    }
    if let Some(Value::Array(required)) = facts.get_mut("required") {
        required.retain(|name| !loose.iter().any(|loose| name == loose));
        if required.is_empty() {
            facts.remove("required");
        }
    }
    for word in ["items", "additionalProperties"] {
        if let Some(below) = facts.get_mut(word) {
            *below = older(below.take());
        }
    }
    Value::Object(facts)
}

/// What can be done at a path, as v2 says it.
fn older_operations(operations: Value) -> Value {
    let Value::Object(mut operations) = operations else {
        return operations;
    };
    for operation in operations.values_mut().filter_map(Value::as_object_mut) {
        let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
        for parameter in parameters.into_iter().flatten().filter_map(Value::as_object_mut) {
            if let Some(Value::Object(mut schema)) = parameter.remove("schema") {
                parameter.extend(schema.remove_entry("type"));
            }
        }
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for response in responses.into_iter().flat_map(Map::values_mut) {
            let schema = response
                .pointer_mut("/content/application~1json/schema")
                .map(Value::take);
            if let Some(response) = response.as_object_mut() {
                response.remove("content");
                response.entry("description").or_insert_with(|| json!("OK"));
                response.extend(schema.map(|schema| ("schema".to_owned(), older(schema))));
            }
        }
    }
    Value::Object(operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_v2_cannot_say_is_left_out() {
        let check = |schema: Value, expect: Value| assert_eq!(older(schema), expect);
        check(
            json!({"allOf": [{"$ref": "#/components/schemas/a.B"}], "default": {}}),
            json!({"$ref": "#/definitions/a.B", "default": {}}),
        );
        check(
            json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}),
            json!({"type": "string", "format": "int-or-string"}),
        );
        check(
            json!({"anyOf": [{"type": "integer"}], "x-kubernetes-int-or-string": true}),
            json!({"x-kubernetes-int-or-string": true}),
        );
        check(
            json!({"type": "object", "required": ["a", "b"], "properties": {
                "a": {"type": "string"},
                "b": {"type": "object", "nullable": true, "properties": {"c": {}}},
            }}),
            json!({"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}, "b": {}}}),
        );
        check(
            json!({"type": "object", PRESERVES: true, "properties": {"a": {}}}),
            json!({PRESERVES: true}),
        );
        check(json!({"type": "array"}), json!({}));
    }

    #[test]
    fn every_kind_is_there_and_every_reference_leads_somewhere() {
        let document = document(&Catalog::new(&Catalog::default(), &[])).unwrap();
        let definitions = document["definitions"].as_object().unwrap();
        let deployment = &definitions["io.k8s.api.apps.v1.Deployment"];
        assert_eq!(deployment[KIND][0]["kind"], "Deployment");
        let text = document.to_string();
        assert!(!text.contains("components/schemas"));
        let references = text.split("\"$ref\":\"#/definitions/").skip(1);
        for name in references.filter_map(|rest| rest.split('"').next()) {
            assert!(definitions.contains_key(name), "{name}");
        }
        let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        assert_eq!(
            patch["parameters"][0],
            json!({"name": "dryRun", "in": "query", "type": "string"})
        );
    }

    #[test]
    fn only_json_is_had() {
        let check = |accept: Option<&str>, expect: bool| {
            let mut headers = HeaderMap::new();
            if let Some(accept) = accept {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            assert_eq!(is_acceptable(&headers), expect, "{accept:?}");
        };
        check(None, true);
        check(Some("application/json, */*"), true);
        check(
            Some("application/com.github.proto-openapi.spec.v2.v1.0+protobuf"),
            false,
        );
    }
}
