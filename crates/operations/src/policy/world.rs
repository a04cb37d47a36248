//! The world that policies see in a test: the objects, calls and images that the test says there are.

use std::collections::BTreeMap;
use std::path::Path;

use guardrails::{Call, Callee, Facts, Unavailable, guessed_plural};
use serde_json::{Map, Value, json};

use super::cluster::PolicyCluster;
use super::files::{self, Kinds};
use super::suite::CallAnswer;
use crate::error::OperationError;

/// What a test says there is.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) kinds: Kinds,
    /// Objects of the cluster.
    pub(crate) objects: Vec<Value>,
    /// A cluster that answers itself.
    pub(crate) live: Option<PolicyCluster>,
    /// Whether policies may ask the cluster at all; without it they are told that nothing is known.
    pub(crate) cluster: bool,
    pub(crate) calls: Vec<CallAnswer>,
    pub(crate) globals: BTreeMap<String, Value>,
    /// What registries say, by the image as it is written.
    pub(crate) images: BTreeMap<String, Value>,
    /// The time, as seconds and nanoseconds since 1970.
    pub(crate) now: Option<(i64, u32)>,
}

/// The world, and the values that are given to the variables of one object.
pub(crate) struct Known<'a> {
    pub(crate) world: &'a World,
    /// By policy and rule.
    pub(crate) given: &'a BTreeMap<String, BTreeMap<String, Map<String, Value>>>,
}

impl Facts for Known<'_> {
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        self.world.call(call)
    }

    fn global(&self, entry: &str, projection: Option<&str>) -> Result<Value, Unavailable> {
        let missing = || Unavailable::Missing(format!("the global context entry {entry}"));
        let value = self.world.globals.get(entry).ok_or_else(missing)?;
        match projection {
            None | Some("") => Ok(value.clone()),
            Some(projection) => value.get(projection).cloned().ok_or_else(missing),
        }
    }

    fn image(&self, reference: &str) -> Result<Value, Unavailable> {
        let known = self.world.images.get(reference);
        known
            .cloned()
            .ok_or_else(|| Unavailable::Unknown(format!("what the registry says of {reference}")))
    }

    fn resource(&self, api_version: &str, kind: &str) -> Result<(String, bool), Unavailable> {
        // Kinds of others are taken to live in namespaces, under the plural that Kubernetes' tools would guess.
        let known = self.world.kinds.find(api_version, kind);
        Ok(known.unwrap_or_else(|| (guessed_plural(kind), true)))
    }

    fn given(&self, policy: &str, rule: &str) -> Option<&Map<String, Value>> {
        let rules = self.given.get(policy)?;
        rules.get(rule).or_else(|| rules.get(""))
    }

    fn now(&self) -> Option<(i64, u32)> {
        self.world.now
    }

    fn random(&self) -> Option<u64> {
        Some(rand::random())
    }
}

impl World {
    /// Adds what a file of kind `ClusterResource` says there is in the cluster.
    pub(crate) fn add_cluster(&mut self, file: &Path) -> Result<(), OperationError> {
        self.cluster = true;
        let folder = file.parent().unwrap_or(Path::new("."));
        for document in files::documents(file)? {
            let spec = &document.value["spec"];
            let definitions = spec["crds"].as_array().into_iter().flatten();
            for definition in definitions.filter_map(Value::as_str) {
                for document in files::documents(&folder.join(definition))? {
                    self.kinds.add(&document.value);
                }
            }
            let objects = spec["resources"].as_array().into_iter().flatten();
            self.objects.extend(objects.cloned());
        }
        Ok(())
    }

