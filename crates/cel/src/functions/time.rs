//! Functions of points in time and spans of it.

use super::{Args, Style, Table};
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::moment::{self, Civil};
use crate::value::Value;

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
