//! Functions of texts, and of regular expressions. Positions count characters, not bytes.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use super::{Args, Style, Table};
use crate::budget::Budget;
use crate::escapes::hex;
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::moment;
use crate::regexes::Pattern;
use crate::value::Value;

pub(super) const TABLE: Table = &[
    ("contains", Style::Method, contains),
    ("startsWith", Style::Method, starts_with),
    ("endsWith", Style::Method, ends_with),
    ("matches", Style::Method, matches),
    ("matches", Style::Plain, matches),
    ("find", Style::Method, find),
    ("findAll", Style::Method, find_all),
    ("charAt", Style::Method, char_at),
    ("indexOf", Style::Method, index_of),
    ("lastIndexOf", Style::Method, last_index_of),
    ("join", Style::Method, join),
    ("lowerAscii", Style::Method, lower),
    ("upperAscii", Style::Method, upper),
    ("replace", Style::Method, replace),
    ("split", Style::Method, split),
    ("substring", Style::Method, substring),
    ("trim", Style::Method, trim),
    ("reverse", Style::Method, reverse),
    ("format", Style::Method, format),
    ("strings.quote", Style::Plain, quote),
    ("base64.encode", Style::Plain, encode),
    ("base64.decode", Style::Plain, decode),
    ("regex.replace", Style::Plain, regex_replace),
    ("regex.extract", Style::Plain, regex_extract),
    ("regex.extractAll", Style::Plain, regex_extract_all),
];

/// The search for the next match may look at all that is left of the text, though few do.
fn pay_for_next(args: &Args<'_, '_>, pattern: &Pattern, text: &str, end: usize) -> Result<(), Failure> {
    Ok(pattern.pay(text.len().saturating_sub(end) / 32, args.budget)?)
}

/// Pays for a text that is about to be made.
fn pay(budget: &Budget, length: usize) -> Result<(), Failure> {
    Ok(budget.spend(length / 64)?)
}

fn contains<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    Ok(Value::Bool(args.text(0)?.contains(args.text(1)?)))
}

fn starts_with<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    Ok(Value::Bool(args.text(0)?.starts_with(args.text(1)?)))
}

fn ends_with<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    Ok(Value::Bool(args.text(0)?.ends_with(args.text(1)?)))
}

fn matches<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let text = args.text(0)?;
    let regex = args.regex()?;
    Ok(Value::Bool(regex.over(text.len(), args.budget)?.is_match(text)))
}

fn find<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let text = args.text(0)?;
    let regex = args.regex()?;
    let found = regex.over(text.len(), args.budget)?.find(text);
    Ok(Value::text(found.map_or("", |found| found.as_str())))
}

fn find_all<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let text = args.text(0)?;
    let limit = match args.len() {
        2 => usize::MAX,
        3 => usize::try_from(args.int(2)?).unwrap_or(usize::MAX),
        _ => return Err(args.refuse()),
    };
    let mut found = Vec::new();
    let regex = args.regex()?;
    for one in regex.over(text.len(), args.budget)?.find_iter(text).take(limit) {
        pay_for_next(args, &regex, text, one.end())?;
        found.push(Value::text(one.as_str()));
    }
    Value::list(found)
}

/// A position in a text, or past its end.
fn position(args: &Args<'_, '_>, index: usize, length: usize) -> Result<usize, Failure> {
    let at = args.int(index)?;
    usize::try_from(at)
        .ok()
        .filter(|at| *at <= length)
        .ok_or_else(|| Failure::new(format!("index out of range: {at}")))
}

fn characters(args: &Args<'_, '_>) -> Result<Vec<char>, Failure> {
    let text = args.text(0)?;
    pay(args.budget, text.len() * 4)?;
    Ok(text.chars().collect())
}

fn char_at<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let characters = characters(args)?;
    let at = position(args, 1, characters.len())?;
    Ok(Value::text(
        characters.get(at).map(char::to_string).unwrap_or_default(),
    ))
}

fn index_of<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    if is_of_list(args) {
        return super::lists::index_of(args);
    }
    let (text, wanted, from) = search(args)?;
    let from = from.unwrap_or(0);
    if wanted.is_empty() {
        return Ok(Value::Int(from as i64));
    }
    let start = text.char_indices().nth(from).map_or(text.len(), |(at, _)| at);
    let found = text[start..]
        .find(wanted)
        .map(|at| text[..start + at].chars().count());
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

