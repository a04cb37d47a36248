//! A client that opens a watch and does not read costs a bounded amount of memory, and not for long.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use sandbox::{Faults, Options, Sandbox, ServeOptions, Serving};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::server::{get, patch, post};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn sandbox(faults: &Faults) -> Sandbox {
    Sandbox::open(Options {
        faults: Some(faults.clone()),
        ..Options::default()
    })
    .unwrap()
}

/// Makes maps, each of so many bytes.
async fn make(sandbox: &Sandbox, count: usize, bytes: usize) {
    for name in 0..count {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": format!("m-{name}") }, "data": { "x": "x".repeat(bytes) },
        });
        assert_eq!(post(sandbox, MAPS, &map).await.code, 201);
    }
}

/// A connection that speaks one protocol.
async fn connect(address: SocketAddr, directory: &Path, protocol: &str) -> TlsStream<TcpStream> {
    let authority = std::fs::read(directory.join("ca.crt")).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(&authority).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(ServerName::try_from("localhost").unwrap(), stream)
        .await
        .unwrap()
}

/// Serves it on a free port, for whoever has the token.
async fn serve(sandbox: &Sandbox, directory: &Path) -> (Serving, String) {
    let options = ServeOptions {
        publish_authority: false,
        ..ServeOptions::new(directory)
    };
    let serving = sandbox.serve(options).await.unwrap();
    let token = std::fs::read_to_string(directory.join("token")).unwrap();
    (serving, token.trim().to_owned())
}

/// Somebody with many streams on one connection.
struct Streams {
    sender: SendRequest<Body>,
    token: String,
    _serving: Serving,
}

impl Streams {
    async fn open(sandbox: &Sandbox, directory: &Path) -> Self {
        let (serving, token) = serve(sandbox, directory).await;
        let stream = connect(serving.address(), directory, "h2").await;
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection);
        Self {
            sender,
            token,
            _serving: serving,
        }
    }

    /// The answer, once it begins.
    async fn ask(&mut self, path: &str) -> Incoming {
        let request = Request::get(format!("https://localhost{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .body(Body::empty())
            .unwrap();
        let answer = self.sender.send_request(request).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.into_body()
    }
}

/// Changes things until no watch is open any more; returns how many bytes of changes that took.
async fn change_until_cut_off(sandbox: &Sandbox, faults: &Faults) -> usize {
    const ABREAST: usize = 16;
    const BYTES: usize = 20_000;
    for name in 0..ABREAST {
        let map =
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": format!("m-{name}") } });
        post(sandbox, MAPS, &map).await;
    }
    for round in 0..400 {
        if faults.watches() == 0 {
            return round * ABREAST * BYTES;
        }
        let change = json!({ "data": { "x": format!("{round:020000}") } });
        let changes = (0..ABREAST).map(async |name| {
            let changed = patch(sandbox, &format!("{MAPS}/m-{name}"), "merge", &change).await;
            assert_eq!(changed.code, 200);
        });
        futures::future::join_all(changes).await;
    }
    panic!("it is not cut off");
}

#[tokio::test]
async fn a_connection_that_is_not_read_is_cut_off() {
    let (directory, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let sandbox = sandbox(&faults);
    let (serving, token) = serve(&sandbox, directory.path()).await;
    let mut stuck = connect(serving.address(), directory.path(), "http/1.1").await;
    let request =
        format!("GET {MAPS}?watch=1 HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    stuck.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stuck.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");

    let changed = change_until_cut_off(&sandbox, &faults).await;
    // What was on its way is all that comes, and it does not end as an answer does.
    let rest = stuck.read_to_end(&mut answer);
    let _ = tokio::time::timeout(Duration::from_secs(20), rest)
        .await
        .expect("it ends");
    assert!(answer.len() < changed, "{} of {changed}", answer.len());
    assert!(!answer.ends_with(b"\r\n0\r\n\r\n"));
    // Others are as well served as ever.
    assert_eq!(get(&sandbox, MAPS).await.code, 200);
}

#[tokio::test]
async fn a_stream_that_is_not_read_is_cut_off_alone() {
    let (directory, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let sandbox = sandbox(&faults);
    let mut streams = Streams::open(&sandbox, directory.path()).await;
    let watch = streams.ask(&format!("{MAPS}?watch=1")).await;

    change_until_cut_off(&sandbox, &faults).await;
    // The connection goes on.
    let version = streams.ask("/version").await.collect().await;
    assert!(version.is_ok(), "{version:?}");
    let rest = tokio::time::timeout(Duration::from_secs(20), watch.collect()).await;
    let ended = rest.expect("it ends");
    assert!(ended.is_err(), "it is broken off");
}

/// Who reads everything, however much that is, is not cut off.
#[tokio::test]
async fn a_watch_that_is_read_goes_on() {
    let (directory, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let sandbox = sandbox(&faults);
    make(&sandbox, 300, 10_000).await;
    let mut streams = Streams::open(&sandbox, directory.path()).await;
    let mut watch = streams
        .ask(&format!(
            "{MAPS}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        ))
        .await;
    let (mut told, mut text) = (0, Vec::new());
    let change = json!({ "data": { "x": "y".repeat(10_000) } });
    // All that is there, in many portions, then every change as it happens.
    for name in 0..=300 {
        if name < 300 {
            patch(&sandbox, &format!("{MAPS}/m-{name}"), "merge", &change).await;
        }
        while told < if name < 300 { name + 1 } else { 601 } {
            let frame = watch.frame().await.unwrap().unwrap().into_data().unwrap();
            told += frame.split(|byte| *byte == b'\n').count() - 1;
            text.extend_from_slice(&frame);
        }
    }
    let lines: Vec<serde_json::Value> = text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    let count = |kind: &str| lines.iter().filter(|line| line["type"] == kind).count();
    assert_eq!(
        (count("ADDED"), count("BOOKMARK"), count("MODIFIED")),
        (300, 1, 300)
    );
    let initial = lines.iter().take(300);
    assert!(
        initial
            .clone()
            .all(|line| line["object"]["data"]["x"].as_str().unwrap().starts_with('x'))
    );
    assert_eq!(faults.watches(), 1);
}

/// A list that nobody takes holds up neither other clients nor the server's end, and does not look complete.
#[tokio::test]
async fn a_list_that_is_not_read_is_broken_off_at_the_end() {
    let (directory, faults) = (tempfile::tempdir().unwrap(), Faults::default());
    let sandbox = sandbox(&faults);
    // More than the system holds on the way.
    make(&sandbox, 24, 1_000_000).await;
    let (serving, token) = serve(&sandbox, directory.path()).await;
    let mut stuck = connect(serving.address(), directory.path(), "http/1.1").await;
    let request = format!("GET {MAPS} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n");
    stuck.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    stuck.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200");
    assert_eq!(get(&sandbox, &format!("{MAPS}/m-1")).await.code, 200);

    let ending = tokio::time::timeout(Duration::from_secs(20), serving.shutdown()).await;
    assert!(ending.is_ok(), "it ends");
    // However it ends, it says that it is not whole.
    let _ = stuck.read_to_end(&mut answer).await;
    assert!(answer.len() < 24_000_000, "{}", answer.len());
    assert!(!answer.ends_with(b"\r\n0\r\n\r\n"));
}
