//! `Application`: one service, as a developer would describe it aloud.

use kube::core::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use crate::claim::{CacheType, DatabaseType, DeletionPolicy};
use crate::quantity::{Quantity, Resources};
use crate::size::Size;
use crate::status::{Condition, Health, Sync};
use crate::{Name, Problem};

/// One service of one team in one environment.
pub type Application = Object<ApplicationSpec, ApplicationStatus>;

/// The languages there is a scaffold for.
pub const LANGUAGES: &[&str] = &["go"];

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
    /// Metrics and alerts; on when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// Run nothing for now, and keep everything else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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

fn yes() -> bool {
    true
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            enabled: true,
            path: None,
            alerts: Vec::new(),
        }
    }
}

impl ApplicationSpec {
    /// Everything wrong with this spec beyond its shape, for the service called `name`.
    ///
    /// What needs the cluster, the golden path or the team is judged elsewhere.
    pub fn problems(&self, name: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        if let Err(error) = Name::parse("service", name) {
            found.push(name_problem("metadata.name", &error));
        }
        if let Some(image) = &self.image {
            check_image(&mut found, image);
        }
        if let Some(language) = &self.language
            && Name::parse("language", language).is_err()
        {
            found.push(Problem::new(
                "spec.language",
                format!("\"{language}\" is not the name of a language"),
            ));
        }
        if let Some(replicas) = self.replicas
            && !(0..=1000).contains(&replicas)
        {
            found.push(Problem::new(
                "spec.replicas",
                format!("{replicas} is not between 0 and 1000"),
            ));
        }
        if let Some(size) = &self.size
            && let Err(error) = Size::service(size)
        {
            found.push(Problem::new("spec.size", error.to_string()));
        }
        if let Some(resources) = &self.resources {
            check_resources(&mut found, resources);
        }
        self.check_ports(&mut found);
        self.check_health(&mut found);
        self.check_env(&mut found);
        self.check_files(&mut found);
        self.check_dependencies(&mut found);
        self.check_callers(&mut found);
        self.check_stores(&mut found);
        if let Some(monitoring) = &self.monitoring {
            for alert in monitoring
                .alerts
                .iter()
                .filter(|a| !KNOWN_ALERTS.contains(&a.as_str()))
            {
                found.push(
                    Problem::new("spec.monitoring.alerts", format!("unknown alert \"{alert}\""))
                        .hint(format!("there are {}", KNOWN_ALERTS.join(" and "))),
                );
            }
            if let Some(path) = &monitoring.path {
                check_http_path(&mut found, "spec.monitoring.path", path);
            }
        }
        found
    }

