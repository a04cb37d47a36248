//! The webhook's own certificates: an authority, a leaf signed by it, and when which of them is made anew.
//!
//! ```text
//! new authority -> it is trusted beside the old one (both stand in the CA bundle) -> everybody has heard of it
//!               -> a leaf signed by it -> everybody has that leaf -> the old authority is dropped
//! ```
//!
//! So at each moment whatever leaf a replica shows is trusted by whatever bundle an API server has. No I/O; the time is
//! passed in.

use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use serde::{Deserialize, Serialize};

use crate::error::AdmissionError;

/// How long things last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// A leaf.
    pub leaf: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            leaf: Duration::from_hours(90 * 24),
        }
    }
}

impl Lifetimes {
    fn leaf(self) -> i64 {
        i64::try_from(self.leaf.as_secs()).unwrap_or(i64::MAX / 8).max(20)
    }

    /// An authority outlives every leaf that it signs.
    fn authority(self) -> i64 {
        self.leaf().saturating_mul(4)
    }

    /// After this time everybody has heard of a change: other replicas read it, API servers trust it.
    fn settled(self) -> i64 {
        (self.leaf() / 10).clamp(2, 3600)
    }

    /// How often a replica looks for news, so that it has heard of them well before they count.
    pub(crate) fn look(self) -> Duration {
        Duration::from_secs((self.settled() / 4).clamp(1, 60).unsigned_abs())
    }
}

/// A certificate with its key, in PEM, and when it was made and ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pair {
    /// The certificate.
    pub(crate) certificate: String,
    /// Its key.
    pub(crate) key: String,
    /// Seconds since 1970.
    pub(crate) issued: i64,
    /// Seconds since 1970.
    pub(crate) expires: i64,
}

/// Everything that replicas share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Material {
    /// The authorities that are trusted, the newest last. One or two.
    pub(crate) authorities: Vec<Pair>,
    /// What replicas show.
    pub(crate) leaf: Pair,
    /// Who signed it: the time at which that authority was issued.
    pub(crate) signed_by: i64,
    /// For which names.
    pub(crate) names: Vec<String>,
}

impl Material {
    /// The certificates to trust, in PEM.
    pub(crate) fn bundle(&self) -> String {
        self.authorities
            .iter()
            .map(|pair| pair.certificate.as_str())
            .collect()
    }
}

/// What is to be done about certificates now: `None` when nothing is, else what they become.
pub(crate) fn due(
    now: i64,
    lifetimes: Lifetimes,
    names: &[String],
    material: Option<&Material>,
) -> Result<Option<Material>, AdmissionError> {
    let Some(material) = material else {
        return anew(now, lifetimes, names).map(Some);
    };
    let Some(newest) = material.authorities.last() else {
        return anew(now, lifetimes, names).map(Some);
    };
    if material.leaf.expires <= now || newest.expires <= now {
        // Nobody was there in time. What is trusted still stays trusted.
        let mut fresh = anew(now, lifetimes, names)?;
        let old = material.authorities.iter().rfind(|pair| pair.expires > now);
        fresh.authorities.splice(0..0, old.cloned());
        return Ok(Some(fresh));
    }
    let mut next = material.clone();
    // An authority that could not outlive a leaf signed today makes room in time.
    if newest.expires - now < 2 * lifetimes.leaf() && material.authorities.len() == 1 {
        next.authorities.push(authority(now, lifetimes)?);
        return Ok(Some(next));
    }
    let settled = newest.issued + lifetimes.settled() <= now;
    let renewed = material.leaf.issued + lifetimes.leaf() * 2 / 3 <= now;
    let wanted = renewed || material.signed_by != newest.issued || names != material.names;
    if wanted && (settled || material.authorities.len() == 1) {
        let signer = newest.clone();
        next.leaf = leaf(now, lifetimes, names, &signer)?;
        next.signed_by = signer.issued;
        next.names = names.to_vec();
        return Ok(Some(next));
    }
    if material.authorities.len() > 1
        && material.signed_by == newest.issued
        && material.leaf.issued + lifetimes.settled() <= now
    {
        next.authorities.drain(..material.authorities.len() - 1);
        return Ok(Some(next));
    }
    Ok(None)
}

