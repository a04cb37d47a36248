//! What Kubernetes' own checker said of these expressions, one by one.

use super::{Fields, Type, check};

/// The first fault of an expression, without the place in the text that is shown beside it; empty for none.
fn fault(expression: &str) -> String {
    let fields = Fields::from([
        ("n".to_owned(), Type::Int),
        ("t".to_owned(), Type::Text),
        ("l".to_owned(), Type::list(Type::Int)),
        ("m".to_owned(), Type::map(Type::Text, Type::Int)),
        ("any".to_owned(), Type::Dyn),
    ]);
    let variables = [("self", Type::Object(fields.into()))];
    let Err(told) = check(expression, &variables) else {
        return String::new();
    };
    let mut errors = told
        .lines()
        .filter_map(|line| line.strip_prefix("ERROR: <input>:"));
    errors.next().unwrap_or_default().to_owned()
}

const RECORDED: &[(&str, &str)] = &[
    ("size('a')", ""),
    ("int('1')", ""),
    ("uint(1)", ""),
    ("double('1')", ""),
    ("string(1)", ""),
    ("bytes('a')", ""),
    ("bool('true')", ""),
    ("dyn(1)", ""),
    ("type(1)", ""),
    ("timestamp('2026-01-01T00:00:00Z')", ""),
    ("duration('1s')", ""),
    ("matches('a','a')", ""),
    ("strings.quote('a')", ""),
    (
        "base64.encode(b'a')",
        "1:1: undeclared reference to 'base64' (in container '')",
    ),
    (
        "base64.decode('YQ==')",
        "1:1: undeclared reference to 'base64' (in container '')",
    ),
    (
        "regex.replace('a','a','b')",
        "1:1: undeclared reference to 'regex' (in container '')",
    ),
    (
        "regex.extract('a','a')",
        "1:1: undeclared reference to 'regex' (in container '')",
    ),
    (
        "regex.extractAll('a','a')",
        "1:1: undeclared reference to 'regex' (in container '')",
    ),
    ("lists.range(3)", ""),
    ("sets.contains([1],[1])", ""),
    ("sets.equivalent([1],[1])", ""),
    ("sets.intersects([1],[1])", ""),
    (
        "math.greatest(1,2)",
        "1:1: undeclared reference to 'math' (in container '')",
    ),
    (
        "math.least([1,2])",
        "1:1: undeclared reference to 'math' (in container '')",
    ),
    (
        "math.ceil(1.2)",
        "1:1: undeclared reference to 'math' (in container '')",
    ),
    (
        "math.abs(-1)",
        "1:1: undeclared reference to 'math' (in container '')",
    ),
    (
        "math.bitAnd(1,2)",
        "1:1: undeclared reference to 'math' (in container '')",
    ),
    (
        "math.sqrt(4)",
        "1:1: undeclared reference to 'math' (in container '')",
    ),
    ("url('https://a')", ""),
    ("isURL('a')", ""),
    ("ip('::1')", ""),
    ("isIP('a')", ""),
    ("ip.isCanonical('::1')", ""),
    ("cidr('10.0.0.0/8')", ""),
    ("isCIDR('a')", ""),
    ("quantity('1')", ""),
    ("isQuantity('1')", ""),
    ("sign(quantity('1'))", ""),
    ("semver('1.0.0')", ""),
    ("semver('v1.0', true)", ""),
    ("isSemver('1.0.0')", ""),
    ("isSemver('v1', true)", ""),
    ("format.named('uuid')", ""),
    ("format.dns1123Label()", ""),
    (
        "jsonpatch.escapeKey('a')",
        "1:1: undeclared reference to 'jsonpatch' (in container '')",
    ),
    ("optional.of(1)", ""),
    ("optional.ofNonZeroValue(1)", ""),
    ("optional.none()", ""),
    ("optional.unwrap([optional.of(1)])", ""),
    ("'a'.size()", ""),
    ("timestamp('2026-01-01T00:00:00Z').getFullYear()", ""),
    ("timestamp('2026-01-01T00:00:00Z').getHours('UTC')", ""),
    ("duration('1s').getHours()", ""),
    ("'a'.contains('a')", ""),
    ("'a'.find('a')", ""),
    ("'a'.findAll('a')", ""),
    ("'a'.findAll('a', 1)", ""),
    ("'a'.charAt(0)", ""),
    ("'a'.indexOf('a')", ""),
    ("'a'.indexOf('a', 1)", ""),
    ("'a'.lastIndexOf('a')", ""),
    ("['a'].join()", ""),
    ("['a'].join(',')", ""),
    ("'a'.lowerAscii()", ""),
    ("'a'.upperAscii()", ""),
    ("'a'.replace('a','b')", ""),
    ("'a'.replace('a','b',1)", ""),
    ("'a'.split('a')", ""),
    ("'a'.split('a',1)", ""),
    ("'a'.substring(0)", ""),
    ("'a'.substring(0,1)", ""),
    ("'a'.trim()", ""),
    (
        "'a'.reverse()",
        "1:12: found no matching overload for 'reverse' applied to 'string.()'",
    ),
    ("'%s'.format(['a'])", ""),
    ("[1].isSorted()", ""),
    ("[1].sum()", ""),
    ("[1].min()", ""),
    ("[1].max()", ""),
    ("['a'].min()", ""),
    (
        "[1].includes(1)",
        "1:13: undeclared reference to 'includes' (in container '')",
    ),
    ("[1].indexOf(1)", ""),
    ("[1].lastIndexOf(1)", ""),
    ("[1,2].slice(0,1)", ""),
    ("[[1]].flatten()", ""),
    ("[1].sort()", ""),
    ("[1].sortBy(x, x)", ""),
    ("[1].distinct()", ""),
    ("[1].reverse()", ""),
    ("[1].first()", ""),
    ("[1].last()", ""),
    ("url('https://a').getScheme()", ""),
    ("url('https://a').getHost()", ""),
    ("url('https://a').getHostname()", ""),
    ("url('https://a').getPort()", ""),
    ("url('https://a').getEscapedPath()", ""),
    ("url('https://a').getQuery()", ""),
    ("ip('::1').family()", ""),
    ("ip('::1').isUnspecified()", ""),
    ("ip('::1').isLoopback()", ""),
    ("ip('::1').isLinkLocalMulticast()", ""),
    ("ip('::1').isLinkLocalUnicast()", ""),
    ("ip('::1').isGlobalUnicast()", ""),
    ("cidr('::1/128').containsIP('::1')", ""),
    ("cidr('::1/128').containsIP(ip('::1'))", ""),
    ("cidr('::1/128').containsCIDR('::1/128')", ""),
    ("cidr('::1/128').containsCIDR(cidr('::1/128'))", ""),
    ("cidr('::1/128').ip()", ""),
    ("cidr('::1/128').masked()", ""),
    ("cidr('::1/128').prefixLength()", ""),
    ("quantity('1').isInteger()", ""),
    ("quantity('1').asInteger()", ""),
    ("quantity('1').asApproximateFloat()", ""),
    ("quantity('1').add(quantity('1'))", ""),
    ("quantity('1').add(1)", ""),
    ("quantity('1').sub(1)", ""),
    (
        "quantity('1').sign()",
        "1:19: found no matching overload for 'sign' applied to 'kubernetes.Quantity.()'",
    ),
    ("quantity('1').isGreaterThan(quantity('1'))", ""),
    ("quantity('1').compareTo(quantity('1'))", ""),
    ("semver('1.0.0').isLessThan(semver('1.0.0'))", ""),
    ("semver('1.0.0').compareTo(semver('1.0.0'))", ""),
    ("semver('1.0.0').major()", ""),
    ("format.dns1123Label().validate('a')", ""),
    ("[optional.of(1)].unwrapOpt()", ""),
    ("optional.of(1).hasValue()", ""),
    ("optional.of(1).value()", ""),
    ("optional.of(1).or(optional.of(2))", ""),
    ("optional.of(1).orValue(2)", ""),
    ("optional.of(1).optMap(x, x)", ""),
    ("optional.of(1).optFlatMap(x, optional.of(x))", ""),
    ("[1].all(i, v, true)", ""),
    ("[1].exists(i, v, true)", ""),
    ("[1].existsOne(i, v, true)", ""),
    ("[1].exists_one(i, v, true)", ""),
    ("[1].exists_one(x, true)", ""),
    (
        "[1].existsOne(x, true)",
        "1:14: undeclared reference to 'existsOne' (in container '')",
    ),
    ("[1].transformList(i, v, v)", ""),
    ("[1].transformMap(i, v, v)", ""),
    ("[1].transformMapEntry(i, v, {v: i})", ""),
    (
        "cel.bind(x, 1, x)",
        "1:1: undeclared reference to 'cel' (in container '')",
    ),
    ("string(ip('::1'))", ""),
    ("string(cidr('::1/128'))", ""),
    ("string(timestamp('2026-01-01T00:00:00Z'))", ""),
    ("string(duration('1s'))", ""),
    ("string(b'a')", ""),
    ("string(true)", ""),
    ("int(1.5)", ""),
    ("int(timestamp('2026-01-01T00:00:00Z'))", ""),
    ("int(duration('1s'))", ""),
    ("timestamp(1)", ""),
    ("duration(1)", "1:10: invalid duration argument"),
    (
        "string(quantity('1'))",
        "1:7: found no matching overload for 'string' applied to '(kubernetes.Quantity)'",
    ),
    ("bool(true)", ""),
    (
        "json.unmarshal('1')",
        "1:1: undeclared reference to 'json' (in container '')",
    ),
    (
        "1 == 1.0",
        "1:3: found no matching overload for '_==_' applied to '(int, double)'",
    ),
    ("1 < 1.5", ""),
    ("1 < 2u", ""),
    (
        "1u == 1",
        "1:4: found no matching overload for '_==_' applied to '(uint, int)'",
    ),
    ("1 in [1]", ""),
    ("'a' in {'a': 1}", ""),
    ("[1] + [2]", ""),
    ("b'a' + b'b'", ""),
    ("b'a' < b'b'", ""),
    ("true < false", ""),
    (
        "timestamp('2026-01-01T00:00:00Z') - timestamp('2026-01-01T00:00:00Z')",
        "",
    ),
    ("timestamp('2026-01-01T00:00:00Z') + duration('1s')", ""),
    ("duration('1s') + duration('1s')", ""),
    ("duration('1s') - duration('1s')", ""),
    ("duration('1s') < duration('2s')", ""),
    (
        "1.0 % 2.0",
        "1:5: found no matching overload for '_%_' applied to '(double, double)'",
    ),
    (
        "-duration('1s')",
        "1:1: found no matching overload for '-_' applied to '(duration)'",
    ),
    (
        "authorizer",
        "1:1: undeclared reference to 'authorizer' (in container '')",
    ),
    ("{'a': 1}.a", ""),
    ("{'a': 1}['a']", ""),
    ("[1][0]", ""),
    (
        "[1][0.0]",
        "1:4: found no matching overload for '_[_]' applied to '(list(int), double)'",
    ),
    (
        "[1][0u]",
        "1:4: found no matching overload for '_[_]' applied to '(list(int), uint)'",
    ),
    ("[1][?0]", ""),
    ("{'a': 1}[?'a']", ""),
    ("{1: 2}[1]", ""),
    ("[1, 'a']", "1:5: expected type 'int' but found 'string'"),
    (
        "{'a': 1, 'b': 'c'}",
        "1:15: expected type 'int' but found 'string'",
    ),
    ("net.IP", ""),
    ("type(1) == int", ""),
    ("type(ip('::1')) == net.IP", ""),
    ("google.protobuf.Duration", ""),
    (
        "duration('1s') * 2",
        "1:16: found no matching overload for '_*_' applied to '(duration, int)'",
    ),
    (
        "1 == null",
        "1:3: found no matching overload for '_==_' applied to '(int, null)'",
    ),
    ("null == null", ""),
    ("optional.of(1) == optional.none()", ""),
    ("{'a': 1}.?a", ""),
    ("'a'.matches('a')", ""),
    (
        "'ab'[0]",
        "1:5: found no matching overload for '_[_]' applied to '(string, int)'",
    ),
];

