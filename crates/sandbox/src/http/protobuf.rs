//! Reading the protobuf bodies that kubectl's typed commands (`create namespace`, `create configmap`, …) send.
//!
//! Facts only: which number is which field of which message, from `data/protobuf.facts`. Answers are always JSON, which
//! those clients accept.

use std::collections::HashMap;
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use schema::Schemas;
use serde_json::{Map, Value, json};

static FACTS: &str = include_str!("../../data/protobuf.facts");

/// What every body of this kind begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Messages inside messages at most.
const DEEPEST: usize = 64;

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Envelope,
    Kind,
    Wire,
    TooDeep,
    Text,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Envelope => "the envelope is broken",
            Self::Kind => "the kind is not known",
            Self::Wire => "the encoding is broken",
            Self::TooDeep => "it is nested too deep",
            Self::Text => "a string is not UTF-8",
        })
    }
}

struct Field {
    name: &'static str,
    kind: &'static str,
    shape: &'static str,
}

impl Field {
    fn is(&self, shape: char) -> bool {
        self.shape.contains(shape)
    }
}

#[derive(Default)]
struct Message {
    is_list: bool,
    fields: HashMap<u64, Field>,
}

fn messages() -> &'static HashMap<&'static str, Message> {
    static MESSAGES: OnceLock<HashMap<&'static str, Message>> = OnceLock::new();
    MESSAGES.get_or_init(|| FACTS.lines().filter_map(read_line).collect())
}

fn read_line(line: &'static str) -> Option<(&'static str, Message)> {
    let mut words = line.split_whitespace();
    let name = words.next()?;
    let (name, is_list) = name.strip_suffix('L').map_or((name, false), |name| (name, true));
    let fields = words.filter_map(|word| {
        let mut parts = word.split(':');
        let number = parts.next()?.parse().ok()?;
        Some((
            number,
            Field {
                name: parts.next()?,
                kind: parts.next()?,
                shape: parts.next()?,
            },
        ))
    });
    Some((
        name,
        Message {
            is_list,
            fields: fields.collect(),
        },
    ))
}

/// Reads an object: its envelope names the kind.
pub(super) fn object(bytes: &[u8]) -> Result<Value, Unreadable> {
    let body = bytes.strip_prefix(MAGIC).ok_or(Unreadable::Envelope)?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    for part in Wire(body) {
        match part.map_err(|_| Unreadable::Envelope)? {
            (1, Data::Bytes(kinds)) => {
                for part in Wire(kinds) {
                    match part.map_err(|_| Unreadable::Envelope)? {
                        (1, Data::Bytes(text)) => api_version = utf8(text)?,
                        (2, Data::Bytes(text)) => kind = utf8(text)?,
                        _ => {}
                    }
                }
            }
            (2, Data::Bytes(inner)) => raw = inner,
            _ => {}
        }
    }
    let mut object = message(
        message_of(&api_version, &kind).ok_or(Unreadable::Kind)?,
        raw,
        DEEPEST,
    )?;
    if let Some(object) = object.as_object_mut() {
        object.insert("apiVersion".to_owned(), json!(api_version));
        object.insert("kind".to_owned(), json!(kind));
    }
    Ok(object)
}

fn message_of(api_version: &str, kind: &str) -> Option<&'static str> {
    match kind {
        "DeleteOptions" => return Some("meta.v1.DeleteOptions"),
        "Eviction" => return Some("policy.v1.Eviction"),
        "Binding" => return Some("core.v1.Binding"),
        "Scale" => return Some("autoscaling.v1.Scale"),
        _ => {}
    }
    Some(Schemas::builtin().schema(api_version, kind)?.name.as_str())
}

fn utf8(bytes: &[u8]) -> Result<String, Unreadable> {
    std::str::from_utf8(bytes)
        .map(str::to_owned)
        .map_err(|_| Unreadable::Text)
}

/// Reads one message into the JSON of the same type.
fn message(name: &str, bytes: &[u8], left: usize) -> Result<Value, Unreadable> {
    if let Some(special) = special(name, bytes) {
        return special;
    }
    let left = left.checked_sub(1).ok_or(Unreadable::TooDeep)?;
    let known = messages().get(name).ok_or(Unreadable::Kind)?;
    let mut object = Map::new();
    for part in Wire(bytes) {
        let (number, data) = part?;
        // Fields of a newer client are not known, as unknown fields of JSON are not.
        let Some(field) = known.fields.get(&number) else {
            continue;
        };
        put(&mut object, field, data, left)?;
    }
    if known.is_list {
        return Ok(object.remove("items").unwrap_or_else(|| json!([])));
    }
    Ok(Value::Object(object))
}

