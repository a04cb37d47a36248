//! Times. The clock is the one the render was given, the local zone is UTC, and what a zone's clocks show comes
//! from a database of our own: a render must not depend on the machine it runs on.

use jiff::Timestamp;
use jiff::tz::TimeZoneDatabase;

use super::Kind::{Any, Text, Time};
use super::civil::{civil, days_of};
use super::durations::{duration_of, duration_text, parse_duration};
use super::layouts::{format_at, format_in, parse_time, written_offset};
use super::{Function, Outcome, fixed, string, text_of};
use crate::object::{Answer, Object, Zone};
use crate::template::Engine;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("now", &[], |engine, _| Ok(time(engine.now, Zone::default()))),
    fixed("date", &[Text, Any], |engine, args| {
        string(format_at(instant(engine, &args[1]).0, &text_of(&args[0])))
    }),
    fixed("dateInZone", &[Text, Any, Text], |engine, args| {
        let moment = instant(engine, &args[1]).0;
        string(in_zone(moment, &text_of(&args[2]), &text_of(&args[0])))
    }),
    fixed("date_in_zone", &[Text, Any, Text], |engine, args| {
        let moment = instant(engine, &args[1]).0;
        string(in_zone(moment, &text_of(&args[2]), &text_of(&args[0])))
    }),
    fixed("htmlDate", &[Any], |engine, args| {
        string(format_at(instant(engine, &args[0]).0, "2006-01-02"))
    }),
    fixed("htmlDateInZone", &[Any, Text], |engine, args| {
        let moment = instant(engine, &args[0]).0;
        string(in_zone(moment, &text_of(&args[1]), "2006-01-02"))
    }),
    fixed("dateModify", &[Text, Time], modify),
    fixed("date_modify", &[Text, Time], modify),
    fixed("mustDateModify", &[Text, Time], must_modify),
    fixed("must_date_modify", &[Text, Time], must_modify),
    fixed("ago", &[Any], |engine, args| {
        let passed = engine.now - instant(engine, &args[0]).0;
        let seconds = (passed as f64 / 1e9).round() as i64;
        string(duration_text(seconds.saturating_mul(1_000_000_000)))
    }),
    fixed("unixEpoch", &[Time], |engine, args| {
        let (moment, _) = instant(engine, &args[0]);
        string(moment.div_euclid(NANOSECONDS).to_string())
    }),
    fixed("toDate", &[Text, Text], |_, args| {
        let (moment, zone) =
            parse_time(&text_of(&args[0]), &text_of(&args[1])).unwrap_or((ZERO_TIME, Zone::default()));
        Ok(time(moment, zone))
    }),
    fixed("mustToDate", &[Text, Text], |_, args| {
        let (moment, zone) = parse_time(&text_of(&args[0]), &text_of(&args[1]))?;
        Ok(time(moment, zone))
    }),
];

const NANOSECONDS: i128 = 1_000_000_000;
/// Go's zero time: the first of January of the year 1.
const ZERO_TIME: i128 = -62_135_596_800 * NANOSECONDS;

fn time(nanoseconds: i128, zone: Zone) -> Value {
    Value::object(Object::Time(nanoseconds, zone))
}

/// The moment that Sprig takes a value for, and its zone: whatever is neither a time nor a whole number is now.
fn instant(engine: &Engine<'_>, value: &Value) -> (i128, Zone) {
    match value {
        Value::Int(seconds) | Value::Int64(seconds) => (i128::from(*seconds) * NANOSECONDS, Zone::default()),
        Value::Object(object) => match &**object {
            Object::Time(nanoseconds, zone) => (*nanoseconds, zone.clone()),
            _ => (engine.now, Zone::default()),
        },
        _ => (engine.now, Zone::default()),
    }
}

