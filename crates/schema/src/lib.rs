//! The schema facts of built-in kinds and CRDs: validate, default, prune, merge, diff.
