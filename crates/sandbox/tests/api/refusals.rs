//! What the server refuses, in the words of the real one, and what it answers to requests that are odd.

use http::Method;
use serde_json::{Value, json};

use crate::server::{delete, get, patch, post, put, sandbox, send};

/// The message with which a new object is refused.
async fn refused(path: &str, object: &Value) -> String {
    let sandbox = sandbox();
    let answer = post(&sandbox, path, object).await;
    assert_eq!(answer.code, 422, "{object}: {}", answer.body);
    let message = answer.at("/message").as_str().unwrap();
    message
        .split_once(" is invalid: ")
        .map_or(message, |(_, why)| why)
        .to_owned()
}

/// A namespaced object of `default` with this spec.
async fn check_spec(version: &str, kind: &str, plural: &str, spec: Value, expect: &str) {
    let root = if version.contains('/') { "apis" } else { "api" };
    let path = format!("/{root}/{version}/namespaces/default/{plural}");
    let object = json!({ "apiVersion": version, "kind": kind, "metadata": { "name": "x" }, "spec": spec });
    assert_eq!(refused(&path, &object).await, expect, "{object}");
}

#[tokio::test]
async fn services_ingresses_and_policies_are_checked() {
    let service = async |spec: Value, expect: &str| {
        check_spec("v1", "Service", "services", spec, expect).await;
    };
    let port = |more: Value| {
        let mut port = json!({ "name": "a", "port": 80 });
        port.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "ports": [port] })
    };
    service(
        port(json!({ "targetPort": 99999 })),
        "spec.ports[0].targetPort: Invalid value: 99999: must be between 1 and 65535, inclusive",
    )
    .await;
    service(
        port(json!({ "nodePort": 30000 })),
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'",
    )
    .await;
    service(
        json!({ "ports": [{ "name": "a", "port": 80 }, { "name": "a", "port": 81 }] }),
        "spec.ports[1].name: Duplicate value: \"a\"",
    )
    .await;
    service(
        json!({ "type": "ExternalName" }),
        "spec.externalName: Required value",
    )
    .await;
    let ingress = async |rule: Value, expect: &str| {
        let spec = json!({ "rules": [rule] });
        check_spec("networking.k8s.io/v1", "Ingress", "ingresses", spec, expect).await;
    };
    let path = |path: &str, port: Value| json!({ "http": { "paths": [{ "path": path, "pathType": "Prefix", "backend": { "service": { "name": "web", "port": port } } }] } });
    ingress(
        path("a", json!({ "number": 80 })),
        "spec.rules[0].http.paths[0].path: Invalid value: \"a\": must be an absolute path",
    )
    .await;
    ingress(
        path("/", json!({})),
        "spec.rules[0].http.paths[0].backend: Required value: port name or number is required",
    )
    .await;
    ingress(
        json!({ "host": "192.0.2.1" }),
        "spec.rules[0].host: Invalid value: \"192.0.2.1\": must be a DNS name, not an IP address",
    )
    .await;
    let policy = async |peer: Value, expect: &str| {
        let spec = json!({ "podSelector": {}, "egress": [{ "to": [peer] }] });
        check_spec(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            "networkpolicies",
            spec,
            expect,
        )
        .await;
    };
    policy(
        json!({}),
        "spec.egress[0].to[0]: Required value: must specify a peer",
    )
    .await;
    policy(
        json!({ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["11.0.0.0/16"] } }),
        "spec.egress[0].to[0].ipBlock.except[0]: Invalid value: \"11.0.0.0/16\": must be a strict subset of `cidr`",
    )
    .await;
}

