//! Quantities, versions and formats of names, as Kubernetes has them in CEL. What asks the authorizer cannot be known.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Args, Style, Table};
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::opaque::Opaque;
use crate::quantity::{NANO, Quantity};
use crate::semver::Version;
use crate::value::Value;

pub(super) const TABLE: Table = &[
    ("quantity", Style::Plain, quantity),
    ("isQuantity", Style::Plain, is_quantity),
    ("sign", Style::Plain, sign),
    ("sign", Style::Method, sign),
    ("isInteger", Style::Method, is_integer),
    ("asInteger", Style::Method, as_integer),
    ("asApproximateFloat", Style::Method, as_float),
    ("add", Style::Method, |args| combine(args, i128::checked_add)),
    ("sub", Style::Method, |args| combine(args, i128::checked_sub)),
    ("isGreaterThan", Style::Method, |args| {
        compared(args).map(|order| Value::Bool(order.is_gt()))
    }),
    ("isLessThan", Style::Method, |args| {
        compared(args).map(|order| Value::Bool(order.is_lt()))
    }),
    ("compareTo", Style::Method, |args| {
        compared(args).map(|order| Value::Int(order as i64))
    }),
    ("semver", Style::Plain, semver),
    ("isSemver", Style::Plain, is_semver),
    ("major", Style::Method, |args| number(args, 0)),
    ("minor", Style::Method, |args| number(args, 1)),
    ("patch", Style::Method, |args| number(args, 2)),
    ("jsonpatch.escapeKey", Style::Plain, escape_key),
    ("format.named", Style::Plain, named),
    ("format.dns1123Label", Style::Plain, format),
    ("format.dns1123Subdomain", Style::Plain, format),
    ("format.dns1035Label", Style::Plain, format),
    ("format.qualifiedName", Style::Plain, format),
    ("format.dns1123LabelPrefix", Style::Plain, format),
    ("format.dns1123SubdomainPrefix", Style::Plain, format),
    ("format.dns1035LabelPrefix", Style::Plain, format),
    ("format.labelValue", Style::Plain, format),
    ("format.uri", Style::Plain, format),
    ("format.uuid", Style::Plain, format),
    ("format.byte", Style::Plain, format),
    ("format.date", Style::Plain, format),
    ("format.datetime", Style::Plain, format),
    ("validate", Style::Method, validate),
    ("group", Style::Method, authorizer),
    ("serviceAccount", Style::Method, authorizer),
    ("resource", Style::Method, authorizer),
    ("subresource", Style::Method, authorizer),
    ("namespace", Style::Method, authorizer),
    ("name", Style::Method, authorizer),
    ("check", Style::Method, authorizer),
    ("path", Style::Method, authorizer),
    ("fieldSelector", Style::Method, authorizer),
    ("labelSelector", Style::Method, authorizer),
    ("allowed", Style::Method, authorizer),
    ("reason", Style::Method, authorizer),
    ("errored", Style::Method, authorizer),
    ("error", Style::Method, authorizer),
];

/// The authorizer itself is unknown, so that none of its methods is ever reached with one.
fn authorizer<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    Err(args.refuse())
}

fn parse_quantity(text: &str) -> Result<Quantity, Failure> {
    Quantity::parse(text).ok_or_else(|| Failure::new(format!("{text:?} is no quantity")))
}

fn quantity<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [value @ Value::Opaque(opaque)] if matches!(**opaque, Opaque::Quantity(_)) => Ok(value.clone()),
        _ => Ok(Value::opaque(Opaque::Quantity(parse_quantity(args.text(0)?)?))),
    }
}

fn is_quantity<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::Bool(Quantity::parse(args.text(0)?).is_some()))
}

fn amount<'a>(args: &'a Args<'_, '_>, index: usize) -> Result<&'a Quantity, Failure> {
    match args.values.get(index) {
        Some(Value::Opaque(opaque)) => match &**opaque {
            Opaque::Quantity(quantity) => Ok(quantity),
            _ => Err(args.refuse()),
        },
        _ => Err(args.refuse()),
    }
}

fn sign<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::Int(amount(args, 0)?.sign()))
}

