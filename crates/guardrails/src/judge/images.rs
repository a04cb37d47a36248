//! Who signed the images of an object.

use serde_json::Value;

use super::{Judge, Judged};
use crate::autogen;
use crate::context::Context;
use crate::facts::Unavailable;
use crate::image::Image;
use crate::images::VerifyImages;
use crate::verdict::Outcome;

/// How many images of one object are verified.
const MAX_IMAGES: usize = 500;

/// An image of an object and where it stands.
struct Used {
    pointer: String,
    written: String,
    image: Option<Image>,
}

impl<'a> Judge<'a> {
    /// Whether the images that the rule is about are signed by whom it asks for.
    pub(crate) fn verify_images(&'a self, entries: &'a [VerifyImages]) -> Judged {
        let context = match self.context() {
            Ok(context) => context,
            Err(error) => return Judged::error(error.to_string()),
        };
        if let Some(judged) = Self::precondition(&context, self.rule.preconditions.as_ref())
            .or_else(|| self.excepting(&context).skip())
        {
            return judged;
        }
        let used = self.images();
        if used.len() > MAX_IMAGES {
            return Judged::error(format!("the object has more than {MAX_IMAGES} images"));
        }
        let mut verified = Vec::new();
        for image in &used {
            let Some(parsed) = &image.image else {
                let message = format!("{:?} is not the reference of an image", image.written);
                return Judged::error(message).at(image.pointer.clone(), None);
            };
            let reference = parsed.reference();
            for entry in entries.iter().filter(|entry| entry.is_about(&reference)) {
                let place = |judged: Judged| {
                    judged.at(image.pointer.clone(), Some(Value::String(image.written.clone())))
                };
                match self.verified(&context, entry, parsed, &reference) {
                    Err(judged) => return place(judged),
                    Ok(digest) => {
                        let pinned = parsed.has_digest() || entry.mutate_digest && digest.is_some();
                        if entry.verify_digest && !pinned {
                            return place(Judged::new(
                                Outcome::Fail,
                                format!("missing digest for {reference}"),
                            ));
                        }
                        verified.push(reference.clone());
                    }
                }
            }
        }
        if verified.is_empty() {
            return Judged::new(Outcome::Skip, "no image of the object is meant by the rule");
        }
        verified.sort();
        verified.dedup();
        Judged::new(
            Outcome::Pass,
            format!("verified image signatures for {}", verified.join(", ")),
        )
    }

    /// The digest that was verified, as far as one is known. An error is the verdict.
    fn verified(
        &self,
        context: &Context<'_>,
        entry: &VerifyImages,
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
            return Ok(if image.has_digest() || !entry.mutate_digest {
                None
            } else {
                match self.request.facts.image(reference) {
                    Ok(answer) => digest_of(&answer),
                    Err(unavailable) => return Err(Judged::error(unavailable.to_string())),
                }
            });
        }
        let asked = context
            .fill(&entry.entry)
            .map_err(|error| Judged::error(format!("failed to substitute variables: {error}")))?;
        match self.request.facts.verify(reference, &asked) {
            Ok(answer) => Ok(digest_of(&answer)),
            Err(Unavailable::Failed(reason)) => Err(Judged::new(
                Outcome::Fail,
                format!("failed to verify image {reference}: {reason}"),
            )),
            Err(unavailable) => Err(Judged::error(format!(
                "the image {reference} could not be verified: {unavailable}"
            ))),
        }
    }

    /// Where digests are to be written, and the images with them. What cannot be verified is left to
    /// [`Judge::verify_images`].
    pub(crate) fn digests(&'a self, entries: &'a [VerifyImages]) -> Vec<(String, String)> {
        let Ok(context) = self.context() else {
            return Vec::new();
        };
        if Self::precondition(&context, self.rule.preconditions.as_ref()).is_some()
            || self.excepting(&context).skip().is_some()
        {
            return Vec::new();
        }
        let mut digests = Vec::new();
        for used in self.images().into_iter().take(MAX_IMAGES) {
            let Some(image) = used.image.filter(|image| !image.has_digest()) else {
                continue;
            };
            let reference = image.reference();
            let entry = entries
                .iter()
                .find(|entry| entry.mutate_digest && entry.is_about(&reference));
            if let Some(entry) = entry
                && let Ok(Some(digest)) = self.verified(&context, entry, &image, &reference)
            {
                digests.push((used.pointer, format!("{reference}@{digest}")));
            }
        }
        digests
    }

    fn images(&self) -> Vec<Used> {
        let Some(pod) = autogen::pod_in(self.subject.kind) else {
            return Vec::new();
        };
        let mut used = Vec::new();
        for list in ["initContainers", "containers", "ephemeralContainers"] {
            let base = format!("{pod}/spec/{list}");
            let containers = self.request.object.pointer(&base).and_then(Value::as_array);
            for (index, container) in containers.into_iter().flatten().enumerate() {
                let Some(written) = container.get("image").and_then(Value::as_str) else {
                    continue;
                };
                used.push(Used {
                    pointer: format!("{base}/{index}/image"),
                    image: Image::parse(written),
                    written: written.to_owned(),
                });
            }
        }
        used
    }
}

/// `sha256:…`, or a map that has it as `digest`.
fn digest_of(answer: &Value) -> Option<String> {
    let text = answer.as_str().or_else(|| answer.get("digest")?.as_str());
    let text = text.or_else(|| {
        answer
            .get("resolvedImage")?
            .as_str()?
            .rsplit_once('@')
            .map(|(_, digest)| digest)
    })?;
    text.starts_with("sha256:").then(|| text.to_owned())
}
