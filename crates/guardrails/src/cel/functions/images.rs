//! What a policy about images asks: who signed an image or an attestation of it, and what the registry says.

use ::cel::{Args, Evaluated, Failure, Style, Value};
use serde_json::Value as Json;

use super::Table;
use crate::cel::foreign::Own;
use crate::cel::images::Verifying;
use crate::cel::world::World;

pub(super) const TABLE: Table = &[
    ("verifyImageSignatures", Style::Plain, signatures),
    ("verifyAttestationSignatures", Style::Plain, attestations),
    ("getImageData", Style::Plain, data),
    ("extractPayload", Style::Plain, payload),
];

fn verifying<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Result<&'v Verifying<'v>, Failure> {
    let reason = || Failure::cut(format!("only an ImageValidatingPolicy has {}()", args.name));
    world.images.ok_or_else(reason)
}

fn signed<'v>(
    world: &World<'v>,
    args: &Args<'_, 'v>,
    attestation: Option<&str>,
    attestors: usize,
) -> Evaluated<'v> {
    let verifying = verifying(world, args)?;
    let items = args.items(attestors)?;
    let mut asked: Vec<&Json> = Vec::new();
    for item in &items {
        match (item, Own::of(item)) {
            (_, Some(Own::Attestor(attestor))) => asked.push(attestor),
            (Value::Unknown(what), _) => return Err(Failure::unknown(what)),
            _ => return Err(args.refuse()),
        }
    }
    verifying
        .signed(args.text(0)?, &asked, attestation)
        .map(Value::Int)
}

fn signatures<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    signed(world, args, None, 1)
}

fn attestations<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<3>()?;
    signed(world, args, Some(args.text(1)?), 2)
}

fn data<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Value::made(verifying(world, args)?.data(args.text(0)?)?, args.budget)
}

fn payload<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let payload = verifying(world, args)?.payload(args.text(0)?, args.text(1)?)?;
    Value::made(payload, args.budget)
}
