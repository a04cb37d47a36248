//! A `verifyImages` rule as written: which images, and who must have signed them.
//!
//! Signatures are checked by whoever answers [`crate::Facts::verify`]; here it is only said what is asked for.

pub(crate) mod answer;
pub(crate) mod extract;
pub(crate) mod manifests;

use serde_json::{Map, Value};

use crate::conditions::Conditions;
use crate::cursor::{Cursor, Refusal};
use crate::policy::{FailureAction, Reading, learn, read_conditions};
use crate::wildcard;

/// One entry of a `verifyImages` rule.
#[derive(Debug, Clone)]
pub(crate) struct VerifyImages {
    references: Vec<String>,
    skipped: Vec<String>,
    pub(crate) failure_action: Option<FailureAction>,
    /// An image without a digest gets the one that was verified.
    pub(crate) mutate_digest: bool,
    /// An image without a digest is refused.
    pub(crate) verify_digest: bool,
    /// An image that nobody verified is refused.
    pub(crate) required: bool,
    /// Somebody must have signed or attested the image.
    pub(crate) has_attestors: bool,
    /// What must be attested.
    pub(crate) attestations: Vec<Attestation>,
    /// What must hold of what is attested.
    pub(crate) validation: Option<Validation>,
    /// The entry for whoever verifies; its variables are to be filled in.
    pub(crate) entry: Value,
    /// Its attestations, which have no variables to be filled in before something is attested.
    pub(crate) attested: Option<Value>,
}

/// Something that must be attested.
#[derive(Debug, Clone)]
pub(crate) struct Attestation {
    /// The type of its predicate.
    pub(crate) kind: String,
    /// The variable that its predicate becomes.
    pub(crate) name: Option<String>,
    /// What must hold of every predicate.
    pub(crate) conditions: Vec<Conditions>,
}

/// What is denied once everything is verified.
#[derive(Debug, Clone)]
pub(crate) struct Validation {
    pub(crate) message: String,
    pub(crate) deny: Option<Conditions>,
}

