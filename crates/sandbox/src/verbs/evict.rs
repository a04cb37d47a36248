//! Eviction: deleting a pod unless its disruption budget has no room for that.
//!
//! The room itself is counted by the control plane and stands in the budget's status; here it is only taken, so that
//! of two evictions at the same time the second sees what the first left.

use std::sync::Arc;

use serde_json::{Value, json};

use super::create::Managed;
use super::delete::DeleteOptions;
use super::meta::text;
use super::read::ListOptions;
use super::update::Proposal;
use super::{Selector, Target, WriteOptions};
use crate::engine::Engine;
use crate::status::{ApiError, Cause};
use crate::store::Object;

/// More evicted pods than this must not wait to go.
const MOST_LEAVING: usize = 2000;

impl Engine {
    /// Deletes a pod for whoever drains its node. To admission it is the eviction that is new, not the pod that goes.
    pub(crate) async fn evict(
        &self,
        target: &Target,
        mut eviction: Value,
        how: &DeleteOptions,
        options: &WriteOptions,
    ) -> Result<(), ApiError> {
        eviction["apiVersion"] = json!("policy/v1");
        eviction["kind"] = json!("Eviction");
        self.admit_subresource(target, eviction, options).await?;
        let options = &WriteOptions {
            reviewed: false,
            ..options.clone()
        };
        let target = Target {
            subresource: String::new(),
            ..target.clone()
        };
        let pod = self.get(&target)?;
        let phase = text(&pod.value, &["status", "phase"]);
        // What does not run is not missed.
        if phase == "Running" && !pod.is_terminating() {
            self.take_room(&target, &pod, options).await?;
        }
        self.delete(&target, how, options).await.map(drop)
    }

    async fn take_room(&self, target: &Target, pod: &Object, options: &WriteOptions) -> Result<(), ApiError> {
        let resource = self.catalog().find("policy", "v1", "poddisruptionbudgets")?;
        let every = Target {
            resource,
            namespace: target.namespace.clone(),
            name: String::new(),
            subresource: String::new(),
        };
        let mut budgets: Vec<Arc<Object>> = self.list(&every, &ListOptions::default())?.objects;
        budgets.retain(|budget| chooses(&budget.value["spec"]["selector"], pod));
        let budget = match budgets.as_slice() {
            [] => return Ok(()),
            [budget] => budget,
            _ => {
                return Err(ApiError::internal(
                    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
                ));
            }
        };
        if !is_ready(&pod.value) && spares_unready(&budget.value) {
            return Ok(());
        }
        let place = Target {
            name: text(&budget.value, &["metadata", "name"]).to_owned(),
            subresource: "status".to_owned(),
            ..every
        };
        let now = self.timestamp();
        self.modify(&place, options, |budget| {
            let mut object = budget.value.clone();
            let allowed = room(&object)?;
            let status = &mut object["status"];
            status["disruptionsAllowed"] = json!(allowed - 1);
            status["disruptedPods"][target.name.as_str()] = json!(now);
            Ok(Proposal {
                object,
                managed: Managed::Update,
                warnings: Vec::new(),
            })
        })
        .await
        .map(drop)
    }
}

/// How many more pods may go; an error when none.
fn room(budget: &Value) -> Result<i64, ApiError> {
    let name = text(budget, &["metadata", "name"]);
    let number = |pointer: &str| budget.pointer(pointer).and_then(Value::as_i64).unwrap_or(0);
    if number("/status/observedGeneration") < number("/metadata/generation") {
        let why = format!("The disruption budget {name} is still being processed by the server.");
        return Err(no_room(&why, 10));
    }
    let leaving = budget["status"]["disruptedPods"].as_object();
    let allowed = number("/status/disruptionsAllowed");
    if allowed > 0 && leaving.is_none_or(|pods| pods.len() < MOST_LEAVING) {
        return Ok(allowed);
    }
    let why = format!(
        "The disruption budget {name} needs {} healthy pods and has {} currently",
        number("/status/desiredHealthy"),
        number("/status/currentHealthy")
    );
    Err(no_room(&why, 0))
}

fn no_room(why: &str, seconds: u32) -> ApiError {
    let cause = Cause::new("DisruptionBudget", "", why);
    ApiError::too_many_requests(
        "Cannot evict pod as it would violate the pod's disruption budget.",
        &cause,
        seconds,
    )
}

fn chooses(selector: &Value, pod: &Object) -> bool {
    selector.is_object() && Selector::of(selector).is_ok_and(|selector| selector.chooses(pod))
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// May pods that are not ready go without being counted?
fn spares_unready(budget: &Value) -> bool {
    let number = |field: &str| budget["status"][field].as_i64().unwrap_or(0);
    budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
        || (number("desiredHealthy") > 0 && number("currentHealthy") >= number("desiredHealthy"))
}
