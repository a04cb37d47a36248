//! Every function of the libraries that Kubernetes and Kyverno document, with what theirs say.

mod any;
mod kubernetes;
mod kyverno;
mod standard;

use serde_json::{Value as Json, json};

use super::super::compile::{Names, Program};
use super::super::evaluate::Scope;
use super::super::inputs::Inputs;
use super::super::tests::expect;
use super::{Style, find};
use crate::budget::Budget;
use crate::facts::{Call, Callee, Facts, Unavailable};
use crate::matching::Subject;
use crate::request::Request;

struct World;

impl Facts for World {
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
        Program::compile(expression, Names::default()).map_err(|unreadable| unreadable.to_string())?;
    let object = json!({});
    let request = Request {
        facts: &World,
        ..Request::new(&object)
    };
    let subject = Subject::of(&object, request.namespace_labels, request.operation, "");
    let inputs = Inputs::new(&request, &subject, "");
    let budget = Budget::default();
    let scope = Scope::new(&budget, request.facts, &inputs);
    let value = scope.evaluate(&program).and_then(|value| value.to_json(&budget));
    value.map_err(|failure| failure.to_string())
}

/// As [`expect`] has it.
fn check(expression: &str, wanted: Json) {
    expect(expression, &ask(expression), wanted);
}

#[test]
fn every_documented_function_is_there() {
    // Kubernetes and CEL.
    for name in [
        "size",
        "int",
        "uint",
        "double",
        "string",
        "bytes",
        "bool",
        "dyn",
        "type",
        "timestamp",
        "duration",
        "matches",
        "strings.quote",
        "base64.encode",
        "base64.decode",
        "regex.replace",
        "regex.extract",
        "regex.extractAll",
        "lists.range",
        "sets.contains",
        "sets.equivalent",
        "sets.intersects",
        "math.greatest",
        "math.least",
        "math.ceil",
        "math.floor",
        "math.round",
        "math.trunc",
        "math.abs",
        "math.sign",
        "math.isInf",
        "math.isNaN",
        "math.isFinite",
        "math.bitAnd",
        "math.bitOr",
        "math.bitXor",
        "math.bitNot",
        "math.bitShiftLeft",
        "math.bitShiftRight",
        "math.sqrt",
        "url",
        "isURL",
        "ip",
        "isIP",
        "ip.isCanonical",
        "cidr",
        "isCIDR",
        "quantity",
        "isQuantity",
        "sign",
        "semver",
        "isSemver",
        "format.named",
        "format.dns1123Label",
        "format.dns1123Subdomain",
        "format.dns1035Label",
        "format.qualifiedName",
        "format.dns1123LabelPrefix",
        "format.dns1123SubdomainPrefix",
        "format.dns1035LabelPrefix",
        "format.labelValue",
        "format.uri",
        "format.uuid",
        "format.byte",
        "format.date",
        "format.datetime",
        "jsonpatch.escapeKey",
        "optional.of",
        "optional.ofNonZeroValue",
        "optional.none",
        "optional.unwrap",
    ] {
        assert!(find(name, Style::Plain).is_some(), "{name}");
    }
    // Kubernetes and CEL.
    for name in [
        "size",
        "getFullYear",
        "getMonth",
        "getDate",
        "getDayOfMonth",
        "getDayOfWeek",
        "getDayOfYear",
        "getHours",
        "getMinutes",
        "getSeconds",
        "getMilliseconds",
        "contains",
        "startsWith",
        "endsWith",
        "matches",
        "find",
        "findAll",
        "charAt",
        "indexOf",
        "lastIndexOf",
        "join",
        "lowerAscii",
        "upperAscii",
        "replace",
        "split",
        "substring",
        "trim",
        "reverse",
        "format",
        "isSorted",
        "sum",
        "min",
        "max",
        "includes",
        "slice",
        "flatten",
        "sort",
        "distinct",
        "first",
        "last",
        "getScheme",
        "getHost",
        "getHostname",
        "getPort",
        "getEscapedPath",
        "getQuery",
        "family",
        "isUnspecified",
        "isLoopback",
        "isLinkLocalMulticast",
        "isLinkLocalUnicast",
        "isGlobalUnicast",
        "containsIP",
        "containsCIDR",
        "ip",
        "masked",
        "prefixLength",
        "isInteger",
        "asInteger",
        "asApproximateFloat",
        "add",
        "sub",
        "isGreaterThan",
        "isLessThan",
        "compareTo",
        "major",
        "minor",
        "patch",
        "validate",
        "unwrapOpt",
        "hasValue",
        "value",
        "group",
        "resource",
        "subresource",
        "namespace",
        "name",
        "check",
        "path",
        "serviceAccount",
        "fieldSelector",
        "labelSelector",
        "allowed",
        "reason",
        "errored",
        "error",
    ] {
        assert!(find(name, Style::Method).is_some(), "{name}");
    }
    // Kyverno.
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
    // Kyverno.
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
