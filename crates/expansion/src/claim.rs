//! Claims: the `Database` and `Cache` an Application asks for, and what a claim of the in-cluster class becomes.

use api::{
    Application, Cache, CacheType, Capabilities, Database, DatabaseType, DeletionPolicy, Group, Kind,
    LABEL_INSTANCE, LABEL_MANAGED_BY, LABEL_NAME, LABEL_PART_OF, Problem, Size,
};
use serde_json::{Value, json};

use crate::error::ExpandError;
use crate::expand::{GoldenPath, Intent, refuse_problems};

/// A claim, whichever kind it is, with everything that its chart must know.
#[derive(Clone, Debug, PartialEq)]
pub struct ClaimIntent {
    /// `Database` or `Cache`.
    pub kind: Kind,
    /// Its name, which is also the name of its Secret and of its server.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The team that owns the namespace, if any.
    pub team: Option<String>,
    /// The environment, if any.
    pub environment: Option<String>,
    /// The application it is for; nobody else may reach it.
    pub application: Option<String>,
    /// Its size by name.
    pub size: String,
    /// The version that runs: the one asked for, or the newest offered.
    pub version: String,
    /// Who provides it.
    pub class: String,
    /// The storage class of its volume; the cluster's default when absent.
    pub storage_class: Option<String>,
    /// What happens to its data.
    pub deletion_policy: DeletionPolicy,
    /// Database and user inside the server; caches have none.
    pub login: Option<Login>,
}

/// Who logs into which database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The database inside the server.
    pub database: String,
    /// The user.
    pub user: String,
}

const IN_CLUSTER: &str = "in-cluster";
const SMALL: &str = "small";

impl ClaimIntent {
    /// What a `Database` claims.
    pub fn database(claim: &Database) -> Self {
        let spec = &claim.spec;
        let name = claim.metadata.name.clone().unwrap_or_default();
        let database = spec
            .database
            .clone()
            .unwrap_or_else(|| api::database_name(spec.application.as_deref().unwrap_or(&name)));
        Self {
            kind: Kind::Database,
            namespace: claim.metadata.namespace.clone().unwrap_or_default(),
            team: None,
            environment: None,
            application: spec.application.clone(),
            size: spec.size.clone().unwrap_or_else(|| SMALL.to_owned()),
            version: spec
                .version
                .clone()
                .unwrap_or_else(|| DatabaseType::VERSIONS[0].to_owned()),
            class: spec.class.clone().unwrap_or_else(|| IN_CLUSTER.to_owned()),
            storage_class: spec.storage_class.clone(),
            deletion_policy: spec.deletion_policy,
            login: Some(Login {
                user: spec.user.clone().unwrap_or_else(|| database.clone()),
                database,
            }),
            name,
        }
    }

    /// What a `Cache` claims.
    pub fn cache(claim: &Cache) -> Self {
        let spec = &claim.spec;
        Self {
            kind: Kind::Cache,
            name: claim.metadata.name.clone().unwrap_or_default(),
            namespace: claim.metadata.namespace.clone().unwrap_or_default(),
            team: None,
            environment: None,
            application: spec.application.clone(),
            size: spec.size.clone().unwrap_or_else(|| SMALL.to_owned()),
            version: spec
                .version
                .clone()
                .unwrap_or_else(|| CacheType::VERSIONS[0].to_owned()),
            class: spec.class.clone().unwrap_or_else(|| IN_CLUSTER.to_owned()),
            storage_class: spec.storage_class.clone(),
            deletion_policy: spec.deletion_policy,
            login: None,
        }
    }

    /// The golden path that provides it.
    pub fn golden_path(&self) -> &'static str {
        if self.kind == Kind::Database {
            "postgres"
        } else {
            "redis"
        }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        if self.kind == Kind::Database { 5432 } else { 6379 }
    }

    /// The host name its clients use, inside the cluster.
    pub fn host(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }

    /// As a person says it: `postgres 17, small`.
    pub fn describe(&self) -> String {
        let what = if self.kind == Kind::Database {
            DatabaseType::Postgres.as_str()
        } else {
            CacheType::Redis.as_str()
        };
        format!("{what} {}, {}", self.version, self.size)
    }

    fn sized(&self) -> Result<Size, Problem> {
        let size = if self.kind == Kind::Database {
            Size::database(&self.size)
        } else {
            Size::cache(&self.size)
        };
        size.map_err(|error| Problem::new("spec.size", error.to_string()))
    }

    fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        // A StatefulSet's pods carry a revision label that a longer name would break.
        if self.name.len() > 46 {
            found.push(Problem::new("metadata.name", "is longer than 46 characters"));
        }
        let offered = if self.kind == Kind::Database {
            DatabaseType::VERSIONS
        } else {
            CacheType::VERSIONS
        };
        if !offered.contains(&self.version.as_str()) {
            let problem = Problem::new(
                "spec.version",
                format!("\"{}\" is not offered", self.version.escape_default()),
            );
            found.push(problem.hint(format!("there is {}", offered.join(", "))));
        }
        if self.class != IN_CLUSTER {
            let problem = Problem::new(
                "spec.class",
                format!("\"{}\" is not offered", self.class.escape_default()),
            );
            found.push(problem.hint(format!("there is {IN_CLUSTER}")));
        }
        found.extend(self.sized().err());
        found
    }
}

