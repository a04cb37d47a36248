//! How values become text: Go's `fmt`, as far as templates reach it (`printf`, `print`, `println`, `%v`).

use std::fmt::Write as _;

use super::engine::Engine;
use super::powers;
use crate::functions::{dates, durations};
use crate::object::Object;
use crate::value::Value;

/// Writes a value as `fmt.Print` and `%v` do.
pub(crate) fn display(engine: &Engine<'_>, value: &Value) -> Result<String, String> {
    let mut out = String::new();
    write_value(engine, &mut out, value, 0)?;
    Ok(out)
}

/// Writes a value behind what is there.
pub(crate) fn write_value(
    engine: &Engine<'_>,
    out: &mut String,
    value: &Value,
    depth: usize,
) -> Result<(), String> {
    engine.budget.descend(depth)?;
    engine.budget.length(out.len())?;
    match value {
        Value::Missing | Value::Nil => out.push_str("<nil>"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) | Value::Int64(value) => {
            // Writing to a string cannot fail.
            let _ = write!(out, "{value}");
        }
        Value::Float(value) => out.push_str(&yaml::format_float(*value)),
        Value::Str(text) => {
            engine.budget.text(text.len())?;
            out.push_str(text);
        }
        Value::Bytes(bytes) => out.push_str(&String::from_utf8_lossy(bytes)),
        Value::Octets(bytes) => {
            engine.budget.text(bytes.len().saturating_mul(4))?;
            out.push_str(&octets(bytes));
        }
        Value::List(list) => {
            out.push('[');
            for (index, item) in list.items.iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                write_value(engine, out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push_str("map[");
            for (index, (key, item)) in map.entries.borrow().iter().enumerate() {
                if index > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                write_value(engine, out, item, depth + 1)?;
            }
            out.push(']');
        }
        Value::Object(object) => out.push_str(&object_text(object)),
    }
    Ok(())
}

/// Bytes as `%v` shows them: their numbers.
fn octets(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 4 + 2);
    out.push('[');
    for (index, byte) in bytes.iter().enumerate() {
        let _ = write!(out, "{}{byte}", if index > 0 { " " } else { "" });
    }
    out.push(']');
    out
}

fn object_text(object: &Object) -> String {
    match object {
        Object::Files(files) => {
            let names: Vec<String> = files
                .iter()
                .map(|(name, data)| format!("{name}:{}", octets(data)))
                .collect();
            format!("map[{}]", names.join(" "))
        }
        Object::Capabilities(set) => format!("&{{{} [{}]}}", set.normalized, set.api_versions.join(" ")),
        Object::ApiVersions(set) => format!("[{}]", set.api_versions.join(" ")),
        Object::KubeVersion(set) => set.normalized.clone(),
        Object::HelmVersion => format!("{{{}   }}", crate::object::HELM_VERSION),
        Object::SemVer(version) => version.to_string(),
        Object::Time(..) => dates::format_time(object, dates::DISPLAYED),
        Object::Month(month) => dates::month_name(*month).to_owned(),
        Object::Weekday(day) => dates::weekday_name(*day).to_owned(),
        Object::Duration(nanoseconds) => durations::duration_text(*nanoseconds),
        Object::Certificate { cert, key } => format!("{{{cert} {key}}}"),
    }
}

/// `fmt.Sprint`: blanks only between two that are both not strings.
pub(crate) fn sprint(engine: &Engine<'_>, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    let mut after_text = true;
    for (index, value) in values.iter().enumerate() {
        let is_text = matches!(value, Value::Str(_));
        if index > 0 && !is_text && !after_text {
            out.push(' ');
        }
        write_value(engine, &mut out, value, 0)?;
        after_text = is_text;
    }
    Ok(out)
}

/// `fmt.Sprintln`: blanks between all, and a newline.
pub(crate) fn sprintln(engine: &Engine<'_>, values: &[Value]) -> Result<String, String> {
    let mut out = String::new();
    for (index, value) in values.iter().enumerate() {
        if index > 0 {
            out.push(' ');
        }
        write_value(engine, &mut out, value, 0)?;
    }
    out.push('\n');
    Ok(out)
}

