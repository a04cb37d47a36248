//! Autoscalers have two faces over one store: `autoscaling/v2`, in which they are kept, and `autoscaling/v1`, whose
//! fields know of one measure alone. What v1 has no field for stands in its annotations.
//!
//! Reference: `pkg/apis/autoscaling/v1/conversion.go` of Kubernetes.

use serde_json::{Map, Value, json};

use super::meta::metadata_mut;
use crate::catalog::Resource;

pub(super) const V1: &str = "autoscaling/v1";
const V2: &str = "autoscaling/v2";

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const MEASURED: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";

/// What v1 says of an autoscaler in annotations.
const ANNOTATIONS: [&str; 6] = [
    METRICS,
    MEASURED,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];

/// Whether a value of a metric is wished for or measured.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Wanted,
    Measured,
}

impl Side {
    /// The field of v2 that holds it, which is also how the fields of v1 begin.
    fn word(self) -> &'static str {
        match self {
            Self::Wanted => "target",
            Self::Measured => "current",
        }
    }
}

/// The fields of a kind of metric: where they are in v2, and what they are called in v1. `@` stands for the side.
type Names = &'static [(&'static str, &'static str)];

const OF_RESOURCE: Names = &[
    ("/name", "name"),
    ("/container", "container"),
    ("/@/averageUtilization", "@AverageUtilization"),
    ("/@/averageValue", "@AverageValue"),
];
const KINDS: [(&str, Names); 5] = [
    ("resource", OF_RESOURCE),
    ("containerResource", OF_RESOURCE),
    (
        "pods",
        &[
            ("/metric/name", "metricName"),
            ("/metric/selector", "selector"),
            ("/@/averageValue", "@AverageValue"),
        ],
    ),
    (
        "object",
        &[
            ("/describedObject", "target"),
            ("/metric/name", "metricName"),
            ("/metric/selector", "selector"),
            ("/@/value", "@Value"),
            ("/@/averageValue", "averageValue"),
        ],
    ),
    (
        "external",
        &[
            ("/metric/name", "metricName"),
            ("/metric/selector", "metricSelector"),
            ("/@/value", "@Value"),
            ("/@/averageValue", "@AverageValue"),
        ],
    ),
];

/// Whether the objects of a resource are autoscalers.
pub(super) fn is_scaler(resource: &Resource) -> bool {
    resource.is("autoscaling", "horizontalpodautoscalers")
}

/// From `autoscaling/v1` to `autoscaling/v2`.
pub(super) fn to_v2(scaler: &mut Value) {
    let held = |name: &str| -> Option<Value> {
        serde_json::from_str(scaler["metadata"]["annotations"][name].as_str()?).ok()
    };
    let (metrics, measured) = (held(METRICS), held(MEASURED));
    let (conditions, behavior) = (held(CONDITIONS), held(BEHAVIOR));
    let percentage = taken(scaler, "spec", "targetCPUUtilizationPercentage");
    let present = taken(scaler, "status", "currentCPUUtilizationPercentage");

    let mut wanted = listed(metrics, |metric| metric_of_v1(metric, Side::Wanted)).unwrap_or_default();
    wanted.extend(percentage.map(|percentage| {
        json!({ "type": "Resource", "resource": {
            "name": "cpu", "target": { "type": "Utilization", "averageUtilization": percentage },
        } })
    }));
    if !wanted.is_empty() {
        put(scaler, "spec", "metrics", Value::Array(wanted));
    }
    if let Some(behavior) = behavior.filter(|behavior| behavior.as_object().is_some_and(|it| !it.is_empty()))
    {
        let behavior = with_keys(behavior, str::to_ascii_lowercase);
        put(scaler, "spec", "behavior", behavior);
    }
    let measured = listed(measured, |metric| metric_of_v1(metric, Side::Measured)).or_else(|| {
        let present = present?;
        Some(vec![json!({ "type": "Resource", "resource": {
            "name": "cpu", "current": { "averageUtilization": present },
        } })])
    });
    if let Some(measured) = measured {
        put(scaler, "status", "currentMetrics", Value::Array(measured));
    }
    if let Some(conditions) = listed(conditions, Clone::clone) {
        put(scaler, "status", "conditions", Value::Array(conditions));
    }
    forget_annotations(scaler);
    scaler["apiVersion"] = json!(V2);
}

