//! Whether images are signed, for the expressions of one policy: asked of the facts, and remembered.

use std::cell::RefCell;
use std::collections::BTreeMap;

use ::cel::Failure;
use ::cel::budget::Budget;
use serde_json::{Map, Value as Json};

use super::Images;
use crate::facts::{Facts, Unavailable};
use crate::images::answer::{digest_of, statements_of};

/// Which images somebody looked at, and whether they are signed. All policies on a request share it.
#[derive(Debug, Default)]
pub(super) struct Evidence(RefCell<BTreeMap<String, bool>>);

impl Evidence {
    fn record(&self, image: &str, signed: bool) {
        *self.0.borrow_mut().entry(image.to_owned()).or_default() |= signed;
    }

    /// Whether an image is signed; `None` when nobody asked.
    pub(super) fn of(&self, image: &str) -> Option<bool> {
        self.0.borrow().get(image).copied()
    }
}

/// What the expressions of a policy ask about images.
pub(crate) struct Verifying<'v> {
    images: &'v Images,
    facts: &'v dyn Facts,
    budget: &'v Budget,
    evidence: &'v Evidence,
    /// By image and attestation.
    payloads: RefCell<BTreeMap<(String, String), Json>>,
    digests: RefCell<BTreeMap<String, String>>,
}

impl<'v> Verifying<'v> {
    pub(super) fn new(
        images: &'v Images,
        facts: &'v dyn Facts,
        budget: &'v Budget,
        evidence: &'v Evidence,
    ) -> Verifying<'v> {
        Verifying {
            images,
            facts,
            budget,
            evidence,
            payloads: RefCell::default(),
            digests: RefCell::default(),
        }
    }

    /// How many of the attestors signed an image, or an attestation of it. Nobody did for an image that the policy
    /// is not about.
    pub(in crate::cel) fn signed(
        &self,
        image: &str,
        attestors: &[&Json],
        attestation: Option<&str>,
    ) -> Result<i64, Failure> {
        if !self.images.are_about(image, self.budget)? {
            return Ok(0);
        }
        let attestation = attestation.map(|name| self.attestation(name)).transpose()?;
        let mut count = 0;
        for attestor in attestors {
            self.budget.spend(1_000)?;
            let mut asked = Map::from_iter([("attestor".to_owned(), (*attestor).clone())]);
            if let Some((name, attestation)) = attestation {
                if attestor.get("notary").is_some() && attestation.get("referrer").is_none() {
                    return Err(Failure::new(format!(
                        "the attestation {name} is no referrer, which is all that notary can verify"
                    )));
                }
                asked.insert("attestation".to_owned(), attestation.clone());
            }
            if let Some(credentials) = &self.images.credentials {
                asked.insert("credentials".to_owned(), credentials.clone());
            }
            match self.facts.verify(image, &Json::Object(asked)) {
                Ok(answer) => {
                    count += 1;
                    self.learn(image, &answer, attestation);
                }
                Err(Unavailable::Failed(_)) => {}
                Err(unavailable) => return Err(unanswered(image, unavailable)),
            }
        }
        if !attestors.is_empty() {
            self.evidence.record(image, count > 0);
        }
        Ok(count)
    }

    fn attestation(&self, name: &str) -> Result<&'v (String, Json), Failure> {
        let mut all = self.images.attestations.iter();
        all.find(|(known, _)| known == name)
            .ok_or_else(|| Failure::new(format!("attestation not found in policy: {name}")))
    }

    fn learn(&self, image: &str, answer: &Json, attestation: Option<&(String, Json)>) {
        if let Some(digest) = digest_of(answer) {
            self.digests.borrow_mut().insert(image.to_owned(), digest);
        }
        let Some((name, attestation)) = attestation else {
            return;
        };
        let kind = attestation.get("intoto").or_else(|| attestation.get("referrer"));
        let kind = kind.and_then(|kind| kind.get("type")?.as_str());
        if let Some(statement) = kind.and_then(|kind| statements_of(answer, kind)?.first().cloned()) {
            let key = (image.to_owned(), name.clone());
            self.payloads.borrow_mut().insert(key, statement);
        }
    }

    /// What an attestation says that was verified before.
    pub(in crate::cel) fn payload(&self, image: &str, attestation: &str) -> Result<Json, Failure> {
        let (name, _) = self.attestation(attestation)?;
        let key = (image.to_owned(), name.clone());
        let payload = self.payloads.borrow().get(&key).cloned();
        payload.ok_or_else(|| Failure::unknown(&format!("what the attestation {name} says of {image}")))
    }

    /// What the registry says of an image.
    pub(in crate::cel) fn data(&self, image: &str) -> Result<Json, Failure> {
        self.budget.spend(1_000)?;
        self.facts
            .image(image)
            .map_err(|unavailable| unanswered(image, unavailable))
    }

    /// The digest of an image: as it was verified, or as the registry has it.
    pub(super) fn digest(&self, image: &str) -> Result<String, Failure> {
        let known = self.digests.borrow().get(image).cloned();
        match known {
            Some(digest) => Ok(digest),
            None => digest_of(&self.data(image)?)
                .ok_or_else(|| Failure::unknown(&format!("the digest of {image}"))),
        }
    }
}

fn unanswered(image: &str, unavailable: Unavailable) -> Failure {
    match unavailable {
        Unavailable::Unknown(what) => Failure::unknown(&what),
        Unavailable::Missing(what) => Failure::new(format!("failed to get imagedata: {what} is not there")),
        Unavailable::Failed(reason) => Failure::new(format!("failed to get imagedata of {image}: {reason}")),
    }
}
