//! A check of every element of a list.

use serde_json::Value;

use super::{Judge, Judged};
use crate::context::Context;
use crate::element::Element;
use crate::jmespath::QueryError;
use crate::policy::Foreach;
use crate::verdict::Outcome;

impl<'a> Judge<'a> {
    pub(super) fn foreach(
        &self,
        context: &Context<'a>,
        list: &'a [Foreach],
        outer: Option<&Element<'_>>,
    ) -> Option<Judged> {
        let mut applied = 0;
        let mut list_error = None;
        for each in list {
            let elements = match context.elements(&each.list) {
                Ok(elements) => elements,
                // A list that is not there has no elements.
                Err(QueryError::NotFound(_)) => continue,
                Err(error @ (QueryError::Unknown(_) | QueryError::Exhausted(_))) => {
                    return Some(Judged::error(format!("failed to evaluate list: {error}")));
                }
                Err(error) => {
                    list_error = Some(error);
                    continue;
                }
            };
            let judged = self.elements(context, each, &elements, outer, &mut applied);
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
        context: &Context<'a>,
        each: &'a Foreach,
        elements: &[&'a Value],
        outer: Option<&Element<'_>>,
        applied: &mut usize,
    ) -> Option<Judged> {
        let mark = context.mark();
        for (index, &element) in elements.iter().enumerate() {
            context.restore(&mark);
            let judged = self.element(context, each, element, index, outer, applied);
            if judged.is_some() {
                context.restore(&mark);
                return judged;
            }
        }
        context.restore(&mark);
        None
    }

    /// Judges one element; nothing when it passes or is left out.
    fn element(
        &self,
        context: &Context<'a>,
        each: &'a Foreach,
        element: &'a Value,
        index: usize,
        outer: Option<&Element<'_>>,
        applied: &mut usize,
    ) -> Option<Judged> {
        let nesting = outer.map_or(0, |element| element.nesting + 1);
        if element.is_null() {
            return None;
        }
        let scoped = each.element_scope.unwrap_or(element.is_object());
        if scoped && !element.is_object() {
            return Some(Judged::error(
                "cannot use elementScope=true foreach rules for elements that are not maps",
            ));
        }
        context.set_element(element, index, nesting);
        context.add(&each.context);
        match each
            .preconditions
            .as_ref()
            .map(|conditions| conditions.judge(context))
        {
            None => {}
            Some(Ok(judged)) if judged.holds => {}
            // As in Kyverno an element whose preconditions cannot be evaluated is left out.
            Some(Ok(_) | Err(QueryError::NotFound(_) | QueryError::Failed(_))) => return None,
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
        let mut judged = self.check(context, &each.check, Some(element))?;
        match judged.outcome {
            Outcome::Skip => None,
            Outcome::Pass => {
                *applied += 1;
                None
            }
            _ => {
                judged.message = format!("validation failure: {}", judged.message);
                if judged.path.is_none() {
                    judged.path = self.place_of_element(&element).map(|place| place.pointer);
                }
                Some(judged)
            }
        }
    }
}
