//! What the operator tells people, as Events at their Application: what changed from one status to the next.
//!
//! Only changes are told, so a service that stays ill is no stream of events. The same news about the same service is
//! one Event whose count goes up, also from another operator: its name is made of what it says.

use std::hash::{DefaultHasher, Hash, Hasher};

use api::{Application, ApplicationStatus, Condition, Health, Kind};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::{Event, EventSeries};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::context::Context;

/// Who reports.
const REPORTER: &str = "platform-operator";
/// The API server takes no longer notes.
const NOTE_LIMIT: usize = 1024;

/// One thing to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct News {
    warning: bool,
    reason: String,
    note: String,
}

impl News {
    fn new(warning: bool, reason: &str, note: &str) -> Self {
        let end = (0..=NOTE_LIMIT.min(note.len()))
            .rev()
            .find(|&end| note.is_char_boundary(end));
        Self {
            warning,
            reason: reason.to_owned(),
            note: note[..end.unwrap_or_default()].to_owned(),
        }
    }
}

/// What is new in a status. No I/O.
pub(crate) fn news(before: &ApplicationStatus, after: &ApplicationStatus) -> Vec<News> {
    let mut news = Vec::new();
    let find = |status: &ApplicationStatus, kind: &str| -> Option<Condition> {
        status.conditions.iter().find(|c| c.kind == kind).cloned()
    };
    let mut refused = false;
    if let Some(now) = find(after, "GuardrailsPassed") {
        let then = find(before, "GuardrailsPassed");
        let changed = then
            .as_ref()
            .is_none_or(|then| (&then.status, &then.message) != (&now.status, &now.message));
        if now.status == "False" && changed {
            refused = true;
            news.push(News::new(true, "GuardrailRefused", &now.message));
        } else if now.status == "True" && then.is_some_and(|then| then.status == "False") {
            news.push(News::new(false, "GuardrailsPassed", &now.message));
        }
    }
    for kind in ["DatabaseReady", "CacheReady"] {
        let Some(now) = find(after, kind) else { continue };
        let then = find(before, kind);
        if then.is_some_and(|then| (&then.status, &then.reason) == (&now.status, &now.reason)) {
            continue;
        }
        if now.status == "True" {
            news.push(News::new(false, kind, &now.message));
        } else if now.reason == "Failed" {
            news.push(News::new(true, &kind.replace("Ready", "Failed"), &now.message));
        }
    }
    let Some(health) = after.health else { return news };
    let reason = after.reason.as_deref().unwrap_or_default();
    let ill = matches!(health, Health::Degraded | Health::Missing);
    let changed = before.health != after.health || (ill && before.reason != after.reason);
    // A refusal was told already, with more in it.
    if changed && !(refused && ill) {
        news.push(News::new(ill, health.as_str(), reason));
    }
    news
}

/// Tells it. What cannot be told is not worth failing for.
pub(crate) async fn tell(context: &Context, application: &Application, news: &[News]) {
    for one in news {
        if let Err(error) = publish(context, application, one).await {
            tracing::debug!(%error, reason = one.reason, "cannot record an event");
        }
    }
}

async fn publish(context: &Context, application: &Application, news: &News) -> Result<(), kube::Error> {
    let namespace = application.namespace().unwrap_or_default();
    let api: Api<Event> = Api::namespaced(context.client.clone(), &namespace);
    let now = MicroTime(jiff::Timestamp::now());
    let event = event(context, application, news, now.clone());
    match api.create(&PostParams::default(), &event).await {
        Err(kube::Error::Api(status)) if status.code == 409 => {}
        other => return other.map(drop),
    }
    let name = event.name_any();
    let told = api.get(&name).await?.series.map_or(1, |series| series.count);
    let series = EventSeries {
        count: told.saturating_add(1),
        last_observed_time: now,
    };
    let patch = Patch::Merge(json!({"series": series}));
    api.patch(&name, &PatchParams::default(), &patch).await.map(drop)
}

