//! Is an object what its schema says? All findings, worded as the API server words them.

use std::fmt::Write as _;

use serde_json::Value;

use crate::error::{Cause, FieldError};
use crate::fields::Scalar;
use crate::merge::{item_element, same};
use crate::model::{ListType, Rules, Schema, Type};
use crate::quantity::Quantity;
use crate::rules::{self, Words};

/// Checks an object: types, required fields, allowed values, bounds, patterns, formats, lists without
/// doubles; and for built-in kinds the handwritten rules that users meet most (names, labels,
/// selectors that match their template, ports, probes, replicas). Unknown fields are not its matter;
/// see [`crate::unknown_fields`].
///
/// Findings come in the order of the fields. At most a hundred are returned.
pub fn validate(schema: &Schema, object: &Value) -> Vec<FieldError> {
    let mut findings = Findings::default();
    findings.at(schema, object, &mut String::new(), Words::Schema);
    let mut errors = findings.errors;
    rules::check(schema, object, &mut errors);
    errors
}

/// Checks what a new object may not have yet.
pub fn validate_new(schema: &Schema, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    rules::check_new(schema, object, &mut errors);
    errors
}

/// Checks what may not change in an update: the identity of the object, and the fields of built-in
/// kinds that are fixed once set.
pub fn validate_update(schema: &Schema, old: &Value, new: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    rules::check_update(schema, old, new, &mut errors);
    errors
}

/// How much is told of one object.
pub(crate) const MOST: usize = 100;

/// A finding with its message: `spec.replicas: Invalid value: -1: must be …`.
pub(crate) fn finding(field: &str, cause: Cause, value: Option<&str>, detail: &str) -> FieldError {
    let head = match cause {
        Cause::Required => "Required value",
        Cause::Invalid | Cause::TypeInvalid => "Invalid value",
        Cause::Unsupported => "Unsupported value",
        Cause::Duplicate => "Duplicate value",
        Cause::NotFound => "Not found",
        Cause::Forbidden => "Forbidden",
        Cause::TooLong => "Too long",
        Cause::TooMany => "Too many",
    };
    let place = if field.is_empty() { "<nil>" } else { field };
    let mut message = format!("{place}: {head}");
    if let Some(value) = value {
        message.push_str(": ");
        message.push_str(value);
    }
    if !detail.is_empty() {
        message.push_str(": ");
        message.push_str(detail);
    }
    FieldError {
        field: field.to_owned(),
        cause,
        message,
    }
}

/// A value in a message; long ones are cut.
pub(crate) fn shown(value: &Value) -> String {
    let mut text = Cut {
        text: String::new(),
        left: 4096,
    };
    if write!(text, "{value}").is_err() {
        text.text.push('…');
    }
    text.text
}

/// A text that takes so many characters and no more.
struct Cut {
    text: String,
    left: usize,
}

impl std::fmt::Write for Cut {
    fn write_str(&mut self, more: &str) -> std::fmt::Result {
        let end = more.char_indices().nth(self.left).map(|(end, _)| end);
        let fits = &more[..end.unwrap_or(more.len())];
        self.text.push_str(fits);
        self.left -= fits.chars().count();
        end.map_or(Ok(()), |_| Err(std::fmt::Error))
    }
}

#[derive(Default)]
struct Findings {
    errors: Vec<FieldError>,
}

impl Findings {
    fn add(&mut self, path: &str, cause: Cause, value: Option<&Value>, detail: &str) {
        if self.errors.len() < MOST {
            self.errors
                .push(finding(path, cause, value.map(shown).as_deref(), detail));
        }
    }

