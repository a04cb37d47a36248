//! Putting a write before the embedding program's admission.

use std::collections::BTreeMap;

use http::StatusCode;
use serde_json::Value;

use super::{Target, WriteOptions};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::Key;
use crate::{AdmissionRequest, Operation, ResourceName};

impl Engine {
    /// Asks admission about a write; the answer is the object to go on with, `None` when it stays as it is.
    pub(super) fn review(
        &self,
        target: &Target,
        operation: Operation,
        options: &WriteOptions,
        object: &Value,
        old: Option<&Value>,
    ) -> Result<Option<Value>, ApiError> {
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
        let request = AdmissionRequest {
            operation,
            resource: &resource,
            namespace: &target.namespace,
            name: &target.name,
            object,
            old_object: old,
            namespace_labels: &self.namespace_labels(&target.namespace),
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

    fn namespace_labels(&self, namespace: &str) -> BTreeMap<String, String> {
        let object = self.store.get(&Key::namespace(namespace));
        let labels = object
            .as_ref()
            .and_then(|object| object.metadata("labels")?.as_object());
        let pairs = labels.into_iter().flatten();
        pairs
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}
