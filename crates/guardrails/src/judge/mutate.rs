//! What a `mutate` rule makes of an object.

use serde_json::Value;

use super::{Judge, Judged};
use crate::context::Context;
use crate::jmespath::QueryError;
use crate::mutate::{Change, Fault, Foreach, Mutate, Patch};
use crate::verdict::Outcome;

/// What became of an object.
pub(super) enum Changed {
    /// Another object.
    To(Value),
    /// The same: why nothing was changed.
    Not(String),
}

impl<'a> Judge<'a> {
    /// The object as the rule wants it; `None` when it changes nothing.
    pub(crate) fn mutate(&'a self, rule: &'a Mutate) -> (Judged, Option<Value>) {
        let context = match self.context() {
            Ok(context) => context,
            Err(error) => return (Judged::error(error.to_string()), None),
        };
        if let Some(judged) = Self::precondition(&context, self.rule.preconditions.as_ref()) {
            return (judged, None);
        }
        if let Some(judged) = self.excepting(&context).skip() {
            return (judged, None);
        }
        Self::outcome(self.changed(&context, &rule.change, self.request.object, 0))
    }

    pub(super) fn outcome(changed: Result<Changed, String>) -> (Judged, Option<Value>) {
        match changed {
            Err(message) => (Judged::error(message), None),
            Ok(Changed::Not(why)) => (Judged::new(Outcome::Skip, why), None),
            Ok(Changed::To(object)) => {
                let text = |pointer: &str| {
                    object
                        .pointer(pointer)
                        .and_then(Value::as_str)
                        .unwrap_or_default()
                };
                let mut message = format!("mutated {}/{}", text("/kind"), text("/metadata/name"));
                if !text("/metadata/namespace").is_empty() {
                    message = format!("{message} in namespace {}", text("/metadata/namespace"));
                }
                (Judged::new(Outcome::Pass, message), Some(object))
            }
        }
    }

    pub(super) fn changed(
        &self,
        context: &Context<'a>,
        change: &'a Change,
        object: &Value,
        nesting: usize,
    ) -> Result<Changed, String> {
        match change {
            Change::Patch(patch) => self.patched(context, patch, object),
            Change::Foreach(list) => self.changed_by_each(context, list, object, nesting),
        }
    }

    fn patched(&self, context: &Context<'_>, patch: &Patch, object: &Value) -> Result<Changed, String> {
        let patch = patch
            .filled(context)
            .map_err(|error| format!("variable substitution failed: {error}"))?;
        let failed = |fault: Fault| format!("failed to patch resource: {fault}");
        let mut patched = self
            .budget
            .copy(object)
            .map_err(|exhausted| failed(exhausted.into()))?;
        patch.apply(&mut patched, &self.budget).map_err(failed)?;
        if !patched.is_object() {
            return Err("failed to patch resource: the patch leaves no object".to_owned());
        }
        Ok(if patched == *object {
            Changed::Not("no patches applied".to_owned())
        } else {
            Changed::To(patched)
        })
    }

    fn changed_by_each(
        &self,
        context: &Context<'a>,
        list: &'a [Foreach],
        object: &Value,
        nesting: usize,
    ) -> Result<Changed, String> {
        let mut current: Option<Value> = None;
        let mut applied = 0;
        for each in list {
            let elements = match context.elements(&each.list) {
                Ok(elements) => elements,
                Err(error) => return Err(format!("failed to evaluate list {}: {error}", each.list)),
            };
            let mark = context.mark();
            let object = current.as_ref().unwrap_or(object);
            let changed = self.changed_by_elements(context, each, &elements, object, nesting);
            context.restore(&mark);
            let changed = changed.map_err(|error| format!("failed to mutate elements: {error}"))?;
            if let Some(changed) = changed {
                applied += 1;
                let copy = self.budget.copy(&changed).map_err(QueryError::from);
                copy.and_then(|copy| context.set_object(copy))
                    .map_err(|error| error.to_string())?;
                current = Some(changed);
            }
        }
        Ok(match current {
            Some(object) => Changed::To(object),
            None => Changed::Not(format!("{applied} elements processed")),
        })
    }

    /// The object after every element of one list; `None` when it is the same.
    fn changed_by_elements(
        &self,
        context: &Context<'a>,
        each: &'a Foreach,
        elements: &[&'a Value],
        object: &Value,
        nesting: usize,
    ) -> Result<Option<Value>, String> {
        let mut current: Option<Value> = None;
        let mark = context.mark();
        let mut order: Vec<usize> = (0..elements.len()).collect();
        if each.descending {
            order.reverse();
        }
        for index in order {
            let element = elements[index];
            if element.is_null() {
                continue;
            }
            context.restore(&mark);
            context.set_element(element, index, nesting);
            context.add(&each.context);
            match each
                .preconditions
                .as_ref()
                .map(|conditions| conditions.judge(context))
            {
                None => {}
                Some(Ok(judged)) if judged.holds => {}
                Some(Ok(_)) => continue,
                Some(Err(error)) => {
                    return Err(format!(
                        "failed to evaluate mutate.foreach[{index}].preconditions: {error}"
                    ));
                }
            }
            let object = current.as_ref().unwrap_or(object);
            if let Changed::To(changed) = self.changed(context, &each.change, object, nesting + 1)? {
                current = Some(changed);
            }
        }
        Ok(current.filter(|current| current != object))
    }
}
