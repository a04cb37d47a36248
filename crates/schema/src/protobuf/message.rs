//! Messages into JSON objects, field by field, by the facts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use super::WireError;
use super::special;
use super::table::{Field, Kind, Many, Table};
use super::wire::{Payload, Reader};

/// How deep messages may be nested.
const DEPTH: usize = 64;

/// How many values an object may have in all: more than any real one, few enough that a small body cannot become
/// a large object in memory.
const COUNT: usize = 250_000;

/// Reads the messages of one body.
#[derive(Default)]
pub(super) struct Decoder {
    depth: usize,
    count: usize,
}

impl Decoder {
    /// Adds the fields of a message to an object. Fields that the facts do not know are left out, as upstream does
    /// with those of a newer version.
    pub(super) fn message(
        &mut self,
        bytes: &[u8],
        message: u16,
        object: &mut Map<String, Value>,
    ) -> Result<(), WireError> {
        if self.depth == DEPTH {
            return Err(WireError::Depth(DEPTH));
        }
        self.depth += 1;
        let fields = Table::builtin().fields(message);
        let mut reader = Reader::new(bytes);
        while let Some((number, payload)) = reader.field()? {
            if let Ok(found) = fields.binary_search_by_key(&number, |field| field.number)
                && let Some(field) = fields.get(found)
            {
                self.field(field, payload, object)?;
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn field(
        &mut self,
        field: &Field,
        payload: Payload<'_>,
        object: &mut Map<String, Value>,
    ) -> Result<(), WireError> {
        match (field.many, field.kind) {
            (Many::One, Kind::Message(message)) => {
                let bytes = payload.bytes(field.name)?;
                if field.inline {
                    return self.message(bytes, message, object);
                }
                self.count(1)?;
                // A message that comes in parts is the sum of them.
                let slot = object.entry(field.name).or_insert(Value::Null);
                if !slot.is_object() {
                    *slot = Value::Object(Map::new());
                }
                if let Value::Object(inner) = slot {
                    self.message(bytes, message, inner)?;
                }
            }
            (Many::One, _) => {
                let value = self.value(field, payload)?;
                if value.is_null() || (!field.zero && is_zero(&value, field.kind)) {
                    object.remove(field.name);
                } else {
                    object.insert(field.name.to_owned(), value);
                }
            }
            (Many::List, kind) => {
                let mut values = Vec::new();
                match (kind, payload) {
                    (Kind::Int32 | Kind::Int64 | Kind::Bool, Payload::Bytes(packed)) => {
                        let mut packed = Reader::new(packed);
                        while !packed.is_empty() {
                            let number = Payload::Varint(packed.varint()?);
                            values.push(self.value(field, number)?);
                        }
                    }
                    _ => values.push(self.value(field, payload)?),
                }
                let slot = object.entry(field.name).or_insert(Value::Array(Vec::new()));
                if let Value::Array(list) = slot {
                    list.append(&mut values);
                }
            }
            (Many::Map, _) => {
                let (key, value) = self.entry(field, payload)?;
                let slot = object.entry(field.name).or_insert(Value::Object(Map::new()));
                if let Value::Object(map) = slot {
                    map.insert(key, value);
                }
            }
        }
        Ok(())
    }

    /// An entry of a map is a message of a key and a value; what it leaves out is empty.
    fn entry(&mut self, field: &Field, payload: Payload<'_>) -> Result<(String, Value), WireError> {
        let mut key = String::new();
        let mut value = None;
        let mut reader = Reader::new(payload.bytes(field.name)?);
        while let Some((number, payload)) = reader.field()? {
            match number {
                1 => key = payload.text(field.name)?,
                2 => value = Some(self.value(field, payload)?),
                _ => {}
            }
        }
        let value = match value {
            Some(value) => value,
            None => self.value(field, Payload::Bytes(b""))?,
        };
        Ok((key, value))
    }

    fn value(&mut self, field: &Field, payload: Payload<'_>) -> Result<Value, WireError> {
        self.count(1)?;
        let name = field.name;
        Ok(match field.kind {
            Kind::Text => Value::String(payload.text(name)?),
            Kind::Int32 => Value::from(payload.varint(name)? as i32),
            Kind::Int64 => Value::from(payload.varint(name)? as i64),
            Kind::Bool => Value::Bool(payload.varint(name)? != 0),
            Kind::Bytes => Value::String(STANDARD.encode(payload.bytes(name)?)),
            Kind::Double => match payload {
                Payload::Fixed64(bits) => special::number(f64::from_bits(bits), name)?,
                other => return Err(other.refused(name)),
            },
            Kind::Time => special::time(payload.bytes(name)?, false, name)?,
            Kind::MicroTime => special::time(payload.bytes(name)?, true, name)?,
            Kind::Quantity => special::quantity(payload.bytes(name)?, name)?,
            Kind::IntOrString => special::int_or_string(payload.bytes(name)?, name)?,
            Kind::Raw => special::raw(payload.bytes(name)?, name)?,
            Kind::Texts => Value::Array(self.texts(payload.bytes(name)?, 1, name)?),
            Kind::SchemaOrList => self.schema_or_list(payload.bytes(name)?, name)?,
            Kind::SchemaOrBool => self.schema_or_bool(payload.bytes(name)?, name)?,
            Kind::Message(message) => {
                let mut object = Map::new();
                self.message(payload.bytes(name)?, message, &mut object)?;
                Value::Object(object)
            }
        })
    }

    fn texts(&mut self, bytes: &[u8], wanted: u32, name: &'static str) -> Result<Vec<Value>, WireError> {
        let mut texts = Vec::new();
        let mut reader = Reader::new(bytes);
        while let Some((number, payload)) = reader.field()? {
            if number == wanted {
                self.count(1)?;
                texts.push(Value::String(payload.text(name)?));
            }
        }
        Ok(texts)
    }

    fn schema(&mut self, payload: Payload<'_>, name: &'static str) -> Result<Value, WireError> {
        self.count(1)?;
        let mut object = Map::new();
        if let Some(message) = Table::builtin().find("apiextensions.v1.JSONSchemaProps") {
            self.message(payload.bytes(name)?, message, &mut object)?;
        }
        Ok(Value::Object(object))
    }

    /// Field 1 is one schema; field 2 a list, of schemas in `items`, of strings in `dependencies`.
    fn schema_or_list(&mut self, bytes: &[u8], name: &'static str) -> Result<Value, WireError> {
        let mut one = Value::Null;
        let mut list = Vec::new();
        let mut reader = Reader::new(bytes);
        while let Some((number, payload)) = reader.field()? {
            match number {
                1 => one = self.schema(payload, name)?,
                2 if name == "dependencies" => {
                    self.count(1)?;
                    list.push(Value::String(payload.text(name)?));
                }
                2 => list.push(self.schema(payload, name)?),
                _ => {}
            }
        }
        Ok(if list.is_empty() { one } else { Value::Array(list) })
    }

    fn schema_or_bool(&mut self, bytes: &[u8], name: &'static str) -> Result<Value, WireError> {
        let mut allows = false;
        let mut schema = None;
        let mut reader = Reader::new(bytes);
        while let Some((number, payload)) = reader.field()? {
            match number {
                1 => allows = payload.varint(name)? != 0,
                2 => schema = Some(self.schema(payload, name)?),
                _ => {}
            }
        }
        Ok(schema.unwrap_or(Value::Bool(allows)))
    }

    fn count(&mut self, more: usize) -> Result<(), WireError> {
        self.count += more;
        if self.count > COUNT {
            return Err(WireError::Count(COUNT));
        }
        Ok(())
    }
}

/// Whether a plain value is the same as nothing. Values that are messages on the wire never are.
fn is_zero(value: &Value, kind: Kind) -> bool {
    match kind {
        Kind::Text | Kind::Bytes => value == "",
        Kind::Int32 | Kind::Int64 => value == 0,
        Kind::Bool => value == false,
        Kind::Double => value.as_f64() == Some(0.0),
        _ => false,
    }
}