/// From `autoscaling/v2` to `autoscaling/v1`.
pub(super) fn to_v1(scaler: &mut Value) {
    forget_annotations(scaler);
    let metrics = array(taken(scaler, "spec", "metrics"));
    let measured = array(taken(scaler, "status", "currentMetrics"));
    let conditions = array(taken(scaler, "status", "conditions"));
    let behavior = taken(scaler, "spec", "behavior");
    let percentage = |metric: &Value, side: Side| {
        let resource = Some(&metric["resource"]).filter(|resource| resource["name"] == "cpu")?;
        let percentage = &resource[side.word()]["averageUtilization"];
        Some(percentage.clone()).filter(|percentage| !percentage.is_null())
    };
    let mut others = Vec::new();
    let mut wanted = None;
    for metric in &metrics {
        match percentage(metric, Side::Wanted) {
            Some(percentage) => wanted = wanted.or(Some(percentage)),
            None => others.push(metric_of_v2(metric, Side::Wanted)),
        }
    }
    if let Some(wanted) = wanted {
        put(scaler, "spec", "targetCPUUtilizationPercentage", wanted);
    }
    if let Some(present) = measured
        .iter()
        .rev()
        .find_map(|metric| percentage(metric, Side::Measured))
    {
        put(scaler, "status", "currentCPUUtilizationPercentage", present);
    }
    let measured: Vec<Value> = measured
        .iter()
        .map(|metric| metric_of_v2(metric, Side::Measured))
        .collect();
    for (name, list) in [(METRICS, others), (MEASURED, measured), (CONDITIONS, conditions)] {
        if !list.is_empty() {
            annotate(scaler, name, &Value::Array(list));
        }
    }
    if let Some(behavior) = behavior {
        annotate(scaler, BEHAVIOR, &with_keys(behavior, str::to_ascii_uppercase));
    }
    scaler["apiVersion"] = json!(V1);
}

/// Puts a field into a part of the object; a part that is no object, as who is asked at the door may have left it, is told
/// of elsewhere.
fn put(scaler: &mut Value, part: &str, field: &str, value: Value) {
    let parts = scaler.as_object_mut();
    let part = parts.map(|parts| parts.entry(part).or_insert_with(|| json!({})));
    if let Some(fields) = part.and_then(Value::as_object_mut) {
        fields.insert(field.to_owned(), value);
    }
}

/// Takes a field out of a part of the object.
fn taken(scaler: &mut Value, part: &str, field: &str) -> Option<Value> {
    let value = scaler.get_mut(part)?.as_object_mut()?.remove(field)?;
    Some(value).filter(|value| !value.is_null())
}

fn array(value: Option<Value>) -> Vec<Value> {
    match value {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn listed(value: Option<Value>, read: impl Fn(&Value) -> Value) -> Option<Vec<Value>> {
    Some(value?.as_array()?.iter().map(read).collect())
}

fn forget_annotations(scaler: &mut Value) {
    let annotations = scaler.pointer_mut("/metadata/annotations");
    if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
        annotations.retain(|name, _| !ANNOTATIONS.contains(&name.as_str()));
    }
    if let Ok(metadata) = metadata_mut(scaler)
        && metadata.get("annotations") == Some(&json!({}))
    {
        metadata.remove("annotations");
    }
}

fn annotate(scaler: &mut Value, name: &str, value: &Value) {
    if let Ok(metadata) = metadata_mut(scaler)
        && let Some(annotations) = metadata
            .entry("annotations")
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        annotations.insert(name.to_owned(), json!(value.to_string()));
    }
}

fn of_side(name: &str, side: Side) -> String {
    name.replace('@', side.word())
}

fn metric_of_v2(metric: &Value, side: Side) -> Value {
    let mut said = json!({ "type": metric["type"] });
    for (kind, names) in KINDS {
        if !metric[kind].is_object() {
            continue;
        }
        let mut fields = Map::new();
        for (place, name) in names {
            if let Some(value) = metric[kind].pointer(&of_side(place, side)) {
                fields.insert(of_side(name, side), value.clone());
            }
        }
        if kind == "object" {
            // It cannot be left out there.
            fields
                .entry(of_side("@Value", side))
                .or_insert_with(|| json!("0"));
        }
        said[kind] = Value::Object(fields);
    }
    said
}

fn metric_of_v1(metric: &Value, side: Side) -> Value {
    let mut said = json!({ "type": metric["type"] });
    for (kind, names) in KINDS {
        if !metric[kind].is_object() {
            continue;
        }
        let mut read = json!({});
        for (place, name) in names {
            let value = &metric[kind][of_side(name, side)];
            let empty = value == "0" && *place == "/@/value" && side == Side::Wanted;
            let instead = !metric[kind]["averageValue"].is_null();
            if !(value.is_null() || empty && instead) {
                set(&mut read, &of_side(place, side), value.clone());
            }
        }
        if side == Side::Wanted {
            let target = &read["target"];
            let of = |field: &str| !target[field].is_null();
            let measure = if of("averageUtilization") {
                "Utilization"
            } else if of("value") && (kind == "external" || !of("averageValue")) {
                "Value"
            } else {
                "AverageValue"
            };
            read["target"]["type"] = json!(measure);
        }
        said[kind] = read;
    }
    said
}

