//! Bodies in protobuf as kubectl 1.32 and 1.36 and client-go 0.36 sent them, read into the JSON that the same clients
//! write for the same objects; and bytes that nobody sent.
//!
//! `protobuf.json` holds the bodies, base64, one a line. The JSON is that of `--dry-run=client -o json` and of Go's
//! `json.Marshal`, without its nulls.

#![expect(clippy::expect_used, reason = "a test may stop at a recording it cannot read")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use schema::Schemas;
use schema::protobuf::{DecodeError, WireError, decode};
use serde_json::{Value, json};

#[derive(serde::Deserialize)]
struct Recording {
    by: String,
    body: String,
    object: Value,
}

impl Recording {
    fn bytes(&self) -> Vec<u8> {
        STANDARD.decode(&self.body).expect("base64")
    }
}

fn recordings() -> Vec<Recording> {
    serde_json::from_str(include_str!("protobuf.json")).expect("recordings")
}

#[test]
fn recorded_bodies_are_the_json_of_the_same_client() {
    for recording in recordings() {
        assert_eq!(
            decode(&recording.bytes()),
            Ok(recording.object),
            "{}",
            recording.by
        );
    }
}

#[test]
fn recorded_bodies_prepare_to_the_same_object() {
    let schemas = Schemas::builtin();
    for recording in recordings() {
        let word = |key: &str| recording.object[key].as_str().unwrap_or_default();
        let Some(schema) = schemas.schema(word("apiVersion"), word("kind")) else {
            continue;
        };
        let mut object = decode(&recording.bytes()).expect(&recording.by);
        assert_eq!(schema::unknown_fields(schema, &object), [], "{}", recording.by);
        let mut expect = recording.object.clone();
        schema::prepare(schema, &mut object);
        schema::prepare(schema, &mut expect);
        assert_eq!(object, expect, "{}", recording.by);
    }
}

/// Bytes behind their length.
fn sized(inner: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut length = inner.len();
    while length >= 0x80 {
        bytes.push(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend(inner);
    bytes
}

/// A field that holds bytes. Numbers up to 15 have a tag of one byte.
fn field(number: u8, inner: &[u8]) -> Vec<u8> {
    [vec![number << 3 | 2], sized(inner)].concat()
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &meta), field(2, raw)].concat()
}

fn message(bytes: &[u8]) -> String {
    decode(bytes).map_or_else(|error| error.to_string(), |object| object.to_string())
}

#[test]
fn what_cannot_be_read_is_refused_in_the_words_of_the_api_server() {
    fn check(bytes: &[u8], expect: &str) {
        assert_eq!(message(bytes), expect);
    }
    check(b"", "empty data");
    check(
        b"{}",
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
    );
    check(b"k8s\0", "empty body");
    check(b"k8s\0\xff", "unexpected EOF");
    check(&body("v1", "", b""), "Object 'Kind' is missing in the body");
    check(
        &body("", "Pod", b""),
        "Object 'apiVersion' is missing in the body",
    );
    check(
        &body("v1", "Nothing", b""),
        "no kind \"Nothing\" is registered for version \"v1\"",
    );
    check(
        &body("apps.example.com/v1", "Deployment", b""),
        "no kind \"Deployment\" is registered for version \"apps.example.com/v1\"",
    );
    check(
        &body("v1", "ConfigMap", &field(1, b"\x0a\xff")),
        "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: unexpected EOF",
    );
    check(
        &body("apps/v1", "Deployment", &field(2, &field(1, b""))),
        "Deployment in version \"v1\" cannot be handled as a Deployment: proto: wrong wireType = 2 for field replicas",
    );
}

#[test]
fn fields_come_in_any_order_in_parts_and_from_newer_versions() {
    fn check(raw: &[u8], expect: &Value) {
        let mut expect = expect.clone();
        expect["apiVersion"] = json!("v1");
        expect["kind"] = json!("Secret");
        assert_eq!(decode(&body("v1", "Secret", raw)), Ok(expect));
    }
    check(b"", &json!({}));
    check(
        &[field(3, b"Opaque"), field(1, &field(1, b"a"))].concat(),
        &json!({ "metadata": { "name": "a" }, "type": "Opaque" }),
    );
    // The parts of a message add up; of a plain value the last one counts, an empty one included.
    check(
        &[
            field(1, &field(1, b"a")),
            field(1, &field(3, b"b")),
            field(3, b"x"),
            field(3, b""),
        ]
        .concat(),
        &json!({ "metadata": { "name": "a", "namespace": "b" } }),
    );
    check(&[field(15, b"new"), vec![0xa0, 0x06, 1]].concat(), &json!({}));
    // A map entry may lack its value, or its key.
    check(
        &[field(2, &field(1, b"key")), field(2, &field(2, b"\0\xff"))].concat(),
        &json!({ "data": { "key": "", "": "AP8=" } }),
    );
    // An immutable of false means something, for it is a pointer.
    check(&[0x28, 0], &json!({ "immutable": false }));
    check(&field(3, b"\xff"), &json!({ "type": "\u{fffd}" }));
}

#[test]
fn lists_of_numbers_may_be_packed() {
    let spec = |numbers: &[u8]| field(2, &field(14, numbers));
    let expect = json!([0, 300]);
    for numbers in [&b"\x20\x00\x20\xac\x02"[..], b"\x22\x03\x00\xac\x02"] {
        let object = decode(&body("v1", "Pod", &spec(numbers))).expect("a pod");
        assert_eq!(object["spec"]["securityContext"]["supplementalGroups"], expect);
    }
}

#[test]
fn nesting_and_number_of_values_are_bounded() {
    // `not` is field 28 of a JSON schema.
    let mut schema = Vec::new();
    for _ in 0..200 {
        schema = [vec![0xe2, 0x01], sized(&schema)].concat();
    }
    let version = field(4, &field(1, &schema));
    let definition = body(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &field(2, &field(7, &version)),
    );
    let reason = |bytes: &[u8]| match decode(bytes) {
        Err(DecodeError::Object { reason, .. }) => Some(reason),
        _ => None,
    };
    assert_eq!(reason(&definition), Some(WireError::Depth(64)));

    let many = body("v1", "Pod", &field(2, &field(2, b"").repeat(300_000)));
    assert_eq!(reason(&many), Some(WireError::Count(250_000)));
}

proptest! {
    #[test]
    fn no_bytes_bring_it_down(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0..10_usize) {
        let _ = decode(&bytes);
        let _ = decode(&[b"k8s\0".to_vec(), bytes.clone()].concat());
        let (api_version, kind) = [
            ("v1", "Pod"),
            ("v1", "Secret"),
            ("v1", "Event"),
            ("v1", "ResourceQuota"),
            ("v1", "DeleteOptions"),
            ("apps/v1", "Deployment"),
            ("policy/v1", "PodDisruptionBudget"),
            ("apps/v1", "ControllerRevision"),
            ("authorization.k8s.io/v1", "SubjectAccessReview"),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        ][kind];
        let _ = decode(&body(api_version, kind, &bytes));
        let _ = decode(&body(api_version, kind, &field(2, &bytes)));
    }

    #[test]
    fn no_damage_to_a_real_body_brings_it_down(
        which in any::<prop::sample::Index>(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let recordings = recordings();
        let recording = which.get(&recordings);
        let mut bytes = recording.bytes();
        let place = place.index(bytes.len());
        if cut {
            bytes.truncate(place);
        } else if let Some(damaged) = bytes.get_mut(place) {
            *damaged = byte;
        }
        if let Ok(object) = decode(&bytes) {
            prop_assert!(object.is_object());
        }
    }
}
