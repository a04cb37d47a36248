//! JMESPath as Kyverno means it: the grammar of the `jmespath` crate, an interpreter of our own.
//!
//! The crate's interpreter is not used because it knows no budget (a few `{a:@,b:@}` in a row make it
//! build values of any size) and because Kyverno tells a key that is not there (an error, unless `||` or
//! a function deals with it) from a key that is null.
//!
//! Knows nothing of policies; what a name such as `request` stands for is in the value it is given.

mod arithmetic;
mod evaluate;
mod functions;
mod semver;

use jmespath::ast::Ast;
use serde_json::Value;

use crate::budget::{Budget, Exhausted};

pub(crate) use evaluate::{equal, unknown};
pub(crate) use semver::Version;

/// The longest expression that is read, in bytes.
const MAX_LENGTH: usize = 16 * 1024;

/// The most operators, brackets and dots in an expression: bounds the parser's recursion.
const MAX_OPERATORS: usize = 400;

/// How deep a parsed expression may nest: bounds the interpreter's recursion.
const MAX_DEPTH: usize = 100;

/// An expression, parsed.
#[derive(Debug, Clone)]
pub(crate) struct Expression {
    ast: Ast,
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

impl Expression {
    /// Parses an expression; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Expression, String> {
        let operators = text
            .bytes()
            .filter(|byte| b".|[]({!&,<>=*".contains(byte))
            .count();
        if text.len() > MAX_LENGTH || operators > MAX_OPERATORS {
            return Err("the expression is too long".to_owned());
        }
        let ast = jmespath::parse(text).map_err(|error| {
            let reason = error.to_string();
            reason.lines().next().unwrap_or("it cannot be read").to_owned()
        })?;
        if deeper_than(&ast, MAX_DEPTH) {
            return Err(format!("the expression nests deeper than {MAX_DEPTH} levels"));
        }
        Ok(Expression { ast })
    }

    /// The first function in the expression that this engine does not have.
    pub(crate) fn unknown_function(&self) -> Option<&str> {
        let mut found = None;
        visit(&self.ast, &mut |ast| {
            if let Ast::Function { name, .. } = ast
                && found.is_none()
                && !functions::is_known(name)
            {
                found = Some(name.as_str());
            }
        });
        found
    }

    /// Evaluates the expression on a value.
    pub(crate) fn query(&self, root: &Value, budget: &Budget) -> Result<Value, QueryError> {
        evaluate::query(&self.ast, root, budget)
    }

    /// The plain path the expression starts with, such as `["request", "object", "spec"]`.
    pub(crate) fn leading_path(&self) -> Vec<&str> {
        let mut path = Vec::new();
        leading(&self.ast, &mut path);
        path
    }
}

/// Collects plain keys from the left; answers whether the path may go on.
fn leading<'a>(ast: &'a Ast, path: &mut Vec<&'a str>) -> bool {
    match ast {
        Ast::Field { name, .. } => {
            path.push(name);
            true
        }
        Ast::Subexpr { lhs, rhs, .. } => leading(lhs, path) && leading(rhs, path),
        Ast::Or { lhs, .. } | Ast::Comparison { lhs, .. } | Ast::Projection { lhs, .. } => {
            leading(lhs, path);
            false
        }
        Ast::Not { node, .. } | Ast::Flatten { node, .. } | Ast::ObjectValues { node, .. } => {
            leading(node, path);
            false
        }
        Ast::Function { args, .. } => {
            for arg in args {
                leading(arg, path);
                if !path.is_empty() {
                    break;
                }
            }
            false
        }
        _ => false,
    }
}

fn visit<'a>(ast: &'a Ast, seen: &mut impl FnMut(&'a Ast)) {
    seen(ast);
    for child in children(ast) {
        visit(child, seen);
    }
}

fn deeper_than(ast: &Ast, limit: usize) -> bool {
    let children = children(ast);
    !children.is_empty() && (limit == 0 || children.into_iter().any(|child| deeper_than(child, limit - 1)))
}

fn children(ast: &Ast) -> Vec<&Ast> {
    match ast {
        Ast::Comparison { lhs, rhs, .. }
        | Ast::And { lhs, rhs, .. }
        | Ast::Or { lhs, rhs, .. }
        | Ast::Projection { lhs, rhs, .. }
        | Ast::Subexpr { lhs, rhs, .. } => vec![lhs, rhs],
        Ast::Condition { predicate, then, .. } => vec![predicate, then],
        Ast::Expref { ast: node, .. }
        | Ast::Flatten { node, .. }
        | Ast::Not { node, .. }
        | Ast::ObjectValues { node, .. } => vec![node],
        Ast::Function { args, .. } => args.iter().collect(),
        Ast::MultiList { elements, .. } => elements.iter().collect(),
        Ast::MultiHash { elements, .. } => elements.iter().map(|pair| &pair.value).collect(),
        Ast::Identity { .. }
        | Ast::Field { .. }
        | Ast::Index { .. }
        | Ast::Literal { .. }
        | Ast::Slice { .. } => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
