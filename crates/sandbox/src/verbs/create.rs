//! Create.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::meta::{metadata_mut, text};
use super::{Outcome, Target, WriteOptions, kinds, shape};
use crate::Operation;
use crate::admission::Attributes;
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
        let body = shape::decode_sent(target, body, options)?;
        if !text(&body, &["metadata", "resourceVersion"]).is_empty() {
            return Err(ApiError::unreasoned(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let target = Target {
            name: text(&body, &["metadata", "name"]).to_owned(),
            ..target.clone()
        };
        self.create_decoded(&target, body, Managed::Update, options, Vec::new())
            .await
    }

    /// The second half of a create, shared with server-side apply of an object that is not there yet. `target` has
    /// the name, unless it is to be made.
    pub(super) async fn create_decoded(
        &self,
        target: &Target,
        mut object: Value,
        managed: Managed,
        options: &WriteOptions,
        warnings: Vec<String>,
    ) -> Result<Outcome, ApiError> {
        self.check_place(target)?;
        wipe(target, &mut object)?;
        kinds::count_templates(target, None, &mut object);
        // What the server fills in after this is nobody's.
        if managed == Managed::Update {
            object = self.track(target, None, object, options);
        }
        let write = Attributes::creating(target, options);
        self.admit(&write, &mut object).await?;
        if !target.name.is_empty() {
            return self.create_named(target, object, options, warnings).await;
        }
        let mut draws = 0;
        loop {
            let mut object = object.clone();
            let target = Target {
                name: self.name_new(target, &mut object)?,
                ..target.clone()
            };
            match self
                .create_named(&target, object, options, warnings.clone())
                .await
            {
                Err(error) if error.reason == "AlreadyExists" && draws < DRAWS => draws += 1,
                done => return done,
            }
        }
    }

    /// Refuses a new object where none can be.
    fn check_place(&self, target: &Target) -> Result<(), ApiError> {
        let resource = &target.resource;
        if matches!(&resource.source, Source::Custom(version) if version.terminating) {
            return Err(ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "create not allowed while custom resource definition is terminating",
            ));
        }
        let Some(guard) = guard_of(target) else {
            return Ok(());
        };
        let namespace = self.store.get(&guard);
        if namespace
            .as_ref()
            .is_some_and(|namespace| !namespace.is_terminating())
        {
            return Ok(());
        }
        let terminating = namespace.is_some();
        let missing = CommitError::Guarded { guard, terminating };
        Err(ApiError::commit(missing, resource.about(&target.name)))
    }

    /// Makes an object that has its name and has been admitted.
    async fn create_named(
        &self,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
        mut warnings: Vec<String>,
    ) -> Result<Outcome, ApiError> {
        let about = target.resource.about(&target.name);
        let key = target.key();
        self.stamp_new(target, &mut object)?;
        self.begin(target, &mut object)?;
        if let Some(changed) = self.review(target, Operation::Create, options, &object, None)? {
            object = changed;
            shape::restore(target, &mut object)?;
        }
        shape::validate(target, &object, None)?;
        if options.reviewed {
            self.check_params(target, &options.user, &object, None)?;
        }
        warnings.extend(kinds::warnings(target, &object));
        shape::limit(&object)?;
        let write = Attributes::creating(target, options);
        let charge = self.scrutinize(&write, &object).await?;
        if self.store.get(&key).is_some() {
            return Err(ApiError::already_exists(about));
        }
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
            guard: guard_of(target),
            object: Some(object),
        };
        let stored = self
            .store
            .commit(change)
            .await
            .map_err(|error| ApiError::commit(error, about))?;
        self.after_write(target, &stored).await;
        self.settle_charge(target, charge).await;
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
        wipe(target, object)?;
        let metadata = metadata_mut(object)?;
        metadata.insert("uid".to_owned(), json!(self.uid()));
        metadata.insert("creationTimestamp".to_owned(), json!(self.timestamp()));
        if target.resource.has_generation {
            metadata.insert("generation".to_owned(), json!(1));
        }
        Ok(())
    }
}

/// Takes off a new object what its maker has no say in.
fn wipe(target: &Target, object: &mut Value) -> Result<(), ApiError> {
    let metadata = metadata_mut(object)?;
    for field in [
        "resourceVersion",
        "selfLink",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "uid",
        "creationTimestamp",
    ] {
        metadata.remove(field);
    }
    if !target.name.is_empty() {
        metadata.insert("name".to_owned(), json!(target.name));
    }
    if target.resource.namespaced {
        metadata.insert("namespace".to_owned(), json!(target.namespace));
    } else {
        metadata.remove("namespace");
    }
    Ok(())
}

/// What must be there for an object to be: its namespace.
fn guard_of(target: &Target) -> Option<Key> {
    target
        .resource
        .namespaced
        .then(|| Key::namespace(&target.namespace))
}

/// Who writes `managedFields`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Managed {
    /// The write is compared with the object before it.
    Update,
    /// Server-side apply has already done it.
    Applied,
    /// What is written is nobody's.
    Nobody,
}
