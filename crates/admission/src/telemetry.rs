//! What the webhook tells machines: its figures in Prometheus' form, and whether it is ready.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::sync::watch;

/// Where the answers' times are told apart, in seconds.
const BUCKETS: [f64; 12] = [
    0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0,
];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfRequest {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfPolicy {
    policy: String,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was let through.
    Allowed,
    /// It was refused.
    Denied,
    /// It could not be understood.
    Unreadable,
    /// It could not be judged in time, or not at all.
    Failed,
}

/// The figures of one webhook. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    requests: Family<OfRequest, Counter>,
    denials: Family<OfPolicy, Counter>,
    seconds: Histogram,
    policies: Gauge,
    refused: Gauge,
    expiry: Gauge,
    configured: Gauge,
    leader: Gauge,
    ready: watch::Sender<bool>,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("platform_webhook");
        let inner = Inner {
            requests: Family::default(),
            denials: Family::default(),
            seconds: Histogram::new(BUCKETS),
            policies: Gauge::default(),
            refused: Gauge::default(),
            expiry: Gauge::default(),
            configured: Gauge::default(),
            leader: Gauge::default(),
            ready: watch::Sender::new(false),
            registry: Registry::default(),
        };
        registry.register(
            "requests",
            "Requests that were answered, by outcome",
            inner.requests.clone(),
        );
        registry.register(
            "denials",
            "Refusals, by the policy that refused",
            inner.denials.clone(),
        );
        registry.register("request_seconds", "How long answers take", inner.seconds.clone());
        registry.register("policies", "Policies in force", inner.policies.clone());
        registry.register(
            "policies_refused",
            "Policies of the cluster that cannot be read; while there are any, the last good set stays",
            inner.refused.clone(),
        );
        registry.register(
            "certificate_expiry_timestamp_seconds",
            "When the certificate ends that is shown now, in seconds since 1970",
            inner.expiry.clone(),
        );
        registry.register(
            "configured",
            "1 while the API server is told to ask this webhook, as far as the leader knows",
            inner.configured.clone(),
        );
        registry.register(
            "leader",
            "1 while this webhook keeps the configuration, else 0",
            inner.leader.clone(),
        );
        registry.register(
            "build",
            "What is running",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        Self {
            inner: Arc::new(Inner { registry, ..inner }),
        }
    }
}

impl Telemetry {
    /// All figures as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string cannot fail to be written to.
        let _ = encode(&mut text, &self.inner.registry);
        text
    }

    /// Whether it answers as it should: it knows the policies and the cluster, and has a certificate.
    pub fn is_ready(&self) -> bool {
        *self.inner.ready.borrow()
    }

    /// The same, for those who wait for it.
    pub fn readiness(&self) -> watch::Receiver<bool> {
        self.inner.ready.subscribe()
    }

    pub(crate) fn ready(&self, ready: bool) {
        self.inner.ready.send_replace(ready);
    }

    /// Whether this one keeps the configuration.
    pub fn leads(&self, leads: bool) {
        self.inner.leader.set(i64::from(leads));
    }

    pub(crate) fn request(&self, ended: Ended, took: Duration) {
        let outcome = match ended {
            Ended::Allowed => "allowed",
            Ended::Denied => "denied",
            Ended::Unreadable => "unreadable",
            Ended::Failed => "failed",
        };
        self.inner.requests.get_or_create(&OfRequest { outcome }).inc();
        self.inner.seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn denial(&self, policy: &str) {
        let policy = policy.to_owned();
        self.inner.denials.get_or_create(&OfPolicy { policy }).inc();
    }

    pub(crate) fn policies(&self, count: usize, refused: usize) {
        self.inner.policies.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.inner.refused.set(i64::try_from(refused).unwrap_or(i64::MAX));
    }

    pub(crate) fn certificate(&self, expires: i64) {
        self.inner.expiry.set(expires);
    }

    pub(crate) fn configured(&self, configured: bool) {
        self.inner.configured.set(i64::from(configured));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_is_counted() {
        let telemetry = Telemetry::default();
        telemetry.request(Ended::Denied, Duration::from_millis(2));
        telemetry.denial("require-limits");
        telemetry.policies(31, 1);
        telemetry.certificate(1_800_000_000);
        telemetry.configured(true);
        telemetry.leads(true);
        let text = telemetry.text();
        for line in [
            "platform_webhook_requests_total{outcome=\"denied\"} 1",
            "platform_webhook_denials_total{policy=\"require-limits\"} 1",
            "platform_webhook_request_seconds_count 1",
            "platform_webhook_policies 31",
            "platform_webhook_policies_refused 1",
            "platform_webhook_certificate_expiry_timestamp_seconds 1800000000",
            "platform_webhook_configured 1",
            "platform_webhook_leader 1",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
        }
    }
}