#[test]
fn each_is_judged_as_by_kubernetes() {
    let others: Vec<_> = RECORDED
        .iter()
        .map(|(expression, expect)| (expression, *expect, fault(expression)))
        .filter(|(_, expect, found)| expect != found)
        .collect();
    assert!(others.is_empty(), "{others:#?}");
}

#[test]
fn all_that_is_declared_is_there() {
    use crate::{Style, names};
    let there: Vec<_> = names().collect();
    for (name, method, _) in super::declared::FUNCTIONS {
        let operator = !name.starts_with(|first: char| first.is_ascii_alphabetic());
        // These need not have their arguments evaluated.
        if operator || matches!(*name, "or" | "orValue") {
            continue;
        }
        let style = if *method { Style::Method } else { Style::Plain };
        assert!(there.contains(&(*name, style)), "{name}");
    }
}

#[test]
fn types_that_double_are_known_only_when_evaluated() {
    let mut doubled = "z == z".to_owned();
    let names: Vec<String> = (0..69)
        .map(|level| format!("v{level}"))
        .chain(["z".to_owned()])
        .collect();
    for (place, name) in names.iter().enumerate().rev() {
        let list = match place.checked_sub(1) {
            Some(before) => format!("[{{{0}: {0}}}]", names[before]),
            None => "[{1: 1}]".to_owned(),
        };
        doubled = format!("{list}.map({name}, {doubled})");
    }
    let Type::List(_) = check(&doubled, &[]).unwrap() else {
        panic!("a list is made");
    };
    // Small ones are compared to the end.
    let told = fault("[[1]] == [['a']]");
    assert!(
        told.ends_with("applied to '(list(list(int)), list(list(string)))'"),
        "{told}"
    );
}

