//! What nobody can foresee is made the same on both sides. The rules, and why each is there:
//!
//! - uids become `uid 1`, `uid 2`, … in the order in which they appear: they are random, but an owner's uid must still be
//!   the owner's;
//! - resource versions of objects likewise become `version 1`, …: a write that changes nothing must still keep its
//!   version. Those of lists and bookmarks become one word: they count what others write, too;
//! - points in time become one word, as do the ages in tables: the two servers are not asked at the same moment;
//! - names made of `generateName`, hashes of pod templates and revisions: random, or the hash of a program's memory;
//! - addresses and ports of Services that the request did not ask for: drawn at random upstream;
//! - `managedFields` are put in order of manager and operation: upstream orders them by time, to the second;
//! - `continue` and issued tokens: sealed by the server that made them;
//! - numbers in sentences about resource versions;
//! - API groups of sequences that run beside: they come and go, on each side at its own moment;
//! - bookmarks that do not end the initial events: sent when the server finds it time;
//! - the names and addresses of nodes, and what a kubelet reports of containers: both sides simulate them in their own
//!   way. The phase of a pod and its conditions are compared.

use super::sequence::Step;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::fmt::Write as _;

/// Labels and fields that hold hashes.
const HASHES: [&str; 2] = ["pod-template-hash", "controller-revision-hash"];
/// Fields of a Service that the server fills in at random.
const DRAWN: [&str; 3] = ["clusterIP", "nodePort", "healthCheckNodePort"];
/// The volumes that admission puts into pods begin with this.
const ACCESS: &str = "kube-api-access-";
/// Columns that show a time.
const AGES: [&str; 4] = ["Age", "Duration", "Last Schedule", "Last Seen"];

/// What the API groups end in that sequences make.
const MADE: &str = ".example.com";

/// What has appeared so far on one side.
#[derive(Debug)]
pub(super) struct Normal {
    uids: HashMap<String, usize>,
    versions: HashMap<String, usize>,
    /// What stands for itself no more, longest first.
    words: Vec<(String, String)>,
    /// What the requests say: values in it are no accident.
    asked: String,
}

impl Normal {
    pub(super) fn new(steps: &[Step]) -> Self {
        let asked = steps.iter().map(|step| String::from_utf8_lossy(&step.body));
        Self {
            uids: HashMap::new(),
            versions: HashMap::new(),
            words: Vec::new(),
            asked: asked.collect(),
        }
    }

    /// A document, made comparable.
    pub(super) fn value(&mut self, mut value: Value) -> Value {
        self.look_around(&value);
        self.words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        self.replace(&mut value, "");
        value
    }

