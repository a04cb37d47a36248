//! Pod templates, workloads and services.

use serde_json::Value;

use super::names::{is_dns_label, labels};
use super::{Report, network, plain, pod};
use crate::error::Cause;
use crate::model::Schema;

/// Checks the spec of the kinds there are rules for.
pub(crate) fn check(schema: &Schema, object: &Value, report: &mut Report<'_>) {
    let spec = &object["spec"];
    match schema.name.as_str() {
        "apps.v1.Deployment" | "apps.v1.StatefulSet" | "apps.v1.ReplicaSet" | "apps.v1.DaemonSet" => {
            not_negative(
                spec,
                "spec",
                &["replicas", "minReadySeconds", "revisionHistoryLimit"],
                report,
            );
            selector_matches(spec, report);
            let claims = items(spec, "volumeClaimTemplates");
            let claims: Vec<&str> = claims
                .iter()
                .filter_map(|claim| claim.pointer("/metadata/name")?.as_str())
                .collect();
            template(&spec["template"], "spec.template", &["Always"], &claims, report);
            for (place, claim) in items(spec, "volumeClaimTemplates").iter().enumerate() {
                plain::claim(
                    &claim["spec"],
                    &format!("spec.volumeClaimTemplates[{place}].spec"),
                    report,
                );
            }
            rollout(&schema.name, spec, report);
            if spec["strategy"]["type"] == "Recreate" && spec["strategy"]["rollingUpdate"].is_object() {
                let detail = "may not be specified when strategy `type` is 'Recreate'";
                report.add("spec.strategy.rollingUpdate", Cause::Forbidden, None, detail);
            }
        }
        "batch.v1.Job" => {
            not_negative(
                spec,
                "spec",
                &["parallelism", "completions", "backoffLimit"],
                report,
            );
            template(
                &spec["template"],
                "spec.template",
                &["OnFailure", "Never"],
                &[],
                report,
            );
        }
        "batch.v1.CronJob" => {
            not_negative(
                spec,
                "spec",
                &[
                    "startingDeadlineSeconds",
                    "successfulJobsHistoryLimit",
                    "failedJobsHistoryLimit",
                ],
                report,
            );
            let name = &object["metadata"]["name"];
            if name.as_str().is_some_and(|name| name.len() > 52) {
                let detail = "must be no more than 52 characters";
                report.add("metadata.name", Cause::Invalid, Some(name), detail);
            }
            let job = &spec["jobTemplate"]["spec"];
            template(
                &job["template"],
                "spec.jobTemplate.spec.template",
                &["OnFailure", "Never"],
                &[],
                report,
            );
        }
        "core.v1.Pod" => pod_spec(spec, "spec", &[], report),
        "core.v1.Service" => {
            service(spec, report);
            network::service(spec, report);
            network::balancer(&object["status"], report);
        }
        "networking.v1.Ingress" => network::ingress(spec, report),
        "networking.v1.NetworkPolicy" => network::policy(spec, report),
        "core.v1.ConfigMap" => plain::config_map(object, report),
        "core.v1.Secret" => plain::secret(object, report),
        "core.v1.PersistentVolumeClaim" => plain::claim(spec, "spec", report),
        "core.v1.PersistentVolume" => plain::volume(spec, report),
        "policy.v1.PodDisruptionBudget" => plain::budget(spec, report),
        "autoscaling.v2.HorizontalPodAutoscaler" => plain::autoscaler(spec, report),
        "core.v1.ResourceQuota" => plain::quota(spec, report),
        "core.v1.LimitRange" => plain::limits(spec, report),
        "coordination.v1.Lease" => plain::lease(spec, report),
        "scheduling.v1.PriorityClass" => plain::priority_class(object, report),
        _ => {}
    }
}

fn not_negative(spec: &Value, path: &str, fields: &[&str], report: &mut Report<'_>) {
    for field in fields {
        if spec[*field].as_i64().is_some_and(|number| number < 0) {
            let field_path = format!("{path}.{field}");
            report.add(
                &field_path,
                Cause::Invalid,
                Some(&spec[*field]),
                "must be greater than or equal to 0",
            );
        }
    }
}

