//! Images that cannot be read, and more of them than anybody has.

use guardrails::{Outcome, Request};
use serde_json::json;

use super::support::{load, pod};
use super::{DIGEST, SIGNED, SIGNED_IMAGE, TEAM, asked, check, classic, errs, policy};

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
    let mut object = pod(SIGNED_IMAGE);
    let container =
        |index: usize| json!({"name": format!("c{index}"), "image": format!("ghcr.io/a{index}:signed")});
    object["spec"]["containers"] = (0..5_000).map(container).collect();
    let classic = classic(
        "Pod",
        &format!("      verifyImages: [{{imageReferences: ['*'], {TEAM}}}]"),
    );
    for text in [policy(SIGNED), classic] {
        check(&text, object.clone(), errs("more than 500 images"));
    }
    let globs = vec!["{glob: '*a*b*c*d*e*{x,y}*'}"; 100].join(", ");
    let many = policy(SIGNED).replace("{glob: 'ghcr.io/*'}", &globs);
    let dear = errs("costs too much on this object");
    check(&many, object.clone(), dear);
    let mutated = load(&policy(SIGNED)).mutate(&asked(&object));
    let written = mutated.object.to_string().matches(DIGEST).count();
    assert!((1..=500).contains(&written), "{written}");
}
