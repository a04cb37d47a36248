//! The pure function at the heart of the platform: intent, golden path and team defaults in, objects out.
//!
//! ```text
//! Application + golden path (Helm chart) + place (team, environment) + capabilities
//!     -> expand -> objects and claims -> judge -> verdicts that name the field of the intent
//! ```
//!
//! [`expand`] is deterministic and closed: the same [`Intent`] gives the same objects on a laptop, in CI, in the
//! operator and in a preview. Nothing here does I/O; golden paths, guardrails and scaffolds that ship with the
//! platform are part of the binary ([`builtin`]).

mod bounds;
pub mod builtin;
mod claim;
mod error;
mod expand;
mod golden_paths;
mod judge;
mod overrides;
mod place;
mod provenance;
mod reach;
mod route;
mod team;
mod values;

pub use bounds::{MAKEABLE, Makeable};
pub use claim::{ClaimIntent, expand_claim};
pub use error::ExpandError;
pub use expand::{Expansion, GoldenPath, Intent, LeftOut, expand};
pub use golden_paths::{GoldenPaths, Offer};
pub use judge::{Finding, Judgement, judge};
pub use place::Place;
pub use provenance::{Origin, Provenance, origin};
pub use team::expand_team;
