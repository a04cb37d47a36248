//! Would a cluster take what a chart makes? By the schemas in this program, or by asking a cluster to try.

use std::collections::HashMap;

use apply::Kinds;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use schema::{Schema, Schemas};
use serde::Serialize;
use serde_json::Value;

use crate::error::OperationError;

/// Who a cluster is told would write.
const MANAGER: &str = "platform-chart";

/// Something that a cluster would not take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectFinding {
    /// The object, as `Deployment demo`.
    pub object: String,
    /// Why not.
    pub message: String,
    /// It could not be checked, which is no fault of the object.
    pub unknown: bool,
}

impl ObjectFinding {
    fn new(object: &Value, message: impl Into<String>) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let name = text("/metadata/name").or(text("/metadata/generateName"));
        Self {
            object: format!(
                "{} {}",
                text("/kind").unwrap_or("object"),
                name.unwrap_or("without a name")
            ),
            message: message.into(),
            unknown: false,
        }
    }

    fn unknown(self) -> Self {
        Self {
            unknown: true,
            ..self
        }
    }
}

/// Checks objects by the schemas of Kubernetes in this program and by the definitions the chart brings.
pub fn check_offline<'a>(objects: &'a [Value], crds: impl Iterator<Item = &'a Value>) -> Vec<ObjectFinding> {
    let own = definitions(
        crds.chain(
            objects
                .iter()
                .filter(|object| object["kind"] == "CustomResourceDefinition"),
        ),
    );
    let mut findings = Vec::new();
    for object in each(objects) {
        let (Some(api_version), Some(kind)) = (object["apiVersion"].as_str(), object["kind"].as_str()) else {
            findings.push(ObjectFinding::new(object, "apiVersion and kind must be set"));
            continue;
        };
        let known = own
            .get(&(api_version.to_owned(), kind.to_owned()))
            .map(|schema| schema as &Schema)
            .or_else(|| Schemas::builtin().schema(api_version, kind));
        let Some(schema) = known else {
            let message = format!("{api_version} {kind} is not known here, so it was not checked");
            findings.push(ObjectFinding::new(object, message).unknown());
            continue;
        };
        let unknown = schema::unknown_fields(schema, object);
        findings.extend(
            unknown
                .iter()
                .map(|field| ObjectFinding::new(object, field.to_string())),
        );
        // As in a cluster, what is left out is filled in first.
        let mut whole = object.clone();
        schema::prepare(schema, &mut whole);
        let errors = schema::validate(schema, &whole);
        findings.extend(
            errors
                .iter()
                .map(|error| ObjectFinding::new(object, error.to_string())),
        );
    }
    findings
}

/// Lets a cluster try to apply each object, and change nothing.
pub async fn check_in_cluster(
    client: &Client,
    objects: &[Value],
    namespace: &str,
) -> Result<Vec<ObjectFinding>, OperationError> {
    let kinds = Kinds::new(client.clone());
    let parameters = PatchParams {
        dry_run: true,
        field_validation: Some(kube::api::ValidationDirective::Strict),
        ..PatchParams::apply(MANAGER).force()
    };
    let mut findings = Vec::new();
    for object in each(objects) {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        let (Some(api_version), Some(kind)) = (text("/apiVersion"), text("/kind")) else {
            findings.push(ObjectFinding::new(object, "apiVersion and kind must be set"));
            continue;
        };
        let Some(name) = text("/metadata/name") else {
            findings.push(ObjectFinding::new(object, "it has no name to try it under").unknown());
            continue;
        };
        let found = kinds
            .find(api_version, kind)
            .await
            .map_err(OperationError::cluster(format!("look for the kind {kind}")))?;
        let Some(found) = found else {
            let message = format!("the cluster has no kind {kind} in {api_version}");
            findings.push(ObjectFinding::new(object, message));
            continue;
        };
        let api: Api<DynamicObject> = if found.namespaced {
            let namespace = text("/metadata/namespace").unwrap_or(namespace);
            Api::namespaced_with(client.clone(), namespace, &found.resource)
        } else {
            Api::all_with(client.clone(), &found.resource)
        };
        match api.patch(name, &parameters, &Patch::Apply(object)).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) => findings.push(ObjectFinding::new(object, status.message)),
            Err(error) => return Err(OperationError::cluster(format!("try {kind} {name}"))(error)),
        }
    }
    Ok(findings)
}

/// Objects one by one: a List is what it holds.
fn each(objects: &[Value]) -> Vec<&Value> {
    let mut all = Vec::new();
    for object in objects {
        match object["items"].as_array() {
            Some(items) if object["kind"] == "List" => all.extend(items),
            _ => all.push(object),
        }
    }
    all
}

/// The schemas of new kinds, by API version and kind.
fn definitions<'a>(crds: impl Iterator<Item = &'a Value>) -> HashMap<(String, String), Schema> {
    let mut found = HashMap::new();
    for crd in crds {
        let spec = &crd["spec"];
        let (Some(group), Some(kind)) = (spec["group"].as_str(), spec["names"]["kind"].as_str()) else {
            continue;
        };
        for version in spec["versions"].as_array().into_iter().flatten() {
            let Some(name) = version["name"].as_str() else {
                continue;
            };
            if let Ok(schema) = Schema::from_crd(&version["schema"]["openAPIV3Schema"]) {
                found.insert((format!("{group}/{name}"), kind.to_owned()), schema);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(objects: &[Value], expect: &[&str]) {
        let found: Vec<String> = check_offline(objects, std::iter::empty())
            .iter()
            .map(|finding| {
                let mark = if finding.unknown { "? " } else { "" };
                format!("{mark}{}: {}", finding.object, finding.message)
            })
            .collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn objects_are_held_against_their_schemas() {
        let map = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        check(&[map(json!({"a": "b"}))], &[]);
        check(
            &[map(json!({"a": 1}))],
            &[
                "ConfigMap a: data[a]: Invalid value: \"integer\": data[a] in body must be of type string: \"integer\"",
            ],
        );
        check(
            &[json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "dta": {}})],
            &["ConfigMap a: unknown field \"dta\""],
        );
        check(
            &[json!({"kind": "X"})],
            &["X without a name: apiVersion and kind must be set"],
        );
        let thing = json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"size": "x"}});
        check(
            std::slice::from_ref(&thing),
            &["? Thing t: example.com/v1 Thing is not known here, so it was not checked"],
        );
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.com"},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
                "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
                }}}],
            },
        });
        let list = json!({"apiVersion": "v1", "kind": "List", "items": [thing]});
        check(
            &[definition, list],
            &[
                "Thing t: spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\"",
            ],
        );
    }
}