    /// Finds words that are made at random.
    fn look_around(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.look_around(item)),
            Value::Object(fields) => {
                if let (Some(Value::String(name)), Some(Value::String(prefix))) =
                    (fields.get("name"), fields.get("generateName"))
                    && !prefix.is_empty()
                    && name.starts_with(prefix.as_str())
                    && name.len() > prefix.len()
                    && !self.asked.contains(&format!("{name:?}"))
                {
                    self.word(name, format!("{prefix}(generated)"));
                }
                if let (Some(Value::String(owner)), Some(status)) = (
                    fields.get("metadata").and_then(|meta| meta.get("name")),
                    fields.get("status"),
                ) {
                    for field in ["currentRevision", "updateRevision"] {
                        let revision = status.get(field).and_then(Value::as_str);
                        if let Some(hash) = revision.and_then(|it| it.strip_prefix(owner.as_str())) {
                            self.word(hash.trim_start_matches('-'), "(hash)".to_owned());
                        }
                    }
                }
                if let Some(Value::String(name)) = fields.get("name")
                    && let Some(random) = name.strip_prefix(ACCESS)
                    && random.len() == 5
                {
                    self.word(name, format!("{ACCESS}(generated)"));
                }
                for (name, value) in fields {
                    if HASHES.contains(&name.as_str())
                        && let Some(hash) = value.as_str()
                    {
                        let hash = hash.rsplit('-').next().unwrap_or_default();
                        self.word(hash, "(hash)".to_owned());
                    }
                    self.look_around(value);
                }
            }
            _ => {}
        }
    }

    fn word(&mut self, word: &str, stands_for: String) {
        if word.len() > 3 && self.words.iter().all(|(known, _)| known != word) {
            self.words.push((word.to_owned(), stands_for));
        }
    }

    fn replace(&mut self, value: &mut Value, key: &str) {
        match value {
            Value::Object(fields) => self.replace_fields(fields, key),
            Value::Array(items) => {
                items.retain(|item| !is_passing_bookmark(item) && !self.is_anothers_group(item));
                if key == "managedFields" {
                    items.sort_by_key(|entry| {
                        ["manager", "operation", "subresource", "apiVersion"]
                            .map(|field| entry[field].to_string())
                    });
                }
                for item in items {
                    self.replace(item, key);
                }
            }
            Value::String(text) => *text = self.replaced(text, key),
            Value::Number(number) => {
                let drawn = DRAWN.contains(&key) && !self.asked.contains(&number.to_string());
                if drawn {
                    *value = json!("(drawn)");
                }
            }
            _ => {}
        }
    }

    /// Whether this is an API group, as discovery lists them, that the requests have nothing to do with.
    fn is_anothers_group(&self, item: &Value) -> bool {
        let name = item["name"]
            .as_str()
            .or_else(|| item["metadata"]["name"].as_str());
        name.is_some_and(|name| {
            item["versions"].is_array() && name.ends_with(MADE) && !self.asked.contains(&format!("{name:?}"))
        })
    }

    fn replace_fields(&mut self, fields: &mut Map<String, Value>, key: &str) {
        let kind = fields
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let is_list = fields.contains_key("items") || kind == "Table" || kind.ends_with("List");
        let version = fields
            .get_mut("metadata")
            .and_then(Value::as_object_mut)
            .and_then(|metadata| {
                let counts = is_list || is_bookmark(metadata);
                metadata.get_mut("resourceVersion").filter(|_| counts)
            });
        if let Some(version) = version
            && version != "0"
        {
            *version = json!("(of the store)");
        }
        if kind == "Table" {
            ages(fields);
        }
        if kind == "Pod"
            || (key == "items"
                && fields
                    .get("spec")
                    .is_some_and(|spec| spec["containers"].is_array()))
        {
            pod_status(fields);
        }
        let names: Vec<String> = fields.keys().cloned().collect();
        for name in names {
            let Some(mut value) = fields.remove(&name) else {
                continue;
            };
            self.replace(&mut value, &name);
            let name = if key == "data" { name } else { self.text(&name) };
            fields.insert(name, value);
        }
    }

    fn replaced(&mut self, text: &str, key: &str) -> String {
        match key {
            "resourceVersion" if text.parse::<u64>().is_ok() && text != "0" => {
                let next = self.versions.len() + 1;
                let number = self.versions.entry(text.to_owned()).or_insert(next);
                return format!("version {number}");
            }
            "continue" if !text.is_empty() => return "(sealed)".to_owned(),
            "token" if text.split('.').count() == 3 => return "(token)".to_owned(),
            "nodeName" | "hostIP" | "podIP" | "ip" if !self.asked.contains(text) => {
                return "(of the node)".to_owned();
            }
            "clusterIP" | "clusterIPs"
                if text != "None" && !text.is_empty() && !self.asked.contains(text) =>
            {
                return "(drawn)".to_owned();
            }
            _ => {}
        }
        self.text(text)
    }

    /// A text, made comparable.
    pub(super) fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for (word, stands_for) in &self.words {
            if text.contains(word.as_str()) {
                text = text.replace(word.as_str(), stands_for);
            }
        }
        let mut out = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            if let Some(uid) = rest.get(..36).filter(|part| is_uid(part)) {
                let next = self.uids.len() + 1;
                let number = self.uids.entry(uid.to_owned()).or_insert(next);
                let _ = write!(out, "uid {number}");
                rest = &rest[36..];
            } else if let Some(length) = time(rest) {
                out.push_str("(time)");
                rest = &rest[length..];
            } else {
                out.push(first);
                rest = &rest[first.len_utf8()..];
            }
        }
        let said = out.to_lowercase();
        if out.contains(' ') && (said.contains("resource version") || said.contains("resourceversion")) {
            return without_numbers(&out);
        }
        out
    }
}

fn is_bookmark(metadata: &Map<String, Value>) -> bool {
    !metadata.contains_key("name") && !metadata.contains_key("uid")
}

fn is_passing_bookmark(event: &Value) -> bool {
    event["type"] == "BOOKMARK"
        && event["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"].is_null()
}

/// The cells of tables that show how old something is.
fn ages(table: &mut Map<String, Value>) {
    let columns = table.get("columnDefinitions").and_then(Value::as_array);
    let ages: Vec<usize> = columns
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, column)| column["name"].as_str().is_some_and(|name| AGES.contains(&name)))
        .map(|(at, _)| at)
        .collect();
    for row in table
        .get_mut("rows")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        for &at in &ages {
            if let Some(cell) = row["cells"].get_mut(at)
                && cell != "<unknown>"
            {
                *cell = json!("(age)");
            }
        }
    }
}

/// What is left of a pod's status: its phase, quality of service, and the conditions that hold.
fn pod_status(pod: &mut Map<String, Value>) {
    let Some(status) = pod.get_mut("status").and_then(Value::as_object_mut) else {
        return;
    };
    status.retain(|name, _| matches!(name.as_str(), "phase" | "qosClass" | "conditions" | "reason"));
    if let Some(conditions) = status.get_mut("conditions").and_then(Value::as_array_mut) {
        let kept = ["PodScheduled", "Initialized", "ContainersReady", "Ready"];
        conditions.retain(|condition| kept.iter().any(|kind| condition["type"] == *kind));
        for condition in conditions.iter_mut() {
            *condition = json!({ "type": condition["type"], "status": condition["status"] });
        }
        conditions.sort_by_key(|condition| condition["type"].to_string());
    }
}

fn is_uid(text: &str) -> bool {
    text.bytes().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    })
}

