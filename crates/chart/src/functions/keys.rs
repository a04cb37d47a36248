//! Private keys: made from the render's seed, read, written, and put to use. Whatever is signed twice with a
//! key has the same signature twice.

use num_bigint::BigUint;
use p256::ecdsa::signature::Signer as _;
use ring::signature::KeyPair as _;

use super::der::{self, Reader, tag};
use super::{pem, primes, random};
use crate::template::Engine;

/// The encoded content of object identifiers.
mod oid {
    pub(super) const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
    pub(super) const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    pub(super) const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    pub(super) const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    pub(super) const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
    pub(super) const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
}

const EXPONENT: u32 = 65_537;

pub(super) enum PrivateKey {
    /// Modulus, both exponents, both primes, and what speeds the arithmetic up.
    Rsa(Box<[BigUint; 8]>),
    Ecdsa(Box<p256::ecdsa::SigningKey>),
    Ed25519([u8; 32]),
    /// Modulus, order, generator, public and private number.
    Dsa(Box<[BigUint; 5]>),
}

impl PrivateKey {
    pub(super) fn rsa(engine: &Engine<'_>, bits: u64) -> Result<Self, String> {
        let exponent = BigUint::from(EXPONENT);
        let one = BigUint::from(1_u32);
        loop {
            let (p, q) = (primes::prime(engine, bits / 2)?, primes::prime(engine, bits / 2)?);
            let (p, q) = (p.clone().max(q.clone()), p.min(q));
            let (p_less, q_less) = (&p - &one, &q - &one);
            let (Some(private), Some(inverse)) = (exponent.modinv(&(&p_less * &q_less)), q.modinv(&p)) else {
                continue;
            };
            return Ok(Self::Rsa(Box::new([
                &p * &q,
                exponent,
                private.clone(),
                p,
                q,
                &private % p_less,
                private % q_less,
                inverse,
            ])));
        }
    }

    pub(super) fn ecdsa(engine: &Engine<'_>) -> Self {
        loop {
            let mut bytes = [0; 32];
            random::fill(engine, &mut bytes);
            // One draw in four billion is no number of the curve.
            if let Ok(key) = p256::ecdsa::SigningKey::from_slice(&bytes) {
                return Self::Ecdsa(Box::new(key));
            }
        }
    }

    pub(super) fn ed25519(engine: &Engine<'_>) -> Self {
        let mut seed = [0; 32];
        random::fill(engine, &mut seed);
        Self::Ed25519(seed)
    }

    pub(super) fn dsa(engine: &Engine<'_>) -> Result<Self, String> {
        let one = BigUint::from(1_u32);
        let order = primes::prime(engine, 256)?;
        let modulus = primes::prime_with_order(engine, 2048, &order)?;
        let cofactor = (&modulus - &one) / &order;
        let mut base = BigUint::from(2_u32);
        let mut generator = base.modpow(&cofactor, &modulus);
        while generator == one {
            base += 1_u32;
            generator = base.modpow(&cofactor, &modulus);
        }
        let private = primes::below(engine, &(&order - &one)) + &one;
        let public = generator.modpow(&private, &modulus);
        Ok(Self::Dsa(Box::new([modulus, order, generator, public, private])))
    }

    /// Reads the first key of a text, in the words of Sprig if there is none.
    pub(super) fn from_pem(text: &str) -> Result<Self, String> {
        let block = pem::read(text).ok_or("no PEM data in input")?;
        let mut reader = Reader(&block.bytes);
        if block.label == "PRIVATE KEY" {
            return read_pkcs8(reader)
                .ok_or_else(|| "decoding PEM as PKCS#8: it is no RSA, P-256 or Ed25519 key".to_owned());
        }
        let Some(kind) = block.label.strip_suffix(" PRIVATE KEY") else {
            return Err(format!(
                "no private key data in PEM block of type {}",
                block.label
            ));
        };
        match kind {
            "RSA" => read_rsa(reader).ok_or_else(|| {
                "parsing RSA private key from PEM: it is no PKCS#1 key of two primes".to_owned()
            }),
            "EC" => read_ecdsa(reader)
                .ok_or_else(|| "parsing EC private key from PEM: it is no key of the curve P-256".to_owned()),
            "DSA" => reader
                .sequence()
                .and_then(numbers)
                .map(|numbers| Self::Dsa(Box::new(numbers)))
                .ok_or_else(|| "parsing DSA private key from PEM: it has no five numbers".to_owned()),
            _ => Err(format!("invalid private key type {}", block.label)),
        }
    }

