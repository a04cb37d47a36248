//! Whether somebody may do something, by the roles in the store.

use std::sync::{PoisonError, RwLockReadGuard};

use super::rbac::{Decision, Rights};
use super::{Action, User};
use crate::engine::Engine;
use crate::status::ApiError;

impl Engine {
    /// All roles and bindings of this moment: whoever has seen a change of one sees what follows from it. Not to be
    /// asked while the store is being read.
    pub(super) fn rights(&self) -> RwLockReadGuard<'_, Rights> {
        loop {
            let known = self.rights.read().unwrap_or_else(PoisonError::into_inner);
            if known.revision() >= self.store.roles_revision() {
                return known;
            }
            drop(known);
            let mut known = self.rights.write().unwrap_or_else(PoisonError::into_inner);
            known.follow(&self.store.read());
        }
    }

    pub(crate) fn decide(&self, user: &User, action: &Action) -> Decision {
        self.rights().decide(user, action)
    }

    /// Refuses what a user may not do.
    pub(crate) fn authorize(&self, user: &User, action: &Action) -> Result<(), ApiError> {
        let Decision { allowed, reason } = self.decide(user, action);
        if allowed {
            Ok(())
        } else {
            Err(action.forbidden(user, &reason))
        }
    }
}
