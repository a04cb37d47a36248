//! Putting a set of objects into a cluster.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Client;
use kube::core::params::{DeleteParams, GetParams, Patch, PatchParams, Preconditions};
use kube::core::{DynamicObject, Request, Resource};
use serde_json::Value;

use crate::kinds::{Kind, Kinds};
use crate::order::install_class;
use crate::set::{Applied, ApplySet, Bounds, InventoryItem, ObjectId, ObjectResult, Outcome, Problem};
use crate::settled::settled;
use crate::tracking::Standing;

/// How many objects are on their way at once.
const CONCURRENCY: usize = 8;
/// How long a new custom resource definition may take until its kind can be used.
const ESTABLISH: Duration = Duration::from_secs(10);

type Absent = Mutex<BTreeSet<(String, String)>>;

/// Applies sets of objects to one cluster. Cheap to clone; clones share what they know of its kinds.
#[derive(Clone)]
pub struct Applier {
    client: Client,
    kinds: Kinds,
}

impl Applier {
    /// An applier for the cluster behind `client`, as whoever the client is.
    pub fn new(client: Client) -> Self {
        Self {
            kinds: Kinds::new(client.clone()),
            client,
        }
    }

    /// The same knowledge of the cluster's kinds, with another client for it: another account, say.
    #[must_use]
    pub fn acting_as(&self, client: Client) -> Self {
        Self {
            client,
            kinds: self.kinds.clone(),
        }
    }

    /// The client in use.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The kinds that the cluster knows.
    pub fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// Applies the set, then removes what left it.
    ///
    /// # Flow
    /// Objects go in by classes of kinds ([`install_class`]); within a class several at once. Each is read
    /// first: one that somebody else keeps is refused, one that is as wished already is not written. What is
    /// in the inventory but no longer in the set is removed last, in the reverse order, as [`ApplySet::prune`]
    /// says.
    ///
    /// # Guarantees
    /// One object's failure stops no other. [`Applied::inventory`] names everything that the set has made and
    /// that may still stand, whatever failed. Nothing is removed that is not in the inventory, under the same
    /// uid, and marked as this set's.
    pub async fn apply(&self, set: &ApplySet) -> Applied {
        let mut results: Vec<Option<ObjectResult>> = Vec::new();
        let mut classes: BTreeMap<usize, Vec<(usize, Value)>> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for (index, object) in set.objects.iter().enumerate() {
            let id = ObjectId::of(object);
            results.push(None);
            let key = (
                id.group.clone(),
                id.kind.clone(),
                id.namespace.clone(),
                id.name.clone(),
            );
            if let Some(field) = missing(&id) {
                results[index] = Some(failed(id, Problem::Incomplete { field }));
            } else if seen.insert(key) {
                classes
                    .entry(install_class(&id.kind))
                    .or_default()
                    .push((index, object.clone()));
            } else {
                results[index] = Some(failed(id, Problem::Twice));
            }
        }
        for class in classes.into_values() {
            // Kinds that this class was found not to know: asked for once, not once per object.
            let absent = &Mutex::new(BTreeSet::new());
            let mut running = stream::iter(class)
                .map(|(index, object)| async move { (index, self.apply_one(set, object, absent).await) })
                .buffer_unordered(CONCURRENCY);
            while let Some((index, result)) = running.next().await {
                results[index] = Some(result);
            }
        }
        let results: Vec<ObjectResult> = results.into_iter().flatten().collect();
        let mut inventory: Vec<InventoryItem> =
            results.iter().filter_map(|result| made(result, set)).collect();
        let (pruned, kept) = self.prune(set, &results).await;
        inventory.extend(kept);
        inventory.sort();
        inventory.dedup_by(|a, b| a.id().same_object(&b.id()));
        Applied {
            results,
            inventory,
            pruned,
        }
    }

    async fn apply_one(&self, set: &ApplySet, mut object: Value, absent: &Absent) -> ObjectResult {
        let mut id = ObjectId::of(&object);
        match self.try_apply(set, &mut object, &mut id, absent).await {
            Ok((outcome, live)) => ObjectResult {
                object: id,
                outcome,
                live,
            },
            Err(problem) => failed(id, problem),
        }
    }

