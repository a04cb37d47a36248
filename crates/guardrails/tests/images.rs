//! Policies about images, from their YAML to verdicts.

#![expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]

use guardrails::{Facts, Operation, Outcome, Policies, Request, Task, Unavailable, Verdict};
use serde_json::{Value, json};

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

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

fn documents(text: &str) -> Vec<yaml::Document> {
    yaml::parse_all(text).unwrap_or_default()
}

/// A policy about the images of pods, with more of its spec.
fn policy(more: &str) -> String {
    format!(
        "
apiVersion: policies.kyverno.io/v1
kind: ImageValidatingPolicy
metadata: {{name: signed}}
spec:
  matchConstraints:
    resourceRules:
      - {{apiGroups: [''], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [pods]}}
  matchImageReferences: [{{glob: 'ghcr.io/*'}}]
  attestors:
    - {{name: team, cosign: {{key: {{data: good}}}}}}
    - {{name: other, notary: {{certs: {{value: bad}}}}}}
  attestations: [{{name: sbom, referrer: {{type: sbom/cyclone-dx}}}}]
{more}"
    )
}

fn pod(image: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"containers": [{"name": "web", "image": image}]},
    })
}

fn load(text: &str) -> Policies {
    let (policies, refusals) = Policies::load_partly("p.yaml", &documents(text));
    assert!(
        !policies.is_empty() && refusals.is_empty(),
        "{text}\n{refusals:?}"
    );
    policies
}

