//! `platform sandbox`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Sandbox {
    /// Serve a bare Kubernetes API without the platform's kinds, guardrails and operator, until Ctrl-C
    Serve(SandboxServe),
    /// Write all objects of a sandbox as lines of JSON, Secrets included
    Export(SandboxExport),
    /// Make a sandbox of what was exported
    Import(SandboxImport),
}

#[derive(Debug, Args)]
pub(crate) struct SandboxServe {
    /// The port to listen on, on this machine only; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 6551)]
    pub port: u16,
    /// Keep objects and credentials here [default: nothing is kept]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// Write the kubeconfig to this file [default: kubeconfig in the folder of the data]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Without controllers, nodes and pods: objects stay as they are written
    #[arg(long)]
    pub api_only: bool,
}

/// Which sandbox.
#[derive(Debug, Args)]
pub(crate) struct SandboxStore {
    /// The folder of a `sandbox serve` [default: the sandbox of `platform up`]
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxExport {
    /// The file to write; it must not be there yet [default: standard output]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    #[command(flatten)]
    pub store: SandboxStore,
}

#[derive(Debug, Args)]
pub(crate) struct SandboxImport {
    /// The file to read; - for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub store: SandboxStore,
}
