//! Runs templates: Go's `text/template/exec.go`, with a budget.
//!
//! The engine holds what one render shares: the set of named templates, the budget, caches, clock and
//! random numbers. A run is one execution of one template, with its variables and output.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{Branch, Command, Node, NumberTerm, Operand, Pipeline, Template, TemplateCall, Term};
use super::parser::{ParsedFile, parse};
use super::printing;
use crate::budget::{Budget, Limits};
use crate::functions::{Body, Function, Kind};
use crate::object::Answer;
use crate::value::{Declared, Dict, Value};

/// A template under the name it has in this render.
pub(crate) struct Bound {
    pub(crate) name: Arc<str>,
    /// The file it was read from, as errors name it.
    pub(crate) file: Arc<str>,
    pub(crate) template: Arc<Template>,
}

/// Templates by name; `tpl` lays a scope of its own over its caller's.
pub(crate) struct Scope {
    pub(crate) names: HashMap<Arc<str>, Rc<Bound>>,
    pub(crate) parent: Option<Rc<Scope>>,
}

impl Scope {
    fn find(&self, name: &str) -> Option<Rc<Bound>> {
        let mut scope = self;
        loop {
            if let Some(bound) = scope.names.get(name) {
                return Some(Rc::clone(bound));
            }
            scope = scope.parent.as_deref()?;
        }
    }

    /// Adds a template, unless it is blank and another one has its name.
    pub(crate) fn add(&mut self, bound: Bound) {
        let taken = || {
            self.names.contains_key(&bound.name)
                || self
                    .parent
                    .as_ref()
                    .is_some_and(|p| p.find(&bound.name).is_some())
        };
        if bound.template.is_blank() && taken() {
            return;
        }
        self.names.insert(Arc::clone(&bound.name), Rc::new(bound));
    }
}

/// Templates that were texts in values, read once per render.
type SourceCache = RefCell<HashMap<Arc<str>, Rc<ParsedFile>>>;

/// An error in a running template, with the chain of those that called it.
#[derive(Debug, Clone)]
pub(crate) struct ExecError {
    /// As Go writes it: `template: file:3:5: executing "name" at <context>: message`.
    pub(crate) text: String,
    pub(crate) file: Arc<str>,
    pub(crate) line: usize,
    /// From 0, as Go counts.
    pub(crate) column: usize,
    /// What `fail` or `required` says.
    pub(crate) refusal: Option<String>,
}

/// Why a function could not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    Message(String),
    /// A template that it ran failed.
    Exec(Box<ExecError>),
    /// `tpl` puts words before the error of what it ran.
    Wrapped(String, Box<ExecError>),
    /// `fail` or `required` was called.
    Refusal(String),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<&str> for Failure {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

/// What one render shares.
pub(crate) struct Engine<'render> {
    pub(crate) budget: Budget,
    scope: RefCell<Rc<Scope>>,
    includes: RefCell<HashMap<Arc<str>, usize>>,
    texts: SourceCache,
    pub(crate) regexes: RefCell<HashMap<String, Rc<regex::Regex>>>,
    /// Maps that were changed in place: they may hold themselves, so they are emptied in the end.
    changed: RefCell<Vec<Rc<Dict>>>,
    /// Nanoseconds since 1970.
    pub(crate) now: i128,
    pub(crate) seed: &'render [u8; 32],
    pub(crate) drawn: Cell<u64>,
}

impl Drop for Engine<'_> {
    fn drop(&mut self) {
        for map in self.changed.borrow_mut().drain(..) {
            let entries = std::mem::take(&mut *map.entries.borrow_mut());
            drop(entries);
        }
    }
}

impl<'render> Engine<'render> {
    pub(crate) fn new(scope: Scope, limits: Limits, now: i128, seed: &'render [u8; 32]) -> Self {
        Self {
            budget: Budget::new(limits),
            scope: RefCell::new(Rc::new(scope)),
            includes: RefCell::default(),
            texts: SourceCache::default(),
            regexes: RefCell::default(),
            changed: RefCell::default(),
            now,
            seed,
            drawn: Cell::new(0),
        }
    }

    /// Remembers a map that a function changes.
    pub(crate) fn changes(&self, map: &Rc<Dict>) {
        let mut changed = self.changed.borrow_mut();
        if !changed.last().is_some_and(|last| Rc::ptr_eq(last, map)) {
            changed.push(Rc::clone(map));
        }
    }

