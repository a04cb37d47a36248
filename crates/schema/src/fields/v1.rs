//! The `FieldsV1` JSON form of a field set: `f:name`, `k:{"name":"web"}`, `v:"x"`, `i:0`, and `.`
//! for a path that is owned itself and also has owned children.

use serde_json::{Map, Value};

use super::element::{Element, Scalar};
use super::set::{FieldSet, Node};

impl FieldSet {
    /// The `FieldsV1` form.
    pub fn to_fields_v1(&self) -> Value {
        Value::Object(encode(self))
    }

    /// Reads the `FieldsV1` form. Path elements of kinds that this version does not know are left
    /// out; a malformed one is an error.
    pub fn from_fields_v1(fields: &Value) -> Result<FieldSet, String> {
        match fields {
            Value::Null => Ok(FieldSet::new()),
            Value::Object(fields) => Ok(decode(fields)?.below),
            _ => Err("fieldsV1 must be an object".to_owned()),
        }
    }
}

fn encode(set: &FieldSet) -> Map<String, Value> {
    let mut fields = Map::new();
    for (element, node) in set.nodes() {
        let mut below = encode(&node.below);
        if node.member && !below.is_empty() {
            below.insert(".".to_owned(), Value::Object(Map::new()));
        }
        if node.member || !below.is_empty() {
            fields.insert(encode_element(element), Value::Object(below));
        }
    }
    fields
}

fn encode_element(element: &Element) -> String {
    match element {
        Element::Field(name) => format!("f:{name}"),
        Element::Key(fields) => {
            let key: Map<String, Value> = fields
                .iter()
                .map(|(name, value)| (name.clone(), value.0.clone()))
                .collect();
            format!("k:{}", go_json(&Value::Object(key)))
        }
        Element::Value(value) => format!("v:{}", go_json(&value.0)),
        Element::Index(index) => format!("i:{index}"),
    }
}

/// JSON as Go writes it: with the characters that HTML gives a meaning escaped.
fn go_json(value: &Value) -> String {
    value
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn decode(fields: &Map<String, Value>) -> Result<Node, String> {
    let mut node = Node::default();
    for (key, value) in fields {
        if key == "." {
            node.member = true;
            continue;
        }
        let Some(element) = decode_element(key)? else {
            continue;
        };
        let child = match value {
            Value::Object(below) => decode(below)?,
            _ => return Err(format!("{key:?} must hold an object")),
        };
        node.below.insert_node(element, child);
    }
    if node.below.nodes().is_empty() {
        node.member = true;
    }
    Ok(node)
}

fn decode_element(key: &str) -> Result<Option<Element>, String> {
    let Some((kind, rest)) = key.split_once(':') else {
        return Err(format!("{key:?} is not a path element"));
    };
    Ok(Some(match kind {
        "f" => Element::Field(rest.to_owned()),
        "v" => Element::Value(Scalar(parse(key, rest)?)),
        "k" => match parse(key, rest)? {
            Value::Object(fields) => Element::Key(
                fields
                    .into_iter()
                    .map(|(name, value)| (name, Scalar(value)))
                    .collect(),
            ),
            _ => return Err(format!("{key:?} is not a list key")),
        },
        "i" => Element::Index(rest.parse().map_err(|_| format!("{key:?} is not a list index"))?),
        _ => return Ok(None),
    }))
}

fn parse(key: &str, text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("{key:?}: {error}"))
}
