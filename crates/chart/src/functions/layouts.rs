//! Go's layouts: how a moment is written and read.

use std::fmt::Write as _;
use std::sync::Arc;

use super::civil::{DAYS, MONTHS, civil, date_of, days_of};
use crate::object::Zone;
use crate::template::printing;

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

/// A moment as it is written in UTC.
pub(super) fn format_at(nanoseconds: i128, layout: &str) -> String {
    format_in(nanoseconds, 0, "UTC", layout)
}

/// A moment as it is written so many seconds east, where that has a name.
pub(super) fn format_in(nanoseconds: i128, offset: i32, name: &str, layout: &str) -> String {
    let moment = civil(nanoseconds + i128::from(offset) * 1_000_000_000);
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
            "MST" => name.to_owned(),
            zone if zone.starts_with("Z07") && offset == 0 => "Z".to_owned(),
            zone if zone.contains("07") => written_offset(offset, &zone[1..]),
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

/// An offset as `07:00` and its like ask for it.
pub(super) fn written_offset(offset: i32, layout: &str) -> String {
    let colon = if layout.contains(':') { ":" } else { "" };
    let (sign, seconds) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
    let mut out = format!("{sign}{:02}", seconds / 3600);
    for (index, part) in [seconds / 60 % 60, seconds % 60].into_iter().enumerate() {
        // Behind the hours stand as many pairs of zeros as there are further parts.
        if layout[2..].matches("00").count() > index {
            let _ = write!(out, "{colon}{part:02}");
        }
    }
    out
}

/// What is read of a time so far.
struct Reading<'text> {
    rest: &'text str,
    year: i64,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    afternoon: Option<bool>,
    is_utc: bool,
    offset: Option<i32>,
    zone: &'text str,
}

/// Reads a time by a layout of Go's: the moment and its zone.
pub(super) fn parse_time(layout: &str, text: &str) -> Result<(i128, Zone), String> {
    let out_of_range = |what: &str| {
        let text = printing::quote(text);
        format!("parsing time {text}: {what} out of range")
    };
    let cannot = |rest: &str, piece: &str| {
        let [text, layout, rest, piece] = [text, layout, rest, piece].map(printing::quote);
        format!("parsing time {text} as {layout}: cannot parse {rest} as {piece}")
    };
    let mut reading = Reading {
        rest: text,
        year: 0,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanosecond: 0,
        afternoon: None,
        is_utc: false,
        offset: None,
        zone: "",
    };
    let mut layout_left = layout;
    loop {
        let (before, piece, after) = next_piece(layout_left);
        reading.rest = reading
            .rest
            .strip_prefix(before)
            .ok_or_else(|| cannot(reading.rest, before))?;
        if piece.is_empty() {
            break;
        }
        layout_left = after;
        let hold = reading.rest;
        reading
            .piece(piece, after.starts_with(['.', ',']))
            .ok_or_else(|| cannot(hold, piece))?;
        for (what, is_wrong) in [
            ("month", !(1..=12).contains(&reading.month)),
            (
                "hour",
                reading.hour > 23 || reading.hour > 12 && matches!(piece, "03" | "3"),
            ),
            ("minute", reading.minute > 59),
            ("second", reading.second > 59),
        ] {
            if is_wrong {
                return Err(out_of_range(what));
            }
        }
    }
    if !reading.rest.is_empty() {
        let text = printing::quote(text);
        return Err(format!(
            "parsing time {text}: extra text: {}",
            printing::quote(reading.rest)
        ));
    }
    match reading.afternoon {
        Some(true) if reading.hour < 12 => reading.hour += 12,
        Some(false) if reading.hour == 12 => reading.hour = 0,
        _ => {}
    }
    let days = days_of(reading.year, reading.month, reading.day);
    if date_of(days) != (reading.year, reading.month, reading.day) {
        return Err(out_of_range("day"));
    }
    let of_day = i64::from(reading.hour) * 3600 + i64::from(reading.minute) * 60 + i64::from(reading.second);
    let (zone, west) = reading.zone();
    let seconds = days * 86_400 + of_day - i64::from(west);
    let nanoseconds = i128::from(seconds) * 1_000_000_000 + i128::from(reading.nanosecond);
    Ok((nanoseconds, zone))
}

/// The length of the abbreviation of a zone that a text begins with.
fn abbreviation(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    if text.starts_with("ChST") || text.starts_with("MeST") {
        return Some(4);
    }
    if let Some(after) = text.strip_prefix("GMT") {
        return Some(3 + signed_hours(after).unwrap_or(0));
    }
    if text.len() >= 3 && text.starts_with(['+', '-']) {
        return signed_hours(text);
    }
    let length = bytes
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_uppercase())
        .count();
    match length {
        3 => Some(3),
        4 if bytes[3] == b'T' || text.starts_with("WITA") => Some(4),
        5 if bytes[4] == b'T' => Some(5),
        _ => None,
    }
}