    fn at(&mut self, schema: &Schema, value: &Value, path: &mut String, words: Words) {
        if self.errors.len() >= MOST {
            return;
        }
        if value.is_null() && (schema.nullable || (schema.typed && !path.is_empty())) {
            return;
        }
        if !fits(schema, value) {
            let detail = format!(
                "{} in body must be of type {}: {}",
                if path.is_empty() { "<root>" } else { path.as_str() },
                type_name(schema.kind),
                format_args!("{:?}", json_type(value)),
            );
            let told = Value::from(json_type(value));
            return self.add(path, Cause::TypeInvalid, Some(&told), &detail);
        }
        if let Some(rules) = &schema.rules {
            self.rules(rules, value, path, words);
        }
        match value {
            Value::Object(fields) => {
                for required in &schema.required {
                    let present = match fields.get(required) {
                        None => false,
                        Some(value) if schema.typed => counts_as_present(schema, required, value),
                        Some(_) => true,
                    };
                    // The server fills the status of built-in kinds itself.
                    let checked = !schema.typed
                        || (must_be_written(schema, required)
                            && !path.starts_with("status")
                            && rules::words(&schema.name, required) != Words::Rules);
                    if !present && checked {
                        let field = join(path, required);
                        self.add(&field, Cause::Required, None, "");
                    }
                }
                let length = path.len();
                for (name, value) in fields {
                    let Some(child) = schema.child(name) else { continue };
                    if schema.fields.contains_key(name) {
                        if !path.is_empty() {
                            path.push('.');
                        }
                        path.push_str(name);
                    } else if schema.typed {
                        let _ = write!(path, "[{name}]");
                    } else {
                        path.push_str(if path.is_empty() { "" } else { "." });
                        path.push_str(name);
                    }
                    let words = if schema.typed {
                        rules::words(&schema.name, name)
                    } else {
                        Words::Schema
                    };
                    self.at(child, value, path, words);
                    path.truncate(length);
                }
            }
            Value::Array(items) => {
                let length = path.len();
                for (place, item) in items.iter().enumerate() {
                    let _ = write!(path, "[{place}]");
                    self.at(schema.item(), item, path, words);
                    path.truncate(length);
                }
                self.doubles(schema, items, path);
            }
            Value::String(text) => self.format(schema, text, value, path),
            _ => {}
        }
    }

    fn doubles(&mut self, schema: &Schema, items: &[Value], path: &str) {
        if schema.list == ListType::Atomic {
            return;
        }
        let mut seen = std::collections::BTreeSet::new();
        for (place, item) in items.iter().enumerate() {
            let Ok(element) = item_element(schema, item) else {
                continue;
            };
            let shown = match &schema.list {
                ListType::Map(_) if schema.typed => item["name"].clone(),
                ListType::Map(keys) => {
                    let key: serde_json::Map<String, Value> = keys
                        .iter()
                        .filter_map(|key| Some((key.clone(), item.get(key)?.clone())))
                        .collect();
                    Value::Object(key)
                }
                _ => item.clone(),
            };
            // Of built-in lists, only these are looked at: environment variables may stand twice.
            let by_name = matches!(
                schema.item().name.as_str(),
                "core.v1.Container" | "core.v1.Volume"
            );
            if !seen.insert(element) && (by_name || !schema.typed) {
                let part = if by_name { ".name" } else { "" };
                self.add(
                    &format!("{path}[{place}]{part}"),
                    Cause::Duplicate,
                    Some(&shown),
                    "",
                );
            }
        }
    }

    fn format(&mut self, schema: &Schema, text: &str, value: &Value, path: &str) {
        let wrong = match (schema.kind, schema.format.as_str()) {
            (Type::Quantity, _) => text.parse::<Quantity>().err().map(|_| {
                "quantities must match the regular expression \
                 '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                    .to_owned()
            }),
            (Type::String, "date-time") if !is_date_time(text) => {
                Some(format!("{path} in body must be of type date-time: {value}"))
            }
            _ => None,
        };
        if let Some(wrong) = wrong {
            self.add(path, Cause::Invalid, Some(value), &wrong);
        }
    }

