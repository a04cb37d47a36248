//! Times and durations. The clock is the one the render was given, and every zone is UTC: a render must not
//! depend on the machine it runs on.

use super::Kind::{Any, Text, Time};
use super::{Function, Outcome, fixed, string, text_of};
use crate::functions::numbers::to_float;
use crate::object::Object;
use crate::template::Engine;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("now", &[], |engine, _| Ok(time(engine.now))),
    fixed("date", &[Text, Any], |engine, args| {
        string(format_at(instant(engine, &args[1]), &text_of(&args[0])))
    }),
    fixed("dateInZone", &[Text, Any, Text], in_zone),
    fixed("date_in_zone", &[Text, Any, Text], in_zone),
    fixed("htmlDate", &[Any], |engine, args| {
        string(format_at(instant(engine, &args[0]), "2006-01-02"))
    }),
    fixed("htmlDateInZone", &[Any, Text], |engine, args| {
        string(format_at(instant(engine, &args[0]), "2006-01-02"))
    }),
    fixed("dateModify", &[Text, Time], |engine, args| {
        let shift = parse_duration(&text_of(&args[0])).unwrap_or(0);
        Ok(time(instant(engine, &args[1]) + i128::from(shift)))
    }),
    fixed("date_modify", &[Text, Time], |engine, args| {
        let shift = parse_duration(&text_of(&args[0])).unwrap_or(0);
        Ok(time(instant(engine, &args[1]) + i128::from(shift)))
    }),
    fixed("mustDateModify", &[Text, Time], must_modify),
    fixed("must_date_modify", &[Text, Time], must_modify),
    fixed("ago", &[Any], |engine, args| {
        let passed = engine.now - instant(engine, &args[0]);
        let seconds = (passed as f64 / 1e9).round() as i64;
        string(duration_text(seconds.saturating_mul(1_000_000_000)))
    }),
    fixed("duration", &[Any], |_, args| {
        let seconds = match &args[0] {
            Value::Str(text) => text.parse().unwrap_or(0),
            Value::Int64(seconds) => *seconds,
            _ => 0,
        };
        string(duration_text(i64::saturating_mul(seconds, 1_000_000_000)))
    }),
    fixed("durationRound", &[Any], |engine, args| {
        let nanoseconds = match &args[0] {
            Value::Str(text) => parse_duration(text).unwrap_or(0),
            Value::Int64(nanoseconds) => *nanoseconds,
            Value::Object(object) => match &**object {
                Object::Time(at) => (engine.now - at) as i64,
                _ => 0,
            },
            _ => 0,
        };
        string(round_duration(nanoseconds.unsigned_abs()))
    }),
    fixed("unixEpoch", &[Time], |engine, args| {
        string(instant(engine, &args[0]).div_euclid(NANOSECONDS).to_string())
    }),
    fixed("toDate", &[Text, Text], |_, args| {
        Ok(time(
            parse_time(&text_of(&args[0]), &text_of(&args[1])).unwrap_or(ZERO_TIME),
        ))
    }),
    fixed("mustToDate", &[Text, Text], |_, args| {
        let (layout, text) = (text_of(&args[0]), text_of(&args[1]));
        let parsed = parse_time(&layout, &text);
        Ok(time(parsed.ok_or_else(|| {
            format!("parsing time {text:?} as {layout:?}: cannot parse")
        })?))
    }),
    fixed("mustToDuration", &[Any], |_, args| {
        Ok(Value::object(Object::Duration(any_duration(&args[0])?)))
    }),
    fixed("durationSeconds", &[Any], |_, args| {
        Ok(Value::Float(nanoseconds_of(&args[0]) as f64 / 1e9))
    }),
    fixed("durationMinutes", &[Any], |_, args| {
        Ok(Value::Float(nanoseconds_of(&args[0]) as f64 / 6e10))
    }),
    fixed("durationHours", &[Any], |_, args| {
        Ok(Value::Float(nanoseconds_of(&args[0]) as f64 / 3.6e12))
    }),
    fixed("durationDays", &[Any], |_, args| {
        Ok(Value::Float(nanoseconds_of(&args[0]) as f64 / 3.6e12 / 24.0))
    }),
    fixed("durationWeeks", &[Any], |_, args| {
        Ok(Value::Float(
            nanoseconds_of(&args[0]) as f64 / 3.6e12 / 24.0 / 7.0,
        ))
    }),
    fixed("durationMilliseconds", &[Any], |_, args| {
        Ok(Value::Int64(nanoseconds_of(&args[0]) / 1_000_000))
    }),
    fixed("durationMicroseconds", &[Any], |_, args| {
        Ok(Value::Int64(nanoseconds_of(&args[0]) / 1000))
    }),
    fixed("durationNanoseconds", &[Any], |_, args| {
        Ok(Value::Int64(nanoseconds_of(&args[0])))
    }),
    fixed("durationRoundTo", &[Any, Any], |_, args| {
        Ok(to_multiple(args, true))
    }),
    fixed("durationTruncateTo", &[Any, Any], |_, args| {
        Ok(to_multiple(args, false))
    }),
];

