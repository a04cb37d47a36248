//! JMESPath's own functions and the commonest of Kyverno's.
//!
//! What needs a clock, a certificate parser or a source of chance is not here yet; a rule that calls such
//! a function is an error, never a pass.

use base64::Engine as _;
use jmespath::ast::Ast;
use serde_json::{Map, Value};

use super::QueryError;
use super::arithmetic::{self, Operation, compute};
use super::evaluate::{argument, equal, evaluate, owned};
use super::semver::{self, Version};
use crate::budget::Budget;
use crate::wildcard;

/// The largest compiled size of a regular expression, in bytes.
const REGEX_SIZE: usize = 256 * 1024;

/// The longest text a function may build, in bytes.
const MAX_TEXT: usize = 1024 * 1024;

const KNOWN: [&str; 58] = [
    "abs",
    "add",
    "avg",
    "base64_decode",
    "base64_encode",
    "ceil",
    "compare",
    "contains",
    "divide",
    "ends_with",
    "equal_fold",
    "floor",
    "image_normalize",
    "items",
    "join",
    "keys",
    "label_match",
    "length",
    "lookup",
    "map",
    "max",
    "max_by",
    "merge",
    "min",
    "min_by",
    "modulo",
    "multiply",
    "not_null",
    "object_from_lists",
    "parse_json",
    "parse_yaml",
    "path_canonicalize",
    "pattern_match",
    "regex_match",
    "regex_replace_all",
    "regex_replace_all_literal",
    "replace",
    "replace_all",
    "reverse",
    "round",
    "semver_compare",
    "sort",
    "sort_by",
    "split",
    "starts_with",
    "subtract",
    "sum",
    "to_array",
    "to_boolean",
    "to_lower",
    "to_number",
    "to_string",
    "to_upper",
    "trim",
    "trim_prefix",
    "truncate",
    "type",
    "values",
];

/// Whether a function of this name exists here.
pub(super) fn is_known(name: &str) -> bool {
    KNOWN.contains(&name)
}

fn failed<T>(name: &str, reason: &str) -> Result<T, QueryError> {
    Err(QueryError::Failed(format!("the function {name} {reason}")))
}

/// Calls a function on its arguments.
pub(super) fn call(name: &str, args: &[Ast], value: &Value, budget: &Budget) -> Result<Value, QueryError> {
    // Functions with an expression for an argument come first; they evaluate it once per item.
    match name {
        "map" => {
            let [expression, list] = args else {
                return failed(name, "needs an expression and a list");
            };
            let list = argument(list, value, budget)?;
            let items = each(name, expression, &list, budget)?;
            return Ok(Value::Array(
                items.into_iter().map(|(result, _)| result).collect(),
            ));
        }
        "sort_by" | "max_by" | "min_by" => {
            let [list, expression] = args else {
                return failed(name, "needs a list and an expression");
            };
            let list = argument(list, value, budget)?;
            return by(name, each(name, expression, &list, budget)?);
        }
        _ => {}
    }
    let args = args
        .iter()
        .map(|arg| argument(arg, value, budget))
        .collect::<Result<Vec<_>, _>>()?;
    let size: usize = args
        .iter()
        .map(|arg| arg.as_str().map_or(1, |text| 1 + text.len() / 64))
        .sum();
    budget.spend(size)?;
    let result = plain(name, &args, budget)?;
    budget.pay_for(&result)?;
    Ok(result)
}

/// The items of a list with what an expression says of each.
fn each(
    name: &str,
    expression: &Ast,
    list: &Value,
    budget: &Budget,
) -> Result<Vec<(Value, Value)>, QueryError> {
    let Ast::Expref { ast, .. } = expression else {
        return failed(name, "needs an expression such as &name");
    };
    let Value::Array(items) = list else {
        return failed(name, "needs a list");
    };
    items
        .iter()
        .map(|item| {
            let result = match evaluate(ast, std::borrow::Cow::Borrowed(item), budget) {
                Ok(result) => owned(result, budget)?,
                Err(QueryError::NotFound(_)) => Value::Null,
                Err(error) => return Err(error),
            };
            Ok((result, budget.copy(item)?))
        })
        .collect()
}

