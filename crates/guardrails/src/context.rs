//! What the names of a rule stand for. A name of the rule's own `context` gets its value when an expression that
//! mentions it is evaluated, and not before; what cannot be had is an error for whoever reads it.
//!
//! Knows nothing of requests and objects: they are values that it is given.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};

use ::cel::budget::Budget;
use serde_json::{Map, Value};
use typed_arena::Arena;

use crate::facts::{Facts, Unavailable};
use crate::jmespath::{Expression, Fields, Names, QueryError, Seen, World};
use crate::policy::Entry;
use crate::variables::Expressions;

/// How many entries may be on the way to their values at once, each for the sake of the one before.
const MAX_NESTED: usize = 24;

/// The names of the elements of a `foreach` and of its place in the list, by how deep it stands in others.
const ELEMENTS: [(&str, &str); 4] = [
    ("element0", "elementIndex0"),
    ("element1", "elementIndex1"),
    ("element2", "elementIndex2"),
    ("element3", "elementIndex3"),
];

/// What the variables of a rule stand for.
pub(crate) struct Context<'a> {
    names: RefCell<Names<'a>>,
    /// What was made while the rule is judged.
    values: &'a Arena<Value>,
    loaders: RefCell<Vec<Loader<'a>>>,
    /// The loaders that have been asked, in that order.
    asked: RefCell<Vec<usize>>,
    /// How many of the loaders may be asked: an entry sees those before it.
    reach: Cell<usize>,
    nested: Cell<usize>,
    /// A name stands for a copy of `request`, some of which may not be known.
    doubtful: Cell<bool>,
    /// Names that are given beside the rule.
    given: Option<&'a Map<String, Value>>,
    pub(crate) expressions: &'a Expressions,
    pub(crate) budget: &'a Budget,
    pub(crate) facts: &'a dyn Facts,
    /// The object is being deleted: `request.object` in a variable means the object as it was.
    pub(crate) deleting: bool,
    /// The namespace of a namespaced policy, which sees no other.
    pub(crate) namespace: Option<&'a str>,
}

/// An entry of a context on its way to its value.
struct Loader<'a> {
    entry: &'a Entry,
    state: State,
}

#[derive(Clone)]
enum State {
    Waiting,
    Loading,
    Loaded,
    Failed(QueryError),
}

/// A state of a context to come back to.
pub(crate) struct Mark {
    names: usize,
    loaders: usize,
    asked: usize,
}