/// The quantity as an integer, when it is one.
fn whole(args: &Args<'_, '_>) -> Result<Option<i64>, Failure> {
    args.exactly::<1>()?;
    let nanos = amount(args, 0)?.nanos().filter(|nanos| nanos % NANO == 0);
    Ok(nanos.and_then(|nanos| i64::try_from(nanos / NANO).ok()))
}

fn is_integer<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    Ok(Value::Bool(whole(args)?.is_some()))
}

fn as_integer<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match whole(args)? {
        Some(value) => Ok(Value::Int(value)),
        None => Err(Failure::new("cannot convert value to integer")),
    }
}

fn as_float<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::Double(amount(args, 0)?.float()))
}

fn combine<'v>(args: &Args<'_, 'v>, with: impl Fn(i128, i128) -> Option<i128>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let other = match &args.values[1] {
        Value::Int(value) => Some(i128::from(*value) * NANO),
        _ => amount(args, 1)?.nanos(),
    };
    let sum = amount(args, 0)?
        .nanos()
        .zip(other)
        .and_then(|(left, right)| with(left, right))
        .ok_or_else(|| Failure::new("quantity overflow"))?;
    Ok(Value::opaque(Opaque::Quantity(Quantity::Nanos(sum))))
}

fn compared(args: &Args<'_, '_>) -> Result<Ordering, Failure> {
    let [Value::Opaque(left), Value::Opaque(right)] = args.exactly()? else {
        return Err(args.refuse());
    };
    match (&**left, &**right) {
        (Opaque::Quantity(left), Opaque::Quantity(right)) => Ok(left.cmp(right)),
        (Opaque::Semver(left, _), Opaque::Semver(right, _)) => Ok(left.cmp(right)),
        _ => Err(args.refuse()),
    }
}

/// A version; with `true` beside it also one that is not quite: `v1.2` is 1.2.0 then.
fn parse_version(args: &Args<'_, '_>) -> Result<Option<(Version, String)>, Failure> {
    let text = args.text(0)?;
    let lenient = match args.values.get(1) {
        None => false,
        Some(Value::Bool(lenient)) if args.len() == 2 => *lenient,
        Some(_) => return Err(args.refuse()),
    };
    let text = if lenient {
        normal_version(text)
    } else {
        Some(text.to_owned())
    };
    Ok(text.and_then(|text| Version::parse(&text).map(|version| (version, text))))
}

/// Without a `v` before it and zeros before its numbers, and with all three of them.
fn normal_version(text: &str) -> Option<String> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let trimmed = |part: &str| {
        let digits = part.trim_start_matches('0');
        if part.len() > 1 && !digits.starts_with(|first: char| first.is_ascii_digit()) {
            format!("0{digits}")
        } else if part.len() > 1 {
            digits.to_owned()
        } else {
            part.to_owned()
        }
    };
    let mut parts: Vec<String> = text.splitn(3, '.').map(trimmed).collect();
    if parts.len() < 3 && parts.last().is_some_and(|last| last.contains(['+', '-'])) {
        return None;
    }
    parts.resize(3, "0".to_owned());
    Some(parts.join("."))
}

fn semver<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let (version, text) =
        parse_version(args)?.ok_or_else(|| Failure::new("the text is no semantic version"))?;
    Ok(Value::opaque(Opaque::Semver(version, text)))
}

fn is_semver<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    Ok(Value::Bool(parse_version(args)?.is_some()))
}

fn number<'v>(args: &Args<'_, 'v>, index: usize) -> Evaluated<'v> {
    let [Value::Opaque(opaque)] = args.exactly()? else {
        return Err(args.refuse());
    };
    match &**opaque {
        Opaque::Semver(version, _) => Ok(Value::Int(version.core()[index] as i64)),
        _ => Err(args.refuse()),
    }
}

/// A key as a JSON pointer has it.
fn escape_key<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::text(args.text(0)?.replace('~', "~0").replace('/', "~1")))
}

/// The function `format.uuid` gives the format `uuid`.
fn format<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<0>()?;
    let name = args.name.strip_prefix("format.").ok_or_else(|| args.refuse())?;
    Ok(Value::opaque(Opaque::Format(name)))
}

