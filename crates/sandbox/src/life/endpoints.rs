//! Services: one EndpointSlice each, with the addresses of the pods it selects, and the Endpoints of its name.
//!
//! Pure functions.

mod subsets;

use serde_json::{Map, Value, json};

use super::change::{Change, Creation, Plan, Target};
use super::kind::Kind;
use super::object::{self, labels, list, map, name, namespace, number, set, text, truth, uid};
use super::replicaset::is_ready;
use super::selector;
use super::template_hash::template_hash;

const SERVICE: &str = "kubernetes.io/service-name";
const MANAGED: &str = "endpointslice.kubernetes.io/managed-by";
const HEADLESS: &str = "service.kubernetes.io/headless";
/// The most endpoints the API takes in one slice.
const MOST: usize = 1000;

/// Does the Service select this pod?
pub(crate) fn selects(service: &Value, pod: &Value) -> bool {
    map(service, "/spec/selector")
        .is_some_and(|pairs| !pairs.is_empty() && selector::contains(pairs, labels(pod)))
}

/// The name of the slice of a Service.
pub(crate) fn slice_name(service: &Value) -> String {
    let hash = template_hash(&json!(uid(service)), 0);
    format!("{}-{}", name(service), hash.get(..5).unwrap_or(&hash))
}

/// What there is of a Service already.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Present<'a> {
    pub(crate) slice: Option<&'a Value>,
    pub(crate) endpoints: Option<&'a Value>,
}

/// What is to be done for a Service, given the pods of its namespace.
pub(crate) fn desired(service: &Value, pods: &[&Value], present: Present<'_>) -> Plan {
    let mut plan = Plan::default();
    let selecting = map(service, "/spec/selector").is_some_and(|pairs| !pairs.is_empty());
    if object::deleting(service) || !selecting || text(service, "/spec/type") == "ExternalName" {
        return plan;
    }
    let mut chosen: Vec<&Value> = pods
        .iter()
        .copied()
        .filter(|pod| selects(service, pod) && !text(pod, "/status/podIP").is_empty())
        .filter(|pod| !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"))
        .collect();
    chosen.sort_by_key(|pod| name(pod));
    chosen.truncate(MOST);
    plan.changes.extend(slice(service, &chosen, present.slice));
    plan.changes
        .extend(subsets::desired(service, &chosen, present.endpoints));
    plan
}

/// What is to be done when a Service is gone: its slice has it as its owner, what has its name does not.
pub(crate) fn left_over(endpoints: Option<&Value>) -> Plan {
    let mut plan = Plan::default();
    if let Some(endpoints) = endpoints {
        plan.push(Change::Delete(Target::of(Kind::Endpoints, endpoints)));
    }
    plan
}

/// Are these the Endpoints of a Service, and not somebody's own?
pub(crate) fn managed(endpoints: &Value) -> bool {
    object::label(endpoints, subsets::MANAGED) == subsets::MANAGER
}

/// What the slice of a Service with these pods lacks.
fn slice(service: &Value, chosen: &[&Value], present: Option<&Value>) -> Option<Change> {
    let anyway = truth(service, "/spec/publishNotReadyAddresses");
    let endpoints: Vec<Value> = chosen.iter().map(|pod| endpoint(service, pod, anyway)).collect();
    // Without pods nobody knows what the ports are.
    let ports: Vec<Value> = list(service, "/spec/ports")
        .iter()
        .filter(|_| !chosen.is_empty())
        .filter_map(|port| resolve(port, chosen.first().copied()))
        .collect();

    if let Some(present) = present {
        if present.get("endpoints") == Some(&json!(endpoints)) && present.get("ports") == Some(&json!(ports))
        {
            return None;
        }
        let mut next = present.clone();
        set(&mut next, &["endpoints"], json!(endpoints));
        set(&mut next, &["ports"], json!(ports));
        return Some(Change::Update(Kind::EndpointSlice, next));
    }
    let mut own: Map<String, Value> = labels(service).cloned().unwrap_or_default();
    own.insert(SERVICE.to_owned(), json!(name(service)));
    own.insert(MANAGED.to_owned(), json!("sandbox.towpath.dev"));
    if is_headless(service) {
        own.insert(HEADLESS.to_owned(), json!(""));
    }
    Some(Change::Create(Box::new(Creation {
        kind: Kind::EndpointSlice,
        object: json!({
            "apiVersion": Kind::EndpointSlice.api_version(),
            "kind": Kind::EndpointSlice.name(),
            "metadata": {
                "name": slice_name(service),
                "generateName": format!("{}-", name(service)),
                "namespace": namespace(service),
                "labels": own,
                "ownerReferences": [object::owner_reference(Kind::Service, service)],
            },
            "addressType": "IPv4",
            "endpoints": endpoints,
            "ports": ports,
        }),
        done: None,
        failed: None,
    })))
}

fn is_headless(service: &Value) -> bool {
    text(service, "/spec/clusterIP") == "None"
}

/// The name that the pod has below the Service's, or "".
fn hostname<'a>(service: &Value, pod: &'a Value) -> &'a str {
    if text(pod, "/spec/subdomain") == name(service) {
        text(pod, "/spec/hostname")
    } else {
        ""
    }
}

fn endpoint(service: &Value, pod: &Value, anyway: bool) -> Value {
    let (ready, leaving) = (is_ready(pod), object::deleting(pod));
    let endpoint = json!({
        "addresses": [text(pod, "/status/podIP")],
        "conditions": {"ready": anyway || (ready && !leaving), "serving": ready, "terminating": leaving},
    });
    located(endpoint, service, pod)
}

