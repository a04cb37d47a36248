//! What the service answers.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router, middleware};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, info, warn};

use crate::metrics::{Metrics, observe};

pub const NAME: &str = "__NAME__";
/// Set when it is built: SERVICE_VERSION=v1.2.3 cargo build.
pub const VERSION: &str = match option_env!("SERVICE_VERSION") {
    Some(version) => version,
    None => "dev",
};

/// Bounds one look at a dependency.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// How long running requests may take to finish. Together with the drain time it stays below the 30 seconds after
/// which Kubernetes kills the pod.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

/// A question to a dependency, by name.
pub type Ask = (&'static str, Box<dyn Fn() -> Answer + Send + Sync>);
/// What it says, or why it says nothing.
pub type Answer = Pin<Box<dyn Future<Output = Result<Value, String>> + Send>>;

/// Answers the requests. It is complete once all it depends on was added.
pub struct Service {
    metrics: Arc<Metrics>,
    /// Whether what the service depends on can be used.
    pub checks: Vec<Ask>,
    /// Entries of the answer to GET /.
    pub facts: Vec<Ask>,
    draining: AtomicBool,
}

impl Service {
    pub fn new() -> Self {
        Self {
            metrics: Arc::new(Metrics::new()),
            checks: Vec::new(),
            facts: Vec::new(),
            draining: AtomicBool::new(false),
        }
    }
}

/// Routes the requests.
fn router(service: Arc<Service>) -> Router {
    let metrics = Arc::clone(&service.metrics);
    Router::new()
        .route("/", get(index))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(all_metrics))
        .layer(middleware::from_fn_with_state(metrics, observe))
        .with_state(service)
}

/// Tells who answers, and shows that the dependencies work.
async fn index(State(service): State<Arc<Service>>) -> Response {
    let mut answer = Map::new();
    answer.insert("service".to_owned(), NAME.into());
    answer.insert("version".to_owned(), VERSION.into());
    for (name, ask) in &service.facts {
        match within(CHECK_TIMEOUT, ask()).await {
            Ok(value) => {
                answer.insert((*name).to_owned(), value);
            }
            Err(problem) => {
                error!(dependency = name, error = problem, "request failed");
                let body = json!({ "error": format!("{name} is not available") });
                return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
            }
        }
    }
    Json(answer).into_response()
}

/// Says that the process lives. It looks at no dependency: a restart would not mend one.
async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// Says whether requests should come here: not while stopping, and not without the dependencies.
async fn ready(State(service): State<Arc<Service>>) -> (StatusCode, Json<Value>) {
    if service.draining.load(Ordering::Relaxed) {
        return (
            StatusCode::SERVICE_UNAVAILABLE,
            Json(json!({ "status": "stopping" })),
        );
    }
    let (mut status, mut code) = ("ready", StatusCode::OK);
    let mut checks = Map::new();
    for (name, ask) in &service.checks {
        let result = match within(CHECK_TIMEOUT, ask()).await {
            Ok(_) => "ok",
            Err(problem) => {
                warn!(dependency = name, error = problem, "not ready");
                (status, code) = ("not ready", StatusCode::SERVICE_UNAVAILABLE);
                "not available"
            }
        };
        checks.insert((*name).to_owned(), result.into());
    }
    (code, Json(json!({ "status": status, "checks": checks })))
}

