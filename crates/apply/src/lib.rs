//! Server-side apply of a set of objects with inventory, order, prune and health.
