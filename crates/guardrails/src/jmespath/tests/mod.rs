mod any;

use super::*;
use crate::facts::Unavailable;
use proptest::prelude::*;
use serde_json::json;

fn root() -> Value {
    json!({
        "a": {"b": [1, 2, 3], "c": "text", "none": null},
        "list": [{"n": "x", "v": 2}, {"n": "y", "v": 1}, {"n": "z"}],
        "nested": [[1, [2]], [3], 4],
        "images": ["nginx:1", "redis"],
        "labels": {"app": "api", "tier": "web"},
        "secret": unknown("the secret"),
    })
}

/// A world with a clock, hosts and chance.
struct Known;

impl Facts for Known {
    fn now(&self) -> Option<(i64, u32)> {
        Some((1_700_000_000, 5))
    }

    fn random(&self) -> Option<u64> {
        Some(7)
    }

    fn addresses(&self, host: &str) -> Result<Vec<std::net::IpAddr>, Unavailable> {
        match host {
            "inside.example" => Ok(vec!["10.1.2.3".parse().expect("an address")]),
            "example.com" => Ok(vec!["93.184.216.34".parse().expect("an address")]),
            _ => Err(Unavailable::Missing(host.to_owned())),
        }
    }
}

fn query(expression: &str) -> Result<Value, QueryError> {
    let budget = Budget::default();
    let world = World::new(&budget, &Known);
    Expression::parse(expression)
        .map_err(QueryError::Failed)?
        .query(&root(), world)
}

#[track_caller]
fn check(expression: &str, expect: Value) {
    assert_eq!(query(expression), Ok(expect), "{expression}");
}

#[test]
fn paths_projections_and_operators() {
    check("a.c", json!("text"));
    check("a.none", json!(null));
    check("a.none.deeper", json!(null));
    check("a.b[0]", json!(1));
    check("a.b[-1]", json!(3));
    check("a.b[7]", json!(null));
    check("a.b[::-1]", json!([3, 2, 1]));
    check("a.b[:2]", json!([1, 2]));
    check("a.b[-2:]", json!([2, 3]));
    check("list[*].n", json!(["x", "y", "z"]));
    check("list[].v", json!([2, 1]));
    check("list[?v > `1`].n", json!(["x"]));
    check("list[?n == 'z'] | [0].n", json!("z"));
    check("list[?v].n", json!(["x", "y"]));
    check("nested[]", json!([1, [2], 3, 4]));
    check("labels.*", json!(["api", "web"]));
    check("a.[c, b[0]]", json!(["text", 1]));
    check("{x: a.c, y: missing}", json!({"x": "text", "y": null}));
    check("missing || a.c", json!("text"));
    check("a.c && `true`", json!(true));
    check("missing | [0]", json!(null));
    check("a | missing", json!(null));
    check("a.none.*", json!(null));
    check("labels.*.to_string(@)", json!(["api", "web"]));
    check("list[?n == 'x'][]", json!([{"n": "x", "v": 2}]));
    check("\"a\".\"c\"", json!("text"));
    check("'it\\'s'", json!("it's"));
    check("`{\"a\": [1]}`.a[0]", json!(1));
    check("list[*].[n, v][0]", json!(["x", 2]));
    check("a.b[*] | [0]", json!(1));
    check("sort_by(list[?v], &v || `9`)[0].n", json!("y"));
    check("!missing", json!(true));
    check("missing == `null`", json!(true));
    check("a.b == [`1`, `2`, `3.0`]", json!(true));
    check("a.c < `3`", json!(null));
    check("@.a.c", json!("text"));
    check("a.[missing, c][]", json!(["text"]));
    check("a.[missing, c]", json!([null, "text"]));
}

#[test]
fn a_missing_key_is_not_a_null() {
    assert_eq!(query("missing"), Err(QueryError::NotFound("missing".to_owned())));
    assert_eq!(query("a.x.y"), Err(QueryError::NotFound("x".to_owned())));
    assert_eq!(query("secret"), Err(QueryError::Unknown("the secret".to_owned())));
    assert_eq!(
        query("secret || 'x'"),
        Err(QueryError::Unknown("the secret".to_owned()))
    );
}

