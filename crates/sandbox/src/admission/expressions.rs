//! CEL at the door: what an expression of a webhook or a policy finds around it, and whether it can be read at all.
//!
//! Reference: `k8s.io/apiserver/pkg/admission/plugin/cel` and `…/plugin/webhook/matchconditions`.

use std::sync::Arc;

use cel::check::{self as types, Fields, Type};
use cel::{Budget, Failure, Host, Names, Program, Root, Scope, Value};
use serde_json::Value as Json;

use super::{Attributes, review};
use crate::catalog::Resource;
use crate::verbs::text;

/// What an expression may look at.
pub(super) const ROOTS: [Root; 6] = [
    Root("object"),
    Root("oldObject"),
    Root("request"),
    Root("namespaceObject"),
    Root("params"),
    Root("authorizer"),
];

/// A write as expressions see it.
#[derive(Debug)]
pub(super) struct Question {
    request: Json,
    /// The same without the objects.
    bare: Json,
    namespace: Json,
}

impl Question {
    /// A write in the terms of a resource, with the namespace it is in.
    pub(super) fn of(write: &Attributes<'_>, resource: &Resource, object: &Json, namespace: Json) -> Self {
        let mut review = review::question("", "v1", write, resource, object);
        Self::asked(review["request"].take(), namespace)
    }

    fn asked(request: Json, namespace: Json) -> Self {
        let mut bare = request.clone();
        if let Some(fields) = bare.as_object_mut() {
            fields.remove("object");
            fields.remove("oldObject");
        }
        Self {
            request,
            bare,
            namespace,
        }
    }

    /// The same with the parameters of a policy; null where it has none.
    pub(super) fn with<'v>(&'v self, params: &'v Json) -> Around<'v> {
        Around {
            question: self,
            params,
        }
    }
}

/// Everything that is around an expression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Around<'v> {
    question: &'v Question,
    params: &'v Json,
}

impl<'v> Host<'v> for Around<'v> {
    fn root(&self, root: Root) -> Value<'v> {
        match root.0 {
            "authorizer" => Value::Unknown("what others may do".into()),
            "request" => Value::from(&self.question.bare),
            "namespaceObject" => Value::from(&self.question.namespace),
            "params" => Value::from(self.params),
            name => self.question.request.get(name).map_or(Value::Null, Value::from),
        }
    }
}

