//! Regular expressions. Go's RE2 and Rust's `regex` share their syntax but for details; both run in linear
//! time.

use std::rc::Rc;

use regex::{NoExpand, Regex, RegexBuilder};

use super::Kind::{Int, Text};
use super::{Function, Outcome, bytes_of, classes, fixed, int_of, string, text_of};
use crate::template::{Engine, Failure};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("regexMatch", &[Text, Text], |engine, args| {
        // Sprig's form swallows the error.
        engine.budget.spend(bytes_of(&args[1]).len() as u64 / 4)?;
        let matches =
            compile(engine, &args[0], Form::Plain).is_ok_and(|regex| regex.is_match(&text_of(&args[1])));
        Ok(Value::Bool(matches))
    }),
    fixed("mustRegexMatch", &[Text, Text], |engine, args| {
        engine.budget.spend(bytes_of(&args[1]).len() as u64 / 4)?;
        Ok(Value::Bool(
            compile(engine, &args[0], Form::Must)?.is_match(&text_of(&args[1])),
        ))
    }),
    fixed("regexFind", &[Text, Text], |engine, args| {
        find(engine, args, Form::Plain)
    }),
    fixed("mustRegexFind", &[Text, Text], |engine, args| {
        find(engine, args, Form::Must)
    }),
    fixed("regexFindAll", &[Text, Text, Int], |engine, args| {
        find_all(engine, args, Form::Plain)
    }),
    fixed("mustRegexFindAll", &[Text, Text, Int], |engine, args| {
        find_all(engine, args, Form::Must)
    }),
    fixed("regexReplaceAll", &[Text, Text, Text], |engine, args| {
        replace_all(engine, args, Form::Plain)
    }),
    fixed("mustRegexReplaceAll", &[Text, Text, Text], |engine, args| {
        replace_all(engine, args, Form::Must)
    }),
    fixed("regexReplaceAllLiteral", &[Text, Text, Text], |engine, args| {
        replace_literally(engine, args, Form::Plain)
    }),
    fixed(
        "mustRegexReplaceAllLiteral",
        &[Text, Text, Text],
        |engine, args| replace_literally(engine, args, Form::Must),
    ),
    fixed("regexSplit", &[Text, Text, Int], |engine, args| {
        split(engine, args, Form::Plain)
    }),
    fixed("mustRegexSplit", &[Text, Text, Int], |engine, args| {
        split(engine, args, Form::Must)
    }),
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

/// How the error of a pattern begins: Sprig's plain forms panic, and say more.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    Plain,
    Must,
}

fn compile(engine: &Engine<'_>, pattern: &Value, form: Form) -> Result<Rc<Regex>, Failure> {
    let pattern = text_of(pattern);
    if let Some(regex) = engine.regexes.borrow().get(&*pattern) {
        return Ok(Rc::clone(regex));
    }
    engine.budget.spend(200 + pattern.len() as u64)?;
    let regex = in_syntax_of_rust(&pattern)
        .and_then(|translated| {
            RegexBuilder::new(&translated)
                .size_limit(1 << 20)
                .dfa_size_limit(1 << 20)
                .build()
                .map_err(|error| in_words_of_go(&error, &pattern))
        })
        .map_err(|why| match form {
            Form::Plain => format!("regexp: Compile(`{pattern}`): error parsing regexp: {why}"),
            Form::Must => format!("error parsing regexp: {why}"),
        })?;
    let regex = Rc::new(regex);
    engine
        .regexes
        .borrow_mut()
        .insert(pattern.into_owned(), Rc::clone(&regex));
    Ok(regex)
}

/// The commonest mistakes as Go names them.
fn in_words_of_go(error: &regex::Error, pattern: &str) -> String {
    let error = error.to_string();
    let last = error.lines().last().unwrap_or("").trim_start_matches("error: ");
    match last {
        "unclosed group" => format!("missing closing ): `{pattern}`"),
        "unopened group" => format!("unexpected ): `{pattern}`"),
        "repetition operator missing expression" => {
            let at = pattern.find(['*', '+', '?']).unwrap_or(0);
            let operator = pattern.get(at..=at).unwrap_or(pattern);
            format!("missing argument to repetition operator: `{operator}`")
        }
        other if other.starts_with("look-around") => {
            let start = pattern.find("(?").unwrap_or(0);
            let length = pattern[start..]
                .chars()
                .take(3)
                .map(char::len_utf8)
                .sum::<usize>();
            let syntax = &pattern[start..start + length];
            format!("invalid or unsupported Perl syntax: `{syntax}`")
        }
        other => format!("{other}: `{pattern}`"),
    }
}

/// The repetition `{2,3}` that a text begins with, and its counts. Any other brace stands for itself.
fn counted_repetition(text: &str) -> Option<(&str, Vec<u32>)> {
    let end = text.find('}')?;
    let inner = text.get(1..end)?;
    let (least, most) = inner.split_once(',').unwrap_or((inner, ""));
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(least) || !(most.is_empty() || is_number(most)) {
        return None;
    }
    let counts = [least, most]
        .iter()
        .filter(|digits| !digits.is_empty())
        .map(|digits| digits.parse().unwrap_or(u32::MAX))
        .collect();
    Some((&text[..=end], counts))
}

