//! An AdmissionReview: what is asked, what the guardrails say, what is answered. No I/O of its own.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use guardrails::{
    Facts, Mutated, Operation, Outcome, Policies, Request, Task, User, Verdict, builtin_kind, guessed_plural,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::cluster::Space;
use crate::configuration::{LEFT_OUT, Side};
use crate::policies::InForce;
use crate::words;

/// The one version that is spoken.
const VERSION: &str = "admission.k8s.io/v1";

/// A request as an API server sends it.
#[derive(Debug, Deserialize)]
pub(crate) struct Review {
    #[serde(rename = "apiVersion", default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Asked>,
}

/// What is asked.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Asked {
    pub(crate) uid: String,
    kind: GroupVersionKind,
    resource: GroupVersionResource,
    sub_resource: String,
    pub(crate) name: String,
    pub(crate) namespace: String,
    operation: String,
    user_info: UserInfo,
    object: Value,
    old_object: Value,
    dry_run: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupVersionKind {
    group: String,
    version: String,
    kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GroupVersionResource {
    group: String,
    version: String,
    resource: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct UserInfo {
    username: String,
    uid: String,
    groups: Option<Vec<String>>,
    extra: Option<BTreeMap<String, Vec<String>>>,
}

/// Why something is no request that can be judged: HTTP status and words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unreadable {
    pub(crate) code: u16,
    pub(crate) uid: Option<String>,
    pub(crate) why: String,
}

impl Review {
    /// Reads the body of a request.
    pub(crate) fn read(body: &[u8]) -> Result<Asked, Unreadable> {
        let bad = |uid: Option<String>, why: String| Unreadable { code: 400, uid, why };
        let review: Review = serde_json::from_slice(body)
            .map_err(|error| bad(None, format!("the body is no AdmissionReview: {error}")))?;
        let uid = review
            .request
            .as_ref()
            .map(|asked| asked.uid.clone())
            .filter(|uid| !uid.is_empty());
        if review.kind != "AdmissionReview" || review.api_version != VERSION {
            return Err(bad(
                uid,
                format!(
                    "only AdmissionReview of {VERSION} is understood, not {:?} of {:?}",
                    review.kind, review.api_version
                ),
            ));
        }
        let Some(mut asked) = review.request else {
            return Err(bad(None, "the AdmissionReview has no request".to_owned()));
        };
        if asked.uid.is_empty() {
            return Err(bad(None, "the request has no uid".to_owned()));
        }
        if Operation::parse(&asked.operation).is_none() {
            let why = format!("{:?} is none of CREATE, UPDATE, DELETE, CONNECT", asked.operation);
            return Err(bad(uid, why));
        }
        if asked.judged().is_null() {
            return Err(bad(uid, format!("a {} without its object", asked.operation)));
        }
        asked.place();
        Ok(asked)
    }
}

impl Asked {
    fn operation(&self) -> Operation {
        Operation::parse(&self.operation).unwrap_or_default()
    }

    /// What is asked for beneath an object, such as the options of `exec`, need not say what it is beneath.
    fn place(&mut self) {
        let Some(fields) = self
            .object
            .as_object_mut()
            .filter(|_| !self.sub_resource.is_empty())
        else {
            return;
        };
        let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
        for (key, said) in [("namespace", &self.namespace), ("name", &self.name)] {
            if let Some(metadata) = metadata.as_object_mut().filter(|_| !said.is_empty()) {
                metadata.entry(key).or_insert_with(|| json!(said));
            }
        }
    }

    /// For something beneath an object, the API version and kind of that object. When it is a kind that was added to
    /// Kubernetes and the request does not tell it, it is the one that a policy names; empty if none does.
    fn parent(&self, policies: &Policies) -> Option<(String, String)> {
        let GroupVersionResource {
            group,
            version,
            resource,
        } = &self.resource;
        if self.sub_resource.is_empty() {
            return None;
        }
        let slash = if group.is_empty() { "" } else { "/" };
        let itself = self.kind.group == *group && guessed_plural(&self.kind.kind) == *resource;
        let kind = if itself {
            self.kind.kind.as_str()
        } else {
            builtin_kind(group, version, resource)
                .or_else(|| policies.kind_under(resource))
                .unwrap_or_default()
        };
        Some((format!("{group}{slash}{version}"), kind.to_owned()))
    }

    /// The object: as it is to be, or for a deletion as it is.
    fn judged(&self) -> &Value {
        if self.operation() == Operation::Delete && !self.old_object.is_null() {
            &self.old_object
        } else {
            &self.object
        }
    }

    /// The name, or what it will begin with.
    fn shown_name(&self) -> &str {
        let metadata = &self.judged()["metadata"];
        [self.name.as_str(), metadata["name"].as_str().unwrap_or_default()]
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_else(|| metadata["generateName"].as_str().unwrap_or_default())
    }

    /// `Kind/namespace/name`.
    pub(crate) fn shown(&self) -> String {
        let namespace = if self.namespace.is_empty() || self.kind.kind == "Namespace" {
            String::new()
        } else {
            format!("{}/", self.namespace)
        };
        format!("{}/{namespace}{}", self.kind.kind, self.shown_name())
    }

    /// API version and kind of the object.
    pub(crate) fn types(&self) -> (String, String) {
        let GroupVersionKind { group, version, kind } = &self.kind;
        let slash = if group.is_empty() { "" } else { "/" };
        (format!("{group}{slash}{version}"), kind.clone())
    }

    /// Who asks.
    pub(crate) fn user(&self) -> User {
        User {
            name: self.user_info.username.clone(),
            uid: self.user_info.uid.clone(),
            groups: self.user_info.groups.clone().unwrap_or_default(),
            extra: self.user_info.extra.clone().unwrap_or_default(),
            ..User::default()
        }
    }

    /// The namespace by whose labels the request is judged: a Namespace is judged by its own.
    pub(crate) fn space(&self) -> Option<&str> {
        (!self.namespace.is_empty() && self.kind.kind != "Namespace").then_some(self.namespace.as_str())
    }

    pub(crate) fn is_dry_run(&self) -> bool {
        self.dry_run == Some(true)
    }

    fn own_labels(&self) -> BTreeMap<String, String> {
        let labels = self.judged()["metadata"]["labels"]
            .as_object()
            .into_iter()
            .flatten();
        labels
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }
}

/// What is answered.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Answer {
    pub(crate) refusal: Option<String>,
    pub(crate) warnings: Vec<String>,
    /// What is to be changed, as a JSON patch.
    pub(crate) patch: Option<Value>,
    pub(crate) verdicts: Vec<Verdict>,
}

