//! Durations: Go's, and what Sprig and Helm make of them.

use super::Kind::Any;
use super::{Function, fixed, string};
use crate::functions::numbers::to_float;
use crate::object::{Answer, Object};
use crate::template::printing;
use crate::value::Value;

const NANOSECONDS: i128 = 1_000_000_000;

pub(super) const FUNCTIONS: &[Function] = &[
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
                Object::Time(at, _) => (engine.now - at) as i64,
                _ => 0,
            },
            _ => 0,
        };
        string(round_duration(nanoseconds.unsigned_abs()))
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

/// Go's `time.ParseDuration`, in nanoseconds.
pub(super) fn parse_duration(text: &str) -> Result<i64, String> {
    let shown = printing::quote(text);
    let invalid = || format!("time: invalid duration {shown}");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total = 0_f64;
    let mut exact = 0_i128;
    while !rest.is_empty() {
        let length = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let number = &rest[..length];
        if !number.contains(|c: char| c.is_ascii_digit()) {
            return Err(invalid());
        }
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
            "" => return Err(format!("time: missing unit in duration {shown}")),
            unit => {
                let unit = printing::quote(unit);
                return Err(format!("time: unknown unit {unit} in duration {shown}"));
            }
        };
        rest = &rest[unit_length..];
        match number.parse::<i64>() {
            Ok(whole) => exact = exact.saturating_add(i128::from(whole) * scale),
            Err(_) => total += number.parse::<f64>().map_err(|_| invalid())? * scale as f64,
        }
    }
    let value = i64::try_from(exact.saturating_add(total as i128)).map_err(|_| invalid())?;
    Ok(if negative { -value } else { value })
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
                (Ok(nanoseconds), _) => Ok(nanoseconds),
                (Err(_), Ok(seconds)) => from_seconds(seconds),
                (Err(_), Err(_)) => Err(format!("could not parse duration {}", printing::quote(text))),
            }
        }
        Value::Int(seconds) | Value::Int64(seconds) => seconds
            .checked_mul(1_000_000_000)
            .ok_or_else(|| format!("duration seconds overflow: {seconds}")),
        Value::Float(_) => from_seconds(to_float(value)),
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
    let multiple = any_duration(&args[1]).unwrap_or(0);
    Value::object(Object::Duration(multiple_of(value, multiple, rounds)))
}

/// A duration cut or rounded to a multiple of another one; halves are rounded away from zero.
fn multiple_of(value: i64, multiple: i64, rounds: bool) -> i64 {
    if multiple <= 0 {
        return value;
    }
    let rest = value % multiple;
    let cut = value - rest;
    let away = rounds && rest.unsigned_abs() * 2 >= multiple.unsigned_abs();
    if away {
        cut.saturating_add(multiple * value.signum())
    } else {
        cut
    }
}

/// What a method of a duration gives.
pub(crate) fn duration_member(nanoseconds: i64, name: &str, arguments: &[Value]) -> Answer {
    let seconds = nanoseconds as f64 / 1e9;
    let duration = |nanoseconds| Answer::Value(Value::object(Object::Duration(nanoseconds)));
    match name {
        "Seconds" => Answer::Value(Value::Float(seconds)),
        "Minutes" => Answer::Value(Value::Float(seconds / 60.0)),
        "Hours" => Answer::Value(Value::Float(seconds / 3600.0)),
        "Milliseconds" => Answer::Value(Value::Int64(nanoseconds / 1_000_000)),
        "Microseconds" => Answer::Value(Value::Int64(nanoseconds / 1000)),
        "Nanoseconds" => Answer::Value(Value::Int64(nanoseconds)),
        "String" => Answer::Value(Value::str(&duration_text(nanoseconds))),
        "Abs" => duration(nanoseconds.saturating_abs()),
        "Round" | "Truncate" => match arguments {
            [argument] => match duration_of(argument) {
                Some(multiple) => duration(multiple_of(nanoseconds, multiple, name == "Round")),
                None => Answer::Failed("expected time.Duration".to_owned()),
            },
            _ => Answer::WrongCount(1),
        },
        _ => Answer::Unknown,
    }
}

/// A duration, or nanoseconds written down.
pub(super) fn duration_of(value: &Value) -> Option<i64> {
    match value {
        Value::Object(object) => match &**object {
            Object::Duration(nanoseconds) => Some(*nanoseconds),
            _ => None,
        },
        Value::Int(nanoseconds) => Some(*nanoseconds),
        _ => None,
    }
}