/// The flags, width and precision of one verb.
#[derive(Default, Clone)]
struct Spec {
    plus: bool,
    minus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

/// The widest padding that is made.
const MAX_WIDTH: usize = 1_000_000;

/// `fmt.Sprintf`.
pub(crate) fn sprintf(engine: &Engine<'_>, format: &str, values: &[Value]) -> Result<String, String> {
    let mut out = String::with_capacity(format.len() + 16);
    let mut next = 0_usize;
    let mut reordered = false;
    let mut rest = format;
    while let Some(percent) = rest.find('%') {
        out.push_str(&rest[..percent]);
        rest = &rest[percent + 1..];
        let mut spec = Spec::default();
        while let Some(flag) = rest.chars().next() {
            match flag {
                '+' => spec.plus = true,
                '-' => {
                    spec.minus = true;
                    spec.zero = false;
                }
                '#' => spec.sharp = true,
                ' ' => spec.space = true,
                '0' => spec.zero = !spec.minus,
                _ => break,
            }
            rest = &rest[1..];
        }
        let mut bad_index = false;
        take_index(&mut rest, &mut next, values.len(), &mut reordered, &mut bad_index);
        match take_size(&mut rest, &mut next, values) {
            Some(Ok(width)) if width < 0 => {
                spec.minus = true;
                spec.zero = false;
                spec.width = Some(width.unsigned_abs() as usize);
            }
            Some(Ok(width)) => spec.width = Some(width as usize),
            Some(Err(())) => out.push_str("%!(BADWIDTH)"),
            None => {}
        }
        if let Some(after) = rest.strip_prefix('.') {
            rest = after;
            take_index(&mut rest, &mut next, values.len(), &mut reordered, &mut bad_index);
            match take_size(&mut rest, &mut next, values) {
                Some(Ok(precision)) if precision >= 0 => spec.precision = Some(precision as usize),
                Some(_) => out.push_str("%!(BADPREC)"),
                None => spec.precision = Some(0),
            }
        }
        take_index(&mut rest, &mut next, values.len(), &mut reordered, &mut bad_index);
        spec.width = spec.width.map(|width| width.min(MAX_WIDTH));
        spec.precision = spec.precision.map(|precision| precision.min(MAX_WIDTH));
        let Some(verb) = rest.chars().next() else {
            out.push_str("%!(NOVERB)");
            break;
        };
        rest = &rest[verb.len_utf8()..];
        if verb == 'v' {
            // There it asks for field names, which no value here has.
            spec.plus = false;
        }
        if verb == '%' {
            out.push('%');
        } else if bad_index {
            let _ = write!(out, "%!{verb}(BADINDEX)");
        } else if let Some(value) = values.get(next) {
            next += 1;
            let text = one(engine, verb, &spec, value, 0)?;
            engine.budget.text(text.len())?;
            out.push_str(&text);
        } else {
            let _ = write!(out, "%!{verb}(MISSING)");
        }
    }
    out.push_str(rest);
    if !reordered && next < values.len() {
        out.push_str("%!(EXTRA ");
        for (index, value) in values[next..].iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            if value.is_nil() {
                out.push_str("<nil>");
            } else {
                let _ = write!(out, "{}={}", value.type_name(), display(engine, value)?);
            }
        }
        out.push(')');
    }
    Ok(out)
}

/// An argument index, `[2]`.
fn take_index(rest: &mut &str, next: &mut usize, count: usize, reordered: &mut bool, bad: &mut bool) {
    let Some(inner) = rest.strip_prefix('[') else {
        return;
    };
    *reordered = true;
    let Some(close) = inner.find(']') else {
        *bad = true;
        *rest = inner;
        return;
    };
    match inner[..close].parse::<usize>() {
        Ok(index) if index >= 1 && index <= count => *next = index - 1,
        _ => *bad = true,
    }
    *rest = &inner[close + 1..];
}

