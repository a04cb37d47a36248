//! The last step of an answer: what was put together as JSON becomes what the client wants on the wire: YAML, indented
//! for people, packed when it is large. Streams, and documents that have one form only, pass as they are.

use std::io::Write as _;

use axum::body::{Body, Bytes};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;

use super::negotiate::{self, Format};
use super::query::Query;

/// Smaller bodies are not worth packing.
const LARGE: usize = 128 << 10;

/// Programs whose users read what they get.
const PEOPLE: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

/// An answer with this mark has no other form.
#[derive(Clone, Copy, Debug)]
pub(super) struct AsItIs;

/// What a client wants on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    format: Format,
    pretty: bool,
    packed: bool,
}

impl Wish {
    pub(super) fn of(parts: &Parts) -> Self {
        let text = |name| {
            let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default()
        };
        let query = Query::parse(&parts.uri).unwrap_or_default();
        let pretty = match query.text("pretty") {
            "" => {
                let agent = text(header::USER_AGENT);
                PEOPLE.iter().any(|person| agent.starts_with(person)) || negotiate::pretty(&parts.headers)
            }
            _ => query.flag("pretty"),
        };
        Self {
            format: negotiate::format(&parts.headers),
            pretty,
            packed: parts.method == Method::GET && negotiate::unpacks(&parts.headers),
        }
    }

    /// Writes an answer in the form that is wanted.
    pub(super) async fn fulfil(self, response: Response) -> Response {
        if response.extensions().get::<AsItIs>().is_some() {
            return response;
        }
        let kind = response.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let Some(parameters) = kind.strip_prefix("application/json").map(str::to_owned) else {
            return response;
        };
        if self.format == Format::Json && !self.pretty && !self.packed {
            return response;
        }
        let (mut parts, body) = response.into_parts();
        // It was made from bytes, so nothing can go wrong.
        let mut bytes = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        if let Some(written) = self.written(&bytes) {
            bytes = written;
            if self.format == Format::Yaml
                && let Ok(kind) = HeaderValue::from_str(&format!("application/yaml{parameters}"))
            {
                parts.headers.insert(header::CONTENT_TYPE, kind);
            }
        }
        if self.packed && parts.status == StatusCode::OK {
            bytes = pack(bytes, &mut parts.headers).await;
        }
        Response::from_parts(parts, Body::from(bytes))
    }

    fn written(self, json: &Bytes) -> Option<Bytes> {
        if self.format == Format::Json && !self.pretty {
            return None;
        }
        let value: Value = serde_json::from_slice(json).ok()?;
        match self.format {
            Format::Yaml => Some(yaml::emit(&value).into()),
            Format::Json => serde_json::to_vec_pretty(&value).ok().map(Bytes::from),
        }
    }
}

/// Packs what is large, beside the tasks that must not wait.
pub(super) async fn pack(bytes: Bytes, headers: &mut HeaderMap) -> Bytes {
    if bytes.len() < LARGE {
        return bytes;
    }
    let whole = bytes.clone();
    let packed = tokio::task::spawn_blocking(move || {
        let mut encoder = GzEncoder::new(Vec::with_capacity(whole.len() / 4), Compression::fast());
        encoder.write_all(&whole).ok()?;
        encoder.finish().ok()
    });
    let Ok(Some(packed)) = packed.await else {
        return bytes;
    };
    headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    packed.into()
}
