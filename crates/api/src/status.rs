//! The words for how things are: Argo CD's for health and sync, Kubernetes' for conditions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A condition as the Kubernetes API conventions have it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it speaks of: Ready, Reconciling, Stalled, GuardrailsPassed, DatabaseReady, CacheReady.
    #[serde(rename = "type")]
    pub kind: String,
    /// True, False or Unknown.
    pub status: String,
    /// Why, in one CamelCase word.
    pub reason: String,
    /// Why, in plain words.
    #[serde(default)]
    pub message: String,
    /// When the status last changed.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: String,
    /// The generation of the spec it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// How a thing is, in Argo CD's words. Ordered from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Health {
    /// All is well.
    Healthy,
    /// Stopped on purpose.
    Suspended,
    /// Not there yet, and not known to be stuck.
    Progressing,
    /// Not there at all.
    Missing,
    /// Stuck or broken.
    Degraded,
    /// Nobody can say.
    Unknown,
}

/// Whether the cluster holds what Git says, in Argo CD's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Sync {
    /// It does.
    Synced,
    /// It does not.
    OutOfSync,
    /// Nobody can say: the resource did not come from Git.
    Unknown,
}

impl Health {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
            Self::Unknown => "Unknown",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Sync {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Synced => "Synced",
            Self::OutOfSync => "OutOfSync",
            Self::Unknown => "Unknown",
        })
    }
}

/// A condition of type `kind`: `status` is "True", "False" or "Unknown".
pub fn condition(kind: &str, status: &str, reason: &str, message: impl Into<String>) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: message.into(),
        ..Condition::default()
    }
}

/// Puts `new` among `conditions`. The time moves only when the status does, so that an unchanged status is an
/// unchanged object; `now` is RFC 3339.
pub fn set_condition(
    conditions: &mut Vec<Condition>,
    mut new: Condition,
    generation: Option<i64>,
    now: &str,
) {
    new.observed_generation = generation;
    now.clone_into(&mut new.last_transition_time);
    match conditions.iter_mut().find(|c| c.kind == new.kind) {
        Some(old) => {
            if old.status == new.status {
                new.last_transition_time = std::mem::take(&mut old.last_transition_time);
            }
            *old = new;
        }
        None => conditions.push(new),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_moves_only_with_the_status() {
        let mut conditions = Vec::new();
        set_condition(
            &mut conditions,
            condition("Ready", "False", "Waiting", "no image"),
            Some(1),
            "t1",
        );
        set_condition(
            &mut conditions,
            condition("Ready", "False", "Waiting", "no image yet"),
            Some(2),
            "t2",
        );
        assert_eq!(conditions[0].last_transition_time, "t1");
        assert_eq!(conditions[0].message, "no image yet");
        set_condition(
            &mut conditions,
            condition("Ready", "True", "Healthy", ""),
            Some(2),
            "t3",
        );
        assert_eq!(
            (conditions.len(), conditions[0].last_transition_time.as_str()),
            (1, "t3")
        );
    }
}
