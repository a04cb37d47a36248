//! Update: replacing an object, whole or one subresource of it. Patches end here too.

use std::sync::Arc;

use http::StatusCode;
use serde_json::{Value, json};

use super::create::Managed;
use super::meta::{carry, finalizers, metadata_mut, text};
use super::subresource::{face, rescale};
use super::{Outcome, Target, WriteOptions, kinds, shape};
use crate::Operation;
use crate::admission::{Attributes, Charge, pods};
use crate::catalog::Resource;
use crate::engine::Engine;
use crate::status::{About, ApiError, Cause};
use crate::store::{Change, CommitError, Expect, Key, Object};

/// How often a change that does not name a resource version is tried again on a newer object.
const ATTEMPTS: usize = 16;

/// What a client wants an object to become.
pub(super) struct Proposal {
    pub(super) object: Value,
    pub(super) managed: Managed,
    pub(super) warnings: Vec<String>,
}

impl Engine {
    /// Replaces an object with what the client sent.
    pub(crate) async fn update(
        &self,
        target: &Target,
        body: Value,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        let body = shape::decode_sent(target, body, options)?;
        if text(&body, &["metadata", "resourceVersion"]).is_empty() && target.resource.needs_revision() {
            let message = "Invalid value: 0: must be specified for an update";
            let cause = Cause::new("FieldValueInvalid", "metadata.resourceVersion", message);
            // Upstream names the resource here, where it names the kind elsewhere.
            let about = About {
                kind: &target.resource.plural,
                ..target.resource.about(&target.name)
            };
            return Err(ApiError::invalid(about, &[cause]));
        }
        let name = text(&body, &["metadata", "name"]);
        if !name.is_empty() {
            check_name(target, name)?;
        }
        let replaced = self
            .modify(target, options, |old| {
                same_uid(target, &body, old.uid())?;
                Ok(Proposal {
                    object: body.clone(),
                    managed: Managed::Update,
                    warnings: Vec::new(),
                })
            })
            .await;
        match replaced {
            Err(error)
                if error.code == StatusCode::NOT_FOUND
                    && target.subresource.is_empty()
                    && target.resource.made_by_update() =>
            {
                // An object with a uid was there before: it is not brought back by whoever did not see it go.
                same_uid(target, &body, "")?;
                if options.reviewed {
                    self.authorize_create(target, &options.user)?;
                }
                self.create_decoded(target, body, Managed::Update, options, Vec::new())
                    .await
            }
            replaced => replaced,
        }
    }

    /// Reads, changes and writes, again when somebody else was quicker and the proposal does not name the
    /// resource version it was made for.
    pub(super) async fn modify(
        &self,
        target: &Target,
        options: &WriteOptions,
        propose: impl Fn(&Arc<Object>) -> Result<Proposal, ApiError>,
    ) -> Result<Outcome, ApiError> {
        let about = target.resource.about(&target.name);
        let mut attempts = 0;
        loop {
            let old = self.get(target)?;
            let Proposal {
                object,
                managed,
                warnings,
            } = propose(&old)?;
            let settled = self.settle(target, &old, object, managed, options).await?;
            let Some((new, charge)) = settled else {
                return Ok(Outcome {
                    object: old,
                    code: StatusCode::OK,
                    warnings,
                });
            };
            if options.dry_run {
                return Ok(Outcome {
                    object: Arc::new(Object::unstored(new)),
                    code: StatusCode::OK,
                    warnings,
                });
            }
            let gone = is_finished(&new);
            let change = Change {
                key: target.key(),
                expect: Expect::Revision(old.revision),
                guard: None,
                object: (!gone).then(|| new.clone()),
            };
            match self.store.commit(change).await {
                Ok(stored) => {
                    self.after_write(target, &stored).await;
                    self.settle_charge(target, charge).await;
                    // Who took the last finalizer sees the object without it.
                    let object = if gone {
                        Arc::new(Object::unstored(new))
                    } else {
                        stored
                    };
                    return Ok(Outcome {
                        object,
                        code: StatusCode::OK,
                        warnings,
                    });
                }
                // A proposal that names a resource version fails by itself in the next round.
                Err(CommitError::Changed) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(ApiError::commit(error, about)),
            }
        }
    }