    async fn try_apply(
        &self,
        set: &ApplySet,
        object: &mut Value,
        id: &mut ObjectId,
        absent: &Absent,
    ) -> Result<(Outcome, Option<Value>), Problem> {
        let wanted = (id.api_version(), id.kind.clone());
        if absent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&wanted)
        {
            return unknown(set, id).map(|outcome| (outcome, None));
        }
        let found = self
            .kinds
            .find(&wanted.0, &wanted.1)
            .await
            .map_err(Problem::from_client)?;
        let Some(kind) = found else {
            absent
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(wanted);
            return unknown(set, id).map(|outcome| (outcome, None));
        };
        place(set, &kind, object, id)?;
        if let Some(owner) = &set.owner
            && id.namespace.as_ref() == Some(&owner.namespace)
        {
            let reference = serde_json::to_value(&owner.reference).unwrap_or_default();
            let references = &mut object["metadata"]["ownerReferences"];
            match references.as_array_mut() {
                Some(list) => {
                    list.retain(|other| other["uid"] != reference["uid"]);
                    list.push(reference);
                }
                None => *references = Value::Array(vec![reference]),
            }
        }
        set.tracking.mark(object, id);

        let live = match self.get(&kind, id).await {
            Err(Problem::Refused { code: 404, .. }) => None,
            other => Some(other?),
        };
        if let Some(live) = &live {
            if let Standing::Others(owner) = set.tracking.standing(live) {
                return Err(Problem::BelongsToOther { owner });
            }
            if live["metadata"]["deletionTimestamp"].is_string() {
                return Err(Problem::BeingDeleted);
            }
            if let Some(owner) = &set.owner
                && id.namespace.as_ref() == Some(&owner.namespace)
            {
                alone(&owner.reference, live)?;
            }
            if settled(object, live, &set.manager) {
                return Ok((Outcome::Unchanged, Some(live.clone())));
            }
        }
        let params = PatchParams {
            field_manager: Some(set.manager.clone()),
            force: set.force,
            ..PatchParams::default()
        };
        let request = request(&kind, id)
            .patch(&id.name, &params, &Patch::Apply(&*object))
            .map_err(|error| Problem::Unreachable(kube::Error::BuildRequest(error)))?;
        let after: Value = match self.client.request(request).await {
            Err(kube::Error::Api(status)) if status.code == 404 && status.details.is_none() => {
                // The kind itself is gone since we learned of it.
                self.kinds.forget(&id.api_version());
                return unknown(set, id).map(|outcome| (outcome, None));
            }
            other => other.map_err(Problem::from_client)?,
        };
        if id.kind == "CustomResourceDefinition" {
            self.established(&kind, id, &after).await?;
        }
        let outcome = match &live {
            None => Outcome::Created,
            Some(live) if live["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"] => {
                Outcome::Unchanged
            }
            Some(_) => Outcome::Configured,
        };
        Ok((outcome, Some(after)))
    }

    /// Reads one object.
    pub(crate) async fn get(&self, kind: &Kind, id: &ObjectId) -> Result<Value, Problem> {
        let request = request(kind, id)
            .get(&id.name, &GetParams::default())
            .map_err(|error| Problem::Unreachable(kube::Error::BuildRequest(error)))?;
        self.client.request(request).await.map_err(Problem::from_client)
    }

    /// Removes one object, if it still has this uid; what hangs on it follows in the background.
    pub(crate) async fn delete(&self, kind: &Kind, id: &ObjectId, uid: &str) -> Result<(), Problem> {
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        let request = request(kind, id)
            .delete(&id.name, &params)
            .map_err(|error| Problem::Unreachable(kube::Error::BuildRequest(error)))?;
        self.client
            .request_text(request)
            .await
            .map(drop)
            .map_err(Problem::from_client)
    }

    /// Waits until a new definition's kind can be used.
    async fn established(&self, kind: &Kind, id: &ObjectId, after: &Value) -> Result<(), Problem> {
        if is_established(after) {
            return Ok(());
        }
        let api = kube::Api::<DynamicObject>::all_with(self.client.clone(), &kind.resource);
        let ready =
            |object: Option<&DynamicObject>| object.is_some_and(|object| is_established(&object.data));
        let waiting = kube::runtime::wait::await_condition(api, &id.name, ready);
        match tokio::time::timeout(ESTABLISH, waiting).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(Problem::Refused {
                code: 504,
                message: format!(
                    "the definition was not established within {} s",
                    ESTABLISH.as_secs()
                ),
                fields: Vec::new(),
            }),
        }
    }
}

