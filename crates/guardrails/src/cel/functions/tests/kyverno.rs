//! What Kyverno adds: digests, packed texts, certificates, services, chance.

use serde_json::{Value as Json, json};

use super::check;

#[test]
fn values_of_values() {
    check(
        "[sha1('a'), hash.sha1('a')]",
        json!([
            "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8",
            "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"
        ]),
    );
    check(
        "[sha256('a'), hash.sha256('a')]",
        json!([
            "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb",
            "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
        ]),
    );
    check(
        "[md5('a'), hash.md5('')]",
        json!([
            "0cc175b9c0f1b6a831c399e269772661",
            "d41d8cd98f00b204e9800998ecf8427e"
        ]),
    );
    check(
        "gzip.decompress(base64.decode('H4sIADP4umkAA8uuLEstyssHAOgPnDMHAAAA'))",
        json!("kyverno"),
    );
    check("gzip.decompress(gzip.compress('héllo'))", json!("héllo"));
    check("gzip.decompress(b'abc')", json!("!"));
    check("gzip.compress(1)", json!("!"));
    check("x509.decode('x')", json!("!"));
}

#[test]
fn times() {
    check(
        "string(time.truncate(timestamp('2026-11-21T10:30:45Z'), duration('1h')))",
        json!("2026-11-21T10:00:00Z"),
    );
    check(
        "time.toCron(timestamp('2026-11-21T10:30:45Z'))",
        json!("30 10 21 11 6"),
    );
}

/// As Kyverno's: the fields of an object are at hand, and all that was answered is the body.
#[test]
fn services() {
    check("http.Get('https://a.example/object').allowed", json!(true));
    check(
        "http.get('https://a.example/object').body",
        json!({"allowed": true, "statusCode": 7}),
    );
    check("http.Get('https://a.example/object').statusCode", json!(200));
    check(
        "http.Get('https://a.example/list')",
        json!({"body": [1, 2], "statusCode": 200}),
    );
    check("http.Get('https://a.example/body').body.a", json!(1));
    check(
        "http.Get('https://a.example/none')",
        json!({"body": null, "statusCode": 404}),
    );
    check(
        "http.Get('https://a.example/down').statusCode",
        json!("!it is down"),
    );
    check(
        "http.Client('pem').Post('https://a.example/echo', {'x': 1}, {'h': 'v'}).body",
        json!({"data": {"x": 1}, "ca": "pem", "headers": [["h", "v"]]}),
    );
    check("http.Post('https://a.example/echo', [1]).body.data", json!([1]));
    check(
        "http.Get('https://a.example/list', {'a': 1})",
        json!("!no such overload"),
    );
    check("http.Get()", json!("!no such overload"));
}

#[test]
fn chance() {
    check(
        "random().matches('^[0-9a-z]{8}$') && random.random('[A-F]{3}-[0-9]+').matches('^[A-F]{3}-[0-9]+$')",
        json!(true),
    );
    check("random('(')", json!("!regular expression"));
    check("random('')", json!("!needs a pattern"));
    check("random('(a{1000}){1000}')", json!("!"));
}

/// Whatever is packed, unpacking it is paid for.
#[test]
fn packed_texts_that_grow() {
    let bomb = {
        use base64::Engine as _;
        use std::io::Write as _;
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..1000 {
            packed.write_all(&vec![b'a'; 100_000]).expect("packed");
        }
        base64::engine::general_purpose::STANDARD.encode(packed.finish().expect("packed"))
    };
    let program = format!("gzip.decompress(base64.decode('{}')).size()", &bomb[..90_000]);
    check(&program, json!("!costs too much"));
}

/// Fewer fields than in JMESPath, and numbers that are doubles.
#[test]
fn certificates() {
    let pem = include_str!("../../../../tests/fixtures/certificate.pem").replace('\n', "\\n");
    let check = |expression: &str, expect: Json| {
        check(
            &format!("cel.bind(c, x509.decode('{pem}'), {expression})"),
            expect,
        );
    };
    check("c.DNSNames", json!(["shop.example"]));
    check(
        "c.KeyUsage == 5 && type(c.KeyUsage) == double && c.PublicKey.E == 65537",
        json!(true),
    );
    check("c.Issuer.CommonName", json!("shop.example"));
    check(
        "[has(c.Subject), has(c.URIs), has(c.Version), has(c.SignatureAlgorithm)]",
        json!([false, false, false, false]),
    );
}

#[test]
fn images_accounts_and_texts() {
    check(
        "image('nginx').registry() + '/' + image('nginx').repository() + ':' + image('nginx').tag()",
        json!("index.docker.io/library/nginx:latest"),
    );
    check("image('ghcr.io/acme/log:1').repository()", json!("acme/log"));
    check(
        "image('ghcr.io/acme/log@sha256:0000000000000000000000000000000000000000000000000000000000000000').containsDigest() && !isImage('NGINX') && isImage('localhost:5000/a/b:c')",
        json!(true),
    );
    check(
        "parseServiceAccount('system:serviceaccount:shop:deployer').Name",
        json!("deployer"),
    );
    check("parseServiceAccount('alice').Namespace", json!(""));
    check(
        "json.unmarshal('{\"a\": [1]}').a[0] + yaml.parse('b: 2').b",
        json!(3),
    );
    check("json.marshal({'a': [1, null]})", json!("{\"a\":[1,null]}"));
    check(
        "sha256('abc') == hash.sha256('abc') && sha256('').startsWith('e3b0c442')",
        json!(true),
    );
    check(
        "listObjToMap([{'k': 'a'}], [{'v': 1}], 'k', 'v')",
        json!({"a": 1}),
    );
    check(
        "resource.Get('v1', 'configmaps', 'shop', 'regions')",
        json!("!/api/v1/namespaces/shop/configmaps/regions"),
    );
    check(
        "resource.List('apps/v1', 'deployments', 'shop', {'app': 'a'})",
        json!("!deployments?labelSelector=app%3Da"),
    );
    check(
        "resource.Get('v1', 'configmaps', 'shop', '../../secrets/x')",
        json!("!no name in the API"),
    );
    check("globalContext.Get('regions', '')", json!("!regions"));
    check("image.GetMetadata('nginx')", json!("!nginx"));
    check("json.unmarshal('{')", json!("!no JSON"));
}

#[test]
fn what_is_not_known_is_no_value() {
    check("true || time.now() == timestamp(0)", json!(true));
    check("false || time.now() == timestamp(0)", json!("!not known here"));
    check("time.now()", json!("!the time is not known here"));
}

/// What is read from a text and written into one is paid for as any other value is.
#[test]
fn texts_written_to_cost() {
    let mut laughs = "['lol']".to_owned();
    for level in 0..40 {
        laughs = format!("cel.bind(x{level}, {laughs}, [x{level}, x{level}, x{level}, x{level}])");
    }
    check(&format!("json.marshal({laughs})"), json!("!costs too much"));
    check("json.unmarshal('[[[[[[[[[[' + ']]]]]]]]]]').size()", json!(1));
    let deep = format!("json.unmarshal('{}{}')", "[".repeat(400), "]".repeat(400));
    check(&deep, json!("!"));
}