/// Reads the list of a `verifyImages` rule.
pub(crate) fn read(list: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Vec<VerifyImages>, Refusal> {
    let items = list.items()?;
    if items.is_empty() {
        return Err(list.refuse("at least one entry is needed here"));
    }
    items
        .iter()
        .map(|item| VerifyImages::read(item, reading))
        .collect()
}

impl VerifyImages {
    fn read(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<VerifyImages, Refusal> {
        cursor.only(&[
            "failureAction",
            "type",
            "image",
            "imageReferences",
            "skipImageReferences",
            "key",
            "roots",
            "subject",
            "issuer",
            "additionalExtensions",
            "attestors",
            "attestations",
            "annotations",
            "repository",
            "cosignOCI11",
            "mutateDigest",
            "verifyDigest",
            "validate",
            "required",
            "imageRegistryCredentials",
            "useCache",
        ])?;
        let notary = match cursor.text("type")? {
            None | Some("" | "Cosign" | "SigstoreBundle") => false,
            Some("Notary") => true,
            Some(other) => {
                let reason = format!("{other:?} is none of Cosign, SigstoreBundle, Notary");
                return Err(cursor.refuse_below("/type", reason));
            }
        };
        let mut references = cursor.strings("imageReferences")?;
        references.extend(cursor.text("image")?.map(str::to_owned));
        if references.is_empty() {
            return Err(cursor.refuse("an image reference is required"));
        }
        for field in ["useCache", "cosignOCI11"] {
            cursor.flag(field)?;
        }
        let mut has_attestors = ["key", "subject", "issuer", "roots"]
            .iter()
            .any(|field| cursor.field(field).is_some());
        if let Some(sets) = cursor.field("attestors") {
            let sets = sets.items()?;
            has_attestors |= !sets.is_empty();
            sets.iter().try_for_each(|set| check_set(set, notary, 0))?;
        }
        let mut attestations = Vec::new();
        if let Some(list) = cursor.field("attestations") {
            for item in list.items()? {
                has_attestors = true;
                attestations.push(Attestation::read(&item, notary, reading)?);
            }
        }
        let validation = cursor
            .field("validate")
            .map(|validate| Validation::read(&validate, reading))
            .transpose()?;
        if let Some(attestors) = cursor.field("attestors") {
            learn(&attestors, reading)?;
        }
        Ok(VerifyImages {
            references,
            skipped: cursor.strings("skipImageReferences")?,
            failure_action: cursor
                .field("failureAction")
                .map(|action| FailureAction::read(&action))
                .transpose()?,
            mutate_digest: cursor.flag("mutateDigest")?.unwrap_or(true),
            verify_digest: cursor.flag("verifyDigest")?.unwrap_or(true),
            required: cursor.flag("required")?.unwrap_or(true),
            has_attestors,
            attestations,
            validation,
            entry: without(cursor.value, &["attestations", "validate"]),
            attested: cursor.field("attestations").map(|list| match list.value {
                Value::Array(items) => items.iter().map(|item| without(item, &["conditions"])).collect(),
                other => other.clone(),
            }),
        })
    }

    /// Whether anything is asked of an image.
    pub(crate) fn asks(&self) -> bool {
        self.has_attestors || self.required || self.verify_digest || self.mutate_digest
    }

    /// Whether an image, its defaults filled in, is named.
    pub(crate) fn names(&self, reference: &str) -> bool {
        named(&self.references, reference)
    }

    /// Whether an image is left out although it is named.
    pub(crate) fn skips(&self, reference: &str) -> bool {
        named(&self.skipped, reference)
    }
}

fn named(patterns: &[String], reference: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| wildcard::matches(pattern, reference))
}

fn without(value: &Value, fields: &[&str]) -> Value {
    let Value::Object(map) = value else {
        return value.clone();
    };
    let kept = map.iter().filter(|(key, _)| !fields.contains(&key.as_str()));
    Value::Object(
        kept.map(|(key, field)| (key.clone(), field.clone()))
            .collect::<Map<_, _>>(),
    )
}

impl Attestation {
    fn read(item: &Cursor<'_>, notary: bool, reading: &mut Reading<'_>) -> Result<Attestation, Refusal> {
        item.only(&["name", "predicateType", "type", "attestors", "conditions"])?;
        let kind = item.text("type")?.filter(|kind| !kind.is_empty());
        let kind = match kind {
            Some(kind) => kind,
            None => item
                .text("predicateType")?
                .ok_or_else(|| item.refuse("the field type is missing"))?,
        };
        if let Some(sets) = item.field("attestors") {
            sets.items()?
                .iter()
                .try_for_each(|set| check_set(set, notary, 0))?;
        }
        let mut conditions = Vec::new();
        if let Some(list) = item.field("conditions") {
            for block in list.items()? {
                conditions.extend(read_conditions(Some(block), reading)?);
            }
        }
        Ok(Attestation {
            kind: kind.to_owned(),
            name: item
                .text("name")?
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            conditions,
        })
    }
}

impl Validation {
    fn read(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Validation, Refusal> {
        cursor.only(&["message", "deny"])?;
        if let Some(message) = cursor.field("message") {
            learn(&message, reading)?;
        }
        let deny = match cursor.field("deny") {
            None => None,
            Some(deny) => {
                deny.only(&["conditions"])?;
                Some(read_conditions(deny.field("conditions"), reading)?.unwrap_or_default())
            }
        };
        Ok(Validation {
            message: cursor.text("message")?.unwrap_or_default().to_owned(),
            deny,
        })
    }
}

/// How deep sets of attestors may nest.
const MAX_NESTING: usize = 10;

pub(crate) fn check_set(set: &Cursor<'_>, notary: bool, depth: usize) -> Result<(), Refusal> {
    set.only(&["count", "entries"])?;
    let list = set.required("entries")?;
    let entries = list.items()?;
    if entries.is_empty() || depth > MAX_NESTING {
        return Err(list.refuse("an entry is required"));
    }
    if let Some(count) = set.field("count") {
        let most = entries.len() as u64;
        if !count
            .value
            .as_u64()
            .is_some_and(|count| (1..=most).contains(&count))
        {
            return Err(count.refuse(format!("a whole number between 1 and {most} is expected here")));
        }
    }
    for entry in entries {
        entry.only(&[
            "keys",
            "certificates",
            "keyless",
            "attestor",
            "annotations",
            "repository",
            "signatureAlgorithm",
        ])?;
        let ways = ["keys", "certificates", "keyless", "attestor"];
        let present: Vec<&str> = ways
            .into_iter()
            .filter(|way| entry.field(way).is_some())
            .collect();
        let [way] = present.as_slice() else {
            return Err(entry.refuse(format!("exactly one of {} is needed here", ways.join(", "))));
        };
        if notary && matches!(*way, "keys" | "keyless") {
            return Err(entry.refuse(format!("{way} cannot be used with the type Notary")));
        }
        if *way == "attestor" {
            check_set(&entry.required("attestor")?, notary, depth + 1)?;
        }
    }
    Ok(())
}
