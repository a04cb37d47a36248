//! The operations of a resource, path by path, in the words of either version of OpenAPI.

use schema::openapi_name;
use serde_json::{Map, Value, json};

use super::kind_json;
use super::schemas::{PATCH, list_name, spoken, type_name};
use crate::catalog::Resource;

/// Which version of OpenAPI is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Second,
    Third,
}

const LIST: &[(&str, &str)] = &[
    ("allowWatchBookmarks", "boolean"),
    ("continue", "string"),
    ("fieldSelector", "string"),
    ("labelSelector", "string"),
    ("limit", "integer"),
    ("resourceVersion", "string"),
    ("resourceVersionMatch", "string"),
    ("sendInitialEvents", "boolean"),
    ("timeoutSeconds", "integer"),
    ("watch", "boolean"),
];
const WRITE: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("fieldManager", "string"),
    ("fieldValidation", "string"),
];
const PATCHED: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("fieldManager", "string"),
    ("fieldValidation", "string"),
    ("force", "boolean"),
];
const DELETE: &[(&str, &str)] = &[
    ("dryRun", "string"),
    ("gracePeriodSeconds", "integer"),
    ("orphanDependents", "boolean"),
    ("propagationPolicy", "string"),
];
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
    "application/strategic-merge-patch+json",
];

/// One verb on one path.
struct Operation<'a> {
    method: &'static str,
    action: &'static str,
    /// What its name begins with.
    word: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    /// The schema of its body, and whether there must be one.
    body: Option<(String, bool)>,
    answer: String,
    kind: (&'a str, &'a str, &'a str),
}

/// The paths of a resource with their operations.
pub(super) fn of(resource: &Resource, dialect: Dialect) -> Map<String, Value> {
    let group = if resource.group.is_empty() {
        format!("/api/{}", resource.version)
    } else {
        format!("/apis/{}/{}", resource.group, resource.version)
    };
    let place = if resource.namespaced {
        "/namespaces/{namespace}"
    } else {
        ""
    };
    let all = format!("{group}{place}/{}", resource.plural);
    let one = format!("{all}/{{name}}");
    let mut paths = Map::new();
    let mut add = |path: String, verbs: &[String], wanted: &[&str], subresource: Option<&str>| {
        let verbs = verbs.iter().map(String::as_str);
        let verbs: Vec<&str> = verbs.filter(|verb| wanted.contains(verb)).collect();
        let operations: Vec<Operation<'_>> = verbs
            .iter()
            .filter_map(|verb| operation(resource, subresource, verb))
            .collect();
        if operations.is_empty() {
            return;
        }
        let mut item = Map::new();
        for operation in operations {
            let name = operation_name(resource, &operation, &path, subresource.unwrap_or_default());
            let written = written(resource, &operation, &name, dialect);
            item.insert(operation.method.to_owned(), written);
        }
        item.insert("parameters".to_owned(), shared(&path, dialect));
        paths.insert(path, Value::Object(item));
    };
    let verbs = &resource.verbs;
    if resource.namespaced {
        add(format!("{group}/{}", resource.plural), verbs, &["list"], None);
    }
    add(all, verbs, &["list", "create", "deletecollection"], None);
    add(one.clone(), verbs, &["get", "update", "patch", "delete"], None);
    for subresource in &resource.subresources {
        let verbs = &subresource.verbs;
        let wanted = ["get", "create", "update", "patch"];
        let name = subresource.name.as_str();
        add(format!("{one}/{name}"), verbs, &wanted, Some(name));
    }
    paths
}

fn operation<'a>(resource: &'a Resource, subresource: Option<&str>, verb: &str) -> Option<Operation<'a>> {
    let own = (
        resource.group.as_str(),
        resource.version.as_str(),
        resource.kind.as_str(),
    );
    let found = subresource.and_then(|name| resource.subresources.iter().find(|one| one.name == name));
    let (kind, schema) = match found {
        Some(found) => {
            let (group, version, kind) = &found.speaks;
            (
                (group.as_str(), version.as_str(), kind.as_str()),
                spoken(&found.speaks, resource),
            )
        }
        None => (own, type_name(resource)),
    };
    let (method, action, word, parameters): (_, _, _, &[_]) = match verb {
        "get" => ("get", "get", "read", &[]),
        "list" => ("get", "list", "list", LIST),
        "create" => ("post", "post", "create", WRITE),
        "update" => ("put", "put", "replace", WRITE),
        "patch" => ("patch", "patch", "patch", PATCHED),
        "delete" => ("delete", "delete", "delete", DELETE),
        "deletecollection" => ("delete", "deletecollection", "deleteCollection", DELETE),
        _ => return None,
    };
    let body = match verb {
        "create" | "update" => Some((schema.clone(), true)),
        "patch" => Some((PATCH.to_owned(), true)),
        "delete" | "deletecollection" => Some((openapi_name("meta.v1.DeleteOptions"), false)),
        _ => None,
    };
    let answer = match verb {
        "list" => list_name(resource),
        "delete" | "deletecollection" => openapi_name("meta.v1.Status"),
        _ => schema,
    };
    Some(Operation {
        method,
        action,
        word,
        parameters,
        body,
        answer,
        kind,
    })
}

