//! Everything else that people look at.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Printer;
use super::words::{NONE, age, list, number, since, text, text_or_unknown};

pub(super) fn printer(group: &str, plural: &str) -> Option<Printer> {
    Some(match (group, plural) {
        ("", "namespaces") => Printer {
            heads: &[("Status", "string", 0), ("Age", "string", 0)],
            cells: |object, now| vec![json!(text(object, "/status/phase")), age(object, now)],
        },
        ("", "nodes") => Printer {
            heads: &[
                ("Status", "string", 0),
                ("Roles", "string", 0),
                ("Age", "string", 0),
                ("Version", "string", 0),
                ("Internal-IP", "string", 1),
                ("External-IP", "string", 1),
                ("OS-Image", "string", 1),
                ("Kernel-Version", "string", 1),
                ("Container-Runtime", "string", 1),
            ],
            cells: node,
        },
        ("", "events") => Printer {
            heads: &[
                ("Last Seen", "string", 0),
                ("Type", "string", 0),
                ("Reason", "string", 0),
                ("Object", "string", 0),
                ("Subobject", "string", 1),
                ("Source", "string", 1),
                ("Message", "string", 0),
                ("First Seen", "string", 1),
                ("Count", "string", 1),
            ],
            cells: event,
        },
        ("", "resourcequotas") => Printer {
            heads: &[
                ("Request", "string", 0),
                ("Limit", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |object, now| {
                vec![
                    json!(quota(object, false)),
                    json!(quota(object, true)),
                    age(object, now),
                ]
            },
        },
        ("", "limitranges")
        | ("rbac.authorization.k8s.io", "roles" | "clusterroles")
        | ("apiextensions.k8s.io", "customresourcedefinitions") => Printer {
            heads: &[("Created At", "date", 0)],
            cells: |object, _| vec![json!(text(object, "/metadata/creationTimestamp"))],
        },
        ("rbac.authorization.k8s.io", "rolebindings" | "clusterrolebindings") => Printer {
            heads: &[
                ("Role", "string", 0),
                ("Age", "string", 0),
                ("Users", "string", 1),
                ("Groups", "string", 1),
                ("ServiceAccounts", "string", 1),
            ],
            cells: |object, now| {
                let role = format!(
                    "{}/{}",
                    text(object, "/roleRef/kind"),
                    text(object, "/roleRef/name")
                );
                let subjects = |kind: &str| {
                    let named = list(object, "/subjects").iter().filter(|one| one["kind"] == kind);
                    let names = named.map(|one| match (kind, text(one, "/namespace")) {
                        ("ServiceAccount", namespace) => format!("{namespace}/{}", text(one, "/name")),
                        _ => text(one, "/name").to_owned(),
                    });
                    json!(names.collect::<Vec<_>>().join(", "))
                };
                vec![
                    json!(role),
                    age(object, now),
                    subjects("User"),
                    subjects("Group"),
                    subjects("ServiceAccount"),
                ]
            },
        },
        ("autoscaling", "horizontalpodautoscalers") => Printer {
            heads: &[
                ("Reference", "string", 0),
                ("Targets", "string", 0),
                ("MinPods", "string", 0),
                ("MaxPods", "string", 0),
                ("Replicas", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |object, now| {
                let target = "/spec/scaleTargetRef";
                let at = |field: &str| text(object, &format!("{target}/{field}")).to_owned();
                vec![
                    json!(format!("{}/{}", at("kind"), at("name"))),
                    json!(scaling_targets(object)),
                    json!(number(object, "/spec/minReplicas").to_string()),
                    json!(number(object, "/spec/maxReplicas")),
                    json!(number(object, "/status/currentReplicas")),
                    age(object, now),
                ]
            },
        },
        ("policy", "poddisruptionbudgets") => Printer {
            heads: &[
                ("Min Available", "string", 0),
                ("Max Unavailable", "string", 0),
                ("Allowed Disruptions", "integer", 0),
                ("Age", "string", 0),
            ],
            cells: |object, now| {
                let bound = |field: &str| match &object["spec"][field] {
                    Value::Null => json!("N/A"),
                    Value::String(text) => json!(text),
                    other => json!(other.to_string()),
                };
                vec![
                    bound("minAvailable"),
                    bound("maxUnavailable"),
                    json!(number(object, "/status/disruptionsAllowed")),
                    age(object, now),
                ]
            },
        },
        ("coordination.k8s.io", "leases") => Printer {
            heads: &[("Holder", "string", 0), ("Age", "string", 0)],
            cells: |object, now| vec![json!(text(object, "/spec/holderIdentity")), age(object, now)],
        },
        ("scheduling.k8s.io", "priorityclasses") => Printer {
            heads: &[
                ("Value", "integer", 0),
                ("Global-Default", "boolean", 0),
                ("Age", "string", 0),
                ("PreemptionPolicy", "string", 0),
            ],
            cells: |object, now| {
                vec![
                    json!(number(object, "/value")),
                    json!(object["globalDefault"] == true),
                    age(object, now),
                    json!(text(object, "/preemptionPolicy")),
                ]
            },
        },
        _ => return None,
    })
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = list(object, "/status/conditions")
        .iter()
        .find(|one| one["type"] == "Ready");
    let mut status = match ready.map(|one| &one["status"]) {
        Some(status) if status == "True" => "Ready".to_owned(),
        Some(_) => "NotReady".to_owned(),
        None => "Unknown".to_owned(),
    };
    if object.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let roles: Vec<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    let address = |kind: &str| {
        let found = list(object, "/status/addresses")
            .iter()
            .find(|one| one["type"] == kind);
        found.map_or(json!(NONE), |one| json!(text(one, "/address")))
    };
    vec![
        json!(status),
        json!(if roles.is_empty() {
            NONE.to_owned()
        } else {
            roles.join(",")
        }),
        age(object, now),
        json!(text(object, "/status/nodeInfo/kubeletVersion")),
        address("InternalIP"),
        address("ExternalIP"),
        text_or_unknown(object, "/status/nodeInfo/osImage"),
        text_or_unknown(object, "/status/nodeInfo/kernelVersion"),
        text_or_unknown(object, "/status/nodeInfo/containerRuntimeVersion"),
    ]
}

fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let moment = |pointers: &[&str]| {
        pointers
            .iter()
            .map(|pointer| text(object, pointer))
            .find(|moment| !moment.is_empty())
            .unwrap_or_default()
    };
    let first = moment(&["/firstTimestamp", "/eventTime", "/metadata/creationTimestamp"]);
    let last = moment(&[
        "/series/lastObservedTime",
        "/lastTimestamp",
        "/eventTime",
        "/metadata/creationTimestamp",
    ]);
    let kind = text(object, "/involvedObject/kind").to_lowercase();
    let source = match text(object, "/source/component") {
        "" => text(object, "/reportingComponent"),
        component => component,
    };
    let source = match text(object, "/source/host") {
        "" => match text(object, "/reportingInstance") {
            instance if !instance.is_empty() && text(object, "/source/component").is_empty() => {
                format!("{source}, {instance}")
            }
            _ => source.to_owned(),
        },
        host => format!("{source}, {host}"),
    };
    let count = match (number(object, "/series/count"), number(object, "/count")) {
        (0, 0) => 1,
        (0, count) | (count, _) => count,
    };
    vec![
        json!(since(last, now)),
        json!(text(object, "/type")),
        json!(text(object, "/reason")),
        json!(format!("{kind}/{}", text(object, "/involvedObject/name"))),
        json!(text(object, "/involvedObject/fieldPath")),
        json!(source),
        json!(text(object, "/message").trim()),
        json!(since(first, now)),
        json!(count),
    ]
}

fn quota(object: &Value, limits: bool) -> String {
    let hard = object
        .pointer("/status/hard")
        .or_else(|| object.pointer("/spec/hard"));
    let used = object.pointer("/status/used");
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let each = hard.and_then(Value::as_object).into_iter().flatten();
    let each = each.filter(|(name, _)| name.starts_with("limits.") == limits);
    let each = each.map(|(name, hard)| {
        let used = used
            .and_then(|used| used.get(name))
            .map_or_else(|| "0".to_owned(), word);
        format!("{name}: {used}/{}", word(hard))
    });
    each.collect::<Vec<_>>().join(", ")
}

fn scaling_targets(object: &Value) -> String {
    let current = list(object, "/status/currentMetrics");
    let each = list(object, "/spec/metrics")
        .iter()
        .enumerate()
        .map(|(index, metric)| {
            let name = text(metric, "/resource/name");
            let present = current
                .get(index)
                .map_or(0, |one| number(one, "/resource/current/averageUtilization"));
            let wanted = number(metric, "/resource/target/averageUtilization");
            let present = if present == 0 {
                "<unknown>".to_owned()
            } else {
                format!("{present}%")
            };
            format!("{name}: {present}/{wanted}%")
        });
    let all: Vec<String> = each.collect();
    if all.is_empty() {
        NONE.to_owned()
    } else {
        all.join(", ")
    }
}
