//! PolicyExceptions: which rules they let which objects break, and until when.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

use guardrails::{Error, Facts, Outcome, Policies, Request, Verdict};
use serde_json::{Value, json};

const POLICY: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  validationFailureAction: Enforce
  rules:
    - name: no-a
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      validate: {message: Not so, deny: {conditions: {all: [{key: '{{ request.object.data.a }}', operator: Equals, value: '1'}]}}}
";

fn exception(extra: &str, exceptions: &str, matches: &str) -> String {
    format!(
        "apiVersion: kyverno.io/v2\nkind: PolicyException\nmetadata:\n  name: e\n  namespace: shop{extra}\nspec:\n  exceptions: {exceptions}\n  match: {matches}\n"
    )
}

fn load(text: &str) -> Result<Policies, Error> {
    Policies::load("p.yaml", &yaml::parse_all(text).expect("YAML"))
}

struct Clock(Option<i64>);

impl Facts for Clock {
    fn now(&self) -> Option<(i64, u32)> {
        self.0.map(|seconds| (seconds, 0))
    }
}

fn judge(exception: &str, object: &Value, clock: &Clock) -> Verdict {
    let policies = load(&format!("{POLICY}---\n{exception}")).expect("in order");
    let request = Request {
        facts: clock,
        ..Request::new(object)
    };
    policies.evaluate(&request).remove(0)
}

fn config() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}, "data": {"a": "1"}})
}

const ALL: &str = "{any: [{resources: {kinds: [ConfigMap]}}]}";

#[test]
fn an_exception_lets_through_what_it_names_and_nothing_else() {
    let check = |exceptions: &str, matches: &str, expect: Outcome| {
        let verdict = judge(&exception("", exceptions, matches), &config(), &Clock(None));
        assert_eq!(verdict.outcome, expect, "{exceptions} {matches}");
        assert_eq!(
            verdict.exception.as_deref(),
            (expect == Outcome::Skip).then_some("shop/e")
        );
        assert_eq!(verdict.refuses(), expect == Outcome::Fail);
    };
    check("[{policyName: p, ruleNames: [no-a]}]", ALL, Outcome::Skip);
    check("[{policyName: p, ruleNames: ['no-*']}]", ALL, Outcome::Skip);
    check("[{policyName: p, ruleNames: [other, '*']}]", ALL, Outcome::Skip);
    check("[{policyName: p, ruleNames: [other]}]", ALL, Outcome::Fail);
    check("[{policyName: q, ruleNames: ['*']}]", ALL, Outcome::Fail);
    // As in Kyverno the name of a policy is no pattern.
    check("[{policyName: '*', ruleNames: ['*']}]", ALL, Outcome::Fail);
    let named = |name: &str| format!("{{any: [{{resources: {{kinds: [ConfigMap], names: [{name}]}}}}]}}");
    check("[{policyName: p, ruleNames: ['*']}]", &named("c*"), Outcome::Skip);
    check("[{policyName: p, ruleNames: ['*']}]", &named("d"), Outcome::Fail);
    // Who asks is not known: no exception.
    let subjects = "{any: [{resources: {kinds: [ConfigMap]}, subjects: [{kind: User, name: me}]}]}";
    check("[{policyName: p, ruleNames: ['*']}]", subjects, Outcome::Fail);
}

#[test]
fn conditions_of_an_exception() {
    let check = |key: &str, expect: Outcome| {
        let conditions = format!("  conditions: {{all: [{{key: '{key}', operator: Equals, value: 'c'}}]}}\n");
        let text = exception("", "[{policyName: p, ruleNames: ['*']}]", ALL);
        let verdict = judge(&format!("{text}{conditions}"), &config(), &Clock(None));
        assert_eq!(verdict.outcome, expect, "{key}");
    };
    check("{{ request.object.metadata.name }}", Outcome::Skip);
    check("{{ request.object.data.a }}", Outcome::Fail);
    // What cannot be evaluated does not hold.
    check("{{ request.object.data.missing }}", Outcome::Fail);
}

#[test]
fn an_exception_ends() {
    let check = |expires: &str, now: Option<i64>, expect: Outcome, says: &str| {
        let annotations = format!("\n  annotations: {{policies.towpath.dev/expires: '{expires}'}}");
        let text = exception(&annotations, "[{policyName: p, ruleNames: ['*']}]", ALL);
        let verdict = judge(&text, &config(), &Clock(now));
        assert_eq!(verdict.outcome, expect, "{expires} {now:?}");
        assert!(verdict.message.contains(says), "{}", verdict.message);
    };
    let day = 86_400;
    check("1970-01-03", Some(2 * day), Outcome::Skip, "exceptions shop/e");
    check(
        "1970-01-03",
        Some(3 * day - 1),
        Outcome::Skip,
        "exceptions shop/e",
    );
    check(
        "1970-01-03",
        Some(3 * day),
        Outcome::Fail,
        "the exception shop/e expired on 1970-01-03",
    );
    check(
        "1970-01-03",
        None,
        Outcome::Fail,
        "what day it is is not known here",
    );
}

