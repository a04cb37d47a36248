//! The guardrails at the door of a cluster: which policies are in force, an admission webhook that judges by them, and
//! background scans of what is there already.
//!
//! ```text
//! API server -> server (HTTPS, bounds) -> review (one AdmissionReview)
//!               |- policies      the policies in force, by watches
//!               |- cluster       namespaces and roles, by watches
//!               |- facts         what a policy asks beyond the object
//!               |- words         what is answered
//!               `- acts/door    what rules have to do once it is let through, handed over
//! leader       -> acts          that is carried out; scan reports on what is there
//! keeper       -> certificate (when what is made anew), configuration (which requests are asked about: scope, served)
//! ```
//!
//! Judging itself is the crate `guardrails`. Knows neither Git nor the command line, and of the platform's own kinds
//! nothing but its group and its namespace.

mod acts;
mod certificate;
mod cluster;
mod configuration;
mod error;
mod events;
mod facts;
mod keeper;
mod policies;
mod review;
mod scan;
mod scope;
mod served;
mod server;
mod telemetry;
mod words;

pub use acts::Actor;
pub use certificate::Lifetimes;
pub use configuration::{CONFIGURATION, LEFT_OUT, Place, SERVICE};
pub use error::AdmissionError;
pub use keeper::{Keeper, SECRET};
pub use policies::PolicyStore;
pub use scan::{Scanned, Scanner};
pub use server::{Webhook, WebhookOptions};
pub use telemetry::Telemetry;
pub use words::refusal;
