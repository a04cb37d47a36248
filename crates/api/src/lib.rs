//! The platform's vocabulary: what the resources are, what they are called, and what they may hold.
//!
//! Everything a person writes (an [`Application`], a [`Team`], an [`Environment`]) and everything the
//! platform derives from it (a [`Database`] or [`Cache`] claim) has its type, its name rules and its checks
//! here. Nothing in this crate does I/O, and nothing in it knows how a resource becomes Kubernetes objects.
//!
//! The API group is chosen once, at install; every name that carries it is made by [`Group`].

mod application;
mod claim;
mod crd;
mod environment;
mod golden_path;
mod group;
mod name;
mod problem;
mod quantity;
mod size;
mod status;
mod team;

pub use application::{
    Application, ApplicationSpec, ApplicationStatus, Autoscaling, Binding, CacheIntent, Caller,
    DatabaseIntent, Dependency, EnvValue, EnvVar, GoldenPathReference, HealthChecks, InventoryItem,
    KNOWN_ALERTS, LANGUAGES, Latency, Monitoring, Overrides, Patch, PatchTarget, Port, Rollout,
    RolloutStrategy, Route, SecretReference, Slo, Storage,
};
pub use claim::{
    BindingReference, Cache, CacheSpec, CacheType, ClaimStatus, Database, DatabaseSpec, DatabaseType,
    DeletionPolicy, Phase,
};
pub use crd::{crd, crds, definition, generated_schema_of, schema_of};
pub use environment::{
    Capabilities, Environment, EnvironmentSpec, EnvironmentStatus, Gateway, Routing, RoutingKind,
};
pub use golden_path::{
    ChartSource, Deprecation, GoldenPath, GoldenPathSpec, GoldenPathStatus, GoldenPathVersion, WorkloadKind,
};
pub use group::{Group, GroupError, Kind, LABEL_INSTANCE, LABEL_MANAGED_BY, LABEL_NAME, LABEL_PART_OF};
pub use name::{NAME_LIMIT, Name, NameError, database_name};
pub use problem::Problem;
pub use quantity::{Quantity, Resources, Share};
pub use size::{Size, SizeError};
pub use status::{Condition, Health, Sync, condition, set_condition};
pub use team::{Access, Contacts, Mesh, Quota, Team, TeamEnvironment, TeamNetwork, TeamSpec, TeamStatus};

/// The only version of the platform's resources; additive for ever.
pub const VERSION: &str = "v1";
/// Where the platform itself lives in a cluster; teams cannot write here.
pub const SYSTEM_NAMESPACE: &str = "platform-system";
/// The account of each namespace that writes the objects of its services, and the cluster role that says what it may.
pub const DEPLOYER: &str = "platform-deployer";
/// The plural name of what the webhook hands over to the operator, under the platform's group.
pub const GUARDRAIL_REQUESTS: &str = "guardrailrequests";
/// Who wrote a field, by server-side apply: the sync loop, from Git.
pub const MANAGER_SYNC: &str = "platform-sync";
/// Who wrote a field, by server-side apply: the operator, from an Application or a Team.
pub const MANAGER_OPERATOR: &str = "platform-operator";
/// Who wrote a field, by server-side apply: the controllers of database and cache claims.
pub const MANAGER_PROVISION: &str = "platform-provision";
