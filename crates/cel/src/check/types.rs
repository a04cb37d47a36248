//! Types, and whether a value of one may stand where another is declared.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::mem::discriminant;
use std::sync::Arc;

/// The fields of an object, by the names that expressions have for them.
pub type Fields = BTreeMap<String, Type>;

/// The type of a value.
#[derive(Debug, Clone)]
pub enum Type {
    /// Known only when it is evaluated.
    Dyn,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A signed integer.
    Int,
    /// An unsigned integer.
    UInt,
    /// A floating-point number.
    Double,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
    /// A point in time.
    Timestamp,
    /// A span of time.
    Duration,
    /// A list of one type.
    List(Arc<Type>),
    /// A map from one type to another.
    Map(Arc<Type>, Arc<Type>),
    /// What may be missing.
    Optional(Arc<Type>),
    /// An object with fields of its own.
    Object(Arc<Fields>),
    /// A type that only functions look into, by its name.
    Named(&'static str),
    /// Any type, the same wherever this number stands.
    Any(u8),
    /// Of what has a fault, which was told.
    Wrong,
}

/// Of how many parts a type may be made; each of them is looked at when it is compared or written. Maps of what they are
/// in themselves would double it, again and again.
const MOST_PARTS: usize = 256;

impl Type {
    /// A list. Of too many parts, it is known only when it is evaluated.
    pub fn list(item: Type) -> Type {
        Type::bounded(Type::List(Arc::new(item)))
    }

    /// A map. Of too many parts, it is known only when it is evaluated.
    pub fn map(key: Type, value: Type) -> Type {
        Type::bounded(Type::Map(Arc::new(key), Arc::new(value)))
    }

    /// What may be missing. Of too many parts, it is known only when it is evaluated.
    pub fn optional(inner: Type) -> Type {
        Type::bounded(Type::Optional(Arc::new(inner)))
    }

    fn bounded(made: Type) -> Type {
        if made.parts() > MOST_PARTS {
            Type::Dyn
        } else {
            made
        }
    }

    /// How many parts it has, itself included. None of its parts has more than the most.
    fn parts(&self) -> usize {
        1 + match self {
            Type::List(inner) | Type::Optional(inner) => inner.parts(),
            Type::Map(key, value) => key.parts().saturating_add(value.parts()),
            _ => 0,
        }
    }

    /// Whether it is certain to be true or false, or may be.
    pub fn may_be_bool(&self) -> bool {
        matches!(self, Type::Bool | Type::Dyn)
    }

    /// Whether it is certain to be a text, or may be.
    pub fn may_be_text(&self) -> bool {
        matches!(self, Type::Text | Type::Dyn)
    }
}

impl Type {
    /// Whether `null` is one of its values.
    fn may_be_null(&self) -> bool {
        matches!(
            self,
            Type::Null
                | Type::Timestamp
                | Type::Duration
                | Type::Object(_)
                | Type::Named(_)
                | Type::Optional(_)
        )
    }
}

impl fmt::Display for Type {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Type::Dyn => "dyn",
            Type::Null => "null",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::UInt => "uint",
            Type::Double => "double",
            Type::Text => "string",
            Type::Bytes => "bytes",
            Type::Timestamp => "timestamp",
            Type::Duration => "duration",
            Type::List(item) => return write!(formatter, "list({item})"),
            Type::Map(key, value) => return write!(formatter, "map({key}, {value})"),
            Type::Optional(inner) => return write!(formatter, "optional_type({inner})"),
            Type::Object(_) => "object",
            Type::Named(name) => name,
            Type::Any(_) => "_var0",
            Type::Wrong => "!error!",
        })
    }
}

/// What the types that stand for any type turned out to be.
pub(super) type Bound = HashMap<u8, Type>;

/// Whether a value of type `found` may stand where `wanted` is declared.
pub(super) fn assign(bound: &mut Bound, wanted: &Type, found: &Type) -> bool {
    match (wanted, found) {
        (Type::Any(number), found) => match bound.get(number).cloned() {
            None => {
                bound.insert(*number, found.clone());
                true
            }
            Some(known) => {
                if assign(&mut Bound::new(), &known, found) {
                    // The wider of the two.
                    if matches!(known, Type::Null) {
                        bound.insert(*number, found.clone());
                    }
                    return true;
                }
                false
            }
        },
        (Type::Dyn | Type::Wrong, _) | (_, Type::Dyn | Type::Wrong) => true,
        (Type::Null, other) | (other, Type::Null) => other.may_be_null(),
        (Type::List(wanted), Type::List(found)) | (Type::Optional(wanted), Type::Optional(found)) => {
            assign(bound, wanted, found)
        }
        (Type::Map(key, value), Type::Map(other_key, other_value)) => {
            assign(bound, key, other_key) && assign(bound, value, other_value)
        }
        (Type::Object(wanted), Type::Object(found)) => Arc::ptr_eq(wanted, found),
        (Type::Named(wanted), Type::Named(found)) => wanted == found,
        // The others have nothing within.
        (wanted, found) => discriminant(wanted) == discriminant(found),
    }
}

/// A type with what was found in the place of what may be any.
pub(super) fn resolved(bound: &Bound, of: &Type) -> Type {
    match of {
        Type::Any(number) => bound.get(number).cloned().unwrap_or(Type::Dyn),
        Type::List(item) => Type::list(resolved(bound, item)),
        Type::Optional(inner) => Type::optional(resolved(bound, inner)),
        Type::Map(key, value) => Type::map(resolved(bound, key), resolved(bound, value)),
        other => other.clone(),
    }
}
