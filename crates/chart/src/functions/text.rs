//! Sprig's functions on text.

use super::Kind::{Any, Int, Text};
use super::{Function, Outcome, bytes_of, fixed, int_of, items_of, string, strval, text_of, variadic};
use crate::casing;
use crate::template::{Engine, Failure, printing};
use crate::value::{Declared, Entries, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("trim", &[Text], |_, args| string(text_of(&args[0]).trim())),
    fixed("upper", &[Text], |_, args| {
        string(text_of(&args[0]).chars().map(casing::upper).collect::<String>())
    }),
    fixed("lower", &[Text], |_, args| {
        string(text_of(&args[0]).chars().map(casing::lower).collect::<String>())
    }),
    fixed("title", &[Text], |_, args| string(title(&text_of(&args[0])))),
    fixed("untitle", &[Text], |_, args| string(untitle(&text_of(&args[0])))),
    fixed("swapcase", &[Text], |_, args| {
        string(swap_case(&text_of(&args[0])))
    }),
    fixed("nospace", &[Text], |_, args| {
        // Where there are blanks Helm takes every byte for a character.
        let bytes = bytes_of(&args[0]);
        let kept: String = latin(bytes).filter(|c| !c.is_whitespace()).collect();
        if kept.chars().count() == bytes.len() {
            return Ok(args[0].clone());
        }
        string(kept)
    }),
    fixed("initials", &[Text], |_, args| {
        let mut after_blank = true;
        let starts = latin(bytes_of(&args[0])).filter(|character| {
            let starts = after_blank && !character.is_whitespace();
            after_blank = character.is_whitespace();
            starts
        });
        string(starts.collect::<String>())
    }),
    fixed("camelcase", &[Text], |_, args| {
        string(casing::pascal(&text_of(&args[0])))
    }),
    fixed("snakecase", &[Text], |_, args| {
        string(casing::joined(&text_of(&args[0]), '_'))
    }),
    fixed("kebabcase", &[Text], |_, args| {
        string(casing::joined(&text_of(&args[0]), '-'))
    }),
    fixed("trunc", &[Int, Text], |_, args| {
        Ok(truncate(int_of(&args[0]), &args[1]))
    }),
    fixed("substr", &[Int, Int, Text], substring),
    fixed("abbrev", &[Int, Text], |_, args| {
        let text = abbreviate(0, int_of(&args[0]), bytes_of(&args[1]));
        Ok(Value::text_from_bytes(&text))
    }),
    fixed("abbrevboth", &[Int, Int, Text], |_, args| {
        let text = abbreviate(int_of(&args[0]), int_of(&args[1]), bytes_of(&args[2]));
        Ok(Value::text_from_bytes(&text))
    }),
    fixed("repeat", &[Int, Text], |engine, args| {
        let text = text_of(&args[1]);
        let count = usize::try_from(int_of(&args[0])).map_err(|_| "strings: negative Repeat count")?;
        engine.budget.text(text.len().saturating_mul(count))?;
        string(text.repeat(if text.is_empty() { 0 } else { count }))
    }),
    fixed("trimAll", &[Text, Text], trim_all),
    fixed("trimall", &[Text, Text], trim_all),
    fixed("trimSuffix", &[Text, Text], |_, args| {
        let (suffix, text) = (text_of(&args[0]), text_of(&args[1]));
        string(text.strip_suffix(&*suffix).unwrap_or(&text))
    }),
    fixed("trimPrefix", &[Text, Text], |_, args| {
        let (prefix, text) = (text_of(&args[0]), text_of(&args[1]));
        string(text.strip_prefix(&*prefix).unwrap_or(&text))
    }),
    fixed("contains", &[Text, Text], |_, args| {
        Ok(Value::Bool(text_of(&args[1]).contains(&*text_of(&args[0]))))
    }),
    fixed("hasPrefix", &[Text, Text], |_, args| {
        Ok(Value::Bool(text_of(&args[1]).starts_with(&*text_of(&args[0]))))
    }),
    fixed("hasSuffix", &[Text, Text], |_, args| {
        Ok(Value::Bool(text_of(&args[1]).ends_with(&*text_of(&args[0]))))
    }),
    variadic("quote", &[], Any, |engine, args| {
        let mut words = Vec::with_capacity(args.len());
        for value in args.iter().filter(|value| !value.is_nil()) {
            words.push(printing::quote(&strval(engine, value)?));
        }
        string(words.join(" "))
    }),
    variadic("squote", &[], Any, |engine, args| {
        let mut words = Vec::with_capacity(args.len());
        for value in args.iter().filter(|value| !value.is_nil()) {
            words.push(format!("'{}'", printing::display(engine, value)?));
        }
        string(words.join(" "))
    }),
    variadic("cat", &[], Any, |engine, args| {
        let mut words = Vec::with_capacity(args.len());
        for value in args.iter().filter(|value| !value.is_nil()) {
            words.push(printing::display(engine, value)?);
        }
        string(words.join(" "))
    }),
    fixed("indent", &[Int, Text], |engine, args| {
        string(indent(engine, &args[0], &args[1], "")?)
    }),
    fixed("nindent", &[Int, Text], |engine, args| {
        string(indent(engine, &args[0], &args[1], "\n")?)
    }),
    fixed("replace", &[Text, Text, Text], |engine, args| {
        let (old, new, text) = (text_of(&args[0]), text_of(&args[1]), text_of(&args[2]));
        let matches = if old.is_empty() {
            text.len() + 1
        } else {
            text.len() / old.len()
        };
        // The worst case counts only if it could matter.
        if matches.saturating_mul(new.len()) > 1 << 16 {
            engine
                .budget
                .text(text.len() + text.matches(&*old).count().saturating_mul(new.len()))?;
        }
        string(text.replace(&*old, &new))
    }),
    fixed("plural", &[Text, Text, Int], |_, args| {
        Ok(if int_of(&args[2]) == 1 {
            args[0].clone()
        } else {
            args[1].clone()
        })
    }),
    fixed("wrap", &[Int, Text], |_, args| {
        let text = wrap(bytes_of(&args[1]), int_of(&args[0]), b"\n", false);
        Ok(Value::text_from_bytes(&text))
    }),
    fixed("wrapWith", &[Int, Text, Text], |engine, args| {
        let (text, separator) = (bytes_of(&args[2]), bytes_of(&args[1]));
        let separator = if separator.is_empty() { b"\n" } else { separator };
        engine
            .budget
            .text(text.len().saturating_mul(1 + separator.len()))?;
        let text = wrap(text, int_of(&args[0]), separator, true);
        Ok(Value::text_from_bytes(&text))
    }),
    fixed("toString", &[Any], |engine, args| {
        string(strval(engine, &args[0])?)
    }),
    fixed("toStrings", &[Any], |engine, args| {
        Ok(Value::strings(texts(engine, &args[0])?))
    }),
    fixed("join", &[Text, Any], |engine, args| {
        let words = texts(engine, &args[1])?;
        let separator = text_of(&args[0]);
        let length: usize = words.iter().map(String::len).sum();
        engine
            .budget
            .text(length + words.len().saturating_mul(separator.len()))?;
        string(words.join(&separator))
    }),
    fixed("sortAlpha", &[Any], |engine, args| {
        if items_of(&args[0]).is_none() {
            return Ok(Value::strings([strval(engine, &args[0])?]));
        }
        let mut words = texts(engine, &args[0])?;
        words.sort_unstable();
        Ok(Value::strings(words))
    }),
    fixed("split", &[Text, Text], |engine, args| {
        let text = text_of(&args[1]);
        Ok(numbered(&pieces(engine, &text, &text_of(&args[0]), usize::MAX)?))
    }),
    fixed("splitn", &[Text, Int, Text], |engine, args| {
        let text = text_of(&args[2]);
        let limit = match int_of(&args[1]) {
            0 => return Ok(numbered(&[])),
            limit => usize::try_from(limit).unwrap_or(usize::MAX),
        };
        Ok(numbered(&pieces(engine, &text, &text_of(&args[0]), limit)?))
    }),
    fixed("splitList", &[Text, Text], |engine, args| {
        let text = text_of(&args[1]);
        Ok(Value::strings(pieces(
            engine,
            &text,
            &text_of(&args[0]),
            usize::MAX,
        )?))
    }),
];

