//! Playing a sequence on one server.

use super::normal::Normal;
use super::sequence::{Sequence, Step};
use crate::failure::{Result, fail};
use crate::https::{Answer, ApiServer, Changes, Request};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// How long a step may be asked again. What is not there by then shows as a difference.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a server that does not answer is asked again, when it closed the connection before it read all.
const TRIES: usize = 3;

/// An answer, made comparable.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seen {
    /// 0 when there was no answer.
    pub(super) status: u16,
    pub(super) media_type: String,
    pub(super) warnings: Vec<String>,
    pub(super) body: Value,
}

/// One server, and what a sequence has learnt about it.
#[derive(Debug)]
pub(super) struct Side<'a> {
    api: &'a ApiServer,
    variables: BTreeMap<String, String>,
}

impl<'a> Side<'a> {
    pub(super) fn new(api: &'a ApiServer) -> Self {
        Self {
            api,
            variables: BTreeMap::new(),
        }
    }

    /// What the server answers to each step.
    pub(super) fn play(mut self, sequence: &Sequence) -> Result<Vec<Seen>> {
        self.variables.insert("ns".to_owned(), sequence.namespace.clone());
        if sequence.has_namespace() {
            self.prepare(sequence)?;
        }
        let mut normal = Normal::new(&sequence.steps);
        let mut seen = Vec::new();
        for step in &sequence.steps {
            seen.push(match self.answer(step) {
                Ok(answer) => {
                    self.learn(step, &answer);
                    show(&answer, &mut normal)
                }
                Err(failure) => Seen {
                    status: 0,
                    media_type: String::new(),
                    warnings: Vec::new(),
                    body: json!(failure.to_string()),
                },
            });
        }
        Ok(seen)
    }

    /// Sends a step, and again until its answer is the one that is waited for. It can become that when something happens
    /// in the collection that is read, and to what is no collection, or in none that is served yet, when definitions of
    /// kinds change.
    fn answer(&self, step: &Step) -> Result<Answer> {
        if step.until.is_empty() {
            return self.send(step);
        }
        let started = Instant::now();
        let mut changes = self.changes(step);
        loop {
            let answer = self.send(step);
            let done = answer.as_ref().is_ok_and(|answer| is_reached(step, answer));
            if done || started.elapsed() > PATIENCE {
                return answer;
            }
            if !changes.as_mut().is_some_and(Changes::wait) {
                changes = self.changes(step);
            }
        }
    }

    /// What happens in the collection that a step reads from.
    fn changes(&self, step: &Step) -> Option<Changes> {
        let path = self.filled(&step.path);
        let collection = collection(&path).filter(|_| step.method == "GET");
        let changes = collection.and_then(|collection| self.api.changes(collection).ok());
        changes.or_else(|| self.api.changes(DEFINITIONS).ok())
    }

    /// Makes the namespace, with what pods need in it. The sandbox makes the account by itself.
    fn prepare(&self, sequence: &Sequence) -> Result<()> {
        let name = &sequence.namespace;
        self.make("/api/v1/namespaces", &json!({ "metadata": { "name": name } }))?;
        let accounts = format!("/api/v1/namespaces/{name}/serviceaccounts");
        if !sequence.controllers {
            return self.make(&accounts, &json!({ "metadata": { "name": "default" } }));
        }
        let account = format!("{accounts}/default");
        self.api.until(&account, &accounts, PATIENCE, || {
            let found = self.api.get(&account, "application/json")?.status == 200;
            Ok(found.then_some(()))
        })
    }

    fn make(&self, path: &str, object: &Value) -> Result<()> {
        let answer = self.api.send(Request {
            method: "POST",
            path,
            headers: &[
                ("Content-Type", "application/json"),
                ("Accept", "application/json"),
            ],
            body: object.to_string().as_bytes(),
        })?;
        if !matches!(answer.status, 201 | 409) {
            fail!(
                "cannot prepare {path}: {} {}",
                answer.status,
                String::from_utf8_lossy(&answer.body)
            );
        }
        Ok(())
    }

