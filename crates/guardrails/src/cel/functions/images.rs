//! What a policy about images asks: who signed an image or an attestation of it, and what the registry says.

use serde_json::Value as Json;

use super::super::evaluate::Evaluated;
use super::super::failure::Failure;
use super::super::images::Verifying;
use super::super::opaque::Opaque;
use super::super::value::Value;
use super::{Args, Style, Table};

pub(super) const TABLE: Table = &[
    ("verifyImageSignatures", Style::Plain, signatures),
    ("verifyAttestationSignatures", Style::Plain, attestations),
    ("getImageData", Style::Plain, data),
    ("extractPayload", Style::Plain, payload),
];

fn verifying<'v>(args: &Args<'_, 'v>) -> Result<&'v Verifying<'v>, Failure> {
    let reason = || Failure::cut(format!("only an ImageValidatingPolicy has {}()", args.name));
    args.scope.images.ok_or_else(reason)
}

fn signed<'v>(args: &Args<'_, 'v>, attestation: Option<&str>, attestors: usize) -> Evaluated<'v> {
    let verifying = verifying(args)?;
    let items = args.items(attestors)?;
    let mut asked: Vec<&Json> = Vec::new();
    for item in &items {
        match item {
            Value::Opaque(opaque) => match &**opaque {
                Opaque::Attestor(attestor) => asked.push(attestor),
                _ => return Err(args.refuse()),
            },
            Value::Unknown(what) => return Err(Failure::unknown(what)),
            _ => return Err(args.refuse()),
        }
    }
    verifying
        .signed(args.text(0)?, &asked, attestation)
        .map(Value::Int)
}

fn signatures<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    signed(args, None, 1)
}

fn attestations<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<3>()?;
    signed(args, Some(args.text(1)?), 2)
}

fn data<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Value::made(verifying(args)?.data(args.text(0)?)?, args.budget())
}

fn payload<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let payload = verifying(args)?.payload(args.text(0)?, args.text(1)?)?;
    Value::made(payload, args.budget())
}