fn selector_matches(spec: &Value, report: &mut Report<'_>) {
    let selector = &spec["selector"];
    let empty = |part: &Value| {
        part.as_object().is_none_or(serde_json::Map::is_empty) && part.as_array().is_none_or(Vec::is_empty)
    };
    if selector.is_object() && empty(&selector["matchLabels"]) && empty(&selector["matchExpressions"]) {
        let detail = "empty selector is invalid for deployment";
        return report.add("spec.selector", Cause::Invalid, Some(selector), detail);
    }
    let template_labels = &spec["template"]["metadata"]["labels"];
    let by_label = selector["matchLabels"].as_object().is_none_or(|wanted| {
        wanted
            .iter()
            .all(|(key, value)| template_labels.get(key) == Some(value))
    });
    let expressions = selector["matchExpressions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let by_expression = expressions
        .iter()
        .all(|expression| expression_matches(expression, template_labels));
    if !selector.is_object() || !by_label || !by_expression {
        report.add(
            "spec.template.metadata.labels",
            Cause::Invalid,
            Some(template_labels),
            "`selector` does not match template `labels`",
        );
    }
}

/// How pods are replaced.
fn rollout(kind: &str, spec: &Value, report: &mut Report<'_>) {
    let is_zero = |value: &Value| *value == 0 || *value == "0%";
    let deployment = &spec["strategy"]["rollingUpdate"];
    let update = &spec["updateStrategy"]["rollingUpdate"];
    match kind {
        "apps.v1.Deployment" => {
            let path = "spec.strategy.rollingUpdate";
            plain::share(
                &deployment["maxUnavailable"],
                &format!("{path}.maxUnavailable"),
                true,
                report,
            );
            plain::share(
                &deployment["maxSurge"],
                &format!("{path}.maxSurge"),
                false,
                report,
            );
            if is_zero(&deployment["maxUnavailable"]) && is_zero(&deployment["maxSurge"]) {
                let value = Some(&deployment["maxUnavailable"]);
                let detail = "may not be 0 when `maxSurge` is 0";
                report.add(&format!("{path}.maxUnavailable"), Cause::Invalid, value, detail);
            }
            let deadline = &spec["progressDeadlineSeconds"];
            if deadline
                .as_i64()
                .is_some_and(|seconds| seconds <= spec["minReadySeconds"].as_i64().unwrap_or(0))
            {
                let detail = "must be greater than minReadySeconds";
                report.add(
                    "spec.progressDeadlineSeconds",
                    Cause::Invalid,
                    Some(deadline),
                    detail,
                );
            }
            limited(spec, "ReplicaSet", report);
        }
        "apps.v1.ReplicaSet" => limited(spec, "ReplicaSet", report),
        "apps.v1.StatefulSet" => {
            not_negative(
                update,
                "spec.updateStrategy.rollingUpdate",
                &["partition"],
                report,
            );
            limited(spec, "StatefulSet", report);
        }
        "apps.v1.DaemonSet" => {
            let path = "spec.updateStrategy.rollingUpdate";
            let (unavailable, surge) = (&update["maxUnavailable"], &update["maxSurge"]);
            let none = |value: &Value| value.is_null() || is_zero(value);
            if update.is_object() && none(unavailable) && none(surge) {
                let detail = "cannot be 0 when maxSurge is 0";
                report.add(&format!("{path}.maxUnavailable"), Cause::Required, None, detail);
            } else if !none(unavailable) && !none(surge) {
                let detail = "may not be set when maxUnavailable is non-zero";
                report.add(&format!("{path}.maxSurge"), Cause::Invalid, Some(surge), detail);
            }
            limited(spec, "DaemonSet", report);
        }
        _ => {}
    }
}

/// Pods that are replaced have no end of their own.
fn limited(spec: &Value, kind: &str, report: &mut Report<'_>) {
    if !spec["template"]["spec"]["activeDeadlineSeconds"].is_null() {
        let detail = format!("activeDeadlineSeconds in {kind} is not Supported");
        report.add(
            "spec.template.spec.activeDeadlineSeconds",
            Cause::Forbidden,
            None,
            &detail,
        );
    }
}

fn expression_matches(expression: &Value, labels: &Value) -> bool {
    let found = expression["key"].as_str().and_then(|key| labels.get(key));
    let listed = || {
        let values = expression["values"].as_array().map_or(&[][..], Vec::as_slice);
        found.is_some_and(|found| values.contains(found))
    };
    match expression["operator"].as_str() {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => found.is_some(),
        Some("DoesNotExist") => found.is_none(),
        _ => false,
    }
}

fn template(template: &Value, path: &str, restart: &[&str], claims: &[&str], report: &mut Report<'_>) {
    if !template.is_object() {
        return;
    }
    labels(
        &template["metadata"]["labels"],
        &format!("{path}.metadata.labels"),
        report,
    );
    let policy = &template["spec"]["restartPolicy"];
    if policy.as_str().is_some_and(|policy| !restart.contains(&policy)) {
        let allowed: Vec<String> = restart.iter().map(|allowed| format!("{allowed:?}")).collect();
        let field = format!("{path}.spec.restartPolicy");
        // Jobs have no default that would fit, so that a wrong one is a missing one.
        if allowed.len() > 1 {
            let detail = format!("valid values: {}", allowed.join(", "));
            report.add(&field, Cause::Required, None, &detail);
        } else {
            let detail = format!("supported values: {}", allowed.join(", "));
            report.add(&field, Cause::Unsupported, Some(policy), &detail);
        }
    }
    pod_spec(&template["spec"], &format!("{path}.spec"), claims, report);
}

fn items<'a>(parent: &'a Value, name: &str) -> &'a [Value] {
    parent[name].as_array().map_or(&[], Vec::as_slice)
}