/// A width or precision: digits, or `*` for the next argument.
fn take_size(rest: &mut &str, next: &mut usize, values: &[Value]) -> Option<Result<i64, ()>> {
    if let Some(after) = rest.strip_prefix('*') {
        *rest = after;
        let value = values.get(*next).cloned();
        *next += 1;
        return Some(match value {
            Some(Value::Int(size) | Value::Int64(size)) if size.abs() <= 1_000_000 => Ok(size),
            _ => Err(()),
        });
    }
    let length = rest.bytes().take_while(u8::is_ascii_digit).count();
    if length == 0 {
        return None;
    }
    let size = rest[..length].parse::<i64>().unwrap_or(i64::MAX).min(1_000_000);
    *rest = &rest[length..];
    Some(Ok(size))
}

fn one(engine: &Engine<'_>, verb: char, spec: &Spec, value: &Value, depth: usize) -> Result<String, String> {
    engine.budget.descend(depth)?;
    let text = match (verb, value) {
        ('T', _) => return Ok(pad(spec, value.type_name())),
        ('v', Value::Str(text)) if spec.sharp => quote(text),
        ('v' | 's', Value::Str(text)) => truncated(spec, text),
        ('q', Value::Str(text)) => quote(&truncated(spec, text)),
        ('x' | 'X', Value::Str(text)) => hex(spec, verb, text.as_bytes()),
        ('v' | 's', Value::Bytes(bytes)) | ('s', Value::Octets(bytes)) => {
            truncated(spec, &String::from_utf8_lossy(bytes))
        }
        ('q', Value::Bytes(bytes) | Value::Octets(bytes)) => quote(&String::from_utf8_lossy(bytes)),
        ('x' | 'X', Value::Bytes(bytes) | Value::Octets(bytes)) => hex(spec, verb, bytes),
        ('v', Value::Octets(bytes)) if spec.sharp => {
            let shown: Vec<String> = bytes.iter().map(|byte| format!("{byte:#x}")).collect();
            return Ok(format!("[]byte{{{}}}", shown.join(", ")));
        }
        (_, Value::Octets(bytes)) => {
            let mut shown = Vec::with_capacity(bytes.len());
            for byte in &**bytes {
                let text = one(engine, verb, spec, &Value::Int(i64::from(*byte)), depth + 1)?;
                // The numbers are of a type of their own.
                shown.push(text.replacen("(int=", "(uint8=", 1));
            }
            return Ok(format!("[{}]", shown.join(" ")));
        }
        // Inside a list or a map, nothing looks the same with every verb and any width.
        ('v', Value::Missing | Value::Nil) if spec.sharp && depth > 0 => {
            return Ok("interface {}(nil)".to_owned());
        }
        (_, Value::Missing | Value::Nil) if depth > 0 => return Ok("<nil>".to_owned()),
        ('v', Value::Missing | Value::Nil) => "<nil>".to_owned(),
        (_, Value::Missing | Value::Nil) => return Ok(format!("%!{verb}(<nil>)")),
        ('v' | 't', Value::Bool(value)) => value.to_string(),
        ('v' | 'd', Value::Int(number) | Value::Int64(number)) => {
            return Ok(integer(spec, *number, 10, false, ""));
        }
        ('b', Value::Int(number) | Value::Int64(number)) => {
            return Ok(integer(spec, *number, 2, false, "0b"));
        }
        ('o', Value::Int(number) | Value::Int64(number)) => return Ok(integer(spec, *number, 8, false, "0")),
        ('O', Value::Int(number) | Value::Int64(number)) => {
            return Ok(integer(
                &Spec {
                    sharp: true,
                    ..spec.clone()
                },
                *number,
                8,
                false,
                "0o",
            ));
        }
        ('x', Value::Int(number) | Value::Int64(number)) => {
            return Ok(integer(spec, *number, 16, false, "0x"));
        }
        ('X', Value::Int(number) | Value::Int64(number)) => {
            return Ok(integer(spec, *number, 16, true, "0X"));
        }
        ('c', Value::Int(number) | Value::Int64(number)) => character(*number).to_string(),
        ('q', Value::Int(number) | Value::Int64(number)) => quote_character(character(*number)),
        ('U', Value::Int(number) | Value::Int64(number)) => format!("U+{number:04X}"),
        ('v' | 'g' | 'G' | 'e' | 'E' | 'f' | 'F' | 'b' | 'x' | 'X', Value::Float(number)) => {
            return Ok(float(spec, verb, *number));
        }
        ('v' | 's', Value::Object(object)) => object_text(object),
        ('d', Value::Object(object)) => match &**object {
            Object::Duration(nanoseconds) => return Ok(integer(spec, *nanoseconds, 10, false, "")),
            Object::Month(number) | Object::Weekday(number) => {
                return Ok(integer(spec, *number as i64, 10, false, ""));
            }
            _ => format!("%!d({}={})", value.type_name(), object_text(object)),
        },
        (_, Value::List(list)) => {
            let mut items = Vec::with_capacity(list.items.len());
            for item in &list.items {
                items.push(one(engine, verb, spec, item, depth + 1)?);
            }
            // A width is one of the elements, not of the whole.
            return Ok(if verb == 'v' && spec.sharp {
                format!("{}{{{}}}", value.type_name(), items.join(", "))
            } else {
                format!("[{}]", items.join(" "))
            });
        }
        (_, Value::Map(map)) if verb == 'v' && spec.sharp && map.declared.is_nil() => {
            return Ok(format!("{}(nil)", value.type_name()));
        }
        (_, Value::Map(map)) => {
            let mut items = Vec::with_capacity(map.len());
            for (key, item) in map.entries.borrow().iter() {
                let key = one(engine, verb, spec, &Value::Str(key.clone()), depth + 1)?;
                items.push(format!("{key}:{}", one(engine, verb, spec, item, depth + 1)?));
            }
            return Ok(if verb == 'v' && spec.sharp {
                format!("{}{{{}}}", value.type_name(), items.join(", "))
            } else {
                format!("map[{}]", items.join(" "))
            });
        }
        _ if verb == 'v' => display(engine, value)?,
        _ => {
            // What a verb is not for is shown as `%v` shows it, in the same width.
            let plain = Spec {
                sharp: false,
                ..spec.clone()
            };
            let shown = one(engine, 'v', &plain, value, depth)?;
            return Ok(format!("%!{verb}({}={shown})", value.type_name()));
        }
    };
    engine.budget.text(text.len())?;
    Ok(pad(spec, &text))
}