/// `expect` is the outcome and a part of what is said; nothing when the policy says nothing.
fn check(text: &str, object: Value, facts: &dyn Facts, expect: Option<(Outcome, &str)>) {
    let request = Request {
        facts,
        ..Request::new(&object)
    };
    let verdicts = load(text).evaluate(&request);
    let said = |verdict: &Verdict| (verdict.task, verdict.outcome, verdict.message.clone());
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

const SIGNED: &str = "
  validations:
    - expression: images.containers.map(i, verifyImageSignatures(i, [attestors.team])).all(e, e > 0)
      message: nobody signed it";

#[test]
fn signatures() {
    let signed = policy(SIGNED);
    let pass = Some((Outcome::Pass, "success"));
    check(&signed, pod("ghcr.io/acme/web:signed"), &Registry, pass);
    check(
        &signed,
        pod("ghcr.io/acme/web:v1"),
        &Registry,
        Some((Outcome::Fail, "nobody signed it")),
    );
    // What the policy is not about needs no signature.
    check(&signed, pod("docker.io/nginx:1"), &Nobody, pass);
    // Where nobody can say, that is an error which names the image.
    for facts in [&Registry as &dyn Facts, &Nobody] {
        check(
            &signed,
            pod("ghcr.io/acme/web:unknown"),
            facts,
            Some((
                Outcome::Error,
                "failed to evaluate policy: who signed ghcr.io/acme/web:unknown is not known here",
            )),
        );
    }
    let other = SIGNED.replace("attestors.team", "attestors.other");
    check(
        &policy(&other),
        pod("ghcr.io/acme/web:signed"),
        &Registry,
        Some((Outcome::Fail, "nobody signed it")),
    );
    let both = SIGNED.replace("[attestors.team]", "[attestors.team, attestors.other]");
    check(
        &policy(&both.replace("e > 0", "e == 1")),
        pod("ghcr.io/acme/web:signed"),
        &Registry,
        pass,
    );
}

#[test]
fn attestations_and_payloads() {
    let validations = |last: &str| {
        policy(&format!(
            "
  validations:
    - expression: images.containers.all(i, verifyAttestationSignatures(i, attestations.sbom, [attestors.team]) == 1)
      message: no bill of materials
    - expression: \"{last}\"
      messageExpression: \"'it is ' + extractPayload(images.containers[0], attestations.sbom).bomFormat\""
        ))
    };
    let object = || pod("ghcr.io/acme/web:signed");
    let format = "images.containers.all(i, extractPayload(i, attestations.sbom).bomFormat == 'CycloneDX')";
    check(
        &validations(format),
        object(),
        &Registry,
        Some((Outcome::Pass, "")),
    );
    let other = format.replace("CycloneDX", "SPDX");
    check(
        &validations(&other),
        object(),
        &Registry,
        Some((Outcome::Fail, "it is CycloneDX")),
    );
    check(
        &validations("'true' == extractPayload('ghcr.io/a', 'nope')"),
        object(),
        &Registry,
        Some((Outcome::Error, "attestation not found in policy: nope")),
    );
    check(
        &validations("'true' == extractPayload('ghcr.io/a', 'sbom')"),
        object(),
        &Registry,
        Some((
            Outcome::Error,
            "what the attestation sbom says of ghcr.io/a is not known here",
        )),
    );
    check(
        &validations("getImageData(images.containers[0]).config.architecture == 'amd64'"),
        object(),
        &Registry,
        Some((Outcome::Pass, "")),
    );
    let intoto = validations("true")
        .replace("referrer:", "intoto:")
        .replace("attestors.team", "attestors.other");
    check(
        &intoto,
        object(),
        &Registry,
        Some((Outcome::Error, "is no referrer")),
    );
}

#[test]
fn digests_and_what_is_required() {
    let plain = |settings: &str| {
        policy(&format!(
            "
  validationConfigurations: {{{settings}}}
  validations: [{{expression: images.containers.size() < 2}}]"
        ))
    };
    let image = "ghcr.io/acme/web:v1";
    let pinned = format!("{image}@{DIGEST}");
    let table = [
        // Somebody must have looked at every image, unless the policy says otherwise.
        ("", image, Outcome::Fail, "no policy performed a signature"),
        ("required: false", image, Outcome::Pass, "success"),
        (
            "required: false, mutateDigest: false",
            image,
            Outcome::Fail,
            "does not have a digest",
        ),
        (
            "required: false, mutateDigest: false",
            &pinned,
            Outcome::Pass,
            "success",
        ),
        (
            "required: false, mutateDigest: false, verifyDigest: false",
            image,
            Outcome::Pass,
            "success",
        ),
    ];
    for (settings, image, outcome, message) in table {
        check(&plain(settings), pod(image), &Registry, Some((outcome, message)));
    }
    // What the registry does not know is not let through.
    for (settings, facts, message) in [
        (
            "required: false",
            &Nobody as &dyn Facts,
            "ghcr.io/acme/missing is not known here",
        ),
        ("required: false", &Registry, "ghcr.io/acme/missing is not there"),
        (
            "required: false, verifyDigest: false",
            &Nobody,
            "is not known here",
        ),
    ] {
        let expect = Some((Outcome::Error, message));
        check(&plain(settings), pod("ghcr.io/acme/missing"), facts, expect);
    }
    let more_than_one = plain("").replace("size() < 2", "size() > 1");
    check(
        &more_than_one,
        pod(image),
        &Nobody,
        Some((Outcome::Fail, "CEL expression validation failed at index 0")),
    );
}

#[test]
fn another_policy_may_verify() {
    let catch_all = policy("  validations: [{expression: 'true'}]").replace("name: signed", "name: all");
    let policies = load(&format!("{catch_all}\n---\n{}", policy(SIGNED)));
    for (image, expect) in [
        ("ghcr.io/acme/web:signed", [Outcome::Pass, Outcome::Pass]),
        ("ghcr.io/acme/web:v1", [Outcome::Fail, Outcome::Fail]),
    ] {
        let object = pod(image);
        let request = Request {
            facts: &Registry,
            ..Request::new(&object)
        };
        let verdicts = policies.evaluate(&request);
        let outcomes: Vec<Outcome> = verdicts.iter().map(|verdict| verdict.outcome).collect();
        assert_eq!(outcomes, expect, "{verdicts:?}");
    }
}

#[test]
fn which_images_are_meant() {
    let counted = |more: &str, count: usize| {
        policy(&format!(
            "
  validationConfigurations: {{required: false, verifyDigest: false}}
  validations: [{{expression: 'images.containers.size() == {count}'}}]
{more}"
        ))
    };
    let pass = Some((Outcome::Pass, "success"));
    let object = || pod("ghcr.io/acme/web:v1");
    check(&counted("", 1), object(), &Registry, pass);
    let by_expression = |expression: &str, count| {
        counted("", count).replace("glob: 'ghcr.io/*'", &format!("expression: \"{expression}\""))
    };
    check(
        &by_expression("ref.startsWith('ghcr.io/')", 1),
        object(),
        &Registry,
        pass,
    );
    check(
        &by_expression("image(ref).registry() == 'quay.io'", 0),
        object(),
        &Nobody,
        pass,
    );
    check(
        &by_expression("image(ref + ' ').registry() == 'x'", 0),
        object(),
        &Registry,
        Some((Outcome::Error, "could not parse reference")),
    );
    // The policy's own images take the place of those of the containers.
    let own = "  images: [{name: containers, expression: \"['ghcr.io/a', 'ghcr.io/b', 'quay.io/c']\"}]";
    check(&counted(own, 2), object(), &Registry, pass);
    check(
        &counted("  images: [{name: x, expression: '1'}]", 1),
        object(),
        &Registry,
        Some((Outcome::Error, "the images x are no list of texts")),
    );
    check(
        &counted("", 0),
        pod(&"a".repeat(5_000)),
        &Registry,
        Some((Outcome::Error, "more than 4096 characters")),
    );
    // A container without an image is an error, not an image fewer.
    let mut object = object();
    object["spec"]["initContainers"] = json!([{"name": "a"}]);
    check(
        &counted("", 1),
        object,
        &Registry,
        Some((Outcome::Error, "a container of /spec/initContainers has no image")),
    );
}

#[test]
fn pod_controllers_json_namespaces_and_conditions() {
    let template = pod("ghcr.io/acme/web:v1");
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {}, "spec": template["spec"]}},
    });
    let cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": template["spec"]}}}},
    });
    let unsigned = Some((Outcome::Fail, "nobody signed it"));
    for object in [deployment.clone(), cron_job.clone()] {
        check(&policy(SIGNED), object, &Registry, unsigned);
    }
    let only = format!("{SIGNED}\n  autogen: {{podControllers: {{controllers: [cronjobs]}}}}");
    check(&policy(&only), deployment, &Registry, None);
    check(&policy(&only), cron_job, &Registry, unsigned);
    let json = "
