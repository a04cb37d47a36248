//! Files of others that the end-to-end run reads: definitions and policies as they were published.
//!
//! They are read where Go's module proxy puts them, outside the clone, and never copied into it.

use crate::failure::{Doing, Result, fail};
use crate::process::run;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A module of others whose files are read.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) module: &'static str,
    pub(crate) version: &'static str,
}

/// The definitions of `ServiceMonitor`, `PrometheusRule` and their company.
pub(crate) const PROMETHEUS_OPERATOR: Source = Source {
    module: "github.com/prometheus-operator/prometheus-operator",
    version: "v0.85.0",
};

/// The definitions of `HTTPRoute` and its company.
pub(crate) const GATEWAY_API: Source = Source {
    module: "sigs.k8s.io/gateway-api",
    version: "v1.5.0",
};

/// Kyverno's own policies for the Pod Security Standards, as its chart ships them.
pub(crate) const KYVERNO: Source = Source {
    module: "github.com/kyverno/kyverno",
    version: "v1.18.2",
};

impl Source {
    /// The folder with its files, downloaded when it is not there yet.
    pub(crate) fn folder(&self) -> Result<PathBuf> {
        let module = format!("{}@{}", self.module, self.version);
        let answer = run(
            super::go(Path::new("/")).args(["mod", "download", "-json", &module]),
            Duration::from_mins(10),
        )?
        .success(&format!("go mod download {module}"))?;
        let answer: Value =
            serde_json::from_str(&answer).doing(|| format!("read what Go says of {module}"))?;
        match answer["Dir"].as_str() {
            Some(folder) => Ok(PathBuf::from(folder)),
            None => fail!("go names no folder for {module}"),
        }
    }
}