/// The format of a name, if there is one: what the function of that name gives.
fn named<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let wanted = args.text(0)?;
    let known = TABLE.iter().filter(|(_, style, _)| *style == Style::Plain);
    let mut names = known.filter_map(|(name, ..)| name.strip_prefix("format."));
    match names.find(|name| *name == wanted && *name != "named") {
        Some(name) => Value::some(Value::opaque(Opaque::Format(name))),
        None => Ok(Value::Optional(None)),
    }
}

/// What is wrong with a text, as an optional list of reasons.
fn validate<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [Value::Opaque(opaque), _] = args.exactly()? else {
        return Err(args.refuse());
    };
    let Opaque::Format(name) = **opaque else {
        return Err(args.refuse());
    };
    let text = args.text(1)?;
    match wrong(name, text) {
        None => Ok(Value::Optional(None)),
        Some(reason) => Value::some(Value::list(vec![Value::text(reason)])?),
    }
}

fn wrong(name: &str, text: &str) -> Option<String> {
    let fits = match name {
        "dns1123Label" => text.len() <= 63 && label(text, false),
        "dns1123Subdomain" => text.len() <= 253 && text.split('.').all(|part| label(part, false)),
        "dns1035Label" => text.len() <= 63 && label(text, true),
        "dns1123LabelPrefix" => text.len() <= 63 && label(&prefix(text), false),
        "dns1123SubdomainPrefix" => {
            text.len() <= 253 && prefix(text).split('.').all(|part| label(part, false))
        }
        "dns1035LabelPrefix" => text.len() <= 63 && label(&prefix(text), true),
        "qualifiedName" => match text.split_once('/') {
            None => plain_name(text),
            Some((domain, name)) => {
                domain.len() <= 253 && domain.split('.').all(|part| label(part, false)) && plain_name(name)
            }
        },
        "labelValue" => text.is_empty() || plain_name(text),
        "uri" => super::urls::is_url_text(text),
        "uuid" => uuid(text),
        "byte" => {
            use base64::Engine as _;
            !text.is_empty() && base64::engine::general_purpose::STANDARD.decode(text).is_ok()
        }
        "date" => text.len() == 10 && moment(&format!("{text}T00:00:00Z")),
        "datetime" => moment(text),
        _ => false,
    };
    (!fits).then(|| format!("{text:?} is not of the format {name}"))
}

fn moment(text: &str) -> bool {
    super::super::moment::Timestamp::parse(text).is_some()
}

/// A prefix of a name may end in a dash, as those of generated names do. As Kubernetes asks: with a letter in place of
/// its last two.
fn prefix(text: &str) -> Cow<'_, str> {
    match text.strip_suffix('-').map(|rest| rest.char_indices().next_back()) {
        Some(Some((last, _))) => Cow::Owned(format!("{}a", &text[..last])),
        _ => Cow::Borrowed(text),
    }
}

fn label(text: &str, letter_first: bool) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let first = |byte: u8| {
        if letter_first {
            byte.is_ascii_lowercase()
        } else {
            inner(byte)
        }
    };
    text.bytes().next().is_some_and(first)
        && text.bytes().last().is_some_and(inner)
        && text.bytes().all(|byte| inner(byte) || byte == b'-')
}

fn plain_name(text: &str) -> bool {
    let ends = |byte: u8| byte.is_ascii_alphanumeric();
    (1..=63).contains(&text.len())
        && text.bytes().next().is_some_and(ends)
        && text.bytes().last().is_some_and(ends)
        && text.bytes().all(|byte| ends(byte) || b"-_.".contains(&byte))
}

/// Its dashes are where they belong, or left out.
fn uuid(text: &str) -> bool {
    let mut rest = text;
    for length in [8, 4, 4, 4, 12] {
        let Some((digits, after)) = rest.split_at_checked(length) else {
            return false;
        };
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return false;
        }
        rest = if length == 12 {
            after
        } else {
            after.strip_prefix('-').unwrap_or(after)
        };
    }
    rest.is_empty()
}
