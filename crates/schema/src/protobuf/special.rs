//! The messages that are one JSON value: times, quantities, ports, raw JSON.

use calendar::{FIRST_SECOND, LAST_SECOND, date_of};
use serde_json::{Number, Value};

use super::WireError;
use super::wire::Reader;

const DAY: i64 = 86_400;

/// Seconds and nanoseconds since 1970 in RFC 3339, in full seconds or with microseconds. Null for the zero time.
pub(super) fn time(bytes: &[u8], micro: bool, name: &'static str) -> Result<Value, WireError> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    let mut reader = Reader::new(bytes);
    while let Some((number, payload)) = reader.field()? {
        match number {
            1 => seconds = payload.varint(name)? as i64,
            2 => nanos = i64::from(payload.varint(name)? as i32),
            _ => {}
        }
    }
    if !micro {
        nanos = 0;
    }
    let out_of_range = WireError::Range { field: name };
    let seconds = seconds
        .checked_add(nanos.div_euclid(1_000_000_000))
        .filter(|seconds| (FIRST_SECOND..=LAST_SECOND).contains(seconds))
        .ok_or(out_of_range)?;
    let micros = nanos.rem_euclid(1_000_000_000) / 1000;
    if seconds == FIRST_SECOND && micros == 0 {
        return Ok(Value::Null);
    }
    let (year, month, day) = date_of(seconds.div_euclid(DAY));
    let within = seconds.rem_euclid(DAY);
    let (hour, minute, second) = (within / 3600, within / 60 % 60, within % 60);
    let fraction = if micro {
        format!(".{micros:06}")
    } else {
        String::new()
    };
    Ok(Value::String(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"
    )))
}

/// A quantity, in the words of the sender.
pub(super) fn quantity(bytes: &[u8], name: &'static str) -> Result<Value, WireError> {
    let mut text = String::new();
    let mut reader = Reader::new(bytes);
    while let Some((number, payload)) = reader.field()? {
        if number == 1 {
            text = payload.text(name)?;
        }
    }
    if text.is_empty() {
        "0".clone_into(&mut text);
    }
    Ok(Value::String(text))
}

pub(super) fn int_or_string(bytes: &[u8], name: &'static str) -> Result<Value, WireError> {
    let (mut is_text, mut int, mut text) = (false, 0_i32, String::new());
    let mut reader = Reader::new(bytes);
    while let Some((number, payload)) = reader.field()? {
        match number {
            1 => is_text = payload.varint(name)? != 0,
            2 => int = payload.varint(name)? as i32,
            3 => text = payload.text(name)?,
            _ => {}
        }
    }
    Ok(if is_text {
        Value::String(text)
    } else {
        Value::from(int)
    })
}

/// The JSON in field 1; null when there is none.
pub(super) fn raw(bytes: &[u8], name: &'static str) -> Result<Value, WireError> {
    let mut raw: &[u8] = b"";
    let mut reader = Reader::new(bytes);
    while let Some((number, payload)) = reader.field()? {
        if number == 1 {
            raw = payload.bytes(name)?;
        }
    }
    if raw.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(raw).map_err(|error| WireError::Json {
        field: name,
        reason: error.to_string(),
    })
}

/// A number as Go writes it: whole ones without a fraction.
pub(super) fn number(number: f64, name: &'static str) -> Result<Value, WireError> {
    /// Whole numbers up to here are exact.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return Ok(Value::from(number as i64));
    }
    Number::from_f64(number)
        .map(Value::Number)
        .ok_or(WireError::Range { field: name })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{int_or_string, number, quantity, raw, time};
    use crate::protobuf::WireError;

    /// A message of the numbers given, as fields 1 and 2.
    fn stamp(seconds: i64, nanos: i32) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, number) in [(0x08, seconds as u64), (0x10, i64::from(nanos) as u64)] {
            bytes.push(tag);
            let mut rest = number;
            while rest >= 0x80 {
                bytes.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            bytes.push(rest as u8);
        }
        bytes
    }

    #[test]
    fn times_are_rfc_3339() {
        fn check(seconds: i64, nanos: i32, whole: &str, micro: &str) {
            let bytes = stamp(seconds, nanos);
            assert_eq!(time(&bytes, false, "at"), Ok(json!(whole)));
            assert_eq!(time(&bytes, true, "at"), Ok(json!(micro)));
        }
        check(0, 0, "1970-01-01T00:00:00Z", "1970-01-01T00:00:00.000000Z");
        check(
            951_782_399,
            1_999,
            "2000-02-28T23:59:59Z",
            "2000-02-28T23:59:59.000001Z",
        );
        check(
            951_782_400,
            0,
            "2000-02-29T00:00:00Z",
            "2000-02-29T00:00:00.000000Z",
        );
        check(
            1_767_225_599,
            999_999_999,
            "2025-12-31T23:59:59Z",
            "2025-12-31T23:59:59.999999Z",
        );
        check(-1, 0, "1969-12-31T23:59:59Z", "1969-12-31T23:59:59.000000Z");
        check(
            super::LAST_SECOND,
            0,
            "9999-12-31T23:59:59Z",
            "9999-12-31T23:59:59.000000Z",
        );
        check(
            super::FIRST_SECOND + 1,
            0,
            "0001-01-01T00:00:01Z",
            "0001-01-01T00:00:01.000000Z",
        );
        assert_eq!(time(b"", false, "at"), Ok(Value::Null));
        assert_eq!(time(&stamp(super::FIRST_SECOND, 0), false, "at"), Ok(Value::Null));
        for beyond in [
            super::FIRST_SECOND - 1,
            super::LAST_SECOND + 1,
            i64::MIN,
            i64::MAX,
        ] {
            let bytes = stamp(beyond, 0);
            assert_eq!(time(&bytes, true, "at"), Err(WireError::Range { field: "at" }));
        }
    }

    #[test]
    fn ports_and_quantities() {
        assert_eq!(int_or_string(b"\x08\x00\x10\x50\x1a\x00", "port"), Ok(json!(80)));
        assert_eq!(
            int_or_string(b"\x08\x01\x10\x00\x1a\x0325%", "port"),
            Ok(json!("25%"))
        );
        assert_eq!(int_or_string(b"", "port"), Ok(json!(0)));
        assert_eq!(quantity(b"\x0a\x04500m", "cpu"), Ok(json!("500m")));
        assert_eq!(quantity(b"", "cpu"), Ok(json!("0")));
    }

    #[test]
    fn raw_json_is_read() {
        assert_eq!(raw(b"\x0a\x07{\"a\":1}", "x"), Ok(json!({ "a": 1 })));
        assert_eq!(raw(b"\x0a\x00", "x"), Ok(Value::Null));
        assert!(matches!(
            raw(b"\x0a\x01{", "x"),
            Err(WireError::Json { field: "x", .. })
        ));
    }

    #[test]
    fn numbers_are_as_go_writes_them() {
        assert_eq!(number(10.0, "maximum"), Ok(json!(10)));
        assert_eq!(number(0.5, "maximum"), Ok(json!(0.5)));
        assert_eq!(number(1e300, "maximum"), Ok(json!(1e300)));
        assert_eq!(
            number(f64::NAN, "maximum"),
            Err(WireError::Range { field: "maximum" })
        );
    }
}
