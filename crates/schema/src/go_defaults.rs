//! The defaults of built-in kinds that no published schema carries, because the API server keeps them
//! in Go: restart policies, probe timings, rolling update bounds and the like. By type name, so that
//! a pod template has them wherever it stands.

use serde_json::{Map, Value, json};

#[derive(Clone, Copy)]
enum Plain {
    Text(&'static str),
    Number(i64),
    Flag(bool),
    Empty,
}

use Plain::{Empty, Flag, Number, Text};

/// Defaults that hold whatever the other fields say.
fn plain(name: &str) -> &'static [(&'static str, Plain)] {
    match name {
        "core.v1.PodSpec" => &[
            ("dnsPolicy", Text("ClusterFirst")),
            ("restartPolicy", Text("Always")),
            ("securityContext", Empty),
            ("terminationGracePeriodSeconds", Number(30)),
            ("schedulerName", Text("default-scheduler")),
        ],
        "core.v1.Container" | "core.v1.EphemeralContainer" => &[
            ("terminationMessagePath", Text("/dev/termination-log")),
            ("terminationMessagePolicy", Text("File")),
        ],
        "core.v1.Probe" => &[
            ("timeoutSeconds", Number(1)),
            ("periodSeconds", Number(10)),
            ("successThreshold", Number(1)),
            ("failureThreshold", Number(3)),
        ],
        "core.v1.HTTPGetAction" => &[("path", Text("/")), ("scheme", Text("HTTP"))],
        "core.v1.GRPCAction" => &[("service", Text(""))],
        "core.v1.SecretVolumeSource"
        | "core.v1.ConfigMapVolumeSource"
        | "core.v1.DownwardAPIVolumeSource"
        | "core.v1.ProjectedVolumeSource" => &[("defaultMode", Number(0o644))],
        "core.v1.ServiceAccountTokenProjection" => &[("expirationSeconds", Number(3600))],
        "core.v1.HostPathVolumeSource" => &[("type", Text(""))],
        "core.v1.ObjectFieldSelector" => &[("apiVersion", Text("v1"))],
        "core.v1.Secret" => &[("type", Text("Opaque"))],
        "core.v1.PersistentVolumeSpec" => &[
            ("persistentVolumeReclaimPolicy", Text("Retain")),
            ("volumeMode", Text("Filesystem")),
        ],
        "core.v1.PersistentVolumeStatus" | "core.v1.PersistentVolumeClaimStatus" => {
            &[("phase", Text("Pending"))]
        }
        "core.v1.PersistentVolumeClaimSpec" => &[("volumeMode", Text("Filesystem"))],
        "core.v1.NamespaceStatus" => &[("phase", Text("Active"))],
        "core.v1.EndpointPort" | "networking.v1.NetworkPolicyPort" => &[("protocol", Text("TCP"))],
        "discovery.v1.EndpointPort" => &[("name", Text("")), ("protocol", Text("TCP"))],
        "apps.v1.DeploymentSpec" => &[
            ("replicas", Number(1)),
            ("revisionHistoryLimit", Number(10)),
            ("progressDeadlineSeconds", Number(600)),
        ],
        "apps.v1.ReplicaSetSpec" | "core.v1.ReplicationControllerSpec" => &[("replicas", Number(1))],
        "apps.v1.DaemonSetSpec" => &[("revisionHistoryLimit", Number(10))],
        "apps.v1.StatefulSetSpec" => &[
            ("replicas", Number(1)),
            ("revisionHistoryLimit", Number(10)),
            ("podManagementPolicy", Text("OrderedReady")),
            ("persistentVolumeClaimRetentionPolicy", Empty),
        ],
        "apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy" => {
            &[("whenDeleted", Text("Retain")), ("whenScaled", Text("Retain"))]
        }
        "batch.v1.CronJobSpec" => &[
            ("concurrencyPolicy", Text("Allow")),
            ("suspend", Flag(false)),
            ("successfulJobsHistoryLimit", Number(3)),
            ("failedJobsHistoryLimit", Number(1)),
        ],
        "batch.v1.PodFailurePolicyOnPodConditionsPattern" => &[("status", Text("True"))],
        "autoscaling.v1.HorizontalPodAutoscalerSpec" | "autoscaling.v2.HorizontalPodAutoscalerSpec" => {
            &[("minReplicas", Number(1))]
        }
        "networking.v1.IngressClassParametersReference" => &[("scope", Text("Cluster"))],
        "rbac.v1.RoleRef" => &[("apiGroup", Text("rbac.authorization.k8s.io"))],
        "storage.v1.StorageClass" => &[
            ("reclaimPolicy", Text("Delete")),
            ("volumeBindingMode", Text("Immediate")),
        ],
        "storage.v1.CSIDriverSpec" => &[
            ("attachRequired", Flag(true)),
            ("podInfoOnMount", Flag(false)),
            ("storageCapacity", Flag(false)),
            ("fsGroupPolicy", Text("ReadWriteOnceWithFSType")),
            ("requiresRepublish", Flag(false)),
            ("seLinuxMount", Flag(false)),
        ],
        "admissionregistration.v1.ValidatingWebhook" => &[
            ("failurePolicy", Text("Fail")),
            ("matchPolicy", Text("Equivalent")),
            ("namespaceSelector", Empty),
            ("objectSelector", Empty),
            ("timeoutSeconds", Number(10)),
        ],
        "admissionregistration.v1.MutatingWebhook" => &[
            ("failurePolicy", Text("Fail")),
            ("matchPolicy", Text("Equivalent")),
            ("namespaceSelector", Empty),
            ("objectSelector", Empty),
            ("timeoutSeconds", Number(10)),
            ("reinvocationPolicy", Text("Never")),
        ],
        "admissionregistration.v1.RuleWithOperations"
        | "admissionregistration.v1.NamedRuleWithOperations" => &[("scope", Text("*"))],
        "admissionregistration.v1.ServiceReference" | "apiextensions.v1.ServiceReference" => {
            &[("port", Number(443))]
        }
        "admissionregistration.v1.ValidatingAdmissionPolicySpec"
        | "admissionregistration.v1.MutatingAdmissionPolicySpec" => &[("failurePolicy", Text("Fail"))],
        "admissionregistration.v1.MatchResources" => &[
            ("matchPolicy", Text("Equivalent")),
            ("namespaceSelector", Empty),
            ("objectSelector", Empty),
        ],
        "scheduling.v1.PriorityClass" => &[("preemptionPolicy", Text("PreemptLowerPriority"))],
        _ => &[],
    }
}

