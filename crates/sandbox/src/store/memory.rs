//! The index all reads are served from.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::events::{Event, Expired, Ring};
use super::{Collection, Key, Object};

/// The owner references of an object, as uids.
pub(crate) fn owner_uids(object: &Object) -> impl Iterator<Item = &str> {
    let owners = object.metadata("ownerReferences").and_then(Value::as_array);
    owners
        .into_iter()
        .flatten()
        .filter_map(|owner| owner.get("uid")?.as_str())
}

/// After how many changes the values of objects that are older than these are let go.
const SWEEP: u64 = 256;

/// All objects at one revision, and the recent past.
#[derive(Debug)]
pub(crate) struct Memory {
    collections: BTreeMap<Collection, BTreeMap<(String, String), Arc<Object>>>,
    uids: HashMap<String, Key>,
    dependents: HashMap<String, BTreeSet<Key>>,
    revision: u64,
    /// The revision of the last change of a CRD, for whoever keeps something that follows from them.
    definitions: Arc<AtomicU64>,
    /// The same for roles and their bindings.
    roles: Arc<AtomicU64>,
    ring: Ring,
}

impl Memory {
    pub(super) fn new(objects: Vec<(Key, Object)>, revision: u64) -> Self {
        let mut memory = Self {
            collections: BTreeMap::new(),
            uids: HashMap::new(),
            dependents: HashMap::new(),
            revision,
            definitions: Arc::new(AtomicU64::new(revision)),
            roles: Arc::new(AtomicU64::new(revision)),
            ring: Ring::new(revision),
        };
        for (key, object) in objects {
            memory.index(key, Arc::new(object));
        }
        memory.sweep(u64::MAX);
        memory
    }

    /// The resource version of the last change.
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(super) fn definitions(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.definitions)
    }

    pub(super) fn roles(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.roles)
    }

    /// The oldest revision a watch may start from.
    pub(crate) fn oldest(&self) -> u64 {
        self.ring.floor()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        let objects = self.collections.get(&key.collection)?;
        objects.get(&(key.namespace.clone(), key.name.clone())).cloned()
    }

    /// The objects of a collection in order, from `start` (namespace, name) on; `namespace` keeps to one.
    pub(crate) fn list<'a>(
        &'a self,
        collection: &Collection,
        namespace: Option<&'a str>,
        start: Option<(String, String)>,
    ) -> impl Iterator<Item = (&'a (String, String), &'a Arc<Object>)> + use<'a> {
        let from = start.unwrap_or_else(|| (namespace.unwrap_or_default().to_owned(), String::new()));
        self.collections
            .get(collection)
            .into_iter()
            .flat_map(move |objects| objects.range(from.clone()..))
            .take_while(move |((ns, _), _)| namespace.is_none_or(|only| only == ns))
    }

    /// The same as it was at a revision, as long as the ring reaches back to it.
    pub(crate) fn list_at<'a>(
        &'a self,
        collection: &Collection,
        namespace: Option<&'a str>,
        start: Option<(String, String)>,
        revision: u64,
    ) -> Result<Vec<((String, String), Arc<Object>)>, Expired> {
        // What was before the first change since then is what was then.
        let mut then: BTreeMap<(String, String), Option<&Arc<Object>>> = BTreeMap::new();
        for event in self.ring.since(revision)? {
            if event.key.collection == *collection {
                let place = (event.key.namespace.clone(), event.key.name.clone());
                then.entry(place).or_insert(event.previous.as_ref());
            }
        }
        let mut listed: BTreeMap<(String, String), Arc<Object>> = self
            .list(collection, namespace, start.clone())
            .filter(|(place, _)| !then.contains_key(place))
            .map(|(place, object)| (place.clone(), Arc::clone(object)))
            .collect();
        for (place, object) in then {
            let meant = namespace.is_none_or(|only| only == place.0)
                && start.as_ref().is_none_or(|start| place >= *start);
            if let Some(object) = object.filter(|_| meant) {
                listed.insert(place, Arc::clone(object));
            }
        }
        Ok(listed.into_iter().collect())
    }

    /// Every collection that holds objects.
    pub(crate) fn collections(&self) -> impl Iterator<Item = &Collection> {
        self.collections
            .iter()
            .filter(|(_, objects)| !objects.is_empty())
            .map(|(collection, _)| collection)
    }

    /// Where the object with this uid is.
    pub(crate) fn by_uid(&self, uid: &str) -> Option<&Key> {
        self.uids.get(uid)
    }

    /// The objects that name this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.dependents
            .get(uid)
            .map(|keys| keys.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// Every uid that some object names as its owner.
    pub(crate) fn owners(&self) -> impl Iterator<Item = &str> {
        self.dependents.keys().map(String::as_str)
    }

    /// The changes after `revision`, oldest first.
    pub(crate) fn since(&self, revision: u64) -> Result<impl Iterator<Item = &Arc<Event>>, Expired> {
        self.ring.since(revision)
    }

    /// Takes one committed change in. The revisions come in order.
    pub(super) fn apply(&mut self, key: &Key, object: Arc<Object>, removed: bool) {
        self.revision = object.revision;
        if key.collection.is_definitions() {
            self.definitions.store(object.revision, Ordering::Release);
        }
        if key.collection.is_roles() {
            self.roles.store(object.revision, Ordering::Release);
        }
        let previous = self.unindex(key);
        if !removed {
            self.index(key.clone(), Arc::clone(&object));
        }
        self.ring.push(Event {
            key: key.clone(),
            object,
            previous,
            removed,
        });
        if self.revision.is_multiple_of(SWEEP) {
            self.sweep(self.revision.saturating_sub(SWEEP));
        }
    }

    /// Lets go of the values of objects that have not been changed since a revision.
    fn sweep(&mut self, since: u64) {
        for object in self.collections.values_mut().flat_map(BTreeMap::values_mut) {
            if object.revision < since
                && let Some(cold) = object.let_go()
            {
                *object = cold;
            }
        }
        self.ring.sweep(since);
    }

    fn index(&mut self, key: Key, object: Arc<Object>) {
        for owner in owner_uids(&object) {
            self.dependents
                .entry(owner.to_owned())
                .or_default()
                .insert(key.clone());
        }
        self.uids.insert(object.uid().to_owned(), key.clone());
        let objects = self.collections.entry(key.collection).or_default();
        objects.insert((key.namespace, key.name), object);
    }

    fn unindex(&mut self, key: &Key) -> Option<Arc<Object>> {
        let objects = self.collections.get_mut(&key.collection)?;
        let previous = objects.remove(&(key.namespace.clone(), key.name.clone()))?;
        for owner in owner_uids(&previous) {
            if let Some(keys) = self.dependents.get_mut(owner) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(owner);
                }
            }
        }
        self.uids.remove(previous.uid());
        Some(previous)
    }
}
