//! Who may change or refuse a write before it happens.
//!
//! `chain` has the order: what the API server's own plugins fill in (`limits`, `pods`, `defaults`), mutating policies and
//! webhooks, and, when the object is valid, limits again, validating policies and webhooks, quotas. `matching` and
//! `expressions` say which writes a policy or a webhook is for, `rounds` which of them see an object twice, `written` what
//! is wrong with one when it is written. [`Admission`] is the one place where the embedding program may look: after the
//! mutating webhooks, before validation and storage. It knows nothing of HTTP; a denial is worded for the caller as the API
//! server words a webhook's.

mod account;
mod attributes;
mod chain;
mod defaults;
mod expressions;
pub(crate) mod limits;
mod matching;
pub(crate) mod pods;
mod policies;
mod quota;
mod review;
mod rounds;
mod runtime;
mod webhooks;
mod written;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::User;
pub(crate) use attributes::Attributes;
pub(crate) use defaults::SYSTEM;
pub(crate) use policies::type_checking;
pub(crate) use quota::{Charge, Ledger};
pub(crate) use written::mistakes;

/// What is being done to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The object is new.
    Create,
    /// The object is replaced, patched or applied over an older one.
    Update,
    /// The object is being deleted; `object` is null and `old_object` is what goes.
    Delete,
}

/// The resource a request is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceName {
    /// The API group, empty for the core group.
    pub group: String,
    /// The API version the request was made in.
    pub version: String,
    /// The plural name in the path, such as `deployments`.
    pub plural: String,
    /// The kind, such as `Deployment`.
    pub kind: String,
    /// The subresource, such as `status`; empty for the object itself.
    pub subresource: String,
}

/// One write under review.
#[derive(Debug)]
pub struct AdmissionRequest<'a> {
    /// What is being done.
    pub operation: Operation,
    /// On which resource.
    pub resource: &'a ResourceName,
    /// The namespace, empty for cluster-scoped objects.
    pub namespace: &'a str,
    /// The object's name.
    pub name: &'a str,
    /// The object as it would be stored; null when it is being deleted.
    pub object: &'a Value,
    /// The object as it stands; `None` when it is new.
    pub old_object: Option<&'a Value>,
    /// The labels of the namespace the object is in, or of the namespace that it is; else empty.
    pub namespace_labels: &'a BTreeMap<String, String>,
    /// Who asks.
    pub user: &'a User,
    /// Whether nothing will be stored in any case.
    pub dry_run: bool,
}

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// Why, in words for the person who asked.
    pub message: String,
    /// The HTTP status code; 403 is usual.
    pub code: u16,
    /// The machine-readable reason (`Forbidden`, `Invalid`, …); may be empty.
    pub reason: String,
}

impl Denial {
    /// A refusal with code 403.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 403,
            reason: "Forbidden".to_owned(),
        }
    }
}

/// Reviews writes. Called on the request's own task, so it must be quick and must not block on I/O.
pub trait Admission: Send + Sync + 'static {
    /// The name a denial is reported under, as a webhook's name is.
    fn name(&self) -> &str;

    /// Lets the write pass (`None`), passes a changed object, or refuses.
    fn review(&self, request: &AdmissionRequest<'_>) -> Result<Option<Value>, Denial>;
}
