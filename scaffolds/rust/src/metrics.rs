//! Counting, timing and logging the requests.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder};
use tracing::{debug, info};

/// What is counted and timed.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
}

impl Metrics {
    pub fn new() -> Self {
        Self::registered().expect("the names of the metrics are valid and differ")
    }

    fn registered() -> prometheus::Result<Self> {
        let metrics = Self {
            registry: Registry::new(),
            requests: IntCounterVec::new(
                Opts::new(
                    "http_requests_total",
                    "Requests answered, by method, route and status.",
                ),
                &["method", "route", "status"],
            )?,
            duration: HistogramVec::new(
                HistogramOpts::new(
                    "http_request_duration_seconds",
                    "Time to answer a request, by method and route.",
                ),
                &["method", "route"],
            )?,
        };
        let registry = &metrics.registry;
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.duration.clone()))?;
        #[cfg(target_os = "linux")]
        registry.register(Box::new(
            prometheus::process_collector::ProcessCollector::for_self(),
        ))?;
        Ok(metrics)
    }

    /// All metrics, as Prometheus reads them.
    pub fn text(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

/// Counts, times and logs an answer. Probes and scrapes are logged at debug only.
pub async fn observe(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path().to_owned();
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let start = Instant::now();
    let response = next.run(request).await;
    let elapsed = start.elapsed();

    let status = response.status();
    // Labels come from the route that matched, so that no caller can invent new ones.
    let (label, route) = match &matched {
        Some(matched) if status != StatusCode::METHOD_NOT_ALLOWED => {
            (method.as_str(), matched.as_str())
        }
        _ => ("other", "unmatched"),
    };
    metrics
        .requests
        .with_label_values(&[label, route, status.as_str()])
        .inc();
    metrics
        .duration
        .with_label_values(&[label, route])
        .observe(elapsed.as_secs_f64());
    let (status, duration) = (status.as_u16(), format!("{elapsed:?}"));
    if matches!(route, "/health" | "/ready" | "/metrics") {
        debug!(method, path, status, duration, "request");
    } else {
        info!(method, path, status, duration, "request");
    }
    response
}
