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
        let collection = Collection::new("", "limitranges");
        self.store.all(&collection, Some(namespace))
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
        let used = [("request", requests.get(&name)), ("limit", limits.get(&name))];
        found.extend(Side::Least.crossed(kind, &name, bound, used));
    }
    for (name, bound) in amounts(&limit["max"]) {
        let used = [("limit", limits.get(&name)), ("request", requests.get(&name))];
        found.extend(Side::Most.crossed(kind, &name, bound, used));
    }
    for (name, bound) in amounts(&limit["maxLimitRequestRatio"]) {
        found.extend(wide(kind, &name, bound, requests.get(&name), limits.get(&name)));
    }
}

fn check_claim(limit: &Value, requests: &Amounts, found: &mut Vec<String>) {
    for (side, field) in [(Side::Least, "min"), (Side::Most, "max")] {
        for (name, bound) in amounts(&limit[field]) {
            let used = [("request", requests.get(&name)), ("limit", None)];
            found.extend(side.crossed("PersistentVolumeClaim", &name, bound, used));
        }
    }
}

/// Which way a bound goes.
#[derive(Clone, Copy)]
enum Side {
    Least,
    Most,
}

impl Side {
    /// What is wrong with amounts that are bound, each with what it is called. The first one must be there.
    fn crossed(
        self,
        kind: &str,
        name: &str,
        bound: Quantity,
        used: [(&str, Option<&Quantity>); 2],
    ) -> Option<String> {
        let word = match self {
            Side::Least => "minimum",
            Side::Most => "maximum",
        };
        let what = format!("{word} {name} usage per {kind} is {bound}");
        let [(needed, first), _] = used;
        if first.is_none() {
            return Some(format!("{what}.  No {needed} is specified"));
        }
        let beyond = |amount: &&Quantity| match self {
            Side::Least => amount.milli() < bound.milli(),
            Side::Most => amount.milli() > bound.milli(),
        };
        let crossed = |(called, amount): (&str, Option<&Quantity>)| {
            let amount = amount.filter(beyond)?;
            Some(format!("{what}, but {called} is {amount}"))
        };
        used.into_iter().find_map(crossed)
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
