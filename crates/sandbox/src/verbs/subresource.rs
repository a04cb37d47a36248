//! Subresources other than `status`: scale, finalize, binding, log. Eviction has a file of its own.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::create::Managed;
use super::meta::{metadata_mut, text};
use super::patch::{Patch, PatchKind, apply_to, unreadable};
use super::update::Proposal;
use super::{Outcome, Target, WriteOptions};
use crate::admission::Attributes;
use crate::catalog::{Resource, Source};
use crate::engine::Engine;
use crate::status::{About, ApiError, Cause};

impl Engine {
    /// What a get of a subresource shows.
    pub(crate) fn get_subresource(&self, target: &Target) -> Result<Value, ApiError> {
        let object = self.get(target)?;
        match target.subresource.as_str() {
            "scale" => scale_of(&target.resource, &object.value),
            _ => Ok(object.value.clone()),
        }
    }

    /// Scales to what the client sent: a whole Scale, or a patch of one.
    pub(crate) async fn scale(
        &self,
        target: &Target,
        sent: ScaleChange,
        options: &WriteOptions,
    ) -> Result<Value, ApiError> {
        let path = replicas_path(&target.resource).ok_or_else(ApiError::no_such_resource)?;
        let outcome = self
            .modify(target, options, |old| {
                let scale = match &sent {
                    ScaleChange::Whole(scale) => scale.clone(),
                    ScaleChange::Patch(patch) => {
                        let mut scale = scale_of(&target.resource, &old.value)?;
                        apply_to(&mut scale, patch)?;
                        scale
                    }
                };
                let named = text(&scale, &["metadata", "name"]);
                if !named.is_empty() && named != target.name {
                    return Err(ApiError::bad_request(format!(
                        "the name of the object ({named}) does not match the name on the URL ({})",
                        target.name
                    )));
                }
                let given = &scale["spec"]["replicas"];
                if !given.is_null() && given.as_i64().is_none() {
                    let refusal = ApiError::bad_request(
                        "Scale in version \"v1\" cannot be handled as a Scale: spec.replicas is no number",
                    );
                    return Err(match &sent {
                        ScaleChange::Whole(_) => refusal,
                        ScaleChange::Patch(patch) => unreadable(patch, &scale, refusal),
                    });
                }
                let given = text(&scale, &["metadata", "resourceVersion"]);
                if !given.is_empty() && given != old.revision.to_string() {
                    return Err(ApiError::stale(target.resource.about(&target.name)));
                }
                let replicas = scale["spec"]["replicas"].as_i64().unwrap_or(0);
                if !(0..=i64::from(i32::MAX)).contains(&replicas) {
                    let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
                    let cause = Cause::new("FieldValueInvalid", "spec.replicas", message);
                    let about = About {
                        group: "autoscaling",
                        plural: "",
                        kind: "Scale",
                        name: &target.name,
                    };
                    return Err(ApiError::invalid(about, &[cause]));
                }
                let mut object = old.value.clone();
                put(&mut object, &path, json!(replicas));
                Ok(Proposal {
                    object,
                    managed: Managed::Update,
                    warnings: Vec::new(),
                })
            })
            .await?;
        scale_of(&target.resource, &outcome.object.value)
    }

    /// Replaces the finalizers in a namespace's spec.
    pub(crate) async fn finalize(
        &self,
        target: &Target,
        body: Value,
        options: &WriteOptions,
    ) -> Result<Outcome, ApiError> {
        self.modify(target, options, |old| {
            let mut object = old.value.clone();
            object["spec"]["finalizers"] = match body["spec"]["finalizers"].as_array() {
                Some(kept) if !kept.is_empty() => json!(kept),
                _ => Value::Null,
            };
            if object["spec"]["finalizers"].is_null()
                && let Some(spec) = object["spec"].as_object_mut()
            {
                spec.remove("finalizers");
            }
            Ok(Proposal {
                object,
                managed: Managed::Update,
                warnings: Vec::new(),
            })
        })
        .await
    }

