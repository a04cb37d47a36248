//! What the names of a rule stand for. A name of the rule's own `context` gets its value when an expression that
//! mentions it is evaluated, and not before; what cannot be had is an error for whoever reads it.
//!
//! Knows nothing of requests and objects: they are values that it is given.

use std::cell::{Cell, RefCell};

use serde_json::{Map, Value};

use crate::budget::Budget;
use crate::facts::{Facts, Unavailable};
use crate::jmespath::{Expression, QueryError, UNKNOWN, World};
use crate::policy::Entry;
use crate::variables::Expressions;

/// How many entries may be on the way to their values at once, each for the sake of the one before.
const MAX_NESTED: usize = 24;

/// What the variables of a rule stand for.
pub(crate) struct Context<'a> {
    root: RefCell<Value>,
    loaders: RefCell<Vec<Loader<'a>>>,
    changes: RefCell<Vec<Change>>,
    /// How many of the loaders may be asked: an entry sees those before it.
    reach: Cell<usize>,
    nested: Cell<usize>,
    /// Names that are given beside the rule.
    given: Option<&'a Map<String, Value>>,
    pub(crate) expressions: &'a Expressions,
    pub(crate) budget: &'a Budget,
    pub(crate) facts: &'a dyn Facts,
    /// The object is being deleted: `request.object` in a variable means the object as it was.
    pub(crate) deleting: bool,
    /// The namespace of a namespaced policy, which sees no other.
    pub(crate) namespace: Option<&'a str>,
    /// Who makes the variables that every rule has, once an expression may read one of them.
    common: Option<&'a dyn Common>,
    has_common: Cell<bool>,
    /// What `request.object` stands for, as long as nothing else does.
    object: Cell<Option<&'a Value>>,
}

/// The names that [`Common`] gives values to.
const COMMON: [&str; 4] = [
    "request",
    "images",
    "serviceAccountName",
    "serviceAccountNamespace",
];

/// The variables that every rule has.
pub(crate) trait Common {
    /// The variables: an object with the names of [`COMMON`].
    fn variables(&self) -> Result<Value, QueryError>;
    /// Takes them back as they were.
    fn give_back(&self, variables: Value);
}

/// A place where one rule leaves the variables that every rule about an object has for the next.
#[derive(Default)]
pub(crate) struct Shared {
    root: RefCell<Option<Value>>,
    /// What each rule pays for them.
    steps: Cell<usize>,
}

impl Shared {
    /// The variables, if they are here, and what they cost.
    pub(crate) fn take(&self) -> Option<(Value, usize)> {
        Some((self.root.take()?, self.steps.get()))
    }

    /// Puts them back.
    pub(crate) fn put(&self, root: Value) {
        self.root.replace(Some(root));
    }

    /// What the next to take them pays.
    pub(crate) fn set_steps(&self, steps: usize) {
        self.steps.set(steps);
    }
}

impl Drop for Context<'_> {
    fn drop(&mut self) {
        if let (Some(common), true) = (self.common, self.has_common.get()) {
            self.restore(&Mark::default());
            common.give_back(self.root.take());
        }
    }
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

/// What a name stood for before, and the entry that has been asked.
struct Change {
    name: Option<(String, Option<Value>)>,
    loader: Option<usize>,
}

/// A state of a context to come back to.
#[derive(Default)]
pub(crate) struct Mark {
    changes: usize,
    loaders: usize,
}

