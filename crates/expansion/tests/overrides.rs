//! The escape hatch and its bounds, routes and teams' hosts: what a service may do, and each thing it may not.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what stands around the tests is a test too"
)]

mod support;

use expansion::{Provenance, origin};
use serde_json::{Value, json};

use support::{World, object, patching};

#[test]
fn values_are_merged_last_and_null_takes_a_default_away() {
    let made = World::of(json!({
        "resources": {"limits": {"cpu": "1"}},
        "overrides": {"values": {
            "shutdownSeconds": 90,
            "podAnnotations": {"example.com/a": "b"},
            "resources": {"limits": {"memory": "2Gi"}},
        }},
    }))
    .made();
    let pods = &object(&made, "Deployment")["spec"]["template"];
    assert_eq!(pods["spec"]["terminationGracePeriodSeconds"], 90);
    assert_eq!(pods["metadata"]["annotations"]["example.com/a"], "b");
    let limits = &pods["spec"]["containers"][0]["resources"]["limits"];
    assert_eq!((&limits["cpu"], &limits["memory"]), (&json!("1"), &json!("2Gi")));
}

#[test]
fn patches_are_strategic_merges_or_lists_of_operations() {
    let merged = patching(
        "Deployment",
        json!({"spec": {"template": {"spec": {"containers": [
            {"name": "api", "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}
        ]}}}}),
    )
    .made();
    let container = &object(&merged, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["lifecycle"]["preStop"]["sleep"]["seconds"], 5);
    assert_eq!(
        container["image"], "registry.internal/shop/api:v1",
        "the rest stays"
    );

    let operated = patching(
        "Service",
        json!([{"op": "add", "path": "/spec/sessionAffinity", "value": "ClientIP"}]),
    )
    .made();
    assert_eq!(
        object(&operated, "Service")["spec"]["sessionAffinity"],
        "ClientIP"
    );

    let outside = patching("ServiceMonitor", json!({"spec": {"sampleLimit": 5}})).made();
    assert_eq!(object(&outside, "ServiceMonitor")["spec"]["sampleLimit"], 5);
}

/// Decision: overrides are bounded. Each line is one thing a team may not do.
#[test]
fn overrides_stay_in_their_bounds() {
    let check = |world: World, expected: &[&str]| {
        let error = world.expand().expect_err(&format!("{}", world.spec));
        for part in expected {
            assert!(error.contains(part), "{}\n{error}", world.spec);
        }
    };
    let patches = "spec.overrides.patches[0]";
    let deployment = |patch: Value| patching("Deployment", patch);
    check(
        deployment(json!({"kind": "DaemonSet"})),
        &[patches, "changes kind"],
    );
    check(
        deployment(json!({"apiVersion": "apps/v2"})),
        &[patches, "changes apiVersion"],
    );
    check(
        deployment(json!({"metadata": {"name": "other"}})),
        &["changes metadata.name"],
    );
    check(
        deployment(json!({"metadata": {"namespace": "pay-production"}})),
        &["changes metadata.namespace"],
    );
    check(
        deployment(json!({"metadata": {"ownerReferences": []}})),
        &["changes metadata.ownerReferences"],
    );
    check(
        deployment(json!({"metadata": {"finalizers": ["example.com/x"]}})),
        &["changes metadata.finalizers"],
    );
    check(
        deployment(json!({"metadata": {"labels": {"platform.company.com/team": "pay"}}})),
        &["changes metadata.labels.platform.company.com"],
    );
    check(
        deployment(json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}})),
        &["changes metadata.labels.app.kubernetes.io"],
    );
    check(
        deployment(json!({"metadata": {"annotations": {"platform.company.com/tracking-id": "x"}}})),
        &["changes metadata.annotations.platform.company.com"],
    );
    check(
        deployment(
            json!({"spec": {"template": {"metadata": {"labels": {"platform.company.com/service": "x"}}}}}),
        ),
        &["changes spec.template.metadata.labels"],
    );
    check(
        deployment(json!({"spec": {"selector": {"matchLabels": {"a": "b"}}}})),
        &["changes spec.selector"],
    );
    check(
        deployment(json!({"spec": {"template": {"spec": {"serviceAccountName": "platform-deployer"}}}})),
        &["changes spec.template.spec.serviceAccountName"],
    );
    check(
        deployment(
            json!([{"op": "replace", "path": "/spec/template/spec/serviceAccountName", "value": "x"}]),
        ),
        &["changes spec.template.spec.serviceAccountName"],
    );
    check(
        deployment(json!([{"op": "replace", "path": "", "value": 1}])),
        &["nothing would be left"],
    );
    check(
        deployment(json!({"spec": {"replica": 3}})),
        &["unknown field", "replica"],
    );
    check(
        deployment(json!([{"op": "add", "path": "/nowhere/x", "value": 1}])),
        &["does not fit Deployment api", "operation 0"],
    );
    check(patching("ClusterRole", json!({})), &["there is no ClusterRole"]);
    check(
        patching("NetworkPolicy", json!({})),
        &["several of kind NetworkPolicy"],
    );
    for value in [
        "name",
        "team",
        "environment",
        "partOf",
        "labelDomain",
        "image",
        "suspended",
    ] {
        check(
            World::of(json!({"overrides": {"values": {value: "x"}}})),
            &["spec.overrides.values", value, "cannot be overridden"],
        );
    }
    check(
        World::of(json!({"overrides": {"values": {"commonLabels": {"platform.company.com/team": "pay"}}}})),
        &["is marked platform.company.com/team", "pay"],
    );
    check(
        World::of(json!({"overrides": {"values": {"podAnnotations": {"platform.company.com/x": "y"}}}})),
        &["is marked platform.company.com/x"],
    );
    // A chart's schema has the last word on its values.
    check(
        World::of(json!({"overrides": {"values": {"replica": 3}}})),
        &["replica"],
    );
    check(
        World::of(json!({"overrides": {"values": {"route": {"host": "pay.example.com"}}}})),
        &["pay.example.com", "not a host of the team"],
    );
    let mut routed = World::of(json!({
        "route": {"host": "shop.example.com"},
        "overrides": {"patches": [{
            "target": {"kind": "Ingress"},
            "patch": [{"op": "replace", "path": "/spec/rules/0/host", "value": "pay.example.com"}],
        }]},
    }));
    routed.team.hosts = vec!["shop.example.com".to_owned()];
    check(routed, &["Ingress api", "pay.example.com"]);
}

