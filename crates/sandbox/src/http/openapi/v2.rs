//! The second version of OpenAPI, which has fewer words for schemas: what it cannot say is left out, as upstream does.

use serde_json::{Map, Value, json};

/// Words of the third version that the second lacks.
const UNKNOWN: [&str; 6] = ["default", "nullable", "oneOf", "anyOf", "not", "allOf"];

/// The document of these paths and schemas; the schemas are those of the third version.
pub(super) fn document(paths: &Map<String, Value>, schemas: Map<String, Value>) -> Value {
    let definitions: Map<String, Value> = schemas
        .into_iter()
        .map(|(name, schema)| {
            let schema = match name.rsplit('.').next() {
                Some("Quantity") => json!({ "type": "string" }),
                Some("IntOrString") => json!({ "type": "string", "format": "int-or-string" }),
                _ => root(schema),
            };
            (name, schema)
        })
        .collect();
    json!({
        "swagger": "2.0",
        "info": { "title": "Kubernetes", "version": "1.36" },
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": {
            "BearerToken": { "type": "apiKey", "name": "authorization", "in": "header" },
        },
        "security": [{ "BearerToken": [] }],
    })
}

/// A whole definition. Of a kind that keeps whatever fields it has, clients are told no more than that it is an object.
fn root(schema: Value) -> Value {
    const GROUP_VERSION_KIND: &str = "x-kubernetes-group-version-kind";
    let open = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&json!(true));
    match schema.get(GROUP_VERSION_KIND) {
        Some(kinds) if open => json!({ "type": "object", GROUP_VERSION_KIND: kinds }),
        _ => translated(schema),
    }
}

/// One schema of the third version, in words of the second.
fn translated(schema: Value) -> Value {
    let Value::Object(fields) = schema else {
        return schema;
    };
    let reference = fields
        .get("$ref")
        .or_else(|| fields.get("allOf")?.get(0)?.get("$ref"))
        .and_then(Value::as_str);
    if let Some(reference) = reference {
        let name = reference.rsplit('/').next().unwrap_or_default();
        let mut kept: Map<String, Value> = Map::new();
        kept.insert("$ref".to_owned(), json!(format!("#/definitions/{name}")));
        kept.extend(fields.into_iter().filter(|(word, _)| word.starts_with("x-")));
        return Value::Object(kept);
    }
    let says = |word: &str| fields.get(word) == Some(&json!(true));
    // Clients would refuse what these allow, so they are told nothing of it.
    let open = says("nullable")
        || says("x-kubernetes-int-or-string")
        || says("x-kubernetes-preserve-unknown-fields");
    let mut kept = Map::new();
    for (word, value) in fields {
        let value = match word.as_str() {
            "properties" => match value {
                Value::Object(inner) => inner
                    .into_iter()
                    .map(|(name, schema)| (name, translated(schema)))
                    .collect::<Map<_, _>>()
                    .into(),
                other => other,
            },
            "items" | "additionalProperties" => translated(value),
            _ => value,
        };
        let telling = word == "description" || word.starts_with("x-");
        if telling || !open && !UNKNOWN.contains(&word.as_str()) {
            kept.insert(word, value);
        }
    }
    Value::Object(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemas_lose_what_the_second_version_cannot_say() {
        let check = |third: Value, second: Value| assert_eq!(translated(third.clone()), second, "{third}");
        check(
            json!({ "allOf": [{ "$ref": "#/components/schemas/a.B" }], "default": {}, "x-kubernetes-patch-strategy": "retainKeys" }),
            json!({ "$ref": "#/definitions/a.B", "x-kubernetes-patch-strategy": "retainKeys" }),
        );
        check(
            json!({ "type": "object", "properties": { "size": { "type": "integer", "default": 1, "minimum": 1 } } }),
            json!({ "type": "object", "properties": { "size": { "type": "integer", "minimum": 1 } } }),
        );
        check(
            json!({ "description": "free", "type": "object", "x-kubernetes-preserve-unknown-fields": true }),
            json!({ "description": "free", "x-kubernetes-preserve-unknown-fields": true }),
        );
        check(
            json!({ "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] }),
            json!({ "x-kubernetes-int-or-string": true }),
        );
        check(
            json!({ "type": "array", "items": { "type": "string", "nullable": true } }),
            json!({ "type": "array", "items": {} }),
        );
    }

    #[test]
    fn of_kinds_that_keep_whatever_they_have_nothing_more_is_told() {
        let kinds = json!([{ "group": "example.com", "version": "v1", "kind": "Widget" }]);
        let kind = json!({
            "type": "object",
            "properties": { "spec": { "type": "object" } },
            "x-kubernetes-preserve-unknown-fields": true,
            "x-kubernetes-group-version-kind": kinds,
        });
        let told = json!({ "type": "object", "x-kubernetes-group-version-kind": kinds });
        assert_eq!(root(kind), told);
    }
}
