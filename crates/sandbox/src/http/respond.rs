//! Answers.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::catalog::Resource;
use crate::status::{ApiError, NO_PAGE};
use crate::store::Object;
use crate::verbs::{Listed, shown, text};

/// An answer of JSON.
pub(super) fn json(code: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
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
    let api_version = resource.api_version();
    if object.is_of(&api_version) {
        return object.json.clone();
    }
    Bytes::from(shown(resource, &object.look()).to_string())
}

/// The metadata of an object alone.
pub(super) fn metadata_json(object: &Object) -> Bytes {
    let partial = json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.look().get("metadata"),
    });
    Bytes::from(partial.to_string())
}

/// A list of objects, put together from their stored bytes.
pub(super) fn list_json(kind: &str, api_version: &str, listed: &Listed, items: &[Bytes]) -> Bytes {
    const END: &[u8] = b"]}\n";
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
        json!(kind),
        json!(api_version),
        list_metadata(listed)
    );
    // It may be large, so it gets the room that it needs at once and no more.
    let length: usize = items.iter().map(|item| item.len() + 1).sum();
    let mut body = Vec::with_capacity(head.len() + length + END.len());
    body.extend_from_slice(head.as_bytes());
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        body.extend_from_slice(item);
    }
    body.extend_from_slice(END);
    Bytes::from(body)
}

pub(super) fn list_metadata(listed: &Listed) -> Value {
    let mut metadata = json!({ "resourceVersion": listed.revision.to_string() });
    if let Some(resume) = &listed.resume {
        metadata["continue"] = json!(resume.token());
        if let Some(remaining) = listed.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
    }
    metadata
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
