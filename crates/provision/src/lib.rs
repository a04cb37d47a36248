//! Database and cache claims, filled by real backing services.
//!
//! ```text
//! Database, Cache (claims) -> credentials, once -> StatefulSet and company (a golden path of its own)
//!                          <- status: phase, endpoint, binding, the first cause when it is not ready
//! ```
//!
//! There is one class so far, in-cluster. Credentials are made once, by the claim's controller, in a Secret of
//! the claim's name, and never rendered again: a claim whose data exists but whose Secret is gone is an error,
//! not a new password.
//!
//! Knows neither Git nor the command line.

mod claim;
mod credentials;
mod error;
mod run;
pub mod workload;

pub use claim::recast;
pub use error::ProvisionError;
pub use run::{Context, Done, run};
