//! Go's `text/template` language: reading it, and running it on the values of a render.
//!
//! The language knows nothing of charts; what a chart adds comes in through the functions and objects it
//! is given.

mod ast;
mod evaluator;
mod lexer;
mod parser;
pub(crate) mod printing;

pub(crate) use evaluator::{Bound, Engine, Failure, Scope};
pub(crate) use parser::{ParseError, ParsedFile, parse};