impl<'a> Context<'a> {
    /// The context of a rule before any of its entries.
    pub(crate) fn new(
        root: Value,
        expressions: &'a Expressions,
        budget: &'a Budget,
        facts: &'a dyn Facts,
    ) -> Context<'a> {
        Context {
            root: RefCell::new(root),
            loaders: RefCell::default(),
            changes: RefCell::default(),
            reach: Cell::new(usize::MAX),
            nested: Cell::new(0),
            given: None,
            expressions,
            budget,
            facts,
            deleting: false,
            namespace: None,
            common: None,
            has_common: Cell::new(false),
            object: Cell::new(None),
        }
    }

    /// The context of a rule whose common variables are made when they are asked for. `object` is what
    /// `request.object` stands for in them, unless it is null.
    pub(crate) fn of(
        common: &'a dyn Common,
        object: Option<&'a Value>,
        expressions: &'a Expressions,
        budget: &'a Budget,
        facts: &'a dyn Facts,
    ) -> Context<'a> {
        let empty = Value::Object(Map::new());
        let mut context = Context::new(empty, expressions, budget, facts);
        (context.common, context.object) = (Some(common), Cell::new(object));
        context
    }

    /// Makes the variables that every rule has, if that is still to be done.
    fn make_common(&self) -> Result<(), QueryError> {
        let (Some(common), false) = (self.common, self.has_common.get()) else {
            return Ok(());
        };
        let mut variables = common.variables()?;
        let mut root = self.root.borrow_mut();
        if let (Value::Object(variables), Value::Object(own)) = (&mut variables, &mut *root) {
            variables.append(own);
        }
        *root = variables;
        self.has_common.set(true);
        Ok(())
    }

    /// Values by their dotted names, which win over what a cluster would say.
    pub(crate) fn give(&mut self, given: Option<&'a Map<String, Value>>) -> Result<(), QueryError> {
        self.given = given;
        if given.is_some_and(|given| !given.is_empty()) {
            self.make_common()?;
        }
        for (path, value) in given.into_iter().flatten() {
            let value = self.budget.copy(value)?;
            let names = dotted(path);
            let Some((name, below)) = names.split_first() else {
                continue;
            };
            let nested = below.iter().rev().fold(value, |value, name| {
                Value::Object(Map::from_iter([(name.clone(), value)]))
            });
            let before = self
                .root
                .borrow()
                .get(name)
                .map(|before| self.budget.copy(before));
            let mut merged = before.transpose()?.unwrap_or(Value::Null);
            merge(&mut merged, nested);
            self.set(name, merged);
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
    pub(crate) fn set(&self, name: &str, value: Value) {
        if COMMON.contains(&name) {
            // It fails for want of budget only, and then whatever reads it fails as well.
            let _ = self.make_common();
            if name == "request" {
                self.object.set(None);
            }
        }
        let mut root = self.root.borrow_mut();
        let Value::Object(map) = &mut *root else { return };
        let before = map.insert(name.to_owned(), value);
        self.changes.borrow_mut().push(Change {
            name: Some((name.to_owned(), before)),
            loader: None,
        });
    }

    /// Lets `request.object` stand for another object.
    pub(crate) fn set_object(&self, object: Value) -> Result<(), QueryError> {
        self.make_common()?;
        let mut request = match self.root.borrow().get("request") {
            Some(request) => self.budget.copy(request)?,
            None => Value::Object(Map::new()),
        };
        request["object"] = object;
        self.set("request", request);
        Ok(())
    }

    /// The state as it is now.
    pub(crate) fn mark(&self) -> Mark {
        Mark {
            changes: self.changes.borrow().len(),
            loaders: self.loaders.borrow().len(),
        }
    }

    /// Back to a state: later values and entries are forgotten, and entries that got their value since then are
    /// asked again, as it may depend on what is forgotten.
    pub(crate) fn restore(&self, mark: &Mark) {
        let mut loaders = self.loaders.borrow_mut();
        loaders.truncate(mark.loaders);
        let mut root = self.root.borrow_mut();
        let mut changes = self.changes.borrow_mut();
        while changes.len() > mark.changes
            && let Some(change) = changes.pop()
        {
            if let Some(loader) = change.loader.and_then(|at| loaders.get_mut(at)) {
                loader.state = State::Waiting;
            }
            if let (Some((name, before)), Value::Object(map)) = (change.name, &mut *root) {
                match before {
                    Some(before) => map.insert(name, before),
                    None => map.remove(&name),
                };
            }
        }
    }

    /// What functions may use.
    pub(crate) fn world(&self) -> World<'a> {
        World {
            budget: self.budget,
            facts: self.facts,
        }
    }

    /// Evaluates an expression.
    pub(crate) fn query(&self, expression: &str) -> Result<Value, QueryError> {
        self.load_mentioned(expression)?;
        let made;
        let parsed = if let Some(parsed) = self.expressions.parsed(expression) {
            parsed
        } else {
            made = self.parse(expression)?;
            &made
        };
        let object = self.object.get();
        let of_object = object.and_then(|object| parsed.query_object(object, self.world()));
        let value = if let Some(value) = of_object {
            value?
        } else {
            if parsed.may_read(&COMMON) {
                self.make_common()?;
            }
            parsed.query(&self.root.borrow(), self.world())?
        };
        match unknown_in(&value) {
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
        self.changes.borrow_mut().push(Change {
            name: None,
            loader: Some(at),
        });
        match value {
            Ok(value) => {
                self.set_state(at, State::Loaded);
                self.set(&entry.name, value);
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

/// What is not known, if a value holds the marker of such a thing.
fn unknown_in(value: &Value) -> Option<&str> {
    match value {
        // The marker begins with a byte that texts do not hold; to look for it alone is faster.
        Value::String(text) if text.as_bytes().contains(&0) => text.split_once(UNKNOWN).map(|(_, what)| what),
        Value::Array(items) => items.iter().find_map(unknown_in),
        Value::Object(map) => map.values().find_map(unknown_in),
        _ => None,
    }
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