#[tokio::test]
async fn pods_and_workloads_are_checked() {
    let pod = async |container: Value, expect: &str| {
        let mut whole = json!({ "name": "a", "image": "a:1" });
        whole
            .as_object_mut()
            .unwrap()
            .extend(container.as_object().unwrap().clone());
        check_spec("v1", "Pod", "pods", json!({ "containers": [whole] }), expect).await;
    };
    pod(
        json!({ "ports": [{ "name": "x", "containerPort": 1 }, { "name": "x", "containerPort": 2 }] }),
        "spec.containers[0].ports[1].name: Duplicate value: \"x\"",
    )
    .await;
    pod(
        json!({ "lifecycle": { "postStart": {} } }),
        "spec.containers[0].lifecycle.postStart: Required value: must specify a handler type",
    )
    .await;
    pod(
        json!({ "resources": { "requests": { "example.com/gpu": "1" } } }),
        "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
    )
    .await;
    let template = json!({ "metadata": { "labels": { "app": "x" } }, "spec": { "containers": [{ "name": "a", "image": "a:1" }] } });
    let deployment = json!({
        "selector": { "matchLabels": { "app": "x" } },
        "template": template,
        "strategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 0 } },
    });
    check_spec(
        "apps/v1",
        "Deployment",
        "deployments",
        deployment,
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    )
    .await;
    let cron_job = |schedule: &str| json!({ "schedule": schedule, "jobTemplate": { "spec": { "template": { "spec": { "restartPolicy": "Never", "containers": [{ "name": "a", "image": "a:1" }] } } } } });
    check_spec(
        "batch/v1",
        "CronJob",
        "cronjobs",
        cron_job("every day"),
        "spec.schedule: Invalid value: \"every day\": expected exactly 5 fields, found 2: [every day]",
    )
    .await;
}

#[tokio::test]
async fn data_limits_and_roles_are_checked() {
    let check = async |path: &str, object: Value, expect: &str| {
        assert_eq!(refused(path, &object).await, expect, "{object}");
    };
    check(
        "/api/v1/namespaces/default/configmaps",
        json!({ "metadata": { "name": "x" }, "data": { "..": "c" } }),
        "data[..]: Invalid value: \"..\": must not be '..'",
    )
    .await;
    check(
        "/api/v1/namespaces/default/secrets",
        json!({ "metadata": { "name": "x" }, "type": "kubernetes.io/tls" }),
        "[data[tls.crt]: Required value, data[tls.key]: Required value]",
    )
    .await;
    check(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles",
        json!({ "metadata": { "name": "x" }, "rules": [{ "apiGroups": [""], "verbs": ["get"] }] }),
        "rules[0].resources: Required value: resource rules must supply at least one resource",
    )
    .await;
    check_spec(
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        json!({ "minAvailable": "half" }),
        "spec.minAvailable: Invalid value: \"half\": a valid percent string must be a numeric string followed by an \
         ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')",
    )
    .await;
    check_spec(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        json!({ "accessModes": ["ReadWriteOnce"] }),
        "spec.resources[storage]: Required value",
    )
    .await;
}

