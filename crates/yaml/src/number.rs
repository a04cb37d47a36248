//! Floats as Go writes them.

/// Writes a float as Go's `strconv.FormatFloat(value, 'g', -1, 64)` does, and with it `fmt.Print`: the fewest
/// digits that tell it apart, with an exponent below 1e-4 and from 1e+06 on.
pub fn format_float(value: f64) -> String {
    shortest(&format!("{value:e}"), value.is_sign_negative())
}

/// The same for a value that Go narrows to 32 bits first, as it does for the keys of mappings, and where text is wanted.
pub fn format_float32(value: f64) -> String {
    shortest(&format!("{:e}", value as f32), value.is_sign_negative())
}

/// Lays out the digits of Rust's shortest scientific form as Go would.
fn shortest(scientific: &str, negative: bool) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        // Only the infinities and NaN have no exponent.
        return match scientific {
            "inf" => "+Inf".to_owned(),
            "-inf" => "-Inf".to_owned(),
            _ => "NaN".to_owned(),
        };
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let sign = if negative { "-" } else { "" };
    if !(-4..6).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let exponent_sign = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}e{exponent_sign}{:02}", exponent.abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    if digits.len() <= whole {
        format!("{sign}{digits}{}", "0".repeat(whole - digits.len()))
    } else {
        format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: f64, expect: &str) {
        assert_eq!(format_float(value), expect, "{value:?}");
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        check(0.0, "0");
        check(-0.0, "-0");
        check(1.0, "1");
        check(-1.5, "-1.5");
        check(0.1, "0.1");
        check(100_000.0, "100000");
        check(1_000_000.0, "1e+06");
        check(123_456.7, "123456.7");
        check(1_234_567.5, "1.2345675e+06");
        check(0.0001, "0.0001");
        check(0.000_01, "1e-05");
        check(1e21, "1e+21");
        check(1.5e300, "1.5e+300");
        check(f64::INFINITY, "+Inf");
        check(f64::NEG_INFINITY, "-Inf");
        check(f64::NAN, "NaN");
    }
}
