//! `platform chart …`

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Subcommand)]
pub(crate) enum Chart {
    /// Print what a Helm chart makes, as helm template does
    Template(Box<Template>),
    /// Check a Helm chart: its description, its values, its templates and what they make
    Lint(Lint),
    /// Print the values a Helm chart is rendered with
    Values(ChartValues),
    /// Print a JSON Schema for a Helm chart's values: its own, or one inferred from values.yaml
    Schema(Schema),
}

/// How a chart is fetched that is not on this machine.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// The chart is one of this repository, by its name
    #[arg(long = "repo", value_name = "URL")]
    pub repository: Option<String>,
    /// Fetch the newest version that fits, such as 1.2.3 or ^1.2 [default: the newest]
    #[arg(id = "chart_version", long = "version", value_name = "RANGE")]
    pub version: Option<String>,
    /// Fetch without TLS: what comes, and a password, could be read and changed on the way
    #[arg(long)]
    pub plain_http: bool,
    /// Trust the certificates in this file instead of those of this machine
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
    /// Tell the server who asks
    #[arg(long, value_name = "NAME", requires = "password_stdin")]
    pub username: Option<String>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    pub password_stdin: bool,
}

/// Values that are given to a chart.
#[derive(Debug, Args)]
pub(crate) struct Given {
    /// A values file, or - for standard input (repeat for more; the last one wins)
    #[arg(long, short = 'f', value_name = "FILE")]
    pub values: Vec<String>,
    /// Set values: a.b=1,list={x,y},list[0].c=true (repeat for more)
    #[arg(long, value_name = "NAME=VALUE")]
    pub set: Vec<String>,
    /// Set values that are text, whatever they look like
    #[arg(long, value_name = "NAME=TEXT")]
    pub set_string: Vec<String>,
    /// Set values that are JSON, or lay a whole JSON object over the values
    #[arg(long, value_name = "NAME=JSON")]
    pub set_json: Vec<String>,
    /// Set values to what files hold
    #[arg(long, value_name = "NAME=FILE")]
    pub set_file: Vec<String>,
    /// Set one value to all that follows the =, commas and braces too
    #[arg(long, value_name = "NAME=TEXT")]
    pub set_literal: Vec<String>,
    /// Do not check the values against the chart's schema
    #[arg(long)]
    pub skip_schema_validation: bool,
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Template {
    /// The release's name [default: release-name], and the chart: a folder, a .tgz, oci://… or https://…
    #[arg(num_args = 1..=2, required = true, value_names = ["NAME", "CHART"])]
    pub what: Vec<String>,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub given: Given,
    /// The namespace that templates see [default: default]
    #[arg(long, short, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Call the release release-name, as without a name; refused beside a name
    #[arg(long, short)]
    pub generate_name: bool,
    /// A template that makes the release's name
    #[arg(long = "name-template", value_name = "TEMPLATE")]
    pub named_by: Option<String>,
    /// The version of Kubernetes that templates see, such as 1.34
    #[arg(long, value_name = "VERSION")]
    pub kube_version: Option<String>,
    /// API versions that templates see beside the usual ones, such as monitoring.coreos.com/v1 (repeat or separate by commas)
    #[arg(long, short, value_name = "VERSION")]
    pub api_versions: Vec<String>,
    /// Let templates see an upgrade
    #[arg(long)]
    pub is_upgrade: bool,
    /// Print what is in crds/ as well
    #[arg(long)]
    pub include_crds: bool,
    /// Print no hooks
    #[arg(long)]
    pub no_hooks: bool,
    /// Print no hooks that are tests
    #[arg(long)]
    pub skip_tests: bool,
    /// Print only what this template makes, such as templates/deployment.yaml (repeat for more)
    #[arg(long, short, value_name = "TEMPLATE")]
    pub show_only: Vec<String>,
    /// Write a file for each template into this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "show_only")]
    pub output_dir: Option<PathBuf>,
    /// Put the files of --output-dir into a folder of the release's name
    #[arg(long)]
    pub release_name: bool,
    /// Take dependencies that charts/ lacks from where file:// says, for this run only
    #[arg(long = "dependency-update")]
    pub neighbours: bool,
    /// Check the objects against the schemas of Kubernetes, or with --context against that cluster
    #[arg(long)]
    pub validate: bool,
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Lint {
    /// The chart: a folder, a .tgz, oci://… or https://…
    pub chart: String,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub given: Given,
    /// The version of Kubernetes that templates see, such as 1.34
    #[arg(long, value_name = "VERSION")]
    pub kube_version: Option<String>,
    /// Fail on warnings too
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct ChartValues {
    /// The chart: a folder, a .tgz, oci://… or https://…
    pub chart: String,
    #[command(flatten)]
    pub remote: Remote,
    #[command(flatten)]
    pub given: Given,
    /// Print all values, those of subcharts too; without it, and with nothing set, values.yaml is printed as it is
    #[arg(long)]
    pub computed: bool,
    /// Take dependencies that charts/ lacks from where file:// says, for this run only
    #[arg(long = "dependency-update")]
    pub neighbours: bool,
}

#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Schema {
    /// The chart: a folder, a .tgz, oci://… or https://…
    pub chart: String,
    #[command(flatten)]
    pub remote: Remote,
}
