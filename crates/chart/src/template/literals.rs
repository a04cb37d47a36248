//! What strings, characters and numbers mean, by Go's rules for literals.

use std::sync::Arc;

use super::ast::{NumberTerm, Term};
use super::lexer::{Kind, Token};
use super::parser::Parsed;

/// What a string token means.
pub(super) fn unquote(token: &Token<'_>) -> Parsed<Arc<str>> {
    let inner = &token.text[1..token.text.len() - 1];
    if token.kind == Kind::RawStr {
        return Ok(Arc::from(inner.replace('\r', "")));
    }
    unescape(inner, '"')
        .map(Arc::from)
        .ok_or_else(|| (token.offset, "invalid syntax".to_owned()))
}

/// Go's escapes; `\x` and octal ones give bytes.
fn unescape(text: &str, quote: char) -> Option<String> {
    if !text.contains('\\') {
        return Some(text.to_owned());
    }
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character != '\\' {
            bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = rest.chars().next()?;
        rest = &rest[escape.len_utf8()..];
        let mut digits = |count: usize, radix: u32, lead: Option<char>| -> Option<u32> {
            let mut value = lead.map_or(Some(0), |c| c.to_digit(radix))?;
            for _ in 0..count {
                let digit = rest.chars().next()?.to_digit(radix)?;
                value = value.checked_mul(radix)?.checked_add(digit)?;
                rest = &rest[1..];
            }
            Some(value)
        };
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            'x' => bytes.push(u8::try_from(digits(2, 16, None)?).ok()?),
            '0'..='7' => bytes.push(u8::try_from(digits(2, 8, Some(escape))?).ok()?),
            'u' => bytes.extend(
                char::from_u32(digits(4, 16, None)?)?
                    .encode_utf8(&mut [0; 4])
                    .as_bytes(),
            ),
            'U' => bytes.extend(
                char::from_u32(digits(8, 16, None)?)?
                    .encode_utf8(&mut [0; 4])
                    .as_bytes(),
            ),
            _ if escape == quote => bytes.push(quote as u8),
            _ => return None,
        }
    }
    Some(
        String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
    )
}

/// A number or character constant.
pub(super) fn number(token: &Token<'_>) -> Parsed<Term> {
    let bad = || (token.offset, format!("bad number syntax: {:?}", token.text));
    let written: Arc<str> = Arc::from(token.text);
    if token.kind == Kind::Char {
        let inner = unescape(&token.text[1..token.text.len() - 1], '\'');
        let mut characters = inner.as_deref().unwrap_or("").chars();
        let (Some(character), None) = (characters.next(), characters.next()) else {
            return Err((
                token.offset,
                format!("malformed character constant: {}", token.text),
            ));
        };
        let code = i64::from(u32::from(character));
        return Ok(Term::Number(NumberTerm {
            written,
            int: Some(code),
            float: Some(code as f64),
            prefers_float: false,
        }));
    }
    let unsigned = token.text.strip_prefix(['+', '-']).unwrap_or(token.text);
    let negative = token.text.starts_with('-');
    let lower = unsigned.to_ascii_lowercase().replace('_', "");
    let radix_and_digits = match lower.get(..2) {
        Some("0x") => Some((16, &lower[2..])),
        Some("0b") => Some((2, &lower[2..])),
        Some("0o") => Some((8, &lower[2..])),
        _ if lower.len() > 1 && lower.starts_with('0') && lower.bytes().all(|b| b.is_ascii_digit()) => {
            Some((8, &lower[1..]))
        }
        _ => None,
    };
    let magnitude = match radix_and_digits {
        Some((16, digits)) if digits.contains('p') => None,
        Some((radix, digits)) => Some(i128::from(u64::from_str_radix(digits, radix).map_err(|_| bad())?)),
        None => lower.parse::<u64>().ok().map(i128::from),
    };
    if let Some(magnitude) = magnitude {
        let value = if negative { -magnitude } else { magnitude };
        let int = i64::try_from(value)
            .map_err(|_| (token.offset, format!("integer overflow: {:?}", token.text)))?;
        return Ok(Term::Number(NumberTerm {
            written,
            int: Some(int),
            float: Some(int as f64),
            prefers_float: false,
        }));
    }
    let is_decimal = lower
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'+' | b'-'));
    let magnitude = match lower.strip_prefix("0x") {
        Some(digits) => hexadecimal_float(digits),
        None => lower.parse::<f64>().ok().filter(|_| is_decimal),
    };
    let magnitude = magnitude.filter(|value| value.is_finite()).ok_or_else(bad)?;
    let value = if negative { -magnitude } else { magnitude };
    // A float that is a whole number may stand where a whole number is wanted.
    let int = (value.fract() == 0.0 && value.abs() < 9.2e18).then_some(value as i64);
    Ok(Term::Number(NumberTerm {
        written,
        int,
        float: Some(value),
        prefers_float: true,
    }))
}

/// `1.8p3`: hexadecimal digits times a power of two.
fn hexadecimal_float(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{fraction}");
    // More digits than these would have to be rounded; nobody writes them.
    if digits.is_empty() || digits.len() > 13 {
        return None;
    }
    let mantissa = u64::from_str_radix(&digits, 16).ok()? as f64;
    let fraction = i32::try_from(fraction.len()).ok()?;
    Some(mantissa * 2_f64.powi(exponent.checked_sub(4 * fraction)?))
}
