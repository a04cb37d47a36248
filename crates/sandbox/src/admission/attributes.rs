//! One write as those see it who may change or refuse it.

use http::StatusCode;
use serde_json::{Value, json};

use super::Operation;
use crate::catalog::Resource;
use crate::status::ApiError;
use crate::verbs::{Target, WriteOptions, text};

/// A write on its way. The object stands beside it, because it changes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a> {
    pub(crate) target: &'a Target,
    pub(crate) operation: Operation,
    pub(crate) options: &'a WriteOptions,
    /// What is there already; absent when the object is new.
    pub(crate) old: Option<&'a Value>,
}

/// Group, version and kind.
pub(super) type Kind<'a> = (&'a str, &'a str, &'a str);

impl<'a> Attributes<'a> {
    /// Something new is made.
    pub(crate) fn creating(target: &'a Target, options: &'a WriteOptions) -> Self {
        Self {
            target,
            operation: Operation::Create,
            options,
            old: None,
        }
    }

    /// Whether it is about objects of a resource themselves, not about a subresource.
    pub(super) fn is(&self, group: &str, plural: &str) -> bool {
        self.target.subresource.is_empty() && self.target.resource.is(group, plural)
    }

    pub(super) fn creates(&self, group: &str, plural: &str) -> bool {
        self.operation == Operation::Create && self.is(group, plural)
    }

    /// The namespace of the object; a Namespace is in itself.
    pub(super) fn namespace(&self) -> &'a str {
        if self.target.resource.is("", "namespaces") {
            &self.target.name
        } else {
            &self.target.namespace
        }
    }

    /// Configurations of admission are no matter of admission, or a wrong one could never be mended.
    pub(super) fn is_exempt(&self) -> bool {
        const PLURALS: [&str; 6] = [
            "mutatingwebhookconfigurations",
            "validatingwebhookconfigurations",
            "validatingadmissionpolicies",
            "validatingadmissionpolicybindings",
            "mutatingadmissionpolicies",
            "mutatingadmissionpolicybindings",
        ];
        let resource = &self.target.resource;
        resource.group == "admissionregistration.k8s.io" && PLURALS.contains(&resource.plural.as_str())
    }

    /// What the object is, in the terms of `resource`: a subresource may speak another kind than its resource.
    pub(super) fn kind_in<'r>(&self, resource: &'r Resource) -> Kind<'r> {
        let subresource = &self.target.subresource;
        let spoken = resource.subresources.iter().find(|one| one.name == *subresource);
        match spoken {
            Some(spoken) => (&spoken.speaks.0, &spoken.speaks.1, &spoken.speaks.2),
            None => (&resource.group, &resource.version, &resource.kind),
        }
    }

    /// A refusal as the API server words it.
    pub(super) fn forbidden(&self, object: &Value, why: &str) -> ApiError {
        let given = [
            self.target.name.as_str(),
            text(object, &["metadata", "name"]),
            // The name has not been made yet.
            text(object, &["metadata", "generateName"]),
            "Unknown",
        ];
        let name = given
            .into_iter()
            .find(|name| !name.is_empty())
            .unwrap_or_default();
        ApiError::forbidden(self.target.resource.about(name), why)
    }
}

impl Operation {
    /// As rules and reviews write it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A failure of this server's own making, with its cause beside the words.
pub(super) fn internal(why: &str) -> ApiError {
    let mut error = ApiError::internal(why);
    error.details = Some(json!({ "causes": [{ "message": why }] }));
    error
}

/// A code that refuses.
pub(super) fn refusing(code: Option<i64>) -> StatusCode {
    code.and_then(|code| u16::try_from(code).ok())
        .filter(|code| *code >= 400)
        .and_then(|code| StatusCode::from_u16(code).ok())
        .unwrap_or(StatusCode::BAD_REQUEST)
}
