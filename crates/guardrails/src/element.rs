//! The element a `foreach` is at, and where in the object it stands. Knows nothing of rules.

use ::cel::budget::Budget;
use serde_json::Value;

use crate::pattern::escape;
use crate::variables::Expressions;

/// The element a `foreach` is at.
#[derive(Clone, Copy)]
pub(crate) struct Element<'a> {
    pub(crate) value: &'a Value,
    /// The expression that gave the list, and which of its elements this is.
    pub(crate) list: &'a str,
    pub(crate) index: usize,
    /// The element of the `foreach` around this one.
    pub(crate) outer: Option<&'a Element<'a>>,
    /// Patterns are judged on the element rather than on the whole object.
    pub(crate) scoped: bool,
    pub(crate) nesting: usize,
}

/// Where an element stands in the object.
pub(crate) struct Place {
    pub(crate) pointer: String,
    /// The element was made of what stands there, so that its fields are not the object's.
    pub(crate) made: bool,
}

impl Place {
    /// A place whose value is what was judged.
    pub(crate) fn at(pointer: String) -> Place {
        Place { pointer, made: false }
    }
}

impl Element<'_> {
    /// The place below the plain path that the element's list starts with. Asked only when something was found,
    /// and with a budget of its own: a rule is not cut off for want of its place.
    pub(crate) fn place(&self, object: &Value, expressions: &Expressions) -> Option<Place> {
        let text = format!("{{{{ {} }}}}", self.list);
        let path = expressions.leading_path(&text);
        let base = match (path.as_slice(), self.outer) {
            (["request", "object", steps @ ..], _) => below(String::new(), steps),
            (["element", steps @ ..], Some(outer)) => {
                let place = outer.place(object, expressions).filter(|place| !place.made)?;
                below(place.pointer, steps)
            }
            _ => return None,
        };
        let target = object.pointer(&base)?;
        if target.get(self.index) == Some(self.value) {
            return Some(Place::at(format!("{base}/{}", self.index)));
        }
        if let Some(pointer) = find(target, self.value, &Budget::default()) {
            return Some(Place::at(format!("{base}{pointer}")));
        }
        // `items(map, 'key', 'value')` makes an element of every entry.
        let key = self.value.get("key").and_then(Value::as_str)?;
        target.get(key).map(|_| Place {
            pointer: below(base, &[key]),
            made: true,
        })
    }
}

/// The pointer some steps further on.
pub(crate) fn below(pointer: String, steps: &[&str]) -> String {
    steps
        .iter()
        .fold(pointer, |pointer, step| format!("{pointer}/{}", escape(step)))
}

/// The first place below `value` where a list holds `wanted`.
fn find(value: &Value, wanted: &Value, budget: &Budget) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| {
            budget.pay_for(item).ok()?;
            if item == wanted {
                return Some(format!("/{index}"));
            }
            Some(format!("/{index}{}", find(item, wanted, budget)?))
        }),
        Value::Object(fields) => fields.iter().find_map(|(key, field)| {
            budget.spend(1).ok()?;
            Some(format!("/{}{}", escape(key), find(field, wanted, budget)?))
        }),
        _ => None,
    }
}
