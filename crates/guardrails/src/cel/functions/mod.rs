//! The functions of CEL, by name. Each pays for what it does beyond a step.

mod core;
mod images;
mod kubernetes;
mod kyverno;
mod lists;
mod math;
mod network;
mod strings;
mod time;

use regex::{Regex, RegexBuilder};

use super::evaluate::{Evaluated, Scope};
use super::failure::Failure;
use super::value::Value;
use crate::budget::Budget;

pub(super) use core::{arithmetic, contains, double_text};
pub(super) use lists::sort_pairs;

/// A function; its first argument is what a method is called on.
pub(super) type Builtin = for<'r, 'v> fn(&Args<'r, 'v>) -> Evaluated<'v>;

/// How a function is called: `size(x)` or `x.size()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Method,
}

type Table = &'static [(&'static str, Style, Builtin)];

const TABLES: [Table; 9] = [
    core::TABLE,
    strings::TABLE,
    lists::TABLE,
    math::TABLE,
    time::TABLE,
    network::TABLE,
    kubernetes::TABLE,
    kyverno::TABLE,
    images::TABLE,
];

/// The function of a name.
pub(super) fn find(name: &str, style: Style) -> Option<(&'static str, Builtin)> {
    TABLES
        .into_iter()
        .flatten()
        .find(|(known, its_style, _)| *known == name && *its_style == style)
        .map(|(name, _, run)| (*name, *run))
}

/// Functions whose second argument is a regular expression.
pub(super) fn takes_pattern(name: &str) -> bool {
    matches!(
        name,
        "matches" | "find" | "findAll" | "regex.replace" | "regex.extract" | "regex.extractAll"
    )
}

/// Compiles a regular expression, within bounds.
pub(super) fn pattern(text: &str) -> Result<Regex, Failure> {
    if text.len() > 4096 {
        return Err(Failure::new("the regular expression is too long"));
    }
    RegexBuilder::new(text)
        .size_limit(1 << 20)
        .nest_limit(64)
        .build()
        .map_err(|_| Failure::new(format!("{text:?} is not a regular expression that is understood")))
}

/// What a function was called with.
pub(super) struct Args<'r, 'v> {
    pub(super) scope: &'r Scope<'v>,
    pub(super) name: &'static str,
    pub(super) values: Vec<Value<'v>>,
    /// The second argument as a regular expression, when it was written out.
    pub(super) pattern: Option<&'v Regex>,
}

impl<'v> Args<'_, 'v> {
    fn budget(&self) -> &Budget {
        self.scope.budget
    }

    fn len(&self) -> usize {
        self.values.len()
    }

    /// There is no such function for such arguments.
    fn refuse(&self) -> Failure {
        no_overload(self.name, &self.values)
    }

    fn exactly<const N: usize>(&self) -> Result<&[Value<'v>; N], Failure> {
        <&[Value<'v>; N]>::try_from(self.values.as_slice()).map_err(|_| self.refuse())
    }

    fn text(&self, index: usize) -> Result<&str, Failure> {
        let text = self
            .values
            .get(index)
            .and_then(Value::as_text)
            .ok_or_else(|| self.refuse())?;
        self.budget().spend(text.len() / 64)?;
        Ok(text)
    }

    fn int(&self, index: usize) -> Result<i64, Failure> {
        match self.values.get(index) {
            Some(Value::Int(value)) => Ok(*value),
            _ => Err(self.refuse()),
        }
    }

    /// The items of a list.
    fn items(&self, index: usize) -> Result<Vec<Value<'v>>, Failure> {
        let value = self.values.get(index).ok_or_else(|| self.refuse())?;
        let length = value.list_len().ok_or_else(|| self.refuse())?;
        self.budget().spend(length)?;
        value.elements().ok_or_else(|| self.refuse())
    }

    /// The second argument as a regular expression, and paid for what it will do to a text.
    fn regex(&self, text: &str) -> Result<std::borrow::Cow<'v, Regex>, Failure> {
        if let Some(regex) = self.pattern {
            self.budget().spend(1 + text.len() / 16)?;
            return Ok(std::borrow::Cow::Borrowed(regex));
        }
        let written = self.text(1)?;
        self.budget().spend(100 + written.len() * 8 + text.len() / 16)?;
        pattern(written).map(std::borrow::Cow::Owned)
    }
}

/// There is no such function for such values.
pub(super) fn no_overload(name: &str, values: &[Value<'_>]) -> Failure {
    if let Some(Value::Unknown(what)) = values.iter().find(|value| matches!(value, Value::Unknown(_))) {
        return Failure::unknown(what);
    }
    let types: Vec<&str> = values.iter().map(Value::type_name).collect();
    Failure::new(format!("no such overload: {name} of {}", types.join(", ")))
}

/// A value in a few words, for messages.
pub(super) fn show(value: &Value<'_>) -> String {
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

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}
