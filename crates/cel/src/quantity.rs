//! Kubernetes quantities (`500m`, `1.5Gi`, `2e3`) and Go durations (`1h30m`), exactly enough to compare.
//!
//! A quantity is kept in billionths. Like Kubernetes, what is finer is rounded away from zero, and what is written in
//! powers of two and larger than a signed 64-bit integer is held at that. Decimal ones have no limit: two moduli of
//! certificates are quantities as well, and not the same.

use std::cmp::Ordering;

/// Billionths in one.
pub const NANO: i128 = 1_000_000_000;
const CAP: i128 = i64::MAX as i128;

/// How many digits before the point fit into billionths.
const MOST_DIGITS: i64 = 29;

/// A parsed quantity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Quantity {
    /// In billionths of its unit.
    Nanos(i128),
    /// Beyond what billionths can count.
    Vast(Vast),
}

/// A decimal number with many digits before its point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vast {
    negative: bool,
    /// How many digits are before the point.
    magnitude: i64,
    /// Its digits, the first and last of which are not zero.
    digits: Box<str>,
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Quantity::Nanos(left), Quantity::Nanos(right)) => left.cmp(right),
            (Quantity::Vast(left), Quantity::Vast(right)) => match (left.negative, right.negative) {
                (false, true) => Ordering::Greater,
                (true, false) => Ordering::Less,
                (false, false) => left.size().cmp(&right.size()),
                (true, true) => right.size().cmp(&left.size()),
            },
            (Quantity::Vast(vast), Quantity::Nanos(_)) if vast.negative => Ordering::Less,
            (Quantity::Vast(_), Quantity::Nanos(_)) => Ordering::Greater,
            (Quantity::Nanos(_), Quantity::Vast(_)) => other.cmp(self).reverse(),
        }
    }
}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Vast {
    /// Digits without a zero at their end have the order of their letters.
    fn size(&self) -> (i64, &str) {
        (self.magnitude, &self.digits)
    }
}

impl Quantity {
    /// Reads a quantity as `resource.ParseQuantity` does; `None` is "not a quantity". A suffix alone is none of it.
    pub fn parse(text: &str) -> Option<Quantity> {
        let (negative, rest) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let end = |text: &str| {
            text.bytes()
                .position(|byte| !byte.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let (whole, rest) = rest.split_at(end(rest));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(end(rest)),
            None => ("", rest),
        };
        match Scale::parse(suffix)? {
            Scale::Decimal(exponent) => {
                let bare = whole.is_empty() && fraction.is_empty();
                if bare && exponent < -9 {
                    return None;
                }
                Some(decimal(negative, whole, fraction, exponent))
            }
            Scale::Binary(factor) => {
                let nanos = binary(whole, fraction, factor);
                Some(Quantity::Nanos(if negative { -nanos } else { nanos }))
            }
        }
    }

    /// Billionths, when it is not beyond them.
    pub fn nanos(&self) -> Option<i128> {
        match self {
            Quantity::Nanos(nanos) => Some(*nanos),
            Quantity::Vast(_) => None,
        }
    }

    /// 1, 0 or -1.
    pub fn sign(&self) -> i64 {
        match self {
            Quantity::Nanos(nanos) => nanos.signum() as i64,
            Quantity::Vast(vast) if vast.negative => -1,
            Quantity::Vast(_) => 1,
        }
    }

    /// The nearest double.
    pub fn float(&self) -> f64 {
        match self {
            Quantity::Nanos(nanos) => *nanos as f64 / 1e9,
            Quantity::Vast(_) => self.to_string().parse().unwrap_or(f64::NAN),
        }
    }
}

impl std::fmt::Display for Quantity {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Quantity::Nanos(nanos) if nanos % NANO == 0 => write!(formatter, "{}", nanos / NANO),
            Quantity::Nanos(nanos) => write!(formatter, "{nanos}n"),
            Quantity::Vast(vast) => {
                let sign = if vast.negative { "-" } else { "" };
                let exponent = vast.magnitude - vast.digits.len() as i64;
                write!(formatter, "{sign}{}e{exponent}", vast.digits)
            }
        }
    }
}

