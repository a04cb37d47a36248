//! The webhook's door: HTTPS in, AdmissionReviews out.
//!
//! Whoever reaches the port may talk to it, so everything is bounded: handshakes, headers and bodies in time and size,
//! connections and evaluations in number. What cannot be judged in time is an HTTP error, by which an API server does
//! what the failure policy says.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::Group;
use guardrails::User;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::acts::door::Door;
use crate::certificate::Lifetimes;
use crate::cluster::{Space, Surroundings};
use crate::configuration::{Place, Side};
use crate::error::AdmissionError;
use crate::events::{Events, Told, Topic, publish_all};
use crate::facts::ClusterFacts;
use crate::keeper::{Clock, Keeper, Shown};
use crate::policies::PolicyStore;
use crate::review::{Answer, Asked, Review, judge, told, told_unreadable};
use crate::served::KindNames;
use crate::telemetry::{Ended, Telemetry};

/// An API server takes requests of three megabytes; a review holds an object twice, and some words.
const BODY_LIMIT: usize = 7 * 1024 * 1024;
/// All bodies together, in KiB.
const BODIES: usize = 128 * 1024;
/// How long a handshake, a header, a body may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many connections are open at once.
const CONNECTIONS: usize = 1024;
/// How many requests are judged at once.
const EVALUATIONS: usize = 64;
/// How many requests one connection may have under way.
const STREAMS: u32 = 256;
/// How long a replica behind a Service goes on after it is told to stop, until nobody is sent to it any more.
const LINGER: Duration = Duration::from_secs(5);
/// How long open requests may take to finish at the end.
const GRACE: Duration = Duration::from_secs(10);
/// How long an API server waits when it does not say.
const DEFAULT_TIME: Duration = Duration::from_secs(10);
/// Kept back from the time that an API server waits, so that it hears the answer.
const MARGIN: Duration = Duration::from_millis(200);

/// How a webhook is set up.
#[derive(Clone)]
pub struct WebhookOptions {
    /// The platform's API group.
    pub group: Group,
    /// Where the API server finds it.
    pub place: Place,
    /// How long certificates last.
    pub lifetimes: Lifetimes,
}

/// An admission webhook.
#[derive(Clone)]
pub struct Webhook {
    client: Client,
    group: Group,
    policies: PolicyStore,
    surroundings: Surroundings,
    telemetry: Telemetry,
    keeper: Keeper,
}

/// What requests are answered with.
struct Desk {
    client: Client,
    policies: PolicyStore,
    surroundings: Surroundings,
    kinds: KindNames,
    door: Door,
    telemetry: Telemetry,
    events: Events,
    bodies: Arc<Semaphore>,
    evaluations: Arc<Semaphore>,
}

impl Webhook {
    /// A webhook that judges by the policies of the cluster behind `client`.
    pub fn new(
        client: Client,
        options: WebhookOptions,
        telemetry: Telemetry,
    ) -> Result<Self, AdmissionError> {
        let clock: Clock = Arc::new(|| jiff::Timestamp::now().as_second());
        let policies = PolicyStore::builtin()?;
        let keeper = Keeper {
            client: client.clone(),
            group: options.group.clone(),
            place: options.place,
            lifetimes: options.lifetimes,
            clock,
            policies: policies.clone(),
            telemetry: telemetry.clone(),
            shown: Shown::default(),
        };
        Ok(Self {
            client,
            group: options.group,
            policies,
            surroundings: Surroundings::default(),
            telemetry,
            keeper,
        })
    }

    /// What one of several replicas does besides: see [`Keeper::keep`].
    pub fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Waits until it can answer for everything but its certificate: policies and surroundings are read.
    pub async fn has_read(&self) {
        while !(self.policies.is_read() && self.surroundings.is_read()) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Answers at `listener` until `stop`, then lets open requests finish.
    pub async fn run(self, listener: TcpListener, stop: CancellationToken) -> Result<(), AdmissionError> {
        let acceptor = acceptor(self.keeper.shown.clone())?;
        let (events, refusals) = Events::new();
        let desk = Arc::new(Desk {
            client: self.client.clone(),
            policies: self.policies.clone(),
            surroundings: self.surroundings.clone(),
            kinds: KindNames::new(self.client.clone()),
            door: Door::new(self.client.clone(), self.group.clone()),
            telemetry: self.telemetry.clone(),
            events,
            bodies: Arc::new(Semaphore::new(BODIES)),
            evaluations: Arc::new(Semaphore::new(EVALUATIONS)),
        });
        let background = CancellationToken::new();
        let follow = async {
            tokio::join!(
                self.policies.follow(self.client.clone(), background.clone()),
                self.surroundings.follow(&self.client, background.clone()),
                self.keeper.follow(background.clone()),
                publish_all(
                    self.client.clone(),
                    self.group.clone(),
                    refusals,
                    background.clone()
                ),
                self.tell_machines(background.clone()),
            )
        };
        let leave = CancellationToken::new();
        let linger = match self.keeper.place {
            Place::Service => LINGER,
            Place::Url(_) => Duration::ZERO,
        };
        let serve = async {
            tokio::join!(accept(listener, acceptor, desk, leave.clone()), async {
                stop.cancelled().await;
                tokio::time::sleep(linger).await;
                leave.cancel();
            });
            // Only now: whoever is still being answered is answered by what is known.
            background.cancel();
        };
        tokio::join!(follow, serve);
        Ok(())
    }

    async fn tell_machines(&self, stop: CancellationToken) {
        loop {
            let in_force = self.policies.in_force();
            self.telemetry
                .policies(in_force.all.len(), self.policies.refused());
            self.telemetry
                .ready(self.policies.is_read() && self.surroundings.is_read() && self.keeper.shows());
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(Duration::from_millis(500)) => {}
            }
        }
        self.telemetry.ready(false);
    }
}