/// Every byte as a character.
fn latin(bytes: &[u8]) -> impl Iterator<Item = char> {
    bytes.iter().copied().map(char::from)
}

/// Sprig's `strslice`: the elements as text, nothing for nil ones.
pub(super) fn texts(engine: &Engine<'_>, value: &Value) -> Result<Vec<String>, Failure> {
    match items_of(value) {
        Some(items) => items
            .iter()
            .filter(|item| !item.is_nil())
            .map(|item| strval(engine, item))
            .collect(),
        None if value.is_nil() => Ok(Vec::new()),
        None => Ok(vec![strval(engine, value)?]),
    }
}

/// Go's `strings.SplitN`: an empty separator cuts between all characters.
fn pieces<'text>(
    engine: &Engine<'_>,
    text: &'text str,
    separator: &str,
    limit: usize,
) -> Result<Vec<&'text str>, Failure> {
    engine.budget.spend(text.len() as u64 / 8)?;
    if !separator.is_empty() {
        return Ok(text.splitn(limit, separator).collect());
    }
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if pieces.len() + 1 == limit {
            pieces.push(rest);
            break;
        }
        let (first, after) = rest.split_at(character.len_utf8());
        pieces.push(first);
        rest = after;
    }
    Ok(pieces)
}

/// `_0`, `_1` and so on.
fn numbered(pieces: &[&str]) -> Value {
    let entries: Entries = pieces
        .iter()
        .enumerate()
        .map(|(index, piece)| (super::key(&format!("_{index}")), Value::str(piece)))
        .collect();
    Value::declared(entries, Declared::Strings)
}

