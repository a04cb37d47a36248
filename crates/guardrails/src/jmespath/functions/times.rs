//! Functions over moments, which are texts of RFC 3339.

use ::cel::quantity::parse_duration;
use serde_json::Value;

use super::Arguments;
use super::layouts::{Moment, RFC_3339};
use crate::facts::Unavailable;
use crate::jmespath::QueryError;
use crate::jmespath::arithmetic::duration;

/// From the year 1, where Go begins to count, to 1970.
const FROM_THE_FIRST_YEAR: i128 = 62_135_596_800 * 1_000_000_000;

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let moment = |at: usize| read(args, RFC_3339, at);
    let written = |moment: Moment| match moment.rfc_3339() {
        Some(text) => Ok(Value::String(text)),
        None => args.failed("gives a moment that is out of range"),
    };
    Ok(match args.name {
        "time_now" | "time_now_utc" => written(now(args)?)?,
        "time_utc" => written(Moment {
            offset: 0,
            ..moment(0)?
        })?,
        "time_add" => {
            let (start, length) = (moment(0)?, length(args, 1)?);
            written(Moment {
                nanoseconds: start.nanoseconds + i128::from(length),
                ..start
            })?
        }
        "time_truncate" => {
            let (start, step) = (moment(0)?, i128::from(length(args, 1)?));
            let beyond = if step > 0 {
                (start.nanoseconds + FROM_THE_FIRST_YEAR).rem_euclid(step)
            } else {
                0
            };
            written(Moment {
                nanoseconds: start.nanoseconds - beyond,
                ..start
            })?
        }
        "time_parse" if args.text(0).parse::<i64>().is_ok() => {
            let Ok(seconds) = args.text(1).parse::<i64>() else {
                return args.failed("needs whole seconds as argument 2");
            };
            written(Moment {
                nanoseconds: i128::from(seconds) * 1_000_000_000,
                offset: 0,
            })?
        }
        "time_parse" => written(read(args, args.text(0), 1)?)?,
        "time_to_cron" => Value::String(moment(0)?.cron()),
        "time_diff" => between(moment(0)?, moment(1)?),
        "time_since" => {
            let layout = match args.text(0) {
                "" => RFC_3339,
                layout => layout,
            };
            let start = read(args, layout, 1)?;
            let end = match args.text(2) {
                "" => now(args)?,
                _ => read(args, layout, 2)?,
            };
            between(start, end)
        }
        "time_before" => Value::Bool(moment(0)?.nanoseconds < moment(1)?.nanoseconds),
        "time_after" => Value::Bool(moment(0)?.nanoseconds > moment(1)?.nanoseconds),
        _ => {
            let (now, start, end) = (moment(0)?, moment(1)?, moment(2)?);
            Value::Bool(now.nanoseconds > start.nanoseconds && now.nanoseconds < end.nanoseconds)
        }
    })
}

fn read(args: &Arguments<'_>, layout: &str, at: usize) -> Result<Moment, QueryError> {
    match Moment::parse(layout, args.text(at)) {
        Some(moment) => Ok(moment),
        None => args.failed(&format!("cannot read the time {:?}", args.text(at))),
    }
}

fn length(args: &Arguments<'_>, at: usize) -> Result<i64, QueryError> {
    match parse_duration(args.text(at)) {
        Some(length) => Ok(length),
        None => args.failed(&format!("cannot read the duration {:?}", args.text(at))),
    }
}

fn now(args: &Arguments<'_>) -> Result<Moment, QueryError> {
    let Some((seconds, nanoseconds)) = args.world.facts.now() else {
        return Err(args.unavailable(Unavailable::Unknown("what time it is".to_owned())));
    };
    Ok(Moment {
        nanoseconds: i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds),
        offset: 0,
    })
}

/// The time between two moments; as in Go it is at most 292 years.
fn between(start: Moment, end: Moment) -> Value {
    let difference = end.nanoseconds - start.nanoseconds;
    let limit = if difference < 0 { i64::MIN } else { i64::MAX };
    duration(i64::try_from(difference).unwrap_or(limit))
}