    /// Changes an object as the server's own machinery does: no admission, no field ownership, no validation.
    pub(crate) async fn edit(&self, key: &Key, change: impl Fn(&mut Value)) -> Result<(), ApiError> {
        let about = About {
            group: &key.collection.group,
            plural: &key.collection.plural,
            kind: "",
            name: &key.name,
        };
        loop {
            let old = self.store.get(key).ok_or_else(|| ApiError::not_found(about))?;
            let mut new = old.value.clone();
            change(&mut new);
            let gone = is_finished(&new);
            if new == *old.value && !gone {
                return Ok(());
            }
            let change = Change {
                key: key.clone(),
                expect: Expect::Revision(old.revision),
                guard: None,
                object: (!gone).then_some(new),
            };
            match self.store.commit(change).await {
                // Somebody else's change has happened, so this round was not in vain.
                Err(CommitError::Changed) => {}
                Err(error) => return Err(ApiError::commit(error, about)),
                Ok(_) => return Ok(()),
            }
        }
    }

    /// Makes a proposal into the object to store; `None` when nothing changes.
    async fn settle(
        &self,
        target: &Target,
        old: &Arc<Object>,
        mut new: Value,
        managed: Managed,
        options: &WriteOptions,
    ) -> Result<Option<(Value, Option<Charge>)>, ApiError> {
        // A pod keeps the tolerations that every pod has.
        let tolerates = options.reviewed && target.subresource.is_empty() && target.resource.is("", "pods");
        let sent = options.reviewed.then(|| {
            let mut sent = placed(target, &new);
            if tolerates {
                pods::tolerate(&mut sent);
            }
            sent
        });
        carry_over(target, old, &mut new)?;
        kinds::count_templates(target, Some(&old.value), &mut new);
        // What the server fills in after this is nobody's.
        if managed == Managed::Update {
            new = self.track(target, Some(&old.value), new, options);
        }
        if tolerates {
            pods::tolerate(&mut new);
        }
        let before = face(target, &old.value)?;
        let write = Attributes {
            target,
            operation: Operation::Update,
            options,
            old: Some(&before),
        };
        if target.subresource == "scale" {
            let mut scale = face(target, &new)?.into_owned();
            if self.admit(&write, &mut scale).await? {
                rescale(target, &mut new, &scale)?;
            }
        } else if let Some(mut sent) = sent
            && self.admit(&write, &mut sent).await?
        {
            let managed = metadata_mut(&mut new)?.remove("managedFields");
            new = sent;
            carry_over(target, old, &mut new)?;
            if let Some(managed) = managed {
                metadata_mut(&mut new)?.insert("managedFields".to_owned(), managed);
            }
        }
        self.go_on(target, &old.value, &mut new)?;
        count_generation(target, &old.value, &mut new)?;
        if let Some(changed) = self.review(target, Operation::Update, options, &new, Some(&old.value))? {
            new = changed;
            shape::restore(target, &mut new)?;
            carry_over(target, old, &mut new)?;
            self.go_on(target, &old.value, &mut new)?;
            count_generation(target, &old.value, &mut new)?;
        }
        shape::validate(target, &new, Some(&old.value))?;
        if options.reviewed {
            self.check_params(target, &options.user, &new, Some(&old.value))?;
            options.warnings.add(&kinds::warnings(target, &new));
        }
        let shown = face(target, &new)?;
        let charge = self.scrutinize(&write, &shown).await?;
        drop(shown);
        if same(&old.value, &new) && !is_finished(&new) {
            return Ok(None);
        }
        shape::limit(&new)?;
        Ok(Some((new, charge)))
    }
}

fn check_name(target: &Target, name: &str) -> Result<(), ApiError> {
    if name == target.name {
        return Ok(());
    }
    if name.is_empty() {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({} based on URL) was undeterminable: name must be provided",
            target.name
        )));
    }
    Err(ApiError::bad_request(format!(
        "the name of the object ({name}) does not match the name on the URL ({})",
        target.name
    )))
}