/// Copies of copies double the object each time.
#[test]
fn patches_cannot_grow_without_bound() {
    let copies: Vec<Value> = (0..150)
        .map(|index| json!({"op": "copy", "from": "/spec", "path": format!("/spec/x{index}")}))
        .collect();
    let error = patching("Deployment", json!(copies)).expand().unwrap_err();
    assert!(error.contains("grows beyond"), "{error}");
    let many = vec![json!({"op": "test", "path": "/kind", "value": "Deployment"}); 300];
    let error = patching("Deployment", json!(many)).expand().unwrap_err();
    assert!(error.contains("more than 200 operations"), "{error}");
}

#[test]
fn overrides_are_where_a_value_comes_from() {
    let world = patching("Deployment", json!({"spec": {"minReadySeconds": 7}}));
    let found = world.ask(|intent| origin(intent, "Deployment", "api", "/spec/minReadySeconds"));
    assert_eq!(
        found.unwrap().field,
        "spec.overrides.patches[0].patch.spec.minReadySeconds"
    );
}

#[test]
fn every_value_has_its_origin() {
    let mut world = World::of(json!({
        "replicas": 3,
        "env": [{"name": "LOG_LEVEL", "value": "info"}],
        "route": {},
        "overrides": {"values": {"shutdownSeconds": 90}},
        "database": {"type": "postgres", "size": "small"},
    }));
    world.environment.domain = Some("dev.example.net".to_owned());
    world.environment.first_image = Some("registry.internal/first:v1".to_owned());
    world.team = serde_json::from_value(json!({"network": {"mesh": "linkerd"}})).unwrap();
    let provenance = world.ask(Provenance::of);
    let check = |kind: &str, name: &str, pointer: &str, expected: Option<&str>| {
        let found = provenance
            .origin(kind, name, pointer)
            .map(|origin| origin.field.as_str());
        assert_eq!(found, expected, "{kind} {pointer}");
        let asked = world.ask(|intent| origin(intent, kind, name, pointer));
        if expected.is_some() && !pointer.ends_with("env/0") {
            assert_eq!(
                asked.map(|origin| origin.field).as_deref(),
                expected,
                "{kind} {pointer}"
            );
        }
    };
    let pods = "/spec/template/spec";
    check("Deployment", "api", "/spec/replicas", Some("spec.replicas"));
    check(
        "Deployment",
        "api",
        &format!("{pods}/containers/0/image"),
        Some("spec.image"),
    );
    check(
        "Deployment",
        "api",
        &format!("{pods}/terminationGracePeriodSeconds"),
        Some("spec.overrides.values.shutdownSeconds"),
    );
    check(
        "Ingress",
        "api",
        "/spec/rules/0/host",
        Some("Environment dev spec.domain"),
    );
    check("Database", "api-db", "/spec/size", Some("spec.database.size"));
    check(
        "Deployment",
        "api",
        &format!("{pods}/securityContext/runAsNonRoot"),
        None,
    );
    check("Deployment", "other", "/spec", None);
}

