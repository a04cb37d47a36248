//! The guardrails in force: the cluster's own policies where it has any, else those that ship.
//!
//! Followed by watches. Kinds that the cluster does not know yet are looked for again every so often, so that
//! Kyverno's definitions may come later.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures::stream::SelectAll;
use futures::{Stream, StreamExt};
use guardrails::Policies;
use kube::api::DynamicObject;
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::acts::acting::{Acting, CLEANING, Cleaning, acting, cleaning, is_cleaning};
use crate::error::AdmissionError;
use crate::scope::{FailurePolicy, Scope, failure, scopes};

/// The groups whose policies are followed.
const GROUPS: [&str; 2] = ["kyverno.io", "policies.kyverno.io"];
/// The kinds that are followed. The rest of what Kyverno defines says nothing about requests.
const KINDS: [&str; 15] = [
    "ClusterPolicy",
    "Policy",
    EXCEPTION,
    "ValidatingPolicy",
    "NamespacedValidatingPolicy",
    "MutatingPolicy",
    "NamespacedMutatingPolicy",
    "GeneratingPolicy",
    "NamespacedGeneratingPolicy",
    "ImageValidatingPolicy",
    "NamespacedImageValidatingPolicy",
    CLEANING[0],
    CLEANING[1],
    CLEANING[2],
    CLEANING[3],
];
/// Lets objects through that a policy would refuse.
const EXCEPTION: &str = "PolicyException";
/// How often kinds that were not there are looked for.
const LOOK: Duration = Duration::from_secs(30);

/// The guardrails in force at one moment.
#[derive(Debug, Default)]
pub(crate) struct InForce {
    /// All of them together.
    pub(crate) all: Arc<Policies>,
    /// Those that requests are judged by.
    pub(crate) admission: Set,
    /// Those that are asked of what is there already.
    pub(crate) background: Set,
    /// What they want to see.
    pub(crate) scopes: Vec<Scope>,
    /// Policies whose failures are told to whoever asks, even when they refuse nothing.
    pub(crate) loud: BTreeSet<String>,
    /// Policies that say of themselves that a request goes on without them when they cannot do their work.
    pub(crate) lenient: BTreeSet<String>,
    /// Whether some policy asks which roles a user has.
    pub(crate) asks_roles: bool,
    /// Those that make or change other objects.
    pub(crate) acting: Vec<Acting>,
    /// Those that delete on a schedule.
    pub(crate) cleaning: Vec<Cleaning>,
}

/// The policies for one occasion.
#[derive(Debug, Default)]
pub(crate) struct Set {
    /// Those for the whole cluster.
    pub(crate) cluster: Policies,
    /// Those of single namespaces, which see nothing beyond their own.
    pub(crate) namespaced: BTreeMap<String, Policies>,
}

impl Set {
    /// Takes in the policies of a namespace, or of the whole cluster where the namespace is empty.
    fn add(&mut self, namespace: &str, policies: Policies) {
        if namespace.is_empty() {
            self.cluster = policies;
        } else {
            self.namespaced.insert(namespace.to_owned(), policies);
        }
    }
}

