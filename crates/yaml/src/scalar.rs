//! What a scalar means: go-yaml v2's resolution of plain text and tags (`resolve.go`).
//!
//! It knows nothing of documents or places.

use base64::Engine as _;

/// A scalar after resolution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// A whole number beyond `i64`.
    UInt(u64),
    Float(f64),
    String,
    /// A `!!binary` value, decoded.
    Bytes(Vec<u8>),
    /// Looks like a timestamp; it stays the text it is, but is quoted on the way out.
    Timestamp,
}

/// The tags of YAML's core that change what a scalar means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    None,
    Str,
    Bool,
    Int,
    Float,
    Null,
    Timestamp,
    Binary,
    Merge,
    /// Any other tag: the text stays as it is.
    Other,
}

impl Tag {
    pub(crate) fn from_uri(handle: &str, suffix: &str) -> Self {
        let full = format!("{handle}{suffix}");
        match full
            .strip_prefix("tag:yaml.org,2002:")
            .or_else(|| full.strip_prefix("!!"))
        {
            Some("str") => Self::Str,
            Some("bool") => Self::Bool,
            Some("int") => Self::Int,
            Some("float") => Self::Float,
            Some("null") => Self::Null,
            Some("timestamp") => Self::Timestamp,
            Some("binary") => Self::Binary,
            Some("merge") => Self::Merge,
            _ => Self::Other,
        }
    }

    fn short(self) -> &'static str {
        match self {
            Self::Bool => "!!bool",
            Self::Int => "!!int",
            Self::Float => "!!float",
            Self::Null => "!!null",
            Self::Timestamp => "!!timestamp",
            Self::Binary => "!!binary",
            Self::Merge => "!!merge",
            Self::None | Self::Str | Self::Other => "!!str",
        }
    }
}

/// Resolves a scalar. `plain` says that it was written without quotes or block indicators.
pub(crate) fn resolve(tag: Tag, plain: bool, text: &str) -> Result<Scalar, String> {
    let (found, scalar) = match tag {
        Tag::None if !plain => return Ok(Scalar::String),
        Tag::Str | Tag::Other | Tag::Merge => return Ok(Scalar::String),
        Tag::Binary => {
            let packed: String = text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect();
            return base64::engine::general_purpose::STANDARD
                .decode(packed)
                .map(Scalar::Bytes)
                .map_err(|_| "!!binary value contains invalid base64 data".to_owned());
        }
        _ => guess(tag, text),
    };
    match (tag, found) {
        (Tag::None, _) => Ok(scalar),
        (wanted, found) if wanted == found => Ok(scalar),
        (Tag::Float, Tag::Int) => Ok(match scalar {
            Scalar::Int(value) => Scalar::Float(value as f64),
            Scalar::UInt(value) => Scalar::Float(value as f64),
            other => other,
        }),
        (wanted, found) => Err(format!(
            "cannot decode {} `{text}` as a {}",
            found.short(),
            wanted.short()
        )),
    }
}

/// What plain text means without a tag.
pub(crate) fn resolve_plain(text: &str) -> Scalar {
    guess(Tag::None, text).1
}

fn guess(tag: Tag, text: &str) -> (Tag, Scalar) {
    let Some(first) = text.bytes().next() else {
        return (Tag::Null, Scalar::Null);
    };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text),
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" => (Tag::Float, Scalar::Float(f64::NAN)),
            ".inf" | ".Inf" | ".INF" => (Tag::Float, Scalar::Float(f64::INFINITY)),
            _ => go_float(text).map_or((Tag::Str, Scalar::String), |value| {
                (Tag::Float, Scalar::Float(value))
            }),
        },
        b'+' | b'-' | b'0'..=b'9' => number(tag, text),
        _ => (Tag::Str, Scalar::String),
    }
}

fn word(text: &str) -> (Tag, Scalar) {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            (Tag::Bool, Scalar::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            (Tag::Bool, Scalar::Bool(false))
        }
        "~" | "null" | "Null" | "NULL" => (Tag::Null, Scalar::Null),
        _ => (Tag::Str, Scalar::String),
    }
}

