//! What Go says of a text that is no point in time by RFC 3339.

use std::ops::RangeInclusive;

use calendar::days_in;

use super::go_quote;

const WHOLE: &str = "2006-01-02T15:04:05Z07:00";
const MICRO: &str = "2006-01-02T15:04:05.000000Z07:00";

/// The parts up to the second: what stands before each, how Go's layout writes it, how many digits it has, its bounds.
const PARTS: [(&str, &str, usize, RangeInclusive<u32>, &str); 6] = [
    ("", "2006", 4, 0..=9999, "year"),
    ("-", "01", 2, 1..=12, "month"),
    ("-", "02", 2, 0..=99, "day"),
    ("T", "15", 2, 0..=23, "hour"),
    (":", "04", 2, 0..=59, "minute"),
    (":", "05", 2, 0..=59, "second"),
];

fn number(text: &str, digits: usize) -> Option<(u32, &str)> {
    let (head, rest) = text.split_at_checked(digits)?;
    let plain = head.bytes().all(|byte| byte.is_ascii_digit());
    Some((head.parse().ok().filter(|_| plain)?, rest))
}

/// What is wrong with a time; `micro` is whether it has to have exactly six digits behind the second.
pub(super) fn mistake(text: &str, micro: bool) -> Option<String> {
    let layout = if micro { MICRO } else { WHOLE };
    let whole = go_quote(text);
    let unfit = |rest: &str, part: &str| {
        let (layout, rest, part) = (go_quote(layout), go_quote(rest), go_quote(part));
        Some(format!(
            "parsing time {whole} as {layout}: cannot parse {rest} as {part}"
        ))
    };
    let beyond = |what: &str| Some(format!("parsing time {whole}: {what} out of range"));
    let mut rest = text;
    let mut date = [0; 3];
    for (place, (before, part, digits, bounds, name)) in PARTS.iter().enumerate() {
        let Some(after) = rest.strip_prefix(before) else {
            return unfit(rest, before);
        };
        let short = (*name == "hour").then(|| number(after, 1)).flatten();
        let Some((found, after)) = number(after, *digits).or(short) else {
            return unfit(after, part);
        };
        if !bounds.contains(&found) {
            return beyond(name);
        }
        if let Some(field) = date.get_mut(place) {
            *field = found;
        }
        rest = after;
    }
    let fraction = rest.strip_prefix(['.', ',']);
    let digits = |text: &str| {
        text.len()
            - text
                .trim_start_matches(|letter: char| letter.is_ascii_digit())
                .len()
    };
    if micro {
        match fraction.and_then(|fraction| number(fraction, 6)) {
            Some((_, after)) => rest = after,
            None => return unfit(rest, ".000000"),
        }
    } else if let Some(fraction) = fraction.filter(|fraction| digits(fraction) > 0) {
        rest = &fraction[digits(fraction)..];
    }
    let zone = rest;
    rest = if let Some(after) = zone.strip_prefix('Z') {
        after
    } else {
        let hours = zone.strip_prefix(['+', '-']).and_then(|zone| number(zone, 2));
        let minutes = hours.and_then(|(_, after)| number(after.strip_prefix(':')?, 2));
        match (hours, minutes) {
            (Some((25.., _)), Some(_)) => return beyond("time zone offset hour"),
            (_, Some((61.., _))) => return beyond("time zone offset minute"),
            (_, Some((_, after))) => after,
            _ => return unfit(zone, "Z07:00"),
        }
    };
    if !rest.is_empty() {
        return Some(format!("parsing time {whole}: extra text: {}", go_quote(rest)));
    }
    let [year, month, day] = date.map(i64::from);
    (!(1..=days_in(year, month)).contains(&day)).then(|| format!("parsing time {whole}: day out of range"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_go_reads_them() {
        let check = |text: &str, micro: bool, expect: Option<&str>| {
            let found = mistake(text, micro);
            let told = found
                .as_deref()
                .and_then(|why| why.split_once("\": ").or(why.split_once("\" as ")));
            assert_eq!(told.map(|(_, why)| why), expect, "{text}");
        };
        check("2026-01-02T03:04:05Z", false, None);
        check("2026-01-02T03:04:05.123+02:00", false, None);
        check("2026-01-02T03:04:05.123456Z", true, None);
        check("yesterday", false, Some("cannot parse \"yesterday\" as \"2006\""));
        check("", false, Some("cannot parse \"\" as \"2006\""));
        check("2026-13-02T03:04:05Z", false, Some("month out of range"));
        check("2026-02-30T03:04:05Z", false, Some("day out of range"));
        check("2024-02-29T03:04:05Z", false, None);
        check("1900-02-29T03:04:05Z", false, Some("day out of range"));
        check("2026-04-00T03:04:05Z", false, Some("day out of range"));
        check(
            "2026-02-03 03:04:05Z",
            false,
            Some("cannot parse \" 03:04:05Z\" as \"T\""),
        );
        check(
            "2026-02-03T03:04:05",
            false,
            Some("cannot parse \"\" as \"Z07:00\""),
        );
        check("2026-02-03T03:04:05ZZ", false, Some("extra text: \"Z\""));
        check(
            "2026-02-03T03:04:05Z",
            true,
            Some("cannot parse \"Z\" as \".000000\""),
        );
    }
}