/// Whether what is searched is a list, which has functions of these names too.
fn is_of_list(args: &Args<'_, '_>) -> bool {
    args.values
        .first()
        .is_some_and(|value| value.list_len().is_some())
}

/// The text that is searched, what for, and, if it is said, where the search begins, which may be beyond the end.
fn search<'a>(args: &'a Args<'_, '_>) -> Result<(&'a str, &'a str, Option<usize>), Failure> {
    let (text, wanted) = (args.text(0)?, args.text(1)?);
    let begin = match args.len() {
        2 => None,
        3 => {
            let at = args.int(2)?;
            let begin = usize::try_from(at);
            Some(begin.map_err(|_| Failure::new(format!("index out of range: {at}")))?)
        }
        _ => return Err(args.refuse()),
    };
    Ok((text, wanted, begin))
}

fn last_index_of<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    if is_of_list(args) {
        return super::lists::last_index_of(args);
    }
    let (text, wanted, given) = search(args)?;
    let length = text.chars().count();
    let to = given.unwrap_or(length);
    if wanted.is_empty() {
        return Ok(Value::Int(to as i64));
    }
    // As in Go: from behind the end nothing is found.
    if given.is_some() && to >= length {
        return Ok(Value::Int(-1));
    }
    // The match may begin at that position and reach beyond it.
    let last = text.char_indices().nth(to).map_or(text.len(), |(at, _)| at);
    let end = text.len().min(last + wanted.len());
    let end = (last..=end)
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(last);
    let found = text[..end]
        .rfind(wanted)
        .filter(|at| *at <= last)
        .map(|at| text[..at].chars().count());
    Ok(Value::Int(found.map_or(-1, |at| at as i64)))
}

fn join<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let separator = match args.len() {
        1 => "",
        2 => args.text(1)?,
        _ => return Err(args.refuse()),
    };
    let mut joined = String::new();
    for (index, item) in args.items(0)?.iter().enumerate() {
        if index > 0 {
            joined.push_str(separator);
        }
        let item = item.as_text().ok_or_else(|| args.refuse())?;
        pay(args.budget, item.len() + separator.len())?;
        joined.push_str(item);
    }
    Ok(Value::text(joined))
}

fn lower<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::text(args.text(0)?.to_ascii_lowercase()))
}

fn upper<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::text(args.text(0)?.to_ascii_uppercase()))
}

fn replace<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let (text, old, new) = (args.text(0)?, args.text(1)?, args.text(2)?);
    let limit = match args.len() {
        3 => usize::MAX,
        4 => usize::try_from(args.int(3)?).unwrap_or(usize::MAX),
        _ => return Err(args.refuse()),
    };
    let count = text.matches(old).take(limit).count();
    pay(
        args.budget,
        text.len().saturating_add(count.saturating_mul(new.len())),
    )?;
    Ok(Value::text(text.replacen(old, new, limit)))
}

fn split<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let (text, separator) = (args.text(0)?, args.text(1)?);
    let limit = match args.len() {
        2 => -1,
        3 => args.int(2)?,
        _ => return Err(args.refuse()),
    };
    if limit == 0 {
        return Value::list(Vec::new());
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    if separator.is_empty() {
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            args.budget.spend(1)?;
            if parts.len() + 1 == limit {
                break;
            }
            parts.push(Value::text(first));
            rest = &rest[first.len_utf8()..];
        }
        if !rest.is_empty() {
            parts.push(Value::text(rest));
        }
    } else {
        for part in text.splitn(limit, separator) {
            args.budget.spend(1)?;
            parts.push(Value::text(part));
        }
    }
    Value::list(parts)
}

fn substring<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let characters = characters(args)?;
    let from = position(args, 1, characters.len())?;
    let to = match args.len() {
        2 => characters.len(),
        3 => position(args, 2, characters.len())?,
        _ => return Err(args.refuse()),
    };
    let part = characters
        .get(from..to)
        .ok_or_else(|| Failure::new("invalid substring range"))?;
    Ok(Value::text(part.iter().collect::<String>()))
}

fn trim<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::text(args.text(0)?.trim()))
}

fn reverse<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    if args
        .values
        .first()
        .is_some_and(|value| value.list_len().is_some())
    {
        let mut items = args.items(0)?;
        items.reverse();
        return Value::list(items);
    }
    Ok(Value::text(characters(args)?.iter().rev().collect::<String>()))
}

