//! The facts about messages: one embedded data file (`data/README.md` describes it), indexed at first use and
//! decoded message by message when needed.

use std::collections::HashMap;
use std::sync::OnceLock;

static FACTS: &str = include_str!("../../data/protobuf.facts");

/// All messages of built-in kinds.
pub(super) struct Table {
    index: HashMap<&'static str, u16>,
    messages: Vec<(&'static str, &'static str, OnceLock<Vec<Field>>)>,
}

/// One field of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) number: u32,
    /// Its name in JSON.
    pub(super) name: &'static str,
    /// Whether its own fields stand in its place in JSON.
    pub(super) inline: bool,
    pub(super) many: Many,
    pub(super) kind: Kind,
    /// Whether a zero means something and is kept.
    pub(super) zero: bool,
}

/// How often a field may stand in a message, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Many {
    One,
    List,
    Map,
}

/// The type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int32,
    Int64,
    Bool,
    Bytes,
    Double,
    Time,
    MicroTime,
    Quantity,
    IntOrString,
    /// A message of one field that holds JSON.
    Raw,
    /// A message of one field that is a list of strings, which it is in JSON.
    Texts,
    /// A JSON schema, or a list (of schemas, of strings).
    SchemaOrList,
    /// True, false or a JSON schema.
    SchemaOrBool,
    /// The message with this index.
    Message(u16),
}

impl Table {
    pub(super) fn builtin() -> &'static Table {
        static BUILTIN: OnceLock<Table> = OnceLock::new();
        BUILTIN.get_or_init(|| {
            let mut table = Table {
                index: HashMap::new(),
                messages: Vec::new(),
            };
            for (name, fields) in FACTS.lines().filter_map(|line| line.split_once('\t')) {
                table.index.insert(name, table.messages.len() as u16);
                table.messages.push((name, fields, OnceLock::new()));
            }
            table
        })
    }

    /// The message of this name, such as `core.v1.PodSpec`.
    pub(super) fn find(&self, name: &str) -> Option<u16> {
        self.index.get(name).copied()
    }

    /// The fields of a message, ordered by number.
    pub(super) fn fields(&'static self, message: u16) -> &'static [Field] {
        let Some((name, text, cell)) = self.messages.get(usize::from(message)) else {
            return &[];
        };
        cell.get_or_init(|| {
            let package = name.rsplit_once('.').map_or("", |(package, _)| package);
            let mut fields: Vec<Field> = text
                .split(',')
                .filter_map(|field| self.field(package, field))
                .collect();
            fields.sort_unstable_by_key(|field| field.number);
            fields
        })
    }

    fn field(&self, package: &str, text: &'static str) -> Option<Field> {
        let mut parts = text.split(' ');
        let (number, name, code) = (parts.next()?, parts.next()?, parts.next()?);
        let (many, code) = match code.split_at_checked(1) {
            Some(("*", rest)) => (Many::List, rest),
            Some(("%", rest)) => (Many::Map, rest),
            _ => (Many::One, code),
        };
        let (code, zero) = match code.strip_suffix('!') {
            Some(code) => (code, true),
            None => (code, false),
        };
        Some(Field {
            number: number.parse().ok()?,
            name,
            inline: name == "^",
            many,
            kind: self.kind(package, code)?,
            zero,
        })
    }

    fn kind(&self, package: &str, code: &str) -> Option<Kind> {
        Some(match code {
            "s" => Kind::Text,
            "i" => Kind::Int32,
            "l" => Kind::Int64,
            "b" => Kind::Bool,
            "y" => Kind::Bytes,
            "d" => Kind::Double,
            "t" => Kind::Time,
            "u" => Kind::MicroTime,
            "q" => Kind::Quantity,
            "x" => Kind::IntOrString,
            "r" => Kind::Raw,
            "w" => Kind::Texts,
            "m" => Kind::SchemaOrList,
            "o" => Kind::SchemaOrBool,
            name if name.contains('.') => Kind::Message(self.find(name)?),
            name => Kind::Message(self.find(&format!("{package}.{name}"))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Field, Kind, Many, Table};
    use crate::{Schema, Schemas, Type};

    #[test]
    fn every_message_decodes() {
        let table = Table::builtin();
        assert!(table.messages.len() > 450);
        for (name, text, _) in &table.messages {
            let fields = table.fields(table.find(name).expect(name));
            let stated = if text.is_empty() {
                0
            } else {
                text.split(',').count()
            };
            assert_eq!(fields.len(), stated, "{name}: {text}");
            let numbers: BTreeSet<u32> = fields.iter().map(|field| field.number).collect();
            assert_eq!(numbers.len(), fields.len(), "{name}");
        }
    }

    /// The names and types of all fields, those in place of inline ones included.
    fn flat(table: &'static Table, message: u16) -> Vec<Field> {
        let mut found = Vec::new();
        for field in table.fields(message) {
            match field.kind {
                Kind::Message(inner) if field.inline => found.extend(flat(table, inner)),
                _ => found.push(*field),
            }
        }
        found
    }

    fn agrees(table: &Table, kind: Kind, schema: &Schema) -> bool {
        match kind {
            Kind::Text => schema.kind == Type::String && schema.format != "byte",
            Kind::Bytes => schema.kind == Type::String && schema.format == "byte",
            Kind::Int32 | Kind::Int64 => schema.kind == Type::Integer,
            Kind::Bool => schema.kind == Type::Boolean,
            Kind::Double => schema.kind == Type::Number,
            Kind::Time => schema.name == "meta.v1.Time",
            Kind::MicroTime => schema.name == "meta.v1.MicroTime",
            Kind::Quantity => schema.kind == Type::Quantity,
            Kind::IntOrString => schema.kind == Type::IntOrString,
            Kind::Raw => schema.keeps_unknown(),
            Kind::Texts => schema.kind == Type::Array && schema.item().kind == Type::String,
            Kind::SchemaOrList | Kind::SchemaOrBool => {
                schema.name.starts_with("apiextensions.v1.JSONSchemaPropsOr")
            }
            Kind::Message(message) => {
                table.messages.get(usize::from(message)).map(|(name, ..)| *name) == Some(schema.name.as_str())
            }
        }
    }

    #[test]
    fn names_and_types_are_those_of_the_published_schema() {
        let table = Table::builtin();
        let mut checked = 0;
        for name in Schemas::builtin().type_names() {
            let Some(message) = table.find(name) else { continue };
            let schema = Schemas::builtin().type_named(name).expect(name);
            let fields = flat(table, message);
            let have: BTreeSet<&str> = fields.iter().map(|field| field.name).collect();
            let want: BTreeSet<&str> = schema
                .fields
                .keys()
                .map(String::as_str)
                .filter(|field| !["apiVersion", "kind"].contains(field) || have.contains(field))
                .collect();
            assert_eq!(have, want, "{name}");
            for field in &fields {
                let target = schema.child(field.name).expect(field.name);
                let target = match field.many {
                    Many::One => target,
                    Many::List => target.item(),
                    Many::Map => target.values().expect(field.name),
                };
                assert!(agrees(table, field.kind, target), "{name}: {field:?} {target:?}");
            }
            checked += 1;
        }
        assert!(checked > 450, "{checked}");
    }
}