/// `sort_by`, `max_by`, `min_by`: the keys must all be numbers or all be texts.
fn by(name: &str, mut items: Vec<(Value, Value)>) -> Result<Value, QueryError> {
    if !(items.iter().all(|(key, _)| key.is_number()) || items.iter().all(|(key, _)| key.is_string())) {
        return failed(name, "needs keys that are all numbers or all strings");
    }
    items.sort_by(|(left, _), (right, _)| order(left, right));
    Ok(match name {
        "sort_by" => Value::Array(items.into_iter().map(|(_, item)| item).collect()),
        "min_by" => items.into_iter().next().map_or(Value::Null, |(_, item)| item),
        _ => items.pop().map_or(Value::Null, |(_, item)| item),
    })
}

fn order(left: &Value, right: &Value) -> std::cmp::Ordering {
    match (left, right) {
        (Value::String(left), Value::String(right)) => left.cmp(right),
        _ => left
            .as_f64()
            .unwrap_or(0.0)
            .total_cmp(&right.as_f64().unwrap_or(0.0)),
    }
}

/// Reads arguments by type; the error names the function.
struct Arguments<'a> {
    name: &'a str,
    values: &'a [Value],
}

impl<'a> Arguments<'a> {
    fn count(&self, count: usize) -> Result<(), QueryError> {
        if self.values.len() == count {
            Ok(())
        } else {
            failed(
                self.name,
                &format!("takes {count} arguments, not {}", self.values.len()),
            )
        }
    }

    fn any(&self, at: usize) -> &'a Value {
        self.values.get(at).unwrap_or(&Value::Null)
    }

    fn text(&self, at: usize) -> Result<&'a str, QueryError> {
        match self.any(at).as_str() {
            Some(text) => Ok(text),
            None => failed(self.name, &format!("needs a string as argument {}", at + 1)),
        }
    }

    fn number(&self, at: usize) -> Result<f64, QueryError> {
        match self.any(at).as_f64() {
            Some(number) => Ok(number),
            None => failed(self.name, &format!("needs a number as argument {}", at + 1)),
        }
    }

    fn list(&self, at: usize) -> Result<&'a [Value], QueryError> {
        match self.any(at).as_array() {
            Some(list) => Ok(list),
            None => failed(self.name, &format!("needs a list as argument {}", at + 1)),
        }
    }

    fn object(&self, at: usize) -> Result<&'a Map<String, Value>, QueryError> {
        match self.any(at).as_object() {
            Some(map) => Ok(map),
            None => failed(self.name, &format!("needs an object as argument {}", at + 1)),
        }
    }

    /// A string, or a number as text.
    fn text_of(&self, at: usize) -> Result<String, QueryError> {
        match self.any(at) {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            _ => failed(
                self.name,
                &format!("needs a string or number as argument {}", at + 1),
            ),
        }
    }
}

fn plain(name: &str, values: &[Value], budget: &Budget) -> Result<Value, QueryError> {
    let args = Arguments { name, values };
    let arity = match name {
        "not_null" | "merge" => values.len(),
        "replace" => 4,
        "replace_all" | "regex_replace_all" | "regex_replace_all_literal" | "items" => 3,
        "add" | "subtract" | "multiply" | "divide" | "modulo" | "round" | "compare" | "contains"
        | "ends_with" | "starts_with" | "equal_fold" | "join" | "label_match" | "lookup"
        | "object_from_lists" | "pattern_match" | "regex_match" | "semver_compare" | "split" | "trim"
        | "trim_prefix" | "truncate" => 2,
        _ => 1,
    };
    // `items` may leave out the names of its two fields.
    if !(name == "items" && values.len() == 1) {
        args.count(arity)?;
    }
    if let Some(result) = text_function(&args, budget)? {
        return Ok(result);
    }
    if let Some(result) = number_function(&args)? {
        return Ok(result);
    }
    collection_function(&args, budget)
}