fn put(
    object: &mut Map<String, Value>,
    field: &Field,
    data: Data<'_>,
    left: usize,
) -> Result<(), Unreadable> {
    if field.is('%') {
        let Data::Bytes(entry) = data else {
            return Err(Unreadable::Wire);
        };
        let (mut key, mut value) = (String::new(), scalar(field.kind, Data::Bytes(&[]), left)?);
        for part in Wire(entry) {
            match part? {
                (1, Data::Bytes(text)) => key = utf8(text)?,
                (2, data) => value = scalar(field.kind, data, left)?,
                _ => {}
            }
        }
        let map = object.entry(field.name).or_insert_with(|| json!({}));
        if let Some(map) = map.as_object_mut() {
            map.insert(key, value);
        }
        return Ok(());
    }
    let value = scalar(field.kind, data, left)?;
    if field.is('~') {
        if let Value::Object(inner) = value {
            object.extend(inner);
        }
    } else if field.is('+') {
        let list = object.entry(field.name).or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.push(value);
        }
    } else if field.is('?') || !is_zero(&value) {
        object.insert(field.name.to_owned(), value);
    }
    Ok(())
}

/// Whether Go leaves the value out of JSON when the field is no pointer.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        Value::Bool(true) => false,
    }
}

fn scalar(kind: &str, data: Data<'_>, left: usize) -> Result<Value, Unreadable> {
    match (kind, data) {
        ("s", Data::Bytes(text)) => Ok(json!(utf8(text)?)),
        ("y", Data::Bytes(bytes)) => Ok(json!(STANDARD.encode(bytes))),
        ("i", Data::Number(number)) => Ok(json!(number as i64)),
        ("b", Data::Number(number)) => Ok(json!(number != 0)),
        ("d", Data::Fixed(bits)) => Ok(json!(f64::from_bits(bits))),
        // What a map entry holds when its value is left out.
        ("i", Data::Bytes([])) => Ok(json!(0)),
        ("b", Data::Bytes([])) => Ok(json!(false)),
        ("s" | "y" | "i" | "b" | "d", _) => Err(Unreadable::Wire),
        (name, Data::Bytes(bytes)) => message(name, bytes, left),
        _ => Err(Unreadable::Wire),
    }
}

/// Messages whose JSON is something else than an object of their fields.
fn special(name: &str, bytes: &[u8]) -> Option<Result<Value, Unreadable>> {
    let read: fn(&Parts<'_>) -> Result<Value, Unreadable> = match name {
        "meta.v1.Time" => |parts| moment(parts, false),
        "meta.v1.MicroTime" => |parts| moment(parts, true),
        "meta.v1.Duration" => |parts| Ok(json!(format!("{}ns", parts.number(1)))),
        "api.resource.Quantity" => |parts| Ok(json!(parts.text(1)?)),
        "util.intstr.IntOrString" => |parts| {
            if parts.number(1) == 0 {
                Ok(json!(parts.number(2)))
            } else {
                Ok(json!(parts.text(3)?))
            }
        },
        "pkg.runtime.RawExtension" | "meta.v1.FieldsV1" | "apiextensions.v1.JSON" => {
            |parts| match parts.bytes(1) {
                [] => Ok(Value::Null),
                json => serde_json::from_slice(json).map_err(|_| Unreadable::Wire),
            }
        }
        _ => return None,
    };
    let parts: Result<Vec<_>, Unreadable> = Wire(bytes).collect();
    Some(parts.and_then(|parts| read(&Parts(parts))))
}

fn moment(parts: &Parts<'_>, fraction: bool) -> Result<Value, Unreadable> {
    if parts.0.is_empty() {
        return Ok(Value::Null);
    }
    let nanoseconds = i32::try_from(parts.number(2)).map_err(|_| Unreadable::Wire)?;
    let moment = Timestamp::new(parts.number(1), nanoseconds).map_err(|_| Unreadable::Wire)?;
    let format = if fraction {
        "%Y-%m-%dT%H:%M:%S.%6fZ"
    } else {
        "%Y-%m-%dT%H:%M:%SZ"
    };
    Ok(json!(moment.strftime(format).to_string()))
}

/// The fields of a small message.
struct Parts<'a>(Vec<(u64, Data<'a>)>);

