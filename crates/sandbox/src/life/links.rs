//! Whose business a change is: which objects have to be looked at again when one changed.

use serde_json::Value;

use super::kind::Kind;
use super::object::{controller, labels, list, name, namespace, number, text, uid};
use super::refusal::account_of;
use super::replicaset::is_ready;
use super::scheduler::claims;
use super::world::{Key, World};
use super::{autoscaler, endpoints, selector};

/// The objects to look at because this one came, changed or went.
pub(crate) fn concerned(world: &World, kind: Kind, object: &Value) -> Vec<Key> {
    let mut keys = Vec::new();
    let space = namespace(object);
    if has_controller(kind) {
        keys.push(Key::of(kind, object));
    }
    if let Some((owner, owner_name, _)) = controller(object)
        && has_controller(owner)
    {
        keys.push(Key::new(owner, space, owner_name));
        // Recreate waits for the pods behind the ReplicaSets.
        if kind == Kind::Pod
            && let Some(owner) = world.get(owner, space, owner_name)
            && let Some((Kind::Deployment, deployment, _)) = controller(owner)
        {
            keys.push(Key::new(Kind::Deployment, space, deployment));
        }
    }
    match kind {
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet | Kind::ReplicationController => {
            let scalers = scalers_of(world, space, kind, name(object));
            keys.extend(scalers.map(|it| Key::of(Kind::HorizontalPodAutoscaler, it)));
            // Budgets count by how many pods were asked for.
            let template = object.pointer("/spec/template").unwrap_or(&Value::Null);
            keys.extend(budgets_of(world, space, template));
        }
        Kind::HorizontalPodAutoscaler => {
            if let Some((kind, target)) = autoscaler::target(object) {
                let rivals = scalers_of(world, space, kind, target);
                keys.extend(rivals.map(|it| Key::of(Kind::HorizontalPodAutoscaler, it)));
            }
        }
        Kind::Pod => {
            keys.extend(budgets_of(world, space, object));
            keys.extend(claims(object).map(|claim| Key::new(Kind::PersistentVolumeClaim, space, claim)));
            let services = world.within(Kind::Service, space);
            keys.extend(
                services
                    .filter(|service| endpoints::selects(service, object))
                    .map(|it| Key::of(Kind::Service, it)),
            );
        }
        Kind::Endpoints if endpoints::managed(object) => {
            keys.push(Key::new(Kind::Service, space, name(object)));
        }
        Kind::PersistentVolumeClaim => {
            keys.extend(waiting_for_claim(world, space, name(object)));
            let volume = text(object, "/spec/volumeName");
            if !volume.is_empty() {
                keys.push(Key::new(Kind::PersistentVolume, "", volume));
            }
        }
        Kind::PersistentVolume => {
            let reference = object.pointer("/spec/claimRef").unwrap_or(&Value::Null);
            if text(reference, "/name").is_empty() {
                keys.extend(unbound_claims(world));
            } else {
                let (space, name) = (text(reference, "/namespace"), text(reference, "/name"));
                keys.push(Key::new(Kind::PersistentVolumeClaim, space, name));
            }
        }
        Kind::StorageClass => keys.extend(unbound_claims(world)),
        Kind::Secret | Kind::ConfigMap => {
            let unfinished = world.within(Kind::Pod, space).filter(|pod| !is_ready(pod));
            keys.extend(unfinished.map(|pod| Key::of(Kind::Pod, pod)));
        }
        Kind::ServiceAccount => {
            for kind in [
                Kind::ReplicaSet,
                Kind::ReplicationController,
                Kind::StatefulSet,
                Kind::DaemonSet,
                Kind::Job,
            ] {
                let users = world
                    .within(kind, space)
                    .filter(|it| account_of(it) == Some(name(object)));
                keys.extend(users.map(|user| Key::of(kind, user)));
            }
        }
        Kind::Node => {
            let homeless = world
                .all(Kind::Pod)
                .filter(|pod| text(pod, "/spec/nodeName").is_empty());
            keys.extend(homeless.map(|pod| Key::of(Kind::Pod, pod)));
            keys.extend(
                world
                    .all(Kind::DaemonSet)
                    .map(|set| Key::of(Kind::DaemonSet, set)),
            );
        }
        _ => {}
    }
    keys
}

