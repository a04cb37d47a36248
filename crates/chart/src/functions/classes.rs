//! Character classes of regular expressions, read as Go's `regexp/syntax` reads them and written for Rust's crate.

use std::fmt::Write as _;

/// The names that may stand in `[:…:]`.
const NAMES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space",
    "upper", "word", "xdigit",
];

/// Translates the class that a text begins with; gives what follows it.
pub(super) fn translate<'text>(text: &'text str, out: &mut String) -> Result<&'text str, String> {
    let mut rest = &text[1..];
    out.push('[');
    if let Some(after) = rest.strip_prefix('^') {
        out.push('^');
        rest = after;
    }
    let mut is_first = true;
    while is_first || !rest.starts_with(']') {
        is_first = false;
        rest = match named(rest, out)? {
            Some(after) => after,
            None => range(text, rest, out)?,
        };
    }
    out.push(']');
    Ok(&rest[1..])
}

/// `[:alpha:]`, `\d` and `\p{Greek}`: what stands for many characters.
fn named<'text>(text: &'text str, out: &mut String) -> Result<Option<&'text str>, String> {
    if let Some(inner) = text.strip_prefix("[:")
        && let Some(end) = inner.find(":]")
    {
        let (name, whole) = (&inner[..end], &text[..end + 4]);
        if !NAMES.contains(&name.strip_prefix('^').unwrap_or(name)) {
            return Err(format!("invalid character class range: `{whole}`"));
        }
        out.push_str(whole);
        return Ok(Some(&text[whole.len()..]));
    }
    let Some(escape) = text.strip_prefix('\\').and_then(|after| after.chars().next()) else {
        return Ok(None);
    };
    let set = match escape {
        'd' => "0-9",
        'D' => "[^0-9]",
        'w' => "0-9A-Za-z_",
        'W' => "[^0-9A-Za-z_]",
        's' => r"\t\n\f\r ",
        'S' => r"[^\t\n\f\r ]",
        'p' | 'P' => {
            let after = &text[2..];
            let length = if after.starts_with('{') {
                after.find('}').map(|end| end + 1)
            } else {
                after.chars().next().map(char::len_utf8)
            };
            let whole = &text[..2 + length.unwrap_or(after.len())];
            if length.is_none() {
                return Err(format!("invalid character class range: `{whole}`"));
            }
            out.push_str(whole);
            return Ok(Some(&text[whole.len()..]));
        }
        _ => return Ok(None),
    };
    out.push_str(set);
    Ok(Some(&text[2..]))
}

/// A character, or all from one to another.
fn range<'text>(class: &str, text: &'text str, out: &mut String) -> Result<&'text str, String> {
    let (low, mut rest) = character(class, text)?;
    let mut high = low;
    if let Some(after) = rest.strip_prefix('-')
        && !after.starts_with(']')
        && !after.is_empty()
    {
        (high, rest) = character(class, after)?;
        if high < low {
            let whole = &text[..text.len() - rest.len()];
            return Err(format!("invalid character class range: `{whole}`"));
        }
    }
    // Writing to a string cannot fail.
    let _ = write!(out, "\\x{{{low:X}}}");
    if high != low {
        let _ = write!(out, "-\\x{{{high:X}}}");
    }
    Ok(rest)
}

/// The code of one character, written as it is or escaped.
fn character<'text>(class: &str, text: &'text str) -> Result<(u32, &'text str), String> {
    let Some(first) = text.chars().next() else {
        return Err(format!("missing closing ]: `{class}`"));
    };
    let after = &text[first.len_utf8()..];
    if first != '\\' {
        return Ok((u32::from(first), after));
    }
    let Some(escape) = after.chars().next() else {
        return Err("trailing backslash at end of expression: ``".to_owned());
    };
    let rest = &after[escape.len_utf8()..];
    let wrong = |length: usize| {
        let shown: String = text.chars().take(length).collect();
        Err(format!("invalid escape sequence: `{shown}`"))
    };
    let octal = |digits: &'text str| {
        let length = digits
            .bytes()
            .take(3)
            .take_while(|byte| matches!(byte, b'0'..=b'7'))
            .count();
        (
            u32::from_str_radix(&digits[..length], 8).unwrap_or(0),
            &digits[length..],
        )
    };
    Ok(match escape {
        // One digit would be a reference to a group.
        '1'..='7' if !rest.starts_with(|next: char| matches!(next, '0'..='7')) => return wrong(2),
        '0'..='7' => octal(after),
        'x' => {
            let (digits, behind) = match rest.strip_prefix('{') {
                Some(inner) => match inner.find('}') {
                    Some(end) => (&inner[..end], &inner[end + 1..]),
                    None => return wrong(usize::MAX),
                },
                None => match rest.get(..2) {
                    Some(digits) => (digits, &rest[2..]),
                    None => return wrong(usize::MAX),
                },
            };
            let code = u32::from_str_radix(digits, 16).ok();
            match code.filter(|code| char::from_u32(*code).is_some()) {
                Some(code) => (code, behind),
                None => return wrong(text[..text.len() - behind.len()].chars().count()),
            }
        }
        'a' => (7, rest),
        'f' => (12, rest),
        'n' => (10, rest),
        'r' => (13, rest),
        't' => (9, rest),
        'v' => (11, rest),
        other if other.is_ascii_punctuation() || other.is_ascii() && !other.is_ascii_alphanumeric() => {
            (u32::from(other), rest)
        }
        _ => return wrong(2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_mean_what_they_mean_in_go() {
        let check = |text: &str, expect: Result<(&str, &str), &str>| {
            let mut out = String::new();
            let found = translate(text, &mut out);
            let found = found.as_ref().map(|rest| (out.as_str(), *rest));
            assert_eq!(found.map_err(String::as_str), expect, "{text}");
        };
        check("[a-c]x", Ok((r"[\x{61}-\x{63}]", "x")));
        check("[]]", Ok((r"[\x{5D}]", "")));
        check("[^]-]", Ok((r"[^\x{5D}\x{2D}]", "")));
        check("[a-z--9]", Ok((r"[\x{61}-\x{7A}\x{2D}-\x{39}]", "")));
        check(r"[\d-z]", Ok((r"[0-9\x{2D}\x{7A}]", "")));
        check(
            r"[\]\x41\x{263a}\n\101]",
            Ok((r"[\x{5D}\x{41}\x{263A}\x{A}\x{41}]", "")),
        );
        check("[[:^alpha:][]", Ok((r"[[:^alpha:]\x{5B}]", "")));
        check(r"[\p{Greek}\PL]", Ok((r"[\p{Greek}\PL]", "")));
        check("[[:foo:]]", Err("invalid character class range: `[:foo:]`"));
        check("[a--b]", Err("invalid character class range: `a--`"));
        check("[a-[:digit:]]", Err("invalid character class range: `a-[`"));
        check(r"[a-\d]", Err(r"invalid escape sequence: `\d`"));
        check(r"[\1]", Err(r"invalid escape sequence: `\1`"));
        check("[a", Err("missing closing ]: `[a`"));
        check("[a-", Err("missing closing ]: `[a-`"));
    }
}
