//! Garbage collection by owner references: background, foreground and orphaning.
//!
//! Reference: `pkg/controller/garbagecollector` of Kubernetes. An owner counts as absent when its kind is served
//! and no object has its uid in the dependent's namespace or cluster-wide.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::Value;

use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Event, Key, Object, owner_uids};
use crate::verbs::{DeleteOptions, FOREGROUND, ORPHAN, Propagation, Target, WriteOptions, text};

/// Deletions sent at once; they share their commits.
pub(super) const AT_ONCE: usize = 64;

/// Follows all changes and does what is due.
pub(super) struct Collector {
    pub(super) engine: Arc<Engine>,
}

/// How an owner stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// It is there.
    Solid,
    /// It is gone.
    Dangling,
    /// It is going, and waits for its dependents.
    Waiting,
    /// Its kind is not served, so nobody can tell.
    Unknown,
}

impl Collector {
    pub(super) fn new(engine: Arc<Engine>) -> Self {
        Self { engine }
    }

    /// Works until the store closes.
    pub(super) async fn run(self) {
        let mut revisions = self.engine.store.revisions();
        let (mut at, mut failures) = (0, 0);
        loop {
            revisions.borrow_and_update();
            // A revision that is no longer held, as at the start, means looking at everything. So does a write that
            // failed: it may have been one of ours.
            let failed = std::mem::replace(&mut failures, self.engine.store.failures()) != failures;
            let (events, revision) = {
                let memory = self.engine.store.read();
                let events = memory.since(at).map(|events| events.cloned().collect::<Vec<_>>());
                (events, memory.revision())
            };
            at = revision;
            if let Ok(events) = events
                && !failed
            {
                for event in &events {
                    self.follow(event).await;
                }
                let touched = events.iter().map(|event| event.key.namespace.as_str());
                self.count(touched.collect()).await;
            } else {
                self.sweep().await;
                self.count_all().await;
            }
            if revisions.changed().await.is_err() {
                return;
            }
        }
    }

    /// Looks at everything that may have work left in it.
    async fn sweep(&self) {
        let (dependents, terminating) = {
            let memory = self.engine.store.read();
            let owners: Vec<String> = memory.owners().map(str::to_owned).collect();
            let dependents: Vec<Key> = owners.iter().flat_map(|owner| memory.dependents(owner)).collect();
            let terminating: Vec<Key> = memory
                .collections()
                .flat_map(|collection| {
                    memory
                        .list(collection, None, None)
                        .filter(|(_, object)| object.is_terminating())
                        .map(|((namespace, name), _)| Key {
                            collection: collection.clone(),
                            namespace: namespace.clone(),
                            name: name.clone(),
                        })
                })
                .collect();
            (dependents, terminating)
        };
        self.aggregate_all().await;
        self.publish_all().await;
        self.examine_all(dependents).await;
        for key in terminating {
            self.finish(&key).await;
        }
    }

    async fn follow(&self, event: &Event) {
        self.aggregate(event).await;
        self.publish(event).await;
        if event.removed {
            let dependents = self.engine.store.read().dependents(event.object.uid());
            self.examine_all(dependents).await;
            self.finish_owners(&event.object).await;
            self.after_removal(&event.key).await;
            self.unprotect(event).await;
            return;
        }
        if owner_uids(&event.object).next().is_some() {
            self.examine(&event.key).await;
            if event.object.is_terminating() {
                // It may hold its owners up no more.
                self.finish_owners(&event.object).await;
            }
        }
        if event.object.is_terminating() {
            self.finish(&event.key).await;
        }
        self.unprotect(event).await;
    }

    async fn finish_owners(&self, object: &Object) {
        for owner in owner_uids(object) {
            let key = self.engine.store.read().by_uid(owner).cloned();
            if let Some(key) = key {
                self.finish(&key).await;
            }
        }
    }

    async fn examine_all(&self, keys: Vec<Key>) {
        for keys in keys.chunks(AT_ONCE) {
            join_all(keys.iter().map(|key| self.examine(key))).await;
        }
    }

    /// Deletes a dependent whose owners are all gone, or lets go of those that are.
    async fn examine(&self, key: &Key) {
        let Some(object) = self.engine.store.get(key) else {
            return;
        };
        if object.is_terminating() {
            return;
        }
        let owners: Vec<(String, Owner)> = references(&object)
            .map(|reference| {
                (
                    text(reference, &["uid"]).to_owned(),
                    self.standing(key, reference),
                )
            })
            .collect();
        let count = |standing: Owner| owners.iter().filter(|(_, at)| *at == standing).count();
        if count(Owner::Unknown) > 0 || count(Owner::Dangling) + count(Owner::Waiting) == 0 {
            return;
        }
        if count(Owner::Solid) > 0 {
            let gone: Vec<&str> = owners
                .iter()
                .filter(|(_, standing)| matches!(standing, Owner::Dangling | Owner::Waiting))
                .map(|(uid, _)| uid.as_str())
                .collect();
            self.release(key, &gone).await;
            return;
        }
        let (has_dependents, in_a_circle) = {
            let memory = self.engine.store.read();
            let dependents = memory.dependents(object.uid());
            let going = dependents
                .iter()
                .filter_map(|dependent| memory.get(dependent))
                .any(|dependent| dependent.is_terminating() && waits_for(&dependent, FOREGROUND));
            (!dependents.is_empty(), going)
        };
        let propagation = if count(Owner::Waiting) > 0 && has_dependents {
            if in_a_circle {
                // Each would wait for the next for ever.
                report(key, self.engine.edit(key, unblock_owners).await);
            }
            Propagation::Foreground
        } else {
            Propagation::Background
        };
        self.remove(key, &object, propagation).await;
    }

