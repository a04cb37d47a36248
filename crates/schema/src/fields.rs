//! Field paths and sets of them: who owns what in an object, and the `FieldsV1` JSON form in which
//! `managedFields` carries them.

mod element;
mod set;
mod v1;

pub(crate) use element::path_text;
pub use element::{Element, Scalar};
pub use set::FieldSet;
