//! Reading a policy about images whole.

use super::{BEFORE, Images, ROOTS};
use crate::cel::autogen;
use crate::cel::body;
use crate::cel::kinds::begin;
use crate::cel::policy::{Document, Variant};
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
    let mut policy = begin(metadata, spec, kind, Task::VerifyImages)?;
    spec.required("validations")?;
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
