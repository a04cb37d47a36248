//! `Environment`: development, staging, production, and what each can hold.

use kube::core::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Condition;

/// One environment.
pub type Environment = Object<EnvironmentSpec, EnvironmentStatus>;

/// What an environment is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentSpec {
    /// Its place in the order of promotion, lowest first.
    #[serde(default)]
    pub order: i32,
    /// What its cluster can hold, declared so that every render is the same everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// What runs until a service has an image of its own. Without it a new service waits, suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_image: Option<String>,
}

/// What a cluster can hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// The Kubernetes version, such as v1.36.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<String>,
    /// API versions beyond Kubernetes' own, such as monitoring.coreos.com/v1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub api_versions: Vec<String>,
}

/// How an environment is. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentStatus {
    /// The details, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}
