//! What policies about images say of an object, and which digests they write into it.

use crate::cel::foreign::Own;
use crate::cel::world::World;
use std::collections::BTreeMap;

use ::cel::budget::Budget;
use ::cel::{Failure, Key, Scope, Text, Value};
use serde_json::Value as Json;

use super::verify::{Evidence, Verifying};
use super::{Attestor, Images};
use crate::cel::body;
use crate::cel::inputs::{Asked, Inputs, resource_of, subject_of};
use crate::cel::judge::{CelPolicies, Judged, verdict};
use crate::cel::policy::{Policy, Variant};
use crate::image;
use crate::request::{Operation, Request};
use crate::verdict::{Outcome, Task, Verdict};

/// How many images of one object are looked at.
const MAX_IMAGES: usize = 500;

/// Images by where they were found.
type Found = BTreeMap<String, Vec<String>>;

/// What is left to do when all policies have spoken.
struct Pending {
    verdict: usize,
    images: Vec<String>,
    enforce: bool,
}

impl CelPolicies {
    /// Judges an object by every policy about images, and tells which of them each verdict is from. Those whose
    /// conditions are not met say nothing.
    pub(in crate::cel) fn verify_images(
        &self,
        request: &Request<'_>,
        verdicts: &mut Vec<Verdict>,
    ) -> Vec<usize> {
        let resource = resource_of(request);
        let subject = subject_of(request);
        let asked = Asked {
            request,
            subject: &subject,
            resource: &resource,
        };
        let evidence = Evidence::default();
        let (mut pending, mut places) = (Vec::new(), Vec::new());
        for (place, policy) in self.placed(&resource, Task::VerifyImages) {
            let Some(variant) = policy.variant(request, &subject, &resource) else {
                continue;
            };
            let Some((judged, images)) = self.verified(policy, variant, &asked, &evidence) else {
                continue;
            };
            if judged.outcome() == Outcome::Pass
                && variant.images.as_ref().is_some_and(|images| images.required)
            {
                pending.push(Pending {
                    verdict: verdicts.len(),
                    images,
                    enforce: policy.enforce,
                });
            }
            // What cannot be judged refuses only if the policy says that it is to fail closed.
            let enforce = policy.enforce && (policy.fail_closed || judged.outcome() != Outcome::Error);
            verdicts.push(verdict(policy, &subject, judged, enforce));
            places.push(place);
        }
        // What one policy did not verify another may have.
        for pending in pending {
            let missing = pending.images.iter().find_map(|image| match evidence.of(image) {
                Some(true) => None,
                Some(false) => Some(format!("image {image} failed signature or attestation verification")),
                None => Some(format!(
                    "image {image} is not verified: no policy performed a signature or attestation check on it"
                )),
            });
            if let (Some(message), Some(verdict)) = (missing, verdicts.get_mut(pending.verdict)) {
                (verdict.outcome, verdict.message, verdict.enforce) =
                    (Outcome::Fail, message, pending.enforce);
            }
        }
        places
    }

