//! A test suite as it is written down: `kyverno-test.yaml` of `cli.kyverno.io/v1alpha1`, and the bare form before it.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::files;
use super::values::Values;
use crate::error::OperationError;

/// A test suite.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Suite {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    metadata: Option<Value>,
    name: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) policies: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) resources: Vec<String>,
    json_payload: Option<String>,
    #[serde(rename = "jsonPayloads", deserialize_with = "lenient")]
    pub(crate) payloads: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) http_payloads: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) envoy_payloads: Vec<String>,
    #[serde(rename = "targetResources", deserialize_with = "lenient")]
    pub(crate) targets: Vec<String>,
    /// The values file.
    pub(crate) variables: Option<String>,
    pub(crate) values: Option<Values>,
    #[serde(rename = "paramResources", deserialize_with = "lenient")]
    pub(crate) parameters: Vec<String>,
    #[serde(rename = "userinfo")]
    pub(crate) user_info: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) results: Vec<Expectation>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) exceptions: Vec<String>,
    pub(crate) context: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) cluster_resources: Vec<String>,
    #[serde(rename = "apiCallResponses", deserialize_with = "lenient")]
    pub(crate) calls: Vec<CallAnswer>,
    #[serde(rename = "globalContextEntries", deserialize_with = "lenient")]
    pub(crate) globals: Vec<GlobalEntry>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) checks: Vec<Value>,
}

/// A result that is expected.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Expectation {
    pub(crate) policy: String,
    pub(crate) rule: String,
    #[serde(alias = "status")]
    pub(crate) result: String,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) operation: String,
    resource: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) resources: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) resource_specs: Vec<ResourceSpec>,
    #[serde(alias = "patchedResource")]
    pub(crate) patched_resources: String,
    generated_resource: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) generated_resources: Vec<String>,
    pub(crate) clone_source_resource: String,
    pub(crate) fail_on_missing_resources: bool,
    #[serde(rename = "isValidatingAdmissionPolicy")]
    _vap: bool,
    #[serde(rename = "isMutatingAdmissionPolicy")]
    _map: bool,
    #[serde(rename = "isValidatingPolicy")]
    _vpol: bool,
    #[serde(rename = "isDeletingPolicy")]
    pub(crate) is_deleting_policy: bool,
    #[serde(rename = "isImageValidatingPolicy")]
    _ivpol: bool,
    #[serde(rename = "isGeneratingPolicy")]
    _gpol: bool,
    #[serde(rename = "isMutatingPolicy")]
    _mpol: bool,
}

/// An object by group, version, namespace and name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct ResourceSpec {
    pub(crate) group: String,
    pub(crate) version: String,
    #[serde(rename = "kind")]
    _kind: String,
    pub(crate) namespace: String,
    #[serde(rename = "subresource")]
    _subresource: String,
    pub(crate) name: String,
}

/// What a call answers in the test.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CallAnswer {
    pub(crate) url: Option<String>,
    pub(crate) url_path: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) response: CallResponse,
}

/// The answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct CallResponse {
    pub(crate) status_code: Option<u16>,
    pub(crate) body: Value,
}

/// A global context entry of the test.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct GlobalEntry {
    pub(crate) name: String,
    pub(crate) data: Option<Value>,
    pub(crate) resources: Option<Vec<Value>>,
    pub(crate) resource_files: Option<Vec<String>>,
    pub(crate) field_path: Option<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) projections: Vec<Projection>,
}

/// One named part of a global context entry.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Projection {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// A list; null is an empty one.
pub(super) fn lenient<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

/// A suite and where it stands.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) file: PathBuf,
    pub(crate) name: String,
    pub(crate) suite: Suite,
}

/// The suites of a file.
pub(crate) fn read(file: &Path) -> Result<Vec<Found>, OperationError> {
    let mut found = Vec::new();
    for document in files::documents(file)? {
        let line = document.line();
        let suite = Suite::of(document.value)
            .map_err(|reason| OperationError::invalid(format!("{}:{line}: {reason}", file.display())))?;
        let named = suite
            .metadata
            .as_ref()
            .and_then(|metadata| metadata["name"].as_str());
        found.push(Found {
            file: file.to_owned(),
            name: named.or(suite.name.as_deref()).unwrap_or_default().to_owned(),
            suite,
        });
    }
    Ok(found)
}

impl Suite {
    fn of(value: Value) -> Result<Suite, String> {
        let mut suite: Suite = read_as(value)?;
        unique(&mut suite.policies);
        unique(&mut suite.resources);
        suite
            .payloads
            .extend(suite.json_payload.take().filter(|_| suite.payloads.is_empty()));
        for payload in &mut suite.payloads {
            if let Some(rest) = payload.strip_prefix("./") {
                *payload = rest.to_owned();
            }
        }
        unique(&mut suite.payloads);
        for expectation in &mut suite.results {
            if let Some(one) = expectation.resource.take() {
                // The old form names the namespace beside the object.
                expectation.resources.push(match &expectation.namespace {
                    Some(namespace) if !one.contains('/') => format!("{namespace}/{one}"),
                    _ => one,
                });
            }
            let one = std::mem::take(&mut expectation.generated_resource);
            if expectation.generated_resources.is_empty() && !one.is_empty() {
                expectation.generated_resources.push(one);
            }
            if !["", "CREATE", "UPDATE", "DELETE"].contains(&expectation.operation.as_str()) {
                return Err(format!(
                    "the result for policy {} has the operation {}: CREATE, UPDATE or DELETE is possible",
                    expectation.policy, expectation.operation
                ));
            }
            if expectation.is_deleting_policy && !expectation.operation.is_empty() {
                return Err(format!(
                    "the result for policy {} has an operation, and deleting policies know none",
                    expectation.policy
                ));
            }
        }
        Ok(suite)
    }
}

fn unique(list: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|item| seen.insert(item.clone()));
}

/// Reads a value whose keys may be written in any case, as Go reads them.
fn read_as<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(cased(value, 0)).map_err(|error| error.to_string())
}

/// The keys whose case does not matter, as they are meant.
const KEYS: [&str; 10] = [
    "isValidatingAdmissionPolicy",
    "isMutatingAdmissionPolicy",
    "isValidatingPolicy",
    "isDeletingPolicy",
    "isImageValidatingPolicy",
    "isGeneratingPolicy",
    "isMutatingPolicy",
    "patchedResources",
    "generatedResource",
    "userinfo",
];

fn cased(value: Value, depth: usize) -> Value {
    match value {
        Value::Object(map) if depth <= 2 => {
            let named = map.into_iter().map(|(key, value)| {
                let meant = KEYS.iter().find(|known| known.eq_ignore_ascii_case(&key));
                (
                    meant.map_or(key, |known| (*known).to_owned()),
                    cased(value, depth + 1),
                )
            });
            Value::Object(named.collect::<Map<_, _>>())
        }
        Value::Array(items) if depth <= 2 => {
            Value::Array(items.into_iter().map(|item| cased(item, depth + 1)).collect())
        }
        other => other,
    }
}