fn truncated(spec: &Spec, text: &str) -> String {
    match spec.precision {
        Some(length) => text.chars().take(length).collect(),
        None => text.to_owned(),
    }
}

fn hex(spec: &Spec, verb: char, bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() * 2);
    for (index, byte) in bytes.iter().enumerate() {
        if spec.space && index > 0 {
            out.push(' ');
        }
        if spec.sharp && (spec.space || index == 0) {
            out.push('0');
            out.push(verb);
        }
        let _ = if verb == 'x' {
            write!(out, "{byte:02x}")
        } else {
            write!(out, "{byte:02X}")
        };
    }
    out
}

fn character(code: i64) -> char {
    u32::try_from(code)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn pad(spec: &Spec, text: &str) -> String {
    let Some(width) = spec.width else {
        return text.to_owned();
    };
    let missing = width.saturating_sub(text.chars().count());
    if missing == 0 {
        text.to_owned()
    } else if spec.minus {
        format!("{text}{}", " ".repeat(missing))
    } else {
        let filler = if spec.zero { "0" } else { " " };
        format!("{}{text}", filler.repeat(missing))
    }
}

fn integer(spec: &Spec, number: i64, radix: u64, upper: bool, prefix: &str) -> String {
    let mut magnitude = number.unsigned_abs();
    let mut digits = Vec::new();
    loop {
        let digit = char::from_digit((magnitude % radix) as u32, radix as u32).unwrap_or('0');
        digits.push(if upper { digit.to_ascii_uppercase() } else { digit });
        magnitude /= radix;
        if magnitude == 0 {
            break;
        }
    }
    let sign = match (number < 0, spec.plus, spec.space) {
        (true, _, _) => "-",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let prefix = if spec.sharp { prefix } else { "" };
    let mut wanted = spec.precision.unwrap_or(0);
    if spec.zero && spec.precision.is_none() {
        wanted = spec.width.unwrap_or(0).saturating_sub(sign.len() + prefix.len());
    }
    while digits.len() < wanted {
        digits.push('0');
    }
    let text: String = sign
        .chars()
        .chain(prefix.chars())
        .chain(digits.into_iter().rev())
        .collect();
    pad(
        &Spec {
            zero: false,
            ..spec.clone()
        },
        &text,
    )
}

fn float(spec: &Spec, verb: char, number: f64) -> String {
    let mut text = match verb {
        'f' | 'F' => format!("{number:.*}", spec.precision.unwrap_or(6).min(1000)),
        'b' => powers::binary(number),
        'x' | 'X' => powers::hexadecimal(number, spec.precision),
        'e' | 'E' => exponent_form(&format!("{number:.*e}", spec.precision.unwrap_or(6).min(1000))),
        _ => match spec.precision {
            Some(precision) => general(number, precision.clamp(1, 1000)),
            None => yaml::format_float(number),
        },
    };
    if !number.is_finite() {
        // Unlike other numbers, infinity keeps its sign.
        text = yaml::format_float(number);
    }
    if verb.is_ascii_uppercase() {
        text = text.to_ascii_uppercase();
    }
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits.to_owned()),
        None if spec.plus => ("+", text.trim_start_matches('+').to_owned()),
        None if spec.space => (" ", text),
        None => ("", text),
    };
    if spec.zero && number.is_finite() {
        let width = spec.width.unwrap_or(0).saturating_sub(sign.len());
        return format!("{sign}{digits:0>width$}");
    }
    pad(
        &Spec {
            zero: false,
            ..spec.clone()
        },
        &format!("{sign}{digits}"),
    )
}