    pub(super) fn to_pem(&self) -> String {
        let version = |number: u8| der::integer(&[number]);
        match self {
            Self::Rsa(_) => pem::write("RSA PRIVATE KEY", &self.pkcs1()),
            Self::Dsa(numbers) => {
                let mut parts = vec![version(0)];
                parts.extend(numbers.iter().map(|number| der::integer(&number.to_bytes_be())));
                pem::write("DSA PRIVATE KEY", &der::sequence(&parts))
            }
            Self::Ecdsa(key) => {
                let key = der::sequence(&[
                    version(1),
                    der::element(tag::OCTET_STRING, &key.to_bytes()),
                    der::element(tag::context(0), &der::identifier(oid::P256)),
                    der::element(tag::context(1), &der::bit_string(&self.public_bits())),
                ]);
                pem::write("EC PRIVATE KEY", &key)
            }
            Self::Ed25519(seed) => {
                let inner = der::element(tag::OCTET_STRING, seed);
                let key = der::sequence(&[
                    version(0),
                    der::sequence(&[der::identifier(oid::ED25519)]),
                    der::element(tag::OCTET_STRING, &inner),
                ]);
                pem::write("PRIVATE KEY", &key)
            }
        }
    }

    fn pkcs1(&self) -> Vec<u8> {
        let mut parts = vec![der::integer(&[0])];
        if let Self::Rsa(numbers) = self {
            parts.extend(numbers.iter().map(|number| der::integer(&number.to_bytes_be())));
        }
        der::sequence(&parts)
    }

    /// The public key's own bits, without the words around them.
    pub(super) fn public_bits(&self) -> Vec<u8> {
        match self {
            Self::Rsa(numbers) => der::sequence(&[
                der::integer(&numbers[0].to_bytes_be()),
                der::integer(&numbers[1].to_bytes_be()),
            ]),
            Self::Ecdsa(key) => key.verifying_key().to_sec1_point(false).as_bytes().to_vec(),
            Self::Ed25519(seed) => ring::signature::Ed25519KeyPair::from_seed_unchecked(seed)
                .map(|pair| pair.public_key().as_ref().to_vec())
                .unwrap_or_default(),
            Self::Dsa(numbers) => der::integer(&numbers[3].to_bytes_be()),
        }
    }

    /// The public key as certificates hold it.
    pub(super) fn public_info(&self) -> Vec<u8> {
        let algorithm = match self {
            Self::Rsa(_) => vec![der::identifier(oid::RSA), der::element(tag::NULL, &[])],
            Self::Ecdsa(_) => vec![der::identifier(oid::EC), der::identifier(oid::P256)],
            Self::Ed25519(_) => vec![der::identifier(oid::ED25519)],
            Self::Dsa(_) => Vec::new(),
        };
        der::sequence(&[der::sequence(&algorithm), der::bit_string(&self.public_bits())])
    }

    pub(super) fn is_dsa(&self) -> bool {
        matches!(self, Self::Dsa(_))
    }

    /// The name of the signatures that this key makes.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            Self::Rsa(_) => der::sequence(&[
                der::identifier(oid::SHA256_WITH_RSA),
                der::element(tag::NULL, &[]),
            ]),
            Self::Ecdsa(_) => der::sequence(&[der::identifier(oid::ECDSA_WITH_SHA256)]),
            Self::Ed25519(_) | Self::Dsa(_) => der::sequence(&[der::identifier(oid::ED25519)]),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        match self {
            Self::Rsa(numbers) => {
                let pair = ring::signature::RsaKeyPair::from_der(&self.pkcs1()).map_err(|error| {
                    let bits = numbers[0].bits();
                    format!("an RSA key of {bits} bits cannot sign: {error}")
                })?;
                let mut signature = vec![0; pair.public().modulus_len()];
                // Signatures of this kind have nothing random in them; the source only hides how long they take.
                let random = ring::rand::SystemRandom::new();
                pair.sign(
                    &ring::signature::RSA_PKCS1_SHA256,
                    &random,
                    message,
                    &mut signature,
                )
                .map_err(|_| "the RSA key does not sign".to_owned())?;
                Ok(signature)
            }
            Self::Ecdsa(key) => {
                let signature: p256::ecdsa::Signature = key
                    .try_sign(message)
                    .map_err(|error| format!("the EC key does not sign: {error}"))?;
                let (r, s) = signature.split_bytes();
                Ok(der::sequence(&[der::integer(&r), der::integer(&s)]))
            }
            Self::Ed25519(seed) => {
                let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(seed)
                    .map_err(|error| format!("the Ed25519 key does not sign: {error}"))?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
            Self::Dsa(_) => Err("x509: certificate private key does not implement crypto.Signer".to_owned()),
        }
    }
}

