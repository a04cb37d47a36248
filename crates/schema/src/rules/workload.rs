//! Which kinds have rules, and templates of pods.

use serde_json::Value;

use super::names::{annotations, label_selector, labels};
use super::{Report, apps, data, items, jobs, limits, network, pod, policy, scaling, storage, text};
use crate::model::Schema;

/// Checks the spec of the kinds there are rules for.
pub(crate) fn check(schema: &Schema, object: &Value, report: &mut Report<'_>) {
    let spec = &object["spec"];
    match schema.name.as_str() {
        "apps.v1.Deployment" => apps::deployment(spec, report),
        "apps.v1.ReplicaSet" => apps::replica_set(spec, report),
        "apps.v1.StatefulSet" => apps::stateful_set(spec, report),
        "apps.v1.DaemonSet" => apps::daemon_set(spec, report),
        "batch.v1.Job" => jobs::job(object, report),
        "batch.v1.CronJob" => jobs::cron_job(object, report),
        "core.v1.Pod" => pod::pod(object, report),
        "core.v1.PodTemplate" => template(&object["template"], "template", &[], &[], report),
        "core.v1.ReplicationController" => {
            super::not_negative(spec, "spec", &["minReadySeconds", "replicas"], report);
            if spec["template"].is_object() {
                template(&spec["template"], "spec.template", &["Always"], &[], report);
            }
        }
        "core.v1.Service" => {
            network::service(spec, report);
            network::balancer(&object["status"], report);
        }
        "networking.v1.Ingress" => network::ingress(object, report),
        "networking.v1.NetworkPolicy" => policy::network_policy(spec, report),
        "core.v1.ConfigMap" => data::config_map(object, report),
        "core.v1.Secret" => data::secret(object, report),
        "core.v1.PersistentVolumeClaim" => storage::claim(spec, "spec", report),
        "core.v1.PersistentVolume" => storage::volume(spec, report),
        "policy.v1.PodDisruptionBudget" => scaling::budget(spec, report),
        "autoscaling.v2.HorizontalPodAutoscaler" => scaling::autoscaler(spec, report),
        "core.v1.ResourceQuota" => limits::quota(spec, report),
        "core.v1.LimitRange" => limits::range(spec, report),
        "coordination.v1.Lease" => data::lease(spec, report),
        "scheduling.v1.PriorityClass" => data::priority_class(object, report),
        "admissionregistration.v1.ValidatingWebhookConfiguration"
        | "admissionregistration.v1.MutatingWebhookConfiguration" => {
            for (place, webhook) in items(object, "webhooks").iter().enumerate() {
                for name in ["namespaceSelector", "objectSelector"] {
                    label_selector(&webhook[name], &format!("webhooks[{place}].{name}"), report);
                }
            }
        }
        _ => {}
    }
}

/// The template of pods, with the restart policies they may have (any, when none is named) and the volumes that come
/// from elsewhere.
pub(super) fn template(
    template: &Value,
    path: &str,
    restart: &[&str],
    claims: &[&str],
    report: &mut Report<'_>,
) {
    let metadata = &template["metadata"];
    labels(&metadata["labels"], &format!("{path}.labels"), report);
    annotations(&metadata["annotations"], &format!("{path}.annotations"), report);
    pod::spec(&template["spec"], &format!("{path}.spec"), claims, report);
    if !items(&template["spec"], "ephemeralContainers").is_empty() {
        let detail = "ephemeral containers not allowed in pod template";
        report.forbidden(&format!("{path}.spec.ephemeralContainers"), detail);
    }
    let policy = &template["spec"]["restartPolicy"];
    if !restart.is_empty() && !text(policy).is_empty() && !restart.contains(&text(policy)) {
        report.unsupported(&format!("{path}.spec.restartPolicy"), policy, restart);
    }
}