#[test]
fn functions_of_jmespath() {
    check("abs(`-2`)", json!(2));
    check("avg(a.b)", json!(2));
    check("ceil(`1.2`)", json!(2));
    check("floor(`1.8`)", json!(1));
    check("contains(a.b, `2`)", json!(true));
    check("contains('text', 'ex')", json!(true));
    check("contains(missing || `[]`, 'ALL')", json!(false));
    check("starts_with(a.c, 'te')", json!(true));
    check("ends_with(a.c, 'xt')", json!(true));
    check("join('-', images)", json!("nginx:1-redis"));
    check("keys(labels)", json!(["app", "tier"]));
    check("values(labels)", json!(["api", "web"]));
    check("length(a.b)", json!(3));
    check("length('äö')", json!(2));
    check("map(&n, list)", json!(["x", "y", "z"]));
    check("map(&v, list)", json!([2, 1, null]));
    check("max(a.b)", json!(3));
    check("min(images)", json!("nginx:1"));
    check("max_by(list[?v], &v).n", json!("x"));
    check("sort_by(list[?v], &v)[*].n", json!(["y", "x"]));
    check("sort(images)", json!(["nginx:1", "redis"]));
    check("merge(labels, {app: 'b'}).app", json!("b"));
    check("not_null(missing, a.none, a.c)", json!("text"));
    check("reverse(a.b)", json!([3, 2, 1]));
    check("to_array(a.c)", json!(["text"]));
    check("to_string(a.b)", json!("[1,2,3]"));
    check("to_number('1.5')", json!(1.5));
    check("to_number('x')", json!(null));
    check(
        "to_string({b: '<', a: `1.0`})",
        json!("{\"a\":1,\"b\":\"\\u003c\"}"),
    );
    check("max_by([{k: `1`, n: 'a'}, {k: `1`, n: 'b'}], &k).n", json!("a"));
    check("max(`[]`)", json!(null));
    check("sort_by(`[{}]`, &k)", json!([{}]));
    check("avg(`[]`)", json!(null));
    check("type(a)", json!("object"));
}

#[test]
fn functions_of_kyverno() {
    check("add(`1`, `2`)", json!(3));
    check("add('1Gi', '512Mi')", json!("1536Mi"));
    check("add('1h', '30s')", json!("1h0m30s"));
    check("subtract('1', '500m')", json!("500m"));
    check("multiply(`3`, '100m')", json!("300m"));
    // As in Kyverno's own reader, the comma between two pairs may be missing; no other one may.
    check(
        "{a: 'b' c: ['d'] \"e\": `1`}",
        json!({"a": "b", "c": ["d"], "e": 1}),
    );
    check("divide('1Gi', '512Mi')", json!(2));
    check("divide(`7`, `2`)", json!(3.5));
    check("modulo(`7`, `2`)", json!(1));
    check("sum(a.b)", json!(6));
    check("sum(['100m', '0.4'])", json!("500m"));
    check("round(`2.71999`, `1`)", json!(2.7));
    check("compare('a', 'b')", json!(-1));
    check("equal_fold('Ab', 'aB')", json!(true));
    check("replace('aaa', 'a', 'b', `2`)", json!("bba"));
    check("replace_all('aaa', 'a', 'b')", json!("bbb"));
    check("to_upper('a')", json!("A"));
    check("trim('xxaxx', 'x')", json!("a"));
    check("trim_prefix('v1', 'v')", json!("1"));
    check("split('a,b', ',')", json!(["a", "b"]));
    check("regex_match('^[a-z]+$', 'abc')", json!(true));
    check("regex_match('^1', `12`)", json!(true));
    check("regex_replace_all('([a-z])1', 'a1b1', '$1')", json!("ab"));
    check("regex_replace_all_literal('[a-z]', 'a1', '$1')", json!("$11"));
    check("pattern_match('ngin*', images[0])", json!(true));
    check("label_match({app: 'api'}, labels)", json!(true));
    check("label_match({app: 'x'}, labels)", json!(false));
    check("to_boolean('True')", json!(true));
    check("base64_decode(base64_encode('hi'))", json!("hi"));
    check("path_canonicalize('///var//run/../x')", json!("/var/x"));
    check("truncate('abcdef', `3`)", json!("abc"));
    check("semver_compare('1.2.3', '>=1.0.0 <2.0.0')", json!(true));
    check("parse_json('{\"a\": 1}').a", json!(1));
    check("parse_yaml('a: [1]').a[0]", json!(1));
    check("lookup(labels, 'app')", json!("api"));
    check("lookup(a.b, `1`)", json!(2));
    check("items(labels, 'k', 'v')[0]", json!({"k": "app", "v": "api"}));
    check("object_from_lists(['a'], [`1`])", json!({"a": 1}));
    check("image_normalize('nginx')", json!("docker.io/nginx:latest"));
    check("items(a.b, 'i', 'v')[2]", json!({"i": 2, "v": 3}));
    check(
        "object_from_lists([`1`, 'b'], ['x'])",
        json!({"1": "x", "b": null}),
    );
    check("lookup(a.b, `9`)", json!(null));
    check("to_upper('straße')", json!("STRAßE"));
    check("base64_decode('aGk=')", json!("hi"));
    check("regex_match('^\\d+$', '١')", json!(false));
    check("replace('abc', '', '-', `2`)", json!("-a-bc"));
    check("path_canonicalize('a/../../b/.')", json!("../b"));
    check("truncate('äöü', `2`)", json!("äö"));
    check(
        "sha256('a')",
        json!("ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"),
    );
    check("sha1('a')", json!("86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"));
    check("md5('a')", json!("0cc175b9c0f1b6a831c399e269772661"));
    check("is_external_url('https://user@example.com:8443/x')", json!(true));
    check("is_external_url('http://inside.example')", json!(false));
    check("is_external_url('http://[::1]:80/')", json!(false));
    check("is_external_url('http://8.8.8.8')", json!(true));
    check(
        "regex_match('^[a-f]{4}-[0-9]+$', random('[a-f]{4}-\\d+'))",
        json!(true),
    );
    check("length(random('(ab|cd){3}x?')) >= `6`", json!(true));
}

