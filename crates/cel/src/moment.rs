//! Points in time and spans of it, as CEL writes them. The clock itself is not here.

use std::ops::Range;

use calendar::{FIRST_SECOND, LAST_SECOND, date_of, days_in, days_of};

use crate::quantity::parse_duration;

const DAY: i64 = 86_400;

/// Seconds and nanoseconds since 1970, in UTC, within the years 1 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp {
    /// Seconds since 1970.
    pub seconds: i64,
    /// Nanoseconds beyond them.
    pub nanos: u32,
}

/// A point in time as a calendar has it.
#[derive(Debug, Clone, Copy)]
pub struct Civil {
    /// From 1 to 9999.
    pub year: i64,
    /// From 1 to 12.
    pub month: i64,
    /// From 1 to 31.
    pub day: i64,
    /// Since midnight.
    pub second: i64,
    /// From Sunday, which is 0.
    pub weekday: i64,
    /// From 0.
    pub day_of_year: i64,
}

impl Timestamp {
    /// A point in time, if it is within the years 1 to 9999.
    pub fn new(seconds: i64, nanos: u32) -> Option<Timestamp> {
        (FIRST_SECOND..=LAST_SECOND)
            .contains(&seconds)
            .then_some(Timestamp { seconds, nanos })
    }

    /// Reads RFC 3339: `2026-11-21T10:00:00.5+01:00`.
    pub fn parse(text: &str) -> Option<Timestamp> {
        let number = |range| number(text, range);
        let mark = |at: usize, marks: &[u8]| text.as_bytes().get(at).is_some_and(|byte| marks.contains(byte));
        let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
        let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
        let marks = mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt") && mark(13, b":") && mark(16, b":");
        if !marks || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return None;
        }
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let mut rest = text.get(19..)?;
        let mut nanos = 0;
        if let Some(fraction) = rest.strip_prefix('.') {
            let end = fraction
                .bytes()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(fraction.len());
            if end == 0 {
                return None;
            }
            let digits = &fraction[..end.min(9)];
            nanos = digits.parse::<u32>().ok()? * 10_u32.pow(9 - digits.len() as u32);
            rest = &fraction[end..];
        }
        let offset = match rest {
            "Z" | "z" => 0,
            _ => written_offset(rest)?,
        };
        let days = days_of(year, month, day);
        Timestamp::new(days * DAY + hour * 3600 + minute * 60 + second - offset, nanos)
    }

    /// What a calendar says, `offset` seconds east of Greenwich.
    pub fn civil(self, offset: i64) -> Civil {
        let local = self.seconds + offset;
        let days = local.div_euclid(DAY);
        let (year, month, day) = date_of(days);
        Civil {
            year,
            month,
            day,
            second: local.rem_euclid(DAY),
            weekday: (days + 4).rem_euclid(7),
            day_of_year: days - days_of(year, 1, 1),
        }
    }

    /// Nanoseconds since 1970.
    pub fn total(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// The point in time so many nanoseconds since 1970.
    pub fn from_total(total: i128) -> Option<Timestamp> {
        let seconds = i64::try_from(total.div_euclid(1_000_000_000)).ok()?;
        Timestamp::new(seconds, total.rem_euclid(1_000_000_000) as u32)
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let civil = self.civil(0);
        let (hour, minute, second) = (civil.second / 3600, civil.second / 60 % 60, civil.second % 60);
        write!(
            formatter,
            "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}",
            civil.year, civil.month, civil.day
        )?;
        if self.nanos != 0 {
            let digits = format!("{:09}", self.nanos);
            write!(formatter, ".{}", digits.trim_end_matches('0'))?;
        }
        formatter.write_str("Z")
    }
}

/// Seconds east of Greenwich at a point in time, of `+01:00`, `-05:30`, `02:00`, `UTC` or a place such as
/// `Europe/Berlin`.
pub(crate) fn offset_at(zone: &str, time: Timestamp) -> Option<i64> {
    if let Some((hours, minutes)) = zone.split_once(':') {
        // As Go reads it: `-01:30` is an hour and a half, `-00:30` half an hour.
        let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let (hours, minutes) = (i64::from(hours) * 3600, i64::from(minutes) * 60);
        return Some(if zone.starts_with('-') {
            hours - minutes
        } else {
            hours + minutes
        });
    }
    // The first and last days of the calendar are beyond what is kept of time zones, which does not change there.
    let time = time
        .seconds
        .clamp(jiff::Timestamp::MIN.as_second(), jiff::Timestamp::MAX.as_second());
    let time = jiff::Timestamp::new(time, 0).ok()?;
    Some(i64::from(schedule::time_zone(zone)?.to_offset(time).seconds()))
}