    /// Puts a pod on a node.
    pub(crate) async fn bind(
        &self,
        target: &Target,
        body: &Value,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let about = About {
            plural: "pods/binding",
            ..target.resource.about(&target.name)
        };
        let node = text(body, &["target", "name"]).to_owned();
        let kind = text(body, &["target", "kind"]);
        if !matches!(kind, "" | "Node") {
            return Err(ApiError::unreasoned(format!(
                "target.kind: Unsupported value: {kind:?}: supported values: \"Node\", \"<empty>\""
            )));
        }
        if node.is_empty() {
            return Err(ApiError::unreasoned("target.name: Required value"));
        }
        let mut binding = body.clone();
        binding["apiVersion"] = json!("v1");
        binding["kind"] = json!("Binding");
        self.admit_subresource(target, binding, options).await?;
        let options = &WriteOptions {
            reviewed: false,
            ..options.clone()
        };
        self.modify(target, options, |old| {
            let placed = text(&old.value, &["spec", "nodeName"]);
            if !placed.is_empty() {
                let why = format!("pod {} is already assigned to node {placed:?}", target.name);
                return Err(ApiError::conflict(about, &why));
            }
            let mut object = old.value.clone();
            object["spec"]["nodeName"] = json!(node);
            let placed =
                json!({ "type": "PodScheduled", "status": "True", "lastTransitionTime": self.timestamp() });
            match object
                .pointer_mut("/status/conditions")
                .and_then(Value::as_array_mut)
            {
                Some(conditions) => {
                    let of_it = |condition: &Value| condition["type"] == "PodScheduled";
                    match conditions.iter_mut().find(|condition| of_it(condition)) {
                        Some(known) => *known = placed,
                        None => conditions.push(placed),
                    }
                }
                None => object["status"]["conditions"] = json!([placed]),
            }
            Ok(Proposal {
                object,
                managed: Managed::Nobody,
                warnings: Vec::new(),
            })
        })
        .await
        .map(drop)
    }

    /// Puts what is posted to a subresource before admission, as the object of its own that it is there.
    pub(super) async fn admit_subresource(
        &self,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        let metadata = metadata_mut(&mut object)?;
        metadata.insert("name".to_owned(), json!(target.name));
        metadata.insert("namespace".to_owned(), json!(target.namespace));
        let write = Attributes::creating(target, options);
        self.admit(&write, &mut object).await?;
        self.scrutinize(&write, &object).await.map(drop)
    }

    /// The log of a simulated container: what happened to it, and nothing it said, since it never ran.
    /// `None` for a pod that is on no node yet.
    pub(crate) fn log(&self, target: &Target, container: &str) -> Result<Option<String>, ApiError> {
        let pod = self.get(target)?;
        let names: Vec<&str> = ["initContainers", "containers"]
            .iter()
            .filter_map(|list| pod.value["spec"][*list].as_array())
            .flatten()
            .map(|container| text(container, &["name"]))
            .collect();
        let chosen = match (container, names.as_slice()) {
            ("", [only]) => *only,
            ("", _) => {
                let chosen = annotated(&pod.value).filter(|name| names.contains(name));
                chosen.ok_or_else(|| {
                    ApiError::bad_request(format!(
                        "a container name must be specified for pod {}, choose one of: [{}]",
                        target.name,
                        names.join(" ")
                    ))
                })?
            }
            (given, names) => *names.iter().find(|name| **name == given).ok_or_else(|| {
                ApiError::bad_request(format!("container {given} is not valid for pod {}", target.name))
            })?,
        };
        if text(&pod.value, &["spec", "nodeName"]).is_empty() {
            return Ok(None);
        }
        let statuses = ["containerStatuses", "initContainerStatuses"].iter();
        let status = statuses
            .filter_map(|list| pod.value["status"][*list].as_array())
            .flatten()
            .find(|status| status["name"] == chosen);
        let Some(status) = status else {
            return Err(ApiError::bad_request(format!(
                "container {chosen:?} in pod {:?} is waiting to start: ContainerCreating",
                target.name
            )));
        };
        if let Some(waiting) = status["state"]["waiting"].as_object() {
            let reason = waiting
                .get("reason")
                .and_then(Value::as_str)
                .unwrap_or("ContainerCreating");
            return Err(ApiError::bad_request(format!(
                "container {chosen:?} in pod {:?} is waiting to start: {reason}",
                target.name
            )));
        }
        let image = status["image"].as_str().unwrap_or_default();
        let mut log = format!(
            "sandbox: container {chosen} ({image}) is simulated: nothing ran, so nothing was logged\n"
        );
        for (state, word) in [("running", "runs"), ("terminated", "ended")] {
            let state = &status["state"][state];
            for (field, what) in [("startedAt", "since"), ("finishedAt", "at")] {
                if let Some(moment) = state[field].as_str() {
                    log.extend(["sandbox: ", word, " ", what, " ", moment, "\n"]);
                }
            }
            if let Some(message) = state["message"].as_str() {
                log.push_str(message);
                log.push('\n');
            }
        }
        Ok(Some(log))
    }
}

