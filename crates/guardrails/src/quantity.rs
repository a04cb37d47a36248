//! Kubernetes quantities (`500m`, `1.5Gi`, `2e3`) and Go durations (`1h30m`), exactly enough to compare.
//!
//! A quantity is kept in billionths. Like Kubernetes, what is finer is rounded away from zero and
//! what is larger than a signed 64-bit integer is held at that.

const NANO: i128 = 1_000_000_000;
const CAP: i128 = i64::MAX as i128;

/// A parsed quantity in billionths of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity(pub(crate) i128);

impl Quantity {
    /// Reads a quantity as `resource.ParseQuantity` does; `None` is "not a quantity".
    pub(crate) fn parse(text: &str) -> Option<Quantity> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = rest
            .bytes()
            .position(|byte| !byte.is_ascii_digit() && byte != b'.')
            .unwrap_or(rest.len());
        let (number, suffix) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let scale = Scale::parse(suffix)?;
        let whole = digits(whole);
        // More digits than a billionth can hold only matter by not being zero.
        let fraction = fraction.trim_end_matches('0');
        let (kept, dropped) = fraction.split_at(fraction.len().min(18));
        let places = u32::try_from(kept.len()).ok()?;
        let fraction = digits(kept);
        let rest = i128::from(!dropped.is_empty());
        let nanos = match scale {
            Scale::Times(factor) => {
                let units = whole.saturating_mul(factor);
                if units >= CAP {
                    CAP * NANO
                } else {
                    let finer = if places > 9 {
                        divide_up(fraction * factor + rest, 10_i128.pow(places - 9))
                    } else {
                        fraction * factor * 10_i128.pow(9 - places)
                    };
                    (units * NANO + finer).min(CAP * NANO)
                }
            }
            Scale::Over(divisor) => {
                let units = whole.min(CAP);
                let nanos = if places > 9 {
                    divide_up(fraction + rest, 10_i128.pow(places - 9))
                } else {
                    fraction * 10_i128.pow(9 - places)
                };
                divide_up(units * NANO + nanos, divisor)
            }
        };
        Some(Quantity(if negative { -nanos } else { nanos }))
    }
}

/// Reads digits, held at a value far beyond the cap.
fn digits(text: &str) -> i128 {
    text.bytes().fold(0, |sum: i128, digit| {
        if sum > CAP * 10 {
            sum
        } else {
            sum * 10 + i128::from(digit - b'0')
        }
    })
}

fn divide_up(value: i128, by: i128) -> i128 {
    value / by + i128::from(value % by != 0)
}

enum Scale {
    Times(i128),
    Over(i128),
}

impl Scale {
    fn parse(suffix: &str) -> Option<Scale> {
        Some(match suffix {
            "" => Scale::Times(1),
            "n" => Scale::Over(NANO),
            "u" => Scale::Over(1_000_000),
            "m" => Scale::Over(1_000),
            "k" => Scale::Times(1_000),
            "M" => Scale::Times(1_000_000),
            "G" => Scale::Times(NANO),
            "T" => Scale::Times(1_000 * NANO),
            "P" => Scale::Times(1_000_000 * NANO),
            "E" => Scale::Times(NANO * NANO),
            "Ki" => Scale::Times(1 << 10),
            "Mi" => Scale::Times(1 << 20),
            "Gi" => Scale::Times(1 << 30),
            "Ti" => Scale::Times(1 << 40),
            "Pi" => Scale::Times(1 << 50),
            "Ei" => Scale::Times(1 << 60),
            _ => {
                let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
                match u32::try_from(exponent) {
                    Ok(exponent) => Scale::Times(10_i128.pow(exponent.min(18))),
                    Err(_) => Scale::Over(10_i128.pow(exponent.unsigned_abs().min(30))),
                }
            }
        })
    }
}

