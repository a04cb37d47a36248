//! Where base64 goes wrong, as Go counts it.

/// What is wrong with a text that should be base64. The text itself is not repeated: it may be a secret.
pub(super) fn mistake(text: &str) -> Option<String> {
    corrupt(text.as_bytes()).map(|place| format!("illegal base64 data at input byte {place}"))
}

fn corrupt(text: &[u8]) -> Option<usize> {
    let is_break = |byte: u8| byte == b'\n' || byte == b'\r';
    let skip = |mut at: usize| {
        while text.get(at).is_some_and(|byte| is_break(*byte)) {
            at += 1;
        }
        at
    };
    let (mut at, mut held) = (0, 0);
    while let Some(byte) = text.get(at) {
        at += 1;
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'+' | b'/' => held = (held + 1) % 4,
            byte if is_break(*byte) => {}
            b'=' if held == 2 => {
                at = skip(at);
                match text.get(at) {
                    None => return Some(text.len()),
                    Some(b'=') => {}
                    Some(_) => return Some(at - 1),
                }
                let end = skip(at + 1);
                return (end < text.len()).then_some(end);
            }
            b'=' if held == 3 => {
                let end = skip(at);
                return (end < text.len()).then_some(end);
            }
            _ => return Some(at - 1),
        }
    }
    // The last letters are no whole group.
    (held > 0).then(|| at - held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_is_the_one_go_names() {
        for (text, expect) in [
            ("", None),
            ("YWJj", None),
            ("YWI=", None),
            ("YQ==", None),
            ("YQ=\n=\n", None),
            ("%%%", Some(0)),
            ("YWJ%", Some(3)),
            ("YWJjZA", Some(4)),
            ("YQ=", Some(3)),
            ("YQ==YQ==", Some(4)),
            ("=", Some(0)),
        ] {
            assert_eq!(corrupt(text.as_bytes()), expect, "{text}");
        }
    }
}
