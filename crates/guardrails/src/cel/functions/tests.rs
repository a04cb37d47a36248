//! Every function of the libraries that Kubernetes and Kyverno document, with what theirs say.

use serde_json::{Value as Json, json};

use super::super::compile::{Names, Program};
use super::super::evaluate::Scope;
use super::super::inputs::Inputs;
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
    for name in super::kubernetes::FORMATS {
        assert!(find(&format!("format.{name}"), Style::Plain).is_some(), "{name}");
    }
}

#[test]
fn texts() {
    check("'abc'.charAt(1)", json!("b"));
    check("'abc'.charAt(3)", json!(""));
    check("'abc'.charAt(4)", json!("!"));
    check("'abc'.indexOf('c')", json!(2));
    check("'abc'.indexOf('', 3)", json!(3));
    check("'abc'.indexOf('c', 4)", json!(-1));
    check("'abcabc'.lastIndexOf('c', 4)", json!(2));
    check("'abcabc'.lastIndexOf('c', 6)", json!(-1));
    check("'abcabc'.lastIndexOf('x', -1)", json!("!"));
    check("['a', 'b'].join('-')", json!("a-b"));
    check("'TacoCÆt'.lowerAscii()", json!("tacocÆt"));
    check("'TacoCÆt Xii'.upperAscii()", json!("TACOCÆT XII"));
    check("'hello hello'.replace('he', 'we', 1)", json!("wello hello"));
    check("'hello hello'.replace('', '_', 2)", json!("_h_ello hello"));
    check(
        "'hello hello hello'.split(' ', 2)",
        json!(["hello", "hello hello"]),
    );
    check("'hello hello hello'.split(' ', 0)", json!([]));
    check("'tacocat'.substring(0, 4)", json!("taco"));
    check("'tacocat'.substring(2, 1)", json!("!"));
    check(r"'  trim\n '.trim()", json!("trim"));
    check("'gums'.reverse()", json!("smug"));
    check(r#"strings.quote('a "b"\n')"#, json!("\"a \\\"b\\\"\\n\""));
    check(
        "'%s %d %f %.3f %e %b %o %x %X %%'.format(['a', 1, 2.5, 2.0, 1234.5, 5, 8, 255, 'hello'])",
        json!("a 1 2.500000 2.000 1.234500e+03 101 10 ff 68656C6C6F %"),
    );
    check(
        "'%s'.format([{'a': 1, 'b': [1, 2.5, 'x', null, true]}])",
        json!("{a: 1, b: [1, 2.5, x, null, true]}"),
    );
    check(
        "'%s %s'.format([duration('1h30m'), timestamp('2026-01-02T03:04:05.678Z')])",
        json!("5400s 2026-01-02T03:04:05.678Z"),
    );
    check(
        "'%s %d'.format([1e21, 1e-7])",
        json!("1000000000000000000000 0.0000001"),
    );
    check(
        "'%.2f %e'.format([1.0 / 0.0, -1.0 / 0.0])",
        json!("Infinity -Infinity"),
    );
    check("'%d'.format(['a'])", json!("!"));
    check("'%'.format([1])", json!("!"));
    check("'%a'.format([1])", json!("!"));
    check("base64.encode(b'hello')", json!("aGVsbG8="));
    check(r"base64.decode('aGVs\nbG8=')", json!("aGVsbG8="));
    check("base64.decode('aGVsbG8 ')", json!("!"));
    check("'abc'.matches('^[a-z]+$')", json!(true));
    check(r"'١٢'.matches('^\\d+$')", json!(false));
    check(r"'é'.matches('^\\w$')", json!(false));
    check("'123 abc 456'.find('[0-9]+')", json!("123"));
    check("'123 abc 456'.findAll('[0-9]+', 1)", json!(["123"]));
    check(
        r"regex.replace('foo bar', '(fo)o (ba)r', r'\2 \1')",
        json!("ba fo"),
    );
    check("regex.replace('banana', 'a', 'x', 2)", json!("bxnxna"));
    check(r"regex.replace('test', '(.)', r'\2')", json!("!"));
    check(
        r"regex.extract('item-A, item-B', r'item-(\w+)').value()",
        json!("A"),
    );
    check(
        r"regex.extractAll('id:123, id:456', r'id:(\d+)')",
        json!(["123", "456"]),
    );
    check(
        "[string(1000000.0), string(123456.5), string(0.00001), string(1e100)]",
        json!(["1e+06", "123456.5", "1e-05", "1e+100"]),
    );
}

#[test]
fn lists() {
    check(
        "[1, 2, 3].isSorted() && ![3, 1].isSorted() && [].isSorted()",
        json!(true),
    );
    check("[1, 2, 3].sum() + [1, 2].min() + [1, 2].max()", json!(9));
    check("[duration('1s'), duration('2s')].sum()", json!("3s"));
    check("[].max()", json!("!"));
    check("[1, 2, 2].indexOf(2) + [1, 2, 2].lastIndexOf(2)", json!(3));
    check("[1, 2, 3, 4].slice(1, 3)", json!([2, 3]));
    check("[1, 2, 3, 4].slice(3, 1)", json!("!"));
    check("[[1], [2, 3]].flatten()", json!([1, 2, 3]));
    check("[[1]].flatten(-1)", json!("!"));
    check("lists.range(3)", json!([0, 1, 2]));
    check("[3, 1, 2].sort()", json!([1, 2, 3]));
    check("[{'a': 2}, {'a': 1}].sortBy(x, x.a)", json!([{"a": 1}, {"a": 2}]));
    check("[1, 2, 2, 1].distinct()", json!([1, 2]));
    check("[1, 2].reverse()", json!([2, 1]));
    check("[1, 2].first().value() + [1, 2].last().value()", json!(3));
    check("[].first().hasValue()", json!(false));
    check(
        "sets.contains([1, 2], [1]) && sets.contains([1], []) && !sets.contains([], [1])",
        json!(true),
    );
    check(
        "sets.equivalent([1], [1, 1]) && !sets.equivalent([1, 2], [1])",
        json!(true),
    );
    check(
        "sets.intersects([1], [1, 2]) && !sets.intersects([1], [])",
        json!(true),
    );
}

#[test]
fn numbers() {
    check("[math.greatest(1, 2, 3), math.least(-1, 1)]", json!([3, -1]));
    check(
        "[math.ceil(1.2), math.floor(-1.2), math.round(-1.5), math.round(2.5), math.trunc(-1.9)]",
        json!([2.0, -2.0, -2.0, 3.0, -1.0]),
    );
    check(
        "[math.round(1.256, 2), math.round(125.0, -1)]",
        json!([1.26, 130.0]),
    );
    check("[math.abs(-1), math.sign(-5), math.sign(0)]", json!([1, -1, 0]));
    check(
        "math.isInf(1.0 / 0.0) && math.isNaN(0.0 / 0.0) && math.isFinite(1.0) && !math.isFinite(1.0 / 0.0)",
        json!(true),
    );
    check(
        "[math.bitAnd(3, 2), math.bitOr(1, 2), math.bitXor(3, 1), math.bitNot(1)]",
        json!([2, 3, 2, -2]),
    );
    check(
        "[math.bitShiftLeft(1, 2), math.bitShiftLeft(1, 64), math.bitShiftRight(-1, 64)]",
        json!([4, 0, 0]),
    );
    check("math.bitShiftLeft(1, -1)", json!("!"));
    check("[math.sqrt(81), math.sqrt(2.25)]", json!([9.0, 1.5]));
    check(
        "[int(9223372036854774784.0), int(-0.9), int(1.9)]",
        json!([9_223_372_036_854_774_784_i64, 0, 1]),
    );
    check("uint(-0.5)", json!("!"));
    check("int(1e19)", json!("!"));
}

#[test]
fn urls() {
    check(
        "url('https://user:pass@a.example:80/p%20x?q=1&q=2&r#frag').getScheme()",
        json!("https"),
    );
    check(
        "url('https://user:pass@a.example:80/p%20x?q=1&q=2&r#frag').getHost()",
        json!("a.example:80"),
    );
    check(
        "url('https://user:pass@a.example:80/p%20x?q=1&q=2&r#frag').getHostname()",
        json!("a.example"),
    );
    check(
        "url('https://user:pass@a.example:80/p%20x?q=1&q=2&r#frag').getPort()",
        json!("80"),
    );
    check(
        "url('https://user:pass@a.example:80/p%20x?q=1&q=2&r#frag').getEscapedPath()",
        json!("/p%20x"),
    );
    check(
        "url('https://user:pass@a.example:80/p%20x?q=1&q=2&r#frag').getQuery()",
        json!({"q": ["1", "2"], "r": [""]}),
    );
    check(
        "url('https://a.example/path x|é?k=c d').getEscapedPath()",
        json!("/path%20x%7C%C3%A9"),
    );
    check(
        "url('https://a.example/path?k=c d').getQuery()",
        json!({"k": ["c d"]}),
    );
    check("url('http://a/?%zz=1&b=2&c;d=3').getQuery()", json!({"b": ["2"]}));
    check(
        "[url('https://[::1]:80/').getHost(), url('https://[::1]:80/').getHostname(), url('/path').getHost()]",
        json!(["[::1]:80", "::1", ""]),
    );
    check(
        "url('http://[fe80::1%25en0]:80/').getHostname()",
        json!("fe80::1%en0"),
    );
    check(
        "isURL('mailto:a@b') && isURL('/a b') && isURL('*') && isURL('http://a%25b/') && isURL('http://')",
        json!(true),
    );
    check(
        "isURL('../up') || isURL('') || isURL('http://a b/') || isURL('http://a/%zz') || isURL('http://a:x/') || isURL(':a') || isURL('1a:b') || isURL('http://[::1')",
        json!(false),
    );
    check("url('x').getHost()", json!("!"));
}

#[test]
fn addresses() {
    check(
        "isIP('127.0.0.1') && isIP('::1') && !isIP('127.0.0.1/24') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0') && !isIP('127.0.0.01')",
        json!(true),
    );
    check("[ip('::1').family(), ip('127.0.0.1').family()]", json!([6, 4]));
    check(
        "ip('127.9.0.1').isLoopback() && ip('::').isUnspecified() && ip('ff02::1').isLinkLocalMulticast()",
        json!(true),
    );
    check(
        "ip('224.0.0.1').isLinkLocalMulticast() && !ip('224.0.1.1').isLinkLocalMulticast()",
        json!(true),
    );
    check(
        "ip('fe80::1').isLinkLocalUnicast() && ip('8.8.8.8').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()",
        json!(true),
    );
    check(
        "ip.isCanonical('2001:db8::abcd') && !ip.isCanonical('2001:DB8::ABCD')",
        json!(true),
    );
    check("string(ip('2001:DB8::ABCD'))", json!("2001:db8::abcd"));
    check("ip('x').family()", json!("!"));
    check(
        "isCIDR('192.168.0.1/16') && !isCIDR('192.168.0.0/33') && !isCIDR('192.168.0.0/016') && !isCIDR('::ffff:1.2.3.4/120')",
        json!(true),
    );
    check(
        "cidr('192.168.0.0/24').containsIP(ip('192.168.0.1')) && !cidr('192.168.0.0/24').containsIP('192.168.1.1')",
        json!(true),
    );
    check(
        "cidr('192.168.0.0/24').containsCIDR('192.168.0.0/25') && !cidr('192.168.0.0/24').containsCIDR(cidr('192.168.0.0/23'))",
        json!(true),
    );
    check(
        "string(cidr('192.168.0.1/24').masked()) + ' ' + string(cidr('192.168.0.1/24').ip())",
        json!("192.168.0.0/24 192.168.0.1"),
    );
    check("cidr('192.168.0.1/24').prefixLength()", json!(24));
    check(
        "cidr('192.168.0.1/24') != cidr('192.168.0.0/24') && type(cidr('::/0')) == net.CIDR && type(ip('::')) == net.IP",
        json!(true),
    );
}

#[test]
fn quantities() {
    check(
        "quantity('1.5G').isInteger() && quantity('10000k').isInteger() && !quantity('1m').isInteger()",
        json!(true),
    );
    check("quantity('50k').asInteger()", json!(50000));
    check(
        "quantity('9999999999999999999999999999999999999G').asInteger()",
        json!("!"),
    );
    check(
        "[quantity('1.3Gi').asApproximateFloat(), quantity('1e40').asApproximateFloat()]",
        json!([1_395_864_371.2, 1e+40]),
    );
    check(
        "[sign(quantity('50k')), sign(quantity('-1e40')), sign(quantity('0'))]",
        json!([1, -1, 0]),
    );
    check(
        "quantity('50k').add(quantity('20k')) == quantity('70k') && quantity('50k').add(20) == quantity('50020')",
        json!(true),
    );
    check(
        "quantity('50k').sub(quantity('20k')) == quantity('30k') && quantity('50k').sub(20000) == quantity('30k')",
        json!(true),
    );
    check(
        "[quantity('200M').compareTo(quantity('0.2G')), quantity('100E').compareTo(quantity('99E')), quantity('100Ei').compareTo(quantity('99Ei'))]",
        json!([0, 1, 0]),
    );
    check(
        "quantity('50Mi').isGreaterThan(quantity('50M')) && quantity('50M').isLessThan(quantity('100M'))",
        json!(true),
    );
    check(
        "isQuantity('1.3Gi') && !isQuantity('1,3G') && !isQuantity('10Wi')",
        json!(true),
    );
    check("quantity('x').asInteger()", json!("!"));
}

#[test]
fn versions() {
    check(
        "[semver('1.2.3').major(), semver('1.2.3').minor(), semver('1.2.3').patch()]",
        json!([1, 2, 3]),
    );
    check(
        "[semver('1.2.3').compareTo(semver('1.2.4')), semver('1.2.3+a').compareTo(semver('1.2.3+b'))]",
        json!([-1, 0]),
    );
    check(
        "semver('1.2.3-alpha.2').isLessThan(semver('1.2.3-alpha.10')) && semver('1.2.3').isGreaterThan(semver('1.2.3-rc.1'))",
        json!(true),
    );
    check("semver('1.2.3+a') == semver('1.2.3+b')", json!(true));
    check(
        "isSemver('1.0.0') && isSemver('1.2.3-0') && isSemver('1.2.3-a.-') && isSemver('1.2.3+01')",
        json!(true),
    );
    check(
        "isSemver('v1.0.0') || isSemver('1.0.0-') || isSemver('1.0.0-01') || isSemver('1.2.3-a_b') || isSemver('1.2.3+') || isSemver('1.2.3+a..b')",
        json!(false),
    );
}

#[test]
fn formats() {
    check(
        "format.dns1123Label().validate('my-label').hasValue() || !format.dns1123Label().validate('My').hasValue()",
        json!(false),
    );
    check(
        "format.dns1123Subdomain().validate('a.b').hasValue() || !format.dns1123Subdomain().validate('a..b').hasValue()",
        json!(false),
    );
    check(
        "format.dns1035Label().validate('a1').hasValue() || !format.dns1035Label().validate('1a').hasValue()",
        json!(false),
    );
    check(
        "format.qualifiedName().validate('a.b/c').hasValue() || !format.qualifiedName().validate('a/b/c').hasValue()",
        json!(false),
    );
    check(
        "format.dns1123LabelPrefix().validate('my-label--').hasValue() || !format.dns1123LabelPrefix().validate('-').hasValue()",
        json!(false),
    );
    check(
        "format.dns1123SubdomainPrefix().validate('a.b.-').hasValue() || !format.dns1123SubdomainPrefix().validate('A-').hasValue()",
        json!(true),
    );
    check(
        "format.dns1035LabelPrefix().validate('a-').hasValue() || !format.dns1035LabelPrefix().validate('1-').hasValue()",
        json!(true),
    );
    check(
        "format.labelValue().validate('').hasValue() || !format.labelValue().validate('a-').hasValue()",
        json!(false),
    );
    check(
        "format.uri().validate('/abc').hasValue() || !format.uri().validate('abc').hasValue()",
        json!(false),
    );
    check(
        "format.uuid().validate('123e4567-e89b12d3-a456426614174000').hasValue() || !format.uuid().validate('123e4567--89b12d3-a456426614174000').hasValue()",
        json!(false),
    );
    check(
        "format.byte().validate('aGVsbG8=').hasValue() || !format.byte().validate('').hasValue()",
        json!(false),
    );
    check(
        "format.date().validate('2021-01-01').hasValue() || !format.date().validate('2021-13-01').hasValue()",
        json!(false),
    );
    check(
        "format.datetime().validate('2021-01-01T00:00:00+01:00').hasValue() || !format.datetime().validate('2021-01-01').hasValue()",
        json!(false),
    );
    check(
        "format.named('x').hasValue() || format.named('uuid').value() != format.uuid()",
        json!(false),
    );
}

#[test]
fn times() {
    check(
        "timestamp('2026-11-21T10:30:45.5Z').getHours('America/New_York')",
        json!(5),
    );
    check(
        "timestamp('2026-07-21T22:30:45.5Z').getDate('Europe/Berlin')",
        json!(22),
    );
    check(
        "timestamp('2026-11-21T10:30:45.5Z').getHours('europe/berlin')",
        json!("!"),
    );
    check(
        "timestamp('2026-11-21T10:30:45.5Z').getHours('../etc/localtime')",
        json!("!"),
    );
    check(
        "timestamp('2026-11-21T10:30:45.5Z').getMinutes('-00:30')",
        json!(0),
    );
    check(
        "timestamp('2026-11-21T10:30:45.5Z').getDayOfYear('Asia/Tokyo')",
        json!(324),
    );
    check("duration('3730.5s').getMilliseconds()", json!(3_730_500));
    check(
        "[duration('3730.5s').getHours(), duration('3730.5s').getMinutes(), duration('3730.5s').getSeconds()]",
        json!([1, 62, 3730]),
    );
    check(
        "string(time.truncate(timestamp('2026-11-21T10:30:45Z'), duration('1h')))",
        json!("2026-11-21T10:00:00Z"),
    );
    check(
        "time.toCron(timestamp('2026-11-21T10:30:45Z'))",
        json!("30 10 21 11 6"),
    );
}

#[test]
fn optional_values() {
    check("{'a': 1}.?a.hasValue() && !{'a': 1}.?b.hasValue()", json!(true));
    check(
        "[{'a': 1}.?b.orValue(5), {'a': 1}[?'b'].or(optional.of(3)).value()]",
        json!([5, 3]),
    );
    check("optional.of(1).optMap(x, x + 1).value()", json!(2));
    check(
        "optional.none().optMap(x, x + 1).hasValue() || optional.of(1).optFlatMap(x, optional.none()).hasValue()",
        json!(false),
    );
    check(
        "optional.ofNonZeroValue('').hasValue() || optional.ofNonZeroValue(0).hasValue()",
        json!(false),
    );
    check("[1, 2][?0].value() + [1, 2][?5].orValue(7)", json!(8));
    check(
        "[optional.unwrap([optional.of(1), optional.none()]), [optional.of(2), optional.none()].unwrapOpt()]",
        json!([[1], [2]]),
    );
    check("optional.none().value()", json!("!"));
}

#[test]
fn what_is_not_needed_is_not_asked_for() {
    check("{'a': 1}.?a.orValue(1 / 0)", json!(1));
    check("{'a': 1}.?b.orValue(1 / 0)", json!("!division by zero"));
    check("optional.of(1).or(optional.of(1 / 0)).value()", json!(1));
    check("optional.none().or(1)", json!("!no such overload"));
    check("1.or(optional.of(1))", json!("!no such overload"));
}

#[test]
fn what_is_no_number_has_no_order() {
    check("0.0 / 0.0 < 1.0", json!("!cannot be ordered"));
    check("[1.0, 0.0 / 0.0].sort()", json!("!cannot be ordered"));
    check("math.greatest(1.0, 0.0 / 0.0)", json!("!cannot be ordered"));
    check("0.0 / 0.0 == 0.0 / 0.0", json!(false));
}

#[test]
fn loops_over_two() {
    check(
        "[1, 2, 3].all(i, v, i < v) && {'a': 1}.exists(k, v, v == 1) && [1, 2, 3].existsOne(i, v, v == 1)",
        json!(true),
    );
    check(
        "[[1, 2].transformList(i, v, i + v), [1, 2, 3].transformList(i, v, v > 1, v)]",
        json!([[1, 3], [2, 3]]),
    );
    check(
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2)",
        json!({"b": 4}),
    );
    check("{'a': 'b'}.transformMapEntry(k, v, {v: k})", json!({"b": "a"}));
    check("{'a': 1, 'b': 1}.transformMapEntry(k, v, {'c': k})", json!("!"));
}

#[test]
fn values_of_values() {
    check(
        "jsonpatch.escapeKey('k8s.io/my~label')",
        json!("k8s.io~1my~0label"),
    );
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
    let pem = include_str!("../../../tests/fixtures/certificate.pem").replace('\n', "\\n");
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
