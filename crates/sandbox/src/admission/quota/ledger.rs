//! What writes on their way will use, until everybody can see that they have happened.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::pods::{Amounts, add};
use crate::store::{Key, Memory};

/// One write on its way.
#[derive(Debug)]
struct Entry {
    number: u64,
    key: Key,
    /// The revision that is changed; none when the object is new.
    base: Option<u64>,
    /// What it will use, by the uid of the quota.
    amounts: BTreeMap<String, Amounts>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    entries: Vec<Entry>,
}

/// All writes on their way that use something of a quota.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ledger(Arc<Mutex<Entries>>);

/// The ledger while one write is judged: others wait.
pub(super) struct Open<'a> {
    ledger: &'a Ledger,
    entries: MutexGuard<'a, Entries>,
}

/// What one write has set aside. To be dropped when the write has happened, or will not.
#[derive(Debug)]
pub(crate) struct Charge {
    ledger: Ledger,
    number: u64,
}

impl Ledger {
    pub(super) fn open(&self) -> Open<'_> {
        Open {
            ledger: self,
            entries: self.0.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl Open<'_> {
    /// What others will use of a quota. Those that can be seen already are counted as objects, not here.
    pub(super) fn waiting(&self, memory: &Memory, namespace: &str, quota: &str) -> Amounts {
        let mut sum = Amounts::new();
        for entry in &self.entries.entries {
            let seen = memory.get(&entry.key).map(|object| object.revision) != entry.base;
            if entry.key.namespace == namespace
                && !seen
                && let Some(amounts) = entry.amounts.get(quota)
            {
                add(&mut sum, amounts);
            }
        }
        sum
    }

    pub(super) fn enter(mut self, key: Key, base: Option<u64>, amounts: BTreeMap<String, Amounts>) -> Charge {
        let number = self.entries.next;
        self.entries.next += 1;
        self.entries.entries.push(Entry {
            number,
            key,
            base,
            amounts,
        });
        Charge {
            ledger: self.ledger.clone(),
            number,
        }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        let mut entries = self.ledger.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.entries.retain(|entry| entry.number != self.number);
    }
}