/// Go writes at least two digits of exponent, and its sign.
fn exponent_form(text: &str) -> String {
    let Some((mantissa, exponent)) = text.split_once('e') else {
        return text.to_owned();
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// `%.3g`: that many digits, without trailing zeros.
fn general(number: f64, precision: usize) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{number:.*e}", precision - 1);
    let exponent: i32 = scientific
        .split_once('e')
        .and_then(|(_, e)| e.parse().ok())
        .unwrap_or(0);
    let trim = |text: &str| {
        if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            text.to_owned()
        }
    };
    if exponent < -4 || exponent >= precision as i32 {
        let (mantissa, _) = scientific.split_once('e').unwrap_or((&scientific, ""));
        exponent_form(&format!("{}e{exponent}", trim(mantissa)))
    } else {
        trim(&format!(
            "{number:.*}",
            usize::try_from(precision as i32 - 1 - exponent).unwrap_or(0)
        ))
    }
}

/// Go's `strconv.Quote`.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' '..='~' => out.push(character),
            _ if is_printable(character) => out.push(character),
            _ => {
                let code = u32::from(character);
                let _ = match code {
                    0..0x80 => write!(out, "\\x{code:02x}"),
                    0x80..0x10000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

/// Go's `strconv.QuoteRune`.
fn quote_character(character: char) -> String {
    match character {
        '\'' => "'\\''".to_owned(),
        '"' => "'\"'".to_owned(),
        other => {
            let quoted = quote(other.encode_utf8(&mut [0; 4]));
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

/// Go's `unicode.IsPrint`, near enough: no controls, no blanks but the plain one, nothing unassigned to text.
fn is_printable(character: char) -> bool {
    !(character.is_control()
        || character.is_whitespace()
        || matches!(character,
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{e000}'..='\u{f8ff}' | '\u{e0000}'..))
}
