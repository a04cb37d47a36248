//! `platform team …`

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::duration;

#[derive(Debug, Subcommand)]
pub(crate) enum Team {
    /// Create a team: a namespace with quota, access and closed network for each environment
    Create(Box<CreateTeam>),
    /// List teams
    #[command(visible_alias = "ls")]
    List,
    /// Look at a team: namespaces, quota and what is used of it, services
    Get(GetTeam),
    /// Delete a team that has neither services nor data; its namespaces stay unless --delete-namespaces
    Delete(DeleteTeam),
}

#[derive(Debug, Args)]
pub(crate) struct CreateTeam {
    /// The name: lowercase letters, digits and hyphens, at most 40
    pub name: String,
    /// What people call it
    #[arg(long, value_name = "TEXT")]
    pub display_name: Option<String>,
    /// Who answers for it
    #[arg(long, value_name = "WHO")]
    pub owner: Option<String>,
    /// The chat channel where it can be reached
    #[arg(long, value_name = "CHANNEL")]
    pub chat: Option<String>,
    /// The mail address where it can be reached
    #[arg(long, value_name = "ADDRESS")]
    pub mail: Option<String>,
    /// Who is on call
    #[arg(long, value_name = "WHO")]
    pub on_call: Option<String>,
    /// Who pays
    #[arg(long, value_name = "CODE")]
    pub cost_centre: Option<String>,
    /// Where its images are pushed
    #[arg(long, value_name = "REGISTRY")]
    pub registry: Option<String>,
    /// A group of the identity provider whose members may work in its namespaces (repeat for more)
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// What members may do with workloads that no service made [default: read]
    #[arg(long, value_name = "ACCESS")]
    pub workloads: Option<Access>,
    /// A host its services may answer at, such as shop.example.com or *.shop.example.com (repeat for more)
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// The service mesh its pods belong to
    #[arg(long, value_name = "MESH")]
    pub mesh: Option<Mesh>,
    /// A namespace whose pods may call every service of the team (repeat for more)
    #[arg(long = "allow-from", value_name = "NAMESPACE")]
    pub allow_from: Vec<String>,
    /// An environment it uses (repeat for more) [default: all there are]
    #[arg(long = "environment", short, value_name = "NAME")]
    pub environments: Vec<String>,
    /// What it may use, such as requests.cpu=20,pods=80, or production:pods=200 for one environment
    #[arg(long = "quota", value_name = "[ENVIRONMENT:]WHAT=AMOUNT,…")]
    pub quotas: Vec<String>,
    /// Check and expand, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How long to wait for the boundaries, such as 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    pub timeout: Duration,
}

/// What members of a team may do with something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Access {
    /// Nothing
    None,
    /// Look at it
    Read,
    /// Change it
    Write,
}

/// A service mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mesh {
    /// Linkerd
    Linkerd,
    /// Istio
    Istio,
    /// Cilium
    Cilium,
}

#[derive(Debug, Args)]
pub(crate) struct GetTeam {
    /// The team
    pub name: String,
}

#[derive(Debug, Args)]
pub(crate) struct DeleteTeam {
    /// The team
    pub name: String,
    /// Delete its namespaces too; they must be empty
    #[arg(long)]
    pub delete_namespaces: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// How long to wait for the cluster, such as 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,
}

impl From<Access> for api::Access {
    fn from(access: Access) -> Self {
        match access {
            Access::None => Self::None,
            Access::Read => Self::Read,
            Access::Write => Self::Write,
        }
    }
}

impl From<Mesh> for api::Mesh {
    fn from(mesh: Mesh) -> Self {
        match mesh {
            Mesh::Linkerd => Self::Linkerd,
            Mesh::Istio => Self::Istio,
            Mesh::Cilium => Self::Cilium,
        }
    }
}
