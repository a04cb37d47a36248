//! `Application`: one service, as a developer would describe it aloud.

mod check;

use kube::core::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub(crate) use check::{is_host, is_object_name};

use crate::claim::{CacheType, DatabaseType, DeletionPolicy};
use crate::quantity::{Quantity, Resources, Share};
use crate::status::{Condition, Health, Sync};

/// One service of one team in one environment.
pub type Application = Object<ApplicationSpec, ApplicationStatus>;

/// The languages there is a scaffold for.
pub const LANGUAGES: &[&str] = &["go", "node", "python", "rust"];

/// The alerts that can be declared by name.
pub const KNOWN_ALERTS: &[&str] = &["high-error-rate", "high-latency"];

/// What a developer wants to run. Every field is one that a developer would say aloud.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSpec {
    /// The container image, with a version or digest. Without one the environment's first image runs, or the
    /// service waits for its first deployment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// The programming language, which picks the scaffold and the defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 40))]
    pub language: Option<String>,
    /// The golden path to follow; the platform's default path when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden_path: Option<GoldenPathReference>,
    /// How many copies run. 2 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub replicas: Option<i32>,
    /// A named size: small, medium or large. `resources` wins over it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// CPU and memory in Kubernetes' own form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// The port the service listens on. 8080 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Several named ports, instead of `port`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
    /// Where the service says how it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthChecks>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub env: Vec<EnvVar>,
    /// Configuration files by name, mounted at /config.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
    /// Secrets by name; their values live in the secret store.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretReference>,
    /// What the service calls: other applications and outside hosts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<Dependency>,
    /// Who calls the service. Nobody else can: everything is closed by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_from: Vec<Caller>,
    /// The service's own database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<DatabaseIntent>,
    /// The service's own cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheIntent>,
    /// Disk that is kept between restarts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub storage: Vec<Storage>,
    /// How many copies run, left to an autoscaler. Then `replicas` is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Where the service answers from outside the cluster. Nowhere when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// How a new version takes the place of the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// What the container runs, instead of what its image says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub command: Vec<String>,
    /// The arguments of what the container runs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub args: Vec<String>,
    /// When it runs, for a golden path that runs on a schedule: five fields as cron reads them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 120))]
    pub schedule: Option<String>,
    /// The time zone of the schedule, such as Europe/Berlin. The cluster's own, mostly UTC, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub time_zone: Option<String>,
    /// Metrics and alerts; on when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// Run nothing for now, and keep everything else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// The escape hatch: what the fields above cannot say, reviewed like everything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides: Option<Overrides>,
}

/// Which golden path, and exactly which version of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenPathReference {
    /// Its name, such as base-service.
    pub name: String,
    /// Its version; the newest at each render when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The digest of the chart, `sha256:…`; checked when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// A named port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Its name: a DNS label of at most 15 characters.
    #[schemars(length(min = 1, max = 15))]
    pub name: String,
    /// Its number.
    #[schemars(range(min = 1, max = 65535))]
    pub port: i32,
    /// TCP when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
}

/// Where the service says how it is, over HTTP on its first port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthChecks {
    /// Whether it lives. /health when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether it can take requests. `path` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<String>,
    /// How long it may take to start, such as 30s or 2m. 30s when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<String>,
}

/// An environment variable: a value, or where to take it from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// Its name.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Its value. Not for secrets: Git keeps everything for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where its value comes from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<EnvValue>,
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvValue {
    /// The secret that holds it.
    pub secret: String,
    /// The key inside the secret.
    pub key: String,
}

/// A secret that the service reads, mounted at /secrets/<name>.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SecretReference {
    /// Its name in the service's namespace.
    pub name: String,
    /// The keys to mount; all of them when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

/// Something the service calls: either another application or an outside host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// Another application of the same namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// A host outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port there. 8080 for an application and 443 for a host when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
}

/// Somebody who calls the service: an application, or everything in a namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Caller {
    /// Another application; `*` is every application of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// The caller's namespace; the service's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A database for this service alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DatabaseIntent {
    /// Which database.
    #[serde(rename = "type")]
    pub kind: DatabaseType,
    /// The major version. The class's newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// small, medium, large, or what the class reads (db-custom-2-8192). small when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// The user the service logs in as: a letter or underscore, then letters, digits and underscores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Who provides it. in-cluster when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// What happens to the data when the service goes. Retain when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
}

