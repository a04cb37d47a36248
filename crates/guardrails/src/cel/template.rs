//! Objects that a `GeneratingPolicy` writes down as YAML (`generate[].template`). With `interpolate: cel` a text may
//! hold expressions between `((` and `))`: one that is the whole text stands for any value, others for a part of it.

use ::cel::{Failure, Names, Program, Scope};
use serde_json::{Map, Value as Json};

use super::body::read_program;
use crate::MAX_DEPTH;
use crate::cursor::{Cursor, Refusal};

/// How many objects one template may hold.
const MAX_DOCUMENTS: usize = 100;

/// The objects of a template, their expressions compiled.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    documents: Vec<Node>,
}

#[derive(Debug, Clone)]
enum Node {
    Literal(Json),
    Map(Vec<(String, Node)>),
    List(Vec<Node>),
    /// An expression that is all there is.
    Whole(Program),
    Text(Vec<Part>),
}

#[derive(Debug, Clone)]
enum Part {
    Literal(String),
    Value(Program),
}

impl Template {
    /// Reads `value` and `interpolate`.
    pub(super) fn read(cursor: &Cursor<'_>, names: Names<'_>) -> Result<Template, Refusal> {
        cursor.only(&["value", "interpolate"])?;
        let expressions = match cursor.text("interpolate")? {
            None | Some("" | "none") => false,
            Some("cel") => true,
            Some(other) => {
                let reason = format!("{other:?} is neither none nor cel");
                return Err(cursor.refuse_below("/interpolate", reason));
            }
        };
        let value = cursor.required("value")?;
        let parsed = yaml::parse_all(value.string()?)
            .map_err(|error| value.refuse(format!("the template is no YAML: {error}")))?;
        let reader = Reader {
            place: &value,
            names,
            expressions,
        };
        let mut documents = Vec::new();
        for document in parsed {
            match &document.value {
                Json::Null => {}
                Json::Object(_) => documents.push(reader.node(&document.value, 0)?),
                Json::String(text) if expressions && text.starts_with("((") => {
                    documents.push(reader.node(&document.value, 0)?);
                }
                _ => return Err(value.refuse("a document of the template is no object")),
            }
        }
        match documents.len() {
            0 => Err(value.refuse("the template holds no object")),
            1..=MAX_DOCUMENTS => Ok(Template { documents }),
            _ => Err(value.refuse(format!("the template holds more than {MAX_DOCUMENTS} objects"))),
        }
    }

    /// The objects, with the values of their expressions.
    pub(super) fn fill<'v>(&'v self, scope: &Scope<'v>) -> Result<Vec<Json>, Failure> {
        let filled = self.documents.iter().map(|document| {
            let object = document.fill(scope)?;
            if object.is_object() {
                Ok(object)
            } else {
                Err(Failure::new("a document of the template becomes no object"))
            }
        });
        filled.collect()
    }
}

impl Node {
    fn fill<'v>(&'v self, scope: &Scope<'v>) -> Result<Json, Failure> {
        scope.budget.spend(1)?;
        Ok(match self {
            Node::Literal(json) => scope.budget.copy(json)?,
            Node::Map(entries) => {
                let entries = entries
                    .iter()
                    .map(|(key, node)| Ok((key.clone(), node.fill(scope)?)));
                Json::Object(entries.collect::<Result<Map<_, _>, Failure>>()?)
            }
            Node::List(items) => {
                let items = items.iter().map(|item| item.fill(scope));
                Json::Array(items.collect::<Result<_, Failure>>()?)
            }
            Node::Whole(program) => scope.evaluate(program)?.to_json(scope.budget)?,
            Node::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Literal(literal) => text.push_str(literal),
                        Part::Value(program) => match scope.evaluate(program)?.to_json(scope.budget)? {
                            Json::String(value) => text.push_str(&value),
                            value @ (Json::Bool(_) | Json::Number(_)) => text.push_str(&value.to_string()),
                            _ => {
                                return Err(Failure::new(format!(
                                    "(( {} )) stands within a text and is neither text, number nor boolean",
                                    program.text
                                )));
                            }
                        },
                    }
                }
                scope.budget.spend(text.len() / 64)?;
                Json::String(text)
            }
        })
    }
}

struct Reader<'r, 'c> {
    place: &'r Cursor<'c>,
    names: Names<'r>,
    expressions: bool,
}

impl Reader<'_, '_> {
    fn node(&self, value: &Json, depth: usize) -> Result<Node, Refusal> {
        if depth > MAX_DEPTH {
            return Err(self
                .place
                .refuse(format!("the template nests deeper than {MAX_DEPTH} levels")));
        }
        if !self.expressions {
            return Ok(Node::Literal(value.clone()));
        }
        Ok(match value {
            Json::Object(fields) => {
                let entries = fields.iter().map(|(key, value)| {
                    if key.contains("((") {
                        let reason =
                            format!("the name {key:?} holds an expression: give the whole map by one");
                        return Err(self.place.refuse(reason));
                    }
                    Ok((key.clone(), self.node(value, depth + 1)?))
                });
                Node::Map(entries.collect::<Result<_, Refusal>>()?)
            }
            Json::Array(items) => {
                let items = items.iter().map(|item| self.node(item, depth + 1));
                Node::List(items.collect::<Result<_, Refusal>>()?)
            }
            Json::String(text) => self.text(text)?,
            other => Node::Literal(other.clone()),
        })
    }

    fn text(&self, text: &str) -> Result<Node, Refusal> {
        let mut parts: Vec<Part> = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("((") {
            let (before, after) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('\\') {
                literal.push_str(before);
                literal.push_str("((");
                rest = &after[2..];
                continue;
            }
            literal.push_str(before);
            let inside = &after[2..];
            let end = end_of(inside)
                .ok_or_else(|| self.place.refuse(format!("an expression does not end: {text:?}")))?;
            let expression = Json::String(inside[..end].trim().to_owned());
            let cursor = Cursor {
                origin: self.place.origin,
                value: &expression,
                pointer: self.place.pointer.clone(),
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Value(read_program(&cursor, self.names)?));
            rest = &inside[end + 2..];
        }
        literal.push_str(rest);
        if parts.is_empty() {
            return Ok(Node::Literal(Json::String(literal)));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let whole = parts.len() == 1;
        Ok(match parts.pop() {
            Some(Part::Value(program)) if whole => Node::Whole(program),
            last => {
                parts.extend(last);
                Node::Text(parts)
            }
        })
    }
}

/// Where the `))` of an expression stands: not within parentheses or texts of its own.
fn end_of(text: &str) -> Option<usize> {
    let (mut depth, mut quote) = (0_usize, None);
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (Some(_), '\\') => {
                letters.next();
            }
            (Some(open), letter) if letter == open => quote = None,
            (None, '"' | '\'') => quote = Some(letter),
            (None, '(') => depth += 1,
            (None, ')') if depth > 0 => depth -= 1,
            (None, ')') => return letters.peek().is_some_and(|(_, next)| *next == ')').then_some(at),
            _ => {}
        }
    }
    None
}
