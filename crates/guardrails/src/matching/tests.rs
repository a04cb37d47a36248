//! Which objects a `match` is about.

#![expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]

use std::collections::BTreeMap;

use super::*;
use crate::cursor::Origin;
use crate::request::Request;
use serde_json::{Value, json};

fn read(matcher: &Value) -> Result<Matcher, Refusal> {
    Matcher::read(&Cursor::root(Origin::named("test"), matcher))
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "api-1",
            "namespace": "shop-dev",
            "labels": {"app": "api", "tier": "web"},
            "annotations": {"owner.io/team": "shop"},
        },
    })
}

#[track_caller]
fn check(matcher: Value, expect: Match) {
    let object = deployment();
    let labels = BTreeMap::from([("environment".to_owned(), "dev".to_owned())]);
    let subject = Subject::of(&object, &labels, Operation::Create, "");
    assert_eq!(
        read(&matcher).expect("a matcher").matches(&subject),
        expect,
        "{matcher}"
    );
}

fn resources(resources: Value, expect: Match) {
    check(json!({"any": [{"resources": resources}]}), expect);
}

#[test]
fn criteria() {
    for (field, yes, no) in [
        ("kinds", json!(["Pod", "Deployment"]), json!(["Pod"])),
        (
            "kinds",
            json!(["apps/v1/Deployment"]),
            json!(["apps/v1beta1/Deployment"]),
        ),
        (
            "kinds",
            json!(["apps/*/Deployment"]),
            json!(["batch/*/Deployment"]),
        ),
        ("kinds", json!(["v1/Deployment"]), json!(["v2/Deployment"])),
        ("kinds", json!(["*"]), json!(["Deployment/scale"])),
        ("kinds", json!(["Deploy*"]), json!(["*/scale"])),
        ("kinds", json!(["*/*"]), json!(["deployment"])),
        ("name", json!("api-*"), json!("api")),
        ("names", json!(["x", "api-?"]), json!(["x"])),
        ("namespaces", json!(["shop-*"]), json!(["shop"])),
        (
            "annotations",
            json!({"owner.io/*": "shop"}),
            json!({"owner.io/*": "bank"}),
        ),
        (
            "selector",
            json!({"matchLabels": {"app": "api"}}),
            json!({"matchLabels": {"app": "web"}}),
        ),
        (
            "selector",
            json!({"matchLabels": {"a*": "a?i"}}),
            json!({"matchLabels": {"b*": "*"}}),
        ),
        (
            "selector",
            json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]}),
            json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}),
        ),
        (
            "selector",
            json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
            json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
        ),
        (
            "namespaceSelector",
            json!({"matchLabels": {"environment": "dev"}}),
            json!({"matchLabels": {"environment": "production"}}),
        ),
        ("operations", json!(["CREATE", "UPDATE"]), json!(["DELETE"])),
    ] {
        resources(json!({field: yes}), Match::Yes);
        resources(json!({field: no}), Match::No);
    }
}

#[test]
fn forms() {
    let yes = json!({"resources": {"kinds": ["Deployment"]}});
    let no = json!({"resources": {"kinds": ["Pod"]}});
    check(yes.clone(), Match::Yes);
    check(no.clone(), Match::No);
    check(json!({"any": [no, yes]}), Match::Yes);
    check(json!({"all": [no, yes]}), Match::No);
    check(
        json!({"all": [yes, {"resources": {"namespaces": ["shop-dev"]}}]}),
        Match::Yes,
    );
    // Criteria of one block must all hold.
    check(
        json!({"resources": {"kinds": ["Deployment"], "names": ["other"]}}),
        Match::No,
    );
}

#[test]
fn subjects_depend_on_who_asks() {
    let user = json!([{"kind": "User", "name": "dana"}]);
    check(json!({"any": [{"subjects": user}]}), Match::DependsOnUser);
    check(
        json!({"any": [{"resources": {"kinds": ["Pod"]}, "subjects": user}]}),
        Match::No,
    );
    check(
        json!({"any": [{"clusterRoles": ["cluster-admin"]}, {"resources": {"kinds": ["Deployment"]}}]}),
        Match::Yes,
    );
    check(
        json!({"all": [{"clusterRoles": ["cluster-admin"]}, {"resources": {"kinds": ["Deployment"]}}]}),
        Match::DependsOnUser,
    );
    check(
        json!({"all": [{"roles": ["a"]}, {"resources": {"kinds": ["Pod"]}}]}),
        Match::No,
    );
}

