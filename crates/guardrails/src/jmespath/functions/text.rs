//! Functions over texts.

use ::cel::semver::{self, Version};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::{Arguments, MAX_TEXT};
use crate::jmespath::QueryError;
use crate::jmespath::written::as_json;
use crate::wildcard;

/// Go's reader of base64 does not look at the bits that are left over.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    Ok(match args.name {
        "compare" => Value::from(args.text(0).cmp(args.text(1)) as i64),
        "equal_fold" => Value::Bool(args.text(0).to_lowercase() == args.text(1).to_lowercase()),
        "starts_with" => Value::Bool(args.text(0).starts_with(args.text(1))),
        "ends_with" => Value::Bool(args.text(0).ends_with(args.text(1))),
        "to_upper" => args.built(cased(args.text(0), char::to_uppercase))?,
        "to_lower" => args.built(cased(args.text(0), char::to_lowercase))?,
        "to_string" => match args.any(0) {
            text @ Value::String(_) => text.clone(),
            other => args.built(as_json(other))?,
        },
        "trim" => {
            let cut = args.text(1);
            args.world
                .budget
                .spend(args.text(0).len().saturating_mul(cut.len()) / 64)?;
            args.built(
                args.text(0)
                    .trim_matches(|letter| cut.contains(letter))
                    .to_owned(),
            )?
        }
        "trim_prefix" => {
            let whole = args.text(0);
            args.built(whole.strip_prefix(args.text(1)).unwrap_or(whole).to_owned())?
        }
        "split" => {
            let (whole, separator) = (args.text(0), args.text(1));
            args.world.budget.spend(whole.len())?;
            let parts: Vec<Value> = if separator.is_empty() {
                whole
                    .chars()
                    .map(|letter| Value::String(letter.to_string()))
                    .collect()
            } else {
                whole.split(separator).map(Value::from).collect()
            };
            Value::Array(parts)
        }
        "replace" => replaced(args, args.number(3))?,
        "replace_all" => replaced(args, -1.0)?,
        "pattern_match" => Value::Bool(wildcard::matches_within(
            args.text(0),
            &args.text_of(1),
            args.world.budget,
        )?),
        "to_boolean" => match args.text(0).to_lowercase().as_str() {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return args.failed("needs 'true' or 'false'"),
        },
        "base64_encode" => args.built(BASE64.encode(args.text(0)))?,
        "base64_decode" => {
            let text = args.text(0).replace(['\r', '\n'], "");
            match BASE64.decode(text) {
                Ok(bytes) => args.built(String::from_utf8_lossy(&bytes).into_owned())?,
                Err(error) => return args.failed(&format!("cannot decode: {error}")),
            }
        }
        "path_canonicalize" => args.built(canonical(args.text(0)))?,
        "truncate" => {
            let length = args.number(1).max(0.0) as usize;
            args.built(args.text(0).chars().take(length).collect())?
        }
        "semver_compare" => {
            // As in Kyverno a text that is no version counts as 0.0.0.
            let version = Version::parse(args.text(0)).unwrap_or_default();
            match semver::in_range(&version, args.text(1)) {
                Some(inside) => Value::Bool(inside),
                None => return args.failed("cannot read the range"),
            }
        }
        "image_normalize" => match crate::image::Image::parse(args.text(0)) {
            Some(image) => args.built(image.reference())?,
            None => return args.failed("needs an image reference"),
        },
        "is_external_url" => Value::Bool(is_external(args)?),
        "parse_json" => match serde_json::from_str(args.text(0)) {
            Ok(value) => value,
            Err(error) => return args.failed(&format!("cannot read its argument: {error}")),
        },
        _ => match yaml::parse(args.text(0)) {
            Ok(document) => document.value,
            Err(error) => return args.failed(&format!("cannot read its argument: {error}")),
        },
    })
}

/// Letter by letter: what has no single counterpart stays.
pub(super) fn cased<I: ExactSizeIterator<Item = char>>(text: &str, case: fn(char) -> I) -> String {
    text.chars()
        .map(|letter| {
            let mut cased = case(letter);
            if cased.len() == 1 {
                cased.next().unwrap_or(letter)
            } else {
                letter
            }
        })
        .collect()
}

fn replaced(args: &Arguments<'_>, count: f64) -> Result<Value, QueryError> {
    let (whole, from, to) = (args.text(0), args.text(1), args.text(2));
    let grown = whole
        .len()
        .saturating_add(1)
        .saturating_mul(to.len().saturating_add(1));
    if grown > MAX_TEXT.saturating_mul(8) {
        return args.failed("builds a text that is too long");
    }
    args.world.budget.spend(grown / 64)?;
    args.built(if count < 0.0 {
        whole.replace(from, to)
    } else {
        whole.replacen(from, to, count as usize)
    })
}

/// Whether the host of a URL is neither this machine nor in a private network.
fn is_external(args: &Arguments<'_>) -> Result<bool, QueryError> {
    let Some(host) = host_of(args.text(0)) else {
        return args.failed("needs a URL with a host");
    };
    let addresses = match host.parse() {
        Ok(address) => vec![address],
        Err(_) => args
            .world
            .facts
            .addresses(host)
            .map_err(|why| args.unavailable(why))?,
    };
    Ok(!addresses.iter().any(|address| match address.to_canonical() {
        std::net::IpAddr::V4(address) => address.is_loopback() || address.is_private(),
        std::net::IpAddr::V6(address) => address.is_loopback() || address.is_unique_local(),
    }))
}

/// The host of a URL, without what stands around it: `https://user@[::1]:80/x` is `::1`.
fn host_of(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("//")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[') {
        Some(address) => address.split_once(']')?.0,
        None => host.split_once(':').map_or(host, |(host, _)| host),
    };
    (!host.is_empty()).then_some(host)
}

/// A path without `.`, `..` and doubled slashes.
fn canonical(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if path.starts_with('/') => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (path.starts_with('/'), joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) if path.is_empty() => String::new(),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