apiVersion: policies.kyverno.io/v1beta1
kind: ImageValidatingPolicy
metadata: {name: signed}
spec:
  evaluation: {mode: JSON}
  images: [{name: bar, expression: '[object.foo.bar]'}]
  attestors: [{name: team, cosign: {key: {data: good}}}]
  validations:
    - expression: images.bar.all(i, verifyImageSignatures(i, [attestors.team]) > 0)
      message: nobody signed it";
    check(json, json!({"foo": {"bar": "ghcr.io/a:v1"}}), &Registry, unsigned);
    check(
        json,
        json!({"foo": {"bar": "ghcr.io/a:signed"}}),
        &Registry,
        Some((Outcome::Pass, "")),
    );
    check(json, template.clone(), &Registry, None);
    let namespaced = |namespace: &str| {
        policy(SIGNED)
            .replace("kind: Image", "kind: NamespacedImage")
            .replace(
                "{name: signed}",
                &format!("{{name: signed, namespace: {namespace}}}"),
            )
    };
    check(&namespaced("shop"), template.clone(), &Registry, unsigned);
    check(&namespaced("else"), template.clone(), &Registry, None);
    // A policy whose conditions are not met says nothing.
    let when = |expression: &str, more: &str| {
        policy(&format!(
            "{SIGNED}\n  matchConditions: [{{name: a, expression: \"{expression}\"}}]\n{more}"
        ))
    };
    check(
        &when("object.metadata.name == 'web'", ""),
        template.clone(),
        &Registry,
        unsigned,
    );
    check(
        &when("object.metadata.name == 'x'", ""),
        template.clone(),
        &Registry,
        None,
    );
    check(
        &when("object.metadata.x == 'x'", ""),
        template.clone(),
        &Registry,
        Some((Outcome::Error, "no such key: x")),
    );
    check(
        &when("object.metadata.x == 'x'", "  failurePolicy: Ignore"),
        template,
        &Registry,
        None,
    );
}

