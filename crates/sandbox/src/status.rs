//! Failures as `metav1.Status`, with the codes, reasons and wording of the real API server.
//!
//! Reference: `k8s.io/apimachinery/pkg/api/errors`.

use std::collections::HashSet;

use http::StatusCode;
use serde_json::{Value, json};

use crate::store::{CommitError, DiskError};

/// The reason of a failure that is told as text, since it is about no API.
pub(crate) const NO_PAGE: &str = "NoPage";

/// A failed request: what the client gets as a `metav1.Status`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) code: StatusCode,
    pub(crate) reason: String,
    pub(crate) message: String,
    pub(crate) details: Option<Value>,
    /// Where to go on with a list whose state is no longer held.
    pub(crate) resume: Option<String>,
}

/// What an error is about: `deployments.apps "web"`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About<'a> {
    pub(crate) group: &'a str,
    pub(crate) plural: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
}

impl About<'_> {
    fn resource(&self) -> String {
        qualified(self.plural, self.group)
    }

    fn details(&self) -> Value {
        let mut details = json!({ "kind": self.plural });
        if !self.name.is_empty() {
            details["name"] = json!(self.name);
        }
        if !self.group.is_empty() {
            details["group"] = json!(self.group);
        }
        details
    }
}

/// `deployments.apps`, or just `pods` in the core group.
pub(crate) fn qualified(name: &str, group: &str) -> String {
    if group.is_empty() {
        name.to_owned()
    } else {
        format!("{name}.{group}")
    }
}

/// One fault of an invalid object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cause {
    pub(crate) reason: String,
    pub(crate) field: String,
    pub(crate) message: String,
}

impl Cause {
    pub(crate) fn new(reason: &str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            field: field.into(),
            message: message.into(),
        }
    }

    fn json(&self) -> Value {
        json!({ "reason": self.reason, "field": self.field, "message": self.message })
    }
}

impl ApiError {
    pub(crate) fn new(code: StatusCode, reason: &str, message: impl Into<String>) -> Self {
        Self {
            code,
            reason: reason.to_owned(),
            message: message.into(),
            details: None,
            resume: None,
        }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    pub(crate) fn not_found(about: About<'_>) -> Self {
        let mut error = Self::new(
            StatusCode::NOT_FOUND,
            "NotFound",
            format!("{} {} not found", about.resource(), schema::go_quote(about.name)),
        );
        error.details = Some(about.details());
        error
    }

    /// One that is about no object at all.
    fn of_nothing(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            details: Some(json!({})),
            ..Self::new(code, reason, message)
        }
    }

    /// The path leads nowhere.
    pub(crate) fn no_such_resource() -> Self {
        Self::of_nothing(
            StatusCode::NOT_FOUND,
            "NotFound",
            "the server could not find the requested resource",
        )
    }