    /// How a policy came out, and the images that it is about; nothing when its conditions are not met.
    fn verified(
        &self,
        policy: &Policy,
        variant: &Variant,
        asked: &Asked<'_>,
        evidence: &Evidence,
    ) -> Option<(Judged, Vec<String>)> {
        let Asked {
            request,
            subject,
            resource,
        } = *asked;
        let images = variant.images.as_ref()?;
        let budget = Budget::default();
        match self.excepted(policy, request, subject, resource, &budget) {
            Ok(_) => {}
            Err(judged) => return Some((judged, Vec::new())),
        }
        let inputs = Inputs::new(request, subject, resource);
        let verifying = Verifying::new(images, request.facts, &budget, evidence);
        let mut world = World::new(request.facts, &inputs).within(policy.namespace.as_deref());
        world.images = Some(&verifying);
        let scope = Scope::new(&budget, &world).with_variables(&variant.variables.programs);
        match body::met(&variant.conditions, &scope) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(Failure::Failed(_)) if !policy.fail_closed => return None,
            Err(failure) => return Some((failed(&failure), Vec::new())),
        }
        let judged = images
            .found(&scope, asked, &budget)
            .and_then(|found| {
                let all: Vec<String> = found.values().flatten().cloned().collect();
                if all.len() > MAX_IMAGES {
                    return Err(Failure::new(format!(
                        "the object has more than {MAX_IMAGES} images"
                    )));
                }
                inputs.learn_images(images.variables(found, &scope)?);
                Ok(all)
            })
            .and_then(|all| {
                Ok((
                    judge(policy, variant, images, &scope, &verifying, &all, evidence)?,
                    all,
                ))
            });
        Some(judged.unwrap_or_else(|failure| (failed(&failure), Vec::new())))
    }

    /// Where digests are to be written (`mutateDigest`), and the images with them. What the registry does not know
    /// is left to the judgement of the object.
    pub(crate) fn digests(&self, request: &Request<'_>) -> Vec<(String, String)> {
        let resource = resource_of(request);
        let subject = subject_of(request);
        let Some(pod) = crate::autogen::pod_in(subject.kind) else {
            return Vec::new();
        };
        let used = image::in_pod(request.object, &format!("{pod}/spec")).unwrap_or_default();
        let mut digests = BTreeMap::new();
        for policy in self.about(&resource, Task::VerifyImages) {
            let Some(variant) = policy.variant(request, &subject, &resource) else {
                continue;
            };
            let Some(images) = variant.images.as_ref().filter(|images| images.mutate_digest) else {
                continue;
            };
            let budget = Budget::default();
            let inputs = Inputs::new(request, &subject, &resource);
            let world = World::new(request.facts, &inputs);
            let scope = Scope::new(&budget, &world);
            if !matches!(body::met(&variant.conditions, &scope), Ok(true))
                || self
                    .excepted(policy, request, &subject, &resource, &budget)
                    .is_err()
            {
                continue;
            }
            let bare = used.iter().filter(|used| !used.image.has_digest());
            for used in bare.take(MAX_IMAGES) {
                let Some(written) = request.object.pointer(&used.pointer).and_then(Json::as_str) else {
                    continue;
                };
                let about = |image: &str| matches!(images.are_about(image, &budget), Ok(true));
                if digests.contains_key(&used.pointer) || !about(written) {
                    continue;
                }
                let evidence = Evidence::default();
                let verifying = Verifying::new(images, request.facts, &budget, &evidence);
                if let Ok(digest) = verifying.digest(written) {
                    // What the policy would not recognise any more keeps its tag.
                    let pinned = format!("{}@{digest}", used.image.reference());
                    if about(&pinned) {
                        digests.insert(used.pointer.clone(), pinned);
                    }
                }
            }
        }
        digests.into_iter().collect()
    }
}

fn failed(failure: &Failure) -> Judged {
    Judged::new(
        Outcome::Error,
        "evaluation",
        format!("failed to evaluate policy: {failure}"),
    )
}

/// Judges the images that a policy is about.
fn judge<'v>(
    policy: &Policy,
    variant: &'v Variant,
    images: &Images,
    scope: &Scope<'v>,
    verifying: &Verifying<'v>,
    all: &[String],
    evidence: &Evidence,
) -> Result<Judged, Failure> {
    let say = |outcome, message: String| Ok(Judged::new(outcome, policy.plain_name(), message));
    let unpinned = || all.iter().filter(|image| !pinned(image));
    if images.verify_digest
        && !images.mutate_digest
        && let Some(image) = unpinned().next()
    {
        return say(Outcome::Fail, format!("image {image} does not have a digest"));
    }
    for (index, validation) in variant.validations.iter().enumerate() {
        if scope.holds(&validation.program)? {
            continue;
        }
        return say(Outcome::Fail, validation.refusal(index, scope));
    }
    body::notes(&variant.annotations, scope)?;
    if images.verify_digest {
        for image in unpinned() {
            verifying.digest(image)?;
        }
    }
    // An image that nobody has is not let through.
    for image in all {
        if evidence.of(image).is_none() && !images.required {
            verifying.data(image)?;
        }
    }
    say(Outcome::Pass, "success".to_owned())
}

/// Whether it is written which image exactly is meant.
fn pinned(image: &str) -> bool {
    image.contains("@sha256:")
}