fn decimal(negative: bool, whole: &str, fraction: &str, exponent: i32) -> Quantity {
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    let mut magnitude = i64::from(exponent) + digits.len() as i64 - fraction.len() as i64;
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return Quantity::Nanos(0);
    }
    // What is finer than a billionth only matters by being there.
    let kept = usize::try_from(magnitude + 9).unwrap_or(0);
    if magnitude <= MOST_DIGITS {
        let above = &digits[..digits.len().min(kept)];
        let number = above
            .bytes()
            .fold(0, |sum: i128, digit| sum * 10 + i128::from(digit - b'0'));
        let zeros = u32::try_from(kept - above.len()).unwrap_or(0);
        let nanos = number * 10_i128.pow(zeros) + i128::from(digits.len() > kept);
        // Rounding may have added a digit.
        if nanos < 10_i128.pow(38) {
            return Quantity::Nanos(if negative { -nanos } else { nanos });
        }
    }
    let mut above = digits[..digits.len().min(kept)].to_owned();
    if digits.len() > kept {
        loop {
            match above.pop() {
                Some('9') => {}
                Some(digit) => {
                    above.push(char::from(digit as u8 + 1));
                    break;
                }
                None => {
                    above.push('1');
                    magnitude += 1;
                    break;
                }
            }
        }
    }
    Quantity::Vast(Vast {
        negative,
        magnitude,
        digits: above.trim_end_matches('0').into(),
    })
}

/// Billionths, held at the cap.
fn binary(whole: &str, fraction: &str, factor: i128) -> i128 {
    const PART: i128 = 1_000_000_000_000_000_000;
    let units = digits(whole).saturating_mul(factor);
    let (first, rest) = fraction.split_at(fraction.len().min(18));
    let (second, rest) = rest.split_at(rest.len().min(18));
    let part = |text: &str| digits(text) * 10_i128.pow(18 - text.len() as u32);
    let below = part(second) * factor;
    let more = below % PART != 0 || rest.bytes().any(|digit| digit != b'0');
    let finer = part(first) * factor + below / PART + i128::from(more);
    let nanos = units.min(CAP) * NANO + finer / NANO + i128::from(finer % NANO != 0);
    nanos.min(CAP * NANO)
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

enum Scale {
    /// Times this.
    Binary(i128),
    /// Times this power of ten.
    Decimal(i32),
}

impl Scale {
    fn parse(suffix: &str) -> Option<Scale> {
        Some(match suffix {
            "" => Scale::Decimal(0),
            "n" => Scale::Decimal(-9),
            "u" => Scale::Decimal(-6),
            "m" => Scale::Decimal(-3),
            "k" => Scale::Decimal(3),
            "M" => Scale::Decimal(6),
            "G" => Scale::Decimal(9),
            "T" => Scale::Decimal(12),
            "P" => Scale::Decimal(15),
            "E" => Scale::Decimal(18),
            "Ki" => Scale::Binary(1 << 10),
            "Mi" => Scale::Binary(1 << 20),
            "Gi" => Scale::Binary(1 << 30),
            "Ti" => Scale::Binary(1 << 40),
            "Pi" => Scale::Binary(1 << 50),
            "Ei" => Scale::Binary(1 << 60),
            _ => {
                let exponent: i64 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
                // As Go cuts it.
                Scale::Decimal(exponent as i32)
            }
        })
    }
}

/// Reads a duration as Go's `time.ParseDuration` does, in nanoseconds; `None` is "not a duration".
pub fn parse_duration(text: &str) -> Option<i64> {
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
        check("100Ei", "99Ei", Ordering::Equal); // both beyond the cap
        check("100E", "99E", Ordering::Greater);
        check("1e30", "1e31", Ordering::Less);
        check("-1e30", "-1e31", Ordering::Greater);
        check("-1e30", "1n", Ordering::Less);
        check("1e40", "10e39", Ordering::Equal);
        check(
            "99999999999999999999999999999.9999999999",
            "1e29",
            Ordering::Equal,
        );
        check(
            "999999999999999999999999999999.9999999999",
            "1e30",
            Ordering::Equal,
        );
        check(
            "12345678901234567890123456789012.5",
            "12345678901234567890123456789012.50000000001",
            Ordering::Less,
        );
        check(
            "0.0000000000000000009Ei",
            "1.0376293541461622784",
            Ordering::Equal,
        );
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
            "",
            "1.2.3",
            "1 Gi",
            "1gi",
            "1K",
            "1e",
            "1e1.5",
            "abc",
            "1Mib",
            "--1",
            "½",
            "e-10",
            "1e99999999999999999999",
        ] {
            assert_eq!(Quantity::parse(text), None, "{text:?}");
        }
    }

    /// Go takes a suffix or a sign for none of it.
    #[test]
    fn a_suffix_alone_is_zero() {
        for text in ["-", "+", ".", "-.", "Gi", "m", "e3", ".k"] {
            assert_eq!(Quantity::parse(text), Some(Quantity::Nanos(0)), "{text:?}");
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
            prop_assert_eq!(a.cmp(&b), left.cmp(&right));
        }
    }
}
