//! Answers.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::negotiate::Meta;
use super::wire::AsItIs;
use crate::catalog::Resource;
use crate::status::{ApiError, NO_PAGE};
use crate::store::Object;
use crate::verbs::{renewed, shown, text};

/// An answer of JSON.
pub(super) fn json(code: StatusCode, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, private"),
    );
    response
}

pub(super) fn value(code: StatusCode, body: &Value) -> Response {
    json(code, body.to_string())
}

/// An answer of plain text.
pub(super) fn text_plain(body: &str) -> Response {
    let mut response = json(StatusCode::OK, body.to_owned());
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// A document, unless the client says by its tag that it has this one already.
pub(super) fn unless_known(
    headers: &HeaderMap,
    tag: &str,
    kind: &'static str,
    body: impl Into<Body>,
) -> Response {
    let known = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|value| value.to_str().ok());
    let known = known.is_some_and(|known| known.split(',').any(|known| known.trim() == tag));
    let mut response = if known {
        let mut response = json(StatusCode::NOT_MODIFIED, Bytes::new());
        response.headers_mut().remove(header::CONTENT_TYPE);
        response.extensions_mut().insert(AsItIs);
        response
    } else {
        let mut response = json(StatusCode::OK, body);
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        response
    };
    if let Ok(tag) = HeaderValue::from_str(tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(super) fn failure(error: &ApiError) -> Response {
    if error.reason == NO_PAGE {
        let mut response = text_plain(&format!("{}\n", error.message));
        *response.status_mut() = error.code;
        return response;
    }
    value(error.code, &error.status())
}

/// Adds `Warning` headers, as clients print them.
pub(super) fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let mut quoted = String::new();
        for letter in warning
            .chars()
            .map(|letter| if letter.is_control() { ' ' } else { letter })
        {
            if matches!(letter, '"' | '\\') {
                quoted.push('\\');
            }
            quoted.push(letter);
        }
        if let Ok(header) = HeaderValue::from_bytes(format!("299 - \"{quoted}\"").as_bytes()) {
            response.headers_mut().append(header::WARNING, header);
        }
    }
}

/// An object in the version it was asked for.
pub(super) fn object_json(resource: &Resource, object: &Object) -> Bytes {
    if let Some(value) = renewed(resource, object) {
        return Bytes::from(shown(resource, &value).to_string());
    }
    let api_version = resource.api_version();
    if object.is_of(&api_version) {
        return object.json.clone();
    }
    Bytes::from(shown(resource, &object.look()).to_string())
}

/// The metadata of an object alone.
pub(super) fn metadata_json(object: &Object, meta: Meta) -> Bytes {
    let partial = json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": meta.api_version(),
        "metadata": object.look().get("metadata"),
    });
    Bytes::from(partial.to_string())
}

/// What a delete answers when the object is gone.
pub(super) fn deleted(resource: &Resource, object: &Object) -> Value {
    let mut details = json!({
        "name": text(&object.value, &["metadata", "name"]),
        "kind": resource.plural,
        "uid": object.uid(),
    });
    if !resource.group.is_empty() {
        details["group"] = json!(resource.group);
    }
    json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })
}
