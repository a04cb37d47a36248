//! The language, function by function, and what becomes of expressions that mean harm.

use serde_json::{Value as Json, json};

use super::{Budget, Host, Names, Program, Root, Scope, Value};

struct Around<'v>(&'v Json);

impl<'v> Host<'v> for Around<'v> {
    fn root(&self, root: Root) -> Value<'v> {
        match root {
            Root("unknown") => Value::Unknown("it".into()),
            _ => Value::from(self.0),
        }
    }
}

/// The value of an expression that may name `object`, and `unknown`.
fn ask(expression: &str, object: &Json) -> Result<Json, String> {
    let names = Names {
        roots: &[Root("object"), Root("unknown")],
        ..Names::default()
    };
    let program = Program::compile(expression, names).map_err(|unreadable| unreadable.to_string())?;
    let (budget, around) = (Budget::default(), Around(object));
    let scope = Scope::new(&budget, &around);
    let value = scope.evaluate(&program).and_then(|value| value.to_json(&budget));
    value.map_err(|failure| failure.to_string())
}

fn object() -> Json {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shop", "labels": {"team": "a", "app.kubernetes.io/name": "shop"}},
        "spec": {
            "replicas": 3,
            "ratio": 0.5,
            "nothing": null,
            "containers": [
                {"name": "web", "image": "nginx:1.27", "resources": {"limits": {"memory": "128Mi"}}},
                {"name": "log", "image": "ghcr.io/acme/log@sha256:0000000000000000000000000000000000000000000000000000000000000000"},
            ],
        },
    })
}

/// `expect` is the value as JSON; a text that begins with `!` is a part of the error.
pub(crate) fn check(expression: &str, expect: Json) {
    let got = ask(expression, &object());
    match (&got, expect.as_str().and_then(|text| text.strip_prefix('!'))) {
        (Err(reason), Some(part)) => assert!(reason.contains(part), "{expression}: {reason}"),
        (_, None) => assert_eq!(got, Ok(expect), "{expression}"),
        (Ok(value), Some(_)) => panic!("{expression} is {value}, an error was expected"),
    }
}

fn holds(expression: &str) {
    check(expression, json!(true));
}

