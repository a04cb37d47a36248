//! What an object reaches beyond its namespace: hosts that others serve, controllers that serve everybody, other
//! teams' Secrets and figures. Nobody gets there without being asked.
//!
//! Each rule is about a field or annotation that a shared controller obeys with its own rights, so that the rights of
//! whoever wrote the object do not stop it.

use serde_json::{Map, Value};

use crate::expand::Intent;
use crate::route;

/// Why an object reaches too far, if it does.
pub(crate) fn too_far(intent: &Intent<'_>, object: &Value) -> Option<String> {
    strange_host(intent, object)
        .or_else(|| annotated(&intent.place.namespace, object))
        .or_else(|| monitored(&intent.place.namespace, object))
}

/// Annotations by which a host gets a record or an entrance.
const HOST_ANNOTATIONS: [(&str, &str); 4] = [
    ("external-dns.alpha.kubernetes.io", "hostname"),
    ("external-dns.alpha.kubernetes.io", "internal-hostname"),
    ("external-dns.kubernetes.io", "hostname"),
    ("nginx.ingress.kubernetes.io", "server-alias"),
];

fn strange_host(intent: &Intent<'_>, object: &Value) -> Option<String> {
    let annotated = annotations(object).flat_map(|(key, value)| {
        let names_hosts = HOST_ANNOTATIONS
            .iter()
            .any(|(domain, name)| key.split_once('/') == Some((domain, name)));
        let value = if names_hosts { value.as_str() } else { None };
        value
            .into_iter()
            .flat_map(|hosts| hosts.split(',').map(str::trim))
    });
    let host = hosts(object)
        .into_iter()
        .chain(annotated)
        .find(|host| !route::may_serve(intent, host))?;
    Some(format!(
        "answers at \"{}\", which is not a host of the team",
        host.escape_default()
    ))
}

/// The hosts an Ingress or a route of the Gateway API answers at. One that names none answers at all of them.
fn hosts(object: &Value) -> Vec<&str> {
    match (group(object), object["kind"].as_str().unwrap_or_default()) {
        ("networking.k8s.io" | "extensions", "Ingress") => {
            let rules = items(&object["spec"]["rules"]);
            let certificates = items(&object["spec"]["tls"]);
            let mut hosts: Vec<&str> = rules
                .map(|rule| rule["host"].as_str().unwrap_or_default())
                .chain(certificates.flat_map(|entry| items(&entry["hosts"]).filter_map(Value::as_str)))
                .collect();
            if !object["spec"]["defaultBackend"].is_null() {
                hosts.push("");
            }
            hosts
        }
        ("gateway.networking.k8s.io", _) => {
            let named: Vec<&str> = items(&object["spec"]["hostnames"])
                .filter_map(Value::as_str)
                .collect();
            if named.is_empty() { vec![""] } else { named }
        }
        _ => Vec::new(),
    }
}

/// An Ingress is read by a controller that serves every team.
fn annotated(namespace: &str, object: &Value) -> Option<String> {
    if object["kind"] != "Ingress" {
        return None;
    }
    annotations(object).find_map(|(key, value)| {
        let name = key.rsplit('/').next().unwrap_or_default();
        if name.ends_with("-snippet") || name.ends_with("-snippets") {
            return Some(format!(
                "sets {}, configuration of its own for a controller that serves everybody",
                key.escape_default()
            ));
        }
        // `namespace/name`, where the controller takes it.
        let (owner, _) = value.as_str()?.split_once('/')?;
        (name.ends_with("-secret") && owner != namespace).then(|| {
            format!(
                "sets {} to {value}, a Secret of another namespace",
                key.escape_default()
            )
        })
    })
}

/// A monitor is followed by a Prometheus that sees every namespace and has files of its own.
fn monitored(namespace: &str, object: &Value) -> Option<String> {
    let endpoints = match (group(object), object["kind"].as_str().unwrap_or_default()) {
        ("monitoring.coreos.com", "ServiceMonitor") => "endpoints",
        ("monitoring.coreos.com", "PodMonitor") => "podMetricsEndpoints",
        _ => return None,
    };
    let spec = &object["spec"];
    let selector = &spec["namespaceSelector"];
    let elsewhere = items(&selector["matchNames"]).any(|name| name != namespace);
    if selector["any"] == true || elsewhere {
        return Some("looks into other namespaces".to_owned());
    }
    items(&spec[endpoints]).find_map(|endpoint| {
        let tls = &endpoint["tlsConfig"];
        [
            &endpoint["bearerTokenFile"],
            &tls["caFile"],
            &tls["certFile"],
            &tls["keyFile"],
        ]
        .into_iter()
        .find_map(Value::as_str)
        .filter(|file| !file.is_empty())
        .map(|file| {
            format!(
                "names \"{}\", a file of whoever collects its figures",
                file.escape_default()
            )
        })
    })
}

/// The annotations of an object and of the pods it makes.
fn annotations(object: &Value) -> impl Iterator<Item = (&String, &Value)> {
    [
        "/metadata/annotations",
        "/spec/template/metadata/annotations",
        "/spec/jobTemplate/spec/template/metadata/annotations",
    ]
    .into_iter()
    .filter_map(|place| object.pointer(place).and_then(Value::as_object))
    .flat_map(Map::iter)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn group(object: &Value) -> &str {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    api_version.rsplit_once('/').map_or("", |(group, _)| group)
}
