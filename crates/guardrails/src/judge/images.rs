//! Who signed the images of an object.

use serde_json::Value;

use super::{Judge, Judged, filled_message};
use crate::autogen;
use crate::context::Context;
use crate::facts::Unavailable;
use crate::image::{self, Image, Used};
use crate::images::answer::{digest_of, statements_of};
use crate::images::extract;
use crate::images::{Attestation, Validation, VerifyImages};
use crate::jmespath::World;
use crate::verdict::Outcome;

/// How many images of one object are verified.
const MAX_IMAGES: usize = 500;

/// What became of the images of a rule.
#[derive(Default)]
struct Looked {
    verified: Vec<String>,
    /// Let through without anybody having signed.
    free: Vec<String>,
    skipped: Vec<String>,
}

impl<'a> Judge<'a> {
    /// Whether the images that the rule is about are signed by whom it asks for. Nothing is said of an object
    /// without such images, nor by a rule that asks for nothing.
    pub(crate) fn verify_images(&'a self, entries: &'a [VerifyImages]) -> Option<Judged> {
        if !entries.iter().any(VerifyImages::asks) {
            return None;
        }
        let used = match self.images() {
            Ok(used) => used,
            Err(reason) => return Some(Judged::error(format!("failed to extract images: {reason}"))),
        };
        if used.len() > MAX_IMAGES {
            let reason = format!("the object has more than {MAX_IMAGES} images");
            return Some(Judged::error(reason));
        }
        let meant = |used: &Used| {
            let reference = used.image.reference();
            entries.iter().any(|entry| entry.names(&reference))
        };
        if !used.iter().any(meant) {
            return None;
        }
        Some(self.verify_all(entries, &used).unwrap_or_else(|judged| judged))
    }

    fn verify_all(&'a self, entries: &'a [VerifyImages], used: &[Used]) -> Result<Judged, Judged> {
        let context = self.context().map_err(|error| Judged::error(error.to_string()))?;
        if let Some(judged) = Self::precondition(&context, self.rule.preconditions.as_ref())
            .or_else(|| self.excepting(&context).skip())
        {
            return Ok(judged);
        }
        let mut looked = Looked::default();
        for entry in entries {
            for used in used {
                let reference = used.image.reference();
                if !entry.names(&reference) {
                    continue;
                }
                let written = self.request.object.pointer(&used.pointer).cloned();
                self.look(&context, entry, &used.image, &reference, &mut looked)
                    .map_err(|judged| judged.at(used.pointer.clone(), written))?;
            }
        }
        Ok(looked.judged())
    }

    /// Verifies one image by one entry. An error is the verdict.
    fn look(
        &'a self,
        context: &Context<'a>,
        entry: &'a VerifyImages,
        image: &Image,
        reference: &str,
        looked: &mut Looked,
    ) -> Result<(), Judged> {
        let skipped = entry.skips(reference);
        let digest = if skipped {
            self.digest_in_registry(entry, image, reference)?
        } else {
            self.verified(context, entry, image, reference)?
        };
        let pinned = image.has_digest() || entry.mutate_digest && digest.is_some();
        if entry.verify_digest && !pinned {
            let message = format!("missing digest for {reference}");
            return Err(Judged::new(Outcome::Fail, message));
        }
        let list = match (skipped, entry.has_attestors) {
            (true, _) => &mut looked.skipped,
            (false, true) => &mut looked.verified,
            (false, false) => &mut looked.free,
        };
        list.push(reference.to_owned());
        Ok(())
    }

    /// The digest that was verified, as far as one is known. An error is the verdict.
    fn verified(
        &'a self,
        context: &Context<'a>,
        entry: &'a VerifyImages,
        image: &Image,
        reference: &str,
    ) -> Result<Option<String>, Judged> {
        if !entry.has_attestors && entry.required {
            return Err(Judged::new(
                Outcome::Fail,
                format!("unverified image {reference}"),
            ));
        }
        if !entry.has_attestors {
            return self.digest_in_registry(entry, image, reference);
        }
        let mut asked = context
            .fill(&entry.entry)
            .map_err(|error| Judged::error(format!("failed to substitute variables: {error}")))?;
        if let (Value::Object(asked), Some(attested)) = (&mut asked, &entry.attested) {
            asked.insert("attestations".to_owned(), attested.clone());
        }
        let answer = match self.request.facts.verify(reference, &asked) {
            Ok(answer) => answer,
            Err(Unavailable::Failed(reason)) => {
                return Err(Judged::new(
                    Outcome::Fail,
                    format!("failed to verify image {reference}: {reason}"),
                ));
            }
            Err(unavailable) => {
                return Err(Judged::error(format!(
                    "the image {reference} could not be verified: {unavailable}"
                )));
            }
        };
        self.attested(context, entry, image, reference, &answer)?;
        Ok(digest_of(&answer))
    }

    /// The digest that will be written into the object, when one will be.
    fn digest_in_registry(
        &self,
        entry: &VerifyImages,
        image: &Image,
        reference: &str,
    ) -> Result<Option<String>, Judged> {
        if image.has_digest() || !entry.mutate_digest {
            return Ok(None);
        }
        match self.request.facts.image(reference) {
            Ok(answer) => Ok(digest_of(&answer)),
            Err(unavailable) => Err(Judged::error(format!("failed to update digest: {unavailable}"))),
        }
    }