fn text_function(args: &Arguments<'_>, budget: &Budget) -> Result<Option<Value>, QueryError> {
    let text = |text: String| {
        if text.len() > MAX_TEXT {
            failed(args.name, "builds a text that is too long")
        } else {
            Ok(Value::String(text))
        }
    };
    let result = match args.name {
        "compare" => Value::from(args.text(0)?.cmp(args.text(1)?) as i64),
        "equal_fold" => Value::Bool(args.text(0)?.to_lowercase() == args.text(1)?.to_lowercase()),
        "starts_with" => Value::Bool(args.text(0)?.starts_with(args.text(1)?)),
        "ends_with" => Value::Bool(args.text(0)?.ends_with(args.text(1)?)),
        "to_upper" => text(args.text(0)?.to_uppercase())?,
        "to_lower" => text(args.text(0)?.to_lowercase())?,
        "trim" => {
            let cut = args.text(1)?;
            text(
                args.text(0)?
                    .trim_matches(|letter| cut.contains(letter))
                    .to_owned(),
            )?
        }
        "trim_prefix" => {
            let whole = args.text(0)?;
            text(whole.strip_prefix(args.text(1)?).unwrap_or(whole).to_owned())?
        }
        "split" => {
            let (whole, separator) = (args.text(0)?, args.text(1)?);
            budget.spend(whole.len())?;
            let parts: Vec<Value> = if separator.is_empty() {
                whole
                    .chars()
                    .map(|letter| Value::String(letter.to_string()))
                    .collect()
            } else {
                whole.split(separator).map(Value::from).collect()
            };
            Value::Array(parts)
        }
        "replace" | "replace_all" => {
            let (whole, from, to) = (args.text(0)?, args.text(1)?, args.text(2)?);
            let grown = whole
                .len()
                .saturating_add(1)
                .saturating_mul(to.len().saturating_add(1));
            if grown > MAX_TEXT.saturating_mul(8) {
                return failed(args.name, "builds a text that is too long");
            }
            let count = if args.name == "replace" {
                args.number(3)?
            } else {
                -1.0
            };
            text(if count < 0.0 {
                whole.replace(from, to)
            } else {
                whole.replacen(from, to, count as usize)
            })?
        }
        "regex_match" => {
            let pattern = regex(args, 0, budget)?;
            Value::Bool(pattern.is_match(&args.text_of(1)?))
        }
        "regex_replace_all" | "regex_replace_all_literal" => {
            let pattern = regex(args, 0, budget)?;
            let (source, replacement) = (args.text_of(1)?, args.text_of(2)?);
            let grown = source
                .len()
                .saturating_add(1)
                .saturating_mul(replacement.len().saturating_add(1));
            if grown > MAX_TEXT.saturating_mul(8) {
                return failed(args.name, "builds a text that is too long");
            }
            text(if args.name == "regex_replace_all" {
                pattern.replace_all(&source, replacement.as_str()).into_owned()
            } else {
                pattern
                    .replace_all(&source, regex::NoExpand(&replacement))
                    .into_owned()
            })?
        }
        "pattern_match" => Value::Bool(wildcard::matches_within(
            args.text(0)?,
            &args.text_of(1)?,
            budget,
        )?),
        "to_boolean" => match args.text(0)?.to_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return failed(args.name, "needs 'true' or 'false'"),
        },
        "base64_encode" => text(base64::engine::general_purpose::STANDARD.encode(args.text(0)?))?,
        "base64_decode" => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(args.text(0)?);
            match decoded {
                Ok(bytes) => text(String::from_utf8_lossy(&bytes).into_owned())?,
                Err(error) => return failed(args.name, &format!("cannot decode: {error}")),
            }
        }
        "path_canonicalize" => text(canonical(args.text(0)?))?,
        "truncate" => {
            let length = args.number(1)?.max(0.0) as usize;
            text(args.text(0)?.chars().take(length).collect())?
        }
        "semver_compare" => {
            // As in Kyverno a text that is no version counts as 0.0.0.
            let version = Version::parse(args.text(0)?).or_else(|| Version::parse("0.0.0"));
            match version.and_then(|version| semver::in_range(&version, args.text(1).ok()?)) {
                Some(inside) => Value::Bool(inside),
                None => return failed(args.name, "cannot read the range"),
            }
        }
        "image_normalize" => match crate::image::Image::parse(args.text(0)?) {
            Some(image) => text(image.reference())?,
            None => return failed(args.name, "needs an image reference"),
        },
        "parse_json" => match serde_json::from_str(args.text(0)?) {
            Ok(value) => value,
            Err(error) => return failed(args.name, &format!("cannot read its argument: {error}")),
        },
        "parse_yaml" => match yaml::parse(args.text(0)?) {
            Ok(document) => document.value,
            Err(error) => return failed(args.name, &format!("cannot read its argument: {error}")),
        },
        _ => return Ok(None),
    };
    Ok(Some(result))
}

