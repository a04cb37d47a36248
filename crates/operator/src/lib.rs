//! Reconcilers that keep Applications and Teams true.