/// Fields of these types are plain Go numbers: zero counts as absent.
fn zero_is_absent(name: &str) -> bool {
    name == "core.v1.Probe"
}

/// Fills in the defaults of one object of a built-in type.
pub(crate) fn fill(name: &str, fields: &mut Map<String, Value>) {
    for (field, value) in plain(name) {
        let present = match fields.get(*field) {
            None | Some(Value::Null) => false,
            Some(Value::String(text)) => !text.is_empty() || matches!(value, Text("")),
            Some(Value::Number(number)) => !(zero_is_absent(name) && number.as_i64() == Some(0)),
            Some(_) => true,
        };
        if !present {
            let value = match value {
                Text(text) => json!(text),
                Number(number) => json!(number),
                Flag(flag) => json!(flag),
                Empty => json!({}),
            };
            fields.insert((*field).to_owned(), value);
        }
    }
    match name {
        "core.v1.PodSpec" => pod_spec(fields),
        "core.v1.Pod" => pod(fields),
        "core.v1.TypedLocalObjectReference" | "core.v1.TypedObjectReference" => {
            null_when_absent(fields, "apiGroup");
        }
        "core.v1.Container" | "core.v1.EphemeralContainer" => container(fields),
        "core.v1.Volume" => volume(fields),
        "core.v1.ServiceSpec" => service(fields),
        "core.v1.Namespace" => namespace(fields),
        "core.v1.NodeStatus" => copy_when_absent(fields, "capacity", "allocatable"),
        "core.v1.LimitRangeItem" => limit_range(fields),
        "core.v1.ReplicationController" => replication_controller(fields),
        "apps.v1.DeploymentSpec" => deployment(fields),
        "apps.v1.DaemonSetSpec" => daemon_set(fields),
        "apps.v1.StatefulSetSpec" => stateful_set(fields),
        "batch.v1.Job" => job(fields),
        "networking.v1.NetworkPolicySpec" => network_policy(fields),
        "autoscaling.v2.HorizontalPodAutoscalerSpec" => autoscaler(fields),
        "rbac.v1.Subject" => subject(fields),
        "storage.v1.CSIDriverSpec" => set(fields, "volumeLifecycleModes", || json!(["Persistent"])),
        "apiextensions.v1.CustomResourceDefinition" => definition(fields),
        _ => {}
    }
}

