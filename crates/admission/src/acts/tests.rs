//! What policies decide, carried out on the sandbox: a request at the door, then the operator's part, by a clock that the
//! test holds.

use guardrails::{Operation, Request, User};
use jiff::SignedDuration;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::ResourceExt;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use kube::discovery::ApiResource;
use sandbox::{Clock as _, ManualClock, Sandbox};
use serde_json::json;

use super::carry::Next;
use super::door::{Door, Unhanded, wanted};
use super::order::Order;
use super::*;
use crate::policies::InForce;

mod cleaning;
mod generating;
mod mutating;
mod running;

/// What a test begins with, in seconds since 1970.
const BEGIN: i64 = 1_800_000_000;
const DEFINITION: &str = include_str!("../../../../charts/platform/requests/guardrailrequests.yaml");

struct World {
    actor: Actor,
    client: Client,
    clock: Arc<ManualClock>,
    _sandbox: Sandbox,
}

/// A cluster and its clock, which only the test moves.
fn cluster() -> (Sandbox, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(Timestamp::from_second(BEGIN).unwrap()));
    let options = sandbox::Options {
        clock: Arc::<ManualClock>::clone(&clock),
        ..sandbox::Options::default()
    };
    (Sandbox::open(options).unwrap(), clock)
}

/// A policy, as YAML.
fn yaml(text: &str) -> Value {
    yaml::parse(text).unwrap().value
}

impl World {
    /// With an account that may do everything.
    async fn new(policies: &[&str]) -> Self {
        Self::allowing("[{apiGroups: ['*'], resources: ['*'], verbs: ['*']}]", policies).await
    }

    /// With an account that may do what these rules say.
    async fn allowing(rules: &str, policies: &[&str]) -> Self {
        let (sandbox, clock) = cluster();
        let client = sandbox.client("default");
        let world = Self::over(sandbox, clock, client, policies).await;
        let about = "apiVersion: rbac.authorization.k8s.io/v1, metadata: {name: guardrails}";
        world
            .apply(&format!("{{{about}, kind: ClusterRole, rules: {rules}}}"))
            .await;
        let role = "{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: guardrails}";
        let account = format!("{{kind: ServiceAccount, namespace: {SYSTEM_NAMESPACE}, name: {ACCOUNT}}}");
        world
            .apply(&format!(
                "{{{about}, kind: ClusterRoleBinding, roleRef: {role}, subjects: [{account}]}}"
            ))
            .await;
        world
    }

    async fn over(sandbox: Sandbox, clock: Arc<ManualClock>, client: Client, policies: &[&str]) -> Self {
        let definition = DEFINITION.replace("group.placeholder.invalid", Group::default().as_str());
        let definition = serde_json::from_value(yaml(&definition)).unwrap();
        let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
        definitions
            .create(&PostParams::default(), &definition)
            .await
            .unwrap();
        let store = PolicyStore::builtin().unwrap();
        let read = Arc::clone(&clock);
        let actor = Actor::new(client.clone(), Group::default(), store)
            .unwrap()
            .by_clock(Arc::new(move || read.now()));
        let world = Self {
            actor,
            client,
            clock,
            _sandbox: sandbox,
        };
        world.policies(policies);
        world
            .apply("{apiVersion: v1, kind: Namespace, metadata: {name: platform-system}}")
            .await;
        world
    }

    /// Puts policies in force.
    fn policies(&self, policies: &[&str]) {
        let values: Vec<Value> = policies.iter().map(|text| yaml(text)).collect();
        self.actor.policies.set(InForce::of(&values).unwrap());
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    fn api(&self, api_version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let gvk = GroupVersionKind::gvk(group, version, kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &guardrails::guessed_plural(kind));
        if namespace.is_empty() {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        }
    }

    /// Writes an object as somebody else; as it is then.
    async fn apply(&self, text: &str) -> Value {
        let object = yaml(text);
        let reference = Reference::to(&object);
        let api = self.api(&reference.api_version, &reference.kind, &reference.namespace);
        let parameters = PatchParams::apply("somebody").force();
        let made = api
            .patch(&reference.name, &parameters, &Patch::Apply(&object))
            .await
            .unwrap();
        Self::whole(&made, &reference)
    }

    fn whole(object: &DynamicObject, reference: &Reference) -> Value {
        let mut object = json!(object);
        object["apiVersion"] = json!(reference.api_version);
        object["kind"] = json!(reference.kind);
        object
    }

    async fn get(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let reference = Reference {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            ..Reference::default()
        };
        let found = self
            .api(api_version, kind, namespace)
            .get_opt(name)
            .await
            .unwrap();
        found.map(|found| Self::whole(&found, &reference))
    }

    async fn map(&self, namespace: &str, name: &str) -> Option<Value> {
        self.get("v1", "ConfigMap", namespace, name).await
    }

    async fn delete(&self, api_version: &str, kind: &str, namespace: &str, name: &str) {
        let api = self.api(api_version, kind, namespace);
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// What the webhook does about a request of `jane` that it lets through.
    async fn ask(&self, operation: Operation, object: &Value, old: Option<&Value>) -> Vec<Unhanded> {
        self.ask_as("jane", operation, object, old).await
    }

    async fn ask_as(
        &self,
        name: &str,
        operation: Operation,
        object: &Value,
        old: Option<&Value>,
    ) -> Vec<Unhanded> {
        let in_force = self.actor.policies.in_force();
        let space = self.actor.space(object).await.unwrap();
        let asking = User {
            name: name.to_owned(),
            ..User::default()
        };
        let request = Request {
            old,
            operation,
            namespace_labels: &space.labels,
            user: Some(&asking),
            ..Request::new(object)
        };
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
        let orders = wanted(&in_force, namespace, &request, request.facts);
        let door = Door::new(self.client.clone(), Group::default());
        door.hand_over(orders, Instant::now() + PATIENCE).await
    }

    /// Writes an object, and does what the webhook does about it.
    async fn make(&self, text: &str) -> Value {
        let made = self.apply(text).await;
        assert_eq!(self.ask(Operation::Create, &made, None).await, []);
        made
    }

    async fn orders(&self) -> Vec<Order> {
        let all = self.actor.orders().list(&ListParams::default()).await.unwrap();
        all.items.iter().filter_map(Order::read).collect()
    }

    /// Carries out every order once.
    async fn carry(&self) -> Vec<Next> {
        let mut all = Vec::new();
        for order in self.orders().await {
            all.push(self.actor.carry_out(&order).await.unwrap());
        }
        all
    }

    /// The only order there is: its state and message.
    async fn state(&self) -> (order::State, String) {
        let orders = self.orders().await;
        let [order] = orders.as_slice() else {
            panic!("{orders:#?}")
        };
        (
            order.status.state,
            order.status.message.clone().unwrap_or_default(),
        )
    }

    /// What was told of a policy.
    async fn told(&self) -> Vec<String> {
        let events: Api<k8s_openapi::api::events::v1::Event> = Api::all(self.client.clone());
        let events = events.list(&ListParams::default()).await.unwrap();
        let ours = |event: &&k8s_openapi::api::events::v1::Event| {
            event.reporting_instance.as_deref() == Some("platform-guardrails")
        };
        let note = |event: &k8s_openapi::api::events::v1::Event| {
            let reason = event.reason.clone().unwrap_or_default();
            format!("{reason} {}", event.note.clone().unwrap_or_default())
        };
        events.items.iter().filter(ours).map(note).collect()
    }
}
