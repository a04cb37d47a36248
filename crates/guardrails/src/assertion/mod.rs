//! Trees of assertions (`validate.assert`): an object is held against a tree of the same shape, in which keys and values
//! in parentheses are JMESPath.
//!
//! A key is a field, or an expression on the value; `~.key` and `~name.key` mean every item of it, `key->name` keeps it
//! as the variable `$name` for what follows. Every value that is not as it should be is a violation. What cannot be
//! compared or evaluated is an error, whatever else was found.
//!
//! Knows nothing of requests: what is asserted of is a value.

mod compare;
mod written;

use serde_json::Value;

use self::written::Written;
use crate::MAX_DEPTH;
use crate::cursor::{Cursor, Refusal};
use crate::element::below;
use crate::jmespath::{Bindings, QueryError, Seen, TreeExpression, World, as_json, known};

/// How many violations of one object are told.
const MAX_VIOLATIONS: usize = 100;

/// The field that keys see and expressions do not: Kyverno's have no value for what is in it.
const NAMESPACE_LABELS: &str = "namespaceLabels";

/// A tree, read.
#[derive(Debug, Clone)]
pub(crate) struct Assertion(Node);

#[derive(Debug, Clone)]
enum Node {
    Map(Vec<(Key, Node)>),
    List(Vec<Node>),
    Plain(Value),
    Expression(TreeExpression),
    /// What would be an expression, but for something that only keys may have.
    Misplaced(&'static str, String),
}

/// A key of a map.
#[derive(Debug, Clone)]
struct Key {
    /// As it is written, for messages.
    text: String,
    /// Every item is meant.
    each: bool,
    /// The variable that the place of an item becomes.
    index: Option<String>,
    variable: Option<String>,
    what: What,
}

#[derive(Debug, Clone)]
enum What {
    Field(String),
    Expression(TreeExpression),
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Violation {
    /// Where, in the words of the tree.
    pub(crate) place: String,
    /// Where in the value, as far as the tree says so.
    pub(crate) pointer: Option<String>,
    reason: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.place, self.reason)
    }
}

impl Assertion {
    /// Reads a tree.
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<Assertion, Refusal> {
        cursor.object()?;
        Node::read(cursor, 0).map(Assertion)
    }

    /// What of a value is not as the tree has it. `outer` has the variables that the tree does not make itself.
    pub(crate) fn judge(
        &self,
        value: &Value,
        namespace_labels: &Value,
        world: World<'_>,
        outer: &dyn Bindings,
    ) -> Result<Vec<Violation>, QueryError> {
        let mut walk = Walk {
            world,
            namespace_labels,
            outer,
            variables: Vec::new(),
            violations: Vec::new(),
        };
        let root = Place {
            text: String::new(),
            pointer: Some(String::new()),
        };
        walk.node(&self.0, value, &root)?;
        Ok(walk.violations)
    }
}

impl Node {
    fn read(cursor: &Cursor<'_>, depth: usize) -> Result<Node, Refusal> {
        if depth > MAX_DEPTH {
            return Err(cursor.refuse(format!("the assertion nests deeper than {MAX_DEPTH} levels")));
        }
        let expression = |text: &str| {
            TreeExpression::parse(text)
                .map_err(|reason| cursor.refuse(format!("cannot read the expression: {reason}")))
        };
        Ok(match cursor.value {
            Value::Object(map) => {
                let pairs = map.keys().filter_map(|text| Some((text, cursor.entry(text)?)));
                let pairs =
                    pairs.map(|(text, below)| Ok((Key::read(text, &below)?, Node::read(&below, depth + 1)?)));
                Node::Map(pairs.collect::<Result<_, Refusal>>()?)
            }
            Value::Array(_) => {
                let items = cursor.items()?;
                let nodes = items.iter().map(|item| Node::read(item, depth + 1));
                Node::List(nodes.collect::<Result<_, _>>()?)
            }
            Value::String(text) => match Written::of(text) {
                Written {
                    expression: Some(_),
                    index: Some(_),
                    ..
                } => Node::Misplaced("foreach is not supported on the RHS", text.clone()),
                Written {
                    expression: Some(_),
                    variable: Some(_),
                    ..
                } => Node::Misplaced("binding is not supported on the RHS", text.clone()),
                Written {
                    expression: Some(text),
                    ..
                } => Node::Expression(expression(text)?),
                Written { expression: None, .. } => Node::Plain(cursor.value.clone()),
            },
            other => Node::Plain(other.clone()),
        })
    }
}