#[test]
fn exceptions_and_what_is_enforced() {
    let exception = "
---
apiVersion: policies.kyverno.io/v1
kind: PolicyException
metadata: {name: old, namespace: shop}
spec:
  policyRefs: [{name: signed, kind: ImageValidatingPolicy}]
  matchConditions: [{name: a, expression: \"object.metadata.name == 'web'\"}]";
    check(
        &format!("{}{exception}", policy(SIGNED)),
        pod("ghcr.io/acme/web:v1"),
        &Registry,
        Some((Outcome::Skip, "rule is skipped due to policy exception: shop/old")),
    );
    let object = pod("ghcr.io/acme/web:unknown");
    for (more, enforce) in [
        ("", true),
        ("  failurePolicy: Ignore", false),
        ("  validationActions: [Audit]", false),
        ("  validationActions: [Deny]", true),
    ] {
        let policies = load(&policy(&format!("{SIGNED}\n{more}")));
        let verdicts = policies.evaluate(&Request::new(&object));
        let refuses: Vec<bool> = verdicts.iter().map(Verdict::refuses).collect();
        assert_eq!(refuses, [enforce], "{more} {verdicts:?}");
    }
    let gone = Request {
        operation: Operation::Delete,
        ..Request::new(&object)
    };
    assert_eq!(load(&policy(SIGNED)).evaluate(&gone), []);
}

#[test]
fn attestors_may_be_computed() {
    let computed =
        |expression: &str| policy(SIGNED).replace("data: good", &format!("expression: \"{expression}\""));
    let object = || pod("ghcr.io/acme/web:signed");
    check(
        &computed("'go' + 'od'"),
        object(),
        &Registry,
        Some((Outcome::Pass, "")),
    );
    check(
        &computed("object.metadata.name"),
        object(),
        &Registry,
        Some((Outcome::Fail, "nobody signed it")),
    );
    for (expression, reason) in [("object.metadata.x", "no such key: x"), ("1", "it is a int")] {
        check(
            &computed(expression),
            object(),
            &Registry,
            Some((Outcome::Error, reason)),
        );
    }
}

#[test]
fn digests_are_written() {
    let check = |text: &str, image: &str, expect: &str| {
        let object = pod(image);
        let request = Request {
            facts: &Registry,
            ..Request::new(&object)
        };
        let mutated = load(text).mutate(&request);
        let got = &mutated.object["spec"]["containers"][0]["image"];
        assert_eq!(*got, expect, "{text}");
    };
    let signed = policy(SIGNED);
    let pinned = format!("ghcr.io/acme/web:v1@{DIGEST}");
    check(&signed, "ghcr.io/acme/web:v1", &pinned);
    check(&signed, &pinned, &pinned);
    check(&signed, "nginx", "nginx");
    check(&signed, "ghcr.io/acme/missing", "ghcr.io/acme/missing");
    let kept = format!("{SIGNED}\n  validationConfigurations: {{mutateDigest: false}}");
    check(&policy(&kept), "ghcr.io/acme/web:v1", "ghcr.io/acme/web:v1");
    // What the policy would not recognise with its digest keeps its tag.
    let exact = signed.replace("ghcr.io/*", "ghcr.io/acme/web:v1");
    check(&exact, "ghcr.io/acme/web:v1", "ghcr.io/acme/web:v1");
}

#[test]
fn what_is_refused() {
    let check = |text: String, part: &str| {
        let (_, refusals) = Policies::load_partly("p.yaml", &documents(&text));
        let said = refusals.first().map(ToString::to_string).unwrap_or_default();
        assert!(said.contains(part), "{text}\n{said}");
    };
    let signed = policy(SIGNED);
    check(
        signed.replace("attestors:", "atestors:"),
        "the field atestors is not known",
    );
    check(
        signed.replace("glob: 'ghcr.io/*'", "glob: '[a'"),
        "a bracket is not closed",
    );
    check(
        signed.replace("glob: 'ghcr.io/*'", "glob: ''"),
        "the glob is empty",
    );
    check(
        signed.replace("glob: 'ghcr.io/*'", "expression: 'object'"),
        "there is no variable object",
    );
    check(
        signed
            .replace("cosign: {key: {data: good}}", "{}")
            .replace("{name: team, {}}", "{name: team}"),
        "exactly one of cosign, notary is needed here",
    );
    check(
        signed.replace("data: good", "dat: good"),
        "the field dat is not known",
    );
    check(
        signed.replace("value: bad", "value: bad, expression: 'a'"),
        "exactly one of value, expression",
    );
    check(
        signed.replace("referrer: {", "other: {"),
        "the field other is not known",
    );
    check(
        signed.replace("[attestors.team]", "[attestors.team"),
        "cannot read the expression",
    );
    check(
        format!("{signed}\n  matchConditions: [{{name: a, expression: 'images[\"a\"] == 0'}}]"),
        "there is no variable images",
    );
    check(
        format!("{signed}\n  validationConfigurations: {{mutateDigests: false}}"),
        "the field mutateDigests is not known",
    );
    check(
        format!("{signed}\n  validationActions: [Block]"),
        "none of Deny, Audit, Warn",
    );
    check(policy(""), "the field validations is missing");
}

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

/// What stands beside an entry, the image of a pod, and what is expected.
type Row<'a> = (&'a str, &'a str, Option<(Outcome, &'a str)>);