/// The container that a pod itself says is meant when none is named.
fn annotated(pod: &Value) -> Option<&str> {
    pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str()
}

/// How a client changes a scale.
pub(crate) enum ScaleChange {
    Whole(Value),
    Patch(Patch),
}

impl ScaleChange {
    pub(crate) fn patch(kind: PatchKind, body: Value) -> Self {
        // Scale is so small that the three merging kinds of patch mean the same.
        let kind = if kind == PatchKind::Json {
            kind
        } else {
            PatchKind::Merge
        };
        Self::Patch(Patch { kind, body })
    }
}

fn replicas_path(resource: &Resource) -> Option<Vec<String>> {
    match &resource.source {
        Source::Builtin(_) => Some(vec!["spec".to_owned(), "replicas".to_owned()]),
        Source::Custom(version) => version.scale.as_ref().map(|scale| scale.spec.clone()),
    }
}

fn at<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(value, |at, step| at.get(step))
}

fn put(value: &mut Value, path: &[String], new: Value) {
    let mut place = value;
    for step in path {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step.as_str()];
    }
    *place = new;
}

/// An object as admission sees it: of a write to `scale` that is the Scale.
pub(super) fn face<'a>(target: &Target, object: &'a Value) -> Result<Cow<'a, Value>, ApiError> {
    if target.subresource != "scale" {
        return Ok(Cow::Borrowed(object));
    }
    scale_of(&target.resource, object).map(Cow::Owned)
}

/// Gives an object the size that a Scale says.
pub(super) fn rescale(target: &Target, object: &mut Value, scale: &Value) -> Result<(), ApiError> {
    let path = replicas_path(&target.resource).ok_or_else(ApiError::no_such_resource)?;
    put(object, &path, scale["spec"]["replicas"].clone());
    Ok(())
}

/// The object as an `autoscaling/v1` Scale.
fn scale_of(resource: &Resource, value: &Value) -> Result<Value, ApiError> {
    let path = replicas_path(resource).ok_or_else(ApiError::no_such_resource)?;
    // What is zero is not written, as upstream.
    let wanted = at(value, &path)
        .and_then(Value::as_i64)
        .filter(|wanted| *wanted != 0);
    let (present, selector) = match &resource.source {
        Source::Builtin(_) => (
            value["status"]["replicas"].as_i64(),
            selector_text(&value["spec"]["selector"]),
        ),
        Source::Custom(version) => {
            let scale = version.scale.as_ref().ok_or_else(ApiError::no_such_resource)?;
            let selector = scale
                .selector
                .as_ref()
                .and_then(|path| at(value, path))
                .and_then(Value::as_str);
            (
                at(value, &scale.status).and_then(Value::as_i64),
                selector.unwrap_or_default().to_owned(),
            )
        }
    };
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = value["metadata"].get(field) {
            metadata[field] = value.clone();
        }
    }
    let mut status = json!({ "replicas": present.unwrap_or(0) });
    if !selector.is_empty() {
        status["selector"] = json!(selector);
    }
    let mut spec = json!({});
    if let Some(wanted) = wanted {
        spec["replicas"] = json!(wanted);
    }
    Ok(json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec, "status": status,
    }))
}

/// A label selector as one line of text.
pub(super) fn selector_text(selector: &Value) -> String {
    let labels = selector.get("matchLabels").unwrap_or(selector).as_object();
    let mut terms: Vec<String> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
        let key = text(expression, &["key"]);
        let values: Vec<&str> = expression["values"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        terms.push(match text(expression, &["operator"]) {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "Exists" => key.to_owned(),
            _ => format!("!{key}"),
        });
    }
    terms.join(",")
}