impl InForce {
    /// From policies as the cluster has them. All or none: half a set of guardrails would let through what the
    /// other half stops.
    fn read<'a>(source: &str, values: impl IntoIterator<Item = &'a Value>) -> Result<Self, Vec<String>> {
        let values: Vec<&Value> = values.into_iter().collect();
        let mut in_force = Self {
            acting: acting(&values),
            scopes: scopes(values.iter().copied()),
            asks_roles: values.iter().any(|policy| asks_roles(policy)),
            ..Self::default()
        };
        let mut refused = Vec::new();
        let (all, refusals) = Policies::from_values(source, values.iter().copied());
        refused.extend(refusals.iter().map(ToString::to_string));
        in_force.all = Arc::new(all);
        let exceptions = || {
            values
                .iter()
                .copied()
                .filter(|policy| policy["kind"] == EXCEPTION)
        };
        let mut namespaces: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
        for policy in values
            .iter()
            .copied()
            .filter(|policy| policy["kind"] != EXCEPTION)
        {
            let namespace = policy["metadata"]["namespace"].as_str().unwrap_or_default();
            namespaces.entry(namespace).or_default().push(policy);
            let name = policy["metadata"]["name"].as_str().unwrap_or_default();
            let slash = if namespace.is_empty() { "" } else { "/" };
            let name = format!("{namespace}{slash}{name}");
            if failure(policy) == FailurePolicy::Ignore {
                in_force.lenient.insert(name.clone());
            }
            if is_loud(policy) {
                in_force.loud.insert(name);
            }
        }
        for (namespace, of_namespace) in namespaces {
            let (policies, _) = Policies::from_values(source, of_namespace.into_iter().chain(exceptions()));
            in_force.background.add(namespace, policies.for_background());
            in_force.admission.add(namespace, policies.for_admission());
        }
        if refused.is_empty() {
            Ok(in_force)
        } else {
            Err(refused)
        }
    }

    /// From policies as they are written, for tests of what judges by them.
    #[cfg(test)]
    pub(crate) fn of(values: &[Value]) -> Result<Self, Vec<String>> {
        Self::read("a test", values)
    }

    /// Those that ship with the platform.
    fn shipped() -> Result<Self, AdmissionError> {
        let broken = |why: String| AdmissionError::Policies(why);
        let mut values = Vec::new();
        for (name, text) in expansion::builtin::policies() {
            let documents = yaml::parse_all(&text).map_err(|error| broken(format!("{name}: {error}")))?;
            values.extend(documents.into_iter().map(|document| document.value));
        }
        Self::read("the platform", &values).map_err(|refused| broken(refused.join("; ")))
    }
}

/// Whether failures are told to whoever asks.
fn is_loud(policy: &Value) -> bool {
    let spec = &policy["spec"];
    let actions = spec["validationActions"].as_array().into_iter().flatten();
    spec["emitWarning"] == true || actions.clone().any(|action| action == "Warn")
}

/// Whether a policy asks which roles somebody has. Looking that up costs something.
fn asks_roles(policy: &Value) -> bool {
    match policy {
        Value::String(text) => text.contains("request.roles") || text.contains("request.clusterRoles"),
        Value::Array(items) => items.iter().any(asks_roles),
        Value::Object(fields) => {
            fields.contains_key("clusterRoles")
                || fields.contains_key("roles")
                || fields.values().any(asks_roles)
        }
        _ => false,
    }
}

/// The guardrails in force, shared by everything that judges. Reading is cheap; a change replaces the whole.
#[derive(Clone)]
pub struct PolicyStore {
    current: Arc<RwLock<Arc<InForce>>>,
    changed: watch::Sender<u64>,
    /// Whether what the cluster has was read once.
    read: watch::Sender<bool>,
    /// How many of the cluster's policies could not be read.
    refused: watch::Sender<usize>,
}

/// A policy among all: kind, namespace, name.
type Key = (String, String, String);

/// What a watch of one kind says.
struct Said {
    kind: String,
    event: Result<watcher::Event<DynamicObject>, watcher::Error>,
}

/// What all watches have said so far.
#[derive(Default)]
struct Known {
    policies: BTreeMap<Key, Value>,
    /// Kinds whose first list, or a new one, is under way.
    listing: BTreeSet<String>,
    /// While a kind is listed anew: what was there before, until the list is complete.
    before: BTreeSet<Key>,
}

impl PolicyStore {
    /// Begins with the guardrails that ship with the platform.
    pub fn builtin() -> Result<Self, AdmissionError> {
        Ok(Self {
            current: Arc::new(RwLock::new(Arc::new(InForce::shipped()?))),
            changed: watch::Sender::new(0),
            read: watch::Sender::new(false),
            refused: watch::Sender::new(0),
        })
    }

