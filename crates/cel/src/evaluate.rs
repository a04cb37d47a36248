//! The value of an expression. Every step is paid for, and how deep it may go is bounded.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::budget::Budget;
use crate::compile::{Call, Flat, Fold, FoldKind, Node, Program, Root, Run};
use crate::failure::Failure;
use crate::functions::{self, Args};
use crate::parse::{Access, Literal, Operator};
use crate::value::{Key, Text, Value};

/// How deep evaluation may go, variables counted.
const MAX_DEPTH: usize = 320;

/// What came of evaluating something.
pub type Evaluated<'v> = Result<Value<'v>, Failure>;

/// What an expression finds around it.
pub trait Host<'v> {
    /// The value of a variable. Asked only for those that the expression may name.
    fn root(&self, root: Root) -> Value<'v>;

    /// Calls a function of the library that the expression was compiled with.
    fn call(&self, number: usize, args: &Args<'_, 'v>) -> Evaluated<'v> {
        let _ = number;
        Err(args.refuse())
    }
}

/// Everything an evaluation knows.
pub struct Scope<'v> {
    /// What it may cost.
    pub budget: &'v Budget,
    host: &'v dyn Host<'v>,
    variables: Vec<Variable<'v>>,
    depth: Cell<usize>,
}

/// A declared variable, which has a value once it is asked for one.
struct Variable<'v> {
    program: &'v Program,
    state: RefCell<State<'v>>,
}

enum State<'v> {
    Unasked,
    Asked,
    Known(Evaluated<'v>),
}

