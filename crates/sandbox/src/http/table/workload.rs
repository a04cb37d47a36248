//! Pods and what makes them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Printer;
use super::words::{NONE, age, duration, list, number, selector, since, text, text_or_none};

pub(super) fn printer(group: &str, plural: &str) -> Option<Printer> {
    Some(match (group, plural) {
        ("", "pods") => Printer {
            heads: &[
                ("Ready", "string", 0),
                ("Status", "string", 0),
                ("Restarts", "string", 0),
                ("Age", "string", 0),
                ("IP", "string", 1),
                ("Node", "string", 1),
                ("Nominated Node", "string", 1),
                ("Readiness Gates", "string", 1),
            ],
            cells: pod,
        },
        ("apps", "deployments") => Printer {
            heads: &[
                ("Ready", "string", 0),
                ("Up-to-date", "string", 0),
                ("Available", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: |object, now| {
                let ready = number(object, "/status/readyReplicas");
                with_template(
                    object,
                    vec![
                        json!(format!("{ready}/{}", number(object, "/spec/replicas"))),
                        json!(number(object, "/status/updatedReplicas")),
                        json!(number(object, "/status/availableReplicas")),
                        age(object, now),
                    ],
                    true,
                )
            },
        },
        ("apps", "replicasets") | ("", "replicationcontrollers") => Printer {
            heads: &[
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: |object, now| {
                with_template(
                    object,
                    vec![
                        json!(number(object, "/spec/replicas")),
                        json!(number(object, "/status/replicas")),
                        json!(number(object, "/status/readyReplicas")),
                        age(object, now),
                    ],
                    true,
                )
            },
        },
        ("apps", "statefulsets") => Printer {
            heads: &[
                ("Ready", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
            ],
            cells: |object, now| {
                let ready = number(object, "/status/readyReplicas");
                let ready = format!("{ready}/{}", number(object, "/spec/replicas"));
                with_template(object, vec![json!(ready), age(object, now)], false)
            },
        },
        ("apps", "daemonsets") => Printer {
            heads: &[
                ("Desired", "integer", 0),
                ("Current", "integer", 0),
                ("Ready", "integer", 0),
                ("Up-to-date", "integer", 0),
                ("Available", "integer", 0),
                ("Node Selector", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: |object, now| {
                let status = |field: &str| json!(number(object, &format!("/status/{field}")));
                with_template(
                    object,
                    vec![
                        status("desiredNumberScheduled"),
                        status("currentNumberScheduled"),
                        status("numberReady"),
                        status("updatedNumberScheduled"),
                        status("numberAvailable"),
                        json!(selector(object.pointer("/spec/template/spec/nodeSelector"))),
                        age(object, now),
                    ],
                    true,
                )
            },
        },
        ("batch", "jobs") => Printer {
            heads: &[
                ("Status", "string", 0),
                ("Completions", "string", 0),
                ("Duration", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: job,
        },
        ("batch", "cronjobs") => Printer {
            heads: &[
                ("Schedule", "string", 0),
                ("Timezone", "string", 0),
                ("Suspend", "boolean", 0),
                ("Active", "integer", 0),
                ("Last Schedule", "string", 0),
                ("Age", "string", 0),
                ("Containers", "string", 1),
                ("Images", "string", 1),
                ("Selector", "string", 1),
            ],
            cells: |object, now| {
                let last = match text(object, "/status/lastScheduleTime") {
                    "" => NONE.to_owned(),
                    moment => since(moment, now),
                };
                // Words, though the column is one of truth values.
                let suspended = match object.pointer("/spec/suspend") {
                    Some(Value::Bool(true)) => "True",
                    _ => "False",
                };
                let cells = vec![
                    json!(text(object, "/spec/schedule")),
                    text_or_none(object, "/spec/timeZone"),
                    json!(suspended),
                    json!(list(object, "/status/active").len()),
                    json!(last),
                    age(object, now),
                ];
                with_template(&object["spec"]["jobTemplate"], cells, true)
            },
        },
        ("apps", "controllerrevisions") => Printer {
            heads: &[
                ("Controller", "string", 0),
                ("Revision", "string", 0),
                ("Age", "string", 0),
            ],
            cells: |object, now| {
                let owner = list(object, "/metadata/ownerReferences").first();
                let owner = owner.map_or_else(
                    || NONE.to_owned(),
                    |owner| {
                        let kind = text(owner, "/kind").to_lowercase();
                        format!("{kind}.apps/{}", text(owner, "/name"))
                    },
                );
                vec![json!(owner), json!(number(object, "/revision")), age(object, now)]
            },
        },
        _ => return None,
    })
}

/// Adds what the pods of a template are made of.
fn with_template(object: &Value, mut cells: Vec<Value>, with_selector: bool) -> Vec<Value> {
    let containers = list(object, "/spec/template/spec/containers");
    let each = |field: &str| {
        containers
            .iter()
            .map(|one| text(one, field))
            .collect::<Vec<_>>()
            .join(",")
    };
    cells.push(json!(each("/name")));
    cells.push(json!(each("/image")));
    if with_selector {
        cells.push(json!(selector(object.pointer("/spec/selector"))));
    }
    cells
}

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let statuses = list(object, "/status/containerStatuses");
    let ready = statuses.iter().filter(|status| status["ready"] == true).count();
    let restarts: i64 = statuses
        .iter()
        .map(|status| number(status, "/restartCount"))
        .sum();
    let gates = list(object, "/spec/readinessGates").len();
    vec![
        json!(format!("{ready}/{}", list(object, "/spec/containers").len())),
        json!(pod_status(object)),
        json!(restarts.to_string()),
        age(object, now),
        text_or_none(object, "/status/podIP"),
        text_or_none(object, "/spec/nodeName"),
        text_or_none(object, "/status/nominatedNodeName"),
        if gates == 0 {
            json!(NONE)
        } else {
            json!(format!("0/{gates}"))
        },
    ]
}

/// The one word for how a pod is.
fn pod_status(object: &Value) -> String {
    let mut word = match text(object, "/status/reason") {
        "" => text(object, "/status/phase").to_owned(),
        reason => reason.to_owned(),
    };
    let ended = |state: &Value| {
        let reason = text(state, "/terminated/reason");
        match (reason, number(state, "/terminated/signal")) {
            ("", 0) => format!("ExitCode:{}", number(state, "/terminated/exitCode")),
            ("", signal) => format!("Signal:{signal}"),
            (reason, _) => reason.to_owned(),
        }
    };
    let total = list(object, "/spec/initContainers").len();
    let mut starting = false;
    for (index, status) in list(object, "/status/initContainerStatuses").iter().enumerate() {
        let state = &status["state"];
        if state["terminated"].is_object() && number(state, "/terminated/exitCode") == 0
            || status["started"] == true
        {
            continue;
        }
        let waiting = text(state, "/waiting/reason");
        word = if state["terminated"].is_object() {
            format!("Init:{}", ended(state))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{total}")
        };
        starting = true;
        break;
    }
    if !starting {
        let mut running = false;
        for status in list(object, "/status/containerStatuses").iter().rev() {
            let state = &status["state"];
            let waiting = text(state, "/waiting/reason");
            if !waiting.is_empty() {
                waiting.clone_into(&mut word);
            } else if state["terminated"].is_object() {
                word = ended(state);
            } else if status["ready"] == true && state["running"].is_object() {
                running = true;
            }
        }
        if word == "Completed" && running {
            "Running".clone_into(&mut word);
        }
    }
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating".clone_into(&mut word);
    }
    word
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let conditions = list(object, "/status/conditions");
    let has = |kind: &str| {
        conditions
            .iter()
            .any(|one| one["type"] == kind && one["status"] == "True")
    };
    let status = if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if object.pointer("/metadata/deletionTimestamp").is_some() {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else if has("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    };
    let wanted = object
        .pointer("/spec/completions")
        .and_then(Value::as_i64)
        .unwrap_or(1);
    let took = text(object, "/status/startTime")
        .parse::<Timestamp>()
        .ok()
        .map(|start| {
            let end = text(object, "/status/completionTime").parse().unwrap_or(now);
            duration(end.as_second() - start.as_second())
        });
    let cells = vec![
        json!(status),
        json!(format!("{}/{wanted}", number(object, "/status/succeeded"))),
        json!(took.unwrap_or_default()),
        age(object, now),
    ];
    with_template(object, cells, true)
}
