//! Whose an object is: an annotation with the set's id and the object's own identity, so that a copy of the
//! annotation on another object (a controller that passes annotations on) proves nothing. No I/O.

use serde_json::Value;

use crate::set::ObjectId;

/// Others' marks of ownership, and who they are.
const ARGO_CD: &str = "argocd.argoproj.io/tracking-id";
const HELM: &str = "meta.helm.sh/release-name";
const FLUX: [&str; 2] = ["kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name"];

/// How a set marks its objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracking {
    /// The annotation's key.
    pub annotation: String,
    /// The set's id. It must not contain a colon.
    pub id: String,
}

/// Whose an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    Ours,
    Nobodys,
    Others(String),
}

impl Tracking {
    /// A mark with this annotation and id.
    pub fn new(annotation: impl Into<String>, id: impl Into<String>) -> Self {
        Self {
            annotation: annotation.into(),
            id: id.into(),
        }
    }

    /// The annotation's value for an object: `<id>:<group>/<Kind>:<namespace>/<name>`.
    pub fn value(&self, object: &ObjectId) -> String {
        format!("{}:{}", self.id, identity(object))
    }

    /// Marks a manifest that stands for `id`.
    pub fn mark(&self, object: &mut Value, id: &ObjectId) {
        let annotations = object["metadata"]
            .as_object_mut()
            .map(|metadata| metadata.entry("annotations").or_insert(Value::Null));
        if let Some(annotations) = annotations {
            if !annotations.is_object() {
                *annotations = Value::Object(serde_json::Map::new());
            }
            annotations[self.annotation.as_str()] = Value::String(self.value(id));
        }
    }

    /// Whose a live object is.
    pub(crate) fn standing(&self, live: &Value) -> Standing {
        let id = ObjectId::of(live);
        let read = |place: &str, key: &str| {
            live["metadata"][place]
                .get(key)
                .and_then(Value::as_str)
                .filter(|value| !value.is_empty())
        };
        if let Some((set, marked)) =
            read("annotations", &self.annotation).and_then(|mark| mark.split_once(':'))
            && marked == identity(&id)
        {
            return if set == self.id {
                Standing::Ours
            } else {
                Standing::Others(format!("\"{set}\""))
            };
        }
        if let Some((set, marked)) = read("annotations", ARGO_CD).and_then(|mark| mark.split_once(':'))
            && marked == identity(&id)
        {
            return Standing::Others(format!("the Argo CD application \"{set}\""));
        }
        if let Some(release) = read("annotations", HELM) {
            return Standing::Others(format!("the Helm release \"{release}\""));
        }
        if let Some(name) = FLUX.iter().find_map(|key| read("labels", key)) {
            return Standing::Others(format!("Flux (\"{name}\")"));
        }
        Standing::Nobodys
    }
}

fn identity(object: &ObjectId) -> String {
    let namespace = object.namespace.as_deref().unwrap_or_default();
    format!("{}/{}:{namespace}/{}", object.group, object.kind, object.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(metadata: &Value, expect: &Standing) {
        let mut live = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata});
        live["metadata"]["name"] = json!("api");
        live["metadata"]["namespace"] = json!("demo");
        let tracking = Tracking::new("platform.example.com/tracking-id", "demo.api");
        assert_eq!(&tracking.standing(&live), expect, "{metadata}");
    }

    #[test]
    fn whose_an_object_is() {
        use Standing::{Nobodys, Others, Ours};
        let ours = "platform.example.com/tracking-id";
        check(&json!({}), &Nobodys);
        check(
            &json!({"annotations": {ours: "demo.api:apps/Deployment:demo/api"}}),
            &Ours,
        );
        check(
            &json!({"annotations": {ours: "demo.web:apps/Deployment:demo/api"}}),
            &Others("\"demo.web\"".into()),
        );
        // Copied from another object: proves nothing.
        check(
            &json!({"annotations": {ours: "demo.web:apps/ReplicaSet:demo/api"}}),
            &Nobodys,
        );
        check(&json!({"annotations": {ours: "nonsense"}}), &Nobodys);
        check(
            &json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:demo/api"}}),
            &Others("the Argo CD application \"shop\"".into()),
        );
        check(
            &json!({"annotations": {"argocd.argoproj.io/tracking-id": "shop:x/Y:demo/api"}}),
            &Nobodys,
        );
        check(
            &json!({"annotations": {"meta.helm.sh/release-name": "web"}}),
            &Others("the Helm release \"web\"".into()),
        );
        check(
            &json!({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}),
            &Others("Flux (\"apps\")".into()),
        );
    }

    #[test]
    fn a_mark_is_read_back() {
        let tracking = Tracking::new("a.example.com/tracking-id", "demo");
        for mut object in [
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}}),
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "y", "annotations": null}}),
        ] {
            let id = ObjectId::of(&object);
            tracking.mark(&mut object, &id);
            assert_eq!(tracking.standing(&object), Standing::Ours, "{object}");
        }
    }
}
