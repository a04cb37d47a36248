//! `Database` and `Cache`: claims that the provisioners fill. Made for an Application, usable alone.

use kube::core::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::status::Condition;

/// A claim for one database.
pub type Database = Object<DatabaseSpec, ClaimStatus>;
/// A claim for one cache.
pub type Cache = Object<CacheSpec, ClaimStatus>;

/// The databases there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum DatabaseType {
    /// PostgreSQL.
    Postgres,
}

/// The caches there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CacheType {
    /// Redis.
    Redis,
}

/// What happens to the data when its claim goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It stays, volumes included.
    #[default]
    Retain,
    /// It goes too.
    Delete,
}

/// What is claimed of a database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseSpec {
    /// Which database.
    #[serde(rename = "type")]
    pub kind: DatabaseType,
    /// The major version. The newest offered when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// small, medium, large or db-custom-CPUS-MEBIBYTES. small when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Who provides it. in-cluster when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The storage class of its volume; the cluster's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The name of the database inside the server; the application's name, or the claim's, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The user to make. The database's name when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The application it is for, whose pods alone may reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// What happens to the data when the claim goes.
    #[serde(default)]
    #[schemars(default)]
    pub deletion_policy: DeletionPolicy,
}

/// What is claimed of a cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheSpec {
    /// Which cache.
    #[serde(rename = "type")]
    pub kind: CacheType,
    /// The version. The newest offered when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// small, medium or large. small when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Who provides it. in-cluster when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The storage class of its volume; the cluster's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The application it is for, whose pods alone may reach it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// What happens to the data when the claim goes.
    #[serde(default)]
    #[schemars(default)]
    pub deletion_policy: DeletionPolicy,
}

/// Where a claim stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Phase {
    /// Being made.
    #[default]
    Pending,
    /// Usable.
    Ready,
    /// Cannot go on without help.
    Failed,
}

/// How a claim is. Written by its controller alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClaimStatus {
    /// In one word.
    #[serde(default)]
    pub phase: Phase,
    /// The first cause, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Where it listens, `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The version that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The Secret with the credentials, in the form of the Service Binding specification.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<BindingReference>,
    /// What its controller made and may prune.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<crate::InventoryItem>,
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The details, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A reference to a binding Secret, as the Service Binding specification has it (`.status.binding.name`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BindingReference {
    /// The Secret's name, in the claim's namespace.
    pub name: String,
}

impl DatabaseType {
    /// The versions offered, the default first.
    pub const VERSIONS: &[&str] = &["17", "16", "15"];

    /// As a person says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
        }
    }
}

impl CacheType {
    /// The versions offered, the default first: 7.2 is the newest under a free licence.
    pub const VERSIONS: &[&str] = &["7.2", "7.0", "7.4"];

    /// As a person says it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
        }
    }
}