/// The length of `+3` or `-11`; there are 23 hours at most.
fn signed_hours(text: &str) -> Option<usize> {
    let after = text.strip_prefix(['+', '-'])?;
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let hours: u32 = after[..digits].parse().ok()?;
    (hours <= 23).then_some(digits + 1)
}

impl Reading<'_> {
    /// The zone, and by how much what was read is ahead of UTC. Which zone an abbreviation means depends on who
    /// writes it: it stays a name, and only what follows `GMT` moves the clock.
    fn zone(&self) -> (Zone, i32) {
        let name = (!self.zone.is_empty()).then(|| Arc::from(self.zone));
        match (self.is_utc, self.offset) {
            (true, _) => (Zone::default(), 0),
            (false, Some(offset)) => (Zone { offset, name }, offset),
            (false, None) => {
                let hours = self
                    .zone
                    .strip_prefix("GMT")
                    .and_then(|hours| hours.parse::<i32>().ok());
                let offset = 3600 * hours.unwrap_or(0);
                (Zone { offset, name }, 0)
            }
        }
    }

    /// A number of one digit or two, or of exactly so many.
    fn number(&mut self, exactly: Option<usize>) -> Option<u32> {
        let most = exactly.unwrap_or(2);
        let length = self
            .rest
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        if exactly.is_some_and(|exactly| length < exactly) {
            return None;
        }
        let value = self.rest.get(..length)?.parse().ok()?;
        self.rest = &self.rest[length..];
        Some(value)
    }

    /// The place of a name among others, by its first letters.
    fn name(&mut self, names: &[&str], length: usize) -> Option<usize> {
        let index = names.iter().position(|name| {
            let name = &name[..name.len().min(length)];
            self.rest
                .get(..name.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(name))
        })?;
        self.rest = &self.rest[names[index].len().min(length)..];
        Some(index)
    }

    fn fraction(&mut self) -> Option<()> {
        let (value, length) = fraction(self.rest)?;
        self.nanosecond = value;
        self.rest = &self.rest[length..];
        Some(())
    }

    /// Reads what a piece of the layout stands for.
    fn piece(&mut self, piece: &str, fraction_follows: bool) -> Option<()> {
        match piece {
            "2006" => self.year = i64::from(self.number(Some(4))?),
            "06" => {
                let short = i64::from(self.number(Some(2))?);
                self.year = if short >= 69 { 1900 + short } else { 2000 + short };
            }
            "01" => self.month = self.number(Some(2))?,
            "1" => self.month = self.number(None)?,
            "02" => self.day = self.number(Some(2))?,
            "2" | "_2" => {
                if piece == "_2" {
                    self.rest = self.rest.strip_prefix(' ').unwrap_or(self.rest);
                }
                self.day = self.number(None)?;
            }
            "15" | "3" => self.hour = self.number(None)?,
            "03" => self.hour = self.number(Some(2))?,
            "04" => self.minute = self.number(Some(2))?,
            "4" => self.minute = self.number(None)?,
            "05" | "5" => {
                self.second = self.number(if piece == "05" { Some(2) } else { None })?;
                // A fraction of a second is read even if the layout has none.
                let mut after = self.rest.chars();
                if matches!(after.next(), Some('.' | ','))
                    && after.next().is_some_and(|c| c.is_ascii_digit())
                    && !fraction_follows
                {
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
            "January" => self.month = self.name(&MONTHS, 9)? as u32 + 1,
            "Jan" => self.month = self.name(&MONTHS, 3)? as u32 + 1,
            "Monday" => self.name(&DAYS, 9).map(|_| ())?,
            "Mon" => self.name(&DAYS, 3).map(|_| ())?,
            "MST" => {
                if let Some(after) = self.rest.strip_prefix("UTC") {
                    self.is_utc = true;
                    self.rest = after;
                } else {
                    let length = abbreviation(self.rest)?;
                    (self.zone, self.rest) = self.rest.split_at(length);
                }
            }
            zone if zone.contains("07") => self.offset(zone)?,
            fraction if fraction.starts_with(['.', ',']) => {
                if self.rest.starts_with(['.', ',']) {
                    self.fraction()?;
                } else if fraction.ends_with('0') {
                    return None;
                }
            }
            _ => return None,
        }
        Some(())
    }

    /// An offset from UTC, as `+02:00`.
    fn offset(&mut self, piece: &str) -> Option<()> {
        if piece.starts_with('Z')
            && let Some(after) = self.rest.strip_prefix('Z')
        {
            self.rest = after;
            self.is_utc = true;
            return Some(());
        }
        let sign = match self.rest.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        self.rest = &self.rest[1..];
        let mut offset = self.number(Some(2))? as i32 * 3600;
        for (_, unit) in piece[3..].match_indices("00").zip([60, 1]) {
            if piece.contains(':') {
                self.rest = self.rest.strip_prefix(':')?;
            }
            offset += self.number(Some(2))? as i32 * unit;
        }
        self.offset = Some(sign * offset);
        Some(())
    }
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
