//! Random texts and numbers, drawn from the seed that the render was given.

use sha2::{Digest, Sha256};

use base64::Engine as _;

use super::Kind::{Int, Text};
use super::{Function, Outcome, fixed, int_of, string, text_of};
use crate::template::Engine;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("randAlphaNum", &[Int], |engine, args| {
        drawn(engine, int_of(&args[0]), |c| c.is_ascii_alphanumeric())
    }),
    fixed("randAlpha", &[Int], |engine, args| {
        drawn(engine, int_of(&args[0]), |c| c.is_ascii_alphabetic())
    }),
    fixed("randNumeric", &[Int], |engine, args| {
        drawn(engine, int_of(&args[0]), |c| c.is_ascii_digit())
    }),
    fixed("randAscii", &[Int], |engine, args| {
        drawn(engine, int_of(&args[0]), |c| (' '..='~').contains(&c))
    }),
    fixed("randBytes", &[Int], |engine, args| {
        let count =
            usize::try_from(int_of(&args[0])).map_err(|_| "runtime error: makeslice: len out of range")?;
        engine.budget.text(count)?;
        engine.budget.spend(count as u64 / 8)?;
        let mut bytes = vec![0; count];
        fill(engine, &mut bytes);
        string(base64::engine::general_purpose::STANDARD.encode(bytes))
    }),
    fixed("randInt", &[Int, Int], |engine, args| {
        let (least, bound) = (int_of(&args[0]), int_of(&args[1]));
        let width = bound
            .checked_sub(least)
            .filter(|width| *width > 0)
            .ok_or("invalid argument to Intn")?;
        Ok(Value::Int(least + (draw(engine) % width as u64) as i64))
    }),
    fixed("uuidv4", &[], |engine, _| {
        let (high, low) = (draw(engine), draw(engine));
        let high = high & !0xf000 | 0x4000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        string(format!(
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xffff,
            low >> 48,
            low & 0xffff_ffff_ffff
        ))
    }),
    fixed("shuffle", &[Text], |engine, args| {
        let mut characters: Vec<char> = text_of(&args[0]).chars().collect();
        for index in (1..characters.len()).rev() {
            let other = (draw(engine) % (index as u64 + 1)) as usize;
            characters.swap(index, other);
        }
        string(characters.into_iter().collect::<String>())
    }),
];

/// The next sixty-four bits: a digest of the seed and a counter.
fn draw(engine: &Engine<'_>) -> u64 {
    let count = engine.drawn.get();
    engine.drawn.set(count + 1);
    let mut digest = Sha256::new();
    digest.update(engine.seed);
    digest.update(count.to_le_bytes());
    let digest = digest.finalize();
    digest
        .iter()
        .take(8)
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// Fills bytes at random.
pub(super) fn fill(engine: &Engine<'_>, bytes: &mut [u8]) {
    for chunk in bytes.chunks_mut(8) {
        let drawn = draw(engine).to_be_bytes();
        chunk.copy_from_slice(&drawn[..chunk.len()]);
    }
}

fn drawn(engine: &Engine<'_>, count: i64, fits: fn(char) -> bool) -> Outcome {
    let count = usize::try_from(count).unwrap_or(0);
    engine.budget.text(count)?;
    engine.budget.spend(count as u64)?;
    let alphabet: Vec<char> = (' '..='~').filter(|character| fits(*character)).collect();
    let text: String = (0..count)
        .map(|_| alphabet[(draw(engine) % alphabet.len() as u64) as usize])
        .collect();
    string(text)
}
