//! A `validate.manifests` as written: who must have signed the YAML that an object was made of.
//!
//! Signatures are checked, and the object is held against what was signed, by whoever answers
//! [`crate::Facts::verify_manifest`]; here it is only said what is asked for, and how many must have signed.

use serde_json::{Map, Value};

use super::check_set;
use crate::cursor::{Cursor, Refusal};

/// Where signatures stand among the annotations, unless the rule says otherwise.
const DOMAIN: &str = "cosign.sigstore.dev";

/// Who must have signed.
#[derive(Debug, Clone)]
pub(crate) struct Manifests {
    sets: Vec<Set>,
    domain: String,
    /// Whether what was signed may be somewhere else than in the annotations.
    elsewhere: bool,
}

/// Some of whom so many must have signed.
#[derive(Debug, Clone)]
struct Set {
    count: usize,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    One {
        /// What is asked of whoever verifies.
        asked: Value,
        /// Annotations that the object must have.
        annotations: Vec<(String, String)>,
    },
    Nested(Set),
}

/// Why an object is not verified.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Unverified {
    /// It is signed by nobody who counts.
    Not(String),
    /// Whether it is signed cannot be told.
    Unknown(String),
}

impl Manifests {
    /// Reads a `validate.manifests`.
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<Manifests, Refusal> {
        cursor.only(&[
            "attestors",
            "annotationDomain",
            "ignoreFields",
            "dryRun",
            "repository",
        ])?;
        if let Some(list) = cursor.field("ignoreFields") {
            for item in list.items()? {
                item.only(&["objects", "fields"])?;
                item.strings("fields")?;
            }
        }
        if let Some(dry_run) = cursor.field("dryRun") {
            dry_run.only(&["enable", "namespace"])?;
            dry_run.flag("enable")?;
            dry_run.text("namespace")?;
        }
        let repository = cursor.text("repository")?.filter(|text| !text.is_empty());
        let mut common = Map::new();
        for field in ["annotationDomain", "ignoreFields", "dryRun", "repository"] {
            if let Some(value) = cursor.field(field) {
                common.insert(field.to_owned(), value.value.clone());
            }
        }
        let list = cursor.required("attestors")?;
        let sets = list.items()?;
        if sets.is_empty() {
            return Err(list.refuse("at least one set of attestors is needed here"));
        }
        for set in &sets {
            check_set(set, false, 0)?;
        }
        let sets: Vec<Set> = sets
            .iter()
            .map(|set| Set::read(set, &common))
            .collect::<Result<_, _>>()?;
        Ok(Manifests {
            elsewhere: repository.is_some() || sets.iter().any(Set::looks_elsewhere),
            sets,
            domain: cursor
                .text("annotationDomain")?
                .filter(|domain| !domain.is_empty())
                .unwrap_or(DOMAIN)
                .to_owned(),
        })
    }

    /// Whether enough of those who are named have signed an object, by what `verify` says of each. The message says
    /// how many.
    pub(crate) fn judge(
        &self,
        object: &Value,
        verify: &mut dyn FnMut(&Value) -> Result<(), Unverified>,
    ) -> Result<String, Unverified> {
        let signed = self.elsewhere || self.may_be_signed(object);
        let mut said = Vec::new();
        for (at, set) in self.sets.iter().enumerate() {
            said.push(set.judge(object, signed, &format!(".attestors[{at}]"), verify)?);
        }
        Ok(format!("verified manifest signatures; {}", said.join(",")))
    }

    /// Whether there is a signature among the annotations of an object, or a word of where it is.
    fn may_be_signed(&self, object: &Value) -> bool {
        let annotations = object.pointer("/metadata/annotations").and_then(Value::as_object);
        let has = |name: &str| {
            let key = format!("{}/{name}", self.domain);
            annotations.is_some_and(|annotations| annotations.keys().any(|known| known.starts_with(&key)))
        };
        has("resourceBundleRef") || has("message") && has("signature")
    }
}

