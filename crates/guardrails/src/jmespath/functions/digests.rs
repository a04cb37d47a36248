//! Digests of texts, in hexadecimal digits.

use ::cel::escapes::hex;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::Arguments;
use crate::jmespath::QueryError;

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let bytes = args.text(0).as_bytes();
    args.world.budget.spend(bytes.len() / 8)?;
    Ok(Value::String(match args.name {
        "sha256" => hex(&Sha256::digest(bytes)),
        "sha1" => hex(&sha1(bytes)),
        _ => hex(&md5(bytes)),
    }))
}

/// The message of SHA-1 and MD5 in whole blocks, its length in bits at the end.
fn padded(bytes: &[u8], length: [u8; 8]) -> Vec<u8> {
    let mut message = bytes.to_vec();
    message.push(0x80);
    while message.len() % 64 != 56 {
        message.push(0);
    }
    message.extend(length);
    message
}

/// SHA-1 (FIPS 180-4), which policies use to name things, never to guard them.
#[expect(clippy::many_single_char_names, reason = "the names of the standard")]
pub(crate) fn sha1(bytes: &[u8]) -> [u8; 20] {
    let mut state = [
        0x6745_2301_u32,
        0xefcd_ab89,
        0x98ba_dcfe,
        0x1032_5476,
        0xc3d2_e1f0,
    ];
    for block in padded(bytes, (bytes.len() as u64 * 8).to_be_bytes()).chunks(64) {
        let mut words = [0_u32; 80];
        for (word, chunk) in words.iter_mut().zip(block.chunks(4)) {
            *word = chunk.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for at in 16..80 {
            words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (round, word) in words.iter().enumerate() {
            let (mixed, constant) = match round / 20 {
                0 => ((b & c) | (!b & d), 0x5a82_7999_u32),
                1 => (b ^ c ^ d, 0x6ed9_eba1),
                2 => ((b & c) | (b & d) | (c & d), 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mixed)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 20];
    for (part, word) in digest.chunks_mut(4).zip(state) {
        part.copy_from_slice(&word.to_be_bytes());
    }
    digest
}

/// MD5 (RFC 1321), for names too.
pub(crate) fn md5(bytes: &[u8]) -> [u8; 16] {
    const TURNS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded(bytes, (bytes.len() as u64 * 8).to_le_bytes()).chunks(64) {
        let mut words = [0_u32; 16];
        for (word, chunk) in words.iter_mut().zip(block.chunks(4)) {
            *word = chunk
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        let [mut a, mut b, mut c, mut d] = state;
        for step in 0..64_usize {
            let (mixed, word) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), 5 * step + 1),
                2 => (b ^ c ^ d, 3 * step + 5),
                _ => (c ^ (b | !d), 7 * step),
            };
            // The constants are the sines of whole numbers.
            let constant = (((step + 1) as f64).sin().abs() * 4_294_967_296.0) as u32;
            let sum = a
                .wrapping_add(mixed)
                .wrapping_add(constant)
                .wrapping_add(words[word % 16]);
            let turned = b.wrapping_add(sum.rotate_left(TURNS[step / 16][step % 4]));
            (a, d, c, b) = (d, c, b, turned);
        }
        for (sum, part) in state.iter_mut().zip([a, b, c, d]) {
            *sum = sum.wrapping_add(part);
        }
    }
    let mut digest = [0; 16];
    for (part, word) in digest.chunks_mut(4).zip(state) {
        part.copy_from_slice(&word.to_le_bytes());
    }
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_the_standards() {
        let check = |digest: String, expect: &str| assert_eq!(digest, expect);
        check(hex(&sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        check(
            hex(&sha1(&[b'a'; 119])),
            "ee971065aaa017e0632a8ca6c77bb3bf8b1dfc56",
        );
        check(hex(&md5(b"")), "d41d8cd98f00b204e9800998ecf8427e");
        check(hex(&md5(b"message digest")), "f96b697d7cb7938d525a2f31aaf161d0");
        check(
            hex(&md5(
                b"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
            )),
            "57edf4a22be3c955ac49da2e2107b67a",
        );
    }
}
