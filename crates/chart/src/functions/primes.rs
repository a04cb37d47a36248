//! Large primes, drawn from the render's seed.

use num_bigint::BigUint;

use super::random;
use crate::template::Engine;

/// Rounds of Miller and Rabin's test; a number drawn at random that passes is as good as certainly prime.
const ROUNDS: usize = 10;
/// Candidates with a factor below this are not tested further.
const SIEVED: u32 = 4000;

/// A random number below a bound.
pub(super) fn below(engine: &Engine<'_>, bound: &BigUint) -> BigUint {
    let mut bytes = vec![0; bound.bits().div_ceil(8) as usize + 8];
    random::fill(engine, &mut bytes);
    BigUint::from_bytes_be(&bytes) % bound
}

/// A random number of exactly so many bits, the two highest set.
fn of_bits(engine: &Engine<'_>, bits: u64) -> BigUint {
    let mut bytes = vec![0; bits.div_ceil(8) as usize];
    random::fill(engine, &mut bytes);
    let mut number = BigUint::from_bytes_be(&bytes) >> (bytes.len() as u64 * 8 - bits);
    number.set_bit(bits - 1, true);
    number.set_bit(bits - 2, true);
    number
}

/// A random prime of so many bits, so that the product of two has twice as many.
pub(super) fn prime(engine: &Engine<'_>, bits: u64) -> Result<BigUint, String> {
    let sieve = Sieve::new();
    loop {
        let mut start = of_bits(engine, bits);
        start.set_bit(0, true);
        let rests = sieve.rests(&start);
        for delta in (0..4096_u32).step_by(2) {
            let mut divisors = sieve.primes.iter().zip(&rests);
            if divisors.any(|(prime, rest)| (rest + delta).is_multiple_of(*prime)) {
                continue;
            }
            let candidate = &start + delta;
            if candidate.bits() == bits && is_prime(engine, &candidate)? {
                return Ok(candidate);
            }
        }
    }
}

/// A prime of `bits` that is one more than a multiple of `order`, and that order: what DSA works with.
pub(super) fn prime_with_order(engine: &Engine<'_>, bits: u64, order: &BigUint) -> Result<BigUint, String> {
    let sieve = Sieve::new();
    let step = order << 1_u32;
    loop {
        let start = of_bits(engine, bits);
        let candidate = &start - (&start % &step) + 1_u32;
        if candidate.bits() == bits && !sieve.rests(&candidate).contains(&0) && is_prime(engine, &candidate)?
        {
            return Ok(candidate);
        }
    }
}

struct Sieve {
    primes: Vec<u32>,
}

impl Sieve {
    fn new() -> Self {
        let is_prime = |number: &u32| {
            (3..)
                .step_by(2)
                .take_while(|d| d * d <= *number)
                .all(|d| !number.is_multiple_of(d))
        };
        Self {
            primes: (3..SIEVED).step_by(2).filter(is_prime).collect(),
        }
    }

    fn rests(&self, number: &BigUint) -> Vec<u32> {
        self.primes
            .iter()
            .map(|prime| (number % *prime).iter_u32_digits().next().unwrap_or(0))
            .collect()
    }
}

/// Miller and Rabin's test with random bases, for odd numbers above three.
fn is_prime(engine: &Engine<'_>, number: &BigUint) -> Result<bool, String> {
    let one = BigUint::from(1_u32);
    let less = number - &one;
    let twos = less.trailing_zeros().unwrap_or(0);
    let odd = &less >> twos;
    for _ in 0..ROUNDS {
        // What a power costs grows with the cube of the length.
        engine.budget.spend((number.bits() / 64).pow(3) / 3)?;
        let base = below(engine, &(&less - 3_u32)) + 2_u32;
        let mut power = base.modpow(&odd, number);
        if power == one || power == less {
            continue;
        }
        let mut squares = 1..twos;
        if !squares.any(|_| {
            power = &power * &power % number;
            power == less
        }) {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::tests::with_engine;

    #[test]
    fn primes_are_told_from_others() {
        let check = |number: &str, expect: bool| {
            let number: BigUint = number.parse().unwrap();
            with_engine(|engine| assert_eq!(is_prime(engine, &number).unwrap(), expect, "{number}"));
        };
        check("65537", true);
        check("170141183460469231731687303715884105727", true);
        check("170141183460469231731687303715884105729", false);
        // Carmichael's numbers fool weaker tests.
        check("561", false);
        check("512461", false);
        check("3825123056546413051", false);
    }

    #[test]
    fn what_is_drawn_has_its_length_and_is_drawn_again_from_the_same_seed() {
        let draw = || with_engine(|engine| prime(engine, 256).unwrap());
        assert_eq!(draw().bits(), 256);
        assert_eq!(draw(), draw());
        let (order, modulus) = with_engine(|engine| {
            let order = prime(engine, 64).unwrap();
            let modulus = prime_with_order(engine, 256, &order).unwrap();
            (order, modulus)
        });
        assert_eq!(modulus.bits(), 256);
        assert_eq!((modulus - 1_u32) % order, BigUint::from(0_u32));
    }
}