#[test]
fn classic_rules() {
    let entry = |more: &str| {
        classic(
            "Pod",
            &format!("      verifyImages: [{{imageReferences: ['ghcr.io/*', 'quay.io/*'], {more}}}]"),
        )
    };
    let pinned = format!("ghcr.io/acme/web@{DIGEST}");
    let image = "ghcr.io/acme/web:v1";
    let table: &[Row<'_>] = &[
        // Nothing is said of an object without such images.
        (TEAM, "docker.io/nginx:1", None),
        (
            TEAM,
            "ghcr.io/acme/web:signed",
            Some((
                Outcome::Pass,
                "verified image signatures for ghcr.io/acme/web:signed",
            )),
        ),
        (
            TEAM,
            image,
            Some((
                Outcome::Fail,
                "failed to verify image ghcr.io/acme/web:v1: no signature found",
            )),
        ),
        (
            TEAM,
            "ghcr.io/acme/web:unknown",
            Some((Outcome::Error, "who signed ghcr.io/acme/web:unknown")),
        ),
        // Without anybody who is to sign.
        (
            "mutateDigest: false",
            image,
            Some((Outcome::Fail, "unverified image ghcr.io/acme/web:v1")),
        ),
        (
            "mutateDigest: false, required: false",
            image,
            Some((Outcome::Fail, "missing digest for ghcr.io/acme/web:v1")),
        ),
        ("required: false", image, Some((Outcome::Pass, "image verified"))),
        (
            "required: false",
            &pinned,
            Some((Outcome::Pass, "image verified")),
        ),
        (
            "required: false",
            "quay.io/a:1",
            Some((Outcome::Error, "failed to update digest: what the registry says")),
        ),
        (
            "required: false, verifyDigest: false, mutateDigest: false",
            "quay.io/a:1",
            None,
        ),
        // What is skipped needs no signature, but a digest all the same.
        (
            "skipImageReferences: ['*web*'], mutateDigest: false",
            image,
            Some((Outcome::Fail, "missing digest")),
        ),
        (
            "skipImageReferences: ['*web*'], mutateDigest: false, verifyDigest: false",
            image,
            Some((
                Outcome::Skip,
                "image skipped, skipped images: ghcr.io/acme/web:v1",
            )),
        ),
        (
            "skipImageReferences: ['*web*']",
            image,
            Some((Outcome::Skip, "image skipped")),
        ),
        (
            "useCache: false, type: Cosign, required: false",
            &pinned,
            Some((Outcome::Pass, "")),
        ),
        // An image that cannot be read may be any.
        (
            TEAM,
            "ghcr.io/Acme",
            Some((
                Outcome::Error,
                "\"ghcr.io/Acme\" is not the reference of an image",
            )),
        ),
    ];
    for (more, image, expect) in table {
        check(&entry(more), pod(image), &Registry, *expect);
    }
    let notary = "type: Notary, attestors: [{entries: [{certificates: {cert: good}}]}]";
    check(
        &entry(notary),
        pod("ghcr.io/acme/web:signed"),
        &Registry,
        Some((Outcome::Pass, "")),
    );
}

