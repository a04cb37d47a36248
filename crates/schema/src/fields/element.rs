//! One step of a field path.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// A JSON value with the total order that field sets are sorted by: numbers by value (whole or not),
/// then strings, booleans, lists, objects, null.
#[derive(Debug, Clone)]
pub struct Scalar(pub Value);

impl Scalar {
    fn rank(value: &Value) -> u8 {
        match value {
            Value::Number(_) => 0,
            Value::String(_) => 1,
            Value::Bool(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
            Value::Null => 5,
        }
    }

    pub(crate) fn compare(left: &Value, right: &Value) -> Ordering {
        match (left, right) {
            (Value::Number(a), Value::Number(b)) => {
                if let (Some(a), Some(b)) = (a.as_i64(), b.as_i64()) {
                    return a.cmp(&b);
                }
                // Adding zero makes the negative zero a plain one.
                let (a, b) = (
                    a.as_f64().unwrap_or(f64::MAX) + 0.0,
                    b.as_f64().unwrap_or(f64::MAX) + 0.0,
                );
                a.total_cmp(&b)
            }
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Array(a), Value::Array(b)) => {
                let firsts = a.iter().zip(b).map(|(a, b)| Scalar::compare(a, b));
                first_difference(firsts).unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            (Value::Object(a), Value::Object(b)) => {
                let firsts = a
                    .iter()
                    .zip(b)
                    .map(|((ak, av), (bk, bv))| ak.cmp(bk).then_with(|| Scalar::compare(av, bv)));
                first_difference(firsts).unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            _ => Scalar::rank(left).cmp(&Scalar::rank(right)),
        }
    }
}

fn first_difference(mut orders: impl Iterator<Item = Ordering>) -> Option<Ordering> {
    orders.find(|order| order.is_ne())
}

impl PartialEq for Scalar {
    fn eq(&self, other: &Scalar) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scalar {}

impl PartialOrd for Scalar {
    fn partial_cmp(&self, other: &Scalar) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Scalar {
    fn cmp(&self, other: &Scalar) -> Ordering {
        Scalar::compare(&self.0, &other.0)
    }
}

/// One step of a field path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Element {
    /// A field of an object, or an entry of a map.
    Field(String),
    /// The list item with these fields, sorted by name.
    Key(Vec<(String, Scalar)>),
    /// The item of a set.
    Value(Scalar),
    /// The list item at this place.
    Index(i64),
}

impl Element {
    /// A field of an object.
    pub fn field(name: impl Into<String>) -> Element {
        Element::Field(name.into())
    }
}

impl fmt::Display for Element {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Element::Field(name) => write!(out, ".{name}"),
            Element::Key(fields) => {
                out.write_str("[")?;
                for (place, (name, value)) in fields.iter().enumerate() {
                    if place > 0 {
                        out.write_str(",")?;
                    }
                    write!(out, "{name}={}", value.0)?;
                }
                out.write_str("]")
            }
            Element::Value(value) => write!(out, "[={}]", value.0),
            Element::Index(index) => write!(out, "[{index}]"),
        }
    }
}

/// A path as the API server prints it: `.spec.containers[name="web"].image`.
pub(crate) fn path_text(path: &[Element]) -> String {
    path.iter().map(Element::to_string).collect()
}
