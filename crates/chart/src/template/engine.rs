//! What one render shares: the named templates, the budget, caches, clock and random numbers; and the calls
//! by which functions run templates.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::Template;
use super::parser::{ParsedFile, parse};
use super::printing;
use super::run::Run;
use crate::budget::{Budget, Limits};
use crate::value::{Dict, Value};

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
    pub(super) fn find(&self, name: &str) -> Option<Rc<Bound>> {
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
    pub(super) scope: RefCell<Rc<Scope>>,
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

    pub(super) fn run(&self, bound: &Bound, data: &Value) -> Result<String, Box<ExecError>> {
        Run::new(self, bound, data).whole(data)
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
