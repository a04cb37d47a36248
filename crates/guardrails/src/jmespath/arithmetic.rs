//! Kyverno's `add`, `subtract`, `multiply`, `divide`, `modulo` over numbers, quantities and durations.

use ::cel::quantity::{Quantity, parse_duration};
use serde_json::{Number, Value};

/// What can be computed with.
#[derive(Clone, Copy)]
enum Operand {
    Number(f64),
    Quantity(Amount),
    /// In nanoseconds.
    Duration(i64),
}

/// A quantity as it was written.
#[derive(Clone, Copy)]
struct Amount {
    /// In billionths.
    nanos: i128,
    style: Style,
    /// Decimal places; fewer than none for `1k`.
    places: i32,
}

/// How a quantity is written: `1Ki`, `1k`, `1e3`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Binary,
    Decimal,
    Exponent,
}

/// The operations.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
}

const NANO: i128 = 1_000_000_000;

const OUT_OF_RANGE: &str = "the result of an arithmetic function is out of range";

/// Computes; the error says why it cannot.
pub(super) fn compute(operation: Operation, left: &Value, right: &Value) -> Result<Value, String> {
    let mismatch = || "the operands of an arithmetic function do not go together".to_owned();
    let (left, right) = (
        operand(left).ok_or_else(mismatch)?,
        operand(right).ok_or_else(mismatch)?,
    );
    if matches!(operation, Operation::Divide | Operation::Modulo) && right.is_zero() {
        return Err("division by zero".to_owned());
    }
    let result = match (left, right) {
        (Operand::Number(left), Operand::Number(right)) => {
            if operation == Operation::Modulo && (left.fract() != 0.0 || right.fract() != 0.0) {
                return Err("modulo needs whole numbers".to_owned());
            }
            number(match operation {
                Operation::Add => left + right,
                Operation::Subtract => left - right,
                Operation::Multiply => left * right,
                Operation::Divide => left / right,
                Operation::Modulo => left % right,
            })
        }
        (Operand::Quantity(left), Operand::Quantity(right)) => match operation {
            Operation::Add => left.with(left.nanos.checked_add(right.nanos), right),
            Operation::Subtract => left.with(left.nanos.checked_sub(right.nanos), right),
            Operation::Divide => number(left.nanos as f64 / right.nanos as f64),
            Operation::Modulo => {
                if left.nanos % NANO != 0 || right.nanos % NANO != 0 {
                    return Err("modulo needs whole numbers".to_owned());
                }
                left.written(left.nanos % right.nanos)
            }
            Operation::Multiply => return Err(mismatch()),
        },
        (Operand::Duration(left), Operand::Duration(right)) => match operation {
            Operation::Add => left.checked_add(right).map(duration),
            Operation::Subtract => left.checked_sub(right).map(duration),
            Operation::Modulo => left.checked_rem(right).map(duration),
            Operation::Divide => number(left as f64 / right as f64),
            Operation::Multiply => return Err(mismatch()),
        },
        (Operand::Quantity(value), Operand::Number(by)) if operation == Operation::Divide => {
            divided(value, amount_of(by).ok_or(OUT_OF_RANGE)?)
        }
        (Operand::Duration(value), Operand::Number(by)) if operation == Operation::Divide => {
            length(value as f64 / 1e9 / by)
        }
        (Operand::Quantity(value), Operand::Number(by)) | (Operand::Number(by), Operand::Quantity(value))
            if operation == Operation::Multiply =>
        {
            let product = value.nanos.checked_mul(amount_of(by).ok_or(OUT_OF_RANGE)?.nanos);
            let product = product.filter(|product| product % NANO == 0);
            product.and_then(|product| value.written(product / NANO))
        }
        (Operand::Duration(value), Operand::Number(by)) | (Operand::Number(by), Operand::Duration(value))
            if operation == Operation::Multiply =>
        {
            length(value as f64 / 1e9 * by)
        }
        _ => return Err(mismatch()),
    };
    result.ok_or_else(|| OUT_OF_RANGE.to_owned())
}

impl Operand {
    fn is_zero(self) -> bool {
        match self {
            Operand::Number(value) => value == 0.0,
            Operand::Quantity(value) => value.nanos == 0,
            Operand::Duration(value) => value == 0,
        }
    }
}