#[test]
fn functions_of_time() {
    check("time_now()", json!("2023-11-14T22:13:20Z"));
    check("time_now_utc()", json!("2023-11-14T22:13:20Z"));
    check(
        "time_utc('2021-01-02T15:04:05-07:00')",
        json!("2021-01-02T22:04:05Z"),
    );
    check(
        "time_add('2021-01-02T15:04:05-07:00', '3h')",
        json!("2021-01-02T18:04:05-07:00"),
    );
    check(
        "time_add('2021-01-02T15:04:05Z', '-24h')",
        json!("2021-01-01T15:04:05Z"),
    );
    check(
        "time_after('2021-01-02T15:04:05-07:00', '2021-01-02T21:04:05Z')",
        json!(true),
    );
    check(
        "time_before('2021-01-02T15:04:05Z', '2021-01-02T15:04:05Z')",
        json!(false),
    );
    check(
        "time_between('2021-01-02T15:04:05Z', '2021-01-01T00:00:00Z', '2021-01-03T00:00:00Z')",
        json!(true),
    );
    check(
        "time_diff('2021-01-02T15:04:05-07:00', '2021-01-10T03:14:05-07:00')",
        json!("180h10m0s"),
    );
    check(
        "time_since('', '2022-04-10T03:14:05-07:00', '2022-04-11T03:14:05-07:00')",
        json!("24h0m0s"),
    );
    check(
        "time_since('', '2023-11-14T22:13:00Z', '')",
        json!("20.000000005s"),
    );
    check(
        "time_parse('02-01-2006', '03-02-2021')",
        json!("2021-02-03T00:00:00Z"),
    );
    check("time_parse('1', '1640998800')", json!("2022-01-01T01:00:00Z"));
    check("time_to_cron('2022-04-11T03:14:05-07:00')", json!("14 3 11 4 1"));
    check(
        "time_truncate('2021-01-02T17:08:00Z', '1h')",
        json!("2021-01-02T17:00:00Z"),
    );
    check(
        "time_truncate('2021-01-02T17:08:00Z', '168h')",
        json!("2020-12-28T00:00:00Z"),
    );
    let budget = Budget::default();
    let world = World::new(&budget, &NoFacts);
    for asked in [
        "time_now()",
        "random('a')",
        "is_external_url('https://example.com')",
    ] {
        let asked = Expression::parse(asked).expect("an expression");
        assert!(matches!(
            asked.query(&json!({}), world),
            Err(QueryError::Unknown(_))
        ));
    }
}

