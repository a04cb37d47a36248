//! A sandbox to test, and requests to it without any client library.

use std::sync::Arc;

use axum::body::Body;
use http::{Method, Request};
use http_body_util::BodyExt;
use jiff::Timestamp;
use sandbox::{ManualClock, Options, Sandbox};
use serde_json::Value;
use tower::ServiceExt;

/// In memory, at a fixed time, with fixed randomness.
pub(crate) fn sandbox() -> Sandbox {
    Sandbox::open(options()).unwrap()
}

pub(crate) fn options() -> Options {
    let clock = ManualClock::new("2026-01-02T03:04:05Z".parse::<Timestamp>().unwrap());
    Options {
        clock: Arc::new(clock),
        seed: Some(7),
        ..Options::default()
    }
}

/// An answer: its code, its `Warning` headers, its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) warnings: Vec<String>,
    pub(crate) body: Value,
}

impl Answer {
    /// The value at an RFC 6901 pointer; null when there is none.
    pub(crate) fn at(&self, pointer: &str) -> &Value {
        self.body.pointer(pointer).unwrap_or(&Value::Null)
    }
}

pub(crate) async fn send(
    sandbox: &Sandbox,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sandbox
        .router()
        .oneshot(request.body(body.into()).unwrap())
        .await
        .unwrap();
    let code = response.status().as_u16();
    let warnings = response.headers().get_all("warning").iter();
    let warnings = warnings.map(|value| value.to_str().unwrap().to_owned()).collect();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
    Answer { code, warnings, body }
}

pub(crate) async fn get(sandbox: &Sandbox, path: &str) -> Answer {
    send(sandbox, Method::GET, path, &[], Body::empty()).await
}

pub(crate) async fn delete(sandbox: &Sandbox, path: &str) -> Answer {
    send(sandbox, Method::DELETE, path, &[], Body::empty()).await
}

pub(crate) async fn post(sandbox: &Sandbox, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("user-agent", "tests/1")];
    send(sandbox, Method::POST, path, &headers, body.to_string()).await
}

pub(crate) async fn put(sandbox: &Sandbox, path: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("user-agent", "tests/1")];
    send(sandbox, Method::PUT, path, &headers, body.to_string()).await
}

/// A patch of kind `json`, `merge`, `strategic-merge` or `apply`.
pub(crate) async fn patch(sandbox: &Sandbox, path: &str, kind: &str, body: &Value) -> Answer {
    let content = match kind {
        "apply" => "application/apply-patch+yaml".to_owned(),
        "json" | "merge" | "strategic-merge" => format!("application/{kind}-patch+json"),
        other => panic!("no such patch: {other}"),
    };
    let headers = [("content-type", content.as_str()), ("user-agent", "tests/1")];
    send(sandbox, Method::PATCH, path, &headers, body.to_string()).await
}
