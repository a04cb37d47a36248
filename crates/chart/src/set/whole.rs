//! Where in the values integers stand. The values themselves travel as JSON, which knows numbers only; when
//! they have reached the templates, these places are made integers again.

use std::rc::Rc;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::dependencies::Instance;
use crate::value::{List, Value};

/// The places of integers in a tree of values.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Whole {
    /// This very one.
    Here(i64),
    Table(Vec<(Arc<str>, Whole)>),
    List(Vec<(usize, Whole)>),
}

impl Whole {
    fn of(value: &Json) -> Option<Self> {
        match value {
            Json::Number(number) => number.as_i64().map(Self::Here),
            Json::Object(table) => Self::of_table(table),
            Json::Array(items) => {
                let places = items.iter().enumerate();
                let below: Vec<_> = places
                    .filter_map(|(index, item)| Some((index, Self::of(item)?)))
                    .collect();
                (!below.is_empty()).then_some(Self::List(below))
            }
            _ => None,
        }
    }

    pub(super) fn of_table(table: &Map<String, Json>) -> Option<Self> {
        let below: Vec<_> = table
            .iter()
            .filter_map(|(name, item)| Some((Arc::from(name.as_str()), Self::of(item)?)))
            .collect();
        (!below.is_empty()).then_some(Self::Table(below))
    }

    fn below(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Table(below) => below
                .iter()
                .find(|(known, _)| **known == *name)
                .map(|(_, below)| below),
            _ => None,
        }
    }

    /// Makes integers of the numbers at these places.
    fn restore(&self, value: &mut Value) {
        match (self, value) {
            (Self::Here(number), value) => {
                if let Value::Float(_) = value {
                    *value = Value::Int64(*number);
                }
            }
            (Self::Table(places), Value::Map(table)) => {
                let mut entries = table.entries.borrow_mut();
                for (name, below) in places {
                    if let Some(value) = entries.get_mut(name) {
                        below.restore(value);
                    }
                }
            }
            (Self::List(places), Value::List(list)) => {
                let mut items = list.items.clone();
                for (index, below) in places {
                    if let Some(item) = items.get_mut(*index) {
                        below.restore(item);
                    }
                }
                let elements = list.elements;
                *list = Rc::new(List { items, elements });
            }
            _ => {}
        }
    }

    /// Restores the values of a chart and, because globals flow down, those of all below it.
    pub(crate) fn restore_all(&self, root: &Instance<'_>, values: &mut Value) {
        self.restore(values);
        restore_globals(root, values, Some(self), &[]);
    }
}

fn restore_globals(instance: &Instance<'_>, values: &Value, own: Option<&Whole>, inherited: &[&Whole]) {
    const GLOBAL: &str = "global";
    let Value::Map(table) = values else { return };
    let mut entries = table.entries.borrow_mut();
    if let Some(global) = entries.get_mut(GLOBAL) {
        for whole in inherited {
            whole.restore(global);
        }
    }
    let mut inherited = inherited.to_vec();
    inherited.extend(own.and_then(|own| own.below(GLOBAL)));
    for child in &instance.children {
        if let Some(values) = entries.get(child.name.as_str()) {
            let own = own.and_then(|own| own.below(&child.name));
            restore_globals(child, values, own, &inherited);
        }
    }
}
