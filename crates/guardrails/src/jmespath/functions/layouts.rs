//! Moments, and how Go's layouts read them.

use calendar::{date_of, days_of};

pub(super) const RFC_3339: &str = "2006-01-02T15:04:05Z07:00";

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

const SECOND: i128 = 1_000_000_000;

/// A moment, and how many seconds its zone is east of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Since 1970.
    pub(super) nanoseconds: i128,
    pub(super) offset: i32,
}

impl Moment {
    /// The day since 1970 and the second of that day, in the moment's own zone.
    fn day_and_second(self) -> (i64, i64) {
        let seconds = self.nanoseconds.div_euclid(SECOND) + i128::from(self.offset);
        let seconds = i64::try_from(seconds).unwrap_or_default();
        (seconds.div_euclid(86_400), seconds.rem_euclid(86_400))
    }

    /// As RFC 3339 writes it, without a fraction; `None` for a year of other than four digits.
    pub(super) fn rfc_3339(self) -> Option<String> {
        let (day, second) = self.day_and_second();
        let (year, month, day) = date_of(day);
        if !(0..=9999).contains(&year) || self.nanoseconds.abs() > SECOND << 50 {
            return None;
        }
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        let zone = match self.offset {
            0 => "Z".to_owned(),
            offset => {
                let (sign, minutes) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs() / 60);
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        };
        Some(format!(
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{zone}"
        ))
    }

    /// As a schedule has it: minute, hour, day, month, day of the week.
    pub(super) fn cron(self) -> String {
        let (day, second) = self.day_and_second();
        let (_, month, of_month) = date_of(day);
        // The first of January 1970 was a Thursday.
        let of_week = (day + 4).rem_euclid(7);
        format!(
            "{} {} {of_month} {month} {of_week}",
            second / 60 % 60,
            second / 3600
        )
    }

    /// Reads a moment as `time.Parse` does.
    pub(super) fn parse(layout: &str, text: &str) -> Option<Moment> {
        let mut reading = Reading {
            rest: text,
            year: 0,
            month: 1,
            day: 1,
            of_year: None,
            hour: 0,
            minute: 0,
            second: 0,
            nanosecond: 0,
            afternoon: None,
            offset: 0,
        };
        let mut layout = layout;
        loop {
            let (before, piece, after) = next_piece(layout);
            reading.literal(before)?;
            if piece.is_empty() {
                break;
            }
            layout = after;
            reading.piece(piece, after.starts_with(['.', ',']))?;
        }
        reading.moment()
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

/// What is read of a moment so far.
struct Reading<'text> {
    rest: &'text str,
    year: i64,
    month: i64,
    day: i64,
    of_year: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanosecond: i64,
    afternoon: Option<bool>,
    offset: i64,
}

impl Reading<'_> {
    fn literal(&mut self, text: &str) -> Option<()> {
        self.rest = self.rest.strip_prefix(text)?;
        Some(())
    }

    /// A number of one digit or two, or of exactly so many.
    fn number(&mut self, exactly: Option<usize>) -> Option<i64> {
        let most = exactly.unwrap_or(2);
        let digits = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        if exactly.is_some_and(|exactly| digits < exactly) {
            return None;
        }
        let value = self.rest.get(..digits)?.parse().ok()?;
        self.rest = &self.rest[digits..];
        Some(value)
    }

    /// The place of a name among others, by its first letters.
    fn name(&mut self, names: &[&str], length: usize) -> Option<usize> {
        let short = |name: &str| name.len().min(length);
        let at = names.iter().position(|name| {
            let start = self.rest.get(..short(name));
            start.is_some_and(|start| start.eq_ignore_ascii_case(&name[..short(name)]))
        })?;
        self.rest = &self.rest[short(names[at])..];
        Some(at)
    }

    fn fraction(&mut self) -> Option<()> {
        let digits = self.rest.bytes().skip(1).take_while(u8::is_ascii_digit).count();
        let padded = self.rest.get(1..=digits)?.chars().chain("000000000".chars());
        self.nanosecond = padded.take(9).collect::<String>().parse().ok()?;
        self.rest = &self.rest[digits + 1..];
        Some(())
    }