#[tokio::test]
async fn causes_come_in_the_order_of_the_real_server() {
    let template = json!({ "metadata": { "labels": { "app": "x" } }, "spec": { "containers": [{ "name": "a", "image": "a:1" }] } });
    let workload = |more: Value| {
        let mut spec = json!({ "selector": { "matchLabels": { "app": "x" } }, "template": template });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        spec
    };
    let pod = |more: Value| {
        let mut spec = json!({ "containers": [{ "name": "a", "image": "a:1" }] });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        spec
    };
    let topology = "spec.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0]";
    let cases = [
        ("v1", "Pod", "pods", pod(json!({ "tolerations": [{ "operator": "Equal" }, { "key": "d", "effect": "NoSchedule", "tolerationSeconds": 5 }] })),
            "[spec.tolerations[0].operator: Invalid value: \"Equal\": operator must be Exists when `key` is empty, which \
             means \"match all values and all keys\", spec.tolerations[1].effect: Invalid value: \"NoSchedule\": effect \
             must be 'NoExecute' when `tolerationSeconds` is set]".to_owned()),
        ("v1", "Pod", "pods", pod(json!({ "affinity": { "podAntiAffinity": { "preferredDuringSchedulingIgnoredDuringExecution": [
            { "weight": 500, "podAffinityTerm": { "topologyKey": "zone", "labelSelector": {} } }] } } })),
            format!("{topology}.weight: Invalid value: 500: must be in the range 1-100")),
        ("v1", "Pod", "pods", pod(json!({ "ephemeralContainers": [{ "name": "d", "image": "d:1" }] })),
            "spec.ephemeralContainers: Forbidden: cannot be set on create".to_owned()),
        ("v1", "Pod", "pods", pod(json!({ "volumes": [{ "name": "a", "secret": {} }] })),
            "spec.volumes[0].secret.secretName: Required value".to_owned()),
        ("apps/v1", "DaemonSet", "daemonsets", workload(json!({ "updateStrategy": { "type": "Sideways" } })),
            "spec.updateStrategy: Unsupported value: {\"Type\":\"Sideways\",\"RollingUpdate\":null}: supported values: \
             \"RollingUpdate\", \"OnDelete\"".to_owned()),
        ("apps/v1", "StatefulSet", "statefulsets", workload(json!({ "serviceName": "x", "updateStrategy": { "type": "OnDelete", "rollingUpdate": { "partition": 2 } } })),
            "spec.updateStrategy.rollingUpdate: Invalid value: {\"Partition\":2,\"MaxUnavailable\":null}: only allowed for \
             updateStrategy 'RollingUpdate'".to_owned()),
        ("apps/v1", "Deployment", "deployments", json!({ "selector": { "matchLabels": { "app": "x" } }, "template": {} }),
            "[spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`, \
             spec.template.spec.containers: Required value]".to_owned()),
        ("policy/v1", "PodDisruptionBudget", "poddisruptionbudgets", json!({ "minAvailable": 1, "maxUnavailable": 1 }),
            "spec: Invalid value: {\"MinAvailable\":1,\"Selector\":null,\"MaxUnavailable\":1,\
             \"UnhealthyPodEvictionPolicy\":null}: minAvailable and maxUnavailable cannot be both set".to_owned()),
        ("v1", "Service", "services", json!({ "ports": [{ "name": "a", "port": 80 }, { "name": "b", "port": 80 }] }),
            "spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\
             \"TargetPort\":0,\"NodePort\":0}".to_owned()),
        ("v1", "Service", "services", json!({ "clusterIP": "192.0.2.1", "ports": [{ "port": 80 }] }),
            "spec.clusterIPs: Invalid value: [\"192.0.2.1\"]: failed to allocate IP 192.0.2.1: the provided IP (192.0.2.1) \
             is not in the valid range. The range of valid IPs is 10.96.0.0/16".to_owned()),
        ("v1", "ResourceQuota", "resourcequotas", json!({ "scopes": ["Nonsense"] }),
            "spec.scopes: Invalid value: [\"Nonsense\"]: unsupported scope".to_owned()),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", json!({ "maxReplicas": 3 }),
            "[spec.scaleTargetRef.kind: Required value, spec.scaleTargetRef.name: Required value, \
             spec.scaleTargetRef.apiVersion: Invalid value: \"\": apiVersion must specify API group]".to_owned()),
    ];
    for (version, kind, plural, spec, expect) in cases {
        check_spec(version, kind, plural, spec, &expect).await;
    }
}

#[tokio::test]
async fn admission_refuses_pods_whose_surroundings_are_missing() {
    let sandbox = sandbox();
    let pods = "/api/v1/namespaces/default/pods";
    let refused = async |more: Value, expect: &str| {
        let mut spec = json!({ "containers": [{ "name": "a", "image": "a:1" }] });
        spec.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let answer = post(
            &sandbox,
            pods,
            &json!({ "metadata": { "name": "web" }, "spec": spec }),
        )
        .await;
        assert_eq!(
            (answer.code, answer.at("/message").as_str().unwrap()),
            (403, &*format!("pods \"web\" is forbidden: {expect}"))
        );
    };
    refused(
        json!({ "serviceAccountName": "none" }),
        "error looking up service account default/none: serviceaccount \"none\" not found",
    )
    .await;
    refused(
        json!({ "runtimeClassName": "none" }),
        "pod rejected: RuntimeClass \"none\" not found",
    )
    .await;
    refused(
        json!({ "overhead": { "cpu": "100m" } }),
        "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
    )
    .await;
}

