//! The types of an expression, worked out before anything is evaluated: which fields there are, which functions take
//! what. Faults are told in the words of Kubernetes' own checker.
//!
//! Only what Kubernetes declares is known here (`declared`); a host's functions are not checked.

mod declared;
#[cfg(test)]
mod tests;
mod types;

pub use types::{Fields, Type};

use std::fmt::Write as _;

use crate::moment::{self, Timestamp};
use crate::parse::{Access, Ast, Form, Literal, Operator, Unreadable, dotted, parse};
use crate::regexes::Pattern;
use types::{Bound, assign};

/// How many faults are told; of others only how many there are.
const MOST_FAULTS: usize = 100;
/// A longer line is not shown beside what is wrong with it.
const LONGEST_LINE: usize = 16_384;
/// What is told ends with the fault that makes it longer than this many bytes: each shows its line anew.
const MOST_TOLD: usize = 256 << 10;

/// The type of an expression that may name these variables; else all that is wrong with it, as Kubernetes writes it.
pub fn check(text: &str, variables: &[(&str, Type)]) -> Result<Type, String> {
    let ast = parse(text).map_err(|unreadable| unread(text, &unreadable))?;
    let mut checker = Checker {
        variables,
        locals: Vec::new(),
        faults: Vec::new(),
        more: 0,
    };
    let found = checker.of(&ast);
    if checker.faults.is_empty() {
        return Ok(found);
    }
    checker.faults.sort_by_key(|(at, _)| *at);
    let (mut all, mut more) = (String::new(), checker.more);
    for (at, message) in &checker.faults {
        if all.len() > MOST_TOLD {
            more += 1;
            continue;
        }
        if !all.is_empty() {
            all.push('\n');
        }
        let place = Unreadable::at(text, *at, message.as_str());
        all.push_str(&told(text, &place, message));
    }
    if more > 0 {
        let _ = write!(all, "\n{more} more errors were truncated");
    }
    Err(all)
}

/// Whether an expression names a variable.
pub fn names_variable(text: &str, variable: &str) -> bool {
    parse(text).is_ok_and(|ast| ast.any(&|ast| matches!(&ast.form, Form::Name(name) if name == variable)))
}

fn told(text: &str, place: &Unreadable, message: &str) -> String {
    let line = text.lines().nth(place.line - 1).unwrap_or_default();
    let mut told = format!("ERROR: <input>:{}:{}: {message}", place.line, place.column);
    if line.len() <= LONGEST_LINE {
        let _ = write!(told, "\n | {line}\n | {}^", ".".repeat(place.column - 1));
    }
    told
}

/// What cannot even be parsed, as Kubernetes' parser has it where that can be said.
fn unread(text: &str, unreadable: &Unreadable) -> String {
    let end = text[unreadable_offset(text, unreadable)..].trim().is_empty();
    let message = match unreadable.reason.as_str() {
        reason if end && reason.starts_with(") is expected") => "missing ')' at '<EOF>'".to_owned(),
        reason if end && reason.ends_with("is not expected here") => {
            "mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, \
             NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
                .to_owned()
        }
        reason if end && reason.starts_with("a field name is expected") => {
            "no viable alternative at input '.'".to_owned()
        }
        reason => reason.to_owned(),
    };
    told(text, unreadable, &format!("Syntax error: {message}"))
}

fn unreadable_offset(text: &str, place: &Unreadable) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(place.line - 1)
        .map(str::len)
        .sum();
    let line = &text[before.min(text.len())..];
    let within = line.char_indices().nth(place.column - 1);
    within.map_or(text.len(), |(at, _)| before + at)
}

struct Checker<'c> {
    variables: &'c [(&'c str, Type)],
    locals: Vec<(String, Type)>,
    faults: Vec<(usize, String)>,
    /// Faults beyond the most that are told.
    more: usize,
}

