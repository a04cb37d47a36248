//! What can go wrong at the door.

/// What can go wrong at the door.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionError {
    /// The cluster says no.
    #[error("cannot {doing}: {source}")]
    Cluster {
        /// What was being done.
        doing: String,
        /// What the cluster says.
        #[source]
        source: Box<kube::Error>,
    },
    /// The guardrails that ship cannot be loaded.
    #[error("cannot load the guardrails: {0}")]
    Policies(String),
    /// A key or certificate cannot be made or read.
    #[error("cannot {doing} the certificate of the webhook: {why}")]
    Certificate {
        /// What was being done with it.
        doing: &'static str,
        /// Why it failed.
        why: String,
    },
    /// Somebody else wrote in between.
    #[error("the {0} changed while it was being written")]
    Raced(&'static str),
    /// The process ends while policies are asked.
    #[error("the evaluation ended early")]
    EndedEarly,
    /// Something is not there that an install makes.
    #[error("there is no {0}; platform install makes it")]
    NotInstalled(String),
}

impl AdmissionError {
    /// For `map_err` on calls to the cluster.
    pub fn cluster(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Cluster {
            doing,
            source: Box::new(source),
        }
    }
}