/// The autoscalers of one target.
pub(super) fn scalers_of<'a>(
    world: &'a World,
    space: &'a str,
    kind: Kind,
    target: &'a str,
) -> impl Iterator<Item = &'a Value> {
    world
        .within(Kind::HorizontalPodAutoscaler, space)
        .filter(move |scaler| autoscaler::target(scaler) == Some((kind, target)))
}

/// The disruption budgets that choose a pod, or the pods of a template.
fn budgets_of<'a>(world: &'a World, space: &'a str, pod: &'a Value) -> impl Iterator<Item = Key> {
    world
        .within(Kind::PodDisruptionBudget, space)
        .filter(|budget| selects(budget, pod))
        .map(|budget| Key::of(Kind::PodDisruptionBudget, budget))
}

/// Does a disruption budget choose the pod?
pub(super) fn selects(budget: &Value, pod: &Value) -> bool {
    let selector = budget.pointer("/spec/selector").unwrap_or(&Value::Null);
    selector::chooses(selector, labels(pod))
}

/// What a pod is scaled by, and to how many; none where it is not scaled.
pub(super) fn scale_of(world: &World, pod: &Value) -> Option<(String, i64)> {
    let space = namespace(pod);
    let (kind, owner, _) = controller(pod)?;
    let owner = world.get(kind, space, owner)?;
    let top = match (kind, controller(owner)) {
        (Kind::ReplicaSet, Some((Kind::Deployment, deployment, _))) => {
            world.get(Kind::Deployment, space, deployment)?
        }
        (Kind::ReplicaSet | Kind::ReplicationController | Kind::StatefulSet, _) => owner,
        _ => return None,
    };
    Some((uid(top).to_owned(), number(top, "/spec/replicas").unwrap_or(1)))
}

/// Is there a controller for this kind?
fn has_controller(kind: Kind) -> bool {
    !matches!(
        kind,
        Kind::StorageClass
            | Kind::ServiceAccount
            | Kind::Secret
            | Kind::ConfigMap
            | Kind::ControllerRevision
            | Kind::Endpoints
            | Kind::EndpointSlice
    )
}

/// The volumes that say they are of a claim, whether it is there or not.
pub(super) fn volumes_of_claim(world: &World, space: &str, claim: &str) -> Vec<Key> {
    let of_it = |volume: &&Value| {
        text(volume, "/spec/claimRef/namespace") == space && text(volume, "/spec/claimRef/name") == claim
    };
    world
        .all(Kind::PersistentVolume)
        .filter(of_it)
        .map(|volume| Key::of(Kind::PersistentVolume, volume))
        .collect()
}

/// The pods without a node that mount a claim.
pub(crate) fn waiting_for_claim(world: &World, namespace: &str, claim: &str) -> Vec<Key> {
    let pods = world.within(Kind::Pod, namespace);
    pods.filter(|pod| text(pod, "/spec/nodeName").is_empty() && claims(pod).any(|it| it == claim))
        .map(|pod| Key::of(Kind::Pod, pod))
        .collect()
}

fn unbound_claims(world: &World) -> impl Iterator<Item = Key> {
    world
        .all(Kind::PersistentVolumeClaim)
        .filter(|claim| text(claim, "/status/phase") != "Bound")
        .map(|claim| Key::of(Kind::PersistentVolumeClaim, claim))
}

/// Does a pod that is not over mount the claim?
pub(crate) fn claim_in_use(world: &World, claim: &Value) -> bool {
    world
        .within(Kind::Pod, namespace(claim))
        .filter(|pod| !list(pod, "/spec/volumes").is_empty())
        .any(|pod| claims(pod).any(|it| it == name(claim)))
}