#[test]
fn literals_and_operators() {
    check("1 + 2 * 3 - 4 / 2 % 3", json!(5));
    check("-9223372036854775808", json!(i64::MIN));
    check("0xff", json!(255));
    check("7u", json!(7));
    check("1.5e2", json!(150.0));
    check(r#"'a\tb' + "\u00e9" + r'\n'"#, json!("a\tbé\\n"));
    check("'''two\nlines'''", json!("two\nlines"));
    check("b'\\xff' == b'\\377'", json!(true));
    check("[1, 2] + [3]", json!([1, 2, 3]));
    check("{'a': 1}.a", json!(1));
    check("true ? 'yes' : 'no'", json!("yes"));
    check("!!true && !false", json!(true));
    check("2 in [1, 2] && 'a' in {'a': 1}", json!(true));
    // As doubles, which is how Go compares them.
    holds("9007199254740993 == 9007199254740992.0 && !(9223372036854775807 < 9223372036854775808.0)");
    holds("1 == 1.0 && 1u == 1 && 1 < 1.5 && [1] == [1.0] && {'a': 1u} == {'a': 1}");
    holds("1 != '1' && null == null && 'a' < 'b' && b'a' < b'b' && false < true");
    check("9223372036854775807 + 1", json!("!integer overflow"));
    check("1 / 0", json!("!division by zero"));
    check("1 % 0", json!("!modulus by zero"));
    check("1 + 1.0", json!("!no such overload"));
    check("'a' < 1", json!("!no such overload"));
    check("{'a': 1, 'a': 2}", json!("!twice"));
}

#[test]
fn what_cannot_be_read() {
    for (expression, reason) in [
        ("", "the end is not expected"),
        ("1 +", "the end is not expected"),
        ("(1", ") is expected"),
        ("'open", "not closed"),
        ("a.b", "there is no variable a"),
        ("object.spec.if(", "the end is not expected"),
        ("let", "reserved word"),
        ("has(1)", "asked about one field"),
        ("[1].map(1, 2)", "a plain name"),
        ("9223372036854775808", "too large"),
        ("1 2", "not expected here"),
        ("'\\q'", "does not exist"),
        ("Foo{a: 1}", "there is no type Foo"),
        ("variables.x", "there is no variable"),
        ("1 + \n  ?", "line 2, column 3"),
    ] {
        check(expression, json!(format!("!{reason}")));
    }
}

#[test]
fn functions_that_are_not_known_are_an_error_wherever_they_stand() {
    check("nope(1)", json!("!the function nope is not known"));
    check("true || object.nope()", json!("!the function nope is not known"));
    check(
        "true || math.nope(1)",
        json!("!the function math.nope is not known"),
    );
}

#[test]
fn objects() {
    check("object.metadata.name", json!("shop"));
    check("object.metadata.labels['app.kubernetes.io/name']", json!("shop"));
    check("object.metadata.labels.`app.kubernetes.io/name`", json!("shop"));
    check("object.spec.containers[0].image", json!("nginx:1.27"));
    check("object.spec.replicas + 1", json!(4));
    check("object.spec.missing", json!("!no such key: missing"));
    check("object.spec.containers[2]", json!("!out of bounds"));
    check("object.spec.containers.name", json!("!a list has no fields"));
    check(
        "has(object.spec.replicas) && !has(object.spec.missing)",
        json!(true),
    );
    check(
        "has(object.spec.nothing) && object.spec.nothing == null",
        json!(true),
    );
    check("has(object.missing.field)", json!("!no such key: missing"));
    check("has(object.spec.nothing.field)", json!(false));
    check(
        "type(object.spec.replicas) == int && type(object.spec.ratio) == double",
        json!(true),
    );
    check(
        "size(object.spec.containers) == 2 && object.metadata.labels.size() == 2",
        json!(true),
    );
}

#[test]
fn whichever_term_decides_decides() {
    holds("true || object.missing.x");
    holds("object.missing.x || true");
    check("object.missing.x && false", json!(false));
    check("object.missing.x || false", json!("!no such key"));
    check("object.missing.x && true", json!("!no such key"));
    holds("[1, 2].exists(x, x == 1 || object.missing.x)");
    check("[1, 2].all(x, x / 0 > 1 && false)", json!(false));
    check("[1, 0].all(x, 1 / x > 0)", json!("!division by zero"));
    check("'x' || true", json!(true));
    check("'x' || false", json!("!no such overload"));
}

#[test]
fn optional_values() {
    check("object.?spec.?missing.orValue('none')", json!("none"));
    check("object.?spec.missing.deeper.orValue('none')", json!("none"));
    check("object.spec.?replicas.value()", json!(3));
    check("object.spec.?containers[?5].?name.orValue('none')", json!("none"));
    check("object.spec.containers[?0].name.orValue('none')", json!("web"));
    check("object.metadata.?labels['team'].orValue('none')", json!("a"));
    check("object.spec.?nothing.hasValue()", json!(true));
    check("object.spec.nothing.?deeper.hasValue()", json!(false));
    check("optional.none().value()", json!("!dereference"));
    check("optional.of(1).or(optional.of(2)).value()", json!(1));
    check("optional.none().or(optional.of(2)).value()", json!(2));
    check("optional.ofNonZeroValue('').hasValue()", json!(false));
    check("optional.of(2).optMap(x, x * 2).value()", json!(4));
    check(
        "optional.of(2).optFlatMap(x, optional.none()).hasValue()",
        json!(false),
    );
    check("[?optional.none(), 1, ?optional.of(2)]", json!([1, 2]));
    check("{?'a': optional.none(), 'b': 1}", json!({"b": 1}));
    check("[optional.of(1), optional.none()].unwrapOpt()", json!([1]));
    // As in Kyverno: what is there needs no optional value around it.
    check("object.spec.replicas.orValue(1)", json!(3));
}

#[test]
fn loops() {
    check("object.spec.containers.map(c, c.name)", json!(["web", "log"]));
    check("[1, 2, 3].map(x, x > 1, x * 2)", json!([4, 6]));
    check("[1, 2, 3].filter(x, x != 2)", json!([1, 3]));
    holds("[1, 2, 3].exists_one(x, x == 2) && ![1, 1].existsOne(x, x == 1)");
    holds("{'a': 1, 'b': 2}.all(k, k in ['a', 'b']) && [].all(x, false) && ![].exists(x, true)");
    holds("[1, 2].all(i, v, i + 1 == v) && {'a': 1}.exists(k, v, k == 'a' && v == 1)");
    check("[1, 2].transformList(i, v, i * v)", json!([0, 2]));
    check(
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 10)",
        json!({"b": 20}),
    );
    check(
        "['a', 'b'].transformMapEntry(i, v, {v: i})",
        json!({"a": 0, "b": 1}),
    );
    check(
        "['a', 'a'].transformMapEntry(i, v, {v: i})",
        json!("!there already"),
    );
    check("cel.bind(x, 2, x * x + [x].map(y, y + x)[0])", json!(8));
    check(
        "[[1, 2], [3]].map(x, x.map(y, y + size(x)))",
        json!([[3, 4], [4]]),
    );
    check("[1].map(size, size + 1)", json!([2]));
    // A dot before a name passes over the variables of loops.
    check("[1].map(object, .object.kind)", json!(["Pod"]));
    check("[1].map(math, .math.abs(-math))", json!([1]));
    check("[1].map(x, .x)", json!("!there is no variable x"));
    check("[1].map(.x, 1)", json!("!a plain name"));
    check(".let", json!("!reserved word"));
    check("1.all(x, true)", json!("!"));
    check("[1, 2].map(x, [1].all(y, y == x))", json!([true, false]));
}

