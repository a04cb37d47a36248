//! OpenAPI: the schemas of all kinds, for `kubectl explain`, `kubectl apply` and other clients that look before they
//! write. Version 3 by group and version, version 2 in one document. Built-in kinds come without descriptions, custom
//! ones as their CRD has them.

mod gnostic;
mod paths;
mod schemas;
mod v2;

use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value, json};

use super::aggregated::fingerprint;
use super::discovery::{groups, of_version};
use super::query::Query;
use super::wire::{AsItIs, pack};
use super::{negotiate, respond};
use crate::catalog::{Catalog, Source};
use crate::engine::Engine;
use paths::Dialect;

/// How the second version is asked for in protobuf, and what such an answer says it is.
const PROTOBUF: [&str; 2] = [
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
];
/// What a document that is known by its hash may be kept for: a year.
const KEPT: i64 = 365 * 24 * 3600;

/// Where the documents of the third version are.
pub(super) fn index(catalog: &Catalog) -> Response {
    let mut paths = Map::new();
    for (group, versions) in groups(catalog) {
        for version in versions {
            let path = if group.is_empty() {
                format!("api/{version}")
            } else {
                format!("apis/{group}/{version}")
            };
            let hash = state(catalog, &group, &version);
            let address = json!({ "serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}") });
            paths.insert(path, address);
        }
    }
    // Which it is in all but name.
    respond::text_plain(&json!({ "paths": paths }).to_string())
}

/// Changes when the document of a group and version does.
fn state(catalog: &Catalog, group: &str, version: &str) -> String {
    fingerprint(summary(catalog, group, version).as_bytes())
}

fn summary(catalog: &Catalog, group: &str, version: &str) -> String {
    let mut text = format!("{} {group}/{version}", env!("CARGO_PKG_VERSION"));
    for resource in of_version(catalog, group, version) {
        text.push('\n');
        text.push_str(&resource.plural);
        if let Source::Custom(custom) = &resource.source {
            // Writing to a string cannot fail.
            let _ = write!(text, "{:?}{}", resource.subresources, custom.written);
        }
    }
    text
}

/// The document of one group and version.
pub(super) fn third(engine: &Engine, group: &str, version: &str, parts: &Parts) -> Response {
    let catalog = engine.catalog();
    let resources = of_version(&catalog, group, version);
    if resources.is_empty() {
        return bare(StatusCode::NOT_FOUND);
    }
    if negotiate::named(&parts.headers, &["application/json", "application/*"]).is_none() {
        return bare(StatusCode::NOT_ACCEPTABLE);
    }
    let hash = state(&catalog, group, version);
    let query = Query::parse(&parts.uri).unwrap_or_default();
    let asked = query.text("hash");
    if !asked.is_empty() && asked != hash {
        let mut response = bare(StatusCode::MOVED_PERMANENTLY);
        let place = HeaderValue::from_str(&format!("{}?hash={hash}", parts.uri.path()));
        response
            .headers_mut()
            .extend(place.ok().map(|place| (header::LOCATION, place)));
        return response;
    }
    let document = || {
        let mut paths = Map::new();
        for resource in &resources {
            paths.extend(paths::of(resource, Dialect::Third));
        }
        let custom = resources.iter().any(|resource| resource.is_custom());
        let document = json!({
            "openapi": "3.0.0",
            "info": if custom {
                json!({ "title": "Kubernetes CRD Swagger", "version": "v0.1.0" })
            } else {
                json!({ "title": "Kubernetes", "version": "unversioned" })
            },
            "paths": paths,
            "components": { "schemas": schemas::of(&resources) },
        });
        document.to_string().into()
    };
    let mut response = page(parts, &hash, "application/json", document);
    if asked == hash {
        let headers = response.headers_mut();
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, immutable"),
        );
        let until = jiff::SignedDuration::from_secs(KEPT);
        let until = engine.now().checked_add(until).unwrap_or(jiff::Timestamp::MAX);
        let until = HeaderValue::from_str(&until.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string());
        headers.extend(until.ok().map(|until| (header::EXPIRES, until)));
    }
    response
}

/// The one document of the second version.
pub(super) fn second(catalog: &Catalog, parts: &Parts) -> Response {
    let groups = groups(catalog);
    let versions = || {
        let pairs = groups.iter();
        pairs.flat_map(|(group, versions)| versions.iter().map(move |version| (group, version)))
    };
    let offered = ["application/json", "application/*", PROTOBUF[0], PROTOBUF[1]];
    let Some(chosen) = negotiate::named(&parts.headers, &offered) else {
        return bare(StatusCode::NOT_ACCEPTABLE);
    };
    let summary: Vec<String> = versions()
        .map(|(group, version)| summary(catalog, group, version))
        .collect();
    let hash = fingerprint(summary.join("\n").as_bytes());
    let document = || {
        let (mut paths, mut definitions) = (Map::new(), Map::new());
        for (group, version) in versions() {
            let resources = of_version(catalog, group, version);
            for resource in &resources {
                paths.extend(paths::of(resource, Dialect::Second));
            }
            definitions.extend(schemas::of(&resources));
        }
        v2::document(&paths, definitions)
    };
    if PROTOBUF.contains(&chosen) {
        return page(parts, &hash, PROTOBUF[0], || {
            gnostic::document(&document()).into()
        });
    }
    page(parts, &hash, "application/json", || document().to_string().into())
}

/// A document with its tag, packed when the client can unpack it; it is only made for a client that has not got it.
fn page(parts: &Parts, hash: &str, kind: &'static str, body: impl FnOnce() -> Bytes) -> Response {
    let mut response = respond::unless_known(&parts.headers, &format!("\"{hash}\""), kind, Bytes::new());
    response.extensions_mut().insert(AsItIs);
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Accept"));
    if response.status() != StatusCode::OK {
        return response;
    }
    *response.body_mut() = Body::from(body());
    if negotiate::unpacks(&parts.headers) {
        pack(response)
    } else {
        response
    }
}

/// An answer without a word.
fn bare(code: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = code;
    response
}

fn kind_json(group: &str, version: &str, kind: &str) -> Value {
    json!({ "group": group, "version": version, "kind": kind })
}