#[test]
fn a_route_has_the_host_it_asks_for_or_the_one_of_its_place() {
    let check = |spec: Value, domain: Option<&str>, hosts: &[&str], expected: Result<&str, &str>| {
        let mut world = World::of(spec);
        world.environment.domain = domain.map(str::to_owned);
        world.team.hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        match (world.expand(), expected) {
            (Ok(made), Ok(url)) => {
                assert_eq!(made.url.as_deref(), Some(url));
                let ingress = object(&made, "Ingress");
                assert!(url.contains(ingress["spec"]["rules"][0]["host"].as_str().unwrap()));
            }
            (Err(error), Err(part)) => assert!(error.contains(part), "{error}"),
            (other, _) => panic!("{expected:?}: {other:?}"),
        }
    };
    check(
        json!({"route": {}}),
        Some("dev.example.net"),
        &[],
        Ok("https://api.shop.dev.example.net"),
    );
    check(
        json!({"route": {"host": "shop.example.com", "path": "/v1", "tls": false}}),
        None,
        &["shop.example.com"],
        Ok("http://shop.example.com/v1"),
    );
    check(
        json!({"route": {"host": "a.shop.example.com"}}),
        None,
        &["*.shop.example.com"],
        Ok("https://a.shop.example.com"),
    );
    check(
        json!({"route": {}}),
        None,
        &[],
        Err("the environment has no domain"),
    );
    check(
        json!({"route": {"host": "pay.example.com"}}),
        Some("dev.example.net"),
        &["shop.example.com"],
        Err("\"pay.example.com\" is not a host of team shop"),
    );
    check(
        json!({"route": {"host": "api.pay.dev.example.net"}}),
        Some("dev.example.net"),
        &[],
        Err("not a host of team shop"),
    );
}

#[test]
fn the_environment_says_how_traffic_comes_in_and_the_team_which_mesh() {
    let mut world = World::of(json!({"route": {}}));
    world.environment = serde_json::from_value(json!({
        "domain": "dev.example.net",
        "routing": {"kind": "gateway", "gateway": {"name": "public", "namespace": "gateways"}},
    }))
    .unwrap();
    world.team = serde_json::from_value(json!({"network": {"mesh": "linkerd"}})).unwrap();
    let made = world.made();
    let route = object(&made, "HTTPRoute");
    assert_eq!(route["spec"]["hostnames"], json!(["api.shop.dev.example.net"]));
    assert_eq!(route["spec"]["parentRefs"][0]["name"], "public");
    let pods = &object(&made, "Deployment")["spec"]["template"]["metadata"];
    assert!(pods.to_string().contains("linkerd.io/inject"), "{pods}");
}

#[test]
fn every_field_reaches_the_golden_path() {
    let made = World::of(json!({
        "autoscaling": {"max": 7, "cpu": 60},
        "rollout": {"maxSurge": "50%", "maxUnavailable": 1},
        "command": ["/api"], "args": ["--serve"],
        "monitoring": {"alerts": ["high-error-rate"], "slo": {"availability": 99.5}},
    }))
    .made();
    let scaler = &object(&made, "HorizontalPodAutoscaler")["spec"];
    assert_eq!(
        (&scaler["minReplicas"], &scaler["maxReplicas"]),
        (&json!(2), &json!(7))
    );
    let deployment = &object(&made, "Deployment")["spec"];
    assert_eq!(
        deployment["strategy"]["rollingUpdate"],
        json!({"maxSurge": "50%", "maxUnavailable": 1})
    );
    let container = &deployment["template"]["spec"]["containers"][0];
    assert_eq!(
        (&container["command"], &container["args"]),
        (&json!(["/api"]), &json!(["--serve"]))
    );
    assert!(object(&made, "PrometheusRule").to_string().contains("99.5"));

    let mut nightly = World::of(json!({"schedule": "0 3 * * *", "timeZone": "Europe/Berlin"}));
    nightly.path = "cron-job";
    let made = nightly.made();
    let job = &object(&made, "CronJob")["spec"];
    assert_eq!(
        (&job["schedule"], &job["timeZone"]),
        (&json!("0 3 * * *"), &json!("Europe/Berlin"))
    );
    let mut wrong = World::of(json!({"schedule": "0 3 * * *"}));
    wrong.path = "base-service";
    assert!(wrong.expand().unwrap_err().contains("schedule"));
}
