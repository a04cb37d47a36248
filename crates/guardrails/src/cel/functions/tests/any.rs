//! Whatever an expression says, it ends soon and makes nothing that is too large.

use proptest::prelude::*;

use ::cel::Style;

use super::super::all;
use crate::cel::evaluate_cel;
use crate::hostile::{PATTERNS, TEXTS, ends, long};

/// Names of all functions; what they are given below is rarely what they take.
fn named(style: Style) -> Vec<&'static str> {
    let own = all().map(|(name, style, _)| (*name, *style));
    let every = ::cel::names().chain(own);
    every
        .filter(|(_, its_style)| *its_style == style)
        .map(|(name, _)| name)
        .collect()
}

const LOOPS: [&str; 14] = [
    "all(x, ",
    "exists(x, ",
    "exists_one(x, ",
    "map(x, ",
    "filter(x, ",
    "sortBy(x, ",
    "optMap(x, ",
    "optFlatMap(x, ",
    "all(i, x, ",
    "transformList(i, x, ",
    "transformMap(i, x, ",
    "transformMapEntry(i, x, ",
    "map(x, true, ",
    "transformList(i, x, true, ",
];

fn any_cel() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "object",
            "object.data",
            "object.data.a",
            "object.none",
            "object.?none",
            "null",
            "true",
            "false",
            "x",
            "i",
            "0",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
            "18446744073709551615u",
            "1e308",
            "0.0",
            "5e-324",
            "[]",
            "{}",
            "b'\\xff'",
            "lists.range(1000)",
            "optional.none()",
            "timestamp(0)",
            "duration('1s')",
            "int",
        ])
        .prop_map(str::to_owned),
        prop::sample::select(TEXTS.to_vec()).prop_map(|text| format!("'{text}'")),
        any::<i64>().prop_map(|number| number.to_string()),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec![
                    "+", "-", "*", "/", "%", "==", "!=", "<", ">=", "in", "&&", "||"
                ]),
                inner.clone()
            )
                .prop_map(|(left, operator, right)| format!("({left} {operator} {right})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (prop::sample::select(vec!["!", "-", "!!", "--"]), inner.clone())
                .prop_map(|(sign, value)| format!("{sign}({value})")),
            (prop::sample::select(named(Style::Plain)), some())
                .prop_map(|(name, values)| format!("{name}({})", values.join(", "))),
            (inner.clone(), prop::sample::select(named(Style::Method)), some())
                .prop_map(|(of, name, values)| format!("({of}).{name}({})", values.join(", "))),
            (inner.clone(), prop::sample::select(LOOPS.to_vec()), inner.clone())
                .prop_map(|(over, head, body)| format!("({over}).{head}{body})")),
            // What functions do take, more often than not.
            (
                prop::sample::select(TEXTS.to_vec()),
                prop::sample::select(named(Style::Method)),
                prop::sample::select(vec![
                    "",
                    "''",
                    "'a'",
                    "'[01]*1[01]{300}'",
                    "0",
                    "3",
                    "-1",
                    "'a', 'é'",
                    "'', 'x', 9"
                ])
            )
                .prop_map(|(text, name, values)| format!("'{text}'.{name}({values})")),
            (
                prop::sample::select(named(Style::Plain)),
                prop::sample::select(TEXTS.to_vec())
            )
                .prop_map(|(name, text)| format!("{name}('{text}')")),
            some().prop_map(|values| format!("[{}]", values.join(", "))),
            prop::collection::vec((inner.clone(), inner.clone()), 0..3).prop_map(|pairs| {
                let pairs: Vec<String> = pairs
                    .iter()
                    .map(|(key, value)| format!("{key}: {value}"))
                    .collect();
                format!("{{{}}}", pairs.join(", "))
            }),
            (inner.clone(), inner.clone()).prop_map(|(of, at)| format!("({of})[?{at}]")),
            (inner.clone(), inner.clone()).prop_map(|(of, at)| format!("({of})[{at}]")),
            (
                inner.clone(),
                prop::sample::select(vec!["a", "?a", "data", "`a-b`"])
            )
                .prop_map(|(of, field)| format!("({of}).{field}")),
            inner.clone().prop_map(|of| format!("has(({of}).a)")),
            // Twice as much, and twice that.
            (inner.clone(), inner.clone()).prop_map(|(value, body)| format!(
                "cel.bind(x, [{value}, {value}], cel.bind(x, [x, x, x, x], cel.bind(i, x + x + x, {body})))"
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn any_expression_ends(expression in any_cel()) {
        let object = long("x", 2000);
        ends(&expression, || evaluate_cel(&expression, &object))?;
    }
}

#[test]
fn patterns_written_to_cost_are_cut_off() {
    let object = long("01", 500_000);
    for pattern in PATTERNS {
        for expression in [
            format!("object.data.a.matches('{pattern}')"),
            format!("object.data.a.matches('{pattern}' + '')"),
            format!("regex.replace(object.data.a, '{pattern}', '')"),
            format!("object.data.a.findAll('{pattern}')"),
        ] {
            ends(&expression, || evaluate_cel(&expression, &object)).expect("it ends");
        }
    }
}
