//! A Helm-compatible chart engine: load, values, templates, objects.
//!
//! [`Chart::from_directory`] or [`Chart::from_files`] reads a chart once, templates included; [`render`] makes
//! objects of it, as often as wanted, as `helm template` of Helm 4.3 does. Rendering is a pure function: time
//! and random values come in through [`Surroundings`], nothing is looked up, no network is reached.
//!
//! Charts are untrusted. What they may cost is bounded by [`Limits`]; a chart that would run forever, print
//! without end or call itself too deep ends with an error.
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
mod manifest;
mod metadata;
mod object;
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
pub use render::{
    Capabilities, Release, Rendered, RenderedObject, Surroundings, render, render_in, render_values,
};
pub use set::{Setting, Values};
pub use version::compare_versions;
