//! Sets of objects against the embedded API server.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use apply::{
    Applied, Applier, ApplySet, Bounds, InventoryItem, Outcome, Owner, Problem, Prune, PrunedOutcome,
    Tracking,
};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};

const MARK: &str = "platform.example.com/tracking-id";

struct World {
    applier: Applier,
    client: Client,
    _sandbox: sandbox::Sandbox,
}

fn world() -> World {
    let sandbox = sandbox::Sandbox::open(sandbox::Options::default()).unwrap();
    let client = sandbox.client("default");
    World {
        applier: Applier::new(client.clone()),
        client,
        _sandbox: sandbox,
    }
}

fn api(client: &Client, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), "default", &resource)
}

impl World {
    async fn apply(&self, set: &ApplySet) -> Applied {
        self.applier.apply(set).await
    }

    async fn live(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        let object = api(&self.client, api_version, kind).get_opt(name).await.unwrap();
        object.map(|object| serde_json::to_value(object).unwrap())
    }
}

fn set(id: &str, objects: &[Value]) -> ApplySet {
    let mut set = ApplySet::new("platform-test", Tracking::new(MARK, id), objects.to_vec());
    set.bounds = Bounds::Namespace("default".to_owned());
    set.prune = Prune::AfterSuccess;
    set
}

fn config(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
}

fn outcomes(applied: &Applied) -> Vec<&'static str> {
    applied
        .results
        .iter()
        .map(|result| match &result.outcome {
            Outcome::Created => "created",
            Outcome::Configured => "configured",
            Outcome::Unchanged => "unchanged",
            Outcome::Skipped { .. } => "skipped",
            Outcome::Failed(problem) => panic!("{}: {problem}", result.object),
        })
        .collect()
}

fn only_problem(applied: &Applied) -> &Problem {
    let problems: Vec<_> = applied.problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].1
}

#[tokio::test]
async fn objects_are_created_configured_and_left_alone() {
    let world = world();
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "api"},
        "spec": {"selector": {"app.kubernetes.io/name": "api"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api", "labels": {"a": "b"}},
        "spec": {
            "replicas": 3, "selector": {"matchLabels": {"app.kubernetes.io/name": "api"}},
            "template": {
                "metadata": {"labels": {"app.kubernetes.io/name": "api"}},
                "spec": {"containers": [{
                    "name": "api", "image": "x:1", "ports": [{"containerPort": 8080}],
                    "resources": {"limits": {"memory": "256Mi"}}, "env": [{"name": "A", "value": "b"}],
                }]},
            },
        },
    });
    let mut wish = set("demo.api", &[deployment, service, config("api", "one")]);
    let first = world.apply(&wish).await;
    assert_eq!(outcomes(&first), ["created"; 3]);
    assert!(first.changed());
    assert_eq!(first.inventory.len(), 3);
    assert!(first.inventory.iter().all(|item| !item.uid.is_empty()));
    let live = world.live("v1", "ConfigMap", "api").await.unwrap();
    assert_eq!(
        live["metadata"]["annotations"][MARK],
        "demo.api:/ConfigMap:default/api"
    );

    // The second time nothing is even sent.
    for (object, result) in wish.objects.iter().zip(&first.results) {
        let mut marked = object.clone();
        marked["metadata"]["namespace"] = json!("default");
        wish.tracking.mark(&mut marked, &result.object);
        assert!(
            apply::settled(&marked, result.live.as_ref().unwrap(), "platform-test"),
            "{}",
            result.object
        );
    }
    wish.inventory.clone_from(&first.inventory);
    let second = world.apply(&wish).await;
    assert_eq!(outcomes(&second), ["unchanged"; 3]);
    assert!(!second.changed());
    assert_eq!(second.inventory, first.inventory);

    wish.objects[2] = config("api", "two");
    let third = world.apply(&wish).await;
    assert_eq!(outcomes(&third), ["unchanged", "unchanged", "configured"]);
    assert_eq!(
        world.live("v1", "ConfigMap", "api").await.unwrap()["data"]["key"],
        "two"
    );
}

