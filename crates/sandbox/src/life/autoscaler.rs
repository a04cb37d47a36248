//! HorizontalPodAutoscalers: nothing is measured here, so all they do is to keep their target between the least and
//! the most they allow, and to say so. After Kubernetes' horizontal pod autoscaler controller.
//!
//! A pure function.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::change::{About, Change, Note, Plan};
use super::kind::Kind;
use super::object::{
    self, condition, list, name, namespace, number, set, set_condition, stamp, text, with_status,
};

const ABLE: &str = "AbleToScale";
const ACTIVE: &str = "ScalingActive";

/// What a HorizontalPodAutoscaler is looked at with.
pub(crate) struct Slice<'a> {
    /// The autoscaler.
    pub(crate) scaler: &'a Value,
    /// What it scales.
    pub(crate) target: Option<(Kind, &'a Value)>,
    /// Other autoscalers of the same target.
    pub(crate) rivals: Vec<&'a Value>,
}

/// The kind and the name of what an autoscaler scales, where it is something that this control plane looks after.
pub(crate) fn target(scaler: &Value) -> Option<(Kind, &str)> {
    let reference = scaler.pointer("/spec/scaleTargetRef")?;
    let kind = Kind::from_name(text(reference, "/kind"))?;
    let scales = matches!(
        kind,
        Kind::Deployment | Kind::StatefulSet | Kind::ReplicaSet | Kind::ReplicationController
    ) && text(reference, "/apiVersion") == kind.api_version();
    scales.then(|| (kind, text(reference, "/name")))
}

/// What is to be done for an autoscaler.
pub(crate) fn desired(slice: &Slice<'_>, now: Timestamp) -> Plan {
    let scaler = slice.scaler;
    let mut plan = Plan::default();
    if object::deleting(scaler) {
        return plan;
    }
    let about = About::new(Kind::HorizontalPodAutoscaler, scaler);
    let mut conditions = Conditions {
        known: object::status(scaler),
        all: list(scaler, "/status/conditions").to_vec(),
        now,
    };
    let Some((kind, target)) = slice.target else {
        let message = format!(
            "the HPA controller was unable to get the target's current scale: {}",
            missing(scaler)
        );
        plan.note(Note::warning(about, "FailedGetScale", message.as_str()).once());
        conditions.put(ABLE, false, "FailedGetScale", &message);
        let status = status(scaler, &conditions.all, None, None);
        finish(&mut plan, scaler, status);
        return plan;
    };

    let current = number(target, "/spec/replicas").unwrap_or(1);
    let least = number(scaler, "/spec/minReplicas").unwrap_or(1);
    let most = number(scaler, "/spec/maxReplicas").unwrap_or(i64::MAX);
    let mut wanted = current;
    let mut why = "";
    if slice.rivals.is_empty() && current > 0 {
        if current > most {
            (wanted, why) = (most, "Current number of replicas above Spec.MaxReplicas");
        } else if current < least {
            (wanted, why) = (least, "Current number of replicas below Spec.MinReplicas");
        }
    }

    if !slice.rivals.is_empty() {
        let mut all: Vec<String> = slice
            .rivals
            .iter()
            .copied()
            .chain([scaler])
            .map(|one| format!("{}/{}", namespace(one), name(one)))
            .collect();
        all.sort();
        let message = format!(
            "the {kind} {} is scaled by multiple HPAs: [{}]",
            name(target),
            all.join(" ")
        );
        plan.note(Note::warning(about.clone(), "AmbiguousSelector", message.as_str()).once());
        conditions.put(ACTIVE, false, "AmbiguousSelector", &message);
    } else if current == 0 {
        let message = "scaling is disabled since the replica count of the target is zero";
        conditions.put(ACTIVE, false, "ScalingDisabled", message);
    } else {
        let message = format!(
            "the sandbox simulates pods and measures nothing: replicas are only kept between {least} and {most}"
        );
        conditions.put(ACTIVE, false, "NothingMeasured", &message);
    }

    let mut scaled = None;
    if wanted == current {
        if !conditions.is(ABLE, "SucceededRescale") {
            let message = "the HPA controller was able to get the target's current scale";
            conditions.put(ABLE, true, "SucceededGetScale", message);
        }
    } else {
        let mut after = target.clone();
        set(&mut after, &["spec", "replicas"], json!(wanted));
        plan.push(Change::Update(kind, after));
        let message = format!("New size: {wanted}; reason: {why}");
        plan.note(Note::normal(about, "SuccessfulRescale", message));
        let message = format!("the HPA controller was able to update the target scale to {wanted}");
        conditions.put(ABLE, true, "SucceededRescale", &message);
        scaled = Some(now);
    }
    let present = number(target, "/status/replicas").unwrap_or_default();
    let status = status(scaler, &conditions.all, Some((present, wanted)), scaled);
    finish(&mut plan, scaler, status);
    plan
}

