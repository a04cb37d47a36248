//! What a service may reach beyond its namespace: nothing that others have not agreed to. And who is told that it may
//! not: the override that asked for it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what stands around the tests is a test too"
)]

mod support;

use expansion::{Provenance, origin};
use serde_json::{Value, json};

use support::{World, object, patching};

#[track_caller]
fn refused(world: &World, expected: &[&str]) {
    let Err(error) = world.expand() else {
        panic!("taken: {}", world.spec)
    };
    for part in expected {
        assert!(error.contains(part), "{}\n{error}", world.spec);
    }
}

fn routed(annotations: &Value) -> World {
    let mut world = World::of(json!({
        "route": {"host": "shop.example.com"},
        "overrides": {"values": {"route": {"annotations": annotations}}},
    }));
    world.team.hosts = vec!["shop.example.com".to_owned(), "*.shop.example.com".to_owned()];
    world
}

#[test]
fn nobody_takes_the_deployers_account() {
    let mut world = World::of(json!({}));
    world.name = "platform-deployer";
    refused(&world, &["metadata.name", "account"]);
}

#[test]
fn hosts_are_the_teams_wherever_they_are_named() {
    let dns = "external-dns.alpha.kubernetes.io/hostname";
    let alias = "nginx.ingress.kubernetes.io/server-alias";
    for good in [
        json!({dns: "shop.example.com"}),
        json!({dns: "a.shop.example.com, b.shop.example.com"}),
        json!({alias: "a.shop.example.com"}),
        json!({"nginx.ingress.kubernetes.io/proxy-body-size": "8m"}),
        json!({"nginx.ingress.kubernetes.io/auth-secret": "shop-dev/users"}),
    ] {
        routed(&good).made();
    }
    for (annotation, value) in [
        (dns, "pay.example.com"),
        (dns, "a.shop.example.com,pay.example.com"),
        (
            "external-dns.alpha.kubernetes.io/internal-hostname",
            "pay.example.com",
        ),
        ("external-dns.kubernetes.io/hostname", "pay.example.com"),
        (alias, "a.shop.example.com, pay.example.com"),
    ] {
        refused(
            &routed(&json!({annotation: value})),
            &[
                "spec.overrides.values",
                "pay.example.com",
                "not a host of the team",
            ],
        );
    }
    // A Service, and pods behind a headless one, get records as well.
    refused(
        &patching(
            "Service",
            json!({"metadata": {"annotations": {dns: "pay.example.com"}}}),
        ),
        &["spec.overrides.patches[0]", "Service api", "pay.example.com"],
    );
    refused(
        &patching(
            "Deployment",
            json!({"spec": {"template": {"metadata": {"annotations": {dns: "pay.example.com"}}}}}),
        ),
        &["Deployment api", "pay.example.com"],
    );
}

#[test]
fn an_ingress_stays_with_its_own() {
    for annotation in [
        "nginx.ingress.kubernetes.io/configuration-snippet",
        "nginx.ingress.kubernetes.io/server-snippet",
        "nginx.org/location-snippets",
        "haproxy.org/backend-config-snippet",
    ] {
        refused(
            &routed(&json!({annotation: "return 200;"})),
            &["Ingress api", annotation, "configuration of its own"],
        );
    }
    for annotation in [
        "nginx.ingress.kubernetes.io/auth-secret",
        "nginx.ingress.kubernetes.io/auth-tls-secret",
    ] {
        refused(
            &routed(&json!({annotation: "pay-production/users"})),
            &["Ingress api", "pay-production/users", "another namespace"],
        );
    }
}

#[test]
fn a_monitor_looks_at_its_own_namespace_alone() {
    let monitor = |patch: Value| patching("ServiceMonitor", json!({"spec": patch}));
    monitor(json!({"namespaceSelector": {"matchNames": ["shop-dev"]}})).made();
    for selector in [
        json!({"any": true}),
        json!({"matchNames": ["shop-dev", "pay-production"]}),
    ] {
        refused(
            &monitor(json!({"namespaceSelector": selector})),
            &[
                "spec.overrides.patches[0]",
                "ServiceMonitor api",
                "other namespaces",
            ],
        );
    }
    let token = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    for endpoint in [
        json!({"port": "http", "bearerTokenFile": token}),
        json!({"port": "http", "tlsConfig": {"caFile": token}}),
        json!({"port": "http", "tlsConfig": {"keyFile": token}}),
    ] {
        refused(
            &monitor(json!({"endpoints": [endpoint]})),
            &["ServiceMonitor api", token, "a file of whoever collects"],
        );
    }
}

