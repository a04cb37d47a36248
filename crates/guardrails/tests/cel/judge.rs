//! What policies in CEL say of objects.

use std::collections::BTreeMap;

use guardrails::{Call, Callee, Facts, Operation, Outcome, Policies, Request, Unavailable, User};
use serde_json::{Value, json};

use super::cel_policy::cel_policy;
use super::cluster_policy::cluster_policy;
use super::support::{load, pod, refused};
use super::{of_template, one, said};

/// A cluster with one ConfigMap, whose team may be told.
struct Cluster;

impl Facts for Cluster {
    fn call(&self, call: &Call) -> Result<Value, Unavailable> {
        match &call.to {
            Callee::Cluster(path) if path == "/api/v1/namespaces/shop/configmaps/limits" => {
                Ok(json!({"data": {"replicas": "3"}}))
            }
            _ => Err(Unavailable::Missing(call.to_string())),
        }
    }
}

/// A policy about pods with more of its spec.
fn about_pods(more: &str) -> Policies {
    let rule = "apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]";
    load(&cel_policy("ValidatingPolicy", "name: images", rule, more))
}

const NO_LATEST: &str = "
  variables:
    - {name: images, expression: 'object.spec.containers.map(c, c.image)'}
    - {name: floating, expression: 'variables.images.filter(i, i.endsWith(\":latest\"))'}
  validations:
    - expression: variables.floating.size() == 0
      messageExpression: '\"images float: \" + variables.floating.join(\", \")'
";

#[test]
fn a_validating_policy_passes_and_fails() {
    let policies = about_pods(NO_LATEST);
    let verdict = one(&policies, &Request::new(&pod("nginx:1.27")));
    assert_eq!(
        (verdict.outcome, verdict.message.as_str(), verdict.enforce),
        (Outcome::Pass, "success", true)
    );
    let verdict = one(&policies, &Request::new(&pod("nginx:latest")));
    assert_eq!(
        (verdict.outcome, verdict.message.as_str()),
        (Outcome::Fail, "images float: nginx:latest")
    );
    assert!(verdict.refuses());
    let other = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}});
    assert_eq!(said(&policies, &Request::new(&other)), []);
    let deleted = pod("nginx:latest");
    let request = Request {
        operation: Operation::Delete,
        ..Request::new(&deleted)
    };
    assert_eq!(said(&policies, &request), []);
}

#[test]
fn it_holds_for_what_makes_pods() {
    let policies = about_pods(NO_LATEST);
    let template = json!({"spec": pod("nginx:latest")["spec"]});
    for (version, kind) in [
        ("apps/v1", "Deployment"),
        ("apps/v1", "StatefulSet"),
        ("batch/v1", "Job"),
    ] {
        let object = of_template(version, kind, &template);
        assert_eq!(
            one(&policies, &Request::new(&object)).outcome,
            Outcome::Fail,
            "{kind}"
        );
    }
    let mut cron = of_template("batch/v1", "CronJob", &json!(null));
    cron["spec"] = json!({"jobTemplate": {"spec": {"template": template}}});
    assert_eq!(one(&policies, &Request::new(&cron)).outcome, Outcome::Fail);
    let object = of_template("apps/v1", "Deployment", &template);
    let named = format!("{NO_LATEST}  autogen: {{podControllers: {{controllers: [cronjobs]}}}}\n");
    assert_eq!(said(&about_pods(&named), &Request::new(&object)), []);
    assert_eq!(
        one(&about_pods(&named), &Request::new(&cron)).outcome,
        Outcome::Fail
    );
}

