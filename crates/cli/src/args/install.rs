//! What can be typed after `install`, `uninstall`, `operator` and `webhook`.

use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{duration, lifetime};

#[derive(Debug, Args)]
pub(crate) struct Install {
    /// Print the objects for a repository from which something else applies them, and touch no cluster
    #[arg(long)]
    pub print: bool,
    /// The API group of the platform's resources, chosen once [default: platform.company.com]
    #[arg(long, value_name = "GROUP")]
    pub api_group: Option<String>,
    /// The operator's image, with a version or digest; later installs of the same version keep it
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// How many operators run; one leads, the others stand by [default: 2]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=10))]
    pub replicas: Option<u16>,
    /// Install no webhook: guardrails are judged before a commit and by the operator, but not at the cluster's door
    #[arg(long, conflicts_with = "with_webhook")]
    pub without_webhook: bool,
    /// Install the webhook again where an earlier install left it out
    #[arg(long)]
    pub with_webhook: bool,
    /// How long to wait for the operator, such as 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Uninstall {
    /// Take the definitions and the platform's namespace away too; refused while services or data are there
    #[arg(long = "delete-everything")]
    pub everything: bool,
    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
    /// How long to wait until everything is gone, such as 90s or 5m
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5m")]
    pub timeout: Duration,
}

#[derive(Debug, Args)]
pub(crate) struct Operator {
    /// Where to answer /healthz, /readyz and /metrics, such as 0.0.0.0:8080 [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Work at once, also beside another operator; for development
    #[arg(long = "no-leader-election")]
    pub alone: bool,
    #[command(flatten)]
    pub logging: Logging,
}

#[derive(Debug, Args)]
pub(crate) struct Webhook {
    /// Where to answer the API server, over HTTPS
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:9443")]
    pub listen: SocketAddr,
    /// Where to answer /healthz, /readyz and /metrics, such as 0.0.0.0:8080 [default: nowhere]
    #[arg(long, value_name = "ADDRESS")]
    pub metrics: Option<SocketAddr>,
    /// How the API server reaches it, such as https://10.0.0.7:9443; for development [default: the installed Service]
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// How long a certificate lasts, such as 12h; it is renewed when a third of that is left
    #[arg(long, value_name = "TIME", value_parser = lifetime, default_value = "2160h")]
    pub certificate_lifetime: Duration,
    /// Keep certificates and configurations at once, also beside another webhook; for development
    #[arg(long = "no-leader-election")]
    pub alone: bool,
    #[command(flatten)]
    pub logging: Logging,
}

/// The log of what runs for ever.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Logging {
    /// How to write the log [default: text on a terminal, else json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
    /// What to write to the log
    #[arg(long, value_enum, value_name = "LEVEL", default_value_t = LogLevel::Info)]
    pub log_level: LogLevel,
}

/// How to write a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One object a line
    Json,
}

/// What to write to a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogLevel {
    /// What failed
    Error,
    /// What may fail
    Warn,
    /// What happened
    Info,
    /// Why it happened
    Debug,
    /// Everything
    Trace,
}
