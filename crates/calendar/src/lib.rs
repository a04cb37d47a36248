//! Days since 1970 as dates of the Gregorian calendar, and dates as days, also for years long before and after its use.
//!
//! After Howard Hinnant's algorithms for the civil calendar: years begin in March, so that leap days come last, and are
//! counted in eras of 400, after which the calendar repeats itself.
//!
//! It knows nothing of clocks, time zones and how times are written.

/// The days of an era.
const ERA: i64 = 146_097;
/// The days from the first era's beginning, in March of the year 0, to 1970.
const TO_1970: i64 = 719_468;

/// The first second of the year 1, counted from 1970: where the times of RFC 3339 and of Go begin.
pub const FIRST_SECOND: i64 = -62_135_596_800;
/// The last second of the year 9999, beyond which RFC 3339 has no words.
pub const LAST_SECOND: i64 = 253_402_300_799;

/// Year, month (from 1) and day (from 1) of a day since 1970.
pub fn date_of(days: i64) -> (i64, i64, i64) {
    let days = days + TO_1970;
    let (era, of_era) = (days.div_euclid(ERA), days.rem_euclid(ERA));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// The days since 1970 of a date with a month from 1 to 12. A day that its month does not have runs on into the next.
pub fn days_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * ERA + of_era * 365 + of_era / 4 - of_era / 100 + of_year - TO_1970
}

/// How many days a month (from 1 to 12) has.
pub fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dates_are_where_the_calendar_has_them() {
        let check = |days: i64, date: (i64, i64, i64)| {
            assert_eq!(date_of(days), date);
            assert_eq!(days_of(date.0, date.1, date.2), days);
        };
        check(0, (1970, 1, 1));
        check(-1, (1969, 12, 31));
        check(11_016, (2000, 2, 29));
        check(20_778, (2026, 11, 21));
        check(FIRST_SECOND / 86_400, (1, 1, 1));
        check(LAST_SECOND / 86_400, (9999, 12, 31));
        check(-719_528, (0, 1, 1));
        assert_eq!(days_of(2023, 2, 29), days_of(2023, 3, 1));
    }

    proptest! {
        #[test]
        fn days_follow_each_other(days in -4_000_000_i64..4_000_000) {
            let (year, month, day) = date_of(days);
            prop_assert_eq!(days_of(year, month, day), days);
            let next = if day < days_in(year, month) {
                (year, month, day + 1)
            } else if month < 12 {
                (year, month + 1, 1)
            } else {
                (year + 1, 1, 1)
            };
            prop_assert_eq!(date_of(days + 1), next);
        }
    }
}
