//! Admission policies in CEL: what they refuse, change and say, and what is said of them when they are written.

use sandbox::Sandbox;
use serde_json::{Value, json};

use crate::server::{Answer, delete, get, patch, post, put, sandbox};

const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn map(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name }, "data": data })
}

/// A policy about ConfigMaps.
fn policy(kind: &str, spec: &Value) -> Value {
    let mut policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": { "name": "maps.example.com" },
        "spec": {
            "matchConstraints": { "resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE", "DELETE"],
                "resources": ["configmaps"],
            }] },
        },
    });
    for (field, value) in spec.as_object().unwrap() {
        policy["spec"][field] = value.clone();
    }
    policy
}

async fn write(sandbox: &Sandbox, kind: &str, spec: &Value) -> Answer {
    let plural = if kind == "ValidatingAdmissionPolicy" {
        "validatingadmissionpolicies"
    } else {
        "mutatingadmissionpolicies"
    };
    post(sandbox, &format!("{GROUP}/{plural}"), &policy(kind, spec)).await
}

async fn bind(sandbox: &Sandbox, kind: &str, name: &str, spec: &Value) {
    let plural = format!("{}bindings", kind.to_lowercase());
    let mut binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": format!("{kind}Binding"),
        "metadata": { "name": name }, "spec": { "policyName": "maps.example.com" },
    });
    for (field, value) in spec.as_object().unwrap() {
        binding["spec"][field] = value.clone();
    }
    let made = post(sandbox, &format!("{GROUP}/{plural}"), &binding).await;
    assert_eq!(made.code, 201, "{made:?}");
}

const VALIDATING: &str = "ValidatingAdmissionPolicy";
const MUTATING: &str = "MutatingAdmissionPolicy";

#[tokio::test]
async fn what_a_policy_does_not_allow_is_refused_in_its_words() {
    let sandbox = sandbox();
    let spec = json!({
        "variables": [{ "name": "size", "expression": "size(object.data)" }],
        "matchConditions": [{ "name": "kept", "expression": "request.operation != 'DELETE'" }],
        "validations": [
            { "expression": "variables.size < 3", "messageExpression": "'has ' + string(variables.size) + ' entries'" },
            { "expression": "!('bad' in object.data)", "message": "no bad entries", "reason": "Forbidden" },
            { "expression": "object.data.number != '1' || oldObject == null",
              "messageExpression": "'wrong: ' + object.data.number.missing" },
        ],
    });
    assert_eq!(write(&sandbox, VALIDATING, &spec).await.code, 201);
    // A policy without a binding does nothing.
    let four = json!({ "a": "", "b": "", "c": "", "d": "" });
    assert_eq!(post(&sandbox, MAPS, &map("unbound", &four)).await.code, 201);
    bind(
        &sandbox,
        VALIDATING,
        "all.example.com",
        &json!({ "validationActions": ["Deny"] }),
    )
    .await;

    let refused = post(&sandbox, MAPS, &map("a", &four)).await;
    assert_eq!((refused.code, refused.at("/reason")), (422, &json!("Invalid")));
    let said = "ValidatingAdmissionPolicy 'maps.example.com' with binding 'all.example.com' denied request: ";
    assert_eq!(
        refused.at("/message"),
        &json!(format!("configmaps \"a\" is forbidden: {said}has 4 entries"))
    );
    assert_eq!(
        refused.at("/details/causes/0/message"),
        &json!(format!("{said}has 4 entries"))
    );

    let refused = post(&sandbox, MAPS, &map("a", &json!({ "bad": "", "number": "" }))).await;
    assert_eq!((refused.code, refused.at("/reason")), (403, &json!("Forbidden")));
    assert!(
        refused
            .at("/message")
            .as_str()
            .unwrap()
            .ends_with("denied request: no bad entries")
    );

    assert_eq!(
        post(&sandbox, MAPS, &map("a", &json!({ "number": "1" })))
            .await
            .code,
        201
    );
    let refused = patch(
        &sandbox,
        &format!("{MAPS}/a"),
        "merge",
        &json!({ "data": { "x": "y" } }),
    )
    .await;
    assert!(
        refused
            .at("/message")
            .as_str()
            .unwrap()
            .ends_with("failed expression: object.data.number != '1' || oldObject == null"),
        "{refused:?}"
    );
    // What has no value is no pass.
    let refused = post(&sandbox, MAPS, &map("b", &json!({}))).await;
    let why = "expression 'variables.size < 3' resulted in error: no such key: data";
    assert!(
        refused.at("/message").as_str().unwrap().contains(why),
        "{refused:?}"
    );
    assert_eq!(delete(&sandbox, &format!("{MAPS}/a")).await.code, 200);
}

