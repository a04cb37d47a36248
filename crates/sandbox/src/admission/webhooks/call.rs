//! The way to a webhook and back: one connection, one request, one answer, all within the webhook's time.
//!
//! Failures are worded as Go words them, because people search for those words.

use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use futures::future::{Either, select};
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::configured::Webhook;
use crate::engine::Engine;
use crate::store::{Collection, Key};
use crate::verbs::text;

/// What an answer may weigh. A patch cannot make an object larger than what is stored.
const LARGEST: usize = 8 << 20;

/// Where a webhook is.
#[derive(Debug)]
pub(super) struct Place {
    /// Host and port as they stand in the URL.
    authority: String,
    /// The host that the certificate must be for.
    host: String,
    path: String,
    route: Route,
}

#[derive(Debug)]
enum Route {
    Port(u16),
    /// There is no way, and why.
    None(String),
}

impl Engine {
    /// Where to find a webhook. Behind the Services of the sandbox is nobody.
    pub(super) fn place(&self, webhook: &Webhook) -> Result<Place, String> {
        if let Some(service) = webhook.service() {
            return Ok(self.place_of_service(service));
        }
        let unreadable = |why: &dyn Display| format!("could not get REST client: Unparsable URL: {why}");
        let uri: Uri = webhook
            .url()
            .parse()
            .map_err(|error: http::uri::InvalidUri| unreadable(&error))?;
        let host = uri.host().unwrap_or_default();
        if host.is_empty() {
            return Err(
                "could not get REST client: webhook configuration must have either service or URL".to_owned(),
            );
        }
        let authority = uri.authority().map(ToString::to_string).unwrap_or_default();
        Ok(Place {
            authority,
            host: host.trim_matches(['[', ']']).to_owned(),
            path: uri.path().to_owned(),
            route: Route::Port(uri.port_u16().unwrap_or(443)),
        })
    }

    fn place_of_service(&self, service: &Value) -> Place {
        let (namespace, name) = (text(service, &["namespace"]), text(service, &["name"]));
        let port = service["port"].as_u64().unwrap_or(443);
        let host = format!("{name}.{namespace}.svc");
        let key = Key {
            collection: Collection::new("", "services"),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let route = match self.store.get(&key) {
            None => Route::None(format!("service {name:?} not found")),
            Some(found) => {
                let spec = &found.value["spec"];
                let mut ports = spec["ports"].as_array().into_iter().flatten();
                let address = text(spec, &["clusterIP"]);
                if ports.any(|one| one["port"].as_u64() == Some(port)) {
                    Route::None(format!("dial tcp {address}:{port}: connect: connection refused"))
                } else {
                    Route::None(format!("no service port {port} found for service {name:?}"))
                }
            }
        };
        let path = text(service, &["path"]);
        Place {
            authority: format!("{host}:{port}"),
            host,
            path: if path.is_empty() {
                "/".to_owned()
            } else {
                path.to_owned()
            },
            route,
        }
    }
}

/// Sends a question and returns the answer, whole.
pub(super) async fn post(place: &Place, webhook: &Webhook, body: Vec<u8>) -> Result<Vec<u8>, String> {
    let limit = webhook.timeout();
    let path = format!("{}?timeout={}s", place.path, limit.as_secs());
    let url = format!("https://{}{path}", place.authority);
    let asked = async {
        let stream = connect(place, webhook).await?;
        exchange(stream, place, &path, body).await
    };
    let failed = |why: String| format!("Post {url:?}: {why}");
    match tokio::time::timeout(limit, asked).await {
        Err(_) => Err(failed("context deadline exceeded".to_owned())),
        Ok(Err(Trouble::Way(why))) => Err(failed(why)),
        Ok(Err(Trouble::Said(why))) => Err(why),
        Ok(Ok(answer)) => Ok(answer),
    }
}

enum Trouble {
    /// The webhook was not reached.
    Way(String),
    /// It was, and failed.
    Said(String),
}

async fn connect(place: &Place, webhook: &Webhook) -> Result<TlsStream<TcpStream>, Trouble> {
    let way = Trouble::Way;
    let addresses: Vec<SocketAddr> = match &place.route {
        Route::None(why) => return Err(way(why.clone())),
        Route::Port(port) => tokio::net::lookup_host((place.host.as_str(), *port))
            .await
            .map_err(|_| way(format!("dial tcp: lookup {}: no such host", place.host)))?
            .collect(),
    };
    let mut last = None;
    let mut tcp = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                tcp = Some(stream);
                break;
            }
            Err(error) => last = Some(format!("dial tcp {address}: connect: {}", plain(&error))),
        }
    }
    let Some(tcp) = tcp else {
        let nowhere = || format!("dial tcp: lookup {}: no such host", place.host);
        return Err(way(last.unwrap_or_else(nowhere)));
    };
    let tls = trusting(&webhook.authorities()).map_err(way)?;
    let name = ServerName::try_from(place.host.clone()).map_err(|error| way(error.to_string()))?;
    TlsConnector::from(Arc::new(tls))
        .connect(name, tcp)
        .await
        .map_err(|error| way(handshake(&error, &place.host)))
}