fn acceptor(shown: Shown) -> Result<TlsAcceptor, AdmissionError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| AdmissionError::Certificate {
            doing: "use",
            why: error.to_string(),
        })?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(shown));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, desk: Arc<Desk>, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = async {
                let place = Arc::clone(&places).acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        let ((stream, from), place) = match accepted {
            (Ok(accepted), Ok(place)) => (accepted, place),
            (Ok(_), Err(_)) => break,
            (Err(error), _) => {
                // Out of file descriptors, most likely: wait for some to come back.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let (acceptor, desk, watcher) = (acceptor.clone(), Arc::clone(&desk), graceful.watcher());
        tokio::spawn(async move {
            connection(stream, from, acceptor, desk, watcher).await;
            drop(place);
        });
    }
    drop(listener);
    // Whoever is not done by then is not waited for.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

async fn connection(
    stream: TcpStream,
    from: SocketAddr,
    acceptor: TlsAcceptor,
    desk: Arc<Desk>,
    watcher: hyper_util::server::graceful::Watcher,
) {
    // Small answers should not wait for more.
    let _ = stream.set_nodelay(true);
    let stream = match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, %from, "TLS handshake failed"),
        Err(_) => return tracing::debug!(%from, "TLS handshake timed out"),
    };
    let service = service_fn(move |request| {
        let desk = Arc::clone(&desk);
        async move { Ok::<_, Infallible>(desk.answer(request).await) }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE * 12);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .keep_alive_interval(PATIENCE * 6)
        .keep_alive_timeout(PATIENCE * 2);
    let served = watcher.watch(
        builder
            .serve_connection(TokioIo::new(stream), service)
            .into_owned(),
    );
    if let Err(error) = served.await {
        tracing::debug!(%error, %from, "connection ended");
    }
}

impl Desk {
    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let begun = Instant::now();
        let side = Side::ALL
            .into_iter()
            .find(|side| side.path() == request.uri().path());
        let Some(side) = side else {
            return plain(StatusCode::NOT_FOUND, "there are /validate and /mutate");
        };
        if request.method() != Method::POST {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "only POST");
        }
        let (ended, response) = self.review(side, request, begun).await;
        self.telemetry.request(ended, begun.elapsed());
        response
    }

    async fn review(
        self: &Arc<Self>,
        side: Side,
        request: Request<Incoming>,
        begun: Instant,
    ) -> (Ended, Response<Full<Bytes>>) {
        if !is_json(request.headers()) {
            let why = "the body must be application/json";
            return (Ended::Unreadable, plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
        }
        let deadline = begun + time_given(request.uri().query());
        let body = match self.body(request).await {
            Ok(body) => body,
            Err((code, why)) => return (Ended::Unreadable, plain(code, why)),
        };
        let asked = match Review::read(&body) {
            Ok(asked) => asked,
            Err(unreadable) => {
                let response = match &unreadable.uid {
                    Some(uid) => json(&told_unreadable(uid, &unreadable)),
                    None => plain(StatusCode::BAD_REQUEST, &unreadable.why),
                };
                return (Ended::Unreadable, response);
            }
        };
        drop(body);
        if !self.policies.is_read() || !self.surroundings.is_read() {
            return (
                Ended::Failed,
                plain(StatusCode::SERVICE_UNAVAILABLE, "the policies are not read yet"),
            );
        }
        let judged = tokio::time::timeout_at(deadline.into(), Arc::clone(self).judge(side, asked, deadline));
        match judged.await {
            Ok(Ok((asked, mut answer))) => {
                let orders = std::mem::take(&mut answer.orders);
                if !orders.is_empty() {
                    let unhanded = self.door.hand_over(orders, deadline).await;
                    answer.take(&asked, unhanded);
                }
                let ended = if answer.refusal.is_some() {
                    Ended::Denied
                } else {
                    Ended::Allowed
                };
                self.tell(&asked, &answer);
                (ended, json(&told(&asked.uid, &answer)))
            }
            Ok(Err(why)) => (Ended::Failed, plain(StatusCode::INTERNAL_SERVER_ERROR, &why)),
            Err(_) => (
                Ended::Failed,
                plain(StatusCode::GATEWAY_TIMEOUT, "not judged in time"),
            ),
        }
    }

    /// Reads a body, bounded in time and size, and all of them together.
    async fn body(&self, request: Request<Incoming>) -> Result<Bytes, (StatusCode, &'static str)> {
        const TOO_LARGE: (StatusCode, &str) =
            (StatusCode::PAYLOAD_TOO_LARGE, "the review is larger than 7 MiB");
        let said = hyper::body::Body::size_hint(request.body()).exact();
        let expected = said.unwrap_or(BODY_LIMIT as u64);
        if expected > BODY_LIMIT as u64 {
            return Err(TOO_LARGE);
        }
        let kibibytes = u32::try_from(expected / 1024 + 1).unwrap_or(u32::MAX);
        let read = async {
            let _room = self.bodies.acquire_many(kibibytes).await;
            Limited::new(request.into_body(), BODY_LIMIT).collect().await
        };
        match tokio::time::timeout(PATIENCE, read).await {
            Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body came too slowly")),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(TOO_LARGE),
            Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body cannot be read")),
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
        }
    }

    async fn judge(
        self: Arc<Self>,
        side: Side,
        mut asked: Asked,
        deadline: Instant,
    ) -> Result<(Asked, Answer), String> {
        if let Some((api_version, plural)) = asked.unknown_parent() {
            let kind = self.kinds.of(&api_version, plural).await;
            let kind = kind.map_err(|error| error.to_string())?;
            asked.beneath(kind.ok_or_else(|| format!("{api_version} does not serve {plural}"))?);
        }
        let space = self.space(&asked).await?;
        let in_force = self.policies.in_force();
        let mut user: User = asked.user();
        if in_force.asks_roles {
            self.surroundings.roles(&mut user);
        }
        let place = Arc::clone(&self.evaluations).acquire_owned().await;
        let runtime = tokio::runtime::Handle::current();
        let judged = tokio::task::spawn_blocking(move || {
            let facts = ClusterFacts::new(&self.client, runtime, deadline, jiff::Timestamp::now());
            let own = facts.within(&asked.namespace);
            let answer = judge(side, &in_force, &asked, &user, space.as_deref(), &facts, &own);
            drop(own);
            drop(place);
            (asked, answer)
        });
        judged
            .await
            .map_err(|error| format!("the evaluation ended early: {error}"))
    }

    /// The namespace of a request. One that was made a moment ago may not have been heard of: it is asked for.
    async fn space(&self, asked: &Asked) -> Result<Option<Arc<Space>>, String> {
        let Some(name) = asked.space() else {
            return Ok(None);
        };
        if let Some(space) = self.surroundings.space(name) {
            return Ok(Some(space));
        }
        let api: Api<Namespace> = Api::all(self.client.clone());
        match api.get_opt(name).await {
            Ok(Some(namespace)) => Ok(Some(self.surroundings.learn(&namespace))),
            Ok(None) => Err(format!("there is no namespace {name}")),
            Err(error) => Err(format!("cannot read the namespace {name}: {error}")),
        }
    }

    fn tell(&self, asked: &Asked, answer: &Answer) {
        let Some(message) = &answer.refusal else { return };
        for verdict in answer.verdicts.iter().filter(|verdict| verdict.refuses()) {
            self.telemetry.denial(&verdict.about.policy);
        }
        if asked.is_dry_run() {
            return;
        }
        let (api_version, kind) = asked.types();
        self.events.tell(Told {
            topic: Topic::Refused,
            namespace: asked.namespace.clone(),
            api_version,
            kind,
            name: asked.name.clone(),
            message: message.clone(),
        });
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let kind = given.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// How long there is for an answer, by the `timeout` that an API server names.
fn time_given(query: Option<&str>) -> Duration {
    let given = query
        .unwrap_or_default()
        .split('&')
        .find_map(|pair| pair.strip_prefix("timeout="));
    let seconds = given
        .and_then(|text| text.strip_suffix('s'))
        .and_then(|text| text.parse::<u64>().ok());
    let time = seconds.map_or(DEFAULT_TIME, |seconds| Duration::from_secs(seconds.clamp(1, 30)));
    time.saturating_sub(MARGIN)
}

fn plain(code: StatusCode, text: &str) -> Response<Full<Bytes>> {
    made(
        code,
        "text/plain; charset=utf-8",
        format!("{text}\n").into_bytes(),
    )
}

fn json(value: &Value) -> Response<Full<Bytes>> {
    made(StatusCode::OK, "application/json", value.to_string().into_bytes())
}

fn made(code: StatusCode, form: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(form));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_what_the_api_server_gives() {
        for (query, expect) in [
            (None, 9_800),
            (Some("timeout=3s"), 2_800),
            (Some("a=b&timeout=30s"), 29_800),
            (Some("timeout=99s"), 29_800),
            (Some("timeout=0s"), 800),
            (Some("timeout=ever"), 9_800),
        ] {
            assert_eq!(time_given(query), Duration::from_millis(expect), "{query:?}");
        }
    }
}
