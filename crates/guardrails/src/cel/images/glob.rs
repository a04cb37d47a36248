//! Globs for image references, as `matchImageReferences` has them: `*` for any run of characters, slashes too, `?` for
//! one, `[abc]`, `[!a-z]` for one of some, `{a,b}` for one of several texts, and a backslash before what is meant plainly.

use regex::{Regex, RegexBuilder};

/// A glob, ready to be matched.
#[derive(Debug, Clone)]
pub(super) struct Glob(Regex);

/// How deep alternatives may nest.
const MAX_NESTING: usize = 8;

impl Glob {
    /// Reads a glob; the error says why it is none.
    pub(super) fn read(text: &str) -> Result<Glob, String> {
        if text.len() > 1024 {
            return Err("the glob is too long".to_owned());
        }
        let mut pattern = String::from("^(?:");
        let mut nesting = 0;
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => pattern.push_str(".*"),
                '?' => pattern.push('.'),
                '\\' => {
                    let plain = letters.next().ok_or("nothing follows the last backslash")?;
                    pattern.push_str(&regex::escape(plain.encode_utf8(&mut [0; 4])));
                }
                '{' if nesting == MAX_NESTING => return Err("the alternatives nest too deep".to_owned()),
                '{' => {
                    nesting += 1;
                    pattern.push_str("(?:");
                }
                '}' if nesting > 0 => {
                    nesting -= 1;
                    pattern.push(')');
                }
                ',' if nesting > 0 => pattern.push('|'),
                '[' => {
                    let rest: String = letters.clone().collect();
                    let (inner, _) = rest.split_once(']').ok_or("a bracket is not closed")?;
                    pattern.push_str(&one_of(inner)?);
                    letters.nth(inner.chars().count());
                }
                other => pattern.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
            }
        }
        if nesting > 0 {
            return Err("a brace is not closed".to_owned());
        }
        pattern.push_str(")$");
        RegexBuilder::new(&pattern)
            .dot_matches_new_line(true)
            .size_limit(1 << 17)
            .build()
            .map(Glob)
            .map_err(|_| "the glob is too large".to_owned())
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// A class of characters: those that are listed, or all from one to another; `!` means all others.
fn one_of(inner: &str) -> Result<String, String> {
    let (not, listed) = match inner.strip_prefix('!') {
        Some(rest) => ("^", rest),
        None => ("", inner),
    };
    let letters: Vec<char> = listed.chars().collect();
    let class = match letters.as_slice() {
        [] => return Err("the brackets are empty".to_owned()),
        [from, '-', to] if from <= to => format!("{}-{}", escaped(*from), escaped(*to)),
        letters if letters.contains(&'-') => return Err(format!("[{inner}] is no range")),
        letters => letters.iter().copied().map(escaped).collect(),
    };
    Ok(format!("[{not}{class}]"))
}

/// A character as it stands within a class.
fn escaped(letter: char) -> String {
    if letter.is_alphanumeric() {
        letter.to_string()
    } else {
        format!("\\x{{{:X}}}", u32::from(letter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matches() {
        let check = |glob: &str, text: &str, expect: bool| {
            let matches = Glob::read(glob).map(|glob| glob.matches(text));
            assert_eq!(matches, Ok(expect), "{glob} {text}");
        };
        check("ghcr.io/*", "ghcr.io/acme/shop:v1", true);
        check("ghcr.io/*", "ghcrxio/acme", false);
        check("*", "", true);
        check("**/shop", "a/b/shop", true);
        check("a?", "ab", true);
        check("a?", "a", false);
        check("{ghcr,docker}.io/[ab]*", "docker.io/b1", true);
        check("{ghcr,docker}.io/[ab]*", "docker.io/c1", false);
        check("{a,{b,c}d}", "cd", true);
        check("[!a-c]", "d", true);
        check("[!a-c]", "b", false);
        check("[.^]x", "^x", true);
        check("a\\*", "a*", true);
        check("a\\*", "ab", false);
        check("a,b}", "a,b}", true);
        for glob in [
            "[a",
            "{a",
            "a\\",
            "[]",
            "[z-a]",
            "{{{{{{{{{a}}}}}}}}}",
            &"a".repeat(2000),
        ] {
            assert!(Glob::read(glob).is_err(), "{glob}");
        }
    }
}