#[test]
fn pod_controllers_of_classic_rules() {
    let text = classic(
        "Pod",
        &format!("      verifyImages: [{{imageReferences: ['*'], {TEAM}}}]"),
    )
    .replace(
        "autogen-controllers: none",
        "autogen-controllers: 'Deployment,CronJob'",
    );
    let spec = &pod("ghcr.io/acme/web:v1")["spec"];
    let metadata = json!({"name": "web", "namespace": "shop"});
    for (object, rule) in [
        (
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {"template": {"spec": spec}}}),
            "autogen-r",
        ),
        (
            json!({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata,
                   "spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}}),
            "autogen-cronjob-r",
        ),
    ] {
        let request = Request {
            facts: &Registry,
            ..Request::new(&object)
        };
        let verdicts = load(&text).evaluate(&request);
        let got: Vec<_> = verdicts
            .iter()
            .map(|verdict| (verdict.rule.as_str(), verdict.outcome))
            .collect();
        assert_eq!(got, [(rule, Outcome::Fail)]);
        // Its digest is written where the image stands.
        let signed: Value =
            serde_json::from_str(&object.to_string().replace(":v1\"", ":signed\"")).unwrap_or_default();
        let request = Request {
            facts: &Registry,
            ..Request::new(&signed)
        };
        let mutated = load(&text).mutate(&request).object.to_string();
        assert!(
            mutated.contains(&format!("ghcr.io/acme/web:signed@{DIGEST}")),
            "{mutated}"
        );
    }
}

#[test]
fn what_is_attested() {
    let rule = |conditions: &str, more: &str| {
        classic(
            "Pod",
            &format!(
                "
      verifyImages:
        - imageReferences: ['*']
          {TEAM}
          attestations:
            - {{name: bill, type: sbom/cyclone-dx, conditions: [{conditions}]}}
{more}"
            ),
        )
    };
    let by = |who: &str| {
        format!("{{all: [{{key: '{{{{ by }}}}', operator: Equals, value: {who}, message: not the one}}]}}")
    };
    let object = || pod("ghcr.io/acme/web:signed");
    check(
        &rule(&by("ci"), ""),
        object(),
        &Registry,
        Some((Outcome::Pass, "verified image signatures")),
    );
    check(
        &rule(&by("me"), ""),
        object(),
        &Registry,
        Some((
            Outcome::Fail,
            "attestation checks failed for ghcr.io/acme/web:signed and predicate sbom/cyclone-dx: not the one",
        )),
    );
    check(
        &rule(&by("ci").replace("by }}", "other }}"), ""),
        object(),
        &Registry,
        Some((Outcome::Error, "failed to check attestations")),
    );
    check(
        &rule(&by("ci"), "").replace("type: sbom/cyclone-dx", "type: other"),
        object(),
        &Registry,
        Some((
            Outcome::Error,
            "what the attestation other says of ghcr.io/acme/web:signed is not known here",
        )),
    );
    let deny = |who: &str| {
        format!(
            "          validate: {{message: 'made by {{{{ bill.by }}}}', deny: {{conditions: {{any: [{{key: '{{{{ bill.by }}}}', operator: Equals, value: {who}}}]}}}}}}"
        )
    };
    check(
        &rule("", &deny("me")),
        object(),
        &Registry,
        Some((Outcome::Pass, "")),
    );
    check(
        &rule("", &deny("ci")),
        object(),
        &Registry,
        Some((Outcome::Fail, "validation in verifyImages failed: made by ci")),
    );
}

