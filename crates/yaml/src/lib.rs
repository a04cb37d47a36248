//! Reading and writing YAML as go-yaml means it, with positions.
//!
//! Kubernetes, kubectl and Helm all read YAML through `sigs.k8s.io/yaml`, which is go-yaml v2
//! followed by a trip through JSON. This crate means the same thing by the same text: `yes`, `on`
//! and `014` are YAML 1.1 scalars, `<<` merges, the last of two equal keys wins, keys become
//! strings, whole floats become integers. [`emit()`] writes the very bytes that
//! `sigs.k8s.io/yaml` writes, because charts hash them.
//!
//! All input is untrusted: size, depth and the growth by aliases are bounded.
//!
//! It knows nothing of Kubernetes, of templates or of files.

mod block;
mod document;
mod emit;
mod key_order;
mod number;
mod reader;
mod repair;
mod scalar;

pub use document::{Document, Error, Position};
pub use emit::{emit, emit_pretty};
pub use number::{format_float, format_float32};
pub use reader::{parse, parse_all, repeated_keys};
