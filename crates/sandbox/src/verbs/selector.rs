//! Label and field selectors: what they choose, and how those of fields are read.
//!
//! Reference: `k8s.io/apimachinery/pkg/labels` and `pkg/fields`.

use serde_json::Value;

use super::labels::{Requirement, parse as parse_labels};
use super::meta::text;
use super::subresource::selector_text;
use crate::catalog::Resource;
use crate::status::ApiError;
use crate::store::Object;

/// What a list, watch or collection delete keeps to. The default keeps everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Selector {
    labels: Vec<Requirement>,
    fields: Vec<FieldTerm>,
}

#[derive(Clone, Debug, PartialEq)]
struct FieldTerm {
    path: Vec<String>,
    value: String,
    equal: bool,
}

impl Selector {
    pub(crate) fn parse(resource: &Resource, labels: &str, fields: &str) -> Result<Self, ApiError> {
        Ok(Self {
            labels: parse_labels(labels)?,
            fields: parse_fields(resource, fields)?,
        })
    }

    /// A label selector as objects hold it.
    pub(crate) fn of(selector: &Value) -> Result<Self, ApiError> {
        Ok(Self {
            labels: parse_labels(&selector_text(selector))?,
            fields: Vec::new(),
        })
    }

    pub(crate) fn is_everything(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether an object is meant.
    pub(crate) fn chooses(&self, object: &Object) -> bool {
        self.is_everything() || self.matches(&object.look())
    }

    pub(crate) fn matches(&self, object: &Value) -> bool {
        let labels = object
            .get("metadata")
            .and_then(|metadata| metadata.get("labels"))
            .and_then(Value::as_object);
        self.labels.iter().all(|requirement| requirement.matches(labels))
            && self.fields.iter().all(|term| term.matches(object))
    }
}

impl FieldTerm {
    fn matches(&self, object: &Value) -> bool {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let found = path.iter().try_fold(object, |at, step| at.get(step));
        let equal = match found {
            Some(Value::Bool(flag)) => self.value == flag.to_string(),
            Some(Value::Number(number)) => self.value == number.to_string(),
            // The type field of a Service and the like are strings; what is absent equals the empty string.
            _ => text(object, &path) == self.value,
        };
        equal == self.equal
    }
}

/// The fields that may be selected by, besides name and namespace.
fn selectable_of(resource: &Resource) -> &'static [&'static str] {
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("" | "events.k8s.io", "events") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("", "secrets") => &["type"],
        ("", "namespaces") => &["status.phase"],
        ("", "nodes") => &["spec.unschedulable"],
        ("", "services") => &["spec.clusterIP", "spec.type"],
        ("", "replicationcontrollers") => &["status.replicas"],
        ("batch", "jobs") => &["status.successful"],
        _ => &[],
    }
}

fn selectable(resource: &Resource, field: &str) -> bool {
    matches!(field, "metadata.name" | "metadata.namespace")
        || selectable_of(resource).contains(&field)
        || resource.selectable.iter().any(|one| one == field)
}

/// Reads field selectors. Kinds that can be chosen by name and namespace alone say so.
fn parse_fields(resource: &Resource, text: &str) -> Result<Vec<FieldTerm>, ApiError> {
    let terms = text.split(',').map(str::trim).filter(|term| !term.is_empty());
    terms
        .map(|term| {
            let parts = [("!=", false), ("==", true), ("=", true)]
                .into_iter()
                .find_map(|(sign, equal)| term.split_once(sign).map(|(left, right)| (left, right, equal)));
            let (field, value, equal) = parts.ok_or_else(|| {
                ApiError::bad_request(format!("invalid selector: '{text}'; can't understand '{term}'"))
            })?;
            let field = field.trim();
            if !selectable(resource, field) {
                let plain = !resource.is_custom() && selectable_of(resource).is_empty();
                return Err(ApiError::bad_request(if plain {
                    format!(
                        "{} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                        schema::go_quote(field)
                    )
                } else {
                    format!("field label not supported: {field}")
                }));
            }
            let path = if field == "source" {
                "source.component"
            } else {
                field
            };
            Ok(FieldTerm {
                path: path.split('.').map(str::to_owned).collect(),
                value: value.trim().to_owned(),
                equal,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::catalog::Catalog;

    fn pods() -> std::sync::Arc<Resource> {
        Catalog::new(&Catalog::default(), &[])
            .find("", "v1", "pods")
            .unwrap()
    }

    #[test]
    fn selectors_choose() {
        let pod = json!({
            "metadata": { "name": "a", "namespace": "n", "labels": { "app": "web", "tier": "1", "e": "" } },
            "spec": { "nodeName": "one", "hostNetwork": true },
        });
        let check = |labels: &str, fields: &str, expect: bool| {
            let selector = Selector::parse(&pods(), labels, fields).unwrap();
            assert_eq!(selector.matches(&pod), expect, "{labels} | {fields}");
        };
        for (labels, expect) in [
            ("", true),
            ("app=web", true),
            ("app == web", true),
            ("app!=web", false),
            ("missing!=web", true),
            ("app in (web, api)", true),
            ("app in (api)", false),
            ("app notin (api,db),tier", true),
            ("!app", false),
            ("!missing", true),
            ("tier>0,tier<2", true),
            ("tier>1", false),
            ("e=", true),
            ("e", true),
        ] {
            check(labels, "", expect);
        }
        for (fields, expect) in [
            ("metadata.name=a", true),
            ("metadata.name!=a", false),
            ("spec.nodeName=one,metadata.namespace=n", true),
            ("spec.hostNetwork=true", true),
            ("status.phase=", true),
        ] {
            check("", fields, expect);
        }
    }

    #[test]
    fn broken_selectors_are_refused() {
        for labels in ["app in web", "=x", "a b c", "app in (web", ",", "tier>x", "ä=1"] {
            assert!(Selector::parse(&pods(), labels, "").is_err(), "{labels}");
        }
        for fields in ["metadata.name", "spec.unknown=1"] {
            assert!(Selector::parse(&pods(), "", fields).is_err(), "{fields}");
        }
    }
}
