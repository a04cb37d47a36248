//! Services, Ingresses and NetworkPolicies.

use std::net::IpAddr;

use serde_json::Value;

use super::Report;
use super::names::{ENDS_WITH_WILDCARD, SUBDOMAIN, is_dns_label, is_subdomain, key_mistake, port_name};
use crate::error::Cause;

const IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";
const PORT: &str = "must be between 1 and 65535, inclusive";

pub(super) fn items<'a>(parent: &'a Value, name: &str) -> &'a [Value] {
    parent[name].as_array().map_or(&[], Vec::as_slice)
}

fn is_ip(text: &str) -> bool {
    text.parse::<IpAddr>().is_ok()
}

/// The address and the length of the prefix of a block.
fn block(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    length
        .parse()
        .ok()
        .filter(|length| *length <= most)
        .map(|length| (address, length))
}

/// Whether a block lies in another and is smaller.
fn is_within((inner, longer): (IpAddr, u8), (outer, length): (IpAddr, u8)) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let mask = if length == 0 {
        0
    } else {
        u128::MAX << (128 - u32::from(length))
    };
    inner.is_ipv4() == outer.is_ipv4() && longer > length && bits(inner) & mask == bits(outer) & mask
}

pub(super) fn service(spec: &Value, report: &mut Report<'_>) {
    let kind = spec["type"].as_str().unwrap_or("ClusterIP");
    let ports = items(spec, "ports");
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
    // One family, as of a cluster whose services have IPv4 addresses.
    for (place, family) in items(spec, "ipFamilies").iter().enumerate() {
        if family == "IPv6" {
            let field = format!("spec.ipFamilies[{place}]");
            report.add(
                &field,
                Cause::Invalid,
                Some(family),
                "not configured on this cluster",
            );
        }
    }
    if spec["ipFamilyPolicy"] == "RequireDualStack" {
        let detail = "this cluster is not configured for dual-stack services";
        report.add(
            "spec.ipFamilyPolicy",
            Cause::Invalid,
            Some(&spec["ipFamilyPolicy"]),
            detail,
        );
    }
}

fn service_ports(kind: &str, ports: &[Value], report: &mut Report<'_>) {
    for (place, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{place}]");
        let before = &ports[..place];
        let name = port["name"].as_str().unwrap_or_default();
        if !name.is_empty() && before.iter().any(|other| other["name"] == port["name"]) {
            report.add(&format!("{path}.name"), Cause::Duplicate, Some(&port["name"]), "");
        }
        target(&port["targetPort"], &format!("{path}.targetPort"), report);
        let is_node_port = port["nodePort"].as_i64().is_some_and(|number| number != 0);
        if kind == "ClusterIP" && is_node_port {
            let detail = "may not be used when `type` is 'ClusterIP'";
            report.add(&format!("{path}.nodePort"), Cause::Forbidden, None, detail);
        }
    }
}

/// A port by number or by name.
fn target(port: &Value, field: &str, report: &mut Report<'_>) {
    if let Some(number) = port.as_i64() {
        if !(1..=65535).contains(&number) {
            report.add(field, Cause::Invalid, Some(port), PORT);
        }
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

pub(super) fn ingress(spec: &Value, report: &mut Report<'_>) {
    let rules = items(spec, "rules");
    if rules.is_empty() && !spec["defaultBackend"].is_object() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        report.add("spec", Cause::Invalid, Some(&Value::Null), detail);
    }
    backend(&spec["defaultBackend"], "spec.defaultBackend", report);
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
            if one["backend"].is_object() && one["backend"].as_object().is_some_and(|it| !it.is_empty()) {
                backend(&one["backend"], &format!("{path}.backend"), report);
            } else {
                let detail = "resource or service backend is required";
                report.add(
                    &format!("{path}.backend"),
                    Cause::Invalid,
                    Some(&Value::from("")),
                    detail,
                );
            }
        }
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
    if !matches!(rule["pathType"].as_str(), Some("Exact" | "Prefix")) {
        return;
    }
    if !text.starts_with('/') {
        return report.add(
            &field,
            Cause::Invalid,
            Some(&rule["path"]),
            "must be an absolute path",
        );
    }
    for part in ["//", "/./", "/../", "%2f", "%2F"] {
        if text.contains(part) {
            let detail = format!("must not contain '{part}'");
            report.add(&field, Cause::Invalid, Some(&rule["path"]), &detail);
        }
    }
    for part in ["/..", "/."] {
        if text.ends_with(part) {
            let detail = format!("cannot end with '{part}'");
            report.add(&field, Cause::Invalid, Some(&rule["path"]), &detail);
        }
    }
}

