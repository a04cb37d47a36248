//! What the control plane has seen of the API, in memory: objects by place, by owner, and the pods'
//! addresses. A copy that may lag behind; every write checks the version it was based on.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::kind::Kind;
use super::object::{self, map, name, namespace, set, text, uid, version};

/// The place of one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its namespace, or "".
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl Key {
    /// The place of this object.
    pub(crate) fn of(kind: Kind, object: &Value) -> Self {
        Self::new(kind, namespace(object), name(object))
    }

    /// A place by its parts.
    pub(crate) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

/// All objects seen.
#[derive(Debug, Default)]
pub(crate) struct World {
    objects: BTreeMap<Key, Arc<Value>>,
    owned: HashMap<String, BTreeSet<Key>>,
    addresses: HashMap<String, String>,
}

impl World {
    /// The object at a place.
    pub(crate) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Value> {
        self.at(&Key::new(kind, namespace, name))
    }

    /// The object at a place.
    pub(crate) fn at(&self, key: &Key) -> Option<&Value> {
        self.objects.get(key).map(Arc::as_ref)
    }

    /// All objects of a kind.
    pub(crate) fn all(&self, kind: Kind) -> impl Iterator<Item = &Value> {
        self.objects
            .range((Bound::Included(Key::new(kind, "", "")), Bound::Unbounded))
            .take_while(move |(key, _)| key.kind == kind)
            .map(|(_, object)| object.as_ref())
    }

    /// The objects of a kind in a namespace.
    pub(crate) fn within<'a>(&'a self, kind: Kind, namespace: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects
            .range((Bound::Included(Key::new(kind, namespace, "")), Bound::Unbounded))
            .take_while(move |(key, _)| key.kind == kind && key.namespace == namespace)
            .map(|(_, object)| object.as_ref())
    }

    /// The objects of a kind that this owner controls.
    pub(crate) fn controlled(&self, kind: Kind, owner: &Value) -> Vec<&Value> {
        let keys = self.owned.get(uid(owner));
        keys.into_iter()
            .flatten()
            .filter(|key| key.kind == kind)
            .filter_map(|key| self.at(key))
            .collect()
    }

    /// How many objects of a kind there are.
    pub(crate) fn count(&self, kind: Kind) -> usize {
        self.all(kind).count()
    }

    /// Does another pod have this address?
    pub(crate) fn address_taken(&self, address: &str, pod: &Value) -> bool {
        self.addresses
            .get(address)
            .is_some_and(|holder| holder != uid(pod))
    }

    /// Takes in an object unless it is known at this version or a later one. True when it is news.
    pub(crate) fn put(&mut self, kind: Kind, mut object: Value) -> bool {
        if name(&object).is_empty() {
            return false;
        }
        let key = Key::of(kind, &object);
        if self
            .at(&key)
            .is_some_and(|known| version(known) >= version(&object))
        {
            return false;
        }
        slim(kind, &mut object);
        self.forget(&key);
        if let Some((_, _, owner)) = object::controller(&object) {
            self.owned
                .entry(owner.to_owned())
                .or_default()
                .insert(key.clone());
        }
        if kind == Kind::Pod {
            let address = text(&object, "/status/podIP");
            if !address.is_empty() {
                self.addresses.insert(address.to_owned(), uid(&object).to_owned());
            }
        }
        self.objects.insert(key, Arc::new(object));
        true
    }

    /// Lets go of an object, unless another of the same name has taken its place. Gives what was known.
    pub(crate) fn remove(&mut self, key: &Key, uid: &str) -> Option<Arc<Value>> {
        let known = self.objects.get(key)?;
        if object::uid(known) != uid {
            return None;
        }
        self.forget(key)
    }

    /// The objects of a kind that a complete list of the given version does not hold any more.
    pub(crate) fn vanished(
        &self,
        kind: Kind,
        listed: &BTreeSet<Key>,
        list_version: u64,
    ) -> Vec<(Key, String)> {
        self.all(kind)
            .filter(|object| version(object) <= list_version)
            .map(|object| (Key::of(kind, object), uid(object).to_owned()))
            .filter(|(key, _)| !listed.contains(key))
            .collect()
    }

    fn forget(&mut self, key: &Key) -> Option<Arc<Value>> {
        let known = self.objects.remove(key)?;
        if let Some((_, _, owner)) = object::controller(&known)
            && let Some(siblings) = self.owned.get_mut(owner)
        {
            siblings.remove(key);
            if siblings.is_empty() {
                self.owned.remove(owner);
            }
        }
        if key.kind == Kind::Pod {
            let address = text(&known, "/status/podIP");
            if self
                .addresses
                .get(address)
                .is_some_and(|holder| holder == uid(&known))
            {
                self.addresses.remove(address);
            }
        }
        Some(known)
    }
}

