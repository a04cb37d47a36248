//! What a real API server (kube-apiserver v1.36.3) answered to sequences of writes, replayed on this
//! crate: objects, `managedFields`, conflicts and validation messages must come out the same.
//!
//! `recorded.json` holds the requests and answers, one scenario a line; server-made metadata (uid,
//! resourceVersion, generation, creationTimestamp) is left out and times are the numbers of steps.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test may stop at a recording it cannot read"
)]

use schema::{ApplyError, FieldSet, Schema, Schemas, Write, apply, reset_fields, update};
use schema::{strategic_merge, validate, validate_update};
use serde_json::{Value, json};

struct Server {
    schema: Schema,
    builtin: bool,
    api_version: String,
    kind: String,
    object: Option<Value>,
}

enum Answer {
    Object(Value),
    Refused { code: i64, messages: Vec<String> },
}

impl Server {
    fn reset(&self, subresource: &str) -> FieldSet {
        let (group, version) = self
            .api_version
            .rsplit_once('/')
            .unwrap_or(("", &self.api_version));
        match Schemas::builtin().kind(group, version, &self.kind) {
            Some(kind) => reset_fields(kind, subresource),
            None if subresource == "status" => schema::custom_resource_reset_fields(subresource),
            None => schema::custom_resource_reset_fields(""),
        }
    }

    fn step(&mut self, number: usize, step: &Value) -> Answer {
        let time = time_of(number);
        let subresource = match step["do"].as_str() {
            Some("scale") => "scale",
            _ => step["sub"].as_str().unwrap_or_default(),
        };
        let reset = self.reset(subresource);
        let write = Write {
            manager: step["manager"].as_str().unwrap_or("tester"),
            api_version: &self.api_version,
            subresource,
            time: &time,
            reset: &reset,
        };
        let body = &step["body"];
        let live = self.object.as_ref();
        let written = match step["do"].as_str().expect("verb") {
            "apply" => {
                let mut config = body.clone();
                if config["metadata"]["namespace"].is_null() && self.namespaced() {
                    config["metadata"]["namespace"] = json!("default");
                }
                match apply(&self.schema, live, &config, step["force"] == true, &write) {
                    Ok(written) => written,
                    Err(error) => {
                        let code = match &error {
                            ApplyError::Conflicts { .. } => 409,
                            ApplyError::ManagedFields => 400,
                            _ => 500,
                        };
                        let mut message = error.to_string();
                        if code == 500 {
                            let name = format!(
                                "failed to create typed patch object (default/{}; {}, Kind={}): ",
                                body["metadata"]["name"].as_str().expect("name"),
                                self.api_version,
                                self.kind
                            );
                            message = message.replace("failed to create typed patch object: ", &name);
                        }
                        return Answer::Refused {
                            code,
                            messages: vec![message],
                        };
                    }
                }
            }
            "create" => {
                let mut object = body.clone();
                if self.namespaced() {
                    object["metadata"]["namespace"] = json!("default");
                }
                update(&self.schema, None, object, &write)
            }
            "put" => update(&self.schema, live, body.clone(), &write),
            "merge" => {
                let mut object = live.expect("live").clone();
                json_patch::merge(&mut object, body);
                update(&self.schema, live, object, &write)
            }
            "strategic" if !self.builtin => {
                return Answer::Refused {
                    code: 415,
                    messages: Vec::new(),
                };
            }
            "strategic" => {
                let object = strategic_merge(&self.schema, live.expect("live"), body).expect("patch");
                update(&self.schema, live, object, &write)
            }
            "scale" => {
                let mut object = live.expect("live").clone();
                object["spec"]["replicas"] = body.clone();
                update(&self.schema, live, object, &write)
            }
            other => panic!("unknown step {other}"),
        };
        let mut errors = validate(&self.schema, &written.object);
        if let Some(live) = live.filter(|_| step["do"] != "create") {
            errors.extend(validate_update(&self.schema, live, &written.object));
        }
        if !errors.is_empty() {
            let messages = errors.iter().map(ToString::to_string).collect();
            return Answer::Refused { code: 422, messages };
        }
        if step["do"] == "create" && self.object.is_some() {
            return Answer::Refused {
                code: 409,
                messages: Vec::new(),
            };
        }
        self.object = Some(written.object.clone());
        Answer::Object(written.object)
    }

    fn namespaced(&self) -> bool {
        let (group, version) = self
            .api_version
            .rsplit_once('/')
            .unwrap_or(("", &self.api_version));
        Schemas::builtin()
            .kind(group, version, &self.kind)
            .is_none_or(|kind| kind.namespaced)
    }
}

/// Steps are a second apart.
fn time_of(step: usize) -> String {
    format!("2026-01-01T00:00:{step:02}Z")
}

/// The recording with its step numbers as times.
fn with_times(recorded: &str) -> Value {
    let mut text = recorded.to_owned();
    for step in 0..60 {
        text = text.replace(&format!("\"step {step}\""), &format!("{:?}", time_of(step)));
    }
    serde_json::from_str(&text).expect("recorded.json")
}

