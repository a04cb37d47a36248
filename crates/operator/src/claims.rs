//! Claims that outlive their Application. Nobody owns them, so a reconcile that the Application's end overtakes must not
//! leave one behind: no garbage collector would ever come for it.

use std::time::Duration;

use api::{Application, Kind, MANAGER_OPERATOR};
use apply::{Applied, ApplySet, Bounds, ObjectResult, Outcome, Tracking};
use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::core::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::context::Context;
use crate::error::OperatorError;

/// How long to wait after each attempt that failed, before the last one.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
    Duration::from_secs(3),
];

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
    let made: Vec<&ObjectResult> = applied
        .results
        .iter()
        .filter(|result| matches!(result.outcome, Outcome::Created))
        .collect();
    if made.is_empty() || persist(|| stands(context, application)).await? {
        return Ok(Some(applied));
    }
    for claim in made {
        if let Err(error) = persist(|| take_back(context, claim)).await {
            tracing::warn!(claim = %claim.object, %error, "nobody owns it, and it cannot be taken back");
        }
    }
    Ok(None)
}

async fn stands(context: &Context, application: &Application) -> Result<bool, OperatorError> {
    let resource = context.group.resource(Kind::Application);
    apply::stands(&context.client, &resource, &application.metadata)
        .await
        .map_err(OperatorError::cluster(format!(
            "look at Application {}",
            application.name_any()
        )))
}

/// Does what nobody would come back to, were it left undone: the Application that woke this reconcile may be gone.
async fn persist<T, F>(work: impl Fn() -> F) -> Result<T, OperatorError>
where
    F: Future<Output = Result<T, OperatorError>>,
{
    for pause in PAUSES {
        match work().await {
            Ok(done) => return Ok(done),
            Err(error) => tracing::debug!(%error, "will try again"),
        }
        tokio::time::sleep(pause).await;
    }
    work().await
}

/// Deletes exactly the object that an apply has made.
async fn take_back(context: &Context, made: &ObjectResult) -> Result<(), OperatorError> {
    let object = &made.object;
    let uid = made
        .live
        .as_ref()
        .and_then(|live| live["metadata"]["uid"].as_str());
    let kind = context
        .applier
        .kinds()
        .find(&object.api_version(), &object.kind)
        .await;
    let taking = || OperatorError::cluster(format!("take back {object}"));
    let (Some(uid), Some(kind)) = (uid, kind.map_err(taking())?) else {
        return Ok(());
    };
    let resource: &ApiResource = &kind.resource;
    let namespace = object.namespace.as_deref().unwrap_or_default();
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, resource);
    let parameters = DeleteParams {
        preconditions: Some(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        }),
        ..DeleteParams::background()
    };
    match api.delete(&object.name, &parameters).await {
        Ok(_) => Ok(()),
        // It went by itself, and a namesake took its place at most.
        Err(kube::Error::Api(answer)) if answer.code == 404 || answer.code == 409 => Ok(()),
        Err(error) => Err(taking()(error)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use api::Group;
    use apply::Applier;
    use http::{Method, Request, Response, StatusCode};
    use kube::Client;
    use kube::api::PostParams;
    use kube::client::Body;
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

        /// A client whose first patch comes just after the Application was deleted, and so many requests after that fail.
        fn too_late(&self, failures: usize) -> Client {
            let router = self.sandbox.router();
            let (first, failures) = (
                Arc::new(AtomicBool::new(true)),
                Arc::new(AtomicUsize::new(failures)),
            );
            let service = tower::service_fn(move |request: Request<Body>| {
                let (mut router, first, failures) =
                    (router.clone(), Arc::clone(&first), Arc::clone(&failures));
                async move {
                    if request.method() == Method::PATCH && first.swap(false, Ordering::SeqCst) {
                        let gone = Request::delete(World::path()).body(Body::empty()).unwrap();
                        let answer = router.call(gone).await?;
                        assert!(answer.status().is_success(), "{answer:?}");
                    } else if !first.load(Ordering::SeqCst)
                        && failures
                            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1))
                            .is_ok()
                    {
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
        assert_eq!(world.keep(world.too_late(0), "1Gi").await, (false, false));
    }

    #[tokio::test]
    async fn it_is_taken_back_though_the_cluster_fails_meanwhile() {
        let world = world().await;
        assert_eq!(world.keep(world.too_late(3), "1Gi").await, (false, false));
    }

    #[tokio::test]
    async fn one_that_was_there_before_stays() {
        let world = world().await;
        assert_eq!(world.keep(world.client(), "1Gi").await, (true, true));
        assert_eq!(world.keep(world.too_late(0), "2Gi").await, (true, true));
    }
}
