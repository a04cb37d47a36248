//! The CustomResourceDefinitions, generated from the types.
//!
//! Generating a schema takes longer than reading one, and every command needs some. So the schemas are kept as files
//! in `data/`, made by `cargo xtask generate definitions`; a test holds them against the types.

use kube_core::schema::StructuralSchemaRewriter;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::Transform;
use serde_json::{Map, Value, json};

use crate::application::{ApplicationSpec, ApplicationStatus};
use crate::claim::{CacheSpec, ClaimStatus, DatabaseSpec};
use crate::environment::{EnvironmentSpec, EnvironmentStatus};
use crate::golden_path::{GoldenPathSpec, GoldenPathStatus};
use crate::team::{TeamSpec, TeamStatus};
use crate::{Group, Kind, VERSION};

/// The definitions of all the platform's kinds, in the order in which they must exist.
pub fn crds(group: &Group) -> Vec<Value> {
    Kind::ALL.into_iter().map(|kind| crd(group, kind)).collect()
}

/// The definition of one kind under `group`.
pub fn crd(group: &Group, kind: Kind) -> Value {
    definition(group, kind, &schema_of(kind))
}

/// The definition of one kind under `group`, with a schema.
pub fn definition(group: &Group, kind: Kind, schema: &Value) -> Value {
    let plural = kind.plural();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{plural}.{group}"),
            "labels": {group.label_managed(): "true"},
        },
        "spec": {
            "group": group.as_str(),
            "scope": if kind.namespaced() { "Namespaced" } else { "Cluster" },
            "names": {
                "kind": kind.as_str(),
                "listKind": format!("{kind}List"),
                "plural": plural,
                "singular": kind.as_str().to_lowercase(),
                "shortNames": kind.short_names(),
                "categories": ["platform"],
            },
            "versions": [{
                "name": VERSION,
                "served": true,
                "storage": true,
                "subresources": {"status": {}},
                "additionalPrinterColumns": columns(kind),
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

/// The structural schema of one kind, as its definition carries it.
pub fn schema_of(kind: Kind) -> Value {
    let text = match kind {
        Kind::Application => include_str!("../data/applications.json"),
        Kind::Team => include_str!("../data/teams.json"),
        Kind::Environment => include_str!("../data/environments.json"),
        Kind::GoldenPath => include_str!("../data/goldenpaths.json"),
        Kind::Database => include_str!("../data/databases.json"),
        Kind::Cache => include_str!("../data/caches.json"),
    };
    // What is kept is JSON: the test below reads all of it.
    serde_json::from_str(text).unwrap_or_default()
}

/// The structural schema of one kind, made from its types.
pub fn generated_schema_of(kind: Kind) -> Value {
    let (spec, status) = match kind {
        Kind::Application => (part::<ApplicationSpec>(), part::<ApplicationStatus>()),
        Kind::Team => (part::<TeamSpec>(), part::<TeamStatus>()),
        Kind::Environment => (part::<EnvironmentSpec>(), part::<EnvironmentStatus>()),
        Kind::GoldenPath => (part::<GoldenPathSpec>(), part::<GoldenPathStatus>()),
        Kind::Database => (part::<DatabaseSpec>(), part::<ClaimStatus>()),
        Kind::Cache => (part::<CacheSpec>(), part::<ClaimStatus>()),
    };
    json!({
        "type": "object",
        "description": describe(kind),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
            "status": status,
        },
    })
}

fn part<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::openapi3();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    StructuralSchemaRewriter.transform(&mut schema);
    let mut value = schema.to_value();
    tidy(&mut value);
    value
}

/// What schemars says that Kubernetes does not take: titles, Rust's number formats, defaults of null; and lists
/// of conditions are keyed by type.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            tidy_schema(map);
            for (key, inner) in map.iter_mut() {
                if key == "properties" {
                    if let Value::Object(properties) = inner {
                        properties.values_mut().for_each(tidy);
                    }
                } else if key != "default" && key != "enum" {
                    tidy(inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidy_schema(map: &mut Map<String, Value>) {
    hoist_optional(map);
    map.remove("title");
    if map.get("default") == Some(&Value::Null) {
        map.remove("default");
    }
    if let Some(format) = map.get("format").and_then(Value::as_str)
        && !["int32", "int64", "date-time"].contains(&format)
    {
        map.remove("format");
    }
    if map.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        map.remove("type");
        map.insert(
            "anyOf".to_owned(),
            json!([{"type": "integer"}, {"type": "string"}]),
        );
    }
    if let Some(Value::Object(properties)) = map.get_mut("properties")
        && let Some(Value::Object(conditions)) = properties.get_mut("conditions")
    {
        conditions.insert("x-kubernetes-list-type".to_owned(), json!("map"));
        conditions.insert("x-kubernetes-list-map-keys".to_owned(), json!(["type"]));
    }
}

/// An optional list of words comes as "the words, or null"; Kubernetes says the same with `nullable`.
fn hoist_optional(map: &mut Map<String, Value>) {
    let is_null = |schema: &Value| schema.get("enum") == Some(&json!([null]));
    let Some(Value::Array(choices)) = map.get("anyOf") else {
        return;
    };
    let [choice, null] = &choices[..] else { return };
    let Some(words) = choice.as_object().filter(|_| is_null(null)) else {
        return;
    };
    let words = words.clone();
    map.remove("anyOf");
    for (key, value) in words {
        map.entry(key).or_insert(value);
    }
    map.insert("nullable".to_owned(), json!(true));
}

fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::Application => "One service of one team in one environment.",
        Kind::Team => "Who owns services, and the bounds they run in.",
        Kind::Environment => "Development, staging or production, and what its cluster can hold.",
        Kind::GoldenPath => "A chart that the platform team offers, in one or more versions.",
        Kind::Database => "A claim for one database, filled by its class.",
        Kind::Cache => "A claim for one cache, filled by its class.",
    }
}

fn columns(kind: Kind) -> Value {
    let column = |name: &str, kind: &str, path: &str| json!({"name": name, "type": kind, "jsonPath": path});
    let wide = |name: &str, kind: &str, path: &str| json!({"name": name, "type": kind, "jsonPath": path, "priority": 1});
    let age = column("Age", "date", ".metadata.creationTimestamp");
    Value::Array(match kind {
        Kind::Application => vec![
            column("Health", "string", ".status.health"),
            column("Sync", "string", ".status.sync"),
            column("Ready", "integer", ".status.readyReplicas"),
            column("Wanted", "integer", ".status.replicas"),
            wide("Image", "string", ".status.image"),
            wide("Reason", "string", ".status.reason"),
            age,
        ],
        Kind::Team => vec![
            column("Owner", "string", ".spec.owner"),
            column(
                "Ready",
                "string",
                ".status.conditions[?(@.type==\"Ready\")].status",
            ),
            age,
        ],
        Kind::Environment => vec![
            column("Order", "integer", ".spec.order"),
            column("Domain", "string", ".spec.domain"),
            age,
        ],
        Kind::GoldenPath => vec![
            column("Kind", "string", ".spec.kind"),
            column("Newest", "string", ".status.newest"),
            column("Default", "boolean", ".spec.default"),
            age,
        ],
        Kind::Database | Kind::Cache => vec![
            column("Type", "string", ".spec.type"),
            column("Phase", "string", ".status.phase"),
            column("Endpoint", "string", ".status.endpoint"),
            wide("Reason", "string", ".status.reason"),
            age,
        ],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

    fn walk(value: &Value, path: &str, visit: &mut impl FnMut(&str, &Map<String, Value>)) {
        match value {
            Value::Object(map) => {
                visit(path, map);
                for (key, inner) in map {
                    walk(inner, &format!("{path}/{key}"), visit);
                }
            }
            Value::Array(items) => items.iter().for_each(|i| walk(i, path, visit)),
            _ => {}
        }
    }

    #[test]
    fn schemas_are_those_of_the_types() {
        for kind in Kind::ALL {
            // As JSON has it: 50 and 50.0 are one number in a file.
            let fresh: Value = serde_json::from_str(&generated_schema_of(kind).to_string()).unwrap();
            assert!(
                schema_of(kind) == fresh,
                "the schema of {kind} is stale: run cargo xtask generate definitions"
            );
        }
    }

    #[test]
    fn definitions_are_typed_and_carry_the_group() {
        for name in ["platform.company.com", "idp.example.org"] {
            let group = Group::parse(name).unwrap();
            for kind in Kind::ALL {
                let definition: CustomResourceDefinition = serde_json::from_value(crd(&group, kind)).unwrap();
                assert_eq!(definition.spec.group, name);
                assert_eq!(
                    definition.metadata.name.unwrap(),
                    format!("{}.{name}", kind.plural())
                );
                assert_eq!(definition.spec.scope == "Namespaced", kind.namespaced());
            }
        }
    }

    #[test]
    fn schemas_are_structural() {
        for kind in Kind::ALL {
            walk(&schema_of(kind), "", &mut |path, map| {
                for word in [
                    "$ref",
                    "definitions",
                    "$schema",
                    "const",
                    "oneOf",
                    "allOf",
                    "title",
                ] {
                    assert!(
                        !map.contains_key(word) || path.ends_with("properties"),
                        "{kind}{path} has {word}"
                    );
                }
                if map.contains_key("properties") && !path.ends_with("properties") {
                    assert_eq!(map.get("type"), Some(&json!("object")), "{kind}{path}");
                }
            });
        }
    }

    #[test]
    fn enums_are_plain_lists_of_words() {
        let schema = schema_of(Kind::Application);
        let kind = &schema["properties"]["spec"]["properties"]["database"]["properties"]["type"];
        assert_eq!(kind["enum"], json!(["postgres"]));
        assert_eq!(kind["type"], json!("string"));
        let policy = &schema["properties"]["spec"]["properties"]["database"]["properties"]["deletionPolicy"];
        assert_eq!(
            (&policy["enum"], &policy["type"]),
            (&json!(["Retain", "Delete"]), &json!("string"))
        );
        let health = &schema["properties"]["status"]["properties"]["health"];
        assert_eq!(health["type"], json!("string"));
    }
}
