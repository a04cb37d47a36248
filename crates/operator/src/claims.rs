//! Claims that outlive their Application. Nobody owns them, so a reconcile that the Application's end overtakes must not
//! leave one behind: no garbage collector would ever come for it.

use std::time::Duration;

use api::{Application, Kind, MANAGER_OPERATOR};
use apply::{Applied, ApplySet, Bounds, InventoryItem, Outcome, Prune, Tracking};
use backon::{ExponentialBuilder, Retryable};
use kube::ResourceExt;
use serde_json::Value;

use crate::context::Context;
use crate::error::OperatorError;

/// Applies the claims of an Application that are to outlive it. `None` when it went away meanwhile: no claim that was made
/// here is left then.
pub(crate) async fn keep(
    context: &Context,
    application: &Application,
    claims: Vec<Value>,
) -> Result<Option<Applied>, OperatorError> {
    if claims.is_empty() {
        return Ok(Some(Applied::default()));
    }
    if !stands(context, application).await? {
        return Ok(None);
    }
    let annotation = context.group.annotation_tracking();
    let instance = format!("{}-data", application.name_any());
    let mut set = ApplySet::new(MANAGER_OPERATOR, Tracking::new(&annotation, instance), claims);
    set.bounds = Bounds::Namespace(application.namespace().unwrap_or_default());
    set.force = true;
    let applied = context.applier.apply(&set).await;
    let made = made(&applied);
    // Nobody would come back to what is left undone from here on: what woke this reconcile may be gone.
    if made.is_empty() || (|| stands(context, application)).retry(patience()).await? {
        return Ok(Some(applied));
    }
    set.objects = Vec::new();
    set.inventory = made;
    set.prune = Prune::Always;
    let take_back = async || {
        let taken = context.applier.apply(&set).await;
        let problem = taken.problems().next();
        problem.map_or(Ok(()), |(claim, problem)| Err(format!("{claim}: {problem}")))
    };
    if let Err(error) = take_back.retry(patience()).await {
        tracing::warn!(error, "a claim that nobody owns cannot be taken back");
    }
    Ok(None)
}

/// What an apply has made that was not there before.
fn made(applied: &Applied) -> Vec<InventoryItem> {
    let is_new = |item: &InventoryItem| {
        let results = &mut applied.results.iter();
        results
            .any(|result| matches!(result.outcome, Outcome::Created) && result.object.same_object(&item.id()))
    };
    let inventory = applied.inventory.iter();
    inventory.filter(|item| is_new(item)).cloned().collect()
}

async fn stands(context: &Context, application: &Application) -> Result<bool, OperatorError> {
    let (name, namespace) = (
        application.name_any(),
        application.namespace().unwrap_or_default(),
    );
    let uid = application.uid().unwrap_or_default();
    let resource = context.group.resource(Kind::Application);
    apply::stands(&context.client, &resource, &namespace, &name, &uid)
        .await
        .map_err(OperatorError::cluster(format!("look at Application {name}")))
}

