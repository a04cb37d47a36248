//! Secrets and ConfigMaps that a pod needs before it can start, and what the kubelet says while they
//! are missing.

use serde_json::Value;

use crate::life::object::{list, map, namespace, text, truth};

/// What is there in a pod's namespace.
pub(crate) struct Supplies<'a> {
    /// Secrets by name.
    pub(crate) secret: &'a dyn Fn(&str) -> Option<&'a Value>,
    /// ConfigMaps by name.
    pub(crate) config_map: &'a dyn Fn(&str) -> Option<&'a Value>,
}

#[derive(Clone, Copy)]
enum Source {
    Secret,
    ConfigMap,
}

impl Source {
    fn find<'a>(self, supplies: &Supplies<'a>, name: &str) -> Option<&'a Value> {
        match self {
            Self::Secret => (supplies.secret)(name),
            Self::ConfigMap => (supplies.config_map)(name),
        }
    }

    fn absent(self, name: &str) -> String {
        match self {
            Self::Secret => format!("secret \"{name}\" not found"),
            Self::ConfigMap => format!("configmap \"{name}\" not found"),
        }
    }

    fn no_key(self, key: &str, namespace: &str, name: &str) -> String {
        let kind = match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        };
        format!("couldn't find key {key} in {kind} {namespace}/{name}")
    }

    fn no_file(self, key: &str) -> String {
        match self {
            Self::Secret => format!("references non-existent secret key: {key}"),
            Self::ConfigMap => format!("configmap references non-existent config key: {key}"),
        }
    }
}

fn has_key(object: &Value, key: &str) -> bool {
    ["/data", "/binaryData"]
        .iter()
        .any(|place| map(object, place).is_some_and(|data| data.contains_key(key)))
}

/// Why a container's environment cannot be made.
pub(crate) fn missing_for_environment(
    pod: &Value,
    container: &Value,
    supplies: &Supplies<'_>,
) -> Option<String> {
    for entry in list(container, "/envFrom") {
        for (field, source) in [
            ("/configMapRef", Source::ConfigMap),
            ("/secretRef", Source::Secret),
        ] {
            let Some(reference) = entry.pointer(field).filter(|reference| !reference.is_null()) else {
                continue;
            };
            let name = text(reference, "/name");
            if !truth(reference, "/optional") && source.find(supplies, name).is_none() {
                return Some(source.absent(name));
            }
        }
    }
    for entry in list(container, "/env") {
        let keys = [
            ("/valueFrom/configMapKeyRef", Source::ConfigMap),
            ("/valueFrom/secretKeyRef", Source::Secret),
        ];
        for (field, source) in keys {
            let Some(reference) = entry.pointer(field).filter(|reference| !reference.is_null()) else {
                continue;
            };
            let (name, key) = (text(reference, "/name"), text(reference, "/key"));
            if truth(reference, "/optional") {
                continue;
            }
            match source.find(supplies, name) {
                None => return Some(source.absent(name)),
                Some(object) if !has_key(object, key) => {
                    return Some(source.no_key(key, namespace(pod), name));
                }
                Some(_) => {}
            }
        }
    }
    None
}

