//! Runs a template node by node: text, conditions, loops, calls of other templates. After Go's
//! `text/template/exec.go`. How values are worked out is in `evaluate`.

use std::fmt;
use std::sync::Arc;

use super::ast::{Branch, Node, Pipeline, TemplateCall};
use super::engine::{Bound, Engine, ExecError};
use super::printing;
use crate::value::Value;

/// Where a run stands, for errors: an offset and what stands there.
#[derive(Clone, Copy)]
pub(super) struct At<'tree> {
    pub(super) offset: u32,
    pub(super) context: &'tree dyn fmt::Display,
}

/// How a list of nodes was left.
#[derive(PartialEq, Eq)]
enum Flow {
    Through,
    Break,
    Continue,
}

pub(super) type Result<T, E = Box<ExecError>> = std::result::Result<T, E>;

/// One execution of one template.
pub(super) struct Run<'engine, 'render, 'tree> {
    pub(super) engine: &'engine Engine<'render>,
    pub(super) bound: &'tree Bound,
    pub(super) at: At<'tree>,
    pub(super) variables: Vec<(Arc<str>, Value)>,
    out: String,
}

impl<'engine, 'render, 'tree> Run<'engine, 'render, 'tree> {
    pub(super) fn new(engine: &'engine Engine<'render>, bound: &'tree Bound, data: &Value) -> Self {
        Self {
            engine,
            bound,
            at: At {
                offset: 0,
                context: &"",
            },
            variables: vec![(Arc::from("$"), data.clone())],
            out: String::new(),
        }
    }

    /// Runs the whole template and gives its output.
    pub(super) fn whole(mut self, data: &Value) -> Result<String> {
        self.nodes(data, &self.bound.template.body)?;
        Ok(self.out)
    }
}

