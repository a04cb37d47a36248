//! Specs that are fine, and the field that each other one is refused for.

use serde_json::json;

use crate::ApplicationSpec;

fn fields(spec: serde_json::Value) -> Vec<String> {
    let spec: ApplicationSpec = serde_json::from_value(spec).unwrap();
    spec.problems("api").into_iter().map(|p| p.field).collect()
}

#[test]
fn a_good_spec_has_no_problems() {
    assert_eq!(
        fields(json!({
            "image": "gcr.io/company/api-gateway:v1.2.3", "replicas": 3, "language": "go",
            "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": 1}},
            "database": {"type": "postgres", "size": "db-custom-2-8192", "user": "api_gateway_user"},
            "cache": {"type": "redis", "version": "7.0"},
            "monitoring": {"enabled": true, "alerts": ["high-error-rate", "high-latency"]},
            "dependsOn": [{"application": "orders"}, {"host": "api.stripe.com", "port": 443}],
        })),
        Vec::<String>::new()
    );
}

#[test]
fn each_problem_names_its_field() {
    let check = |spec, field: &str| assert_eq!(fields(spec), [field]);
    check(json!({"image": "a b"}), "spec.image");
    check(json!({"replicas": -1}), "spec.replicas");
    check(json!({"size": "huge"}), "spec.size");
    check(
        json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": 1}}}),
        "spec.resources.requests.cpu",
    );
    check(
        json!({"resources": {"limits": {"cpu": "lots"}}}),
        "spec.resources.limits.cpu",
    );
    check(json!({"port": 80}), "spec.port");
    check(
        json!({"port": 8080, "ports": [{"name": "http", "port": 8080}]}),
        "spec.ports",
    );
    check(json!({"health": {"path": "health"}}), "spec.health.path");
    check(json!({"health": {"startup": "soon"}}), "spec.health.startup");
    check(json!({"env": [{"name": "A"}]}), "spec.env[0]");
    check(
        json!({"env": [{"name": "A=B", "value": "x"}]}),
        "spec.env[0].name",
    );
    check(json!({"config": {"../x": ""}}), "spec.config");
    check(
        json!({"storage": [{"path": "data", "size": "1Gi"}]}),
        "spec.storage[0].path",
    );
    check(
        json!({"storage": [{"path": "/data", "size": "0"}]}),
        "spec.storage[0].size",
    );
    check(json!({"dependsOn": [{}]}), "spec.dependsOn[0]");
    check(json!({"allowFrom": [{}]}), "spec.allowFrom[0]");
    check(
        json!({"allowFrom": [{"application": "*", "namespace": "A"}]}),
        "spec.allowFrom[0].namespace",
    );
    check(
        json!({"database": {"type": "postgres", "size": "huge"}}),
        "spec.database.size",
    );
    check(
        json!({"database": {"type": "postgres", "user": "x; drop table"}}),
        "spec.database.user",
    );
    check(
        json!({"database": {"type": "postgres", "class": "aws"}}),
        "spec.database.class",
    );
    check(
        json!({"cache": {"type": "redis", "version": "1"}}),
        "spec.cache.version",
    );
    check(
        json!({"monitoring": {"alerts": ["noise"]}}),
        "spec.monitoring.alerts",
    );
    check(
        json!({"monitoring": {"slo": {"availability": 100}}}),
        "spec.monitoring.slo.availability",
    );
    check(
        json!({"monitoring": {"slo": {"latency": {"p99": "soon"}}}}),
        "spec.monitoring.slo.latency.p99",
    );
    check(json!({"replicas": 2, "autoscaling": {"max": 4}}), "spec.replicas");
    check(json!({"autoscaling": {"min": 5, "max": 4}}), "spec.autoscaling");
    check(
        json!({"autoscaling": {"max": 4, "cpu": 0}}),
        "spec.autoscaling.cpu",
    );
    check(json!({"route": {"host": "*.example.com"}}), "spec.route.host");
    check(json!({"route": {"host": "a.b; c"}}), "spec.route.host");
    check(json!({"route": {"path": "x"}}), "spec.route.path");
    check(json!({"rollout": {"maxSurge": "many"}}), "spec.rollout.maxSurge");
    check(json!({"rollout": {"maxSurge": 0}}), "spec.rollout");
    check(json!({"schedule": "61 * * * *"}), "spec.schedule");
    check(json!({"schedule": "0 3 * * 7"}), "spec.schedule");
    check(
        json!({"schedule": "@daily", "timeZone": "Mars/Base"}),
        "spec.timeZone",
    );
    check(json!({"timeZone": "Europe/Berlin"}), "spec.timeZone");
    check(
        json!({"overrides": {"patches": [{"target": {"kind": "Deployment"}, "patch": 1}]}}),
        "spec.overrides.patches[0].patch",
    );
}