impl Set {
    fn read(cursor: &Cursor<'_>, common: &Map<String, Value>) -> Result<Set, Refusal> {
        let mut entries = Vec::new();
        for entry in cursor.required("entries")?.items()? {
            if let Some(nested) = entry.field("attestor") {
                entries.push(Entry::Nested(Set::read(&nested, common)?));
                continue;
            }
            let annotations = entry.string_map("annotations")?;
            let keys = entry.value.pointer("/keys/publicKeys").and_then(Value::as_str);
            let keys = keys.map(each_key).unwrap_or_default();
            let mut asked = common.clone();
            if let Value::Object(fields) = entry.value {
                asked.extend(fields.clone());
            }
            let mut add = |asked: Value| {
                entries.push(Entry::One {
                    asked,
                    annotations: annotations.clone(),
                });
            };
            if keys.len() > 1 {
                // Each of the keys stands for somebody.
                for key in keys {
                    let mut one = Value::Object(asked.clone());
                    one["keys"]["publicKeys"] = Value::from(key);
                    add(one);
                }
            } else {
                add(Value::Object(asked));
            }
        }
        let count = cursor.field("count").and_then(|count| count.value.as_u64());
        Ok(Set {
            count: count.map_or(entries.len(), |count| count as usize),
            entries,
        })
    }

    fn looks_elsewhere(&self) -> bool {
        self.entries.iter().any(|entry| match entry {
            Entry::One { asked, .. } => asked
                .get("repository")
                .is_some_and(|repository| repository.as_str() != Some("")),
            Entry::Nested(set) => set.looks_elsewhere(),
        })
    }

    fn judge(
        &self,
        object: &Value,
        signed: bool,
        path: &str,
        verify: &mut dyn FnMut(&Value) -> Result<(), Unverified>,
    ) -> Result<String, Unverified> {
        let (mut verified, mut not, mut unknown) = (0, Vec::new(), Vec::new());
        for (at, entry) in self.entries.iter().enumerate() {
            let path = format!("{path}.entries[{at}]");
            let judged = match entry {
                Entry::Nested(set) => set
                    .judge(object, signed, &format!("{path}.attestor"), verify)
                    .map(|_| ()),
                Entry::One { asked, annotations } => lacking(object, annotations).and_then(|()| {
                    if signed {
                        verify(asked)
                    } else {
                        Err(Unverified::Not("no signature found".to_owned()))
                    }
                }),
            };
            match judged {
                Ok(()) => verified += 1,
                Err(Unverified::Not(reason)) => not.push(format!("{path}: {reason}")),
                Err(Unverified::Unknown(reason)) => unknown.push(format!("{path}: {reason}")),
            }
            if verified >= self.count {
                return Ok(format!("{verified} of {} needed signatures found", self.count));
            }
        }
        // Who cannot be asked may have signed.
        Err(if unknown.is_empty() {
            let reasons = not.join(", ");
            Unverified::Not(format!(
                "manifest verification failed; verifiedCount {verified}; requiredCount {}; message {reasons}",
                self.count
            ))
        } else {
            Unverified::Unknown(unknown.join("; "))
        })
    }
}

/// An annotation that is not as an attestor wants it makes it impossible to tell.
fn lacking(object: &Value, wanted: &[(String, String)]) -> Result<(), Unverified> {
    for (key, value) in wanted {
        let annotations = object.pointer("/metadata/annotations");
        let has = annotations.and_then(|annotations| annotations.get(key)?.as_str());
        if has.unwrap_or_default() != value {
            return Err(Unverified::Unknown(format!(
                "annotations mismatch: {} does not match expected value {value} for key {key}",
                has.unwrap_or_default()
            )));
        }
    }
    Ok(())
}

/// The keys of a text with one or more of them.
fn each_key(text: &str) -> Vec<String> {
    const END: &str = "-----END PUBLIC KEY-----";
    text.split_inclusive(END)
        .map(|key| key.trim().to_owned())
        .filter(|key| key.contains(END))
        .collect()
}
