//! CEL rules of custom resources: `x-kubernetes-validations`.
//!
//! `read` makes a tree of rules out of a schema, or says in the words of the API server what is wrong with them; `shape`
//! is what expressions see of the values of that schema; `judge` holds an object against the rules.
//!
//! Not here: how much a rule may cost is not estimated when the definition is made. What costs too much on an object is an
//! error on that object.

mod judge;
mod read;
mod shape;

use cel::{Program, Root};

pub(crate) use read::{check, read};
use shape::Shape;
pub(crate) use shape::names;

/// The value at the rule's place, and the value that was there before.
const SELF: Root = Root("self");
const OLD_SELF: Root = Root("oldSelf");

/// The rules of one schema.
#[derive(Debug, Default)]
pub(crate) struct Rules(Option<Node>);

impl Rules {
    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

/// The rules at one place of a schema, and below it.
#[derive(Debug)]
struct Node {
    rules: Vec<Rule>,
    shape: Shape,
    /// Whether there are rules here or anywhere below.
    any: bool,
}

/// One rule, ready.
#[derive(Debug)]
struct Rule {
    program: Program,
    /// What is said when it does not hold, and how it is named in errors.
    message: String,
    name: String,
    message_expression: Option<Program>,
    /// The reason in the cause.
    reason: &'static str,
    /// What is added to the path of the value.
    field_path: String,
    /// Whether it looks at the old value.
    transition: bool,
    /// Whether it is asked even when there is no old value.
    optional_old: bool,
}
