//! What an expression is at: lent as long as possible, copied (and paid for) when somebody wants a value of their own.

use std::borrow::Cow;
use std::rc::Rc;

use ::cel::budget::{Budget, Exhausted};
use serde_json::{Map, Value};

use super::QueryError;
use super::evaluate::UNKNOWN;

pub(super) const NULL: &Value = &Value::Null;

/// A value on its way through an expression.
#[derive(Clone)]
pub(crate) enum Seen<'a> {
    Lent(&'a Value),
    Own(Value),
    /// A list made on the way, of what may be lent.
    List(Vec<Seen<'a>>),
    /// The names of a rule as one object.
    Names(Names<'a>),
    /// An object whose fields are made when they are read.
    Fields(&'a dyn Fields),
}

/// An object whose fields are made when they are read.
pub(crate) trait Fields {
    /// The names of the fields.
    fn names(&self) -> Vec<&str>;
    /// One of them.
    fn field(&self, name: &str) -> Result<Option<Seen<'_>>, QueryError>;
}

/// Its members.
impl Fields for Value {
    fn names(&self) -> Vec<&str> {
        self.as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect()
    }

    fn field(&self, name: &str) -> Result<Option<Seen<'_>>, QueryError> {
        Ok(self.get(name).map(Seen::Lent))
    }
}

/// What names stand for.
#[derive(Clone, Default)]
pub(crate) struct Names<'a> {
    /// The last of a name wins.
    bound: Rc<Vec<Bound<'a>>>,
    /// What names stand for that are not bound.
    others: Option<&'a dyn Fields>,
}

#[derive(Clone)]
struct Bound<'a> {
    name: Cow<'a, str>,
    value: &'a Value,
}

impl<'a> Names<'a> {
    /// The names that are there before any is bound.
    pub(crate) fn of(others: &'a dyn Fields) -> Names<'a> {
        Names {
            bound: Rc::default(),
            others: Some(others),
        }
    }

    /// Lets a name stand for a value from now on.
    pub(crate) fn bind(&mut self, name: Cow<'a, str>, value: &'a Value) {
        Rc::make_mut(&mut self.bound).push(Bound { name, value });
    }

    /// How many names have been bound.
    pub(crate) fn len(&self) -> usize {
        self.bound.len()
    }

    /// Forgets what was bound after the first `length`.
    pub(crate) fn truncate(&mut self, length: usize) {
        if length < self.bound.len() {
            Rc::make_mut(&mut self.bound).truncate(length);
        }
    }

    /// What a name stands for.
    pub(crate) fn get(&self, name: &str) -> Result<Option<Seen<'a>>, QueryError> {
        if let Some(bound) = self.bound.iter().rev().find(|bound| bound.name == name) {
            return Ok(Some(Seen::Lent(bound.value)));
        }
        match self.others {
            Some(others) => others.field(name),
            None => Ok(None),
        }
    }

    fn whole(&self, budget: &Budget) -> Result<Value, QueryError> {
        let mut map = self
            .others
            .map_or_else(|| Ok(Map::new()), |others| whole(others, budget))?;
        for bound in self.bound.iter() {
            map.insert(bound.name.clone().into_owned(), budget.copy(bound.value)?);
        }
        Ok(Value::Object(map))
    }
}

fn whole(fields: &dyn Fields, budget: &Budget) -> Result<Map<String, Value>, QueryError> {
    let mut map = Map::new();
    for name in fields.names() {
        if let Some(field) = fields.field(name)? {
            map.insert(name.to_owned(), field.own(budget)?);
        }
    }
    Ok(map)
}

impl<'a> Seen<'a> {
    pub(super) fn of(value: Cow<'a, Value>) -> Seen<'a> {
        match value {
            Cow::Borrowed(value) => Seen::Lent(value),
            Cow::Owned(value) => Seen::Own(value),
        }
    }

    /// A value of one's own, paid for unless it is already.
    pub(crate) fn own(self, budget: &Budget) -> Result<Value, QueryError> {
        Ok(match self {
            Seen::Lent(value) => budget.copy(value)?,
            Seen::Own(value) => value,
            Seen::List(items) => {
                let items = items.into_iter().map(|item| item.own(budget));
                Value::Array(items.collect::<Result<_, _>>()?)
            }
            Seen::Names(names) => names.whole(budget)?,
            Seen::Fields(fields) => Value::Object(whole(fields, budget)?),
        })
    }

    /// A value to look at.
    pub(crate) fn value(self, budget: &Budget) -> Result<Cow<'a, Value>, QueryError> {
        Ok(match self {
            Seen::Lent(value) => Cow::Borrowed(value),
            other => Cow::Owned(other.own(budget)?),
        })
    }

