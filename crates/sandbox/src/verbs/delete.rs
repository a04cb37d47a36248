//! Delete: one object or a collection.

use std::sync::Arc;

use serde_json::{Value, json};

use super::meta::{finalizers, metadata_mut, text};
use super::read::{ListOptions, Listed};
use super::update::is_finished;
use super::{Selector, Target, WriteOptions};
use crate::Operation;
use crate::admission::{Attributes, SYSTEM};
use crate::engine::Engine;
use crate::status::{About, ApiError};
use crate::store::{Change, Collection, CommitError, Expect, Object};

/// The finalizer by which an object waits until its dependents are gone.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";
/// The finalizer by which an object waits until its dependents have been let go.
pub(crate) const ORPHAN: &str = "orphan";
/// The finalizer by which a CRD waits until its objects are gone.
pub(crate) const CUSTOM_RESOURCES: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Namespaces that cannot be deleted.
const LASTING: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];
const ATTEMPTS: usize = 16;

/// What becomes of the objects that an object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Propagation {
    /// They go afterwards.
    #[default]
    Background,
    /// They go first.
    Foreground,
    /// They stay, without an owner.
    Orphan,
}

/// How to delete.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) propagation: Propagation,
    /// Whether the client said what becomes of dependents.
    pub(crate) said: bool,
    pub(crate) uid: Option<String>,
    pub(crate) revision: Option<String>,
}

/// A delete that happened.
#[derive(Debug)]
pub(crate) enum Deleted {
    /// The object is gone; this was its last state.
    Gone(Arc<Object>),
    /// The object waits for its finalizers.
    Terminating(Arc<Object>),
}

impl Engine {
    pub(crate) async fn delete(
        &self,
        target: &Target,
        how: &DeleteOptions,
        options: &WriteOptions,
    ) -> Result<Deleted, ApiError> {
        self.delete_asked(target, target, how, options).await
    }

    /// Deletes one object for a request that may have been about the whole collection.
    async fn delete_asked(
        &self,
        asked: &Target,
        target: &Target,
        how: &DeleteOptions,
        options: &WriteOptions,
    ) -> Result<Deleted, ApiError> {
        let about = target.resource.about(&target.name);
        let mut attempts = 0;
        loop {
            let old = self.get(target)?;
            check_preconditions(target, how, &old)?;
            check_deletable(target)?;
            let write = Attributes {
                target: asked,
                operation: Operation::Delete,
                options,
                old: Some(&*old.value),
            };
            self.admit(&write, &mut Value::Null).await?;
            self.review(target, Operation::Delete, options, &Value::Null, Some(&old.value))?;
            self.scrutinize(&write, &Value::Null).await?;
            let new = self.terminate(target, how, &old)?;
            let gone = is_finished(&new);
            if new == *old.value {
                return Ok(Deleted::Terminating(old));
            }
            if options.dry_run {
                let object = Arc::new(Object::unstored(new));
                return Ok(if gone {
                    Deleted::Gone(object)
                } else {
                    Deleted::Terminating(object)
                });
            }
            // A pod ends before it goes, be it for no time.
            let ended = (gone && target.resource.is("", "pods")).then(|| new.clone());
            let change = Change {
                key: target.key(),
                expect: Expect::Revision(old.revision),
                guard: None,
                object: (!gone).then_some(new),
            };
            match self.store.commit(change).await {
                Ok(object) => {
                    self.after_write(target, &object).await;
                    let object = ended.map_or(object, |ended| Arc::new(Object::unstored(ended)));
                    return Ok(if gone {
                        Deleted::Gone(object)
                    } else {
                        Deleted::Terminating(object)
                    });
                }
                Err(CommitError::Changed) if attempts < ATTEMPTS => attempts += 1,
                Err(error) => return Err(ApiError::commit(error, about)),
            }
        }
    }