fn quote<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let mut quoted = String::from("\"");
    for letter in args.text(0)?.chars() {
        match letter {
            '\u{7}' => quoted.push_str("\\a"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\u{b}' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    Ok(Value::text(quoted))
}

fn encode<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.exactly()? {
        [Value::Bytes(bytes)] => {
            pay(args.budget, bytes.len() * 2)?;
            Ok(Value::text(STANDARD.encode(bytes)))
        }
        _ => Err(args.refuse()),
    }
}

fn decode<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let text = args.text(0)?.replace(['\r', '\n'], "");
    STANDARD
        .decode(&text)
        .or_else(|_| STANDARD_NO_PAD.decode(&text))
        .map(|bytes| Value::Bytes(bytes.into()))
        .map_err(|_| Failure::new("the text is not base64"))
}

/// The replacement's `\1` stands for a group, `\\` for a backslash.
fn regex_replace<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let (text, new) = (args.text(0)?, args.text(2)?);
    let limit = match args.len() {
        3 => usize::MAX,
        4 => usize::try_from(args.int(3)?).unwrap_or(usize::MAX),
        _ => return Err(args.refuse()),
    };
    let pattern = args.regex()?;
    let regex = pattern.over(text.len(), args.budget)?;
    let mut result = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(text).take(limit) {
        let Some(whole) = captures.get(0) else { continue };
        pay_for_next(args, &pattern, text, whole.end())?;
        result.push_str(&text[end..whole.start()]);
        let mut letters = new.chars();
        while let Some(letter) = letters.next() {
            if letter != '\\' {
                result.push(letter);
                continue;
            }
            match letters.next() {
                Some('\\') => result.push('\\'),
                Some(digit) if digit.is_ascii_digit() => {
                    let group = digit.to_digit(10).unwrap_or(0) as usize;
                    if group >= regex.captures_len() {
                        return Err(Failure::new(format!(
                            "the regular expression has no group {group}"
                        )));
                    }
                    result.push_str(captures.get(group).map_or("", |found| found.as_str()));
                }
                _ => {
                    return Err(Failure::new(
                        "a backslash in a replacement is followed by a digit or a backslash",
                    ));
                }
            }
        }
        pay(args.budget, result.len().saturating_sub(end))?;
        end = whole.end();
    }
    result.push_str(&text[end..]);
    pay(args.budget, result.len())?;
    Ok(Value::text(result))
}

fn extracted<'t>(captures: &regex::Captures<'t>, groups: usize) -> Option<&'t str> {
    captures.get(usize::from(groups > 1)).map(|found| found.as_str())
}

fn regex_extract<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let text = args.text(0)?;
    let pattern = args.regex()?;
    let regex = pattern.over(text.len(), args.budget)?;
    let groups = regex.captures_len();
    if groups > 2 {
        return Err(Failure::new("the regular expression has more than one group"));
    }
    match regex
        .captures(text)
        .and_then(|captures| extracted(&captures, groups))
    {
        Some(found) => Value::some(Value::text(found)),
        None => Ok(Value::Optional(None)),
    }
}

fn regex_extract_all<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let text = args.text(0)?;
    let pattern = args.regex()?;
    let regex = pattern.over(text.len(), args.budget)?;
    let groups = regex.captures_len();
    if groups > 2 {
        return Err(Failure::new("the regular expression has more than one group"));
    }
    let mut found = Vec::new();
    for captures in regex.captures_iter(text) {
        let end = captures.get(0).map_or(0, |whole| whole.end());
        pay_for_next(args, &pattern, text, end)?;
        found.extend(extracted(&captures, groups).map(Value::text));
    }
    Value::list(found)
}

/// `"%s is %d".format([…])`.
fn format<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let template = args.text(0)?;
    let values = args.items(1)?;
    let mut values = values.iter();
    let mut result = String::new();
    let mut letters = template.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter != '%' {
            result.push(letter);
            continue;
        }
        let mut precision = None;
        if letters.next_if_eq(&'.').is_some() {
            let mut digits = String::new();
            while let Some(digit) = letters.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            let number = digits.parse::<usize>().ok().filter(|number| *number <= 1000);
            precision = Some(number.ok_or_else(|| Failure::new("a precision is not understood"))?);
        }
        let verb = letters.next().ok_or_else(|| Failure::new("a text ends in %"))?;
        if verb == '%' {
            result.push('%');
            continue;
        }
        let value = values
            .next()
            .ok_or_else(|| Failure::new("there are fewer values than the text asks for"))?;
        let before = result.len();
        write_value(&mut result, verb, precision, value, args)?;
        pay(args.budget, result.len() - before)?;
    }
    Ok(Value::text(result))
}