fn event(context: &Context, application: &Application, news: &News, now: MicroTime) -> Event {
    let name = application.name_any();
    let mut hasher = DefaultHasher::new();
    (&application.metadata.uid, &news.reason, &news.note).hash(&mut hasher);
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{name}.{:016x}", hasher.finish())),
            namespace: application.namespace(),
            ..ObjectMeta::default()
        },
        event_time: Some(now),
        type_: Some(if news.warning { "Warning" } else { "Normal" }.to_owned()),
        reason: Some(news.reason.clone()),
        note: Some(news.note.clone()),
        action: Some("Reconcile".to_owned()),
        reporting_controller: Some(context.group.key("operator")),
        reporting_instance: Some(REPORTER.to_owned()),
        regarding: Some(ObjectReference {
            api_version: Some(context.group.api_version()),
            kind: Some(Kind::Application.as_str().to_owned()),
            name: Some(name),
            namespace: application.namespace(),
            uid: application.metadata.uid.clone(),
            ..ObjectReference::default()
        }),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::{condition, set_condition};

    fn status(
        health: Option<Health>,
        reason: &str,
        conditions: &[(&str, &str, &str, &str)],
    ) -> ApplicationStatus {
        let mut status = ApplicationStatus {
            health,
            reason: Some(reason.to_owned()),
            ..ApplicationStatus::default()
        };
        for (kind, value, word, message) in conditions {
            let entry = condition(kind, value, word, (*message).to_owned());
            set_condition(&mut status.conditions, entry, Some(1), "2026-01-01T00:00:00Z");
        }
        status
    }

    fn check(before: &ApplicationStatus, after: &ApplicationStatus, expect: &[(&str, &str)]) {
        let got = news(before, after);
        let told: Vec<(&str, &str)> = got.iter().map(|n| (n.reason.as_str(), n.note.as_str())).collect();
        assert_eq!(told, expect);
    }

    #[test]
    fn only_what_changed_is_told() {
        let none = ApplicationStatus::default();
        let passed = ("GuardrailsPassed", "True", "Passed", "29 rules");
        let refused = ("GuardrailsPassed", "False", "Refused", "no-latest: say which");
        let pending = ("DatabaseReady", "False", "Pending", "its server is being made");
        let ready = ("DatabaseReady", "True", "Ready", "postgres 17");
        let failed = ("CacheReady", "False", "Failed", "its credentials are gone");
        let progressing = status(Some(Health::Progressing), "1 of 3", &[passed, pending]);
        check(&none, &progressing, &[("Progressing", "1 of 3")]);
        check(&progressing, &progressing, &[]);
        check(
            &progressing,
            &status(Some(Health::Progressing), "2 of 3", &[passed, pending]),
            &[],
        );
        let healthy = status(Some(Health::Healthy), "3 of 3", &[passed, ready]);
        check(
            &progressing,
            &healthy,
            &[("DatabaseReady", "postgres 17"), ("Healthy", "3 of 3")],
        );
        let ill = status(Some(Health::Degraded), "cannot pull", &[passed, ready, failed]);
        check(
            &healthy,
            &ill,
            &[
                ("CacheFailed", "its credentials are gone"),
                ("Degraded", "cannot pull"),
            ],
        );
        check(
            &ill,
            &status(Some(Health::Degraded), "crashes", &[passed, ready, failed]),
            &[("Degraded", "crashes")],
        );
        let no = status(Some(Health::Degraded), "a guardrail refuses it", &[refused]);
        check(&none, &no, &[("GuardrailRefused", "no-latest: say which")]);
        check(&no, &no, &[]);
        check(
            &no,
            &healthy,
            &[
                ("GuardrailsPassed", "29 rules"),
                ("DatabaseReady", "postgres 17"),
                ("Healthy", "3 of 3"),
            ],
        );
    }

    #[test]
    fn warnings_warn_and_long_notes_are_cut_between_characters() {
        let long = "ü".repeat(2000);
        let ill = status(Some(Health::Degraded), &long, &[]);
        let told = news(&ApplicationStatus::default(), &ill);
        assert!(told[0].warning);
        assert_eq!(told[0].note.len(), 1024);
        let well = status(Some(Health::Healthy), "well", &[]);
        assert!(!news(&ill, &well)[0].warning);
    }
}
