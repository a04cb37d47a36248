//! The JMESPath of trees of assertions (`validate.assert`): that of its community, with variables and arithmetic. A key
//! that is not there is a null, as in JMESPath itself and unlike in Kyverno's variables.

use serde_json::Value;

use super::arithmetic::number;
use super::evaluate::{argument, evaluate};
use super::seen::Seen;
use super::syntax::{self, Arithmetic, Dialect, Node};
use super::{MAX_LENGTH, QueryError, World};

/// What variables stand for.
pub(crate) trait Bindings {
    /// The value of a variable, by its name without the `$`.
    fn find(&self, name: &str) -> Result<Value, QueryError>;
}

/// An expression of a tree of assertions.
#[derive(Debug, Clone)]
pub(crate) struct TreeExpression(Node);

impl TreeExpression {
    /// Parses an expression; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<TreeExpression, String> {
        if text.len() > MAX_LENGTH {
            return Err("the expression is too long".to_owned());
        }
        syntax::parse(text, Dialect::Tree).map(TreeExpression)
    }

    /// Evaluates the expression on a value.
    pub(crate) fn query(
        &self,
        value: &Value,
        world: World<'_>,
        bindings: &dyn Bindings,
    ) -> Result<Value, QueryError> {
        let world = World {
            bindings: Some(bindings),
            ..world
        };
        evaluate(&self.0, Seen::Lent(value), world)?.own(world.budget)
    }
}

/// Variables of a `let`, before those around it.
struct Inner<'a> {
    own: Vec<(&'a str, Value)>,
    outer: World<'a>,
}

impl Bindings for Inner<'_> {
    fn find(&self, name: &str) -> Result<Value, QueryError> {
        match self.own.iter().rev().find(|(known, _)| *known == name) {
            Some((_, value)) => Ok(self.outer.budget.copy(value)?),
            None => variable(name, self.outer),
        }
    }
}

/// What a variable stands for.
pub(super) fn variable(name: &str, world: World<'_>) -> Result<Value, QueryError> {
    match world.bindings {
        Some(bindings) => bindings.find(name),
        None => Err(undefined(name)),
    }
}

/// What is said of a variable that stands for nothing.
pub(crate) fn undefined(name: &str) -> QueryError {
    QueryError::Failed(format!("variable not defined: ${name}"))
}

/// Evaluates an expression with variables, none of which sees another.
pub(super) fn with_variables(
    variables: &[(String, Node)],
    body: &Node,
    value: &Seen<'_>,
    world: World<'_>,
) -> Result<Value, QueryError> {
    let evaluated = |node: &Node| -> Result<Value, QueryError> {
        let found = argument(node, value.lend(world.budget)?, world)?;
        Seen::of(found).own(world.budget)
    };
    let own = variables
        .iter()
        .map(|(name, node)| Ok((name.as_str(), evaluated(node)?)));
    let inner = Inner {
        own: own.collect::<Result<_, QueryError>>()?,
        outer: world,
    };
    let world = World {
        bindings: Some(&inner),
        ..world
    };
    evaluate(body, value.lend(world.budget)?, world)?.own(world.budget)
}

/// Computes with two numbers; with anything else there is no result.
pub(super) fn compute(operator: Arithmetic, left: &Value, right: &Value) -> Result<Value, QueryError> {
    let (Some(left), Some(right)) = (left.as_f64(), right.as_f64()) else {
        return Ok(Value::Null);
    };
    let result = match operator {
        Arithmetic::Add => left + right,
        Arithmetic::Subtract => left - right,
        Arithmetic::Multiply => left * right,
        Arithmetic::Divide => left / right,
        Arithmetic::DivideWhole => (left / right).floor(),
        Arithmetic::Remainder => left % right,
    };
    number(result).ok_or_else(|| QueryError::Failed("the result of a calculation is no number".to_owned()))
}