    fn check_ports(&self, found: &mut Vec<Problem>) {
        if self.port.is_some() && !self.ports.is_empty() {
            found.push(
                Problem::new("spec.ports", "port and ports cannot both be given")
                    .hint("move the port into ports"),
            );
        }
        if let Some(port) = self.port {
            check_port(found, "spec.port", port);
        }
        let mut names = BTreeSet::new();
        for (index, port) in self.ports.iter().enumerate() {
            let field = format!("spec.ports[{index}]");
            check_port(found, &format!("{field}.port"), port.port);
            if port.name.len() > 15 || Name::parse("port", &port.name).is_err() {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!("\"{}\" is not a port name: lowercase letters, digits and hyphens, at most 15 characters", port.name),
                ));
            }
            if !names.insert(&port.name) {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!("\"{}\" is used twice", port.name),
                ));
            }
            if let Some(protocol) = &port.protocol
                && !["TCP", "UDP", "SCTP"].contains(&protocol.as_str())
            {
                found.push(Problem::new(
                    format!("{field}.protocol"),
                    format!("\"{protocol}\" is not TCP, UDP or SCTP"),
                ));
            }
        }
    }

    fn check_health(&self, found: &mut Vec<Problem>) {
        let Some(health) = &self.health else { return };
        for (field, path) in [
            ("spec.health.path", &health.path),
            ("spec.health.ready", &health.ready),
        ] {
            if let Some(path) = path {
                check_http_path(found, field, path);
            }
        }
        if let Some(startup) = &health.startup
            && seconds(startup).is_none()
        {
            found.push(
                Problem::new(
                    "spec.health.startup",
                    format!("\"{startup}\" is not a duration between 1s and 1h"),
                )
                .hint("such as 30s or 2m"),
            );
        }
    }

    fn check_env(&self, found: &mut Vec<Problem>) {
        let mut names = BTreeSet::new();
        for (index, variable) in self.env.iter().enumerate() {
            let field = format!("spec.env[{index}]");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
            if variable.name.is_empty()
                || variable.name.starts_with(|c: char| c.is_ascii_digit())
                || !variable.name.chars().all(plain)
            {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!(
                        "\"{}\" is not the name of an environment variable",
                        variable.name.escape_default()
                    ),
                ));
            }
            if !names.insert(&variable.name) {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!("\"{}\" is set twice", variable.name),
                ));
            }
            if variable.value.is_some() == variable.from.is_some() {
                found.push(Problem::new(
                    field,
                    "needs either a value or a from, and not both",
                ));
            }
        }
    }

    fn check_files(&self, found: &mut Vec<Problem>) {
        for name in self.config.keys() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
            if name.is_empty() || name.len() > 253 || name.starts_with("..") || !name.chars().all(plain) {
                found.push(Problem::new(
                    "spec.config",
                    format!("\"{}\" cannot be a file name", name.escape_default()),
                ));
            }
        }
        for (index, secret) in self.secrets.iter().enumerate() {
            if !is_object_name(&secret.name) {
                found.push(Problem::new(
                    format!("spec.secrets[{index}].name"),
                    "is not the name of a secret",
                ));
            }
        }
        let mut paths = BTreeSet::new();
        for (index, storage) in self.storage.iter().enumerate() {
            let field = format!("spec.storage[{index}]");
            if !storage.path.starts_with('/')
                || storage.path == "/"
                || storage.path.contains("..")
                || storage.path.contains(':')
            {
                found.push(Problem::new(
                    format!("{field}.path"),
                    format!("\"{}\" is not an absolute folder", storage.path),
                ));
            }
            if !paths.insert(&storage.path) {
                found.push(Problem::new(
                    format!("{field}.path"),
                    format!("\"{}\" is used twice", storage.path),
                ));
            }
            if storage.size.milli().is_none_or(|n| n <= 0) {
                found.push(Problem::new(
                    format!("{field}.size"),
                    format!("\"{}\" is not an amount such as 10Gi", storage.size.0),
                ));
            }
        }
    }

    fn check_dependencies(&self, found: &mut Vec<Problem>) {
        for (index, dependency) in self.depends_on.iter().enumerate() {
            let field = format!("spec.dependsOn[{index}]");
            match (&dependency.application, &dependency.host) {
                (Some(application), None) => {
                    if let Err(error) = Name::parse("service", application) {
                        found.push(name_problem(&format!("{field}.application"), &error));
                    }
                }
                (None, Some(host)) if is_object_name(host) => {}
                (None, Some(host)) => {
                    found.push(Problem::new(
                        format!("{field}.host"),
                        format!("\"{}\" is not a host name", host.escape_default()),
                    ));
                }
                _ => found.push(Problem::new(
                    &field,
                    "needs either an application or a host, and not both",
                )),
            }
            if let Some(port) = dependency.port {
                check_port_number(found, &format!("{field}.port"), port);
            }
        }
    }

    fn check_callers(&self, found: &mut Vec<Problem>) {
        for (index, caller) in self.allow_from.iter().enumerate() {
            let field = format!("spec.allowFrom[{index}]");
            if caller.application.is_none() && caller.namespace.is_none() {
                found.push(Problem::new(&field, "needs an application, a namespace, or both"));
            }
            if let Some(application) = caller.application.as_deref().filter(|a| *a != "*")
                && let Err(error) = Name::parse("service", application)
            {
                found.push(name_problem(&format!("{field}.application"), &error));
            }
            if let Some(namespace) = &caller.namespace
                && (namespace.len() > 63 || namespace.contains('.') || !is_object_name(namespace))
            {
                found.push(Problem::new(
                    format!("{field}.namespace"),
                    format!("\"{}\" is not a namespace", namespace.escape_default()),
                ));
            }
        }
    }

    fn check_stores(&self, found: &mut Vec<Problem>) {
        if let Some(database) = &self.database {
            if let Some(size) = &database.size
                && let Err(error) = Size::database(size)
            {
                found.push(Problem::new("spec.database.size", error.to_string()));
            }
            if let Some(user) = &database.user
                && !is_database_user(user)
            {
                found.push(
                    Problem::new(
                        "spec.database.user",
                        format!("\"{}\" cannot be a database user", user.escape_default()),
                    )
                    .hint(
                        "a letter or underscore, then letters, digits and underscores, at most 63 characters",
                    ),
                );
            }
            check_choice(
                found,
                "spec.database.version",
                database.version.as_deref(),
                DatabaseType::VERSIONS,
            );
            check_choice(
                found,
                "spec.database.class",
                database.class.as_deref(),
                &["in-cluster"],
            );
        }
        if let Some(cache) = &self.cache {
            if let Some(size) = &cache.size
                && let Err(error) = Size::cache(size)
            {
                found.push(Problem::new("spec.cache.size", error.to_string()));
            }
            check_choice(
                found,
                "spec.cache.version",
                cache.version.as_deref(),
                CacheType::VERSIONS,
            );
            check_choice(found, "spec.cache.class", cache.class.as_deref(), &["in-cluster"]);
        }
    }
}

