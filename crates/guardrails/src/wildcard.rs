//! Kyverno's wildcards: `*` for any run of characters (none too), `?` for exactly one.
//! There is no escape and no character class.

/// Whether the text holds a wildcard at all.
use ::cel::budget::{Budget, Exhausted};

pub(crate) fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// Whether the whole of `text` matches `pattern`, paying for the worst case first.
pub(crate) fn matches_within(pattern: &str, text: &str, budget: &Budget) -> Result<bool, Exhausted> {
    let stars = pattern.bytes().filter(|byte| *byte == b'*').count();
    let cost = if stars > 1 {
        pattern.len().saturating_mul(text.len()) / 64
    } else {
        text.len() / 64
    };
    budget.spend(1 + cost)?;
    Ok(matches(pattern, text))
}

/// Whether the whole of `text` matches `pattern`, in which `*` is any run of characters and `?` is one. Time is at most the
/// product of both lengths.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, bytes) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // Where to go on when the last `*` must take one more character.
    let mut retry: Option<(usize, usize)> = None;
    while t < bytes.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p + 1, t));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                t += character_length(bytes[t]);
            }
            Some(byte) if *byte == bytes[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((after_star, from)) = retry else {
                    return false;
                };
                let from = from + character_length(bytes[from]);
                retry = Some((after_star, from));
                p = after_star;
                t = from;
            }
        }
    }
    pattern[p.min(pattern.len())..].iter().all(|byte| *byte == b'*')
}

/// How many bytes the character takes whose first byte this is.
fn character_length(first: u8) -> usize {
    match first {
        0xF0.. => 4,
        0xE0.. => 3,
        0xC0.. => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn matches_as_kyverno_does() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(matches(pattern, text), expect, "{pattern:?} on {text:?}");
        };
        check("", "", true);
        check("", "a", false);
        check("*", "", true);
        check("*", "anything at all", true);
        check("?", "", false);
        check("?", "a", true);
        check("?", "é", true);
        check("??", "é", false);
        check("?*", "", false);
        check("?*", "a", true);
        check("*?", "", false);
        check("a?", "a", false);
        check("a?", "ab", true);
        check("a.c", "abc", false);
        check("a**", "a", true);
        check("a*b*c", "aXbYc", true);
        check("a*b*c", "aXcYb", false);
        check("*:latest", "nginx:latest", true);
        check("*:latest", "nginx:latest-1", false);
        check("*a*b", "aaaaaaaab", true);
        check("*é?", "aéü", true);
        check("kube-*", "kube-system", true);
        check("[a]", "a", false);
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_definition(pattern in "[a?*é]{0,8}", text in "[abé]{0,8}") {
            fn obvious(pattern: &[char], text: &[char]) -> bool {
                match (pattern.first(), text.first()) {
                    (None, None) => true,
                    (Some('*'), _) => {
                        obvious(&pattern[1..], text) || (!text.is_empty() && obvious(pattern, &text[1..]))
                    }
                    (Some('?'), Some(_)) => obvious(&pattern[1..], &text[1..]),
                    (Some(p), Some(t)) if p == t => obvious(&pattern[1..], &text[1..]),
                    _ => false,
                }
            }
            let p: Vec<char> = pattern.chars().collect();
            let t: Vec<char> = text.chars().collect();
            prop_assert_eq!(matches(&pattern, &text), obvious(&p, &t));
        }
    }
}
