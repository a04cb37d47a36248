//! Applying one section: what goes wrong here stops no other section.

use api::{Group, MANAGER_SYNC};
use apply::{Applier, ApplySet, Bounds, InventoryItem, Outcome, Prune, PrunedOutcome, Tracking};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;

use super::plan::{Section, SectionKey};
use super::record::{Item, Record, Records};
use crate::snapshot::Finding;

/// What a section needs to be applied.
pub(super) struct Workshop {
    pub(super) applier: Applier,
    pub(super) records: Records,
    pub(super) group: Group,
    pub(super) tracking: Tracking,
}

/// What applying a section came to.
#[derive(Default)]
pub(super) struct Report {
    pub(super) applied: Vec<String>,
    pub(super) pruned: Vec<String>,
    pub(super) errors: Vec<Finding>,
    /// The namespace is not there yet.
    pub(super) waiting: bool,
    /// Something failed that may pass by itself.
    pub(super) again: bool,
    /// The record could not be kept; it must be read anew.
    pub(super) forget: bool,
}

impl Report {
    /// Whether the section is as it shall be.
    pub(super) fn clean(&self) -> bool {
        self.errors.is_empty() && !self.waiting && !self.again && !self.forget
    }

    fn lost(error: &kube::Error) -> Self {
        let message = format!(
            "the cluster did not keep the inventory: {}",
            crate::sync::plainly(error)
        );
        let finding = Finding {
            file: String::new(),
            line: None,
            message,
            hint: None,
        };
        Self {
            errors: vec![finding],
            again: true,
            forget: true,
            ..Self::default()
        }
    }
}

impl Workshop {
    /// Brings a section to what it shall hold, and its record with it.
    ///
    /// # Guarantees
    /// Every object is in the stored record before it is made, so that it can be removed even when this
    /// process ends in between. Namespaces are never removed. What a file with findings asked for before
    /// stays.
    pub(super) async fn bring(&self, key: &SectionKey, section: &Section, record: &mut Record) -> Report {
        if let SectionKey::Namespace(namespace) = key
            && !section.objects.is_empty()
        {
            match self.namespace_stands(namespace).await {
                Ok(true) => {}
                Ok(false) => {
                    return Report {
                        waiting: true,
                        ..Report::default()
                    };
                }
                Err(error) => {
                    let message = format!(
                        "cannot read namespace {namespace}: {}",
                        crate::sync::plainly(&error)
                    );
                    let finding = Finding {
                        file: section.objects[0].path.to_string(),
                        line: None,
                        message,
                        hint: None,
                    };
                    return Report {
                        errors: vec![finding],
                        again: true,
                        ..Report::default()
                    };
                }
            }
        }
        let (mut inventory, mut withheld) = (Vec::new(), Vec::new());
        for item in &record.items {
            if section.find(&item.item.id()).is_some() {
                inventory.push(item.clone());
            } else if section.broken.contains(&item.path) {
                withheld.push(item.clone());
            } else if item.item.kind != "Namespace" || !item.item.group.is_empty() {
                inventory.push(item.clone());
            }
        }
        let mut ahead: Vec<Item> = record.items.clone();
        for planned in &section.objects {
            if !ahead.iter().any(|item| item.item.id().same_object(&planned.id)) {
                ahead.push(Item {
                    item: planned.id.item(""),
                    path: planned.path.to_string(),
                });
            }
        }
        if ahead.len() > record.items.len()
            && let Err(error) = self.records.save(key, record, ahead).await
        {
            return Report::lost(&error);
        }

        let objects = section
            .objects
            .iter()
            .map(|planned| planned.value.clone())
            .collect();
        let set = ApplySet {
            bounds: match key {
                SectionKey::Platform => Bounds::Anywhere,
                SectionKey::Namespace(namespace) => Bounds::Namespace(namespace.clone()),
            },
            inventory: inventory.iter().map(|item| item.item.clone()).collect(),
            prune: Prune::Always,
            // Git says what is true: drift is taken back.
            force: true,
            optional: section.optional(&self.group),
            ..ApplySet::new(MANAGER_SYNC, self.tracking.clone(), objects)
        };
        let applied = self.applier.apply(&set).await;

        let path_of = |item: &InventoryItem| {
            let planned = section.find(&item.id()).map(|planned| planned.path.to_string());
            let before = || {
                inventory
                    .iter()
                    .find(|known| known.item.id().same_object(&item.id()))
            };
            planned
                .or_else(|| before().map(|known| known.path.clone()))
                .unwrap_or_default()
        };
        let mut report = Report::default();
        for (object, problem) in applied.problems() {
            let planned = section.find(object).or_else(|| {
                section
                    .objects
                    .iter()
                    .find(|planned| planned.id.kind == object.kind && planned.id.name == object.name)
            });
            let file = planned.map_or_else(|| path_of(&object.item("")), |planned| planned.path.to_string());
            report.errors.push(Finding {
                file,
                line: planned.map(|planned| planned.line),
                message: format!("{object}: {}", chain(problem)),
                hint: problem.hint(),
            });
            report.again |= problem.passes();
        }
        let written = |outcome: &Outcome| matches!(outcome, Outcome::Created | Outcome::Configured);
        report.applied = applied
            .results
            .iter()
            .filter(|r| written(&r.outcome))
            .map(|r| r.object.to_string())
            .collect();
        report.pruned = applied
            .pruned
            .iter()
            .filter(|pruned| matches!(pruned.outcome, PrunedOutcome::Removed))
            .map(|pruned| pruned.object.to_string())
            .collect();
        let mut items: Vec<Item> = applied
            .inventory
            .iter()
            .map(|item| Item {
                item: item.clone(),
                path: path_of(item),
            })
            .collect();
        items.extend(withheld);
        items.sort();
        if let Err(error) = self.records.save(key, record, items).await {
            let lost = Report::lost(&error);
            report.errors.extend(lost.errors);
            report.again = true;
            report.forget = true;
        }
        report
    }

    async fn namespace_stands(&self, name: &str) -> Result<bool, kube::Error> {
        let namespaces: Api<Namespace> = Api::all(self.applier.client().clone());
        let namespace = namespaces.get_metadata_opt(name).await?;
        Ok(namespace.is_some_and(|namespace| namespace.metadata.deletion_timestamp.is_none()))
    }
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut shown = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !shown.contains(&text) {
            shown = format!("{shown}: {text}");
        }
        source = cause.source();
    }
    shown
}
