//! What the operator tells machines: its figures in Prometheus' form, and whether it lives and is ready.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use api::Kind;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How many connections are served at once.
const CONNECTIONS: usize = 64;
/// How long a caller may take to say what it wants.
const PATIENCE: Duration = Duration::from_secs(10);
/// The form of what `/metrics` says.
const METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: &'static str,
}

/// The figures of one operator. Cheap to clone; clones count together.
#[derive(Clone)]
pub struct Telemetry {
    inner: Arc<Inner>,
}

struct Inner {
    registry: Registry,
    reconciles: Family<Outcome, Counter>,
    durations: Family<OfKind, Histogram>,
    running: Family<OfKind, Gauge>,
    leader: Gauge,
    ready: AtomicBool,
}

impl Default for Telemetry {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("platform_operator");
        let reconciles = Family::<Outcome, Counter>::default();
        let durations = Family::<OfKind, Histogram>::new_with_constructor(|| {
            Histogram::new(exponential_buckets(0.005, 2.0, 12))
        });
        let running = Family::<OfKind, Gauge>::default();
        let leader = Gauge::default();
        registry.register(
            "reconciles",
            "Reconciles that have ended, by kind and outcome",
            reconciles.clone(),
        );
        registry.register(
            "reconcile_seconds",
            "How long reconciles take, by kind",
            durations.clone(),
        );
        registry.register(
            "reconciles_running",
            "Reconciles that are under way, by kind",
            running.clone(),
        );
        registry.register("leader", "1 while this operator leads, else 0", leader.clone());
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "What is running", build);
        Self {
            inner: Arc::new(Inner {
                registry,
                reconciles,
                durations,
                running,
                leader,
                ready: AtomicBool::new(false),
            }),
        }
    }
}

impl Telemetry {
    /// Whether this operator leads.
    pub fn leads(&self, leads: bool) {
        self.inner.leader.set(i64::from(leads));
        self.reaches();
    }

    /// The cluster was reached: the operator is ready to work or to stand by.
    pub fn reaches(&self) {
        self.inner.ready.store(true, Ordering::Relaxed);
    }

    /// The operator stops: nothing more is to be asked of it.
    pub fn stops(&self) {
        self.inner.ready.store(false, Ordering::Relaxed);
    }

    /// Does the work of one reconcile, and counts it.
    pub(crate) async fn reconcile<T, E>(
        &self,
        kind: Kind,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let label = OfKind { kind: kind.as_str() };
        let running = self.inner.running.get_or_create(&label).clone();
        let begun = Instant::now();
        running.inc();
        let _running = Running(running);
        let outcome = work.await;
        self.count(kind, begun.elapsed(), outcome.is_ok());
        outcome
    }

    /// Counts a reconcile that has ended.
    pub(crate) fn count(&self, kind: Kind, took: Duration, well: bool) {
        let kind = kind.as_str();
        let outcome = if well { "ok" } else { "error" };
        self.inner
            .reconciles
            .get_or_create(&Outcome { kind, outcome })
            .inc();
        self.inner
            .durations
            .get_or_create(&OfKind { kind })
            .observe(took.as_secs_f64());
    }

    /// All figures as text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string cannot fail to be written to.
        let _ = encode(&mut text, &self.inner.registry);
        text
    }
}

/// Whoever has figures and is ready or not.
pub trait Figures: Clone + Send + Sync + 'static {
    /// All figures as text.
    fn text(&self) -> String;
    /// Whether it is ready.
    fn is_ready(&self) -> bool;
}

impl Figures for Telemetry {
    fn text(&self) -> String {
        Telemetry::text(self)
    }

    fn is_ready(&self) -> bool {
        self.inner.ready.load(Ordering::Relaxed)
    }
}

impl Figures for admission::Telemetry {
    fn text(&self) -> String {
        admission::Telemetry::text(self)
    }

    fn is_ready(&self) -> bool {
        admission::Telemetry::is_ready(self)
    }
}