#[tokio::test]
async fn what_leaves_the_set_is_removed_and_nothing_else() {
    let world = world();
    let mut wish = set(
        "demo.api",
        &[
            config("kept", "x"),
            config("left", "x"),
            config("remade", "x"),
            config("unmarked", "x"),
        ],
    );
    let first = world.apply(&wish).await;
    assert!(first.succeeded());
    let configs = api(&world.client, "v1", "ConfigMap");
    // Somebody else makes one anew, and takes the mark off another.
    configs
        .delete("remade", &kube::api::DeleteParams::default())
        .await
        .unwrap();
    let anew: DynamicObject = serde_json::from_value(config("remade", "theirs")).unwrap();
    configs
        .create(&kube::api::PostParams::default(), &anew)
        .await
        .unwrap();
    let unmark = json!({"metadata": {"annotations": {MARK: null}}});
    configs
        .patch(
            "unmarked",
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(unmark),
        )
        .await
        .unwrap();

    wish.objects.truncate(1);
    wish.inventory.clone_from(&first.inventory);
    let second = world.apply(&wish).await;
    let mut told: Vec<(String, &str)> = second
        .pruned
        .iter()
        .map(|pruned| {
            let word = match &pruned.outcome {
                PrunedOutcome::Removed => "removed",
                PrunedOutcome::Gone => "gone",
                PrunedOutcome::Released { .. } => "released",
                PrunedOutcome::Failed(problem) => panic!("{problem}"),
            };
            (pruned.object.name.clone(), word)
        })
        .collect();
    told.sort();
    assert_eq!(
        told,
        [
            ("left".to_owned(), "removed"),
            ("remade".to_owned(), "released"),
            ("unmarked".to_owned(), "released")
        ]
    );
    assert_eq!(
        second
            .inventory
            .iter()
            .map(|item| item.name.as_str())
            .collect::<Vec<_>>(),
        ["kept"]
    );
    for (name, there) in [
        ("kept", true),
        ("left", false),
        ("remade", true),
        ("unmarked", true),
    ] {
        assert_eq!(
            world.live("v1", "ConfigMap", name).await.is_some(),
            there,
            "{name}"
        );
    }
}

#[tokio::test]
async fn pruning_waits_for_success_or_is_off() {
    let world = world();
    let bad = json!({"apiVersion": "example.com/v1", "kind": "Nonsense", "metadata": {"name": "x"}});
    let mut wish = set("demo.api", &[config("left", "x")]);
    wish.inventory = world.apply(&wish).await.inventory;
    for (prune, objects, there) in [
        (Prune::Never, vec![], true),
        (Prune::AfterSuccess, vec![bad.clone()], true),
        (Prune::Always, vec![bad], false),
    ] {
        let attempt = ApplySet {
            prune,
            objects,
            ..wish.clone()
        };
        let applied = world.apply(&attempt).await;
        assert_eq!(
            world.live("v1", "ConfigMap", "left").await.is_some(),
            there,
            "{prune:?}"
        );
        assert_eq!(applied.inventory.len(), usize::from(there), "{prune:?}");
    }
}

#[tokio::test]
async fn what_belongs_to_others_is_refused() {
    let world = world();
    assert!(
        world
            .apply(&set("demo.web", &[config("shared", "theirs")]))
            .await
            .succeeded()
    );
    let applied = world
        .apply(&set("demo.api", &[config("shared", "ours"), config("own", "x")]))
        .await;
    let problem = only_problem(&applied);
    assert!(matches!(problem, Problem::BelongsToOther { .. }));
    assert_eq!(problem.to_string(), "the object belongs to \"demo.web\"");
    assert!(problem.hint().is_some());
    assert_eq!(
        world.live("v1", "ConfigMap", "shared").await.unwrap()["data"]["key"],
        "theirs"
    );
    assert_eq!(
        applied
            .inventory
            .iter()
            .map(|item| item.name.as_str())
            .collect::<Vec<_>>(),
        ["own"]
    );
}

#[tokio::test]
async fn conflicts_are_explained_and_can_be_forced() {
    let world = world();
    let theirs = kube::api::PatchParams::apply("kubectl");
    let configs = api(&world.client, "v1", "ConfigMap");
    configs
        .patch("api", &theirs, &kube::api::Patch::Apply(config("api", "theirs")))
        .await
        .unwrap();
    let mut wish = set("demo.api", &[config("api", "ours")]);
    let applied = world.apply(&wish).await;
    let problem = only_problem(&applied);
    assert_eq!(problem.to_string(), "somebody else set .data.key (kubectl)");
    wish.force = true;
    assert_eq!(outcomes(&world.apply(&wish).await), ["configured"]);
}

#[tokio::test]
async fn bounds_hold() {
    let world = world();
    let mut elsewhere = config("x", "x");
    elsewhere["metadata"]["namespace"] = json!("kube-system");
    let cluster = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "other"}});
    for (object, words) in [(elsewhere, "namespace kube-system"), (cluster, "whole cluster")] {
        let applied = world.apply(&set("demo.api", &[object])).await;
        let problem = only_problem(&applied).to_string();
        assert!(problem.contains(words), "{problem}");
        assert!(applied.inventory.is_empty());
    }
    let mut anywhere = set("demo.api", &[config("x", "x")]);
    anywhere.bounds = Bounds::Anywhere;
    assert!(matches!(
        only_problem(&world.apply(&anywhere).await),
        Problem::Incomplete {
            field: "metadata.namespace"
        }
    ));
}

