//! The civil calendar: days, months and weekdays of a moment.

const NANOSECONDS: i128 = 1_000_000_000;
pub(super) const MONTHS: [&str; 12] = [
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
pub(super) const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// A moment taken apart.
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) nanosecond: u32,
    /// From Sunday, 0.
    pub(super) weekday: usize,
    /// From 1.
    pub(super) year_day: u32,
}

/// Days since 1970 as a date.
pub(super) fn date_of(days: i64) -> (i64, u32, u32) {
    let (year, month, day) = calendar::date_of(days);
    (year, month as u32, day as u32)
}

pub(super) fn days_of(year: i64, month: u32, day: u32) -> i64 {
    calendar::days_of(year, i64::from(month), i64::from(day))
}

pub(super) fn civil(nanoseconds: i128) -> Civil {
    let seconds = nanoseconds.div_euclid(NANOSECONDS) as i64;
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400) as u32;
    let (year, month, day) = date_of(days);
    Civil {
        year,
        month,
        day,
        hour: of_day / 3600,
        minute: of_day / 60 % 60,
        second: of_day % 60,
        nanosecond: nanoseconds.rem_euclid(NANOSECONDS) as u32,
        weekday: (days + 4).rem_euclid(7) as usize,
        year_day: (days - days_of(year, 1, 1) + 1) as u32,
    }
}
