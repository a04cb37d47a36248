//! A pattern beside an object, step by step, as Kyverno's `pkg/engine/validate` walks them.
//!
//! The walk ends at the first thing that does not fit. What became of it is one of three: the object
//! is refused, the rule does not apply to it (a condition did not hold), or the pattern cannot be judged.

use ::cel::budget::{Budget, Exhausted};
use serde_json::{Map, Value};

use super::node::{Anchor, Field, Fields, Node, escape};
use super::scalar::Scalar;
use crate::wildcard;

/// Where an object does not fit, and what stood there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// The path as Kyverno prints it, such as `/spec/containers/0/image/`.
    pub(crate) printed: String,
    /// The same place as an RFC 6901 pointer into the object.
    pub(crate) pointer: String,
    /// The value there; `None` where there is none.
    pub(crate) value: Option<Value>,
    /// What was expected, in Kyverno's words.
    pub(crate) reason: String,
}

/// Why a pattern does not match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The object breaks the rule.
    Refused(Finding),
    /// A condition anchor says that the rule is not about this object.
    Skipped(Finding),
    /// Kyverno calls this an error: the pattern does not fit, and an anchor's key was never met.
    Unclear(Finding),
    /// The budget is used up.
    Exhausted(Exhausted),
}

/// Judges an object by a pattern.
pub(crate) fn matches(pattern: &Node, object: &Value, budget: &Budget) -> Result<(), Mismatch> {
    let mut walk = Walk {
        budget,
        path: Vec::new(),
        seen: Vec::new(),
    };
    match walk.element(pattern, Some(object)) {
        Ok(()) => Ok(()),
        Err(Stop::Exhausted(exhausted)) => Err(Mismatch::Exhausted(exhausted)),
        Err(Stop::At(stop)) => Err(match stop.kind {
            Kind::Skip { .. } => Mismatch::Skipped(stop.finding),
            Kind::Length => Mismatch::Unclear(stop.finding),
            Kind::Mismatch if walk.anchor_never_met() => Mismatch::Unclear(stop.finding),
            Kind::Negation | Kind::Mismatch => Mismatch::Refused(stop.finding),
        }),
    }
}

enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

enum Stop {
    At(Box<Stopped>),
    Exhausted(Exhausted),
}

struct Stopped {
    kind: Kind,
    finding: Finding,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A condition did not hold. `here`: it was a condition of the very map being judged, not one below it.
    Skip {
        here: bool,
    },
    /// A key that must not be there is there.
    Negation,
    /// A list of lists is shorter than its pattern.
    Length,
    Mismatch,
}

impl From<Exhausted> for Stop {
    fn from(exhausted: Exhausted) -> Stop {
        Stop::Exhausted(exhausted)
    }
}

struct Walk<'a> {
    budget: &'a Budget,
    path: Vec<Step<'a>>,
    /// Keys with `()`, `^()` or `X()` that were looked for, and whether they were ever found.
    seen: Vec<(&'a str, bool)>,
}

impl<'a> Walk<'a> {
    fn element(&mut self, pattern: &'a Node, value: Option<&'a Value>) -> Result<(), Stop> {
        self.budget.spend(1)?;
        match (pattern, value) {
            (Node::Map(fields), Some(Value::Object(map))) => self.map(fields, map),
            (Node::Map(_), value) => {
                let found = kind_name(value);
                let path = self.printed();
                Err(self.mismatch(
                    value,
                    format!("pattern and resource have different structures. Path: {path}. Expected map[string]interface {{}}, found {found}"),
                ))
            }
            (Node::List(patterns), Some(whole @ Value::Array(items))) => self.list(patterns, items, whole),
            (Node::List(_), value) => {
                let path = self.printed();
                Err(self.mismatch(
                    value,
                    format!("validation rule failed at path {path}, resource does not satisfy the expected overlay pattern"),
                ))
            }
            (Node::Leaf(leaf), Some(Value::Array(items))) => self.leaves(leaf, items),
            (Node::Leaf(leaf), value) => {
                if leaf.matches(value, self.budget)? {
                    Ok(())
                } else {
                    Err(self.leaf_mismatch(&leaf.describe(), value))
                }
            }
        }
    }

    fn map(&mut self, pattern: &'a Fields, map: &'a Map<String, Value>) -> Result<(), Stop> {
        for field in &pattern.anchors {
            if field.anchor != Anchor::Equality {
                self.remember(field, map);
            }
        }
        let mut skipped: Option<Box<Stopped>> = None;
        let mut skipped_here = false;
        let mut applied = 0;
        for field in &pattern.anchors {
            match self.field(field, map) {
                Ok(()) => applied += 1,
                Err(Stop::At(stop)) => match stop.kind {
                    Kind::Skip { here } => {
                        skipped_here |= here;
                        skipped.get_or_insert(stop);
                    }
                    // A condition of this map already failed, so its other anchors do not count.
                    _ if skipped_here => {}
                    _ => return Err(Stop::At(stop)),
                },
                Err(exhausted) => return Err(exhausted),
            }
        }
        if let Some(mut stop) = skipped
            && (applied == 0 || skipped_here)
        {
            stop.kind = Kind::Skip { here: false };
            return Err(Stop::At(stop));
        }
        for field in &pattern.fields {
            self.field(field, map)?;
        }
        Ok(())
    }