impl Key {
    fn read(text: &str, cursor: &Cursor<'_>) -> Result<Key, Refusal> {
        let written = Written::of(text);
        Ok(Key {
            text: text.to_owned(),
            each: written.each,
            index: written.index.map(str::to_owned),
            variable: written.variable.map(str::to_owned),
            what: match written.expression {
                Some(text) => What::Expression(
                    TreeExpression::parse(text)
                        .map_err(|reason| cursor.refuse(format!("cannot read the expression: {reason}")))?,
                ),
                None => What::Field(written.field.to_owned()),
            },
        })
    }
}

/// Where a walk is.
#[derive(Debug, Clone)]
struct Place {
    text: String,
    pointer: Option<String>,
}

impl Place {
    fn key(&self, key: &Key) -> Place {
        let text = if self.text.is_empty() {
            key.text.clone()
        } else {
            format!("{}.{}", self.text, key.text)
        };
        let pointer = match &key.what {
            What::Field(name) => self.pointer.clone().map(|pointer| below(pointer, &[name])),
            What::Expression(_) => None,
        };
        Place { text, pointer }
    }

    fn item(&self, at: &str) -> Place {
        Place {
            text: format!("{}[{at}]", self.text),
            pointer: self.pointer.clone().map(|pointer| below(pointer, &[at])),
        }
    }

    fn failed(&self, reason: &str) -> QueryError {
        QueryError::Failed(format!("{}: {reason}", self.text))
    }
}

/// The way through a value.
struct Walk<'a> {
    world: World<'a>,
    namespace_labels: &'a Value,
    outer: &'a dyn Bindings,
    /// The variables that keys made, the latest last.
    variables: Vec<(String, Value)>,
    violations: Vec<Violation>,
}

/// The variables of a walk.
struct Variables<'a> {
    own: &'a [(String, Value)],
    outer: &'a dyn Bindings,
    world: World<'a>,
}

impl Bindings for Variables<'_> {
    fn find(&self, name: &str) -> Result<Value, QueryError> {
        match self.own.iter().rev().find(|(known, _)| known == name) {
            Some((_, value)) => Ok(self.world.budget.copy(value)?),
            None => self.outer.find(name),
        }
    }
}