#[tokio::test]
async fn bindings_choose_warn_and_bring_parameters() {
    let sandbox = sandbox();
    let spec = json!({
        "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" },
        "failurePolicy": "Ignore",
        "matchConditions": [{ "name": "others", "expression": "!has(object.metadata.labels)" }],
        "validations": [{ "expression": "object.data.size <= params.data.most", "message": "too large" }],
    });
    assert_eq!(write(&sandbox, VALIDATING, &spec).await.code, 201);
    let mut limits = map("limits", &json!({ "most": "5", "size": "0" }));
    limits["metadata"]["labels"] = json!({ "limits": "yes" });
    assert_eq!(post(&sandbox, MAPS, &limits).await.code, 201);
    let warns = json!({
        "validationActions": ["Warn", "Audit"],
        "paramRef": { "selector": { "matchLabels": { "limits": "yes" } }, "parameterNotFoundAction": "Deny" },
    });
    bind(&sandbox, VALIDATING, "warns.example.com", &warns).await;
    let made = post(&sandbox, MAPS, &map("a", &json!({ "size": "7" }))).await;
    assert_eq!(made.code, 201, "{made:?}");
    let warning = "Validation failed for ValidatingAdmissionPolicy 'maps.example.com' with binding 'warns.example.com': \
                   too large";
    assert_eq!(made.warnings, [format!("299 - \"{warning}\"")]);
    // No value, and what fails is passed over.
    assert_eq!(post(&sandbox, MAPS, &map("b", &json!({}))).await.code, 201);

    let denies = json!({
        "validationActions": ["Deny"],
        "paramRef": { "name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny" },
        "matchResources": { "namespaceSelector": { "matchLabels": { "strict": "yes" } } },
    });
    bind(&sandbox, VALIDATING, "denies.example.com", &denies).await;
    assert_eq!(
        post(&sandbox, MAPS, &map("c", &json!({ "size": "7" })))
            .await
            .code,
        201
    );
    let labels = json!({ "metadata": { "labels": { "strict": "yes" } } });
    patch(&sandbox, "/api/v1/namespaces/default", "merge", &labels).await;
    let refused = post(&sandbox, MAPS, &map("d", &json!({ "size": "7" }))).await;
    assert_eq!(refused.code, 422, "{refused:?}");
}

#[tokio::test]
async fn policies_change_objects_on_their_way() {
    let sandbox = sandbox();
    let spec = json!({
        "reinvocationPolicy": "Never",
        "mutations": [
            { "patchType": "ApplyConfiguration", "applyConfiguration": { "expression":
                "Object{metadata: Object.metadata{annotations: {'changed-by': request.userInfo.username}}}" } },
            { "patchType": "JSONPatch", "jsonPatch": { "expression":
                "[JSONPatch{op: 'add', path: '/data/note', value: object.metadata.annotations['changed-by']}]" } },
        ],
    });
    assert_eq!(write(&sandbox, MUTATING, &spec).await.code, 201);
    bind(&sandbox, MUTATING, "all.example.com", &json!({})).await;
    let made = post(&sandbox, MAPS, &map("a", &json!({ "x": "y" }))).await;
    assert_eq!(made.code, 201, "{made:?}");
    let by = made.at("/metadata/annotations/changed-by");
    assert!(by.is_string(), "{made:?}");
    assert_eq!((made.at("/data/note"), made.at("/data/x")), (by, &json!("y")));
    assert_eq!(made.at("/metadata/managedFields/0/manager"), "tests");
    assert_eq!(made.at("/metadata/managedFields/1"), &Value::Null);

    let without = post(&sandbox, MAPS, &json!({ "metadata": { "name": "b" } })).await;
    assert_eq!(
        (without.code, without.at("/reason")),
        (403, &json!("Invalid")),
        "{without:?}"
    );
    let said = "policy 'maps.example.com' with binding 'all.example.com' denied request: JSON Patch: ";
    assert!(
        without.at("/message").as_str().unwrap().starts_with(said),
        "{without:?}"
    );
}

