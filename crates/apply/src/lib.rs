//! Server-side apply of a set of objects with inventory, order, prune and health.
//!
//! [`Applier::apply`] is the one way in for whoever puts objects into a cluster: it says in an [`ApplySet`]
//! who writes ([`ApplySet::manager`]), whose the objects are ([`Tracking`]), what was made before
//! ([`ApplySet::inventory`]), and gets back an [`Applied`] with one result per object and the new inventory.
//! [`health`] judges objects that are already at hand.
//!
//! Knows neither Git nor the platform's own kinds.

mod acting;
mod applier;
mod conflict;
mod field;
pub mod health;
mod kinds;
mod order;
mod prune;
mod set;
mod settled;
mod stands;
mod tracking;

pub use acting::acting_as;
pub use applier::Applier;
pub use field::pointer;
pub use kinds::{Kind, Kinds};
pub use order::install_class;
pub use set::{
    Applied, ApplySet, Bounds, InventoryItem, ObjectId, ObjectResult, Outcome, Owner, Problem, Prune, Pruned,
    PrunedOutcome,
};
pub use settled::settled;
pub use stands::stands;
pub use tracking::Tracking;
