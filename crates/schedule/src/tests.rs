use jiff::ToSpan;
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn zone(name: &str) -> TimeZone {
    time_zone(name).unwrap()
}

#[test]
fn what_is_a_schedule() {
    let check = |text: &str, expect: Result<(), &str>| {
        let parsed = Schedule::parse(text).map(drop).map_err(|error| error.to_string());
        assert_eq!(parsed, expect.map_err(str::to_owned), "{text}");
    };
    for good in [
        "* * * * *",
        "*/15 0-6 1,15 JAN-MAR mon",
        "0 3 ? * ?",
        "  5\t4 * * sun  ",
        "5/10 * * * *",
        "1,,2 * * * *",
        "@daily",
        "@every 1h30m",
        "@every 0.5h",
        "@every 1ns",
        "@every 0",
    ] {
        check(good, Ok(()));
    }
    check("", Err("expected exactly 5 fields, found 0: []"));
    check("* * * *", Err("expected exactly 5 fields, found 4: [* * * *]"));
    check(
        "0 * * * * *",
        Err("expected exactly 5 fields, found 6: [0 * * * * *]"),
    );
    check("60 * * * *", Err("end of range (60) above maximum (59): 60"));
    check("* * 0 * *", Err("beginning of range (0) below minimum (1): 0"));
    check("* * * * 7", Err("end of range (7) above maximum (6): 7"));
    check(
        "5-1 * * * *",
        Err("beginning of range (5) beyond end of range (1): 5-1"),
    );
    check(
        "*/0 * * * *",
        Err("step of range should be a positive number: */0"),
    );
    check("1/2/3 * * * *", Err("too many slashes: 1/2/3"));
    check("1-2-3 * * * *", Err("too many hyphens: 1-2-3"));
    check("-1 * * * *", Err("failed to parse int from : -1"));
    check("* * * * FUN", Err("failed to parse int from FUN: FUN"));
    check("@reboot", Err("unrecognized descriptor: @reboot"));
    check("@every", Err("unrecognized descriptor: @every"));
    check("@every soon", Err("failed to parse duration @every soon"));
    check("@every 5", Err("failed to parse duration @every 5"));
    check("@every ", Err("failed to parse duration @every "));
    check(
        "@every 999999999999h",
        Err("failed to parse duration @every 999999999999h"),
    );
    check("TZ=UTC * * * * *", Err("a time zone has its own field, timeZone"));
}

#[test]
fn the_next_moment() {
    let check = |text: &str, place: &str, after: &str, expect: &[&str]| {
        let schedule = Schedule::parse(text).unwrap();
        let mut moment = at(after);
        for expect in expect {
            moment = schedule.next(moment, &zone(place)).unwrap();
            assert_eq!(moment, at(expect), "{text} in {place} after {after}");
        }
    };
    check(
        "*/20 * * * *",
        "UTC",
        "2026-01-01T11:59:59.5Z",
        &["2026-01-01T12:00Z", "2026-01-01T12:20Z"],
    );
    check("*/20 * * * *", "UTC", "2026-01-01T12:00Z", &["2026-01-01T12:20Z"]);
    check(
        "0 9-17/4 * * MON-FRI",
        "UTC",
        "2026-01-02T13:00Z",
        &["2026-01-02T17:00Z", "2026-01-05T09:00Z"],
    );
    // Both days are restricted: one is enough. With a star, both must hold; a star with a step is none.
    check(
        "0 0 13 * FRI",
        "UTC",
        "2026-01-09T12:00Z",
        &["2026-01-13T00:00Z", "2026-01-16T00:00Z"],
    );
    check(
        "0 0 */10 * FRI",
        "UTC",
        "2026-01-09T12:00Z",
        &["2026-01-11T00:00Z", "2026-01-16T00:00Z"],
    );
    check(
        "0 0 */1 * FRI",
        "UTC",
        "2026-01-09T12:00Z",
        &["2026-01-16T00:00Z"],
    );
    check("0 0 29 2 *", "UTC", "2026-01-01T00:00Z", &["2028-02-29T00:00Z"]);
    check("@yearly", "UTC", "2026-01-01T00:00Z", &["2027-01-01T00:00Z"]);
    check("@monthly", "UTC", "2026-12-05T00:00Z", &["2027-01-01T00:00Z"]);
    check("@weekly", "UTC", "2026-01-01T00:00Z", &["2026-01-04T00:00Z"]);
    check("@hourly", "UTC", "2026-01-01T00:30Z", &["2026-01-01T01:00Z"]);
    check(
        "@every 90s",
        "UTC",
        "2026-01-01T00:00:00.7Z",
        &["2026-01-01T00:01:30Z", "2026-01-01T00:03:00Z"],
    );
    check(
        "@every 1ms",
        "UTC",
        "2026-01-01T00:00:00Z",
        &["2026-01-01T00:00:01Z"],
    );
    // A local hour that summer time skips is left out, one that winter time repeats comes twice.
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-03-28T12:00Z",
        &["2026-03-30T00:30Z"],
    );
    check(
        "30 2 * * *",
        "Europe/Berlin",
        "2026-10-24T12:00Z",
        &["2026-10-25T00:30Z", "2026-10-25T01:30Z", "2026-10-26T01:30Z"],
    );
    // Here midnight itself is skipped.
    check(
        "@daily",
        "America/Sao_Paulo",
        "2018-11-03T12:00Z",
        &["2018-11-05T02:00Z"],
    );
    check(
        "0 8 * * *",
        "Asia/Kolkata",
        "2026-01-01T00:00Z",
        &["2026-01-01T02:30Z"],
    );
}

