//! The API group, and every name derived from it.

use kube::core::{ApiResource, GroupVersionKind};
use std::fmt;

use crate::VERSION;

/// The standard label for what a thing is called.
pub const LABEL_NAME: &str = "app.kubernetes.io/name";
/// The standard label that tells two installs of one thing apart.
pub const LABEL_INSTANCE: &str = "app.kubernetes.io/instance";
/// The standard label for the tool that keeps a thing.
pub const LABEL_MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// The standard label for the larger thing this is a part of.
pub const LABEL_PART_OF: &str = "app.kubernetes.io/part-of";

/// The API group of the platform's resources, such as `platform.company.com`.
///
/// Chosen once at install and immutable afterwards. It is also the domain of the platform's own labels and
/// annotations, so that two platforms can share a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group(String);

/// Why a string cannot be an API group.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" cannot be an API group: it is a DNS name of at least two parts")]
pub struct GroupError(String);

/// The platform's own kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// One service.
    Application,
    /// Who owns services, and the bounds they run in.
    Team,
    /// Development, staging, production.
    Environment,
    /// A chart that the platform team offers.
    GoldenPath,
    /// A database claim.
    Database,
    /// A cache claim.
    Cache,
}

impl Kind {
    /// All kinds, in the order in which they must exist.
    pub const ALL: [Self; 6] = [
        Self::Environment,
        Self::GoldenPath,
        Self::Team,
        Self::Database,
        Self::Cache,
        Self::Application,
    ];

    /// The kind as it stands in a manifest.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Application => "Application",
            Self::Team => "Team",
            Self::Environment => "Environment",
            Self::GoldenPath => "GoldenPath",
            Self::Database => "Database",
            Self::Cache => "Cache",
        }
    }

    /// The kind as it stands in a path of the API.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Application => "applications",
            Self::Team => "teams",
            Self::Environment => "environments",
            Self::GoldenPath => "goldenpaths",
            Self::Database => "databases",
            Self::Cache => "caches",
        }
    }

    /// What kubectl also takes. Argo CD owns `app`.
    pub const fn short_names(self) -> &'static [&'static str] {
        match self {
            Self::Application => &["papp"],
            Self::Environment => &["penv"],
            Self::GoldenPath => &["gp"],
            Self::Team | Self::Database | Self::Cache => &[],
        }
    }

    /// Whether objects of this kind live in a namespace.
    pub const fn namespaced(self) -> bool {
        matches!(self, Self::Application | Self::Database | Self::Cache)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Default for Group {
    fn default() -> Self {
        Self("platform.company.com".to_owned())
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Group {
    /// Reads a group: a DNS subdomain of at least two labels, at most 200 characters, outside `k8s.io`.
    pub fn parse(text: &str) -> Result<Self, GroupError> {
        let label = |l: &str| {
            !l.is_empty()
                && l.len() <= 63
                && !l.starts_with('-')
                && !l.ends_with('-')
                && l.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        let reserved = text == "k8s.io" || text.ends_with(".k8s.io") || text.ends_with(".kubernetes.io");
        if text.len() > 200 || reserved || text.split('.').count() < 2 || !text.split('.').all(label) {
            return Err(GroupError(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The group itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `<group>/v1`.
    pub fn api_version(&self) -> String {
        format!("{}/{VERSION}", self.0)
    }

    /// How kube-rs addresses one of our kinds.
    pub fn resource(&self, kind: Kind) -> ApiResource {
        let gvk = GroupVersionKind::gvk(&self.0, VERSION, kind.as_str());
        ApiResource::from_gvk_with_plural(&gvk, kind.plural())
    }

    /// A label or annotation of the platform's own, `<group>/<key>`.
    pub fn key(&self, key: &str) -> String {
        format!("{}/{key}", self.0)
    }

    /// The label that says the platform keeps this object (`"true"`).
    pub fn label_managed(&self) -> String {
        self.key("managed")
    }

    /// The label that names the service an object belongs to.
    pub fn label_service(&self) -> String {
        self.key("service")
    }

    /// The label that names the owning team.
    pub fn label_team(&self) -> String {
        self.key("team")
    }

    /// The label that names the environment.
    pub fn label_environment(&self) -> String {
        self.key("environment")
    }

    /// The annotation that says who may prune an object: `<app>:<group>/<Kind>:<namespace>/<name>`.
    pub fn annotation_tracking(&self) -> String {
        self.key("tracking-id")
    }

    /// The annotation with the last commit that touched a resource's file, written by the syncer.
    pub fn annotation_revision(&self) -> String {
        self.key("revision")
    }

    /// The annotation with the path of a resource's file in the infrastructure repository.
    pub fn annotation_source(&self) -> String {
        self.key("source")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_dns_names() {
        for good in ["platform.company.com", "idp.example", "a.b"] {
            assert_eq!(Group::parse(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "platform",
            "Platform.company.com",
            "a..b",
            "-a.b",
            "apps.k8s.io",
            "a.b/c",
            "a.b ",
        ] {
            assert!(Group::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_carry_the_group() {
        let group = Group::parse("idp.example.org").unwrap();
        assert_eq!(group.label_team(), "idp.example.org/team");
        assert_eq!(group.resource(Kind::Cache).plural, "caches");
        assert_eq!(group.api_version(), "idp.example.org/v1");
    }
}