#[test]
fn conversions() {
    check("int('42') + int(3.9) + int(2u)", json!(47));
    check("uint(3) == 3u", json!(true));
    check("double('1.5') + double(1)", json!(2.5));
    check(
        "[string(1), string(1.5), string(true), string(1e21), string(0.00001)]",
        json!(["1", "1.5", "true", "1e+21", "1e-05"]),
    );
    check(
        "string(b'abc') + string(duration('90s')) + string(timestamp(0))",
        json!("abc90s1970-01-01T00:00:00Z"),
    );
    check("bytes('a') == b'a' && bool('true') && dyn(1) == 1", json!(true));
    check("int('x')", json!("!no integer"));
    check("int(1e30)", json!("!overflow"));
    check("uint(-1)", json!("!overflow"));
    check("string(b'\\xff')", json!("!not UTF-8"));
    check(
        "type(1) == int && type('') == string && type([]) == list && type(type(1)) == type",
        json!(true),
    );
}

#[test]
fn texts() {
    holds("'nginx:latest'.endsWith(':latest') && 'nginx'.startsWith('ng') && 'nginx'.contains('in')");
    holds("'app-1'.matches('^[a-z]+-[0-9]+$') && !'App'.matches('^[a-z]+$') && matches('a', 'a')");
    check(
        "'hello'.charAt(1) + 'hello'.substring(3) + 'hello'.substring(0, 1)",
        json!("eloh"),
    );
    check(
        "['a,b,c'.split(','), 'a,b,c'.split(',', 2), 'ab'.split('')]",
        json!([["a", "b", "c"], ["a", "b,c"], ["a", "b"]]),
    );
    check(
        "['a', 'b'].join('-') + ' X '.trim().lowerAscii() + 'y'.upperAscii()",
        json!("a-bxY"),
    );
    check(
        "'aaa'.replace('a', 'b', 2) + 'é'.replace('é', 'e')",
        json!("bbae"),
    );
    check("'ta©o©αT'.lastIndexOf('©', 3)", json!(2));
    check(
        "['héllo'.indexOf('l'), 'héllo'.lastIndexOf('l'), 'x'.indexOf('y'), 'aXbX'.indexOf('X', 2)]",
        json!([2, 3, -1, 3]),
    );
    check(
        "'abc'.reverse() + strings.quote('a\"\\n')",
        json!("cba\"a\\\"\\n\""),
    );
    check(
        "'%s is %d, %.2f, %x and %b'.format(['a', 1, 1.005, 255, 5])",
        json!("a is 1, 1.00, ff and 101"),
    );
    check("'%s'.format([[1, 'a', {'k': null}]])", json!("[1, a, {k: null}]"));
    check("'%d'.format(['a'])", json!("!does not take"));
    check("'%s %s'.format([1])", json!("!fewer values"));
    check("'abc'.substring(4)", json!("!out of range"));
    check("'abc'.substring(2, 1)", json!("!invalid substring range"));
    check(
        "base64.encode(b'hello') + string(base64.decode('aGk='))",
        json!("aGVsbG8=hi"),
    );
    check(
        "'a1b22'.find('[0-9]+') + string(size('a1b22'.findAll('[0-9]+')))",
        json!("12"),
    );
    check(
        "regex.replace('john doe', '(\\\\w+) (\\\\w+)', '\\\\2 \\\\1')",
        json!("doe john"),
    );
    check("regex.extract('id: 42', 'id: (\\\\d+)').orValue('')", json!("42"));
    check("regex.extractAll('a1b2', '[0-9]')", json!(["1", "2"]));
    check("'a'.matches('(')", json!("!not a regular expression"));
}