/// Whole seconds of a duration such as `30s`, `2m` or `1h`, between one second and one hour.
pub(crate) fn seconds(text: &str) -> Option<u32> {
    let (number, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 3600),
        _ => return None,
    };
    let seconds = number.parse::<u32>().ok()?.checked_mul(factor)?;
    (1..=3600).contains(&seconds).then_some(seconds)
}

impl HealthChecks {
    /// How long the service may take to start, in whole seconds.
    pub fn startup_seconds(&self) -> Option<u32> {
        self.startup.as_deref().and_then(seconds)
    }
}

fn name_problem(field: &str, error: &crate::NameError) -> Problem {
    let problem = Problem::new(field, error.to_string());
    match &error.suggestion {
        Some(suggestion) => problem.hint(suggestion),
        None => problem,
    }
}

fn check_choice(found: &mut Vec<Problem>, field: &str, given: Option<&str>, known: &[&str]) {
    if let Some(given) = given
        && !known.contains(&given)
    {
        found.push(
            Problem::new(field, format!("\"{}\" is not offered", given.escape_default()))
                .hint(format!("there is {}", known.join(", "))),
        );
    }
}

fn check_port(found: &mut Vec<Problem>, field: &str, port: i32) {
    check_port_number(found, field, port);
    if (1..1024).contains(&port) {
        found.push(
            Problem::new(
                field,
                format!("{port} is a privileged port, and services do not run as root"),
            )
            .hint("use a port from 1024 up, such as 8080"),
        );
    }
}

/// Any port, such as that of somebody else's service.
fn check_port_number(found: &mut Vec<Problem>, field: &str, port: i32) {
    if !(1..=65535).contains(&port) {
        found.push(Problem::new(field, format!("{port} is not a port: 1 to 65535")));
    }
}

fn check_http_path(found: &mut Vec<Problem>, field: &str, path: &str) {
    if !path.starts_with('/') || path.len() > 512 || path.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        found.push(Problem::new(
            field,
            format!("\"{}\" is not a path that starts with /", path.escape_default()),
        ));
    }
}

fn check_image(found: &mut Vec<Problem>, image: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    if image.is_empty()
        || image.len() > 512
        || !image.chars().all(plain)
        || image.starts_with(['-', '/', ':', '@'])
    {
        found.push(
            Problem::new(
                "spec.image",
                format!("\"{}\" is not an image", image.escape_default()),
            )
            .hint("such as registry.internal/team/service:v1"),
        );
    }
}