#[test]
fn what_fails_says_why() {
    for expression in [
        "length(`1`)",
        "divide(`1`, `0`)",
        "add('1', '1h1')",
        "regex_match('[', 'a')",
        "regex_match('(a{1000}){1000}', 'a')",
        "semver_compare('1.0.0', 'x')",
        "sort([`1`, 'a'])",
        "a.b[::0]",
        "join(',', a.b)",
        "unheard_of('a')",
        "time_add('2021', '1h')",
        "time_add('2021-01-02T15:04:05Z', '1d')",
        "time_add('9999-12-31T23:59:59Z', '1h')",
        "time_parse('1', 'x')",
        "random('')",
        "random('[')",
        "is_external_url('x')",
        "is_external_url('https://nowhere.example')",
        "items(labels)",
        "keys(a.b)",
        "lookup(labels, `1`)",
        "lookup(a.b, `0.5`)",
        "to_boolean('yes')",
        "sum(`[]`)",
        "merge()",
        "`foo`",
        "a[1",
        "foo(a,)",
        "@(a)",
        "parse_json('{')",
        "length()",
        "map(list, &n)",
        "&a",
    ] {
        assert!(
            matches!(query(expression), Err(QueryError::Failed(_))),
            "{expression}: {:?}",
            query(expression)
        );
    }
}

#[test]
fn expressions_that_are_too_long_or_too_deep_are_refused() {
    for text in [
        "!".repeat(300) + "a",
        "[".repeat(300),
        "(".repeat(500) + "a" + &")".repeat(500),
        vec!["a"; 5000].join("."),
        "a".repeat(20_000),
        vec!["a"; 150].join("."),
    ] {
        assert!(Expression::parse(&text).is_err(), "{}…", &text[..20]);
    }
    // As much nesting as the limits let through fits the stack.
    let nested = "(".repeat(90) + "a" + &")".repeat(90);
    assert!(Expression::parse(&nested).is_ok());
    let deep = vec!["a[*]"; 30].join(".");
    let budget = Budget::default();
    let world = World::new(&budget, &NoFacts);
    assert!(Expression::parse(&deep).is_ok_and(|deep| deep.query(&json!({}), world).is_ok()));
}

#[test]
fn doubling_values_run_out_of_budget() {
    let doubling = vec!["{a: @, b: @}"; 40].join(" | ");
    assert!(matches!(
        query(&doubling),
        Err(QueryError::Exhausted(_) | QueryError::Failed(_))
    ));
    let lists = format!("a.b{}", " | [@, @, @, @][]".repeat(30));
    assert!(matches!(
        query(&lists),
        Err(QueryError::Exhausted(_) | QueryError::Failed(_))
    ));
}

#[test]
fn leading_paths() {
    let check = |expression: &str, expect: &[&str]| {
        let expression = Expression::parse(expression).expect("an expression");
        assert_eq!(expression.leading_path(), expect);
    };
    check("request.object.spec", &["request", "object", "spec"]);
    check("request.object.spec.[a, b][]", &["request", "object", "spec"]);
    check("request.object.list[?x].y", &["request", "object", "list"]);
    check("contains(element.drop || `[]`, 'ALL')", &["element", "drop"]);
    check("length(a.b) > `1`", &["a", "b"]);
    check("'text'", &[]);
}

proptest! {
    #[test]
    fn never_panics(
        expression in "[a-c.\\[\\]{}()*?|&!@:,<>='`0-9 -]{0,40}",
        call in "(length|keys|sort|join|sum|add|split|items|truncate|round|replace|slice|semver_compare)\\((a|a\\.b|list|`-1`|'x'|@|&n)(, ?(a\\.c|'y'|`3`|&v|@)){0,3}\\)",
    ) {
        let _ = query(&expression);
        let _ = query(&call);
    }
}
