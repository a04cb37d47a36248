//! What people are told, as Events beside the object that it is about: refusals, and what became of what policies decide.
//!
//! The same words about the same object are one Event whose count goes up. Telling never holds up an answer: what comes
//! faster than it can be told is dropped, the figures count it all the same.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use api::Group;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::words::cut;

/// How many refusals wait to be told.
const WAITING: usize = 256;
/// No more than one in this time.
const PACE: Duration = Duration::from_millis(100);
/// The API server takes no longer notes.
const NOTE_LIMIT: usize = 1024;

/// What is told of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) topic: Topic,
    pub(crate) namespace: String,
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) name: String,
    pub(crate) message: String,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// A request was refused.
    Refused,
    /// A policy was carried out.
    Applied,
    /// A policy could not be carried out.
    Failed,
}

impl Topic {
    /// Type, reason, action and who says it.
    fn words(self) -> [&'static str; 4] {
        match self {
            Topic::Refused => ["Warning", "PolicyViolation", "Refuse", "webhook"],
            Topic::Applied => ["Normal", "PolicyApplied", "CarryOut", "guardrails"],
            Topic::Failed => ["Warning", "PolicyError", "CarryOut", "guardrails"],
        }
    }
}

/// Where refusals are handed in.
#[derive(Clone)]
pub(crate) struct Events {
    sender: mpsc::Sender<Told>,
}

impl Events {
    pub(crate) fn new() -> (Self, mpsc::Receiver<Told>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self { sender }, receiver)
    }

    pub(crate) fn tell(&self, told: Told) {
        if self.sender.try_send(told).is_err() {
            tracing::debug!("more than can be told");
        }
    }
}

/// Tells refusals until `stop`. What cannot be told is not worth failing for.
pub(crate) async fn publish_all(
    client: Client,
    group: Group,
    mut refusals: mpsc::Receiver<Told>,
    stop: CancellationToken,
) {
    loop {
        let refused = tokio::select! {
            () = stop.cancelled() => return,
            refused = refusals.recv() => refused,
        };
        let Some(refused) = refused else { return };
        if let Err(error) = publish(&client, &group, &refused).await {
            tracing::debug!(%error, "cannot record an event");
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Tells it now.
pub(crate) async fn publish(client: &Client, group: &Group, told: &Told) -> Result<(), kube::Error> {
    let now = MicroTime(jiff::Timestamp::now());
    let event = event(group, told, now.clone());
    let api: Api<Event> = Api::namespaced(client.clone(), &event.namespace().unwrap_or_default());
    match api.create(&PostParams::default(), &event).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        other => return other.map(drop),
    }
    let name = event.name_any();
    let count = api.get(&name).await?.series.map_or(1, |series| series.count);
    let series = EventSeries {
        count: count.saturating_add(1),
        last_observed_time: now,
    };
    let patch = Patch::Merge(json!({"series": series}));
    api.patch(&name, &PatchParams::default(), &patch).await.map(drop)
}

fn event(group: &Group, told: &Told, now: MicroTime) -> Event {
    // Events of what is in no namespace are kept in this one.
    let namespace = if told.namespace.is_empty() {
        "default"
    } else {
        &told.namespace
    };
    let mut hasher = DefaultHasher::new();
    (told.topic, &told.kind, &told.name, &told.message).hash(&mut hasher);
    let name = if told.name.is_empty() {
        "unnamed"
    } else {
        told.name.trim_end_matches('-')
    };
    let [kind, reason, action, by] = told.topic.words();
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:016x}", hasher.finish())),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        event_time: Some(now),
        type_: Some(kind.to_owned()),
        reason: Some(reason.to_owned()),
        note: Some(cut(told.message.trim(), NOTE_LIMIT)),
        action: Some(action.to_owned()),
        reporting_controller: Some(group.key(by)),
        reporting_instance: Some(format!("platform-{by}")),
        regarding: Some(ObjectReference {
            api_version: Some(told.api_version.clone()),
            kind: Some(told.kind.clone()),
            name: Some(told.name.clone()),
            namespace: Some(namespace.to_owned()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_refusal_is_the_same_event() {
        let refused = Told {
            topic: Topic::Refused,
            namespace: "shop".to_owned(),
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            name: "web-".to_owned(),
            message: format!("\n\n{}", "x".repeat(5_000)),
        };
        let at = |second| MicroTime(jiff::Timestamp::from_second(second).unwrap());
        let first = event(&Group::default(), &refused, at(1));
        assert_eq!(
            first.metadata.name,
            event(&Group::default(), &refused, at(2)).metadata.name
        );
        assert!(first.metadata.name.unwrap().starts_with("web."));
        assert_eq!(first.note.unwrap().len(), NOTE_LIMIT);
        let other = Told {
            message: "other".to_owned(),
            ..refused.clone()
        };
        assert_ne!(
            event(&Group::default(), &other, at(1)).metadata.name,
            event(&Group::default(), &refused, at(1)).metadata.name
        );
        let nowhere = Told {
            namespace: String::new(),
            ..refused
        };
        assert_eq!(
            event(&Group::default(), &nowhere, at(1))
                .metadata
                .namespace
                .as_deref(),
            Some("default")
        );
    }
}
