//! LimitRanges: what containers get that do not say what they need, and what nobody may go beyond.
//!
//! Reference: `plugin/pkg/admission/limitranger` of Kubernetes.

use std::sync::Arc;

use schema::Quantity;
use serde_json::{Value, json};

use super::pods::{Amounts, amounts, containers, total};
use super::{Attributes, Operation};
use crate::engine::Engine;
use crate::status::ApiError;
use crate::store::{Collection, Object};
use crate::verbs::text;

/// Where it is written down what was filled in.
const NOTE: &str = "kubernetes.io/limit-ranger";

impl Engine {
    fn limit_ranges(&self, namespace: &str) -> Vec<Arc<Object>> {
        let memory = self.store.read();
        let found = memory.list(&Collection::new("", "limitranges"), Some(namespace), None);
        found.map(|(_, object)| Arc::clone(object)).collect()
    }

    /// Gives containers the requests and limits that they do not name.
    pub(super) fn default_limits(&self, write: &Attributes<'_>, pod: &mut Value) {
        for range in self.limit_ranges(&write.target.namespace) {
            fill(&range.value, pod);
        }
    }

    /// Refuses what goes beyond a range.
    pub(super) fn check_limits(&self, write: &Attributes<'_>, object: &Value) -> Result<(), ApiError> {
        let is_claim = write.is("", "persistentvolumeclaims") && write.operation != Operation::Delete;
        if !is_claim && !write.creates("", "pods") {
            return Ok(());
        }
        if write
            .old
            .is_some_and(|old| !old["metadata"]["deletionTimestamp"].is_null())
        {
            return Ok(());
        }
        for range in self.limit_ranges(&write.target.namespace) {
            let mut found = Vec::new();
            for limit in range.value["spec"]["limits"].as_array().into_iter().flatten() {
                match text(limit, &["type"]) {
                    "Container" if !is_claim => {
                        for container in containers(object) {
                            let resources = &container["resources"];
                            let (requests, limits) =
                                (amounts(&resources["requests"]), amounts(&resources["limits"]));
                            check(limit, "Container", &requests, &limits, &mut found);
                        }
                    }
                    "Pod" if !is_claim => {
                        let (requests, limits) = (total(object, "requests"), total(object, "limits"));
                        check(limit, "Pod", &requests, &limits, &mut found);
                    }
                    "PersistentVolumeClaim" if is_claim => {
                        check_claim(
                            limit,
                            &amounts(&object["spec"]["resources"]["requests"]),
                            &mut found,
                        );
                    }
                    _ => {}
                }
            }
            // The same finding on several containers is told once.
            let mut told: Vec<String> = Vec::new();
            for finding in found {
                if !told.contains(&finding) {
                    told.push(finding);
                }
            }
            let why = match told.as_slice() {
                [] => continue,
                [only] => only.clone(),
                many => format!("[{}]", many.join(", ")),
            };
            return Err(write.forbidden(object, &why));
        }
        Ok(())
    }
}

/// What follows from the bounds of a range that names no defaults.
pub(crate) fn settle(range: &mut Value) {
    let limits = range.pointer_mut("/spec/limits").and_then(Value::as_array_mut);
    for limit in limits.into_iter().flatten() {
        if limit["type"] != "Container" {
            continue;
        }
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            let bounds = limit[from].as_object().cloned();
            for (name, amount) in bounds.into_iter().flatten() {
                if limit[to].is_null() {
                    limit[to] = json!({});
                }
                if let Some(place) = limit[to].as_object_mut() {
                    place.entry(name).or_insert(amount);
                }
            }
        }
    }
}

fn fill(range: &Value, pod: &mut Value) {
    let (mut requests, mut limits) = (serde_json::Map::new(), serde_json::Map::new());
    for limit in range["spec"]["limits"].as_array().into_iter().flatten() {
        if limit["type"] == "Container" {
            requests.extend(limit["defaultRequest"].as_object().cloned().into_iter().flatten());
            limits.extend(limit["default"].as_object().cloned().into_iter().flatten());
        }
    }
    let mut notes = Vec::new();
    for (list, what) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = pod.pointer_mut(&format!("/spec/{list}"));
        for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
            let name = text(container, &["name"]).to_owned();
            for (field, word, defaults) in [("requests", "request", &requests), ("limits", "limit", &limits)]
            {
                let set = fill_one(&mut container["resources"], field, defaults);
                if !set.is_empty() {
                    notes.push(format!("{} {word} for {what} {name}", set.join(", ")));
                }
            }
        }
    }
    if !notes.is_empty() {
        pod["metadata"]["annotations"][NOTE] = json!(format!("LimitRanger plugin set: {}", notes.join("; ")));
    }
}

