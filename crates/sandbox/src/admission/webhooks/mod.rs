//! Admission webhooks: others who are asked over HTTPS.
//!
//! `configured` knows which there are, `call` how a question gets to them and back; what is said and what the answer
//! means is in `review` beside this, which of them a write is for in `matching` and `expressions`. Nothing is locked while
//! an answer is awaited.
//!
//! Reference: `k8s.io/apiserver/pkg/admission/plugin/webhook` of Kubernetes.

mod call;
mod configured;

use std::sync::Arc;

use cel::Budget;
use futures::future::join_all;
use serde_json::Value;

use self::configured::{Webhook, WebhookId};
use super::Attributes;
use super::attributes::{internal, refusing};
use super::expressions::{self, Question};
use super::review::{self, Answer, Failure};
use super::rounds::Rounds;
use crate::catalog::Resource;
use crate::engine::Engine;
use crate::status::ApiError;
use crate::verbs;

impl Engine {
    /// Asks the mutating webhooks, one after the other. Says whether one has changed the object.
    pub(super) async fn mutate(
        &self,
        write: &Attributes<'_>,
        object: &mut Value,
        rounds: &mut Rounds<WebhookId>,
    ) -> Result<bool, ApiError> {
        let mut any = false;
        for webhook in self.webhooks("mutatingwebhookconfigurations") {
            let Some(resource) = self.wanted(&webhook, write, object)? else {
                continue;
            };
            if rounds.leaves_out(&webhook.id()) {
                continue;
            }
            let asked = self.ask(&webhook, write, &resource, object, true).await;
            let changed = match asked {
                Ok(answer) => lay_over(&webhook, write, &resource, object, answer)?,
                Err(failure) => {
                    pass_or_refuse(&webhook, failure)?;
                    false
                }
            };
            if changed {
                rounds.require();
                any = true;
            }
            if webhook.wants_a_second_look() {
                rounds.saw(webhook.id());
            }
        }
        rounds.end(object);
        Ok(any)
    }

    /// Asks the validating webhooks, all at the same time.
    pub(super) async fn ask_validating(
        &self,
        write: &Attributes<'_>,
        object: &Value,
    ) -> Result<(), ApiError> {
        let mut asked = Vec::new();
        for webhook in self.webhooks("validatingwebhookconfigurations") {
            if let Some(resource) = self.wanted(&webhook, write, object)? {
                asked.push((webhook, resource));
            }
        }
        let answers = asked.iter().map(|(webhook, resource)| async move {
            match self.ask(webhook, write, resource, object, false).await {
                Ok(_) => Ok(()),
                Err(failure) => pass_or_refuse(webhook, failure),
            }
        });
        join_all(answers).await.into_iter().collect()
    }

    /// The resource in whose terms a webhook is asked about a write; none when it is not asked.
    fn wanted(
        &self,
        webhook: &Webhook,
        write: &Attributes<'_>,
        object: &Value,
    ) -> Result<Option<Arc<Resource>>, ApiError> {
        let Some(resource) = self.wanted_by(webhook.wants(), write, object)? else {
            return Ok(None);
        };
        let conditions = webhook.conditions();
        if conditions.is_empty() {
            return Ok(Some(resource));
        }
        let question = Question::of(write, &resource, object, Value::Null);
        match expressions::hold(&conditions, &question.with(&Value::Null), &Budget::default()) {
            Ok(true) => Ok(Some(resource)),
            Ok(false) => Ok(None),
            Err(_) if webhook.may_be_missing() => Ok(None),
            Err(why) => Err(write.forbidden(object, &why)),
        }
    }

    /// Puts one question and reads the answer.
    async fn ask(
        &self,
        webhook: &Webhook,
        write: &Attributes<'_>,
        resource: &Resource,
        object: &Value,
        mutating: bool,
    ) -> Result<Answer, Failure> {
        if write.options.dry_run && !webhook.knows_dry_runs() {
            let why = format!("admission webhook {:?} does not support dry run", webhook.name());
            return Err(Failure::Refused(Box::new(ApiError::bad_request(why))));
        }
        let version = webhook.review_version().ok_or_else(|| {
            let why = "webhook does not accept known AdmissionReview versions (v1, v1beta1)";
            Failure::Call(format!("could not create admission objects: {why}"))
        })?;
        let uid = self.uid();
        let question = review::question(&uid, version, write, resource, object);
        let place = self.place(webhook).map_err(Failure::Call)?;
        let bytes = call::post(&place, webhook, question.to_string().into_bytes())
            .await
            .map_err(|why| Failure::Call(format!("failed to call webhook: {why}")))?;
        let answer = review::answer(&bytes, &uid, version, mutating)?;
        write.options.warnings.add(&answer.warnings);
        if answer.allowed {
            return Ok(answer);
        }
        Err(Failure::Refused(Box::new(refusal(webhook, &answer.status))))
    }
}

/// Changes the object as a webhook wants it, and says whether that made a difference.
fn lay_over(
    webhook: &Webhook,
    write: &Attributes<'_>,
    resource: &Resource,
    object: &mut Value,
    answer: Answer,
) -> Result<bool, ApiError> {
    let Some(patch) = answer.patch else {
        return Ok(false);
    };
    if object.is_null() {
        return Err(internal(&format!(
            "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
            webhook.name()
        )));
    }
    let mut changed = review::in_terms_of(write, resource, object);
    verbs::json_patch_in_bounds(&mut changed, &patch).map_err(|why| internal(&review::unpatched(why)))?;
    // Known fields, defaults, the version it is stored in. What a subresource speaks is small and read as it is.
    if matches!(write.target.subresource.as_str(), "" | "status" | "finalize") {
        verbs::restore(write.target, &mut changed)?;
    }
    if changed == *object {
        return Ok(false);
    }
    *object = changed;
    Ok(true)
}

/// Without an answer, a webhook's policy decides.
fn pass_or_refuse(webhook: &Webhook, failure: Failure) -> Result<(), ApiError> {
    match failure {
        Failure::Refused(error) => Err(*error),
        Failure::Call(why) => {
            let why = format!("failed calling webhook {:?}: {why}", webhook.name());
            if webhook.may_be_missing() {
                tracing::warn!(
                    webhook = webhook.name(),
                    why,
                    "a webhook did not answer and is passed over"
                );
                return Ok(());
            }
            Err(internal(&why))
        }
    }
}

/// What a webhook's refusal is to the client.
fn refusal(webhook: &Webhook, status: &Value) -> ApiError {
    let denied = format!("admission webhook {:?} denied the request", webhook.name());
    let (message, reason) = (
        verbs::text(status, &["message"]),
        verbs::text(status, &["reason"]),
    );
    let message = match (message, reason) {
        ("", "") => format!("{denied} without explanation"),
        ("", reason) => format!("{denied}: {reason}"),
        (message, _) => format!("{denied}: {message}"),
    };
    let mut error = ApiError::new(refusing(status["code"].as_i64()), reason, message);
    error.details = Some(&status["details"])
        .filter(|details| details.is_object())
        .cloned();
    error
}