impl<'v> Scope<'v> {
    /// Without declared variables.
    pub fn new(budget: &'v Budget, host: &'v dyn Host<'v>) -> Scope<'v> {
        Scope {
            budget,
            host,
            variables: Vec::new(),
            depth: Cell::new(0),
        }
    }

    /// With declared variables, in the order in which its expressions were told of them.
    #[must_use]
    pub fn with_variables(mut self, programs: impl IntoIterator<Item = &'v Program>) -> Scope<'v> {
        let variable = |program| Variable {
            program,
            state: RefCell::new(State::Unasked),
        };
        self.variables = programs.into_iter().map(variable).collect();
        self
    }

    /// The value of an expression.
    pub fn evaluate(&self, program: &'v Program) -> Evaluated<'v> {
        if let Some(name) = &program.missing {
            return Err(Failure::cut(format!("the function {name} is not known")));
        }
        let mut machine = Machine {
            scope: self,
            locals: Vec::new(),
        };
        let value = machine.node(&program.node)?;
        known(value)
    }

    /// Whether an expression holds.
    pub fn holds(&self, program: &'v Program) -> Result<bool, Failure> {
        match self.evaluate(program)? {
            Value::Bool(holds) => Ok(holds),
            other => Err(Failure::new(format!(
                "the expression is {}, not true or false",
                article(&other)
            ))),
        }
    }

    fn variable(&self, index: usize) -> Evaluated<'v> {
        let Some(variable) = self.variables.get(index) else {
            return Err(Failure::cut("a variable is not there"));
        };
        match &*variable.state.borrow() {
            State::Known(value) => return value.clone(),
            State::Asked => return Err(Failure::cut("a variable needs its own value")),
            State::Unasked => {}
        }
        variable.state.replace(State::Asked);
        let value = self.evaluate(variable.program);
        variable.state.replace(State::Known(value.clone()));
        value
    }
}

fn article(value: &Value<'_>) -> String {
    match value.type_name() {
        name @ ("int" | "uint") => format!("an {name}"),
        "null_type" => "null".to_owned(),
        name => format!("a {name}"),
    }
}

fn known(value: Value<'_>) -> Evaluated<'_> {
    match value {
        Value::Unknown(what) => Err(Failure::unknown(&what)),
        value => Ok(value),
    }
}

struct Machine<'r, 'v> {
    scope: &'r Scope<'v>,
    locals: Vec<Value<'v>>,
}

impl<'v> Machine<'_, 'v> {
    fn node(&mut self, node: &'v Node) -> Evaluated<'v> {
        self.scope.budget.spend(1)?;
        let depth = self.scope.depth.get();
        if depth >= MAX_DEPTH {
            return Err(Failure::cut("the expression and its variables nest too deep"));
        }
        self.scope.depth.set(depth + 1);
        let value = self.form(node);
        self.scope.depth.set(depth);
        value
    }

    // Each form has a function of its own, so that this one needs little of the stack.
    fn form(&mut self, node: &'v Node) -> Evaluated<'v> {
        match node {
            Node::Literal(literal) => Ok(constant(literal)),
            Node::Root(root) => known(self.scope.host.root(*root)),
            Node::Variable(index) => self.scope.variable(*index),
            Node::Local(slot) => self.local(*slot),
            Node::Type(name) => Ok(Value::Type(Text::Borrowed(name))),
            Node::Select(inner, field, access) => self.select(inner, field, *access),
            Node::Has(inner, field) => self.has(inner, field),
            Node::Index(pair, access) => self.index(pair, *access),
            Node::Call(call) => self.call(call),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Message(name, fields) => self.message(name, fields),
            Node::Not(inner) => self.not(inner),
            Node::Negate(inner) => self.negate(inner),
            Node::Binary(operator, pair) => self.binary(*operator, pair),
            Node::All(terms) => self.decide(terms, false),
            Node::Any(terms) => self.decide(terms, true),
            Node::If(parts) => self.choose(parts),
            Node::Fold(fold) => self.fold(fold),
            Node::Bind(slot, pair) => self.bind(*slot, pair),
            Node::OptionalMap(slot, flat, pair) => self.optional_map(*slot, *flat, pair),
            Node::Or(flat, pair) => self.or(*flat, pair),
        }
    }

    fn local(&self, slot: usize) -> Evaluated<'v> {
        self.locals
            .get(slot)
            .cloned()
            .ok_or_else(|| Failure::cut("a variable is not there"))
    }

    fn select(&mut self, inner: &'v Node, field: &'v str, access: Access) -> Evaluated<'v> {
        let value = self.node(inner)?;
        select(&value, field, access)
    }

    fn has(&mut self, inner: &'v Node, field: &'v str) -> Evaluated<'v> {
        let value = match self.node(inner)? {
            Value::Optional(None) => return Ok(Value::Bool(false)),
            Value::Optional(Some(value)) => (*value).clone(),
            value => value,
        };
        if value.list_len().is_some() {
            return Err(Failure::new("a list has no fields"));
        }
        // An empty field of a message that Kubernetes would leave out is there when it is written.
        Ok(Value::Bool(value.field(field).is_some()))
    }

    fn index(&mut self, pair: &'v (Node, Node), access: Access) -> Evaluated<'v> {
        let value = self.node(&pair.0)?;
        let index = self.node(&pair.1)?;
        let (value, access) = match value {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(value)) => ((*value).clone(), Access::Optional),
            value => (value, access),
        };
        let found = if let Some(length) = value.list_len() {
            let at = match &index {
                Value::Int(at) => usize::try_from(*at).ok(),
                Value::UInt(at) => usize::try_from(*at).ok(),
                Value::Double(at) if at.fract() == 0.0 && *at >= 0.0 && *at < 1.0e15 => Some(*at as usize),
                Value::Double(at) if at.fract() == 0.0 => None,
                other => {
                    return Err(Failure::new(format!(
                        "a list has no index that is {}",
                        article(other)
                    )));
                }
            };
            match at.and_then(|at| value.item(at)) {
                Some(item) => Some(item),
                None if access == Access::Optional => None,
                None => {
                    return Err(Failure::new(format!(
                        "index out of bounds: {} in a list of {length}",
                        functions::show(&index)
                    )));
                }
            }
        } else if value.map_len().is_some() {
            if Key::of(&index).is_none() {
                return Err(Failure::new(format!("{} is no key of a map", article(&index))));
            }
            match value.get(&index) {
                Some(found) => Some(found),
                None if access == Access::Optional => None,
                None => return Err(Failure::new(format!("no such key: {}", functions::show(&index)))),
            }
        } else if access == Access::Optional {
            None
        } else {
            return Err(Failure::new(format!(
                "no such overload: {}[{}]",
                value.type_name(),
                index.type_name()
            )));
        };
        match (found, access) {
            (Some(found), Access::Plain) => known(found),
            (Some(found), Access::Optional) => Value::some(known(found)?),
            (None, _) => Ok(Value::Optional(None)),
        }
    }

    fn call(&mut self, call: &'v Call) -> Evaluated<'v> {
        let mut values = Vec::with_capacity(call.arguments.len());
        for argument in &call.arguments {
            values.push(self.node(argument)?);
        }
        let args = Args {
            budget: self.scope.budget,
            name: call.name,
            values,
            pattern: call.pattern.as_ref(),
        };
        match call.run {
            Run::Here(run) => run(&args),
            Run::Host(number) => self.scope.host.call(number, &args),
        }
    }

    fn list(&mut self, items: &'v [(Node, Access)]) -> Evaluated<'v> {
        let mut list = Vec::with_capacity(items.len());
        for (item, access) in items {
            let value = self.node(item)?;
            list.extend(present(value, *access)?);
        }
        Value::list(list)
    }

    fn map(&mut self, entries: &'v [(Node, Node, Access)]) -> Evaluated<'v> {
        let mut map = BTreeMap::new();
        for (key, value, access) in entries {
            let key = self.node(key)?;
            let key = match &key {
                Value::Double(_) => None,
                key => Key::of(key),
            }
            .ok_or_else(|| Failure::new(format!("{} is no key of a map", article(&key))))?;
            let value = self.node(value)?;
            if let Some(value) = present(value, *access)?
                && map.insert(key, value).is_some()
            {
                return Err(Failure::new("a map has the same key twice"));
            }
        }
        Value::map(map)
    }

    fn message(&mut self, name: &'v str, fields: &'v [(String, Node, Access)]) -> Evaluated<'v> {
        let mut map = BTreeMap::new();
        for (field, value, access) in fields {
            let value = self.node(value)?;
            if let Some(value) = present(value, *access)?
                && map.insert(Key::Text(Text::Borrowed(field)), value).is_some()
            {
                return Err(Failure::new(format!("{name} has the field {field} twice")));
            }
        }
        Value::message(Text::Borrowed(name), map)
    }

    fn not(&mut self, inner: &'v Node) -> Evaluated<'v> {
        match self.node(inner)? {
            Value::Bool(value) => Ok(Value::Bool(!value)),
            other => Err(functions::no_overload("!", &[other])),
        }
    }

    fn negate(&mut self, inner: &'v Node) -> Evaluated<'v> {
        let overflow = || Failure::new("integer overflow");
        match self.node(inner)? {
            Value::Int(value) => value.checked_neg().map(Value::Int).ok_or_else(overflow),
            Value::Double(value) => Ok(Value::Double(-value)),
            Value::Duration(value) => value.checked_neg().map(Value::Duration).ok_or_else(overflow),
            other => Err(functions::no_overload("-", &[other])),
        }
    }

    fn binary(&mut self, operator: Operator, pair: &'v (Node, Node)) -> Evaluated<'v> {
        let left = self.node(&pair.0)?;
        let right = self.node(&pair.1)?;
        let budget = self.scope.budget;
        match operator {
            Operator::Equal => Ok(Value::Bool(left.same(&right, budget)?)),
            Operator::NotEqual => Ok(Value::Bool(!left.same(&right, budget)?)),
            Operator::In => functions::contains(&right, &left, budget).map(Value::Bool),
            Operator::Less => compare("<", &left, &right, Ordering::is_lt, budget),
            Operator::LessOrEqual => compare("<=", &left, &right, Ordering::is_le, budget),
            Operator::Greater => compare(">", &left, &right, Ordering::is_gt, budget),
            Operator::GreaterOrEqual => compare(">=", &left, &right, Ordering::is_ge, budget),
            _ => functions::arithmetic(operator, left, right, budget),
        }
    }

    /// `&&` and `||`: whichever term decides, decides, whatever became of the others.
    fn decide(&mut self, terms: &'v [Node], decisive: bool) -> Evaluated<'v> {
        let mut failure = None;
        for term in terms {
            match self.node(term) {
                Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Ok(other) => {
                    let name = if decisive { "||" } else { "&&" };
                    failure.get_or_insert_with(|| functions::no_overload(name, &[other]));
                }
                Err(cut @ Failure::Cut(_)) => return Err(cut),
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn choose(&mut self, parts: &'v (Node, Node, Node)) -> Evaluated<'v> {
        match self.node(&parts.0)? {
            Value::Bool(true) => self.node(&parts.1),
            Value::Bool(false) => self.node(&parts.2),
            other => Err(functions::no_overload("?:", &[other])),
        }
    }

    fn bind(&mut self, slot: usize, pair: &'v (Node, Node)) -> Evaluated<'v> {
        let value = self.node(&pair.0)?;
        self.with(slot, &[value], &pair.1)
    }

    /// The value of an expression with values for the variables from `slot` on.
    fn with(&mut self, slot: usize, values: &[Value<'v>], body: &'v Node) -> Evaluated<'v> {
        self.locals.truncate(slot);
        self.locals.extend_from_slice(values);
        let value = self.node(body);
        self.locals.truncate(slot);
        value
    }

    fn optional_map(&mut self, slot: usize, flat: Flat, pair: &'v (Node, Node)) -> Evaluated<'v> {
        let inner = match self.node(&pair.0)? {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(inner)) => (*inner).clone(),
            other => return Err(functions::no_overload("optMap", &[other])),
        };
        let value = self.with(slot, &[inner], &pair.1)?;
        match (flat, value) {
            (Flat::No, value) => Value::some(value),
            (Flat::Yes, value @ Value::Optional(_)) => Ok(value),
            (Flat::Yes, other) => Err(functions::no_overload("optFlatMap", &[other])),
        }
    }

    /// As Kyverno has it: what is no optional value is a value that is there.
    fn or(&mut self, flat: Flat, pair: &'v (Node, Node)) -> Evaluated<'v> {
        match (flat, self.node(&pair.0)?) {
            (Flat::Yes, some @ Value::Optional(Some(_))) => Ok(some),
            (Flat::No, Value::Optional(Some(inner))) => Ok((*inner).clone()),
            (_, Value::Optional(None)) => match (flat, self.node(&pair.1)?) {
                (Flat::No, other) | (Flat::Yes, other @ Value::Optional(_)) => Ok(other),
                (Flat::Yes, other) => Err(functions::no_overload("or", &[other])),
            },
            (Flat::No, value) => known(value),
            (Flat::Yes, value) => Err(functions::no_overload("or", &[value])),
        }
    }

    fn fold(&mut self, fold: &'v Fold) -> Evaluated<'v> {
        let over = self.node(&fold.over)?;
        let over = match over {
            Value::Optional(_) => return Err(functions::no_overload("a loop", &[over])),
            over => over,
        };
        let turns: Vec<[Value<'v>; 2]> = if fold.two {
            over.entries()
                .map(|entries| entries.into_iter().map(|(a, b)| [a, b]).collect())
        } else {
            over.elements()
                .map(|items| items.into_iter().map(|item| [item, Value::Null]).collect())
        }
        .ok_or_else(|| functions::no_overload("a loop", std::slice::from_ref(&over)))?;
        self.scope.budget.spend(turns.len())?;
        match fold.kind {
            FoldKind::All => self.quantify(fold, &turns, false),
            FoldKind::Exists => self.quantify(fold, &turns, true),
            FoldKind::ExistsOne => self.exists_one(fold, &turns),
            FoldKind::Map | FoldKind::Filter => self.collect(fold, &turns),
            FoldKind::TransformMap | FoldKind::TransformMapEntry => self.collect_map(fold, &turns),
            FoldKind::SortBy => self.sort(fold, &turns),
        }
    }

    fn turn(&mut self, fold: &'v Fold, turn: &[Value<'v>; 2], body: &'v Node) -> Evaluated<'v> {
        let values = if fold.two { &turn[..] } else { &turn[..1] };
        self.with(fold.slot, values, body)
    }

    fn quantify(&mut self, fold: &'v Fold, turns: &[[Value<'v>; 2]], decisive: bool) -> Evaluated<'v> {
        let mut failure = None;
        for turn in turns {
            match self.turn(fold, turn, &fold.body) {
                Ok(Value::Bool(value)) if value == decisive => return Ok(Value::Bool(decisive)),
                Ok(Value::Bool(_)) => {}
                Ok(other) => {
                    failure.get_or_insert_with(|| functions::no_overload("all or exists", &[other]));
                }
                Err(cut @ Failure::Cut(_)) => return Err(cut),
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
        failure.map_or(Ok(Value::Bool(!decisive)), Err)
    }

    fn truth(&mut self, fold: &'v Fold, turn: &[Value<'v>; 2], body: &'v Node) -> Result<bool, Failure> {
        match self.turn(fold, turn, body)? {
            Value::Bool(value) => Ok(value),
            other => Err(functions::no_overload("a condition", &[other])),
        }
    }

    fn exists_one(&mut self, fold: &'v Fold, turns: &[[Value<'v>; 2]]) -> Evaluated<'v> {
        let mut count = 0;
        for turn in turns {
            count += usize::from(self.truth(fold, turn, &fold.body)?);
        }
        Ok(Value::Bool(count == 1))
    }

    fn collect(&mut self, fold: &'v Fold, turns: &[[Value<'v>; 2]]) -> Evaluated<'v> {
        let mut list = Vec::new();
        for turn in turns {
            if fold.kind == FoldKind::Filter {
                if self.truth(fold, turn, &fold.body)? {
                    list.push(turn[0].clone());
                }
                continue;
            }
            if let Some(filter) = &fold.filter
                && !self.truth(fold, turn, filter)?
            {
                continue;
            }
            list.push(self.turn(fold, turn, &fold.body)?);
        }
        Value::list(list)
    }

    fn collect_map(&mut self, fold: &'v Fold, turns: &[[Value<'v>; 2]]) -> Evaluated<'v> {
        let mut map = BTreeMap::new();
        for turn in turns {
            if let Some(filter) = &fold.filter
                && !self.truth(fold, turn, filter)?
            {
                continue;
            }
            let value = self.turn(fold, turn, &fold.body)?;
            let made = if fold.kind == FoldKind::TransformMap {
                vec![(turn[0].clone(), value)]
            } else {
                value
                    .entries()
                    .filter(|_| value.map_len().is_some())
                    .ok_or_else(|| {
                        functions::no_overload("transformMapEntry", std::slice::from_ref(&value))
                    })?
            };
            for (key, value) in made {
                let key = Key::of(&key).ok_or_else(|| functions::no_overload("transformMap", &[key]))?;
                if map.insert(key, value).is_some() {
                    return Err(Failure::new("insert failed: a key is there already"));
                }
            }
        }
        Value::map(map)
    }

    fn sort(&mut self, fold: &'v Fold, turns: &[[Value<'v>; 2]]) -> Evaluated<'v> {
        let mut keyed = Vec::with_capacity(turns.len());
        for turn in turns {
            keyed.push((self.turn(fold, turn, &fold.body)?, turn[0].clone()));
        }
        functions::sort_pairs(keyed, self.scope.budget)
    }
}

