//! Works out values: pipelines, commands, fields and methods, calls of functions with the argument types that
//! Go insists on.

use std::sync::Arc;

use smallvec::SmallVec;

use super::ast::{Command, NumberTerm, Operand, Pipeline, Term};
use super::engine::Failure;
use super::run::{At, Result, Run};
use crate::functions::{Body, Function, Kind, yaml_of};
use crate::object::{Answer, Object};
use crate::value::{Declared, Elements, Value};

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

impl<'tree> Run<'_, '_, 'tree> {
    pub(super) fn pipeline(&mut self, dot: &Value, pipeline: &'tree Pipeline) -> Result<Value> {
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
                if map.declared == Declared::Values && matches!(&**name, "AsMap" | "YAML") {
                    if has_arguments {
                        let count = arguments.len() + usize::from(last.is_some());
                        return self.fail(format!("wrong number of args for {name}: want 0 got {count}"));
                    }
                    if &**name == "AsMap" {
                        return Ok(receiver.clone());
                    }
                    return match yaml_of(self.engine, receiver) {
                        Ok(text) => Ok(Value::str(&text)),
                        Err(message) => self.fail(format!("error calling {name}: {message}")),
                    };
                }
                if has_arguments {
                    return self.fail(format!("{name} is not a method but has arguments"));
                }
                let missing = if map.declared.holds_text() {
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
        let mut values = SmallVec::<[Value; 4]>::with_capacity(count);
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
            (Term::Number(NumberTerm { int: Some(int), .. }), Kind::Uint32) if *int >= 0 => {
                Ok(Value::Int(*int))
            }
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
                    Kind::Uint32 => self.fail(format!("expected unsigned integer; found {operand}")),
                    Kind::Float => self.fail(format!("expected float; found {operand}")),
                    Kind::Bool => self.fail(format!("expected bool; found {operand}")),
                    _ => self.fail(format!(
                        "can't handle {operand} for arg of type {}",
                        kind.type_name()
                    )),
                }
            }
            (Term::Nil, Kind::Any) => self.checked(Value::Nil, kind),
            (Term::Nil, Kind::Dict | Kind::List) => self.checked(Value::Missing, kind),
            (Term::Nil, _) => {
                self.at = At {
                    offset: operand.offset,
                    context: operand,
                };
                self.fail(format!("cannot assign nil to {}", kind.type_name()))
            }
            _ => {
                let value = self.any(dot, operand)?;
                self.checked(value, kind)
            }
        }
    }

    /// Refuses a value that a parameter's type does not take.
    fn checked(&self, value: Value, kind: Kind) -> Result<Value> {
        let fits = match (&value, kind) {
            (Value::Missing, Kind::Any | Kind::List) => return Ok(Value::Nil),
            (Value::Missing, Kind::Dict) => {
                return Ok(Value::declared(crate::value::Entries::new(), Declared::Nothing));
            }
            (_, Kind::Any)
            | (Value::Str(_) | Value::Bytes(_), Kind::Text)
            | (Value::Int(_), Kind::Int)
            | (Value::Float(_), Kind::Float)
            | (Value::Bool(_), Kind::Bool) => true,
            (Value::Map(map), Kind::Dict) => !map.declared.holds_text(),
            (Value::List(list), Kind::List) => list.elements == Elements::Any,
            (Value::Object(object), Kind::Time) => matches!(**object, Object::Time(..)),
            (Value::Object(object), Kind::Certificate) => matches!(**object, Object::Certificate { .. }),
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
