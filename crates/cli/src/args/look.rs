//! `platform environment …` and `platform golden-path …`

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Environment {
    /// List environments, in the order of promotion
    #[command(visible_alias = "ls")]
    List,
    /// Look at an environment: what it holds, who uses it
    Get(Named),
}

#[derive(Debug, Subcommand)]
pub(crate) enum GoldenPath {
    /// List golden paths: those that ship and those that Git adds
    #[command(visible_alias = "ls")]
    List,
    /// Look at a golden path: its versions, and the services that follow it
    Get(Named),
}

/// One of them.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its name
    pub name: String,
}
