//! The operator's part by itself: what wakes it is what happens in the cluster.

use super::*;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::runtime::wait::await_condition;
use tokio_util::sync::CancellationToken;

const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: settings}
spec:
  rules:
    - name: copy
      match: {any: [{resources: {kinds: [Namespace], selector: {matchLabels: {shop: 'yes'}}}}]}
      generate:
        generateExisting: true
        apiVersion: v1
        kind: ConfigMap
        name: settings
        namespace: '{{request.object.metadata.name}}'
        synchronize: true
        clone: {namespace: default, name: settings}
";

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_in_the_cluster_wakes_it() {
    let world = World::new(&[]).await;
    let source =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: settings, namespace: default}, data: {a: b}}";
    world.apply(source).await;
    for name in ["one", "two"] {
        world
            .apply(&format!(
                "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{shop: 'yes'}}}}}}"
            ))
            .await;
    }
    // Its own clock moves, the cluster's does not.
    let actor = world.actor.clone().by_clock(Arc::new(Timestamp::now));
    let (stop, running) = (CancellationToken::new(), actor.clone());
    let stopping = stop.clone();
    let running = tokio::spawn(async move { running.run(stopping).await });
    world.policies(&[POLICY]);

    let maps = |namespace: &str| Api::<ConfigMap>::namespaced(world.client.clone(), namespace);
    let until = async |namespace: &str, is: &(dyn Fn(Option<&ConfigMap>) -> bool + Sync)| {
        let waited = await_condition(maps(namespace), "settings", is);
        tokio::time::timeout(Duration::from_mins(1), waited)
            .await
            .unwrap()
            .unwrap()
    };
    let value = |map: Option<&ConfigMap>| Some(map?.data.as_ref()?.get("a")?.clone());
    // What was there before the policy.
    for name in ["one", "two"] {
        until(name, &|map| value(map).as_deref() == Some("b")).await;
    }
    // What was made is deleted: it comes back as another.
    let uid = maps("one").get("settings").await.unwrap().uid();
    world.delete("v1", "ConfigMap", "one", "settings").await;
    until("one", &|map| map.is_some_and(|map| map.uid() != uid)).await;
    // The source changes.
    world.apply(&source.replace("a: b", "a: c")).await;
    until("one", &|map| value(map).as_deref() == Some("c")).await;
    // Something is asked for at the door.
    let three = "{apiVersion: v1, kind: Namespace, metadata: {name: three, labels: {shop: 'yes'}}}";
    world.make(three).await;
    until("three", &|map| value(map).as_deref() == Some("c")).await;
    // The policy goes.
    world.policies(&[]);
    for name in ["one", "two", "three"] {
        until(name, &|map| map.is_none()).await;
    }
    stop.cancel();
    running.await.unwrap();
}