/// A policy that counts how often it is carried out.
fn counting(name: &str, field: &str, reinvocation: &str) -> Value {
    let expression = format!(
        "[JSONPatch{{op: 'replace', path: '/data/{field}', value: string(int(object.data.{field}) + 1)}}]"
    );
    let mut policy = policy(
        MUTATING,
        &json!({
            "reinvocationPolicy": reinvocation,
            "mutations": [{ "patchType": "JSONPatch", "jsonPatch": { "expression": expression } }],
        }),
    );
    policy["metadata"]["name"] = json!(name);
    policy
}

#[tokio::test]
async fn policies_see_again_what_has_changed_since() {
    let check = async |policies: &[(&str, &str, &str)], expect: Value| {
        let sandbox = sandbox();
        for (name, field, reinvocation) in policies {
            let policy = counting(name, field, reinvocation);
            let made = post(&sandbox, &format!("{GROUP}/mutatingadmissionpolicies"), &policy).await;
            assert_eq!(made.code, 201, "{made:?}");
            bind(&sandbox, MUTATING, name, &json!({ "policyName": name })).await;
        }
        let made = post(&sandbox, MAPS, &map("a", &json!({ "x": "0", "y": "0" }))).await;
        assert_eq!(made.at("/data"), &expect, "{policies:?}: {made:?}");
    };
    let [once, again] = ["Never", "IfNeeded"];
    // What it has changed itself is known to it.
    check(&[("a", "x", again)], json!({ "x": "1", "y": "0" })).await;
    check(
        &[("a", "x", again), ("b", "y", once)],
        json!({ "x": "2", "y": "1" }),
    )
    .await;
    check(
        &[("a", "x", once), ("b", "y", again)],
        json!({ "x": "1", "y": "1" }),
    )
    .await;
    // What changes in the second round is not seen a third time, but once by whom comes after.
    check(
        &[("a", "x", again), ("b", "y", again)],
        json!({ "x": "2", "y": "2" }),
    )
    .await;
}

#[tokio::test]
async fn a_pod_keeps_its_tolerations_when_a_policy_changes_it() {
    let sandbox = sandbox();
    let spec = json!({
        "reinvocationPolicy": "Never",
        "matchConstraints": { "resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["pods"],
        }] },
        "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression":
            "Object{metadata: Object.metadata{labels: {'changed': 'yes'}}}" } }],
    });
    let made = write(&sandbox, MUTATING, &spec).await;
    assert_eq!(made.code, 201, "{made:?}");
    bind(&sandbox, MUTATING, "all.example.com", &json!({})).await;
    let pod = json!({
        "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "web", "image": "a:1" }] },
    });
    let pods = "/api/v1/namespaces/default/pods";
    let before = post(&sandbox, pods, &pod).await;
    assert_eq!(before.code, 201, "{before:?}");
    let mut sent = before.body.clone();
    sent["spec"].as_object_mut().unwrap().remove("tolerations");
    sent["metadata"]["labels"] = json!({ "mine": "yes" });
    let after = put(&sandbox, &format!("{pods}/web"), &sent).await;
    assert_eq!(after.code, 200, "{after:?}");
    assert_eq!(
        after.at("/metadata/labels"),
        &json!({ "changed": "yes", "mine": "yes" })
    );
    assert_eq!(after.at("/spec/tolerations"), before.at("/spec/tolerations"));
}