/// Changes or judges a request. `facts` answers the policies of the cluster, `own` those of the request's namespace.
pub(crate) fn judge(
    side: Side,
    in_force: &InForce,
    asked: &Asked,
    user: &User,
    space: Option<&Space>,
    facts: &dyn Facts,
    own: &dyn Facts,
) -> Answer {
    if LEFT_OUT.contains(&asked.namespace.as_str()) {
        return Answer::default();
    }
    let old =
        (!asked.old_object.is_null() && asked.operation() != Operation::Delete).then_some(&asked.old_object);
    let own_labels = if space.is_none() {
        asked.own_labels()
    } else {
        BTreeMap::new()
    };
    let parent = asked.parent(&in_force.all);
    let request = Request {
        old,
        operation: asked.operation(),
        subresource: &asked.sub_resource,
        parent: parent
            .as_ref()
            .map(|(api_version, kind)| (api_version.as_str(), kind.as_str())),
        resource: Some(asked.resource.resource.as_str()).filter(|name| !name.is_empty()),
        namespace_labels: space.map_or(&own_labels, |space| &space.labels),
        namespace: space.map(|space| &space.object),
        user: Some(user),
        dry_run: asked.is_dry_run(),
        facts,
        ..Request::new(asked.judged())
    };
    let namespaced = in_force.namespaced.get(&asked.namespace);
    if side == Side::Mutating {
        return change(in_force, asked, &request, namespaced, own);
    }
    let mut verdicts = evaluate(&in_force.cluster, &request);
    if let Some(policies) = namespaced {
        verdicts.extend(evaluate(
            policies,
            &Request {
                facts: own,
                ..request
            },
        ));
    }
    Answer {
        patch: None,
        refusal: words::refusal(&asked.shown(), &verdicts),
        warnings: words::warnings(&verdicts, |policy| in_force.loud.contains(policy)),
        verdicts,
    }
}

