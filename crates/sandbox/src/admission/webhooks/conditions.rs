//! Match conditions: a webhook's own say, in CEL, on whether it is asked.
//!
//! Reference: `k8s.io/apiserver/pkg/admission/plugin/webhook/matchconditions`.

use cel::{Budget, Failure, Host, Names, Program, Root, Scope, Value};
use serde_json::Value as Json;

use crate::verbs::text;

/// What a condition may look at.
const ROOTS: [Root; 4] = [
    Root("object"),
    Root("oldObject"),
    Root("request"),
    Root("authorizer"),
];

/// The question that the webhook would be asked.
struct Asked<'v> {
    request: &'v Json,
    /// The same without the objects.
    bare: &'v Json,
}

impl<'v> Host<'v> for Asked<'v> {
    fn root(&self, root: Root) -> Value<'v> {
        match root.0 {
            "authorizer" => Value::Unknown("what others may do".into()),
            "request" => Value::from(self.bare),
            name => self.request.get(name).map_or(Value::Null, Value::from),
        }
    }
}

/// Whether all conditions hold. One that does not is enough, whatever becomes of others; an error says which have no
/// value and why.
pub(super) fn hold(conditions: &[&Json], question: &Json) -> Result<bool, String> {
    let request = &question["request"];
    let mut bare = request.clone();
    if let Some(fields) = bare.as_object_mut() {
        fields.remove("object");
        fields.remove("oldObject");
    }
    let asked = Asked { request, bare: &bare };
    let mut failed = Vec::new();
    let budget = Budget::default();
    for condition in conditions {
        let expression = text(condition, &["expression"]);
        match evaluate(expression, &asked, &budget) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(why) => failed.push(format!("expression '{expression}' resulted in error: {why}")),
        }
    }
    match failed.as_slice() {
        [] => Ok(true),
        [only] => Err(only.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

fn evaluate(expression: &str, asked: &Asked<'_>, budget: &Budget) -> Result<bool, Failure> {
    let names = Names {
        roots: &ROOTS,
        ..Names::default()
    };
    let program = Program::compile(expression, names).map_err(|error| Failure::new(error.to_string()))?;
    Scope::new(budget, asked).holds(&program)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_or_not() {
        let question = json!({ "request": {
            "operation": "UPDATE", "name": "a", "userInfo": { "username": "jo" },
            "object": { "metadata": { "name": "a" } }, "oldObject": null,
        } });
        let check = |expressions: &[&str], expect: Result<bool, &str>| {
            let conditions: Vec<Json> = expressions
                .iter()
                .map(|expression| json!({ "expression": expression }))
                .collect();
            let conditions: Vec<&Json> = conditions.iter().collect();
            let got = hold(&conditions, &question);
            match (&got, expect) {
                (Ok(got), Ok(expect)) => assert_eq!(*got, expect, "{expressions:?}"),
                (Err(got), Err(part)) => assert!(got.contains(part), "{expressions:?}: {got}"),
                other => panic!("{expressions:?}: {other:?}"),
            }
        };
        check(&["object.metadata.name == 'a'"], Ok(true));
        check(
            &[
                "request.userInfo.username == 'jo'",
                "request.operation == 'CREATE'",
            ],
            Ok(false),
        );
        check(&["oldObject == null"], Ok(true));
        check(
            &["object.data.x == 'y'"],
            Err("resulted in error: no such key: data"),
        );
        check(
            &["object.data.x == 'y'", "object.metadata.name == 'b'"],
            Ok(false),
        );
        check(&["object.metadata.name"], Err("not true or false"));
        check(&["has(request.object)"], Ok(false));
        check(
            &["authorizer.group('apps').check('get').allowed()"],
            Err("resulted in error"),
        );
        check(&["object.("], Err("resulted in error"));
    }
}