impl Images {
    /// The images of an object that the policy is about.
    fn found<'v>(&'v self, scope: &Scope<'v>, asked: &Asked<'_>, budget: &Budget) -> Result<Found, Failure> {
        let mut found = standard(asked)?;
        for (name, program) in &self.extractors {
            let value = scope.evaluate(program)?;
            let items = value.elements().filter(|_| value.list_len().is_some());
            let images = items.and_then(|items| {
                items
                    .iter()
                    .map(|item| item.as_text().map(str::to_owned))
                    .collect::<Option<Vec<_>>>()
            });
            let reason = || Failure::new(format!("the images {name} are no list of texts"));
            found.insert(name.clone(), images.ok_or_else(reason)?);
        }
        for images in found.values_mut() {
            let mut kept = Vec::new();
            for image in images.drain(..) {
                if self.are_about(&image, budget)? {
                    kept.push(image);
                }
            }
            *images = kept;
        }
        Ok(found)
    }

    /// The variables `images`, `attestors` and `attestations`.
    fn variables<'v>(&'v self, found: Found, scope: &Scope<'v>) -> Result<[Value<'v>; 3], Failure> {
        let mut images = BTreeMap::new();
        for (name, list) in found {
            let list = list.into_iter().map(Value::text).collect();
            images.insert(Key::Text(Text::from(name)), Value::list(list)?);
        }
        let attestors = self.attestors.iter().map(|attestor| {
            let key = Key::Text(Text::Borrowed(&attestor.name));
            (key, attestor.value(scope))
        });
        let attestations = self.attestations.iter().map(|(name, _)| {
            let text = Text::Borrowed(name.as_str());
            (Key::Text(text.clone()), Value::Text(text))
        });
        Ok([
            Value::map(images)?,
            Value::map(attestors.collect())?,
            Value::map(attestations.collect())?,
        ])
    }
}

impl Attestor {
    /// The attestor with what is computed; unknown when something has no value.
    fn value<'v>(&'v self, scope: &Scope<'v>) -> Value<'v> {
        let mut attestor = self.value.clone();
        for (place, program) in &self.computed {
            let text = match scope.evaluate(program) {
                Ok(Value::Text(text)) => text.to_string(),
                Ok(other) => return self.unknown(&format!("it is a {}, not a string", other.type_name())),
                Err(failure) => return self.unknown(&failure.to_string()),
            };
            let (parent, field) = place.rsplit_once('/').unwrap_or_default();
            if let Some(Json::Object(parent)) = attestor.pointer_mut(parent) {
                parent.remove("expression");
                parent.insert(field.to_owned(), Json::String(text));
            }
        }
        Own::Attestor(attestor).value()
    }

    fn unknown<'v>(&self, reason: &str) -> Value<'v> {
        Value::Unknown(format!("what the attestor {} is verified by ({reason})", self.name).into())
    }
}

/// The images of pods and of what makes them.
fn standard(asked: &Asked<'_>) -> Result<Found, Failure> {
    let subject = asked.subject;
    let pod = match (subject.group, subject.version, asked.resource) {
        ("", "v1", "pods") => "/spec",
        ("apps", "v1", "deployments" | "statefulsets" | "daemonsets" | "replicasets")
        | ("batch", "v1", "jobs") => "/spec/template/spec",
        ("batch", "v1", "cronjobs") => "/spec/jobTemplate/spec/template/spec",
        _ => return Ok(Found::new()),
    };
    let object = match asked.request.operation {
        Operation::Delete => asked.request.old.unwrap_or(asked.request.object),
        _ => asked.request.object,
    };
    let spec = object.pointer(pod).and_then(Json::as_object);
    let spec = spec.ok_or_else(|| Failure::new(format!("the object has no {pod}")))?;
    let mut found = Found::new();
    for group in image::CONTAINERS {
        let images = match spec.get(group) {
            None => Vec::new(),
            Some(Json::Array(containers)) => {
                let image = |container: &Json| container.get("image")?.as_str().map(str::to_owned);
                let images = containers.iter().map(image).collect::<Option<Vec<_>>>();
                images.ok_or_else(|| Failure::new(format!("a container of {pod}/{group} has no image")))?
            }
            Some(_) => return Err(Failure::new(format!("{pod}/{group} is no list"))),
        };
        found.insert(group.to_owned(), images);
    }
    Ok(found)
}