/// Sets a field below others.
fn set(value: &mut Value, place: &str, to: Value) {
    let mut at = value;
    for step in place.split('/').skip(1) {
        at = &mut at[step];
    }
    *at = to;
}

/// Fields with another first letter: the annotation is written in the names that Go has for them.
fn with_keys(value: Value, change: fn(&str) -> String) -> Value {
    match value {
        Value::Array(items) => items.into_iter().map(|item| with_keys(item, change)).collect(),
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            let renamed = fields.map(|(name, value)| {
                let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
                (format!("{}{rest}", change(first)), with_keys(value, change))
            });
            Value::Object(renamed.collect())
        }
        value => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who is asked at the door may have made anything of it.
    #[test]
    fn what_is_no_autoscaler_changes_its_version_alone() {
        let check = |mut scaler: Value, change: fn(&mut Value), expect: Value| {
            change(&mut scaler);
            assert_eq!(scaler, expect);
        };
        let held = json!({ METRICS: "[{}]", MEASURED: "[{}]", CONDITIONS: "[{}]", BEHAVIOR: "{\"a\":1}" });
        check(
            json!({ "apiVersion": V1, "metadata": { "annotations": held }, "spec": "x", "status": 1 }),
            to_v2,
            json!({ "apiVersion": V2, "metadata": {}, "spec": "x", "status": 1 }),
        );
        check(
            json!({ "apiVersion": V2, "metadata": {}, "spec": ["x"], "status": "y" }),
            to_v1,
            json!({ "apiVersion": V1, "metadata": {}, "spec": ["x"], "status": "y" }),
        );
    }

    #[test]
    fn autoscalers_change_their_face_and_back() {
        let v2 = json!({
            "apiVersion": V2, "kind": "HorizontalPodAutoscaler",
            "metadata": { "name": "web", "annotations": { "own": "stays" } },
            "spec": {
                "maxReplicas": 5,
                "metrics": [
                    { "type": "Resource", "resource": {
                        "name": "memory", "target": { "type": "AverageValue", "averageValue": "1Gi" } } },
                    { "type": "Object", "object": {
                        "describedObject": { "kind": "Ingress", "name": "main" },
                        "metric": { "name": "hits" }, "target": { "type": "Value", "value": "2k" } } },
                    { "type": "Pods", "pods": {
                        "metric": { "name": "packets", "selector": { "matchLabels": { "a": "b" } } },
                        "target": { "type": "AverageValue", "averageValue": "1k" } } },
                    { "type": "External", "external": {
                        "metric": { "name": "queue" }, "target": { "type": "AverageValue", "averageValue": "30" } } },
                    { "type": "ContainerResource", "containerResource": {
                        "name": "cpu", "container": "app", "target": { "type": "Utilization", "averageUtilization": 60 } } },
                    { "type": "Resource", "resource": {
                        "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 70 } } },
                ],
                "behavior": { "scaleUp": { "selectPolicy": "Max", "policies": [
                    { "type": "Pods", "value": 4, "periodSeconds": 15 } ] } },
            },
            "status": {
                "currentReplicas": 1,
                "conditions": [{ "type": "AbleToScale", "status": "True" }],
                "currentMetrics": [{ "type": "Resource", "resource": {
                    "name": "cpu", "current": { "averageUtilization": 12, "averageValue": "30m" } } }],
            },
        });
        let mut scaler = v2.clone();
        to_v1(&mut scaler);
        assert_eq!(scaler["apiVersion"], V1);
        assert_eq!(scaler["spec"]["targetCPUUtilizationPercentage"], 70);
        assert_eq!(scaler["status"]["currentCPUUtilizationPercentage"], 12);
        assert_eq!(scaler["spec"].get("metrics"), None);
        let annotation = |name: &str| -> Value {
            serde_json::from_str(scaler["metadata"]["annotations"][name].as_str().unwrap()).unwrap()
        };
        let metrics = annotation(METRICS);
        assert_eq!(
            metrics[0]["resource"],
            json!({ "name": "memory", "targetAverageValue": "1Gi" })
        );
        assert_eq!(metrics[1]["object"]["target"]["name"], "main");
        assert_eq!(metrics[1]["object"]["targetValue"], "2k");
        assert_eq!(
            annotation(BEHAVIOR)["ScaleUp"]["Policies"][0]["PeriodSeconds"],
            15
        );
        to_v2(&mut scaler);
        assert_eq!(scaler, v2);
    }

    #[test]
    fn a_measure_that_is_not_said_is_left_to_the_defaults() {
        let mut scaler = json!({ "apiVersion": V1, "metadata": {}, "spec": { "maxReplicas": 2 } });
        to_v2(&mut scaler);
        assert_eq!(
            scaler,
            json!({ "apiVersion": V2, "metadata": {}, "spec": { "maxReplicas": 2 } })
        );
    }
}