/// Judges an object that is there already. `facts` and `own` as for a request.
pub(crate) fn judge_there(
    in_force: &InForce,
    object: &Value,
    space: Option<&Space>,
    facts: &dyn Facts,
    own: &dyn Facts,
) -> Vec<Verdict> {
    let none = Space::default();
    let request = Request {
        namespace_labels: &space.unwrap_or(&none).labels,
        namespace: space.map(|space| &space.object),
        background: true,
        facts,
        ..Request::new(object)
    };
    let mut verdicts = evaluate(&in_force.background, &request);
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    if let Some(policies) = in_force.namespaced_background.get(namespace) {
        verdicts.extend(evaluate(
            policies,
            &Request {
                facts: own,
                ..request
            },
        ));
    }
    verdicts
}

/// Changes an object: by the policies of the cluster, then by those of its namespace. What cannot be changed as a
/// policy wants is refused, unless that policy says that it may go on without it.
fn change(
    in_force: &InForce,
    asked: &Asked,
    request: &Request<'_>,
    namespaced: Option<&Policies>,
    own: &dyn Facts,
) -> Answer {
    let Mutated {
        mut object,
        mut verdicts,
    } = mutate(&in_force.cluster, request);
    if let Some(policies) = namespaced {
        let request = Request {
            object: &object,
            facts: own,
            ..*request
        };
        let further = mutate(policies, &request);
        verdicts.extend(further.verdicts);
        object = further.object;
    }
    for verdict in &mut verdicts {
        verdict.enforce = verdict.outcome == Outcome::Error && !in_force.lenient.contains(&verdict.policy);
    }
    let refusal = words::refusal(&asked.shown(), &verdicts);
    let patch = json_patch::diff(request.object, &object);
    Answer {
        patch: (refusal.is_none() && !patch.0.is_empty()).then(|| json!(patch)),
        refusal,
        warnings: Vec::new(),
        verdicts,
    }
}

/// A panic in an evaluation is one verdict, and no pass.
fn evaluate(policies: &Policies, request: &Request<'_>) -> Vec<Verdict> {
    catch_unwind(AssertUnwindSafe(|| policies.evaluate(request))).unwrap_or_else(|_| panicked(request))
}

/// A panic leaves the object as it was, and is no pass either.
fn mutate(policies: &Policies, request: &Request<'_>) -> Mutated {
    catch_unwind(AssertUnwindSafe(|| policies.mutate(request))).unwrap_or_else(|_| Mutated {
        object: request.object.clone(),
        verdicts: panicked(request),
    })
}

fn panicked(request: &Request<'_>) -> Vec<Verdict> {
    let kind = request.object["kind"].as_str().unwrap_or_default();
    let name = request.object["metadata"]["name"].as_str().unwrap_or_default();
    vec![Verdict {
        policy: "guardrails".to_owned(),
        rule: "evaluation".to_owned(),
        task: Task::Validate,
        outcome: Outcome::Error,
        enforce: true,
        scope: None,
        object: format!("{kind}/{name}"),
        message: "the evaluation failed in the guardrails themselves; their log says where".to_owned(),
        path: None,
        value: None,
        why: None,
        controls: [].into(),
        hint: Some("This is a mistake in the platform, not in the object: report it.".to_owned()),
        properties: BTreeMap::new(),
        title: None,
        severity: None,
        category: None,
        exception: None,
    }]
}

