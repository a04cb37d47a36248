//! Schemas written out as OpenAPI v3, under the names upstream gives them: what `kubectl explain`,
//! client-side validation and other clients read.

use serde_json::{Map, Value, json};

use crate::builtin::Schemas;
use crate::model::{Field, ListType, MapType, PatchStrategy, Ref, Rules, Schema, Type};

/// The schemas of these built-in types and of all that they refer to, as OpenAPI v3 under their upstream names. No
/// descriptions.
pub fn openapi_types<'a>(names: impl IntoIterator<Item = &'a str>) -> Map<String, Value> {
    let schemas = Schemas::builtin();
    let mut open: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut found = Map::new();
    while let Some(name) = open.pop() {
        let upstream = openapi_name(&name);
        if found.contains_key(&upstream) {
            continue;
        }
        if let Some(schema) = schemas.type_named(&name) {
            found.insert(upstream, openapi_schema(schema));
            references(schema, &mut open);
        }
    }
    found
}

/// The full upstream name of a built-in type: `io.k8s.api.apps.v1.Deployment` of `apps.v1.Deployment`.
pub fn openapi_name(name: &str) -> String {
    let prefix = match name.split('.').next().unwrap_or_default() {
        "meta" => "io.k8s.apimachinery.pkg.apis.",
        "api" | "runtime" | "util" | "version" => "io.k8s.apimachinery.pkg.",
        "apiextensions" => "io.k8s.apiextensions-apiserver.pkg.apis.",
        "apiregistration" => "io.k8s.kube-aggregator.pkg.apis.",
        _ => "io.k8s.api.",
    };
    format!("{prefix}{name}")
}

fn references(schema: &Schema, found: &mut Vec<String>) {
    let mut note = |reference: &Ref| {
        if reference.name.is_empty() {
            references(reference.get(), found);
        } else {
            found.push(reference.name.clone());
        }
    };
    schema.fields.values().for_each(|field| note(&field.schema));
    schema.values.iter().for_each(&mut note);
    schema.items.iter().for_each(&mut note);
}

/// One schema as OpenAPI v3. Built-in types that it refers to stand as `$ref`s.
pub fn openapi_schema(schema: &Schema) -> Value {
    let mut out = Map::new();
    let (kind, format) = match schema.kind {
        Type::Any => ("", schema.format.as_str()),
        Type::Raw | Type::Object => ("object", schema.format.as_str()),
        Type::Array => ("array", schema.format.as_str()),
        Type::String => ("string", schema.format.as_str()),
        Type::Integer => ("integer", schema.format.as_str()),
        Type::Number => ("number", schema.format.as_str()),
        Type::Boolean => ("boolean", schema.format.as_str()),
        Type::IntOrString if schema.typed => {
            out.insert(
                "oneOf".to_owned(),
                json!([{"type": "integer"}, {"type": "string"}]),
            );
            ("", "int-or-string")
        }
        Type::IntOrString => {
            out.insert("x-kubernetes-int-or-string".to_owned(), json!(true));
            ("", schema.format.as_str())
        }
        Type::Quantity => {
            out.insert(
                "oneOf".to_owned(),
                json!([{"type": "string"}, {"type": "number"}]),
            );
            ("", "")
        }
    };
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    if !kind.is_empty() {
        put("type", json!(kind));
    }
    if !format.is_empty() {
        put("format", json!(format));
    }
    if schema.nullable {
        put("nullable", json!(true));
    }
    if schema.preserve_unknown {
        put("x-kubernetes-preserve-unknown-fields", json!(true));
    }
    if schema.embedded {
        put("x-kubernetes-embedded-resource", json!(true));
    }
    if !schema.required.is_empty() {
        put("required", json!(schema.required));
    }
    if let Some(default) = &schema.default {
        put("default", default.clone());
    }
    if !schema.fields.is_empty() {
        let fields: Map<String, Value> = schema
            .fields
            .iter()
            .map(|(name, field)| (name.clone(), openapi_field(field)))
            .collect();
        put("properties", Value::Object(fields));
    }
    if let Some(values) = &schema.values {
        put("additionalProperties", openapi_reference(values));
    }
    if let Some(items) = &schema.items {
        put("items", openapi_reference(items));
    }
    match &schema.list {
        _ if schema.kind != Type::Array => {}
        ListType::Atomic => put("x-kubernetes-list-type", json!("atomic")),
        ListType::Set => put("x-kubernetes-list-type", json!("set")),
        ListType::Map(keys) => {
            put("x-kubernetes-list-type", json!("map"));
            put("x-kubernetes-list-map-keys", json!(keys));
        }
    }
    if schema.map == MapType::Atomic {
        put("x-kubernetes-map-type", json!("atomic"));
    }
    if let Some(word) = strategy_word(schema.patch) {
        put("x-kubernetes-patch-strategy", json!(word));
    }
    if !schema.merge_key.is_empty() {
        put("x-kubernetes-patch-merge-key", json!(schema.merge_key));
    }
    if let Some(rules) = &schema.rules {
        write_rules(rules, &mut out);
    }
    Value::Object(out)
}

