//! Policies of the kind ImageValidatingPolicy.

use guardrails::{Facts, Operation, Outcome, Request, Verdict};
use serde_json::json;

use super::support::{load, pod, refused};
use super::{DIGEST, IMAGE, Nobody, Registry, SIGNED, SIGNED_IMAGE};
use super::{asked, check, check_asking, errs, fails, passes, policy, skips};

#[test]
fn signatures() {
    let signed = policy(SIGNED);
    let pass = passes("success");
    check(&signed, pod(SIGNED_IMAGE), pass);
    check(&signed, pod(IMAGE), fails("nobody signed it"));
    // What the policy is not about needs no signature.
    check_asking(&Nobody, &signed, pod("docker.io/nginx:1"), pass);
    // Where nobody can say, that is an error which names the image.
    for facts in [&Registry as &dyn Facts, &Nobody] {
        let reason = "failed to evaluate policy: who signed ghcr.io/acme/web:unknown is not known here";
        check_asking(facts, &signed, pod("ghcr.io/acme/web:unknown"), errs(reason));
    }
    let other = SIGNED.replace("attestors.team", "attestors.other");
    check(&policy(&other), pod(SIGNED_IMAGE), fails("nobody signed it"));
    let both = SIGNED.replace("[attestors.team]", "[attestors.team, attestors.other]");
    check(&policy(&both.replace("e > 0", "e == 1")), pod(SIGNED_IMAGE), pass);
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
    let object = || pod(SIGNED_IMAGE);
    let format = "images.containers.all(i, extractPayload(i, attestations.sbom).bomFormat == 'CycloneDX')";
    check(&validations(format), object(), passes(""));
    let other = format.replace("CycloneDX", "SPDX");
    check(&validations(&other), object(), fails("it is CycloneDX"));
    check(
        &validations("'true' == extractPayload('ghcr.io/a', 'nope')"),
        object(),
        errs("attestation not found in policy: nope"),
    );
    check(
        &validations("'true' == extractPayload('ghcr.io/a', 'sbom')"),
        object(),
        errs("what the attestation sbom says of ghcr.io/a is not known here"),
    );
    check(
        &validations("getImageData(images.containers[0]).config.architecture == 'amd64'"),
        object(),
        passes(""),
    );
    let intoto = validations("true")
        .replace("referrer:", "intoto:")
        .replace("attestors.team", "attestors.other");
    check(&intoto, object(), errs("is no referrer"));
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
    let pinned = format!("{IMAGE}@{DIGEST}");
    let table = [
        // Somebody must have looked at every image, unless the policy says otherwise.
        ("", IMAGE, fails("no policy performed a signature")),
        ("required: false", IMAGE, passes("success")),
        (
            "required: false, mutateDigest: false",
            IMAGE,
            fails("does not have a digest"),
        ),
        ("required: false, mutateDigest: false", &pinned, passes("success")),
        (
            "required: false, mutateDigest: false, verifyDigest: false",
            IMAGE,
            passes("success"),
        ),
    ];
    for (settings, image, expect) in table {
        check(&plain(settings), pod(image), expect);
    }
    // What the registry does not know is not let through.
    let table: [(&str, &dyn Facts, &str); 3] = [
        (
            "required: false",
            &Nobody,
            "ghcr.io/acme/missing is not known here",
        ),
        ("required: false", &Registry, "ghcr.io/acme/missing is not there"),
        (
            "required: false, verifyDigest: false",
            &Nobody,
            "is not known here",
        ),
    ];
    for (settings, facts, message) in table {
        check_asking(
            facts,
            &plain(settings),
            pod("ghcr.io/acme/missing"),
            errs(message),
        );
    }
    let more_than_one = plain("").replace("size() < 2", "size() > 1");
    check_asking(
        &Nobody,
        &more_than_one,
        pod(IMAGE),
        fails("CEL expression validation failed at index 0"),
    );
}

#[test]
fn another_policy_may_verify() {
    let catch_all = policy("  validations: [{expression: 'true'}]").replace("name: signed", "name: all");
    let policies = load(&format!("{catch_all}\n---\n{}", policy(SIGNED)));
    for (image, expect) in [
        (SIGNED_IMAGE, [Outcome::Pass, Outcome::Pass]),
        (IMAGE, [Outcome::Fail, Outcome::Fail]),
    ] {
        let object = pod(image);
        let verdicts = policies.evaluate(&asked(&object));
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
    let pass = passes("success");
    let object = || pod(IMAGE);
    check(&counted("", 1), object(), pass);
    let by_expression = |expression: &str, count| {
        counted("", count).replace("glob: 'ghcr.io/*'", &format!("expression: \"{expression}\""))
    };
    check(&by_expression("ref.startsWith('ghcr.io/')", 1), object(), pass);
    let quay = by_expression("image(ref).registry() == 'quay.io'", 0);
    check_asking(&Nobody, &quay, object(), pass);
    check(
        &by_expression("image(ref + ' ').registry() == 'x'", 0),
        object(),
        errs("could not parse reference"),
    );
    // The policy's own images take the place of those of the containers.
    let own = "  images: [{name: containers, expression: \"['ghcr.io/a', 'ghcr.io/b', 'quay.io/c']\"}]";
    check(&counted(own, 2), object(), pass);
    check(
        &counted("  images: [{name: x, expression: '1'}]", 1),
        object(),
        errs("the images x are no list of texts"),
    );
    check(
        &counted("", 0),
        pod(&"a".repeat(5_000)),
        errs("more than 4096 characters"),
    );
    // A container without an image is an error, not an image fewer.
    let mut object = object();
    object["spec"]["initContainers"] = json!([{"name": "a"}]);
    check(
        &counted("", 1),
        object,
        errs("a container of /spec/initContainers has no image"),
    );
}

#[test]
fn pod_controllers() {
    let template = pod(IMAGE);
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"template": {"metadata": {}, "spec": template["spec"]}},
    });
    let cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"jobTemplate": {"spec": {"template": {"spec": template["spec"]}}}},
    });
    let unsigned = fails("nobody signed it");
    for object in [deployment.clone(), cron_job.clone()] {
        check(&policy(SIGNED), object, unsigned);
    }
    let only = format!("{SIGNED}\n  autogen: {{podControllers: {{controllers: [cronjobs]}}}}");
    check(&policy(&only), deployment, None);
    check(&policy(&only), cron_job, unsigned);
}