    /// Adds what a file of kind `Context` says that CEL policies may ask for.
    pub(crate) fn add_context(&mut self, file: &Path) -> Result<(), OperationError> {
        self.cluster = true;
        for document in files::documents(file)? {
            let spec = &document.value["spec"];
            let objects = spec["resources"].as_array().into_iter().flatten();
            self.objects.extend(objects.cloned());
            for image in spec["images"].as_array().into_iter().flatten() {
                if let Some(name) = image["image"].as_str() {
                    self.images.insert(name.to_owned(), image.clone());
                }
            }
        }
        Ok(())
    }

    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        let method = if call.data.is_some() { "POST" } else { "GET" };
        let place = match &call.to {
            Callee::Cluster(path) => path.as_str(),
            Callee::Service { url, .. } => url.as_str(),
        };
        if let Some(answer) = self.answer(method, place) {
            let status = answer.response.status_code.unwrap_or(200);
            return match status {
                200..=299 => Ok(answer.response.body.clone()),
                404 => Err(Unavailable::Missing(place.to_owned())),
                status => Err(Unavailable::Failed(format!("{place} answered {status}"))),
            };
        }
        if let Some(live) = &self.live {
            return live.call(call);
        }
        match &call.to {
            Callee::Cluster(path) if self.cluster => self.ask(path, call.data.as_ref()),
            _ => Err(Unavailable::Unknown(call.to_string())),
        }
    }

    /// The answer that the test has for a call; one for its very method goes before one for any.
    fn answer(&self, method: &str, place: &str) -> Option<&CallAnswer> {
        let wanted = |answer: &&CallAnswer, method: &str| {
            let own = answer
                .url
                .as_deref()
                .or(answer.url_path.as_deref())
                .unwrap_or_default();
            own.trim() == place
                && answer
                    .method
                    .as_deref()
                    .unwrap_or_default()
                    .trim()
                    .eq_ignore_ascii_case(method)
        };
        let find = |method: &str| self.calls.iter().find(|answer| wanted(answer, method));
        find(method).or_else(|| find(""))
    }

    /// What the Kubernetes API would answer.
    fn ask(&self, path: &str, data: Option<&Value>) -> Result<Value, Unavailable> {
        if data.is_some() {
            return Err(Unavailable::Unknown(format!(
                "what the cluster answers to a POST to {path}"
            )));
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let place = Place::read(path)
            .ok_or_else(|| Unavailable::Failed(format!("{path} is no path of the Kubernetes API")))?;
        let mut fitting = self.objects.iter().filter(|object| self.is_at(object, &place));
        if let Some(name) = place.name {
            let found = fitting.find(|object| object["metadata"]["name"] == name);
            return found
                .cloned()
                .ok_or_else(|| Unavailable::Missing(path.to_owned()));
        }
        let chosen: Vec<&Value> = fitting.filter(|object| selected(object, query)).collect();
        let kind = chosen
            .first()
            .and_then(|object| object["kind"].as_str())
            .map_or_else(|| "List".to_owned(), |kind| format!("{kind}List"));
        Ok(json!({
            "apiVersion": place.api_version,
            "kind": kind,
            "metadata": {"resourceVersion": ""},
            "items": chosen,
        }))
    }

    fn is_at(&self, object: &Value, place: &Place<'_>) -> bool {
        let text = |key: &str| object[key].as_str().unwrap_or_default();
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let plural = self
            .kinds
            .find(text("apiVersion"), text("kind"))
            .map_or_else(|| guessed_plural(text("kind")), |(plural, _)| plural);
        text("apiVersion") == place.api_version
            && plural == place.plural
            && place.namespace.is_none_or(|wanted| wanted == namespace)
    }
}

/// A path of the Kubernetes API.
#[derive(Debug, PartialEq)]
struct Place<'a> {
    api_version: String,
    namespace: Option<&'a str>,
    plural: &'a str,
    name: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn read(path: &'a str) -> Option<Place<'a>> {
        let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        let (api_version, rest) = match steps.as_slice() {
            ["api", version, rest @ ..] => ((*version).to_owned(), rest),
            ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            ["namespaces"] => (None, "namespaces", None),
            ["namespaces", name] => (None, "namespaces", Some(*name)),
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
            [plural] => (None, *plural, None),
            [plural, name] => (None, *plural, Some(*name)),
            _ => return None,
        };
        Some(Place {
            api_version,
            namespace,
            plural,
            name,
        })
    }
}

/// Whether an object has the labels that a query asks for: `labelSelector=a=b,c!=d,e,!f,g in (h,i)`.
fn selected(object: &Value, query: &str) -> bool {
    let selectors = query
        .split('&')
        .filter_map(|part| part.strip_prefix("labelSelector="));
    let labels = &object["metadata"]["labels"];
    selectors.map(decoded).all(|list| {
        let mut inside = false;
        let requirements = list.split(|letter| {
            inside = letter == '(' || inside && letter != ')';
            letter == ',' && !inside
        });
        requirements
            .map(str::trim)
            .all(|wanted| wanted.is_empty() || has_label(labels, wanted))
    })
}