#[test]
fn faults_are_told_up_to_a_hundred() {
    let faulty = |count: usize| vec!["a"; count].join(" == 1 || ");
    let told = check(&faulty(100), &[]).unwrap_err();
    assert_eq!(told.matches("ERROR: ").count(), 100);
    assert!(!told.contains("truncated"));
    let told = check(&faulty(105), &[]).unwrap_err();
    assert_eq!(told.matches("ERROR: ").count(), 100);
    assert_eq!(told.lines().last(), Some("5 more errors were truncated"));
}

#[test]
fn what_is_told_of_long_lines_has_an_end() {
    // A line that is shown beside each of its faults, with as many dots.
    let faulty = format!("'{}' == ''{}", "x".repeat(15_000), " || a == 1".repeat(100));
    let told = check(&faulty, &[]).unwrap_err();
    assert!(told.len() < 300 << 10, "{}", told.len());
    let count = told.matches("ERROR: ").count();
    let more = format!("{} more errors were truncated", 100 - count);
    assert_eq!((count > 1, told.lines().last()), (true, Some(more.as_str())));
}

#[test]
fn lines_that_are_too_long_are_not_shown() {
    let long = |length: usize| format!("b == '{}'", "x".repeat(length - 7));
    let told = check(&long(16_384), &[]).unwrap_err();
    assert_eq!(told.lines().count(), 3);
    let told = check(&long(16_385), &[]).unwrap_err();
    assert_eq!(
        told,
        "ERROR: <input>:1:1: undeclared reference to 'b' (in container '')"
    );
}
