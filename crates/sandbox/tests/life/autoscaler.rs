//! HorizontalPodAutoscalers: nothing is measured, the bounds hold.

use serde_json::{Value, json};

use super::living::{Living, NAMESPACE, condition, deployment};

pub(crate) fn scaler(least: i64, most: i64) -> Value {
    json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": NAMESPACE},
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"},
            "minReplicas": least, "maxReplicas": most,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 70}}}],
        },
    })
}

impl Living {
    async fn until_scaler(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until_named("autoscaling/v2", "HorizontalPodAutoscaler", "web", what, holds)
            .await
    }
}

#[tokio::test]
async fn a_deployment_is_kept_between_the_bounds() {
    let living = Living::start();
    living.create(scaler(2, 3)).await;
    let waiting = living
        .until_scaler("without a target", |it| {
            condition(it, "AbleToScale")["status"] == "False"
        })
        .await;
    assert_eq!(condition(&waiting, "AbleToScale")["reason"], "FailedGetScale");

    // Without replicas, as a chart with an autoscaler renders it.
    let mut web = deployment(1, "web:1");
    web["spec"].as_object_mut().unwrap().remove("replicas");
    living.create(web).await;
    living.until_ready("web", 2).await;
    let settled = |replicas: i64| {
        move |it: &Value| {
            it["status"]["currentReplicas"].as_i64().unwrap_or(0) == replicas
                && it["status"]["desiredReplicas"] == replicas
        }
    };
    let scaled = living.until_scaler("at two", settled(2)).await;
    assert_eq!(condition(&scaled, "AbleToScale")["status"], "True");
    let active = condition(&scaled, "ScalingActive");
    assert_eq!(
        (&active["status"], &active["reason"]),
        (&json!("False"), &json!("NothingMeasured"))
    );

    living
        .merge("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 9}}))
        .await;
    living.until_ready("web", 3).await;
    living.until_scaler("at three", settled(3)).await;
    living
        .until_event("SuccessfulRescale", |message| {
            message == "New size: 3; reason: Current number of replicas above Spec.MaxReplicas"
        })
        .await;
    living
        .merge("apps/v1", "Deployment", "web", json!({"spec": {"replicas": 0}}))
        .await;
    let off = living.until_scaler("at none", settled(0)).await;
    assert_eq!(condition(&off, "ScalingActive")["reason"], "ScalingDisabled");
}
