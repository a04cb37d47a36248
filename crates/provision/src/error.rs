//! Why a claim could not be filled.

/// Why a claim could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// The cluster says no.
    #[error("cannot {doing}: {source}")]
    Cluster {
        /// What was being done.
        doing: String,
        /// What the cluster says.
        #[source]
        source: Box<kube::Error>,
    },
    /// The claim is not a claim of ours.
    #[error("cannot read the claim {name}: {source}")]
    Unreadable {
        /// The claim.
        name: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
}

impl ProvisionError {
    /// For `map_err` on calls to the cluster.
    pub fn cluster(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Cluster {
            doing,
            source: Box::new(source),
        }
    }
}