impl Checker<'_> {
    fn fault(&mut self, at: usize, message: impl Into<String>) -> Type {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push((at, message.into()));
        } else {
            self.more += 1;
        }
        Type::Wrong
    }

    fn of(&mut self, ast: &Ast) -> Type {
        let at = ast.at;
        match &ast.form {
            Form::Literal(literal) => of_literal(literal),
            Form::Name(name) => self.name(at, name),
            Form::Select(inner, field, access) => {
                if let Some(found) = dotted(ast).and_then(|name| declared::type_of(&name)) {
                    return found;
                }
                let inner = self.of(inner);
                self.field(at, &inner, field, *access)
            }
            Form::Index(left, right, access) => {
                let (left, right) = (self.of(left), self.of(right));
                let optional = *access == Access::Optional || matches!(left, Type::Optional(_));
                let inner = match left {
                    Type::Optional(inner) => (*inner).clone(),
                    left => left,
                };
                let found = self.operator(at, "_[_]", &[inner, right]);
                if optional { Type::optional(found) } else { found }
            }
            Form::Call(target, name, arguments) => self.call(at, target.as_deref(), name, arguments),
            Form::List(items) => {
                let mut joined = None;
                for (item, access) in items {
                    let mut found = self.of(item);
                    if *access == Access::Optional
                        && let Type::Optional(inner) = found
                    {
                        found = (*inner).clone();
                    }
                    self.join(item.at, &mut joined, found);
                }
                Type::list(joined.unwrap_or(Type::Dyn))
            }
            Form::Map(entries) => {
                let (mut keys, mut values) = (None, None);
                for (key, value, access) in entries {
                    let found = self.of(key);
                    self.join(key.at, &mut keys, found);
                    let mut found = self.of(value);
                    if *access == Access::Optional
                        && let Type::Optional(inner) = found
                    {
                        found = (*inner).clone();
                    }
                    self.join(value.at, &mut values, found);
                }
                Type::map(keys.unwrap_or(Type::Dyn), values.unwrap_or(Type::Dyn))
            }
            Form::Message(name, fields) => {
                for (_, value, _) in fields {
                    self.of(value);
                }
                self.fault(at, format!("undeclared reference to '{name}' (in container '')"))
            }
            Form::Not(inner) => {
                let inner = self.of(inner);
                self.operator(at, "!_", &[inner])
            }
            Form::Negate(inner) => {
                let inner = self.of(inner);
                self.operator(at, "-_", &[inner])
            }
            Form::Binary(operator, left, right) => {
                let both = [self.of(left), self.of(right)];
                self.operator(at, written(*operator), &both)
            }
            Form::All(terms) | Form::Any(terms) => {
                for term in terms {
                    self.condition(term);
                }
                Type::Bool
            }
            Form::If(condition, yes, no) => {
                let all = [self.of(condition), self.of(yes), self.of(no)];
                self.operator(at, "_?_:_", &all)
            }
        }
    }

    /// A term that must be true or false.
    fn condition(&mut self, term: &Ast) {
        let found = self.of(term);
        if !matches!(found, Type::Bool | Type::Dyn | Type::Wrong) {
            self.fault(term.at, format!("expected type 'bool' but found '{found}'"));
        }
    }

    /// What items of a list have in common: their type.
    fn join(&mut self, at: usize, joined: &mut Option<Type>, found: Type) {
        match joined {
            None => *joined = Some(found),
            Some(known) => {
                if !assign(&mut Bound::default(), known, &found) {
                    let message = format!("expected type '{known}' but found '{found}'");
                    self.fault(at, message);
                }
            }
        }
    }

    fn name(&mut self, at: usize, name: &str) -> Type {
        let outermost = name.strip_prefix('.');
        if outermost.is_none()
            && let Some((_, found)) = self.locals.iter().rev().find(|(local, _)| local == name)
        {
            return found.clone();
        }
        let name = outermost.unwrap_or(name);
        if let Some((_, found)) = self.variables.iter().find(|(known, _)| *known == name) {
            return found.clone();
        }
        declared::type_of(name)
            .unwrap_or_else(|| self.fault(at, format!("undeclared reference to '{name}' (in container '')")))
    }

    fn field(&mut self, at: usize, inner: &Type, field: &str, access: Access) -> Type {
        let found = match inner {
            Type::Optional(inner) => {
                let found = self.field(at, inner, field, Access::Plain);
                return Type::optional(found);
            }
            Type::Dyn | Type::Wrong => Type::Dyn,
            Type::Map(_, values) => (**values).clone(),
            Type::Object(fields) => match fields.get(field) {
                Some(found) => found.clone(),
                None => self.fault(at, format!("undefined field '{field}'")),
            },
            other => self.fault(at, format!("type '{other}' does not support field selection")),
        };
        if access == Access::Optional {
            Type::optional(found)
        } else {
            found
        }
    }

    fn operator(&mut self, at: usize, name: &str, arguments: &[Type]) -> Type {
        declared::result(name, false, arguments).unwrap_or_else(|| {
            let message = format!(
                "found no matching overload for '{name}' applied to '({})'",
                listed(arguments)
            );
            self.fault(at, message)
        })
    }

    fn call(&mut self, at: usize, target: Option<&Ast>, name: &str, arguments: &[Ast]) -> Type {
        let Some(target) = target else {
            if name == "has" {
                return self.has(at, arguments);
            }
            return self.function(at, name, None, arguments);
        };
        let hidden = |checker: &Self, whole: &str| {
            let first = whole.split('.').next().unwrap_or_default();
            checker.locals.iter().any(|(local, _)| local == first)
        };
        if let Some(prefix) = dotted(target).filter(|prefix| !hidden(self, prefix)) {
            let whole = format!("{}.{name}", prefix.trim_start_matches('.'));
            if declared::is_known(&whole, false) {
                return self.function(at, &whole, None, arguments);
            }
        }
        if let Some(found) = self.fold(target, name, arguments) {
            return found;
        }
        self.function(at, name, Some(target), arguments)
    }

    fn function(&mut self, at: usize, name: &str, target: Option<&Ast>, arguments: &[Ast]) -> Type {
        let method = target.is_some();
        let mut all = Vec::new();
        all.extend(target.map(|target| self.of(target)));
        for argument in arguments {
            all.push(self.of(argument));
        }
        if !declared::is_known(name, method) {
            // Known, but called the other way.
            if declared::is_known(name, !method) {
                return self.no_overload(at, name, method, &all);
            }
            return self.fault(at, format!("undeclared reference to '{name}' (in container '')"));
        }
        if name == "matches"
            && let Some(Ast {
                form: Form::Literal(Literal::Text(pattern)),
                at,
                ..
            }) = arguments.last()
            && Pattern::new(pattern).is_none()
        {
            return self.fault(*at, "invalid matches argument");
        }
        if let ("duration" | "timestamp", [argument]) = (name, arguments)
            && let Form::Literal(literal) = &argument.form
            && !reads(name, literal)
        {
            return self.fault(argument.at, format!("invalid {name} argument"));
        }
        match declared::result(name, method, &all) {
            Some(found) => found,
            None => self.no_overload(at, name, method, &all),
        }
    }

    fn no_overload(&mut self, at: usize, name: &str, method: bool, all: &[Type]) -> Type {
        let applied = match all.split_first() {
            Some((target, rest)) if method => format!("{target}.({})", listed(rest)),
            _ => format!("({})", listed(all)),
        };
        self.fault(
            at,
            format!("found no matching overload for '{name}' applied to '{applied}'"),
        )
    }

    fn has(&mut self, at: usize, arguments: &[Ast]) -> Type {
        let [
            Ast {
                form: Form::Select(inner, field, _),
                ..
            },
        ] = arguments
        else {
            let at = arguments.first().map_or(at, |argument| argument.at);
            return self.fault(at, "invalid argument to has() macro");
        };
        let inner = self.of(inner);
        self.field(at, &inner, field, Access::Plain);
        Type::Bool
    }

    /// What `body` makes of variables that stand for values of these types.
    fn within<R>(&mut self, variables: &[(&Ast, Type)], body: impl FnOnce(&mut Self) -> R) -> R {
        let depth = self.locals.len();
        for (variable, of) in variables {
            match &variable.form {
                Form::Name(name) if !name.starts_with('.') => self.locals.push((name.clone(), of.clone())),
                _ => {
                    self.fault(variable.at, "argument must be a simple name");
                }
            }
        }
        let made = body(self);
        self.locals.truncate(depth);
        made
    }

    /// A macro that is a loop, if this is one.
    fn fold(&mut self, target: &Ast, name: &str, arguments: &[Ast]) -> Option<Type> {
        let (variables, filtered) = match (name, arguments.len()) {
            ("all" | "exists" | "exists_one" | "map" | "filter" | "sortBy" | "optMap" | "optFlatMap", 2) => {
                (1, false)
            }
            ("map", 3) => (1, true),
            (
                "all" | "exists" | "exists_one" | "existsOne" | "transformList" | "transformMap"
                | "transformMapEntry",
                3,
            ) => (2, false),
            ("transformList" | "transformMap" | "transformMapEntry", 4) => (2, true),
            _ => return None,
        };
        let over = self.of(target);
        if let "optMap" | "optFlatMap" = name {
            let inner = match over {
                Type::Optional(inner) => (*inner).clone(),
                Type::Dyn | Type::Wrong => Type::Dyn,
                other => self.fault(
                    target.at,
                    format!("expected type 'optional_type' but found '{other}'"),
                ),
            };
            let made = self.within(&[(&arguments[0], inner)], |checker| checker.of(&arguments[1]));
            return Some(if name == "optMap" {
                Type::optional(made)
            } else {
                made
            });
        }
        let (index, item) = match &over {
            Type::List(item) => (Type::Int, (**item).clone()),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn | Type::Wrong => (Type::Dyn, Type::Dyn),
            other => {
                let message = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.fault(target.at, message);
                (Type::Dyn, Type::Dyn)
            }
        };
        let is_map = matches!(over, Type::Map(..));
        let bound: Vec<(&Ast, Type)> = if variables == 2 {
            vec![(&arguments[0], index.clone()), (&arguments[1], item.clone())]
        } else {
            let one = if is_map { index.clone() } else { item.clone() };
            vec![(&arguments[0], one)]
        };
        let one = bound[0].1.clone();
        let body = &arguments[variables + usize::from(filtered)];
        Some(self.within(&bound, |checker| {
            if filtered {
                checker.condition(&arguments[variables]);
            }
            match name {
                "map" | "transformList" => Type::list(checker.of(body)),
                "filter" => {
                    checker.condition(body);
                    Type::list(one)
                }
                "sortBy" => {
                    checker.of(body);
                    Type::list(one)
                }
                "transformMap" => Type::map(index, checker.of(body)),
                "transformMapEntry" => checker.of(body),
                _ => {
                    checker.condition(body);
                    Type::Bool
                }
            }
        }))
    }
}

/// Whether a span or point of time can be read of what is written out.
fn reads(name: &str, literal: &Literal) -> bool {
    match (name, literal) {
        ("duration", Literal::Text(text)) => moment::duration(text).is_some(),
        (_, Literal::Text(text)) => Timestamp::parse(text).is_some(),
        (name, _) => name != "duration",
    }
}

fn listed(types: &[Type]) -> String {
    let types: Vec<String> = types.iter().map(ToString::to_string).collect();
    types.join(", ")
}

fn of_literal(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::UInt(_) => Type::UInt,
        Literal::Double(_) => Type::Double,
        Literal::Text(_) => Type::Text,
        Literal::Bytes(_) => Type::Bytes,
    }
}

fn written(operator: Operator) -> &'static str {
    match operator {
        Operator::Equal => "_==_",
        Operator::NotEqual => "_!=_",
        Operator::Less => "_<_",
        Operator::LessOrEqual => "_<=_",
        Operator::Greater => "_>_",
        Operator::GreaterOrEqual => "_>=_",
        Operator::In => "@in",
        Operator::Add => "_+_",
        Operator::Subtract => "_-_",
        Operator::Multiply => "_*_",
        Operator::Divide => "_/_",
        Operator::Modulo => "_%_",
    }
}