const NANOSECONDS: i128 = 1_000_000_000;
/// Go's zero time: the first of January of the year 1.
const ZERO_TIME: i128 = -62_135_596_800 * NANOSECONDS;
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

fn time(nanoseconds: i128) -> Value {
    Value::object(Object::Time(nanoseconds))
}

/// The moment that Sprig takes a value for: whatever is neither a time nor a whole number is now.
fn instant(engine: &Engine<'_>, value: &Value) -> i128 {
    match value {
        Value::Int(seconds) | Value::Int64(seconds) => i128::from(*seconds) * NANOSECONDS,
        Value::Object(object) => match &**object {
            Object::Time(nanoseconds) => *nanoseconds,
            _ => engine.now,
        },
        _ => engine.now,
    }
}

fn in_zone(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    string(format_at(instant(engine, &args[1]), &text_of(&args[0])))
}

fn must_modify(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let text = text_of(&args[0]);
    let shift = parse_duration(&text).ok_or_else(|| format!("time: invalid duration {text:?}"))?;
    Ok(time(instant(engine, &args[1]) + i128::from(shift)))
}

/// A moment taken apart.
struct Civil {
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    /// From Sunday, 0.
    weekday: usize,
    /// From 1.
    year_day: u32,
}

/// Days since 1970 as a date (after Howard Hinnant's algorithms for the civil calendar).
fn date_of(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    (
        year_of_era + era * 400 + i64::from(month <= 2),
        month as u32,
        day as u32,
    )
}

pub(super) fn days_of(year: i64, month: u32, day: u32) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted_month = i64::from(if month > 2 { month - 3 } else { month + 9 });
    let day_of_year = (153 * shifted_month + 2) / 5 + i64::from(day) - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn civil(nanoseconds: i128) -> Civil {
    let seconds = nanoseconds.div_euclid(NANOSECONDS) as i64;
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400) as u32;
    let (year, month, day) = date_of(days);
    Civil {
        year,
        month,
        day,
        hour: of_day / 3600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
        nanosecond: nanoseconds.rem_euclid(NANOSECONDS) as u32,
        weekday: (days + 4).rem_euclid(7) as usize,
        year_day: (days - days_of(year, 1, 1) + 1) as u32,
    }
}

/// A number that a method of a time gives, such as `Year`.
pub(crate) fn time_member(nanoseconds: i128, name: &str) -> Option<i64> {
    let moment = civil(nanoseconds);
    Some(match name {
        "Year" => moment.year,
        "Month" => i64::from(moment.month),
        "Day" => i64::from(moment.day),
        "Hour" => i64::from(moment.hour),
        "Minute" => i64::from(moment.minute),
        "Second" => i64::from(moment.second),
        "Nanosecond" => i64::from(moment.nanosecond),
        "Weekday" => moment.weekday as i64,
        "YearDay" => i64::from(moment.year_day),
        _ => return None,
    })
}

/// Formats a time object by a layout of Go's.
pub(crate) fn format_time(object: &Object, layout: &str) -> String {
    match object {
        Object::Time(nanoseconds) => format_at(*nanoseconds, layout),
        _ => String::new(),
    }
}

/// The pieces of Go's layouts, the longer of two with the same start first.
const PIECES: [&str; 38] = [
    "January",
    "Jan",
    "Monday",
    "Mon",
    "MST",
    "2006",
    "Z07:00:00",
    "Z070000",
    "Z07:00",
    "Z0700",
    "Z07",
    "-07:00:00",
    "-070000",
    "-07:00",
    "-0700",
    "-07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "__2",
    "_2006",
    "_2",
    "15",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
    "5",
    ".0",
    ",0",
    ".9",
    ",9",
];

