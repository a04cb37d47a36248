//! Functions of points in time and spans of it.

use super::super::evaluate::Evaluated;
use super::super::failure::Failure;
use super::super::moment::{self, Civil, Timestamp};
use super::super::value::Value;
use super::{Args, Style, Table};

pub(super) const TABLE: Table = &[
    ("getFullYear", Style::Method, |args| {
        part(args, |civil| civil.year)
    }),
    ("getMonth", Style::Method, |args| {
        part(args, |civil| civil.month - 1)
    }),
    ("getDate", Style::Method, |args| part(args, |civil| civil.day)),
    ("getDayOfMonth", Style::Method, |args| {
        part(args, |civil| civil.day - 1)
    }),
    ("getDayOfWeek", Style::Method, |args| {
        part(args, |civil| civil.weekday)
    }),
    ("getDayOfYear", Style::Method, |args| {
        part(args, |civil| civil.day_of_year)
    }),
    ("getHours", Style::Method, |args| {
        span(args, 3_600_000_000_000, |civil| civil.second / 3600)
    }),
    ("getMinutes", Style::Method, |args| {
        span(args, 60_000_000_000, |civil| civil.second / 60 % 60)
    }),
    ("getSeconds", Style::Method, |args| {
        span(args, 1_000_000_000, |civil| civil.second % 60)
    }),
    ("getMilliseconds", Style::Method, milliseconds),
    ("time.now", Style::Plain, now),
    ("time.truncate", Style::Plain, truncate),
    ("time.toCron", Style::Plain, to_cron),
];

fn part<'v>(args: &Args<'_, 'v>, choose: impl Fn(Civil) -> i64) -> Evaluated<'v> {
    let Some(Value::Timestamp(time)) = args.values.first() else {
        return Err(args.refuse());
    };
    let offset = match args.len() {
        1 => 0,
        2 => {
            let zone = args.text(1)?;
            moment::offset_at(zone, *time)
                .ok_or_else(|| Failure::new(format!("the time zone {zone:?} is not known here")))?
        }
        _ => return Err(args.refuse()),
    };
    Ok(Value::Int(choose(time.civil(offset))))
}

fn span<'v>(args: &Args<'_, 'v>, unit: i64, choose: impl Fn(Civil) -> i64) -> Evaluated<'v> {
    match args.values.as_slice() {
        [Value::Duration(nanos)] => Ok(Value::Int(nanos / unit)),
        _ => part(args, choose),
    }
}

fn milliseconds<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    match args.values.as_slice() {
        [Value::Duration(nanos)] => Ok(Value::Int(nanos / 1_000_000)),
        [Value::Timestamp(time), ..] => part(args, |_| i64::from(time.nanos / 1_000_000)),
        _ => Err(args.refuse()),
    }
}

fn now<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<0>()?;
    let (seconds, nanos) = args
        .scope
        .facts
        .now()
        .ok_or_else(|| Failure::unknown("the time"))?;
    Timestamp::new(seconds, nanos)
        .map(Value::Timestamp)
        .ok_or_else(|| Failure::new("timestamp overflow"))
}

/// The beginning of the year 1, in nanoseconds.
const YEAR_ONE: i128 = -62_135_596_800 * 1_000_000_000;

/// Rounds down to a multiple, counted from the year 1 as Go does.
fn truncate<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [Value::Timestamp(time), Value::Duration(by)] = args.exactly()? else {
        return Err(args.refuse());
    };
    if *by <= 0 {
        return Ok(Value::Timestamp(*time));
    }
    let since = time.total() - YEAR_ONE;
    let whole = since - since.rem_euclid(i128::from(*by));
    Timestamp::from_total(whole + YEAR_ONE)
        .map(Value::Timestamp)
        .ok_or_else(|| Failure::new("timestamp overflow"))
}

fn to_cron<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [Value::Timestamp(time)] = args.exactly()? else {
        return Err(args.refuse());
    };
    let civil = time.civil(0);
    let (hour, minute) = (civil.second / 3600, civil.second / 60 % 60);
    Ok(Value::text(format!(
        "{minute} {hour} {} {} {}",
        civil.day, civil.month, civil.weekday
    )))
}
