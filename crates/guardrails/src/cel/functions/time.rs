//! Kyverno's functions of time.

use ::cel::{Args, Evaluated, Failure, Style, Timestamp, Value};

use super::Table;
use crate::cel::world::World;

pub(super) const TABLE: Table = &[
    ("time.now", Style::Plain, now),
    ("time.truncate", Style::Plain, truncate),
    ("time.toCron", Style::Plain, to_cron),
];

fn now<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<0>()?;
    let (seconds, nanos) = world.facts.now().ok_or_else(|| Failure::unknown("the time"))?;
    Timestamp::new(seconds, nanos)
        .map(Value::Timestamp)
        .ok_or_else(|| Failure::new("timestamp overflow"))
}

/// The beginning of the year 1, in nanoseconds.
const YEAR_ONE: i128 = -62_135_596_800 * 1_000_000_000;

/// Rounds down to a multiple, counted from the year 1 as Go does.
fn truncate<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
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

fn to_cron<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
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
