//! The account a pod runs as: it is there, and its token is where programs look for it.
//!
//! Reference: the plugin ServiceAccount of Kubernetes.

use serde_json::{Value, json};

use super::Attributes;
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::Key;
use crate::verbs::text;

const VOLUME: &str = "kube-api-access-";
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An hour, and what a clock may be wrong by.
const LIFETIME: u32 = 3607;

impl Engine {
    /// Gives a pod what its account has: a token, secrets to pull images with. An account that is not there refuses the
    /// pod, unless it is the one every namespace has.
    pub(super) fn join_account(&self, write: &Attributes<'_>, pod: &mut Value) -> Result<(), ApiError> {
        let name = text(pod, &["spec", "serviceAccountName"]).to_owned();
        let namespace = &write.target.namespace;
        let key = Key::new("", "serviceaccounts", namespace, &name);
        let held = self.store.get(&key);
        let nothing = Value::Null;
        let account = match &held {
            Some(account) => &*account.value,
            None if name == "default" => &nothing,
            None => {
                let why = format!(
                    "error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found"
                );
                return Err(write.forbidden(pod, &why));
            }
        };
        let wanted = [&pod["spec"], account]
            .into_iter()
            .find_map(|one| one["automountServiceAccountToken"].as_bool());
        if wanted.unwrap_or(true) {
            self.mount_token(pod);
        }
        let secrets = &account["imagePullSecrets"];
        let own = pod["spec"]["imagePullSecrets"].as_array();
        if own.is_none_or(Vec::is_empty) && secrets.as_array().is_some_and(|secrets| !secrets.is_empty()) {
            pod["spec"]["imagePullSecrets"] = secrets.clone();
        }
        Ok(())
    }

    fn mount_token(&self, pod: &mut Value) {
        let volumes = pod["spec"]["volumes"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        let known = volumes
            .iter()
            .map(|volume| text(volume, &["name"]))
            .find(|name| name.starts_with(VOLUME))
            .map(str::to_owned);
        let volume = known
            .clone()
            .unwrap_or_else(|| format!("{VOLUME}{}", self.name_suffix()));
        let mut needed = false;
        for list in ["initContainers", "containers"] {
            let containers = pod.pointer_mut(&format!("/spec/{list}"));
            let containers = containers.and_then(Value::as_array_mut).into_iter().flatten();
            for container in containers.filter_map(Value::as_object_mut) {
                let mounts = container.entry("volumeMounts").or_insert_with(|| json!([]));
                if mounts.is_null() {
                    *mounts = json!([]);
                }
                let Some(mounts) = mounts.as_array_mut() else {
                    continue;
                };
                if !mounts.iter().any(|mount| mount["mountPath"] == MOUNT) {
                    mounts.push(json!({ "name": volume, "readOnly": true, "mountPath": MOUNT }));
                    needed = true;
                }
            }
        }
        if known.is_some() || !needed {
            return;
        }
        let volumes = &mut pod["spec"]["volumes"];
        if volumes.is_null() {
            *volumes = json!([]);
        }
        if let Some(volumes) = volumes.as_array_mut() {
            volumes.push(token_volume(&volume));
        }
    }
}

fn token_volume(name: &str) -> Value {
    json!({
        "name": name,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                { "serviceAccountToken": { "expirationSeconds": LIFETIME, "path": "token" } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [{
                    "path": "namespace",
                    "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" },
                }] } },
            ],
        },
    })
}
