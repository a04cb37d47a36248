//! Why something could not be kept true.

/// Why something could not be kept true.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The cluster says no.
    #[error("cannot {doing}: {source}")]
    Cluster {
        /// What was being done.
        doing: String,
        /// What the cluster says.
        #[source]
        source: Box<kube::Error>,
    },
    /// The golden paths cannot be read.
    #[error("cannot read the golden paths: {0}")]
    GoldenPaths(String),
    /// The guardrails cannot be loaded.
    #[error("cannot load the guardrails: {0}")]
    Policies(String),
}

impl OperatorError {
    /// For `map_err` on calls to the cluster.
    pub fn cluster(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Cluster {
            doing,
            source: Box::new(source),
        }
    }
}
