//! Rules that verify images (`verifyImages`).

use guardrails::Outcome;
use serde_json::{Value, json};

use super::support::{load, pod, refused};
use super::{DIGEST, IMAGE, SIGNED_IMAGE, TEAM, asked, check, classic, errs, fails, passes, skips};

#[test]
fn classic_rules() {
    let entry = |more: &str| {
        classic(
            "Pod",
            &format!("      verifyImages: [{{imageReferences: ['ghcr.io/*', 'quay.io/*'], {more}}}]"),
        )
    };
    let pinned = format!("ghcr.io/acme/web@{DIGEST}");
    let table = [
        // Nothing is said of an object without such images.
        (TEAM, "docker.io/nginx:1", None),
        (
            TEAM,
            SIGNED_IMAGE,
            passes("verified image signatures for ghcr.io/acme/web:signed"),
        ),
        (
            TEAM,
            IMAGE,
            fails("failed to verify image ghcr.io/acme/web:v1: no signature found"),
        ),
        (
            TEAM,
            "ghcr.io/acme/web:unknown",
            errs("who signed ghcr.io/acme/web:unknown"),
        ),
        // Without anybody who is to sign.
        (
            "mutateDigest: false",
            IMAGE,
            fails("unverified image ghcr.io/acme/web:v1"),
        ),
        (
            "mutateDigest: false, required: false",
            IMAGE,
            fails("missing digest for ghcr.io/acme/web:v1"),
        ),
        ("required: false", IMAGE, passes("image verified")),
        ("required: false", &pinned, passes("image verified")),
        (
            "required: false",
            "quay.io/a:1",
            errs("failed to update digest: what the registry says"),
        ),
        (
            "required: false, verifyDigest: false, mutateDigest: false",
            "quay.io/a:1",
            None,
        ),
        // What is skipped needs no signature, but a digest all the same.
        (
            "skipImageReferences: ['*web*'], mutateDigest: false",
            IMAGE,
            fails("missing digest"),
        ),
        (
            "skipImageReferences: ['*web*'], mutateDigest: false, verifyDigest: false",
            IMAGE,
            skips("image skipped, skipped images: ghcr.io/acme/web:v1"),
        ),
        ("skipImageReferences: ['*web*']", IMAGE, skips("image skipped")),
        (
            "useCache: false, type: Cosign, required: false",
            &pinned,
            passes(""),
        ),
        // An image that cannot be read may be any.
        (
            TEAM,
            "ghcr.io/Acme",
            errs("\"ghcr.io/Acme\" is not the reference of an image"),
        ),
    ];
    for (more, image, expect) in table {
        check(&entry(more), pod(image), expect);
    }
    let notary = "type: Notary, attestors: [{entries: [{certificates: {cert: good}}]}]";
    check(&entry(notary), pod(SIGNED_IMAGE), passes(""));
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
    let spec = &pod(IMAGE)["spec"];
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
        let verdicts = load(&text).evaluate(&asked(&object));
        let got: Vec<_> = verdicts
            .iter()
            .map(|verdict| (verdict.about.rule.as_str(), verdict.outcome))
            .collect();
        assert_eq!(got, [(rule, Outcome::Fail)]);
        // Its digest is written where the image stands.
        let signed: Value =
            serde_json::from_str(&object.to_string().replace(":v1\"", ":signed\"")).unwrap_or_default();
        let mutated = load(&text).mutate(&asked(&signed)).object.to_string();
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
    let object = || pod(SIGNED_IMAGE);
    check(
        &rule(&by("ci"), ""),
        object(),
        passes("verified image signatures"),
    );
    check(
        &rule(&by("me"), ""),
        object(),
        fails(
            "attestation checks failed for ghcr.io/acme/web:signed and predicate sbom/cyclone-dx: not the one",
        ),
    );
    check(
        &rule(&by("ci").replace("by }}", "other }}"), ""),
        object(),
        errs("failed to check attestations"),
    );
    check(
        &rule(&by("ci"), "").replace("type: sbom/cyclone-dx", "type: other"),
        object(),
        errs("what the attestation other says of ghcr.io/acme/web:signed is not known here"),
    );
    let deny = |who: &str| {
        format!(
            "          validate: {{message: 'made by {{{{ bill.by }}}}', deny: {{conditions: {{any: [{{key: '{{{{ bill.by }}}}', operator: Equals, value: {who}}}]}}}}}}"
        )
    };
    check(&rule("", &deny("me")), object(), passes(""));
    check(
        &rule("", &deny("ci")),
        object(),
        fails("validation in verifyImages failed: made by ci"),
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
    check(&rule(steps), task("ghcr.io/a:signed"), passes("ghcr.io/a:signed"));
    check(&rule(steps), task("ghcr.io/a:v1"), fails("no signature found"));
    check(&rule(steps), task("A B"), errs("failed to extract images"));
    check(&rule("{path: '/spec/none/*/image'}"), task("ghcr.io/a:v1"), None);
    let prefixed = "{path: '/spec/steps/*', value: image, key: name, name: steps, jmesPath: \"trim_prefix(@, 'docker://')\"}";
    check(
        &rule(prefixed),
        task("docker://ghcr.io/a:signed"),
        passes("ghcr.io/a:signed"),
    );
    let changed = refused(&rule(prefixed).replace("mutateDigest: false, ", ""));
    assert!(
        changed
            .reason
            .contains("with a jmesPath, mutateDigest must be false"),
        "{changed}"
    );
    let idle = classic(
        "Task",
        "      imageExtractors: {Task: [{path: /a}]}\n      validate: {pattern: {a: b}}",
    );
    let idle = refused(&idle);
    assert!(
        idle.reason.contains("imageExtractors stand beside verifyImages"),
        "{idle}"
    );
}
