//! The schemas of resources, of their lists and of what their subresources speak.

use schema::{openapi_name, openapi_types};
use serde_json::{Map, Value, json};

use super::kind_json;
use crate::catalog::{Resource, Source};

const REFERENCE: &str = "#/components/schemas/";
pub(super) const PATCH: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

/// What every document needs.
const COMMON: [&str; 4] = [
    "meta.v1.DeleteOptions",
    "meta.v1.ListMeta",
    "meta.v1.ObjectMeta",
    "meta.v1.Status",
];

/// The schemas that the paths of these resources refer to, and all that those refer to.
pub(super) fn of(resources: &[&Resource]) -> Map<String, Value> {
    let mut names: Vec<String> = COMMON.map(str::to_owned).to_vec();
    for resource in resources {
        if !resource.is_custom() {
            names.push(resource.schema().name.clone());
        }
        let speaks = resource.subresources.iter().map(|one| &one.speaks);
        names.extend(speaks.map(|(group, version, kind)| builtin_name(group, version, kind)));
    }
    let mut found = openapi_types(names.iter().map(String::as_str));
    found.insert(
        PATCH.to_owned(),
        json!({ "type": "object", "description": "What is to change; its media type says in which words." }),
    );
    for resource in resources {
        let (group, version) = (resource.group.as_str(), resource.version.as_str());
        let name = type_name(resource);
        let kind = json!([kind_json(group, version, &resource.kind)]);
        if let Source::Custom(custom) = &resource.source {
            found.insert(name.clone(), described(&custom.written));
        }
        if let Some(schema) = found.get_mut(&name) {
            schema["x-kubernetes-group-version-kind"] = kind;
        }
        for (group, version, kind) in resource.subresources.iter().map(|one| &one.speaks) {
            if let Some(schema) = found.get_mut(&openapi_name(&builtin_name(group, version, kind))) {
                schema["x-kubernetes-group-version-kind"] = json!([kind_json(group, version, kind)]);
            }
        }
        if resource.allows("", "list") {
            let mut list = list_of(resource, &name);
            list["x-kubernetes-group-version-kind"] = json!([kind_json(group, version, &resource.list_kind)]);
            found.insert(list_name(resource), list);
        }
    }
    found
}

/// `apps.v1.Deployment` of the group `apps`, `core.v1.Pod` of the core.
fn builtin_name(group: &str, version: &str, kind: &str) -> String {
    let package = group.split('.').next().filter(|package| !package.is_empty());
    format!("{}.{version}.{kind}", package.unwrap_or("core"))
}

/// The name of a kind's schema: `com.example.v1.Widget` of the group `example.com`.
pub(super) fn type_name(resource: &Resource) -> String {
    if !resource.is_custom() {
        return openapi_name(&resource.schema().name);
    }
    let mut group: Vec<&str> = resource.group.split('.').collect();
    group.reverse();
    format!("{}.{}.{}", group.join("."), resource.version, resource.kind)
}

pub(super) fn list_name(resource: &Resource) -> String {
    let name = type_name(resource);
    match name.rsplit_once('.') {
        Some((package, _)) => format!("{package}.{}", resource.list_kind),
        None => name,
    }
}

/// The name of the schema that a subresource speaks.
pub(super) fn spoken((group, version, kind): &(String, String, String), resource: &Resource) -> String {
    if (group, kind) == (&resource.group, &resource.kind) {
        return type_name(resource);
    }
    openapi_name(&builtin_name(group, version, kind))
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("{REFERENCE}{name}") })
}

fn text(what: &str) -> Value {
    json!({ "type": "string", "description": what })
}

fn described(written: &Value) -> Value {
    let mut schema = if written.is_object() {
        written.clone()
    } else {
        json!({ "type": "object" })
    };
    add_type(&mut schema);
    let metadata = openapi_name("meta.v1.ObjectMeta");
    schema["properties"]["metadata"] = json!({ "allOf": [reference(&metadata)] });
    embed(&mut schema);
    schema
}

fn add_type(schema: &mut Value) {
    schema["properties"]["apiVersion"] = text("The group and version of this representation of the object.");
    schema["properties"]["kind"] = text("The kind of the object.");
}

/// Spells out what two marks of custom resources stand for: whole objects within, and numbers that may be words.
fn embed(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.get("x-kubernetes-embedded-resource") == Some(&json!(true)) {
                fields.insert("required".to_owned(), json!(["kind", "apiVersion"]));
                let metadata = openapi_name("meta.v1.ObjectMeta");
                let mut whole = Value::Object(std::mem::take(fields));
                add_type(&mut whole);
                whole["properties"]["metadata"] = json!({ "allOf": [reference(&metadata)] });
                if let Value::Object(whole) = whole {
                    *fields = whole;
                }
            }
            if fields.get("x-kubernetes-int-or-string") == Some(&json!(true)) && !fields.contains_key("anyOf")
            {
                fields.insert(
                    "anyOf".to_owned(),
                    json!([{ "type": "integer" }, { "type": "string" }]),
                );
            }
            fields.values_mut().for_each(embed);
        }
        Value::Array(items) => items.iter_mut().for_each(embed),
        _ => {}
    }
}

fn list_of(resource: &Resource, item: &str) -> Value {
    let mut list = json!({
        "type": "object",
        "description": format!("{} is a list of {}.", resource.list_kind, resource.kind),
        "required": ["items"],
        "properties": {
            "items": { "type": "array", "items": reference(item) },
            "metadata": { "allOf": [reference(&openapi_name("meta.v1.ListMeta"))] },
        },
    });
    add_type(&mut list);
    list
}