fn number_function(args: &Arguments<'_>) -> Result<Option<Value>, QueryError> {
    let whole = |number: f64| arithmetic::number(number).ok_or(());
    let result = match args.name {
        "abs" => whole(args.number(0)?.abs()),
        "ceil" => whole(args.number(0)?.ceil()),
        "floor" => whole(args.number(0)?.floor()),
        "round" => {
            let places = args.number(1)?;
            if places.fract() != 0.0 || places < 0.0 {
                return failed(args.name, "needs a whole number of places");
            }
            let shift = 10_f64.powf(places.min(300.0));
            whole((args.number(0)? * shift).round() / shift)
        }
        "add" | "subtract" | "multiply" | "divide" | "modulo" => {
            let operation = match args.name {
                "add" => Operation::Add,
                "subtract" => Operation::Subtract,
                "multiply" => Operation::Multiply,
                "divide" => Operation::Divide,
                _ => Operation::Modulo,
            };
            return match compute(operation, args.any(0), args.any(1)) {
                Ok(value) => Ok(Some(value)),
                Err(reason) => failed(args.name, &format!("failed: {reason}")),
            };
        }
        "sum" => {
            let Some((first, rest)) = args.list(0)?.split_first() else {
                return failed(args.name, "needs at least one item");
            };
            let sum = rest
                .iter()
                .try_fold(first.clone(), |sum, item| compute(Operation::Add, &sum, item));
            return match sum {
                Ok(value) => Ok(Some(value)),
                Err(reason) => failed(args.name, &format!("failed: {reason}")),
            };
        }
        "avg" => {
            let list = args.list(0)?;
            let numbers: Option<Vec<f64>> = list.iter().map(Value::as_f64).collect();
            match numbers {
                Some(numbers) if numbers.is_empty() => Ok(Value::Null),
                Some(numbers) => whole(numbers.iter().sum::<f64>() / numbers.len() as f64),
                None => return failed(args.name, "needs a list of numbers"),
            }
        }
        _ => return Ok(None),
    };
    match result {
        Ok(value) => Ok(Some(value)),
        Err(()) => failed(args.name, "gives a number that is out of range"),
    }
}