/// Splits the next piece off a layout: what stands before it, the piece, what follows.
fn next_piece(layout: &str) -> (&str, &str, &str) {
    for (at, _) in layout.char_indices() {
        let rest = &layout[at..];
        let Some(piece) = PIECES.iter().find(|piece| rest.starts_with(**piece)) else {
            continue;
        };
        let mut length = piece.len();
        let after = &rest[length..];
        match *piece {
            // `Jan` in the middle of a word is no month, nor is `Mon` a day.
            "Jan" | "Mon" if after.starts_with(|c: char| c.is_ascii_lowercase()) => continue,
            "_2006" => return (&layout[..=at], &rest[1..length], after),
            ".0" | ",0" | ".9" | ",9" => {
                let digit = piece.as_bytes()[1];
                length = 1 + rest.bytes().skip(1).take_while(|byte| *byte == digit).count();
                if rest[length..].starts_with(|c: char| c.is_ascii_digit()) {
                    continue;
                }
            }
            _ => {}
        }
        return (&layout[..at], &rest[..length], &rest[length..]);
    }
    (layout, "", "")
}

fn format_at(nanoseconds: i128, layout: &str) -> String {
    let moment = civil(nanoseconds);
    let half_day = if moment.hour.is_multiple_of(12) {
        12
    } else {
        moment.hour % 12
    };
    let mut out = String::with_capacity(layout.len() + 8);
    let mut rest = layout;
    while !rest.is_empty() {
        let (before, piece, after) = next_piece(rest);
        out.push_str(before);
        rest = after;
        let written = match piece {
            "2006" => format!("{:04}", moment.year),
            "06" => format!("{:02}", moment.year.rem_euclid(100)),
            "January" => MONTHS[moment.month as usize - 1].to_owned(),
            "Jan" => MONTHS[moment.month as usize - 1][..3].to_owned(),
            "01" => format!("{:02}", moment.month),
            "1" => moment.month.to_string(),
            "Monday" => DAYS[moment.weekday].to_owned(),
            "Mon" => DAYS[moment.weekday][..3].to_owned(),
            "02" => format!("{:02}", moment.day),
            "_2" => format!("{:>2}", moment.day),
            "2" => moment.day.to_string(),
            "002" => format!("{:03}", moment.year_day),
            "__2" => format!("{:>3}", moment.year_day),
            "15" => format!("{:02}", moment.hour),
            "03" => format!("{half_day:02}"),
            "3" => half_day.to_string(),
            "04" => format!("{:02}", moment.minute),
            "4" => moment.minute.to_string(),
            "05" => format!("{:02}", moment.second),
            "5" => moment.second.to_string(),
            "PM" => if moment.hour < 12 { "AM" } else { "PM" }.to_owned(),
            "pm" => if moment.hour < 12 { "am" } else { "pm" }.to_owned(),
            "MST" => "UTC".to_owned(),
            "-0700" => "+0000".to_owned(),
            "-07:00" => "+00:00".to_owned(),
            "-07" => "+00".to_owned(),
            "-070000" => "+000000".to_owned(),
            "-07:00:00" => "+00:00:00".to_owned(),
            zone if zone.starts_with("Z07") => "Z".to_owned(),
            fraction if fraction.len() > 1 && fraction.starts_with(['.', ',']) => {
                let digits = format!("{:09}", moment.nanosecond);
                let cut = &digits[..(fraction.len() - 1).min(9)];
                let cut = if fraction.ends_with('9') {
                    cut.trim_end_matches('0')
                } else {
                    cut
                };
                if cut.is_empty() {
                    String::new()
                } else {
                    format!("{}{cut}", &fraction[..1])
                }
            }
            _ => String::new(),
        };
        out.push_str(&written);
    }
    out
}