#[test]
fn policies_for_json() {
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
    check(
        json,
        json!({"foo": {"bar": "ghcr.io/a:v1"}}),
        fails("nobody signed it"),
    );
    check(json, json!({"foo": {"bar": "ghcr.io/a:signed"}}), passes(""));
    check(json, pod(IMAGE), None);
}

#[test]
fn policies_of_a_namespace() {
    let namespaced = |namespace: &str| {
        policy(SIGNED)
            .replace("kind: Image", "kind: NamespacedImage")
            .replace(
                "{name: signed}",
                &format!("{{name: signed, namespace: {namespace}}}"),
            )
    };
    check(&namespaced("shop"), pod(IMAGE), fails("nobody signed it"));
    check(&namespaced("else"), pod(IMAGE), None);
}

#[test]
fn a_policy_whose_conditions_are_not_met_says_nothing() {
    let when = |expression: &str, more: &str| {
        policy(&format!(
            "{SIGNED}\n  matchConditions: [{{name: a, expression: \"{expression}\"}}]\n{more}"
        ))
    };
    check(
        &when("object.metadata.name == 'web'", ""),
        pod(IMAGE),
        fails("nobody signed it"),
    );
    check(&when("object.metadata.name == 'x'", ""), pod(IMAGE), None);
    check(
        &when("object.metadata.x == 'x'", ""),
        pod(IMAGE),
        errs("no such key: x"),
    );
    check(
        &when("object.metadata.x == 'x'", "  failurePolicy: Ignore"),
        pod(IMAGE),
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
        pod(IMAGE),
        skips("rule is skipped due to policy exception: shop/old"),
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
    let object = || pod(SIGNED_IMAGE);
    check(&computed("'go' + 'od'"), object(), passes(""));
    check(
        &computed("object.metadata.name"),
        object(),
        fails("nobody signed it"),
    );
    for (expression, reason) in [("object.metadata.x", "no such key: x"), ("1", "it is a int")] {
        check(&computed(expression), object(), errs(reason));
    }
}

#[test]
fn digests_are_written() {
    let check = |text: &str, image: &str, expect: &str| {
        let object = pod(image);
        let mutated = load(text).mutate(&asked(&object));
        let got = &mutated.object["spec"]["containers"][0]["image"];
        assert_eq!(*got, expect, "{text}");
    };
    let signed = policy(SIGNED);
    let pinned = format!("ghcr.io/acme/web:v1@{DIGEST}");
    check(&signed, IMAGE, &pinned);
    check(&signed, &pinned, &pinned);
    check(&signed, "nginx", "nginx");
    check(&signed, "ghcr.io/acme/missing", "ghcr.io/acme/missing");
    let kept = format!("{SIGNED}\n  validationConfigurations: {{mutateDigest: false}}");
    check(&policy(&kept), IMAGE, IMAGE);
    // What the policy would not recognise with its digest keeps its tag.
    let exact = signed.replace("ghcr.io/*", IMAGE);
    check(&exact, IMAGE, IMAGE);
}

#[test]
fn what_is_refused() {
    let signed = policy(SIGNED);
    let check = |text: &str, part: &str| {
        let said = refused(text).reason;
        assert!(said.contains(part), "{text}\n{said}");
    };
    for (from, to, part) in [
        ("attestors:", "atestors:", "the field atestors is not known"),
        ("glob: 'ghcr.io/*'", "glob: '[a'", "a bracket is not closed"),
        ("glob: 'ghcr.io/*'", "glob: ''", "the glob is empty"),
        (
            "glob: 'ghcr.io/*'",
            "expression: 'object'",
            "there is no variable object",
        ),
        (
            ", cosign: {key: {data: good}}",
            "",
            "exactly one of cosign, notary is needed here",
        ),
        ("data: good", "dat: good", "the field dat is not known"),
        (
            "value: bad",
            "value: bad, expression: 'a'",
            "exactly one of value, expression",
        ),
        ("referrer: {", "other: {", "the field other is not known"),
        (
            "[attestors.team]",
            "[attestors.team",
            "cannot read the expression",
        ),
    ] {
        check(&signed.replace(from, to), part);
    }
    for (more, part) in [
        (
            "matchConditions: [{name: a, expression: 'images[\"a\"] == 0'}]",
            "there is no variable images",
        ),
        (
            "validationConfigurations: {mutateDigests: false}",
            "the field mutateDigests is not known",
        ),
        ("validationActions: [Block]", "none of Deny, Audit, Warn"),
    ] {
        check(&format!("{signed}\n  {more}"), part);
    }
    check(&policy(""), "the field validations is missing");
}
