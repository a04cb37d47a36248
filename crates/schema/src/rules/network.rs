//! Services, Ingresses and NetworkPolicies.

use std::collections::HashSet;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::names::{ENDS_WITH_WILDCARD, SUBDOMAIN, dns_label, is_subdomain, key_mistake, port_name};
use super::{IP, Report, items, text};
use crate::error::Cause;

pub(super) const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const PORT: &str = "must be between 1 and 65535, inclusive";

fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// The address and the length of the prefix of a block.
pub(super) fn block(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    length
        .parse()
        .ok()
        .filter(|length| *length <= most)
        .map(|length| (address, length))
}

pub(super) fn service(spec: &Value, report: &mut Report<'_>) {
    let kind = spec["type"].as_str().unwrap_or("ClusterIP");
    let ports = items(spec, "ports");
    if ports.is_empty() && spec["clusterIP"] != "None" && kind != "ExternalName" {
        report.required("spec.ports", "");
    }
    service_ports(kind, ports, report);
    for key in spec["selector"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
    {
        if let Some(mistake) = key_mistake(key) {
            report.add(
                "spec.selector",
                Cause::Invalid,
                Some(&Value::from(key.as_str())),
                &mistake,
            );
        }
    }
    if kind == "ExternalName" {
        let name = spec["externalName"].as_str().unwrap_or_default();
        if name.is_empty() {
            report.add("spec.externalName", Cause::Required, None, "");
        } else if !is_subdomain(name.strip_suffix('.').unwrap_or(name)) {
            report.add(
                "spec.externalName",
                Cause::Invalid,
                Some(&spec["externalName"]),
                SUBDOMAIN,
            );
        }
    }
    for (place, address) in items(spec, "clusterIPs").iter().enumerate() {
        if address
            .as_str()
            .is_some_and(|text| !matches!(text, "" | "None") && !is_ip(text))
        {
            report.add(
                &format!("spec.clusterIPs[{place}]"),
                Cause::Invalid,
                Some(address),
                IP,
            );
        }
    }
    for (place, address) in items(spec, "externalIPs").iter().enumerate() {
        let field = format!("spec.externalIPs[{place}]");
        match address.as_str().unwrap_or_default().parse::<IpAddr>() {
            Err(_) => report.add(&field, Cause::Invalid, Some(address), IP),
            Ok(parsed) if parsed.is_loopback() => {
                let detail = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
                report.add(&field, Cause::Invalid, Some(address), detail);
            }
            Ok(_) => {}
        }
    }
    for (place, range) in items(spec, "loadBalancerSourceRanges").iter().enumerate() {
        if range.as_str().is_some_and(|text| block(text.trim()).is_none()) {
            let field = format!("spec.LoadBalancerSourceRanges[{place}]");
            report.add(&field, Cause::Invalid, Some(range), CIDR);
        }
    }
    let reachable = matches!(kind, "NodePort" | "LoadBalancer") || !items(spec, "externalIPs").is_empty();
    if spec["externalTrafficPolicy"].is_string() && !reachable {
        report.add(
            "spec.externalTrafficPolicy",
            Cause::Invalid,
            Some(&spec["externalTrafficPolicy"]),
            "may only be set for externally-accessible services",
        );
    }
}

fn service_ports(kind: &str, ports: &[Value], report: &mut Report<'_>) {
    let mut names = HashSet::new();
    for (place, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{place}]");
        let name = text(&port["name"]);
        if name.is_empty() && ports.len() > 1 {
            report.required(&format!("{path}.name"), "");
        } else if !name.is_empty() {
            dns_label(&port["name"], &format!("{path}.name"), report);
        }
        if !name.is_empty() && !names.insert(name) {
            report.add(&format!("{path}.name"), Cause::Duplicate, Some(&port["name"]), "");
        }
        port_range(&port["port"], &format!("{path}.port"), report);
        target(&port["targetPort"], &format!("{path}.targetPort"), report);
        let is_node_port = port["nodePort"].as_i64().is_some_and(|number| number != 0);
        if kind == "ClusterIP" && is_node_port {
            let detail = "may not be used when `type` is 'ClusterIP'";
            report.add(&format!("{path}.nodePort"), Cause::Forbidden, None, detail);
        }
    }
    let mut taken = HashSet::new();
    for (place, port) in ports.iter().enumerate() {
        if !taken.insert((&port["port"], &port["protocol"])) {
            let key = json!({ "port": port["port"], "protocol": port["protocol"] });
            let shown = crate::internal::json("core.ServicePort", &key);
            let field = format!("spec.ports[{place}]");
            report.add_shown(&field, Cause::Duplicate, Some(&shown), "");
        }
    }
}

/// A port by number.
pub(super) fn port_range(port: &Value, field: &str, report: &mut Report<'_>) {
    let number = port.as_i64().unwrap_or(0);
    if !(1..=65535).contains(&number) {
        report.invalid(field, &Value::from(number), PORT);
    }
}

/// A port by number or by name.
pub(super) fn target(port: &Value, field: &str, report: &mut Report<'_>) {
    if port.is_i64() {
        port_range(port, field, report);
    } else if let Some(name) = port.as_str() {
        port_name(name, field, report);
    }
}

/// The address that a load balancer is said to have.
pub(super) fn balancer(status: &Value, report: &mut Report<'_>) {
    for (place, ingress) in items(&status["loadBalancer"], "ingress").iter().enumerate() {
        if ingress["ip"]
            .as_str()
            .is_some_and(|text| !text.is_empty() && !is_ip(text))
        {
            let field = format!("status.loadBalancer.ingress[{place}].ip");
            report.add(&field, Cause::Invalid, Some(&ingress["ip"]), IP);
        }
    }
}

