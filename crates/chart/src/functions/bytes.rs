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

/// Decodes base 64 as Go does, which skips line breaks; the error is where it goes wrong.
pub(super) fn decode_64(bytes: &[u8]) -> Result<Vec<u8>, usize> {
    let packed: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|b| !matches!(b, b'\n' | b'\r'))
        .collect();
    STANDARD.decode(&packed).map_err(|_| {
        let good = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        packed.iter().position(|b| !good(b)).unwrap_or(packed.len())
    })
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
    let digits: Vec<u8> = packed.iter().copied().take_while(|b| *b != b'=').collect();
    if !packed.len().is_multiple_of(8) || packed[digits.len()..].iter().any(|b| *b != b'=') {
        return Err(digits.len());
    }
    let mut out = Vec::with_capacity(digits.len() * 5 / 8);
    let (mut buffer, mut bits) = (0_u32, 0);
    for (at, digit) in digits.iter().enumerate() {
        let value = ALPHABET.iter().position(|known| known == digit).ok_or(at)?;
        buffer = buffer << 5 | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    Ok(out)
}
