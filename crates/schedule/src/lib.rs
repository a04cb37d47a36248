//! Cron schedules as Kubernetes reads them, and the moments they mean.
//!
//! Kubernetes takes what robfig/cron v3 takes as a "standard" schedule: five fields (minute, hour, day of the month,
//! month, day of the week) of lists, ranges, steps and names, or a short word such as `@daily` or `@every 90m`. A
//! schedule is due at each whole minute whose local time matches: what a change to summer time skips is not made up
//! for, and what a change back repeats comes twice.
//!
//! Pure: the time is passed in. All input is untrusted: no schedule makes this crate search for long.
//!
//! It knows nothing of jobs, or of what is done at the moment.

mod field;
mod text;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use thiserror::Error;

use field::Field;

/// How many years ahead a schedule is searched for its next moment.
const YEARS: i16 = 5;

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScheduleError {
    /// There are not five fields.
    #[error("expected exactly 5 fields, found {}: [{}]", .0.len(), .0.join(" "))]
    Fields(Vec<String>),
    /// A field says something that cannot be.
    #[error("{why}: {part}")]
    Part {
        /// The part of the field.
        part: String,
        /// What is wrong with it.
        why: String,
    },
    /// A word after `@` that means nothing.
    #[error("unrecognized descriptor: {0}")]
    Word(String),
    /// What follows `@every` is no duration.
    #[error("failed to parse duration {0}")]
    Duration(String),
    /// The time zone stands in the schedule instead of beside it.
    #[error("a time zone has its own field, timeZone")]
    TimeZone,
}

/// When something is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    Fields(Box<Fields>),
    /// So long after the time before.
    Every(SignedDuration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Fields {
    minute: Field,
    hour: Field,
    day: Field,
    month: Field,
    weekday: Field,
}

impl Schedule {
    /// Reads a schedule.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        text::parse(text).map(Self)
    }

    /// The first moment after `after` at which it is due; none when there is none within five years.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        match &self.0 {
            Form::Every(pause) => second(after).checked_add(*pause).ok(),
            Form::Fields(fields) => fields.next(after, zone),
        }
    }

    /// The last moment after `after`, and not after `until`, at which it was due.
    pub fn latest(&self, after: Timestamp, until: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let first = self.next(after, zone).filter(|first| *first <= until)?;
        if let Form::Every(pause) = &self.0 {
            // Each counts from the one before.
            let more = until.duration_since(first).as_secs() / pause.as_secs().max(1);
            let more = i32::try_from(more).unwrap_or(i32::MAX);
            return first.checked_add(pause.checked_mul(more)?).ok();
        }
        // The later one starts to look, the later what is found: halve the time until one second is left.
        let (mut low, mut high) = (after.as_second(), until.as_second());
        let mut found = first;
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            let next = self.next(Timestamp::from_second(middle).ok()?, zone);
            match next.filter(|next| *next <= until) {
                Some(next) => (low, found) = (middle, next),
                None => high = middle,
            }
        }
        Some(found)
    }

    /// How often it was due after `after` and not after `until`, counted no further than `limit`.
    pub fn count(&self, after: Timestamp, until: Timestamp, zone: &TimeZone, limit: usize) -> usize {
        let due = |from: Timestamp| self.next(from, zone).filter(|next| *next <= until);
        std::iter::successors(due(after), |last| due(*last))
            .take(limit)
            .count()
    }
}

/// The time zone of this name; the names are those of the IANA database, in their own capitals.
pub fn time_zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "" | "UTC") {
        return Some(TimeZone::UTC);
    }
    let zone = TimeZone::get(name).ok()?;
    (zone.iana_name() == Some(name)).then_some(zone)
}

impl Fields {
    fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let fields = [&self.minute, &self.hour, &self.day, &self.month, &self.weekday];
        if fields.into_iter().any(Field::is_empty) {
            return None;
        }
        let mut at = whole_minute(
            second(after).checked_add(SignedDuration::from_secs(1)).ok()?,
            zone,
        )?;
        let last_year = zone.to_datetime(at).year().saturating_add(YEARS);
        let mut change = change_after(at, zone);
        loop {
            let local = zone.to_datetime(at);
            if local.year() > last_year {
                return None;
            }
            let Some(stride) = self.stride(local) else {
                return Some(at);
            };
            let next = at.checked_add(stride).ok()?;
            // Calendars are steady only until the clocks are changed.
            at = match change {
                Some(moment) if moment <= next => {
                    change = change_after(moment, zone);
                    whole_minute(moment, zone)?
                }
                _ => next,
            };
        }
    }

    /// How long from this local time, which is a whole minute, to the next that may match; none when it matches.
    fn stride(&self, local: civil::DateTime) -> Option<SignedDuration> {
        let until = |date: Option<civil::Date>| {
            let there = date.map(|date| date.to_datetime(civil::Time::midnight()));
            // At the end of all time, a step that leaves it.
            let days = there.map_or(SignedDuration::from_hours(24 * 366), |there| {
                there.duration_since(local)
            });
            Some(days)
        };
        if !self.month.has(local.month()) {
            let date = local.date();
            return until(date.last_of_month().tomorrow().ok());
        }
        if !self.is_on(local.date()) {
            return until(local.date().tomorrow().ok());
        }
        let minute = i64::from(local.minute());
        if !self.hour.has(local.hour()) {
            return Some(SignedDuration::from_mins(60 - minute));
        }
        if self.minute.has(local.minute()) {
            return None;
        }
        let next = (local.minute()..60).find(|minute| self.minute.has(*minute));
        Some(SignedDuration::from_mins(next.map_or(60, i64::from) - minute))
    }

    /// Days of the month and of the week that are both restricted add up; otherwise both must hold.
    fn is_on(&self, date: civil::Date) -> bool {
        let day = self.day.has(date.day());
        let weekday = self.weekday.has(date.weekday().to_sunday_zero_offset());
        if self.day.is_open() || self.weekday.is_open() {
            day && weekday
        } else {
            day || weekday
        }
    }
}

fn second(moment: Timestamp) -> Timestamp {
    let cut = i64::from(moment.subsec_nanosecond() < 0);
    Timestamp::from_second(moment.as_second() - cut).unwrap_or(moment)
}

/// This moment, or the first whole minute of the local time after it.
fn whole_minute(moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    let over = i64::from(zone.to_datetime(moment).second());
    let missing = if over == 0 { 0 } else { 60 - over };
    moment.checked_add(SignedDuration::from_secs(missing)).ok()
}

/// The next moment at which the clocks of the zone are changed.
fn change_after(moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
    zone.following(moment).next().map(|change| change.timestamp())
}

#[cfg(test)]
mod tests;
