//! A check of every element of a list.

use serde_json::Value;

use super::context::set;
use super::{Judge, Judged};
use crate::element::Element;
use crate::jmespath::QueryError;
use crate::policy::Foreach;
use crate::variables::Context;
use crate::verdict::Outcome;

impl Judge<'_> {
    pub(super) fn foreach(
        &self,
        context: &mut Context<'_>,
        list: &[Foreach],
        outer: Option<&Element<'_>>,
    ) -> Option<Judged> {
        let nesting = outer.map_or(0, |element| element.nesting + 1);
        let mut applied = 0;
        let mut list_error = None;
        for each in list {
            let elements = match context.query(&each.list) {
                Ok(Value::Array(elements)) => elements,
                Ok(single) => vec![single],
                // A list that is not there has no elements.
                Err(QueryError::NotFound(_)) => continue,
                Err(error) => {
                    list_error = Some(error);
                    continue;
                }
            };
            let before = Before::of(&mut context.root, each, nesting);
            let judged = self.elements(context, each, &elements, outer, &mut applied);
            before.restore(&mut context.root);
            if judged.is_some() {
                return judged;
            }
        }
        match (applied, list_error) {
            (0, Some(error)) => Some(Judged::error(format!("failed to evaluate list: {error}"))),
            (0, None) => None,
            _ => Some(Judged::new(Outcome::Pass, "rule passed")),
        }
    }

    /// Judges the elements of one list; the first that does not pass decides.
    fn elements(
        &self,
        context: &mut Context<'_>,
        each: &Foreach,
        elements: &[Value],
        outer: Option<&Element<'_>>,
        applied: &mut usize,
    ) -> Option<Judged> {
        let nesting = outer.map_or(0, |element| element.nesting + 1);
        for (index, element) in elements.iter().enumerate() {
            if element.is_null() {
                continue;
            }
            let scoped = each.element_scope.unwrap_or(element.is_object());
            if scoped && !element.is_object() {
                return Some(Judged::error(
                    "cannot use elementScope=true foreach rules for elements that are not maps",
                ));
            }
            let Ok(copy) = self
                .budget
                .copy(element)
                .and_then(|copy| Ok((copy, self.budget.copy(element)?)))
            else {
                return Some(Judged::error(crate::budget::Exhausted.to_string()));
            };
            set(&mut context.root, "element", copy.0);
            set(&mut context.root, &format!("element{nesting}"), copy.1);
            set(&mut context.root, "elementIndex", Value::from(index));
            set(
                &mut context.root,
                &format!("elementIndex{nesting}"),
                Value::from(index),
            );
            Self::add_entries(context, &each.context);
            match each
                .preconditions
                .as_ref()
                .map(|conditions| conditions.judge(context))
            {
                None => {}
                Some(Ok(judged)) if judged.holds => {}
                // As in Kyverno an element whose preconditions cannot be evaluated is left out.
                Some(Ok(_) | Err(QueryError::NotFound(_) | QueryError::Failed(_))) => continue,
                Some(Err(error)) => {
                    return Some(Judged::error(format!(
                        "failed to evaluate preconditions: {error}"
                    )));
                }
            }
            let element = Element {
                value: element,
                list: &each.list,
                index,
                outer,
                scoped,
                nesting,
            };
            match self.check(context, &each.check, Some(element)) {
                None => {}
                Some(judged) if judged.outcome == Outcome::Skip => {}
                Some(judged) if judged.outcome == Outcome::Pass => *applied += 1,
                Some(mut judged) => {
                    judged.message = format!("validation failure: {}", judged.message);
                    if judged.path.is_none() {
                        judged.path = self.place_of_element(&element).map(|place| place.pointer);
                    }
                    return Some(judged);
                }
            }
        }
        None
    }
}

/// What the names that a `foreach` gives a value stood for before it.
struct Before {
    values: Vec<(String, Option<Value>)>,
}

impl Before {
    fn of(root: &mut Value, each: &Foreach, nesting: usize) -> Before {
        let own = ["element", "elementIndex"].into_iter();
        let names = own.flat_map(|name| [name.to_owned(), format!("{name}{nesting}")]);
        let names = names.chain(each.context.iter().map(|entry| entry.name.clone()));
        let mut values = Vec::new();
        if let Value::Object(map) = root {
            values = names
                .map(|name| (name.clone(), map.get(&name).cloned()))
                .collect();
        }
        Before { values }
    }

    fn restore(self, root: &mut Value) {
        if let Value::Object(map) = root {
            for (name, value) in self.values {
                match value {
                    Some(value) => map.insert(name, value),
                    None => map.remove(&name),
                };
            }
        }
    }
}