/// Keeps of Secrets and ConfigMaps only what is asked about: which keys they have. Contents stay out of
/// memory, and out of anything that might print them.
fn slim(kind: Kind, object: &mut Value) {
    if !matches!(kind, Kind::Secret | Kind::ConfigMap) {
        return;
    }
    let mut kept = Value::Null;
    for field in ["name", "namespace", "uid", "resourceVersion"] {
        let value = text(object, &format!("/metadata/{field}")).to_owned();
        set(&mut kept, &["metadata", field], Value::String(value));
    }
    for field in ["data", "binaryData"] {
        if let Some(data) = map(object, &format!("/{field}")) {
            let keys: Map<String, Value> = data.keys().map(|key| (key.clone(), Value::Null)).collect();
            set(&mut kept, &[field], Value::Object(keys));
        }
    }
    *object = kept;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, version: u64, uid: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": version.to_string(),
            "ownerReferences": [{"kind": "ReplicaSet", "name": "web", "uid": "owner", "controller": true}]},
            "status": {"podIP": format!("10.0.0.{version}")}})
    }

    #[test]
    fn only_news_is_taken_in() {
        let mut world = World::default();
        assert!(world.put(Kind::Pod, pod("a", 5, "1")));
        assert!(!world.put(Kind::Pod, pod("a", 5, "1")));
        assert!(!world.put(Kind::Pod, pod("a", 4, "1")));
        assert!(world.put(Kind::Pod, pod("a", 6, "1")));
        assert!(!world.put(Kind::Pod, json!({})));
        assert_eq!(world.count(Kind::Pod), 1);
    }

    #[test]
    fn a_late_farewell_does_not_hit_the_successor() {
        let mut world = World::default();
        world.put(Kind::Pod, pod("a", 5, "1"));
        world.put(Kind::Pod, pod("a", 7, "2"));
        let key = Key::new(Kind::Pod, "shop", "a");
        assert!(world.remove(&key, "1").is_none());
        assert!(world.remove(&key, "2").is_some());
        assert!(world.at(&key).is_none());
    }

    #[test]
    fn owners_and_addresses_are_known_as_long_as_the_object_is() {
        let mut world = World::default();
        let owner = json!({"metadata": {"uid": "owner"}});
        world.put(Kind::Pod, pod("a", 5, "1"));
        world.put(Kind::Pod, pod("a", 6, "1"));
        assert_eq!(world.controlled(Kind::Pod, &owner).len(), 1);
        assert!(world.controlled(Kind::ReplicaSet, &owner).is_empty());
        let other = pod("b", 9, "2");
        assert!(!world.address_taken("10.0.0.5", &other));
        assert!(world.address_taken("10.0.0.6", &other));
        world.remove(&Key::new(Kind::Pod, "shop", "a"), "1");
        assert!(world.controlled(Kind::Pod, &owner).is_empty());
        assert!(!world.address_taken("10.0.0.6", &other));
    }

    #[test]
    fn a_list_tells_what_vanished_but_not_what_came_after_it() {
        let mut world = World::default();
        for (name, version) in [("kept", 3), ("gone", 4), ("newer", 9)] {
            world.put(Kind::Pod, pod(name, version, name));
        }
        let listed = BTreeSet::from([Key::new(Kind::Pod, "shop", "kept")]);
        assert_eq!(
            world.vanished(Kind::Pod, &listed, 5),
            [(Key::new(Kind::Pod, "shop", "gone"), "gone".to_owned())]
        );
    }

    #[test]
    fn the_contents_of_secrets_are_not_kept() {
        let mut world = World::default();
        world.put(
            Kind::Secret,
            json!({
            "metadata": {"name": "db", "namespace": "shop", "uid": "1", "resourceVersion": "1",
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2"}},
            "data": {"password": "aHVudGVyMg=="}}),
        );
        let kept = world.get(Kind::Secret, "shop", "db").unwrap();
        assert_eq!(kept["data"], json!({"password": null}));
        assert!(!kept.to_string().contains("hunter2"));
    }

    #[test]
    fn ranges_stay_inside_their_kind_and_namespace() {
        let mut world = World::default();
        for (kind, namespace, name) in [
            (Kind::Pod, "shop", "a"),
            (Kind::Pod, "shop-2", "b"),
            (Kind::Service, "shop", "c"),
            (Kind::Job, "shop", "d"),
        ] {
            world.put(
                kind,
                json!({"metadata": {"name": name, "namespace": namespace, "resourceVersion": "1"}}),
            );
        }
        assert_eq!(world.within(Kind::Pod, "shop").count(), 1);
        assert_eq!(world.all(Kind::Pod).count(), 2);
        assert_eq!(world.within(Kind::Pod, "none").count(), 0);
    }
}