    /// Whether what was attested is as the entry wants it.
    fn attested(
        &'a self,
        context: &Context<'a>,
        entry: &'a VerifyImages,
        image: &Image,
        reference: &str,
        answer: &Value,
    ) -> Result<(), Judged> {
        let mark = context.mark();
        context.set("image", image.as_variable());
        let judged = entry
            .attestations
            .iter()
            .try_for_each(|attestation| self.attestation(context, attestation, reference, answer))
            .and_then(|()| match &entry.validation {
                None => Ok(()),
                Some(validation) => Self::validation(context, validation),
            });
        context.restore(&mark);
        judged
    }

    fn attestation(
        &'a self,
        context: &Context<'a>,
        attestation: &'a Attestation,
        reference: &str,
        answer: &Value,
    ) -> Result<(), Judged> {
        let kind = &attestation.kind;
        let statements = statements_of(answer, kind).unwrap_or_default();
        if let (Some(name), Some(predicate)) = (
            &attestation.name,
            statements.iter().find_map(|statement| statement.get("predicate")),
        ) {
            let predicate = self.budget.copy(predicate);
            let predicate = predicate.map_err(|exhausted| Judged::error(exhausted.to_string()))?;
            context.set(name.as_str(), predicate);
        }
        if attestation.conditions.is_empty() {
            return Ok(());
        }
        if statements.is_empty() {
            return Err(Judged::error(format!(
                "what the attestation {kind} says of {reference} is not known here"
            )));
        }
        for statement in statements {
            let Some(Value::Object(predicate)) = statement.get("predicate") else {
                return Err(Judged::error(format!(
                    "the attestation {kind} of {reference} has no predicate"
                )));
            };
            let mark = context.mark();
            for (name, value) in predicate {
                let value = self.budget.copy(value);
                let value = value.map_err(|exhausted| Judged::error(exhausted.to_string()))?;
                context.set(name.clone(), value);
            }
            for conditions in &attestation.conditions {
                match conditions.judge(context) {
                    Ok(judged) if judged.holds => {}
                    Ok(judged) => {
                        let message = format!(
                            "attestation checks failed for {reference} and predicate {kind}: {}",
                            judged.message
                        );
                        return Err(Judged::new(Outcome::Fail, message));
                    }
                    Err(error) => {
                        return Err(Judged::error(format!("failed to check attestations: {error}")));
                    }
                }
            }
            context.restore(&mark);
        }
        Ok(())
    }

    fn validation(context: &Context<'a>, validation: &Validation) -> Result<(), Judged> {
        let Some(deny) = &validation.deny else {
            return Ok(());
        };
        let judged = deny.judge(context).map_err(|error| {
            Judged::error(format!(
                "validation in verifyImages failed: failed to check deny conditions: {error}"
            ))
        })?;
        if !judged.holds {
            return Ok(());
        }
        let parts: Vec<&str> = [validation.message.as_str(), judged.message.as_str()]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect();
        let message = if parts.is_empty() {
            "validation error: imageVerify failed".to_owned()
        } else {
            filled_message(context, &parts.join("; ")).unwrap_or_else(|_| judged.message.clone())
        };
        Err(Judged::new(
            Outcome::Fail,
            format!("validation in verifyImages failed: {message}"),
        ))
    }

    /// Where digests are to be written, and the images with them. What cannot be verified is left to
    /// [`Judge::verify_images`].
    pub(crate) fn digests(&'a self, entries: &'a [VerifyImages]) -> Vec<(String, String)> {
        let (Ok(context), Ok(used)) = (self.context(), self.images()) else {
            return Vec::new();
        };
        if Self::precondition(&context, self.rule.preconditions.as_ref()).is_some()
            || self.excepting(&context).skip().is_some()
        {
            return Vec::new();
        }
        let mut digests = Vec::new();
        for used in used.into_iter().take(MAX_IMAGES) {
            if used.image.has_digest() {
                continue;
            }
            let reference = used.image.reference();
            let entry = entries
                .iter()
                .find(|entry| entry.mutate_digest && entry.names(&reference));
            let digest = entry.map(|entry| {
                if entry.skips(&reference) {
                    self.digest_in_registry(entry, &used.image, &reference)
                } else {
                    self.verified(&context, entry, &used.image, &reference)
                }
            });
            if let Some(Ok(Some(digest))) = digest {
                digests.push((used.pointer, format!("{reference}@{digest}")));
            }
        }
        digests
    }

    /// The images of the object, by the extractors of the rule for its kind or where pods have them.
    pub(super) fn images(&self) -> Result<Vec<Used>, String> {
        let object = self.request.object;
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        if let Some(extractors) = self.rule.extractors.get(kind) {
            let world = World::new(&self.budget, self.request.facts);
            return extract::images(extractors, object, world);
        }
        match autogen::pod_in(kind) {
            Some(pod) => image::in_pod(object, &format!("{pod}/spec")),
            None => Ok(Vec::new()),
        }
    }
}

impl Looked {
    fn judged(mut self) -> Judged {
        for list in [&mut self.verified, &mut self.free, &mut self.skipped] {
            list.sort();
            list.dedup();
        }
        let skipped = self.skipped.join(" ");
        if self.verified.is_empty() && self.free.is_empty() {
            let message = format!("image skipped, skipped images: {skipped}");
            return Judged::new(Outcome::Skip, message);
        }
        let message = if self.verified.is_empty() {
            "image verified".to_owned()
        } else {
            format!("verified image signatures for {}", self.verified.join(", "))
        };
        if skipped.is_empty() {
            Judged::new(Outcome::Pass, message)
        } else {
            Judged::new(Outcome::Pass, format!("{message}, skipped images: {skipped}"))
        }
    }
}