fn check_resources(found: &mut Vec<Problem>, resources: &Resources) {
    for (side, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        for (what, amount) in amounts {
            if amount.milli().is_none() {
                found.push(
                    Problem::new(
                        format!("spec.resources.{side}.{what}"),
                        format!("\"{}\" is not an amount", amount.0),
                    )
                    .hint("such as 100m for CPU and 256Mi for memory"),
                );
            }
        }
    }
    for (what, request) in &resources.requests {
        if let (Some(request), Some(limit)) = (
            request.milli(),
            resources.limits.get(what).and_then(Quantity::milli),
        ) && request > limit
        {
            found.push(Problem::new(
                format!("spec.resources.requests.{what}"),
                "is more than its limit",
            ));
        }
    }
}

fn is_object_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 253
        && text.chars().all(inner)
        && text.starts_with(edge)
        && text.ends_with(edge)
}

fn is_database_user(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(spec: serde_json::Value) -> Vec<String> {
        let spec: ApplicationSpec = serde_json::from_value(spec).unwrap();
        spec.problems("api").into_iter().map(|p| p.field).collect()
    }

    #[test]
    fn a_good_spec_has_no_problems() {
        assert_eq!(
            fields(json!({
                "image": "gcr.io/company/api-gateway:v1.2.3", "replicas": 3, "language": "go",
                "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": 1}},
                "database": {"type": "postgres", "size": "db-custom-2-8192", "user": "api_gateway_user"},
                "cache": {"type": "redis", "version": "7.0"},
                "monitoring": {"enabled": true, "alerts": ["high-error-rate", "high-latency"]},
                "dependsOn": [{"application": "orders"}, {"host": "api.stripe.com", "port": 443}],
            })),
            Vec::<String>::new()
        );
    }

    #[test]
    fn each_problem_names_its_field() {
        let check = |spec, field: &str| assert_eq!(fields(spec), [field]);
        check(json!({"image": "a b"}), "spec.image");
        check(json!({"replicas": -1}), "spec.replicas");
        check(json!({"size": "huge"}), "spec.size");
        check(
            json!({"resources": {"requests": {"cpu": "2"}, "limits": {"cpu": 1}}}),
            "spec.resources.requests.cpu",
        );
        check(
            json!({"resources": {"limits": {"cpu": "lots"}}}),
            "spec.resources.limits.cpu",
        );
        check(json!({"port": 80}), "spec.port");
        check(
            json!({"port": 8080, "ports": [{"name": "http", "port": 8080}]}),
            "spec.ports",
        );
        check(json!({"health": {"path": "health"}}), "spec.health.path");
        check(json!({"health": {"startup": "soon"}}), "spec.health.startup");
        check(json!({"env": [{"name": "A"}]}), "spec.env[0]");
        check(
            json!({"env": [{"name": "A=B", "value": "x"}]}),
            "spec.env[0].name",
        );
        check(json!({"config": {"../x": ""}}), "spec.config");
        check(
            json!({"storage": [{"path": "data", "size": "1Gi"}]}),
            "spec.storage[0].path",
        );
        check(
            json!({"storage": [{"path": "/data", "size": "0"}]}),
            "spec.storage[0].size",
        );
        check(json!({"dependsOn": [{}]}), "spec.dependsOn[0]");
        check(json!({"allowFrom": [{}]}), "spec.allowFrom[0]");
        check(
            json!({"allowFrom": [{"application": "*", "namespace": "A"}]}),
            "spec.allowFrom[0].namespace",
        );
        check(
            json!({"database": {"type": "postgres", "size": "huge"}}),
            "spec.database.size",
        );
        check(
            json!({"database": {"type": "postgres", "user": "x; drop table"}}),
            "spec.database.user",
        );
        check(
            json!({"database": {"type": "postgres", "class": "aws"}}),
            "spec.database.class",
        );
        check(
            json!({"cache": {"type": "redis", "version": "1"}}),
            "spec.cache.version",
        );
        check(
            json!({"monitoring": {"alerts": ["noise"]}}),
            "spec.monitoring.alerts",
        );
    }
}
