//! Kyverno's libraries that make one value of another: digests, packed texts, certificates, and texts by chance.

use std::io::{Read as _, Write as _};

use ::cel::escapes::hex;
use ::cel::{Args, Evaluated, Failure, Style, Value};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde_json::{Number, Value as Json};
use sha2::{Digest as _, Sha256};

use super::Table;
use crate::cel::world::World;
use crate::jmespath::{CHANCE, QueryError, decode_certificate, md5, sha1, text_like};

pub(super) const TABLE: Table = &[
    ("sha256", Style::Plain, |_, args| {
        digest(args, |text| hex(&Sha256::digest(text)))
    }),
    ("hash.sha256", Style::Plain, |_, args| {
        digest(args, |text| hex(&Sha256::digest(text)))
    }),
    ("sha1", Style::Plain, |_, args| {
        digest(args, |text| hex(&sha1(text)))
    }),
    ("hash.sha1", Style::Plain, |_, args| {
        digest(args, |text| hex(&sha1(text)))
    }),
    ("md5", Style::Plain, |_, args| {
        digest(args, |text| hex(&md5(text)))
    }),
    ("hash.md5", Style::Plain, |_, args| {
        digest(args, |text| hex(&md5(text)))
    }),
    ("gzip.compress", Style::Plain, compress),
    ("gzip.decompress", Style::Plain, decompress),
    ("x509.decode", Style::Plain, certificate),
    ("random", Style::Plain, random),
    ("random.random", Style::Plain, random),
];

fn digest<'v>(args: &Args<'_, 'v>, of: impl Fn(&[u8]) -> String) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let text = args.text(0)?;
    args.budget.spend(text.len() / 8)?;
    Ok(Value::text(of(text.as_bytes())))
}

/// How much is packed or unpacked at a time.
const CHUNK: usize = 4096;

fn compress<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    for chunk in args.text(0)?.as_bytes().chunks(CHUNK) {
        args.budget.spend(CHUNK / 8)?;
        packed
            .write_all(chunk)
            .map_err(|error| Failure::new(format!("the text cannot be packed: {error}")))?;
    }
    packed
        .finish()
        .map(|bytes| Value::Bytes(bytes.into()))
        .map_err(|error| Failure::new(format!("the text cannot be packed: {error}")))
}

/// Pays as it goes: a few bytes may hold gigabytes.
fn decompress<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [Value::Bytes(bytes)] = args.exactly()? else {
        return Err(args.refuse());
    };
    let mut packed = MultiGzDecoder::new(&**bytes);
    let (mut text, mut chunk) = (Vec::new(), [0; CHUNK]);
    loop {
        args.budget.spend(CHUNK / 64)?;
        match packed.read(&mut chunk) {
            Ok(0) => break,
            Ok(length) => text.extend_from_slice(&chunk[..length]),
            Err(error) => return Err(Failure::new(format!("the bytes cannot be unpacked: {error}"))),
        }
    }
    String::from_utf8(text)
        .map(Value::text)
        .map_err(|_| Failure::new("what is packed is not UTF-8"))
}

/// Fields of a certificate that `x509.decode` leaves out.
const LEFT_OUT: [&str; 15] = [
    "SignatureAlgorithm",
    "Version",
    "Subject",
    "UnhandledCriticalExtensions",
    "UnknownExtKeyUsage",
    "SubjectKeyId",
    "URIs",
    "Policies",
    "PolicyMappings",
    "InhibitAnyPolicy",
    "InhibitPolicyMapping",
    "RequireExplicitPolicy",
    "InhibitAnyPolicyZero",
    "InhibitPolicyMappingZero",
    "RequireExplicitPolicyZero",
];

fn certificate<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let text = args.text(0)?;
    args.budget.spend(text.len())?;
    let mut fields = decode_certificate(text).map_err(Failure::new)?;
    // Of a certificate Kyverno tells less in CEL, of a request for one all.
    if fields.contains_key("RawTBSCertificate") {
        for name in LEFT_OUT {
            fields.remove(name);
        }
    }
    let mut json = Json::Object(fields);
    doubles(&mut json);
    Value::made(json, args.budget)
}

/// Numbers are doubles here. What a certificate holds does not nest deep.
fn doubles(json: &mut Json) {
    match json {
        Json::Number(number) => {
            if let Some(double) = number.as_f64().and_then(Number::from_f64) {
                *number = double;
            }
        }
        Json::Array(items) => items.iter_mut().for_each(doubles),
        Json::Object(fields) => fields.values_mut().for_each(doubles),
        _ => {}
    }
}

/// A text that a pattern matches, or eight letters and digits.
fn random<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    let pattern = match args.len() {
        0 => "[0-9a-z]{8}",
        1 => args.text(0)?,
        _ => return Err(args.refuse()),
    };
    let seed = world.facts.random().ok_or_else(|| Failure::unknown(CHANCE))?;
    match text_like(pattern, seed, args.budget) {
        Ok(text) => Ok(Value::text(text)),
        Err(QueryError::Exhausted(exhausted)) => Err(exhausted.into()),
        Err(other) => Err(Failure::new(other.to_string())),
    }
}