/// The first of the volume sources, in the order in which upstream looks at them.
const VOLUME_SOURCES: [&str; 6] = [
    "emptyDir",
    "hostPath",
    "secret",
    "nfs",
    "persistentVolumeClaim",
    "configMap",
];

fn pod_spec(spec: &Value, path: &str, claims: &[&str], report: &mut Report<'_>) {
    let names = items(spec, "volumes")
        .iter()
        .filter_map(|volume| volume["name"].as_str());
    let volumes: Vec<&str> = names.chain(claims.iter().copied()).collect();
    for (place, volume) in items(spec, "volumes").iter().enumerate() {
        let sources = volume
            .as_object()
            .into_iter()
            .flatten()
            .filter(|(_, source)| source.is_object());
        let mut sources: Vec<&String> = sources.map(|(name, _)| name).collect();
        sources.sort_by_key(|name| {
            let place = VOLUME_SOURCES.iter().position(|first| first == name);
            place.unwrap_or(VOLUME_SOURCES.len())
        });
        for source in sources.into_iter().skip(1) {
            let field = format!("{path}.volumes[{place}].{source}");
            report.add(
                &field,
                Cause::Forbidden,
                None,
                "may not specify more than 1 volume type",
            );
        }
    }
    for (place, spread) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        if spread["maxSkew"].as_i64().is_none_or(|skew| skew <= 0) {
            let field = format!("{path}.topologySpreadConstraints[{place}].maxSkew");
            report.add(
                &field,
                Cause::Invalid,
                Some(&spread["maxSkew"]),
                "must be greater than zero",
            );
        }
    }
    pod::spec(spec, path, report);
    for list in ["initContainers", "containers"] {
        for (place, container) in items(spec, list).iter().enumerate() {
            let path = format!("{path}.{list}[{place}]");
            self::container(container, &path, &volumes, report);
        }
    }
}