#[test]
fn lists_and_sets() {
    check(
        "[[3, 1, 2].sort(), [1, 2, 2].distinct(), [1, 2, 3].slice(1, 2), [1, 2].reverse()]",
        json!([[1, 2, 3], [1, 2], [2], [2, 1]]),
    );
    check("[[1, [2]], 3].flatten()", json!([1, [2], 3]));
    check("[[1, [2]], 3].flatten(2)", json!([1, 2, 3]));
    check("lists.range(3)", json!([0, 1, 2]));
    check("[1, 2, 3].sum() + [3, 1].min() + [3, 1].max()", json!(10));
    check("[1.5, 2.5].sum()", json!(4.0));
    check("[].min()", json!("!empty list"));
    holds("[1, 2].isSorted() && ![2, 1].isSorted() && ['a', 'b', 'a'].indexOf('a') == 0");
    holds("['a', 'b', 'a'].lastIndexOf('a') == 2 && ['a'].first().value() == 'a' && ![].last().hasValue()");
    check("[{'n': 2}, {'n': 1}].sortBy(e, e.n).map(e, e.n)", json!([1, 2]));
    holds("sets.contains([1, 2, 3], [2, 1]) && !sets.contains([1], [2]) && sets.equivalent([1, 1], [1])");
    holds("sets.intersects([1, 2], [2, 3]) && !sets.intersects([1], [])");
    check("[1, 'a'].sort()", json!("!same type"));
}

#[test]
fn numbers() {
    check(
        "math.greatest(1, 2.5, 2u) == 2.5 && math.least([3, 1]) == 1",
        json!(true),
    );
    check(
        "[math.ceil(1.2), math.floor(-1.2), math.round(1.5), math.trunc(-1.5), math.round(1.256, 2)]",
        json!([2.0, -2.0, 2.0, -1.0, 1.26]),
    );
    check(
        "math.abs(-3) + math.sign(-5) + math.bitAnd(6, 3) + math.bitShiftLeft(1, 4)",
        json!(20),
    );
    check("math.bitShiftLeft(1, -1)", json!("!negative offset"));
    check("math.abs(-9223372036854775808)", json!("!overflow"));
    holds("math.isNaN(0.0 / 0.0) && math.isInf(1.0 / 0.0) && math.sqrt(9) == 3.0");
}

#[test]
fn times() {
    check("timestamp('2026-11-21T10:30:00Z').getFullYear()", json!(2026));
    check("timestamp('2026-11-21T23:30:00Z').getDate('+01:00')", json!(22));
    check("timestamp('2026-11-21T10:30:00Z').getDayOfWeek()", json!(6));
    check(
        "string(timestamp('2026-11-21T10:30:00Z') + duration('1h'))",
        json!("2026-11-21T11:30:00Z"),
    );
    check("duration('1h30m').getMinutes()", json!(90));
    holds("timestamp('2026-11-21T10:30:00Z') - timestamp('2026-11-21T10:00:00Z') == duration('30m')");
    check(
        "timestamp('2026-11-21T10:30:00Z').getHours('Mars/Phobos')",
        json!("!not known here"),
    );
    check(
        "timestamp('9999-12-31T23:59:59Z') + duration('1s')",
        json!("!overflow"),
    );
}

#[test]
fn addresses() {
    holds("isIP('10.0.0.1') && !isIP('10.0.0.256') && !isIP('::ffff:1.2.3.4') && ip('::1').family() == 6");
    holds("ip('127.0.0.1').isLoopback() && ip('10.0.0.1').isGlobalUnicast() && ip.isCanonical('::1')");
    holds(
        "!ip.isCanonical('0:0::1') && ip('169.254.1.1').isLinkLocalUnicast() && ip('0.0.0.0').isUnspecified()",
    );
    holds("cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP('11.0.0.1')");
    holds(
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR('10.0.0.0/8')",
    );
    check(
        "string(cidr('10.1.2.3/8').masked()) + string(cidr('10.1.2.3/8').ip())",
        json!("10.0.0.0/810.1.2.3"),
    );
    holds(
        "cidr('::/0').prefixLength() == 0 && isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0/08')",
    );
    check("ip('x')", json!("!no IP address"));
    check(
        "url('https://user@a.example:8080/p%20q?x=1&x=2').getHost()",
        json!("a.example:8080"),
    );
    check(
        "url('https://[::1]:80/').getHostname() + url('https://a.example/p').getEscapedPath()",
        json!("::1/p"),
    );
    check(
        "url('https://a.example?x=1&x=a%20b').getQuery()",
        json!({"x": ["1", "a b"]}),
    );
    holds(
        "isURL('/path') && !isURL('a.example') && !isURL('../up') && url('https://a.example').getPort() == ''",
    );
}