#[test]
fn what_has_no_value_is_an_error_not_a_pass() {
    let check = |more: &str, part: &str, enforce: bool| {
        let verdict = one(&about_pods(more), &Request::new(&pod("nginx")));
        assert_eq!(verdict.outcome, Outcome::Error, "{more}: {}", verdict.message);
        assert!(verdict.message.contains(part), "{more}: {}", verdict.message);
        assert_eq!(verdict.enforce, enforce, "{more}");
    };
    check(
        "  validations: [{expression: object.spec.missing == 1}]",
        "no such key: missing",
        true,
    );
    check("  validations: [{expression: '1'}]", "not true or false", true);
    check(
        "  validations: [{expression: 'true || moon.phase(\"\") == 1'}]",
        "moon.phase is not known",
        true,
    );
    check(
        "  validations: [{expression: request.userInfo.username == \"a\"}]",
        "who asks",
        true,
    );
    check(
        "  validations: [{expression: object.spec.missing == 1}]\n  failurePolicy: Ignore",
        "no such key",
        false,
    );
    check(
        "  matchConditions: [{name: a, expression: object.spec.missing == 1}]\n  validations: [{expression: 'true'}]",
        "no such key",
        true,
    );
    check(
        "  validations: [{expression: 'resource.Get(\"v1\", \"pods\", \"a\", \"b\") == null'}]",
        "not known here",
        true,
    );
}

#[test]
fn conditions_operations_and_actions() {
    let conditions = "  matchConditions: [{name: a, expression: 'object.metadata.name == \"other\"'}]\n  validations: [{expression: 'false'}]";
    assert_eq!(
        one(&about_pods(conditions), &Request::new(&pod("nginx"))).outcome,
        Outcome::Skip
    );
    let audit = "  validationActions: [Audit]\n  validations: [{expression: 'false', message: never}]";
    let verdict = one(&about_pods(audit), &Request::new(&pod("nginx")));
    assert_eq!(
        (verdict.outcome, verdict.enforce, verdict.message.as_str()),
        (Outcome::Fail, false, "never")
    );
    let background = "  evaluation: {admission: {enabled: false}}\n  validations: [{expression: 'false'}]";
    assert!(about_pods(background).for_admission().is_empty());
    assert_eq!(about_pods(background).for_background().len(), 1);
}

#[test]
fn requests_say_who_asks_and_what() {
    let policies = about_pods(
        "
  validations:
    - expression: request.operation == 'CREATE' && request.resource.resource == 'pods' && !has(request.subResource)
    - expression: request.userInfo.groups.exists(g, g == 'admins') && namespaceObject.metadata.labels.tier == 'gold'
    - expression: oldObject == null && request.object.metadata.name == request.name && request.namespace == 'shop'
",
    );
    let user = User {
        name: "ann".to_owned(),
        groups: vec!["admins".to_owned()],
        ..User::default()
    };
    let labels = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
    let object = pod("nginx");
    let request = Request {
        user: Some(&user),
        namespace_labels: &labels,
        ..Request::new(&object)
    };
    assert_eq!(said(&policies, &request), [(Outcome::Pass, "success".to_owned())]);
}

#[test]
fn exceptions_let_through() {
    let exception = |more: &str| {
        format!(
            "
---
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {{name: legacy, namespace: shop}}
spec:
  policyRefs: [{{name: images, kind: ValidatingPolicy}}]
{more}"
        )
    };
    let with = |validations: &str, more: &str| {
        let text = format!(
            "  validations: [{{expression: {validations}}}]\n{}",
            exception(more)
        );
        one(&about_pods(&text), &Request::new(&pod("nginx:latest")))
    };
    let verdict = with(
        "'false'",
        "  matchConditions: [{name: a, expression: 'object.metadata.name == \"web\"'}]",
    );
    assert_eq!(
        (verdict.outcome, verdict.exception.as_deref()),
        (Outcome::Skip, Some("shop/legacy"))
    );
    let verdict = with("'false'", "  reportResult: pass");
    assert_eq!(verdict.outcome, Outcome::Pass);
    let verdict = with("'false'", "  matchConditions: [{name: a, expression: 'false'}]");
    assert_eq!((verdict.outcome, verdict.exception), (Outcome::Fail, None));
    let verdict = with(
        "'false'",
        "  matchConditions: [{name: a, expression: object.missing}]",
    );
    assert_eq!(verdict.outcome, Outcome::Error);
    let images = "'object.spec.containers.all(c, c.image in exceptions.allowedImages)'";
    assert_eq!(with(images, "  images: ['nginx:latest']").outcome, Outcome::Pass);
    assert_eq!(with(images, "  images: ['redis']").outcome, Outcome::Fail);
}