/// The answer as an API server reads it.
pub(crate) fn told(uid: &str, answer: &Answer) -> Value {
    let mut response = json!({"uid": uid, "allowed": answer.refusal.is_none()});
    if let Some(message) = &answer.refusal {
        response["status"] =
            json!({"status": "Failure", "reason": "Forbidden", "code": 403, "message": message});
    }
    if !answer.warnings.is_empty() {
        response["warnings"] = json!(answer.warnings);
    }
    if let Some(patch) = &answer.patch {
        response["patchType"] = json!("JSONPatch");
        response["patch"] = json!(STANDARD.encode(patch.to_string()));
    }
    json!({"apiVersion": VERSION, "kind": "AdmissionReview", "response": response})
}

/// A request that cannot be judged is refused, where it has an id to answer to.
pub(crate) fn told_unreadable(uid: &str, unreadable: &Unreadable) -> Value {
    json!({
        "apiVersion": VERSION,
        "kind": "AdmissionReview",
        "response": {
            "uid": uid,
            "allowed": false,
            "status": {"status": "Failure", "reason": "BadRequest", "code": unreadable.code, "message": unreadable.why},
        },
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use guardrails::{Call, NoFacts, Unavailable};

    pub(crate) fn pod(namespace: &str, limits: &Value) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": namespace},
            "spec": {"containers": [{"name": "web", "image": "registry.internal/web:v1", "resources": {"limits": limits}}]},
        })
    }

    pub(crate) fn review(namespace: &str, operation: &str, object: &Value, old: &Value) -> Value {
        json!({
            "apiVersion": VERSION, "kind": "AdmissionReview",
            "request": {
                "uid": "u-1",
                "kind": {"group": "", "version": "v1", "kind": object["kind"].as_str().or(old["kind"].as_str())},
                "resource": {"group": "", "version": "v1", "resource": "pods"},
                "name": "web", "namespace": namespace, "operation": operation,
                "userInfo": {"username": "jane", "groups": ["system:authenticated"]},
                "object": object, "oldObject": old,
            },
        })
    }

    fn read(review: &Value) -> Result<Asked, Unreadable> {
        Review::read(review.to_string().as_bytes())
    }

    fn in_force(policies: &str) -> InForce {
        let values: Vec<Value> = yaml::parse_all(policies)
            .unwrap()
            .into_iter()
            .map(|document| document.value)
            .collect();
        InForce::of(&values).unwrap()
    }

    pub(crate) const LIMITS: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: require-limits, annotations: {policies.towpath.dev/hint: Choose a size.}}
spec:
  rules:
    - name: limits
      match: {any: [{resources: {kinds: [Pod]}}]}
      validate:
        failureAction: Enforce
        message: Limits are required
        pattern: {spec: {containers: [{resources: {limits: {memory: '?*'}}}]}}
