//! The webhooks there are, in the order in which they are asked.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::super::matching::Wants;
use crate::engine::Engine;
use crate::store::{Collection, Object};
use crate::verbs::text;

/// One webhook of a configuration.
#[derive(Clone, Debug)]
pub(super) struct Webhook {
    configuration: Arc<Object>,
    index: usize,
}

/// What tells a webhook from all others: its configuration, and its place there.
pub(in crate::admission) type WebhookId = (String, usize);

impl Engine {
    /// The webhooks of all configurations of a kind, by the configurations' names.
    pub(super) fn webhooks(&self, plural: &str) -> Vec<Webhook> {
        let memory = self.store.read();
        let collection = Collection::new("admissionregistration.k8s.io", plural);
        let found = memory.list(&collection, None, None);
        found
            .flat_map(|(_, configuration)| {
                let count = configuration.value["webhooks"].as_array().map_or(0, Vec::len);
                (0..count).map(|index| Webhook {
                    configuration: Arc::clone(configuration),
                    index,
                })
            })
            .collect()
    }
}

impl Webhook {
    fn value(&self) -> &Value {
        &self.configuration.value["webhooks"][self.index]
    }

    pub(super) fn name(&self) -> &str {
        text(self.value(), &["name"])
    }

    pub(super) fn id(&self) -> WebhookId {
        (self.configuration.uid().to_owned(), self.index)
    }

    /// Which writes it wants to see.
    pub(super) fn wants(&self) -> Wants<'_> {
        let value = self.value();
        Wants {
            rules: &value["rules"],
            except: &Value::Null,
            namespaces: &value["namespaceSelector"],
            objects: &value["objectSelector"],
            equivalents: value["matchPolicy"] != "Exact",
        }
    }

    /// Whether a write goes on when it cannot be asked.
    pub(super) fn may_be_missing(&self) -> bool {
        self.value()["failurePolicy"] == "Ignore"
    }

    /// Whether it may be asked about what will not happen.
    pub(super) fn knows_dry_runs(&self) -> bool {
        matches!(text(self.value(), &["sideEffects"]), "None" | "NoneOnDryRun")
    }

    pub(super) fn wants_a_second_look(&self) -> bool {
        self.value()["reinvocationPolicy"] == "IfNeeded"
    }

    pub(super) fn conditions(&self) -> Vec<&Value> {
        self.value()["matchConditions"]
            .as_array()
            .into_iter()
            .flatten()
            .collect()
    }

    pub(super) fn timeout(&self) -> Duration {
        let seconds = self.value()["timeoutSeconds"].as_u64().unwrap_or(10);
        Duration::from_secs(seconds.clamp(1, 30))
    }

    /// The version of AdmissionReview it is asked in: the first that is known.
    pub(super) fn review_version(&self) -> Option<&str> {
        let versions = self.value()["admissionReviewVersions"]
            .as_array()
            .into_iter()
            .flatten();
        versions
            .filter_map(Value::as_str)
            .find(|version| matches!(*version, "v1" | "v1beta1"))
    }

    pub(super) fn url(&self) -> &str {
        text(self.value(), &["clientConfig", "url"])
    }

    pub(super) fn service(&self) -> Option<&Value> {
        Some(&self.value()["clientConfig"]["service"]).filter(|service| service.is_object())
    }

    /// Whom to trust, as PEM; empty when that is everybody whom the machine trusts.
    pub(super) fn authorities(&self) -> Vec<u8> {
        let bundle = text(self.value(), &["clientConfig", "caBundle"]);
        STANDARD.decode(bundle).unwrap_or_default()
    }
}
