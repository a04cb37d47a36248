//! Whose business a change is: which objects have to be looked at again when one changed.

use serde_json::Value;

use super::endpoints;
use super::kind::Kind;
use super::object::{controller, list, name, namespace, text};
use super::refusal::account_of;
use super::replicaset::is_ready;
use super::scheduler::claims;
use super::world::{Key, World};

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
        Kind::Pod => {
            keys.extend(claims(object).map(|claim| Key::new(Kind::PersistentVolumeClaim, space, claim)));
            let services = world.within(Kind::Service, space);
            keys.extend(
                services
                    .filter(|service| endpoints::selects(service, object))
                    .map(|it| Key::of(Kind::Service, it)),
            );
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
            for kind in [Kind::ReplicaSet, Kind::StatefulSet, Kind::DaemonSet, Kind::Job] {
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
        }
        _ => {}
    }
    keys
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