/// Why a volume of the pod cannot be mounted.
pub(crate) fn missing_for_volumes(pod: &Value, supplies: &Supplies<'_>) -> Option<String> {
    for volume in list(pod, "/spec/volumes") {
        // The token of the account is the server's own matter.
        if text(volume, "/name").starts_with("kube-api-access-") {
            continue;
        }
        let mut sources = vec![
            (volume.pointer("/secret"), Source::Secret, "/secretName"),
            (volume.pointer("/configMap"), Source::ConfigMap, "/name"),
        ];
        for source in list(volume, "/projected/sources") {
            sources.push((source.pointer("/secret"), Source::Secret, "/name"));
            sources.push((source.pointer("/configMap"), Source::ConfigMap, "/name"));
        }
        for (reference, source, field) in sources {
            let Some(reference) = reference.filter(|reference| !reference.is_null()) else {
                continue;
            };
            if truth(reference, "/optional") {
                continue;
            }
            let name = text(reference, field);
            let why = match source.find(supplies, name) {
                None => source.absent(name),
                Some(object) => {
                    let keys = list(reference, "/items").iter().map(|item| text(item, "/key"));
                    match keys.into_iter().find(|key| !has_key(object, key)) {
                        Some(key) => source.no_file(key),
                        None => continue,
                    }
                }
            };
            return Some(format!(
                "MountVolume.SetUp failed for volume \"{}\" : {why}",
                text(volume, "/name")
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn supplied<R>(with: impl FnOnce(&Supplies<'_>) -> R) -> R {
        let secret = json!({"data": {"password": null}});
        let config_map = json!({"data": {"mode": null}, "binaryData": {"logo": null}});
        with(&Supplies {
            secret: &|name| (name == "db").then_some(&secret),
            config_map: &|name| (name == "app").then_some(&config_map),
        })
    }

    #[test]
    fn environments() {
        let check = |container: Value, expect: Option<&str>| {
            let pod = json!({"metadata": {"namespace": "shop"}});
            let missing = supplied(|supplies| missing_for_environment(&pod, &container, supplies));
            assert_eq!(missing.as_deref(), expect, "{container}");
        };
        let key = |kind: &str, name: &str, key: &str, optional: bool| {
            json!({"env": [{"name": "A", "value": "plain"},
                {"name": "B", "valueFrom": {kind: {"name": name, "key": key, "optional": optional}}}]})
        };
        check(json!({}), None);
        check(key("secretKeyRef", "db", "password", false), None);
        check(
            key("secretKeyRef", "ghost", "password", false),
            Some("secret \"ghost\" not found"),
        );
        check(key("secretKeyRef", "ghost", "password", true), None);
        check(
            key("secretKeyRef", "db", "uri", false),
            Some("couldn't find key uri in Secret shop/db"),
        );
        check(key("secretKeyRef", "db", "uri", true), None);
        check(key("configMapKeyRef", "app", "mode", false), None);
        check(
            key("configMapKeyRef", "ghost", "mode", false),
            Some("configmap \"ghost\" not found"),
        );
        check(
            key("configMapKeyRef", "app", "colour", false),
            Some("couldn't find key colour in ConfigMap shop/app"),
        );
        check(
            json!({"envFrom": [{"secretRef": {"name": "ghost"}}]}),
            Some("secret \"ghost\" not found"),
        );
        check(
            json!({"envFrom": [{"secretRef": {"name": "ghost", "optional": true}}]}),
            None,
        );
        check(json!({"envFrom": [{"configMapRef": {"name": "app"}}]}), None);
        check(
            json!({"env": [{"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}),
            None,
        );
    }

    #[test]
    fn volumes() {
        let check = |volume: Value, expect: Option<&str>| {
            let mut pod = json!({"metadata": {"namespace": "shop"}, "spec": {"volumes": [volume]}});
            pod["spec"]["volumes"][0]["name"] = json!("files");
            let missing = supplied(|supplies| missing_for_volumes(&pod, supplies));
            let missing = missing.as_deref().map(|why| {
                why.strip_prefix("MountVolume.SetUp failed for volume \"files\" : ")
                    .unwrap()
            });
            assert_eq!(missing, expect, "{volume}", volume = pod["spec"]["volumes"][0]);
        };
        check(json!({"emptyDir": {}}), None);
        check(json!({"secret": {"secretName": "db"}}), None);
        check(
            json!({"secret": {"secretName": "ghost"}}),
            Some("secret \"ghost\" not found"),
        );
        check(json!({"secret": {"secretName": "ghost", "optional": true}}), None);
        check(
            json!({"configMap": {"name": "app", "items": [{"key": "logo", "path": "l"}]}}),
            None,
        );
        check(
            json!({"configMap": {"name": "app", "items": [{"key": "flag", "path": "f"}]}}),
            Some("configmap references non-existent config key: flag"),
        );
        check(
            json!({"projected": {"sources": [{"secret": {"name": "ghost"}}]}}),
            Some("secret \"ghost\" not found"),
        );
    }
}
