//! What conditions hold of.

#![expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]

use super::*;
use crate::cursor::Origin;
use crate::facts::NoFacts;
use crate::variables::Expressions;
use proptest::prelude::*;
use serde_json::json;
use typed_arena::Arena;

fn judge(conditions: &Value, root: Value) -> Result<(bool, String), QueryError> {
    let read = Conditions::read(&Cursor::root(Origin::named("test"), conditions)).expect("conditions");
    let (expressions, budget, values) = (Expressions::default(), Budget::default(), Arena::new());
    let context = Context::new(&root, &values, &expressions, &budget, &NoFacts);
    read.judge(&context).map(|judged| (judged.holds, judged.message))
}

#[track_caller]
fn check(key: Value, operator: &str, value: Value, expect: bool) {
    let conditions = json!({"all": [{"key": key, "operator": operator, "value": value}]});
    assert_eq!(
        judge(&conditions, json!({})).map(|(holds, _)| holds),
        Ok(expect),
        "{conditions}"
    );
}

#[test]
fn equals() {
    check(json!("a"), "Equals", json!("a"), true);
    check(json!("abc"), "Equals", json!("a*"), true);
    check(json!("a*"), "Equals", json!("abc"), false);
    check(json!("a"), "Equal", json!("b"), false);
    check(json!(1), "equals", json!(1.0), true);
    check(json!(1), "Equals", json!("1"), true);
    check(json!(1.5), "Equals", json!("1.5"), true);
    check(json!(true), "Equals", json!("true"), false);
    check(json!("1h"), "Equals", json!("60m"), true);
    check(json!("1h"), "Equals", json!(3600), true);
    check(json!("1Gi"), "Equals", json!("1024Mi"), true);
    check(json!([1, "a"]), "Equals", json!([1, "a"]), true);
    check(json!({"a": 1}), "Equals", json!({"a": 1}), true);
    check(json!(null), "Equals", json!(null), false);
    check(json!(null), "NotEquals", json!("a"), false);
    check(json!("a"), "NotEquals", json!("b"), true);
    check(json!("a"), "NotEquals", json!(1), true);
    check(json!(2), "NotEqual", json!("2"), false);
}

#[test]
fn membership() {
    check(json!("a"), "AnyIn", json!(["a", "b"]), true);
    check(json!("c"), "AnyIn", json!(["a", "b"]), false);
    check(json!("abc"), "AnyIn", json!(["a*"]), true);
    check(json!("a"), "AnyIn", json!("a"), true);
    check(json!("a"), "AnyIn", json!("[\"a\",\"b\"]"), true);
    check(json!(5), "AnyIn", json!("1-10"), true);
    check(json!(50), "AnyIn", json!("1-10"), false);
    check(json!("c"), "AnyNotIn", json!(["a", "b"]), true);
    check(json!("a"), "AllNotIn", json!(["a"]), false);
    check(json!(["a", "c"]), "AnyIn", json!(["a", "b"]), true);
    check(json!(["a", "c"]), "AllIn", json!(["a", "b"]), false);
    check(json!(["a", "b"]), "AllIn", json!(["a", "b", "c"]), true);
    check(json!(["a", "c"]), "AnyNotIn", json!(["a", "b"]), true);
    check(json!(["a", "b"]), "AnyNotIn", json!(["a", "b"]), false);
    check(json!(["c", "d"]), "AllNotIn", json!(["a", "b"]), true);
    check(json!(["a", "d"]), "AllNotIn", json!(["a", "b"]), false);
    check(json!([]), "AllIn", json!(["a"]), true);
    check(json!([]), "AnyIn", json!(["a"]), false);
    check(json!([]), "AnyNotIn", json!(["a"]), false);
    check(json!([1, 2]), "AllIn", json!([1, 2, 3]), true);
    check(json!("a"), "In", json!(["a"]), true);
    check(json!(["a", "b"]), "In", json!(["a"]), false);
    check(json!(["a", "b"]), "NotIn", json!(["a"]), true);
    check(json!(["a"]), "NotIn", json!(["a"]), false);
    // What is neither text nor list is in nothing, and not outside of anything either.
    check(json!("a"), "AnyIn", json!({"a": 1}), false);
    check(json!("a"), "AnyNotIn", json!({"a": 1}), false);
    check(json!(null), "AnyNotIn", json!(["a"]), false);
    check(json!("x"), "AnyNotIn", json!("5"), false);
    // A list as text, and text that is none.
    check(json!("a*"), "AnyIn", json!("abc"), false);
    check(json!("abc"), "AnyIn", json!("a*"), true);
    check(json!("a"), "In", json!("[\"a\"]"), true);
    check(json!("x"), "NotIn", json!("[\"a\"]"), true);
    check(json!("x"), "NotIn", json!("abc"), false);
    check(json!("x"), "AllNotIn", json!("abc"), true);
    check(json!("x"), "AllNotIn", json!("null"), true);
    check(json!("x"), "AllNotIn", json!("[1]"), false);
    check(json!(["a"]), "NotIn", json!("a"), true);
    check(json!(["a"]), "In", json!("a"), true);
    check(json!(["a"]), "AllNotIn", json!("a"), false);
    check(json!(["a", "b"]), "AllIn", json!("[\"a\",\"b\"]"), true);
    check(json!(["a", "b"]), "AnyNotIn", json!("a"), true);
    check(json!(["a*"]), "In", json!(["ab"]), false);
    check(json!(["a*"]), "AllIn", json!(["ab"]), true);
    check(json!(["a"]), "In", json!([1]), false);
    check(json!([1]), "AnyIn", json!(1), true);
    check(json!([1]), "AllIn", json!(1), false);
    check(json!([true]), "AnyNotIn", json!(false), true);
    check(json!([]), "In", json!(["a"]), true);
    check(json!([]), "NotIn", json!(["a"]), false);
    // Ranges.
    check(json!([5, 50]), "AnyIn", json!("1-10"), true);
    check(json!([5, 50]), "AllIn", json!("1-10"), false);
    check(json!([5, 50]), "AnyNotIn", json!("1-10"), true);
    check(json!([5, 6]), "AnyNotIn", json!("1-10"), false);
    check(json!(["x", 6]), "AnyNotIn", json!("1-10"), false);
    check(json!([50, 60]), "AllNotIn", json!("1-10"), true);
    check(json!([5, 60]), "AllNotIn", json!("1-10"), false);
    check(json!(50), "AllNotIn", json!("1-10"), true);
    check(json!("512Mi"), "AnyIn", json!("256Mi-1Gi"), true);
}

