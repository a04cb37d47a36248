//! Orders for what was there before a rule: `generateExisting`, `mutateExistingOnPolicyUpdate`.

use guardrails::Request;
use kube::api::{ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use kube::{Api, api::DynamicObject};
use serde_json::{Value, json};

use super::Actor;
use super::account::explained;
use super::acting::Acting;
use super::order::{Act, Reference, Spec};
use crate::configuration::LEFT_OUT;
use crate::error::AdmissionError;
use crate::events::Topic;
use crate::served::{Served, discover, means};

/// Objects asked for at once.
pub(super) const PAGE: u32 = 250;
/// No more orders are written for one policy at once.
const MOST: usize = 5_000;

impl Actor {
    /// Orders what the rules of a policy have to do because of objects that are there. How many orders are new.
    pub(crate) async fn order_existing(&self, acting: &Acting) -> Result<usize, AdmissionError> {
        if !acting.rules.iter().any(|rule| rule.existing) {
            return Ok(0);
        }
        let served = discover(&self.client).await?;
        let mut count = 0;
        for resource in meant(&served, &acting.scopes) {
            let mut place = None;
            loop {
                let page = match self.page(resource, &acting.namespace, place.take(), None).await {
                    Ok(page) => page,
                    Err(why) => {
                        let message = format!("{}: what is there cannot be looked at: {why}", acting.name);
                        self.tell(Topic::Failed, &acting.reference, message).await;
                        break;
                    }
                };
                for object in page.objects {
                    if count >= MOST {
                        tracing::warn!(
                            policy = acting.name,
                            MOST,
                            "more objects are there than are acted on"
                        );
                        return Ok(count);
                    }
                    count += self.order_for(acting, &object).await?;
                }
                place = page.next;
                if place.is_none() {
                    break;
                }
            }
        }
        Ok(count)
    }

    async fn order_for(&self, acting: &Acting, object: &Value) -> Result<usize, AdmissionError> {
        let Ok(space) = self.space(object).await else {
            return Ok(0);
        };
        let triggers = {
            let request = Request {
                namespace_labels: &space.labels,
                namespace: (!space.object.is_null()).then_some(&space.object),
                background: true,
                ..Request::new(object)
            };
            acting.triggers(&request)
        };
        let mut count = 0;
        for trigger in triggers {
            let Some(act) = Act::of(trigger.task) else {
                continue;
            };
            if !acting.rule(&trigger.rule, act).is_some_and(|rule| rule.existing) {
                continue;
            }
            let spec = Spec {
                policy: acting.name.clone(),
                rule: trigger.rule,
                act,
                trigger: Reference::to(object),
                request: None,
            };
            let order = spec.object(&self.group, &format!("policy {:016x}", acting.revision));
            match self.orders().create(&PostParams::default(), &order).await {
                Ok(_) => count += 1,
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(AdmissionError::cluster("write a request to carry out")(error)),
            }
        }
        Ok(count)
    }

    /// Some objects of a kind, in the account's name: of one namespace when one is named. Those where the platform lives
    /// are left out.
    pub(super) async fn page(
        &self,
        resource: &Served,
        namespace: &str,
        place: Option<String>,
        labels: Option<&str>,
    ) -> Result<Page, String> {
        let kind = GroupVersionKind::gvk(&resource.group, &resource.version, &resource.kind);
        let described = ApiResource::from_gvk_with_plural(&kind, &resource.plural);
        let client = self.hands.client.clone();
        let api: Api<DynamicObject> = if namespace.is_empty() || !resource.namespaced {
            Api::all_with(client, &described)
        } else {
            Api::namespaced_with(client, namespace, &described)
        };
        let mut parameters = ListParams::default().limit(PAGE);
        parameters.continue_token = place;
        parameters.label_selector = labels.map(str::to_owned);
        let list = api.list(&parameters).await.map_err(|error| match error {
            kube::Error::Api(status) => explained(&self.group, &status.message),
            other => other.to_string(),
        })?;
        let whole = |object: DynamicObject| {
            let mut object = json!(object);
            object["apiVersion"] = json!(described.api_version);
            object["kind"] = json!(described.kind);
            object
        };
        let elsewhere = |object: &Value| {
            let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
            !LEFT_OUT.contains(&namespace)
        };
        Ok(Page {
            objects: list.items.into_iter().map(whole).filter(elsewhere).collect(),
            next: list.metadata.continue_.filter(|token| !token.is_empty()),
        })
    }
}

/// Some objects of a kind, and where the next begin.
pub(super) struct Page {
    pub(super) objects: Vec<Value>,
    pub(super) next: Option<String>,
}

/// The resources that some scopes mean, subresources left out.
pub(super) fn meant<'a>(
    served: &'a [Served],
    scopes: &'a [crate::scope::Scope],
) -> impl Iterator<Item = &'a Served> {
    served.iter().filter(|resource| {
        resource.listable
            && resource.subresource.is_empty()
            && scopes.iter().any(|scope| means(&scope.kinds, resource))
    })
}
