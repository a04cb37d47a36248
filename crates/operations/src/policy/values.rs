//! What stands in for a cluster in a test: values of variables, labels of namespaces, who asks.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::files;
use super::suite::lenient;
use crate::error::OperationError;

/// A values file of `cli.kyverno.io/v1alpha1`, or the bare form before it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Values {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    #[serde(rename = "metadata")]
    _metadata: Option<Value>,
    #[serde(rename = "globalValues", deserialize_with = "lenient")]
    global: Map<String, Value>,
    #[serde(deserialize_with = "lenient")]
    policies: Vec<PolicyValues>,
    #[serde(rename = "namespaceSelector", deserialize_with = "lenient")]
    namespace_selectors: Vec<NamespaceLabels>,
    #[serde(deserialize_with = "lenient")]
    namespaces: Vec<Value>,
    #[serde(deserialize_with = "lenient")]
    subresources: Vec<Subresource>,
    /// Values given on the command line; they win.
    #[serde(skip)]
    set: Vec<(String, Value)>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct PolicyValues {
    name: String,
    #[serde(deserialize_with = "lenient")]
    resources: Vec<ResourceValues>,
    #[serde(deserialize_with = "lenient")]
    rules: Vec<RuleValues>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct ResourceValues {
    name: String,
    #[serde(deserialize_with = "lenient")]
    values: Map<String, Value>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct RuleValues {
    name: String,
    #[serde(deserialize_with = "lenient")]
    values: Map<String, Value>,
    #[serde(deserialize_with = "lenient")]
    foreach_values: BTreeMap<String, Vec<Value>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NamespaceLabels {
    name: String,
    #[serde(deserialize_with = "lenient")]
    labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Subresource {
    subresource: ApiResource,
    parent_resource: ApiResource,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct ApiResource {
    group: String,
    version: String,
    kind: String,
    name: String,
}

impl ApiResource {
    fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// What values say of one object under one policy.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Variables {
    /// Dotted names to values, in the order in which they are laid over each other.
    pub(crate) given: Map<String, Value>,
}

impl Values {
    /// Reads a values file.
    pub(crate) fn read(file: &Path) -> Result<Values, OperationError> {
        let Some(document) = files::documents(file)?.into_iter().next() else {
            return Ok(Values::default());
        };
        let values: Values = serde_json::from_value(document.value)
            .map_err(|reason| OperationError::invalid(format!("{}: {reason}", file.display())))?;
        values.check().map_err(OperationError::invalid)?;
        Ok(values)
    }

    /// Lays values of the command line over all others; what is no `name=value` is left out, as Kyverno does.
    pub(crate) fn set(&mut self, given: &[String]) {
        for pair in given.iter().flat_map(|given| given.split(',')) {
            let Some((name, value)) = pair.split_once('=') else {
                continue;
            };
            let (name, value) = (name.trim(), value.trim());
            let known = self.set.iter().any(|(known, _)| known == name);
            if name.is_empty()
                || value.is_empty()
                || value.contains('=')
                || name.contains("request.object.")
                || known
            {
                continue;
            }
            self.set.push((name.to_owned(), value.into()));
        }
    }

    fn check(&self) -> Result<(), String> {
        match self.global.get("request.operation") {
            Some(Value::String(operation))
                if !["", "CREATE", "UPDATE", "DELETE", "CONNECT"].contains(&operation.as_str()) =>
            {
                Err(format!(
                    "request.operation is {operation}: CREATE, UPDATE, DELETE or CONNECT is possible"
                ))
            }
            _ => Ok(()),
        }
    }

    /// The values for an object under a policy: global ones, those of the object, those of the command line.
    pub(crate) fn variables(&self, policy: &str, object: &str) -> Variables {
        let mut given = self.global.clone();
        let own = self.policies.iter().filter(|values| values.name == policy);
        let own = own
            .flat_map(|values| &values.resources)
            .filter(|values| values.name == object);
        given.extend(own.flat_map(|values| values.values.clone()));
        given.extend(self.set.iter().cloned());
        Variables { given }
    }

    /// The values for a rule, by its own name; a rule made for pod controllers has those of the rule it is made of.
    pub(crate) fn of_rule(&self, policy: &str, rule: &str) -> Map<String, Value> {
        let rules = self.policies.iter().filter(|values| values.name == policy);
        let found = rules.flat_map(|values| &values.rules).find(|values| {
            let of = |prefix: &str| rule.strip_prefix(prefix) == Some(values.name.as_str());
            values.name == rule || of("autogen-") || of("autogen-cronjob-")
        });
        let Some(found) = found else { return Map::new() };
        let mut given = found.values.clone();
        for (name, values) in &found.foreach_values {
            // Kyverno's command line gives the first value to every element.
            given.extend(values.first().map(|value| (name.clone(), value.clone())));
        }
        given
    }

    /// The operation that all objects are tried with, if one is said.
    pub(crate) fn operation(&self) -> Option<&str> {
        let said = self.global.get("request.operation")?.as_str()?;
        Some(said).filter(|said| !said.is_empty())
    }

    /// Whether any value stands in for a variable.
    pub(crate) fn is_empty(&self) -> bool {
        self.global.is_empty() && self.policies.is_empty() && self.set.is_empty()
    }

    /// The labels of namespaces that are spoken of.
    pub(crate) fn namespace_labels(&self) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut labels: BTreeMap<_, _> = self
            .namespace_selectors
            .iter()
            .map(|known| (known.name.clone(), known.labels.clone()))
            .collect();
        for namespace in &self.namespaces {
            let Some(name) = namespace["metadata"]["name"].as_str() else {
                continue;
            };
            let own = namespace["metadata"]["labels"].as_object().into_iter().flatten();
            let own = own.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
            labels.insert(name.to_owned(), own.collect());
        }
        labels
    }

    /// A namespace that is spoken of, as an object.
    pub(crate) fn namespace(&self, name: &str) -> Option<Value> {
        let whole = self
            .namespaces
            .iter()
            .find(|namespace| namespace["metadata"]["name"] == name);
        whole.cloned().or_else(|| {
            let known = self.namespace_selectors.iter().find(|known| known.name == name)?;
            Some(serde_json::json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": name, "labels": known.labels},
            }))
        })
    }

    /// The kind and subresource that an object of this kind is a request for: `apps/v1`, `Deployment`, `scale`.
    pub(crate) fn parent(&self, api_version: &str, kind: &str) -> Option<(String, String, String)> {
        let known = self
            .subresources
            .iter()
            .find(|known| known.subresource.kind == kind && known.subresource.api_version() == api_version)?;
        let (_, subresource) = known.subresource.name.split_once('/')?;
        let parent = &known.parent_resource;
        Some((parent.api_version(), parent.kind.clone(), subresource.to_owned()))
    }
}

/// Who asks, and which roles they have: `UserInfo` of `cli.kyverno.io/v1alpha1`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Asker {
    #[serde(rename = "apiVersion")]
    _api_version: Option<String>,
    #[serde(rename = "kind")]
    _kind: Option<String>,
    #[serde(rename = "metadata")]
    _metadata: Option<Value>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) roles: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) cluster_roles: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) user_info: UserInfo,
    /// Kyverno reads it too and does not use it.
    #[serde(rename = "synchronize")]
    _synchronize: Option<bool>,
}

/// The user as an admission request tells it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct UserInfo {
    pub(crate) username: String,
    pub(crate) uid: String,
    #[serde(deserialize_with = "lenient")]
    pub(crate) groups: Vec<String>,
    #[serde(deserialize_with = "lenient")]
    pub(crate) extra: BTreeMap<String, Vec<String>>,
}

impl Asker {
    /// Reads a user info file.
    pub(crate) fn read(file: &Path) -> Result<Asker, OperationError> {
        let Some(document) = files::documents(file)?.into_iter().next() else {
            return Ok(Asker::default());
        };
        serde_json::from_value(document.value)
            .map_err(|reason| OperationError::invalid(format!("{}: {reason}", file.display())))
    }
}