/// `listAppsV1NamespacedDeployment`
fn operation_name(resource: &Resource, operation: &Operation<'_>, path: &str, subresource: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    };
    let group = resource.group.strip_suffix(".k8s.io").unwrap_or(&resource.group);
    let group: String = match group {
        "" => "Core".to_owned(),
        group => group.split('.').map(capital).collect(),
    };
    let within = path.contains("{namespace}");
    format!(
        "{}{group}{}{}{}{}{}",
        operation.word,
        capital(&resource.version),
        if within { "Namespaced" } else { "" },
        resource.kind,
        capital(subresource),
        if resource.namespaced && !within {
            "ForAllNamespaces"
        } else {
            ""
        },
    )
}

fn written(resource: &Resource, operation: &Operation<'_>, name: &str, dialect: Dialect) -> Value {
    let produced: &[&str] = if resource.is_custom() {
        &["application/json", "application/yaml"]
    } else {
        &[
            "application/json",
            "application/yaml",
            "application/vnd.kubernetes.protobuf",
        ]
    };
    let strategic = usize::from(!resource.is_custom());
    let patches = &PATCHES[..PATCHES.len() - 1 + strategic];
    let consumed: &[&str] = match operation.action {
        "patch" => patches,
        _ if resource.is_custom() => produced,
        _ => &["*/*"],
    };
    let mut parameters: Vec<Value> = Vec::new();
    for (name, kind) in operation.parameters {
        parameters.push(parameter(name, kind, false, dialect));
    }
    let mut codes = vec![("200", "OK")];
    codes.extend(match operation.action {
        "post" => vec![("201", "Created"), ("202", "Accepted")],
        "put" | "patch" => vec![("201", "Created")],
        "delete" => vec![("202", "Accepted")],
        _ => Vec::new(),
    });
    let schema = |name: &str| match dialect {
        Dialect::Second => json!({ "$ref": format!("#/definitions/{name}") }),
        Dialect::Third => json!({ "$ref": format!("#/components/schemas/{name}") }),
    };
    let content = |types: &[&str], name: &str| {
        let types = types.iter();
        let types: Map<String, Value> = types
            .map(|kind| ((*kind).to_owned(), json!({ "schema": schema(name) })))
            .collect();
        Value::Object(types)
    };
    let mut responses = Map::new();
    for (code, description) in codes {
        let answer = match dialect {
            Dialect::Second => json!({ "description": description, "schema": schema(&operation.answer) }),
            Dialect::Third => {
                json!({ "description": description, "content": content(produced, &operation.answer) })
            }
        };
        responses.insert(code.to_owned(), answer);
    }
    responses.insert("401".to_owned(), json!({ "description": "Unauthorized" }));
    let (group, version, kind) = operation.kind;
    let mut json = json!({
        "operationId": name,
        "responses": responses,
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": kind_json(group, version, kind),
    });
    if let Some((body, required)) = &operation.body {
        match dialect {
            Dialect::Second => {
                let mut whole = json!({ "name": "body", "in": "body", "schema": schema(body) });
                if *required {
                    whole["required"] = json!(true);
                }
                parameters.insert(0, whole);
            }
            Dialect::Third => {
                json["requestBody"] = json!({ "content": content(consumed, body) });
                if *required {
                    json["requestBody"]["required"] = json!(true);
                }
            }
        }
    }
    if dialect == Dialect::Second {
        json["schemes"] = json!(["https"]);
        json["consumes"] = json!(consumed);
        json["produces"] = json!(produced);
    }
    if !parameters.is_empty() {
        json["parameters"] = json!(parameters);
    }
    json
}

/// The parameters of every operation on a path.
fn shared(path: &str, dialect: Dialect) -> Value {
    let mut parameters = Vec::new();
    for name in ["name", "namespace"] {
        if path.contains(&format!("{{{name}}}")) {
            parameters.push(parameter(name, "string", true, dialect));
        }
    }
    parameters.push(parameter("pretty", "string", false, dialect));
    Value::Array(parameters)
}

fn parameter(name: &str, kind: &str, in_path: bool, dialect: Dialect) -> Value {
    let mut json = json!({ "name": name, "in": if in_path { "path" } else { "query" } });
    if in_path {
        json["required"] = json!(true);
    }
    match dialect {
        Dialect::Second => {
            json["type"] = json!(kind);
            json["uniqueItems"] = json!(true);
        }
        Dialect::Third => json["schema"] = json!({ "type": kind, "uniqueItems": true }),
    }
    json
}
