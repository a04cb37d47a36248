//! Reading and writing YAML as go-yaml means it, with positions.
