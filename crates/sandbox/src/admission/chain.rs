//! The order of admission: what may change an object first, then, when it is valid, what may only refuse it.
//!
//! Reference: `pkg/kubeapiserver/options/plugins.go` of Kubernetes and the reinvocation of
//! `k8s.io/apiserver/pkg/admission`. The server's own machinery goes past it.

use serde_json::Value;

use super::Attributes;
use super::policies;
use super::quota::Charge;
use super::rounds::Rounds;
use crate::engine::Engine;
use crate::status::ApiError;

impl Engine {
    /// Lets everybody change the object who may. When a policy or a webhook did, all have one more look. Says whether one did.
    pub(crate) async fn admit(&self, write: &Attributes<'_>, object: &mut Value) -> Result<bool, ApiError> {
        if !write.options.reviewed {
            return Ok(false);
        }
        self.fill_in(write, object)?;
        if write.is_exempt() {
            return Ok(false);
        }
        // Those of policies, and those of webhooks.
        let (mut rounds, mut calls) = (Rounds::default(), Rounds::default());
        let budget = policies::budget();
        let by_policies = self.mutate_by_policies(write, object, &mut rounds, &budget)?;
        let by_webhooks = self.mutate(write, object, &mut calls).await?;
        if by_policies || by_webhooks {
            self.fill_in(write, object)?;
            rounds.begin_again(object);
            self.mutate_by_policies(write, object, &mut rounds, &budget)?;
            calls.begin_again(object);
            self.mutate(write, object, &mut calls).await?;
        }
        Ok(by_policies || by_webhooks)
    }

    /// Asks everybody who may refuse the write. What it uses of quotas is set aside until the charge is dropped.
    pub(crate) async fn scrutinize(
        &self,
        write: &Attributes<'_>,
        object: &Value,
    ) -> Result<Option<Charge>, ApiError> {
        if !write.options.reviewed {
            return Ok(None);
        }
        self.check_limits(write, object)?;
        self.check_priority_class(write, object)?;
        if !write.is_exempt() {
            self.judge_by_policies(write, object, &policies::budget())?;
            self.ask_validating(write, object).await?;
        }
        self.charge(write, object)
    }

    /// What the API server's own plugins write into objects.
    fn fill_in(&self, write: &Attributes<'_>, object: &mut Value) -> Result<(), ApiError> {
        if write.creates("", "pods") {
            self.default_limits(write, object);
            super::pods::settle_account(object);
            self.join_account(write, object)?;
            self.resolve_priority(write, object)?;
            super::pods::tolerate(object);
            self.resolve_runtime(write, object)?;
        } else if write.creates("", "persistentvolumeclaims") {
            self.default_storage_class(object);
        }
        Ok(())
    }
}