/// Reads a duration as Go's `time.ParseDuration` does, in nanoseconds; `None` is "not a duration".
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest
            .bytes()
            .position(|byte| !byte.is_ascii_digit() && byte != b'.')?;
        let (number, after) = rest.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
            return None;
        }
        let (unit, after) = duration_unit(after)?;
        let fraction = &fraction[..fraction.len().min(18)];
        let places = u32::try_from(fraction.len()).ok()?;
        total = total
            .checked_add(digits(whole).checked_mul(unit)?)?
            .checked_add(digits(fraction) * unit / 10_i128.pow(places))?;
        if total > CAP {
            return None;
        }
        rest = after;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

fn duration_unit(text: &str) -> Option<(i128, &str)> {
    const UNITS: [(&str, i128); 8] = [
        ("ns", 1),
        ("us", 1_000),
        ("µs", 1_000),
        ("μs", 1_000),
        ("ms", 1_000_000),
        ("s", NANO),
        ("m", 60 * NANO),
        ("h", 3_600 * NANO),
    ];
    UNITS
        .iter()
        .find_map(|(name, nanos)| text.strip_prefix(name).map(|after| (*nanos, after)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::cmp::Ordering;

    #[test]
    fn quantities_compare_as_kubernetes_does() {
        let check = |left: &str, right: &str, expect: Ordering| {
            let (a, b) = (Quantity::parse(left), Quantity::parse(right));
            assert!(a.is_some() && b.is_some(), "{left} and {right} are quantities");
            assert_eq!(a.cmp(&b), expect, "{left} against {right}");
        };
        check("1", "1000m", Ordering::Equal);
        check("0.5", "500m", Ordering::Equal);
        check(".5", "500m", Ordering::Equal);
        check("5.", "5", Ordering::Equal);
        check("1Gi", "1024Mi", Ordering::Equal);
        check("1G", "1Gi", Ordering::Less);
        check("1E", "1e18", Ordering::Equal);
        check("1E3", "1k", Ordering::Equal);
        check("1.5Gi", "1536Mi", Ordering::Equal);
        check("-1", "1", Ordering::Less);
        check("+2", "2", Ordering::Equal);
        check("1n", "0.1n", Ordering::Equal); // both round up to a billionth
        check("2n", "1n", Ordering::Greater);
        check("1e-3", "1m", Ordering::Equal);
        check("100E", "99E", Ordering::Equal); // both beyond the cap
        check("0.0000000001", "0", Ordering::Greater);
        check(
            "100000000000000000000000000000000000000000000",
            "7Ei",
            Ordering::Greater,
        );
    }

    #[test]
    fn what_is_no_quantity() {
        for text in [
            "", "-", ".", "1.2.3", "1 Gi", "Gi", "1gi", "1K", "1e", "1e1.5", "abc", "1Mib", "--1", "½",
        ] {
            assert_eq!(Quantity::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn durations_as_go_reads_them() {
        let check = |text: &str, expect: Option<i64>| assert_eq!(parse_duration(text), expect, "{text:?}");
        check("0", Some(0));
        check("1s", Some(1_000_000_000));
        check("1h30m", Some(5_400_000_000_000));
        check("1.5h", Some(5_400_000_000_000));
        check("-5m", Some(-300_000_000_000));
        check("100ms", Some(100_000_000));
        check("3µs", Some(3_000));
        check(".5s", Some(500_000_000));
        check("1", None);
        check("", None);
        check("-", None);
        check("1d", None);
        check("s", None);
        check("1 s", None);
        check("3000000h", None); // more than 292 years
    }

    proptest! {
        #[test]
        fn never_panics(text in "\\PC{0,40}", numeric in "[-+]?[0-9.]{0,60}[a-zA-Zµ]{0,3}[-+]?[0-9]{0,12}") {
            for text in [text, numeric] {
                let _ = Quantity::parse(&text);
                let _ = parse_duration(&text);
            }
        }

        #[test]
        fn whole_numbers_keep_their_order(left in any::<i64>(), right in any::<i64>()) {
            let (a, b) = (Quantity::parse(&left.to_string()), Quantity::parse(&right.to_string()));
            if left.unsigned_abs() < i64::MAX as u64 && right.unsigned_abs() < i64::MAX as u64 {
                prop_assert_eq!(a.cmp(&b), left.cmp(&right));
            }
        }
    }
}