/// With the pod that it leads to, and where that is.
fn located(mut endpoint: Value, service: &Value, pod: &Value) -> Value {
    set(&mut endpoint, &["nodeName"], json!(text(pod, "/spec/nodeName")));
    let reference = json!({"kind": "Pod", "name": name(pod), "namespace": namespace(pod), "uid": uid(pod)});
    set(&mut endpoint, &["targetRef"], reference);
    let hostname = hostname(service, pod);
    if !hostname.is_empty() {
        set(&mut endpoint, &["hostname"], json!(hostname));
    }
    endpoint
}

/// A port of the Service as the pods know it; one that names a port the pods lack is left out.
fn resolve(port: &Value, pod: Option<&Value>) -> Option<Value> {
    let target = port
        .get("targetPort")
        .filter(|target| !target.is_null() && **target != json!(0));
    let number = match target {
        Some(Value::String(wanted)) => {
            let containers = list(pod?, "/spec/containers").iter();
            let mut ports = containers.flat_map(|container| list(container, "/ports"));
            number(
                ports.find(|port| text(port, "/name") == wanted)?,
                "/containerPort",
            )?
        }
        Some(number) => number.as_i64()?,
        None => number(port, "/port")?,
    };
    let protocol = text(port, "/protocol");
    let mut resolved = json!({
        "name": text(port, "/name"),
        "port": number,
        "protocol": if protocol.is_empty() { "TCP" } else { protocol },
    });
    if let Some(application) = port
        .get("appProtocol")
        .filter(|application| !application.is_null())
    {
        set(&mut resolved, &["appProtocol"], application.clone());
    }
    Some(resolved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::told::told;

    fn service(spec: &Value) -> Value {
        let mut service = json!({"metadata": {"name": "web", "namespace": "shop", "uid": "s", "labels": {"app": "web"}},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}});
        for (key, value) in spec.as_object().unwrap() {
            service["spec"][key] = value.clone();
        }
        service
    }

    fn pod(name: &str, app: &str, ready: bool) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop", "uid": name, "labels": {"app": app}},
            "spec": {"nodeName": "sandbox-1", "containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"podIP": "10.128.0.1", "phase": "Running",
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
    }

    fn made(plan: &Plan) -> &Value {
        match plan.changes.first() {
            Some(Change::Create(creation)) => &creation.object,
            Some(Change::Update(_, object)) => object,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_service_points_at_its_pods() {
        let pods = [
            pod("b", "web", false),
            pod("a", "web", true),
            pod("c", "other", true),
        ];
        let pods: Vec<&Value> = pods.iter().collect();
        let service = service(&json!({}));
        let plan = desired(&service, &pods, Present::default());
        let slice = made(&plan);
        let names: Vec<&str> = slice["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| it["targetRef"]["name"].as_str().unwrap())
            .collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(slice["endpoints"][0]["conditions"]["ready"], true);
        assert_eq!(slice["endpoints"][1]["conditions"]["ready"], false);
        assert_eq!(
            slice["ports"],
            json!([{"name": "http", "port": 8080, "protocol": "TCP"}])
        );
        assert_eq!(slice["metadata"]["labels"][SERVICE], "web");

        let Some(Change::Create(creation)) = plan.changes.get(1) else {
            panic!("{plan:?}");
        };
        let present = Present {
            slice: Some(slice),
            endpoints: Some(&creation.object),
        };
        assert_eq!(told(&desired(&service, &pods, present)), Vec::<String>::new());
        let changed = desired(&service, &pods[..1], present);
        assert_eq!(made(&changed)["endpoints"].as_array().unwrap().len(), 1);
        assert_eq!(
            told(&changed).len(),
            2,
            "one that is gone was in the Endpoints too"
        );
    }

    #[test]
    fn services_without_pods_of_their_own_have_no_slice() {
        for spec in [
            json!({"selector": null}),
            json!({"selector": {}}),
            json!({"type": "ExternalName"}),
        ] {
            let plan = desired(&service(&spec), &[], Present::default());
            assert_eq!(told(&plan), Vec::<String>::new());
        }
    }

    #[test]
    fn ports_are_resolved() {
        let pod = pod("a", "web", true);
        let check = |port: Value, expect: Option<i64>| {
            let resolved = resolve(&port, Some(&pod)).and_then(|port| number(&port, "/port"));
            assert_eq!(resolved, expect, "{port}");
        };
        check(json!({"port": 80}), Some(80));
        check(json!({"port": 80, "targetPort": 8080}), Some(8080));
        check(json!({"port": 80, "targetPort": "http"}), Some(8080));
        check(json!({"port": 80, "targetPort": "ghost"}), None);
        check(json!({}), None);
    }

    #[test]
    fn a_pod_has_its_name_below_its_own_service_alone() {
        let mut member = pod("web-0", "web", true);
        set(&mut member, &["spec", "hostname"], json!("web-0"));
        set(&mut member, &["spec", "subdomain"], json!("web"));
        let mut other = service(&json!({}));
        set(&mut other, &["metadata", "name"], json!("reads"));
        assert_eq!(
            endpoint(&service(&json!({})), &member, false)["hostname"],
            "web-0"
        );
        assert!(endpoint(&other, &member, false).get("hostname").is_none());
    }
}