fn strategy_word(strategy: PatchStrategy) -> Option<&'static str> {
    match strategy {
        PatchStrategy::Default => None,
        PatchStrategy::Merge => Some("merge"),
        PatchStrategy::Replace => Some("replace"),
        PatchStrategy::RetainKeys => Some("retainKeys"),
        PatchStrategy::MergeRetainKeys => Some("merge,retainKeys"),
    }
}

fn openapi_reference(reference: &Ref) -> Value {
    if reference.name.is_empty() {
        return openapi_schema(reference.get());
    }
    json!({"allOf": [{"$ref": format!("#/components/schemas/{}", openapi_name(&reference.name))}]})
}

fn openapi_field(field: &Field) -> Value {
    let mut written = openapi_reference(&field.schema);
    if let Some(out) = written.as_object_mut() {
        if field.always {
            out.insert("default".to_owned(), json!({}));
        }
        if let Some(map) = field.map {
            let word = if map == MapType::Atomic {
                "atomic"
            } else {
                "granular"
            };
            out.insert("x-kubernetes-map-type".to_owned(), json!(word));
        }
        if let Some(word) = field.patch.and_then(strategy_word) {
            out.insert("x-kubernetes-patch-strategy".to_owned(), json!(word));
        }
    }
    written
}

fn write_rules(rules: &Rules, out: &mut Map<String, Value>) {
    let mut put = |name: &str, value: Value| {
        out.insert(name.to_owned(), value);
    };
    if !rules.allowed.is_empty() {
        put("enum", json!(rules.allowed));
    }
    if let Some(pattern) = &rules.pattern {
        put("pattern", json!(pattern.as_str()));
    }
    for (limit, name, exclusive_name) in [
        (rules.minimum, "minimum", "exclusiveMinimum"),
        (rules.maximum, "maximum", "exclusiveMaximum"),
    ] {
        if let Some((limit, exclusive)) = limit {
            put(name, json!(limit));
            if exclusive {
                put(exclusive_name, json!(true));
            }
        }
    }
    if let Some(step) = rules.multiple_of {
        put("multipleOf", json!(step));
    }
    for (count, name) in [
        (rules.min_length, "minLength"),
        (rules.max_length, "maxLength"),
        (rules.min_items, "minItems"),
        (rules.max_items, "maxItems"),
        (rules.min_properties, "minProperties"),
        (rules.max_properties, "maxProperties"),
    ] {
        if let Some(count) = count {
            put(name, json!(count));
        }
    }
    if rules.unique_items {
        put("uniqueItems", json!(true));
    }
    for (schemas, name) in [
        (&rules.all_of, "allOf"),
        (&rules.any_of, "anyOf"),
        (&rules.one_of, "oneOf"),
    ] {
        if !schemas.is_empty() {
            put(name, schemas.iter().map(openapi_schema).collect());
        }
    }
    if let Some(not) = &rules.not {
        put("not", openapi_schema(not));
    }
}
