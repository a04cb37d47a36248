//! The short hash that tells one pod template from another, in Kubernetes' alphabet.
//!
//! Kubernetes hashes a printout of its Go structures, which nobody else can repeat; the form is the
//! same here (FNV-1a, 32 bits, vowels left out), the value is our own and depends on content alone.

use serde_json::Value;

const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The hash of a template, told apart from a colliding one by the collision count.
pub(crate) fn template_hash(template: &Value, collisions: i64) -> String {
    let mut hash = fnv(0x811c_9dc5, template.to_string().as_bytes());
    if collisions > 0 {
        hash = fnv(hash, &collisions.to_le_bytes());
    }
    hash.to_string()
        .bytes()
        .map(|digit| char::from(ALPHABET[usize::from(digit) % ALPHABET.len()]))
        .collect()
}

fn fnv(start: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_hash_depends_on_content_and_collisions_alone() {
        let template = json!({"spec": {"containers": [{"name": "web", "image": "web:1"}]}});
        let other = json!({"spec": {"containers": [{"name": "web", "image": "web:2"}]}});
        assert_eq!(template_hash(&template, 0), template_hash(&template.clone(), 0));
        assert_ne!(template_hash(&template, 0), template_hash(&other, 0));
        assert_ne!(template_hash(&template, 0), template_hash(&template, 1));
    }

    #[test]
    fn the_hash_is_a_label_value() {
        for index in 0..200 {
            let hash = template_hash(&json!({"index": index}), 0);
            assert!((1..=10).contains(&hash.len()));
            assert!(hash.bytes().all(|letter| ALPHABET.contains(&letter)), "{hash}");
        }
    }
}