#[test]
fn the_override_that_goes_too_far_is_named() {
    let dns = |host: &str| {
        let annotations = json!({"external-dns.alpha.kubernetes.io/hostname": host});
        json!({"target": {"kind": "Service"}, "patch": {"metadata": {"annotations": annotations}}})
    };
    let calm = json!({"target": {"kind": "Deployment"}, "patch": {"spec": {"minReadySeconds": 5}}});
    let mut world = World::of(json!({"overrides": {"patches": [calm, dns("pay.example.com"), calm]}}));
    refused(&world, &["spec.overrides.patches[1]: Service api answers at"]);
    world.spec["overrides"]["values"] = json!({"commonLabels": {"platform.company.com/team": "pay"}});
    refused(
        &world,
        &["spec.overrides.values: ", "is marked platform.company.com/team"],
    );
    // What the chart's schema says of a value is about the override, not about the golden path.
    refused(
        &World::of(json!({"overrides": {"values": {"replica": 3}}})),
        &["spec.overrides.values: ", "replica"],
    );
}

#[test]
fn operations_are_counted_over_all_patches() {
    let test = json!({"op": "test", "path": "/kind", "value": "Deployment"});
    let patch = json!({"target": {"kind": "Deployment"}, "patch": vec![test; 30]});
    World::of(json!({"overrides": {"patches": vec![patch.clone(); 6]}})).made();
    refused(
        &World::of(json!({"overrides": {"patches": vec![patch; 7]}})),
        &["spec.overrides.patches", "more than 200 operations"],
    );
}

#[test]
fn what_an_override_takes_away_has_its_origin() {
    let check = |overrides: Value, pointer: &str, field: &str| {
        let world = World::of(json!({"overrides": overrides}));
        let (single, many) = world.ask(|intent| {
            let many = Provenance::of(intent);
            let many = many.origin("Deployment", "api", pointer).cloned();
            (origin(intent, "Deployment", "api", pointer), many)
        });
        assert_eq!(single.unwrap().field, field);
        assert_eq!(many.unwrap().field, field);
    };
    let limits = "/spec/template/spec/containers/0/resources/limits";
    check(
        json!({"patches": [{"target": {"kind": "Deployment"}, "patch": [{"op": "remove", "path": limits}]}]}),
        limits,
        "spec.overrides.patches[0].patch[0]",
    );
    check(
        json!({"patches": [{"target": {"kind": "Deployment"}, "patch": {"spec": {"template": {"spec": {
            "terminationGracePeriodSeconds": null
        }}}}}]}),
        "/spec/template/spec/terminationGracePeriodSeconds",
        "spec.overrides.patches[0].patch.spec.template.spec.terminationGracePeriodSeconds",
    );
}

/// What stands beside a changed value did not come from the same field.
#[test]
fn a_neighbour_of_what_a_field_adds_is_not_the_fields() {
    let world = World::of(json!({"paused": true}));
    let provenance = world.ask(Provenance::of);
    let of = |pointer: &str| {
        provenance
            .origin("Deployment", "api", pointer)
            .map(|o| o.field.clone())
    };
    assert_eq!(of("/spec/replicas").as_deref(), Some("spec.paused"));
    assert_eq!(of("/spec/selector/matchLabels"), None);
}

#[test]
fn an_environment_in_disorder_is_said() {
    let mut world = World::of(json!({}));
    world.environment.domain = Some("dev example".to_owned());
    refused(&world, &["Environment dev is not valid", "spec.domain"]);
}

#[test]
fn a_paused_service_has_no_autoscaler() {
    let spec = json!({"autoscaling": {"min": 3, "max": 5}});
    assert_eq!(World::of(spec.clone()).made().replicas, 3);
    let alone = World::of(json!({"autoscaling": {"max": 1}})).made();
    assert_eq!(
        object(&alone, "HorizontalPodAutoscaler")["spec"]["minReplicas"],
        1
    );
    let mut paused = World::of(spec);
    paused.spec["paused"] = json!(true);
    let made = paused.made();
    assert_eq!(made.replicas, 0);
    assert_eq!(object(&made, "Deployment")["spec"]["replicas"], 0);
    assert!(
        made.objects
            .iter()
            .all(|object| object["kind"] != "HorizontalPodAutoscaler")
    );
}