    /// The path is none of the API's: not even a Status says so.
    pub(crate) fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, NO_PAGE, "404 page not found")
    }

    /// A failure that has no reason of its own.
    pub(crate) fn unreasoned(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    pub(crate) fn already_exists(about: About<'_>) -> Self {
        let mut error = Self::new(
            StatusCode::CONFLICT,
            "AlreadyExists",
            format!("{} \"{}\" already exists", about.resource(), about.name),
        );
        error.details = Some(about.details());
        error
    }

    pub(crate) fn conflict(about: About<'_>, why: &str) -> Self {
        let mut error = Self::new(
            StatusCode::CONFLICT,
            "Conflict",
            format!(
                "Operation cannot be fulfilled on {} \"{}\": {why}",
                about.resource(),
                about.name
            ),
        );
        error.details = Some(about.details());
        error
    }

    /// The object was changed by somebody else meanwhile.
    pub(crate) fn stale(about: About<'_>) -> Self {
        Self::conflict(
            about,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    pub(crate) fn forbidden(about: About<'_>, why: &str) -> Self {
        let message = if about.name.is_empty() {
            format!("{} is forbidden: {why}", about.resource())
        } else {
            format!("{} \"{}\" is forbidden: {why}", about.resource(), about.name)
        };
        let mut error = Self::new(StatusCode::FORBIDDEN, "Forbidden", message);
        error.details = Some(about.details());
        error
    }

    /// Like [`ApiError::forbidden`], of what is no resource.
    pub(crate) fn forbidden_path(why: &str) -> Self {
        Self::of_nothing(StatusCode::FORBIDDEN, "Forbidden", format!("forbidden: {why}"))
    }

    /// The object does not keep to its schema or rules.
    pub(crate) fn invalid(about: About<'_>, causes: &[Cause]) -> Self {
        let (mut told, mut listed) = (HashSet::new(), Vec::new());
        for cause in causes {
            let words = format!("{}: {}", cause.field, cause.message);
            // What is found twice is said once.
            if told.insert(words.clone()) {
                listed.push(words);
            }
        }
        let what = match listed.as_slice() {
            [only] => only.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let mut details = about.details();
        if about.kind.is_empty() {
            details.as_object_mut().and_then(|details| details.remove("kind"));
        } else {
            details["kind"] = json!(about.kind);
        }
        details["causes"] = causes.iter().map(Cause::json).collect();
        Self {
            code: StatusCode::UNPROCESSABLE_ENTITY,
            reason: "Invalid".to_owned(),
            message: format!(
                "{} \"{}\" is invalid: {what}",
                qualified(about.kind, about.group),
                about.name
            ),
            details: Some(details),
            resume: None,
        }
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::of_nothing(
            StatusCode::METHOD_NOT_ALLOWED,
            "MethodNotAllowed",
            "the server does not allow this method on the requested resource",
        )
    }

    /// Not now, but after so many seconds.
    pub(crate) fn too_many_requests(message: &str, cause: &Cause, seconds: u32) -> Self {
        let mut error = Self::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        let mut cause = cause.json();
        if let Some(cause) = cause.as_object_mut() {
            cause.retain(|_, value| *value != "");
        }
        error.details = Some(json!({ "causes": [cause] }));
        if let Some(details) = error.details.as_mut().filter(|_| seconds > 0) {
            details["retryAfterSeconds"] = json!(seconds);
        }
        error
    }

    pub(crate) fn not_acceptable(offered: &str) -> Self {
        Self::new(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            format!("only the following media types are accepted: {offered}"),
        )
    }

    /// An answer cannot have the shape that was asked for.
    pub(crate) fn not_shown(message: String) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
    }

    /// A path has no form that the client would take.
    pub(crate) fn no_representation(offered: &str) -> Self {
        Self::of_nothing(
            StatusCode::NOT_ACCEPTABLE,
            "NotAcceptable",
            format!("406: Not Acceptable\n\nAvailable representations: {offered}"),
        )
    }

    pub(crate) fn unsupported_media_type(offered: &str) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            format!(
                "the body of the request was in an unknown format - accepted media types include: {offered}"
            ),
        )
    }

    /// The same in the words of a path that takes few media types and looks no further.
    pub(crate) fn unroutable_media_type() -> Self {
        Self::of_nothing(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "UnsupportedMediaType",
            "415: Unsupported Media Type",
        )
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "RequestEntityTooLarge",
            format!("Request entity too large: limit is {limit}"),
        )
    }

    /// The resource version asked for is no longer held.
    pub(crate) fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(
            StatusCode::GONE,
            "Expired",
            format!("too old resource version: {asked} ({oldest})"),
        )
    }

    /// The state that a list asks for is no longer held.
    pub(crate) fn list_expired() -> Self {
        Self::new(
            StatusCode::GONE,
            "Expired",
            "The resourceVersion for the provided list is too old.",
        )
    }

    /// The same of the later pages of a list; with `resume` they go on with the present state.
    pub(crate) fn continue_expired(resume: String) -> Self {
        let mut error = Self::new(
            StatusCode::GONE,
            "Expired",
            "The provided continue parameter is too old to display a consistent list result. You can start a \
             new list without the continue parameter, or use the continue token in this response to retrieve \
             the remainder of the results. Continuing with the provided token results in an inconsistent list \
             - objects that were created, modified, or deleted between the time the first chunk was returned \
             and now may show up in the list.",
        );
        error.resume = Some(resume);
        error
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(crate) fn internal(message: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "InternalError",
            format!("Internal error occurred: {message}"),
        )
    }

    /// What a failed commit means to the client.
    pub(crate) fn commit(error: CommitError, about: About<'_>) -> Self {
        match error {
            CommitError::Exists => Self::already_exists(about),
            CommitError::Missing => Self::not_found(about),
            CommitError::Changed => Self::stale(about),
            CommitError::Guarded { guard, terminating } => {
                if terminating {
                    let why = format!(
                        "unable to create new content in namespace {} because it is being terminated",
                        guard.name
                    );
                    let mut error = Self::forbidden(about, &why);
                    if let Some(details) = &mut error.details {
                        details["causes"] = json!([{
                            "reason": "NamespaceTerminating",
                            "message": format!("namespace {} is being terminated", guard.name),
                            "field": "metadata.namespace",
                        }]);
                    }
                    error
                } else {
                    Self::not_found(About {
                        group: "",
                        plural: "namespaces",
                        kind: "Namespace",
                        name: &guard.name,
                    })
                }
            }
            CommitError::Disk(DiskError::Full) => Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "InsufficientStorage",
                "the disk of the sandbox is full: nothing was written; make room and try again",
            ),
            CommitError::Disk(DiskError::Failed(why)) => {
                Self::internal(format!("the sandbox could not store the change: {why}"))
            }
            CommitError::Closed => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "ServiceUnavailable",
                "the sandbox is shutting down",
            ),
        }
    }

    /// The body of the answer.
    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code.as_u16(),
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        if let Some(resume) = &self.resume {
            status["metadata"]["continue"] = json!(resume);
        }
        status
    }
}
