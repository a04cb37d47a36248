//! `regex_match` and what replaces by regular expressions.

use ::cel::regexes::Pattern;
use serde_json::Value;

use super::{Arguments, MAX_TEXT};
use crate::jmespath::QueryError;

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let budget = args.world.budget;
    let Some(pattern) = Pattern::paid(args.text(0), budget)? else {
        return args.failed("cannot use this regular expression");
    };
    let source = args.text_of(1);
    let regex = pattern.over(source.len(), budget)?;
    if args.name == "regex_match" {
        return Ok(Value::Bool(regex.is_match(&source)));
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
    for captures in regex.captures_iter(&source) {
        let Some(whole) = captures.get(0) else { continue };
        // The search for the next match may look at all that is left of the text.
        pattern.pay((source.len() - whole.end()) / 32, budget)?;
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
