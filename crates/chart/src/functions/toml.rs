//! TOML in both directions, as Helm's encoder lays it out: what stands directly in a table first, by name, then
//! the tables in it, each level two blanks further in.

use std::fmt::Write as _;

use super::Kind::{Any, Text};
use super::{Function, Outcome, civil, dates, durations, fixed, key, string, text_of};
use crate::object::{Object, Zone};
use crate::template::{Engine, Failure};
use crate::value::{Entries, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    // Helm prints what is wrong, except where `must` is asked for.
    fixed("toToml", &[Any], |engine, args| match write(engine, &args[0])? {
        Ok(text) | Err(text) => string(text),
    }),
    fixed("mustToToml", &[Any], |engine, args| {
        match write(engine, &args[0])? {
            Ok(text) => string(text),
            Err(message) => Err(message.into()),
        }
    }),
    fixed("fromToml", &[Text], from_toml),
];

/// Writes a value; what it cannot write is told apart from a render that costs too much.
fn write(engine: &Engine<'_>, value: &Value) -> Result<Result<String, String>, Failure> {
    if value.is_nil() {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    let mut writer = Writer {
        engine,
        out: String::new(),
    };
    match writer.entry(&[], value) {
        Ok(()) => Ok(Ok(writer.out)),
        Err(Stop::Refused(message)) => Ok(Err(message)),
        Err(Stop::Spent(message)) => Err(message.into()),
    }
}

enum Stop {
    Refused(String),
    Spent(String),
}

/// What a value is in TOML.
#[derive(PartialEq)]
enum Sort {
    Nil,
    Plain,
    Table,
    Tables,
}

struct Writer<'run, 'render> {
    engine: &'run Engine<'render>,
    out: String,
}

impl Writer<'_, '_> {
    fn spend(&self, depth: usize) -> Result<(), Stop> {
        self.engine.budget.descend(depth).map_err(Stop::Spent)?;
        self.engine.budget.length(self.out.len()).map_err(Stop::Spent)
    }

    fn newline(&mut self) {
        if !self.out.is_empty() {
            self.out.push('\n');
        }
    }

    /// Writes a value under its path of keys.
    fn entry(&mut self, path: &[String], value: &Value) -> Result<(), Stop> {
        self.spend(path.len())?;
        match sort(value)? {
            Sort::Nil => {}
            Sort::Plain => {
                if let Some(name) = path.last() {
                    self.indent(path);
                    self.out.push_str(name);
                    self.out.push_str(" = ");
                }
                self.element(value, path.len())?;
                if !path.is_empty() {
                    self.newline();
                }
            }
            Sort::Table => {
                if path.len() == 1 {
                    self.newline();
                }
                if !path.is_empty() {
                    self.header(path, "[", "]");
                }
                self.members(path, value)?;
            }
            Sort::Tables => {
                if path.is_empty() {
                    return Err(Stop::Refused(
                        "toml: top-level values must be Go maps or structs".to_owned(),
                    ));
                }
                if let Value::List(list) = value {
                    for item in list.items.iter().filter(|item| !item.is_nil()) {
                        self.newline();
                        self.header(path, "[[", "]]");
                        self.members(path, item)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn indent(&mut self, path: &[String]) {
        self.out.push_str(&"  ".repeat(path.len().saturating_sub(1)));
    }

    fn header(&mut self, path: &[String], open: &str, close: &str) {
        self.indent(path);
        let _ = write!(self.out, "{open}{}{close}", path.join("."));
        self.newline();
    }

    /// The members of a table, plain ones before tables.
    fn members(&mut self, path: &[String], table: &Value) -> Result<(), Stop> {
        let (plain, tables) = members(table)?;
        for (name, value) in plain.iter().chain(&tables) {
            let mut path = path.to_vec();
            path.push(quoted_key(name));
            self.entry(&path, value)?;
        }
        Ok(())
    }

    /// A value behind `=` or in a list.
    fn element(&mut self, value: &Value, depth: usize) -> Result<(), Stop> {
        self.spend(depth)?;
        match value {
            Value::Missing | Value::Nil => {
                return Err(Stop::Refused(
                    "toml: cannot encode array with nil element".to_owned(),
                ));
            }
            Value::Bool(value) => self.out.push_str(if *value { "true" } else { "false" }),
            Value::Int(number) | Value::Int64(number) => {
                let _ = write!(self.out, "{number}");
            }
            Value::Float(number) => self.out.push_str(&float(*number)),
            Value::Str(text) => self.out.push_str(&quoted(text)),
            Value::Bytes(bytes) => self.out.push_str(&quoted(&String::from_utf8_lossy(bytes))),
            Value::Octets(bytes) => {
                let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
                let _ = write!(self.out, "[{}]", numbers.join(", "));
            }
            Value::List(list) => {
                self.out.push('[');
                for (index, item) in list.items.iter().enumerate() {
                    if index > 0 {
                        self.out.push_str(", ");
                    }
                    self.element(item, depth + 1)?;
                }
                self.out.push(']');
            }
            Value::Map(_) => self.inline_table(value, depth)?,
            Value::Object(object) => match &**object {
                Object::Time(..) => {
                    let text = dates::format_time(object, "2006-01-02T15:04:05.999999999Z07:00");
                    self.out.push_str(&text);
                }
                Object::Duration(nanoseconds) => {
                    let text = durations::duration_text(*nanoseconds);
                    self.out.push_str(&quoted(&text));
                }
                Object::SemVer(version) => self.out.push_str(&quoted(&version.to_string())),
                _ => self.inline_table(value, depth)?,
            },
        }
        Ok(())
    }

    fn inline_table(&mut self, table: &Value, depth: usize) -> Result<(), Stop> {
        let (plain, tables) = members(table)?;
        self.out.push('{');
        let last = (plain.len() + tables.len()).saturating_sub(1);
        for (index, (name, value)) in plain.iter().chain(&tables).enumerate() {
            if value.is_nil() {
                continue;
            }
            self.out.push_str(&quoted_key(name));
            self.out.push_str(" = ");
            self.element(value, depth + 1)?;
            if index < last {
                self.out.push_str(", ");
            }
        }
        self.out.push('}');
        Ok(())
    }
}

type Members = Vec<(String, Value)>;

/// The members of a table by name: those that are no tables, and those that are.
fn members(table: &Value) -> Result<(Members, Members), Stop> {
    let all: Members = match table {
        Value::Map(map) => map
            .entries
            .borrow()
            .iter()
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect(),
        Value::Object(object) => match &**object {
            Object::Certificate { cert, key } => vec![
                ("Cert".to_owned(), Value::str(cert)),
                ("Key".to_owned(), Value::str(key)),
            ],
            _ => {
                return Err(Stop::Refused(format!("unexpected type: {}", table.type_name())));
            }
        },
        _ => Vec::new(),
    };
    let (mut plain, mut tables) = (Members::new(), Members::new());
    for (name, value) in all {
        match sort(&value)? {
            Sort::Nil | Sort::Plain => plain.push((name, value)),
            Sort::Table | Sort::Tables => tables.push((name, value)),
        }
    }
    Ok((plain, tables))
}

fn sort(value: &Value) -> Result<Sort, Stop> {
    Ok(match value {
        Value::Missing | Value::Nil => Sort::Nil,
        Value::Map(map) if map.declared.is_nil() => Sort::Nil,
        Value::Map(_) => Sort::Table,
        Value::Object(object) => match &**object {
            Object::Time(..) | Object::Duration(_) | Object::SemVer(_) | Object::ApiVersions(_) => {
                Sort::Plain
            }
            _ => Sort::Table,
        },
        Value::List(list) => {
            let mut all_tables = !list.items.is_empty();
            for item in &list.items {
                match item {
                    Value::Missing | Value::Nil => {
                        return Err(Stop::Refused(
                            "toml: cannot encode array with nil element".to_owned(),
                        ));
                    }
                    Value::Map(_) => {}
                    _ => all_tables = false,
                }
            }
            if all_tables { Sort::Tables } else { Sort::Plain }
        }
        _ => Sort::Plain,
    })
}

fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let mut text = yaml::format_float(number);
    if !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            control if control.is_ascii_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A key as it stands: bare if letters, digits, `_` and `-` are all there is.
fn quoted_key(name: &str) -> String {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !name.is_empty() && name.bytes().all(is_bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn from_toml(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let text = text_of(&args[0]);
    engine.budget.spend(text.len() as u64 / 8)?;
    match ::toml::from_str::<::toml::Table>(&text) {
        Ok(table) => Ok(table_value(table)),
        Err(error) => {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            let message = format!("toml: line {line}: {}", error.message());
            Ok(Value::map(Entries::from([(key("Error"), Value::str(&message))])))
        }
    }
}

fn table_value(table: ::toml::Table) -> Value {
    let members = table.into_iter().map(|(name, value)| (key(&name), read(value)));
    Value::map(members.collect())
}

fn read(value: ::toml::Value) -> Value {
    match value {
        ::toml::Value::String(text) => Value::str(&text),
        ::toml::Value::Integer(number) => Value::Int64(number),
        ::toml::Value::Float(number) => Value::Float(number),
        ::toml::Value::Boolean(value) => Value::Bool(value),
        ::toml::Value::Datetime(moment) => {
            let (at, offset) = nanoseconds(&moment);
            Value::object(Object::Time(at, Zone { offset, name: None }))
        }
        ::toml::Value::Array(items) => Value::list(items.into_iter().map(read).collect()),
        ::toml::Value::Table(table) => table_value(table),
    }
}

/// A date without a time is its midnight, a time without a date is of the year 0; both are taken for UTC.
fn nanoseconds(moment: &::toml::value::Datetime) -> (i128, i32) {
    let date = moment.date.map_or((0, 1, 1), |date| {
        (i64::from(date.year), u32::from(date.month), u32::from(date.day))
    });
    let days = civil::days_of(date.0, date.1, date.2);
    let (seconds, fraction) = moment.time.map_or((0, 0), |time| {
        let seconds =
            u32::from(time.hour) * 3600 + u32::from(time.minute) * 60 + u32::from(time.second.unwrap_or(0));
        (seconds, time.nanosecond.unwrap_or(0))
    });
    let offset = match moment.offset {
        Some(::toml::value::Offset::Custom { minutes }) => i32::from(minutes) * 60,
        _ => 0,
    };
    let seconds = days * 86_400 + i64::from(seconds) - i64::from(offset);
    (i128::from(seconds) * 1_000_000_000 + i128::from(fraction), offset)
}
