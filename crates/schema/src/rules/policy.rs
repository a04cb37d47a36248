//! NetworkPolicies.

use std::net::IpAddr;

use serde_json::Value;

use super::names::label_selector;
use super::network::{CIDR, block, target};
use super::{Report, items, text};
use crate::error::Cause;

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

pub(super) fn network_policy(spec: &Value, report: &mut Report<'_>) {
    label_selector(&spec["podSelector"], "spec.podSelector", report);
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
    let protocol = &port["protocol"];
    if !matches!(text(protocol), "" | "TCP" | "UDP" | "SCTP") {
        let field = format!("{path}.protocol");
        report.unsupported(&field, protocol, &["TCP", "UDP", "SCTP"]);
    }
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
    for name in ["podSelector", "namespaceSelector"] {
        label_selector(&peer[name], &format!("{path}.{name}"), report);
    }
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
