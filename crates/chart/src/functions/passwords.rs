//! Sprig's passwords: hashed, derived and hidden.

use aes::cipher::{Block, BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};

use super::Kind::{Text, Uint32};
use super::{Function, Outcome, bytes_of, fixed, int_of, random, string, text_of};
use crate::template::Engine;
use crate::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("bcrypt", &[Text], |engine, args| {
        string(hashed(engine, bytes_of(&args[0]))?)
    }),
    fixed("htpasswd", &[Text, Text], |engine, args| {
        let user = text_of(&args[0]);
        if user.contains(':') {
            return string(format!("invalid username: {user}"));
        }
        string(format!("{user}:{}", hashed(engine, bytes_of(&args[1]))?))
    }),
    fixed("derivePassword", &[Uint32, Text, Text, Text, Text], derive),
    fixed("encryptAES", &[Text, Text], encrypt),
    fixed("decryptAES", &[Text, Text], decrypt),
];

/// What a hash costs in steps: both are slow on purpose.
const HASH_STEPS: u64 = 250_000;
const BCRYPT_COST: u32 = 10;
/// The longest password that bcrypt tells from a longer one.
const BCRYPT_LONGEST: usize = 72;

fn hashed(engine: &Engine<'_>, password: &[u8]) -> Result<String, String> {
    const BASE_64: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::BCRYPT, NO_PAD);
    if password.len() > BCRYPT_LONGEST {
        return Ok(
            "failed to encrypt string with bcrypt: bcrypt: password length exceeds 72 bytes".to_owned(),
        );
    }
    engine.budget.spend(HASH_STEPS)?;
    let mut salt = [0; 16];
    random::fill(engine, &mut salt);
    let mut key = [password, &[0]].concat();
    key.truncate(BCRYPT_LONGEST);
    let digest = bcrypt::bcrypt(BCRYPT_COST, salt, &key);
    Ok(format!(
        "$2a${BCRYPT_COST}${}{}",
        BASE_64.encode(salt),
        BASE_64.encode(&digest[..23])
    ))
}

const MASTER_SEED: &str = "com.lyndir.masterpassword";

/// What the passwords of a type look like: a letter stands for a class of characters.
fn templates(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => return None,
    })
}

fn class(letter: u8) -> &'static [u8] {
    match letter {
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

/// The algorithm of Master Password: one secret, a password for each site.
fn derive(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let kind = text_of(&args[1]);
    let Some(templates) = templates(&kind) else {
        return string(format!("cannot find password template {kind}"));
    };
    let counted = |text: &[u8]| [MASTER_SEED.as_bytes(), &(text.len() as u32).to_be_bytes(), text].concat();
    engine.budget.spend(2 * HASH_STEPS)?;
    let cost =
        scrypt::Params::new(15, 8, 2).map_err(|error| format!("failed to derive password: {error}"))?;
    let mut key = [0; 64];
    scrypt::scrypt(bytes_of(&args[2]), &counted(bytes_of(&args[3])), &cost, &mut key)
        .map_err(|error| format!("failed to derive password: {error}"))?;
    let mut site = counted(bytes_of(&args[4]));
    site.extend_from_slice(&(int_of(&args[0]) as u32).to_be_bytes());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
    let seed = ring::hmac::sign(&key, &site);
    let seed = seed.as_ref();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let password: String = template
        .bytes()
        .zip(&seed[1..])
        .map(|(letter, drawn)| {
            let class = class(letter);
            class[usize::from(*drawn) % class.len()] as char
        })
        .collect();
    string(password)
}

const BLOCK: usize = 16;

/// The first 32 bytes of a password, with zeros behind a shorter one.
fn cipher(password: &Value) -> aes::Aes256 {
    let mut key = [0; 32];
    for (slot, byte) in key.iter_mut().zip(bytes_of(password)) {
        *slot = *byte;
    }
    aes::Aes256::new(&key.into())
}

fn encrypt(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let plain = bytes_of(&args[1]);
    if plain.is_empty() {
        return string("");
    }
    engine.budget.text(plain.len().saturating_mul(2))?;
    engine.budget.spend(plain.len() as u64 / 8)?;
    let cipher = cipher(&args[0]);
    let padding = BLOCK - plain.len() % BLOCK;
    let padded = [plain, &vec![padding as u8; padding]].concat();
    let mut before = [0; BLOCK];
    random::fill(engine, &mut before);
    let mut out = before.to_vec();
    for chunk in padded.chunks(BLOCK) {
        let mut block = Block::<aes::Aes256>::default();
        for ((slot, byte), mixed) in block.iter_mut().zip(chunk).zip(before) {
            *slot = byte ^ mixed;
        }
        cipher.encrypt_block(&mut block);
        before = block.into();
        out.extend_from_slice(&before);
    }
    string(STANDARD.encode(out))
}

fn decrypt(engine: &Engine<'_>, args: &[Value]) -> Outcome {
    let packed = text_of(&args[1]);
    if packed.is_empty() {
        return string("");
    }
    engine.budget.spend(packed.len() as u64 / 8)?;
    let bytes = super::bytes::decode_64(packed.as_bytes())
        .map_err(|at| format!("illegal base64 data at input byte {at}"))?;
    if bytes.len() < BLOCK {
        return Err(format!(
            "runtime error: slice bounds out of range [:{BLOCK}] with capacity {}",
            bytes.len()
        )
        .into());
    }
    if !bytes.len().is_multiple_of(BLOCK) {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let cipher = cipher(&args[0]);
    let mut out = Vec::with_capacity(bytes.len());
    for (before, chunk) in bytes.chunks(BLOCK).zip(bytes[BLOCK..].chunks(BLOCK)) {
        let mut block = Block::<aes::Aes256>::default();
        block.copy_from_slice(chunk);
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(before).map(|(byte, mixed)| byte ^ mixed));
    }
    let Some(padding) = out.last().copied().map(usize::from) else {
        return Err("runtime error: index out of range [-1]".into());
    };
    let length = out.len().checked_sub(padding).ok_or_else(|| {
        let length = out.len() as i64 - padding as i64;
        format!("runtime error: slice bounds out of range [:{length}]")
    })?;
    Ok(Value::text_from_bytes(&out[..length]))
}
