//! Certificates of clients: whether our authority signed them, and the user they name.

use std::fmt::Write as _;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use yasna::models::ObjectIdentifier;

use super::User;
use super::user::AUTHENTICATED;

/// Object identifiers of the parts of a subject: name, group, uid.
const COMMON_NAME: &[u64] = &[2, 5, 4, 3];
const ORGANIZATION: &[u64] = &[2, 5, 4, 10];
const UID: &[u64] = &[1, 3, 6, 1, 4, 1, 57683, 2];

/// What a client has shown in its handshake.
pub(crate) type Shown = Arc<[CertificateDer<'static>]>;

/// Judges certificates by our authority.
///
/// The handshake itself takes every certificate whose key the client has: who shows a wrong one is answered like
/// somebody who shows none.
#[derive(Debug)]
pub(crate) struct ClientCertificates {
    trusted: Arc<dyn ClientCertVerifier>,
}

impl ClientCertificates {
    /// `authority` is a certificate in PEM.
    pub(crate) fn of(authority: &CertificateDer<'_>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots
            .add(authority.clone().into_owned())
            .map_err(|error| error.to_string())?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusted = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|error| error.to_string())?;
        Ok(Self { trusted })
    }

    /// The user that a client's certificate names, if it holds at a moment, in seconds since 1970.
    pub(crate) fn user(&self, shown: &[CertificateDer<'static>], now: i64) -> Option<User> {
        let (first, others) = shown.split_first()?;
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(now.try_into().ok()?));
        self.trusted.verify_client_cert(first, others, now).ok()?;
        named(first)
    }
}

impl ClientCertVerifier for ClientCertificates {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.trusted.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trusted.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.trusted.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trusted.supported_verify_schemes()
    }
}

/// The user in the subject of a certificate: its common name, its organizations as groups.
fn named(certificate: &[u8]) -> Option<User> {
    let mut user = User::default();
    for (kind, text) in subject(certificate).ok()? {
        match kind.components().as_slice() {
            COMMON_NAME => user.name = text,
            ORGANIZATION => user.groups.push(text),
            UID => user.uid = text,
            _ => {}
        }
    }
    if user.name.is_empty() {
        return None;
    }
    if !user.has_group(AUTHENTICATED) {
        user.groups.push(AUTHENTICATED.to_owned());
    }
    let mut id = String::from("X509SHA256=");
    for byte in digest(&SHA256, certificate).as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    user.extra
        .insert("authentication.kubernetes.io/credential-id".to_owned(), vec![id]);
    Some(user)
}

/// Passes over whatever comes next.
fn skip(reader: yasna::BERReader<'_, '_>) -> yasna::ASN1Result<Vec<u8>> {
    reader.read_der()
}

/// The parts of a certificate's subject, in order.
fn subject(certificate: &[u8]) -> yasna::ASN1Result<Vec<(ObjectIdentifier, String)>> {
    yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|reader| {
            let subject = reader.next().read_sequence(|reader| {
                // Version, serial number, algorithm, issuer, validity.
                reader.read_optional(|reader| reader.read_tagged(yasna::Tag::context(0), skip))?;
                for _ in 0..4 {
                    reader.next().read_der()?;
                }
                let mut parts = Vec::new();
                reader.next().read_sequence_of(|reader| {
                    reader.read_set_of(|reader| {
                        reader.read_sequence(|reader| {
                            let kind = reader.next().read_oid()?;
                            let text = reader.next().read_tagged_der()?;
                            parts.push((kind, String::from_utf8_lossy(text.value()).into_owned()));
                            Ok(())
                        })
                    })
                })?;
                while reader.read_optional(skip)?.is_some() {}
                Ok(parts)
            })?;
            // Algorithm and signature.
            reader.next().read_der()?;
            reader.next().read_der()?;
            Ok(subject)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, Issuer, KeyPair};

    const NOW: i64 = 1_800_000_000;

    /// Without a name, and good for ten years.
    fn params() -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2030, 1, 1);
        params
    }

    fn authority(name: &str) -> (CertificateDer<'static>, Issuer<'static, KeyPair>) {
        let key = KeyPair::generate().unwrap();
        let mut params = params();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        (certificate.der().clone(), Issuer::new(params, key))
    }

    fn client(issuer: &Issuer<'static, KeyPair>, name: &str, group: &str) -> CertificateDer<'static> {
        let mut params = params();
        if !name.is_empty() {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        params.distinguished_name.push(DnType::OrganizationName, group);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate().unwrap();
        params.signed_by(&key, issuer).unwrap().der().clone()
    }

    #[test]
    fn certificates_name_users() {
        let (root, issuer) = authority("ours");
        let (_, foreign) = authority("ours");
        let judge = ClientCertificates::of(&root).unwrap();
        let user = judge.user(&[client(&issuer, "jo", "shop")], NOW).unwrap();
        assert_eq!(
            (user.name.as_str(), user.groups),
            ("jo", vec!["shop".to_owned(), AUTHENTICATED.to_owned()])
        );
        let id = &user.extra["authentication.kubernetes.io/credential-id"][0];
        assert_eq!(id.len(), "X509SHA256=".len() + 64, "{id}");
        let late = NOW + 10 * 365 * 24 * 3600;
        for (shown, now) in [
            (vec![client(&foreign, "jo", "shop")], NOW),
            (vec![client(&issuer, "jo", "shop")], late),
            (vec![client(&issuer, "jo", "shop")], 0),
            (vec![client(&issuer, "", "shop")], NOW),
            (vec![CertificateDer::from(vec![48, 3, 1, 2, 3])], NOW),
            (vec![], NOW),
        ] {
            assert_eq!(judge.user(&shown, now), None);
        }
    }

    #[test]
    fn nonsense_names_nobody() {
        let (root, _) = authority("ours");
        for end in 0..root.len() {
            assert_eq!(named(&root[..end]), None);
        }
    }
}
