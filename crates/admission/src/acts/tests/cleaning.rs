//! Objects that are deleted when their time has come: hours in milliseconds.

use super::*;
use crate::acts::acting::cleaning;

fn map(name: &str, labels: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default, labels: {{{labels}}}}}}}"
    )
}

/// A world that knows a kind of policies that clean.
async fn world(kind: &str, group: &str, version: &str, namespaced: bool) -> World {
    let world = World::new(&[]).await;
    let plural = guardrails::guessed_plural(kind);
    let definition = json!({
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group, "names": {"kind": kind, "plural": plural},
            "scope": if namespaced { "Namespaced" } else { "Cluster" },
            "versions": [{
                "name": version, "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let definition = serde_json::from_value(definition).unwrap();
    definitions
        .create(&PostParams::default(), &definition)
        .await
        .unwrap();
    world
}

impl World {
    /// Puts a policy that cleans in force.
    async fn cleaning(&self, text: &str) -> Value {
        let policy = self.apply(text).await;
        let (cleaning, wrong) = cleaning(&[&policy]);
        assert_eq!(wrong, Vec::<String>::new());
        self.actor.policies.set(InForce {
            cleaning,
            ..InForce::default()
        });
        policy
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_deletes_when_it_is_due() {
    let world = world("ClusterCleanupPolicy", "kyverno.io", "v2", false).await;
    for (name, labels) in [
        ("old", "keep: 'no'"),
        ("kept", ""),
        ("ours", "keep: 'no', platform.company.com/managed: 'true'"),
    ] {
        world.apply(&map(name, labels)).await;
    }
    let policy = "
apiVersion: kyverno.io/v2
kind: ClusterCleanupPolicy
metadata: {name: sweep}
spec:
  schedule: '0 * * * *'
  deletionPropagationPolicy: Foreground
  match: {any: [{resources: {kinds: [ConfigMap], selector: {matchLabels: {keep: 'no'}}}}]}
  conditions: {all: [{key: '{{target.metadata.name}}', operator: NotEquals, value: other}]}
";
    world.cleaning(policy).await;
    let first = world.actor.clean().await.unwrap();
    assert_eq!((first.due, first.deleted), (0, 0));
    let due = first.next.unwrap();
    assert!(due.as_second() - BEGIN <= 3_600 && due.as_second() % 3_600 == 0);
    world.pass(3_600);
    let swept = world.actor.clean().await.unwrap();
    assert_eq!((swept.due, swept.deleted), (1, 1));
    for (name, stays) in [("old", false), ("kept", true), ("ours", true)] {
        assert_eq!(world.map("default", name).await.is_some(), stays, "{name}");
    }
    assert_eq!(world.actor.clean().await.unwrap().due, 0, "once");
    assert_eq!(world.told().await, ["PolicyApplied sweep: 1 deleted by schedule"]);
    let sweep = world
        .get("kyverno.io/v2", "ClusterCleanupPolicy", "", "sweep")
        .await
        .unwrap();
    let last = sweep["status"]["lastExecutionTime"].as_str().unwrap();
    assert_eq!(last.parse::<Timestamp>().unwrap().as_second(), BEGIN + 3_600);
    // Whoever leads next knows; what was missed is made up for once.
    let next = Actor::new(
        world.client.clone(),
        Group::default(),
        world.actor.policies.clone(),
    )
    .unwrap();
    let next = next.by_clock(Arc::clone(&world.actor.clock));
    assert_eq!(next.clean().await.unwrap().due, 0);
    world.pass(50 * 3_600);
    assert_eq!(next.clean().await.unwrap().due, 1);
    assert_eq!(next.clean().await.unwrap().due, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_a_namespace_deletes_there_alone() {
    let world = world(
        "NamespacedDeletingPolicy",
        "policies.kyverno.io",
        "v1alpha1",
        true,
    )
    .await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop}}")
        .await;
    for namespace in ["default", "shop"] {
        world
            .apply(&map("old", "").replace("namespace: default", &format!("namespace: {namespace}")))
            .await;
    }
    let policy = "
apiVersion: policies.kyverno.io/v1alpha1
kind: NamespacedDeletingPolicy
metadata: {name: sweep, namespace: shop}
spec:
  schedule: '*/5 * * * *'
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: ['*'], resources: [configmaps]}]}
  conditions: [{name: old, expression: object.metadata.name == 'old'}]
";
    world.cleaning(policy).await;
    world.pass(600);
    let swept = world.actor.clean().await.unwrap();
    assert_eq!((swept.due, swept.deleted), (1, 1));
    assert_eq!(world.map("shop", "old").await, None);
    assert!(world.map("default", "old").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_may_not_delete_says_so() {
    let world = World::allowing("[]", &[]).await;
    let policy = yaml(
        "
apiVersion: kyverno.io/v2
kind: ClusterCleanupPolicy
metadata: {name: sweep}
spec:
  schedule: '0 * * * *'
  match: {any: [{resources: {kinds: [ConfigMap]}}]}
",
    );
    let (found, _) = cleaning(&[&policy]);
    assert_eq!(world.actor.clean_by(&found[0]).await.unwrap(), 0);
    let told = world.told().await;
    assert!(
        told[0].contains("may not list configmaps; give it the right by a ClusterRole"),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_go_when_their_own_time_is_over() {
    let world = World::new(&[]).await;
    for (name, labels) in [
        ("short", "cleanup.kyverno.io/ttl: 2h"),
        ("long", "cleanup.kyverno.io/ttl: 10000d"),
        ("odd", "cleanup.kyverno.io/ttl: soon"),
        (
            "ours",
            "cleanup.kyverno.io/ttl: 2h, platform.company.com/managed: 'true'",
        ),
        ("none", ""),
    ] {
        world.apply(&map(name, labels)).await;
    }
    world.pass(7_199);
    let looked = world.actor.expire().await.unwrap();
    assert_eq!(
        (looked.deleted, looked.next.unwrap().as_second()),
        (0, BEGIN + 7_200)
    );
    world.pass(1);
    assert_eq!(world.actor.expire().await.unwrap().deleted, 1);
    for (name, stays) in [
        ("short", false),
        ("long", true),
        ("odd", true),
        ("ours", true),
        ("none", true),
    ] {
        assert_eq!(world.map("default", name).await.is_some(), stays, "{name}");
    }
}
