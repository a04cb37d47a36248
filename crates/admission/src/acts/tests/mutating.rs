//! Objects that are changed although they are there already.

use super::*;

const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: restart}
spec:
  rules:
    - name: tell
      match: {any: [{resources: {kinds: [ConfigMap], names: [source], operations: [UPDATE, DELETE]}}]}
      mutate:
        targets: [{apiVersion: v1, kind: ConfigMap, namespace: default, name: 'target*'}]
        patchStrategicMerge: {metadata: {labels: {by: '{{request.userInfo.username}}', after: '{{request.operation}}'}}}
";
const SOURCE: &str =
    "{apiVersion: v1, kind: ConfigMap, metadata: {name: source, namespace: default}, data: {a: b}}";

fn map(name: &str, labels: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default, labels: {{{labels}}}}}}}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn targets_are_changed_because_of_a_request() {
    let world = World::new(&[POLICY]).await;
    for (name, labels) in [
        ("target-1", ""),
        ("target-2", "platform.company.com/managed: 'true'"),
        ("other", ""),
    ] {
        world.apply(&map(name, labels)).await;
    }
    let old = world.make(SOURCE).await;
    assert_eq!(world.orders().await, [], "it was made, which is not asked about");
    let new = world.apply(&SOURCE.replace("a: b", "a: c")).await;
    assert_eq!(world.ask(Operation::Update, &new, Some(&old)).await, []);
    assert_eq!(world.ask(Operation::Update, &new, Some(&old)).await, []);
    assert_eq!(
        world.orders().await.len(),
        1,
        "a request that is made again is one order"
    );
    world.carry().await;
    let label = async |name: &str, key: &str| {
        world.map("default", name).await.unwrap()["metadata"]["labels"][key].clone()
    };
    assert_eq!(label("target-1", "by").await, "jane");
    assert_eq!(label("other", "by").await, Value::Null);
    assert_eq!(label("target-2", "by").await, Value::Null);
    assert_eq!(
        world.state().await.1,
        "ConfigMap default/target-2 is the platform's own, and is left as it is"
    );
    world.pass(24 * 60 * 60 + 1);
    assert_eq!(world.carry().await, [Next::Gone], "nobody tries for ever");

    world.delete("v1", "ConfigMap", "default", "target-2").await;
    world.delete("v1", "ConfigMap", "default", "source").await;
    assert_eq!(world.ask(Operation::Delete, &new, None).await, []);
    assert_eq!(world.carry().await, [Next::Gone]);
    assert_eq!(
        label("target-1", "after").await,
        "DELETE",
        "what is gone acts by what was handed over"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_in_the_accounts_own_name_triggers_nothing_more() {
    for (said, expect) in [
        ("", 0),
        ("skipBackgroundRequests: false", 1),
        ("skipBackgroundRequests: true", 0),
    ] {
        let world =
            World::new(&[&POLICY.replace("- name: tell", &format!("- name: tell\n      {said}"))]).await;
        let old = world.make(SOURCE).await;
        let account = user(ACCOUNT);
        assert_eq!(
            world.ask_as(&account, Operation::Update, &old, Some(&old)).await,
            []
        );
        assert_eq!(world.orders().await.len(), expect, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_is_changed_when_a_policy_says_so() {
    let policy = POLICY
        .replace(", operations: [UPDATE, DELETE]", "")
        .replace("{{request.userInfo.username}}", "policy")
        .replace(
            "mutate:\n",
            "mutate:\n        mutateExistingOnPolicyUpdate: true\n",
        );
    let world = World::new(&[&policy]).await;
    world.apply(SOURCE).await;
    world.apply(&map("target-1", "")).await;
    let in_force = world.actor.policies.in_force();
    assert_eq!(world.actor.order_existing(&in_force.acting[0]).await.unwrap(), 1);
    assert_eq!(world.carry().await, [Next::Gone]);
    let changed = world.map("default", "target-1").await.unwrap();
    assert_eq!(changed["metadata"]["labels"]["by"], "policy");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_handed_over_is_said() {
    let world = World::new(&[POLICY]).await;
    let mut large = yaml(SOURCE);
    large["data"]["a"] = json!("x".repeat(300 * 1024));
    let unhanded = world.ask(Operation::Delete, &large, None).await;
    assert!(
        unhanded[0]
            .why
            .contains("what the rule changes because of this request cannot be handed over: the request is")
    );
    assert_eq!(unhanded[0].failure, crate::scope::FailurePolicy::Fail);
    // Where the kind is not there, nothing can be kept.
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    let name = "guardrailrequests.platform.company.com";
    definitions.delete(name, &DeleteParams::default()).await.unwrap();
    world.policies(&[&POLICY.replace("spec:", "spec:\n  failurePolicy: Ignore")]);
    let old = yaml(SOURCE);
    let unhanded = world.ask(Operation::Update, &old, Some(&old)).await;
    assert_eq!(unhanded[0].failure, crate::scope::FailurePolicy::Ignore);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_in_cel_changes_what_it_finds() {
    let policy = "
apiVersion: policies.kyverno.io/v1alpha1
kind: MutatingPolicy
metadata: {name: in-cel}
spec:
  evaluation: {mutateExisting: {enabled: true}}
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [UPDATE], resources: [configmaps], resourceNames: [source]}]}
  targetMatchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [UPDATE], resources: [secrets]}]}
  mutations:
    - patchType: ApplyConfiguration
      applyConfiguration: {expression: 'Object{metadata: Object.metadata{labels: Object.metadata.labels{by: \"cel\"}}}'}
";
    let world = World::new(&[policy]).await;
    world
        .apply("{apiVersion: v1, kind: Secret, metadata: {name: target, namespace: default}, stringData: {password: hunter2}}")
        .await;
    let old = world.make(SOURCE).await;
    let new = world.apply(&SOURCE.replace("a: b", "a: c")).await;
    assert_eq!(world.ask(Operation::Update, &new, Some(&old)).await, []);
    assert_eq!(world.carry().await, [Next::Gone]);
    let target = world.get("v1", "Secret", "default", "target").await.unwrap();
    assert_eq!(target["metadata"]["labels"]["by"], "cel");
    assert_eq!(
        target["data"]["password"], "aHVudGVyMg==",
        "the rest is as it was"
    );
}