#[tokio::test]
async fn a_pod_that_may_not_change_says_what_did() {
    let sandbox = sandbox();
    let spec =
        json!({ "containers": [{ "name": "a", "image": "a:1" }], "automountServiceAccountToken": false });
    let pod = json!({ "metadata": { "name": "web" }, "spec": spec });
    post(&sandbox, "/api/v1/namespaces/default/pods", &pod).await;
    let path = "/api/v1/namespaces/default/pods/web";
    let change = json!({ "spec": { "nodeSelector": { "a": "b" } } });
    let refused = patch(&sandbox, path, "merge", &change).await;
    let message = refused.at("/message").as_str().unwrap().to_owned();
    let lines = "\n@@ -39,7 +39,9 @@\n  \"TerminationGracePeriodSeconds\": 30,\n  \"ActiveDeadlineSeconds\": null,\n  \
                 \"DNSPolicy\": \"ClusterFirst\",\n- \"NodeSelector\": null,\n+ \"NodeSelector\": {\n+  \"a\": \"b\"\n+ \
                 },\n  \"ServiceAccountName\": \"default\",\n  \"AutomountServiceAccountToken\": false,\n  \"NodeName\": \
                 \"\",\n";
    assert!(message.ends_with(lines), "{message}");
    let change = json!({ "spec": { "containers": [] } });
    let refused = patch(&sandbox, path, "merge", &change).await;
    assert!(
        refused
            .body
            .to_string()
            .contains("pod updates may not add or remove containers"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn pods_have_the_token_of_their_account() {
    let sandbox = sandbox();
    let spec = json!({ "containers": [{ "name": "a", "image": "a:1" }] });
    let pod = json!({ "metadata": { "name": "web" }, "spec": spec });
    let made = post(&sandbox, "/api/v1/namespaces/default/pods", &pod).await;
    let volume = made.at("/spec/volumes/0/name").as_str().unwrap().to_owned();
    assert!(volume.starts_with("kube-api-access-"), "{volume}");
    assert_eq!(
        *made.at("/spec/containers/0/volumeMounts/0"),
        json!({ "name": volume, "readOnly": true, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" })
    );
}

#[tokio::test]
async fn definitions_are_checked() {
    let check = async |change: Value, expect: &str| {
        let schema = json!({ "type": "object", "properties": { "a": change } });
        let object = json!({
            "metadata": { "name": "things.example.com" },
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": { "plural": "things", "kind": "Thing" },
                "versions": [{ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": schema } }],
            },
        });
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        let place = "spec.validation.openAPIV3Schema.properties[a]";
        assert_eq!(
            refused(path, &object).await,
            format!("{place}.{expect}"),
            "{object}"
        );
    };
    check(
        json!({}),
        "type: Required value: must not be empty for specified object fields",
    )
    .await;
    check(
        json!({ "type": "object", "properties": { "b": { "type": "string" } }, "additionalProperties": { "type": "string" } }),
        "additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
    )
    .await;
    check(
        json!({ "type": "integer", "maximum": 10, "default": 50 }),
        "default: Invalid value: 50:  in body should be less than or equal to 10",
    )
    .await;
}

#[tokio::test]
async fn a_job_chooses_its_pods_by_its_uid() {
    let sandbox = sandbox();
    let template =
        json!({ "spec": { "restartPolicy": "Never", "containers": [{ "name": "a", "image": "a:1" }] } });
    let job = json!({ "metadata": { "name": "once" }, "spec": { "template": template } });
    let made = post(&sandbox, "/apis/batch/v1/namespaces/default/jobs", &job).await;
    let uid = made.at("/metadata/uid");
    let key = "batch.kubernetes.io~1controller-uid";
    assert_eq!(made.at(&format!("/spec/selector/matchLabels/{key}")), uid);
    assert_eq!(made.at(&format!("/spec/template/metadata/labels/{key}")), uid);
    assert_eq!(made.at("/metadata/labels/job-name"), "once");
}

#[tokio::test]
async fn odd_requests_get_the_answers_of_the_real_server() {
    let sandbox = sandbox();
    let maps = "/api/v1/namespaces/default/configmaps";
    post(
        &sandbox,
        maps,
        &json!({ "metadata": { "name": "a" }, "data": { "one": "1" } }),
    )
    .await;
    let check = async |method: Method, path: &str, code: u16| {
        let answer = send(&sandbox, method.clone(), path, &[], axum::body::Body::empty()).await;
        assert_eq!(answer.code, code, "{method} {path}: {}", answer.body);
    };
    check(Method::GET, "//api/v1/pods", 404).await;
    check(Method::GET, "/api//v1/pods", 404).await;
    check(Method::GET, &format!("{maps}/.."), 400).await;
    check(Method::HEAD, maps, 405).await;
    check(Method::DELETE, "/api/v1/configmaps", 405).await;
    check(Method::GET, &format!("{maps}?limit=-1"), 200).await;
    check(Method::GET, &format!("{maps}?limit=x"), 400).await;
    check(Method::GET, &format!("{maps}?sendInitialEvents=true"), 422).await;
    check(Method::GET, &format!("{maps}?resourceVersionMatch=Exact"), 422).await;
    assert_eq!(get(&sandbox, "/apis/nowhere").await.body, "404 page not found\n");

    let put_new = json!({ "metadata": { "name": "lock" }, "spec": {} });
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    assert_eq!(put(&sandbox, &format!("{leases}/lock"), &put_new).await.code, 201);
    let service = json!({ "metadata": { "name": "web" }, "spec": { "ports": [{ "port": 80 }] } });
    post(&sandbox, "/api/v1/namespaces/default/services", &service).await;
    let gone = delete(&sandbox, "/api/v1/namespaces/default/services/web").await;
    assert_eq!(gone.at("/kind"), "Service");

    let map = format!("{maps}/a");
    let failed = patch(
        &sandbox,
        &map,
        "json",
        &json!([{ "op": "test", "path": "/data/one", "value": "2" }]),
    )
    .await;
    assert_eq!(
        (failed.code, failed.at("/message").as_str().unwrap()),
        (
            422,
            "the server rejected our request due to an error in our request"
        )
    );
    let typed = patch(&sandbox, &map, "merge", &json!({ "data": { "one": 1 } })).await;
    assert_eq!(
        (typed.code, typed.at("/details/causes/0/field").as_str()),
        (422, Some("patch"))
    );
    let nameless = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "applied": "yes" } });
    let named = patch(&sandbox, &format!("{map}?fieldManager=x"), "apply", &nameless).await;
    assert_eq!((named.code, named.at("/metadata/name")), (200, &json!("a")));
    delete(&sandbox, &map).await;
    let unnamed = patch(&sandbox, &format!("{map}?fieldManager=x"), "apply", &nameless).await;
    assert_eq!(
        unnamed.at("/message"),
        "the name of the object (a based on URL) was undeterminable: name must be provided"
    );
}

#[tokio::test]
async fn what_stands_twice_is_told_in_bounds() {
    let sandbox = sandbox();
    let twice: Vec<String> = (0..20_000)
        .map(|number| format!("\"f{number}\":1,\"f{number}\":1"))
        .collect();
    let long = "k".repeat(10_000);
    let body = format!(
        "{{\"metadata\":{{\"name\":\"a\"}},\"{long}\":{{{}}}}}",
        twice.join(",")
    );
    let headers = [("content-type", "application/json")];
    let maps = "/api/v1/namespaces/default/configmaps";
    let made = send(&sandbox, Method::POST, maps, &headers, body.clone()).await;
    let told: usize = made.warnings.iter().map(String::len).sum();
    assert_eq!(made.code, 201, "{made:?}");
    assert!((1..64 << 10).contains(&told), "{told} bytes of warnings");
    let strict = format!("{maps}?fieldValidation=Strict");
    let refused = send(&sandbox, Method::POST, &strict, &headers, body).await;
    assert_eq!(refused.code, 400);
    assert!(refused.body.to_string().len() < 128 << 10);
}

#[tokio::test]
async fn a_scale_that_is_no_whole_number_scales_nothing() {
    let sandbox = sandbox();
    let sets = "/apis/apps/v1/namespaces/default/replicasets";
    let set = json!({
        "metadata": { "name": "web" },
        "spec": {
            "replicas": 3, "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "c", "image": "i" }] },
            },
        },
    });
    assert_eq!(post(&sandbox, sets, &set).await.code, 201);
    for replicas in [json!(2.5), json!(true), json!([]), json!("2")] {
        let scale = json!({ "spec": { "replicas": replicas } });
        let path = format!("{sets}/web/scale");
        let refused = patch(&sandbox, &path, "merge", &scale).await;
        assert!((400..500).contains(&refused.code), "{replicas}: {refused:?}");
        assert_eq!(
            get(&sandbox, &path).await.at("/spec/replicas"),
            &json!(3),
            "{replicas}"
        );
    }
}