#[test]
fn who_asks() {
    let user = User {
        name: "system:serviceaccount:shop:deployer".to_owned(),
        groups: vec!["system:authenticated".to_owned(), "team-a".to_owned()],
        roles: vec!["shop:edit".to_owned()],
        cluster_roles: vec!["view".to_owned()],
        ..User::default()
    };
    let nobody = User::default();
    let object = deployment();
    let labels = BTreeMap::new();
    let check = |users: Value, expect: Match, excluded_by_nobody: Match| {
        let mut block = users;
        block["resources"] = json!({"kinds": ["Deployment"]});
        let matcher = read(&json!({"any": [block]})).expect("a matcher");
        let mut request = Request::new(&object);
        request.user = Some(&user);
        let subject = || Subject::of(&object, &labels, Operation::Create, "");
        assert_eq!(
            matcher.matches(&subject().asked_in(&request)),
            expect,
            "{matcher:?}"
        );
        assert_eq!(
            matcher.excludes(&subject().asked_in(&request)),
            expect,
            "{matcher:?}"
        );
        assert_eq!(matcher.matches(&subject()), Match::DependsOnUser);
        request.user = Some(&nobody);
        assert_eq!(matcher.matches(&subject().asked_in(&request)), Match::Yes);
        assert_eq!(
            matcher.excludes(&subject().asked_in(&request)),
            excluded_by_nobody
        );
    };
    let (yes, no) = (Match::Yes, Match::No);
    let subject = |kind: &str, name: &str| json!({"subjects": [{"kind": kind, "name": name}]});
    check(
        json!({"subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "dep*"}]}),
        yes,
        no,
    );
    check(
        json!({"subjects": [{"kind": "ServiceAccount", "namespace": "bank", "name": "deployer"}]}),
        no,
        no,
    );
    check(subject("User", "system:serviceaccount:shop:*"), yes, no);
    check(subject("User", "deployer"), no, no);
    check(subject("User", "*"), yes, yes);
    check(subject("Group", "team-?"), yes, no);
    check(subject("Group", "team-b"), no, no);
    check(json!({"roles": ["shop:edit", "x"]}), yes, no);
    check(json!({"roles": ["edit"]}), no, no);
    check(json!({"clusterRoles": ["view"]}), yes, no);
    check(json!({"clusterRoles": ["view"], "roles": ["x"]}), no, no);
    check(json!({"clusterRoles": ["admin"]}), no, no);
}

#[test]
fn what_is_beneath_an_object() {
    let scale =
        json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a", "namespace": "n"}});
    let mut request = Request::new(&scale);
    (request.subresource, request.parent) = ("scale", Some(("apps/v1", "Deployment")));
    let none = BTreeMap::new();
    let check = |kind: &str, expect: Match| {
        let subject = Subject::of(&scale, &none, Operation::Update, "scale").asked_in(&request);
        let matcher = read(&json!({"resources": {"kinds": [kind]}})).expect("read");
        assert_eq!(matcher.matches(&subject), expect, "{kind}");
    };
    check("Deployment/scale", Match::Yes);
    check("apps/v1/Deployment/scale", Match::Yes);
    check("*/scale", Match::Yes);
    check("StatefulSet/scale", Match::No);
    check("Deployment", Match::No);
    check("Scale", Match::No);
}

#[test]
fn a_namespace_is_matched_by_its_own_name() {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop-dev"}});
    let labels = BTreeMap::from([("environment".to_owned(), "dev".to_owned())]);
    let subject = Subject::of(&object, &labels, Operation::Create, "");
    let matches = |resources: Value| {
        read(&json!({"resources": resources}))
            .expect("read")
            .matches(&subject)
    };
    assert_eq!(matches(json!({"namespaces": ["shop-*"]})), Match::Yes);
    assert_eq!(
        matches(json!({"namespaceSelector": {"matchLabels": {"environment": "dev"}}})),
        Match::No
    );
}

#[test]
fn subresources() {
    let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
    let none = BTreeMap::new();
    let check = |kind: &str, subresource: &str, expect: Match| {
        let subject = Subject::of(&object, &none, Operation::Connect, subresource);
        let matcher = read(&json!({"resources": {"kinds": [kind]}})).expect("read");
        assert_eq!(matcher.matches(&subject), expect, "{kind} on {subresource:?}");
    };
    check("Pod/exec", "exec", Match::Yes);
    check("Pod.exec", "exec", Match::Yes);
    check("v1/Pod/exec", "exec", Match::Yes);
    check("Pod/*", "exec", Match::Yes);
    check("*/exec", "exec", Match::Yes);
    check("*/*", "exec", Match::Yes);
    check("Pod", "exec", Match::No);
    check("Pod/exec", "", Match::No);
    check("Pod", "ephemeralcontainers", Match::Yes);
}

#[test]
fn what_cannot_be_read() {
    for matcher in [
        json!({"any": [{"resources": {"kinds": ["Pod"], "knids": []}}]}),
        json!({"any": [{}]}),
        json!({"any": [{"resources": {"kinds": ["Pod"]}}], "all": [{"resources": {"kinds": ["Pod"]}}]}),
        json!({"any": [{"resources": {"kinds": ["Pod"]}}], "resources": {"kinds": ["Pod"]}}),
        json!({"resources": {"kinds": "Pod"}}),
        json!({"resources": {"kinds": ["a//b"]}}),
        json!({"resources": {"operations": ["create"]}}),
        json!({"subjects": [{"kind": "Team", "name": "a"}]}),
        json!({"subjects": [{"kind": "User"}]}),
        json!({"roles": "a"}),
        json!({"resources": {"selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}}),
        json!({"resources": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}),
        json!([]),
    ] {
        assert!(read(&matcher).is_err(), "{matcher}");
    }
}
