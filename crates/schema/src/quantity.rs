//! Quantities such as `500m`, `1.5Gi` or `1e3`: parsed exactly, written in the canonical form of the
//! Kubernetes API, compared by value.

use std::fmt;
use std::str::FromStr;

/// A quantity, exact to a billionth; finer fractions are rounded away from zero, as upstream does.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    nano: i128,
    suffix: Suffix,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suffix {
    Decimal,
    Binary,
    Exponent,
}

const NANO: i128 = 1_000_000_000;
/// 2^63 - 1, the largest magnitude.
const LARGEST: i128 = i64::MAX as i128;

const DECIMAL: [(&str, i32); 10] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

impl FromStr for Quantity {
    type Err = String;

    fn from_str(text: &str) -> Result<Quantity, String> {
        let wrong = || format!("{text:?} is not a quantity such as 500m, 2 or 1.5Gi");
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let number_end = unsigned
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(number_end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
            return Err(wrong());
        }
        let (kind, base, exponent) = suffix_of(suffix).ok_or_else(wrong)?;
        let mut nano = scaled(whole, fraction, base, exponent).min(LARGEST * NANO);
        if negative {
            nano = -nano;
        }
        Ok(Quantity { nano, suffix: kind })
    }
}

fn suffix_of(suffix: &str) -> Option<(Suffix, u32, i32)> {
    if let Some((_, exponent)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Suffix::Decimal, 10, *exponent));
    }
    if let Some(power) = BINARY.iter().position(|name| *name == suffix) {
        return Some((Suffix::Binary, 2, power as i32 * 10));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let exponent: i32 = exponent.parse().ok()?;
    Some((Suffix::Exponent, 10, exponent.clamp(-40, 40)))
}

/// `whole.fraction * base^exponent`, in billionths, rounded up, saturating.
fn scaled(whole: &str, fraction: &str, base: u32, exponent: i32) -> i128 {
    const MOST_DIGITS: usize = 30;
    let most = LARGEST * NANO;
    let whole = whole.trim_start_matches('0');
    if whole.len() > MOST_DIGITS {
        return most;
    }
    let kept = &fraction[..fraction.len().min(MOST_DIGITS)];
    let cut_away = fraction[kept.len()..].bytes().any(|digit| digit != b'0');
    // The digits as one whole number, and the power of ten that they are too large by.
    let mut mantissa: i128 = 0;
    let mut shift: i32 = 0;
    let mut inexact = cut_away;
    for (place, digit) in whole.bytes().chain(kept.bytes()).enumerate() {
        if mantissa > i128::MAX / 100 {
            inexact |= digit != b'0';
            if place < whole.len() {
                return most;
            }
            continue;
        }
        mantissa = mantissa * 10 + i128::from(digit - b'0');
        if place >= whole.len() {
            shift += 1;
        }
    }
    let (ten, two) = if base == 10 {
        (9 + exponent - shift, 0)
    } else {
        (9 - shift, exponent)
    };
    for _ in 0..two {
        mantissa = mantissa.saturating_mul(2);
    }
    for _ in 0..ten.max(0) {
        mantissa = mantissa.saturating_mul(10);
    }
    for _ in 0..(-ten).max(0) {
        inexact |= mantissa % 10 != 0;
        mantissa /= 10;
    }
    mantissa.saturating_add(i128::from(inexact)).min(most)
}

impl Quantity {
    /// So many, such as a count of objects.
    pub fn whole(number: i64) -> Quantity {
        Quantity {
            nano: i128::from(number) * NANO,
            suffix: Suffix::Decimal,
        }
    }

    /// The sum, written as the first of the two that is not zero.
    #[must_use]
    pub fn plus(self, other: Quantity) -> Quantity {
        let largest = LARGEST * NANO;
        Quantity {
            nano: self.nano.saturating_add(other.nano).clamp(-largest, largest),
            suffix: if self.nano == 0 { other.suffix } else { self.suffix },
        }
    }

