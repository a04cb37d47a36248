//! Server-side apply.

use schema::{ApplyError, Write};
use serde_json::{Value, json};

use super::create::Managed;
use super::meta::{metadata_mut, text};
use super::update::Proposal;
use super::{FieldValidation, Outcome, Target, WriteOptions, faces, kinds, shape};
use crate::engine::Engine;
use crate::status::{ApiError, Cause};

impl Engine {
    /// Lays a configuration over the object, or makes the object.
    pub(super) async fn apply(
        &self,
        target: &Target,
        mut body: Value,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        let (version, kind) = (text(&body, &["apiVersion"]), text(&body, &["kind"]));
        let incomplete = body.is_object() && (version.is_empty() || kind.is_empty());
        if incomplete || !kind.is_empty() && kind != target.resource.kind {
            let core = if version.contains('/') { "" } else { "/" };
            return Err(ApiError::bad_request(format!(
                "invalid object type: {core}{version}, Kind={kind}"
            )));
        }
        if let Some(words) = options.twice.first() {
            match options.validation {
                FieldValidation::Ignore => {}
                FieldValidation::Warn => options.warnings.add(&shape::one_by_one(words)),
                FieldValidation::Strict => {
                    return Err(ApiError::bad_request(format!(
                        "error strict decoding YAML: error converting YAML to JSON: {words}"
                    )));
                }
            }
        }
        shape::identify(target, &mut body)?;
        let name = text(&body, &["metadata", "name"]);
        let live = self.present(target);
        // An object that is there has its name.
        if name.is_empty() && live.is_none() {
            // What is wrong with the rest is said first.
            self.merge(target, None, &body, options)?;
            return Err(ApiError::bad_request(format!(
                "the name of the object ({} based on URL) was undeterminable: name must be provided",
                target.name
            )));
        }
        if !name.is_empty() && name != target.name {
            return Err(ApiError::bad_request(format!(
                "the name of the object ({name}) does not match the name on the URL ({})",
                target.name
            )));
        }
        if target.subresource.is_empty() && live.is_none() {
            if !text(&body, &["metadata", "uid"]).is_empty() {
                return Err(ApiError::conflict(
                    target.resource.about(&target.name),
                    "uid mismatch: the provided object specified a uid, and no existing object was found",
                ));
            }
            if options.reviewed {
                self.authorize_create(target, &options.user)?;
            }
            let object = self.merge(target, None, &body, options)?;
            let done = self
                .create_decoded(target, object, Managed::Applied, options, Vec::new())
                .await;
            match done {
                Err(error) if error.reason == "AlreadyExists" => {}
                done => return done,
            }
        }
        self.modify(target, options, |old| {
            let object = self.merge(target, Some(&old.value), &body, options)?;
            Ok(Proposal {
                object,
                managed: Managed::Applied,
                warnings: Vec::new(),
            })
        })
        .await
    }

    fn merge(
        &self,
        target: &Target,
        live: Option<&Value>,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let resource = &target.resource;
        let (api_version, time) = (resource.api_version(), self.timestamp());
        let write = Write {
            manager: &options.manager,
            api_version: &api_version,
            subresource: &target.subresource,
            time: &time,
            reset: &resource.reset_fields(&target.subresource),
        };
        let given = text(config, &["metadata", "resourceVersion"]).to_owned();
        let live = live.map(|live| faces::in_fields_of(resource, live));
        let written = schema::apply(resource.schema(), live.as_deref(), config, options.force, &write);
        let mut object = written.map_err(|error| refused(target, config, &error))?.object;
        schema::prepare(resource.schema(), &mut object);
        // Kept, so that the check of the resource version sees what the client named.
        if !given.is_empty() {
            metadata_mut(&mut object)?.insert("resourceVersion".to_owned(), json!(given));
        }
        kinds::to_stored(target, &mut object);
        Ok(object)
    }
}

fn refused(target: &Target, config: &Value, error: &ApplyError) -> ApiError {
    let resource = &target.resource;
    match error {
        ApplyError::Conflicts { conflicts, .. } => {
            let causes: Vec<Value> = conflicts
                .iter()
                .map(|conflict| {
                    json!({
                        "reason": "FieldManagerConflict",
                        "message": format!("conflict with {}", conflict.owner()),
                        "field": conflict.path,
                    })
                })
                .collect();
            let mut refusal = ApiError::new(http::StatusCode::CONFLICT, "Conflict", error.to_string());
            refusal.details = Some(json!({ "causes": causes }));
            refusal
        }
        ApplyError::Config(why) => ApiError::unreasoned(format!(
            "failed to create typed patch object ({}/{}; {}/{}, Kind={}): {why}",
            text(config, &["metadata", "namespace"]),
            text(config, &["metadata", "name"]),
            resource.group,
            resource.version,
            resource.kind
        )),
        ApplyError::ManagedFields | ApplyError::Live(_) => ApiError::bad_request(error.to_string()),
    }
}

/// An apply must say who applies.
pub(super) fn require_manager(given: bool) -> Result<(), ApiError> {
    if given {
        return Ok(());
    }
    let about = crate::status::About {
        group: "meta.k8s.io",
        plural: "",
        kind: "PatchOptions",
        name: "",
    };
    let cause = Cause::new(
        "FieldValueRequired",
        "fieldManager",
        "Required value: is required for apply patch",
    );
    Err(ApiError::invalid(about, &[cause]))
}
