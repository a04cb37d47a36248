//! Create.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::meta::{metadata_mut, text};
use super::{Outcome, Target, WriteOptions, shape};
use crate::Operation;
use crate::catalog::Source;
use crate::engine::Engine;
use crate::status::{ApiError, Cause};
use crate::store::{Change, CommitError, Expect, Key, Object};

/// How often a generated name that is taken is drawn again.
const DRAWS: usize = 8;

impl Engine {
    /// Makes a new object of what the client sent.
    pub(crate) async fn create(
        &self,
        target: &Target,
        body: Value,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        let mut warnings = Vec::new();
        let body = shape::decode(target, body, options.validation, &mut warnings)?;
        if !text(&body, &["metadata", "resourceVersion"]).is_empty() {
            return Err(ApiError::bad_request(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let generated = text(&body, &["metadata", "name"]).is_empty();
        let mut draws = 0;
        loop {
            let mut body = body.clone();
            let mut target = target.clone();
            target.name = self.name_new(&target, &mut body)?;
            let managed = Managed::Update;
            match self
                .create_named(&target, body, managed, options, warnings.clone())
                .await
            {
                Err(error) if generated && error.reason == "AlreadyExists" && draws < DRAWS => draws += 1,
                done => return done,
            }
        }
    }

    /// The second half of a create, shared with server-side apply of an object that is not there yet. `target` has
    /// the name.
    pub(super) async fn create_named(
        &self,
        target: &Target,
        mut object: Value,
        managed: Managed,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Outcome, ApiError> {
        let resource = &target.resource;
        if matches!(&resource.source, Source::Custom(version) if version.terminating) {
            return Err(ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "create not allowed while custom resource definition is terminating",
            ));
        }
        let about = resource.about(&target.name);
        let key = target.key();
        let guard = resource.namespaced.then(|| Key::namespace(&target.namespace));
        if let Some(guard) = &guard {
            let namespace = self.store.get(guard);
            if namespace
                .as_ref()
                .is_none_or(|namespace| namespace.is_terminating())
            {
                let terminating = namespace.is_some();
                return Err(ApiError::commit(
                    CommitError::Guarded {
                        guard: guard.clone(),
                        terminating,
                    },
                    about,
                ));
            }
        }
        if self.store.get(&key).is_some() {
            return Err(ApiError::already_exists(about));
        }
        self.stamp_new(target, &mut object)?;
        // What the server fills in after this is nobody's.
        if managed == Managed::Update {
            object = self.track(target, None, object, options);
        }
        self.begin(target, &mut object)?;
        if let Some(changed) = self.review(target, Operation::Create, options, &object, None)? {
            object = changed;
            shape::restore(target, &mut object)?;
        }
        shape::validate(target, &object, None)?;
        shape::limit(&object)?;
        if options.dry_run {
            return Ok(Outcome {
                object: Arc::new(Object::unstored(object)),
                code: StatusCode::CREATED,
                warnings,
            });
        }
        let change = Change {
            key,
            expect: Expect::Absent,
            guard,
            object: Some(object),
        };
        let stored = self
            .store
            .commit(change)
            .await
            .map_err(|error| ApiError::commit(error, about))?;
        self.after_write(target, &stored).await;
        Ok(Outcome {
            object: stored,
            code: StatusCode::CREATED,
            warnings,
        })
    }

    /// Settles the name and namespace of a new object and returns the name.
    fn name_new(&self, target: &Target, object: &mut Value) -> Result<String, ApiError> {
        let resource = &target.resource;
        let given = text(object, &["metadata", "name"]).to_owned();
        let prefix = text(object, &["metadata", "generateName"]).to_owned();
        let name = match (given.is_empty(), prefix.is_empty()) {
            (false, _) => given,
            (true, false) => {
                let kept: String = prefix.chars().take(58).collect();
                format!("{kept}{}", self.name_suffix())
            }
            (true, true) => {
                let cause = Cause::new(
                    "FieldValueRequired",
                    "metadata.name",
                    "Required value: name or generateName is required",
                );
                return Err(ApiError::invalid(resource.about(""), &[cause]));
            }
        };
        metadata_mut(object)?.insert("name".to_owned(), json!(name));
        Ok(name)
    }

    /// The metadata only the server writes.
    fn stamp_new(&self, target: &Target, object: &mut Value) -> Result<(), ApiError> {
        let metadata = metadata_mut(object)?;
        for field in [
            "resourceVersion",
            "selfLink",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
        ] {
            metadata.remove(field);
        }
        metadata.insert("name".to_owned(), json!(target.name));
        if target.resource.namespaced {
            metadata.insert("namespace".to_owned(), json!(target.namespace));
        } else {
            metadata.remove("namespace");
        }
        metadata.insert("uid".to_owned(), json!(self.uid()));
        metadata.insert("creationTimestamp".to_owned(), json!(self.timestamp()));
        if target.resource.has_generation {
            metadata.insert("generation".to_owned(), json!(1));
        }
        Ok(())
    }
}

/// Who writes `managedFields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Managed {
    /// The write is compared with the object before it.
    Update,
    /// Server-side apply has already done it.
    Applied,
}
