//! Reading a policy about images whole.

use super::{BEFORE, Images, ROOTS};
use crate::cel::autogen;
use crate::cel::body;
use crate::cel::kinds::denies;
use crate::cel::policy::{Document, Family, Policy, Variant};
use crate::cel::world;
use crate::cursor::{Cursor, Refusal};
use crate::verdict::Task;

/// Reads a policy of such a kind.
pub(in crate::cel) fn read_policy(
    metadata: &Cursor<'_>,
    spec: &Cursor<'_>,
    kind: &'static str,
) -> Result<Document, Refusal> {
    spec.only(&[
        "matchConstraints",
        "matchConditions",
        "matchImageReferences",
        "credentials",
        "validationConfigurations",
        "images",
        "variables",
        "attestors",
        "attestations",
        "validations",
        "failurePolicy",
        "auditAnnotations",
        "validationActions",
        "evaluation",
        "autogen",
        "webhookConfiguration",
    ])?;
    let mut policy = Policy::of(metadata, kind, Task::VerifyImages, Family::Kyverno)?;
    policy.read_evaluation(spec)?;
    policy.read_failure_policy(spec)?;
    policy.enforce = denies(spec)?.unwrap_or(true);
    spec.required("validations")?;
    if !policy.json && spec.field("matchConstraints").is_none() {
        return Err(spec.refuse("the field matchConstraints is missing"));
    }
    policy.variants.push(variant(spec)?);
    policy.add_made(spec, &autogen::variants(spec), variant)?;
    Ok(Document::Policy(Box::new(policy)))
}

fn variant(spec: &Cursor<'_>) -> Result<Variant, Refusal> {
    let mut variant = Variant::read(spec, &ROOTS)?;
    variant.images = Some(Images::read(spec, &variant.variables)?);
    // Whether the policy is about an object at all is said before its images are known.
    variant.conditions = body::read_conditions(spec.field("matchConditions"), world::names(&BEFORE, &[]))?;
    Ok(variant)
}
