//! Answers.

use std::ops::Range;

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::negotiate::Meta;
use super::wire::AsItIs;
use crate::catalog::Resource;
use crate::status::{ApiError, NO_PAGE};
use crate::store::Object;
use crate::verbs::{Listed, renewed, shown, text};

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
    body: impl Into<Bytes>,
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

/// An object as an item of a list, in parts that follow each other: those of built-in kinds do not say their kind,
/// which the list says.
pub(super) fn item_json(resource: &Resource, object: &Object) -> [Bytes; 3] {
    let whole = object_json(resource, object);
    if resource.is_custom() {
        return [whole, Bytes::new(), Bytes::new()];
    }
    if let Some((fields, rest)) = around_kind(&whole) {
        return [Bytes::from_static(b"{"), whole.slice(fields), whole.slice(rest..)];
    }
    let mut value = shown(resource, &object.look());
    if let Some(fields) = value.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    [Bytes::from(value.to_string()), Bytes::new(), Bytes::new()]
}

/// Where the fields before the kind are in an object that begins with its version, and where those after it begin.
fn around_kind(json: &[u8]) -> Option<(Range<usize>, usize)> {
    let start =
        string_end(json, b"{\"apiVersion\":".len()).filter(|_| json.starts_with(b"{\"apiVersion\":\""))? + 1;
    let mut at = start;
    loop {
        let rest = json.get(at..)?;
        let value = string_end(json, at)? + 1;
        if rest.starts_with(b"\"kind\":\"") {
            let end = string_end(json, value)?;
            return (json.get(end) == Some(&b',')).then_some((start..at, end + 1));
        }
        at = value_end(json, value)? + 1;
    }
}

/// Where a string that begins at a place ends.
fn string_end(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match json.get(at)? {
            b'\\' => at += 2,
            b'"' => return Some(at + 1),
            _ => at += 1,
        }
    }
}

/// Where any value that begins at a place ends.
fn value_end(json: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match json.get(at)? {
            b'"' => at = string_end(json, at)? - 1,
            b'{' | b'[' => depth += 1,
            b'}' | b']' | b',' if depth == 0 => return Some(at),
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
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

/// A list of objects, put together from the parts of their stored bytes.
pub(super) fn list_json(kind: &str, api_version: &str, listed: &Listed, items: &[[Bytes; 3]]) -> Bytes {
    const END: &[u8] = b"]}\n";
    let head = format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
        json!(kind),
        json!(api_version),
        list_metadata(listed)
    );
    // It may be large, so it gets the room that it needs at once and no more.
    let length: usize = items.iter().flatten().map(|part| part.len() + 1).sum();
    let mut body = Vec::with_capacity(head.len() + length + END.len());
    body.extend_from_slice(head.as_bytes());
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        for part in item {
            body.extend_from_slice(part);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_cut_out_of_an_item() {
        let check = |json: &str, expect: Option<&str>| {
            let found = around_kind(json.as_bytes());
            let shown = found.map(|(fields, rest)| format!("{{{}{}", &json[fields], &json[rest..]));
            assert_eq!(shown.as_deref(), expect, "{json}");
        };
        check(
            r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}"#,
            Some(r#"{"metadata":{"name":"a"}}"#),
        );
        check(
            r#"{"apiVersion":"v1","data":{"kind":"x","q":"\"}]","n":[1,{}]},"flag":true,"kind":"ConfigMap","metadata":{}}"#,
            Some(r#"{"data":{"kind":"x","q":"\"}]","n":[1,{}]},"flag":true,"metadata":{}}"#),
        );
        check(r#"{"apiVersion":"v1","metadata":{"kind":"x"}}"#, None);
        check(r#"{"Z":1,"apiVersion":"v1","kind":"Pod","metadata":{}}"#, None);
        check("{}", None);
    }
}