impl Parts<'_> {
    fn number(&self, number: u64) -> i64 {
        let found = self.0.iter().rev().find_map(|part| match part {
            (at, Data::Number(value)) if *at == number => Some(*value as i64),
            _ => None,
        });
        found.unwrap_or(0)
    }

    fn bytes(&self, number: u64) -> &[u8] {
        let found = self.0.iter().rev().find_map(|part| match part {
            (at, Data::Bytes(value)) if *at == number => Some(*value),
            _ => None,
        });
        found.unwrap_or_default()
    }

    fn text(&self, number: u64) -> Result<String, Unreadable> {
        utf8(self.bytes(number))
    }
}

/// A value on the wire.
#[derive(Clone, Copy)]
enum Data<'a> {
    Number(u64),
    Fixed(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, one after the other.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn number(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<(u64, Data<'a>)> {
        let tag = self.number()?;
        let data = match tag & 7 {
            0 => Data::Number(self.number()?),
            1 => Data::Fixed(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.number()?).ok()?;
                Data::Bytes(self.take(length)?)
            }
            5 => Data::Fixed(u32::from_le_bytes(self.take(4)?.try_into().ok()?).into()),
            _ => return None,
        };
        Some((tag >> 3, data))
    }
}

impl<'a> Iterator for Wire<'a> {
    type Item = Result<(u64, Data<'a>), Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(Unreadable::Wire))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A field on the wire.
    fn bytes(number: u8, inner: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, u8::try_from(inner.len()).unwrap()], inner].concat()
    }

    fn number(number: u8, value: u8) -> Vec<u8> {
        vec![number << 3, value]
    }

    fn envelope(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let kinds = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &kinds), bytes(2, raw)].concat()
    }

    #[test]
    fn objects_come_out_as_their_json() {
        let metadata = [bytes(1, b"a"), bytes(2, b""), number(7, 0), bytes(8, b"")].concat();
        let entry = [bytes(1, b"key"), bytes(2, b"value")].concat();
        let map = [bytes(1, &metadata), bytes(2, &entry)].concat();
        assert_eq!(
            object(&envelope("v1", "ConfigMap", &map)),
            Ok(
                json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "key": "value" } })
            )
        );
        // Replicas are a pointer, so their zero stays; minReadySeconds are none.
        let spec = [number(1, 0), number(5, 0)].concat();
        let deployment = [bytes(1, &bytes(1, b"a")), bytes(2, &spec)].concat();
        let read = object(&envelope("apps/v1", "Deployment", &deployment)).unwrap();
        assert_eq!(read["spec"], json!({ "replicas": 0 }));
        let port = [
            number(3, 80),
            bytes(4, &[number(1, 1), bytes(3, b"http")].concat()),
        ]
        .concat();
        let service = bytes(2, &bytes(1, &port));
        let read = object(&envelope("v1", "Service", &service)).unwrap();
        assert_eq!(
            read["spec"]["ports"],
            json!([{ "port": 80, "targetPort": "http" }])
        );
    }

    #[test]
    fn inlined_messages_have_no_name_of_their_own() {
        let http = bytes(1, b"/health");
        let handler = bytes(2, &http);
        let probe = [bytes(1, &handler), number(3, 0), number(4, 5)].concat();
        assert_eq!(
            message("core.v1.Probe", &probe, DEEPEST),
            Ok(json!({ "httpGet": { "path": "/health" }, "periodSeconds": 5 }))
        );
    }

    #[test]
    fn broken_bodies_are_refused() {
        for (body, expect) in [
            (b"{}".to_vec(), Unreadable::Envelope),
            (b"k8s\0\xff".to_vec(), Unreadable::Envelope),
            (envelope("v1", "Nothing", b""), Unreadable::Kind),
            (envelope("v1", "ConfigMap", b"\x0a\xff"), Unreadable::Wire),
            (
                envelope("v1", "ConfigMap", &bytes(1, &bytes(1, b"\xff"))),
                Unreadable::Text,
            ),
        ] {
            assert_eq!(object(&body), Err(expect), "{body:?}");
        }
    }

    #[test]
    fn every_message_that_a_field_names_is_known() {
        for (name, message) in messages() {
            for field in message.fields.values() {
                let plain = matches!(field.kind, "s" | "i" | "b" | "y" | "d");
                assert!(
                    plain || messages().contains_key(field.kind),
                    "{name}.{} is a {}",
                    field.name,
                    field.kind
                );
            }
        }
        for kind in Schemas::builtin().kinds() {
            assert!(
                messages().contains_key(kind.schema().name.as_str()),
                "{}",
                kind.kind
            );
        }
    }

    proptest! {
        #[test]
        fn no_body_fails(raw in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = object(&[MAGIC, &raw].concat());
            let _ = message("core.v1.PodSpec", &raw, DEEPEST);
            let _ = message("apiextensions.v1.JSONSchemaProps", &raw, DEEPEST);
        }
    }
}