fn anew(now: i64, lifetimes: Lifetimes, names: &[String]) -> Result<Material, AdmissionError> {
    let authority = authority(now, lifetimes)?;
    Ok(Material {
        leaf: leaf(now, lifetimes, names, &authority)?,
        signed_by: authority.issued,
        names: names.to_vec(),
        authorities: vec![authority],
    })
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn broken(error: rcgen::Error) -> AdmissionError {
    AdmissionError::Certificate {
        doing: "make",
        why: error.to_string(),
    }
}

/// Clocks differ a little, so a certificate counts from some time before it is made.
const EARLIER: i64 = 300;

fn validity(params: &mut CertificateParams, issued: i64, expires: i64) {
    let at = |seconds: i64| {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    };
    params.not_before = at(issued - EARLIER);
    params.not_after = at(expires);
}

/// What an authority is; with its key this is all that signing in its name needs.
fn authority_params(issued: i64, expires: i64) -> Result<CertificateParams, AdmissionError> {
    let mut params = CertificateParams::new(Vec::new()).map_err(broken)?;
    // Each has a name of its own, so that whoever trusts two can tell which of them signed.
    let name = format!("platform guardrails {issued}");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, issued, expires);
    Ok(params)
}

fn authority(now: i64, lifetimes: Lifetimes) -> Result<Pair, AdmissionError> {
    let key = KeyPair::generate().map_err(broken)?;
    let expires = now + lifetimes.authority();
    let certificate = authority_params(now, expires)?
        .self_signed(&key)
        .map_err(broken)?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        issued: now,
        expires,
    })
}

fn leaf(now: i64, lifetimes: Lifetimes, names: &[String], authority: &Pair) -> Result<Pair, AdmissionError> {
    let key = KeyPair::from_pem(&authority.key).map_err(broken)?;
    let issuer = Issuer::new(authority_params(authority.issued, authority.expires)?, key);
    let mut params = CertificateParams::new(names.to_vec()).map_err(broken)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "platform guardrails");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let expires = (now + lifetimes.leaf()).min(authority.expires);
    validity(&mut params, now, expires);
    let key = KeyPair::generate().map_err(broken)?;
    let certificate = params.signed_by(&key, &issuer).map_err(broken)?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
        issued: now,
        expires,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAF: i64 = 1000;
    const LIFETIMES: Lifetimes = Lifetimes {
        leaf: Duration::from_secs(1000),
    };

    fn names() -> Vec<String> {
        vec!["platform-webhook.platform-system.svc".to_owned()]
    }

    /// Goes on until `end` and says what happened when.
    fn lives(until: i64) -> Vec<(i64, usize, bool)> {
        let mut material = None;
        let mut told = Vec::new();
        for now in (1_000_000..1_000_000 + until).step_by(10) {
            while let Some(next) = due(now, LIFETIMES, &names(), material.as_ref()).unwrap() {
                let newest = next.authorities.last().unwrap().issued;
                told.push((now - 1_000_000, next.authorities.len(), next.signed_by == newest));
                material = Some(next);
            }
            let material = material.as_ref().unwrap();
            // At no moment is a leaf shown that is not trusted or has ended.
            assert!(material.leaf.expires > now, "at {now}");
            let signer = material
                .authorities
                .iter()
                .find(|pair| pair.issued == material.signed_by);
            assert!(
                signer.is_some_and(|signer| signer.expires >= material.leaf.expires),
                "at {now}"
            );
        }
        told
    }

    #[test]
    fn certificates_are_renewed_in_time_and_overlap() {
        let told = lives(3 * LEAF);
        assert_eq!(
            told,
            [
                (0, 1, true),
                // The leaf alone, three times; then a second authority, half way through the first one's life.
                (670, 1, true),
                (1340, 1, true),
                (2010, 2, false),
                (2110, 2, true),
                (2210, 1, true),
                (2780, 1, true),
            ]
        );
        lives(40 * LEAF);
    }

    #[test]
    fn whoever_comes_too_late_begins_anew_and_trusts_what_still_counts() {
        let first = due(1_000_000, LIFETIMES, &names(), None).unwrap().unwrap();
        let late = 1_000_000 + LEAF + 1;
        let next = due(late, LIFETIMES, &names(), Some(&first)).unwrap().unwrap();
        assert_eq!((next.authorities.len(), next.leaf.issued), (2, late));
        let never = due(1_000_000 + 9 * LEAF, LIFETIMES, &names(), Some(&first))
            .unwrap()
            .unwrap();
        assert_eq!(never.authorities.len(), 1);
    }

    #[test]
    fn other_names_are_another_leaf() {
        let first = due(1_000_000, LIFETIMES, &names(), None).unwrap().unwrap();
        assert_eq!(due(1_000_001, LIFETIMES, &names(), Some(&first)).unwrap(), None);
        let other = vec!["127.0.0.1".to_owned()];
        let next = due(1_000_001, LIFETIMES, &other, Some(&first)).unwrap().unwrap();
        assert_eq!((next.authorities, next.names), (first.authorities, other));
    }
}
