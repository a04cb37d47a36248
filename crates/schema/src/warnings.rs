//! What is right but likely not meant: the warnings that the API server gives beside its answer.

use std::collections::{HashMap, HashSet};
use std::fmt::Arguments;

use serde_json::Value;

use crate::Quantity;
use crate::model::Schema;
use crate::rules::items;
use crate::validate::MOST;

/// The warnings of a built-in kind about a valid object, as the API server words them. Not all of them, and a hundred at
/// the most.
pub fn warnings(schema: &Schema, object: &Value) -> Vec<String> {
    let spec = &object["spec"];
    let mut found = Found::default();
    match schema.name.as_str() {
        "core.v1.Pod" => pod(spec, "spec", &mut found),
        "apps.v1.Deployment"
        | "apps.v1.ReplicaSet"
        | "apps.v1.StatefulSet"
        | "apps.v1.DaemonSet"
        | "batch.v1.Job" => pod(&spec["template"]["spec"], "spec.template.spec", &mut found),
        "batch.v1.CronJob" => {
            let spec = &spec["jobTemplate"]["spec"]["template"]["spec"];
            pod(spec, "spec.jobTemplate.spec.template.spec", &mut found);
        }
        "core.v1.Service" => service(spec, &mut found),
        _ => {}
    }
    found.warnings
}

#[derive(Default)]
struct Found {
    warnings: Vec<String>,
}

impl Found {
    fn add(&mut self, warning: Arguments<'_>) {
        if !self.is_full() {
            self.warnings.push(warning.to_string());
        }
    }

    fn is_full(&self) -> bool {
        self.warnings.len() >= MOST
    }
}

fn text<'a>(parent: &'a Value, name: &str) -> &'a str {
    parent[name].as_str().unwrap_or_default()
}

fn pod(spec: &Value, path: &str, found: &mut Found) {
    for (place, spread) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        if spread["labelSelector"].is_null() {
            found.add(format_args!(
                "{path}.topologySpreadConstraints[{place}].labelSelector: a null labelSelector results in matching no pod"
            ));
        }
    }
    let mut addresses = HashSet::new();
    for (place, alias) in items(spec, "hostAliases").iter().enumerate() {
        if !addresses.insert(&alias["ip"]) {
            let ip = text(alias, "ip");
            found.add(format_args!(
                "{path}.hostAliases[{place}].ip: duplicate ip {ip:?}"
            ));
        }
    }
    let secrets = items(spec, "imagePullSecrets");
    let mut names = HashSet::new();
    for (place, secret) in secrets.iter().enumerate() {
        let name = text(secret, "name");
        if !names.insert(name) {
            found.add(format_args!(
                "{path}.imagePullSecrets[{place}].name: duplicate name {name:?}"
            ));
        }
    }
    for (place, secret) in secrets.iter().enumerate() {
        let name = text(secret, "name");
        if name.is_empty() {
            found.add(format_args!(
                "{path}.imagePullSecrets[{place}].name: invalid empty name {name:?}"
            ));
        }
    }
    // Init containers come first, as upstream visits them.
    let containers: Vec<(String, &Value)> = ["initContainers", "containers"]
        .into_iter()
        .flat_map(|list| {
            let numbered = items(spec, list).iter().enumerate();
            numbered.map(move |(place, container)| (format!("{path}.{list}[{place}]"), container))
        })
        .collect();
    for (path, container) in &containers {
        fractions(container, path, found);
        environment(container, path, found);
    }
    ports(&containers, found);
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds < 0)
    {
        found.add(format_args!(
            "{path}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
}

/// Parts of a byte.
fn fractions(container: &Value, path: &str, found: &mut Found) {
    for resource in ["memory", "ephemeral-storage"] {
        for list in ["limits", "requests"] {
            let amount = &container["resources"][list][resource];
            let parsed = amount.as_str().and_then(|amount| amount.parse::<Quantity>().ok());
            if parsed.is_some_and(|amount| amount.nano() % 1_000_000_000 != 0) {
                found.add(format_args!(
                    "{path}.resources.{list}[{resource}]: fractional byte value {amount} is invalid, must be an integer"
                ));
            }
        }
    }
}

/// Variables that hide others.
fn environment(container: &Value, path: &str, found: &mut Found) {
    let mut names = HashSet::new();
    for (place, variable) in items(container, "env").iter().enumerate() {
        let name = text(variable, "name");
        let before = !names.insert(name);
        let reference = format!("$({name})");
        let value = text(variable, "value");
        let extends = value.contains(&reference) && value != reference && !variable["valueFrom"].is_object();
        if before && !extends {
            found.add(format_args!(
                "{path}.env[{place}]: hides previous definition of {name:?}, which may be dropped when using apply"
            ));
        }
    }
}

/// A port of a container, and where it stands.
struct Port<'a> {
    field: String,
    says: &'a Value,
    /// The address and the port of the host.
    address: &'a str,
    host: i64,
}

/// Which ports there are of one number and protocol: all, of one port of the host, or that of one address.
type Taken<'a> = HashMap<(String, Option<(i64, Option<&'a str>)>), Vec<usize>>;