fn is_established(definition: &Value) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .any(|c| c["type"] == "Established" && c["status"] == "True")
}

pub(crate) fn request(kind: &Kind, id: &ObjectId) -> Request {
    Request::new(DynamicObject::url_path(&kind.resource, id.namespace.as_deref()))
}

fn failed(object: ObjectId, problem: Problem) -> ObjectResult {
    ObjectResult {
        object,
        outcome: Outcome::Failed(problem),
        live: None,
    }
}

fn missing(id: &ObjectId) -> Option<&'static str> {
    [
        (&id.version, "apiVersion"),
        (&id.kind, "kind"),
        (&id.name, "metadata.name"),
    ]
    .into_iter()
    .find_map(|(value, field)| value.is_empty().then_some(field))
}

fn unknown(set: &ApplySet, id: &ObjectId) -> Result<Outcome, Problem> {
    let (api_version, kind) = (id.api_version(), id.kind.clone());
    if set
        .optional
        .iter()
        .any(|(group, name)| *group == id.group && *name == id.kind)
    {
        return Ok(Outcome::Skipped {
            reason: format!("the cluster does not know the kind {kind} in {api_version}"),
        });
    }
    Err(Problem::UnknownKind { api_version, kind })
}

/// Whether nobody but the owner controls the object. Two sets of the same id would not tell it by their marks, and an
/// object that two controllers keep is true for neither.
fn alone(owner: &OwnerReference, live: &Value) -> Result<(), Problem> {
    let references = live["metadata"]["ownerReferences"].as_array();
    let other = references
        .into_iter()
        .flatten()
        .find(|other| other["controller"] == true && other["uid"] != owner.uid.as_str());
    let Some(other) = other else { return Ok(()) };
    let read = |key: &str| other[key].as_str().unwrap_or_default();
    if (read("kind"), read("name")) == (owner.kind.as_str(), owner.name.as_str()) {
        // The owner's predecessor is gone, and what it owned is on its way.
        return Err(Problem::BeingDeleted);
    }
    let owner = format!("{} {}", read("kind"), read("name"));
    Err(Problem::BelongsToOther { owner })
}

/// Puts an object where it belongs, or says why it cannot be there.
fn place(set: &ApplySet, kind: &Kind, object: &mut Value, id: &mut ObjectId) -> Result<(), Problem> {
    match (&set.bounds, kind.namespaced) {
        (Bounds::Anywhere, false) => {
            if let Some(metadata) = object["metadata"].as_object_mut() {
                metadata.remove("namespace");
            }
            id.namespace = None;
        }
        (Bounds::Anywhere, true) if id.namespace.is_none() => {
            return Err(Problem::Incomplete {
                field: "metadata.namespace",
            });
        }
        (Bounds::Anywhere, true) => {}
        (Bounds::Namespace(namespace), true) => {
            if let Some(other) = id.namespace.as_ref().filter(|other| *other != namespace) {
                let what = format!("the object is in namespace {other}");
                return Err(Problem::OutOfBounds {
                    what,
                    namespace: namespace.clone(),
                });
            }
            object["metadata"]["namespace"] = Value::String(namespace.clone());
            id.namespace = Some(namespace.clone());
        }
        (Bounds::Namespace(namespace), false) => {
            let what = format!("{} is a kind for the whole cluster", id.kind);
            return Err(Problem::OutOfBounds {
                what,
                namespace: namespace.clone(),
            });
        }
    }
    Ok(())
}

/// What to remember of an object: what stands, and what stood before and may still do so.
fn made(result: &ObjectResult, set: &ApplySet) -> Option<InventoryItem> {
    if let Some(uid) = result
        .live
        .as_ref()
        .and_then(|live| live["metadata"]["uid"].as_str())
    {
        return Some(result.object.item(uid));
    }
    if matches!(&result.outcome, Outcome::Failed(Problem::BelongsToOther { .. })) {
        return None;
    }
    set.inventory
        .iter()
        .find(|item| item.id().same_object(&result.object))
        .cloned()
}