#[test]
fn quantities_versions_and_formats() {
    holds(
        "quantity('1Gi').isGreaterThan(quantity('512Mi')) && quantity('1').compareTo(quantity('1000m')) == 0",
    );
    holds("isQuantity('100m') && !isQuantity('100x') && quantity('-1').sign() == -1");
    holds(
        "quantity('1k').asInteger() == 1000 && !quantity('1m').isInteger() && quantity('500m').asApproximateFloat() == 0.5",
    );
    holds("quantity('1').add(quantity('1')).sub(1) == quantity('1')");
    check("quantity('1m').asInteger()", json!("!cannot convert"));
    check(
        "quantity(object.spec.containers[0].resources.limits.memory).isLessThan(quantity('1Gi'))",
        json!(true),
    );
    holds(
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.2.3').minor() == 2 && !isSemver('v1.2')",
    );
    holds("semver('v1.2', true) == semver('1.2.0') && isSemver('01.2.3', true)");
    holds(
        "!format.dns1123Label().validate('my-name').hasValue() && format.dns1123Label().validate('My').hasValue()",
    );
    holds("format.named('qualifiedName').value().validate('a.example/Name_1') == optional.none()");
    check("format.named('nope').hasValue()", json!(false));
}

#[test]
fn what_is_not_known_is_no_value() {
    holds("true || unknown == 1");
    check("false || unknown == 1", json!("!it is not known here"));
}

#[test]
fn messages() {
    check(
        "Object{spec: Object.spec{replicas: 1, ?paused: optional.none()}}",
        json!({"spec": {"replicas": 1}}),
    );
    check(
        "[JSONPatch{op: 'add', path: '/a', value: [1]}]",
        json!([{"op": "add", "path": "/a", "value": [1]}]),
    );
    check("has(Object{a: 1}.a) && !has(Object{a: 1}.b)", json!(true));
}

/// Whatever is written, reading and evaluating it ends, soon and without harm.
#[test]
fn hostile_expressions() {
    let cut = |expression: &str| check(expression, json!("!"));
    cut(&"(".repeat(50_000));
    cut(&"[".repeat(50_000));
    cut(&"-".repeat(50_001));
    cut(&format!("1{}", " + 1".repeat(10_000)));
    cut(&format!("object{}", ".a".repeat(10_000)));
    cut(&format!("object{}", "[0]".repeat(10_000)));
    cut(&"a".repeat(200_000));
    cut(&format!("{}true{}", "(".repeat(90), ")".repeat(90)));
    check(&format!("{}true", "!".repeat(10_000)), json!(true));
    check(&format!("true{}", " && true".repeat(10_000)), json!(true));
    // A thousand by a thousand by a thousand.
    let nested =
        "lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1000).all(c, a + b + c >= 0)))";
    check(nested, json!("!costs too much"));
    check(
        "lists.range(9000000000000000000).size()",
        json!("!costs too much"),
    );
    // Texts and lists that double.
    let mut doubling = "'0123456789'".to_owned();
    for level in 0..40 {
        doubling = format!("cel.bind(x{level}, {doubling}, x{level} + x{level})");
    }
    check(&doubling, json!("!costs too much"));
    let mut laughs = "['lol']".to_owned();
    for level in 0..40 {
        laughs = format!("cel.bind(x{level}, {laughs}, [x{level}, x{level}, x{level}, x{level}])");
    }
    check(
        &format!("cel.bind(all, {laughs}, all == all)"),
        json!("!costs too much"),
    );
    check(&laughs, json!("!costs too much"));
    check(
        "'x'.matches('(((((a{1000}){1000}){1000}){1000}))')",
        json!("!not a regular expression"),
    );
    check(
        "'%s'.format([lists.range(100000).map(x, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')])",
        json!("!costs too much"),
    );
}

proptest::proptest! {
    #[test]
    fn nothing_panics(text in "[a-zé0-9.?(){}\\[\\],:'\"+*/<>=!&| -]{0,60}", parts in proptest::collection::vec(0..WORDS.len(), 0..25)) {
        let _ = ask(&text, &object());
        let words: Vec<&str> = parts.iter().map(|part| WORDS[*part]).collect();
        let _ = ask(&words.join(" "), &object());
    }
}

const WORDS: [&str; 44] = [
    "object",
    ".",
    "spec",
    "containers",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "?",
    "1",
    "-9223372036854775808",
    "'a'",
    "1.5",
    "2u",
    "+",
    "-",
    "*",
    "/",
    "%",
    "==",
    "<",
    "in",
    "&&",
    "||",
    "!",
    "has(",
    ".map(x,",
    ".all(x,",
    "x",
    "size(",
    "timestamp(",
    "duration(",
    ".orValue(",
    ".split(",
    ".substring(",
    "math.abs(",
    "int(",
    "string(",
    "null",
    ".?",
];
