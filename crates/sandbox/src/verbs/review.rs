//! Putting a write before those who may refuse it: the rules about giving rights away, and the embedding program's
//! admission.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::Value;

use super::{Target, WriteOptions};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::Key;
use crate::{AdmissionRequest, Operation, ResourceName};

impl Engine {
    /// Asks about a write; the answer is the object to go on with, `None` when it stays as it is.
    pub(super) fn review(
        &self,
        target: &Target,
        operation: Operation,
        options: &WriteOptions,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<Option<Value>, ApiError> {
        if options.reviewed && operation != Operation::Delete {
            self.check_grant(target, options, object, old)?;
        }
        let Some(admission) = self.admission.as_ref().filter(|_| options.reviewed) else {
            return Ok(None);
        };
        let resource = ResourceName {
            group: target.resource.group.clone(),
            version: target.resource.version.clone(),
            plural: target.resource.plural.clone(),
            kind: target.resource.kind.clone(),
            subresource: target.subresource.clone(),
        };
        // A namespace is judged by its own labels, as selectors of webhooks do.
        let labels = if target.resource.is("", "namespaces") {
            labels_of(old.unwrap_or(object))
        } else {
            self.store
                .get(&Key::namespace(&target.namespace))
                .map(|namespace| labels_of(&namespace.value))
                .unwrap_or_default()
        };
        let request = AdmissionRequest {
            operation,
            resource: &resource,
            namespace: &target.namespace,
            name: &target.name,
            object,
            old_object: old,
            namespace_labels: &labels,
            user: &options.user,
            dry_run: options.dry_run,
        };
        admission.review(&request).map_err(|denial| {
            let code = StatusCode::from_u16(denial.code)
                .ok()
                .filter(|code| code.as_u16() >= 400);
            let why = if denial.message.is_empty() {
                " without explanation".to_owned()
            } else {
                format!(": {}", denial.message)
            };
            ApiError::new(
                code.unwrap_or(StatusCode::FORBIDDEN),
                &denial.reason,
                format!("admission webhook {:?} denied the request{why}", admission.name()),
            )
        })
    }
}

fn labels_of(object: &Value) -> BTreeMap<String, String> {
    let labels = object["metadata"]["labels"].as_object().into_iter().flatten();
    labels
        .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
        .collect()
}
