#![doc = include_str!("../README.md")]
//!
//! This crate knows neither Kubernetes clients nor the platform's own kinds.

mod budget;
mod builtin;
mod casing;
mod chart;
mod dependencies;
mod error;
mod files;
mod functions;
mod ignore;
mod infer;
mod lint;
mod manifest;
mod metadata;
mod object;
mod output;
mod package;
mod render;
mod schema;
mod set;
mod source;
mod template;
mod value;
mod values;
mod version;

pub use budget::Limits;
pub use chart::Chart;
pub use error::{ChartError, SchemaProblem};
pub use infer::ValuesSchema;
pub use lint::{Finding, Severity, lint};
pub use output::{Piece, Print};
pub use render::{
    Capabilities, Release, Rendered, RenderedObject, Surroundings, render, render_in, render_values,
    values_of,
};
pub use set::{Setting, Values};
pub use source::ChartFiles;
pub use version::{compare_versions, newest_version};