impl Walk<'_> {
    fn node(&mut self, node: &Node, value: &Value, place: &Place) -> Result<(), QueryError> {
        self.world.budget.spend(1)?;
        match node {
            Node::Map(pairs) if pairs.is_empty() => {
                if value.is_null() {
                    self.violation(place, value, "invalid value, must not be null");
                }
                Ok(())
            }
            Node::Map(pairs) => {
                let known = self.variables.len();
                for (key, node) in pairs {
                    self.pair(key, node, value, place)?;
                }
                self.variables.truncate(known);
                Ok(())
            }
            Node::List(nodes) => match value {
                Value::Null => {
                    self.violation(place, value, "value is null");
                    Ok(())
                }
                Value::Array(items) if items.len() == nodes.len() => {
                    let mut pairs = nodes.iter().zip(items).enumerate();
                    pairs.try_for_each(|(at, (node, item))| {
                        self.node(node, item, &place.item(&at.to_string()))
                    })
                }
                Value::Array(_) => {
                    self.violation(place, value, "lengths of slices don't match");
                    Ok(())
                }
                _ => Err(place.failed(&format!("Invalid value: {}: expected a slice", as_json(value)))),
            },
            Node::Plain(wanted) => self.compare(wanted, value, place),
            Node::Expression(expression) => {
                let wanted = self.query(expression, value, place)?;
                self.compare(&wanted, value, place)
            }
            Node::Misplaced(reason, text) => Err(place.failed(&format!("Invalid value: {text:?}: {reason}"))),
        }
    }

    fn pair(&mut self, key: &Key, node: &Node, value: &Value, place: &Place) -> Result<(), QueryError> {
        let at = place.key(key);
        let made;
        let found = match (&key.what, value) {
            (What::Expression(expression), value) => {
                made = self.query(expression, value, &at)?;
                &made
            }
            (What::Field(name), Value::Object(_)) if name == NAMESPACE_LABELS && place.text.is_empty() => {
                self.namespace_labels
            }
            (What::Field(name), Value::Object(map)) => {
                let Some(found) = map.get(name) else {
                    self.missing(at);
                    return Ok(());
                };
                known(found)?;
                found
            }
            (What::Field(_), Value::Null) => {
                self.missing(at);
                return Ok(());
            }
            _ => return Err(at.failed("Internal error: projection not recognized")),
        };
        if let Some(name) = &key.variable {
            let bound = self.world.budget.copy(found)?;
            self.variables.push((name.clone(), bound));
        }
        if !key.each {
            return self.node(node, found, &at);
        }
        let known = self.variables.len();
        let item = |walk: &mut Self, index: Value, item: &Value, at: &Place| {
            if let Some(name) = &key.index {
                walk.variables.push((name.clone(), index));
            }
            let done = walk.node(node, item, at);
            walk.variables.truncate(known);
            done
        };
        match found {
            Value::Array(items) => items.iter().enumerate().try_for_each(|(index, value)| {
                item(self, Value::from(index), value, &at.item(&index.to_string()))
            }),
            Value::Object(map) => map.iter().try_for_each(|(index, value)| {
                item(self, Value::from(index.as_str()), value, &at.item(index))
            }),
            other => {
                let reason = format!("Invalid value: {}: expected a slice or a map", as_json(other));
                Err(at.failed(&reason))
            }
        }
    }

    fn query(&self, expression: &TreeExpression, value: &Value, place: &Place) -> Result<Value, QueryError> {
        if value.is_object() && place.text.starts_with(NAMESPACE_LABELS) {
            return Err(QueryError::Unknown(
                "what an expression says of namespaceLabels".to_owned(),
            ));
        }
        let variables = Variables {
            own: &self.variables,
            outer: self.outer,
            world: self.world,
        };
        let found = expression
            .query(value, self.world, &variables)
            .map_err(|error| match error {
                QueryError::Failed(reason) => place.failed(&format!("Internal error: {reason}")),
                other => other,
            })?;
        match Seen::Lent(&found).unknown(true) {
            Some(what) => Err(QueryError::Unknown(what.to_owned())),
            None => Ok(found),
        }
    }

    fn compare(&mut self, wanted: &Value, value: &Value, place: &Place) -> Result<(), QueryError> {
        let matches = compare::matches(wanted, value, self.world.budget).map_err(|error| match error {
            QueryError::Failed(reason) => place.failed(&format!("Internal error: {reason}")),
            other => other,
        })?;
        if !matches {
            let wanted = match wanted {
                Value::Null => "<nil>".to_owned(),
                other => shown(other),
            };
            self.violation(place, value, &format!("Expected value: {wanted}"));
        }
        Ok(())
    }

    fn violation(&mut self, place: &Place, value: &Value, reason: &str) {
        let shown = if self.world.budget.pay_for(value).is_ok() {
            shown(value)
        } else {
            "a large value".to_owned()
        };
        let reason = format!("Invalid value: {shown}: {reason}");
        self.say(place.clone(), reason);
    }

    fn missing(&mut self, place: Place) {
        let reason = "Required value: field not found in the input object";
        self.say(place, reason.to_owned());
    }

    fn say(&mut self, place: Place, reason: String) {
        if self.violations.len() < MAX_VIOLATIONS {
            self.violations.push(Violation {
                place: place.text,
                pointer: place.pointer,
                reason,
            });
        }
    }
}

/// A value in a message: a text in quotes, anything else as JSON.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        other => as_json(other),
    }
}
