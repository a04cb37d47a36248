//! Every function of the libraries that Kyverno documents, with what theirs say.

mod any;
mod kyverno;

use ::cel::budget::Budget;
use ::cel::{Program, Scope, Style};
use serde_json::{Value as Json, json};

use super::find;
use crate::cel::inputs::Inputs;
use crate::cel::world::{World, names};
use crate::facts::{Call, Callee, Facts, Unavailable};
use crate::matching::Subject;
use crate::request::Request;

struct Outside;

impl Facts for Outside {
    fn call(&self, call: &Call) -> Result<Json, Unavailable> {
        let Callee::Service {
            url,
            ca_bundle,
            headers,
        } = &call.to
        else {
            return Err(Unavailable::Unknown(call.to_string()));
        };
        match url.as_str() {
            "https://a.example/object" => Ok(json!({"allowed": true, "statusCode": 7})),
            "https://a.example/list" => Ok(json!([1, 2])),
            "https://a.example/body" => Ok(json!({"body": {"a": 1}})),
            "https://a.example/echo" => Ok(json!({"data": call.data, "ca": ca_bundle, "headers": headers})),
            "https://a.example/down" => Err(Unavailable::Failed("it is down".to_owned())),
            _ => Err(Unavailable::Missing(url.clone())),
        }
    }

    fn random(&self) -> Option<u64> {
        Some(42)
    }
}

fn ask(expression: &str) -> Result<Json, String> {
    let program =
        Program::compile(expression, names(&[], &[])).map_err(|unreadable| unreadable.to_string())?;
    let object = json!({});
    let request = Request {
        facts: &Outside,
        ..Request::new(&object)
    };
    let subject = Subject::of(&object, request.namespace_labels, request.operation, "");
    let inputs = Inputs::new(&request, &subject, "");
    let budget = Budget::default();
    let world = World::new(request.facts, &inputs);
    let scope = Scope::new(&budget, &world);
    let value = scope.evaluate(&program).and_then(|value| value.to_json(&budget));
    value.map_err(|failure| failure.to_string())
}

/// `expect` is the value as JSON; a text that begins with `!` is a part of the error.
fn check(expression: &str, expect: Json) {
    let got = ask(expression);
    match (&got, expect.as_str().and_then(|text| text.strip_prefix('!'))) {
        (Err(reason), Some(part)) => assert!(reason.contains(part), "{expression}: {reason}"),
        (_, None) => assert_eq!(got, Ok(expect), "{expression}"),
        (Ok(value), Some(_)) => panic!("{expression} is {value}, an error was expected"),
    }
}

#[test]
fn every_documented_function_is_there() {
    for name in [
        "resource.Get",
        "resource.List",
        "resource.Post",
        "resource.ToGVR",
        "resource.get",
        "resource.list",
        "resource.post",
        "resource.toGVR",
        "globalContext.Get",
        "globalContext.get",
        "http.Get",
        "http.Post",
        "http.Client",
        "http.get",
        "http.post",
        "http.client",
        "image.GetMetadata",
        "image.getMetadata",
        "image",
        "isImage",
        "parseImageReference",
        "generator.Apply",
        "generator.apply",
        "parseServiceAccount",
        "user.parseServiceAccount",
        "json.unmarshal",
        "json.marshal",
        "yaml.parse",
        "sha1",
        "sha256",
        "md5",
        "hash.sha1",
        "hash.sha256",
        "hash.md5",
        "listObjToMap",
        "transform.listObjToMap",
        "time.now",
        "time.truncate",
        "time.toCron",
        "random",
        "random.random",
        "x509.decode",
        "gzip.compress",
        "gzip.decompress",
    ] {
        assert!(find(name, Style::Plain).is_some(), "{name}");
    }
    for name in [
        "containsDigest",
        "registry",
        "repository",
        "identifier",
        "tag",
        "digest",
    ] {
        assert!(find(name, Style::Method).is_some(), "{name}");
    }
}