fn indent(engine: &Engine<'_>, count: &Value, text: &Value, lead: &str) -> Result<String, Failure> {
    let text = text_of(text);
    let count = usize::try_from(int_of(count)).map_err(|_| "strings: negative Repeat count")?;
    let lines = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let length = text.len().saturating_add(lines.saturating_mul(count));
    engine.budget.text(length)?;
    let pad = " ".repeat(count);
    let mut out = String::with_capacity(length + lead.len());
    out.push_str(lead);
    for (index, line) in text.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        out.push_str(&pad);
        out.push_str(line);
    }
    Ok(out)
}

/// Cuts bytes, as Go does, from the front or with a negative count from the end.
fn truncate(count: i64, text: &Value) -> Value {
    let bytes = bytes_of(text);
    let length = bytes.len() as i64;
    if count < 0 && length + count > 0 {
        return Value::text_from_bytes(&bytes[(length + count) as usize..]);
    }
    if count >= 0 && length > count {
        return Value::text_from_bytes(&bytes[..count as usize]);
    }
    text.clone()
}

fn substring(_: &Engine<'_>, args: &[Value]) -> Outcome {
    let bytes = bytes_of(&args[2]);
    let (start, end) = (int_of(&args[0]), int_of(&args[1]));
    let length = bytes.len() as i64;
    let out_of_range =
        |which: String| Err(format!("runtime error: slice bounds out of range {which}").into());
    let (from, to) = if start < 0 {
        (0, end)
    } else if end < 0 || end > length {
        (start, length)
    } else {
        (start, end)
    };
    if to < 0 {
        return out_of_range(format!("[:{to}]"));
    }
    if to > length {
        return out_of_range(format!("[:{to}] with length {length}"));
    }
    if from > to {
        return out_of_range(format!("[{from}:{to}]"));
    }
    Ok(Value::text_from_bytes(&bytes[from as usize..to as usize]))
}

fn trim_all(_: &Engine<'_>, args: &[Value]) -> Outcome {
    let (set, text) = (text_of(&args[0]), text_of(&args[1]));
    string(text.trim_matches(|character| set.contains(character)))
}

/// Go's `strings.Title`: the first letter of every run of letters, digits and underscores.
fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_word = false;
    for character in text.chars() {
        if in_word {
            out.push(character);
        } else {
            out.push(casing::title(character));
        }
        in_word = character == '_'
            || character.is_alphanumeric()
            || !character.is_ascii() && !character.is_whitespace();
    }
    out
}

fn untitle(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at_start = true;
    for character in text.chars() {
        if at_start && !character.is_whitespace() {
            out.push(casing::lower(character));
        } else {
            out.push(character);
        }
        at_start = character.is_whitespace();
    }
    out
}

fn swap_case(text: &str) -> String {
    let mut after_blank = true;
    let swap = |character: char| {
        let is_titled = matches!(character, '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}');
        let swapped = if character.is_uppercase() || is_titled {
            casing::lower(character)
        } else if character.is_lowercase() && after_blank {
            casing::title(character)
        } else if character.is_lowercase() {
            casing::upper(character)
        } else {
            after_blank = character.is_whitespace();
            return character;
        };
        after_blank = false;
        swapped
    };
    text.chars().map(swap).collect()
}

/// An ellipsis at the end, or at both ends if there is an offset. It counts and cuts bytes.
fn abbreviate(offset: i64, width: i64, text: &[u8]) -> Vec<u8> {
    let length = text.len() as i64;
    if width < 4 || offset > 0 && width < 7 || length <= width {
        return text.to_vec();
    }
    let take = |from: i64, to: i64| &text[from as usize..to as usize];
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    if offset <= 4 {
        return [take(0, width - 3), b"..."].concat();
    }
    if offset + width - 3 < length {
        return [&b"..."[..], &abbreviate(0, width - 3, take(offset, length))].concat();
    }
    [b"...", take(length - (width - 3), length)].concat()
}

/// Breaks lines at blanks after so many bytes; words that are longer are cut if wished.
fn wrap(text: &[u8], width: i64, separator: &[u8], cut_long_words: bool) -> Vec<u8> {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut out = Vec::with_capacity(text.len() + text.len() / width);
    let mut at = 0;
    while text.len() - at > width {
        if text[at] == b' ' {
            at += 1;
            continue;
        }
        let limit = at + width;
        let before = text[at..=limit].iter().rposition(|byte| *byte == b' ');
        let after = || text[limit..].iter().position(|byte| *byte == b' ');
        let (end, next) = match before {
            Some(blank) => (at + blank, at + blank + 1),
            None if cut_long_words => (limit, limit),
            None => match after() {
                Some(blank) => (limit + blank, limit + blank + 1),
                None => break,
            },
        };
        out.extend_from_slice(&text[at..end]);
        out.extend_from_slice(separator);
        at = next;
    }
    out.extend_from_slice(&text[at..]);
    out
}
