//! `validate.manifests`: who must have signed the YAML that an object was made of.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]

#[path = "support/cluster_policy.rs"]
mod cluster_policy;

use guardrails::{Facts, Operation, Outcome, Policies, Request, Unavailable};
use serde_json::{Value, json};

use cluster_policy::cluster_policy;

use Outcome::{Error, Fail, Pass};

/// Verifies by name: `good` signed, `bad` did not, of others nothing is known.
struct Verifier;

impl Facts for Verifier {
    fn verify_manifest(&self, object: &Value, asked: &Value) -> Result<(), Unavailable> {
        assert_eq!(object["kind"], "ConfigMap");
        match asked.pointer("/keys/publicKeys").and_then(Value::as_str) {
            Some(key) if key.contains("good") => Ok(()),
            Some(key) if key.contains("bad") => {
                Err(Unavailable::Failed("no signature of that key".to_owned()))
            }
            _ => Err(Unavailable::Unknown("who signed it".to_owned())),
        }
    }
}

struct Nobody;

impl Facts for Nobody {}

fn load(manifests: &str) -> Result<Policies, guardrails::Error> {
    let rest = format!("      validate: {{manifests: {{{manifests}}}}}");
    let text = cluster_policy("ConfigMap", &rest);
    Policies::load("p.yaml", &yaml::parse_all(&text).expect("YAML"))
}

fn object(annotations: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": annotations}})
}

fn signed() -> Value {
    object(&json!({"cosign.sigstore.dev/message": "x", "cosign.sigstore.dev/signature": "y", "team": "shop"}))
}

fn judge(manifests: &str, request: &Request<'_>) -> (Outcome, String) {
    let mut verdicts = load(manifests).expect("a policy").evaluate(request);
    assert_eq!(verdicts.len(), 1, "{manifests}: {verdicts:#?}");
    let verdict = verdicts.remove(0);
    (verdict.outcome, verdict.message)
}

/// Somebody by the name of the key.
fn key(name: &str) -> String {
    format!("{{keys: {{publicKeys: {name}}}}}")
}

#[test]
fn what_nobody_signed_fails_without_a_verifier() {
    let check = |more: &str, annotations: Value, expect: Outcome| {
        let manifests = format!("attestors: [{{entries: [{}]}}]{more}", key("good"));
        let object = object(&annotations);
        let request = Request {
            facts: &Nobody,
            ..Request::new(&object)
        };
        let (outcome, message) = judge(&manifests, &request);
        assert_eq!(outcome, expect, "{more} {annotations} {message}");
    };
    let (message, signature) = ("cosign.sigstore.dev/message", "cosign.sigstore.dev/signature");
    check("", json!({}), Fail);
    check("", json!({message: "x"}), Fail);
    check("", json!({signature: "x"}), Fail);
    // What is signed, or may be signed elsewhere, is not known.
    check("", json!({message: "x", signature: "y"}), Error);
    check(
        "",
        json!({"cosign.sigstore.dev/resourceBundleRef": "ghcr.io/a"}),
        Error,
    );
    check(", repository: ghcr.io/a", json!({}), Error);
    check(
        ", annotationDomain: acme.io",
        json!({message: "x", signature: "y"}),
        Fail,
    );
    check(
        ", annotationDomain: acme.io",
        json!({"acme.io/message": "x", "acme.io/signature": "y"}),
        Error,
    );
}

#[test]
fn so_many_must_have_signed() {
    let check = |sets: &str, expect: Outcome| {
        let object = signed();
        let request = Request {
            facts: &Verifier,
            ..Request::new(&object)
        };
        let (outcome, message) = judge(&format!("attestors: [{sets}]"), &request);
        assert_eq!(outcome, expect, "{sets} {message}");
    };
    let (good, bad, unknown) = (key("good"), key("bad"), key("other"));
    check(&format!("{{entries: [{good}]}}"), Pass);
    check(&format!("{{entries: [{bad}]}}"), Fail);
    check(&format!("{{entries: [{unknown}]}}"), Error);
    check(&format!("{{entries: [{good}, {bad}]}}"), Fail);
    check(&format!("{{count: 1, entries: [{bad}, {good}]}}"), Pass);
    check(&format!("{{count: 1, entries: [{good}, {unknown}]}}"), Pass);
    // Whoever cannot be asked may have signed: that is no pass, and no failure.
    check(&format!("{{count: 1, entries: [{bad}, {unknown}]}}"), Error);
    check(&format!("{{entries: [{good}]}}, {{entries: [{bad}]}}"), Fail);
    check(
        &format!("{{entries: [{{attestor: {{count: 1, entries: [{bad}, {good}]}}}}]}}"),
        Pass,
    );
    check(
        &format!("{{entries: [{{attestor: {{entries: [{bad}, {good}]}}}}]}}"),
        Fail,
    );
    check(
        "{entries: [{keys: {publicKeys: good}, annotations: {team: shop}}]}",
        Pass,
    );
    check(
        "{entries: [{keys: {publicKeys: good}, annotations: {team: bank}}]}",
        Error,
    );
    let pem = |name: &str| format!("-----BEGIN PUBLIC KEY-----{name}-----END PUBLIC KEY-----");
    let both = format!("\"{}\\n{}\"", pem("good"), pem("bad"));
    check(&format!("{{entries: [{{keys: {{publicKeys: {both}}}}}]}}"), Fail);
    check(
        &format!("{{count: 1, entries: [{{keys: {{publicKeys: {both}}}}}]}}"),
        Pass,
    );
}

#[test]
fn dry_runs_pass_and_deletions_are_not_asked() {
    let object = object(&json!({}));
    let manifests = format!("attestors: [{{entries: [{}]}}]", key("good"));
    let dry = Request {
        dry_run: true,
        ..Request::new(&object)
    };
    assert_eq!(judge(&manifests, &dry).0, Pass);
    let gone = Request {
        operation: Operation::Delete,
        ..Request::new(&object)
    };
    assert_eq!(load(&manifests).expect("a policy").evaluate(&gone), []);
}

#[test]
fn what_is_malformed_is_refused() {
    for manifests in [
        "attestors: []",
        "annotationDomain: a",
        "attestors: [{entries: []}]",
        "attestors: [{entries: [{keys: {publicKeys: a}}]}], dryRun: {enable: maybe}",
        "attestors: [{entries: [{keys: {publicKeys: a}}]}], ignoreFields: [{nope: a}]",
    ] {
        assert!(load(manifests).is_err(), "{manifests}");
    }
}