/// Five attempts within two seconds.
fn patience() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_min_delay(Duration::from_millis(100))
        .with_max_times(4)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use api::Group;
    use apply::Applier;
    use http::{Method, Request, Response, StatusCode};
    use kube::api::{DynamicObject, PostParams};
    use kube::client::Body;
    use kube::{Api, Client};
    use sandbox::Sandbox;
    use serde_json::json;
    use tower::Service;

    use super::*;

    const PLACE: &str = "default";

    /// A sandbox that knows the platform's kinds and has one Application; what an operator there works with.
    struct World {
        sandbox: Sandbox,
        application: Application,
    }

    async fn world() -> World {
        let sandbox = Sandbox::open(sandbox::Options::default()).unwrap();
        let client = sandbox.client(PLACE);
        let group = Group::default();
        let set = ApplySet::new("test", Tracking::new("test/tracking", "test"), api::crds(&group));
        let applied = Applier::new(client.clone()).apply(&set).await;
        assert!(applied.succeeded(), "{applied:?}");
        let application: Application =
            serde_json::from_value(json!({"metadata": {"name": "api"}, "spec": {"image": "api:1"}})).unwrap();
        let resource = group.resource(Kind::Application);
        let applications: Api<Application> = Api::namespaced_with(client, PLACE, &resource);
        let application = applications.create(&PostParams::default(), &application).await;
        World {
            sandbox,
            application: application.unwrap(),
        }
    }

    impl World {
        fn context(client: Client) -> Context {
            let policies = admission::PolicyStore::builtin().unwrap();
            Context::new(client, Group::default(), policies)
        }

        fn path() -> String {
            format!(
                "/apis/{}/namespaces/{PLACE}/applications/api",
                Group::default().api_version()
            )
        }

        /// A client whose first patch comes just after the Application was deleted; of the requests from there on,
        /// every third fails if the cluster is ill: the look at the Application, and the deletion of the claim.
        fn too_late(&self, ill: bool) -> Client {
            let (router, asked) = (self.sandbox.router(), Arc::new(AtomicUsize::new(0)));
            let service = tower::service_fn(move |request: Request<Body>| {
                let (mut router, asked) = (router.clone(), Arc::clone(&asked));
                async move {
                    let before = asked.load(Ordering::SeqCst);
                    if before > 0 || request.method() == Method::PATCH {
                        asked.store(before + 1, Ordering::SeqCst);
                    }
                    if before == 0 && request.method() == Method::PATCH {
                        let gone = Request::delete(World::path()).body(Body::empty()).unwrap();
                        let answer = router.call(gone).await?;
                        assert!(answer.status().is_success(), "{answer:?}");
                    } else if ill && before % 3 == 1 {
                        let mut answer = Response::default();
                        *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                        return Ok(answer);
                    }
                    router.call(request).await
                }
            });
            Client::new(service, PLACE)
        }

        /// Keeps one claim; says whether the Application stood, and whether the claim is there afterwards.
        async fn keep(&self, client: Client, size: &str) -> (bool, bool) {
            let group = Group::default();
            let claim = json!({
                "apiVersion": group.api_version(), "kind": "Database",
                "metadata": {"name": "api-db", "namespace": PLACE}, "spec": {"type": "postgres", "size": size},
            });
            let context = Self::context(client);
            let kept = keep(&context, &self.application, vec![claim]).await.unwrap();
            if let Some(applied) = &kept {
                assert!(applied.succeeded(), "{applied:?}");
            }
            let resource = group.resource(Kind::Database);
            let claims: Api<DynamicObject> = Api::namespaced_with(self.client(), PLACE, &resource);
            let found = claims.get_opt("api-db").await.unwrap();
            (kept.is_some(), found.is_some())
        }

        fn client(&self) -> Client {
            self.sandbox.client(PLACE)
        }
    }

    #[tokio::test]
    async fn a_claim_is_made_for_an_application_that_stands() {
        let world = world().await;
        assert_eq!(world.keep(world.client(), "1Gi").await, (true, true));
        assert_eq!(world.keep(world.client(), "1Gi").await, (true, true));
    }

    #[tokio::test]
    async fn none_is_made_for_one_that_is_gone() {
        let mut world = world().await;
        world.application.metadata.uid = Some("of-its-predecessor".to_owned());
        assert_eq!(world.keep(world.client(), "1Gi").await, (false, false));
    }

    #[tokio::test]
    async fn one_that_was_made_too_late_is_taken_back() {
        let world = world().await;
        assert_eq!(world.keep(world.too_late(false), "1Gi").await, (false, false));
    }

    #[tokio::test]
    async fn it_is_taken_back_though_the_cluster_fails_meanwhile() {
        let world = world().await;
        assert_eq!(world.keep(world.too_late(true), "1Gi").await, (false, false));
    }

    #[tokio::test]
    async fn one_that_was_there_before_stays() {
        let world = world().await;
        assert_eq!(world.keep(world.client(), "1Gi").await, (true, true));
        assert_eq!(world.keep(world.too_late(false), "2Gi").await, (true, true));
    }
}