/// Whether findings are among those recorded, word for word: upstream follows some findings up with
/// others that only come from them, and knows more rules.
fn say(recorded: &str, found: &[String]) -> bool {
    found.iter().all(|message| recorded.contains(message.as_str()))
}

/// What this crate leaves to the API server or does not do, taken out of a recorded object: nulls of
/// times nobody set, empty names of reporters, a deprecated annotation, and what storage and admission add to volumes.
fn without_left_out(object: &mut Value) {
    match object {
        Value::Object(fields) => {
            fields.retain(|name, value| match name.as_str() {
                "deprecated.daemonset.template.generation"
                | "f:deprecated.daemonset.template.generation"
                | "lastPhaseTransitionTime" => false,
                "reportingComponent" | "reportingInstance" => value != "",
                "apiGroup" => true,
                _ => !value.is_null(),
            });
            fields.values_mut().for_each(without_left_out);
            for name in ["annotations", "f:annotations", "f:metadata"] {
                let empty = fields.get(name).is_some_and(|value| {
                    value
                        .as_object()
                        .is_some_and(|fields| fields.keys().all(|name| name == "."))
                });
                if empty {
                    fields.remove(name);
                }
            }
            if fields.get("finalizers") == Some(&json!(["kubernetes.io/pv-protection"])) {
                fields.remove("finalizers");
            }
        }
        Value::Array(items) => items.iter_mut().for_each(without_left_out),
        _ => {}
    }
}

/// Refusals that are worded otherwise: upstream finds these while decoding, or prints a Go struct.
const WORDED_OTHERWISE: [(&str, usize); 2] = [("deployment mistakes", 19), ("deployment mistakes", 20)];

fn differences(path: &str, expected: &Value, found: &Value, out: &mut Vec<String>) {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => {
            for key in expected
                .keys()
                .chain(found.keys().filter(|key| !expected.contains_key(*key)))
            {
                match (expected.get(key), found.get(key)) {
                    (Some(a), Some(b)) => differences(&format!("{path}.{key}"), a, b, out),
                    (Some(a), None) => out.push(format!("{path}.{key}: missing {a}")),
                    (None, Some(b)) => out.push(format!("{path}.{key}: too much {b}")),
                    (None, None) => {}
                }
            }
        }
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => {
            for (place, (a, b)) in expected.iter().zip(found).enumerate() {
                differences(&format!("{path}[{place}]"), a, b, out);
            }
        }
        (a, b) if a == b => {}
        (a, b) => out.push(format!("{path}: expected {a}, found {b}")),
    }
}

#[test]
fn as_the_api_server_answered() {
    let mut recorded = with_times(include_str!("recorded.json"));
    for scenario in recorded["scenarios"].as_array_mut().expect("scenarios") {
        let api_version = scenario["apiVersion"].as_str().expect("apiVersion").to_owned();
        let kind = scenario["kind"].as_str().expect("kind").to_owned();
        for step in scenario["steps"].as_array_mut().expect("steps") {
            if let Some(object) = step.get_mut("object")
                && Schemas::builtin().schema(&api_version, &kind).is_some()
            {
                without_left_out(object);
            }
        }
    }
    let widget = Schema::from_crd(&recorded["crd"]).expect("the custom resource's schema");
    let mut failures = Vec::new();
    let mut steps = 0;
    for scenario in recorded["scenarios"].as_array().expect("scenarios") {
        let api_version = scenario["apiVersion"].as_str().expect("apiVersion");
        let kind = scenario["kind"].as_str().expect("kind");
        let scenario_name = scenario["name"].as_str().expect("name");
        let builtin = Schemas::builtin().schema(api_version, kind);
        let mut server = Server {
            schema: builtin.unwrap_or(&widget).clone(),
            builtin: builtin.is_some(),
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            object: None,
        };
        for (number, step) in scenario["steps"].as_array().expect("steps").iter().enumerate() {
            steps += 1;
            let name = format!("{scenario_name} / step {number}");
            let code = step["code"].as_i64().expect("code");
            let mut wrong = Vec::new();
            let before = server.object.clone();
            match server.step(number, step) {
                Answer::Object(object) if code < 300 => {
                    differences("", &step["object"], &object, &mut wrong);
                }
                Answer::Object(_) => wrong.push(format!("expected {code}: {}", step["message"])),
                Answer::Refused { .. }
                    if code >= 400 && WORDED_OTHERWISE.contains(&(scenario_name, number)) => {}
                Answer::Refused {
                    code: found,
                    messages,
                } => {
                    if found != code || !say(step["message"].as_str().unwrap_or_default(), &messages) {
                        wrong.push(format!(
                            "\n   expected {code} {}\n   found    {found} {messages:?}",
                            step["message"]
                        ));
                    }
                }
            }
            // Whatever came out, the next step starts from what the server had.
            server.object = if code < 300 {
                Some(step["object"].clone())
            } else {
                before
            };
            failures.extend(wrong.into_iter().map(|wrong| format!("{name}: {wrong}")));
        }
    }
    assert!(steps > 150, "the recording is whole");
    assert!(
        failures.is_empty(),
        "{} of {steps} steps:\n{}",
        failures.len(),
        failures.join("\n")
    );
}