/// What follows a thing: nothing yet, a repetition of it, or one that takes as little as it can.
#[derive(Clone, Copy, PartialEq)]
enum Repeated<'pattern> {
    No,
    By(&'pattern str),
    Lazily(&'pattern str),
}

/// Repetitions of repetitions are refused, as is counting beyond a thousand.
fn repeat<'pattern>(
    before: Repeated<'pattern>,
    operator: &'pattern str,
    counts: &[u32],
) -> Result<Repeated<'pattern>, String> {
    if counts.iter().any(|count| *count > 1000) || counts.is_sorted_by(|a, b| a > b) && counts.len() == 2 {
        return Err(format!("invalid repeat count: `{operator}`"));
    }
    match before {
        Repeated::No => Ok(Repeated::By(operator)),
        Repeated::By(first) if operator == "?" => Ok(Repeated::Lazily(first)),
        Repeated::By(first) => Err(format!("invalid nested repetition operator: `{first}{operator}`")),
        Repeated::Lazily(first) => Err(format!(
            "invalid nested repetition operator: `{first}?{operator}`"
        )),
    }
}

/// What Go means, in the syntax of Rust's crate: `\d`, `\w`, `\s` and `\b` are ASCII, `\Q…\E` quotes, a brace
/// that counts nothing stands for itself, and classes are read by Go's own rules.
pub(crate) fn in_syntax_of_rust(pattern: &str) -> Result<String, String> {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut repeated = Repeated::No;
    while let Some(character) = rest.chars().next() {
        let here = rest;
        rest = &rest[character.len_utf8()..];
        if character == '\\' {
            repeated = Repeated::No;
            if let Some(quoted) = rest.strip_prefix('Q') {
                let end = quoted.find("\\E").unwrap_or(quoted.len());
                out.push_str(&regex::escape(&quoted[..end]));
                rest = quoted[end..].strip_prefix("\\E").unwrap_or("");
                continue;
            }
            let Some(next) = rest.chars().next() else {
                return Err("trailing backslash at end of expression: ``".to_owned());
            };
            rest = &rest[next.len_utf8()..];
            match next {
                'd' => out.push_str("[0-9]"),
                'D' => out.push_str("[^0-9]"),
                'w' => out.push_str("[0-9A-Za-z_]"),
                'W' => out.push_str("[^0-9A-Za-z_]"),
                's' => out.push_str(r"[\t\n\f\r ]"),
                'S' => out.push_str(r"[^\t\n\f\r ]"),
                'b' => out.push_str(r"(?-u:\b)"),
                'B' => out.push_str(r"(?-u:\B)"),
                '<' | '>' => out.push(next),
                '1'..='9' => return Err(format!("invalid escape sequence: `\\{next}`")),
                _ => {
                    out.push('\\');
                    out.push(next);
                    // Names and numbers in braces, as of `\p{Greek}`, are copied whole.
                    if matches!(next, 'p' | 'P' | 'x')
                        && rest.starts_with('{')
                        && let Some(end) = rest.find('}')
                    {
                        out.push_str(&rest[..=end]);
                        rest = &rest[end + 1..];
                    }
                }
            }
            continue;
        }
        match character {
            '[' => {
                rest = classes::translate(here, &mut out)?;
                repeated = Repeated::No;
                continue;
            }
            '*' | '+' | '?' if !out.ends_with('(') || out.ends_with("\\(") => {
                repeated = repeat(repeated, &here[..1], &[])?;
            }
            '{' => {
                if let Some((operator, counts)) = counted_repetition(here) {
                    repeated = repeat(repeated, operator, &counts)?;
                    out.push_str(operator);
                    rest = &here[operator.len()..];
                    continue;
                }
                out.push('\\');
                repeated = Repeated::No;
            }
            _ => repeated = Repeated::No,
        }
        out.push(character);
    }
    Ok(out)
}

fn find(engine: &Engine<'_>, args: &[Value], form: Form) -> Outcome {
    let text = text_of(&args[1]);
    engine.budget.spend(text.len() as u64 / 4)?;
    string(
        compile(engine, &args[0], form)?
            .find(&text)
            .map_or("", |found| found.as_str()),
    )
}

fn find_all(engine: &Engine<'_>, args: &[Value], form: Form) -> Outcome {
    let text = text_of(&args[1]);
    let limit = usize::try_from(int_of(&args[2])).unwrap_or(usize::MAX);
    engine.budget.spend(text.len() as u64)?;
    let regex = compile(engine, &args[0], form)?;
    Ok(Value::strings(
        regex.find_iter(&text).take(limit).map(|found| found.as_str()),
    ))
}

fn replace_all(engine: &Engine<'_>, args: &[Value], form: Form) -> Outcome {
    let (text, replacement) = (text_of(&args[1]), text_of(&args[2]));
    engine
        .budget
        .text(text.len().saturating_mul(1 + replacement.len() / 16))?;
    let regex = compile(engine, &args[0], form)?;
    string(regex.replace_all(&text, &*replacement))
}

fn replace_literally(engine: &Engine<'_>, args: &[Value], form: Form) -> Outcome {
    let (text, replacement) = (text_of(&args[1]), text_of(&args[2]));
    engine
        .budget
        .text(text.len().saturating_mul(1 + replacement.len() / 16))?;
    let regex = compile(engine, &args[0], form)?;
    string(regex.replace_all(&text, NoExpand(&replacement)))
}

fn split(engine: &Engine<'_>, args: &[Value], form: Form) -> Outcome {
    let text = text_of(&args[1]);
    let count = int_of(&args[2]);
    engine.budget.spend(text.len() as u64)?;
    let regex = compile(engine, &args[0], form)?;
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
