//! The older form of where a Service leads: the Endpoints of its name, with pods by the ports they listen on.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::super::change::{Change, Creation};
use super::super::kind::Kind;
use super::super::object::{self, labels, list, name, namespace, number, set, text, truth};
use super::super::replicaset::is_ready;
use super::{HEADLESS, is_headless, located, resolve};

/// Who keeps them.
pub(super) const MANAGED: &str = "endpoints.kubernetes.io/managed-by";
pub(super) const MANAGER: &str = "endpoint-controller";
/// No more ports of a Service than a slice takes.
const PORTS: usize = 100;

/// Which pods listen on a port: those that are ready, and those that are not yet.
#[derive(Debug, Default, PartialEq)]
struct Places {
    ready: Vec<usize>,
    waiting: Vec<usize>,
}

/// What the Endpoints of a Service with these pods lack.
pub(super) fn desired(service: &Value, chosen: &[&Value], present: Option<&Value>) -> Option<Change> {
    let subsets = subsets(service, chosen);
    let mut own: Map<String, Value> = labels(service).cloned().unwrap_or_default();
    own.insert(MANAGED.to_owned(), json!(MANAGER));
    if is_headless(service) {
        own.insert(HEADLESS.to_owned(), json!(""));
    }
    let Some(present) = present else {
        let mut object = json!({
            "apiVersion": Kind::Endpoints.api_version(),
            "kind": Kind::Endpoints.name(),
            "metadata": {"name": name(service), "namespace": namespace(service), "labels": own},
        });
        if !subsets.is_empty() {
            set(&mut object, &["subsets"], json!(subsets));
        }
        return Some(Change::Create(Box::new(Creation {
            kind: Kind::Endpoints,
            object,
            done: None,
            failed: None,
        })));
    };
    if list(present, "/subsets") == subsets && labels(present) == Some(&own) {
        return None;
    }
    let mut next = present.clone();
    set(&mut next, &["metadata", "labels"], json!(own));
    set(&mut next, &["subsets"], json!(subsets));
    Some(Change::Update(Kind::Endpoints, next))
}

/// Ports that the same pods listen on stand together.
fn subsets(service: &Value, chosen: &[&Value]) -> Vec<Value> {
    let anyway = truth(service, "/spec/publishNotReadyAddresses");
    let ports = list(service, "/spec/ports");
    let mut by_port: BTreeMap<(usize, Option<i64>), (Option<Value>, Places)> = BTreeMap::new();
    for (place, pod) in chosen.iter().enumerate() {
        if !anyway && object::deleting(pod) {
            continue;
        }
        let waits = !anyway && !is_ready(pod);
        let mut add = |key: (usize, Option<i64>), port: Option<Value>| {
            let (_, places) = by_port.entry(key).or_insert((port, Places::default()));
            let side = if waits {
                &mut places.waiting
            } else {
                &mut places.ready
            };
            side.push(place);
        };
        if ports.is_empty() && is_headless(service) {
            add((0, None), None);
        }
        for (index, port) in ports.iter().enumerate().take(PORTS) {
            if let Some(port) = resolve(port, Some(pod)) {
                add((index, number(&port, "/port")), Some(without_empty_name(port)));
            }
        }
    }
    let mut subsets: Vec<(Places, Vec<Value>)> = Vec::new();
    for (port, places) in by_port.into_values() {
        match subsets.iter_mut().find(|(known, _)| *known == places) {
            Some((_, ports)) => ports.extend(port),
            None => subsets.push((places, port.into_iter().collect())),
        }
    }
    let addresses = |places: Vec<usize>| -> Vec<Value> {
        let pods = places.into_iter().filter_map(|place| chosen.get(place));
        pods.map(|pod| located(json!({"ip": text(pod, "/status/podIP")}), service, pod))
            .collect()
    };
    let told = subsets.into_iter().map(|(places, ports)| {
        let fields = [
            ("addresses", addresses(places.ready)),
            ("notReadyAddresses", addresses(places.waiting)),
            ("ports", ports),
        ];
        let said = fields.into_iter().filter(|(_, values)| !values.is_empty());
        let said = said.map(|(field, values)| (field.to_owned(), Value::Array(values)));
        Value::Object(said.collect())
    });
    told.collect()
}

/// A slice says that a port has no name, Endpoints do not mention it.
fn without_empty_name(mut port: Value) -> Value {
    if text(&port, "/name").is_empty()
        && let Some(fields) = port.as_object_mut()
    {
        fields.remove("name");
    }
    port
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str, ip: &str, ready: bool, ports: &Value) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"app": "web"}},
            "spec": {"nodeName": "sandbox-1", "containers": [{"ports": ports}]},
            "status": {"podIP": ip, "phase": "Running",
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
    }

    fn told(service: &Value, pods: &[Value]) -> Vec<String> {
        let pods: Vec<&Value> = pods.iter().collect();
        let ips = |subset: &Value, field: &str| {
            let all = list(subset, field).iter();
            all.map(|address| text(address, "/ip").to_owned())
                .collect::<Vec<_>>()
                .join(",")
        };
        let ports = |subset: &Value| {
            let all = list(subset, "/ports").iter();
            all.map(|port| format!("{}:{}", text(port, "/name"), port["port"]))
                .collect::<Vec<_>>()
                .join(",")
        };
        subsets(service, &pods)
            .iter()
            .map(|subset| {
                let (ready, waiting) = (ips(subset, "/addresses"), ips(subset, "/notReadyAddresses"));
                format!("{ready} | {waiting} | {}", ports(subset))
            })
            .collect()
    }

    #[test]
    fn pods_stand_by_the_ports_they_listen_on() {
        let http = json!([{"name": "http", "containerPort": 8080}]);
        let both =
            json!([{"name": "http", "containerPort": 8080}, {"name": "metrics", "containerPort": 9090}]);
        let pods = [
            pod("a", "10.0.0.1", true, &both),
            pod("b", "10.0.0.2", false, &both),
        ];
        let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": "http"},
            {"name": "metrics", "port": 90, "targetPort": "metrics"},
        ]}});
        assert_eq!(
            told(&service, &pods),
            ["10.0.0.1 | 10.0.0.2 | http:8080,metrics:9090"],
            "the same pods are named once"
        );
        let pods = [
            pod("a", "10.0.0.1", true, &both),
            pod("b", "10.0.0.2", true, &http),
        ];
        assert_eq!(
            told(&service, &pods),
            ["10.0.0.1,10.0.0.2 |  | http:8080", "10.0.0.1 |  | metrics:9090"]
        );
        assert_eq!(told(&service, &[]), Vec::<String>::new());
        let headless = json!({"metadata": {"name": "web"}, "spec": {"clusterIP": "None", "publishNotReadyAddresses": true}});
        assert_eq!(
            told(&headless, &[pod("b", "10.0.0.2", false, &http)]),
            ["10.0.0.2 |  | "],
            "names without ports"
        );
    }

    #[test]
    fn pods_that_end_are_left_out() {
        let mut pod = pod("a", "10.0.0.1", true, &json!([]));
        set(
            &mut pod,
            &["metadata", "deletionTimestamp"],
            json!("2026-01-01T00:00:00Z"),
        );
        let service = json!({"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}});
        assert_eq!(told(&service, &[pod]), Vec::<String>::new());
    }
}