    /// The guardrails in force now, all together.
    pub fn current(&self) -> Arc<Policies> {
        Arc::clone(&self.in_force().all)
    }

    /// The guardrails in force now, with all that is known of them.
    pub(crate) fn in_force(&self) -> Arc<InForce> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes whenever the guardrails change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether what the cluster has was read once.
    pub fn is_read(&self) -> bool {
        *self.read.borrow()
    }

    /// Waits until what the cluster has was read once.
    pub(crate) async fn has_read(&self) {
        // It cannot end before: this is whom it hears.
        let _ = self.read.subscribe().wait_for(|read| *read).await;
    }

    /// How many of the cluster's policies could not be read when they were looked at last.
    pub fn refused(&self) -> usize {
        *self.refused.borrow()
    }

    /// Puts policies in force, for tests of what acts by them.
    #[cfg(test)]
    pub(crate) fn set(&self, in_force: InForce) {
        self.replace(in_force);
        self.read.send_replace(true);
    }

    fn replace(&self, in_force: InForce) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(in_force);
        self.changed.send_modify(|version| *version += 1);
    }

    /// Follows the cluster's policies until `stop`. A cluster that knows no such kind, or has none, keeps those that
    /// ship; while one cannot be read, the last good set stays and it is logged.
    pub async fn follow(&self, client: Client, stop: CancellationToken) {
        let mut watches: SelectAll<Pin<Box<dyn Stream<Item = Said> + Send>>> = SelectAll::new();
        let mut followed: BTreeSet<String> = BTreeSet::new();
        let mut known = Known::default();
        let mut look = tokio::time::interval(LOOK);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = look.tick() => {
                    let served = match kinds_served(&client).await {
                        Ok(served) => served,
                        Err(error) => {
                            tracing::debug!(%error, "cannot ask for the kinds of policies");
                            continue;
                        }
                    };
                    for resource in served {
                        if followed.insert(resource.plural.clone() + "." + &resource.group) {
                            known.listing.insert(resource.plural.clone() + "." + &resource.group);
                            watches.push(watch_kind(&client, &resource));
                        }
                    }
                    if followed.is_empty() {
                        self.read.send_replace(true);
                    }
                }
                Some(said) = watches.next(), if !watches.is_empty() => {
                    if known.take(said) && known.listing.is_empty() {
                        self.load(&known.policies);
                        self.read.send_replace(true);
                    }
                }
            }
        }
    }

    fn load(&self, known: &BTreeMap<Key, Value>) {
        // What deletes on a schedule guards nothing: the guardrails are the same with it and without.
        let (cleaners, guards): (Vec<&Value>, Vec<&Value>) =
            known.values().partition(|policy| is_cleaning(policy));
        let exceptions = guards
            .iter()
            .copied()
            .filter(|policy| policy["kind"] == EXCEPTION);
        let (cleaning, wrong) = cleaning(&cleaners.into_iter().chain(exceptions).collect::<Vec<_>>());
        for refusal in wrong {
            tracing::error!(%refusal, "a policy that deletes on a schedule cannot be read; it deletes nothing");
        }
        if guards.iter().all(|policy| policy["kind"] == EXCEPTION) {
            match InForce::shipped() {
                Ok(shipped) => self.replace(InForce { cleaning, ..shipped }),
                Err(error) => tracing::error!(%error, "the last good guardrails stay"),
            }
            return;
        }
        match InForce::read("the cluster", guards.iter().copied()) {
            Ok(in_force) => {
                let in_force = InForce { cleaning, ..in_force };
                self.refused.send_replace(0);
                self.replace(in_force);
            }
            Err(refused) => {
                self.refused.send_replace(refused.len());
                for refusal in refused {
                    tracing::error!(%refusal, "the cluster's guardrails cannot be loaded; the last good ones stay");
                }
            }
        }
    }
}