/// A field of a value; of an optional value it is optional as well.
fn select<'v>(value: &Value<'v>, field: &'v str, access: Access) -> Evaluated<'v> {
    let (inner, access) = match value {
        Value::Optional(None) => return Ok(Value::Optional(None)),
        Value::Optional(Some(inner)) => (&**inner, Access::Optional),
        value => (value, access),
    };
    if inner.list_len().is_some() {
        return Err(Failure::new("a list has no fields"));
    }
    match (inner.field(field), access) {
        (Some(found), Access::Plain) => known(found),
        (Some(found), Access::Optional) => Value::some(known(found)?),
        (None, Access::Optional) => Ok(Value::Optional(None)),
        (None, Access::Plain) => Err(Failure::new(format!("no such key: {field}"))),
    }
}

fn present(value: Value<'_>, access: Access) -> Result<Option<Value<'_>>, Failure> {
    match (access, value) {
        (Access::Plain, value) => Ok(Some(value)),
        (Access::Optional, Value::Optional(inner)) => Ok(inner.map(|inner| (*inner).clone())),
        (Access::Optional, other) => Err(functions::no_overload("?", &[other])),
    }
}

fn compare<'v>(
    name: &str,
    left: &Value<'v>,
    right: &Value<'v>,
    holds: impl Fn(Ordering) -> bool,
    budget: &Budget,
) -> Evaluated<'v> {
    if let (Some(left), Some(right)) = (left.as_text(), right.as_text()) {
        budget.spend(left.len().min(right.len()) / 64)?;
    }
    match left.order(right) {
        Some(Some(order)) => Ok(Value::Bool(holds(order))),
        Some(None) => Err(functions::not_ordered()),
        None => Err(functions::no_overload(name, &[left.clone(), right.clone()])),
    }
}

fn constant(literal: &Literal) -> Value<'_> {
    match literal {
        Literal::Null => Value::Null,
        Literal::Bool(value) => Value::Bool(*value),
        Literal::Int(value) => Value::Int(*value),
        Literal::UInt(value) => Value::UInt(*value),
        Literal::Double(value) => Value::Double(*value),
        Literal::Text(text) => Value::Text(Text::Borrowed(text)),
        Literal::Bytes(bytes) => Value::Bytes(bytes.as_slice().into()),
    }
}