#[tokio::test]
async fn atomic_parts_are_not_laid_over() {
    let sandbox = sandbox();
    let spec = json!({
        "reinvocationPolicy": "Never",
        "matchConstraints": { "resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["services"],
        }] },
        "mutations": [{ "patchType": "ApplyConfiguration", "applyConfiguration": { "expression":
            "Object{spec: Object.spec{selector: {'a': 'b'}}}" } }],
    });
    assert_eq!(write(&sandbox, MUTATING, &spec).await.code, 201);
    bind(&sandbox, MUTATING, "all.example.com", &json!({})).await;
    let service = json!({ "metadata": { "name": "a" }, "spec": { "ports": [{ "port": 80 }] } });
    let refused = post(&sandbox, "/api/v1/namespaces/default/services", &service).await;
    let why = "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector";
    assert!(
        refused.at("/message").as_str().unwrap().ends_with(why),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_when_it_is_written() {
    let sandbox = sandbox();
    let check = async |expression: &str, expect: &str| {
        let spec = json!({ "validations": [{ "expression": expression }] });
        let refused = write(&sandbox, VALIDATING, &spec).await;
        let said = refused.at("/message").as_str().unwrap().to_owned();
        assert_eq!((refused.code, said.contains(expect)), (422, true), "{said}");
    };
    check(
        "object.(",
        "spec.validations[0].expression: Invalid value: \"object.(\": compilation failed: ERROR: <input>:1:",
    )
    .await;
    check("nothing.x > 1", "undeclared reference to 'nothing'").await;
    check("object.data.x", "must evaluate to bool but got dyn").await;
    check("'a'", "must evaluate to bool but got string").await;
    check("params.data == 1", "undeclared reference to 'params'").await;
    check(
        "  ",
        "spec.validations[0].expression: Required value: expression is not specified",
    )
    .await;

    let hooks = |expression: &str| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": "hooks" },
            "webhooks": [{
                "name": "a.example.com", "admissionReviewVersions": ["v1"], "sideEffects": "None",
                "clientConfig": { "url": "https://127.0.0.1:1/x" },
                "matchConditions": [{ "name": "it", "expression": expression }],
            }],
        })
    };
    let path = format!("{GROUP}/validatingwebhookconfigurations");
    let refused = post(&sandbox, &path, &hooks("... [] bad expression")).await;
    let said = refused.at("/message").as_str().unwrap();
    assert_eq!(refused.code, 422, "{said}");
    assert!(
        said.contains("webhooks[0].matchConditions[0].expression: Invalid value: \"... [] bad expression\": compilation failed"),
        "{said}"
    );
    assert_eq!(
        post(&sandbox, &path, &hooks("object.metadata.name != 'a'"))
            .await
            .code,
        201
    );
}

#[tokio::test]
async fn types_that_do_not_fit_are_told_in_the_status() {
    let sandbox = sandbox();
    let deployments = json!({ "resourceRules": [{
        "apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["deployments"],
    }] });
    let spec = json!({
        "matchConstraints": deployments,
        "validations": [{
            "expression": "object.spec.replicas > '1'",
            "messageExpression": "'wants more than one, got ' + object.spec.replicas",
        }],
    });
    assert_eq!(write(&sandbox, VALIDATING, &spec).await.code, 201);
    let path = format!("{GROUP}/validatingadmissionpolicies/maps.example.com");
    let told = get(&sandbox, &path).await;
    let warning = |at: usize, field: &str| {
        let pointer = format!("/status/typeChecking/expressionWarnings/{at}/{field}");
        told.at(&pointer).as_str().unwrap_or_default().to_owned()
    };
    assert_eq!(
        warning(0, "fieldRef"),
        "spec.validations[0].expression",
        "{told:?}"
    );
    assert!(warning(0, "warning").starts_with("apps/v1, Kind=Deployment: ERROR: <input>:1:22: "));
    assert!(
        warning(0, "warning").contains("found no matching overload for '_>_' applied to '(int, string)'")
    );
    assert_eq!(warning(1, "fieldRef"), "spec.validations[0].messageExpression");
    assert!(
        warning(1, "warning").contains("found no matching overload for '_+_' applied to '(string, int)'")
    );
    let mended = json!({ "spec": { "validations": [{ "expression": "object.spec.replicas > 1" }] } });
    patch(&sandbox, &path, "merge", &mended).await;
    let told = get(&sandbox, &path).await;
    assert_eq!(told.at("/status/typeChecking"), &json!({}));
    assert_eq!(told.at("/status/observedGeneration"), 2);
}