fn ports(containers: &[(String, &Value)], found: &mut Found) {
    let all = containers.iter().flat_map(|(path, container)| {
        let numbered = items(container, "ports").iter().enumerate();
        numbered.map(move |(place, port)| Port {
            field: format!("{path}.ports[{place}]"),
            says: port,
            address: text(port, "hostIP"),
            host: port["hostPort"].as_i64().unwrap_or(0),
        })
    });
    let all: Vec<Port<'_>> = all.collect();
    let mut taken = Taken::new();
    for (place, port) in all.iter().enumerate() {
        let number = format!("{}/{}", port.says["containerPort"], text(port.says, "protocol"));
        for (other, how) in met(port, &number, &taken, &all) {
            let (field, other) = (&port.field, &other.field);
            found.add(format_args!("{field}: {how} port definition with {other}"));
        }
        if found.is_full() {
            return;
        }
        let (host, address) = (port.host, port.address);
        for of in [None, Some((host, None)), Some((host, Some(address)))] {
            taken.entry((number.clone(), of)).or_default().push(place);
        }
    }
    let mut names: HashMap<&str, &str> = HashMap::new();
    for Port { field, says, .. } in &all {
        let name = text(says, "name");
        if name.is_empty() {
            continue;
        }
        if let Some(other) = names.get(name) {
            found.add(format_args!(
                "{field}: duplicate port name {name:?} with {other}, services and probes that select ports by name \
                 will use {other}"
            ));
        } else {
            names.insert(name, field);
        }
    }
}

/// The ports before one that it gets in the way of, and how; no more than are told.
fn met<'a, 'p>(
    port: &Port<'p>,
    number: &str,
    taken: &Taken<'p>,
    all: &'a [Port<'p>],
) -> Vec<(&'a Port<'p>, &'static str)> {
    let (host, address) = (port.host, port.address);
    let of = match (host, address) {
        (0, _) => vec![None],
        (_, "") => vec![Some((0, None)), Some((host, None))],
        _ => vec![
            Some((0, None)),
            Some((host, Some(address))),
            Some((host, Some(""))),
        ],
    };
    let places = of.into_iter().flat_map(|of| {
        let places = taken.get(&(number.to_owned(), of)).into_iter().flatten();
        places.take(MOST)
    });
    let mut places: Vec<usize> = places.copied().collect();
    places.sort_unstable();
    let others = places.into_iter().map(|place| &all[place]);
    others
        .map(|other| {
            let how = if (host, address) == (other.host, other.address) {
                "duplicate"
            } else if host == 0 || other.host == 0 {
                "overlapping"
            } else {
                "dangerously ambiguous"
            };
            (other, how)
        })
        .collect()
}

fn service(spec: &Value, found: &mut Found) {
    let headless = spec["clusterIP"] == "None";
    let outside = !items(spec, "externalIPs").is_empty();
    let named = text(spec, "type") == "ExternalName";
    if headless {
        for (given, name) in [
            (!text(spec, "loadBalancerIP").is_empty(), "loadBalancerIP"),
            (outside, "externalIPs"),
            (
                !matches!(text(spec, "sessionAffinity"), "" | "None"),
                "SessionAffinity",
            ),
        ] {
            if given {
                found.add(format_args!("spec.{name} is ignored for headless services"));
            }
        }
    }
    if outside && !headless && !named {
        found.add(format_args!(
            "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
        ));
    }
    if outside && named {
        found.add(format_args!(
            "spec.externalIPs is ignored when spec.type is \"ExternalName\""
        ));
    }
    if !named && !text(spec, "externalName").is_empty() {
        found.add(format_args!(
            "spec.externalName is ignored when spec.type is not \"ExternalName\""
        ));
    }
}
