//! What a kind makes of its objects: decoding, defaults, validation, field ownership, and the fields the server
//! fills in.

use std::sync::Arc;

use serde_json::{Value, json};

use super::create::Managed;
use super::meta::{metadata_mut, text};
use super::update::{Proposal, keep_field};
use super::{Outcome, Target, WriteOptions};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::Object;

/// What an object may weigh as JSON.
const LARGEST: usize = 3 << 20;

impl Engine {
    /// Checks that a body is an object of the resource and of the namespace in the path.
    pub(super) fn decode(
        &self,
        target: &Target,
        mut body: Value,
        _options: &WriteOptions,
        _warnings: &mut Vec<String>,
    ) -> Result<Value, ApiError> {
        let resource = &target.resource;
        let object = body
            .as_object_mut()
            .ok_or_else(|| ApiError::bad_request("the body of the request is not an object"))?;
        let expected = [
            ("apiVersion", resource.api_version()),
            ("kind", resource.kind.clone()),
        ];
        for (field, expected) in expected {
            match object.get(field) {
                None | Some(Value::Null) => {
                    object.insert(field.to_owned(), json!(expected));
                }
                Some(given) if *given == expected => {}
                Some(given) => {
                    return Err(ApiError::bad_request(format!(
                        "the {field} in the data ({}) does not match the expected {field} ({expected})",
                        given.as_str().unwrap_or_default()
                    )));
                }
            }
        }
        metadata_mut(&mut body)?;
        let namespace = text(&body, &["metadata", "namespace"]);
        if !namespace.is_empty() && namespace != target.namespace {
            return Err(ApiError::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        Ok(body)
    }

    /// The fields of a new object that clients do not write.
    pub(super) fn begin_object(&self, target: &Target, object: &mut Value) -> Result<(), ApiError> {
        if target.resource.has_status {
            keep_field(object, &Value::Null, "status");
        }
        if target.resource.is("", "namespaces") {
            object["spec"]["finalizers"] = json!(["kubernetes"]);
            object["status"] = json!({ "phase": "Active" });
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(target.name);
        }
        Ok(())
    }

    /// The fields of a changed object that clients do not write.
    pub(super) fn continue_object(
        &self,
        target: &Target,
        old: &Value,
        new: &mut Value,
    ) -> Result<(), ApiError> {
        if target.resource.is("", "namespaces") {
            keep_field(new, old, "spec");
        }
        Ok(())
    }

    /// Puts an object that admission changed back into shape.
    pub(super) fn reshape(&self, _target: &Target, _object: &mut Value) {}

    pub(super) fn validate(
        &self,
        _target: &Target,
        _new: &Value,
        _old: Option<&Value>,
    ) -> Result<(), ApiError> {
        Ok(())
    }

    /// Notes who wrote which field.
    pub(super) fn track(
        &self,
        _target: &Target,
        _old: Option<&Value>,
        _new: &mut Value,
        _options: &WriteOptions,
    ) {
    }

    pub(super) fn strategic(&self, _target: &Target, old: &Value, patch: &Value) -> Result<Value, ApiError> {
        let mut object = old.clone();
        json_patch::merge(&mut object, patch);
        Ok(object)
    }

    /// Server-side apply.
    pub(super) async fn apply(
        &self,
        target: &Target,
        body: Value,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        let mut warnings = Vec::new();
        let body = self.decode(target, body, options, &mut warnings)?;
        if self.store.get(&target.key()).is_none() {
            let done = self
                .create_named(target, body.clone(), Managed::Update, options, warnings)
                .await;
            match done {
                Err(error) if error.reason == "AlreadyExists" => {}
                done => return done,
            }
        }
        self.modify(target, options, |old| {
            let mut object = old.value.clone();
            json_patch::merge(&mut object, &body);
            Ok(Proposal {
                object,
                managed: Managed::Update,
                warnings: Vec::new(),
            })
        })
        .await
    }

    pub(super) fn limit_size(&self, object: &Value) -> Result<(), ApiError> {
        if object.to_string().len() > LARGEST {
            Err(ApiError::too_large(LARGEST))
        } else {
            Ok(())
        }
    }

    /// An object that is answered but not stored.
    pub(super) fn unstored(&self, object: Value) -> Arc<Object> {
        Arc::new(Object::unstored(object))
    }

    /// What follows from a write at once.
    pub(super) async fn after_write(&self, target: &Target, stored: &Object) {
        if target.resource.is("", "namespaces") && !stored.is_terminating() {
            // Its absence is mended when the sandbox is opened again.
            if let Err(error) = self.found_service_account(&target.name).await {
                tracing::warn!(
                    namespace = target.name,
                    error = error.message,
                    "no default service account"
                );
            }
        }
    }
}