fn write_value(
    result: &mut String,
    verb: char,
    precision: Option<usize>,
    value: &Value<'_>,
    args: &Args<'_, '_>,
) -> Result<(), Failure> {
    let refuse = || Failure::new(format!("%{verb} does not take a {}", value.type_name()));
    let text = match (verb, value) {
        ('s', value) => return plain_text(result, value, args.budget),
        ('d' | 'f' | 'e', Value::Double(value)) if !value.is_finite() => not_finite(*value).to_owned(),
        ('d', Value::Int(value)) => value.to_string(),
        ('d', Value::UInt(value)) => value.to_string(),
        ('d', Value::Double(value)) => value.to_string(),
        ('f' | 'e', value) => {
            let number = match value {
                Value::Double(value) => *value,
                Value::Int(value) => *value as f64,
                Value::UInt(value) => *value as f64,
                _ => return Err(refuse()),
            };
            let places = precision.unwrap_or(6);
            if verb == 'f' {
                format!("{number:.places$}")
            } else {
                scientific(number, places)
            }
        }
        ('b', Value::Int(value)) => format!("{}{:b}", minus(*value), value.unsigned_abs()),
        ('b', Value::UInt(value)) => format!("{value:b}"),
        ('b', Value::Bool(value)) => u8::from(*value).to_string(),
        ('o', Value::Int(value)) => format!("{}{:o}", minus(*value), value.unsigned_abs()),
        ('o', Value::UInt(value)) => format!("{value:o}"),
        ('x' | 'X', value) => {
            let text = match value {
                Value::Int(value) => format!("{}{:x}", minus(*value), value.unsigned_abs()),
                Value::UInt(value) => format!("{value:x}"),
                Value::Text(text) => hex(text.as_bytes()),
                Value::Bytes(bytes) => hex(bytes),
                _ => return Err(refuse()),
            };
            if verb == 'X' { text.to_uppercase() } else { text }
        }
        ('d' | 'b' | 'o', _) => return Err(refuse()),
        (other, _) => return Err(Failure::new(format!("%{other} is not understood"))),
    };
    result.push_str(&text);
    Ok(())
}

fn minus(value: i64) -> &'static str {
    if value < 0 { "-" } else { "" }
}

fn not_finite(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// As C writes it: at least two digits of an exponent with its sign.
fn scientific(number: f64, places: usize) -> String {
    let text = format!("{number:.places$e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

fn plain_text(result: &mut String, value: &Value<'_>, budget: &Budget) -> Result<(), Failure> {
    budget.spend(1)?;
    match value {
        Value::Null => result.push_str("null"),
        Value::Bool(value) => result.push_str(&value.to_string()),
        Value::Int(value) => result.push_str(&value.to_string()),
        Value::UInt(value) => result.push_str(&value.to_string()),
        Value::Double(value) if !value.is_finite() => result.push_str(not_finite(*value)),
        Value::Double(value) => result.push_str(&value.to_string()),
        Value::Text(text) | Value::Type(text) => {
            pay(budget, text.len())?;
            result.push_str(text);
        }
        Value::Bytes(bytes) => {
            pay(budget, bytes.len())?;
            result.push_str(&String::from_utf8_lossy(bytes));
        }
        Value::Duration(nanos) => result.push_str(&moment::duration_text(*nanos)),
        Value::Timestamp(time) => result.push_str(&time.to_string()),
        Value::Opaque(opaque) => result.push_str(&opaque.to_string()),
        Value::Optional(_) | Value::Unknown(_) => {
            return Err(Failure::new(format!("%s does not take a {}", value.type_name())));
        }
        list if list.list_len().is_some() => {
            result.push('[');
            for index in 0..list.list_len().unwrap_or(0) {
                if index > 0 {
                    result.push_str(", ");
                }
                if let Some(item) = list.item(index) {
                    plain_text(result, &item, budget)?;
                }
            }
            result.push(']');
        }
        map => {
            let mut entries = Vec::new();
            for (key, value) in map.entries().unwrap_or_default() {
                let (mut name, mut text) = (String::new(), String::new());
                plain_text(&mut name, &key, budget)?;
                plain_text(&mut text, &value, budget)?;
                entries.push((name, text));
            }
            entries.sort();
            let entries: Vec<String> = entries
                .into_iter()
                .map(|(key, value)| format!("{key}: {value}"))
                .collect();
            result.push('{');
            result.push_str(&entries.join(", "));
            result.push('}');
        }
    }
    Ok(())
}