/// Reads a time by a layout of Go's.
fn parse_time(layout: &str, text: &str) -> Option<i128> {
    let (mut year, mut month, mut day) = (1_i64, 1_u32, 1_u32);
    let (mut hour, mut minute, mut second, mut nanosecond) = (0_u32, 0_u32, 0_u32, 0_u32);
    let (mut afternoon, mut offset) = (None, 0_i64);
    let (mut layout, mut text) = (layout, text);
    loop {
        let (before, piece, after) = next_piece(layout);
        text = text.strip_prefix(before)?;
        layout = after;
        let mut number = |most: usize| -> Option<u32> {
            let length = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
            let value = text.get(..length)?.parse().ok()?;
            text = &text[length..];
            Some(value)
        };
        match piece {
            "" => break,
            "2006" => year = i64::from(number(4)?),
            "06" => {
                let short = i64::from(number(2)?);
                year = if short >= 69 { 1900 + short } else { 2000 + short };
            }
            "01" | "1" => month = number(2)?,
            "02" | "2" => day = number(2)?,
            "_2" => {
                text = text.trim_start_matches(' ');
                let length = text.bytes().take(2).take_while(u8::is_ascii_digit).count();
                day = text.get(..length)?.parse().ok()?;
                text = &text[length..];
            }
            "15" | "03" | "3" => hour = number(2)?,
            "04" | "4" => minute = number(2)?,
            "05" | "5" => {
                second = number(2)?;
                // A fraction of a second is read even if the layout has none.
                if text.starts_with(['.', ',']) && !layout.starts_with(['.', ',']) {
                    let (value, length) = fraction(text)?;
                    nanosecond = value;
                    text = &text[length..];
                }
            }
            "PM" | "pm" => {
                afternoon = Some(match text.get(..2)?.to_ascii_uppercase().as_str() {
                    "AM" => false,
                    "PM" => true,
                    _ => return None,
                });
                text = &text[2..];
            }
            "January" | "Jan" => {
                let length = if piece == "Jan" { 3 } else { 9 };
                let index = MONTHS.iter().position(|name| {
                    let name = &name[..name.len().min(length)];
                    text.get(..name.len())
                        .is_some_and(|start| start.eq_ignore_ascii_case(name))
                })?;
                month = index as u32 + 1;
                text = &text[MONTHS[index].len().min(length)..];
            }
            "Monday" | "Mon" => {
                let length = if piece == "Mon" { 3 } else { 9 };
                let name = DAYS
                    .iter()
                    .map(|name| &name[..name.len().min(length)])
                    .find(|name| {
                        text.get(..name.len())
                            .is_some_and(|start| start.eq_ignore_ascii_case(name))
                    })?;
                text = &text[name.len()..];
            }
            "MST" => text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT"))?,
            zone if zone.contains("07") => {
                if zone.starts_with('Z')
                    && let Some(after) = text.strip_prefix('Z')
                {
                    text = after;
                } else {
                    let sign = match text.as_bytes().first()? {
                        b'+' => 1,
                        b'-' => -1,
                        _ => return None,
                    };
                    let colon = usize::from(zone.contains(':'));
                    let hours: i64 = text.get(1..3)?.parse().ok()?;
                    let minutes: i64 = if zone.len() > 3 {
                        text.get(3 + colon..5 + colon)?.parse().ok()?
                    } else {
                        0
                    };
                    text = text.get(if zone.len() > 3 { 5 + colon } else { 3 }..)?;
                    offset = sign * (hours * 3600 + minutes * 60);
                }
            }
            digits if digits.starts_with(['.', ',']) => {
                if text.starts_with(['.', ',']) {
                    let (value, length) = fraction(text)?;
                    nanosecond = value;
                    text = &text[length..];
                }
            }
            _ => return None,
        }
    }
    if !text.is_empty() {
        return None;
    }
    match afternoon {
        Some(true) if hour < 12 => hour += 12,
        Some(false) if hour == 12 => hour = 0,
        _ => {}
    }
    let days = days_of(year, month, day);
    if !(1..=12).contains(&month)
        || date_of(days) != (year, month, day)
        || hour > 23
        || minute > 59
        || second > 59
    {
        return None;
    }
    let seconds =
        days * 86_400 + i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second) - offset;
    Some(i128::from(seconds) * NANOSECONDS + i128::from(nanosecond))
}

/// The nanoseconds of `.123`, and how long it is.
fn fraction(text: &str) -> Option<(u32, usize)> {
    let digits = text.bytes().skip(1).take_while(u8::is_ascii_digit).count();
    let padded: String = text
        .get(1..=digits)?
        .chars()
        .chain("000000000".chars())
        .take(9)
        .collect();
    Some((padded.parse().ok()?, digits + 1))
}

