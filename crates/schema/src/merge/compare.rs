//! What changed between two objects, as sets of field paths.

use std::collections::BTreeMap;

use serde_json::Value;

use super::typed::{Shape, Typed, item_element};
use crate::fields::{Element, FieldSet, Scalar};

/// The fields that one object has and the other has not, or has otherwise.
#[derive(Debug, Default)]
pub(crate) struct Comparison {
    pub(crate) removed: FieldSet,
    pub(crate) modified: FieldSet,
    pub(crate) added: FieldSet,
}

impl Comparison {
    /// The comparison without the given fields and all below them.
    pub(crate) fn without_below(&self, fields: &FieldSet) -> Comparison {
        Comparison {
            removed: self.removed.without_below(fields),
            modified: self.modified.without_below(fields),
            added: self.added.without_below(fields),
        }
    }

    /// Everything set by the second object.
    pub(crate) fn written(&self) -> FieldSet {
        self.modified.union(&self.added)
    }
}

/// Whether two values mean the same: `1` and `1.0` do.
pub(crate) fn same(left: &Value, right: &Value) -> bool {
    Scalar::compare(left, right).is_eq()
}

/// Compares two objects by their schema.
pub(crate) fn compare(typed: Typed<'_>, left: &Value, right: &Value) -> Result<Comparison, String> {
    let mut walk = Walk {
        path: Vec::new(),
        found: Comparison::default(),
    };
    walk.at(typed, Some(left), Some(right))?;
    Ok(walk.found)
}

struct Walk {
    path: Vec<Element>,
    found: Comparison,
}

impl Walk {
    fn at(&mut self, typed: Typed<'_>, left: Option<&Value>, right: Option<&Value>) -> Result<(), String> {
        let (from, to) = (typed.shape(left), typed.shape(right));
        let leaf = if right.is_none() {
            self.as_shape(from, typed, left, right)?
        } else {
            if left.is_some() && from != to {
                self.as_shape(from, typed, left, right)?;
            }
            self.as_shape(to, typed, left, right)?
        };
        if !leaf {
            if left.is_none() {
                self.found.added.insert(&self.path);
            } else if right.is_none() {
                self.found.removed.insert(&self.path);
            }
        }
        Ok(())
    }

    /// Compares two values taken for one shape; says whether the place was compared as one value.
    fn as_shape(
        &mut self,
        shape: Shape,
        typed: Typed<'_>,
        left: Option<&Value>,
        right: Option<&Value>,
    ) -> Result<bool, String> {
        match shape {
            Shape::Scalar => {
                self.leaf(left, right);
                Ok(true)
            }
            Shape::List => {
                let (old, new) = (left.and_then(Value::as_array), right.and_then(Value::as_array));
                let empty = old.is_none_or(Vec::is_empty) && new.is_none_or(Vec::is_empty);
                if typed.is_atomic_list() || empty {
                    self.leaf(left, right);
                    return Ok(true);
                }
                let none: &[Value] = &[];
                self.items(
                    typed,
                    old.map_or(none, Vec::as_slice),
                    new.map_or(none, Vec::as_slice),
                )?;
                Ok(false)
            }
            Shape::Map => {
                let (old, new) = (left.and_then(Value::as_object), right.and_then(Value::as_object));
                let empty =
                    old.is_none_or(serde_json::Map::is_empty) && new.is_none_or(serde_json::Map::is_empty);
                if typed.is_atomic_map() || empty {
                    self.leaf(left, right);
                    return Ok(true);
                }
                for (name, value) in old.into_iter().flatten() {
                    let other = new.and_then(|new| new.get(name));
                    self.below(typed.child(name), Element::field(name), Some(value), other)?;
                }
                for (name, value) in new.into_iter().flatten() {
                    if !old.is_some_and(|old| old.contains_key(name)) {
                        self.below(typed.child(name), Element::field(name), None, Some(value))?;
                    }
                }
                Ok(false)
            }
        }
    }

    fn leaf(&mut self, left: Option<&Value>, right: Option<&Value>) {
        match (left, right) {
            (None, _) => self.found.added.insert(&self.path),
            (_, None) => self.found.removed.insert(&self.path),
            (Some(left), Some(right)) => {
                if !same(left, right) {
                    self.found.modified.insert(&self.path);
                }
            }
        }
    }

    fn below(
        &mut self,
        typed: Typed<'_>,
        element: Element,
        left: Option<&Value>,
        right: Option<&Value>,
    ) -> Result<(), String> {
        self.path.push(element);
        let result = self.at(typed, left, right);
        self.path.pop();
        result
    }

    fn items(&mut self, typed: Typed<'_>, old: &[Value], new: &[Value]) -> Result<(), String> {
        let mut pairs: BTreeMap<Element, (Vec<&Value>, Vec<&Value>)> = BTreeMap::new();
        for item in old {
            pairs
                .entry(item_element(typed.schema, item)?)
                .or_default()
                .0
                .push(item);
        }
        for item in new {
            pairs
                .entry(item_element(typed.schema, item)?)
                .or_default()
                .1
                .push(item);
        }
        for (element, (old, new)) in pairs {
            // Items that stand twice are owned as one value, under the path of the item.
            match (old.len() > 1, new.len() > 1) {
                (false, false) => {
                    self.below(typed.item(), element, old.first().copied(), new.first().copied())?;
                }
                (true, true) => {
                    let equal =
                        old.len() == new.len() && old.iter().zip(&new).all(|(old, new)| same(old, new));
                    if !equal {
                        self.item_path(element, |found, path| found.modified.insert(path));
                    }
                }
                (true, false) => {
                    if let Some(new) = new.first() {
                        self.below(typed.item(), element.clone(), None, Some(new))?;
                    }
                    self.item_path(element, |found, path| found.removed.insert(path));
                }
                (false, true) => {
                    if let Some(old) = old.first() {
                        self.below(typed.item(), element.clone(), Some(old), None)?;
                    }
                    self.item_path(element, |found, path| found.added.insert(path));
                }
            }
        }
        Ok(())
    }

    fn item_path(&mut self, element: Element, note: impl FnOnce(&mut Comparison, &[Element])) {
        self.path.push(element);
        note(&mut self.found, &self.path);
        self.path.pop();
    }
}