    /// Deletes every object a selector chooses and returns them as they were before.
    pub(crate) async fn delete_collection(
        &self,
        target: &Target,
        selector: Selector,
        how: &DeleteOptions,
        options: &WriteOptions,
    ) -> Result<Listed, ApiError> {
        let listed = self.list(
            target,
            &ListOptions {
                selector,
                ..ListOptions::default()
            },
        )?;
        for object in &listed.objects {
            let one = Target {
                namespace: text(&object.value, &["metadata", "namespace"]).to_owned(),
                name: text(&object.value, &["metadata", "name"]).to_owned(),
                ..target.clone()
            };
            let asked = Target {
                name: String::new(),
                ..one.clone()
            };
            match self.delete_asked(&asked, &one, how, options).await {
                Ok(_) => {}
                Err(error) if error.reason == "NotFound" => {}
                Err(error) => return Err(error),
            }
        }
        Ok(listed)
    }

    /// The object as a delete leaves it: terminating, with the finalizers that the propagation asks for.
    fn terminate(&self, target: &Target, how: &DeleteOptions, old: &Object) -> Result<Value, ApiError> {
        let mut new = old.value.clone();
        let mut waits: Vec<String> = finalizers(&new)
            .filter(|finalizer| !matches!(*finalizer, FOREGROUND | ORPHAN))
            .map(str::to_owned)
            .collect();
        match how.propagation {
            Propagation::Foreground => waits.push(FOREGROUND.to_owned()),
            Propagation::Orphan => waits.push(ORPHAN.to_owned()),
            Propagation::Background => {}
        }
        if target
            .resource
            .is("apiextensions.k8s.io", "customresourcedefinitions")
            && self
                .store
                .read()
                .list(&collection_of(&old.value), None, None)
                .next()
                .is_some()
            && !waits.iter().any(|wait| wait == CUSTOM_RESOURCES)
        {
            waits.push(CUSTOM_RESOURCES.to_owned());
        }
        let metadata = metadata_mut(&mut new)?;
        if waits.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), json!(waits));
        }
        if !old.is_terminating() {
            metadata.insert("deletionTimestamp".to_owned(), json!(self.timestamp()));
            metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
            if let Some(count) = metadata.get("generation").and_then(Value::as_i64) {
                metadata.insert("generation".to_owned(), json!(count + 1));
            }
            if target.resource.is("", "namespaces") {
                metadata.remove("deletionGracePeriodSeconds");
                new["status"]["phase"] = json!("Terminating");
            }
        }
        Ok(new)
    }
}

/// The objects that a CRD defines.
pub(crate) fn collection_of(definition: &Value) -> Collection {
    Collection::new(
        text(definition, &["spec", "group"]),
        text(definition, &["spec", "names", "plural"]),
    )
}

fn check_deletable(target: &Target) -> Result<(), ApiError> {
    let name = target.name.as_str();
    let why = if target.resource.is("", "namespaces") && LASTING.contains(&name) {
        "this namespace may not be deleted"
    } else if target.resource.is("scheduling.k8s.io", "priorityclasses")
        && SYSTEM.iter().any(|(system, _)| *system == name)
    {
        "this is a system priority class and cannot be deleted"
    } else {
        return Ok(());
    };
    Err(ApiError::forbidden(target.resource.about(name), why))
}

fn check_preconditions(target: &Target, how: &DeleteOptions, old: &Object) -> Result<(), ApiError> {
    // Upstream names the kind here, where it names the resource elsewhere.
    let about = About {
        plural: &target.resource.kind,
        ..target.resource.about(&target.name)
    };
    if let Some(uid) = how.uid.as_deref().filter(|uid| *uid != old.uid()) {
        let why = format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been \
             deleted and then recreated",
            old.uid()
        );
        return Err(ApiError::conflict(about, &why));
    }
    let held = old.revision.to_string();
    if let Some(revision) = how.revision.as_deref().filter(|revision| *revision != held) {
        let why = format!(
            "the ResourceVersion in the precondition ({revision}) does not match the ResourceVersion in record \
             ({held}). The object might have been modified"
        );
        return Err(ApiError::conflict(about, &why));
    }
    Ok(())
}