#[test]
fn what_is_never_due() {
    for text in ["0 0 31 2 *", ", * * * *", "0 0 30 2 *"] {
        let schedule = Schedule::parse(text).unwrap();
        assert_eq!(
            schedule.next(at("2026-01-01T00:00Z"), &TimeZone::UTC),
            None,
            "{text}"
        );
    }
    let always = Schedule::parse("* * * * *").unwrap();
    assert_eq!(always.next(Timestamp::MAX, &TimeZone::UTC), None);
    assert!(always.next(Timestamp::MIN, &TimeZone::UTC).is_some());
}

#[test]
fn what_was_missed() {
    let check = |text: &str, after: &str, until: &str, latest: Option<&str>, count: usize| {
        let schedule = Schedule::parse(text).unwrap();
        let found = schedule.latest(at(after), at(until), &TimeZone::UTC);
        assert_eq!(found, latest.map(at), "{text} {after} {until}");
        let counted = schedule.count(at(after), at(until), &TimeZone::UTC, 101);
        assert_eq!(counted, count, "{text} {after} {until}");
    };
    let (noon, soon) = ("2026-01-01T12:00:00Z", "2026-01-01T12:10:00Z");
    check("*/5 * * * *", noon, soon, Some(soon), 2);
    check("*/5 * * * *", noon, "2026-01-01T12:04:59.9Z", None, 0);
    check(
        "*/5 * * * *",
        noon,
        "2026-01-01T12:05:00.1Z",
        Some("2026-01-01T12:05:00Z"),
        1,
    );
    check(
        "* * * * *",
        noon,
        "2036-01-01T12:00:30Z",
        Some("2036-01-01T12:00:00Z"),
        101,
    );
    check(
        "0 0 1 1 *",
        noon,
        "2027-12-31T00:00:00Z",
        Some("2027-01-01T00:00:00Z"),
        1,
    );
    check(
        "@every 7m",
        noon,
        "2026-01-01T12:20:00Z",
        Some("2026-01-01T12:14:00Z"),
        2,
    );
    check("*/5 * * * *", soon, noon, None, 0);
}

#[test]
fn time_zones_are_called_by_their_names() {
    for (name, known) in [
        ("Europe/Berlin", true),
        ("Etc/UTC", true),
        ("UTC", true),
        ("europe/berlin", false),
        ("Local", false),
        ("Europe/Atlantis", false),
        ("../etc/passwd", false),
    ] {
        assert_eq!(time_zone(name).is_some(), known, "{name}");
    }
}