#[test]
fn a_namespaced_policy_keeps_to_its_namespace() {
    let policies = load(
        "
apiVersion: policies.kyverno.io/v1beta1
kind: NamespacedValidatingPolicy
metadata: {name: limits, namespace: shop}
spec:
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE], resources: [deployments]}
  variables:
    - {name: limits, expression: 'resource.Get(\"v1\", \"configmaps\", \"limits\")'}
  validations:
    - expression: object.spec.replicas <= int(variables.limits.data.replicas)
",
    );
    let mut object = of_template("apps/v1", "Deployment", &json!({}));
    let check = |object: &Value, expect: &[Outcome]| {
        let request = Request {
            facts: &Cluster,
            ..Request::new(object)
        };
        let outcomes: Vec<Outcome> = said(&policies, &request)
            .into_iter()
            .map(|(outcome, _)| outcome)
            .collect();
        assert_eq!(outcomes, expect, "{object}");
    };
    check(&object, &[Outcome::Pass]);
    object["spec"]["replicas"] = json!(4);
    check(&object, &[Outcome::Fail]);
    object["metadata"]["namespace"] = json!("other");
    check(&object, &[]);
}

const REPLICAS: &str = "
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: replicas}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: ['*'], operations: ['*'], resources: [deployments]}
  validations:
    - expression: object.spec.replicas <= int(params.data.replicas)
      message: too many
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: replicas}
spec:
  policyName: replicas
  validationActions: [Deny]
  paramRef: {name: limits, namespace: shop, parameterNotFoundAction: Deny}
  matchResources:
    namespaceSelector: {matchLabels: {tier: gold}}
";

#[test]
fn a_policy_of_kubernetes_applies_where_it_is_bound() {
    let policies = load(REPLICAS);
    let gold = BTreeMap::from([("tier".to_owned(), "gold".to_owned())]);
    let mut object = of_template("apps/v1", "Deployment", &json!({}));
    object["spec"]["replicas"] = json!(4);
    assert_eq!(
        said(
            &policies,
            &Request {
                facts: &Cluster,
                ..Request::new(&object)
            }
        ),
        []
    );
    let request = Request {
        facts: &Cluster,
        namespace_labels: &gold,
        ..Request::new(&object)
    };
    let verdict = one(&policies, &request);
    assert_eq!(
        (
            verdict.outcome,
            verdict.message.as_str(),
            verdict.about.rule.as_str()
        ),
        (Outcome::Fail, "too many", "replicas")
    );
    assert!(verdict.refuses());
    // Without facts its parameter is not known.
    let verdict = one(
        &policies,
        &Request {
            namespace_labels: &gold,
            ..Request::new(&object)
        },
    );
    assert_eq!(verdict.outcome, Outcome::Error);
    let missing = load(&REPLICAS.replace("name: limits", "name: nothing"));
    assert_eq!(one(&missing, &request).outcome, Outcome::Error);
    let missing = load(
        &REPLICAS
            .replace("name: limits", "name: nothing")
            .replace("Action: Deny", "Action: Allow"),
    );
    assert_eq!(one(&missing, &request).outcome, Outcome::Pass);
}

#[test]
fn rules_judge_by_cel_as_kubernetes_does() {
    let judge = |more: &str, object: &Value| {
        let verdict = one(&load(&cluster_policy("Pod", more)), &Request::new(object));
        (verdict.outcome, verdict.message)
    };
    let images = "
      validate:
        message: from the rule
        cel:
          variables: [{name: images, expression: 'object.spec.containers.map(c, c.image)'}]
          expressions:
            - expression: '!variables.images.exists(i, i.endsWith(\":latest\"))'
";
    assert_eq!(
        judge(images, &pod("a:1")),
        (Outcome::Pass, "Validation rule 'r' passed.".to_owned())
    );
    assert_eq!(
        judge(images, &pod("a:latest")),
        (Outcome::Fail, "from the rule".to_owned())
    );
    let deployment = of_template("apps/v1", "Deployment", &json!({"spec": pod("a:latest")["spec"]}));
    assert_eq!(
        judge(images, &deployment),
        (Outcome::Fail, "from the rule".to_owned())
    );
    // As Kubernetes, an expression that fails to evaluate refuses.
    let missing = "      validate: {cel: {expressions: [{expression: object.spec.missing == 1}]}}";
    let (outcome, message) = judge(missing, &pod("a"));
    assert_eq!(
        (
            outcome,
            message.contains("resulted in error: no such key: missing")
        ),
        (Outcome::Fail, true),
        "{message}"
    );
    let unknown = "      validate: {cel: {expressions: [{expression: request.userInfo.username == \"a\"}]}}";
    assert_eq!(judge(unknown, &pod("a")).0, Outcome::Error);
    let plain = "      validate: {cel: {expressions: [{expression: '1 == 2'}]}}";
    assert_eq!(judge(plain, &pod("a")).1, "failed expression: 1 == 2");
    let preconditions = "
      celPreconditions: [{name: a, expression: 'object.metadata.name == \"other\"'}]
      validate: {cel: {expressions: [{expression: 'false'}]}}";
    assert_eq!(
        judge(preconditions, &pod("a")),
        (Outcome::Skip, "cel preconditions not met".to_owned())
    );
}

