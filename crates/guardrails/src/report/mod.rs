//! Verdicts as others read them: policy reports for clusters, SARIF for code hosts, JUnit for pipelines.
//!
//! Each finding is a verdict with the object it is about and the place where that object was written down. Time
//! and names are given by the caller; nothing here asks for them.

mod junit;
mod policy_report;
mod sarif;

use serde_json::Value;

use crate::verdict::{Outcome, Verdict};

pub use junit::junit;
pub use policy_report::{Form, ReportOptions, policy_reports, summary};
pub use sarif::sarif;

/// A verdict, and what it is about.
#[derive(Debug, Clone, Copy)]
pub struct Finding<'a> {
    /// What a rule says.
    pub verdict: &'a Verdict,
    /// The kind of the policy, such as `ClusterPolicy` or `ValidatingPolicy`.
    pub policy_kind: &'a str,
    /// The object.
    pub object: &'a Value,
    /// The file that holds the object, where there is one.
    pub file: Option<&'a str>,
    /// The line and column of what the verdict is about, from 1.
    pub place: Option<(usize, usize)>,
}

impl Finding<'_> {
    /// Whether something is to be done about it.
    fn is_problem(&self) -> bool {
        !matches!(self.verdict.outcome, Outcome::Pass | Outcome::Skip)
    }

    fn text(&self, pointer: &str) -> &str {
        self.object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    }

    /// `Deployment shop/api`.
    fn subject(&self) -> String {
        let (kind, name) = (self.text("/kind"), self.text("/metadata/name"));
        match self.text("/metadata/namespace") {
            "" => format!("{kind} {name}"),
            namespace => format!("{kind} {namespace}/{name}"),
        }
    }
}

#[cfg(test)]
mod tests;
