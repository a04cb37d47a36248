//! Regular expressions. Go's RE2 and Rust's `regex` share their syntax but for details; both run in linear time.

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::{Arguments, MAX_TEXT};
use crate::jmespath::QueryError;

/// The largest compiled size of a regular expression, in bytes.
const MAX_SIZE: usize = 256 * 1024;

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let pattern = compile(args)?;
    let source = args.text_of(1);
    args.world.budget.spend(source.len() / 16)?;
    if args.name == "regex_match" {
        return Ok(Value::Bool(pattern.is_match(&source)));
    }
    let replacement = args.text_of(2);
    let grown = source
        .len()
        .saturating_add(1)
        .saturating_mul(replacement.len().saturating_add(1));
    if grown > MAX_TEXT.saturating_mul(8) {
        return args.failed("builds a text that is too long");
    }
    let mut text = String::new();
    let mut end = 0;
    for captures in pattern.captures_iter(&source) {
        let Some(whole) = captures.get(0) else { continue };
        // The search for the next match may look at all that is left of the text.
        args.world.budget.spend(1 + (source.len() - whole.end()) / 512)?;
        text.push_str(&source[end..whole.start()]);
        end = whole.end();
        if args.name == "regex_replace_all" {
            captures.expand(&replacement, &mut text);
        } else {
            text.push_str(&replacement);
        }
    }
    text.push_str(&source[end..]);
    args.built(text)
}

fn compile(args: &Arguments<'_>) -> Result<Regex, QueryError> {
    let pattern = args.text(0);
    args.world.budget.spend(500 + pattern.len())?;
    let built = translated(pattern).and_then(|pattern| {
        RegexBuilder::new(&pattern)
            .size_limit(MAX_SIZE)
            .dfa_size_limit(MAX_SIZE)
            .nest_limit(50)
            .build()
            .ok()
    });
    match built {
        Some(regex) => Ok(regex),
        None => args.failed("cannot use this regular expression"),
    }
}

/// What Go means, in the syntax of Rust's crate: `\d`, `\w`, `\s` and `\b` are ASCII, `\Q…\E` quotes, and within
/// a class `[`, `&`, `~` stand for themselves. `None` when Go would not take it.
pub(super) fn translated(pattern: &str) -> Option<String> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(letter) = rest.chars().next() {
        let here = rest;
        rest = &rest[letter.len_utf8()..];
        match letter {
            '\\' => {
                let next = rest.chars().next()?;
                if next == 'Q' && !in_class {
                    let quoted = &rest[1..];
                    let end = quoted.find("\\E").unwrap_or(quoted.len());
                    out.push_str(&regex::escape(&quoted[..end]));
                    rest = quoted[end..].strip_prefix("\\E").unwrap_or_default();
                    continue;
                }
                rest = &rest[next.len_utf8()..];
                match next {
                    'd' => out.push_str("[0-9]"),
                    'D' => out.push_str("[^0-9]"),
                    'w' => out.push_str("[0-9A-Za-z_]"),
                    'W' => out.push_str("[^0-9A-Za-z_]"),
                    's' => out.push_str(r"[\t\n\f\r ]"),
                    'S' => out.push_str(r"[^\t\n\f\r ]"),
                    'b' if !in_class => out.push_str(r"(?-u:\b)"),
                    '<' | '>' | '1'..='9' => return None,
                    next => out.extend(['\\', next]),
                }
            }
            '[' if in_class => match here.strip_prefix("[:").and_then(|name| name.find(":]")) {
                Some(end) => {
                    let length = end + 4;
                    out.push_str(&here[..length]);
                    rest = &here[length..];
                }
                None => out.push_str("\\["),
            },
            '[' => {
                in_class = true;
                out.push('[');
                if let Some(negated) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = negated;
                }
                if let Some(closing) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = closing;
                }
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '&' | '~' if in_class => out.extend(['\\', letter]),
            '-' if in_class && rest.starts_with('-') => out.push_str("\\-"),
            // A brace that counts nothing stands for itself.
            '{' if !in_class && !counts(here) => out.push_str("\\{"),
            letter => out.push(letter),
        }
    }
    Some(out)
}

/// Whether a text begins with `{2}`, `{2,}` or `{2,3}`.
fn counts(text: &str) -> bool {
    let Some((inner, _)) = text[1..].split_once('}') else {
        return false;
    };
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_means() {
        let check = |pattern: &str, text: &str, expect: bool| {
            let regex = Regex::new(&translated(pattern).expect("Go takes it")).expect("a pattern");
            assert_eq!(regex.is_match(text), expect, "{pattern} on {text}");
        };
        check(r"^\d+$", "12", true);
        check(r"^\d+$", "١٢", false);
        check(r"^\w$", "é", false);
        check(r"^[\w-]+$", "a-b", true);
        check(r"^[^\s]+$", "a\u{a0}b", true);
        check(r"\bfoo\b", "a foo", true);
        check(r"^\Qa.b\E$", "a.b", true);
        check(r"^\Qa.b\E$", "axb", false);
        check("^[[a]+$", "[a[", true);
        check("^[a&&b]+$", "a&b", true);
        check("^[]a]+$", "]a", true);
        check("^[[:alpha:]]+$", "ab", true);
        check("^a{$", "a{", true);
        check("^a{2,3}$", "aa", true);
        check(r"^\{\{.*\}\}$", "{{ a }}", true);
        check(r"(?i)^é$", "É", true);
        assert_eq!(translated("\\"), None);
        assert_eq!(translated("(a)\\1"), None);
    }
}