fn number(tag: Tag, text: &str) -> (Tag, Scalar) {
    match text {
        "+.inf" | "+.Inf" | "+.INF" => return (Tag::Float, Scalar::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return (Tag::Float, Scalar::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    if matches!(tag, Tag::None | Tag::Timestamp) && is_timestamp(text) {
        return (Tag::Timestamp, Scalar::Timestamp);
    }
    let plain: String = text.chars().filter(|c| *c != '_').collect();
    if let Some(value) = whole_number(&plain) {
        return (Tag::Int, value);
    }
    if is_yaml_float(&plain)
        && let Some(value) = go_float(&plain)
    {
        return (Tag::Float, Scalar::Float(value));
    }
    (Tag::Str, Scalar::String)
}

/// Go's `strconv.ParseInt(text, 0, 64)`, then `ParseUint`: the prefixes 0x, 0o, 0b and a leading zero count.
fn whole_number(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = digits.len() != text.len();
    let lower = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, body) = match lower.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if body.is_empty() || !body.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let magnitude = u64::from_str_radix(body, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int);
    }
    match i64::try_from(magnitude) {
        Ok(value) => Some(Scalar::Int(value)),
        // ParseUint takes no sign.
        Err(_) if signed => None,
        Err(_) => Some(Scalar::UInt(magnitude)),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn is_yaml_float(text: &str) -> bool {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    let whole = digits(rest);
    rest = &rest[whole..];
    if let Some(fraction) = rest.strip_prefix('.') {
        let length = digits(fraction);
        if whole == 0 && length == 0 {
            return false;
        }
        rest = &fraction[length..];
    } else if whole == 0 {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let Some(exponent) = rest.strip_prefix(['e', 'E']) else {
        return false;
    };
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    !exponent.is_empty() && digits(exponent) == exponent.len()
}

/// A decimal float; out of range is no float, as in Go.
fn go_float(text: &str) -> Option<f64> {
    if !text
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'))
    {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite())
}

/// The few forms of a timestamp that go-yaml knows: a date, a date and time with a zone after `T`, or without
/// one after a blank.
fn is_timestamp(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('-') else {
        return false;
    };
    if year.len() != 4 || !year.bytes().all(|b| b.is_ascii_digit()) {
        return false;
    }
    let Some((month, rest)) = take_number(rest, 1, 12) else {
        return false;
    };
    let Some(rest) = rest.strip_prefix('-') else {
        return false;
    };
    let Some((day, rest)) = take_number(rest, 1, 31) else {
        return false;
    };
    let year: u32 = year.parse().unwrap_or(0);
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let days = match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day > days {
        return false;
    }
    if rest.is_empty() {
        return true;
    }
    let zoned = rest.starts_with(['T', 't']);
    let Some(rest) = rest.strip_prefix(['T', 't', ' ']) else {
        return false;
    };
    let Some(rest) = time_of_day(rest) else {
        return false;
    };
    if zoned { is_zone(rest) } else { rest.is_empty() }
}

fn time_of_day(text: &str) -> Option<&str> {
    // Go's "15" takes one or two digits, like "4" and "5".
    let (_, rest) = take_number(text, 0, 23)?;
    let (_, rest) = take_number(rest.strip_prefix(':')?, 0, 59)?;
    let (_, rest) = take_number(rest.strip_prefix(':')?, 0, 59)?;
    let Some(fraction) = rest.strip_prefix(['.', ',']) else {
        return Some(rest);
    };
    let length = fraction.bytes().take_while(u8::is_ascii_digit).count();
    (length > 0).then(|| &fraction[length..])
}

fn is_zone(text: &str) -> bool {
    if text == "Z" {
        return true;
    }
    let Some(rest) = text.strip_prefix(['+', '-']) else {
        return false;
    };
    matches!(rest.as_bytes(), [a, b, b':', c, d]
        if [a, b, c, d].iter().all(|x| x.is_ascii_digit()) && (*a, *b) <= (b'2', b'4') && *c <= b'5')
}

/// One or two digits within bounds, and what follows.
fn take_number(text: &str, least: u32, most: u32) -> Option<(u32, &str)> {
    let length = text.bytes().take_while(u8::is_ascii_digit).count().min(2);
    let number = text[..length].parse().ok()?;
    (least..=most)
        .contains(&number)
        .then(|| (number, &text[length..]))
}

/// Base 60 (`1:30`), which is not read as a number here but is quoted on the way out for those who do.
pub(crate) fn is_base_60(text: &str) -> bool {
    let body = text.strip_prefix(['-', '+']).unwrap_or(text);
    let mut parts = body.split(':');
    let Some(first) = parts.next() else { return false };
    if !first.starts_with(|c: char| c.is_ascii_digit())
        || !first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
    {
        return false;
    }
    let mut rest: Vec<&str> = parts.collect();
    let Some(last) = rest.last_mut() else { return false };
    if let Some((whole, fraction)) = last.split_once('.') {
        if !fraction.bytes().all(|b| b.is_ascii_digit() || b == b'_') {
            return false;
        }
        *last = whole;
    }
    rest.iter().all(|part| match part.as_bytes() {
        [digit] => digit.is_ascii_digit(),
        [tens, digit] => (b'0'..=b'5').contains(tens) && digit.is_ascii_digit(),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expect: &Scalar) {
        assert_eq!(&resolve_plain(text), expect, "{text:?}");
    }

    #[test]
    fn plain_text_means_what_go_yaml_says() {
        for text in ["y", "Yes", "ON", "true", "TRUE"] {
            check(text, &Scalar::Bool(true));
        }
        for text in ["n", "No", "off", "false"] {
            check(text, &Scalar::Bool(false));
        }
        for text in ["", "~", "null", "NULL"] {
            check(text, &Scalar::Null);
        }
        for text in [
            "yEs",
            "nope",
            "1.2.3",
            "1e",
            "0x",
            "0b2",
            "089",
            "1 2",
            "-",
            "+",
            ".",
            "..",
            "-.",
            "0o8",
            "1__",
            "v1",
            "1:30",
            "2001-13-01",
            "2001-02-30",
            "99999999999999999999x",
            "1e400",
            "0xg",
            "-0xfffffffffffffffff",
        ] {
            if text == "1__" {
                check(text, &Scalar::Int(1));
            } else if text == "089" {
                // No octal number, but YAML's pattern for floats takes it.
                check(text, &Scalar::Float(89.0));
            } else {
                check(text, &Scalar::String);
            }
        }
        check("014", &Scalar::Int(12));
        check("0o14", &Scalar::Int(12));
        check("0x1F", &Scalar::Int(31));
        check("0b101", &Scalar::Int(5));
        check("-0b101", &Scalar::Int(-5));
        check("1_000", &Scalar::Int(1000));
        check("+7", &Scalar::Int(7));
        check("-9223372036854775808", &Scalar::Int(i64::MIN));
        check("18446744073709551615", &Scalar::UInt(u64::MAX));
        check(
            "18446744073709551616",
            &Scalar::Float(18_446_744_073_709_551_616.0),
        );
        check("1.", &Scalar::Float(1.0));
        check(".5", &Scalar::Float(0.5));
        check("1e3", &Scalar::Float(1000.0));
        check("685.230_15e+03", &Scalar::Float(685_230.15));
        check(".inf", &Scalar::Float(f64::INFINITY));
        check("-.INF", &Scalar::Float(f64::NEG_INFINITY));
        check("2001-12-14", &Scalar::Timestamp);
        check("2001-12-14t21:59:43.10-05:00", &Scalar::Timestamp);
        check("2001-12-14 21:59:43", &Scalar::Timestamp);
        check("2001-12-14 21:59:43.10 -5", &Scalar::String);
    }

    #[test]
    fn tags_are_obeyed_or_refused() {
        let check = |tag, plain, text, expect: Result<Scalar, &str>| {
            assert_eq!(
                resolve(tag, plain, text),
                expect.map_err(str::to_owned),
                "{tag:?} {text:?}"
            );
        };
        check(Tag::None, false, "yes", Ok(Scalar::String));
        check(Tag::Str, true, "12", Ok(Scalar::String));
        check(Tag::Int, false, "12", Ok(Scalar::Int(12)));
        check(Tag::Float, true, "12", Ok(Scalar::Float(12.0)));
        check(
            Tag::Bool,
            true,
            "abc",
            Err("cannot decode !!str `abc` as a !!bool"),
        );
        check(
            Tag::Int,
            true,
            "1.5",
            Err("cannot decode !!float `1.5` as a !!int"),
        );
        check(Tag::Binary, true, "aGk=", Ok(Scalar::Bytes(b"hi".to_vec())));
        check(
            Tag::Binary,
            true,
            "a",
            Err("!!binary value contains invalid base64 data"),
        );
        check(Tag::Other, true, "12", Ok(Scalar::String));
    }

    #[test]
    fn base_60_is_known_when_seen() {
        for (text, expect) in [
            ("1:30", true),
            ("190:20:30", true),
            ("190:20:30.15", true),
            ("-1:5", true),
            ("1:60", false),
            ("a:1", false),
            ("1", false),
            ("1:", false),
            ("::1", false),
            ("1:2:x", false),
        ] {
            assert_eq!(is_base_60(text), expect, "{text:?}");
        }
    }
}
