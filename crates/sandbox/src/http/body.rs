//! Request bodies: bounded, decoded from JSON, YAML or protobuf.

use axum::body::{Body, Bytes};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use schema::protobuf;
use serde_json::Value;

use crate::status::ApiError;
use crate::verbs::PatchKind;

/// What a request may carry, as upstream.
const LARGEST: usize = 3 << 20;

/// The media types of objects.
const OBJECTS: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const PATCHES: &str = "application/json-patch+json, application/merge-patch+json, \
                       application/strategic-merge-patch+json, application/apply-patch+yaml";

pub(super) async fn read(body: Body) -> Result<Bytes, ApiError> {
    let collected = Limited::new(body, LARGEST).collect().await.map_err(|error| {
        if error.is::<http_body_util::LengthLimitError>() {
            ApiError::too_large(LARGEST)
        } else {
            ApiError::bad_request(format!("the body of the request could not be read: {error}"))
        }
    })?;
    Ok(collected.to_bytes())
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// An object, by its media type.
pub(super) fn object(headers: &HeaderMap, bytes: &[u8]) -> Result<Value, ApiError> {
    match media_type(headers) {
        "" | "application/json" | "text/plain" | "*/*" => json(bytes),
        "application/yaml" | "application/x-yaml" | "text/yaml" => yaml(bytes),
        protobuf::MEDIA_TYPE => {
            protobuf::decode(bytes).map_err(|error| ApiError::bad_request(error.to_string()))
        }
        _ => Err(ApiError::unsupported_media_type(OBJECTS)),
    }
}

/// A patch, by its media type.
pub(super) fn patch(headers: &HeaderMap, bytes: &[u8]) -> Result<(PatchKind, Value), ApiError> {
    Ok(match media_type(headers) {
        "application/json-patch+json" => (PatchKind::Json, json(bytes)?),
        "application/merge-patch+json" => (PatchKind::Merge, json(bytes)?),
        "application/strategic-merge-patch+json" => (PatchKind::Strategic, json(bytes)?),
        "application/apply-patch+yaml" | "application/apply-patch+json" => (PatchKind::Apply, yaml(bytes)?),
        _ => return Err(ApiError::unsupported_media_type(PATCHES)),
    })
}

fn json(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes)
        .map_err(|error| ApiError::bad_request(format!("the object provided is unrecognized: {error}")))
}

/// YAML, of which JSON is a part that is read faster.
fn yaml(bytes: &[u8]) -> Result<Value, ApiError> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    let text = std::str::from_utf8(bytes)
        .map_err(|error| ApiError::bad_request(format!("the object provided is not UTF-8: {error}")))?;
    yaml::parse(text)
        .map(|document| document.value)
        .map_err(|error| ApiError::bad_request(format!("the object provided is not valid YAML: {error}")))
}
