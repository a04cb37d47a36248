//! Whatever an expression says, it ends soon and makes nothing that is too large.

use proptest::prelude::*;

use super::super::functions::names;
use super::super::query;
use crate::hostile::{PATTERNS, TEXTS, ends, long};

fn any_jmespath() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec![
            "@",
            "data",
            "data.a",
            "none",
            "*",
            "[*]",
            "[]",
            "`null`",
            "`[1, 2]`",
            "`{\"a\": {}}`",
            "`1e308`"
        ])
        .prop_map(str::to_owned),
        prop::sample::select(TEXTS.to_vec()).prop_map(|text| format!("'{text}'")),
        any::<i32>().prop_map(|number| format!("`{number}`")),
    ];
    leaf.prop_recursive(6, 40, 4, |inner| {
        let some = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (
                inner.clone(),
                prop::sample::select(vec![".", " | ", " || ", " && ", " == ", " < "]),
                inner.clone()
            )
                .prop_map(|(left, between, right)| format!("({left}){between}({right})")),
            (prop::sample::select(names()), some())
                .prop_map(|(name, values)| format!("{name}({})", values.join(", "))),
            (
                prop::sample::select(vec!["map", "sort_by", "max_by"]),
                inner.clone(),
                inner.clone()
            )
                .prop_map(|(name, by, over)| if name == "map" {
                    format!("map(&({by}), {over})")
                } else {
                    format!("{name}({over}, &({by}))")
                }),
            (inner.clone(), inner.clone()).prop_map(|(of, filter)| format!("({of})[?{filter}]")),
            (inner.clone(), any::<(i8, i8, i8)>()).prop_map(|(of, (a, b, c))| format!("({of})[{a}:{b}:{c}]")),
            some().prop_map(|values| format!("[{}]", values.join(", "))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{{a: {a}, b: {b}}}")),
            inner.clone().prop_map(|of| format!("!({of})")),
            // Twice as much, and twice that.
            inner.clone().prop_map(|of| format!(
                "({of}) | [@, @, @] | {{a: @, b: @}} | [@, @] | {{a: @, b: @}} | [@, @, @]"
            )),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn any_expression_ends(expression in any_jmespath()) {
        let value = long("x", 2000);
        ends(&expression, || query(&expression, &value))?;
    }
}

#[test]
fn patterns_written_to_cost_are_cut_off() {
    let value = long("01", 500_000);
    for pattern in PATTERNS {
        let expression = format!("regex_replace_all('{pattern}', data.a, '')");
        ends(&expression, || query(&expression, &value)).expect("it ends");
    }
}