/// A cache for this service alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CacheIntent {
    /// Which cache.
    #[serde(rename = "type")]
    pub kind: CacheType,
    /// The version. The class's newest when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// small, medium or large. small when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<String>,
    /// Who provides it. in-cluster when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// Disk that is kept between restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Where it is mounted.
    pub path: String,
    /// How much.
    pub size: Quantity,
    /// The storage class; the cluster's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// Metrics and alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Monitoring {
    /// Whether metrics are collected.
    #[serde(default = "yes")]
    #[schemars(default = "yes")]
    pub enabled: bool,
    /// Where they are. /metrics when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Alerts by name: high-error-rate, high-latency.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alerts: Vec<String>,
    /// What the service promises, which sets where its alerts begin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slo: Option<Slo>,
}

/// What a service promises.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Slo {
    /// How many requests of a hundred succeed. 99.9 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50.0, max = 99.999))]
    pub availability: Option<f64>,
    /// How long requests take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
}

/// How long requests take.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Latency {
    /// What 99 of a hundred requests stay under, such as 300ms or 2s. 500ms when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<String>,
}

/// How many copies run, left to an autoscaler.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Autoscaling {
    /// The fewest copies. 2 when absent, or `max` where that is less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub min: Option<i32>,
    /// The most copies.
    #[schemars(range(min = 1, max = 1000))]
    pub max: i32,
    /// Average use of the requested CPU, in percent, that the autoscaler aims for. 70 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub cpu: Option<i32>,
}

impl Autoscaling {
    /// The fewest copies.
    pub fn least(&self) -> i32 {
        self.min.unwrap_or_else(|| self.max.min(2))
    }
}

/// Where the service answers from outside the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The host name; one that the team may serve. `<service>.<team>.<domain of the environment>` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub host: Option<String>,
    /// The path below which it answers. / when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub path: Option<String>,
    /// Whether it answers over TLS. Yes when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<bool>,
}

/// How a new version takes the place of the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Rollout {
    /// Copy by copy, or all at once. rolling when absent; a service with storage is recreated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<RolloutStrategy>,
    /// How many copies more than wanted there may be meanwhile: a number or a percentage. 1 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_surge: Option<Share>,
    /// How many copies less than wanted there may be meanwhile: a number or a percentage. 0 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_unavailable: Option<Share>,
}

/// Copy by copy, or all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RolloutStrategy {
    /// Copy by copy, without a gap.
    Rolling,
    /// The old ones stop before the new ones start.
    Recreate,
}

/// The escape hatch: what the other fields cannot say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Overrides {
    /// Values of the golden path, merged last.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    #[schemars(schema_with = "anything")]
    pub values: serde_json::Map<String, serde_json::Value>,
    /// Changes of the objects that the golden path makes. They cannot reach any other object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub patches: Vec<Patch>,
}

/// A change of one object that the golden path makes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Patch {
    /// Which object.
    pub target: PatchTarget,
    /// A strategic merge patch: the fields to set, and null for those to take away; or a list of operations as
    /// JSON Patch (RFC 6902) has them.
    #[schemars(schema_with = "anything")]
    pub patch: serde_json::Value,
}

/// Which object of the golden path a patch changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchTarget {
    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,
    /// Its name; the service's when absent and the service has several of the kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub name: Option<String>,
}

/// How the service is. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationStatus {
    /// In one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Whether the cluster holds what Git says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<Sync>,
    /// The first cause, in plain words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last commit that touched this service's file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The golden path in use, `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub golden_path: Option<String>,
    /// Where it answers from outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The image in use, which the environment's first image may stand in for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// How many copies are wanted.
    #[serde(default)]
    pub replicas: i32,
    /// How many copies are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Where the credentials of the database and the cache are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// What the operator made and may prune; nothing else is ever pruned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inventory: Vec<InventoryItem>,
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The details, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The Secrets with the credentials of a service's database and cache.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// The database's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The cache's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<String>,
}

/// An object the operator made.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryItem {
    /// API group; empty for the core group.
    #[serde(default)]
    pub group: String,
    /// API version.
    #[serde(default)]
    pub version: String,
    /// Kind.
    pub kind: String,
    /// Namespace; absent for cluster-wide objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Name.
    pub name: String,
    /// Uid, so that a namesake made by somebody else is left alone.
    #[serde(default)]
    pub uid: String,
}

/// Any value at all.
pub(crate) fn anything(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({"x-kubernetes-preserve-unknown-fields": true})
}

fn yes() -> bool {
    true
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            enabled: true,
            path: None,
            alerts: Vec::new(),
            slo: None,
        }
    }
}
