//! Policies about images, from their YAML to verdicts.

#![expect(clippy::expect_used, reason = "what fails here fails the test")]
#![expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]
#![expect(
    clippy::unnecessary_wraps,
    reason = "tables hold what is expected beside nothing at all"
)]

#[path = "../support/cel_policy.rs"]
mod cel_policy;
#[path = "../support/mod.rs"]
mod support;

mod limits;
mod rules;
mod validating;

use guardrails::{Facts, Outcome, Request, Task, Unavailable, Verdict};
use serde_json::{Value, json};

use cel_policy::cel_policy;
use support::load;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// An image that nobody signed, and one that the key `good` did.
const IMAGE: &str = "ghcr.io/acme/web:v1";
const SIGNED_IMAGE: &str = "ghcr.io/acme/web:signed";

/// A registry that knows the images of `ghcr.io`, and a verifier that trusts the key `good` for signed ones.
struct Registry;

impl Facts for Registry {
    fn image(&self, reference: &str) -> Result<Value, Unavailable> {
        if reference.contains("missing") {
            return Err(Unavailable::Missing(reference.to_owned()));
        }
        if reference.contains("ghcr.io/") {
            return Ok(json!({"digest": DIGEST, "config": {"architecture": "amd64"}}));
        }
        Err(Unavailable::Unknown(format!(
            "what the registry says of {reference}"
        )))
    }

    fn verify(&self, image: &str, asked: &Value) -> Result<Value, Unavailable> {
        let good = asked.to_string().contains("good");
        if image.contains("unknown") {
            return Err(Unavailable::Unknown(format!("who signed {image}")));
        }
        if !image.contains(":signed") || !good {
            return Err(Unavailable::Failed("no signature found".to_owned()));
        }
        let statements = json!([{"predicate": {"by": "ci"}, "bomFormat": "CycloneDX"}]);
        Ok(json!({"digest": DIGEST, "attestations": {"sbom/cyclone-dx": statements}}))
    }
}

/// The registry, asked of nobody.
struct Nobody;

impl Facts for Nobody {}

/// What is expected: the outcome and a part of what is said, or that nothing is.
type Expect<'a> = Option<(Outcome, &'a str)>;

fn passes(part: &str) -> Expect<'_> {
    Some((Outcome::Pass, part))
}

fn fails(part: &str) -> Expect<'_> {
    Some((Outcome::Fail, part))
}

fn skips(part: &str) -> Expect<'_> {
    Some((Outcome::Skip, part))
}

fn errs(part: &str) -> Expect<'_> {
    Some((Outcome::Error, part))
}

/// A request whose images the registry knows.
fn asked(object: &Value) -> Request<'_> {
    Request {
        facts: &Registry,
        ..Request::new(object)
    }
}

fn check(text: &str, object: Value, expect: Expect<'_>) {
    check_asking(&Registry, text, object, expect);
}

fn check_asking(facts: &dyn Facts, text: &str, object: Value, expect: Expect<'_>) {
    let verdicts = load(text).evaluate(&Request {
        facts,
        ..Request::new(&object)
    });
    let said = |verdict: &Verdict| (verdict.about.task, verdict.outcome, verdict.message.clone());
    let got: Vec<_> = verdicts.iter().map(said).collect();
    let expect = expect.map(|(outcome, part)| (Task::VerifyImages, outcome, part));
    let alike = match (got.as_slice(), &expect) {
        ([], None) => true,
        ([(task, outcome, message)], Some((of, out, part))) => {
            (task, outcome) == (of, out) && message.contains(part)
        }
        _ => false,
    };
    assert!(alike, "{text}\n{object}\nexpected {expect:?}, got {got:#?}");
}

/// A policy about the images of pods, with more of its spec.
fn policy(more: &str) -> String {
    let rule = "apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]";
    let rest = format!(
        "  matchImageReferences: [{{glob: 'ghcr.io/*'}}]
  attestors:
    - {{name: team, cosign: {{key: {{data: good}}}}}}
    - {{name: other, notary: {{certs: {{value: bad}}}}}}
  attestations: [{{name: sbom, referrer: {{type: sbom/cyclone-dx}}}}]
{more}"
    );
    cel_policy("ImageValidatingPolicy", "name: signed", rule, &rest)
}

/// More of such a policy: an image must be signed.
const SIGNED: &str = "
  validations:
    - expression: images.containers.map(i, verifyImageSignatures(i, [attestors.team])).all(e, e > 0)
      message: nobody signed it";

/// A classic policy with one rule for pods, without those for pod controllers.
fn classic(kinds: &str, work: &str) -> String {
    format!(
        "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {{name: p, annotations: {{pod-policies.kyverno.io/autogen-controllers: none}}}}
spec:
  rules:
    - name: r
      match: {{any: [{{resources: {{kinds: [{kinds}]}}}}]}}
{work}"
    )
}

/// Who must have signed.
const TEAM: &str = "attestors: [{entries: [{keys: {publicKeys: good}}]}]";