#[test]
fn images_elsewhere() {
    let rule = |extractor: &str| {
        classic(
            "Task",
            &format!(
                "      imageExtractors: {{Task: [{extractor}]}}
      verifyImages: [{{imageReferences: ['*'], mutateDigest: false, verifyDigest: false, {TEAM}}}]"
            ),
        )
    };
    let task = |image: &str| {
        json!({
            "apiVersion": "tekton.dev/v1", "kind": "Task", "metadata": {"name": "build"},
            "spec": {"steps": [{"name": "a", "image": image}]},
        })
    };
    let steps = "{path: '/spec/steps/*/image'}";
    check(
        &rule(steps),
        task("ghcr.io/a:signed"),
        &Registry,
        Some((Outcome::Pass, "ghcr.io/a:signed")),
    );
    check(
        &rule(steps),
        task("ghcr.io/a:v1"),
        &Registry,
        Some((Outcome::Fail, "no signature found")),
    );
    check(
        &rule(steps),
        task("A B"),
        &Registry,
        Some((Outcome::Error, "failed to extract images")),
    );
    check(
        &rule("{path: '/spec/none/*/image'}"),
        task("ghcr.io/a:v1"),
        &Registry,
        None,
    );
    let prefixed = "{path: '/spec/steps/*', value: image, key: name, name: steps, jmesPath: \"trim_prefix(@, 'docker://')\"}";
    check(
        &rule(prefixed),
        task("docker://ghcr.io/a:signed"),
        &Registry,
        Some((Outcome::Pass, "ghcr.io/a:signed")),
    );
    let refused = |text: String, part: &str| {
        let (_, refusals) = Policies::load_partly("p.yaml", &documents(&text));
        let said = refusals.first().map(ToString::to_string).unwrap_or_default();
        assert!(said.contains(part), "{text}\n{said}");
    };
    refused(
        rule(prefixed).replace("mutateDigest: false, ", ""),
        "with a jmesPath, mutateDigest must be false",
    );
    refused(
        classic(
            "Task",
            "      imageExtractors: {Task: [{path: /a}]}\n      validate: {pattern: {a: b}}",
        ),
        "imageExtractors stand beside verifyImages",
    );
}

#[test]
fn an_image_that_cannot_be_read() {
    let check = |image: &str, expect: [Outcome; 2]| {
        let text = classic(
            "Pod",
            "      validate:
        foreach:
          - list: images.containers.*
            deny: {conditions: {any: [{key: '{{ element.registry }}', operator: Equals, value: evil.io}]}}
    - name: other
      match: {any: [{resources: {kinds: [Pod]}}]}
      validate: {pattern: {metadata: {name: '?*'}}}",
        );
        let object = pod(image);
        let verdicts = load(&text).evaluate(&Request::new(&object));
        let got: Vec<Outcome> = verdicts.iter().map(|verdict| verdict.outcome).collect();
        assert_eq!(got, expect, "{verdicts:?}");
    };
    check("nginx", [Outcome::Pass, Outcome::Pass]);
    check("evil.io/foo", [Outcome::Fail, Outcome::Pass]);
    // It is an error to who asks for images, and no image fewer.
    for image in ["evil.io/Foo", "nginx:", "nginx@sha256:00", "a b", "a:1:2"] {
        check(image, [Outcome::Error, Outcome::Pass]);
    }
}

#[test]
fn images_without_end() {
    let mut object = pod("ghcr.io/acme/web:signed");
    let container =
        |index: usize| json!({"name": format!("c{index}"), "image": format!("ghcr.io/a{index}:signed")});
    object["spec"]["containers"] = (0..5_000).map(container).collect();
    let classic = classic(
        "Pod",
        &format!("      verifyImages: [{{imageReferences: ['*'], {TEAM}}}]"),
    );
    for text in [policy(SIGNED), classic] {
        check(
            &text,
            object.clone(),
            &Registry,
            Some((Outcome::Error, "more than 500 images")),
        );
    }
    let globs = vec!["{glob: '*a*b*c*d*e*{x,y}*'}"; 100].join(", ");
    let many = policy(SIGNED).replace("{glob: 'ghcr.io/*'}", &globs);
    let dear = Some((Outcome::Error, "costs too much on this object"));
    check(&many, object.clone(), &Registry, dear);
    let request = Request {
        facts: &Registry,
        ..Request::new(&object)
    };
    let mutated = load(&policy(SIGNED)).mutate(&request);
    let written = mutated.object.to_string().matches(DIGEST).count();
    assert!((1..=500).contains(&written), "{written}");
}
