//! Removing what left a set.

use futures::{StreamExt, stream};

use crate::applier::Applier;
use crate::order::install_class;
use crate::set::{ApplySet, InventoryItem, ObjectResult, Outcome, Problem, Prune, Pruned, PrunedOutcome};
use crate::tracking::Standing;

const CONCURRENCY: usize = 8;

impl Applier {
    /// Removes what is in the inventory but not in the set; gives back what stays in the inventory as well.
    pub(crate) async fn prune(
        &self,
        set: &ApplySet,
        results: &[ObjectResult],
    ) -> (Vec<Pruned>, Vec<InventoryItem>) {
        let mut left: Vec<&InventoryItem> = set
            .inventory
            .iter()
            .filter(|item| !results.iter().any(|result| stands_for(result, item)))
            .collect();
        let failed = results
            .iter()
            .any(|result| matches!(result.outcome, Outcome::Failed(_)));
        if set.prune == Prune::Never || (set.prune == Prune::AfterSuccess && failed) {
            return (Vec::new(), left.into_iter().cloned().collect());
        }
        left.sort_by_key(|item| std::cmp::Reverse(install_class(&item.kind)));
        let (mut pruned, mut kept) = (Vec::new(), Vec::new());
        for class in left.chunk_by(|a, b| install_class(&a.kind) == install_class(&b.kind)) {
            let removals: Vec<_> = class.iter().map(|item| self.remove(set, item)).collect();
            let outcomes: Vec<PrunedOutcome> = stream::iter(removals).buffered(CONCURRENCY).collect().await;
            for (item, outcome) in class.iter().zip(outcomes) {
                if matches!(outcome, PrunedOutcome::Failed(_)) {
                    kept.push((*item).clone());
                }
                pruned.push(Pruned {
                    object: item.id(),
                    outcome,
                });
            }
        }
        (pruned, kept)
    }

    async fn remove(&self, set: &ApplySet, item: &InventoryItem) -> PrunedOutcome {
        match self.try_remove(set, item).await {
            Ok(outcome) => outcome,
            Err(Problem::Refused { code: 404, .. }) => PrunedOutcome::Gone,
            Err(problem) => PrunedOutcome::Failed(problem),
        }
    }

    async fn try_remove(&self, set: &ApplySet, item: &InventoryItem) -> Result<PrunedOutcome, Problem> {
        let id = item.id();
        let Some(kind) = self
            .kinds()
            .find(&id.api_version(), &id.kind)
            .await
            .map_err(Problem::from_client)?
        else {
            // Objects do not outlive their kind.
            return Ok(PrunedOutcome::Gone);
        };
        let live = self.get(&kind, &id).await?;
        let uid = live["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        if !item.uid.is_empty() && uid != item.uid {
            let reason = "somebody made it anew".to_owned();
            return Ok(PrunedOutcome::Released { reason });
        }
        match set.tracking.standing(&live) {
            Standing::Ours => {}
            Standing::Nobodys => {
                let reason = "the tracking annotation was removed".to_owned();
                return Ok(PrunedOutcome::Released { reason });
            }
            Standing::Others(owner) => {
                let reason = format!("it belongs to {owner}");
                return Ok(PrunedOutcome::Released { reason });
            }
        }
        if live["metadata"]["deletionTimestamp"].is_null() {
            self.delete(&kind, &id, &uid).await?;
        }
        Ok(PrunedOutcome::Removed)
    }
}

/// Whether a result speaks of this object. What failed may not have found its namespace yet: rather keep too
/// much then than remove what is wanted.
fn stands_for(result: &ObjectResult, item: &InventoryItem) -> bool {
    let id = item.id();
    let failed = matches!(result.outcome, Outcome::Failed(_));
    let object = &result.object;
    object.same_object(&id)
        || (failed && (&object.group, &object.kind, &object.name) == (&id.group, &id.kind, &id.name))
}
