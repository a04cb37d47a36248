//! A Helm-compatible chart engine: load, values, templates, objects.
