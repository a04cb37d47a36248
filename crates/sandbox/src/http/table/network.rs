//! Services and what is around them.

use serde_json::{Value, json};

use super::Printer;
use super::words::{NONE, age, list, number, selector, strings, text, text_or_none};

pub(super) fn printer(group: &str, plural: &str) -> Option<Printer> {
    Some(match (group, plural) {
        ("", "services") => Printer {
            heads: &[
                ("Type", "string", 0),
                ("Cluster-IP", "string", 0),
                ("External-IP", "string", 0),
                ("Port(s)", "string", 0),
                ("Age", "string", 0),
                ("Selector", "string", 1),
            ],
            cells: |object, now| {
                vec![
                    json!(text(object, "/spec/type")),
                    text_or_none(object, "/spec/clusterIP"),
                    json!(external_address(object)),
                    json!(ports(object)),
                    age(object, now),
                    json!(selector(object.pointer("/spec/selector"))),
                ]
            },
        },
        ("", "endpoints") => Printer {
            heads: &[("Endpoints", "string", 0), ("Age", "string", 0)],
            cells: |object, now| vec![json!(endpoints(object)), age(object, now)],
        },
        ("discovery.k8s.io", "endpointslices") => Printer {
            heads: &[
                ("AddressType", "string", 0),
                ("Ports", "string", 0),
                ("Endpoints", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |object, now| {
                let ports = list(object, "/ports")
                    .iter()
                    .map(|port| number(port, "/port").to_string());
                let addresses = list(object, "/endpoints")
                    .iter()
                    .flat_map(|one| strings(one, "/addresses"));
                vec![
                    json!(text(object, "/addressType")),
                    json!(short(&ports.collect::<Vec<_>>())),
                    json!(short(&addresses.collect::<Vec<_>>())),
                    age(object, now),
                ]
            },
        },
        ("networking.k8s.io", "networkpolicies") => Printer {
            heads: &[("Pod-Selector", "string", 0), ("Age", "string", 0)],
            cells: |object, now| {
                vec![
                    json!(selector(object.pointer("/spec/podSelector"))),
                    age(object, now),
                ]
            },
        },
        ("networking.k8s.io", "ingresses") => Printer {
            heads: &[
                ("Class", "string", 0),
                ("Hosts", "string", 0),
                ("Address", "string", 0),
                ("Ports", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |object, now| {
                let hosts: Vec<String> = list(object, "/spec/rules")
                    .iter()
                    .map(|rule| text(rule, "/host"))
                    .filter(|host| !host.is_empty())
                    .map(str::to_owned)
                    .collect();
                let secured = !list(object, "/spec/tls").is_empty();
                vec![
                    text_or_none(object, "/spec/ingressClassName"),
                    json!(if hosts.is_empty() {
                        "*".to_owned()
                    } else {
                        short(&hosts)
                    }),
                    json!(balancers(object).join(",")),
                    json!(if secured { "80, 443" } else { "80" }),
                    age(object, now),
                ]
            },
        },
        ("networking.k8s.io", "ingressclasses") => Printer {
            heads: &[
                ("Controller", "string", 0),
                ("Parameters", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |object, now| {
                vec![
                    json!(text(object, "/spec/controller")),
                    json!(NONE),
                    age(object, now),
                ]
            },
        },
        _ => return None,
    })
}

/// The first three of a list, and how many more there are.
fn short(all: &[String]) -> String {
    match all.len() {
        0 => "<unset>".to_owned(),
        1..=3 => all.join(","),
        count => format!("{} + {} more...", all[..3].join(","), count - 3),
    }
}

fn balancers(object: &Value) -> Vec<&str> {
    let ingress = list(object, "/status/loadBalancer/ingress").iter();
    ingress
        .map(|one| match text(one, "/ip") {
            "" => text(one, "/hostname"),
            address => address,
        })
        .collect()
}

fn external_address(object: &Value) -> String {
    let mut addresses = strings(object, "/spec/externalIPs");
    match text(object, "/spec/type") {
        "ExternalName" => return text(object, "/spec/externalName").to_owned(),
        "LoadBalancer" => {
            addresses.extend(balancers(object).into_iter().map(str::to_owned));
            if addresses.is_empty() {
                return "<pending>".to_owned();
            }
        }
        _ => {}
    }
    if addresses.is_empty() {
        NONE.to_owned()
    } else {
        addresses.join(",")
    }
}

fn ports(object: &Value) -> String {
    let ports = list(object, "/spec/ports");
    if ports.is_empty() {
        return NONE.to_owned();
    }
    let each = ports.iter().map(|port| {
        let (number_, protocol) = (number(port, "/port"), text(port, "/protocol"));
        match number(port, "/nodePort") {
            0 => format!("{number_}/{protocol}"),
            node => format!("{number_}:{node}/{protocol}"),
        }
    });
    each.collect::<Vec<_>>().join(",")
}

fn endpoints(object: &Value) -> String {
    let mut all = Vec::new();
    for subset in list(object, "/subsets") {
        for address in list(subset, "/addresses") {
            let ports = list(subset, "/ports");
            if ports.is_empty() {
                all.push(text(address, "/ip").to_owned());
            }
            all.extend(
                ports
                    .iter()
                    .map(|port| format!("{}:{}", text(address, "/ip"), number(port, "/port"))),
            );
        }
    }
    if all.is_empty() {
        NONE.to_owned()
    } else {
        short(&all)
    }
}
