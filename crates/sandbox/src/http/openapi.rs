//! OpenAPI v3: the schemas by group and version, for `kubectl explain`, `kubectl apply` and other clients that look
//! before they write. Built-in kinds come without descriptions, custom ones as their CRD has them.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::{Map, Value, json};

use crate::catalog::{Catalog, Resource, Source};
use crate::status::ApiError;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const REFERENCE: &str = "#/components/schemas/";

/// Where the documents are.
pub(super) fn index(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    for resource in catalog.resources() {
        let path = if resource.group.is_empty() {
            format!("api/{}", resource.version)
        } else {
            format!("apis/{}/{}", resource.group, resource.version)
        };
        paths.entry(path.clone()).or_insert_with(|| {
            let hash = fingerprint(catalog, &resource.group, &resource.version);
            json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash:016X}") })
        });
    }
    json!({ "paths": paths })
}

/// Changes when a document does.
fn fingerprint(catalog: &Catalog, group: &str, version: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    for resource in of_version(catalog, group, version) {
        resource.plural.hash(&mut hasher);
        if let Source::Custom(custom) = &resource.source {
            custom.written.to_string().hash(&mut hasher);
        }
    }
    hasher.finish()
}

fn of_version<'a>(catalog: &'a Catalog, group: &str, version: &str) -> impl Iterator<Item = &'a Resource> {
    let resources = catalog.resources().iter().map(|resource| &**resource);
    resources.filter(move |resource| resource.group == group && resource.version == version)
}

/// The document of one group and version.
pub(super) fn document(catalog: &Catalog, group: &str, version: &str) -> Result<Value, ApiError> {
    let resources: Vec<&Resource> = of_version(catalog, group, version).collect();
    if resources.is_empty() {
        return Err(ApiError::no_such_resource());
    }
    if resources.iter().all(|resource| !resource.is_custom()) {
        return Ok(schema::openapi_document(group, version));
    }
    let mut schemas = metadata_schemas();
    let mut paths = Map::new();
    for resource in resources {
        let Source::Custom(custom) = &resource.source else {
            continue;
        };
        let name = type_name(resource);
        schemas.insert(name.clone(), described(resource, &custom.written));
        let scope = if resource.namespaced {
            "/namespaces/{namespace}"
        } else {
            ""
        };
        let path = format!("/apis/{group}/{version}{scope}/{}/{{name}}", resource.plural);
        paths.insert(path, operations(resource, &name));
    }
    Ok(json!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes CRD Swagger", "version": "v0.1.0" },
        "paths": paths,
        "components": { "schemas": schemas },
    }))
}

/// `com.example.v1.Widget` of the group `example.com`.
pub(super) fn type_name(resource: &Resource) -> String {
    let mut group: Vec<&str> = resource.group.split('.').collect();
    group.reverse();
    format!("{}.{}.{}", group.join("."), resource.version, resource.kind)
}

pub(super) fn kind_of(resource: &Resource) -> Value {
    json!({ "group": resource.group, "version": resource.version, "kind": resource.kind })
}

fn described(resource: &Resource, written: &Value) -> Value {
    let mut schema = if written.is_object() {
        written.clone()
    } else {
        json!({ "type": "object" })
    };
    let text = |what: &str| json!({ "type": "string", "description": what });
    schema["properties"]["apiVersion"] = text("The group and version of this representation of the object.");
    schema["properties"]["kind"] = text("The kind of the object.");
    schema["properties"]["metadata"] = json!({ "allOf": [{ "$ref": format!("{REFERENCE}{META}") }] });
    schema["x-kubernetes-group-version-kind"] = json!([kind_of(resource)]);
    schema
}

fn operations(resource: &Resource, name: &str) -> Value {
    let body = json!({ "application/json": { "schema": { "$ref": format!("{REFERENCE}{name}") } } });
    let parameter =
        |name: &str, kind: &str| json!({ "name": name, "in": "query", "schema": { "type": kind } });
    json!({
        "get": {
            "x-kubernetes-action": "get",
            "x-kubernetes-group-version-kind": kind_of(resource),
            "responses": { "200": { "description": "OK", "content": body } },
        },
        "patch": {
            "x-kubernetes-action": "patch",
            "x-kubernetes-group-version-kind": kind_of(resource),
            "parameters": [
                parameter("dryRun", "string"),
                parameter("fieldManager", "string"),
                parameter("fieldValidation", "string"),
                parameter("force", "boolean"),
            ],
            "responses": { "200": { "description": "OK" } },
        },
    })
}

/// The schema of `metadata` and all it refers to, from a document that has them.
fn metadata_schemas() -> Map<String, Value> {
    let core = schema::openapi_document("apps", "v1");
    let mut found = Map::new();
    let mut open = BTreeSet::from([META.to_owned()]);
    while let Some(name) = open.pop_first() {
        if let Some(schema) = core["components"]["schemas"].get(&name)
            && !found.contains_key(&name)
        {
            references(schema, &mut open);
            found.insert(name, schema.clone());
        }
    }
    found
}

fn references(schema: &Value, found: &mut BTreeSet<String>) {
    match schema {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str().and_then(|value| value.strip_prefix(REFERENCE)) {
                    Some(reference) if name == "$ref" => {
                        found.insert(reference.to_owned());
                    }
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}
