//! Bodies in Kubernetes' protobuf form (`application/vnd.kubernetes.protobuf`), as kubectl and other typed clients
//! send them for built-in kinds: read into the JSON that the same client would have sent.
//!
//! A body is the four bytes `k8s\0` and a `runtime.Unknown`, which names the kind and holds the object's own
//! message. Which field of a message is which field of the JSON is in `data/protobuf.facts`.
//!
//! Only reading; answers are JSON. It knows nothing of HTTP.

mod message;
mod special;
mod table;
mod wire;

use serde_json::{Map, Value};

use crate::builtin::Schemas;
use message::Decoder;
use table::Table;
use wire::Reader;

/// The media type of such bodies.
pub const MEDIA_TYPE: &str = "application/vnd.kubernetes.protobuf";

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a body cannot be read, in the words of the API server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No bytes at all.
    #[error("empty data")]
    Empty,
    /// The first bytes are others than those every such body begins with.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NotProtobuf,
    /// Nothing behind the first bytes.
    #[error("empty body")]
    EmptyBody,
    /// What surrounds the object cannot be read.
    #[error("{0}")]
    Envelope(WireError),
    /// The object does not say what it is.
    #[error("Object '{0}' is missing in the body")]
    Untyped(&'static str),
    /// No built-in kind has a protobuf form by this name.
    #[error("no kind {kind:?} is registered for version {api_version:?}")]
    UnknownKind {
        /// As the body says it.
        api_version: String,
        /// As the body says it.
        kind: String,
    },
    /// The object cannot be read as what it says it is.
    #[error("{kind} in version {version:?} cannot be handled as a {kind}: {reason}")]
    Object {
        /// As the body says it.
        kind: String,
        /// Without the group.
        version: String,
        /// What is wrong.
        reason: WireError,
    },
}

/// What is wrong with the bytes of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// They end within a value.
    #[error("unexpected EOF")]
    End,
    /// A number of more than 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A length that no slice can have.
    #[error("proto: negative length found during unmarshaling")]
    Length,
    /// The end of a group that never began, or a group that never ends.
    #[error("proto: unexpected end of group")]
    Group,
    /// Field numbers start at one and have 29 bits; six wire types exist.
    #[error("proto: illegal tag {number} (wire type {wire})")]
    Tag {
        /// The field number.
        number: u64,
        /// The wire type.
        wire: u8,
    },
    /// A field written in a way that its type is not.
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WireType {
        /// The wire type.
        wire: u8,
        /// The field's name in JSON.
        field: &'static str,
    },
    /// A value that holds JSON, and does not.
    #[error("{field}: {reason}")]
    Json {
        /// The field's name in JSON.
        field: &'static str,
        /// What the JSON reader says.
        reason: String,
    },
    /// A time or number that JSON cannot say.
    #[error("{field}: value is out of range")]
    Range {
        /// The field's name in JSON.
        field: &'static str,
    },
    /// Nested deeper than any real object.
    #[error("exceeded max depth of {0}")]
    Depth(usize),
    /// More values than any real object has.
    #[error("exceeded max count of {0} values")]
    Count(usize),
}

/// The object in a body, `apiVersion` and `kind` included: what the client would have sent as JSON, without the
/// zero values that mean nothing there.
///
/// Time and memory are bounded by the length of the body and a limit on the number of values; the nesting is
/// bounded too.
pub fn decode(body: &[u8]) -> Result<Value, DecodeError> {
    if body.is_empty() {
        return Err(DecodeError::Empty);
    }
    let unknown = body.strip_prefix(MAGIC).ok_or(DecodeError::NotProtobuf)?;
    if unknown.is_empty() {
        return Err(DecodeError::EmptyBody);
    }
    let Envelope {
        api_version,
        kind,
        raw,
    } = envelope(unknown).map_err(DecodeError::Envelope)?;
    if kind.is_empty() {
        return Err(DecodeError::Untyped("Kind"));
    }
    if api_version.is_empty() {
        return Err(DecodeError::Untyped("apiVersion"));
    }
    let Some(message) = message_of(&api_version, &kind) else {
        return Err(DecodeError::UnknownKind { api_version, kind });
    };
    let mut object = Map::new();
    if let Err(reason) = Decoder::default().message(raw, message, &mut object) {
        let version = api_version
            .rsplit_once('/')
            .map_or(api_version.as_str(), |(_, version)| version)
            .to_owned();
        return Err(DecodeError::Object {
            kind,
            version,
            reason,
        });
    }
    object.insert("apiVersion".to_owned(), Value::String(api_version));
    object.insert("kind".to_owned(), Value::String(kind));
    Ok(Value::Object(object))
}

/// The message of a built-in kind. What deletes are asked with is registered in every group.
fn message_of(api_version: &str, kind: &str) -> Option<u16> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    let table = Table::builtin();
    if kind == "DeleteOptions" {
        return table.find("meta.v1.DeleteOptions");
    }
    let is_builtin = Schemas::builtin()
        .kinds()
        .iter()
        .any(|found| found.group == group);
    if !is_builtin {
        return None;
    }
    let package = match group.split('.').next() {
        None | Some("") => "core",
        Some(package) => package,
    };
    table.find(&format!("{package}.{version}.{kind}"))
}

#[derive(Default)]
struct Envelope<'a> {
    api_version: String,
    kind: String,
    raw: &'a [u8],
}

fn envelope(bytes: &[u8]) -> Result<Envelope<'_>, WireError> {
    let mut found = Envelope::default();
    let mut reader = Reader::new(bytes);
    while let Some((number, payload)) = reader.field()? {
        match number {
            1 => {
                let mut meta = Reader::new(payload.bytes("typeMeta")?);
                while let Some((number, payload)) = meta.field()? {
                    match number {
                        1 => found.api_version = payload.text("apiVersion")?,
                        2 => found.kind = payload.text("kind")?,
                        _ => {}
                    }
                }
            }
            2 => found.raw = payload.bytes("raw")?,
            _ => {}
        }
    }
    Ok(found)
}
