//! What the server says of itself: its version, whether it is well, what it counts, which paths it has.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::response::Response;
use http::{HeaderValue, header};
use serde_json::{Value, json};

use super::discovery::groups;
use super::path::Path;
use super::respond;
use crate::catalog::Catalog;
use crate::engine::Engine;
use crate::status::ApiError;

/// The version of Kubernetes whose behaviour this follows; the suffix says that it is not one.
const GIT_VERSION: &str = "v1.36.3+sandbox";

/// What is looked at when somebody asks whether the server is well. It answers, and its store was read when it
/// started: there is nothing else that could be missing.
const CHECKS: [&str; 3] = ["ping", "log", "etcd"];

pub(super) fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "emulationMajor": "1",
        "emulationMinor": "36",
        "minCompatibilityMajor": "1",
        "minCompatibilityMinor": "35",
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// `/livez` and its like, or a single check under one of them.
pub(super) fn health(path: &Path, query: &str) -> Result<Response, ApiError> {
    let Path::Health(parts) = path else {
        return Err(ApiError::no_such_resource());
    };
    match parts.as_slice() {
        [whole] => {
            let words: Vec<(&str, &str)> = query
                .split('&')
                .map(|word| word.split_once('=').unwrap_or((word, "")))
                .collect();
            if !words.iter().any(|(name, _)| *name == "verbose") {
                return Ok(respond::text_plain("ok"));
            }
            let mut text = String::new();
            for check in CHECKS {
                let excluded = words.contains(&("exclude", check));
                let outcome = if excluded { "excluded: ok" } else { "ok" };
                // Writing to a string cannot fail.
                let _ = writeln!(text, "[+]{check} {outcome}");
            }
            let _ = writeln!(text, "{whole} check passed");
            Ok(respond::text_plain(&text))
        }
        [_, check] if CHECKS.contains(&check.as_str()) => Ok(respond::text_plain("ok")),
        _ => Err(ApiError::no_such_page()),
    }
}

/// What is counted, for Prometheus.
pub(super) fn metrics(engine: &Engine) -> Response {
    let catalog = engine.catalog();
    let mut counts = BTreeMap::new();
    {
        let store = engine.store.read();
        for resource in catalog.resources() {
            let collection = &resource.collection;
            counts
                .entry((collection.group.clone(), collection.plural.clone()))
                .or_insert_with(|| store.list(collection, None, None).count());
        }
    }
    let mut text = format!(
        "# HELP kubernetes_build_info What this server follows.\n\
         # TYPE kubernetes_build_info gauge\n\
         kubernetes_build_info{{git_version=\"{GIT_VERSION}\",major=\"1\",minor=\"36\"}} 1\n\
         # HELP apiserver_resource_objects Objects in the store.\n\
         # TYPE apiserver_resource_objects gauge\n"
    );
    for ((group, plural), count) in counts {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "apiserver_resource_objects{{group=\"{group}\",resource=\"{plural}\"}} {count}"
        );
    }
    let mut response = respond::text_plain(&text);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// Every path that is no resource.
pub(super) fn paths(catalog: &Catalog) -> Value {
    let mut paths: Vec<String> = [
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/openid/v1/jwks",
        "/version",
    ]
    .map(str::to_owned)
    .to_vec();
    for (group, versions) in groups(catalog) {
        if group.is_empty() {
            continue;
        }
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
        paths.push(format!("/apis/{group}"));
    }
    for whole in ["/healthz", "/livez", "/readyz"] {
        paths.push(whole.to_owned());
        paths.extend(CHECKS.iter().map(|check| format!("{whole}/{check}")));
    }
    paths.sort();
    json!({ "paths": paths })
}