/// What is said to a request for this path.
fn answer(figures: &impl Figures, path: &str) -> (StatusCode, &'static str, String) {
    let plain = "text/plain; charset=utf-8";
    let say = |good: bool, bad: &str| {
        if good {
            (StatusCode::OK, plain, "ok\n".to_owned())
        } else {
            (StatusCode::SERVICE_UNAVAILABLE, plain, format!("{bad}\n"))
        }
    };
    match path {
        "/metrics" => (StatusCode::OK, METRICS, figures.text()),
        // Whoever answers lives. A cluster that cannot be reached is not healed by starting anew.
        "/healthz" => say(true, ""),
        "/readyz" => say(figures.is_ready(), "not ready"),
        _ => (
            StatusCode::NOT_FOUND,
            plain,
            "there is /healthz, /readyz and /metrics\n".to_owned(),
        ),
    }
}

/// One reconcile under way; counted down however it ends.
struct Running(Gauge);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Answers at an address until dropped.
pub struct TelemetryServer {
    address: SocketAddr,
    listener: TcpListener,
}

impl TelemetryServer {
    /// Takes the address. Port 0 takes a free one.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop`.
    pub async fn run(self, figures: impl Figures, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                return;
            };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = stop.cancelled() => return,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors, most likely: wait for some to come back.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let (figures, stop) = (figures.clone(), stop.clone());
            tokio::spawn(async move {
                let service = service_fn(|request: Request<Incoming>| {
                    let response = respond(&figures, &request);
                    async { Ok::<_, Infallible>(response) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(PATIENCE)
                    .serve_connection(TokioIo::new(stream), service);
                tokio::select! {
                    _ = connection => {}
                    () = stop.cancelled() => {}
                }
                drop(place);
            });
        }
    }
}

fn respond(figures: &impl Figures, request: &Request<Incoming>) -> Response<String> {
    let (status, form, text) = if request.method() == Method::GET || request.method() == Method::HEAD {
        answer(figures, request.uri().path())
    } else {
        (
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain; charset=utf-8",
            "only GET\n".to_owned(),
        )
    };
    let mut response = Response::new(text);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(form));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    #[tokio::test]
    async fn reconciles_are_counted_by_kind_and_outcome() {
        let telemetry = Telemetry::default();
        let good = telemetry.reconcile(Kind::Team, async { Ok::<_, ()>(1) }).await;
        let bad = telemetry
            .reconcile(Kind::Application, async { Err::<(), _>("no") })
            .await;
        assert_eq!((good, bad), (Ok(1), Err("no")));
        telemetry.count(Kind::Database, Duration::from_millis(20), true);
        telemetry.leads(true);
        let text = telemetry.text();
        for line in [
            "platform_operator_reconciles_total{kind=\"Team\",outcome=\"ok\"} 1",
            "platform_operator_reconciles_total{kind=\"Application\",outcome=\"error\"} 1",
            "platform_operator_reconcile_seconds_count{kind=\"Database\"} 1",
            "platform_operator_reconciles_running{kind=\"Team\"} 0",
            "platform_operator_leader 1",
            concat!(
                "platform_operator_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "# EOF",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
        }
    }

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream
            .write_all(format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn probes_and_figures_are_answered() {
        let server = TelemetryServer::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let (address, telemetry, stop) = (server.address(), Telemetry::default(), CancellationToken::new());
        let task = tokio::spawn(server.run(telemetry.clone(), stop.clone()));
        let check = async |request: &str, status: &str| {
            let answer = ask(address, request).await;
            assert!(
                answer.starts_with(&format!("HTTP/1.1 {status}")),
                "{request}: {answer}"
            );
        };
        check("GET /healthz HTTP/1.1", "200").await;
        check("GET /readyz HTTP/1.1", "503").await;
        telemetry.reaches();
        check("GET /readyz HTTP/1.1", "200").await;
        telemetry.stops();
        check("GET /readyz HTTP/1.1", "503").await;
        check("GET /metrics HTTP/1.1", "200").await;
        check("GET / HTTP/1.1", "404").await;
        check("POST /metrics HTTP/1.1", "405").await;
        check("nonsense", "400").await;
        stop.cancel();
        task.await.unwrap();
    }
}
