//! A Kubernetes-compatible API inside the process, over an embedded store, with simulated nodes.
