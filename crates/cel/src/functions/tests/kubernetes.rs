//! What Kubernetes adds: addresses, quantities, versions, formats.

use serde_json::json;

use super::check;

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
        "format.named('x').hasValue() || format.named('named').hasValue() || format.named('uuid').value() != format.uuid()",
        json!(false),
    );
}

#[test]
fn patches() {
    check(
        "jsonpatch.escapeKey('k8s.io/my~label')",
        json!("k8s.io~1my~0label"),
    );
}
