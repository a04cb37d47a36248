//! What the sync loop, wherever it runs, says of itself: how far it is, and what the cluster does not take.

use std::future::Future;
use std::time::Duration;

use delivery::sync::{STATUS, SyncStatus};
use delivery::{CommitId, Finding};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;

use crate::error::OperationError;
use crate::platform::Platform;
use crate::wait::{Impatience, Patience};

/// How long a refusal must last before it counts: a busy cluster may say no once.
const LASTS: Duration = Duration::from_secs(3);

/// Waits until the sync loop has brought the cluster to a commit or beyond it.
///
/// Until then it may still be busy with an older one, and make what is being removed.
pub(crate) async fn wait_synced(
    platform: &Platform,
    commit: &CommitId,
    patience: &Patience,
) -> Result<(), OperationError> {
    let reached = |map: Option<&ConfigMap>| {
        let revision = map?.data.as_ref()?.get("revision")?;
        reaches(platform, revision, commit).then_some(())
    };
    patience
        .watch(maps(platform), STATUS, reached)
        .await
        .map_err(|i| {
            i.explain(
                "the sync",
                format!("the cluster is not at commit {} yet", commit.short()),
                "run the same command again".to_owned(),
            )
        })
}

/// Ends, with the reason, when the cluster does not take what `file` asks for at `commit` or beyond it. As long as
/// nothing is known against the file, this waits.
async fn refusal(platform: &Platform, file: &str, commit: &CommitId, patience: &Patience) -> OperationError {
    let against = |map: Option<&ConfigMap>| -> Option<Finding> {
        let data = map?.data.as_ref()?;
        if !reaches(platform, data.get("revision")?, commit) {
            return None;
        }
        let status: SyncStatus = serde_json::from_str(data.get("status")?).ok()?;
        status.about(file).next().cloned()
    };
    loop {
        let mut found = match patience.watch(maps(platform), STATUS, against).await {
            Ok(found) => found,
            Err(impatience) => return explain(impatience),
        };
        let passed = |map: Option<&ConfigMap>| match against(map) {
            Some(still) => {
                found = still;
                None
            }
            None => Some(()),
        };
        match patience
            .at_most(LASTS)
            .watch(maps(platform), STATUS, passed)
            .await
        {
            Ok(()) => {}
            Err(Impatience::TimeUp(_)) => {
                return OperationError::NotTaken {
                    file: file.to_owned(),
                    reason: found.message,
                    hint: found.hint,
                };
            }
            Err(impatience) => return explain(impatience),
        }
    }
}

fn explain(impatience: Impatience) -> OperationError {
    let hint = "run the same command again".to_owned();
    impatience.explain("the sync", "the cluster has not answered yet".to_owned(), hint)
}

fn maps(platform: &Platform) -> Api<ConfigMap> {
    Api::namespaced(platform.client.clone(), api::SYSTEM_NAMESPACE)
}

fn reaches(platform: &Platform, revision: &str, commit: &CommitId) -> bool {
    revision == commit.as_str()
        || CommitId::new(revision)
            .is_ok_and(|at| platform.repository.is_ancestor(commit, &at).unwrap_or(false))
}

/// Does `work`, which waits for what `file` asks for at `commit`, unless the cluster does not take it.
pub(crate) async fn unless_refused<T>(
    platform: &Platform,
    file: &str,
    commit: &CommitId,
    patience: &Patience,
    work: impl Future<Output = Result<T, OperationError>>,
) -> Result<T, OperationError> {
    tokio::select! {
        biased;
        outcome = work => outcome,
        error = refusal(platform, file, commit, patience) => Err(error),
    }
}