    fn rules(&mut self, rules: &Rules, value: &Value, path: &mut String, words: Words) {
        let told = match words {
            Words::Schema => !rules.allowed.iter().any(|allowed| same(allowed, value)),
            Words::Listed(listed) => !value.as_str().is_some_and(|word| listed.contains(&word)),
            Words::Rules => false,
        };
        if !rules.allowed.is_empty() && told {
            let allowed: Vec<String> = match words {
                Words::Listed(listed) => listed.iter().map(|word| format!("{word:?}")).collect(),
                _ => rules.allowed.iter().map(Value::to_string).collect(),
            };
            let detail = format!("supported values: {}", allowed.join(", "));
            self.add(path, Cause::Unsupported, Some(value), &detail);
        }
        match value {
            Value::String(text) => self.string_rules(rules, text, value, path),
            Value::Number(number) => {
                self.number_rules(rules, number.as_f64().unwrap_or_default(), value, path);
            }
            Value::Array(items) => {
                let count = items.len() as u64;
                if rules.min_items.is_some_and(|least| count < least) {
                    let detail = format!(
                        "{path} in body should have at least {} items",
                        rules.min_items.unwrap_or_default()
                    );
                    self.add(path, Cause::Invalid, Some(&Value::from(count)), &detail);
                }
                if let Some(most) = rules.max_items.filter(|most| count > *most) {
                    self.add(
                        path,
                        Cause::TooMany,
                        Some(&Value::from(count)),
                        &format!(
                            "must have at most {most} {}",
                            if most == 1 { "item" } else { "items" }
                        ),
                    );
                }
                if rules.unique_items {
                    let mut seen = std::collections::BTreeSet::new();
                    for (place, item) in items.iter().enumerate() {
                        if !seen.insert(Scalar(item.clone())) {
                            let field = format!("{path}[{place}]");
                            self.add(&field, Cause::Duplicate, Some(item), "");
                        }
                    }
                }
            }
            Value::Object(fields) => {
                let count = fields.len() as u64;
                if let Some(least) = rules.min_properties.filter(|least| count < *least) {
                    let detail = format!("{path} in body should have at least {least} properties");
                    self.add(path, Cause::Invalid, Some(&Value::from(count)), &detail);
                }
                if let Some(most) = rules.max_properties.filter(|most| count > *most) {
                    let detail = format!("must have at most {most} items");
                    self.add(path, Cause::TooMany, Some(&Value::from(count)), &detail);
                }
            }
            _ => {}
        }
        self.junctions(rules, value, path);
    }

    fn string_rules(&mut self, rules: &Rules, text: &str, value: &Value, path: &str) {
        let length = text.chars().count() as u64;
        if let Some(least) = rules.min_length.filter(|least| length < *least) {
            let detail = format!("{path} in body should be at least {least} chars long");
            self.add(path, Cause::Invalid, Some(value), &detail);
        }
        if let Some(most) = rules.max_length.filter(|most| length > *most) {
            self.add(
                path,
                Cause::TooLong,
                None,
                &format!("may not be more than {most} bytes"),
            );
            return;
        }
        if let Some(pattern) = &rules.pattern
            && !pattern.is_match(text)
        {
            let detail = format!("{path} in body should match '{}'", pattern.as_str());
            self.add(path, Cause::Invalid, Some(value), &detail);
        }
    }

    fn number_rules(&mut self, rules: &Rules, number: f64, value: &Value, path: &str) {
        if let Some((least, exclusive)) = rules.minimum
            && (number < least || (exclusive && number <= least))
        {
            let words = if exclusive {
                "greater than"
            } else {
                "greater than or equal to"
            };
            let detail = format!("{path} in body should be {words} {}", plain_number(least));
            self.add(path, Cause::Invalid, Some(value), &detail);
        }
        if let Some((most, exclusive)) = rules.maximum
            && (number > most || (exclusive && number >= most))
        {
            let words = if exclusive {
                "less than"
            } else {
                "less than or equal to"
            };
            let detail = format!("{path} in body should be {words} {}", plain_number(most));
            self.add(path, Cause::Invalid, Some(value), &detail);
        }
        if let Some(step) = rules.multiple_of.filter(|step| *step > 0.0) {
            let times = number / step;
            if (times - times.round()).abs() > 1e-9 {
                let detail = format!("{path} in body should be a multiple of {}", plain_number(step));
                self.add(path, Cause::Invalid, Some(value), &detail);
            }
        }
    }

    fn junctions(&mut self, rules: &Rules, value: &Value, path: &mut String) {
        for schema in &rules.all_of {
            self.at(schema, value, path, Words::Schema);
        }
        let errors_of = |schema: &Schema| {
            let mut inner = Findings::default();
            inner.at(schema, value, &mut path.clone(), Words::Schema);
            inner.errors
        };
        let refusals = |schemas: &[Schema]| schemas.iter().map(errors_of).collect::<Vec<_>>();
        let (any, one) = (refusals(&rules.any_of), refusals(&rules.one_of));
        let refused = rules
            .not
            .as_ref()
            .is_some_and(|schema| errors_of(schema).is_empty());
        let valid =
            |alternatives: &[Vec<FieldError>]| alternatives.iter().filter(|errors| errors.is_empty()).count();
        let (any_valid, one_valid) = (valid(&any), valid(&one));
        if !any.is_empty() && any_valid == 0 {
            self.junction(path, "must validate at least one schema (anyOf)");
            self.nearest(any);
        }
        if !one.is_empty() && one_valid != 1 {
            let found = match one_valid {
                0 => "none valid".to_owned(),
                several => format!("{several} valid alternatives"),
            };
            self.junction(
                path,
                &format!("must validate one and only one schema (oneOf). Found {found}"),
            );
            if one_valid == 0 {
                self.nearest(one);
            }
        }
        if refused {
            self.junction(path, "must not validate the schema (not)");
        }
    }

