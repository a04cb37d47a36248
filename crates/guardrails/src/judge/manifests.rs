//! Who signed the YAML that an object was made of (`validate.manifests`).

use super::{Judge, Judged};
use crate::context::Context;
use crate::facts::Unavailable;
use crate::images::manifests::{Manifests, Unverified};
use crate::verdict::Outcome;

impl<'a> Judge<'a> {
    /// Whether those who must have signed the object have. An object without a signature needs nobody who verifies.
    pub(super) fn manifests(&self, context: &Context<'a>, manifests: &Manifests) -> Judged {
        if self.request.dry_run {
            return Judged::new(Outcome::Pass, "allowed because of DryRun request");
        }
        let object = self.request.object;
        let mut verify = |asked: &serde_json::Value| {
            let cost = |error: ::cel::budget::Exhausted| Unverified::Unknown(error.to_string());
            context.budget.spend(1_000).map_err(cost)?;
            match self.request.facts.verify_manifest(object, asked) {
                Ok(()) => Ok(()),
                Err(Unavailable::Failed(reason)) => Err(Unverified::Not(reason)),
                Err(unavailable) => Err(Unverified::Unknown(unavailable.to_string())),
            }
        };
        match manifests.judge(object, &mut verify) {
            Ok(message) => Judged::new(Outcome::Pass, message),
            Err(Unverified::Not(reason)) => Judged::new(Outcome::Fail, reason),
            Err(Unverified::Unknown(reason)) => {
                Judged::error(format!("error occurred during manifest verification: {reason}"))
            }
        }
    }
}