fn operand(value: &Value) -> Option<Operand> {
    match value {
        Value::Number(value) => value.as_f64().map(Operand::Number),
        Value::String(text) => Amount::parse(text)
            .map(Operand::Quantity)
            .or_else(|| parse_duration(text).map(Operand::Duration)),
        _ => None,
    }
}

/// A number as a quantity.
fn amount_of(number: f64) -> Option<Amount> {
    Amount::parse(&format!("{number}"))
}

/// A quotient has as many places as the operand with more of them; the rest is cut off.
fn divided(value: Amount, by: Amount) -> Option<Value> {
    let places = value.places.max(by.places);
    let unit = 10_i128.checked_pow(places.unsigned_abs())?;
    let nanos = if places >= 0 {
        (value.nanos.checked_mul(unit)? / by.nanos).checked_mul(NANO)? / unit
    } else {
        (value.nanos / by.nanos.checked_mul(unit)?)
            .checked_mul(unit)?
            .checked_mul(NANO)?
    };
    value.written(nanos)
}

/// Seconds as a duration.
fn length(seconds: f64) -> Option<Value> {
    let nanos = seconds * 1e9;
    (nanos.abs() < 9.2e18).then(|| duration(nanos as i64))
}

impl Amount {
    fn parse(text: &str) -> Option<Amount> {
        let nanos = Quantity::parse(text)?.nanos()?;
        let digits = text.trim_start_matches(['+', '-']);
        let end = digits
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(digits.len());
        let (digits, suffix) = digits.split_at(end);
        let fraction = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
        let (style, exponent) = match suffix {
            "" => (Style::Decimal, 0),
            suffix if suffix.ends_with('i') => (Style::Binary, 0),
            suffix => {
                let known = DECIMAL.iter().find(|(known, _)| *known == suffix);
                match (known, suffix.strip_prefix(['e', 'E'])) {
                    (Some((_, exponent)), _) => (Style::Decimal, *exponent),
                    (None, Some(exponent)) => (Style::Exponent, exponent.parse().ok()?),
                    (None, None) => return None,
                }
            }
        };
        let places = i32::try_from(fraction).ok()?.checked_sub(exponent)?;
        Some(Amount { nanos, style, places })
    }

    /// A sum or difference; the style of zero does not count.
    fn with(self, nanos: Option<i128>, other: Amount) -> Option<Value> {
        let style = if self.nanos == 0 { other.style } else { self.style };
        Amount { style, ..self }.written(nanos?)
    }

    /// An amount in the style of this one, in its shortest form.
    fn written(self, nanos: i128) -> Option<Value> {
        if nanos == 0 {
            return Some(Value::from("0"));
        }
        if self.style == Style::Binary && nanos % NANO == 0 && (nanos / NANO).abs() >= 1024 {
            let (mut value, mut suffix) = (nanos / NANO, "");
            for larger in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
                if value % 1024 != 0 {
                    break;
                }
                (value, suffix) = (value / 1024, larger);
            }
            return Some(Value::String(format!("{value}{suffix}")));
        }
        let (mut value, mut exponent) = (nanos, -9);
        while value % 1000 == 0 {
            (value, exponent) = (value / 1000, exponent + 3);
        }
        if self.style == Style::Exponent {
            let suffix = if exponent == 0 {
                String::new()
            } else {
                format!("e{exponent}")
            };
            return Some(Value::String(format!("{value}{suffix}")));
        }
        if exponent == 0 {
            return Some(Value::String(value.to_string()));
        }
        let (suffix, _) = DECIMAL.iter().find(|(_, known)| *known == exponent)?;
        Some(Value::String(format!("{value}{suffix}")))
    }
}

/// Suffixes, and the powers of ten they stand for.
const DECIMAL: [(&str, i32); 9] = [
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

/// A number as JSON holds it: whole numbers stay whole.
pub(super) fn number(value: f64) -> Option<Value> {
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return Some(Value::from(value as i64));
    }
    Number::from_f64(value).map(Value::Number)
}

