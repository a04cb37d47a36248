//! Request bodies: bounded, decoded from JSON, YAML or protobuf. What cannot be read is refused in the words of the real
//! API server.

use std::fmt::Write as _;

use axum::body::{Body, Bytes};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, Limited};
use schema::protobuf;
use serde_json::{Value, json};

use super::json::{self, Read};
use crate::status::ApiError;
use crate::verbs::PatchKind;

/// What a request may carry, as upstream.
const LARGEST: usize = 3 << 20;
/// How much of a body is repeated when it is refused.
const LONGEST_SHOWN: usize = 30;

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

fn media_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    value
        .split(';')
        .next()
        .map(str::trim)
        .filter(|_| !value.is_empty())
}

/// An object of a kind, by its media type, and the fields that stand twice in it.
pub(super) fn object(headers: &HeaderMap, bytes: &[u8], kind: &str) -> Result<Read, ApiError> {
    let unrecognized = |why: &str| unrecognized(kind, why, bytes);
    let mut read = match media_type(headers) {
        None | Some("application/json" | "text/plain" | "*/*") => {
            json::read(bytes).map_err(|why| unrecognized(&unparsed(&why)))?
        }
        Some("application/yaml" | "application/x-yaml" | "text/yaml") => Read {
            value: yaml(bytes).map_err(|why| unrecognized(&why))?,
            twice: Vec::new(),
        },
        Some(protobuf::MEDIA_TYPE) => {
            let value = protobuf::decode(bytes).map_err(|error| match error {
                protobuf::DecodeError::Empty | protobuf::DecodeError::NotProtobuf => {
                    unrecognized(&error.to_string())
                }
                error => ApiError::bad_request(error.to_string()),
            })?;
            Read {
                value,
                twice: Vec::new(),
            }
        }
        Some(_) => return Err(ApiError::unsupported_media_type(OBJECTS)),
    };
    if read.value.is_null() {
        read.value = json!({});
    }
    match unnamed(&read.value) {
        Some(why) => Err(unrecognized(&unparsed(&why))),
        None => Ok(read),
    }
}

/// Why version and kind cannot be read off a document, if they cannot.
fn unnamed(value: &Value) -> Option<String> {
    const GO_TYPE: &str = "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \
                           \"json:\\\"kind,omitempty\\\"\" }";
    let go = |value: &Value| match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    if !value.is_object() {
        return Some(format!(
            "json: cannot unmarshal {} into Go value of type {GO_TYPE}",
            go(value)
        ));
    }
    ["apiVersion", "kind"].into_iter().find_map(|field| {
        let given = value
            .get(field)
            .filter(|given| !given.is_null() && !given.is_string())?;
        let given = go(given);
        Some(format!(
            "json: cannot unmarshal {given} into Go struct field .{field} of type string"
        ))
    })
}

fn unparsed(why: &str) -> String {
    format!("couldn't get version/kind; json parse error: {why}")
}

/// The refusal of a body that names no kind.
fn unrecognized(kind: &str, why: &str, bytes: &[u8]) -> ApiError {
    let head = &bytes[..bytes.len().min(LONGEST_SHOWN)];
    let mut shown = match head {
        [] => "<empty>".to_owned(),
        [b'{', ..] => String::from_utf8_lossy(head).into_owned(),
        head => head.iter().fold(String::new(), |mut shown, byte| {
            // Writing to a string cannot fail.
            let _ = write!(shown, "{byte:02x}");
            shown
        }),
    };
    if bytes.len() > LONGEST_SHOWN {
        shown.push_str(" ...");
    }
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({shown})"
    ))
}

/// A patch, by its media type.
pub(super) fn patch(
    headers: &HeaderMap,
    bytes: &[u8],
    of_custom: bool,
) -> Result<(PatchKind, Value), ApiError> {
    let json = || {
        let read = json::read(bytes).map(|read| read.value);
        read.map_err(|why| ApiError::bad_request(format!("error decoding patch: {why}")))
    };
    Ok(match media_type(headers).unwrap_or_default() {
        "application/json-patch+json" => (PatchKind::Json, json()?),
        "application/merge-patch+json" => (PatchKind::Merge, json()?),
        "application/strategic-merge-patch+json" => (PatchKind::Strategic, json()?),
        "application/apply-patch+yaml" | "application/apply-patch+json" => {
            let read = yaml(bytes).map_err(|why| format!("error decoding YAML: {why}"));
            (PatchKind::Apply, read.map_err(ApiError::bad_request)?)
        }
        _ if of_custom => return Err(ApiError::unsupported_media_type(PATCHES)),
        _ => return Err(ApiError::unroutable_media_type()),
    })
}

/// YAML, of which JSON is a part that is read faster; of several documents the first.
fn yaml(bytes: &[u8]) -> Result<Value, String> {
    let mut value = if let Ok(value) = serde_json::from_slice(bytes) {
        value
    } else {
        let text =
            std::str::from_utf8(bytes).map_err(|error| format!("yaml: the text is not UTF-8: {error}"))?;
        let documents = yaml::parse_all(text).map_err(|error| format!("yaml: {error}"))?;
        let first = documents.into_iter().next();
        first.map(|document| document.value).unwrap_or_default()
    };
    whole_numbers(&mut value);
    Ok(value)
}

/// On its way from YAML to JSON a number without a fraction is written without a point.
fn whole_numbers(value: &mut Value) {
    const LARGEST: f64 = 1e15;
    match value {
        Value::Number(number) => {
            let float = number
                .as_f64()
                .filter(|float| number.is_f64() && float.fract() == 0.0);
            if let Some(whole) = float.filter(|float| float.abs() < LARGEST) {
                #[expect(clippy::cast_possible_truncation, reason = "it is whole and within bounds")]
                let whole = whole as i64;
                *value = Value::from(whole);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}