impl<'a> Context<'a> {
    /// The context of a rule before any of its entries: the names that every rule has.
    pub(crate) fn new(
        common: &'a dyn Fields,
        values: &'a Arena<Value>,
        expressions: &'a Expressions,
        budget: &'a Budget,
        facts: &'a dyn Facts,
    ) -> Context<'a> {
        Context {
            names: RefCell::new(Names::of(common)),
            values,
            loaders: RefCell::default(),
            asked: RefCell::default(),
            reach: Cell::new(usize::MAX),
            nested: Cell::new(0),
            doubtful: Cell::new(false),
            given: None,
            expressions,
            budget,
            facts,
            deleting: false,
            namespace: None,
        }
    }

    /// Values by their dotted names, which win over what a cluster would say.
    pub(crate) fn give(&mut self, given: Option<&'a Map<String, Value>>) -> Result<(), QueryError> {
        self.given = given;
        for (path, value) in given.into_iter().flatten() {
            let value = self.budget.copy(value)?;
            let names = dotted(path);
            let Some((name, below)) = names.split_first() else {
                continue;
            };
            let nested = below.iter().rev().fold(value, |value, name| {
                Value::Object(Map::from_iter([(name.clone(), value)]))
            });
            let before = self.names.borrow().get(name)?;
            let before = before.map(|before| before.own(self.budget)).transpose()?;
            let mut merged = before.unwrap_or(Value::Null);
            merge(&mut merged, nested);
            self.doubtful.set(true);
            self.set(name.clone(), merged);
        }
        Ok(())
    }

    /// Takes in the entries of a rule or of a `foreach`.
    pub(crate) fn add(&self, entries: &'a [Entry]) {
        let is_given = |entry: &Entry| {
            !entry.is_variable()
                && self
                    .given
                    .is_some_and(|given| given.keys().any(|path| dotted(path).first() == Some(&entry.name)))
        };
        let entries = entries.iter().filter(|entry| !is_given(entry));
        self.loaders.borrow_mut().extend(entries.map(|entry| Loader {
            entry,
            state: State::Waiting,
        }));
    }

    /// Gives a name a value.
    pub(crate) fn set(&self, name: impl Into<Cow<'a, str>>, value: Value) {
        self.lend(name, self.values.alloc(value));
    }

    /// Lets a name stand for a value that is there.
    fn lend(&self, name: impl Into<Cow<'a, str>>, value: &'a Value) {
        self.names.borrow_mut().bind(name.into(), value);
    }

    /// The elements of a list that an expression gives; what is no list is its only element.
    pub(crate) fn elements(&self, list: &'a str) -> Result<Vec<&'a Value>, QueryError> {
        let seen = match self.look(list)? {
            list @ (Seen::Lent(Value::Array(_)) | Seen::Own(Value::Array(_)) | Seen::List(_)) => {
                list.items().unwrap_or_default()
            }
            single => vec![single],
        };
        let kept = seen.into_iter().map(|item| {
            Ok(match item {
                Seen::Lent(value) => value,
                made => self.values.alloc(made.own(self.budget)?),
            })
        });
        kept.collect()
    }

    /// Lets the names of a `foreach` stand for one of its elements.
    pub(crate) fn set_element(&self, element: &'a Value, index: usize, nesting: usize) {
        let names = ELEMENTS.get(nesting).copied();
        let (own, own_index) = match names {
            Some((element, index)) => (Cow::Borrowed(element), Cow::Borrowed(index)),
            None => (
                Cow::Owned(format!("element{nesting}")),
                Cow::Owned(format!("elementIndex{nesting}")),
            ),
        };
        let index = self.values.alloc(Value::from(index));
        self.lend("element", element);
        self.lend(own, element);
        self.lend("elementIndex", index);
        self.lend(own_index, index);
    }

    /// Lets `request.object` stand for another object.
    pub(crate) fn set_object(&self, object: Value) -> Result<(), QueryError> {
        let before = self.names.borrow().get("request")?;
        let mut request = match before {
            Some(request) => request.own(self.budget)?,
            None => Value::Object(Map::new()),
        };
        request["object"] = object;
        self.doubtful.set(true);
        self.set("request", request);
        Ok(())
    }

    /// The state as it is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            names: self.names.borrow().len(),
            loaders: self.loaders.borrow().len(),
            asked: self.asked.borrow().len(),
        }
    }

    /// Back to a state: later values and entries are forgotten, and entries that got their value since then are
    /// asked again, as it may depend on what is forgotten.
    pub(crate) fn restore(&self, mark: &Mark) {
        let mut loaders = self.loaders.borrow_mut();
        loaders.truncate(mark.loaders);
        self.names.borrow_mut().truncate(mark.names);
        let mut asked = self.asked.borrow_mut();
        while asked.len() > mark.asked {
            if let Some(loader) = asked.pop().and_then(|at| loaders.get_mut(at)) {
                loader.state = State::Waiting;
            }
        }
    }

    /// What functions may use.
    pub(crate) fn world(&self) -> World<'a> {
        World::new(self.budget, self.facts)
    }

    /// The value of an expression.
    pub(crate) fn query(&self, expression: &str) -> Result<Value, QueryError> {
        self.load_mentioned(expression)?;
        let made;
        let parsed = if let Some(parsed) = self.expressions.parsed(expression) {
            parsed
        } else {
            made = self.parse(expression)?;
            &made
        };
        self.evaluated(parsed)?.own(self.budget)
    }

    /// As [`Context::query`], of an expression that was parsed when the policy was read; nothing is copied that need
    /// not be.
    pub(crate) fn look_by<'p>(&self, expression: &str, parsed: &'p Expression) -> Result<Seen<'p>, QueryError>
    where
        'a: 'p,
    {
        self.load_mentioned(expression)?;
        self.evaluated(parsed)
    }

    fn look(&self, expression: &str) -> Result<Seen<'a>, QueryError> {
        match self.expressions.parsed(expression) {
            Some(parsed) => self.look_by(expression, parsed),
            None => self.query(expression).map(Seen::Own),
        }
    }

    fn evaluated<'p>(&self, parsed: &'p Expression) -> Result<Seen<'p>, QueryError>
    where
        'a: 'p,
    {
        let names = Seen::Names(self.names.borrow().clone());
        let value = match parsed.look(names, self.world())? {
            whole @ (Seen::Names(_) | Seen::Fields(_)) => Seen::Own(whole.own(self.budget)?),
            value => value,
        };
        match value.unknown(self.doubtful.get()) {
            Some(what) => Err(QueryError::Unknown(what.to_owned())),
            None => Ok(value),
        }
    }

    /// Parses an expression that was not known when the policy was read.
    pub(crate) fn parse(&self, expression: &str) -> Result<Expression, QueryError> {
        self.budget.spend(200 + expression.len())?;
        Expression::parse(expression).map_err(QueryError::Failed)
    }

    /// Gives the names that an expression mentions their values.
    fn load_mentioned(&self, expression: &str) -> Result<(), QueryError> {
        let count = self.loaders.borrow().len().min(self.reach.get());
        for at in 0..count {
            let (entry, state) = match self.loaders.borrow().get(at) {
                Some(loader) => (loader.entry, loader.state.clone()),
                None => break,
            };
            if matches!(state, State::Loaded | State::Loading) {
                continue;
            }
            self.budget.spend(1 + expression.len() / 64)?;
            if !mentions(expression, &entry.name) {
                continue;
            }
            if let State::Failed(error) = state {
                return Err(error);
            }
            self.load(at, entry)?;
        }
        Ok(())
    }

    fn load(&self, at: usize, entry: &'a Entry) -> Result<(), QueryError> {
        if self.nested.get() >= MAX_NESTED {
            return Err(QueryError::Failed(format!(
                "more than {MAX_NESTED} context entries need each other"
            )));
        }
        self.set_state(at, State::Loading);
        let reach = self.reach.replace(at);
        self.nested.set(self.nested.get() + 1);
        let value = entry.value(self);
        self.nested.set(self.nested.get() - 1);
        self.reach.set(reach);
        self.asked.borrow_mut().push(at);
        match value {
            Ok(value) => {
                self.set_state(at, State::Loaded);
                self.set(entry.name.as_str(), value);
                Ok(())
            }
            Err(error) => {
                let error = match error {
                    QueryError::NotFound(_) | QueryError::Failed(_) => QueryError::Failed(format!(
                        "failed to load the context entry {}: {error}",
                        entry.name
                    )),
                    other => other,
                };
                self.set_state(at, State::Failed(error.clone()));
                Err(error)
            }
        }
    }

    fn set_state(&self, at: usize, state: State) {
        if let Some(loader) = self.loaders.borrow_mut().get_mut(at) {
            loader.state = state;
        }
    }
}

