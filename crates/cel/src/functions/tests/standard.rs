//! The libraries that CEL has everywhere.

use serde_json::json;

use super::check;

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
