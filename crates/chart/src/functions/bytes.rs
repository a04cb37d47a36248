//! Encodings: base 64 and base 32.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Kind::Text;
use super::{Function, bytes_of, fixed, string};
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("b64enc", &[Text], |_, args| {
        string(STANDARD.encode(bytes_of(&args[0])))
    }),
    fixed("b64dec", &[Text], |_, args| {
        Ok(match decode_64(bytes_of(&args[0])) {
            Ok(bytes) => Value::text_from_bytes(&bytes),
            Err(at) => Value::str(&format!("illegal base64 data at input byte {at}")),
        })
    }),
    fixed("b32enc", &[Text], |_, args| string(encode_32(bytes_of(&args[0])))),
    fixed("b32dec", &[Text], |_, args| {
        Ok(match decode_32(bytes_of(&args[0])) {
            Ok(bytes) => Value::text_from_bytes(&bytes),
            Err(at) => Value::str(&format!("illegal base32 data at input byte {at}")),
        })
    }),
];

/// Decodes base 64 as Go does, which skips line breaks and does not mind bits left over; the error is where it
/// goes wrong.
pub(super) fn decode_64(bytes: &[u8]) -> Result<Vec<u8>, usize> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let mut input = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\n' | b'\r'));
    let (mut buffer, mut digits) = (0_u32, 0);
    while let Some((at, byte)) = input.next() {
        if let Some(value) = digit(*byte) {
            buffer = buffer << 6 | u32::from(value);
            digits += 1;
            if digits == 4 {
                out.extend_from_slice(&buffer.to_be_bytes()[1..]);
                (buffer, digits) = (0, 0);
            }
            continue;
        }
        if *byte != b'=' || digits < 2 {
            return Err(at);
        }
        if digits == 2 {
            match input.next() {
                None => return Err(bytes.len()),
                Some((_, b'=')) => {}
                Some((next, _)) => return Err(next - 1),
            }
        }
        if let Some((next, _)) = input.next() {
            return Err(next);
        }
        let last = (buffer << (6 * (4 - digits))).to_be_bytes();
        out.extend_from_slice(&last[1..digits]);
        return Ok(out);
    }
    if digits == 0 {
        Ok(out)
    } else {
        Err(bytes.len() - digits)
    }
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn encode_32(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = [0_u8; 5];
        group[..chunk.len()].copy_from_slice(chunk);
        let number = group
            .iter()
            .fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let digits = (chunk.len() * 8).div_ceil(5);
        for index in 0..8 {
            if index < digits {
                out.push(ALPHABET[(number >> (35 - 5 * index) & 31) as usize] as char);
            } else {
                out.push('=');
            }
        }
    }
    out
}

fn decode_32(bytes: &[u8]) -> Result<Vec<u8>, usize> {
    let packed: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\n' | b'\r'))
        .collect();
    let length = packed.len();
    let mut out = Vec::with_capacity(length * 5 / 8);
    for (start, group) in (0..).step_by(8).zip(packed.chunks(8)) {
        let (mut buffer, mut digits) = (0_u64, 0);
        for (offset, byte) in group.iter().enumerate() {
            let after = &packed[start + offset + 1..];
            if *byte == b'=' && offset >= 2 && after.len() < 8 {
                let padding = 7 - offset;
                if after.len() < padding {
                    return Err(length);
                }
                if let Some(wrong) = after[..padding].iter().position(|byte| *byte != b'=') {
                    return Err(start + offset + wrong);
                }
                if matches!(offset, 3 | 6) {
                    return Err(start + offset);
                }
                out.extend_from_slice(&(buffer << (40 - 5 * offset)).to_be_bytes()[3..3 + offset * 5 / 8]);
                return Ok(out);
            }
            let value = ALPHABET
                .iter()
                .position(|known| known == byte)
                .ok_or(start + offset)?;
            buffer = buffer << 5 | value as u64;
            digits += 1;
        }
        if digits < 8 {
            return Err(start);
        }
        out.extend_from_slice(&buffer.to_be_bytes()[3..]);
    }
    Ok(out)
}