/// Whether all match conditions hold. One that does not is enough, whatever becomes of others; an error says which have
/// no value and why.
pub(super) fn hold(conditions: &[&Json], around: &Around<'_>, budget: &Budget) -> Result<bool, String> {
    let mut failed = Vec::new();
    for condition in conditions {
        let expression = text(condition, &["expression"]);
        match evaluate(expression, around, budget) {
            Ok(true) => {}
            Ok(false) => return Ok(false),
            Err(why) => failed.push(no_value(expression, &why)),
        }
    }
    match failed.as_slice() {
        [] => Ok(true),
        [only] => Err(only.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

/// What is said of an expression that has no value.
pub(super) fn no_value(expression: &str, why: &Failure) -> String {
    format!("expression '{expression}' resulted in error: {why}")
}

fn evaluate(expression: &str, around: &Around<'_>, budget: &Budget) -> Result<bool, Failure> {
    let program = read(expression, &[]).map_err(Failure::new)?;
    Scope::new(budget, around).holds(&program)
}

/// An expression ready to be evaluated, with the variables declared before it.
pub(super) fn read(expression: &str, variables: &[String]) -> Result<Program, String> {
    let names = Names {
        roots: &ROOTS,
        variables,
        ..Names::default()
    };
    Program::compile(expression, names).map_err(|unreadable| unreadable.to_string())
}

/// What the variables of an expression are, while it is checked before anything is evaluated.
#[derive(Clone, Debug)]
pub(super) struct Known {
    roots: Vec<(&'static str, Type)>,
    /// Whether others' rights may be asked for.
    authorizer: bool,
    /// The variables declared before, in order.
    names: Vec<String>,
    variables: Arc<Fields>,
}

impl Known {
    /// The object, and what was there before, are of one type.
    pub(super) fn new(object: &Type, params: Option<&Type>) -> Self {
        let mut roots = vec![
            ("object", object.clone()),
            ("oldObject", object.clone()),
            ("request", request_type()),
            ("namespaceObject", namespace_type()),
        ];
        roots.extend(params.map(|params| ("params", params.clone())));
        Self {
            roots,
            authorizer: true,
            names: Vec::new(),
            variables: Arc::default(),
        }
    }

    /// The same where others' rights may not be asked for.
    pub(super) fn without_authorizer(&self) -> Self {
        Self {
            authorizer: false,
            ..self.clone()
        }
    }

    /// What follows may name this variable.
    pub(super) fn declare(&mut self, name: &str, of: Type) {
        self.names.push(name.to_owned());
        Arc::make_mut(&mut self.variables).insert(name.to_owned(), of);
    }

    /// The variables declared before, in order.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The type of an expression, or what is wrong with it in the words of the API server.
    pub(super) fn check(&self, expression: &str) -> Result<Type, String> {
        let failed = |why: &str| format!("compilation failed: {why}");
        // Who asks for the rights of others is let pass here: their functions are not checked.
        if self.authorizer && types::names_variable(expression, "authorizer") {
            return read(expression, &self.names)
                .map(|_| Type::Wrong)
                .map_err(|why| failed(&why));
        }
        let mut variables = self.roots.clone();
        if !self.names.is_empty() {
            variables.push(("variables", Type::Object(Arc::clone(&self.variables))));
        }
        let found = types::check(expression, &variables).map_err(|why| failed(&why))?;
        read(expression, &self.names).map_err(|why| failed(&why))?;
        Ok(found)
    }
}

fn fields(listed: &[(&str, Type)]) -> Type {
    let listed = listed.iter().map(|(name, of)| ((*name).to_owned(), of.clone()));
    Type::Object(Arc::new(listed.collect()))
}

/// What can be known of a request.
fn request_type() -> Type {
    let kind = fields(&[
        ("group", Type::Text),
        ("version", Type::Text),
        ("kind", Type::Text),
    ]);
    let resource = fields(&[
        ("group", Type::Text),
        ("version", Type::Text),
        ("resource", Type::Text),
    ]);
    let user = fields(&[
        ("username", Type::Text),
        ("uid", Type::Text),
        ("groups", Type::list(Type::Text)),
        ("extra", Type::map(Type::Text, Type::list(Type::Text))),
    ]);
    fields(&[
        ("uid", Type::Text),
        ("kind", kind.clone()),
        ("resource", resource.clone()),
        ("subResource", Type::Text),
        ("requestKind", kind),
        ("requestResource", resource),
        ("requestSubResource", Type::Text),
        ("name", Type::Text),
        ("namespace", Type::Text),
        ("operation", Type::Text),
        ("userInfo", user),
        ("dryRun", Type::Bool),
        ("options", Type::Dyn),
    ])
}

/// What can be known of a namespace.
fn namespace_type() -> Type {
    let words = Type::map(Type::Text, Type::Text);
    let metadata = fields(&[
        ("name", Type::Text),
        ("generateName", Type::Text),
        ("namespace", Type::Text),
        ("labels", words.clone()),
        ("annotations", words),
        ("UID", Type::Text),
        ("creationTimestamp", Type::Timestamp),
        ("deletionGracePeriodSeconds", Type::Int),
        ("deletionTimestamp", Type::Timestamp),
        ("generation", Type::Int),
        ("resourceVersion", Type::Text),
        ("finalizers", Type::list(Type::Text)),
    ]);
    fields(&[
        ("metadata", metadata),
        ("spec", fields(&[("finalizers", Type::list(Type::Text))])),
        ("status", fields(&[("phase", Type::Text)])),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_or_not() {
        let request = json!({
            "operation": "UPDATE", "name": "a", "userInfo": { "username": "jo" },
            "object": { "metadata": { "name": "a" } }, "oldObject": null,
        });
        let question = Question::asked(request, json!({ "metadata": { "name": "team" } }));
        let check = |expressions: &[&str], expect: Result<bool, &str>| {
            let conditions: Vec<Json> = expressions
                .iter()
                .map(|expression| json!({ "expression": expression }))
                .collect();
            let conditions: Vec<&Json> = conditions.iter().collect();
            let got = hold(&conditions, &question.with(&Json::Null), &Budget::default());
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
        check(&["namespaceObject.metadata.name == 'team'"], Ok(true));
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

    #[test]
    fn what_cannot_be_read_is_told_before() {
        let mut known = Known::new(&Type::Dyn, None);
        let check = |known: &Known, expression: &str, expect: Result<&str, &str>| {
            let got = known.check(expression).map(|found| found.to_string());
            match (&got, expect) {
                (Ok(got), Ok(expect)) => assert_eq!(got, expect, "{expression}"),
                (Err(got), Err(part)) => assert!(got.contains(part), "{expression}: {got}"),
                other => panic!("{expression}: {other:?}"),
            }
        };
        check(&known, "object.spec.replicas > 1", Ok("bool"));
        check(&known, "'a' + object.spec.replicas", Ok("string"));
        check(
            &known,
            "request.nothing",
            Err("compilation failed: ERROR: <input>:1:8: undefined field"),
        );
        check(&known, "params.x == 1", Err("undeclared reference to 'params'"));
        check(
            &known,
            "... [] bad expression",
            Err("compilation failed: ERROR: <input>:1:1: Syntax error"),
        );
        check(
            &known,
            "variables.odd",
            Err("undeclared reference to 'variables'"),
        );
        known.declare("odd", Type::Bool);
        check(&known, "variables.odd", Ok("bool"));
    }
}
