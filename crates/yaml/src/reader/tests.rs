//! What go-yaml means by a text, what it refuses, and that any text ends.

use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::*;

#[expect(clippy::needless_pass_by_value, reason = "the tables read better")]
fn check(text: &str, expect: Value) {
    let document = parse(text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert_eq!(document.value, expect, "{text}");
}

fn check_error(text: &str, expect: &str) {
    let error = parse(text).expect_err(text).to_string();
    assert!(error.contains(expect), "{error:?} should say {expect:?}");
}

#[test]
fn the_end_of_the_text_ends_no_line() {
    check("a: |\n  cc", json!({"a": "cc"}));
    check("a: |+\n  cc", json!({"a": "cc"}));
    check("a: >\n  cc\n  dd", json!({"a": "cc dd"}));
    check("- |\n  cc\n  # dd", json!(["cc\n# dd"]));
    check("a: |\n  cc\n# no", json!({"a": "cc\n"}));
    check("a: |\n  cc\n  ", json!({"a": "cc\n"}));
    check("a: |\n  cc\n", json!({"a": "cc\n"}));
}

#[test]
fn quoted_text_may_go_on_at_the_left() {
    check(
        "a:\n  b: \"x\n y\nz\n\"\nc: 'd\ne'\nf: 1\n",
        json!({"a": {"b": "x y z "}, "c": "d e", "f": 1}),
    );
    check_error("a:\n  b: \"x\nz", "");
    // As often as in the largest charts.
    let many = (0..200).fold(String::new(), |mut text, number| {
        let _ = writeln!(text, "k{number}:\n  a: 'x\n  y'");
        text
    });
    assert_eq!(parse(&many).unwrap().value["k199"]["a"], "x y");
    let long = format!("a:\n  b: \"x{}\"\n", "\ny".repeat(20_000));
    assert_eq!(
        parse(&long).unwrap().value["a"]["b"],
        format!("x{}", " y".repeat(20_000))
    );
    check_error(
        &format!("a:\n  b: \"x{}\"\n", "\n".repeat(200_000) + "y"),
        "indentation",
    );
}

#[test]
fn a_block_may_begin_below_its_key() {
    check(
        "a:\n  b:\n  |\n    c\n    d\n  e:\n\n  >-\n   f\ng: 1\n",
        json!({"a": {"b": "c\nd\n", "e": "f"}, "g": 1}),
    );
    check_error("a: 1\n|\n  b\n", "simple key");
}

#[test]
fn comments_may_follow_at_once() {
    check(
        "a: \"b\"#c\nd: 'e'# f\ng: [h]#i\nj: |#k\n  l\n",
        json!({"a": "b", "d": "e", "g": ["h"], "j": "l\n"}),
    );
}

#[test]
fn text_means_what_go_yaml_says() {
    check("", Value::Null);
    check("# nothing\n", Value::Null);
    check(
        "a: yes\nb: on\nc: n\nd: ~\ne:\n",
        json!({"a": true, "b": true, "c": false, "d": null, "e": null}),
    );
    check(
        "on: x\n1: q\n1.5: z\n014: w",
        json!({"true": "x", "1": "q", "1.5": "z", "12": "w"}),
    );
    check(
        "a: 014\nb: 1_000\nc: 1e3\nd: 0.5\ne: 1.0",
        json!({"a": 12, "b": 1000, "c": 1000, "d": 0.5, "e": 1}),
    );
    check(
        "a: '1'\nb: \"yes\"\nc: !!str 12\nd: !foo bar",
        json!({"a": "1", "b": "yes", "c": "12", "d": "bar"}),
    );
    check(
        "a: !!binary aGk=\nb: 2001-12-14",
        json!({"a": "hi", "b": "2001-12-14"}),
    );
    check("a: 1\na: 2", json!({"a": 2}));
    check(
        "a: |\n  x\n  y\nb: >-\n  x\n  y",
        json!({"a": "x\ny\n", "b": "x y"}),
    );
    check("a: [1, {b: c}]", json!({"a": [1, {"b": "c"}]}));
    check("a:\n- 1\n- 2", json!({"a": [1, 2]}));
    check(
        "{\"a\": 1, \"b\": [true, null]}",
        json!({"a": 1, "b": [true, null]}),
    );
    check("---\na: 1\n...\n", json!({"a": 1}));
    check("\u{feff}a: 1", json!({"a": 1}));
    check("a: b\r\nc: d\r\n", json!({"a": "b", "c": "d"}));
}

#[test]
fn anchors_and_merges() {
    check("a: &x {b: 1}\nc: *x", json!({"a": {"b": 1}, "c": {"b": 1}}));
    check(
        "a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3",
        json!({"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 3}}),
    );
    // go-yaml v2 merges in the order of the text.
    check(
        "a: &x {c: 2}\nd:\n  c: 3\n  <<: *x",
        json!({"a": {"c": 2}, "d": {"c": 2}}),
    );
    check(
        "a: &x {k: 1}\nb: &y {k: 2, l: 3}\nc: {<<: [*x, *y]}",
        json!({"a": {"k": 1}, "b": {"k": 2, "l": 3}, "c": {"k": 1, "l": 3}}),
    );
    check("\"<<\": 1", json!({"<<": 1}));
    check("&k a: 1\nb: *k", json!({"a": 1, "b": "a"}));
    check_error("<<: 1", "map merge requires");
    check_error("a: &x [*x]", "contains itself");
    check_error("a: *nope", "line 1, column 4");
}

#[test]
fn what_cannot_be_read_says_where() {
    check_error("a: b: c", "line 1");
    check_error("a: 1\n b: 2", "line 2");
    check_error("{{ .Values.x }}: 1", "cannot be a key");
    check_error("a: [1", "line 1");
    check_error("a: \"x", "line 1");
    check_error("~: x", "null cannot be a key");
    check_error("a: .nan", "line 1, column 4: NaN is not a number");
    check_error("a: 1\n---\nb: 2", "line 3, column 1: one document was expected");
}

#[test]
fn hostile_text_is_bounded() {
    check_error(&"[".repeat(100_000), "");
    check_error(&"- ".repeat(100_000), "");
    check_error(&format!("{}1{}", "{a: ".repeat(200), "}".repeat(200)), "");
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..10 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(laughs, "a{level}: &a{level} [{items}]").unwrap();
    }
    check_error(&laughs, "excessive aliasing");
    let mut ladder = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        writeln!(ladder, "a{level}: &a{level} [*a{}]", level - 1).unwrap();
    }
    check_error(&ladder, "nested more than");
}

#[test]
fn streams_leave_out_empty_documents() {
    let text = "# lead\n---\n# Source: x\na: 1\n---\n---\n# only a comment\n---\n\nb:\n  c: 2\n";
    let documents = parse_all(text).unwrap();
    let values: Vec<Value> = documents.iter().map(|document| document.value.clone()).collect();
    assert_eq!(values, [json!({"a": 1}), json!({"b": {"c": 2}})]);
    assert_eq!(documents.iter().map(Document::line).collect::<Vec<_>>(), [4, 10]);
    assert_eq!(
        documents[1].position("/b/c"),
        Some(Position { line: 11, column: 6 })
    );
    assert_eq!(documents[0].text(), "---\n# Source: x\na: 1\n");
}

#[test]
fn places_are_found_again() {
    let text = concat!(
        "kind: Pod\nspec:\n  image: a:1\n  \"x/y~z\": 1\n  list:\n  - name: a\n    env:\n    - 5\n",
        "  - name: b\n  empty:\nbase: &b {k: v}\nuse:\n  <<: *b\n  own: 1\nalias: *b\n",
    );
    let document = parse(text).unwrap();
    let check = |pointer: &str, expect: Option<(usize, usize)>| {
        let expect = expect.map(|(line, column)| Position { line, column });
        assert_eq!(document.position(pointer), expect, "{pointer}");
    };
    check("", Some((1, 1)));
    check("/kind", Some((1, 7)));
    check("/spec", Some((2, 1)));
    check("/spec/image", Some((3, 10)));
    check("/spec/x~1y~0z", Some((4, 12)));
    check("/spec/list", Some((5, 3)));
    check("/spec/list/0", Some((6, 5)));
    check("/spec/list/0/env/0", Some((8, 7)));
    check("/spec/list/1/name", Some((9, 11)));
    check("/spec/empty", Some((10, 3)));
    check("/use/k", Some((13, 3)));
    check("/use/own", Some((14, 8)));
    check("/alias/k", Some((15, 8)));
    check("/spec/none", None);
    check("/spec/list/2", None);
    check("/spec/list/x", None);
    check("spec", None);
}

/// Lines as charts print them, with indents that go wrong now and then.
fn block_text() -> impl Strategy<Value = String> {
    let value = prop_oneof![
        "[a-z0-9.:/# -]{0,8}",
        Just(String::new()),
        Just("|".to_owned()),
        Just("|-".to_owned()),
        Just("|+".to_owned()),
        Just("{}".to_owned()),
        Just("[]".to_owned()),
        "\\[[a-c1, '\"]{0,8}\\]",
        Just("\"q: \\n\\\" x\" # c".to_owned()),
        Just("'it''s' ".to_owned()),
        Just("*a".to_owned()),
        Just("yes".to_owned()),
        Just("- b".to_owned()),
        "['\"][a-c \\\\]{0,4}",
        "[a-c ]{0,4}['\"] ?",
    ];
    let line = (
        0..4_usize,
        0..2_usize,
        "([a-c]|\"k k\"|'k'|on|1)?",
        value,
        0..10_usize,
    )
        .prop_map(|(indent, dashes, key, value, odd)| {
            let pad = " ".repeat(indent * 2 + usize::from(odd == 0));
            match odd {
                1 => String::new(),
                2 => format!("{pad}# c"),
                3 => "---".to_owned(),
                4 => format!("{pad}{value}"),
                _ if key.is_empty() => format!("{pad}{}{value}", "- ".repeat(dashes)),
                _ => format!("{pad}{}{key}: {value}", "- ".repeat(dashes)),
            }
        });
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n") + "\n")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_fast_reader_agrees_with_the_general_one(text in block_text(), cut in 0..4_usize) {
        let text = &text[..text.len() - cut.min(text.len())];
        if let Some(parts) = block::read(text) {
            let general = read_generally(text, &Arc::from(text));
            let general = general.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
            let fast: Vec<Value> =
                parts.iter().map(|part| part.value.clone()).filter(|value| !value.is_null()).collect();
            let slow: Vec<Value> = general.iter().map(|document| document.value.clone()).collect();
            prop_assert_eq!(fast, slow, "{}", text);
            for (part, document) in parts.iter().zip(&general) {
                prop_assert_eq!((part.line, part.start_line), (document.line, document.start_line), "{}", text);
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(
        text in "\\PC{0,200}|[-a-c:&*!|>{}\\[\\], \n#'\"<0-9.]{0,120}",
    ) {
        if let Ok(documents) = parse_all(&text) {
            for document in documents {
                let written = crate::emit(&document.value);
                let back = parse(&written).map(|document| document.value);
                prop_assert_eq!(back, Ok(document.value.clone()), "{}", written);
                prop_assert!(document.position("").is_some());
            }
        }
    }
}

#[test]
fn keys_that_stand_twice_are_found() {
    let check = |text: &str, expect: &[(usize, &str)]| {
        let found = repeated_keys(text);
        let found: Vec<(usize, &str)> = found.iter().map(|(line, key)| (*line, key.as_str())).collect();
        assert_eq!(found, expect, "{text}");
    };
    check("\na: 1\nb:\n  c: x\n  c: y\nd: 2\na: 3\n", &[(5, "c"), (7, "a")]);
    check("- {a: 1, \"a\": 2}\n- a: 1\n", &[(1, "a")]);
    check("a:\n  b: 1\na:\n  b: 2\n", &[(4, "a")]);
    check("x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x\n  a: 2\n", &[]);
    check("a: [\n", &[]);
    check("", &[]);
    assert_eq!(repeated_keys(&"a:\n".repeat(10_000)).len(), 100);
}
