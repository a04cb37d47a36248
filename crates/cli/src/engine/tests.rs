//! The operator as a cluster lets it work: with the account and the roles of its chart, and nothing beyond them.

use super::*;
use api::{Kind, SYSTEM_NAMESPACE};
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::runtime::wait::await_condition;
use operations::{InstallRequest, Silent, install};
use sandbox::User;
use serde_json::json;

/// The name of the operator's account and of its role.
const OPERATOR: &str = "platform-operator";

struct World {
    admin: Client,
    group: Group,
}

impl World {
    /// Somebody asks for something.
    async fn ask(&self, kind: Kind, namespace: Option<&str>, name: &str, spec: Value) -> Api<DynamicObject> {
        let (client, resource) = (self.admin.clone(), self.group.resource(kind));
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let object = json!({
            "apiVersion": self.group.api_version(), "kind": kind.as_str(),
            "metadata": {"name": name}, "spec": spec,
        });
        api.patch(name, &PatchParams::apply("test"), &Patch::Apply(object))
            .await
            .unwrap();
        api
    }

    /// A kind of Kubernetes that lives in no namespace.
    fn all(&self, group: &str, kind: &str) -> Api<DynamicObject> {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        Api::all_with(self.admin.clone(), &resource)
    }

    /// Waits until a service is as it should be.
    async fn service(&self, name: &str, image: &str, good: impl Fn(&Value) -> bool) {
        let spec = json!({
            "image": image, "database": {"type": "postgres"}, "cache": {"type": "redis"},
        });
        let services = self.ask(Kind::Application, Some("shop-dev"), name, spec).await;
        let seen = |found: Option<&DynamicObject>| found.is_some_and(|found| good(&found.data["status"]));
        let awaited = tokio::time::timeout(
            Duration::from_mins(1),
            await_condition(services.clone(), name, seen),
        );
        let came = awaited.await.is_ok();
        assert!(came, "{:#}", services.get(name).await.unwrap().data["status"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_needs_no_right_that_its_chart_does_not_give_it() {
    let sandbox = Sandbox::open(sandbox::Options::default()).unwrap();
    let world = World {
        admin: sandbox.client("default"),
        group: Group::default(),
    };
    let mut engine = Engine::new();
    engine.live(world.admin.clone());
    let request = InstallRequest {
        group: None,
        repository_group: None,
        image: Some("registry.example.com/platform:1".to_owned()),
        replicas: None,
        webhook: None,
        timeout: Duration::from_mins(1),
    };
    install(&world.admin, &request, &Silent, &CancellationToken::new())
        .await
        .unwrap();
    let account = sandbox.client_of(User::service_account(SYSTEM_NAMESPACE, OPERATOR), "default");
    engine.operate(&account, &world.group, &policies().unwrap());

    world.ask(Kind::Environment, None, "dev", json!({})).await;
    let spec = json!({"groups": ["shop-people"], "environments": [{"name": "dev"}]});
    world.ask(Kind::Team, None, "shop", spec).await;
    let there = |found: Option<&DynamicObject>| found.is_some();
    let made = await_condition(world.all("", "Namespace"), "shop-dev", there);
    let made = tokio::time::timeout(Duration::from_mins(1), made);
    made.await.unwrap().unwrap();
    world
        .service("orders", "registry.internal/orders:v1", |status| {
            status["health"] == "Healthy"
        })
        .await;

    // What it lacks shows at once.
    let roles = world.all("rbac.authorization.k8s.io", "ClusterRole");
    let mut role = roles.get(OPERATOR).await.unwrap();
    let rules = role.data["rules"].as_array_mut().unwrap();
    rules.retain(|rule| rule["verbs"] != json!(["impersonate"]));
    roles
        .replace(OPERATOR, &PostParams::default(), &role)
        .await
        .unwrap();
    world
        .service("billing", "registry.internal/billing:v1", |status| {
            let reason = status["reason"].as_str().unwrap_or_default();
            reason.contains("cannot impersonate")
        })
        .await;
    engine.stop().await;
}