/// Whether labels are as one requirement wants them.
fn has_label(labels: &Value, wanted: &str) -> bool {
    let is = |key: &str, value: &str| labels[key.trim()] == value.trim();
    let listed = |key: &str, list: &str| {
        let list = list.trim().trim_start_matches('(').trim_end_matches(')');
        list.split(',').any(|value| is(key, value))
    };
    if let Some((key, list)) = wanted.split_once(" notin ") {
        !listed(key, list)
    } else if let Some((key, list)) = wanted.split_once(" in ") {
        listed(key, list)
    } else if let Some((key, value)) = wanted.split_once("!=") {
        !is(key, value)
    } else if let Some((key, value)) = wanted.split_once('=') {
        is(key, value.trim_start_matches('='))
    } else if let Some(key) = wanted.strip_prefix('!') {
        labels.get(key.trim()).is_none()
    } else {
        labels.get(wanted).is_some()
    }
}

/// A part of a query as it was before its characters were escaped.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                bytes.push(b' ');
                rest = after;
            }
            (byte, _) => {
                bytes.push(*byte);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_foresees_a_number() {
        let (world, given) = (World::default(), BTreeMap::new());
        let known = Known {
            world: &world,
            given: &given,
        };
        assert!(known.random().is_some());
        assert_ne!(known.random(), known.random());
    }

    #[test]
    fn the_world_answers_like_an_api() {
        let object = |kind: &str, namespace: &str, name: &str, labels: Value| json!({"apiVersion": "v1", "kind": kind, "metadata": {"namespace": namespace, "name": name, "labels": labels}});
        let world = World {
            objects: vec![
                object("ConfigMap", "a", "x", json!({"tier": "web"})),
                object("ConfigMap", "a", "y", json!({})),
                object("ConfigMap", "b", "x", json!({"tier": "db"})),
            ],
            cluster: true,
            ..World::default()
        };
        let ask = |path: &str| {
            world.call(&Call {
                to: Callee::Cluster(path.to_owned()),
                data: None,
            })
        };
        let count = |path: &str| ask(path).map(|list| list["items"].as_array().map(Vec::len));
        assert_eq!(
            ask("/api/v1/namespaces/a/configmaps/x").map(|found| found["metadata"]["labels"]["tier"].clone()),
            Ok(json!("web"))
        );
        assert_eq!(count("/api/v1/namespaces/a/configmaps"), Ok(Some(2)));
        assert_eq!(count("/api/v1/configmaps"), Ok(Some(3)));
        assert_eq!(count("/api/v1/configmaps?labelSelector=tier=web"), Ok(Some(1)));
        assert_eq!(count("/api/v1/configmaps?labelSelector=tier!=web"), Ok(Some(2)));
        assert_eq!(count("/api/v1/configmaps?labelSelector=tier"), Ok(Some(2)));
        for (selector, expect) in [
            ("tier%20in%20%28web%2Cdb%29", 2),
            ("tier+notin+(web,db)", 1),
            ("tier%3Dweb%2C%21other", 1),
            ("tier in (web),other", 0),
            ("tier==db", 1),
        ] {
            let path = format!("/api/v1/configmaps?labelSelector={selector}");
            assert_eq!(count(&path), Ok(Some(expect)), "{selector}");
        }
        assert_eq!(count("/apis/apps/v1/deployments"), Ok(Some(0)));
        assert_eq!(
            ask("/api/v1/namespaces/a/configmaps/z"),
            Err(Unavailable::Missing(
                "/api/v1/namespaces/a/configmaps/z".to_owned()
            ))
        );
        assert!(matches!(ask("/healthz"), Err(Unavailable::Failed(_))));
        let closed = World::default();
        let call = Call {
            to: Callee::Cluster("/api/v1/pods".to_owned()),
            data: None,
        };
        assert!(matches!(closed.call(&call), Err(Unavailable::Unknown(_))));
    }
}