/// A moment as the clocks of a zone show it; a zone that nobody knows is UTC.
fn in_zone(moment: i128, zone: &str, layout: &str) -> String {
    // The database would find zones in any case, Go asks for theirs.
    let zone = TimeZoneDatabase::bundled()
        .get(zone)
        .ok()
        .filter(|found| found.iana_name() == Some(zone));
    let timestamp = Timestamp::from_nanosecond(moment);
    match (zone, timestamp) {
        (Some(zone), Ok(timestamp)) => {
            let info = zone.to_offset_info(timestamp);
            format_in(moment, info.offset().seconds(), info.abbreviation(), layout)
        }
        _ => format_at(moment, layout),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the type of a function's body")]
fn modify(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let shift = parse_duration(&text_of(&args[0])).unwrap_or(0);
    let (moment, zone) = instant(engine, &args[1]);
    Ok(time(moment + i128::from(shift), zone))
}

fn must_modify(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let shift = parse_duration(&text_of(&args[0]))?;
    let (moment, zone) = instant(engine, &args[1]);
    Ok(time(moment + i128::from(shift), zone))
}

/// Formats a time object by a layout of Go's.
pub(crate) fn format_time(object: &Object, layout: &str) -> String {
    match object {
        Object::Time(
            nanoseconds,
            Zone {
                offset: 0,
                name: None,
            },
        ) => format_at(*nanoseconds, layout),
        Object::Time(nanoseconds, Zone { offset, name }) => match name {
            Some(name) => format_in(*nanoseconds, *offset, name, layout),
            None => format_in(*nanoseconds, *offset, &written_offset(*offset, "0700"), layout),
        },
        _ => String::new(),
    }
}

/// What a method of a time gives.
pub(crate) fn time_member(nanoseconds: i128, zone: &Zone, name: &str, arguments: &[Value]) -> Answer {
    let offset = zone.offset;
    let moment = civil(nanoseconds + i128::from(offset) * NANOSECONDS);
    let number = |number: i64| Answer::Value(Value::Int(number));
    let long = |number: i128| Answer::Value(Value::Int64(number as i64));
    let wanted = |what: &str| Answer::Failed(format!("expected {what}"));
    match name {
        "Unix" => long(nanoseconds.div_euclid(NANOSECONDS)),
        "UnixMilli" => long(nanoseconds.div_euclid(1_000_000)),
        "UnixMicro" => long(nanoseconds.div_euclid(1000)),
        "UnixNano" => long(nanoseconds),
        "UTC" | "Local" => Answer::Value(time(nanoseconds, Zone::default())),
        "Year" => number(moment.year),
        "Month" => Answer::Value(Value::object(Object::Month(moment.month as usize))),
        "Day" => number(i64::from(moment.day)),
        "Hour" => number(i64::from(moment.hour)),
        "Minute" => number(i64::from(moment.minute)),
        "Second" => number(i64::from(moment.second)),
        "Nanosecond" => number(i64::from(moment.nanosecond)),
        "Weekday" => Answer::Value(Value::object(Object::Weekday(moment.weekday))),
        "YearDay" => number(i64::from(moment.year_day)),
        "IsZero" => Answer::Value(Value::Bool(nanoseconds == ZERO_TIME)),
        "String" => {
            let object = Object::Time(nanoseconds, zone.clone());
            Answer::Value(Value::str(&format_time(&object, DISPLAYED)))
        }
        "Format" => match arguments {
            [Value::Str(layout)] => {
                let object = Object::Time(nanoseconds, zone.clone());
                Answer::Value(Value::str(&format_time(&object, layout)))
            }
            [_] => Answer::WrongArgument,
            _ => Answer::WrongCount(1),
        },
        "Add" | "Round" | "Truncate" => match arguments {
            [argument] => match (name, duration_of(argument)) {
                (_, None) => wanted("time.Duration"),
                ("Add", Some(shift)) => Answer::Value(time(nanoseconds + i128::from(shift), zone.clone())),
                (_, Some(multiple)) => {
                    let rest = (nanoseconds - ZERO_TIME).checked_rem_euclid(i128::from(multiple.max(1)));
                    let rest = rest.unwrap_or(0);
                    let up = name == "Round" && rest * 2 >= i128::from(multiple) && rest > 0;
                    let cut = nanoseconds - rest;
                    Answer::Value(time(
                        if up { cut + i128::from(multiple) } else { cut },
                        zone.clone(),
                    ))
                }
            },
            _ => Answer::WrongCount(1),
        },
        "AddDate" => match arguments {
            [Value::Int(years), Value::Int(months), Value::Int(days)] => {
                match shifted(nanoseconds, offset, *years, *months, *days) {
                    Some(moment) => Answer::Value(time(moment, zone.clone())),
                    None => Answer::Failed("the date is too far away".to_owned()),
                }
            }
            [_, _, _] => wanted("integer"),
            _ => Answer::WrongCount(3),
        },
        "Sub" | "Before" | "After" | "Equal" | "Compare" => match arguments {
            [Value::Object(other)] => match &**other {
                Object::Time(other, _) => Answer::Value(match name {
                    "Sub" => {
                        let passed = (nanoseconds - other).clamp(i64::MIN.into(), i64::MAX.into());
                        Value::object(Object::Duration(passed as i64))
                    }
                    "Before" => Value::Bool(nanoseconds < *other),
                    "After" => Value::Bool(nanoseconds > *other),
                    "Equal" => Value::Bool(nanoseconds == *other),
                    _ => Value::Int(nanoseconds.cmp(other) as i64),
                }),
                _ => wanted("time.Time"),
            },
            [_] => wanted("time.Time"),
            _ => Answer::WrongCount(1),
        },
        _ => Answer::Unknown,
    }
}

/// How a time prints itself.
pub(crate) const DISPLAYED: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

/// A moment so many years, months and days on; days that a month has not are days of the next one.
fn shifted(nanoseconds: i128, offset: i32, years: i64, months: i64, days: i64) -> Option<i128> {
    const FARTHEST: i64 = 100_000_000;
    if [years, months, days].iter().any(|part| part.abs() > FARTHEST) {
        return None;
    }
    let local = nanoseconds + i128::from(offset) * NANOSECONDS;
    let moment = civil(local);
    let month = i64::from(moment.month) - 1 + months;
    let year = moment.year + years + month.div_euclid(12);
    let first = days_of(year, month.rem_euclid(12) as u32 + 1, 1);
    let day = first + i64::from(moment.day) - 1 + days;
    let of_day = local.rem_euclid(86_400 * NANOSECONDS);
    Some(i128::from(day) * 86_400 * NANOSECONDS + of_day - i128::from(offset) * NANOSECONDS)
}

/// The name of a month, from 1.
pub(crate) fn month_name(month: usize) -> &'static str {
    super::civil::MONTHS
        .get(month.wrapping_sub(1))
        .copied()
        .unwrap_or("")
}

/// The name of a day of the week, from Sunday, 0.
pub(crate) fn weekday_name(day: usize) -> &'static str {
    super::civil::DAYS.get(day).copied().unwrap_or("")
}