    fn standing(&self, key: &Key, reference: &Value) -> Owner {
        let owner = {
            let memory = self.engine.store.read();
            memory
                .by_uid(text(reference, &["uid"]))
                .and_then(|owner| Some((owner.clone(), memory.get(owner)?)))
        };
        match owner {
            Some((place, owner)) if place.namespace.is_empty() || place.namespace == key.namespace => {
                if owner.is_terminating() && waits_for(&owner, FOREGROUND) {
                    Owner::Waiting
                } else {
                    Owner::Solid
                }
            }
            _ => {
                let kind = text(reference, &["kind"]);
                let api_version = text(reference, &["apiVersion"]);
                if self.engine.catalog().serves(api_version, kind) {
                    Owner::Dangling
                } else {
                    Owner::Unknown
                }
            }
        }
    }

    /// Does what a terminating object waits for, as far as that is the server's own work.
    pub(super) async fn finish(&self, key: &Key) {
        let Some(object) = self.engine.store.get(key) else {
            return;
        };
        if !object.is_terminating() {
            return;
        }
        let dependents = self.engine.store.read().dependents(object.uid());
        if waits_for(&object, ORPHAN) {
            let gone = [object.uid()];
            for keys in dependents.chunks(AT_ONCE) {
                join_all(keys.iter().map(|dependent| self.release(dependent, &gone))).await;
            }
            self.drop_finalizer(key, ORPHAN).await;
        } else if waits_for(&object, FOREGROUND) {
            let blocking = {
                let memory = self.engine.store.read();
                dependents.iter().any(|dependent| {
                    memory.get(dependent).is_some_and(|dependent| {
                        references(&dependent).any(|reference| {
                            text(reference, &["uid"]) == object.uid()
                                && reference["blockOwnerDeletion"] == true
                        })
                    })
                })
            };
            if blocking {
                self.examine_all(dependents).await;
            } else {
                self.drop_finalizer(key, FOREGROUND).await;
            }
        }
        self.release_protected(key, &object).await;
        self.empty(key, &object).await;
    }

    pub(super) async fn remove(&self, key: &Key, object: &Object, propagation: Propagation) {
        let Some(target) = self.target(key) else { return };
        let how = DeleteOptions {
            propagation,
            uid: Some(object.uid().to_owned()),
            ..DeleteOptions::default()
        };
        let options = WriteOptions::internal("garbage-collector");
        report(key, self.engine.delete(&target, &how, &options).await.map(drop));
    }

    /// Takes owners off an object.
    async fn release(&self, key: &Key, uids: &[&str]) {
        let edit = |object: &mut Value| {
            let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
                return;
            };
            let Some(references) = metadata.get_mut("ownerReferences").and_then(Value::as_array_mut) else {
                return;
            };
            references.retain(|reference| !uids.contains(&text(reference, &["uid"])));
            if references.is_empty() {
                metadata.remove("ownerReferences");
            }
        };
        report(key, self.engine.edit(key, edit).await);
    }

    pub(super) async fn drop_finalizer(&self, key: &Key, finalizer: &str) {
        let edit = |object: &mut Value| {
            let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
                return;
            };
            let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut) else {
                return;
            };
            finalizers.retain(|held| held != finalizer);
            if finalizers.is_empty() {
                metadata.remove("finalizers");
            }
        };
        report(key, self.engine.edit(key, edit).await);
    }

    pub(super) fn target(&self, key: &Key) -> Option<Target> {
        let resource = Arc::clone(self.engine.catalog().of(&key.collection)?);
        Some(Target {
            resource,
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            subresource: String::new(),
        })
    }
}

/// Lets the owners of an object go without it.
fn unblock_owners(object: &mut Value) {
    let references = object.pointer_mut("/metadata/ownerReferences");
    for reference in references.and_then(Value::as_array_mut).into_iter().flatten() {
        if reference["blockOwnerDeletion"] == true {
            reference["blockOwnerDeletion"] = Value::Bool(false);
        }
    }
}

fn references(object: &Object) -> impl Iterator<Item = &Value> {
    object
        .metadata("ownerReferences")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

pub(super) fn waits_for(object: &Object, finalizer: &str) -> bool {
    let finalizers = object.metadata("finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|held| held.iter().any(|held| held == finalizer))
}

/// Work that somebody else has done meanwhile, or on a store that closes, is done.
pub(super) fn report(key: &Key, result: Result<(), ApiError>) {
    if let Err(error) = result
        && !matches!(
            error.reason.as_str(),
            "NotFound" | "Conflict" | "ServiceUnavailable"
        )
    {
        tracing::warn!(
            resource = &*key.collection.plural,
            namespace = key.namespace,
            name = key.name,
            error = error.message,
            "clean-up failed"
        );
    }
}
