//! The parameters of a request.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::Query as Extract;
use http::Uri;

use crate::catalog::Resource;
use crate::status::ApiError;
use crate::verbs::Selector;

/// The query string, each name with its last value.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn parse(uri: &Uri) -> Result<Self, ApiError> {
        let pairs: Extract<Vec<(String, String)>> = Extract::try_from_uri(uri)
            .map_err(|error| ApiError::bad_request(format!("the query is unreadable: {error}")))?;
        Ok(Self(pairs.0.into_iter().collect()))
    }

    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.0
            .get(name)
            .is_some_and(|value| !matches!(value.as_str(), "" | "false" | "0" | "f" | "F" | "False"))
    }

    /// Whether the parameter is there at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        if name == "resourceVersion" {
            return text.parse().map(Some).map_err(|_| {
                let why = invalid(text, "ParseUint", "invalid syntax");
                ApiError::unreasoned(format!("{name}: Invalid value: {text:?}: {why}"))
            });
        }
        // Less than nothing asks for nothing.
        Ok(self.integer(name)?.and_then(|number| u64::try_from(number).ok()))
    }

    /// A whole number.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let text = self.text(name);
        if text.is_empty() {
            return Ok(None);
        }
        text.parse().map(Some).map_err(|error: std::num::ParseIntError| {
            let why = match error.kind() {
                std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                    "value out of range"
                }
                _ => "invalid syntax",
            };
            ApiError::bad_request(invalid(text, "ParseInt", why))
        })
    }

    /// The resource version asked for; "0" and nothing are the same: any will do.
    pub(super) fn revision(&self) -> Result<Option<u64>, ApiError> {
        self.watched_revision()
            .map_err(|error| ApiError::bad_request(format!("invalid resource version: {}", error.message)))
    }

    /// The same for a watch, which refuses what is none with other words.
    pub(super) fn watched_revision(&self) -> Result<Option<u64>, ApiError> {
        Ok(self.number("resourceVersion")?.filter(|&revision| revision > 0))
    }

    pub(super) fn limit(&self) -> Result<Option<usize>, ApiError> {
        Ok(self
            .number("limit")?
            .filter(|&limit| limit > 0)
            .map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)))
    }

    /// How long a watch may last.
    pub(super) fn timeout(&self) -> Result<Option<Duration>, ApiError> {
        Ok(self
            .number("timeoutSeconds")?
            .filter(|&seconds| seconds > 0)
            .map(Duration::from_secs))
    }

    pub(super) fn selector(&self, resource: &Resource) -> Result<Selector, ApiError> {
        Selector::parse(resource, self.text("labelSelector"), self.text("fieldSelector"))
    }
}

/// What upstream says of a number that is none.
fn invalid(text: &str, function: &str, why: &str) -> String {
    format!("strconv.{function}: parsing {text:?}: {why}")
}