/// Why there is nothing to scale.
fn missing(scaler: &Value) -> String {
    let reference = scaler.pointer("/spec/scaleTargetRef").unwrap_or(&Value::Null);
    match target(scaler) {
        Some((kind, name)) => format!("{kind} \"{name}\" not found"),
        None => format!(
            "the sandbox scales Deployments, StatefulSets, ReplicaSets and ReplicationControllers, not {} of {}",
            text(reference, "/kind"),
            text(reference, "/apiVersion")
        ),
    }
}

fn status(
    scaler: &Value,
    conditions: &[Value],
    counts: Option<(i64, i64)>,
    scaled: Option<Timestamp>,
) -> Value {
    let mut status = Map::new();
    let last = text(scaler, "/status/lastScaleTime");
    let last = scaled.map_or_else(|| last.to_owned(), stamp);
    if !last.is_empty() {
        status.insert("lastScaleTime".to_owned(), json!(last));
    }
    let known = |field: &str| number(scaler, &format!("/status/{field}")).unwrap_or_default();
    let (present, wanted) = counts.unwrap_or_else(|| (known("currentReplicas"), known("desiredReplicas")));
    // Kubernetes leaves this zero out, and shows the other.
    if present > 0 {
        status.insert("currentReplicas".to_owned(), json!(present));
    }
    status.insert("desiredReplicas".to_owned(), json!(wanted));
    status.insert("conditions".to_owned(), json!(conditions));
    Value::Object(status)
}

fn finish(plan: &mut Plan, scaler: &Value, status: Value) {
    if status != *object::status(scaler) {
        let scaler = with_status(scaler, status);
        plan.push(Change::Status(Kind::HorizontalPodAutoscaler, scaler));
    }
}

struct Conditions<'a> {
    known: &'a Value,
    all: Vec<Value>,
    now: Timestamp,
}

