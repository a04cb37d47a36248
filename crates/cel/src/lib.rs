//! The Common Expression Language, with the libraries that Kubernetes gives it.
//!
//! An expression is read by `parse`, given its meaning by `compile` and evaluated step by step by `evaluate`, on values
//! that stay where they are. `functions` has the libraries. Everything is bounded: length, depth, steps ([`Budget`]), the
//! size of what is made. What has no value is a [`Failure`], and whoever asks decides what becomes of it.
//!
//! Nothing here knows of policies or definitions. What an expression finds around it is a [`Host`]: its variables, and
//! functions that are neither CEL's nor Kubernetes' own.

pub mod budget;
pub mod check;
mod compile;
pub mod escapes;
mod evaluate;
mod failure;
mod functions;
mod moment;
mod opaque;
mod parse;
pub mod quantity;
pub mod regexes;
pub mod semver;
#[cfg(test)]
mod tests;
mod token;
mod value;

pub use budget::Budget;
pub use compile::{Library, Names, Program, Root};
pub use evaluate::{Evaluated, Host, Scope};
pub use failure::Failure;
pub use functions::{Args, Style, key_text, names, no_overload};
pub use moment::{Civil, Timestamp};
pub use opaque::{Foreign, Opaque};
pub use parse::{RESERVED, Unreadable};
pub use value::{Fields, Key, List, Text, Value};