/// Is it due at this whole minute? Read off the text anew, in the plainest way.
fn is_due(text: &str, local: civil::DateTime) -> bool {
    let fields: Vec<&str> = text.split(' ').collect();
    let takes = |field: &str, number: i8, low: i8, high: i8| {
        field.split(',').any(|part| {
            let (range, step) = part.split_once('/').unwrap_or((part, "1"));
            let (from, to): (i8, i8) = match range.split_once('-') {
                Some((from, to)) => (from.parse().unwrap(), to.parse().unwrap()),
                None if range == "*" => (low, high),
                None if part.contains('/') => (range.parse().unwrap(), high),
                None => (range.parse().unwrap(), range.parse().unwrap()),
            };
            let step: i8 = step.parse().unwrap();
            (from..=to).contains(&number) && (number - from) % step == 0
        })
    };
    let is_star = |field: &str| field.split(',').any(|part| part == "*" || part == "*/1");
    let day = takes(fields[2], local.day(), 1, 31);
    let weekday = takes(fields[4], local.weekday().to_sunday_zero_offset(), 0, 6);
    takes(fields[0], local.minute(), 0, 59)
        && takes(fields[1], local.hour(), 0, 23)
        && takes(fields[3], local.month(), 1, 12)
        && if is_star(fields[2]) || is_star(fields[4]) {
            day && weekday
        } else {
            day || weekday
        }
}

fn field(low: u8, high: u8) -> impl Strategy<Value = String> {
    let part = prop_oneof![
        3 => Just("*".to_owned()),
        2 => (low..=high).prop_map(|number| number.to_string()),
        1 => (1u8..=20).prop_map(|step| format!("*/{step}")),
        1 => (low..=high, 1u8..=20).prop_map(|(from, step)| format!("{from}/{step}")),
        2 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => (low..=high, low..=high, 1u8..=9).prop_map(|(a, b, step)| format!("{}-{}/{step}", a.min(b), a.max(b))),
    ];
    prop::collection::vec(part, 1..3).prop_map(|parts| parts.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn the_next_moment_is_what_counting_minutes_finds(
        minute in field(0, 59), hour in field(0, 23), day in field(1, 31), month in field(1, 12), weekday in field(0, 6),
        // Days around which clocks are changed somewhere, and others.
        start in prop::sample::select(vec![
            "2026-03-28T00:00Z", "2026-10-24T00:00Z", "2018-11-03T00:00Z", "2026-04-04T00:00Z", "2026-03-08T00:00Z",
            "2010-11-06T00:00Z", "2027-12-30T00:00Z", "2028-02-27T00:00Z",
        ]),
        offset in 0i64..3000,
        place in prop::sample::select(vec![
            "UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kolkata",
            "Pacific/Apia", "Africa/Casablanca",
        ]),
    ) {
        let text = format!("{minute} {hour} {day} {month} {weekday}");
        let schedule = Schedule::parse(&text).unwrap();
        let zone = zone(place);
        let after = at(start) + offset.minutes();
        let horizon = after + (9 * 24).hours();
        let mut counted = after + 1.minute();
        while counted <= horizon && !is_due(&text, zone.to_datetime(counted)) {
            counted += 1.minute();
        }
        let expect = Some(counted).filter(|moment| *moment <= horizon);
        let next = schedule.next(after, &zone);
        prop_assert_eq!(next.filter(|moment| *moment <= horizon), expect, "{} in {}", text, place);
        if let Some(next) = next {
            prop_assert_eq!(schedule.latest(after, next, &zone), Some(next));
            prop_assert!(is_due(&text, zone.to_datetime(next)));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[@*?/,0-9a-zA-Z .-]{0,40}|\\PC{0,20}", seconds in -100_000_000_000i64..200_000_000_000) {
        if let Ok(schedule) = Schedule::parse(&text) {
            let after = Timestamp::from_second(seconds).unwrap_or_default();
            if let Some(next) = schedule.next(after, &TimeZone::UTC) {
                prop_assert!(next > after);
            }
        }
        let _ = time_zone(&text);
    }

    #[test]
    fn odd_fields_are_read_or_refused(fields in prop::collection::vec("[*?/,0-9-]{1,8}|@every [0-9.hmsnuµ]{1,12}", 1..6)) {
        if let Ok(schedule) = Schedule::parse(&fields.join(" ")) {
            let _ = schedule.next(Timestamp::UNIX_EPOCH, &TimeZone::UTC);
        }
    }
}