/// The digits at a place of a text.
fn number(text: &str, range: Range<usize>) -> Option<i64> {
    let digits = text.get(range)?;
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

/// Seconds east of Greenwich, of `+01:00`.
fn written_offset(text: &str) -> Option<i64> {
    let sign = match text.as_bytes() {
        [b'-', _, _, b':', _, _] => -1,
        [b'+', _, _, b':', _, _] => 1,
        _ => return None,
    };
    let (hours, minutes) = (number(text, 1..3)?, number(text, 4..6)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

/// Reads a span of time as Go does: `1h30m`.
pub(crate) fn duration(text: &str) -> Option<i64> {
    parse_duration(text)
}

/// A span of time in seconds: `1.5s`.
pub(crate) fn duration_text(nanos: i64) -> String {
    let (whole, part) = (
        nanos.unsigned_abs() / 1_000_000_000,
        nanos.unsigned_abs() % 1_000_000_000,
    );
    let sign = if nanos < 0 { "-" } else { "" };
    if part == 0 {
        return format!("{sign}{whole}s");
    }
    let digits = format!("{part:09}");
    format!("{sign}{whole}.{}s", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written() {
        let check = |text: &str, expect: Option<&str>| {
            let read = Timestamp::parse(text).map(|time| time.to_string());
            assert_eq!(read.as_deref(), expect, "{text}");
        };
        check("2026-11-21T10:00:00Z", Some("2026-11-21T10:00:00Z"));
        check("2026-11-21T10:00:00.250+01:00", Some("2026-11-21T09:00:00.25Z"));
        check("2024-02-29T00:00:00Z", Some("2024-02-29T00:00:00Z"));
        check("2023-02-29T00:00:00Z", None);
        check("0001-01-01T00:00:00Z", Some("0001-01-01T00:00:00Z"));
        check("0001-01-01T00:00:00+01:00", None);
        check(
            "9999-12-31T23:59:59.999999999Z",
            Some("9999-12-31T23:59:59.999999999Z"),
        );
        check("9999-12-31T23:59:59-01:00", None);
        check("2026-11-21", None);
        check("2026-11-21T10:00:00", None);
        check("2026-11-21T10:00:00.Z", None);
        check("2026-11-21T10:00:00UTC", None);
        check("2026-11-21T10:00:00+24:00", None);
        check("½026-11-21T10:00:00Z", None);
    }

    #[test]
    fn days_are_where_the_calendar_has_them() {
        let check = |text: &str, weekday: i64, day_of_year: i64| {
            let civil = Timestamp::parse(text).expect("a time").civil(0);
            assert_eq!(
                (civil.weekday, civil.day_of_year),
                (weekday, day_of_year),
                "{text}"
            );
        };
        check("1970-01-01T00:00:00Z", 4, 0);
        check("2026-11-21T00:00:00Z", 6, 324);
        check("2024-12-31T23:59:59Z", 2, 365);
        check("1900-03-01T00:00:00Z", 4, 59);
    }

    /// Clocks that are put forward in summer, in a year to come as well, and one that had its own time once.
    #[test]
    fn places_have_the_offset_of_the_day() {
        let check = |zone: &str, time: &str, expect: i64| {
            let time = Timestamp::parse(time).expect("a time");
            assert_eq!(offset_at(zone, time), Some(expect), "{zone}");
        };
        check("Europe/Berlin", "2026-07-01T00:00:00Z", 7200);
        check("Europe/Berlin", "2026-10-25T00:59:59Z", 7200);
        check("Europe/Berlin", "2026-10-25T01:00:00Z", 3600);
        check("America/New_York", "2400-07-01T00:00:00Z", -14400);
        check("Asia/Tokyo", "9999-12-31T23:59:59Z", 32400);
        check("Europe/Amsterdam", "1800-01-01T00:00:00Z", 1050);
    }

    #[test]
    fn offsets() {
        let check = |text: &str, expect: Option<i64>| {
            let winter = Timestamp::parse("2026-01-15T12:00:00Z").expect("a time");
            assert_eq!(offset_at(text, winter), expect, "{text}");
        };
        check("UTC", Some(0));
        check("+01:00", Some(3600));
        check("-05:30", Some(-19800));
        check("02:00", Some(7200));
        check("Europe/Berlin", Some(3600));
        check("America/New_York", Some(-18000));
        check("Asia/Kolkata", Some(19800));
        check("Mars/Phobos", None);
        check("../etc/localtime", None);
        check("-00:30", Some(-1800));
        check("+1:0", Some(3600));
        check("1:", None);
        check("europe/berlin", None);
        check("99999999999:00", None);
    }
}
