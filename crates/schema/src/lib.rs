//! The schema facts of built-in Kubernetes kinds and of custom resources, and everything that is
//! computed from them: validation, defaulting, pruning, strategic merge patch, server-side apply
//! with its field ownership, and differences for people to read.
//!
//! Pure: no clocks, no clients, no files. Objects are [`serde_json::Value`]; time is a string that
//! the caller passes in. It knows nothing of HTTP, of stores and of the platform's own kinds.
//!
//! # The way of a write
//!
//! An API server that uses this crate does, for every write:
//!
//! 1. find the kind ([`Schemas::builtin`], or [`Schema::from_crd`] for a custom resource);
//! 2. report [`unknown_fields`] when the client asked for it;
//! 3. for create, update and patch: [`prepare`] the new object (prune, canonical form, defaults),
//!    [`validate`] it, then [`update`] writes its `managedFields`;
//!    for server-side apply: [`apply`] merges, prepares and writes `managedFields` in one step, and
//!    the result is validated;
//! 4. [`validate_update`] compares what may not change.
//!
//! What is not here: conversion between API versions (every version of a kind is read with the
//! schema of the version being written), admission, and the validation that upstream writes in Go
//! beyond what [`validate`] says it checks.

mod builtin;
mod canonical;
mod crd;
mod decode;
mod defaults;
mod diff;
mod error;
mod fields;
mod go_defaults;
mod internal;
mod merge;
mod model;
mod openapi;
mod pattern;
mod pointers;
pub mod protobuf;
mod prune;
mod quantity;
mod rules;
mod strategic;
mod validate;
mod warnings;

pub use builtin::{Kind, Schemas, Subresource};
pub use canonical::canonicalize;
pub use decode::json_type;
pub use decode::{decode_mistake, go_escape, go_quote, go_value};
pub use defaults::default;
pub use diff::{Change, diff};
pub use error::{ApplyError, Cause, Conflict, FieldError, PatchError, SchemaError};
pub use fields::{Element, FieldSet, Scalar};
pub use merge::{Write, Written, apply, custom_resource_reset_fields, reset_fields, update};
pub use model::{Field, ListType, MapType, PatchStrategy, Ref, Rules, Schema, Type};
pub use openapi::{openapi_name, openapi_schema, openapi_types};
pub use pattern::Pattern;
pub use prune::{UnknownField, prune, unknown_fields};
pub use quantity::Quantity;
pub use rules::{label_key_mistakes, label_value_mistake};
pub use strategic::strategic_merge;
pub use validate::{validate, validate_new, validate_update};
pub use warnings::warnings;

use serde_json::Value;

/// What an API server does between decoding a body and validating it: unknown fields are dropped,
/// the value takes its canonical form (as a round trip through the server's own types would give
/// it), and defaults are filled in. Idempotent.
pub fn prepare(schema: &Schema, object: &mut Value) {
    prune(schema, object);
    defaults::drop_nulls(schema, object);
    canonicalize(schema, object);
    default(schema, object);
}
