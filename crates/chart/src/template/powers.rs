//! Floats written with a power of two, as Go's `%b` and `%x` do.

const FRACTION_BITS: u32 = 52;
const BIAS: i32 = 1023;

/// The whole mantissa and the power of two that it is multiplied with.
fn parts(number: f64) -> (u64, i32) {
    let bits = number.to_bits();
    let fraction = bits & ((1 << FRACTION_BITS) - 1);
    match (bits >> FRACTION_BITS & 0x7ff) as i32 {
        0 => (fraction, 1 - BIAS),
        exponent => (fraction | 1 << FRACTION_BITS, exponent - BIAS),
    }
}

fn sign(number: f64) -> &'static str {
    if number.is_sign_negative() { "-" } else { "" }
}

/// `4503599627370496p-52`.
pub(super) fn binary(number: f64) -> String {
    let (mantissa, exponent) = parts(number);
    let exponent = exponent - FRACTION_BITS as i32;
    format!("{}{mantissa}p{exponent:+}", sign(number))
}

/// `0x1.8p+01`, with as many digits as it takes or with so many.
pub(super) fn hexadecimal(number: f64, digits: Option<usize>) -> String {
    let (mantissa, mut exponent) = parts(number);
    // The first digit stands at bit 60, and is 1 but for zero.
    let mut mantissa = mantissa << (60 - FRACTION_BITS);
    if mantissa == 0 {
        exponent = 0;
    } else {
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent -= shift as i32;
    }
    if let Some(digits @ 0..15) = digits {
        let kept = 60 - 4 * digits;
        let cut = mantissa & ((1 << kept) - 1);
        mantissa >>= kept;
        let half = 1 << (kept - 1);
        if cut > half || cut == half && mantissa & 1 == 1 {
            mantissa += 1;
        }
        mantissa <<= kept;
        if mantissa >> 61 == 1 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let first = mantissa >> 60;
    let all = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let fraction = match digits {
        None => all.trim_end_matches('0').to_owned(),
        Some(digits) => format!("{all:0<width$}", width = digits.min(1000))
            .chars()
            .take(digits.min(1000))
            .collect(),
    };
    let point = if fraction.is_empty() { "" } else { "." };
    let (mark, size) = (if exponent < 0 { '-' } else { '+' }, exponent.abs());
    format!("{}0x{first}{point}{fraction}p{mark}{size:02}", sign(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_are_written_as_go_writes_them() {
        let check = |number: f64, digits: Option<usize>, expect: &str| {
            assert_eq!(hexadecimal(number, digits), expect, "{number} {digits:?}");
        };
        check(1.0, None, "0x1p+00");
        check(-2.5, None, "-0x1.4p+01");
        check(1e21, None, "0x1.b1ae4d6e2ef5p+69");
        check(0.0, None, "0x0p+00");
        check(1.25, Some(2), "0x1.40p+00");
        check(1.96875, Some(1), "0x1.0p+01");
        check(1.5, Some(0), "0x1p+01");
        check(1.25, Some(20), "0x1.40000000000000000000p+00");
        check(5e-324, None, "0x1p-1074");
        assert_eq!(binary(0.5), "4503599627370496p-53");
        assert_eq!(binary(-0.0), "-0p-1074");
    }
}