/// Whoever replaces an object and names its uid means that one and no other.
fn same_uid(target: &Target, body: &Value, old: &str) -> Result<(), ApiError> {
    let uid = text(body, &["metadata", "uid"]);
    if uid.is_empty() || uid == old {
        return Ok(());
    }
    let Key {
        collection,
        namespace,
        name,
    } = target.key();
    let custom = target.resource.is_custom().then_some(&*collection.group);
    let place = [custom.unwrap_or_default(), &*collection.plural, &namespace, &name];
    let steps: Vec<&str> = place.into_iter().filter(|step| !step.is_empty()).collect();
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{}, ResourceVersion: 0, AdditionalErrorMsg: Precondition \
         failed: UID in precondition: {uid}, UID in object meta: {old}",
        steps.join("/"),
    );
    Err(ApiError::conflict(target.resource.about(&target.name), &why))
}

/// What the client sent, with the name and namespace that the path says.
fn placed(target: &Target, sent: &Value) -> Value {
    let mut sent = sent.clone();
    if let Ok(metadata) = metadata_mut(&mut sent) {
        metadata.insert("name".to_owned(), json!(target.name));
        if target.resource.namespaced {
            metadata.insert("namespace".to_owned(), json!(target.namespace));
        }
    }
    sent
}

/// Checks identity and resource version, and keeps what only the server writes.
fn carry_over(target: &Target, old: &Object, new: &mut Value) -> Result<(), ApiError> {
    let about = target.resource.about(&target.name);
    let name = text(new, &["metadata", "name"]);
    // Writes to subresources may leave the name to the path.
    if target.subresource.is_empty() || !name.is_empty() {
        check_name(target, name)?;
    }
    let uid = text(new, &["metadata", "uid"]);
    if !uid.is_empty() && uid != old.uid() {
        let cause = Cause::new(
            "FieldValueInvalid",
            "metadata.uid",
            format!("Invalid value: {uid:?}: field is immutable"),
        );
        // Upstream looks at metadata twice.
        return Err(ApiError::invalid(about, &[cause.clone(), cause]));
    }
    let revision = text(new, &["metadata", "resourceVersion"]);
    if !revision.is_empty() && revision.parse::<u64>().is_err() {
        let revision = schema::go_quote(revision);
        return Err(ApiError::unreasoned(format!(
            "strconv.ParseUint: parsing {revision}: invalid syntax"
        )));
    }
    if !revision.is_empty() && revision != "0" && revision != old.revision.to_string() {
        return Err(ApiError::stale(about));
    }
    let before = old.value.get("metadata").and_then(Value::as_object);
    if target.subresource == "status" {
        // A status write changes the status; the rest is the object as it stands, but for some of the metadata.
        let metadata = metadata_mut(new)?;
        let managed = metadata.get("managedFields").cloned();
        let with: Vec<(&str, Option<Value>)> = taken_with_status(&target.resource)
            .iter()
            .map(|field| (*field, metadata.get(*field).cloned()))
            .collect();
        let mut whole = old.value.clone();
        let kept = metadata_mut(&mut whole)?;
        for (field, value) in with {
            match value {
                Some(value) => kept.insert(field.to_owned(), value),
                None => kept.remove(field),
            };
        }
        if old.is_terminating() {
            refuse_new_finalizers(target, &old.value, &whole)?;
        }
        if let (Some(whole), Some(new)) = (whole.as_object_mut(), new.as_object_mut()) {
            match new.remove("status") {
                Some(status) => whole.insert("status".to_owned(), status),
                None => whole.remove("status"),
            };
        }
        if let Some(managed) = managed {
            metadata_mut(&mut whole)?.insert("managedFields".to_owned(), managed);
        }
        *new = whole;
    } else {
        let metadata = metadata_mut(new)?;
        for field in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "resourceVersion",
            "generateName",
            "name",
            "namespace",
        ] {
            carry(metadata, before, field);
        }
        metadata.remove("selfLink");
        if old.is_terminating() {
            refuse_new_finalizers(target, &old.value, new)?;
        }
        // Who binds a pod says in its status that it has a place.
        if target.resource.has("status") && target.subresource != "binding" {
            keep_field(new, &old.value, "status");
        }
    }
    Ok(())
}

/// The metadata that a write to the status of a resource may change: those of old take it all, later ones nothing.
fn taken_with_status(resource: &Resource) -> &'static [&'static str] {
    const ALL: &[&str] = &["annotations", "finalizers", "labels", "ownerReferences"];
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("", "pods") => &["annotations", "finalizers", "labels"],
        ("apps", "deployments") => &["annotations", "finalizers", "ownerReferences"],
        ("" | "apps" | "batch" | "autoscaling" | "policy", _) | ("networking.k8s.io", "ingresses") => ALL,
        _ => &[],
    }
}

