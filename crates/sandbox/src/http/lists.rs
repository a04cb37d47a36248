//! Lists, put together from the parts of stored bytes while they are sent: however long one is, its text is never whole.

use std::convert::Infallible;
use std::ops::Range;
use std::sync::Arc;
use std::vec;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::stream;
use http::StatusCode;
use serde_json::{Value, json};

use super::negotiate::Meta;
use super::respond;
use crate::catalog::Resource;
use crate::store::Object;
use crate::verbs::{Listed, shown};

/// A piece ends with the item that makes it this long.
const PIECE: usize = 128 << 10;
const END: &[u8] = b"]}\n";

/// The objects themselves.
pub(super) fn whole(resource: &Resource, listed: &Listed) -> Response {
    let head = head(&resource.list_kind, &resource.api_version(), listed);
    let items = listed.objects.iter();
    answer(head, items.map(|object| item_json(resource, object)).collect())
}

/// Only the metadata of each.
pub(super) fn metadata(meta: Meta, listed: &Listed) -> Response {
    // Upstream has no items to say of none here.
    if listed.objects.is_empty() {
        let none = json!({
            "kind": "PartialObjectMetadataList",
            "apiVersion": meta.api_version(),
            "metadata": list_metadata(listed),
            "items": null,
        });
        return respond::value(StatusCode::OK, &none);
    }
    let head = head("PartialObjectMetadataList", meta.api_version(), listed);
    let items = listed.objects.iter();
    let item = |object: &Arc<Object>| [respond::metadata_json(object, meta), Bytes::new(), Bytes::new()];
    answer(head, items.map(item).collect())
}

fn head(kind: &str, api_version: &str, listed: &Listed) -> String {
    format!(
        "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{},\"items\":[",
        json!(kind),
        json!(api_version),
        list_metadata(listed)
    )
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

/// The items are bytes by now: what follows cannot fail, and holds no object while a client takes its time.
fn answer(head: String, items: Vec<[Bytes; 3]>) -> Response {
    let mut pieces = Pieces {
        head: head.into_bytes(),
        items: items.into_iter(),
        first: true,
        ended: false,
    };
    let first = pieces.next().unwrap_or_default();
    let body = if pieces.ended {
        Body::from(first)
    } else {
        let pieces = std::iter::once(first).chain(pieces);
        Body::from_stream(stream::iter(pieces.map(Ok::<_, Infallible>)))
    };
    respond::json(StatusCode::OK, body)
}

/// The text of a list, piece by piece.
struct Pieces {
    /// What stands before the items; empty once it is written.
    head: Vec<u8>,
    items: vec::IntoIter<[Bytes; 3]>,
    /// Whether no item was written yet.
    first: bool,
    ended: bool,
}

impl Iterator for Pieces {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        if self.ended {
            return None;
        }
        let mut piece = std::mem::take(&mut self.head);
        if piece.is_empty() {
            // Not the first: it will be about as long as it may be.
            piece.reserve(PIECE + PIECE / 16);
        }
        while piece.len() < PIECE {
            let Some(item) = self.items.next() else {
                piece.extend_from_slice(END);
                self.ended = true;
                break;
            };
            if !std::mem::replace(&mut self.first, false) {
                piece.push(b',');
            }
            for part in item {
                piece.extend_from_slice(&part);
            }
        }
        Some(piece.into())
    }
}

/// An object as an item of a list, in parts that follow each other: those of built-in kinds do not say their kind,
/// which the list says.
fn item_json(resource: &Resource, object: &Object) -> [Bytes; 3] {
    let whole = respond::object_json(resource, object);
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

    fn pieces(sizes: &[usize]) -> Vec<String> {
        let item = |size: &usize| {
            [
                Bytes::from_static(b"{"),
                vec![b'x'; *size].into(),
                Bytes::from_static(b"}"),
            ]
        };
        let items: Vec<_> = sizes.iter().map(item).collect();
        let pieces = Pieces {
            head: b"[".to_vec(),
            items: items.into_iter(),
            first: true,
            ended: false,
        };
        let text = |piece: Bytes| String::from_utf8(piece.to_vec()).unwrap();
        pieces.map(text).collect()
    }

    #[test]
    fn a_list_comes_in_pieces() {
        let check = |sizes: &[usize], expect: &[usize]| {
            let pieces = pieces(sizes);
            let lengths: Vec<usize> = pieces.iter().map(String::len).collect();
            assert_eq!(lengths, expect, "{sizes:?}");
            let items: Vec<String> = sizes
                .iter()
                .map(|size| format!("{{{}}}", "x".repeat(*size)))
                .collect();
            assert_eq!(pieces.concat(), format!("[{}]}}\n", items.join(",")));
        };
        check(&[], &[4]);
        check(&[1, 2], &[12]);
        // The end follows an item that fills a piece.
        check(&[PIECE], &[PIECE + 3, 3]);
        check(&[PIECE - 4], &[PIECE - 1 + 3]);
        check(&[PIECE, 1, PIECE], &[PIECE + 3, PIECE + 7, 3]);
    }
}
