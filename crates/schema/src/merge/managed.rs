//! `metadata.managedFields`: who owns which fields, read and written.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::fields::FieldSet;

/// How a manager writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    /// Server-side apply.
    Apply,
    /// Create, update and the patches.
    Update,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Operation::Apply => "Apply",
            Operation::Update => "Update",
        }
    }
}

/// What tells one entry of `managedFields` from another. An applier is the same in every API version;
/// an updater is not, so `api_version` is empty for the first. In the order in which conflicts are
/// reported.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Owner {
    pub(crate) manager: String,
    pub(crate) operation: Operation,
    pub(crate) api_version: String,
    pub(crate) subresource: String,
}

impl Owner {
    pub(crate) fn new(manager: &str, operation: Operation, api_version: &str, subresource: &str) -> Owner {
        Owner {
            manager: if manager.is_empty() {
                "unknown".to_owned()
            } else {
                manager.to_owned()
            },
            operation,
            api_version: match operation {
                Operation::Apply => String::new(),
                Operation::Update => api_version.to_owned(),
            },
            subresource: subresource.to_owned(),
        }
    }
}

/// What one owner owns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Owned {
    pub(crate) api_version: String,
    pub(crate) fields: FieldSet,
    pub(crate) time: Option<String>,
}

/// Every owner of an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Managed {
    pub(crate) owners: BTreeMap<Owner, Owned>,
}

/// The `managedFields` of an object, `None` when the object has no such field.
pub(crate) fn entries(object: &Value) -> Option<&Value> {
    object
        .pointer("/metadata/managedFields")
        .filter(|entries| !entries.is_null())
}

/// Whether a client asks for a fresh start by sending an empty list, or one empty entry.
pub(crate) fn is_reset(entries: &Value) -> bool {
    match entries.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([entry]) => entry.as_object().is_some_and(|entry| {
            entry
                .values()
                .all(|value| value.is_null() || value == "" || value == &json!({}))
        }),
        _ => false,
    }
}

impl Managed {
    /// Reads `managedFields`.
    pub(crate) fn decode(entries: Option<&Value>) -> Result<Managed, String> {
        let mut managed = Managed::default();
        let Some(entries) = entries else {
            return Ok(managed);
        };
        let entries = entries
            .as_array()
            .ok_or("metadata.managedFields must be a list")?;
        for (place, entry) in entries.iter().enumerate() {
            let text = |key: &str| entry[key].as_str().unwrap_or_default();
            let operation = match text("operation") {
                "Apply" => Operation::Apply,
                "Update" => Operation::Update,
                _ => return Err("operation must be `Apply` or `Update`".to_owned()),
            };
            if text("apiVersion").is_empty() {
                return Err("apiVersion must not be empty".to_owned());
            }
            match text("fieldsType") {
                "FieldsV1" => {}
                "" => return Err(format!("missing fieldsType in managed fields entry {place}")),
                other => {
                    return Err(format!(
                        "invalid fieldsType {other:?} in managed fields entry {place}"
                    ));
                }
            }
            let owner = Owner {
                api_version: match operation {
                    Operation::Apply => String::new(),
                    Operation::Update => text("apiVersion").to_owned(),
                },
                manager: text("manager").to_owned(),
                operation,
                subresource: text("subresource").to_owned(),
            };
            managed.owners.insert(
                owner,
                Owned {
                    api_version: text("apiVersion").to_owned(),
                    fields: FieldSet::from_fields_v1(&entry["fieldsV1"])?,
                    time: entry["time"].as_str().map(str::to_owned),
                },
            );
        }
        Ok(managed)
    }

    /// Writes `managedFields` into an object, or takes the field away when nobody owns anything.
    pub(crate) fn write_into(&self, object: &mut Value) {
        let mut entries: Vec<(&Owner, &Owned)> = self.owners.iter().collect();
        entries.sort_by(|(left, left_owned), (right, right_owned)| {
            left.operation
                .cmp(&right.operation)
                .then_with(|| left_owned.time.cmp(&right_owned.time))
                .then_with(|| left.manager.cmp(&right.manager))
                .then_with(|| left_owned.api_version.cmp(&right_owned.api_version))
                .then_with(|| left.subresource.cmp(&right.subresource))
        });
        let entries: Vec<Value> = entries
            .into_iter()
            .map(|(owner, owned)| {
                let mut entry = Map::new();
                entry.insert("apiVersion".to_owned(), json!(owned.api_version));
                entry.insert("fieldsType".to_owned(), json!("FieldsV1"));
                entry.insert("fieldsV1".to_owned(), owned.fields.to_fields_v1());
                entry.insert("manager".to_owned(), json!(owner.manager));
                entry.insert("operation".to_owned(), json!(owner.operation.word()));
                if !owner.subresource.is_empty() {
                    entry.insert("subresource".to_owned(), json!(owner.subresource));
                }
                if let Some(time) = &owned.time {
                    entry.insert("time".to_owned(), json!(time));
                }
                Value::Object(entry)
            })
            .collect();
        if entries.is_empty() {
            forget(object);
        } else if let Some(object) = object.as_object_mut() {
            let metadata = object.entry("metadata").or_insert_with(|| json!({}));
            if let Some(metadata) = metadata.as_object_mut() {
                metadata.insert("managedFields".to_owned(), Value::Array(entries));
            }
        }
    }

    /// The same owners and fields, whatever the times.
    pub(crate) fn same_but_times(&self, other: &Managed) -> bool {
        self.owners.len() == other.owners.len()
            && self
                .owners
                .iter()
                .zip(&other.owners)
                .all(|((owner, owned), (other_owner, other_owned))| {
                    owner == other_owner
                        && owned.fields == other_owned.fields
                        && owned.api_version == other_owned.api_version
                })
    }

    /// Folds the oldest updaters of a version into one entry when there are more than ten.
    pub(crate) fn cap_updaters(&mut self) {
        const MOST: usize = 10;
        const OLD: &str = "ancient-changes";
        let mut updaters: Vec<Owner> = self
            .owners
            .keys()
            .filter(|owner| owner.operation == Operation::Update)
            .cloned()
            .collect();
        let mut count = updaters.len();
        updaters.sort_by(|left, right| {
            let time = |owner: &Owner| self.owners.get(owner).and_then(|owned| owned.time.clone());
            time(left).cmp(&time(right)).then_with(|| left.cmp(right))
        });
        let mut first_of_version: BTreeMap<String, Owner> = BTreeMap::new();
        for owner in updaters {
            if count <= MOST {
                return;
            }
            let version = owner.api_version.clone();
            let Some(first) = first_of_version.get(&version).cloned() else {
                first_of_version.insert(version, owner);
                continue;
            };
            let bucket = Owner::new(OLD, Operation::Update, &version, "");
            if !self.owners.contains_key(&bucket)
                && let Some(owned) = self.owners.remove(&first)
            {
                self.owners.insert(bucket.clone(), owned);
            }
            if owner == bucket {
                continue;
            }
            if let Some(newer) = self.owners.remove(&owner)
                && let Some(owned) = self.owners.get_mut(&bucket)
            {
                owned.fields = owned.fields.union(&newer.fields);
                owned.time = newer.time;
                count -= 1;
            }
        }
    }
}

/// Takes `managedFields` away from an object.
pub(crate) fn forget(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
}
