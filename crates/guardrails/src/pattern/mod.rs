//! Kyverno's patterns: a tree of maps, lists and leaves, with anchors on the keys.
//!
//! [`Node::compile`] reads a pattern once, when the policy loads (or after its variables were filled in);
//! [`matches`] walks it beside an object. Only the pattern decides how deep the walk goes.
//!
//! Knows nothing of policies, rules or messages.

mod node;
mod scalar;
mod walk;

pub(crate) use node::{Node, escape};
pub(crate) use scalar::{Scalar, is_range};
pub(crate) use walk::{Finding, Mismatch, matches};

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]
pub(crate) mod tests;
