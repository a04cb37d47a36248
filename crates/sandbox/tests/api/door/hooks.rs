//! Webhooks to test with: an HTTPS server that says what it is told to say, and remembers what it was asked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

/// The running server. It ends with the test's runtime.
pub(super) struct Hooks {
    /// Address and port.
    pub(super) host: String,
    /// The authority that its certificate is of, as a JSON string in base64.
    pub(super) bundle: String,
    /// Paths and questions.
    pub(super) asked: Arc<Mutex<Vec<(String, Value)>>>,
}

#[derive(Clone)]
struct Told {
    answers: Arc<BTreeMap<String, Value>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
}

fn new_authority() -> (String, KeyPair, CertificateParams) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let bundle = json!(STANDARD.encode(certificate.pem())).to_string();
    (bundle, key, params)
}

/// Some authority, as a JSON string in base64.
pub(super) fn authority() -> String {
    new_authority().0
}

impl Hooks {
    /// Listens and answers by path: `response` is what becomes the response, `patch` goes into it, `review` over it;
    /// `raw` is said as it stands. What is not named is allowed.
    pub(super) async fn open(answers: BTreeMap<String, Value>) -> Self {
        let (bundle, key, params) = new_authority();
        let own = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["127.0.0.1".to_owned()])
            .unwrap()
            .signed_by(&own, &Issuer::from_params(&params, &key))
            .unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], private)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let told = Told {
            answers: Arc::new(answers),
            asked: Arc::default(),
        };
        let asked = Arc::clone(&told.asked);
        let router = Router::new().fallback(answer).with_state(told.clone());
        tokio::spawn(async move {
            while let Ok((tcp, _)) = listener.accept().await {
                let (acceptor, router, told) = (acceptor.clone(), router.clone(), told.clone());
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(tcp).await else {
                        return;
                    };
                    if told.answers.values().any(|answer| answer["close"] == true) {
                        // Says nothing more, and hears the client out: otherwise it would be cut off while it speaks.
                        stream.shutdown().await.unwrap();
                        tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.ok();
                        return;
                    }
                    let service = TowerToHyperService::new(router);
                    let connection = Builder::new(TokioExecutor::new());
                    // A client that has enough hangs up.
                    let _ = connection.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { host, bundle, asked }
    }
}

async fn answer(State(told): State<Told>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let review: Value = serde_json::from_slice(&bytes).unwrap();
    let place = parts.uri.path_and_query().unwrap().to_string();
    told.asked.lock().unwrap().push((place, review.clone()));
    let allowed = json!({ "response": { "allowed": true } });
    let answer = told.answers.get(parts.uri.path()).unwrap_or(&allowed);
    if answer.get("hang").is_some() {
        return std::future::pending().await;
    }
    let mut response = Response::new(match answer["raw"].as_str() {
        Some(raw) => Body::from(raw.to_owned()),
        None => Body::from(reviewed(answer, &review).to_string()),
    });
    let code = answer["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    *response.status_mut() = code.unwrap_or(200).try_into().unwrap();
    response
}

fn reviewed(answer: &Value, review: &Value) -> Value {
    let mut response = answer.get("response").cloned().unwrap_or(json!({}));
    if let Some(patch) = answer.get("patch") {
        response["patch"] = json!(STANDARD.encode(patch.to_string()));
        if response["patchType"].is_null() {
            response["patchType"] = json!("JSONPatch");
        }
    }
    if response["uid"].is_null() {
        response["uid"] = review["request"]["uid"].clone();
    }
    let mut said =
        json!({ "apiVersion": review["apiVersion"], "kind": "AdmissionReview", "response": response });
    for (field, value) in answer["review"].as_object().into_iter().flatten() {
        said[field.as_str()] = value.clone();
    }
    said
}
