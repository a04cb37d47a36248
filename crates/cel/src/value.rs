//! What CEL computes with. Objects are looked at where they are; only what an expression makes is its own.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::rc::Rc;

use serde_json::{Map, Number, Value as Json};

use crate::budget::Budget;
use crate::failure::Failure;
use crate::moment::{self, Timestamp};
use crate::opaque::Opaque;

/// How deep values that an expression makes may nest.
const MAX_NESTING: u16 = 128;

/// A value.
#[derive(Debug, Clone)]
pub enum Value<'v> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A floating-point number.
    Double(f64),
    /// A text.
    Text(Text<'v>),
    /// Bytes.
    Bytes(Rc<[u8]>),
    /// A list of an object.
    JsonList(&'v [Json]),
    /// A map of an object.
    JsonMap(&'v Map<String, Json>),
    /// A list that an expression made.
    List(Rc<List<'v>>),
    /// A map that an expression made.
    Map(Rc<Fields<'v>>),
    /// Nanoseconds.
    Duration(i64),
    /// A point in time.
    Timestamp(Timestamp),
    /// A type, by its name.
    Type(Text<'v>),
    /// What may be missing.
    Optional(Option<Rc<Value<'v>>>),
    /// A value of a type that only functions look into.
    Opaque(Rc<Opaque>),
    /// What cannot be known here; whoever reads it fails, and is told what it was.
    Unknown(Rc<str>),
}

/// A text, of an object or made.
#[derive(Debug, Clone)]
pub enum Text<'v> {
    /// Of an object.
    Borrowed(&'v str),
    /// Made by an expression.
    Made(Rc<str>),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl From<String> for Text<'_> {
    fn from(text: String) -> Self {
        Text::Made(text.into())
    }
}

/// A list that an expression made.
#[derive(Debug)]
pub struct List<'v> {
    pub(crate) items: Vec<Value<'v>>,
    /// Whether the same items in another order are the same list.
    unordered: bool,
    nesting: u16,
}

/// A map that an expression made; also a message, which then has a name.
#[derive(Debug)]
pub struct Fields<'v> {
    pub(crate) name: Option<Text<'v>>,
    pub(crate) entries: BTreeMap<Key<'v>, Value<'v>>,
    nesting: u16,
}

/// The key of a map. Numbers are the same key whatever their type.
#[derive(Debug, Clone)]
pub enum Key<'v> {
    /// `true` or `false`.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    UInt(u64),
    /// A text.
    Text(Text<'v>),
}

impl Key<'_> {
    fn rank(&self) -> (u8, i128, &str) {
        match self {
            Key::Bool(value) => (0, i128::from(*value), ""),
            Key::Int(value) => (1, i128::from(*value), ""),
            Key::UInt(value) => (1, i128::from(*value), ""),
            Key::Text(text) => (2, 0, text),
        }
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rank().cmp(&other.rank())
    }
}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Key<'_> {}

impl<'v> Key<'v> {
    /// A text that is always the same.
    pub fn text(text: &'static str) -> Key<'v> {
        Key::Text(Text::Borrowed(text))
    }

    /// The key that a value is, if it can be one. A whole double finds the integer.
    pub fn of(value: &Value<'v>) -> Option<Key<'v>> {
        Some(match value {
            Value::Bool(value) => Key::Bool(*value),
            Value::Int(value) => Key::Int(*value),
            Value::UInt(value) => Key::UInt(*value),
            Value::Text(text) => Key::Text(text.clone()),
            Value::Double(value) if value.fract() == 0.0 && value.abs() < 9.0e18 => Key::Int(*value as i64),
            _ => return None,
        })
    }

    /// The key as a value.
    pub fn value(&self) -> Value<'v> {
        match self {
            Key::Bool(value) => Value::Bool(*value),
            Key::Int(value) => Value::Int(*value),
            Key::UInt(value) => Value::UInt(*value),
            Key::Text(text) => Value::Text(text.clone()),
        }
    }
}

impl<'v> From<&'v Json> for Value<'v> {
    fn from(json: &'v Json) -> Value<'v> {
        match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => Value::number(number),
            Json::String(text) => Value::Text(Text::Borrowed(text)),
            Json::Array(items) => Value::JsonList(items),
            Json::Object(fields) => Value::JsonMap(fields),
        }
    }
}

impl<'v> Value<'v> {
    fn number(number: &Number) -> Value<'v> {
        match number.as_i64() {
            Some(value) => Value::Int(value),
            None => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        }
    }

    /// A text.
    pub fn text(text: impl Into<String>) -> Value<'v> {
        Value::Text(Text::from(text.into()))
    }

    /// A list of values, when they do not nest too deep.
    pub fn list(items: Vec<Value<'v>>) -> Result<Value<'v>, Failure> {
        Value::listed(items, false)
    }

    /// A list of values that is the same in any order.
    pub fn set(items: Vec<Value<'v>>) -> Result<Value<'v>, Failure> {
        Value::listed(items, true)
    }

    fn listed(items: Vec<Value<'v>>, unordered: bool) -> Result<Value<'v>, Failure> {
        let nesting = nest(items.iter())?;
        Ok(Value::List(Rc::new(List {
            items,
            unordered,
            nesting,
        })))
    }

    /// A map of values, when they do not nest too deep.
    pub fn map(entries: BTreeMap<Key<'v>, Value<'v>>) -> Result<Value<'v>, Failure> {
        let nesting = nest(entries.values())?;
        Ok(Value::Map(Rc::new(Fields {
            name: None,
            entries,
            nesting,
        })))
    }

    /// A message: a map with the name of its type.
    pub fn message(name: Text<'v>, entries: BTreeMap<Key<'v>, Value<'v>>) -> Result<Value<'v>, Failure> {
        let nesting = nest(entries.values())?;
        Ok(Value::Map(Rc::new(Fields {
            name: Some(name),
            entries,
            nesting,
        })))
    }

    /// An optional value that is there.
    pub fn some(value: Value<'v>) -> Result<Value<'v>, Failure> {
        nest(std::iter::once(&value))?;
        Ok(Value::Optional(Some(Rc::new(value))))
    }

    /// A value that only functions look into.
    pub fn opaque(opaque: Opaque) -> Value<'v> {
        Value::Opaque(Rc::new(opaque))
    }

    /// A value of its own, from what an answer from outside said.
    pub fn made(json: Json, budget: &Budget) -> Result<Value<'v>, Failure> {
        budget.pay_for(&json)?;
        Value::made_below(json)
    }

    fn made_below(json: Json) -> Result<Value<'v>, Failure> {
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(value),
            Json::Number(number) => Value::number(&number),
            Json::String(text) => Value::text(text),
            Json::Array(items) => Value::list(
                items
                    .into_iter()
                    .map(Value::made_below)
                    .collect::<Result<_, _>>()?,
            )?,
            Json::Object(fields) => {
                let entries = fields
                    .into_iter()
                    .map(|(key, value)| Ok((Key::Text(Text::from(key)), Value::made_below(value)?)));
                Value::map(entries.collect::<Result<_, Failure>>()?)?
            }
        })
    }

    /// The value as JSON, as protobuf and Kubernetes write it.
    pub fn to_json(&self, budget: &Budget) -> Result<Json, Failure> {
        budget.spend(1)?;
        Ok(match self {
            Value::Null | Value::Optional(None) => Json::Null,
            Value::Bool(value) => Json::Bool(*value),
            Value::Int(value) => Json::from(*value),
            Value::UInt(value) => Json::from(*value),
            Value::Double(value) => Number::from_f64(*value)
                .map(Json::Number)
                .ok_or_else(|| Failure::new(format!("{value} is no number that JSON has")))?,
            Value::Text(text) | Value::Type(text) => {
                budget.spend(text.len() / 64)?;
                Json::String(text.to_string())
            }
            Value::Bytes(bytes) => {
                use base64::Engine as _;
                budget.spend(bytes.len() / 64)?;
                Json::String(base64::engine::general_purpose::STANDARD.encode(bytes))
            }
            Value::JsonList(items) => Json::Array(
                items
                    .iter()
                    .map(|item| Ok(budget.copy(item)?))
                    .collect::<Result<_, Failure>>()?,
            ),
            Value::JsonMap(fields) => Json::Object(
                fields
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), budget.copy(value)?)))
                    .collect::<Result<_, Failure>>()?,
            ),
            Value::List(list) => Json::Array(
                list.items
                    .iter()
                    .map(|item| item.to_json(budget))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Map(fields) => {
                let mut map = Map::new();
                for (key, value) in &fields.entries {
                    let key = match key {
                        Key::Bool(value) => value.to_string(),
                        Key::Int(value) => value.to_string(),
                        Key::UInt(value) => value.to_string(),
                        Key::Text(text) => text.to_string(),
                    };
                    map.insert(key, value.to_json(budget)?);
                }
                Json::Object(map)
            }
            Value::Duration(nanos) => Json::String(moment::duration_text(*nanos)),
            Value::Timestamp(time) => Json::String(time.to_string()),
            Value::Optional(Some(value)) => value.to_json(budget)?,
            Value::Opaque(opaque) => opaque.to_json(),
            Value::Unknown(what) => return Err(Failure::unknown(what)),
        })
    }

    /// The name of its type.
    pub fn type_name(&self) -> &str {
        match self {
            Value::Null => "null_type",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::UInt(_) => "uint",
            Value::Double(_) => "double",
            Value::Text(_) => "string",
            Value::Bytes(_) => "bytes",
            Value::JsonList(_) | Value::List(_) => "list",
            Value::JsonMap(_) => "map",
            Value::Map(fields) => fields.name.as_deref().unwrap_or("map"),
            Value::Duration(_) => "google.protobuf.Duration",
            Value::Timestamp(_) => "google.protobuf.Timestamp",
            Value::Type(_) => "type",
            Value::Optional(_) => "optional_type",
            Value::Opaque(opaque) => opaque.type_name(),
            Value::Unknown(_) => "unknown",
        }
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// How many items a list has, by which it is known to be one.
    pub fn list_len(&self) -> Option<usize> {
        match self {
            Value::JsonList(items) => Some(items.len()),
            Value::List(list) => Some(list.items.len()),
            _ => None,
        }
    }

    /// An item of a list.
    pub fn item(&self, index: usize) -> Option<Value<'v>> {
        match self {
            Value::JsonList(items) => items.get(index).map(Value::from),
            Value::List(list) => list.items.get(index).cloned(),
            _ => None,
        }
    }

    /// How many entries a map has, by which it is known to be one.
    pub fn map_len(&self) -> Option<usize> {
        match self {
            Value::JsonMap(fields) => Some(fields.len()),
            Value::Map(fields) => Some(fields.entries.len()),
            _ => None,
        }
    }

    /// The value of a field, if this is a map that has it.
    pub fn field(&self, name: &'v str) -> Option<Value<'v>> {
        match self {
            Value::JsonMap(fields) => fields.get(name).map(Value::from),
            Value::Map(fields) => fields.entries.get(&Key::Text(Text::Borrowed(name))).cloned(),
            _ => None,
        }
    }

    /// All items of a list, or of a map its keys.
    pub fn elements(&self) -> Option<Vec<Value<'v>>> {
        Some(match self {
            Value::JsonList(items) => items.iter().map(Value::from).collect(),
            Value::List(list) => list.items.clone(),
            Value::JsonMap(fields) => fields
                .keys()
                .map(|key| Value::Text(Text::Borrowed(key)))
                .collect(),
            Value::Map(fields) => fields.entries.keys().map(Key::value).collect(),
            _ => return None,
        })
    }

    /// The entries of a map, or of a list its indexes and items.
    pub fn entries(&self) -> Option<Vec<(Value<'v>, Value<'v>)>> {
        Some(match self {
            Value::JsonMap(fields) => fields
                .iter()
                .map(|(key, value)| (Value::Text(Text::Borrowed(key)), Value::from(value)))
                .collect(),
            Value::Map(fields) => fields
                .entries
                .iter()
                .map(|(key, value)| (key.value(), value.clone()))
                .collect(),
            Value::JsonList(items) => (0..).map(Value::Int).zip(items.iter().map(Value::from)).collect(),
            Value::List(list) => (0..).map(Value::Int).zip(list.items.iter().cloned()).collect(),
            _ => return None,
        })
    }

    /// Whether two values are the same. Values of different types are not, save for numbers.
    pub fn same(&self, other: &Value<'v>, budget: &Budget) -> Result<bool, Failure> {
        budget.spend(1)?;
        Ok(match (self, other) {
            (Value::Unknown(what), _) | (_, Value::Unknown(what)) => return Err(Failure::unknown(what)),
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Text(a), Value::Text(b)) | (Value::Type(a), Value::Type(b)) => {
                budget.spend(a.len().min(b.len()) / 64)?;
                **a == **b
            }
            (Value::Bytes(a), Value::Bytes(b)) => {
                budget.spend(a.len().min(b.len()) / 64)?;
                a == b
            }
            (Value::Duration(a), Value::Duration(b)) => a == b,
            (Value::Timestamp(a), Value::Timestamp(b)) => a == b,
            (Value::Optional(a), Value::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.same(b, budget)?,
                (a, b) => a.is_none() && b.is_none(),
            },
            (Value::Opaque(a), Value::Opaque(b)) => a == b,
            _ => {
                if let Some(order) = self.number_order(other) {
                    return Ok(order == Some(Ordering::Equal));
                }
                if let (Some(a), Some(b)) = (self.list_len(), other.list_len()) {
                    if a != b {
                        return Ok(false);
                    }
                    if self.is_unordered() || other.is_unordered() {
                        return self.same_items(other, budget);
                    }
                    for index in 0..a {
                        if let (Some(a), Some(b)) = (self.item(index), other.item(index))
                            && !a.same(&b, budget)?
                        {
                            return Ok(false);
                        }
                    }
                    return Ok(true);
                }
                if let (Some(a), Some(b)) = (self.map_len(), other.map_len()) {
                    if a != b || self.type_name() != other.type_name() {
                        return Ok(false);
                    }
                    for (key, value) in self.entries().unwrap_or_default() {
                        budget.spend(1)?;
                        match other.get(&key) {
                            Some(found) if value.same(&found, budget)? => {}
                            _ => return Ok(false),
                        }
                    }
                    return Ok(true);
                }
                false
            }
        })
    }

    fn is_unordered(&self) -> bool {
        matches!(self, Value::List(list) if list.unordered)
    }

    /// Whether every item of this list is one of another's.
    fn same_items(&self, other: &Value<'v>, budget: &Budget) -> Result<bool, Failure> {
        let others = other.elements().unwrap_or_default();
        for item in self.elements().unwrap_or_default() {
            let mut found = false;
            for other in &others {
                if item.same(other, budget)? {
                    found = true;
                    break;
                }
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &Value<'v>) -> Option<Value<'v>> {
        match (self, key) {
            (Value::JsonMap(fields), Value::Text(key)) => fields.get(&**key).map(Value::from),
            (Value::Map(fields), key) => fields.entries.get(&Key::of(key)?).cloned(),
            _ => None,
        }
    }

    /// The order of two numbers; the inner `None` when one of them is not a number at all (NaN).
    #[expect(
        clippy::option_option,
        reason = "numbers without an order are not the same as no numbers"
    )]
    fn number_order(&self, other: &Value<'v>) -> Option<Option<Ordering>> {
        Some(match (self, other) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::UInt(a), Value::UInt(b)) => Some(a.cmp(b)),
            (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
            (Value::Int(a), Value::UInt(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Value::UInt(a), Value::Int(b)) => Some(i128::from(*a).cmp(&i128::from(*b))),
            (Value::Int(a), Value::Double(b)) => whole_against(i128::from(*a), *b),
            (Value::UInt(a), Value::Double(b)) => whole_against(i128::from(*a), *b),
            (Value::Double(a), Value::Int(b)) => whole_against(i128::from(*b), *a).map(Ordering::reverse),
            (Value::Double(a), Value::UInt(b)) => whole_against(i128::from(*b), *a).map(Ordering::reverse),
            _ => return None,
        })
    }

    /// The order of two values of types that have one; the inner `None` for NaN.
    pub fn order(&self, other: &Value<'v>) -> Option<Option<Ordering>> {
        if let Some(order) = self.number_order(other) {
            return Some(order);
        }
        Some(Some(match (self, other) {
            (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
            (Value::Text(a), Value::Text(b)) => (**a).cmp(&**b),
            (Value::Bytes(a), Value::Bytes(b)) => a.cmp(b),
            (Value::Duration(a), Value::Duration(b)) => a.cmp(b),
            (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
            _ => return None,
        }))
    }

    fn nesting(&self) -> u16 {
        match self {
            Value::List(list) => list.nesting,
            Value::Map(fields) => fields.nesting,
            Value::Optional(Some(value)) => value.nesting() + 1,
            _ => 0,
        }
    }
}

/// A whole number against a double: as doubles, as CEL in Go has it.
fn whole_against(whole: i128, double: f64) -> Option<Ordering> {
    (whole as f64).partial_cmp(&double)
}

fn nest<'i, 'v: 'i>(values: impl Iterator<Item = &'i Value<'v>>) -> Result<u16, Failure> {
    let deepest = values.map(Value::nesting).max().unwrap_or(0);
    if deepest >= MAX_NESTING {
        return Err(Failure::cut("the values of the expression nest too deep"));
    }
    Ok(deepest + 1)
}