";

    fn answer(policies: &str, review: &Value, facts: &dyn Facts) -> Answer {
        asked_at(Side::Validating, policies, review, facts)
    }

    fn asked_at(side: Side, policies: &str, review: &Value, facts: &dyn Facts) -> Answer {
        let asked = read(review).unwrap();
        judge(
            side,
            &in_force(policies),
            &asked,
            &asked.user(),
            None,
            facts,
            facts,
        )
    }

    #[test]
    fn what_is_beneath_an_object_is_judged_by_what_it_is_beneath() {
        let asked = |group: &str, resource: &str, sub: &str, object: &Value, policy: &str| {
            let mut review = review("shop", "CREATE", object, &Value::Null);
            let kind = object["apiVersion"].as_str().unwrap();
            let (of, version) = kind.split_once('/').unwrap_or(("", kind));
            review["request"]["kind"] = json!({"group": of, "version": version, "kind": object["kind"]});
            review["request"]["resource"] = json!({"group": group, "version": "v1", "resource": resource});
            review["request"]["subResource"] = json!(sub);
            let spaced = Space::default();
            let asked = read(&review).unwrap();
            let in_force = in_force(policy);
            let answer = judge(
                Side::Validating,
                &in_force,
                &asked,
                &asked.user(),
                Some(&spaced),
                &NoFacts,
                &NoFacts,
            );
            answer.refusal.is_some()
        };
        let classic = |kind: &str| {
            format!(
                "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: closed}}, spec: {{rules: [{{name: closed, match: {{any: [{{resources: {{kinds: ['{kind}'], namespaces: [shop], operations: [CREATE, CONNECT]}}}}]}}, validate: {{failureAction: Enforce, message: Not here, deny: {{}}}}}}]}}}}"
            )
        };
        let cel = |group: &str, resource: &str| {
            format!(
                "{{apiVersion: policies.kyverno.io/v1, kind: ValidatingPolicy, metadata: {{name: closed}}, spec: {{matchConstraints: {{resourceRules: [{{apiGroups: ['{group}'], apiVersions: [v1], operations: [CREATE], resources: ['{resource}'], scope: Namespaced}}]}}, validations: [{{expression: 'false'}}]}}}}"
            )
        };
        let exec = json!({"apiVersion": "v1", "kind": "PodExecOptions", "command": ["sh"]});
        let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web", "namespace": "shop"}});
        for (group, resource, sub, object, policy, refused) in [
            ("", "pods", "exec", &exec, classic("Pod/exec"), true),
            ("", "pods", "exec", &exec, classic("PodExecOptions"), false),
            ("", "pods", "exec", &exec, classic("Pod"), false),
            ("", "pods", "exec", &exec, cel("", "pods/exec"), true),
            ("", "pods", "attach", &exec, cel("", "pods/exec"), false),
            (
                "apps",
                "deployments",
                "scale",
                &scale,
                classic("Deployment/scale"),
                true,
            ),
            (
                "apps",
                "statefulsets",
                "scale",
                &scale,
                classic("Deployment/scale"),
                false,
            ),
            (
                "towpath.dev",
                "gateways",
                "scale",
                &scale,
                classic("Gateway/scale"),
                true,
            ),
            (
                "towpath.dev",
                "gateways",
                "scale",
                &scale,
                classic("towpath.dev/v1/Gateway/scale"),
                true,
            ),
            (
                "towpath.dev",
                "gateways",
                "scale",
                &scale,
                classic("example.com/v1/Gateway/scale"),
                false,
            ),
            (
                "towpath.dev",
                "gateways",
                "scale",
                &scale,
                classic("Gateway"),
                false,
            ),
            (
                "apps",
                "deployments",
                "scale",
                &scale,
                cel("apps", "deployments/scale"),
                true,
            ),
            (
                "apps",
                "deployments",
                "scale",
                &scale,
                cel("autoscaling", "deployments/scale"),
                false,
            ),
        ] {
            assert_eq!(
                asked(group, resource, sub, object, &policy),
                refused,
                "{resource}/{sub} {policy}"
            );
        }
    }

    #[test]
    fn a_refusal_says_what_and_what_to_do() {
        let answer = answer(
            LIMITS,
            &review("shop", "CREATE", &pod("shop", &json!({})), &Value::Null),
            &NoFacts,
        );
        let told = told("u-1", &answer);
        assert_eq!(told["response"]["allowed"], false);
        assert_eq!(told["response"]["uid"], "u-1");
        assert_eq!(
            told["response"]["status"]["message"],
            "\n\nresource Pod/shop/web was blocked due to the following policies\n\nrequire-limits:\n  limits: 'validation error: Limits are required. rule limits failed at path /spec/containers/0/resources/limits/memory/'\n  hint: Choose a size.\n"
        );
    }

    #[test]
    fn who_is_let_through() {
        let good = pod("shop", &json!({"memory": "1Gi"}));
        let bad = pod("shop", &json!({}));
        let check = |review: &Value, expect: bool| {
            let allowed = answer(LIMITS, review, &NoFacts).refusal.is_none();
            assert_eq!(allowed, expect, "{review}");
        };
        check(&review("shop", "CREATE", &good, &Value::Null), true);
        check(&review("shop", "UPDATE", &bad, &good), false);
        check(&review("shop", "DELETE", &Value::Null, &bad), true);
        for namespace in LEFT_OUT {
            check(
                &review(namespace, "CREATE", &pod(namespace, &json!({})), &Value::Null),
                true,
            );
        }
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let check = |body: &str, uid: Option<&str>, why: &str| {
            let unreadable = Review::read(body.as_bytes()).unwrap_err();
            assert_eq!((unreadable.code, unreadable.uid.as_deref()), (400, uid), "{body}");
            assert!(unreadable.why.contains(why), "{body}: {}", unreadable.why);
        };
        check("", None, "no AdmissionReview");
        check("[1, 2", None, "no AdmissionReview");
        check("{}", None, "only AdmissionReview of admission.k8s.io/v1");
        let whole = review("shop", "CREATE", &pod("shop", &json!({})), &Value::Null);
        let with = |pointer: &str, value: Value| {
            let mut changed = whole.clone();
            *changed.pointer_mut(pointer).unwrap() = value;
            changed.to_string()
        };
        check(
            &with("/apiVersion", json!("admission.k8s.io/v1beta1")),
            Some("u-1"),
            "v1beta1",
        );
        check(&with("/request", Value::Null), None, "no request");
        check(&with("/request/uid", json!("")), None, "no uid");
        check(&with("/request/operation", json!("PATCH")), Some("u-1"), "PATCH");
        check(
            &with("/request/object", Value::Null),
            Some("u-1"),
            "without its object",
        );
        let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
        check(&deep, None, "no AdmissionReview");
    }

    struct Panics;

    impl Facts for Panics {
        fn call(&self, _: &Call) -> Result<Value, Unavailable> {
            panic!("a mistake in here")
        }
    }

    #[test]
    fn a_panic_is_a_refusal() {
        let policy = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: regions}