pub(super) fn ingress(object: &Value, report: &mut Report<'_>) {
    let spec = &object["spec"];
    let rules = items(spec, "rules");
    if rules.is_empty() && !spec["defaultBackend"].is_object() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        report.add("spec", Cause::Invalid, Some(&Value::Null), detail);
    }
    if spec["defaultBackend"].is_object() {
        backend(&spec["defaultBackend"], "spec.defaultBackend", report);
    }
    for (place, rule) in rules.iter().enumerate() {
        let path = format!("spec.rules[{place}]");
        let host = rule["host"].as_str().unwrap_or_default();
        if is_ip(host) {
            let detail = "must be a DNS name, not an IP address";
            report.add(
                &format!("{path}.host"),
                Cause::Invalid,
                Some(&rule["host"]),
                detail,
            );
        } else if !host.is_empty() {
            host_name(host, &format!("{path}.host"), report);
        }
        if !rule["http"].is_object() {
            continue;
        }
        let paths = items(&rule["http"], "paths");
        if paths.is_empty() {
            report.add(&format!("{path}.http.paths"), Cause::Required, None, "");
        }
        for (number, one) in paths.iter().enumerate() {
            let path = format!("{path}.http.paths[{number}]");
            http_path(one, &path, report);
        }
    }
    for (place, tls) in items(spec, "tls").iter().enumerate() {
        for (number, host) in items(tls, "hosts").iter().enumerate() {
            let name = host.as_str().unwrap_or_default();
            let field = format!("spec.tls[{place}].hosts[{number}]");
            host_name(name, &field, report);
        }
        if tls["secretName"]
            .as_str()
            .is_some_and(|name| !name.is_empty() && !is_subdomain(name))
        {
            let field = format!("spec.tls[{place}].secretName");
            report.add(&field, Cause::Invalid, Some(&tls["secretName"]), SUBDOMAIN);
        }
    }
    if let Some(class) = spec["ingressClassName"].as_str()
        && !is_subdomain(class)
    {
        report.add(
            "spec.ingressClassName",
            Cause::Invalid,
            Some(&spec["ingressClassName"]),
            SUBDOMAIN,
        );
    }
}

fn host_name(host: &str, field: &str, report: &mut Report<'_>) {
    let value = Value::from(host);
    if host.contains('*') {
        let fits = host.strip_prefix("*.").is_some_and(is_subdomain);
        if !fits {
            report.add(field, Cause::Invalid, Some(&value), ENDS_WITH_WILDCARD);
        }
    } else if !is_subdomain(host) {
        report.add(field, Cause::Invalid, Some(&value), SUBDOMAIN);
    }
}

fn http_path(rule: &Value, path: &str, report: &mut Report<'_>) {
    let text = rule["path"].as_str().unwrap_or_default();
    let field = format!("{path}.path");
    let kind = &rule["pathType"];
    let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
    let strict = matches!(kind.as_str(), Some("Exact" | "Prefix"));
    match kind.as_str() {
        None => {
            let field = format!("{path}.pathType");
            return report.required(&field, "pathType must be specified");
        }
        Some(word) if !kinds.contains(&word) => {
            report.unsupported(&format!("{path}.pathType"), kind, &kinds);
        }
        Some(_) if (strict || !text.is_empty()) && !text.starts_with('/') => {
            report.invalid(&field, &Value::from(text), "must be an absolute path");
        }
        Some(_) => {}
    }
    if strict {
        path_parts(text, &field, report);
    }
    backend(&rule["backend"], &format!("{path}.backend"), report);
}

/// What a path may not have in it.
fn path_parts(text: &str, field: &str, report: &mut Report<'_>) {
    let value = Value::from(text);
    for part in ["//", "/./", "/../", "%2f", "%2F"] {
        if text.contains(part) {
            let detail = format!("must not contain '{part}'");
            report.invalid(field, &value, &detail);
        }
    }
    for part in ["/..", "/."] {
        if text.ends_with(part) {
            let detail = format!("cannot end with '{part}'");
            report.invalid(field, &value, &detail);
        }
    }
}

fn backend(backend: &Value, field: &str, report: &mut Report<'_>) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    let nothing = Value::from("");
    match (service.is_object(), resource.is_object()) {
        (true, true) => {
            let detail = "cannot set both resource and service backends";
            return report.invalid(field, &nothing, detail);
        }
        (false, true) => return,
        (false, false) => {
            let detail = "resource or service backend is required";
            return report.invalid(field, &nothing, detail);
        }
        (true, false) => {}
    }
    let place = format!("{field}.service.name");
    if text(&service["name"]).is_empty() {
        report.required(&place, "");
    } else {
        dns_label(&service["name"], &place, report);
    }
    let name = text(&service["port"]["name"]);
    let number = service["port"]["number"].as_i64().unwrap_or(0);
    match (name.is_empty(), number) {
        (true, 0) => report.required(field, "port name or number is required"),
        (true, _) => {
            let field = format!("{field}.service.port.number");
            port_range(&service["port"]["number"], &field, report);
        }
        (false, 0) => port_name(name, &format!("{field}.service.port.name"), report),
        (false, _) => report.invalid(field, &nothing, "cannot set both port name & port number"),
    }
}