    /// The API server leaves the field out of these messages' heads.
    fn junction(&mut self, path: &str, what: &str) {
        if self.errors.len() < MOST {
            self.errors.push(FieldError {
                field: path.to_owned(),
                cause: Cause::Invalid,
                message: format!("<nil>: Invalid value: \"\": {path:?} {what}"),
            });
        }
    }

    /// Of several alternatives that refuse a value, what the first of the mildest ones said.
    fn nearest(&mut self, alternatives: Vec<Vec<FieldError>>) {
        let room = MOST - self.errors.len().min(MOST);
        if let Some(mildest) = alternatives.into_iter().min_by_key(Vec::len) {
            self.errors.extend(mildest.into_iter().take(room));
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn plain_number(number: f64) -> String {
    Value::from(number).to_string().trim_end_matches(".0").to_owned()
}

fn fits(schema: &Schema, value: &Value) -> bool {
    match schema.kind {
        Type::Any | Type::Raw => true,
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
        Type::String => value.is_string(),
        Type::Boolean => value.is_boolean(),
        Type::Number => value.is_number(),
        Type::Integer => is_whole(value),
        Type::IntOrString => is_whole(value) || value.is_string(),
        Type::Quantity => value.is_number() || value.is_string(),
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn type_name(kind: Type) -> &'static str {
    match kind {
        Type::Any | Type::Raw => "any",
        Type::Object => "object",
        Type::Array => "array",
        Type::String | Type::Quantity => "string",
        Type::Integer => "integer",
        Type::Number => "number",
        Type::Boolean => "boolean",
        Type::IntOrString => "integer,string",
    }
}

fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Whether the API server misses this required field of a built-in type when nobody set it: numbers
/// and flags have a zero value there, and structs are always there.
fn must_be_written(schema: &Schema, name: &str) -> bool {
    let Some(field) = schema.field(name) else {
        return true;
    };
    if schema.name.ends_with("Status") || schema.name.ends_with("Condition") {
        return false;
    }
    let written = matches!(field.schema.kind, Type::String | Type::Array)
        || (field.schema.kind == Type::Object && !field.always);
    written
        && !matches!(
            (schema.name.as_str(), name),
            ("core.v1.LimitRangeSpec", "limits")
                | ("discovery.v1.EndpointSlice", "endpoints")
                // Their own rules say more.
                | ("rbac.v1.PolicyRule", "verbs")
                | ("rbac.v1.RoleRef" | "rbac.v1.Subject", "kind")
                | ("meta.v1.OwnerReference", _)
        )
}

fn counts_as_present(schema: &Schema, name: &str, value: &Value) -> bool {
    if !must_be_written(schema, name) {
        return true;
    }
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    }
}

/// RFC 3339, as the API server takes it: date, `T`, time, and `Z` or an offset.
fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() < 20 || !text.is_ascii() {
        return false;
    }
    let shape = |part: &[u8], pattern: &[u8]| {
        part.len() == pattern.len()
            && part.iter().zip(pattern).all(|(found, expected)| match expected {
                b'0' => found.is_ascii_digit(),
                other => found == other,
            })
    };
    if !shape(&bytes[..19], b"0000-00-00T00:00:00") {
        return false;
    }
    let number = |from: usize| {
        text.get(from..from + 2)
            .and_then(|part| part.parse::<u32>().ok())
            .unwrap_or(99)
    };
    let (month, day, hour, minute, second) = (number(5), number(8), number(11), number(14), number(17));
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return false;
    }
    let rest = text[19..].trim_start_matches(|letter: char| letter == '.' || letter.is_ascii_digit());
    rest == "Z" || shape(rest.as_bytes(), b"+00:00") || shape(rest.as_bytes(), b"-00:00")
}
