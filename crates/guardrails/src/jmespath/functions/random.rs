//! `random`: a text that a regular expression matches.

use ::cel::budget::Budget;
use ::cel::regexes::{parse, translated};
use regex_syntax::hir::{Class, Hir, HirKind};
use serde_json::Value;

use super::{Arguments, MAX_TEXT, failed};
use crate::facts::Unavailable;
use crate::jmespath::QueryError;

/// How often something is repeated that the pattern sets no limit to, beyond what it asks for.
const MOST_REPEATED: u32 = 32;

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let Some(seed) = args.world.facts.random() else {
        return Err(args.unavailable(Unavailable::Unknown(CHANCE.to_owned())));
    };
    text_like(args.text(0), seed, args.world.budget).map(Value::String)
}

/// What is unknown where there is no chance.
pub(crate) const CHANCE: &str = "chance (the function random)";

/// A text that a pattern matches; another for each seed.
pub(crate) fn text_like(pattern: &str, seed: u64, budget: &Budget) -> Result<String, QueryError> {
    if pattern.is_empty() {
        return failed("random", "needs a pattern");
    }
    budget.spend(500 + pattern.len())?;
    let Some(parsed) = translated(pattern).and_then(|pattern| parse(&pattern)) else {
        return failed("random", "cannot use this regular expression");
    };
    let mut writer = Writer {
        budget,
        state: seed,
        out: String::new(),
    };
    writer.write(&parsed)?;
    Ok(writer.out)
}

struct Writer<'b> {
    budget: &'b Budget,
    state: u64,
    out: String,
}

impl Writer<'_> {
    /// A number below `limit`, by SplitMix64.
    fn below(&mut self, limit: u64) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit.max(1)
    }

    fn write(&mut self, hir: &Hir) -> Result<(), QueryError> {
        self.budget.spend(1)?;
        if self.out.len() > MAX_TEXT {
            return failed("random", "builds a text that is too long");
        }
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Literal(literal) => self.out.push_str(&String::from_utf8_lossy(&literal.0)),
            HirKind::Class(class) => self.one_of(class)?,
            HirKind::Capture(capture) => self.write(&capture.sub)?,
            HirKind::Concat(parts) => {
                for part in parts {
                    self.write(part)?;
                }
            }
            HirKind::Alternation(parts) => {
                let chosen = self.below(parts.len() as u64) as usize;
                if let Some(part) = parts.get(chosen) {
                    self.write(part)?;
                }
            }
            HirKind::Repetition(repetition) => {
                let most = repetition
                    .max
                    .unwrap_or(repetition.min.saturating_add(MOST_REPEATED));
                let more = self.below(u64::from(most.saturating_sub(repetition.min)) + 1);
                for _ in 0..u64::from(repetition.min) + more {
                    self.write(&repetition.sub)?;
                }
            }
        }
        Ok(())
    }

    /// One letter of a class: one that is printed, as far as there is one.
    fn one_of(&mut self, class: &Class) -> Result<(), QueryError> {
        let Class::Unicode(class) = class else {
            return failed("random", "cannot use this regular expression");
        };
        let printed = class.iter().filter_map(|range| {
            let (from, to) = (range.start().max(' '), range.end().min('~'));
            (from <= to).then_some((from, to))
        });
        let mut ranges: Vec<(char, char)> = printed.collect();
        if ranges.is_empty() {
            ranges = class.iter().map(|range| (range.start(), range.end())).collect();
        }
        let size = |(from, to): &(char, char)| u64::from(*to as u32 - *from as u32) + 1;
        let mut at = self.below(ranges.iter().map(size).sum());
        for range in &ranges {
            if at < size(range) {
                let letter = char::from_u32(range.0 as u32 + at as u32).unwrap_or(range.0);
                self.out.push(letter);
                break;
            }
            at -= size(range);
        }
        Ok(())
    }
}