impl From<Unavailable> for QueryError {
    fn from(unavailable: Unavailable) -> QueryError {
        match unavailable {
            Unavailable::Unknown(what) => QueryError::Unknown(what),
            other => QueryError::Failed(other.to_string()),
        }
    }
}

/// Whether an expression mentions a name: as a whole word that does not follow a dot.
fn mentions(expression: &str, name: &str) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let bytes = expression.as_bytes();
    expression.match_indices(name).any(|(at, _)| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let begins = before.is_none_or(|byte| *byte != b'.' && !byte.is_ascii_alphanumeric());
        let last = name.as_bytes().last().is_some_and(is_word);
        let next = bytes.get(at + name.len()).is_some_and(is_word);
        begins && last != next
    })
}

/// The names in `request.object."a.b"`.
fn dotted(path: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut name = String::new();
    let mut quoted = false;
    for letter in path.chars() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => names.push(std::mem::take(&mut name)),
            letter => name.push(letter),
        }
    }
    names.push(name);
    names
}

/// Puts a value into another: objects are joined, anything else is replaced.
fn merge(into: &mut Value, value: Value) {
    match (into, value) {
        (Value::Object(into), Value::Object(map)) => {
            for (key, value) in map {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, value) => *into = value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_mentioned() {
        let check = |expression: &str, name: &str, expect: bool| {
            assert_eq!(mentions(expression, name), expect, "{name} in {expression}");
        };
        check("foo", "foo", true);
        check("foo.bar", "foo", true);
        check("a.foo", "foo", false);
        check("foobar", "foo", false);
        check("length(foo)", "foo", true);
        check("xfoo", "foo", false);
        check("[foo]", "foo", true);
        check("foo_x", "foo", false);
        check("a || foo", "foo", true);
    }

    #[test]
    fn dotted_names() {
        assert_eq!(dotted("a.b"), ["a", "b"]);
        assert_eq!(dotted("a.\"b.c\".d"), ["a", "b.c", "d"]);
        assert_eq!(dotted("a"), ["a"]);
    }
}