    /// What is left, but never less than nothing.
    #[must_use]
    pub fn less(self, other: Quantity) -> Quantity {
        Quantity {
            nano: self.nano.saturating_sub(other.nano).max(0),
            suffix: if self.nano == 0 { other.suffix } else { self.suffix },
        }
    }

    /// The value in billionths.
    pub fn nano(&self) -> i128 {
        self.nano
    }

    /// The value in thousandths, rounded up.
    pub fn milli(&self) -> i128 {
        let (whole, rest) = (self.nano / 1_000_000, self.nano % 1_000_000);
        whole + i128::from(rest > 0)
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Quantity) -> bool {
        self.nano == other.nano
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Quantity) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Quantity) -> std::cmp::Ordering {
        self.nano.cmp(&other.nano)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.nano / NANO;
        if self.suffix == Suffix::Binary && self.nano % NANO == 0 && whole.abs() >= 1024 {
            let (mut number, mut power) = (whole, 0);
            while number % 1024 == 0 && power + 1 < BINARY.len() {
                number /= 1024;
                power += 1;
            }
            return write!(out, "{number}{}", BINARY.get(power).copied().unwrap_or_default());
        }
        if self.nano == 0 {
            return out.write_str("0");
        }
        let (mut number, mut exponent) = (self.nano, -9);
        while number % 1000 == 0 && exponent < 18 {
            number /= 1000;
            exponent += 3;
        }
        match DECIMAL.iter().find(|(_, found)| *found == exponent) {
            Some((suffix, _)) if self.suffix != Suffix::Exponent => write!(out, "{number}{suffix}"),
            _ if exponent == 0 => write!(out, "{number}"),
            _ => write!(out, "{number}e{exponent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn canonical_forms() {
        fn check(input: &str, expect: &str) {
            let quantity: Quantity = input.parse().expect(input);
            assert_eq!(quantity.to_string(), expect, "{input}");
            let again: Quantity = quantity.to_string().parse().expect(input);
            assert_eq!(again, quantity, "{input} reads back as it was written");
        }
        check("0", "0");
        check("0Gi", "0");
        check("1000m", "1");
        check("0.5", "500m");
        check(".5", "500m");
        check("5.", "5");
        check("100m", "100m");
        check("1024Mi", "1Gi");
        check("1.5Gi", "1536Mi");
        check("1023", "1023");
        check("1024", "1024");
        check("1024Ki", "1Mi");
        check("1Ki", "1Ki");
        check("0.5Ki", "512");
        check("1000k", "1M");
        check("1e3", "1e3");
        check("1E3", "1e3");
        check("12e6", "12e6");
        check("-2", "-2");
        check("+2", "2");
        check("0.1m", "100u");
        check("1n", "1n");
        check("0.0000000001", "1n");
        check("1.1Ki", "1126400m");
        check("9223372036854775807", "9223372036854775807");
        check("99999999999999999999999", "9223372036854775807");
        check("100Ei", "9223372036854775807");
    }

    #[test]
    fn sums_and_rests() {
        fn check(one: &str, other: &str, sum: &str, rest: &str) {
            let [one, other]: [Quantity; 2] = [one, other].map(|text| text.parse().expect(text));
            assert_eq!(one.plus(other).to_string(), sum, "{one} + {other}");
            assert_eq!(one.less(other).to_string(), rest, "{one} - {other}");
        }
        check("1Gi", "512Mi", "1536Mi", "512Mi");
        check("500m", "1", "1500m", "0");
        check("0", "2Ki", "2Ki", "0");
        check("3", "1Ki", "1027", "0");
        check(
            "9223372036854775807",
            "1",
            "9223372036854775807",
            "9223372036854775806",
        );
        assert_eq!(Quantity::whole(3).to_string(), "3");
    }

    #[test]
    fn not_quantities() {
        for text in [
            "", "-", ".", "1.2.3", "Gi", "1gi", "1 Gi", "1e", "e3", "--1", "1Zi", "0x1",
        ] {
            assert!(text.parse::<Quantity>().is_err(), "{text}");
        }
    }
}