#[tokio::test]
async fn broken_manifests_are_named() {
    let world = world();
    for (object, words) in [
        (
            json!({"kind": "ConfigMap", "metadata": {"name": "x"}}),
            "apiVersion",
        ),
        (json!({"apiVersion": "v1", "metadata": {"name": "x"}}), "kind"),
        (
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}),
            "metadata.name",
        ),
        (json!("text"), "apiVersion"),
        (
            json!({"apiVersion": "../v1", "kind": "X", "metadata": {"name": "x"}}),
            "does not know the kind X",
        ),
    ] {
        let applied = world.apply(&set("demo.api", &[object])).await;
        let problem = only_problem(&applied).to_string();
        assert!(problem.contains(words), "{problem}");
    }
    let twice = world
        .apply(&set("demo.api", &[config("x", "a"), config("x", "b")]))
        .await;
    assert!(matches!(only_problem(&twice), Problem::Twice));
}

#[tokio::test]
async fn unknown_kinds_are_an_error_unless_they_are_optional() {
    let world = world();
    let monitor = json!({"apiVersion": "monitoring.example.com/v1", "kind": "ServiceMonitor", "metadata": {"name": "api"}});
    let mut wish = set("demo.api", &[monitor, config("api", "x")]);
    let applied = world.apply(&wish).await;
    assert!(matches!(only_problem(&applied), Problem::UnknownKind { .. }));
    wish.optional = vec![("monitoring.example.com".to_owned(), "ServiceMonitor".to_owned())];
    wish.inventory = applied.inventory;
    assert_eq!(outcomes(&world.apply(&wish).await), ["skipped", "unchanged"]);
}

#[tokio::test]
async fn a_definition_and_its_objects_go_in_together() {
    let world = world();
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "gadgets.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"kind": "Gadget", "plural": "gadgets", "singular": "gadget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}},
            }}}],
        },
    });
    let gadget = json!({"apiVersion": "example.com/v1", "kind": "Gadget", "metadata": {"name": "g", "namespace": "default"}, "spec": {"size": 1}});
    let mut wish = set("tools", &[gadget, definition]);
    wish.bounds = Bounds::Anywhere;
    let applied = world.apply(&wish).await;
    assert_eq!(outcomes(&applied), ["created", "created"]);
    wish.inventory = applied.inventory;
    assert_eq!(outcomes(&world.apply(&wish).await), ["unchanged", "unchanged"]);
}

#[tokio::test]
async fn owners_are_written_inside_their_namespace() {
    let world = world();
    let owner = world
        .apply(&set("demo", &[config("owner", "x")]))
        .await
        .results
        .remove(0)
        .live
        .unwrap();
    let mut wish = set("demo.api", &[config("owned", "x")]);
    wish.owner = Some(Owner {
        namespace: "default".to_owned(),
        reference: serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"], "controller": true,
        }))
        .unwrap(),
    });
    let first = world.apply(&wish).await;
    assert_eq!(outcomes(&first), ["created"]);
    let live = world.live("v1", "ConfigMap", "owned").await.unwrap();
    assert_eq!(
        live["metadata"]["ownerReferences"][0]["uid"],
        owner["metadata"]["uid"]
    );
    wish.inventory = first.inventory;
    assert_eq!(outcomes(&world.apply(&wish).await), ["unchanged"]);

    // Another owner whose set has the same id by chance: the mark alone would let it in.
    for (kind, name, expect) in [
        ("Secret", "owner", "the object belongs to ConfigMap owner"),
        ("ConfigMap", "other", "the object belongs to ConfigMap owner"),
        ("ConfigMap", "owner", "the object is being deleted"),
    ] {
        let mut second = set("demo.api", &[config("owned", "y")]);
        second.owner = Some(Owner {
            namespace: "default".to_owned(),
            reference: serde_json::from_value(json!({
                "apiVersion": "v1", "kind": kind, "name": name, "uid": "7a0c", "controller": true,
            }))
            .unwrap(),
        });
        let refused = world.apply(&second).await;
        assert_eq!(only_problem(&refused).to_string(), expect, "{kind} {name}");
        let kept = world.live("v1", "ConfigMap", "owned").await.unwrap();
        assert_eq!(kept["data"], json!({"key": "x"}));
    }
}

#[tokio::test]
async fn the_inventory_survives_an_unreachable_cluster() {
    let refuses = tower_like();
    let applier = Applier::new(refuses);
    let mut wish = set("demo.api", &[config("x", "x")]);
    let item = InventoryItem {
        version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        namespace: Some("default".to_owned()),
        name: "x".to_owned(),
        uid: "1".to_owned(),
        ..InventoryItem::default()
    };
    let other = InventoryItem {
        name: "y".to_owned(),
        ..item.clone()
    };
    wish.inventory = vec![item, other];
    wish.prune = Prune::Always;
    let applied = applier.apply(&wish).await;
    assert_eq!(applied.inventory, wish.inventory);
    assert!(
        applied
            .problems()
            .all(|(_, problem)| matches!(problem, Problem::Unreachable(_)) && problem.passes())
    );
    assert_eq!(applied.problems().count(), 2);
}

/// A client whose every request fails before it reaches anybody.
fn tower_like() -> Client {
    let mut config = kube::Config::new("http://127.0.0.1:1/".parse().unwrap());
    config.default_retry = false;
    Client::try_from(config).unwrap()
}