spec:
  rules:
    - name: regions
      match: {any: [{resources: {kinds: [Pod]}}]}
      context: [{name: regions, configMap: {name: regions, namespace: shop}}]
      validate:
        failureAction: Enforce
        message: Not here
        deny: {conditions: {any: [{key: '{{ regions.data.a }}', operator: Equals, value: b}]}}
";
        let review = review("shop", "CREATE", &pod("shop", &json!({})), &Value::Null);
        let answer = answer(policy, &review, &Panics);
        assert_eq!(answer.verdicts.len(), 1);
        assert_eq!(answer.verdicts[0].outcome, Outcome::Error);
        assert!(answer.refusal.is_some());
    }

    #[test]
    fn what_policies_change_is_a_patch() {
        let policy = |path: &str, failure: &str| {
            format!(
                "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: a}}, spec: {{failurePolicy: {failure}, rules: [{{name: a, match: {{any: [{{resources: {{kinds: [Pod]}}}}]}}, mutate: {{patchesJson6902: '- {{op: replace, path: {path}, value: b}}'}}}}]}}}}"
            )
        };
        let check = |path: &str, failure: &str, expect: Option<&str>, refused: bool| {
            let review = review("shop", "CREATE", &pod("shop", &json!({})), &Value::Null);
            let answer = asked_at(Side::Mutating, &policy(path, failure), &review, &NoFacts);
            let patch = answer.patch.as_ref().map(ToString::to_string);
            assert_eq!(
                (patch.as_deref(), answer.refusal.is_some()),
                (expect, refused),
                "{answer:?}"
            );
            if let Some(expect) = expect {
                let told = told("u-1", &answer);
                assert_eq!(told["response"]["patch"], json!(STANDARD.encode(expect)));
            }
        };
        let image = "/spec/containers/0/image";
        check(
            image,
            "Fail",
            Some(r#"[{"op":"replace","path":"/spec/containers/0/image","value":"b"}]"#),
            false,
        );
        check("/spec/none/there", "Fail", None, true);
        check("/spec/none/there", "Ignore", None, false);
    }

    #[test]
    fn policies_of_a_namespace_judge_there_alone() {
        let policy = LIMITS.replace("ClusterPolicy", "Policy").replace(
            "{name: require-limits,",
            "{name: require-limits, namespace: shop,",
        );
        for (namespace, expect) in [("shop", false), ("bank", true)] {
            let review = review(namespace, "CREATE", &pod(namespace, &json!({})), &Value::Null);
            assert_eq!(
                answer(&policy, &review, &NoFacts).refusal.is_none(),
                expect,
                "{namespace}"
            );
        }
    }
}