    fn piece(&mut self, piece: &str, fraction_follows: bool) -> Option<()> {
        match piece {
            "2006" => self.year = self.number(Some(4))?,
            "06" => {
                let short = self.number(Some(2))?;
                self.year = if short >= 69 { 1900 + short } else { 2000 + short };
            }
            "01" => self.month = self.number(Some(2))?,
            "1" => self.month = self.number(None)?,
            "January" => self.month = self.name(&MONTHS, 9)? as i64 + 1,
            "Jan" => self.month = self.name(&MONTHS, 3)? as i64 + 1,
            "Monday" => self.name(&DAYS, 9).map(|_| ())?,
            "Mon" => self.name(&DAYS, 3).map(|_| ())?,
            "02" => self.day = self.number(Some(2))?,
            "2" => self.day = self.number(None)?,
            "_2" => {
                self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
                self.day = self.number(None)?;
            }
            "002" => self.of_year = Some(self.number(Some(3))?),
            "__2" => {
                self.rest = self.rest.trim_start_matches(' ');
                let digits = self.rest.bytes().take(3).take_while(u8::is_ascii_digit).count();
                self.of_year = Some(self.number(Some(digits.max(1)))?);
            }
            "15" => self.hour = self.number(Some(2))?,
            "03" | "3" => {
                self.hour = self.number((piece == "03").then_some(2))?;
                if self.hour > 12 {
                    return None;
                }
            }
            "04" => self.minute = self.number(Some(2))?,
            "4" => self.minute = self.number(None)?,
            "05" | "5" => {
                self.second = self.number((piece == "05").then_some(2))?;
                // A fraction of a second is read even if the layout has none.
                let mut after = self.rest.chars();
                let dot = matches!(after.next(), Some('.' | ','));
                if dot && after.next().is_some_and(|c| c.is_ascii_digit()) && !fraction_follows {
                    self.fraction()?;
                }
            }
            "PM" | "pm" => {
                self.afternoon = Some(match (piece, self.rest.get(..2)?) {
                    ("PM", "AM") | ("pm", "am") => false,
                    ("PM", "PM") | ("pm", "pm") => true,
                    _ => return None,
                });
                self.rest = &self.rest[2..];
            }
            "MST" => {
                // Which zone an abbreviation means depends on who writes it: it is taken for UTC.
                let letters = self.rest.bytes().take_while(u8::is_ascii_uppercase).count();
                if !(3..=5).contains(&letters) {
                    return None;
                }
                self.rest = &self.rest[letters..];
            }
            zone if zone.contains("07") => self.zone(zone)?,
            fraction => {
                if self.rest.starts_with(['.', ',']) {
                    self.fraction()?;
                } else if fraction.ends_with('0') {
                    return None;
                }
            }
        }
        Some(())
    }

    /// An offset from UTC, as `+02:00`.
    fn zone(&mut self, piece: &str) -> Option<()> {
        if piece.starts_with('Z')
            && let Some(after) = self.rest.strip_prefix('Z')
        {
            self.rest = after;
            return Some(());
        }
        let sign = match self.rest.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.rest = &self.rest[1..];
        let hours = self.number(Some(2))?;
        let mut offset = hours * 3600;
        for (_, unit) in piece[3..].match_indices("00").zip([60, 1]) {
            if piece.contains(':') {
                self.literal(":")?;
            }
            let part = self.number(Some(2))?;
            if part > 59 {
                return None;
            }
            offset += part * unit;
        }
        self.offset = sign * offset;
        (hours <= 24).then_some(())
    }

    fn moment(mut self) -> Option<Moment> {
        let in_range = self.rest.is_empty()
            && (1..=12).contains(&self.month)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60;
        if !in_range {
            return None;
        }
        match self.afternoon {
            Some(true) if self.hour < 12 => self.hour += 12,
            Some(false) if self.hour == 12 => self.hour = 0,
            _ => {}
        }
        let days = match self.of_year {
            Some(day) => days_of(self.year, 1, 1) + day - 1,
            None => days_of(self.year, self.month, self.day),
        };
        let (year, month, day) = date_of(days);
        let given = (self.year, self.month, self.day);
        if year != self.year || (self.of_year.is_none() && (year, month, day) != given) {
            return None;
        }
        let seconds = days * 86_400 + self.hour * 3600 + self.minute * 60 + self.second - self.offset;
        Some(Moment {
            nanoseconds: i128::from(seconds) * SECOND + i128::from(self.nanosecond),
            offset: i32::try_from(self.offset).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn layouts_as_go_reads_them() {
        let check = |layout: &str, text: &str, expect: Option<&str>| {
            let read = Moment::parse(layout, text).and_then(Moment::rfc_3339);
            assert_eq!(read.as_deref(), expect, "{text} as {layout}");
        };
        check(
            RFC_3339,
            "2021-01-02T15:04:05-07:00",
            Some("2021-01-02T15:04:05-07:00"),
        );
        check(RFC_3339, "2021-01-02T15:04:05.123Z", Some("2021-01-02T15:04:05Z"));
        check(RFC_3339, "2021-02-29T15:04:05Z", None);
        check(RFC_3339, "2024-02-29T15:04:05Z", Some("2024-02-29T15:04:05Z"));
        check(RFC_3339, "2021-01-02 15:04:05Z", None);
        check(RFC_3339, "2021-01-02T24:04:05Z", None);
        check(RFC_3339, "2021-01-02T15:04:05", None);
        check(
            "Mon Jan 02 2006 15:04:05 -0700",
            "Mon Jan 02 2023 15:04:05 +0100",
            Some("2023-01-02T15:04:05+01:00"),
        );
        check(
            "02 Jan 06 15:04 MST",
            "02 Jan 06 15:04 MST",
            Some("2006-01-02T15:04:00Z"),
        );
        check(
            "Monday, 2 January 2006 3:04PM",
            "Tuesday, 3 March 2020 1:30PM",
            Some("2020-03-03T13:30:00Z"),
        );
        check("2006-002", "2020-366", Some("2020-12-31T00:00:00Z"));
        check("2006-002", "2021-366", None);
        check("2006-01-02", "2021-13-02", None);
        check("15:04:05.000", "15:04:05.250", Some("0000-01-01T15:04:05Z"));
    }

    #[test]
    fn schedules() {
        let moment = Moment::parse(RFC_3339, "2022-04-11T03:14:05-07:00").expect("a moment");
        assert_eq!(moment.cron(), "14 3 11 4 1");
    }

    proptest! {
        #[test]
        fn never_panics(layout in "[0-9JanMonST _:.,Z+-]{0,20}", text in "[0-9A-Za-zé _:.,+-]{0,20}") {
            let _ = Moment::parse(&layout, &text).map(|moment| (moment.rfc_3339(), moment.cron()));
        }
    }
}