    fn field(&mut self, field: &'a Field, map: &'a Map<String, Value>) -> Result<(), Stop> {
        let key = self.key(field, map)?;
        let value = map.get(key);
        self.path.push(Step::Key(key));
        let outcome = self.anchored(field, value);
        self.path.pop();
        outcome
    }

    fn anchored(&mut self, field: &'a Field, value: Option<&'a Value>) -> Result<(), Stop> {
        match (field.anchor, value) {
            (Anchor::None, value) => {
                if let Node::Leaf(leaf) = &field.pattern
                    && leaf.is_star()
                {
                    self.budget.spend(1)?;
                    return match value {
                        None | Some(Value::Null) => Err(self.absent()),
                        Some(_) => Ok(()),
                    };
                }
                self.element(&field.pattern, value)
            }
            (Anchor::Equality, Some(value)) => self.element(&field.pattern, Some(value)),
            (Anchor::Global, Some(value)) => self
                .element(&field.pattern, Some(value))
                .map_err(|stop| as_condition(stop, "global anchor mismatch")),
            (Anchor::Condition, Some(value)) => self
                .element(&field.pattern, Some(value))
                .map_err(|stop| as_condition(stop, "conditional anchor mismatch")),
            (Anchor::Condition, None) => Err(self.stop(
                Kind::Skip { here: true },
                None,
                "conditional anchor mismatch: conditional anchor key doesn't exist in the resource"
                    .to_owned(),
            )),
            (Anchor::Negation, Some(value)) => {
                let path = self.printed();
                Err(self.stop(
                    Kind::Negation,
                    Some(value),
                    format!("negation anchor matched in resource: {path} is not allowed"),
                ))
            }
            (Anchor::Existence, Some(value)) => self.existence(&field.pattern, value),
            (Anchor::Equality | Anchor::Global | Anchor::Negation | Anchor::Existence, None) => Ok(()),
        }
    }

    /// Every pattern of the list must be met by at least one item.
    fn existence(&mut self, pattern: &'a Node, value: &'a Value) -> Result<(), Stop> {
        let path = self.printed();
        let (Node::List(patterns), Value::Array(items)) = (pattern, value) else {
            return Err(self.mismatch(
                Some(value),
                format!("the existence anchor ^() needs a list at path {path}"),
            ));
        };
        for pattern in patterns {
            let mut met = false;
            for (index, item) in items.iter().enumerate() {
                self.path.push(Step::Index(index));
                let outcome = self.element(pattern, Some(item));
                self.path.pop();
                match outcome {
                    Ok(()) => {
                        met = true;
                        break;
                    }
                    Err(Stop::Exhausted(exhausted)) => return Err(exhausted.into()),
                    Err(Stop::At(_)) => {}
                }
            }
            if !met {
                return Err(self.mismatch(
                    Some(value),
                    format!("existence anchor validation failed at path {path}"),
                ));
            }
        }
        Ok(())
    }

    fn list(&mut self, patterns: &'a [Node], items: &'a [Value], whole: &'a Value) -> Result<(), Stop> {
        match patterns.first() {
            None => Err(self.mismatch(Some(whole), "pattern Array empty".to_owned())),
            // The first pattern speaks for every item.
            Some(Node::Leaf(leaf)) => self.leaves(leaf, items),
            Some(first @ Node::Map(_)) => self.each(items.iter().map(|item| (first, item))),
            Some(Node::List(_)) => {
                if items.len() < patterns.len() {
                    let (have, need) = (items.len(), patterns.len());
                    return Err(self.stop(
                        Kind::Length,
                        Some(whole),
                        format!("validate Array failed, array length mismatch, resource Array len is {have} and pattern Array len is {need}"),
                    ));
                }
                self.each(patterns.iter().zip(items))
            }
        }
    }

    /// A leaf beside a list: every item must match.
    fn leaves(&self, leaf: &Scalar, items: &'a [Value]) -> Result<(), Stop> {
        for (index, item) in items.iter().enumerate() {
            if !leaf.matches(Some(item), self.budget)? {
                let mut stop = self.leaf_mismatch(&leaf.describe(), Some(item));
                if let Stop::At(stopped) = &mut stop {
                    stopped.finding.pointer = format!("{}/{index}", stopped.finding.pointer);
                }
                return Err(stop);
            }
        }
        Ok(())
    }

