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

/// What metadata are.
const METADATA_ITSELF: &str = "Standard object's metadata.";

/// What the fields of every object's metadata are for: what `kubectl explain` prints of them.
const METADATA: [(&str, &str); 13] = [
    (
        "annotations",
        "Annotations are notes of programs and people; nothing is chosen by them.",
    ),
    (
        "creationTimestamp",
        "CreationTimestamp is a timestamp of the server: when the object was made.",
    ),
    (
        "deletionTimestamp",
        "DeletionTimestamp says that the object is being deleted, and since when.",
    ),
    (
        "finalizers",
        "Finalizers name those who have something to do before the object goes.",
    ),
    (
        "generateName",
        "GenerateName is what a name begins with that the server completes.",
    ),
    ("generation", "Generation counts the changes of what is wanted."),
    ("labels", "Labels are what objects are chosen by."),
    ("managedFields", "ManagedFields says who wrote which field."),
    (
        "name",
        "Name tells the object from others of its kind in its namespace, and does not change.",
    ),
    (
        "namespace",
        "Namespace is where the object is; empty for what is of the whole cluster.",
    ),
    (
        "ownerReferences",
        "OwnerReferences name the objects that it goes with.",
    ),
    ("resourceVersion", "ResourceVersion changes with every write."),
    ("uid", "UID tells the object from all that were and will be."),
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
    if let Some(metadata) = found.get_mut(&openapi_name("meta.v1.ObjectMeta")) {
        for (field, what) in METADATA {
            metadata["properties"][field]["description"] = json!(what);
        }
    }
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
    schema["properties"]["metadata"] =
        json!({ "description": METADATA_ITSELF, "allOf": [reference(&metadata)] });
    embed(&mut schema);
    schema
}

fn add_type(schema: &mut Value) {
    schema["properties"]["apiVersion"] =
        text("APIVersion defines in which group and version the object is written.");
    schema["properties"]["kind"] = text("The kind of the object.");
}

/// Spells out what two marks of custom resources stand for: whole objects within, and numbers that may be words. What is no
/// schema, such as a default, may look like one and stays as it is.
fn embed(schema: &mut Value) {
    if schema.get("x-kubernetes-embedded-resource") == Some(&json!(true)) {
        schema["required"] = json!(["kind", "apiVersion"]);
        add_type(schema);
        let metadata = openapi_name("meta.v1.ObjectMeta");
        schema["properties"]["metadata"] =
            json!({ "description": METADATA_ITSELF, "allOf": [reference(&metadata)] });
    }
    let Some(fields) = schema.as_object_mut() else {
        return;
    };
    if fields.get("x-kubernetes-int-or-string") == Some(&json!(true)) && !fields.contains_key("anyOf") {
        let either = json!([{ "type": "integer" }, { "type": "string" }]);
        fields.insert("anyOf".to_owned(), either);
    }
    for (word, value) in fields {
        match (word.as_str(), value) {
            ("items" | "additionalProperties" | "not", within) => embed(within),
            ("allOf" | "anyOf" | "oneOf", Value::Array(all)) => all.iter_mut().for_each(embed),
            ("properties", Value::Object(all)) => all.values_mut().for_each(embed),
            _ => {}
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_count_in_schemas_alone() {
        let mark = json!({ "x-kubernetes-embedded-resource": true, "properties": 1 });
        let whole = |field: &str| format!("/properties/{field}/properties/apiVersion/type");
        let schema = described(&json!({
            "properties": {
                "shown": { "type": "object", "default": mark, "example": mark },
                "within": { "type": "object", "x-kubernetes-embedded-resource": true },
                "port": { "x-kubernetes-int-or-string": true },
            },
        }));
        assert_eq!(schema["properties"]["shown"]["default"], mark);
        assert_eq!(schema["properties"]["shown"]["example"], mark);
        assert_eq!(schema.pointer(&whole("within")), Some(&json!("string")));
        assert_eq!(
            schema["properties"]["port"]["anyOf"].as_array().map(Vec::len),
            Some(2)
        );
    }
}
