//! What holds for all golden paths that ship: their values, their words, their bounds.

use super::*;
use api::Capabilities;
use guardrails::{Outcome, Request};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The golden paths of Applications.
const SERVICES: [&str; 4] = [DEFAULT_GOLDEN_PATH, "cron-job", "static-site", "worker"];

fn text(path: &str) -> String {
    let file = GoldenPathFiles::get(path).unwrap_or_else(|| panic!("{path} is not embedded"));
    String::from_utf8(file.data.into_owned()).unwrap()
}

fn read(path: &str) -> Value {
    yaml::parse(&text(path)).unwrap().value
}

fn render(name: &str, values: &Value) -> Result<Vec<Value>, String> {
    let capabilities = Capabilities::default();
    golden_path(name)
        .unwrap()
        .render("a test", "trial", "shop-production", values, &capabilities)
        .map_err(|error| {
            std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string)
        })
}

/// Every set of values that a golden path brings along to be tried with, by the name of its file.
fn trials(name: &str) -> Vec<(String, Value)> {
    let prefix = format!("{name}/ci/");
    GoldenPathFiles::iter()
        .filter(|path| path.starts_with(&prefix))
        .map(|path| (path.to_string(), read(&path)))
        .collect()
}

/// The paths of all values, such as `route.host`; an empty map is a value.
fn leaves(values: &Map<String, Value>, prefix: &str, found: &mut Vec<String>) {
    for (key, value) in values {
        match value.as_object() {
            Some(inner) if !inner.is_empty() => leaves(inner, &format!("{prefix}{key}."), found),
            _ => found.push(format!("{prefix}{key}")),
        }
    }
}

#[test]
fn dependencies_beside_a_chart_are_found() {
    let check = |description: &str, expect: &[&str]| {
        assert_eq!(neighbours(description), expect, "{description}");
    };
    check("name: alone", &[]);
    check("not: [yaml", &[]);
    check("dependencies: none", &[]);
    check(
        "dependencies: [{name: a, repository: 'file://../a'}, {name: b, repository: 'https://example.com'}, {name: c}]",
        &["a"],
    );
}

#[test]
fn the_digest_covers_the_library() {
    let with = chart::Chart::from_files(chart_files("worker")).unwrap();
    let mut changed = chart_files("worker");
    let library = changed
        .iter_mut()
        .find(|(path, _)| path == "charts/service-library/templates/_pod.tpl")
        .expect("the library is a part of the worker");
    library.1.extend_from_slice(b"{{/* changed */}}");
    let changed = chart::Chart::from_files(changed).unwrap();
    assert_eq!(golden_path("worker").unwrap().digest(), with.digest());
    assert_ne!(changed.digest(), with.digest());
}

#[test]
fn what_helm_leaves_in_a_checkout_is_not_embedded() {
    assert!(GoldenPathFiles::iter().all(|path| !path.contains("/charts/") && !path.ends_with("Chart.lock")));
    assert!(GoldenPathFiles::iter().any(|path| path == "service-library/Chart.yaml"));
}

#[test]
fn every_golden_path_renders_all_that_it_is_tried_with() {
    for name in GOLDEN_PATHS {
        let trials = trials(name);
        assert!(trials.len() >= 2, "{name} has few trials");
        for (file, values) in trials {
            assert!(
                render(name, &values).is_ok_and(|objects| !objects.is_empty()),
                "{file}"
            );
        }
    }
}

/// Every golden path with everything it is tried with, and the objects that come of it. As the platform does, it
/// says whose the service is where the values leave that open.
fn renderings() -> Vec<(String, Vec<Value>)> {
    let mut renderings = Vec::new();
    for name in GOLDEN_PATHS {
        for (file, mut values) in trials(name) {
            if values["team"].is_null() {
                values["team"] = json!("shop");
            }
            renderings.push((file, render(name, &values).unwrap()));
        }
    }
    renderings
}

