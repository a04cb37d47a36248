//! Tokens of ServiceAccounts: words about an account, signed, for some audiences and some time. Pure: keys and time come
//! from outside.
//!
//! Reference: `pkg/serviceaccount` of Kubernetes.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Who signs, and whom tokens are for that name nobody.
pub(crate) const ISSUER: &str = "https://kubernetes.default.svc";
/// How far clocks may be apart, in seconds.
const LEEWAY: i64 = 60;
/// What is said of words that are no token of ours.
pub(crate) const NO_TOKEN: &str = "invalid bearer token";
/// No token of ours is longer.
const LONGEST: usize = 16 << 10;

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    #[serde(rename = "aud")]
    pub(crate) audiences: Vec<String>,
    #[serde(rename = "exp")]
    pub(crate) expires: i64,
    #[serde(rename = "iat")]
    pub(crate) issued: i64,
    #[serde(rename = "iss")]
    pub(crate) issuer: String,
    #[serde(rename = "jti")]
    pub(crate) id: String,
    #[serde(rename = "kubernetes.io")]
    pub(crate) about: About,
    #[serde(rename = "nbf")]
    pub(crate) begins: i64,
    #[serde(rename = "sub")]
    pub(crate) subject: String,
}

/// The account, and what the token goes with.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    pub(crate) namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) node: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pod: Option<Named>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) secret: Option<Named>,
    #[serde(rename = "serviceaccount")]
    pub(crate) account: Named,
    /// From when on the token is used longer than it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) warnafter: Option<i64>,
}

/// An object as it was when the token was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    pub(crate) name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
}

impl Claims {
    /// Whether the token holds at a moment.
    pub(crate) fn hold(&self, now: i64) -> Result<(), &'static str> {
        if self.begins > now.saturating_add(LEEWAY) {
            Err("service account token is not valid yet")
        } else if self.expires < now.saturating_sub(LEEWAY) {
            Err("service account token has expired")
        } else if self.issued > now.saturating_add(LEEWAY) {
            Err("service account token is issued in the future")
        } else {
            Ok(())
        }
    }
}

/// The key that tokens are signed with.
pub(crate) struct Signer {
    pair: EcdsaKeyPair,
    id: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Signer")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// A new key, to be kept and given to [`Signer::of`].
    pub(crate) fn generate() -> Option<Vec<u8>> {
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
        key.ok().map(|key| key.as_ref().to_vec())
    }

    /// With a key in PKCS #8.
    pub(crate) fn of(key: &[u8]) -> Option<Self> {
        let pair =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &SystemRandom::new()).ok()?;
        let digest = ring::digest::digest(&ring::digest::SHA256, pair.public_key().as_ref());
        let id = URL_SAFE_NO_PAD.encode(digest);
        Some(Self { pair, id })
    }

    /// The token that says this.
    pub(crate) fn sign(&self, claims: &Claims) -> Option<String> {
        let header = json!({ "alg": "ES256", "kid": self.id }).to_string();
        let claims = serde_json::to_vec(claims).ok()?;
        let text = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes()).ok()?;
        Some(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// What a token says, if this key signed it. Whether it still holds is another question.
    pub(crate) fn read(&self, token: &str) -> Result<Claims, &'static str> {
        if token.len() > LONGEST {
            return Err(NO_TOKEN);
        }
        let parts: Vec<&str> = token.split('.').collect();
        let [header, claims, signature] = parts.as_slice() else {
            return Err(NO_TOKEN);
        };
        let json = |part: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(part).ok()?;
            serde_json::from_slice::<Value>(&bytes).ok()
        };
        let (Some(header), Some(said)) = (json(header), json(claims)) else {
            return Err(NO_TOKEN);
        };
        if said["iss"] != ISSUER {
            return Err(NO_TOKEN);
        }
        if header["alg"] != "ES256" || header["kid"].as_str().is_some_and(|id| id != self.id) {
            return Err("invalid signature, no keys found");
        }
        let signed = &token.as_bytes()[..token.len() - signature.len() - 1];
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| NO_TOKEN)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, self.pair.public_key())
            .verify(signed, &signature)
            .map_err(|_| "go-jose/go-jose: error in cryptographic primitive")?;
        serde_json::from_value(said).map_err(|_| NO_TOKEN)
    }

    /// The public half, as OpenID's discovery names keys.
    pub(crate) fn public(&self) -> Value {
        // An uncompressed point: a byte that says so, x, y.
        let point = self.pair.public_key().as_ref();
        let half = |from: usize| URL_SAFE_NO_PAD.encode(point.get(from..from + 32).unwrap_or_default());
        json!({
            "use": "sig", "kty": "EC", "kid": self.id, "crv": "P-256", "alg": "ES256",
            "x": half(1), "y": half(33),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::of(&Signer::generate().unwrap()).unwrap()
    }

    fn claims() -> Claims {
        Claims {
            audiences: vec![ISSUER.to_owned()],
            expires: 4600,
            issued: 1000,
            issuer: ISSUER.to_owned(),
            id: "a".to_owned(),
            about: About {
                namespace: "shop".to_owned(),
                account: Named {
                    name: "web".to_owned(),
                    uid: "u".to_owned(),
                },
                pod: Some(Named::default()),
                ..About::default()
            },
            begins: 1000,
            subject: "system:serviceaccount:shop:web".to_owned(),
        }
    }

    #[test]
    fn what_is_signed_can_be_read_and_nothing_else() {
        let signer = signer();
        let token = signer.sign(&claims()).unwrap();
        assert_eq!(signer.read(&token), Ok(claims()));
        let foreign = super::tests::signer().sign(&claims()).unwrap();
        assert_eq!(signer.read(&foreign), Err("invalid signature, no keys found"));
        let mut elsewhere = claims();
        elsewhere.issuer = "https://example.com".to_owned();
        let elsewhere = signer.sign(&elsewhere).unwrap();
        assert_eq!(signer.read(&elsewhere), Err("invalid bearer token"));

        let parts: Vec<&str> = token.split('.').collect();
        let mut longer = claims();
        longer.expires = 1 << 40;
        let longer = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&longer).unwrap());
        let nobody = URL_SAFE_NO_PAD.encode(json!({ "alg": "none" }).to_string());
        for forged in [
            format!("{}.{longer}.{}", parts[0], parts[2]),
            format!("{nobody}.{}.", parts[1]),
            format!("{nobody}.{}.{}", parts[1], parts[2]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}", parts[0], parts[1]),
            format!("{token}."),
            "a.b.c".to_owned(),
            "..".to_owned(),
            String::new(),
            "x".repeat(1 << 20),
        ] {
            assert!(signer.read(&forged).is_err(), "{forged}");
        }
    }

    #[test]
    fn tokens_hold_for_a_time() {
        for (now, expect) in [
            (1000, Ok(())),
            (940, Ok(())),
            (939, Err("service account token is not valid yet")),
            (4660, Ok(())),
            (4661, Err("service account token has expired")),
        ] {
            assert_eq!(claims().hold(now), expect, "{now}");
        }
    }
}