impl Conditions<'_> {
    fn is(&self, kind: &str, reason: &str) -> bool {
        condition(self.known, kind).is_some_and(|known| text(known, "/reason") == reason)
    }

    fn put(&mut self, kind: &str, holds: bool, reason: &str, message: &str) {
        let holds = if holds { "True" } else { "False" };
        let known = condition(self.known, kind).filter(|known| text(known, "/status") == holds);
        let since = known
            .map(|known| text(known, "/lastTransitionTime"))
            .filter(|since| !since.is_empty());
        let since = since.map_or_else(|| stamp(self.now), str::to_owned);
        set_condition(
            &mut self.all,
            json!({"type": kind, "status": holds, "reason": reason, "message": message,
                "lastTransitionTime": since}),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::told::{status_of, told};

    fn now() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    fn scaler(kind: &str) -> Value {
        json!({"metadata": {"name": "web", "namespace": "shop", "uid": "h"},
            "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": "web"},
                "minReplicas": 2, "maxReplicas": 5}})
    }

    fn look(scaler: &Value, target: Option<(Kind, &Value)>, rivals: &[Value]) -> Plan {
        let slice = Slice {
            scaler,
            target,
            rivals: rivals.iter().collect(),
        };
        desired(&slice, now())
    }

    fn deployment(replicas: &Value) -> Value {
        json!({"metadata": {"name": "web", "namespace": "shop"}, "spec": {"replicas": replicas},
            "status": {"replicas": 1}})
    }

    #[test]
    fn replicas_are_kept_in_bounds() {
        let check = |replicas: Value, expect: &[&str], wanted: i64, able: &str, active: &str| {
            let web = deployment(&replicas);
            let plan = look(&scaler("Deployment"), Some((Kind::Deployment, &web)), &[]);
            let mut lines = told(&plan);
            assert_eq!(lines.pop().as_deref(), Some("status HorizontalPodAutoscaler web"));
            assert_eq!(lines, expect, "{replicas}");
            let status = status_of(&plan);
            assert_eq!(
                (&status["currentReplicas"], &status["desiredReplicas"]),
                (&json!(1), &json!(wanted))
            );
            let reason = |kind: &str| condition(&status, kind).map(|it| text(it, "/reason").to_owned());
            assert_eq!(reason(ABLE).as_deref(), Some(able), "{replicas}");
            assert_eq!(reason(ACTIVE).as_deref(), Some(active), "{replicas}");
        };
        let below =
            "- SuccessfulRescale: New size: 2; reason: Current number of replicas below Spec.MinReplicas";
        let above =
            "- SuccessfulRescale: New size: 5; reason: Current number of replicas above Spec.MaxReplicas";
        let (got, done, still) = ("SucceededGetScale", "SucceededRescale", "NothingMeasured");
        check(json!(1), &["update Deployment web to 2", below], 2, done, still);
        check(
            json!(null),
            &["update Deployment web to 2", below],
            2,
            done,
            still,
        );
        check(json!(9), &["update Deployment web to 5", above], 5, done, still);
        for inside in [2, 3, 5] {
            check(json!(inside), &[], inside, got, still);
        }
        check(json!(0), &[], 0, got, "ScalingDisabled");
    }

    #[test]
    fn it_says_that_nothing_is_measured() {
        let web = deployment(&json!(3));
        let status = status_of(&look(&scaler("Deployment"), Some((Kind::Deployment, &web)), &[]));
        assert_eq!(
            text(condition(&status, ACTIVE).unwrap(), "/message"),
            "the sandbox simulates pods and measures nothing: replicas are only kept between 2 and 5"
        );
        let mut settled = scaler("Deployment");
        settled["status"] = status;
        let again = look(&settled, Some((Kind::Deployment, &web)), &[]);
        assert_eq!(told(&again), Vec::<String>::new());
    }

    #[test]
    fn two_of_them_leave_their_target_alone() {
        let web = deployment(&json!(1));
        let mut other = scaler("Deployment");
        other["metadata"]["name"] = json!("other");
        let plan = look(&scaler("Deployment"), Some((Kind::Deployment, &web)), &[other]);
        assert_eq!(
            told(&plan),
            [
                "! AmbiguousSelector: the Deployment web is scaled by multiple HPAs: [shop/other shop/web]",
                "status HorizontalPodAutoscaler web",
            ]
        );
    }

    #[test]
    fn a_target_that_is_not_there_is_said() {
        let check = |kind: &str, expect: &str| {
            let plan = look(&scaler(kind), None, &[]);
            let message =
                format!("the HPA controller was unable to get the target's current scale: {expect}");
            assert_eq!(
                told(&plan),
                [
                    format!("! FailedGetScale: {message}"),
                    "status HorizontalPodAutoscaler web".to_owned()
                ]
            );
            let status = status_of(&plan);
            assert_eq!(text(condition(&status, ABLE).unwrap(), "/message"), message);
        };
        check("StatefulSet", "StatefulSet \"web\" not found");
        check(
            "Job",
            "the sandbox scales Deployments, StatefulSets, ReplicaSets and ReplicationControllers, not Job of apps/v1",
        );
        assert_eq!(target(&scaler("ReplicaSet")), Some((Kind::ReplicaSet, "web")));
        assert_eq!(target(&json!({})), None);
    }
}
