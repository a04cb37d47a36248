//! The escapes of URLs (`%20`), as Go's `net/url` undoes and writes them, and hexadecimal digits.

/// The bytes that a text with escapes stands for; `None` when a percent sign has no two digits behind it.
pub fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = rest
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    Some(bytes)
}

/// Bytes with escapes for all that is neither letter, digit, one of `-_.~` nor to be kept.
pub fn escaped(bytes: &[u8], kept: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) || kept.contains(byte) {
            text.push(char::from(*byte));
        } else {
            text.push('%');
            text.push_str(&hex(&[*byte]).to_uppercase());
        }
    }
    text
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone_and_written() {
        assert_eq!(unescaped("a%20b%C3%a9"), Some("a bé".into()));
        for text in ["%", "%2", "%zz", "%+1", "é%é"] {
            assert_eq!(unescaped(text), None, "{text}");
        }
        assert_eq!(escaped("a b/é~".as_bytes(), b"/"), "a%20b/%C3%A9~");
        assert_eq!(escaped(b"/", b""), "%2F");
    }
}
