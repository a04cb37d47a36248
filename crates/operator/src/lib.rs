//! The operator: it keeps Applications and Teams true.
//!
//! ```text
//! Application  -> dereference (what the cluster says of its place)
//!              -> expand + judge (pure: expansion, guardrails)
//!              -> apply (objects owned by the Application; claims owned by nobody)
//!              -> observe (health and first cause)
//!              -> status
//! Team         -> expand -> apply -> status
//! GoldenPath   -> read, try out -> status
//! Database,
//! Cache        -> provision
//! ```
//!
//! A library first: the sandbox, `platform up` and a cluster installation wire the same [`Operator`]; of several in one
//! cluster an [`Election`] lets one work. It writes
//! status and the objects it makes, and never a spec. Knows neither Git nor the command line.

mod application;
mod claims;
mod context;
mod decided;
mod deployer;
mod error;
mod events;
mod golden_path;
mod leader;
mod run;
mod team;
mod telemetry;
mod workload;

pub use context::Context;
pub use error::OperatorError;
pub use leader::{Clock, Election, Timing};
pub use run::Operator;
pub use telemetry::{Figures, Telemetry, TelemetryServer};
