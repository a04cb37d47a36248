//! What a tree of assertions (`validate.assert`) is held against, and what comes of it.

use serde_json::{Value, json};

use super::{Judge, Judged};
use crate::assertion::Assertion;
use crate::context::Context;
use crate::jmespath::{Bindings, QueryError, undefined, unknown};
use crate::request::{Operation, User};
use crate::verdict::Outcome;

/// The entries of a rule's context, which are variables of the tree.
struct Entries<'c, 'a>(&'c Context<'a>, &'c Judge<'a>);

impl Bindings for Entries<'_, '_> {
    fn find(&self, name: &str) -> Result<Value, QueryError> {
        let Entries(context, judge) = self;
        if judge.rule.context.iter().any(|entry| entry.name == name) {
            context.query(name)
        } else {
            Err(undefined(name))
        }
    }
}

impl<'a> Judge<'a> {
    /// Holds the object against a tree.
    pub(super) fn assertion(&self, context: &Context<'a>, assertion: &Assertion) -> Judged {
        let judged = self.asserted_of().and_then(|(value, labels)| {
            assertion.judge(&value, &labels, context.world(), &Entries(context, self))
        });
        let violations = match judged {
            Ok(violations) => violations,
            Err(error) => return Judged::error(format!("failed to apply assertion: {error}")),
        };
        let Some(first) = violations.first() else {
            let message = format!("Validation rule '{}' passed.", self.rule.name);
            return Judged::new(Outcome::Pass, message);
        };
        let said: Vec<String> = violations.iter().map(ToString::to_string).collect();
        let failed = Judged::new(Outcome::Fail, said.join("; "));
        match first
            .pointer
            .as_deref()
            .and_then(|pointer| pointer.strip_prefix("/object"))
        {
            Some(pointer) => {
                let value = self.request.object.pointer(pointer);
                let value = value.filter(|value| self.budget.pay_for(value).is_ok());
                failed.at(pointer.to_owned(), value.cloned())
            }
            None => failed,
        }
    }

    /// The value that a tree is held against, and the labels of the namespace.
    fn asserted_of(&self) -> Result<(Value, Value), QueryError> {
        let (request, subject) = (self.request, self.subject);
        let copy = |object: Option<&Value>| match object {
            Some(object) => self.budget.copy(object),
            None => Ok(json!({})),
        };
        let (object, old) = if request.operation == Operation::Delete {
            (None, request.old.or(Some(request.object)))
        } else {
            (Some(request.object), request.old)
        };
        let resource = match request.resource {
            Some(resource) => {
                json!({"group": subject.group, "version": subject.version, "resource": resource})
            }
            None => unknown("requestResource"),
        };
        let info = request.user.map_or_else(
            || unknown("who asks (admissionInfo)"),
            |user| {
                json!({"roles": user.roles, "clusterRoles": user.cluster_roles, "admissionUserInfo": {
                    "username": user.name, "uid": user.uid, "groups": user.groups, "extra": user.extra,
                }})
            },
        );
        // At admission somebody asks.
        let admission = match request.user {
            _ if request.background => Value::Bool(false),
            Some(user) => Value::Bool(*user != User::default()),
            None => unknown("whether it is asked at admission (admissionOperation)"),
        };
        let value = json!({
            "object": copy(object)?,
            "oldObject": copy(old)?,
            // In Kyverno it is no text, and whatever it is compared with is something else.
            "operation": unknown("how the operation compares in an assertion"),
            "admissionInfo": info,
            "admissionOperation": admission,
            "requestResource": resource,
            "namespaceLabels": unknown("what an expression says of namespaceLabels"),
            "resourceKind": {
                "group": subject.group, "version": subject.version, "kind": subject.kind,
                "subResource": subject.subresource,
            },
        });
        Ok((value, json!(request.namespace_labels)))
    }
}