/// Fills a list in and says what was missing.
fn fill_one(resources: &mut Value, field: &str, defaults: &serde_json::Map<String, Value>) -> Vec<String> {
    let mut set = Vec::new();
    for (name, amount) in defaults {
        if resources[field].get(name).is_none() {
            resources[field][name.as_str()] = amount.clone();
            set.push(name.clone());
        }
    }
    set.sort();
    set
}

fn check(limit: &Value, kind: &str, requests: &Amounts, limits: &Amounts, found: &mut Vec<String>) {
    for (name, bound) in amounts(&limit["min"]) {
        found.extend(below(kind, &name, bound, requests.get(&name), limits.get(&name)));
    }
    for (name, bound) in amounts(&limit["max"]) {
        found.extend(above(kind, &name, bound, requests.get(&name), limits.get(&name)));
    }
    for (name, bound) in amounts(&limit["maxLimitRequestRatio"]) {
        found.extend(wide(kind, &name, bound, requests.get(&name), limits.get(&name)));
    }
}

fn check_claim(limit: &Value, requests: &Amounts, found: &mut Vec<String>) {
    let kind = "PersistentVolumeClaim";
    for (name, bound) in amounts(&limit["min"]) {
        found.extend(below(kind, &name, bound, requests.get(&name), None));
    }
    for (name, bound) in amounts(&limit["max"]) {
        let what = format!("maximum {name} usage per {kind} is {bound}");
        match requests.get(&name) {
            None => found.push(format!("{what}.  No request is specified")),
            Some(request) if request.milli() > bound.milli() => {
                found.push(format!("{what}, but request is {request}"));
            }
            Some(_) => {}
        }
    }
}

fn below(
    kind: &str,
    name: &str,
    bound: Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let what = format!("minimum {name} usage per {kind} is {bound}");
    match (request, limit) {
        (None, _) => Some(format!("{what}.  No request is specified")),
        (Some(request), _) if request.milli() < bound.milli() => {
            Some(format!("{what}, but request is {request}"))
        }
        (_, Some(limit)) if limit.milli() < bound.milli() => Some(format!("{what}, but limit is {limit}")),
        _ => None,
    }
}

fn above(
    kind: &str,
    name: &str,
    bound: Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let what = format!("maximum {name} usage per {kind} is {bound}");
    match (limit, request) {
        (None, _) => Some(format!("{what}.  No limit is specified")),
        (Some(limit), _) if limit.milli() > bound.milli() => Some(format!("{what}, but limit is {limit}")),
        (_, Some(request)) if request.milli() > bound.milli() => {
            Some(format!("{what}, but request is {request}"))
        }
        _ => None,
    }
}

/// Whether the limit is too many times the request.
fn wide(
    kind: &str,
    name: &str,
    bound: Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let what = format!("{name} max limit to request ratio per {kind} is {bound}");
    let Some(request) = request.filter(|request| request.milli() != 0) else {
        return Some(format!("{what}, but no request is specified or request is 0"));
    };
    let Some(limit) = limit.filter(|limit| limit.milli() != 0) else {
        return Some(format!("{what}, but no limit is specified or limit is 0"));
    };
    // limit / request > bound, without fractions.
    let is_wide = limit.milli().saturating_mul(1000) > bound.milli().saturating_mul(request.milli());
    is_wide.then(|| {
        let ratio = as_number(*limit) / as_number(*request);
        format!("{what}, but provided ratio is {ratio:.6}")
    })
}

#[expect(clippy::cast_precision_loss, reason = "a ratio to be read by people")]
fn as_number(quantity: Quantity) -> f64 {
    quantity.milli() as f64
}