fn is_unset(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

fn set(fields: &mut Map<String, Value>, name: &str, value: impl FnOnce() -> Value) {
    if is_unset(fields.get(name)) {
        fields.insert(name.to_owned(), value());
    }
}

fn object<'a>(fields: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    fields.get_mut(name).and_then(Value::as_object_mut)
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> &'a str {
    fields.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn copy_when_absent(fields: &mut Map<String, Value>, from: &str, to: &str) {
    if is_unset(fields.get(to))
        && let Some(value) = fields.get(from).filter(|value| !value.is_null()).cloned()
    {
        fields.insert(to.to_owned(), value);
    }
}

/// Fields that Go writes as null, where others are left out.
fn null_when_absent(fields: &mut Map<String, Value>, name: &str) {
    if is_unset(fields.get(name)) {
        fields.insert(name.to_owned(), Value::Null);
    }
}

fn pod_spec(fields: &mut Map<String, Value>) {
    // The deprecated name of the same thing; the API server always shows both.
    copy_when_absent(fields, "serviceAccount", "serviceAccountName");
    if let Some(name) = fields
        .get("serviceAccountName")
        .filter(|name| name.is_string())
        .cloned()
    {
        fields.insert("serviceAccount".to_owned(), name);
    }
}

fn pod(fields: &mut Map<String, Value>) {
    let Some(spec) = object(fields, "spec") else {
        return;
    };
    set(spec, "enableServiceLinks", || json!(true));
    let grace = spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
    if grace.is_some_and(|seconds| seconds < 0) {
        spec.insert("terminationGracePeriodSeconds".to_owned(), json!(1));
    }
    let host_network = spec.get("hostNetwork") == Some(&Value::Bool(true));
    for list in ["containers", "initContainers"] {
        for container in spec
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            let Some(container) = container.as_object_mut() else {
                continue;
            };
            if let Some(resources) = object(container, "resources") {
                requests_from_limits(resources);
            }
            if host_network {
                for port in container
                    .get_mut("ports")
                    .and_then(Value::as_array_mut)
                    .into_iter()
                    .flatten()
                {
                    if let Some(port) = port.as_object_mut() {
                        copy_when_absent(port, "containerPort", "hostPort");
                    }
                }
            }
        }
    }
}

fn requests_from_limits(resources: &mut Map<String, Value>) {
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else {
        return;
    };
    let requests = resources.entry("requests").or_insert_with(|| json!({}));
    if requests.is_null() {
        *requests = json!({});
    }
    if let Some(requests) = requests.as_object_mut() {
        for (name, limit) in limits {
            requests.entry(name).or_insert(limit);
        }
    }
}

/// Whether an image reference means the moving tag `latest`.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once(':') {
        Some((_, tag)) => tag == "latest",
        None => true,
    }
}

fn container(fields: &mut Map<String, Value>) {
    let policy = if is_latest(text(fields, "image")) {
        "Always"
    } else {
        "IfNotPresent"
    };
    set(fields, "imagePullPolicy", || json!(policy));
}

fn volume(fields: &mut Map<String, Value>) {
    if !fields
        .iter()
        .any(|(name, value)| name != "name" && !value.is_null())
    {
        fields.insert("emptyDir".to_owned(), json!({}));
    }
    if let Some(image) = object(fields, "image") {
        let policy = if is_latest(text(image, "reference")) {
            "Always"
        } else {
            "IfNotPresent"
        };
        set(image, "pullPolicy", || json!(policy));
    }
}