async fn all_metrics(State(service): State<Arc<Service>>) -> Response {
    match service.metrics.text() {
        Ok(text) => ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(problem) => {
            error!(error = %problem, "request failed");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn within(limit: Duration, answer: Answer) -> Result<Value, String> {
    timeout(limit, answer)
        .await
        .unwrap_or_else(|_| Err(format!("no answer within {limit:?}")))
}

/// Answers requests until `told` ends. Then it says on /ready that it stops, keeps answering for the drain time,
/// takes no new connections and lets running requests finish.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    drain: Duration,
    told: impl Future<Output = ()>,
) -> Result<(), String> {
    let answers = TowerToHyperService::new(router(Arc::clone(&service)));
    let mut http = http1::Builder::new();
    // With a clock it ends connections that send no whole request head within 30 seconds.
    http.timer(TokioTimer::new());
    let running = GracefulShutdown::new();
    let mut drained = pin!(async {
        told.await;
        service.draining.store(true, Ordering::Relaxed);
        info!(drain = ?drain, "stopping");
        sleep(drain).await;
    });
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let connection = http.serve_connection(TokioIo::new(stream), answers.clone());
                    let connection = running.watch(connection);
                    tokio::spawn(async move {
                        if let Err(problem) = connection.await {
                            debug!(error = %problem, "connection broke");
                        }
                    });
                }
                Err(problem) => {
                    // Most likely too many files are open; some will be closed.
                    warn!(error = %problem, "connection not taken");
                    sleep(Duration::from_millis(100)).await;
                }
            },
            () = &mut drained => break,
        }
    }
    drop(listener);
    timeout(SHUTDOWN_TIMEOUT, running.shutdown())
        .await
        .map_err(|_| format!("requests still running after {SHUTDOWN_TIMEOUT:?}"))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::{Method, Request};
    use std::net::Ipv4Addr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::{Notify, oneshot};
    use tower::ServiceExt;

    async fn ask(service: &Arc<Service>, method: Method, path: &str) -> (StatusCode, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .body(Body::empty())
            .unwrap();
        let response = router(Arc::clone(service)).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Asks the service; the status and the decoded answer.
    pub async fn get(service: &Arc<Service>, path: &str) -> (u16, Value) {
        let (status, body) = ask(service, Method::GET, path).await;
        (status.as_u16(), serde_json::from_str(&body).unwrap())
    }

    fn works() -> Answer {
        Box::pin(async { Ok(42.into()) })
    }

    fn fails() -> Answer {
        Box::pin(async { Err("connect: connection refused".to_owned()) })
    }

    #[tokio::test]
    async fn health_looks_at_no_dependency() {
        let mut service = Service::new();
        service.checks.push(("database", Box::new(fails)));
        let answer = get(&Arc::new(service), "/health").await;
        assert_eq!(answer, (200, json!({ "status": "ok" })));
    }

    #[tokio::test]
    async fn ready_with_all_dependencies_and_not_while_stopping() {
        for (title, works_not, draining, code, status) in [
            ("without dependencies", &[][..], false, 200, "ready"),
            (
                "all dependencies work",
                &[false, false],
                false,
                200,
                "ready",
            ),
            (
                "one dependency is away",
                &[false, true],
                false,
                503,
                "not ready",
            ),
            (
                "the first one is away",
                &[true, false],
                false,
                503,
                "not ready",
            ),
            ("told to stop", &[false], true, 503, "stopping"),
            ("stopping hides failures", &[true], true, 503, "stopping"),
        ] {
            let mut service = Service::new();
            for broken in works_not {
                let ask: fn() -> Answer = if *broken { fails } else { works };
                service.checks.push(("dependency", Box::new(ask)));
            }
            service.draining.store(draining, Ordering::Relaxed);
            let (got, answer) = get(&Arc::new(service), "/ready").await;
            assert_eq!(
                (got, answer["status"].as_str()),
                (code, Some(status)),
                "{title}"
            );
            assert!(
                !answer.to_string().contains("refused"),
                "{title}: strangers are told about the inside: {answer}"
            );
        }
    }

    #[tokio::test]
    async fn the_index_tells_who_answers_or_what_is_missing() {
        let mut service = Service::new();
        service.facts.push(("answer", Box::new(works)));
        let mut service = Arc::new(service);
        let expect = json!({ "service": NAME, "version": VERSION, "answer": 42 });
        assert_eq!(get(&service, "/").await, (200, expect));
        let inner = Arc::get_mut(&mut service).unwrap();
        inner.facts.push(("broken", Box::new(fails)));
        let expect = json!({ "error": "broken is not available" });
        assert_eq!(get(&service, "/").await, (503, expect));
    }

    #[tokio::test]
    async fn only_known_routes_answer() {
        let service = Arc::new(Service::new());
        for (method, path, code) in [
            (Method::GET, "/nowhere", 404),
            (Method::POST, "/", 405),
            (Method::HEAD, "/health", 200),
            (Method::GET, "/health?verbose", 200),
        ] {
            let (status, _) = ask(&service, method.clone(), path).await;
            assert_eq!(status.as_u16(), code, "{method} {path}");
        }
    }

    #[tokio::test]
    async fn metrics_count_requests_by_route() {
        let service = Arc::new(Service::new());
        for (method, path) in [
            ("GET", "/health"),
            ("GET", "/health"),
            ("GET", "/a/path/somebody/invented"),
            ("INVENTED", "/health"),
        ] {
            ask(&service, method.parse().unwrap(), path).await;
        }
        let (_, metrics) = ask(&service, Method::GET, "/metrics").await;
        for line in [
            r#"http_requests_total{method="GET",route="/health",status="200"} 2"#,
            r#"http_requests_total{method="other",route="unmatched",status="404"} 1"#,
            r#"http_requests_total{method="other",route="unmatched",status="405"} 1"#,
            r#"http_request_duration_seconds_count{method="GET",route="/health"} 2"#,
        ] {
            assert!(
                metrics.lines().any(|other| other == line),
                "GET /metrics has no line {line}"
            );
        }
        assert!(!metrics.contains("nvented"), "a caller can invent labels");
    }

    /// A request that is running when the service is told to stop still gets its answer, and new connections are
    /// refused afterwards.
    #[tokio::test]
    async fn a_running_request_is_finished() {
        let (running, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let mut service = Service::new();
        let (begun, go_on) = (Arc::clone(&running), Arc::clone(&release));
        let slow = move || -> Answer {
            let (begun, go_on) = (Arc::clone(&begun), Arc::clone(&go_on));
            Box::pin(async move {
                begun.notify_one();
                go_on.notified().await;
                Ok("done".into())
            })
        };
        service.facts.push(("slow", Box::new(slow)));
        let service = Arc::new(service);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = oneshot::channel::<()>();
        let served = tokio::spawn(serve(
            listener,
            Arc::clone(&service),
            Duration::ZERO,
            async {
                let _ = told.await;
            },
        ));

        let answered = tokio::spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream
                .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                .await
                .unwrap();
            let mut answer = String::new();
            // The connection ends with the answer: the service is stopping.
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        });
        running.notified().await;
        tell.send(()).unwrap();
        while !service.draining.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        release.notify_one();
        let answer = answered.await.unwrap();
        assert!(answer.contains(r#""slow":"done""#), "{answer}");
        assert_eq!(served.await.unwrap(), Ok(()));
        assert!(TcpStream::connect(address).await.is_err());
    }
}
