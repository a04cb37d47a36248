//! Objects that are made, and kept in step.

use super::*;

const DATA: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: settings, uid: p-1}
spec:
  rules:
    - name: make
      match: {any: [{resources: {kinds: [Namespace]}}]}
      generate:
        apiVersion: v1
        kind: ConfigMap
        name: settings
        namespace: '{{request.object.metadata.name}}'
        synchronize: true
        data: {data: {by: '{{request.userInfo.username}}', size: small}}
";
const CLONE: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: credentials}
spec:
  rules:
    - name: copy
      match: {any: [{resources: {kinds: [Namespace]}}]}
      generate:
        apiVersion: v1
        kind: Secret
        name: registry
        namespace: '{{request.object.metadata.name}}'
        synchronize: true
        clone: {namespace: default, name: registry}
";
const SHOP: &str = "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_namespace_begins_with_is_made_and_kept() {
    let world = World::new(&[DATA]).await;
    let shop = world.make(SHOP).await;
    assert!(
        matches!(world.carry().await.as_slice(), [Next::At(at, about)] if *at > BEGIN && about.len() == 2)
    );
    let made = world.map("shop", "settings").await.unwrap();
    assert_eq!(made["data"], json!({"by": "jane", "size": "small"}));
    for (key, value) in [
        ("app.kubernetes.io/managed-by", "platform-guardrails"),
        ("generate.kyverno.io/policy-name", "settings"),
        ("generate.kyverno.io/rule-name", "make"),
        ("generate.kyverno.io/trigger-kind", "Namespace"),
        (
            "generate.kyverno.io/trigger-uid",
            shop["metadata"]["uid"].as_str().unwrap(),
        ),
    ] {
        assert_eq!(made["metadata"]["labels"][key], value, "{key}");
    }
    assert_eq!(world.state().await.0, order::State::Completed);

    // It is deleted, then changed: each time it comes back, by the request that was handed over.
    world.delete("v1", "ConfigMap", "shop", "settings").await;
    world.carry().await;
    assert_eq!(world.map("shop", "settings").await.unwrap()["data"], made["data"]);
    let changed =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {size: large}}";
    world.apply(changed).await;
    world.carry().await;
    assert_eq!(world.map("shop", "settings").await.unwrap()["data"], made["data"]);

    // Other data is carried over.
    world.policies(&[&DATA.replace("size: small", "colour: red")]);
    world.carry().await;
    let carried = world.map("shop", "settings").await.unwrap();
    assert_eq!(
        (&carried["data"]["by"], &carried["data"]["colour"]),
        (&json!("jane"), &json!("red"))
    );

    // With the rule, what it made goes.
    world.policies(&[]);
    assert_eq!(world.carry().await, [Next::Gone]);
    assert_eq!(world.map("shop", "settings").await, None);
    assert_eq!(world.orders().await, []);
    assert_eq!(world.told().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_follows_its_source_and_its_trigger() {
    let world = World::new(&[CLONE]).await;
    let source = |word: &str| {
        format!(
            "{{apiVersion: v1, kind: Secret, metadata: {{name: registry, namespace: default}}, stringData: {{password: {word}}}}}"
        )
    };
    world.apply(&source("hunter2")).await;
    world.make(SHOP).await;
    world.carry().await;
    let copy = async || world.get("v1", "Secret", "shop", "registry").await;
    let password = |secret: Option<Value>| secret.map(|secret| secret["data"]["password"].clone());
    assert_eq!(password(copy().await), Some(json!("aHVudGVyMg==")));
    world.apply(&source("other")).await;
    world.carry().await;
    assert_eq!(password(copy().await), Some(json!("b3RoZXI=")));
    let said = json!(world.actor.orders().list(&ListParams::default()).await.unwrap()).to_string();
    for secret in ["hunter2", "aHVudGVyMg==", "b3RoZXI="] {
        assert!(!said.contains(secret), "{said}");
    }

    // Without its source there is no copy; and it comes back with it.
    world.delete("v1", "Secret", "default", "registry").await;
    world.carry().await;
    assert_eq!(copy().await, None);
    assert!(
        world
            .state()
            .await
            .1
            .contains("the source Secret default/registry is not there")
    );
    world.apply(&source("third")).await;
    world.carry().await;
    assert_eq!(password(copy().await), Some(json!("dGhpcmQ=")));

    // With its trigger it goes.
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {team: none}}}")
        .await;
    world.policies(&[&CLONE.replace(
        "kinds: [Namespace]",
        "kinds: [Namespace], selector: {matchLabels: {team: payments}}",
    )]);
    world.carry().await;
    assert_eq!(copy().await, None, "the rule is not about it any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_made_goes_with_its_trigger_unless_it_is_to_stay() {
    let policy = DATA
        .replace("kinds: [Namespace]", "kinds: [Secret]")
        .replace("'{{request.object.metadata.name}}'", "default");
    let trigger = "{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: default}}";
    let world = World::new(&[&policy]).await;
    world.make(trigger).await;
    world.carry().await;
    assert!(world.map("default", "settings").await.is_some());
    world.delete("v1", "Secret", "default", "a").await;
    assert_eq!(world.carry().await, [Next::Gone]);
    assert_eq!(world.map("default", "settings").await, None);

    world.policies(&[&policy.replace(
        "synchronize: true",
        "synchronize: true\n        orphanDownstreamOnPolicyDelete: true",
    )]);
    world.make(trigger).await;
    world.carry().await;
    world.policies(&[]);
    assert_eq!(world.carry().await, [Next::Gone]);
    assert!(
        world.map("default", "settings").await.is_some(),
        "its policy is gone, and it stays"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_kept_in_step_is_made_once() {
    let world = World::new(&[&DATA.replace("synchronize: true", "synchronize: false")]).await;
    world.make(SHOP).await;
    assert_eq!(world.orders().await.len(), 1);
    assert_eq!(world.ask(Operation::Create, &yaml(SHOP), None).await, []);
    assert_eq!(
        world.orders().await.len(),
        1,
        "a request that is made again is one order"
    );
    assert_eq!(world.carry().await, [Next::Gone]);
    assert!(world.map("shop", "settings").await.is_some());
    assert_eq!(world.orders().await, [], "what is done is gone");
    let mine =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {size: large}}";
    world.apply(mine).await;
    world.make(SHOP).await;
    assert_eq!(world.carry().await, [Next::Gone]);
    assert_eq!(
        world.map("shop", "settings").await.unwrap()["data"]["size"],
        "large"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_elses_object_is_overwritten_or_taken_away() {
    let world = World::new(&[DATA]).await;
    world.apply(SHOP).await;
    let mine =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: shop}, data: {size: large}}";
    world.apply(mine).await;
    world.make(SHOP).await;
    world.carry().await;
    assert_eq!(
        world.map("shop", "settings").await.unwrap()["data"],
        json!({"size": "large"})
    );
    let said = "ConfigMap shop/settings is there already, and was not made by this rule: it is left as it is";
    assert_eq!(world.state().await, (order::State::Pending, said.to_owned()));
    let told = world.told().await;
    assert!(
        told[0].starts_with("PolicyError settings/make because of Namespace shop: ")
            && told[0].ends_with(said),
        "{told:?}"
    );
    for _ in 0..4 {
        world.carry().await;
    }
    assert_eq!(world.state().await.0, order::State::Failed);
    assert_eq!(world.told().await.len(), 1, "it is told once");
    world.policies(&[]);
    world.carry().await;
    assert!(world.map("shop", "settings").await.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_never_came_through_is_let_go() {
    let world = World::new(&[DATA]).await;
    assert_eq!(world.ask(Operation::Create, &yaml(SHOP), None).await, []);
    for look in 0..5 {
        assert!(
            matches!(world.carry().await.as_slice(), [Next::At(..)]),
            "look {look}"
        );
        assert_eq!(world.state().await.1, "Namespace shop is not there yet");
    }
    assert_eq!(world.carry().await, [Next::Gone]);
    // One that comes a little later is acted on.
    assert_eq!(world.ask(Operation::Create, &yaml(SHOP), None).await, []);
    world.carry().await;
    world.apply(SHOP).await;
    world.carry().await;
    assert!(world.map("shop", "settings").await.is_some());
    // An update is waited for: until then the object is as it was.
    let old = world.get("v1", "Namespace", "", "shop").await.unwrap();
    assert_eq!(world.ask_as("joe", Operation::Update, &old, Some(&old)).await, []);
    world.carry().await;
    assert_eq!(world.map("shop", "settings").await.unwrap()["data"]["by"], "jane");
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {a: b}}}")
        .await;
    world.carry().await;
    assert_eq!(world.map("shop", "settings").await.unwrap()["data"]["by"], "joe");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_right_is_explained() {
    let rules = "[{apiGroups: [''], resources: [namespaces, configmaps], verbs: [get, list, watch]}]";
    let world = World::allowing(rules, &[DATA]).await;
    world.make(SHOP).await;
    world.carry().await;
    let expect = "cannot make ConfigMap shop/settings: the account platform-system/platform-guardrails may not patch configmaps; give it the right by a ClusterRole with the label platform.company.com/aggregate-to-guardrails: \"true\" and the rule {apiGroups: [\"\"], resources: [configmaps], verbs: [patch]}";
    let (state, message) = world.state().await;
    assert_eq!((state, message.as_str()), (order::State::Pending, expect));
    let told = world.told().await;
    assert!(told[0].contains(expect), "{told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_a_rule_is_acted_on_where_it_says_so() {
    let fixed = DATA.replace("{{request.userInfo.username}}", "nobody");
    for (said, expect) in [("false", false), ("true", true)] {
        let policy = fixed.replace(
            "synchronize: true",
            &format!("synchronize: true\n        generateExisting: {said}"),
        );
        let world = World::new(&[&policy]).await;
        world.apply(SHOP).await;
        let in_force = world.actor.policies.in_force();
        let count = world.actor.order_existing(&in_force.acting[0]).await.unwrap();
        assert_eq!(count > 0, expect);
        world.carry().await;
        assert_eq!(world.map("shop", "settings").await.is_some(), expect);
        assert_eq!(world.map("platform-system", "settings").await.is_some(), expect);
        assert_eq!(
            world.actor.order_existing(&in_force.acting[0]).await.unwrap(),
            0,
            "they are there"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_a_namespace_makes_nothing_outside_of_it() {
    let policy = DATA
        .replace("kind: ClusterPolicy", "kind: Policy")
        .replace("name: settings, uid", "name: settings, namespace: shop, uid")
        .replace("kinds: [Namespace]", "kinds: [Secret]");
    for (place, expect) in [("default", false), ("shop", true)] {
        let world = World::new(&[&policy.replace("'{{request.object.metadata.name}}'", place)]).await;
        world.apply(SHOP).await;
        world
            .make("{apiVersion: v1, kind: Secret, metadata: {name: a, namespace: shop}}")
            .await;
        world.carry().await;
        assert_eq!(world.map(place, "settings").await.is_some(), expect);
        if !expect {
            assert!(world.state().await.1.contains("makes no ConfigMap outside of it"));
        }
        world
            .make("{apiVersion: v1, kind: Secret, metadata: {name: b, namespace: default}}")
            .await;
        assert_eq!(
            world.orders().await.len(),
            1,
            "what happens elsewhere is none of its business"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_copies_lists_of_elements_and_policies_in_cel() {
    let list = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: copies}
spec:
  rules:
    - name: copy
      match: {any: [{resources: {kinds: [Namespace]}}]}
      generate:
        namespace: '{{request.object.metadata.name}}'
        synchronize: true
        cloneList: {namespace: default, kinds: [v1/ConfigMap], selector: {matchLabels: {copy: 'yes'}}}
    - name: each
      match: {any: [{resources: {kinds: [Namespace]}}]}
      generate:
        synchronize: true
        foreach:
          - list: split(request.object.metadata.annotations.maps, ',')
            apiVersion: v1
            kind: ConfigMap
            name: '{{element}}'
            namespace: '{{request.object.metadata.name}}'
            data: {data: {a: '{{element}}'}}
";
    let cel = "
apiVersion: policies.kyverno.io/v1alpha1
kind: GeneratingPolicy
metadata: {name: in-cel}
spec:
  evaluation: {synchronize: {enabled: true}}
  matchConstraints: {resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [namespaces]}]}
  variables:
    - name: made
      expression: >-
        [{'apiVersion': dyn('v1'), 'kind': dyn('ConfigMap'), 'metadata': dyn({'name': 'in-cel', 'namespace': object.metadata.name}), 'data': dyn({'a': 'b'})}]
  generate:
    - expression: generator.Apply(object.metadata.name, variables.made)
";
    let world = World::new(&[list, cel]).await;
    for (name, copy) in [("one", "yes"), ("two", "yes"), ("three", "no")] {
        let map = format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}, namespace: default, labels: {{copy: '{copy}'}}}}}}"
        );
        world.apply(&map).await;
    }
    world
        .make("{apiVersion: v1, kind: Namespace, metadata: {name: shop, annotations: {maps: 'a,b'}}}")
        .await;
    assert_eq!(world.orders().await.len(), 3);
    world.carry().await;
    let there = async || {
        let maps = world
            .api("v1", "ConfigMap", "shop")
            .list(&ListParams::default())
            .await
            .unwrap();
        maps.items.iter().map(ResourceExt::name_any).collect::<Vec<_>>()
    };
    assert_eq!(
        there().await,
        ["a", "b", "in-cel", "one", "two"],
        "{:#?}",
        world.orders().await
    );
    world.delete("v1", "ConfigMap", "default", "two").await;
    world
        .apply("{apiVersion: v1, kind: Namespace, metadata: {name: shop, annotations: {maps: 'b'}}}")
        .await;
    world.carry().await;
    assert_eq!(
        there().await,
        ["b", "in-cel", "one"],
        "what is wanted no more goes"
    );
}
