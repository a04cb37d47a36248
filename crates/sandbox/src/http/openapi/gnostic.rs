//! The second version of OpenAPI in protobuf, the form in which clients written in Go ask for it: the messages of
//! gnostic's `OpenAPIv2.proto`, as far as our documents use them.

use serde_json::{Map, Value};

/// A message on its way to the wire.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push((number as u8) | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Message) {
        self.bytes(field, &message.0);
    }

    fn text(&mut self, field: u64, value: &Value) {
        if let Some(text) = value.as_str() {
            self.bytes(field, text.as_bytes());
        }
    }

    fn texts(&mut self, field: u64, value: &Value) {
        for text in list(value) {
            self.text(field, text);
        }
    }

    fn flag(&mut self, field: u64, value: &Value) {
        if value == true {
            self.varint(field << 3);
            self.varint(1);
        }
    }

    fn count(&mut self, field: u64, value: &Value) {
        if let Some(count) = value.as_u64() {
            self.varint(field << 3);
            self.varint(count);
        }
    }

    fn double(&mut self, field: u64, value: &Value) {
        if let Some(number) = value.as_f64() {
            self.varint(field << 3 | 1);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// A value of any kind is carried as YAML, of which JSON is a part.
    fn any(&mut self, field: u64, value: &Value) {
        if !value.is_null() {
            let mut any = Message::default();
            any.bytes(2, format!("{value}\n").as_bytes());
            self.message(field, &any);
        }
    }

    /// What has a name of its own: an entry of a map.
    fn named(&mut self, field: u64, name: &str, value: &Message) {
        let mut entry = Message::default();
        entry.bytes(1, name.as_bytes());
        entry.message(2, value);
        self.message(field, &entry);
    }

    /// The words that OpenAPI does not know.
    fn extensions(&mut self, field: u64, fields: &Map<String, Value>) {
        for (name, value) in fields.iter().filter(|(name, _)| name.starts_with("x-")) {
            let mut any = Message::default();
            any.bytes(2, format!("{value}\n").as_bytes());
            self.named(field, name, &any);
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A message that holds one other: what is either this or that.
fn one(field: u64, message: &Message) -> Message {
    let mut outer = Message::default();
    outer.message(field, message);
    outer
}

/// A whole document.
pub(super) fn document(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, &document["swagger"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(2, &document["info"]["version"]);
    out.message(2, &info);
    let mut paths = Message::default();
    for (path, value) in entries(&document["paths"]) {
        paths.named(2, path, &item(value));
    }
    out.message(8, &paths);
    let mut definitions = Message::default();
    for (name, value) in entries(&document["definitions"]) {
        definitions.named(1, name, &schema(value));
    }
    out.message(9, &definitions);
    for requirement in list(&document["security"]) {
        let mut message = Message::default();
        for (name, scopes) in entries(requirement) {
            let mut words = Message::default();
            words.texts(1, scopes);
            message.named(1, name, &words);
        }
        out.message(12, &message);
    }
    let mut ways = Message::default();
    for (name, way) in entries(&document["securityDefinitions"]) {
        let mut key = Message::default();
        key.text(1, &way["type"]);
        key.text(2, &way["name"]);
        key.text(3, &way["in"]);
        ways.named(1, name, &one(2, &key));
    }
    out.message(13, &ways);
    out.0
}

fn item(value: &Value) -> Message {
    let mut out = Message::default();
    for (field, method) in [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (8, "patch")] {
        if let Some(found) = value[method].as_object() {
            out.message(field, &operation(&value[method], found));
        }
    }
    for found in list(&value["parameters"]) {
        out.message(9, &one(1, &parameter(found)));
    }
    out
}

fn operation(value: &Value, fields: &Map<String, Value>) -> Message {
    let mut out = Message::default();
    out.text(5, &value["operationId"]);
    out.texts(6, &value["produces"]);
    out.texts(7, &value["consumes"]);
    for found in list(&value["parameters"]) {
        out.message(8, &one(1, &parameter(found)));
    }
    let mut responses = Message::default();
    for (code, answer) in entries(&value["responses"]) {
        let mut response = Message::default();
        response.text(1, &answer["description"]);
        if answer["schema"].is_object() {
            response.message(2, &one(1, &schema(&answer["schema"])));
        }
        responses.named(1, code, &one(1, &response));
    }
    out.message(9, &responses);
    out.texts(10, &value["schemes"]);
    out.extensions(13, fields);
    out
}

fn parameter(value: &Value) -> Message {
    let mut inner = Message::default();
    if value["in"] == "body" {
        inner.text(2, &value["name"]);
        inner.text(3, &value["in"]);
        inner.flag(4, &value["required"]);
        inner.message(5, &schema(&value["schema"]));
        return one(1, &inner);
    }
    let in_path = value["in"] == "path";
    // Those of a path do without one field, so what comes behind it has smaller numbers.
    let less = u64::from(in_path);
    inner.flag(1, &value["required"]);
    inner.text(2, &value["in"]);
    inner.text(4, &value["name"]);
    inner.text(6 - less, &value["type"]);
    inner.flag(20 - less, &value["uniqueItems"]);
    one(2, &one(if in_path { 4 } else { 3 }, &inner))
}

fn schema(value: &Value) -> Message {
    let mut out = Message::default();
    for (field, name) in [(1, "$ref"), (2, "format"), (3, "title"), (4, "description")] {
        out.text(field, &value[name]);
    }
    out.double(6, &value["multipleOf"]);
    out.double(7, &value["maximum"]);
    out.flag(8, &value["exclusiveMaximum"]);
    out.double(9, &value["minimum"]);
    out.flag(10, &value["exclusiveMinimum"]);
    out.count(11, &value["maxLength"]);
    out.count(12, &value["minLength"]);
    out.text(13, &value["pattern"]);
    out.count(14, &value["maxItems"]);
    out.count(15, &value["minItems"]);
    out.flag(16, &value["uniqueItems"]);
    out.count(17, &value["maxProperties"]);
    out.count(18, &value["minProperties"]);
    out.texts(19, &value["required"]);
    for allowed in list(&value["enum"]) {
        out.any(20, allowed);
    }
    match &value["additionalProperties"] {
        Value::Object(_) => out.message(21, &one(1, &schema(&value["additionalProperties"]))),
        Value::Bool(_) => {
            let mut open = Message::default();
            open.flag(2, &value["additionalProperties"]);
            out.message(21, &open);
        }
        _ => {}
    }
    if value["type"].is_string() {
        let mut kind = Message::default();
        kind.text(1, &value["type"]);
        out.message(22, &kind);
    }
    if value["items"].is_object() {
        out.message(23, &one(1, &schema(&value["items"])));
    }
    if value["properties"].is_object() {
        let mut properties = Message::default();
        for (name, property) in entries(&value["properties"]) {
            properties.named(1, name, &schema(property));
        }
        out.message(25, &properties);
    }
    if let Some(fields) = value.as_object() {
        out.extensions(31, fields);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_have_the_numbers_of_the_published_ones() {
        let small = json!({
            "swagger": "2.0",
            "info": { "title": "A", "version": "1" },
            "definitions": { "B": { "type": "string", "x-y": [1] } },
        });
        let expect = b"\x0a\x032.0\x12\x06\x0a\x01A\x12\x011\x42\x00\x4a";
        let found = document(&small);
        assert_eq!(&found[..expect.len()], expect);
        // The extension's value is carried as text, behind its name.
        let value = b"\x12\x06\x12\x04[1]\n";
        assert!(
            found.windows(value.len()).any(|window| window == value),
            "{found:?}"
        );
    }
}