fn container(container: &Value, path: &str, volumes: &[&str], report: &mut Report<'_>) {
    const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
         and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for \
         validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
    let name = container["name"].as_str().unwrap_or_default();
    if !name.is_empty() && (!is_dns_label(name) || name.len() > 63) {
        report.add(
            &format!("{path}.name"),
            Cause::Invalid,
            Some(&container["name"]),
            LABEL,
        );
    }
    if container["image"].as_str().unwrap_or_default().is_empty() {
        report.add(&format!("{path}.image"), Cause::Required, None, "");
    }
    for (place, variable) in items(container, "env").iter().enumerate() {
        let value = variable["value"].as_str().unwrap_or_default();
        if variable["valueFrom"].is_object() && !value.is_empty() {
            let field = format!("{path}.env[{place}].valueFrom");
            let detail = "may not be specified when `value` is not empty";
            report.add(&field, Cause::Invalid, Some(&Value::from("")), detail);
        }
    }
    for (place, port) in items(container, "ports").iter().enumerate() {
        let path = format!("{path}.ports[{place}].containerPort");
        match port["containerPort"].as_i64() {
            None | Some(0) => report.add(&path, Cause::Required, None, ""),
            Some(1..=65535) => {}
            Some(_) => port_range(&port["containerPort"], &path, report),
        }
    }
    for (place, mount) in items(container, "volumeMounts").iter().enumerate() {
        let Some(volume) = mount["name"].as_str() else {
            continue;
        };
        if !volumes.contains(&volume) {
            let field = format!("{path}.volumeMounts[{place}].name");
            let message = format!("{field}: Not found: {volume:?}");
            report.errors.push(crate::error::FieldError {
                field,
                cause: Cause::Invalid,
                message,
            });
        }
    }
    resources(&container["resources"], &format!("{path}.resources"), report);
    pod::container(container, path, report);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        self::probe(&container[probe], &format!("{path}.{probe}"), report);
    }
}

fn port_range(value: &Value, path: &str, report: &mut Report<'_>) {
    report.add(
        path,
        Cause::Invalid,
        Some(value),
        "must be between 1 and 65535, inclusive",
    );
}

fn resources(resources: &Value, path: &str, report: &mut Report<'_>) {
    let parse = |value: &Value| {
        value
            .as_str()
            .and_then(|text| text.parse::<crate::Quantity>().ok())
    };
    for (name, limit) in resources["limits"].as_object().into_iter().flatten() {
        let Some(request) = resources["requests"].get(name) else {
            continue;
        };
        if let (Some(most), Some(wanted)) = (parse(limit), parse(request))
            && wanted > most
        {
            let detail = format!(
                "must be less than or equal to {name} limit of {}",
                limit.as_str().unwrap_or_default()
            );
            report.add(
                &format!("{path}.requests"),
                Cause::Invalid,
                Some(request),
                &detail,
            );
        }
    }
    for list in ["limits", "requests"] {
        for (name, value) in resources[list].as_object().into_iter().flatten() {
            if parse(value).is_some_and(|quantity| quantity.nano() < 0) {
                let detail = "must be greater than or equal to 0";
                report.add(
                    &format!("{path}.{list}[{name}]"),
                    Cause::Invalid,
                    Some(value),
                    detail,
                );
            }
        }
    }
}

fn probe(probe: &Value, path: &str, report: &mut Report<'_>) {
    if !probe.is_object() {
        return;
    }
    let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
    match handlers
        .iter()
        .filter(|handler| probe[**handler].is_object())
        .count()
    {
        0 => report.add(path, Cause::Required, None, "must specify a handler type"),
        1 => {}
        _ => {
            let second = handlers
                .iter()
                .filter(|handler| probe[**handler].is_object())
                .nth(1);
            let field = format!("{path}.{}", second.copied().unwrap_or_default());
            report.add(
                &field,
                Cause::Forbidden,
                None,
                "may not specify more than 1 handler type",
            );
        }
    }
    let fields = [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "failureThreshold",
    ];
    not_negative(probe, path, &fields, report);
    let readiness = path.ends_with("readinessProbe");
    if !readiness && probe["successThreshold"].as_i64().is_some_and(|times| times != 1) {
        let field = format!("{path}.successThreshold");
        report.add(
            &field,
            Cause::Invalid,
            Some(&probe["successThreshold"]),
            "must be 1",
        );
    }
}

fn service(spec: &Value, report: &mut Report<'_>) {
    let ports = items(spec, "ports");
    let headless = spec["clusterIP"] == "None";
    if ports.is_empty() && !headless && spec["type"] != "ExternalName" {
        report.add("spec.ports", Cause::Required, None, "");
    }
    for (place, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{place}]");
        if !port["port"]
            .as_i64()
            .is_some_and(|number| (1..=65535).contains(&number))
        {
            port_range(&port["port"], &format!("{path}.port"), report);
        }
        if ports.len() > 1 && port["name"].as_str().unwrap_or_default().is_empty() {
            report.add(&format!("{path}.name"), Cause::Required, None, "");
        }
    }
}