/// Whom the machine trusts, read once.
static MACHINE: OnceLock<RootCertStore> = OnceLock::new();

fn machine_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Trusts those authorities, or the machine's own when none are named.
fn trusting(authorities: &[u8]) -> Result<ClientConfig, String> {
    let mut roots = if authorities.is_empty() {
        MACHINE.get_or_init(machine_roots).clone()
    } else {
        RootCertStore::empty()
    };
    for certificate in CertificateDer::pem_slice_iter(authorities).flatten() {
        // One that cannot be read trusts nobody.
        let _ = roots.add(certificate);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

async fn exchange(
    stream: TlsStream<TcpStream>,
    place: &Place,
    path: &str,
    body: Vec<u8>,
) -> Result<Vec<u8>, Trouble> {
    let way = |error: hyper::Error| {
        let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
        let cut_off = source.is_some_and(|source| source.kind() == io::ErrorKind::UnexpectedEof);
        let ended = cut_off || error.is_incomplete_message() || error.is_closed() || error.is_canceled();
        Trouble::Way(if ended {
            "EOF".to_owned()
        } else {
            source.map_or_else(|| error.to_string(), plain)
        })
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(way)?;
    let request = Request::post(path)
        .header(header::HOST, &place.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, */*")
        .header(header::USER_AGENT, "kube-apiserver-admission")
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| Trouble::Way(error.to_string()))?;
    let talk = async {
        let response = sender.send_request(request).await.map_err(way)?;
        let code = response.status();
        let body = Limited::new(response.into_body(), LARGEST)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    Trouble::Said(format!("the answer is larger than {LARGEST} bytes"))
                } else {
                    let why = "unexpected error when reading response body. Please retry. Original error";
                    Trouble::Said(format!("{why}: unexpected EOF"))
                }
            })?;
        Ok((code, body.to_bytes()))
    };
    // The connection is driven only while there is something to wait for, and goes with this call. When it ends
    // first, the answer may be complete nevertheless.
    let (code, bytes) = match select(Box::pin(talk), Box::pin(connection)).await {
        Either::Left((done, _)) => done?,
        Either::Right((_, talk)) => talk.await?,
    };
    if code.is_success() {
        return Ok(bytes.to_vec());
    }
    Err(Trouble::Said(failure(code)))
}

/// What Go's client makes of an answer that is a failure. It repeats nothing of what was said.
fn failure(code: StatusCode) -> String {
    let words = match code.as_u16() {
        401 => "the server has asked for the client to provide credentials",
        403 => "unknown",
        404 => "the server could not find the requested resource",
        405 => "the server does not allow this method on the requested resource",
        409 => "the server reported a conflict",
        429 => "the server has received too many requests and has asked us to try again later",
        503 => "the server is currently unable to handle the request",
        500.. => "an error on the server (\"unknown\") has prevented the request from succeeding",
        _ => "the server rejected our request for an unknown reason",
    };
    words.to_owned()
}

/// A failed handshake, in Go's words.
fn handshake(error: &io::Error, host: &str) -> String {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let verify = |why: &str| format!("tls: failed to verify certificate: x509: {why}");
    match inner {
        Some(rustls::Error::InvalidCertificate(why)) => match why {
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                verify("certificate signed by unknown authority")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                verify("certificate has expired or is not yet valid")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                verify(&format!("certificate is not valid for {host}"))
            }
            other => verify(&other.to_string()),
        },
        Some(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)) => {
            "http: server gave HTTP response to HTTPS client".to_owned()
        }
        Some(other) => format!("tls: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => "EOF".to_owned(),
        None => plain(error),
    }
}

/// An error of the system without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}