impl<'tree> Run<'_, '_, 'tree> {
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "every result of a run carries the box"
    )]
    pub(super) fn fail_with(&self, message: &str, refusal: Option<String>) -> Box<ExecError> {
        let (line, column) = self.bound.template.place(self.at.offset);
        let (file, name) = (&self.bound.file, printing::quote(&self.bound.name));
        Box::new(ExecError {
            text: format!(
                "template: {file}:{line}:{column}: executing {name} at <{}>: {message}",
                self.at.context
            ),
            file: Arc::clone(file),
            line,
            column,
            refusal,
        })
    }

    pub(super) fn fail<T>(&self, message: impl AsRef<str>) -> Result<T> {
        Err(self.fail_with(message.as_ref(), None))
    }

    pub(super) fn spend(&self) -> Result<()> {
        self.engine
            .budget
            .spend(1)
            .map_err(|message| self.fail_with(&message, None))
    }

    pub(super) fn stack(&self) -> Result<()> {
        self.engine
            .budget
            .stack()
            .map_err(|message| self.fail_with(&message, None))
    }

    fn nodes(&mut self, dot: &Value, nodes: &'tree [Node]) -> Result<Flow> {
        self.stack()?;
        for node in nodes {
            self.spend()?;
            let flow = match node {
                Node::Text(text) => {
                    self.print_text(text)?;
                    Flow::Through
                }
                Node::Action(pipeline) => {
                    let value = self.pipeline(dot, pipeline)?;
                    if pipeline.variables.is_empty() {
                        self.print(&value)?;
                    }
                    Flow::Through
                }
                Node::If(branch) => self.condition(dot, branch, false)?,
                Node::With(branch) => self.condition(dot, branch, true)?,
                Node::Range(branch) => self.range(dot, branch)?,
                Node::Template {
                    offset,
                    name,
                    pipeline,
                } => {
                    self.call_template(dot, *offset, name, pipeline.as_ref())?;
                    Flow::Through
                }
                Node::Break => Flow::Break,
                Node::Continue => Flow::Continue,
            };
            if flow != Flow::Through {
                return Ok(flow);
            }
        }
        Ok(Flow::Through)
    }

    pub(super) fn print_text(&mut self, text: &str) -> Result<()> {
        self.engine
            .budget
            .text(text.len())
            .map_err(|message| self.fail_with(&message, None))?;
        if self.out.len() + text.len() > self.engine.budget.limits().text {
            return self.fail(format!(
                "the output is longer than {} bytes",
                self.engine.budget.limits().text
            ));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn print(&mut self, value: &Value) -> Result<()> {
        match value {
            Value::Missing => self.print_text("<no value>"),
            Value::Str(text) => self.print_text(text),
            other => {
                let text = printing::display(self.engine, other)
                    .map_err(|message| self.fail_with(&message, None))?;
                self.print_text(&text)
            }
        }
    }

    fn condition(&mut self, dot: &Value, branch: &'tree Branch, moves_dot: bool) -> Result<Flow> {
        let mark = self.variables.len();
        let value = self.pipeline(dot, &branch.pipeline)?;
        let flow = if value.truth() {
            self.nodes(if moves_dot { &value } else { dot }, &branch.body)?
        } else if let Some(otherwise) = &branch.otherwise {
            self.nodes(dot, otherwise)?
        } else {
            Flow::Through
        };
        self.variables.truncate(mark);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, branch: &'tree Branch) -> Result<Flow> {
        let outer = self.variables.len();
        let collection = self.pipeline(dot, &branch.pipeline)?;
        let mark = self.variables.len();
        let several = branch.pipeline.variables.len() > 1;
        let mut ran = false;
        match &collection {
            Value::Missing | Value::Nil => {}
            Value::Int(count) | Value::Int64(count) => {
                if several {
                    return self.fail(format!(
                        "can't use {count} to iterate over more than one variable"
                    ));
                }
                let is_int = matches!(collection, Value::Int(_));
                for number in 0..*count {
                    ran = true;
                    let element = if is_int {
                        Value::Int(number)
                    } else {
                        Value::Int64(number)
                    };
                    if self.iteration(branch, mark, Value::Missing, &element)? == Flow::Break {
                        break;
                    }
                }
            }
            Value::List(list) => {
                for (index, element) in list.items.iter().enumerate() {
                    ran = true;
                    if self.iteration(branch, mark, Value::Int(index as i64), element)? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Octets(bytes) => {
                for (index, byte) in bytes.iter().enumerate() {
                    ran = true;
                    let element = Value::Int(i64::from(*byte));
                    if self.iteration(branch, mark, Value::Int(index as i64), &element)? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Map(map) => {
                // The body may change the map, so it is the one of this moment that is walked.
                let entries: Vec<(Arc<str>, Value)> = map
                    .entries
                    .borrow()
                    .iter()
                    .map(|(key, value)| (Arc::clone(key), value.clone()))
                    .collect();
                for (key, element) in entries {
                    ran = true;
                    if self.iteration(branch, mark, Value::Str(key), &element)? == Flow::Break {
                        break;
                    }
                }
            }
            Value::Object(object) if object.elements().is_some() => {
                for (key, element) in object.elements().unwrap_or_default() {
                    ran = true;
                    if self.iteration(branch, mark, key, &element)? == Flow::Break {
                        break;
                    }
                }
            }
            other => {
                let shown = printing::display(self.engine, other)
                    .map_err(|message| self.fail_with(&message, None))?;
                return self.fail(format!("range can't iterate over {shown}"));
            }
        }
        let mut flow = Flow::Through;
        if !ran && let Some(otherwise) = &branch.otherwise {
            flow = self.nodes(dot, otherwise)?;
        }
        self.variables.truncate(outer);
        Ok(flow)
    }

    fn iteration(&mut self, branch: &'tree Branch, mark: usize, key: Value, element: &Value) -> Result<Flow> {
        self.spend()?;
        let pipeline = &branch.pipeline;
        match pipeline.variables.as_slice() {
            [] => {}
            [one] if pipeline.assigns => self.assign(one, element.clone())?,
            [first, second, ..] if pipeline.assigns => {
                self.assign(first, key)?;
                self.assign(second, element.clone())?;
            }
            [_] => self.variables[mark - 1].1 = element.clone(),
            [_, _, ..] => {
                self.variables[mark - 1].1 = element.clone();
                self.variables[mark - 2].1 = key;
            }
        }
        let flow = self.nodes(element, &branch.body)?;
        self.variables.truncate(mark);
        Ok(flow)
    }

    pub(super) fn assign(&mut self, name: &str, value: Value) -> Result<()> {
        match self
            .variables
            .iter_mut()
            .rev()
            .find(|(known, _)| **known == *name)
        {
            Some(slot) => {
                slot.1 = value;
                Ok(())
            }
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    fn call_template(
        &mut self,
        dot: &Value,
        offset: u32,
        name: &'tree Arc<str>,
        pipeline: Option<&'tree Pipeline>,
    ) -> Result<()> {
        let found = self.engine.scope.borrow().find(name);
        let Some(bound) = found else {
            let call = TemplateCall { name, pipeline };
            let (line, column) = self.bound.template.place(offset);
            let (file, own) = (&self.bound.file, printing::quote(&self.bound.name));
            return Err(Box::new(ExecError {
                text: format!(
                    "template: {file}:{line}:{column}: executing {own} at <{call}>: template {} not defined",
                    printing::quote(name)
                ),
                file: Arc::clone(file),
                line,
                column,
                refusal: None,
            }));
        };
        let data = match pipeline {
            Some(pipeline) => self.pipeline(dot, pipeline)?,
            None => Value::Missing,
        };
        self.stack()?;
        let text = self.engine.run(&bound, &data)?;
        self.print_text(&text)
    }
}