/// How long the point in time is that a text begins with: `2026-01-02T03:04:05Z`, or as Go prints it.
fn time(text: &str) -> Option<usize> {
    let form = b"dddd-dd-dd?dd:dd:dd";
    let bytes = text.as_bytes();
    let fits = bytes.len() >= form.len()
        && form.iter().zip(bytes).all(|(form, byte)| match form {
            b'd' => byte.is_ascii_digit(),
            b'?' => matches!(byte, b'T' | b' '),
            form => form == byte,
        });
    if !fits {
        return None;
    }
    let rest = &bytes[form.len()..];
    let fraction = if rest.first() == Some(&b'.') {
        1 + rest[1..].iter().take_while(|byte| byte.is_ascii_digit()).count()
    } else {
        0
    };
    let zone = &rest[fraction..];
    let zone = if zone.starts_with(b"Z") {
        1
    } else if zone.starts_with(b" +0000 UTC") {
        10
    } else {
        0
    };
    Some(form.len() + fraction + zone)
}

fn without_numbers(text: &str) -> String {
    let mut out = String::new();
    let mut in_number = false;
    for letter in text.chars() {
        let digit = letter.is_ascii_digit();
        if !digit {
            out.push(letter);
        } else if !in_number {
            out.push('#');
        }
        in_number = digit;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(
        clippy::needless_pass_by_value,
        reason = "cases are written where they are checked"
    )]
    fn check(value: Value, expect: Value) {
        assert_eq!(Normal::new(&[]).value(value.clone()), expect, "{value}");
    }

    #[test]
    fn the_same_stays_the_same() {
        let one = "6d5d2a5c-8d2b-4f5e-9d7e-0a1b2c3d4e5f";
        let other = "7d5d2a5c-8d2b-4f5e-9d7e-0a1b2c3d4e5f";
        check(
            json!([{ "uid": one }, { "uid": other }, format!("see {one}")]),
            json!([{ "uid": "uid 1" }, { "uid": "uid 2" }, "see uid 1"]),
        );
        check(
            json!([{ "resourceVersion": "7" }, { "resourceVersion": "9" }, { "resourceVersion": "7" }]),
            json!([{ "resourceVersion": "version 1" }, { "resourceVersion": "version 2" }, { "resourceVersion": "version 1" }]),
        );
    }

    #[test]
    fn groups_of_others_are_left_out() {
        let group = |name: &str| json!({ "name": name, "versions": [{ "version": "v1" }] });
        check(
            json!({ "groups": [group("apps"), group("def1.example.com")] }),
            json!({ "groups": [group("apps")] }),
        );
        let found = json!([{ "metadata": { "name": "def1.example.com" }, "versions": [] }]);
        check(found, json!([]));
        let asking = Step {
            body: json!({ "spec": { "group": "def1.example.com" } })
                .to_string()
                .into_bytes(),
            ..Step::default()
        };
        let own = json!({ "groups": [group("def1.example.com")] });
        assert_eq!(Normal::new(&[asking]).value(own.clone()), own);
        // Asked for by itself it is compared, and so is a definition.
        check(group("def1.example.com"), group("def1.example.com"));
        let definition =
            json!([{ "metadata": { "name": "gadgets.def1.example.com" }, "spec": { "versions": [] } }]);
        check(definition.clone(), definition);
    }

    #[test]
    fn times_and_draws_are_words() {
        check(
            json!({ "time": "2026-11-21T20:00:00Z", "at": "on 2026-11-21 20:00:00.5 +0000 UTC." }),
            json!({ "time": "(time)", "at": "on (time)." }),
        );
        check(
            json!({ "metadata": { "generateName": "a-", "name": "a-x7k2p" }, "message": "\"a-x7k2p\" is there" }),
            json!({ "metadata": { "generateName": "a-", "name": "a-(generated)" }, "message": "\"a-(generated)\" is there" }),
        );
        check(
            json!({ "spec": { "clusterIP": "10.96.3.4", "ports": [{ "nodePort": 31000 }] } }),
            json!({ "spec": { "clusterIP": "(drawn)", "ports": [{ "nodePort": "(drawn)" }] } }),
        );
        check(
            json!({ "spec": { "clusterIP": "None" } }),
            json!({ "spec": { "clusterIP": "None" } }),
        );
        check(
            json!({ "message": "too old resource version: 3 (17)" }),
            json!({ "message": "too old resource version: # (#)" }),
        );
    }

    #[test]
    fn lists_and_tables_have_versions_and_ages_of_their_own() {
        check(
            json!({ "kind": "PodList", "metadata": { "resourceVersion": "12" }, "items": [] }),
            json!({ "kind": "PodList", "metadata": { "resourceVersion": "(of the store)" }, "items": [] }),
        );
        check(
            json!({ "kind": "Table", "columnDefinitions": [{ "name": "Name" }, { "name": "Age" }], "rows": [{ "cells": ["a", "3s"] }] }),
            json!({ "kind": "Table", "columnDefinitions": [{ "name": "Name" }, { "name": "Age" }], "rows": [{ "cells": ["a", "(age)"] }] }),
        );
    }
}
