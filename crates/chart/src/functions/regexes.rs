//! Regular expressions. Go's RE2 and Rust's `regex` share their syntax but for details; both run in linear
//! time.

use std::rc::Rc;

use regex::{NoExpand, Regex, RegexBuilder};

use super::Kind::{Int, Text};
use super::{Function, Outcome, bytes_of, fixed, int_of, string, text_of};
use crate::template::{Engine, Failure};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("regexMatch", &[Text, Text], |engine, args| {
        // Sprig's form swallows the error.
        engine.budget.spend(bytes_of(&args[1]).len() as u64 / 4)?;
        let matches = compile(engine, &args[0]).is_ok_and(|regex| regex.is_match(&text_of(&args[1])));
        Ok(Value::Bool(matches))
    }),
    fixed("mustRegexMatch", &[Text, Text], |engine, args| {
        engine.budget.spend(bytes_of(&args[1]).len() as u64 / 4)?;
        Ok(Value::Bool(
            compile(engine, &args[0])?.is_match(&text_of(&args[1])),
        ))
    }),
    fixed("regexFind", &[Text, Text], find),
    fixed("mustRegexFind", &[Text, Text], find),
    fixed("regexFindAll", &[Text, Text, Int], find_all),
    fixed("mustRegexFindAll", &[Text, Text, Int], find_all),
    fixed("regexReplaceAll", &[Text, Text, Text], replace_all),
    fixed("mustRegexReplaceAll", &[Text, Text, Text], replace_all),
    fixed("regexReplaceAllLiteral", &[Text, Text, Text], replace_literally),
    fixed(
        "mustRegexReplaceAllLiteral",
        &[Text, Text, Text],
        replace_literally,
    ),
    fixed("regexSplit", &[Text, Text, Int], split),
    fixed("mustRegexSplit", &[Text, Text, Int], split),
    fixed("regexQuoteMeta", &[Text], |_, args| {
        let mut out = String::new();
        for character in text_of(&args[0]).chars() {
            if r"\.+*?()|[]{}^$".contains(character) {
                out.push('\\');
            }
            out.push(character);
        }
        string(out)
    }),
];

fn compile(engine: &Engine<'_>, pattern: &Value) -> Result<Rc<Regex>, Failure> {
    let pattern = text_of(pattern);
    if let Some(regex) = engine.regexes.borrow().get(&*pattern) {
        return Ok(Rc::clone(regex));
    }
    engine.budget.spend(200 + pattern.len() as u64)?;
    let regex = RegexBuilder::new(&translated(&pattern))
        .size_limit(1 << 20)
        .dfa_size_limit(1 << 20)
        .build()
        .map_err(|error| {
            let last = error.to_string();
            let last = last.lines().last().unwrap_or("").trim_start_matches("error: ");
            format!("error parsing regexp: {last}: `{pattern}`")
        })?;
    let regex = Rc::new(regex);
    engine
        .regexes
        .borrow_mut()
        .insert(pattern.into_owned(), Rc::clone(&regex));
    Ok(regex)
}

/// What Go writes differently: `\z` is the same, `\Q…\E` quotes, and a `[` inside a class needs no escape.
fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut in_class = false;
    let mut class_start = false;
    while let Some(character) = rest.chars().next() {
        rest = &rest[character.len_utf8()..];
        if character == '\\' {
            if let Some(quoted) = rest.strip_prefix('Q') {
                let end = quoted.find("\\E").unwrap_or(quoted.len());
                out.push_str(&regex::escape(&quoted[..end]));
                rest = quoted[end..].strip_prefix("\\E").unwrap_or("");
                continue;
            }
            out.push('\\');
            if let Some(next) = rest.chars().next() {
                out.push(next);
                rest = &rest[next.len_utf8()..];
                // Behind a class a hyphen cannot begin a range, so Go takes it for itself.
                if in_class && next.is_ascii_alphabetic() && rest.starts_with('-') {
                    out.push('\\');
                }
            }
            class_start = false;
            continue;
        }
        if in_class {
            match character {
                '[' if !rest.starts_with(':') => out.push('\\'),
                // Set operations of Rust's own mean the characters themselves in Go.
                '&' | '~' => out.push('\\'),
                '-' if rest.starts_with('-') => out.push('\\'),
                '^' if class_start => {
                    out.push('^');
                    continue;
                }
                ']' if class_start => out.push('\\'),
                ']' => in_class = false,
                '[' => {
                    // A named class such as `[:alpha:]` is copied whole.
                    if let Some(end) = rest.find(":]") {
                        out.push('[');
                        out.push_str(&rest[..end + 2]);
                        rest = &rest[end + 2..];
                        class_start = false;
                        continue;
                    }
                    out.push('\\');
                }
                _ => {}
            }
            class_start = false;
        } else if character == '[' {
            in_class = true;
            class_start = true;
        }
        out.push(character);
    }
    out
}

fn find(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let text = text_of(&args[1]);
    engine.budget.spend(text.len() as u64 / 4)?;
    string(
        compile(engine, &args[0])?
            .find(&text)
            .map_or("", |found| found.as_str()),
    )
}

fn find_all(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let text = text_of(&args[1]);
    let limit = usize::try_from(int_of(&args[2])).unwrap_or(usize::MAX);
    engine.budget.spend(text.len() as u64)?;
    let regex = compile(engine, &args[0])?;
    Ok(Value::strings(
        regex.find_iter(&text).take(limit).map(|found| found.as_str()),
    ))
}

fn replace_all(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let (text, replacement) = (text_of(&args[1]), text_of(&args[2]));
    engine
        .budget
        .text(text.len().saturating_mul(1 + replacement.len() / 16))?;
    let regex = compile(engine, &args[0])?;
    string(regex.replace_all(&text, &*replacement))
}

fn replace_literally(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let (text, replacement) = (text_of(&args[1]), text_of(&args[2]));
    engine
        .budget
        .text(text.len().saturating_mul(1 + replacement.len() / 16))?;
    let regex = compile(engine, &args[0])?;
    string(regex.replace_all(&text, NoExpand(&replacement)))
}

fn split(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let text = text_of(&args[1]);
    let count = int_of(&args[2]);
    engine.budget.spend(text.len() as u64)?;
    let regex = compile(engine, &args[0])?;
    if count == 0 {
        return Ok(Value::strings::<&str>([]));
    }
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    if text.is_empty() && args[0].truth() {
        return Ok(Value::strings([""]));
    }
    // As Go does it: an empty match at the start does not cut.
    let mut parts: Vec<&str> = Vec::new();
    let mut start = 0;
    let mut end = 0;
    for found in regex.find_iter(&text) {
        if parts.len() + 1 >= limit {
            break;
        }
        end = found.start();
        if found.end() != 0 {
            parts.push(&text[start..end]);
        }
        start = found.end();
    }
    if end != text.len() {
        parts.push(&text[start..]);
    }
    Ok(Value::strings(parts))
}