/// A duration as Go prints it: `1h30m0s`, `1.5s`, `100ms`.
pub(super) fn duration(nanos: i64) -> Value {
    let sign = if nanos < 0 { "-" } else { "" };
    let value = nanos.unsigned_abs();
    let text = if value == 0 {
        "0s".to_owned()
    } else if value < 1_000 {
        format!("{sign}{value}ns")
    } else if value < 1_000_000 {
        format!("{sign}{}µs", decimal(value, 1_000))
    } else if value < 1_000_000_000 {
        format!("{sign}{}ms", decimal(value, 1_000_000))
    } else {
        let seconds = decimal(value % 60_000_000_000, 1_000_000_000);
        let minutes = value / 60_000_000_000;
        match (minutes / 60, minutes % 60) {
            (0, 0) => format!("{sign}{seconds}s"),
            (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
            (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
        }
    };
    Value::String(text)
}

fn decimal(value: u64, unit: u64) -> String {
    let (whole, rest) = (value / unit, value % unit);
    if rest == 0 {
        return whole.to_string();
    }
    let places = unit.to_string().len() - 1;
    format!("{whole}.{rest:0places$}")
        .trim_end_matches('0')
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_keep_their_style() {
        use Operation::{Add, Divide, Modulo, Multiply, Subtract};
        let check = |operation: Operation, left: Value, right: Value, expect: Result<Value, ()>| {
            let computed = compute(operation, &left, &right).map_err(|_| ());
            assert_eq!(computed, expect, "{left} and {right}");
        };
        let text = |text: &str| Ok(json!(text));
        check(Add, json!("1Gi"), json!("512Mi"), text("1536Mi"));
        check(Add, json!("1Gi"), json!("1k"), text("1073742824"));
        check(Add, json!("1k"), json!("1Ki"), text("2024"));
        check(Add, json!("600m"), json!("0.4"), text("1"));
        check(Add, json!("1500"), json!("500"), text("2k"));
        check(Add, json!("0"), json!("2Ki"), text("2Ki"));
        check(Add, json!("1e3"), json!("1"), text("1001"));
        check(Add, json!("1e3"), json!("1e3"), text("2e3"));
        check(Subtract, json!("1Gi"), json!("1Gi"), text("0"));
        check(Subtract, json!("1"), json!("500m"), text("500m"));
        check(Subtract, json!("1Ki"), json!("1"), text("1023"));
        check(Subtract, json!("1"), json!("2k"), text("-1999"));
        check(Multiply, json!("1Gi"), json!(3), text("3Gi"));
        check(Multiply, json!(0.5), json!("1Gi"), text("512Mi"));
        check(Multiply, json!("100m"), json!(3), text("300m"));
        check(Divide, json!("1Gi"), json!(3), text("357913941"));
        check(Divide, json!("1Gi"), json!(2), text("512Mi"));
        check(Divide, json!("500m"), json!(3), text("166m"));
        check(Divide, json!("1"), json!(3), text("0"));
        check(Divide, json!("1"), json!(0.25), text("4"));
        check(Divide, json!("1Gi"), json!("512Mi"), Ok(json!(2)));
        check(Modulo, json!("5Gi"), json!("2Gi"), text("1Gi"));
        check(Modulo, json!("1500m"), json!("1"), Err(()));
        check(Multiply, json!("1Gi"), json!("1Gi"), Err(()));
        check(Add, json!("1Gi"), json!(1), Err(()));
        check(Add, json!("1h"), json!("1Gi"), Err(()));
        check(Divide, json!("1Gi"), json!(0), Err(()));
        check(Divide, json!(1), json!("1"), Err(()));
    }

    #[test]
    fn durations() {
        let check = |operation: Operation, left: Value, right: Value, expect: Value| {
            assert_eq!(
                compute(operation, &left, &right),
                Ok(expect),
                "{left} and {right}"
            );
        };
        check(Operation::Add, json!("1h"), json!("30s"), json!("1h0m30s"));
        check(Operation::Subtract, json!("60s"), json!("1h"), json!("-59m0s"));
        check(Operation::Multiply, json!(2), json!("90s"), json!("3m0s"));
        check(Operation::Divide, json!("1h"), json!("1800s"), json!(2));
        check(Operation::Divide, json!("1s"), json!(8), json!("125ms"));
        check(Operation::Modulo, json!("5400s"), json!("1h"), json!("30m0s"));
    }
}
