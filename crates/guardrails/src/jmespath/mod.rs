//! JMESPath as Kyverno means it: its grammar, its functions and those that Kyverno adds.
//!
//! All of it is our own: an interpreter needs a budget (a few `{a:@,b:@}` in a row build values of any size),
//! and Kyverno tells a key that is not there (an error, unless `||`, `|` or a function deals with it) from a
//! key that is null.
//!
//! Knows nothing of policies; what a name such as `request` stands for is in the value it is given.

mod arithmetic;
mod evaluate;
mod functions;
mod seen;
mod syntax;
mod tokens;
mod tree;
mod written;

use ::cel::budget::{Budget, Exhausted};
use serde_json::Value;

use crate::facts::{Facts, NoFacts};
use syntax::{Dialect, Node};

pub(crate) use evaluate::{equal, unknown};
pub(crate) use functions::{CHANCE, decode as decode_certificate, md5, sha1, text_like};
pub(crate) use seen::{Fields, Names, Seen, known};
pub(crate) use tree::{Bindings, TreeExpression, undefined};
pub(crate) use written::{as_json, as_text};

/// The longest expression that is read, in bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// An expression, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    node: Node,
}

/// What an evaluation has beside the value: what it may cost, and whom it may ask.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    pub(crate) budget: &'a Budget,
    pub(crate) facts: &'a dyn Facts,
    /// What the variables of a tree of assertions stand for; none in Kyverno's own dialect.
    bindings: Option<&'a dyn Bindings>,
}

impl<'a> World<'a> {
    /// That of Kyverno's variables.
    pub(crate) fn new(budget: &'a Budget, facts: &'a dyn Facts) -> World<'a> {
        World {
            budget,
            facts,
            bindings: None,
        }
    }

    /// Whether it is that of a tree of assertions: a key that is not there is a null, and nothing below a null is
    /// evaluated.
    fn is_tree(&self) -> bool {
        self.bindings.is_some()
    }
}

/// Why a query gives no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum QueryError {
    /// A key on the way is not there.
    NotFound(String),
    /// A fact that is not known where the policy is evaluated, such as who asks.
    Unknown(String),
    /// The expression or a function in it cannot be evaluated.
    Failed(String),
    /// The budget is used up.
    Exhausted(Exhausted),
}

impl From<Exhausted> for QueryError {
    fn from(exhausted: Exhausted) -> QueryError {
        QueryError::Exhausted(exhausted)
    }
}

impl std::fmt::Display for QueryError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            QueryError::NotFound(key) => write!(formatter, "Unknown key \"{key}\" in path"),
            QueryError::Unknown(what) => write!(formatter, "{what} is not known here"),
            QueryError::Failed(reason) => formatter.write_str(reason),
            QueryError::Exhausted(exhausted) => exhausted.fmt(formatter),
        }
    }
}

/// What an expression finds in a value, within the budget of one rule; the error says why it finds nothing.
pub fn query(expression: &str, value: &Value) -> Result<Value, String> {
    let expression = Expression::parse(expression)?;
    let budget = Budget::default();
    let world = World::new(&budget, &NoFacts);
    expression.query(value, world).map_err(|error| error.to_string())
}

impl Expression {
    /// Parses an expression; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Expression, String> {
        if text.len() > MAX_LENGTH {
            return Err("the expression is too long".to_owned());
        }
        let node = syntax::parse(text, Dialect::Kyverno)?;
        Ok(Expression { node })
    }

    /// The first function in the expression that does not exist.
    pub(crate) fn unknown_function(&self) -> Option<&str> {
        unknown_function(&self.node)
    }

    /// Evaluates the expression on a value.
    pub(crate) fn query(&self, root: &Value, world: World<'_>) -> Result<Value, QueryError> {
        self.look(Seen::Lent(root), world)?.own(world.budget)
    }

    /// Evaluates the expression, and copies nothing that need not be.
    pub(crate) fn look<'a>(&'a self, root: Seen<'a>, world: World<'_>) -> Result<Seen<'a>, QueryError> {
        evaluate::evaluate(&self.node, root, world)
    }

    /// The plain path the expression starts with, such as `["request", "object", "spec"]`.
    pub(crate) fn leading_path(&self) -> Vec<&str> {
        let mut path = Vec::new();
        leading(&self.node, &mut path);
        path
    }
}

fn unknown_function(node: &Node) -> Option<&str> {
    match node {
        Node::Call(callee, _) if !callee.is_known() => Some(&callee.name),
        node => node.children().into_iter().find_map(unknown_function),
    }
}

/// Collects plain keys from the left; answers whether the path may go on.
fn leading<'a>(node: &'a Node, path: &mut Vec<&'a str>) -> bool {
    match node {
        Node::Field(name) => {
            path.push(name);
            true
        }
        Node::Below(left, right) | Node::Pipe(left, right) => leading(left, path) && leading(right, path),
        Node::Or(node, _)
        | Node::Compare(_, node, _)
        | Node::Each(node, _)
        | Node::Filter(node, _, _)
        | Node::Values(node, _)
        | Node::Not(node)
        | Node::Flatten(node) => {
            leading(node, path);
            false
        }
        Node::Call(_, arguments) => {
            for argument in arguments {
                leading(argument, path);
                if !path.is_empty() {
                    break;
                }
            }
            false
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