/// Go's `time.ParseDuration`, in nanoseconds.
fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total = 0_f64;
    let mut exact = 0_i128;
    while !rest.is_empty() {
        let length = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number = &rest[..length];
        rest = &rest[length..];
        let unit_length = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        let scale: i128 = match &rest[..unit_length] {
            "ns" => 1,
            "us" | "µs" | "μs" => 1000,
            "ms" => 1_000_000,
            "s" => NANOSECONDS,
            "m" => 60 * NANOSECONDS,
            "h" => 3600 * NANOSECONDS,
            _ => return None,
        };
        rest = &rest[unit_length..];
        match number.parse::<i64>() {
            Ok(whole) => exact += i128::from(whole) * scale,
            Err(_) => total += number.parse::<f64>().ok()? * scale as f64,
        }
    }
    let value = i64::try_from(exact + total as i128).ok()?;
    Some(if negative { -value } else { value })
}

/// Go's `Duration.String`: `1h2m3.5s`.
pub(crate) fn duration_text(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let decimal = |value: u64, unit: u64| {
        let (whole, rest) = (value / unit, value % unit);
        if rest == 0 {
            return whole.to_string();
        }
        let width = unit.ilog10() as usize;
        format!("{whole}.{}", format!("{rest:0width$}").trim_end_matches('0'))
    };
    if magnitude == 0 {
        return "0s".to_owned();
    }
    if magnitude < 1000 {
        return format!("{sign}{magnitude}ns");
    }
    if magnitude < 1_000_000 {
        return format!("{sign}{}µs", decimal(magnitude, 1000));
    }
    if magnitude < 1_000_000_000 {
        return format!("{sign}{}ms", decimal(magnitude, 1_000_000));
    }
    let minutes = magnitude / 60_000_000_000;
    let seconds = decimal(magnitude % 60_000_000_000, 1_000_000_000);
    match (minutes / 60, minutes % 60) {
        (0, 0) => format!("{sign}{seconds}s"),
        (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
        (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
    }
}

fn round_duration(nanoseconds: u64) -> String {
    const SECOND: u64 = 1_000_000_000;
    for (unit, name) in [
        (SECOND * 3600 * 24 * 365, "y"),
        (SECOND * 3600 * 24 * 30, "mo"),
        (SECOND * 3600 * 24, "d"),
        (SECOND * 3600, "h"),
        (SECOND * 60, "m"),
        (SECOND, "s"),
    ] {
        if nanoseconds > unit {
            return format!("{}{name}", nanoseconds / unit);
        }
    }
    "0s".to_owned()
}

/// What Helm takes for a duration: one, a text that is one, or seconds.
fn any_duration(value: &Value) -> Result<i64, String> {
    let from_seconds = |seconds: f64| {
        let nanoseconds = seconds * 1e9;
        if nanoseconds.is_finite() && nanoseconds.abs() < 9.2e18 {
            Ok(nanoseconds as i64)
        } else {
            Err(format!(
                "duration seconds overflow: {}",
                yaml::format_float(seconds)
            ))
        }
    };
    match value {
        Value::Object(object) => match &**object {
            Object::Duration(nanoseconds) => Ok(*nanoseconds),
            _ => Err(format!("unsupported duration type {}", value.type_name())),
        },
        Value::Str(text) => {
            let trimmed = text.trim();
            if trimmed.is_empty() {
                return Err("empty duration".to_owned());
            }
            match (parse_duration(trimmed), trimmed.parse::<f64>()) {
                (Some(nanoseconds), _) => Ok(nanoseconds),
                (None, Ok(seconds)) => from_seconds(seconds),
                (None, Err(_)) => Err(format!("could not parse duration {text:?}")),
            }
        }
        Value::Int(_) | Value::Int64(_) | Value::Float(_) => from_seconds(to_float(value)),
        Value::Missing | Value::Nil => Err("invalid duration".to_owned()),
        other => Err(format!("unsupported duration type {}", other.type_name())),
    }
}

fn nanoseconds_of(value: &Value) -> i64 {
    any_duration(value).unwrap_or(0)
}

fn to_multiple(args: &[Value], rounds: bool) -> Value {
    let Ok(value) = any_duration(&args[0]) else {
        return Value::object(Object::Duration(0));
    };
    let result = match any_duration(&args[1]) {
        Ok(multiple) if multiple > 0 => {
            let rest = value % multiple;
            let cut = value - rest;
            let away = rounds && rest.unsigned_abs() * 2 >= multiple.unsigned_abs();
            if away {
                cut.saturating_add(multiple * value.signum())
            } else {
                cut
            }
        }
        _ => value,
    };
    Value::object(Object::Duration(result))
}