#[test]
fn policies_for_json_judge_json() {
    let policies = load(
        "
apiVersion: policies.kyverno.io/v1alpha1
kind: ValidatingPolicy
metadata: {name: dockerfile}
spec:
  evaluation: {mode: JSON}
  validations: [{expression: 'object.stages.all(s, s.from != \"scratch\")', message: no scratch}]
",
    );
    let object = json!({"stages": [{"from": "scratch"}]});
    assert_eq!(
        said(&policies, &Request::new(&object)),
        [(Outcome::Fail, "no scratch".to_owned())]
    );
    assert_eq!(said(&policies, &Request::new(&pod("a"))), []);
}

#[test]
fn what_is_malformed_is_refused_with_its_line() {
    let check = |text: &str, line: usize, part: &str| {
        let refusal = refused(text);
        assert_eq!(
            refusal.position.as_ref().map(|position| position.line),
            Some(line),
            "{refusal}"
        );
        assert!(refusal.to_string().contains(part), "{refusal}");
    };
    let policy = |more: &str| {
        format!(
            "apiVersion: policies.kyverno.io/v1\nkind: ValidatingPolicy\nmetadata: {{name: a}}\nspec:\n  matchConstraints: {{}}\n{more}"
        )
    };
    check(
        &policy("  validations:\n    - expression: object.spec..a\n"),
        7,
        "a field name is expected here",
    );
    check(
        &policy("  validations:\n    - expression: objct.spec\n"),
        7,
        "there is no variable objct",
    );
    check(
        &policy("  validations:\n    - expression: variables.a\n"),
        7,
        "there is no variable variables.a",
    );
    check(&policy("  validations: []\n"), 4, "no validations");
    check(&policy("  nope: 1\n"), 6, "the field nope is not known");
    check(
        &policy("  validationActions: [Refuse]\n  validations: [{expression: 'true'}]\n"),
        6,
        "none of Deny",
    );
    check(
        &policy("  variables: [{name: a, expression: variables.a}]\n  validations: []\n"),
        6,
        "there is no variable",
    );
}

#[test]
fn something_beneath_an_object_is_asked_for_by_its_resource() {
    let rule =
        "apiGroups: [apps], apiVersions: [v1], operations: [UPDATE, CREATE], resources: [deployments/scale]";
    let validations = "  validations: [{expression: 'request.resource.group == \"apps\" && request.kind.group == \"autoscaling\" && object.spec.replicas < 3'}]";
    let policies = load(&cel_policy("ValidatingPolicy", "name: scale", rule, validations));
    let check = |api_version: &str, subresource: &str, replicas: u32, expect: &[Outcome]| {
        let object = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": replicas}});
        let verdicts = policies.evaluate(&Request {
            subresource,
            parent: Some((api_version, "Deployment")),
            resource: Some("deployments"),
            ..Request::new(&object)
        });
        let seen: Vec<Outcome> = verdicts.iter().map(|verdict| verdict.outcome).collect();
        assert_eq!(seen, expect, "{api_version} {subresource} {replicas}");
    };
    check("apps/v1", "scale", 2, &[Outcome::Pass]);
    check("apps/v1", "scale", 3, &[Outcome::Fail]);
    check("apps/v1", "status", 3, &[]);
    check("extensions/v1", "scale", 3, &[]);
}