    /// Judges pairs in order; the list is skipped when every pair was.
    fn each(&mut self, pairs: impl Iterator<Item = (&'a Node, &'a Value)>) -> Result<(), Stop> {
        let mut skipped = None;
        let mut applied = 0;
        for (index, (pattern, item)) in pairs.enumerate() {
            self.path.push(Step::Index(index));
            let outcome = self.element(pattern, Some(item));
            self.path.pop();
            match outcome {
                Ok(()) => applied += 1,
                Err(Stop::At(stop)) if matches!(stop.kind, Kind::Skip { .. }) => {
                    skipped.get_or_insert(stop);
                }
                Err(stop) => return Err(stop),
            }
        }
        match skipped {
            Some(mut stop) if applied == 0 => {
                stop.kind = Kind::Skip { here: false };
                Err(Stop::At(stop))
            }
            _ => Ok(()),
        }
    }

    /// The key to look for: a wildcard in a label or annotation becomes the first key that fits.
    fn key(&self, field: &'a Field, map: &'a Map<String, Value>) -> Result<&'a str, Exhausted> {
        if field.wildcard {
            for key in map.keys() {
                if wildcard::matches_within(&field.key, key, self.budget)? {
                    return Ok(key);
                }
            }
        }
        Ok(&field.key)
    }

    fn remember(&mut self, field: &'a Field, map: &'a Map<String, Value>) {
        let found = map.contains_key(&field.key)
            || (field.wildcard && map.keys().any(|key| wildcard::matches(&field.key, key)));
        match self
            .seen
            .iter_mut()
            .find(|(written, _)| *written == field.written)
        {
            Some((_, ever)) => *ever |= found,
            None => self.seen.push((&field.written, found)),
        }
    }

    fn anchor_never_met(&self) -> bool {
        self.seen
            .iter()
            .any(|(written, found)| !found && !written.starts_with('X'))
    }

    fn leaf_mismatch(&self, expect: &str, value: Option<&Value>) -> Stop {
        let path = self.printed();
        let seen = value.map_or_else(|| "<nil>".to_owned(), brief);
        self.mismatch(
            value,
            format!("resource value '{seen}' does not match '{expect}' at path {path}"),
        )
    }

    /// A key with the pattern `*` is not there. Kyverno prints the map it should stand in.
    fn absent(&self) -> Stop {
        let mut stop = self.mismatch(None, String::new());
        if let (Stop::At(stopped), Some(Step::Key(key))) = (&mut stop, self.path.last()) {
            let parent = print(&self.path[..self.path.len() - 1]);
            stopped.finding.reason = format!("{parent}/{key} not found");
            stopped.finding.printed = parent;
        }
        stop
    }

    fn mismatch(&self, value: Option<&Value>, reason: String) -> Stop {
        self.stop(Kind::Mismatch, value, reason)
    }

    fn stop(&self, kind: Kind, value: Option<&Value>, reason: String) -> Stop {
        let pointer = self.path.iter().fold(String::new(), |mut pointer, step| {
            pointer.push('/');
            match step {
                Step::Key(key) => pointer.push_str(&escape(key)),
                Step::Index(index) => pointer.push_str(&index.to_string()),
            }
            pointer
        });
        let value = value.filter(|value| self.budget.pay_for(value).is_ok()).cloned();
        Stop::At(Box::new(Stopped {
            kind,
            finding: Finding {
                printed: self.printed(),
                pointer,
                value,
                reason,
            },
        }))
    }

    fn printed(&self) -> String {
        print(&self.path)
    }
}

/// A path in Kyverno's manner: a slash at both ends, keys as they are.
fn print(path: &[Step<'_>]) -> String {
    path.iter().fold("/".to_owned(), |mut printed, step| {
        match step {
            Step::Key(key) => printed.push_str(key),
            Step::Index(index) => printed.push_str(&index.to_string()),
        }
        printed.push('/');
        printed
    })
}

/// A mismatch below a condition means that the condition does not hold.
fn as_condition(stop: Stop, prefix: &str) -> Stop {
    match stop {
        Stop::At(mut stopped) => {
            stopped.kind = Kind::Skip { here: true };
            stopped.finding.reason = format!("{prefix}: {}", stopped.finding.reason);
            Stop::At(stopped)
        }
        exhausted @ Stop::Exhausted(_) => exhausted,
    }
}

fn kind_name(value: Option<&Value>) -> &'static str {
    match value {
        None | Some(Value::Null) => "<nil>",
        Some(Value::Bool(_)) => "bool",
        Some(Value::Number(number)) if number.is_i64() => "int64",
        Some(Value::Number(_)) => "float64",
        Some(Value::String(_)) => "string",
        Some(Value::Array(_)) => "[]interface {}",
        Some(Value::Object(_)) => "map[string]interface {}",
    }
}

/// A value in a message: never longer than a line.
fn brief(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("a list of {}", items.len()),
        Value::Object(_) => "a map".to_owned(),
        other => other.to_string(),
    };
    match text.char_indices().nth(200) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text,
    }
}