#[test]
fn golden_paths_pass_the_guardrails_that_ship_without_a_warning() {
    let policies = guardrails().unwrap();
    let labels = BTreeMap::from([(
        "kubernetes.io/metadata.name".to_owned(),
        "shop-production".to_owned(),
    )]);
    let (mut spoke, mut broken) = (BTreeSet::new(), Vec::new());
    for (file, objects) in renderings() {
        for object in &objects {
            let verdicts = policies.evaluate(&Request {
                namespace_labels: &labels,
                ..Request::new(object)
            });
            for verdict in verdicts {
                match verdict.outcome {
                    Outcome::Pass => drop(spoke.insert(verdict.about.policy.clone())),
                    Outcome::Skip => {}
                    _ => broken.push(format!(
                        "{file}: {}: {}/{}: {}",
                        verdict.object, verdict.about.policy, verdict.about.rule, verdict.message
                    )),
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    // No golden path makes Secrets; every other policy was asked about something.
    let silent: Vec<&str> = policies.names().filter(|name| !spoke.contains(*name)).collect();
    assert_eq!(silent, ["disallow-long-lived-tokens"]);
}

#[test]
fn every_pod_of_a_golden_path_is_behind_a_network_policy() {
    let mut pods = 0;
    for (file, objects) in renderings() {
        for object in &objects {
            let template = match object["kind"].as_str() {
                Some("Deployment" | "StatefulSet") => &object["spec"]["template"],
                Some("CronJob") => &object["spec"]["jobTemplate"]["spec"]["template"],
                _ => continue,
            };
            pods += 1;
            let labels = &template["metadata"]["labels"];
            let closed = |direction: &str| {
                objects.iter().any(|policy| {
                    let wanted = policy["spec"]["podSelector"]["matchLabels"].as_object();
                    let types = policy["spec"]["policyTypes"].as_array();
                    policy["kind"] == "NetworkPolicy"
                        && wanted
                            .is_some_and(|wanted| wanted.iter().all(|(key, value)| labels[key] == *value))
                        && types.is_some_and(|types| types.iter().any(|kind| kind == direction))
                })
            };
            assert!(
                closed("Ingress") && closed("Egress"),
                "{file}: {}",
                object["metadata"]["name"]
            );
        }
    }
    assert!(pods > 0);
}

#[test]
fn readmes_name_every_value() {
    for name in SERVICES.into_iter().chain(["team"]) {
        let readme = text(&format!("{name}/README.md"));
        let mut values = Vec::new();
        leaves(
            read(&format!("{name}/values.yaml")).as_object().unwrap(),
            "",
            &mut values,
        );
        let missing: Vec<_> = values
            .into_iter()
            .filter(|value| !readme.contains(&format!("`{value}`")))
            // The parts of a quantity are shown together.
            .filter(|value| {
                name != "team" || !value.starts_with("quota.") && !value.starts_with("containerDefaults.")
            })
            .collect();
        assert!(missing.is_empty(), "{name}/README.md does not name {missing:?}");
    }
}

/// Values of one name mean one thing: the four schemas differ only where a path has no use for a value, or
/// where a worker may do without a port.
#[test]
fn services_take_the_same_values() {
    let schema = |name: &str| read(&format!("{name}/values.schema.json"));
    let base = schema(DEFAULT_GOLDEN_PATH);
    let of = |schema: &Value, key: &str| {
        let property = &schema["properties"][key];
        property.pointer("/allOf/0").unwrap_or(property).clone()
    };
    for name in SERVICES {
        let other = schema(name);
        for key in base["properties"].as_object().unwrap().keys() {
            let own = of(&other, key);
            let left_out =
                name == "cron-job" && ["disruptionBudget", "spread", "paused"].contains(&key.as_str());
            let different = key == "monitoring" || name == "worker" && key == "port";
            if !left_out && !different {
                assert_eq!(own, of(&base, key), "{key} in {name}");
            }
        }
        for (key, definition) in other["definitions"].as_object().unwrap() {
            let known = &base["definitions"][key];
            assert!(
                known.is_null() || known == definition,
                "definition {key} in {name}"
            );
        }
    }
}

/// What the expansion always says, whatever the path is, with nothing in it.
#[test]
fn services_take_what_every_application_says() {
    for name in SERVICES {
        let values = json!({
            "name": "shop", "image": "registry.internal/shop:v1", "team": "sales", "environment": "production",
            "partOf": "sales", "labelDomain": "idp.example.org", "suspended": false,
            "resources": {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
            "env": [], "config": {}, "secrets": [], "dependsOn": [], "allowFrom": [], "storage": [],
            "monitoring": {"enabled": true, "alerts": []}, "mesh": "", "command": [], "args": [],
            "route": {"host": "", "class": "public", "issuer": "letsencrypt"},
            "schedule": if name == "cron-job" { "@daily" } else { "" },
        });
        if let Err(error) = render(name, &values) {
            panic!("{name}: {error}");
        }
    }
}

#[test]
fn what_a_path_cannot_honour_it_refuses_in_plain_words() {
    let check = |name: &str, values: Value, expect: &str| {
        let mut values = values;
        values["image"] = json!("registry.internal/shop:v1");
        if name == "cron-job" && values["schedule"].is_null() {
            values["schedule"] = json!("@daily");
        }
        let error = render(name, &values).expect_err(expect);
        assert!(error.contains(expect), "{name}: {error}");
    };
    check(
        "base-service",
        json!({"schedule": "@daily"}),
        "base-service has no schedule: use the golden path cron-job",
    );
    check(
        "base-service",
        json!({"timeZone": "Europe/Berlin"}),
        "base-service has no timeZone",
    );
    check(
        "base-service",
        json!({"route": {"host": "a.example.com", "kind": "gateway"}}),
        "route.gateway.name is empty",
    );
    check(
        "base-service",
        json!({"autoscaling": {"enabled": true, "max": 1}}),
        "max cannot be less than min",
    );
    check(
        "base-service",
        json!({"rollout": {"maxSurge": "0%"}}),
        "a new version could never start",
    );
    check(
        "base-service",
        json!({"disruptionBudget": {"maxUnavailable": 0}}),
        "disruptionBudget",
    );
    check(
        "base-service",
        json!({"disruptionBudget": {"maxUnavailable": "0%"}}),
        "disruptionBudget",
    );
    check("base-service", json!({"replica": 3}), "replica");
    check(
        "worker",
        json!({"route": {"host": "a.example.com"}}),
        "worker has no route: nothing calls a worker",
    );
    check(
        "worker",
        json!({"allowFrom": [{"application": "shop"}]}),
        "worker has no allowFrom",
    );
    check(
        "worker",
        json!({"schedule": "@daily"}),
        "use the golden path cron-job",
    );
    check(
        "worker",
        json!({"monitoring": {"alerts": ["high-latency"]}}),
        "there are no metrics",
    );
    check(
        "static-site",
        json!({"database": {"enabled": true}}),
        "static-site has no database",
    );
    check(
        "static-site",
        json!({"cache": {"enabled": true}}),
        "static-site has no cache",
    );
    check(
        "static-site",
        json!({"storage": [{"path": "/data", "size": "1Gi"}]}),
        "static-site has no storage",
    );
    check(
        "static-site",
        json!({"monitoring": {"alerts": ["high-latency"]}}),
        "there are no metrics",
    );
    check("cron-job", json!({"schedule": ""}), "schedule is empty");
    check("cron-job", json!({"port": 8080}), "cron-job has no port");
    check("cron-job", json!({"replicas": 2}), "cron-job has no replicas");
    check(
        "cron-job",
        json!({"route": {"host": "a.example.com"}}),
        "cron-job has no route",
    );
    check(
        "cron-job",
        json!({"rollout": {"strategy": "recreate"}}),
        "cron-job has no rollout",
    );
    check(
        "cron-job",
        json!({"monitoring": {"path": "/metrics"}}),
        "cron-job has no monitoring.path",
    );
}

#[test]
fn a_team_gets_the_least_rights_that_do() {
    let rules = |workloads: &str| -> Vec<Value> {
        let values = json!({"team": "shop", "groups": ["shop"], "workloads": workloads, "labelDomain": "idp.example.org"});
        let objects = render("team", &values).unwrap();
        let role = objects.iter().find(|object| object["kind"] == "Role").unwrap();
        role["rules"].as_array().unwrap().clone()
    };
    let may = |workloads: &str, group: &str, resource: &str, verb: &str| {
        let holds = |list: &Value, word: &str| {
            list.as_array()
                .unwrap()
                .iter()
                .any(|item| item == word || item == "*")
        };
        rules(workloads).iter().any(|rule| {
            holds(&rule["apiGroups"], group)
                && holds(&rule["resources"], resource)
                && holds(&rule["verbs"], verb)
        })
    };
    let check = |group: &str, resource: &str, verb: &str, expect: [bool; 3]| {
        let got = ["none", "read", "write"].map(|workloads| may(workloads, group, resource, verb));
        assert_eq!(
            got, expect,
            "{verb} {resource}.{group} with workloads none, read, write"
        );
    };
    check("idp.example.org", "applications", "create", [true; 3]);
    check("idp.example.org", "applications", "deletecollection", [false; 3]);
    check("idp.example.org", "applications/status", "patch", [false; 3]);
    check("idp.example.org", "teams", "get", [false; 3]);
    check("", "pods/log", "get", [true; 3]);
    check("", "pods", "list", [true; 3]);
    check("", "pods", "create", [false, false, true]);
    check("", "pods/exec", "create", [false; 3]);
    check("", "pods/portforward", "create", [false; 3]);
    check("", "pods/ephemeralcontainers", "patch", [false; 3]);
    check("", "secrets", "get", [false; 3]);
    check("", "secrets", "list", [false; 3]);
    check("", "configmaps", "update", [false; 3]);
    check("", "serviceaccounts", "impersonate", [false; 3]);
    check("", "serviceaccounts/token", "create", [false; 3]);
    check("apps", "deployments", "get", [false, true, true]);
    check("apps", "deployments", "patch", [false, false, true]);
    check("apps", "deployments/scale", "patch", [false, false, true]);
    check("rbac.authorization.k8s.io", "rolebindings", "create", [false; 3]);
    check("networking.k8s.io", "networkpolicies", "delete", [false; 3]);
}

/// Words that YAML reads as something else stay words, and large numbers stay whole.
#[test]
fn names_that_look_like_something_else_stay_names() {
    let values = json!({
        "name": "on", "image": "registry.internal/on:v1", "runAsUser": 1_000_680_000, "schedule": "@daily",
        "secrets": [{"name": "null", "keys": ["1"]}], "config": {"true": "no"},
        "dependsOn": [{"application": "yes", "namespace": "off"}],
        "database": {"enabled": true, "name": "no"},
    });
    let service = json!({
        "ports": [{"name": "y", "port": 8080}], "healthPath": "/a:", "allowFrom": [{"application": "true"}],
        "route": {"host": "on.example.com", "class": "no", "issuer": "null"}, "schedule": "",
        "monitoring": {"path": "/m:", "alerts": ["high-latency"], "namespace": "y"},
    });
    let overlaid = |over: &Value| {
        let mut all = values.clone();
        for (key, value) in over.as_object().unwrap() {
            all[key] = value.clone();
        }
        all
    };
    let plain = json!({"name": "on", "runAsUser": 1_000_680_000});
    let cases = [
        ("base-service", overlaid(&service)),
        ("cron-job", values.clone()),
        ("postgres", plain.clone()),
        ("redis", plain),
    ];
    for (path, values) in cases {
        for object in render(path, &values).unwrap_or_else(|error| panic!("{path}: {error}")) {
            let title = format!("{path}: {} {}", object["kind"], object["metadata"]["name"]);
            assert!(object["metadata"]["name"].is_string(), "{title}");
            strings_stay_strings(&object, &title);
            if let Some(user) = object.pointer("/spec/template/spec/securityContext/runAsUser") {
                assert_eq!(user, &json!(1_000_680_000), "{title}");
            }
        }
    }
}

fn strings_stay_strings(value: &Value, title: &str) {
    const WORDS: [&str; 9] = [
        "name",
        "namespace",
        "key",
        "path",
        "secretName",
        "serviceName",
        "serviceAccountName",
        "ingressClassName",
        "kubernetes.io/metadata.name",
    ];
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let labels = ["matchLabels", "labels", "annotations"].contains(&key.as_str());
                assert!(
                    !WORDS.contains(&key.as_str()) || inner.is_string(),
                    "{title}: {key}: {inner}"
                );
                assert!(
                    !labels || inner.as_object().unwrap().values().all(Value::is_string),
                    "{title}: {key}: {inner}"
                );
                strings_stay_strings(inner, title);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| strings_stay_strings(item, title)),
        _ => {}
    }
}