/// A version and so many numbers behind it.
fn numbers<const COUNT: usize>(mut reader: Reader<'_>) -> Option<[BigUint; COUNT]> {
    if !reader.integer()?.is_empty() {
        return None;
    }
    let mut numbers = [(); COUNT].map(|()| BigUint::default());
    for number in &mut numbers {
        *number = BigUint::from_bytes_be(reader.integer()?);
    }
    reader.is_empty().then_some(numbers)
}

fn read_rsa(mut reader: Reader<'_>) -> Option<PrivateKey> {
    Some(PrivateKey::Rsa(Box::new(numbers(reader.sequence()?)?)))
}

fn read_ecdsa(mut reader: Reader<'_>) -> Option<PrivateKey> {
    let mut reader = reader.sequence()?;
    let version = reader.integer()?;
    let secret = reader.expect(tag::OCTET_STRING)?.content;
    // Inside PKCS#8 the curve stands outside.
    if let Some(curve) = reader.expect(tag::context(0)) {
        let mut curve = Reader(curve.content);
        if curve.expect(tag::OBJECT_IDENTIFIER)?.content != oid::P256 {
            return None;
        }
    }
    let key = p256::ecdsa::SigningKey::from_slice(secret).ok()?;
    (version == [1]).then(|| PrivateKey::Ecdsa(Box::new(key)))
}

fn read_pkcs8(mut reader: Reader<'_>) -> Option<PrivateKey> {
    let mut reader = reader.sequence()?;
    reader.integer()?;
    let mut algorithm = reader.sequence()?;
    let kind = algorithm.expect(tag::OBJECT_IDENTIFIER)?.content;
    let key = Reader(reader.expect(tag::OCTET_STRING)?.content);
    if kind == oid::RSA {
        read_rsa(key)
    } else if kind == oid::EC && algorithm.expect(tag::OBJECT_IDENTIFIER)?.content == oid::P256 {
        read_ecdsa(key)
    } else if kind == oid::ED25519 {
        let mut key = key;
        let seed = key.expect(tag::OCTET_STRING)?.content;
        Some(PrivateKey::Ed25519(seed.try_into().ok()?))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::functions::tests::with_engine;

    #[test]
    fn keys_are_read_as_they_were_written_and_made_again_from_the_same_seed() {
        type Make = fn(&Engine<'_>) -> PrivateKey;
        let check = |make: Make| {
            let written = with_engine(|engine| make(engine).to_pem());
            let read = PrivateKey::from_pem(&written).unwrap_or_else(|error| panic!("{written}{error}"));
            assert_eq!(read.to_pem(), written);
            assert_eq!(with_engine(|engine| make(engine).to_pem()), written);
        };
        check(|engine| PrivateKey::rsa(engine, 512).unwrap());
        check(PrivateKey::ecdsa);
        check(PrivateKey::ed25519);
    }

    #[test]
    fn signatures_hold_and_are_the_same_each_time() {
        use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, RSA_PKCS1_2048_8192_SHA256};
        let check = |key: &PrivateKey, algorithm: &'static dyn ring::signature::VerificationAlgorithm| {
            let signature = key.sign(b"words").unwrap();
            let public = ring::signature::UnparsedPublicKey::new(algorithm, key.public_bits());
            assert!(public.verify(b"words", &signature).is_ok());
            assert!(public.verify(b"other words", &signature).is_err());
            assert_eq!(key.sign(b"words").unwrap(), signature);
        };
        with_engine(|engine| {
            let rsa = PrivateKey::rsa(engine, 2048).unwrap();
            check(&rsa, &RSA_PKCS1_2048_8192_SHA256);
            check(&PrivateKey::ecdsa(engine), &ECDSA_P256_SHA256_ASN1);
            check(&PrivateKey::ed25519(engine), &ED25519);
        });
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let check = |label: &str, bytes: &[u8]| {
            assert!(
                PrivateKey::from_pem(&pem::write(label, bytes)).is_err(),
                "{label}"
            );
        };
        for label in [
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "EC PRIVATE KEY",
            "DSA PRIVATE KEY",
        ] {
            check(label, &[]);
            check(label, &[0x30, 0]);
            check(label, &[0x30, 3, 2, 1, 0]);
            check(label, &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]);
        }
        check("CERTIFICATE", &[0x30, 0]);
        check("OTHER PRIVATE KEY", &[0x30, 0]);
    }
}
