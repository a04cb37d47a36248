//! Server-side apply: objects merged by schema, with a record of which writer owns which field.
//!
//! After structured-merge-diff v6 and the API server's field manager: same merge order of keyed
//! lists, same ownership, same conflicts, same `managedFields`.

mod apply;
mod compare;
mod managed;
mod ownership;
mod remove;
mod reset;
mod typed;
mod union;

pub use apply::{Write, Written, apply, update};
pub(crate) use compare::same;
pub use reset::{custom_resource_reset_fields, reset_fields};
pub(crate) use typed::{Typed, item_element};