    fn send(&self, step: &Step) -> Result<Answer> {
        let path = self.filled(&step.path);
        let body = match std::str::from_utf8(&step.body) {
            Ok(text) => self.filled(text).into_bytes(),
            Err(_) => step.body.clone(),
        };
        let headers: Vec<(&str, &str)> = step
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let request = Request {
            method: &step.method,
            path: &path,
            headers: &headers,
            body: &body,
        };
        let mut answer = self.api.send(request);
        for _ in 1..TRIES {
            if answer.is_ok() || body.len() < 100_000 {
                break;
            }
            answer = self.api.send(request);
        }
        answer
    }

    fn filled(&self, text: &str) -> String {
        if !text.contains('$') {
            return text.to_owned();
        }
        self.variables
            .iter()
            .fold(text.to_owned(), |text, (name, value)| {
                text.replace(&format!("${name}"), value)
            })
    }

    fn learn(&mut self, step: &Step, answer: &Answer) {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        for (name, place) in &step.remember {
            let value = match body.pointer(place) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            self.variables.insert(name.clone(), value);
        }
    }
}

/// The path of the collection that the path of a collection or of an object leads to.
fn collection(path: &str) -> Option<&str> {
    let path = path.split('?').next()?;
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let (rest, begins) = match parts.as_slice() {
        ["api", _, rest @ ..] => (rest, 2),
        ["apis", _, _, rest @ ..] => (rest, 3),
        _ => return None,
    };
    let length = match rest {
        [] => return None,
        ["namespaces", _, _, ..] => begins + 3,
        _ => begins + 1,
    };
    let (end, _) = path.match_indices('/').chain([(path.len(), "")]).nth(length)?;
    path.get(..end)
}

/// Whether the answer is the one that was waited for. `code` is the status code, `count` the number of items.
fn is_reached(step: &Step, answer: &Answer) -> bool {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    step.until.iter().all(|(place, value)| match place.as_str() {
        "code" => *value == json!(answer.status),
        "count" => *value == json!(body["items"].as_array().map_or(0, Vec::len)),
        // Nothing and an empty value are the same: what is not there yet.
        place => body.pointer(place).unwrap_or(&Value::Null) == value,
    })
}

fn show(answer: &Answer, normal: &mut Normal) -> Seen {
    let headers = |name: &'static str| {
        answer
            .headers
            .iter()
            .filter(move |(known, _)| known == name)
            .map(|(_, value)| value.clone())
    };
    let mut warnings: Vec<String> = headers("warning").map(|text| normal.text(&text)).collect();
    warnings.sort();
    let body = match serde_json::from_slice::<Value>(&answer.body) {
        Ok(value) => normal.value(value),
        Err(_) => of_lines(&answer.body, normal),
    };
    Seen {
        status: answer.status,
        media_type: headers("content-type").next().unwrap_or_default(),
        warnings,
        body,
    }
}

/// The events of a watch, or text.
fn of_lines(body: &[u8], normal: &mut Normal) -> Value {
    let text = String::from_utf8_lossy(body);
    let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
    match lines {
        Ok(events) if !events.is_empty() => normal.value(Value::Array(events)),
        _ => json!(normal.text(text.trim())),
    }
}

#[cfg(test)]
mod tests {
    use super::collection;

    #[test]
    fn where_a_step_reads_from() {
        for (path, expect) in [
            (
                "/api/v1/namespaces/a/pods/b?x=y",
                Some("/api/v1/namespaces/a/pods"),
            ),
            (
                "/api/v1/namespaces/a/pods?x=/y",
                Some("/api/v1/namespaces/a/pods"),
            ),
            ("/api/v1/namespaces/a", Some("/api/v1/namespaces")),
            (
                "/apis/apps/v1/namespaces/a/deployments/b/scale",
                Some("/apis/apps/v1/namespaces/a/deployments"),
            ),
            ("/apis/x.io/v1/things", Some("/apis/x.io/v1/things")),
            ("/apis/x.io/v1", None),
            ("/api/v1", None),
            ("/version", None),
        ] {
            assert_eq!(collection(path), expect, "{path}");
        }
    }
}