impl Known {
    /// Takes in what a watch says. Whether something may have changed.
    fn take(&mut self, said: Said) -> bool {
        let Said { kind, event } = said;
        match event {
            Ok(watcher::Event::Init) => {
                let of_kind = self.policies.keys().filter(|key| key.0 == kind).cloned();
                self.before.extend(of_kind);
                self.listing.insert(kind);
                false
            }
            Ok(watcher::Event::InitApply(policy)) => {
                self.keep(kind, &policy);
                false
            }
            Ok(watcher::Event::InitDone) => {
                let (gone, rest) = std::mem::take(&mut self.before)
                    .into_iter()
                    .partition(|key| key.0 == kind);
                self.before = rest;
                let gone: BTreeSet<Key> = gone;
                self.policies.retain(|key, _| !gone.contains(key));
                self.listing.remove(&kind);
                true
            }
            Ok(watcher::Event::Apply(policy)) => self.keep(kind, &policy),
            Ok(watcher::Event::Delete(policy)) => self.policies.remove(&key(kind, &policy)).is_some(),
            Err(error) => {
                tracing::debug!(%error, kind, "cannot watch policies");
                false
            }
        }
    }

    fn keep(&mut self, kind: String, policy: &DynamicObject) -> bool {
        // An exception lets through what a policy stops, so it counts where teams cannot write.
        let namespace = policy.namespace().unwrap_or_default();
        if kind.starts_with("policyexceptions.") && namespace != api::SYSTEM_NAMESPACE {
            tracing::debug!(
                namespace,
                name = policy.name_any(),
                "an exception beyond the platform's namespace"
            );
            return false;
        }
        let key = key(kind, policy);
        self.before.remove(&key);
        let mut value = serde_json::to_value(policy).unwrap_or_default();
        if let Some(metadata) = value["metadata"].as_object_mut() {
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
        }
        if let Some(fields) = value.as_object_mut() {
            fields.remove("status");
        }
        let old = self.policies.insert(key.clone(), value);
        old.as_ref() != self.policies.get(&key)
    }
}

fn key(kind: String, policy: &DynamicObject) -> Key {
    (kind, policy.namespace().unwrap_or_default(), policy.name_any())
}

fn watch_kind(client: &Client, resource: &ApiResource) -> Pin<Box<dyn Stream<Item = Said> + Send>> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), resource);
    let types = (resource.api_version.clone(), resource.kind.clone());
    let kind = resource.plural.clone() + "." + &resource.group;
    let named = move |mut policy: DynamicObject| {
        // Lists do not repeat the kind with each item.
        policy.types.get_or_insert_with(|| kube::core::TypeMeta {
            api_version: types.0.clone(),
            kind: types.1.clone(),
        });
        policy
    };
    let events = watcher(api, watcher::Config::default()).default_backoff();
    Box::pin(events.map(move |event| Said {
        kind: kind.clone(),
        event: event.map(|event| match event {
            watcher::Event::Apply(policy) => watcher::Event::Apply(named(policy)),
            watcher::Event::InitApply(policy) => watcher::Event::InitApply(named(policy)),
            other => other,
        }),
    }))
}

