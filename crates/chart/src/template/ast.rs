//! The tree of a template. Nodes carry the byte offset they start at, and print themselves the way Go
//! prints its own nodes, because error messages quote them.

use std::fmt;
use std::sync::Arc;

use crate::functions::Function;

/// One named template: a file's own text, or a `define` in it.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) body: Vec<Node>,
    /// The text of the whole file, for lines and columns.
    pub(crate) source: Arc<str>,
}

impl Template {
    /// Whether it prints nothing but blanks, so that it does not replace a template of the same name.
    pub(crate) fn is_blank(&self) -> bool {
        self.body
            .iter()
            .all(|node| matches!(node, Node::Text(text) if text.trim().is_empty()))
    }

    /// The line, from 1, and the column, from 0 as Go counts, of an offset.
    pub(crate) fn place(&self, offset: u32) -> (usize, usize) {
        let before = self.source.get(..offset as usize).unwrap_or(&self.source);
        let line = 1 + before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before
            .rfind('\n')
            .map_or(before.len(), |newline| before.len() - newline - 1);
        (line, column)
    }
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(Arc<str>),
    Action(Pipeline),
    If(Branch),
    With(Branch),
    Range(Branch),
    /// `{{ template "name" pipeline }}`, and what `block` leaves behind.
    Template {
        offset: u32,
        name: Arc<str>,
        pipeline: Option<Pipeline>,
    },
    Break,
    Continue,
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipeline: Pipeline,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Option<Vec<Node>>,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) offset: u32,
    /// `=` rather than `:=`.
    pub(crate) assigns: bool,
    /// Names with their `$`.
    pub(crate) variables: Vec<Arc<str>>,
    pub(crate) commands: Vec<Command>,
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) offset: u32,
    pub(crate) operands: Vec<Operand>,
}

#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) offset: u32,
    pub(crate) term: Term,
}

#[derive(Debug)]
pub(crate) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Number(NumberTerm),
    /// The text as written, quotes included, and what it means.
    Str {
        written: Arc<str>,
        value: Arc<str>,
    },
    Field(Vec<Arc<str>>),
    /// The name with its `$`, then fields.
    Variable(Arc<str>, Vec<Arc<str>>),
    Function(&'static Function),
    /// Fields of something that is not a field or variable itself.
    Chain(Box<Operand>, Vec<Arc<str>>),
    Pipeline(Box<Pipeline>),
}

/// A number and which of Go's types could hold it.
#[derive(Debug)]
pub(crate) struct NumberTerm {
    pub(crate) written: Arc<str>,
    pub(crate) int: Option<i64>,
    pub(crate) float: Option<f64>,
    /// Without a type to go by it is a float.
    pub(crate) prefers_float: bool,
}

fn write_fields(formatter: &mut fmt::Formatter<'_>, fields: &[Arc<str>]) -> fmt::Result {
    fields.iter().try_for_each(|field| write!(formatter, ".{field}"))
}

impl fmt::Display for Operand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.term {
            Term::Dot => formatter.write_str("."),
            Term::Nil => formatter.write_str("nil"),
            Term::Bool(value) => write!(formatter, "{value}"),
            Term::Number(number) => formatter.write_str(&number.written),
            Term::Str { written, .. } => formatter.write_str(written),
            Term::Field(fields) => write_fields(formatter, fields),
            Term::Variable(name, fields) => {
                formatter.write_str(name)?;
                write_fields(formatter, fields)
            }
            Term::Function(function) => formatter.write_str(function.name),
            Term::Chain(inner, fields) => {
                if let Term::Pipeline(pipeline) = &inner.term {
                    write!(formatter, "({pipeline})")?;
                } else {
                    write!(formatter, "{inner}")?;
                }
                write_fields(formatter, fields)
            }
            Term::Pipeline(pipeline) => write!(formatter, "{pipeline}"),
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, operand) in self.operands.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" ")?;
            }
            if let Term::Pipeline(pipeline) = &operand.term {
                write!(formatter, "({pipeline})")?;
            } else {
                write!(formatter, "{operand}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.variables.is_empty() {
            let sign = if self.assigns { "=" } else { ":=" };
            write!(formatter, "{} {sign} ", self.variables.join(", "))?;
        }
        for (index, command) in self.commands.iter().enumerate() {
            if index > 0 {
                formatter.write_str(" | ")?;
            }
            write!(formatter, "{command}")?;
        }
        Ok(())
    }
}

/// `{{template "name" pipeline}}`, as errors about such a node quote it.
pub(crate) struct TemplateCall<'tree> {
    pub(crate) name: &'tree str,
    pub(crate) pipeline: Option<&'tree Pipeline>,
}

impl fmt::Display for TemplateCall<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{{{{template {:?}", self.name)?;
        if let Some(pipeline) = self.pipeline {
            write!(formatter, " {pipeline}")?;
        }
        formatter.write_str("}}")
    }
}
