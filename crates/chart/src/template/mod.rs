//! Go's `text/template` language: reading it, and running it on the values of a render.
//!
//! The language knows nothing of charts; what a chart adds comes in through the functions and objects it
//! is given.

mod ast;
mod calls;
mod engine;
mod evaluate;
mod lexer;
mod literals;
mod parser;
mod powers;
pub(crate) mod printing;
mod run;

pub(crate) use engine::{Bound, Engine, Failure, Scope};
pub(crate) use parser::{ParseError, ParsedFile, parse};