/// The objects that provide a claim of the in-cluster class, in install order.
///
/// Credentials are not among them: they are made once, by the claim's controller, in a Secret of the claim's name.
pub fn expand_claim(
    group: &Group,
    claim: &ClaimIntent,
    path: &GoldenPath,
) -> Result<Vec<Value>, ExpandError> {
    let what = format!("{} {}", claim.kind, claim.name);
    refuse_problems(what.clone(), claim.problems())?;
    let Ok(size) = claim.sized() else {
        return Ok(Vec::new());
    };
    let clients: Vec<Value> = claim
        .application
        .iter()
        .map(|a| json!({LABEL_NAME: a, LABEL_INSTANCE: a}))
        .collect();
    let mut values = json!({
        "name": claim.name,
        "service": claim.application.as_deref().unwrap_or_default(),
        "team": claim.team.as_deref().unwrap_or_default(),
        "environment": claim.environment.as_deref().unwrap_or_default(),
        "labelDomain": group.as_str(),
        "version": claim.version,
        "auth": {"secretName": claim.name},
        "clients": clients,
        "resources": size.resources,
        "storage": {
            "size": size.storage,
            "storageClass": claim.storage_class.as_deref().unwrap_or_default(),
            "retain": claim.deletion_policy == DeletionPolicy::Retain,
        },
    });
    if let Some(limit) = size.resources.limits.get("memory").and_then(api::Quantity::milli)
        && claim.kind == Kind::Cache
    {
        // Below the limit, because rewriting the log needs room as well.
        values["maxMemory"] = json!(format!("{}mb", limit * 5 / 8 / (1000 << 20)));
    }
    path.render(
        &what,
        &claim.name,
        &claim.namespace,
        &values,
        &Capabilities::default(),
    )
}

/// The claims that an Application makes.
///
/// A claim whose data must outlive the service carries no owner, so that nothing but a person deletes it.
pub(crate) fn claims_of(intent: &Intent<'_>) -> Vec<Value> {
    let spec = &intent.application.spec;
    let name = intent.application.metadata.name.as_deref().unwrap_or_default();
    let mut claims = Vec::new();
    if let Some(database) = &spec.database {
        claims.push(claim(
            intent,
            Kind::Database,
            &format!("{name}-db"),
            &json!({
                "type": database.kind,
                "version": database.version,
                "size": database.size,
                "user": database.user,
                "class": database.class,
                "database": api::database_name(name),
                "application": name,
                "deletionPolicy": database.deletion_policy.unwrap_or_default(),
            }),
        ));
    }
    if let Some(cache) = &spec.cache {
        claims.push(claim(
            intent,
            Kind::Cache,
            &format!("{name}-cache"),
            &json!({
                "type": cache.kind,
                "version": cache.version,
                "size": cache.size,
                "class": cache.class,
                "application": name,
                // A cache is a cache: what it holds can be made again.
                "deletionPolicy": DeletionPolicy::Delete,
            }),
        ));
    }
    claims
}

fn claim(intent: &Intent<'_>, kind: Kind, name: &str, spec: &Value) -> Value {
    let group = intent.group;
    let application: &Application = intent.application;
    let service = application.metadata.name.as_deref().unwrap_or_default();
    let mut labels = json!({
        LABEL_NAME: name,
        LABEL_INSTANCE: name,
        LABEL_PART_OF: service,
        LABEL_MANAGED_BY: "towpath",
        group.label_managed(): "true",
        group.label_service(): service,
    });
    if let Some(team) = &intent.place.team {
        labels[group.label_team()] = json!(team);
    }
    if let Some(environment) = &intent.place.environment {
        labels[group.label_environment()] = json!(environment);
    }
    let spec: serde_json::Map<_, _> = spec
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, v)| !v.is_null())
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    json!({
        "apiVersion": group.api_version(),
        "kind": kind.as_str(),
        "metadata": {"name": name, "namespace": intent.place.namespace, "labels": labels},
        "spec": spec,
    })
}