    /// Runs a template by name and gives its output.
    pub(crate) fn execute(&self, name: &str, data: &Value) -> Result<String, Failure> {
        let found = self.scope.borrow().find(name);
        let Some(bound) = found else {
            return Err(Failure::Message(format!(
                "template: no template {} associated with template \"gotpl\"",
                printing::quote(name)
            )));
        };
        self.run(&bound, data).map_err(Failure::Exec)
    }

    fn run(&self, bound: &Bound, data: &Value) -> Result<String, Box<ExecError>> {
        let mut run = Run {
            engine: self,
            bound,
            at: At {
                offset: 0,
                context: &"",
            },
            variables: vec![(Arc::from("$"), data.clone())],
            out: String::new(),
        };
        run.nodes(data, &bound.template.body)?;
        Ok(run.out)
    }

    /// `include`: runs a template, so many times inside itself at most.
    pub(crate) fn include(&self, name: &Arc<str>, data: &Value) -> Result<Value, Failure> {
        self.budget.stack()?;
        let count = {
            let mut includes = self.includes.borrow_mut();
            let count = includes.entry(Arc::clone(name)).or_insert(0);
            *count += 1;
            *count
        };
        let result = if count > self.budget.limits().includes + 1 {
            Err(Failure::Message(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )))
        } else {
            self.execute(name, data)
        };
        if let Some(count) = self.includes.borrow_mut().get_mut(name) {
            *count -= 1;
        }
        result.map(|text| Value::str(&text))
    }

    /// `tpl`: reads a text as a template and runs it.
    pub(crate) fn run_text(&self, text: &Arc<str>, data: &Value) -> Result<Value, Failure> {
        self.budget.stack()?;
        if !text.contains("{{") {
            return Ok(Value::Str(Arc::from(text.replace("<no value>", ""))));
        }
        let known = self.texts.borrow().get(text).cloned();
        let parsed = if let Some(parsed) = known {
            parsed
        } else {
            self.budget.text(text.len() * 4)?;
            let parsed = parse(text).map_err(|error| {
                let shown = printing::quote(text);
                format!(
                    "cannot parse template {shown}: template: gotpl:{}: {}",
                    error.line, error.message
                )
            })?;
            let parsed = Rc::new(parsed);
            self.texts
                .borrow_mut()
                .insert(Arc::clone(text), Rc::clone(&parsed));
            parsed
        };
        let name: Arc<str> = Arc::from("gotpl");
        let outer = Rc::clone(&self.scope.borrow());
        let mut scope = Scope {
            names: HashMap::new(),
            parent: Some(Rc::clone(&outer)),
        };
        let bind = |name: &Arc<str>, template: &Arc<Template>| Bound {
            name: Arc::clone(name),
            file: Arc::from("gotpl"),
            template: Arc::clone(template),
        };
        for (name, template) in &parsed.defined {
            scope.add(bind(name, template));
        }
        let main = bind(&name, &parsed.main);
        *self.scope.borrow_mut() = Rc::new(scope);
        let result = self.run(&main, data);
        *self.scope.borrow_mut() = outer;
        match result {
            Ok(text) if text.contains("<no value>") => Ok(Value::str(&text.replace("<no value>", ""))),
            Ok(text) => Ok(Value::str(&text)),
            Err(error) => {
                let shown = printing::quote(text);
                Err(Failure::Wrapped(
                    format!("error during tpl function execution for {shown}: "),
                    error,
                ))
            }
        }
    }
}

/// The start and the end of a long chain of errors: the middle is the same calls over and over.
fn shortened(text: &str) -> String {
    const KEPT: usize = 2000;
    if text.len() <= 3 * KEPT {
        return text.to_owned();
    }
    let head = (0..=KEPT)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0);
    let tail = (text.len() - KEPT..text.len())
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(text.len());
    format!("{} … {}", &text[..head], &text[tail..])
}

/// Where a run stands, for errors: an offset and what stands there.
#[derive(Clone, Copy)]
struct At<'tree> {
    offset: u32,
    context: &'tree dyn fmt::Display,
}

/// How a list of nodes was left.
#[derive(PartialEq, Eq)]
enum Flow {
    Through,
    Break,
    Continue,
}

type Result<T, E = Box<ExecError>> = std::result::Result<T, E>;

/// One execution of one template.
struct Run<'engine, 'render, 'tree> {
    engine: &'engine Engine<'render>,
    bound: &'tree Bound,
    at: At<'tree>,
    variables: Vec<(Arc<str>, Value)>,
    out: String,
}

