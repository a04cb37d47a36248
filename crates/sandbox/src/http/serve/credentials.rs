//! The authority, the server's certificate and the clients' token.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rand::RngCore;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::files;
use crate::ServeError;
use crate::security::ClientCertificates;

const DAY: i64 = 24 * 3600;

/// What the listener and its clients trust each other by.
pub(super) struct Credentials {
    pub(super) authority: String,
    pub(super) token: Arc<str>,
    pub(super) tls: Arc<ServerConfig>,
    /// Judges what clients show.
    pub(super) clients: Arc<ClientCertificates>,
}

impl Credentials {
    /// Reads what is kept in the directory and makes what is missing. The server's own certificate is made afresh
    /// each time, for the address it listens on.
    pub(super) fn in_directory(
        directory: &Path,
        address: IpAddr,
        now: Timestamp,
    ) -> Result<Self, ServeError> {
        let unusable = |why: String| ServeError::Certificates {
            directory: directory.to_path_buf(),
            why,
        };
        let (certificate_path, key_path) = (directory.join("ca.crt"), directory.join("ca.key"));
        let kept = files::read(&certificate_path)?.zip(files::read(&key_path)?);
        let (authority, key) = if let Some(kept) = kept {
            kept
        } else {
            let (certificate, key) = new_authority(now).map_err(|error| unusable(error.to_string()))?;
            files::write_private(&key_path, &key)?;
            files::write_private(&certificate_path, &certificate)?;
            (certificate, key)
        };
        let root = CertificateDer::from_pem_slice(authority.as_bytes());
        let root = root.map_err(|error| unusable(error.to_string()))?;
        let clients = Arc::new(ClientCertificates::of(&root).map_err(unusable)?);
        let tls = server_config(&key, address, Arc::clone(&clients), now).map_err(unusable)?;
        let token_path = directory.join("token");
        let token = match files::read(&token_path)? {
            Some(token) if token.trim().len() >= 32 => token.trim().to_owned(),
            _ => {
                let mut bytes = [0u8; 32];
                rand::rng().fill_bytes(&mut bytes);
                let token = URL_SAFE_NO_PAD.encode(bytes);
                files::write_private(&token_path, &token)?;
                token
            }
        };
        Ok(Self {
            authority,
            token: token.into(),
            tls: Arc::new(tls),
            clients,
        })
    }
}

fn validity(params: &mut CertificateParams, now: Timestamp, days: i64) {
    let date = |seconds: i64| {
        let date = Timestamp::from_second(seconds)
            .unwrap_or(now)
            .to_zoned(jiff::tz::TimeZone::UTC)
            .date();
        rcgen::date_time_ymd(
            date.year().into(),
            date.month().unsigned_abs(),
            date.day().unsigned_abs(),
        )
    };
    params.not_before = date(now.as_second() - DAY);
    params.not_after = date(now.as_second() + days * DAY);
}

/// What the authority is; with its key this is all that signing in its name needs.
fn authority_params(now: Timestamp) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "sandbox authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, now, 3650);
    Ok(params)
}

fn new_authority(now: Timestamp) -> Result<(String, String), rcgen::Error> {
    let key = KeyPair::generate()?;
    Ok((
        authority_params(now)?.self_signed(&key)?.pem(),
        key.serialize_pem(),
    ))
}

fn server_config(
    key: &str,
    address: IpAddr,
    clients: Arc<ClientCertificates>,
    now: Timestamp,
) -> Result<ServerConfig, String> {
    let words = |error: &dyn std::fmt::Display| error.to_string();
    let key = KeyPair::from_pem(key).map_err(|error| words(&error))?;
    let issuer = Issuer::new(authority_params(now).map_err(|error| words(&error))?, key);
    let names = vec![
        "localhost".to_owned(),
        "kubernetes".to_owned(),
        "kubernetes.default".to_owned(),
        "kubernetes.default.svc".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
        address.to_string(),
    ];
    let mut params = CertificateParams::new(names).map_err(|error| words(&error))?;
    params.distinguished_name.push(DnType::CommonName, "sandbox");
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    validity(&mut params, now, 365);
    let server_key = KeyPair::generate().map_err(|error| words(&error))?;
    let certificate = params
        .signed_by(&server_key, &issuer)
        .map_err(|error| words(&error))?;
    let chain = vec![CertificateDer::from(certificate.der().to_vec())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| words(&error))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| words(&error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
