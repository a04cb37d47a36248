//! The functions of CEL and Kubernetes, by name. Each pays for what it does beyond a step.

mod core;
mod kubernetes;
mod lists;
mod math;
mod network;
mod strings;
#[cfg(test)]
mod tests;
mod time;
mod urls;

use std::borrow::Cow;

use crate::budget::Budget;
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::regexes::Pattern;
use crate::value::Value;

pub use core::key_text;
pub(crate) use core::{arithmetic, contains, double_text};
pub(crate) use lists::sort_pairs;

/// A function; its first argument is what a method is called on.
pub(crate) type Builtin = for<'r, 'v> fn(&Args<'r, 'v>) -> Evaluated<'v>;

/// How a function is called: `size(x)` or `x.size()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `size(x)`.
    Plain,
    /// `x.size()`.
    Method,
}

type Table = &'static [(&'static str, Style, Builtin)];

const TABLES: [Table; 8] = [
    core::TABLE,
    strings::TABLE,
    lists::TABLE,
    math::TABLE,
    time::TABLE,
    network::TABLE,
    urls::TABLE,
    kubernetes::TABLE,
];

/// The function of a name.
pub(crate) fn find(name: &str, style: Style) -> Option<(&'static str, Builtin)> {
    TABLES
        .into_iter()
        .flatten()
        .find(|(known, its_style, _)| *known == name && *its_style == style)
        .map(|(name, _, run)| (*name, *run))
}

/// The names of all functions.
pub fn names() -> impl Iterator<Item = (&'static str, Style)> {
    let all = TABLES.into_iter().flatten();
    all.map(|(name, style, _)| (*name, *style))
}

/// Functions whose second argument is a regular expression.
pub(crate) fn takes_pattern(name: &str) -> bool {
    matches!(
        name,
        "matches" | "find" | "findAll" | "regex.replace" | "regex.extract" | "regex.extractAll"
    )
}

/// What a function was called with; what a method is called on comes first.
pub struct Args<'r, 'v> {
    /// What it may cost.
    pub budget: &'r Budget,
    /// The name of the function.
    pub name: &'static str,
    /// The arguments.
    pub values: Vec<Value<'v>>,
    /// The second argument as a regular expression, when it was written out.
    pub pattern: Option<&'v Pattern>,
}

#[expect(
    clippy::len_without_is_empty,
    reason = "functions ask how many there are, never whether there are any"
)]
impl<'v> Args<'_, 'v> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// There is no such function for such arguments.
    pub fn refuse(&self) -> Failure {
        no_overload(self.name, &self.values)
    }

    /// All of them, when there are so many.
    pub fn exactly<const N: usize>(&self) -> Result<&[Value<'v>; N], Failure> {
        <&[Value<'v>; N]>::try_from(self.values.as_slice()).map_err(|_| self.refuse())
    }

    /// A text.
    pub fn text(&self, index: usize) -> Result<&str, Failure> {
        let text = self
            .values
            .get(index)
            .and_then(Value::as_text)
            .ok_or_else(|| self.refuse())?;
        self.budget.spend(text.len() / 64)?;
        Ok(text)
    }

    /// A signed integer.
    pub fn int(&self, index: usize) -> Result<i64, Failure> {
        match self.values.get(index) {
            Some(Value::Int(value)) => Ok(*value),
            _ => Err(self.refuse()),
        }
    }

    /// The items of a list.
    pub fn items(&self, index: usize) -> Result<Vec<Value<'v>>, Failure> {
        let value = self.values.get(index).ok_or_else(|| self.refuse())?;
        let length = value.list_len().ok_or_else(|| self.refuse())?;
        self.budget.spend(length)?;
        value.elements().ok_or_else(|| self.refuse())
    }

    /// The second argument as a regular expression.
    fn regex(&self) -> Result<Cow<'v, Pattern>, Failure> {
        if let Some(pattern) = self.pattern {
            return Ok(Cow::Borrowed(pattern));
        }
        let written = self.text(1)?;
        Pattern::paid(written, self.budget)?
            .map(Cow::Owned)
            .ok_or_else(|| {
                let shown: String = written.chars().take(100).collect();
                Failure::new(format!(
                    "{shown:?} is not a regular expression that is understood"
                ))
            })
    }
}

/// There is no such function for such values.
pub fn no_overload(name: &str, values: &[Value<'_>]) -> Failure {
    if let Some(Value::Unknown(what)) = values.iter().find(|value| matches!(value, Value::Unknown(_))) {
        return Failure::unknown(what);
    }
    let types: Vec<&str> = values.iter().map(Value::type_name).collect();
    Failure::new(format!("no such overload: {name} of {}", types.join(", ")))
}

/// What is not a number at all is neither less nor more than another.
pub(crate) fn not_ordered() -> Failure {
    Failure::new("NaN values cannot be ordered")
}

/// A value in a few words, for messages.
pub(crate) fn show(value: &Value<'_>) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(value) => value.to_string(),
        Value::UInt(value) => value.to_string(),
        Value::Double(value) => double_text(*value),
        Value::Text(text) => text.chars().take(100).collect(),
        other => format!("a {}", other.type_name()),
    }
}