fn collection_function(args: &Arguments<'_>, budget: &Budget) -> Result<Value, QueryError> {
    Ok(match args.name {
        "contains" => match (args.any(0), args.any(1)) {
            (Value::String(whole), Value::String(part)) => Value::Bool(whole.contains(part.as_str())),
            (Value::String(_), _) => Value::Bool(false),
            (Value::Array(items), wanted) => {
                let mut found = false;
                for item in items {
                    found |= equal(item, wanted, budget)?;
                }
                Value::Bool(found)
            }
            _ => return failed(args.name, "needs a list or a string"),
        },
        "length" => match args.any(0) {
            Value::String(text) => Value::from(text.chars().count()),
            Value::Array(items) => Value::from(items.len()),
            Value::Object(map) => Value::from(map.len()),
            _ => return failed(args.name, "needs a string, a list or an object"),
        },
        "keys" => Value::Array(
            args.object(0)?
                .keys()
                .map(|key| Value::from(key.as_str()))
                .collect(),
        ),
        "values" => Value::Array(args.object(0)?.values().cloned().collect()),
        "reverse" => match args.any(0) {
            Value::String(text) => Value::String(text.chars().rev().collect()),
            _ => Value::Array(args.list(0)?.iter().rev().cloned().collect()),
        },
        "join" => {
            let parts: Option<Vec<&str>> = args.list(1)?.iter().map(Value::as_str).collect();
            let separator = args.text(0)?;
            match parts {
                Some(parts) if parts.len().saturating_mul(separator.len()) <= MAX_TEXT => {
                    Value::String(parts.join(separator))
                }
                Some(_) => return failed(args.name, "builds a text that is too long"),
                None => return failed(args.name, "needs a list of strings"),
            }
        }
        "sort" | "max" | "min" => {
            let items = args
                .list(0)?
                .iter()
                .map(|item| (item.clone(), item.clone()))
                .collect();
            let name = match args.name {
                "sort" => "sort_by",
                "max" => "max_by",
                _ => "min_by",
            };
            by(name, items)?
        }
        "merge" => {
            let mut merged = Map::new();
            for at in 0..args.values.len() {
                merged.extend(args.object(at)?.clone());
            }
            Value::Object(merged)
        }
        "not_null" => args
            .values
            .iter()
            .find(|value| !value.is_null())
            .cloned()
            .unwrap_or(Value::Null),
        "to_array" => match args.any(0) {
            list @ Value::Array(_) => list.clone(),
            other => Value::Array(vec![other.clone()]),
        },
        "to_string" => match args.any(0) {
            text @ Value::String(_) => text.clone(),
            other => Value::String(other.to_string()),
        },
        "to_number" => match args.any(0) {
            number @ Value::Number(_) => number.clone(),
            Value::String(text) => text
                .parse::<f64>()
                .ok()
                .and_then(arithmetic::number)
                .unwrap_or(Value::Null),
            _ => Value::Null,
        },
        "type" => Value::from(match args.any(0) {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        }),
        "label_match" => {
            let (wanted, labels) = (args.object(0)?, args.object(1)?);
            Value::Bool(wanted.iter().all(|(key, value)| labels.get(key) == Some(value)))
        }
        "lookup" => match (args.any(0), args.any(1)) {
            (Value::Object(map), Value::String(key)) => map.get(key).cloned().unwrap_or(Value::Null),
            (Value::Array(items), Value::Number(at)) => at
                .as_u64()
                .and_then(|at| items.get(usize::try_from(at).ok()?))
                .cloned()
                .unwrap_or(Value::Null),
            _ => return failed(args.name, "needs an object and a string, or a list and a number"),
        },
        "items" => {
            let (key_name, value_name) = if args.values.len() == 1 {
                ("key", "value")
            } else {
                (args.text(1)?, args.text(2)?)
            };
            let pair = |key: Value, value: &Value| {
                let mut pair = Map::new();
                pair.insert(key_name.to_owned(), key);
                pair.insert(value_name.to_owned(), value.clone());
                Value::Object(pair)
            };
            match args.any(0) {
                Value::Object(map) => Value::Array(
                    map.iter()
                        .map(|(key, value)| pair(Value::from(key.as_str()), value))
                        .collect(),
                ),
                Value::Array(items) => Value::Array(
                    items
                        .iter()
                        .enumerate()
                        .map(|(at, value)| pair(Value::from(at), value))
                        .collect(),
                ),
                _ => return failed(args.name, "needs an object or a list"),
            }
        }
        "object_from_lists" => {
            let (keys, values) = (args.list(0)?, args.list(1)?);
            let mut object = Map::new();
            for (at, key) in keys.iter().enumerate() {
                let Some(key) = key.as_str() else {
                    return failed(args.name, "needs a list of strings");
                };
                object.insert(key.to_owned(), values.get(at).cloned().unwrap_or(Value::Null));
            }
            Value::Object(object)
        }
        name => return failed(name, "is not supported yet"),
    })
}

fn regex(args: &Arguments<'_>, at: usize, budget: &Budget) -> Result<regex::Regex, QueryError> {
    let pattern = args.text(at)?;
    budget.spend(500 + pattern.len())?;
    regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_SIZE)
        .dfa_size_limit(REGEX_SIZE)
        .nest_limit(50)
        .build()
        .map_err(|_| {
            QueryError::Failed(format!(
                "the function {} cannot use this regular expression",
                args.name
            ))
        })
}

/// A path without `.`, `..` and doubled slashes.
fn canonical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if path.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (path.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) if path.is_empty() => String::new(),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
