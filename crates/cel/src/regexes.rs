//! Regular expressions as Go means them, within bounds. Go's RE2 and Rust's `regex` share their syntax but for details,
//! and both run in time that is proportional to the text; in proportion to the pattern as well when it is made for that,
//! which is why a pattern has a size here, and a match a price.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::budget::{Budget, Exhausted};

/// The longest pattern, in bytes.
const MAX_LENGTH: usize = 4096;

/// The largest compiled size, in bytes.
const MAX_SIZE: usize = 512 * 1024;

/// The largest automaton, in states.
const MAX_STATES: usize = 10_000;

/// How many of the patterns that evaluations make a thread keeps: to compile one takes longer than most rules.
const MAX_KEPT: usize = 64;

thread_local! {
    static KEPT: RefCell<HashMap<String, Pattern>> = RefCell::default();
}

/// A regular expression, compiled.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// Shared, as every copy would have memory of its own to search with.
    regex: Arc<Regex>,
    states: usize,
}

impl Pattern {
    /// Compiles what is known before anything is evaluated; `None` when Go would not take it, or it is too large.
    pub fn new(pattern: &str) -> Option<Pattern> {
        let (pattern, states) = measured(pattern)?;
        Pattern::build(&pattern, states)
    }

    /// Compiles what an evaluation makes, which pays for it, and as much when it is compiled already.
    pub fn paid(pattern: &str, budget: &Budget) -> Result<Option<Pattern>, Exhausted> {
        budget.spend(100 + pattern.len() * 4)?;
        if let Some(kept) = KEPT.with_borrow(|kept| kept.get(pattern).cloned()) {
            budget.spend(kept.states * 4)?;
            return Ok(Some(kept));
        }
        let text = pattern;
        let Some((pattern, states)) = measured(pattern) else {
            return Ok(None);
        };
        budget.spend(states * 4)?;
        let built = Pattern::build(&pattern, states);
        if let Some(built) = &built {
            KEPT.with_borrow_mut(|kept| {
                if kept.len() >= MAX_KEPT {
                    kept.clear();
                }
                kept.insert(text.to_owned(), built.clone());
            });
        }
        Ok(built)
    }

    fn build(pattern: &str, states: usize) -> Option<Pattern> {
        let regex = RegexBuilder::new(pattern)
            .size_limit(MAX_SIZE)
            .dfa_size_limit(MAX_SIZE)
            .nest_limit(50)
            .build()
            .ok()?;
        let regex = Arc::new(regex);
        Some(Pattern { regex, states })
    }

    /// The regular expression, paid for one search through so many bytes.
    pub fn over(&self, length: usize, budget: &Budget) -> Result<&Regex, Exhausted> {
        self.pay(length, budget)?;
        Ok(&self.regex)
    }

    /// Pays for one more search, through so many bytes at the most.
    pub fn pay(&self, length: usize, budget: &Budget) -> Result<(), Exhausted> {
        budget.spend(1 + length.saturating_mul(self.states.max(FEW_STATES)) / STATES_PER_STEP)
    }
}

/// How many states are looked at for one step. In the worst case every byte of a text is held against all of them.
const STATES_PER_STEP: usize = 512;

/// Automata with fewer states cost as if they had these.
const FEW_STATES: usize = 32;

/// A pattern in the syntax of Rust's crate, and how many states its automaton will have, about.
fn measured(pattern: &str) -> Option<(String, usize)> {
    if pattern.len() > MAX_LENGTH {
        return None;
    }
    let pattern = translated(pattern)?;
    let hir = parse(&pattern)?;
    let states = states(&hir);
    (states <= MAX_STATES).then_some((pattern, states))
}

/// What a pattern says, once it is in the syntax of Rust's crate.
pub fn parse(pattern: &str) -> Option<Hir> {
    let mut parser = regex_syntax::ParserBuilder::new().nest_limit(50).build();
    parser.parse(pattern).ok()
}

/// Depth is bounded by the parser.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(Class::Bytes(_)) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        // Ranges of letters beyond ASCII take a few states each.
        HirKind::Class(class) if class.is_utf8() && class.maximum_len() <= Some(1) => 1,
        HirKind::Class(Class::Unicode(class)) => 4 * class.ranges().len(),
        HirKind::Capture(capture) => 2 + states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(1, usize::saturating_add)
        }
        HirKind::Repetition(repetition) => {
            let times = repetition
                .max
                .unwrap_or(repetition.min)
                .max(repetition.min)
                .max(1) as usize;
            (1 + states(&repetition.sub)).saturating_mul(times)
        }
    }
}

/// What Go means, in the syntax of Rust's crate: `\d`, `\w`, `\s` and `\b` are ASCII, `\Q…\E` quotes, and within
/// a class `[`, `&`, `~` stand for themselves. `None` when Go would not take it.
pub fn translated(pattern: &str) -> Option<String> {
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
    fn large_automata_cost_more() {
        let cost = |pattern: &str, length: usize| {
            let pattern = Pattern::new(pattern).expect("a pattern");
            (1..=20_000_000)
                .step_by(1000)
                .find(|steps| pattern.over(length, &Budget::of(*steps)).is_ok())
        };
        assert_eq!(cost("^[a-z]+$", 160_000), Some(10_001));
        assert_eq!(cost("[01]*1[01]{1000}x", 160_000), Some(627_001));
        assert!(Pattern::new("(a{100}){200}").is_none());
        assert!(Pattern::new(&"a".repeat(5000)).is_none());
        assert!(matches!(
            Pattern::paid("(a{100}){40}", &Budget::of(10_000)),
            Err(Exhausted)
        ));
        assert!(matches!(Pattern::paid("a+", &Budget::of(200)), Ok(Some(_))));
        assert!(matches!(Pattern::paid("a(", &Budget::of(200)), Ok(None)));
    }

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
