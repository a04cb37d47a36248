//! The last step of an answer: what was put together as JSON becomes what the client wants on the wire: YAML, indented
//! for people, packed when it is large. Watches, and documents that have one form only, pass as they are.

use std::io::{self, Write as _};

use axum::body::{Body, Bytes, HttpBody as _};
use axum::response::Response;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;

use super::negotiate::{self, Format};
use super::query::Query;

/// Smaller bodies are not worth packing.
const LARGE: u64 = 128 << 10;

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
        let pack_it = self.packed && response.status() == StatusCode::OK;
        let response = if self.format == Format::Json && !self.pretty {
            response
        } else {
            self.rewritten(response, &parameters).await
        };
        if pack_it { pack(response) } else { response }
    }

    async fn rewritten(self, response: Response, parameters: &str) -> Response {
        let (mut parts, body) = response.into_parts();
        // It is made of bytes that are there, so nothing can go wrong.
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
        Response::from_parts(parts, Body::from(bytes))
    }

    fn written(self, json: &Bytes) -> Option<Bytes> {
        let value: Value = serde_json::from_slice(json).ok()?;
        match self.format {
            Format::Yaml => Some(yaml::emit(&value).into()),
            Format::Json => serde_json::to_vec_pretty(&value).ok().map(Bytes::from),
        }
    }
}

/// Packs what is large while it is sent, beside the tasks that must not wait.
pub(super) fn pack(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    // What comes in pieces is larger than one of them.
    if body.size_hint().exact().is_some_and(|length| length < LARGE) {
        return Response::from_parts(parts, body);
    }
    let packer = Packer {
        body,
        encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())),
    };
    let packed = stream::unfold(packer, |mut packer| async move {
        let piece = packer.next().await?;
        Some((piece, packer))
    });
    parts.headers.remove(header::CONTENT_LENGTH);
    parts
        .headers
        .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    parts
        .headers
        .append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    Response::from_parts(parts, Body::from_stream(packed))
}

/// A body that is packed piece by piece.
struct Packer {
    body: Body,
    /// `None` once the end is written.
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Packer {
    async fn next(&mut self) -> Option<io::Result<Bytes>> {
        loop {
            let mut encoder = self.encoder.take()?;
            let piece = match self.body.frame().await {
                Some(Ok(frame)) => Some(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Some(Err(io::Error::other(error))),
                None => None,
            };
            let packed = tokio::task::spawn_blocking(move || match piece {
                Some(piece) => {
                    encoder.write_all(&piece)?;
                    let packed = std::mem::take(encoder.get_mut());
                    Ok((packed, Some(encoder)))
                }
                None => encoder.finish().map(|packed| (packed, None)),
            });
            match packed.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
                Ok((packed, encoder)) => {
                    self.encoder = encoder;
                    if !packed.is_empty() {
                        return Some(Ok(packed.into()));
                    }
                }
                Err(error) => return Some(Err(error)),
            }
        }
    }
}
