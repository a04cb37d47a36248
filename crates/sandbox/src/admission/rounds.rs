//! The second look at an object: who saw it, and who is to see it again because it has changed since.
//!
//! Reference: the reinvocation contexts of `k8s.io/apiserver`.

use std::collections::BTreeSet;

use serde_json::Value;

/// Which policies or webhooks have seen the object, and which of them are to see it again.
#[derive(Debug, Default)]
pub(super) struct Rounds<Id> {
    again: bool,
    seen: BTreeSet<Id>,
    due: BTreeSet<Id>,
    /// The object as they left it.
    left: Option<Value>,
}

impl<Id: Ord> Rounds<Id> {
    /// Everybody may see the object once more; who wants to, does when it is not what they left.
    pub(super) fn begin_again(&mut self, object: &Value) {
        self.again = true;
        if self.left.as_ref() != Some(object) {
            self.require();
        }
    }

    /// Whether somebody is not to see the object in this round.
    pub(super) fn leaves_out(&self, id: &Id) -> bool {
        self.again && !self.due.contains(id)
    }

    /// The object has changed since those saw it.
    pub(super) fn require(&mut self) {
        self.due.append(&mut self.seen);
    }

    /// Somebody saw the object who wants to see it again when it changes.
    pub(super) fn saw(&mut self, id: Id) {
        self.seen.insert(id);
    }

    /// The round is over, and this is what became of the object.
    pub(super) fn end(&mut self, object: &Value) {
        // Nobody else asks what was left.
        if !self.seen.is_empty() {
            self.left = Some(object.clone());
        }
    }
}