#[test]
fn order() {
    check(json!(2), "GreaterThan", json!(1), true);
    check(json!(1), "GreaterThan", json!(1), false);
    check(json!(1), "GreaterThanOrEquals", json!("1"), true);
    check(json!("1"), "LessThan", json!("2"), true);
    check(json!("10"), "LessThan", json!("9"), false);
    check(json!("512Mi"), "LessThanOrEquals", json!("1Gi"), true);
    check(json!("1h"), "GreaterThan", json!("90m"), false);
    check(json!("1h"), "LessThan", json!(7200), true);
    check(json!("1.10.0"), "GreaterThan", json!("1.9.0"), true);
    check(json!("a"), "GreaterThan", json!("b"), false);
    check(json!(null), "LessThan", json!(1), false);
    check(json!("2h"), "DurationGreaterThan", json!("1h"), true);
    check(json!(60), "DurationLessThanOrEquals", json!("1m"), true);
    check(json!("x"), "DurationLessThan", json!("1m"), false);
}

#[test]
fn any_all_and_messages() {
    let yes = json!({"key": 1, "operator": "Equals", "value": 1, "message": "one is one"});
    let no = json!({"key": 1, "operator": "Equals", "value": 2, "message": "one is two"});
    let check = |conditions: Value, holds: bool, message: &str| {
        assert_eq!(
            judge(&conditions, json!({})),
            Ok((holds, message.to_owned())),
            "{conditions}"
        );
    };
    check(json!({}), true, "");
    check(json!([]), true, "");
    check(json!([yes, no]), false, "one is two");
    check(json!({"any": [no, yes]}), true, "one is one");
    check(json!({"any": [no, no]}), false, "one is two; one is two");
    check(json!({"any": []}), false, "");
    check(json!({"any": [yes], "all": [yes, no]}), false, "one is two");
    check(
        json!({"any": [yes], "all": [yes]}),
        true,
        "one is one; one is one",
    );
}

#[test]
fn a_variable_without_a_value_is_an_error() {
    let conditions = json!([{"key": "{{ a }}", "operator": "Equals", "value": 1}]);
    assert_eq!(
        judge(&conditions, json!({})),
        Err(QueryError::NotFound("a".to_owned()))
    );
    assert_eq!(
        judge(&conditions, json!({"a": 1})).map(|(holds, _)| holds),
        Ok(true)
    );
}

#[test]
fn a_list_that_cannot_be_compared_is_an_error() {
    let conditions = json!([{"key": [1], "operator": "In", "value": ["1"]}]);
    assert!(matches!(
        judge(&conditions, json!({})),
        Err(QueryError::Failed(_))
    ));
}

#[test]
fn what_cannot_be_read() {
    for conditions in [
        json!([{"key": 1, "operator": "Is", "value": 1}]),
        json!([{"key": 1, "value": 1}]),
        json!({"some": []}),
        json!("x"),
        json!([{"key": 1, "operator": "Equals", "vlaue": 1}]),
    ] {
        assert!(
            Conditions::read(&Cursor::root(Origin::named("test"), &conditions)).is_err(),
            "{conditions}"
        );
    }
}

proptest! {
    #[test]
    fn never_panics(
        key in crate::pattern::tests::any_json(),
        value in crate::pattern::tests::any_json(),
        operator in "(Equals|NotEquals|In|NotIn|AnyIn|AllIn|AnyNotIn|AllNotIn|GreaterThan|DurationLessThan)",
    ) {
        let _ = judge(&json!([{"key": key, "operator": operator, "value": value}]), json!({}));
    }
}
