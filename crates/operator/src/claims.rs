//! Claims that outlive their Application. Nobody owns them, so a reconcile that the Application's end overtakes must not
//! leave one behind: no garbage collector would ever come for it.

use api::{Application, Kind, MANAGER_OPERATOR};
use apply::{Applied, ApplySet, Bounds, ObjectResult, Outcome, Tracking};
use kube::api::{DeleteParams, DynamicObject, Preconditions};
use kube::core::ApiResource;
use kube::{Api, ResourceExt};
use serde_json::Value;

use crate::context::Context;
use crate::error::OperatorError;

/// Applies the claims of an Application that are to outlive it. `None` when it went away meanwhile: nothing that was made
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
    if made.is_empty() || stands(context, application).await? {
        return Ok(Some(applied));
    }
    for claim in made {
        take_back(context, claim).await?;
    }
    Ok(None)
}

/// Whether the cluster still has exactly this Application, and is to keep it.
async fn stands(context: &Context, application: &Application) -> Result<bool, OperatorError> {
    let name = application.name_any();
    let namespace = application.namespace().unwrap_or_default();
    let resource = context.group.resource(Kind::Application);
    let api: Api<Application> = Api::namespaced_with(context.client.clone(), &namespace, &resource);
    let found = api
        .get_metadata_opt(&name)
        .await
        .map_err(OperatorError::cluster(format!("look at Application {name}")))?;
    Ok(found.is_some_and(|found| {
        found.metadata.uid == application.metadata.uid && found.metadata.deletion_timestamp.is_none()
    }))
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
    use std::sync::atomic::{AtomicBool, Ordering};

    use api::Group;
    use apply::Applier;
    use http::{Method, Request};
    use kube::Client;
    use kube::api::PostParams;
    use kube::client::Body;
    use sandbox::Sandbox;
    use serde_json::json;

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

        /// A client whose next patch comes just after the Application was deleted.
        fn too_late(&self) -> Client {
            let router = self.sandbox.router();
            let first = Arc::new(AtomicBool::new(true));
            let service = tower::service_fn(move |request: Request<Body>| {
                let (mut router, first) = (router.clone(), Arc::clone(&first));
                async move {
                    if request.method() == Method::PATCH && first.swap(false, Ordering::SeqCst) {
                        let gone = Request::delete(World::path()).body(Body::empty()).unwrap();
                        let answer = tower::Service::call(&mut router, gone).await?;
                        assert!(answer.status().is_success(), "{answer:?}");
                    }
                    tower::Service::call(&mut router, request).await
                }
            });
            Client::new(service, PLACE)
        }

        /// Keeps one claim; says whether it is there afterwards.
        async fn keep(&self, client: Client) -> (bool, bool) {
            let group = Group::default();
            let claim = json!({
                "apiVersion": group.api_version(), "kind": "Database",
                "metadata": {"name": "api-db", "namespace": PLACE}, "spec": {"type": "postgres"},
            });
            let context = Self::context(client);
            let kept = keep(&context, &self.application, vec![claim]).await.unwrap();
            if let Some(applied) = &kept {
                assert!(applied.succeeded(), "{applied:?}");
            }
            let resource = group.resource(Kind::Database);
            let claims: Api<DynamicObject> =
                Api::namespaced_with(self.sandbox.client(PLACE), PLACE, &resource);
            let found = claims.get_opt("api-db").await.unwrap();
            (kept.is_some(), found.is_some())
        }
    }

    #[tokio::test]
    async fn a_claim_is_made_for_an_application_that_stands() {
        let world = world().await;
        let client = world.sandbox.client(PLACE);
        assert_eq!(world.keep(client.clone()).await, (true, true));
        assert_eq!(world.keep(client).await, (true, true));
    }

    #[tokio::test]
    async fn none_is_made_for_one_that_is_gone() {
        let mut world = world().await;
        world.application.metadata.uid = Some("of-its-predecessor".to_owned());
        assert_eq!(world.keep(world.sandbox.client(PLACE)).await, (false, false));
    }

    #[tokio::test]
    async fn one_that_was_made_too_late_is_taken_back() {
        let world = world().await;
        assert_eq!(world.keep(world.too_late()).await, (false, false));
    }

    #[tokio::test]
    async fn one_that_was_there_before_stays() {
        let world = world().await;
        assert_eq!(world.keep(world.sandbox.client(PLACE)).await, (true, true));
        let group = Group::default();
        let resource = group.resource(Kind::Application);
        let applications: Api<Application> =
            Api::namespaced_with(world.sandbox.client(PLACE), PLACE, &resource);
        applications
            .delete("api", &DeleteParams::default())
            .await
            .unwrap();
        assert_eq!(world.keep(world.sandbox.client(PLACE)).await, (false, true));
    }
}