/// The kinds of policies that the cluster knows, each in the version it prefers.
async fn kinds_served(client: &Client) -> Result<Vec<ApiResource>, kube::Error> {
    let groups = client.list_api_groups().await?;
    let mut served = Vec::new();
    for group in groups
        .groups
        .iter()
        .filter(|group| GROUPS.contains(&group.name.as_str()))
    {
        // A kind may be served in an older version than the one its group prefers.
        let preferred = group.preferred_version.iter().chain(&group.versions);
        for version in preferred {
            let resources = client.list_api_group_resources(&version.group_version).await?;
            for resource in resources.resources {
                let fits = KINDS.contains(&resource.kind.as_str())
                    && !resource.name.contains('/')
                    && resource.verbs.iter().any(|verb| verb == "watch");
                let kind = GroupVersionKind::gvk(&group.name, &version.version, &resource.kind);
                let new = !served
                    .iter()
                    .any(|other: &ApiResource| other.group == group.name && other.kind == resource.kind);
                if fits && new {
                    served.push(ApiResource::from_gvk_with_plural(&kind, &resource.name));
                }
            }
        }
    }
    Ok(served)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn policy(kind: &str, namespace: Option<&str>, name: &str) -> Value {
        json!({
            "apiVersion": "kyverno.io/v1", "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"rules": [{
                "name": "a",
                "match": {"any": [{"resources": {"kinds": ["ConfigMap"]}}]},
                "validate": {"failureAction": "Enforce", "pattern": {"data": {"a": "?*"}}},
            }]},
        })
    }

    fn dynamic(value: Value) -> DynamicObject {
        serde_json::from_value(value).unwrap()
    }

    fn said(event: watcher::Event<DynamicObject>) -> Said {
        Said {
            kind: "clusterpolicies.kyverno.io".to_owned(),
            event: Ok(event),
        }
    }

    #[test]
    fn policies_of_namespaces_are_kept_apart() {
        let mut loud = policy("Policy", Some("shop"), "b");
        loud["spec"]["emitWarning"] = json!(true);
        let values = [policy("ClusterPolicy", None, "a"), loud];
        let in_force = InForce::read("a test", &values).unwrap();
        assert_eq!((in_force.all.len(), in_force.admission.cluster.len()), (2, 1));
        assert_eq!(in_force.admission.namespaced["shop"].len(), 1);
        assert_eq!(in_force.loud, BTreeSet::from(["shop/b".to_owned()]));
        assert!(!in_force.asks_roles);
    }

    #[test]
    fn half_a_set_is_none() {
        let store = PolicyStore::builtin().unwrap();
        let shipped = store.current().len();
        assert!(shipped > 20);
        let key = |name: &str| ("a".to_owned(), String::new(), name.to_owned());
        let mut known = BTreeMap::from([(key("a"), policy("ClusterPolicy", None, "a"))]);
        store.load(&known);
        assert_eq!(store.current().len(), 1);
        known.insert(
            key("b"),
            json!({"apiVersion": "kyverno.io/v1", "kind": "ClusterPolicy", "metadata": {"name": "b"}}),
        );
        store.load(&known);
        assert_eq!((store.current().len(), store.refused()), (1, 1));
        store.load(&BTreeMap::new());
        assert_eq!(
            store.current().len(),
            shipped,
            "with none of its own, those that ship"
        );
    }

    #[test]
    fn a_list_replaces_what_was_known_when_it_is_complete() {
        let mut known = Known::default();
        let a = || dynamic(policy("ClusterPolicy", None, "a"));
        let b = || dynamic(policy("ClusterPolicy", None, "b"));
        assert!(!known.take(said(watcher::Event::Init)));
        known.take(said(watcher::Event::InitApply(a())));
        assert!(known.take(said(watcher::Event::InitDone)));
        assert!(known.take(said(watcher::Event::Apply(b()))));
        assert!(!known.take(said(watcher::Event::Apply(b()))), "nothing new");
        known.take(said(watcher::Event::Init));
        assert_eq!(known.policies.len(), 2, "until the new list is complete");
        known.take(said(watcher::Event::InitApply(b())));
        known.take(said(watcher::Event::InitDone));
        assert_eq!(known.policies.len(), 1);
        assert!(known.take(said(watcher::Event::Delete(b()))));
        assert!(known.policies.is_empty() && known.listing.is_empty());
    }

    #[test]
    fn exceptions_count_in_the_platforms_namespace_alone() {
        let mut known = Known::default();
        for (namespace, expect) in [("shop", 0), ("platform-system", 1)] {
            let exception = dynamic(policy(EXCEPTION, Some(namespace), "a"));
            let event = Ok(watcher::Event::Apply(exception));
            known.take(Said {
                kind: "policyexceptions.kyverno.io".to_owned(),
                event,
            });
            assert_eq!(known.policies.len(), expect, "{namespace}");
        }
    }
}