fn service(fields: &mut Map<String, Value>) {
    set(fields, "sessionAffinity", || json!("None"));
    set(fields, "type", || json!("ClusterIP"));
    match text(fields, "sessionAffinity") {
        "None" => {
            fields.remove("sessionAffinityConfig");
        }
        "ClientIP" => {
            let timeout = fields
                .get("sessionAffinityConfig")
                .and_then(|config| config.pointer("/clientIP/timeoutSeconds"))
                .filter(|timeout| !timeout.is_null());
            if timeout.is_none() {
                fields.insert(
                    "sessionAffinityConfig".to_owned(),
                    json!({"clientIP": {"timeoutSeconds": 10800}}),
                );
            }
        }
        _ => {}
    }
    for port in fields
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        let Some(port) = port.as_object_mut() else {
            continue;
        };
        set(port, "protocol", || json!("TCP"));
        let unset = is_unset(port.get("targetPort")) || port.get("targetPort") == Some(&json!(0));
        if let Some(number) = port.get("port").filter(|_| unset).cloned() {
            port.insert("targetPort".to_owned(), number);
        }
    }
    let kind = text(fields, "type").to_owned();
    let outside = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
        || (kind == "ClusterIP" && !is_unset(fields.get("externalIPs")));
    if outside {
        set(fields, "externalTrafficPolicy", || json!("Cluster"));
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        set(fields, "internalTrafficPolicy", || json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(fields, "allocateLoadBalancerNodePorts", || json!(true));
    }
}

fn namespace(fields: &mut Map<String, Value>) {
    let Some(metadata) = object(fields, "metadata") else {
        return;
    };
    let name = text(metadata, "name").to_owned();
    if name.is_empty() {
        return;
    }
    let labels = metadata.entry("labels").or_insert_with(|| json!({}));
    if labels.is_null() {
        *labels = json!({});
    }
    if let Some(labels) = labels.as_object_mut() {
        labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
    }
}

fn limit_range(fields: &mut Map<String, Value>) {
    if text(fields, "type") != "Container" {
        return;
    }
    for (from, to) in [
        ("max", "default"),
        ("default", "defaultRequest"),
        ("min", "defaultRequest"),
    ] {
        let Some(Value::Object(source)) = fields.get(from).cloned() else {
            continue;
        };
        if source.is_empty() {
            continue;
        }
        let target = fields.entry(to).or_insert_with(|| json!({}));
        if target.is_null() {
            *target = json!({});
        }
        if let Some(target) = target.as_object_mut() {
            for (name, value) in source {
                target.entry(name).or_insert(value);
            }
        }
    }
}

fn template_labels(spec: Option<&Value>) -> Option<Value> {
    spec?
        .pointer("/template/metadata/labels")
        .filter(|labels| labels.is_object())
        .cloned()
}

fn replication_controller(fields: &mut Map<String, Value>) {
    let Some(labels) = template_labels(fields.get("spec")) else {
        return;
    };
    if let Some(spec) = object(fields, "spec") {
        set(spec, "selector", || labels.clone());
    }
    if let Some(metadata) = object(fields, "metadata") {
        set(metadata, "labels", || labels);
    }
}

fn job(fields: &mut Map<String, Value>) {
    if let Some(spec) = object(fields, "spec") {
        job_spec(spec);
    }
    let Some(labels) = template_labels(fields.get("spec")) else {
        return;
    };
    if let Some(metadata) = object(fields, "metadata") {
        set(metadata, "labels", || labels);
    }
}

fn deployment(fields: &mut Map<String, Value>) {
    let Some(strategy) = object(fields, "strategy") else {
        return;
    };
    set(strategy, "type", || json!("RollingUpdate"));
    if text(strategy, "type") == "RollingUpdate" {
        set(strategy, "rollingUpdate", || json!({}));
        if let Some(rolling) = object(strategy, "rollingUpdate") {
            set(rolling, "maxUnavailable", || json!("25%"));
            set(rolling, "maxSurge", || json!("25%"));
        }
    }
}