    /// The same for a second expression: free while lent, paid for when ours.
    pub(super) fn copy(&self, budget: &Budget) -> Result<Seen<'a>, Exhausted> {
        Ok(match self {
            Seen::Own(value) => Seen::Own(budget.copy(value)?),
            Seen::List(items) => {
                budget.spend(items.len())?;
                let items = items.iter().map(|item| item.copy(budget));
                Seen::List(items.collect::<Result<_, _>>()?)
            }
            other => other.clone(),
        })
    }

    /// The same for an expression whose value does not outlive this.
    pub(super) fn lend(&self, budget: &Budget) -> Result<Seen<'_>, Exhausted> {
        Ok(match self {
            Seen::Lent(value) => Seen::Lent(value),
            Seen::Own(value) => Seen::Lent(value),
            Seen::List(items) => {
                budget.spend(items.len())?;
                let items = items.iter().map(|item| item.lend(budget));
                Seen::List(items.collect::<Result<_, _>>()?)
            }
            Seen::Names(names) => Seen::Names(names.clone()),
            Seen::Fields(fields) => Seen::Fields(*fields),
        })
    }

    fn as_value(&self) -> Option<&Value> {
        match self {
            Seen::Lent(value) => Some(value),
            Seen::Own(value) => Some(value),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        self.as_value().and_then(Value::as_str)
    }

    pub(super) fn is_null(&self) -> bool {
        self.as_value().is_some_and(Value::is_null)
    }

    /// JMESPath's truth: null, false, and what is empty are false.
    pub(super) fn truthy(&self) -> bool {
        match (self, self.as_value()) {
            (Seen::List(items), _) => !items.is_empty(),
            (_, Some(Value::Null)) => false,
            (_, Some(Value::Bool(value))) => *value,
            (_, Some(Value::String(text))) => !text.is_empty(),
            (_, Some(Value::Array(items))) => !items.is_empty(),
            (_, Some(Value::Object(map))) => !map.is_empty(),
            (_, Some(Value::Number(_)) | None) => true,
        }
    }

    /// A field of an object. What is no object has none: null.
    pub(super) fn field(self, name: &str) -> Result<Seen<'a>, QueryError> {
        let found = match self {
            Seen::Lent(Value::Object(map)) => map.get(name).map(Seen::Lent),
            Seen::Own(Value::Object(mut map)) => map.remove(name).map(Seen::Own),
            Seen::Names(names) => names.get(name)?,
            Seen::Fields(fields) => fields.field(name)?,
            other => return other.known().map(|()| Seen::Lent(NULL)),
        };
        let found = found.ok_or_else(|| QueryError::NotFound(name.to_owned()))?;
        found.known()?;
        Ok(found)
    }

    /// An error if it is only the marker of a value that is not known.
    fn known(&self) -> Result<(), QueryError> {
        self.as_value().map_or(Ok(()), known)
    }

    /// The items of a list.
    pub(crate) fn items(self) -> Option<Vec<Seen<'a>>> {
        match self {
            Seen::Lent(Value::Array(items)) => Some(items.iter().map(Seen::Lent).collect()),
            Seen::Own(Value::Array(items)) => Some(items.into_iter().map(Seen::Own).collect()),
            Seen::List(items) => Some(items),
            _ => None,
        }
    }

    /// One item of a list, from its end when negative; null where there is none.
    pub(super) fn index(self, at: i64) -> Seen<'a> {
        let position = |length: usize| {
            let distance = usize::try_from(at.unsigned_abs()).ok()?;
            let from = if at < 0 {
                length.checked_sub(distance)?
            } else {
                distance
            };
            (from < length).then_some(from)
        };
        let found = match self {
            Seen::Lent(Value::Array(items)) => position(items.len()).map(|at| Seen::Lent(&items[at])),
            Seen::Own(Value::Array(mut items)) => {
                position(items.len()).map(|at| Seen::Own(items.swap_remove(at)))
            }
            Seen::List(mut items) => position(items.len()).map(|at| items.swap_remove(at)),
            _ => None,
        };
        found.unwrap_or(Seen::Lent(NULL))
    }

    /// The values of an object.
    pub(super) fn values(self, budget: &Budget) -> Result<Option<Vec<Seen<'a>>>, QueryError> {
        Ok(match self {
            Seen::Lent(Value::Object(map)) => Some(map.values().map(Seen::Lent).collect()),
            Seen::Own(Value::Object(map)) => {
                Some(map.into_iter().map(|(_, value)| Seen::Own(value)).collect())
            }
            names @ (Seen::Names(_) | Seen::Fields(_)) => Seen::Own(names.own(budget)?).values(budget)?,
            _ => None,
        })
    }

    /// What is not known, if it holds the marker of such a thing. What is lent is looked at only when it may hold one.
    pub(crate) fn unknown(&self, lent: bool) -> Option<&str> {
        match self {
            Seen::List(items) => items.iter().find_map(|item| item.unknown(lent)),
            Seen::Own(value) => marked(value),
            Seen::Lent(value) if lent => marked(value),
            _ => None,
        }
    }
}

/// An error if a value is only the marker of one that is not known.
pub(crate) fn known(value: &Value) -> Result<(), QueryError> {
    match value.as_str().and_then(|text| text.strip_prefix(UNKNOWN)) {
        Some(what) => Err(QueryError::Unknown(what.to_owned())),
        None => Ok(()),
    }
}

/// What is not known, if a value holds the marker of such a thing.
fn marked(value: &Value) -> Option<&str> {
    match value {
        // The marker begins with a byte that texts do not hold; to look for it alone is faster.
        Value::String(text) if text.as_bytes().contains(&0) => text.split_once(UNKNOWN).map(|(_, what)| what),
        Value::Array(items) => items.iter().find_map(marked),
        Value::Object(map) => map.values().find_map(marked),
        _ => None,
    }
}