impl<'tree> Run<'_, '_, 'tree> {
    #[expect(
        clippy::unnecessary_box_returns,
        reason = "every result of a run carries the box"
    )]
    fn fail_with(&self, message: &str, refusal: Option<String>) -> Box<ExecError> {
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

    fn fail<T>(&self, message: impl AsRef<str>) -> Result<T> {
        Err(self.fail_with(message.as_ref(), None))
    }

    fn spend(&self) -> Result<()> {
        self.engine
            .budget
            .spend(1)
            .map_err(|message| self.fail_with(&message, None))
    }

    fn stack(&self) -> Result<()> {
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

    fn print_text(&mut self, text: &str) -> Result<()> {
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

    fn assign(&mut self, name: &str, value: Value) -> Result<()> {
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

    fn pipeline(&mut self, dot: &Value, pipeline: &'tree Pipeline) -> Result<Value> {
        self.at = At {
            offset: pipeline.offset,
            context: pipeline,
        };
        let mut value: Option<Value> = None;
        for command in &pipeline.commands {
            // An empty interface at the end of a command is no value for the next.
            value = Some(match self.command(dot, command, value)? {
                Value::Nil => Value::Missing,
                other => other,
            });
        }
        let value = value.unwrap_or(Value::Missing);
        for name in &pipeline.variables {
            if pipeline.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((Arc::clone(name), value.clone()));
            }
        }
        Ok(value)
    }

    fn not_a_function(&self, command: &Command, last: Option<&Value>) -> Result<()> {
        if command.operands.len() > 1 || last.is_some() {
            return self.fail(format!(
                "can't give argument to non-function {}",
                command.operands[0]
            ));
        }
        Ok(())
    }

    fn command(&mut self, dot: &Value, command: &'tree Command, last: Option<Value>) -> Result<Value> {
        self.spend()?;
        let first = &command.operands[0];
        let arguments = &command.operands[1..];
        if let Term::Function(function) = &first.term {
            let context = At {
                offset: command.offset,
                context: command,
            };
            self.at = At {
                offset: first.offset,
                context: first,
            };
            return self.call(dot, function, context, arguments, last);
        }
        if !matches!(first.term, Term::Pipeline(_)) {
            self.at = At {
                offset: first.offset,
                context: first,
            };
        }
        match &first.term {
            Term::Field(fields) => self.fields(dot, dot.clone(), fields, arguments, last),
            Term::Chain(inner, fields) => {
                let value = self.any(dot, inner)?;
                self.at = At {
                    offset: first.offset,
                    context: first,
                };
                self.fields(dot, value, fields, arguments, last)
            }
            Term::Variable(name, fields) => {
                let value = self.variable(name)?;
                if fields.is_empty() {
                    self.not_a_function(command, last.as_ref())?;
                    return Ok(value);
                }
                self.fields(dot, value, fields, arguments, last)
            }
            Term::Pipeline(pipeline) => {
                self.not_a_function(command, last.as_ref())?;
                self.stack()?;
                self.pipeline(dot, pipeline)
            }
            Term::Nil => {
                self.not_a_function(command, last.as_ref())?;
                self.fail("nil is not a command")
            }
            _ => {
                self.not_a_function(command, last.as_ref())?;
                self.any(dot, first)
            }
        }
    }

    fn variable(&self, name: &str) -> Result<Value> {
        match self.variables.iter().rev().find(|(known, _)| **known == *name) {
            Some((_, value)) => Ok(value.clone()),
            None => self.fail(format!("undefined variable: {name}")),
        }
    }

    /// Evaluates an operand where any type will do.
    fn any(&mut self, dot: &Value, operand: &'tree Operand) -> Result<Value> {
        self.at = At {
            offset: operand.offset,
            context: operand,
        };
        match &operand.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Value::Nil),
            Term::Bool(value) => Ok(Value::Bool(*value)),
            Term::Number(number) => self.untyped_number(number),
            Term::Str { value, .. } => Ok(Value::Str(Arc::clone(value))),
            Term::Field(fields) => self.fields(dot, dot.clone(), fields, &[], None),
            Term::Variable(name, fields) => {
                let value = self.variable(name)?;
                if fields.is_empty() {
                    Ok(value)
                } else {
                    self.fields(dot, value, fields, &[], None)
                }
            }
            Term::Function(function) => {
                let context = self.at;
                self.call(dot, function, context, &[], None)
            }
            Term::Chain(inner, fields) => {
                if matches!(inner.term, Term::Nil) {
                    return self.fail(format!("indirection through explicit nil in {operand}"));
                }
                let value = self.any(dot, inner)?;
                self.at = At {
                    offset: operand.offset,
                    context: operand,
                };
                self.fields(dot, value, fields, &[], None)
            }
            Term::Pipeline(pipeline) => {
                self.stack()?;
                self.pipeline(dot, pipeline)
            }
        }
    }

    fn untyped_number(&self, number: &NumberTerm) -> Result<Value> {
        match (number.prefers_float, number.float, number.int) {
            (true, Some(value), _) => Ok(Value::Float(value)),
            (_, _, Some(value)) => Ok(Value::Int(value)),
            _ => self.fail(format!("{} overflows int", number.written)),
        }
    }

    /// Walks `.a.b.c`; the last one gets the arguments, if it is a method.
    fn fields(
        &mut self,
        dot: &Value,
        mut value: Value,
        fields: &'tree [Arc<str>],
        arguments: &'tree [Operand],
        last: Option<Value>,
    ) -> Result<Value> {
        let Some((end, way)) = fields.split_last() else {
            return Ok(value);
        };
        for field in way {
            value = self.field(dot, &value, field, &[], None)?;
        }
        self.field(dot, &value, end, arguments, last)
    }

    fn field(
        &mut self,
        dot: &Value,
        receiver: &Value,
        name: &Arc<str>,
        arguments: &'tree [Operand],
        last: Option<Value>,
    ) -> Result<Value> {
        let has_arguments = !arguments.is_empty() || last.is_some();
        match receiver {
            Value::Missing => Ok(Value::Missing),
            Value::Nil => self.fail(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Map(map) => {
                if map.declared == Declared::Values && &**name == "AsMap" {
                    return Ok(receiver.clone());
                }
                if has_arguments {
                    return self.fail(format!("{name} is not a method but has arguments"));
                }
                let missing = if map.declared == Declared::Strings {
                    Value::str("")
                } else {
                    Value::Nil
                };
                Ok(map.get(name).unwrap_or(missing))
            }
            Value::Object(object) => {
                let at = self.at;
                let mut values = Vec::with_capacity(arguments.len() + 1);
                for argument in arguments {
                    values.push(self.any(dot, argument)?);
                }
                values.extend(last);
                self.at = at;
                match object.member(name, &values) {
                    Answer::Value(value) => Ok(value),
                    Answer::WrongCount(wanted) => self.fail(format!(
                        "wrong number of args for {name}: want {wanted} got {}",
                        values.len()
                    )),
                    Answer::WrongArgument => self.fail(format!(
                        "wrong type for value; expected string; got {}",
                        values.first().map_or("<nil>", Value::static_type_name)
                    )),
                    Answer::Failed(message) => self.fail(format!("error calling {name}: {message}")),
                    Answer::Unknown => self.fail(format!(
                        "can't evaluate field {name} in type {}",
                        receiver.type_name()
                    )),
                }
            }
            other => self.fail(format!(
                "can't evaluate field {name} in type {}",
                other.type_name()
            )),
        }
    }

    fn call(
        &mut self,
        dot: &Value,
        function: &'static Function,
        context: At<'tree>,
        arguments: &'tree [Operand],
        last: Option<Value>,
    ) -> Result<Value> {
        let body = match function.body {
            Body::Plain(body) => body,
            Body::ShortCircuit(stops_at) => {
                return self.short_circuit(dot, stops_at, arguments, last, function);
            }
        };
        let count = arguments.len() + usize::from(last.is_some());
        let fixed = function.parameters.len();
        if function.rest.is_some() {
            if count < fixed {
                return self.fail(format!(
                    "wrong number of args for {}: want at least {fixed} got {}",
                    function.name,
                    arguments.len()
                ));
            }
        } else if count != fixed {
            return self.fail(format!(
                "wrong number of args for {}: want {fixed} got {count}",
                function.name
            ));
        }
        let kind_at = |index: usize| {
            function
                .parameters
                .get(index)
                .copied()
                .or(function.rest)
                .unwrap_or(Kind::Any)
        };
        let mut values = Vec::with_capacity(count);
        for (index, argument) in arguments.iter().enumerate() {
            let value = self.argument(dot, argument, kind_at(index))?;
            values.push(value);
        }
        if let Some(last) = last {
            let kind = kind_at(values.len());
            values.push(self.checked(last, kind)?);
        }
        match body(self.engine, &values) {
            Ok(value) => {
                if let Value::Str(text) = &value {
                    self.engine
                        .budget
                        .text(text.len())
                        .map_err(|message| self.fail_with(&message, None))?;
                }
                Ok(value)
            }
            Err(failure) => {
                self.at = context;
                let name = function.name;
                Err(match failure {
                    Failure::Message(message) => {
                        self.fail_with(&format!("error calling {name}: {message}"), None)
                    }
                    Failure::Exec(inner) => self.fail_with(
                        &format!("error calling {name}: {}", shortened(&shortened(&inner.text))),
                        inner.refusal,
                    ),
                    Failure::Wrapped(words, inner) => self.fail_with(
                        &format!("error calling {name}: {words}{}", shortened(&inner.text)),
                        inner.refusal,
                    ),
                    Failure::Refusal(message) => {
                        self.fail_with(&format!("error calling {name}: {message}"), Some(message))
                    }
                })
            }
        }
    }

    fn short_circuit(
        &mut self,
        dot: &Value,
        stops_at: bool,
        arguments: &'tree [Operand],
        last: Option<Value>,
        function: &'static Function,
    ) -> Result<Value> {
        if arguments.is_empty() && last.is_none() {
            return self.fail(format!(
                "wrong number of args for {}: want at least 1 got 0",
                function.name
            ));
        }
        let mut value = Value::Missing;
        for argument in arguments {
            value = self.any(dot, argument)?;
            if value.truth() == stops_at {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// Evaluates an argument for a parameter; constants take the parameter's type.
    fn argument(&mut self, dot: &Value, operand: &'tree Operand, kind: Kind) -> Result<Value> {
        match (&operand.term, kind) {
            (Term::Bool(_) | Term::Number(_) | Term::Str { .. }, Kind::Any) => self.any(dot, operand),
            (Term::Str { value, .. }, Kind::Text) => Ok(Value::Str(Arc::clone(value))),
            (Term::Bool(value), Kind::Bool) => Ok(Value::Bool(*value)),
            (Term::Number(NumberTerm { int: Some(int), .. }), Kind::Int) => Ok(Value::Int(*int)),
            (
                Term::Number(NumberTerm {
                    float: Some(float), ..
                }),
                Kind::Float,
            ) => Ok(Value::Float(*float)),
            (Term::Bool(_) | Term::Number(_) | Term::Str { .. }, _) => {
                self.at = At {
                    offset: operand.offset,
                    context: operand,
                };
                match kind {
                    Kind::Text => self.fail(format!("expected string; found {operand}")),
                    Kind::Int => self.fail(format!("expected integer; found {operand}")),
                    Kind::Float => self.fail(format!("expected float; found {operand}")),
                    Kind::Bool => self.fail(format!("expected bool; found {operand}")),
                    _ => self.fail(format!(
                        "can't handle {operand} for arg of type {}",
                        kind.type_name()
                    )),
                }
            }
            (Term::Nil, Kind::Text | Kind::Int | Kind::Float | Kind::Bool | Kind::Time) => {
                self.at = At {
                    offset: operand.offset,
                    context: operand,
                };
                self.fail(format!("cannot assign nil to {}", kind.type_name()))
            }
            (Term::Nil, Kind::Dict) => self.checked(Value::Missing, kind),
            _ => {
                let value = self.any(dot, operand)?;
                self.checked(value, kind)
            }
        }
    }

    /// Refuses a value that a parameter's type does not take.
    fn checked(&self, value: Value, kind: Kind) -> Result<Value> {
        let fits = match (&value, kind) {
            (Value::Missing, Kind::Any) => return Ok(Value::Nil),
            (Value::Missing, Kind::Dict) => return Ok(Value::map(crate::value::Entries::new())),
            (_, Kind::Any)
            | (Value::Str(_) | Value::Bytes(_), Kind::Text)
            | (Value::Int(_), Kind::Int)
            | (Value::Float(_), Kind::Float)
            | (Value::Bool(_), Kind::Bool) => true,
            (Value::Map(map), Kind::Dict) => map.declared != Declared::Strings,
            (Value::Object(object), Kind::Time) => matches!(**object, crate::object::Object::Time(_)),
            _ => false,
        };
        match (fits, &value) {
            (true, _) => Ok(value),
            (false, Value::Missing) => self.fail(format!("invalid value; expected {}", kind.type_name())),
            (false, other) => self.fail(format!(
                "wrong type for value; expected {}; got {}",
                kind.type_name(),
                other.static_type_name()
            )),
        }
    }
}
