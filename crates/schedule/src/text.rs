//! Reads the text of a schedule, as robfig/cron v3 does.

use jiff::SignedDuration;

use crate::field::Field;
use crate::{Fields, Form, ScheduleError};

/// What a field can say: the lowest and the highest number, and names for the lowest ones.
struct Bounds {
    low: u8,
    high: u8,
    names: &'static [&'static str],
}

const MINUTE: Bounds = Bounds {
    low: 0,
    high: 59,
    names: &[],
};
const HOUR: Bounds = Bounds {
    low: 0,
    high: 23,
    names: &[],
};
const DAY: Bounds = Bounds {
    low: 1,
    high: 31,
    names: &[],
};
const MONTH: Bounds = Bounds {
    low: 1,
    high: 12,
    names: &[
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ],
};
const WEEKDAY: Bounds = Bounds {
    low: 0,
    high: 6,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

pub(crate) fn parse(text: &str) -> Result<Form, ScheduleError> {
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        return Err(ScheduleError::TimeZone);
    }
    let text = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        word if word.starts_with('@') => {
            let Some(pause) = word.strip_prefix("@every ") else {
                return Err(ScheduleError::Word(word.to_owned()));
            };
            let seconds = seconds(pause).ok_or_else(|| ScheduleError::Duration(word.to_owned()))?;
            return Ok(Form::Every(SignedDuration::from_secs(seconds.max(1))));
        }
        text => text,
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(ScheduleError::Fields(
            fields.iter().map(ToString::to_string).collect(),
        ));
    };
    Ok(Form::Fields(Box::new(Fields {
        minute: field(minute, &MINUTE)?,
        hour: field(hour, &HOUR)?,
        day: field(day, &DAY)?,
        month: field(month, &MONTH)?,
        weekday: field(weekday, &WEEKDAY)?,
    })))
}

fn field(text: &str, bounds: &Bounds) -> Result<Field, ScheduleError> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .try_fold(Field::default(), |field, part| {
            part_of(part, bounds)
                .map(|more| field.or(more))
                .map_err(|why| ScheduleError::Part {
                    part: part.to_owned(),
                    why,
                })
        })
}

/// `*`, `5`, `1-5`, `*/15`, `1-30/2`, `5/10`, `MON`, `JAN-MAR`.
fn part_of(part: &str, bounds: &Bounds) -> Result<Field, String> {
    let (range, step) = match part.split_once('/') {
        Some((_, step)) if step.contains('/') => return Err("too many slashes".to_owned()),
        Some((range, step)) => (range, Some(number(step, &[])?)),
        None => (part, None),
    };
    let (low, high) = match range.split_once('-') {
        Some((low, high)) => (low, Some(high)),
        None => (range, None),
    };
    let open = matches!(low, "*" | "?");
    let (from, to) = match high {
        _ if open => (u64::from(bounds.low), u64::from(bounds.high)),
        Some(high) if high.contains('-') => return Err("too many hyphens".to_owned()),
        Some(high) => (number(low, bounds.names)?, number(high, bounds.names)?),
        None => {
            let from = number(low, bounds.names)?;
            // `5/10` is every tenth from five on.
            let to = if step.is_some() {
                u64::from(bounds.high)
            } else {
                from
            };
            (from, to)
        }
    };
    let inside = |number: u64| {
        u8::try_from(number)
            .ok()
            .filter(|number| (bounds.low..=bounds.high).contains(number))
    };
    if from < u64::from(bounds.low) {
        return Err(format!(
            "beginning of range ({from}) below minimum ({})",
            bounds.low
        ));
    }
    let Some(to) = inside(to) else {
        return Err(format!("end of range ({to}) above maximum ({})", bounds.high));
    };
    let Some(from) = inside(from).filter(|from| *from <= to) else {
        return Err(format!("beginning of range ({from}) beyond end of range ({to})"));
    };
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err("step of range should be a positive number".to_owned());
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    Ok(Field::range(from, to, step, open && step == 1))
}

fn number(text: &str, names: &[&str]) -> Result<u64, String> {
    if let Some(index) = names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
        // Names begin where the numbers do: Sunday is 0, January is 1.
        let first = u64::from(names.len() == 12);
        return Ok(index as u64 + first);
    }
    text.parse::<i64>()
        .ok()
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| format!("failed to parse int from {text}"))
}

/// The whole seconds of a duration as Go writes it: `90m`, `1h30m`, `1.5h`.
fn seconds(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut nanoseconds: u128 = 0;
    while !rest.is_empty() || nanoseconds == 0 {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (whole, after) = rest.split_at(digits);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(after.find(|c: char| !c.is_ascii_digit())?),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let letters = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let unit: u128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        nanoseconds = nanoseconds.checked_add(whole.checked_mul(unit)?)?;
        let mut place = unit;
        for digit in fraction.bytes() {
            place /= 10;
            nanoseconds = nanoseconds.checked_add(u128::from(digit - b'0') * place)?;
        }
        i64::try_from(nanoseconds).ok()?;
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let seconds = i64::try_from(nanoseconds / 1_000_000_000).ok()?;
    Some(if negative { -seconds } else { seconds })
}