fn daemon_set(fields: &mut Map<String, Value>) {
    let Some(strategy) = object(fields, "updateStrategy") else {
        return;
    };
    set(strategy, "type", || json!("RollingUpdate"));
    if text(strategy, "type") == "RollingUpdate" {
        set(strategy, "rollingUpdate", || json!({}));
        if let Some(rolling) = object(strategy, "rollingUpdate") {
            set(rolling, "maxUnavailable", || json!(1));
            set(rolling, "maxSurge", || json!(0));
        }
    }
}

fn stateful_set(fields: &mut Map<String, Value>) {
    let Some(strategy) = object(fields, "updateStrategy") else {
        return;
    };
    if is_unset(strategy.get("type")) {
        strategy.insert("type".to_owned(), json!("RollingUpdate"));
        set(strategy, "rollingUpdate", || json!({}));
    }
    if text(strategy, "type") == "RollingUpdate"
        && let Some(rolling) = object(strategy, "rollingUpdate")
    {
        set(rolling, "partition", || json!(0));
    }
    for claim in fields
        .get_mut("volumeClaimTemplates")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(claim) = claim.as_object_mut() {
            set(claim, "apiVersion", || json!("v1"));
            set(claim, "kind", || json!("PersistentVolumeClaim"));
        }
    }
}

fn job_spec(fields: &mut Map<String, Value>) {
    if is_unset(fields.get("completions")) && is_unset(fields.get("parallelism")) {
        fields.insert("completions".to_owned(), json!(1));
    }
    set(fields, "parallelism", || json!(1));
    let per_index = !is_unset(fields.get("backoffLimitPerIndex"));
    set(fields, "backoffLimit", || {
        if per_index { json!(i32::MAX) } else { json!(6) }
    });
    set(fields, "completionMode", || json!("NonIndexed"));
    set(fields, "suspend", || json!(false));
    set(fields, "manualSelector", || json!(false));
    let on_failure = !is_unset(fields.get("podFailurePolicy"));
    set(fields, "podReplacementPolicy", || {
        if on_failure {
            json!("Failed")
        } else {
            json!("TerminatingOrFailed")
        }
    });
}

fn network_policy(fields: &mut Map<String, Value>) {
    let egress = !is_unset(fields.get("egress"));
    set(fields, "policyTypes", || {
        if egress {
            json!(["Ingress", "Egress"])
        } else {
            json!(["Ingress"])
        }
    });
}

fn autoscaler(fields: &mut Map<String, Value>) {
    set(fields, "metrics", || {
        json!([{
            "type": "Resource",
            "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
        }])
    });
    let Some(behavior) = object(fields, "behavior") else {
        return;
    };
    set(behavior, "scaleUp", || json!({}));
    set(behavior, "scaleDown", || json!({}));
    if let Some(up) = object(behavior, "scaleUp") {
        set(up, "stabilizationWindowSeconds", || json!(0));
        set(up, "selectPolicy", || json!("Max"));
        set(up, "policies", || {
            json!([
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ])
        });
    }
    if let Some(down) = object(behavior, "scaleDown") {
        set(down, "selectPolicy", || json!("Max"));
        set(
            down,
            "policies",
            || json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]),
        );
    }
}

fn subject(fields: &mut Map<String, Value>) {
    if matches!(text(fields, "kind"), "User" | "Group") {
        set(fields, "apiGroup", || json!("rbac.authorization.k8s.io"));
    }
}

fn definition(fields: &mut Map<String, Value>) {
    let Some(spec) = object(fields, "spec") else {
        return;
    };
    set(spec, "conversion", || json!({"strategy": "None"}));
    if let Some(names) = object(spec, "names") {
        let kind = text(names, "kind").to_owned();
        if !kind.is_empty() {
            set(names, "singular", || json!(kind.to_lowercase()));
            set(names, "listKind", || json!(format!("{kind}List")));
        }
    }
    let stored = spec
        .get("versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find_map(|version| (version["storage"] == true).then(|| version["name"].clone()));
    if let (Some(stored), Some(status)) = (stored, object(fields, "status")) {
        set(status, "storedVersions", || json!([stored]));
    }
}