fn backend(backend: &Value, field: &str, report: &mut Report<'_>) {
    let service = &backend["service"];
    if !service.is_object() {
        return;
    }
    let name = service["port"]["name"].as_str().unwrap_or_default();
    let number = service["port"]["number"].as_i64().unwrap_or(0);
    if !service["name"].as_str().is_some_and(is_dns_label) {
        let empty = service["name"].as_str().unwrap_or_default().is_empty();
        if empty {
            report.add(&format!("{field}.service.name"), Cause::Required, None, "");
        }
    }
    match (name.is_empty(), number) {
        (true, 0) => report.add(field, Cause::Required, None, "port name or number is required"),
        (false, 1..) => {
            let detail = "cannot set both port name & port number";
            report.add(field, Cause::Invalid, Some(&Value::from("")), detail);
        }
        _ => {}
    }
}

pub(super) fn policy(spec: &Value, report: &mut Report<'_>) {
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (place, rule) in items(spec, direction).iter().enumerate() {
            let path = format!("spec.{direction}[{place}]");
            for (number, port) in items(rule, "ports").iter().enumerate() {
                policy_port(port, &format!("{path}.ports[{number}]"), report);
            }
            for (number, peer) in items(rule, peers).iter().enumerate() {
                policy_peer(peer, &format!("{path}.{peers}[{number}]"), report);
            }
        }
    }
}

fn policy_port(port: &Value, path: &str, report: &mut Report<'_>) {
    target(&port["port"], &format!("{path}.port"), report);
    let Some(end) = port["endPort"].as_i64() else {
        return;
    };
    let field = format!("{path}.endPort");
    if port["port"].is_string() {
        let detail = "may not be specified when `port` is non-numeric";
        report.add(&field, Cause::Invalid, Some(&port["endPort"]), detail);
    } else if port["port"].as_i64().is_some_and(|begin| end < begin) {
        let detail = "must be greater than or equal to `port`";
        report.add(&field, Cause::Invalid, Some(&port["port"]), detail);
    }
}

fn policy_peer(peer: &Value, path: &str, report: &mut Report<'_>) {
    let selects = peer["podSelector"].is_object() || peer["namespaceSelector"].is_object();
    match (peer["ipBlock"].is_object(), selects) {
        (false, false) => return report.add(path, Cause::Required, None, "must specify a peer"),
        (true, true) => {
            let detail = "may not specify both ipBlock and another peer";
            return report.add(path, Cause::Forbidden, None, detail);
        }
        (false, true) => return,
        (true, false) => {}
    }
    let range = &peer["ipBlock"]["cidr"];
    let Some(outer) = block(range.as_str().unwrap_or_default()) else {
        return report.add(&format!("{path}.ipBlock.cidr"), Cause::Invalid, Some(range), CIDR);
    };
    for (place, except) in items(&peer["ipBlock"], "except").iter().enumerate() {
        let field = format!("{path}.ipBlock.except[{place}]");
        match block(except.as_str().unwrap_or_default()) {
            None => report.add(&field, Cause::Invalid, Some(except), CIDR),
            Some(inner) if !is_within(inner, outer) => {
                let detail = "must be a strict subset of `cidr`";
                report.add(&field, Cause::Invalid, Some(except), detail);
            }
            Some(_) => {}
        }
    }
}