/// Counts a change of the intent.
fn count_generation(target: &Target, old: &Value, new: &mut Value) -> Result<(), ApiError> {
    if !target.resource.has_generation || target.subresource == "status" {
        return Ok(());
    }
    let changed = if target.resource.is_custom() {
        let ignored =
            |field: &str| field == "metadata" || (field == "status" && target.resource.has("status"));
        let differs = |one: &Value, other: &Value| {
            let fields = one.as_object().into_iter().flatten();
            fields
                .filter(|(name, _)| !ignored(name))
                .any(|(name, value)| other.get(name) != Some(value))
        };
        differs(old, new) || differs(new, old)
    } else if target.resource.is("", "pods") {
        // To be put on a node is no change of the intent.
        let intent = |object: &Value| {
            let mut spec = object["spec"].clone();
            spec.as_object_mut().map(|spec| spec.remove("nodeName"));
            spec
        };
        intent(old) != intent(new)
    } else {
        old.get("spec") != new.get("spec")
    };
    if changed {
        let count = old["metadata"]["generation"].as_i64().unwrap_or(0) + 1;
        metadata_mut(new)?.insert("generation".to_owned(), json!(count));
    }
    Ok(())
}

/// Whether a terminating object has nothing left to wait for.
pub(super) fn is_finished(object: &Value) -> bool {
    let terminating = object["metadata"]
        .get("deletionTimestamp")
        .is_some_and(|at| !at.is_null());
    terminating && finalizers(object).next().is_none() && !holds_namespace(object)
}

/// Whether this is a namespace whose contents are still there.
fn holds_namespace(object: &Value) -> bool {
    object["kind"] == "Namespace"
        && object["apiVersion"] == "v1"
        && object["spec"]["finalizers"]
            .as_array()
            .is_some_and(|finalizers| !finalizers.is_empty())
}

fn refuse_new_finalizers(target: &Target, old: &Value, new: &Value) -> Result<(), ApiError> {
    let held: Vec<&str> = finalizers(old).collect();
    let added: Vec<&str> = finalizers(new)
        .filter(|finalizer| !held.contains(finalizer))
        .collect();
    if added.is_empty() {
        return Ok(());
    }
    let added: Vec<String> = added.into_iter().map(schema::go_quote).collect();
    let message = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers \
         []string{{{}}}",
        added.join(", ")
    );
    let cause = Cause::new("FieldValueForbidden", "metadata.finalizers", message);
    // Upstream looks at metadata twice.
    let causes = [cause.clone(), cause];
    Err(ApiError::invalid(target.resource.about(&target.name), &causes))
}

/// Puts the old value of a field into the new object, or takes the field away.
pub(super) fn keep_field(new: &mut Value, old: &Value, field: &str) {
    if let Some(new) = new.as_object_mut() {
        match old.get(field) {
            Some(value) => new.insert(field.to_owned(), value.clone()),
            None => new.remove(field),
        };
    }
}

/// Whether two states differ in nothing but the times in `managedFields`.
fn same(old: &Value, new: &Value) -> bool {
    let (Some(left), Some(right)) = (old.as_object(), new.as_object()) else {
        return old == new;
    };
    left.len() == right.len()
        && left.iter().all(|(name, value)| match right.get(name) {
            Some(other) if name == "metadata" => same_metadata(value, other),
            other => other == Some(value),
        })
}

fn same_metadata(old: &Value, new: &Value) -> bool {
    let (Some(left), Some(right)) = (old.as_object(), new.as_object()) else {
        return old == new;
    };
    left.len() == right.len()
        && left.iter().all(|(name, value)| match right.get(name) {
            Some(other) if name == "managedFields" => same_managers(value, other),
            other => other == Some(value),
        })
}

fn same_managers(old: &Value, new: &Value) -> bool {
    let timeless = |managers: &Value| -> Vec<Value> {
        let mut entries = managers.as_array().cloned().unwrap_or_default();
        for entry in entries.iter_mut().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        entries
    };
    timeless(old) == timeless(new)
}