#[test]
fn what_is_malformed_is_refused() {
    let check = |text: &str, reason: &str| {
        let Err(Error::Refused(refusals)) = load(text) else {
            panic!("refused: {text}")
        };
        assert!(refusals[0].reason.contains(reason), "{}", refusals[0]);
    };
    let rules = "[{policyName: p, ruleNames: ['*']}]";
    check(&exception("", "[]", ALL), "names between 1 and");
    check(
        &exception("", "[{ruleNames: [a]}]", ALL),
        "the field policyName is missing",
    );
    check(&exception("", rules, "{any: []}"), "matches nothing");
    check(
        &exception("", rules, "{resources: {kinds: [Pod]}}"),
        "the field resources is not known",
    );
    check(
        &exception(
            "\n  annotations: {policies.towpath.dev/expires: soon}",
            rules,
            ALL,
        ),
        "is not a date such as",
    );
    check(
        &exception("", rules, ALL).replace("kyverno.io/v2", "kyverno.io/v9"),
        "there is no PolicyException of",
    );
    let controls = format!(
        "{}  podSecurity: [{{controlName: Nothing}}]\n",
        exception("", rules, ALL)
    );
    check(&controls, "does not exist");
}

#[test]
fn controls_of_pod_security() {
    let policy = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: p}
spec:
  rules:
    - name: baseline
      match: {any: [{resources: {kinds: [Pod]}}]}
      validate: {podSecurity: {level: baseline, version: latest}}
";
    let check = |spec: Value, controls: &str, expect: Outcome| {
        let text = exception(
            "",
            "[{policyName: p, ruleNames: [baseline]}]",
            "{any: [{resources: {kinds: [Pod]}}]}",
        );
        let policies = load(&format!("{policy}---\n{text}{controls}")).expect("in order");
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": spec});
        let verdict = policies.evaluate(&Request::new(&pod)).remove(0);
        assert_eq!(verdict.outcome, expect, "{spec} {controls} {}", verdict.message);
    };
    let host = json!({"hostNetwork": true, "containers": [{"name": "a", "image": "x"}]});
    let both = json!({"hostNetwork": true, "containers": [{"name": "a", "image": "x", "securityContext": {"privileged": true}}]});
    let plain = json!({"containers": [{"name": "a", "image": "x"}]});
    let namespaces = "  podSecurity: [{controlName: Host Namespaces}]\n";
    let volume = json!({"volumes": [{"name": "v", "hostPath": {"path": "/var/lib1"}}], "containers": [{"name": "a", "image": "x"}]});
    let path = |path: &str| {
        format!(
            "  podSecurity: [{{controlName: HostPath Volumes, restrictedField: 'spec.volumes[*].hostPath', values: [{path}]}}]\n"
        )
    };
    check(volume.clone(), &path("/var/lib1"), Outcome::Skip);
    check(volume, &path("/var/lib2"), Outcome::Fail);
    check(host.clone(), "", Outcome::Skip);
    check(host, namespaces, Outcome::Skip);
    check(both, namespaces, Outcome::Fail);
    check(plain, namespaces, Outcome::Pass);
}

/// An exception for policies in CEL ends on its day as any other does.
#[test]
fn an_exception_for_cel_ends_too() {
    const POLICY: &str = "
apiVersion: policies.kyverno.io/v1
kind: ValidatingPolicy
metadata: {name: p}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [''], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations: [{expression: 'false', message: Not so}]
---
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {name: e, namespace: shop, annotations: {policies.towpath.dev/expires: '2026-11-21'}}
spec: {policyRefs: [{name: p, kind: ValidatingPolicy}]}
";
    let check = |now: Option<i64>, expect: Outcome, message: &str| {
        let object = config();
        let request = Request {
            facts: &Clock(now),
            ..Request::new(&object)
        };
        let verdict = load(POLICY).expect("in order").evaluate(&request).remove(0);
        assert_eq!((verdict.outcome, verdict.message.as_str()), (expect, message));
    };
    let last = 20_778 * 86_400 + 86_399;
    check(
        Some(last),
        Outcome::Skip,
        "rule is skipped due to policy exception: shop/e",
    );
    check(
        Some(last + 1),
        Outcome::Fail,
        "Not so (the exception shop/e expired on 2026-11-21)",
    );
    check(
        None,
        Outcome::Fail,
        "Not so (the exception shop/e holds until 2026-11-21, and what day it is is not known here)",
    );
    let odd = POLICY.replace("2026-11-21", "soon");
    assert!(
        load(&odd)
            .expect_err("refused")
            .to_string()
            .contains("\"soon\" is not a date")
    );
}
