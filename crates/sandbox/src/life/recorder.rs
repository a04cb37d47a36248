//! Writes Events: the sentences `kubectl describe` shows. Never in the way of the real work: notes wait
//! in a queue of bounded length, and what does not fit is dropped with a line in the log.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use futures::stream::{FuturesUnordered, StreamExt};
use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::change::Note;
use super::object::{number, stamp};
use super::write::request;
use crate::clock::Clock;

/// Who reports.
pub(crate) const REPORTER: &str = "towpath-sandbox";
/// How many notes may wait.
const QUEUE: usize = 16_384;
/// How many events are written at the same time.
const ABREAST: usize = 64;
/// How many written events are remembered, to count them instead of writing them again.
const REMEMBERED: usize = 16_384;

/// Takes notes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    queue: mpsc::Sender<(Note, Timestamp)>,
    clock: ClockHandle,
}

#[derive(Clone)]
struct ClockHandle(Arc<dyn Clock>);

impl std::fmt::Debug for ClockHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Clock")
    }
}

impl Recorder {
    /// A recorder, and the task that writes what it takes down. The task ends once all recorders are
    /// gone and everything is written.
    pub(crate) fn new(client: kube::Client, clock: Arc<dyn Clock>) -> (Self, impl Future<Output = ()>) {
        let (queue, notes) = mpsc::channel(QUEUE);
        (
            Self {
                queue,
                clock: ClockHandle(clock),
            },
            write_all(client, notes),
        )
    }

    /// Takes a note.
    pub(crate) fn tell(&self, note: Note) {
        let reason = note.reason;
        if self.queue.try_send((note, self.clock.0.now())).is_err() {
            tracing::warn!(reason, "too many events at once; one was dropped");
        }
    }
}

async fn write_all(client: kube::Client, mut notes: mpsc::Receiver<(Note, Timestamp)>) {
    let mut known: HashSet<String> = HashSet::new();
    // Events being written, each with how often the same was said in the meantime, and when last.
    let mut busy: HashMap<String, Option<(Note, Timestamp, i64)>> = HashMap::new();
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            note = notes.recv(), if running.len() < ABREAST => {
                let Some((note, at)) = note else { break };
                let name = event_name(&note);
                if let Some(again) = busy.get_mut(&name) {
                    let times = again.as_ref().map_or(0, |(_, _, times)| *times) + 1;
                    *again = Some((note, at, times));
                } else if !(note.once && known.contains(&name)) {
                    busy.insert(name.clone(), None);
                    let exists = known.contains(&name);
                    running.push(write(client.clone(), name, note, at, 1, exists));
                }
            }
            Some(done) = running.next() => {
                let (name, written): (String, bool) = done;
                if known.len() >= REMEMBERED {
                    known.clear();
                }
                if written {
                    known.insert(name.clone());
                } else {
                    known.remove(&name);
                }
                match busy.insert(name.clone(), None).flatten().filter(|(note, ..)| !note.once) {
                    Some((note, at, times)) => {
                        running.push(write(client.clone(), name, note, at, times, written));
                    }
                    None => {
                        busy.remove(&name);
                    }
                }
            }
        }
    }
    while running.next().await.is_some() {}
}

/// The same thing said of the same object is the same event, also after a restart.
fn event_name(note: &Note) -> String {
    let mut hasher = DefaultHasher::new();
    let about = &note.about;
    (&about.uid, about.kind, &about.field, note.reason, &note.message).hash(&mut hasher);
    let kept: String = about.name.chars().take(230).collect();
    format!("{kept}.{:016x}", hasher.finish())
}

async fn write(
    client: kube::Client,
    name: String,
    note: Note,
    at: Timestamp,
    times: i64,
    exists: bool,
) -> (String, bool) {
    let space = if note.about.namespace.is_empty() {
        "default"
    } else {
        &note.about.namespace
    };
    let path = format!("/api/v1/namespaces/{space}/events");
    if !exists {
        let mut event = event(&name, space, &note, at);
        super::object::set(&mut event, &["count"], json!(times));
        match request(&client, Method::POST, &path, &event).await {
            Ok(_) => return (name, true),
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
            Err(error) => {
                tracing::debug!(reason = note.reason, %error, "an event was not written");
                return (name, false);
            }
        }
    }
    if note.once {
        return (name, true);
    }
    let one = format!("{path}/{name}");
    let counted = async {
        let present = request(&client, Method::GET, &one, &Value::Null).await?;
        let count = number(&present, "/count")
            .unwrap_or(1)
            .saturating_add(times)
            .min(i64::from(i32::MAX));
        let patch = json!({"count": count, "lastTimestamp": stamp(at)});
        request(&client, Method::PATCH, &one, &patch).await
    };
    match counted.await {
        Ok(_) => (name, true),
        // Forgotten by the API in the meantime: the next time it is written anew.
        Err(error) => {
            tracing::debug!(reason = note.reason, %error, "an event was not counted");
            (name, false)
        }
    }
}

fn event(name: &str, namespace: &str, note: &Note, at: Timestamp) -> Value {
    let about = &note.about;
    let mut involved = json!({
        "apiVersion": about.kind.api_version(),
        "kind": about.kind.name(),
        "namespace": about.namespace,
        "name": about.name,
        "uid": about.uid,
        "resourceVersion": about.version,
    });
    if !about.field.is_empty() {
        super::object::set(&mut involved, &["fieldPath"], json!(about.field));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved,
        "type": if note.warning { "Warning" } else { "Normal" },
        "reason": note.reason,
        "message": note.message.chars().take(1024).collect::<String>(),
        "count": 1,
        "firstTimestamp": stamp(at),
        "lastTimestamp": stamp(at),
        "reportingComponent": REPORTER,
        "reportingInstance": REPORTER,
        "source": {"component": REPORTER},
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::change::About;
    use crate::life::kind::Kind;

    fn note(name: &str, message: &str) -> Note {
        let object =
            json!({"metadata": {"name": name, "namespace": "shop", "uid": "1", "resourceVersion": "7"}});
        Note::warning(
            About::new(Kind::Pod, &object).part("spec.containers{web}"),
            "BackOff",
            message,
        )
    }

    #[test]
    fn the_same_word_about_the_same_object_is_the_same_event() {
        assert_eq!(event_name(&note("web", "no")), event_name(&note("web", "no")));
        assert_ne!(event_name(&note("web", "no")), event_name(&note("web", "yes")));
        assert!(event_name(&note(&"w".repeat(253), "no")).len() <= 253);
    }

    #[test]
    fn an_event_as_kubectl_describe_reads_it() {
        let at = "2026-01-01T12:00:00.5Z".parse().unwrap();
        let event = event("web.1", "shop", &note("web", &"x".repeat(2000)), at);
        assert_eq!(event["involvedObject"]["fieldPath"], "spec.containers{web}");
        assert_eq!(
            (&event["type"], &event["reason"]),
            (&json!("Warning"), &json!("BackOff"))
        );
        assert_eq!(event["lastTimestamp"], "2026-01-01T12:00:00Z");
        assert_eq!(event["reportingComponent"], "towpath-sandbox");
        assert_eq!(event["message"].as_str().unwrap().len(), 1024);
    }
}
