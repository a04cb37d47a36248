//! Sprig's certificates: `genCA`, `genSignedCert` and their like, and private keys. Keys and serial numbers are
//! drawn from the render's seed, times come from its clock; the bytes are laid out as Go lays them out.

use std::net::IpAddr;

use sha2::{Digest, Sha256};

use super::Kind::{self, Certificate as CertificateKind, Int, List as ListKind, Text};
use super::der::{self, Reader, tag};
use super::keys::PrivateKey;
use super::{Function, Outcome, bytes_of, fixed, int_of, layouts, pem, random, string, text_of};
use crate::object::Object;
use crate::template::{Engine, printing};
use crate::value::Value;

const LEAF: &[Kind] = &[Text, ListKind, ListKind, Int];
const LEAF_WITH_KEY: &[Kind] = &[Text, ListKind, ListKind, Int, Text];
const SIGNED: &[Kind] = &[Text, ListKind, ListKind, Int, CertificateKind];
const SIGNED_WITH_KEY: &[Kind] = &[Text, ListKind, ListKind, Int, CertificateKind, Text];

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("genPrivateKey", &[Text], |engine, args| {
        let key = match &*text_of(&args[0]) {
            "" | "rsa" => PrivateKey::rsa(engine, 4096)?,
            "dsa" => PrivateKey::dsa(engine)?,
            "ecdsa" => PrivateKey::ecdsa(engine),
            "ed25519" => PrivateKey::ed25519(engine),
            other => return string(format!("Unknown type {other}")),
        };
        string(key.to_pem())
    }),
    fixed("genCA", &[Text, Int], |engine, args| {
        let key = PrivateKey::rsa(engine, KEY_BITS)?;
        authority(engine, args, &key)
    }),
    fixed("genCAWithKey", &[Text, Int, Text], |engine, args| {
        authority(engine, args, &given_key(&args[2])?)
    }),
    fixed("genSelfSignedCert", LEAF, |engine, args| {
        let key = PrivateKey::rsa(engine, KEY_BITS)?;
        self_signed(engine, args, &key)
    }),
    fixed("genSelfSignedCertWithKey", LEAF_WITH_KEY, |engine, args| {
        self_signed(engine, args, &given_key(&args[4])?)
    }),
    fixed("genSignedCert", SIGNED, |engine, args| {
        let key = PrivateKey::rsa(engine, KEY_BITS)?;
        signed(engine, args, &key)
    }),
    fixed("genSignedCertWithKey", SIGNED_WITH_KEY, |engine, args| {
        signed(engine, args, &given_key(&args[5])?)
    }),
    fixed("buildCustomCert", &[Text, Text], |_, args| {
        let unpacked = |value: &Value, what: &str| {
            super::bytes::decode_64(bytes_of(value))
                .ok()
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| format!("unable to decode base64 {what}"))
        };
        let cert = unpacked(&args[0], "certificate")?;
        let key = unpacked(&args[1], "private key")?;
        Parent::from_pem(&cert)?;
        PrivateKey::from_pem(&key).map_err(|error| format!("error parsing private key: {error}"))?;
        Ok(pair(cert, key))
    }),
];

const KEY_BITS: u64 = 2048;
const NANOSECONDS_A_DAY: i64 = 86_400 * 1_000_000_000;

const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const SUBJECT_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x0e];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x0f];
const SUBJECT_ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 0x11];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
const AUTHORITY_KEY_IDENTIFIER: &[u8] = &[0x55, 0x1d, 0x23];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 0x25];
const SERVER_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01];
const CLIENT_AUTHENTICATION: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02];

/// Digital signature and key encipherment; an authority signs certificates as well.
const LEAF_USAGE: [u8; 2] = [5, 0xa0];
const AUTHORITY_USAGE: [u8; 2] = [2, 0xa4];

fn given_key(text: &Value) -> Result<PrivateKey, String> {
    PrivateKey::from_pem(&text_of(text)).map_err(|error| format!("parsing private key: {error}"))
}

fn pair(cert: String, key: String) -> Value {
    Value::object(Object::Certificate { cert, key })
}

/// What a certificate is to say.
struct Template {
    name: String,
    days: i64,
    addresses: Vec<IpAddr>,
    hosts: Vec<String>,
    is_authority: bool,
}

/// Who signs: as its own certificate names it.
struct Parent {
    subject: Vec<u8>,
    key_identifier: Option<Vec<u8>>,
    public_info: Vec<u8>,
}

fn authority(engine: &Engine<'_>, args: &[Value], key: &PrivateKey) -> Outcome {
    let template = Template {
        name: text_of(&args[0]).into_owned(),
        days: int_of(&args[1]),
        addresses: Vec::new(),
        hosts: Vec::new(),
        is_authority: true,
    };
    issue(engine, &template, key, None)
}

fn self_signed(engine: &Engine<'_>, args: &[Value], key: &PrivateKey) -> Outcome {
    issue(engine, &leaf(engine, args)?, key, None)
}

fn signed(engine: &Engine<'_>, args: &[Value], key: &PrivateKey) -> Outcome {
    let Value::Object(object) = &args[4] else {
        return Err("expected sprig.certificate".into());
    };
    let Object::Certificate { cert, key: signer } = &**object else {
        return Err("expected sprig.certificate".into());
    };
    let parent = Parent::from_pem(cert)?;
    let signer =
        PrivateKey::from_pem(signer).map_err(|error| format!("error parsing private key: {error}"))?;
    issue(engine, &leaf(engine, args)?, key, Some((&parent, &signer)))
}

fn leaf(engine: &Engine<'_>, args: &[Value]) -> Result<Template, String> {
    let mut addresses = Vec::new();
    for value in list(&args[1]) {
        let Value::Str(text) = value else {
            let shown = printing::display(engine, value)?;
            return Err(format!("error parsing ip: {shown} is not a string"));
        };
        addresses.push(text.parse().map_err(|_| format!("error parsing ip: {text}"))?);
    }
    let mut hosts = Vec::new();
    for value in list(&args[2]) {
        let Value::Str(text) = value else {
            let shown = printing::display(engine, value)?;
            return Err(format!(
                "error processing alternate dns name: {shown} is not a string"
            ));
        };
        hosts.push(text.to_string());
    }
    Ok(Template {
        name: text_of(&args[0]).into_owned(),
        days: int_of(&args[3]),
        addresses,
        hosts,
        is_authority: false,
    })
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::List(list) => &list.items,
        _ => &[],
    }
}

/// Writes and signs a certificate for a key: with the parent's key, or with its own.
fn issue(
    engine: &Engine<'_>,
    template: &Template,
    key: &PrivateKey,
    parent: Option<(&Parent, &PrivateKey)>,
) -> Outcome {
    let creating = |why: String| format!("error creating certificate: {why}");
    let signer = parent.map_or(key, |(_, signer)| signer);
    if signer.is_dsa() {
        return Err(
            creating("x509: certificate private key does not implement crypto.Signer".to_owned()).into(),
        );
    }
    if key.is_dsa() {
        return Err(creating("x509: unsupported public key type: *dsa.PublicKey".to_owned()).into());
    }
    let subject = name(&template.name);
    let issuer = parent.map_or(&subject, |(parent, _)| &parent.subject);
    if let Some((parent, signer)) = parent
        && parent.public_info != signer.public_info()
    {
        return Err(creating("x509: provided PrivateKey doesn't match parent's PublicKey".to_owned()).into());
    }
    if let Some(host) = template.hosts.iter().find(|host| !host.is_ascii()) {
        let host = printing::quote(host);
        return Err(creating(format!("x509: {host} cannot be encoded as an IA5String")).into());
    }
    let mut serial = [0; 16];
    random::fill(engine, &mut serial);
    let ends = engine.now + i128::from(NANOSECONDS_A_DAY.wrapping_mul(template.days));
    let contents = der::sequence(&[
        der::element(tag::context(0), &der::integer(&[2])),
        der::integer(&serial),
        signer.signature_algorithm(),
        issuer.clone(),
        der::sequence(&[moment(engine.now), moment(ends)]),
        subject.clone(),
        key.public_info(),
        der::element(
            tag::context(3),
            &der::sequence(&extensions(
                template,
                key,
                parent.map(|(p, _)| p),
                issuer == &subject,
            )),
        ),
    ]);
    let signature = signer.sign(&contents).map_err(creating)?;
    let certificate = der::sequence(&[
        contents,
        signer.signature_algorithm(),
        der::bit_string(&signature),
    ]);
    let cert = pem::write("CERTIFICATE", &certificate);
    Ok(pair(cert, key.to_pem()))
}

/// A name that is nothing but a common name.
fn name(text: &str) -> Vec<u8> {
    let is_printable = |byte: u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&byte);
    let kind = if text.bytes().all(is_printable) {
        tag::PRINTABLE_STRING
    } else {
        tag::UTF8_STRING
    };
    if text.is_empty() {
        return der::sequence(&[]);
    }
    let attribute = der::sequence(&[der::identifier(COMMON_NAME), der::element(kind, text.as_bytes())]);
    der::sequence(&[der::element(tag::SET, &attribute)])
}

/// A time to the second: with two digits of the year until 2049, with four from then on.
fn moment(nanoseconds: i128) -> Vec<u8> {
    let written = |layout: &str| layouts::format_at(nanoseconds, layout);
    let year: i64 = written("2006").parse().unwrap_or(0);
    if (1950..2050).contains(&year) {
        der::element(tag::UTC_TIME, written("060102150405Z").as_bytes())
    } else {
        der::element(tag::GENERALIZED_TIME, written("20060102150405Z").as_bytes())
    }
}

fn extensions(
    template: &Template,
    key: &PrivateKey,
    parent: Option<&Parent>,
    signs_itself: bool,
) -> Vec<Vec<u8>> {
    let extension = |identifier: &[u8], is_critical: bool, content: &[u8]| {
        let mut parts = vec![der::identifier(identifier)];
        if is_critical {
            parts.push(der::element(tag::BOOLEAN, &[0xff]));
        }
        parts.push(der::element(tag::OCTET_STRING, content));
        der::sequence(&parts)
    };
    let usage = if template.is_authority {
        AUTHORITY_USAGE
    } else {
        LEAF_USAGE
    };
    let purposes = [
        der::identifier(SERVER_AUTHENTICATION),
        der::identifier(CLIENT_AUTHENTICATION),
    ];
    let constraints = if template.is_authority {
        vec![der::element(tag::BOOLEAN, &[0xff])]
    } else {
        Vec::new()
    };
    let mut all = vec![
        extension(KEY_USAGE, true, &der::element(tag::BIT_STRING, &usage)),
        extension(EXTENDED_KEY_USAGE, false, &der::sequence(&purposes)),
        extension(BASIC_CONSTRAINTS, true, &der::sequence(&constraints)),
    ];
    if template.is_authority {
        let digest = Sha256::digest(key.public_bits());
        let identifier = der::element(tag::OCTET_STRING, &digest[..20]);
        all.push(extension(SUBJECT_KEY_IDENTIFIER, false, &identifier));
    }
    if let Some(identifier) = parent.and_then(|parent| parent.key_identifier.as_ref())
        && !signs_itself
    {
        // The only member in use, with the tag that the structure gives it.
        let identifier = der::element(tag::KEY_IDENTIFIER, identifier);
        all.push(extension(
            AUTHORITY_KEY_IDENTIFIER,
            false,
            &der::sequence(&[identifier]),
        ));
    }
    if !template.hosts.is_empty() || !template.addresses.is_empty() {
        let hosts = template
            .hosts
            .iter()
            .map(|host| der::element(tag::DNS_NAME, host.as_bytes()));
        let addresses = template
            .addresses
            .iter()
            .map(|address| match address.to_canonical() {
                IpAddr::V4(address) => der::element(tag::IP_ADDRESS, &address.octets()),
                IpAddr::V6(address) => der::element(tag::IP_ADDRESS, &address.octets()),
            });
        let names: Vec<Vec<u8>> = hosts.chain(addresses).collect();
        all.push(extension(SUBJECT_ALTERNATIVE_NAME, false, &der::sequence(&names)));
    }
    all
}

impl Parent {
    fn from_pem(text: &str) -> Result<Self, String> {
        let block = pem::read(text).ok_or("unable to decode certificate")?;
        Self::from_der(&block.bytes).ok_or_else(|| {
            "error parsing certificate: decodedCert.Bytes: x509: malformed tbs certificate".to_owned()
        })
    }

    fn from_der(bytes: &[u8]) -> Option<Self> {
        let mut certificate = Reader(bytes).sequence()?;
        let mut contents = certificate.sequence()?;
        certificate.sequence()?;
        certificate.expect(tag::BIT_STRING)?;
        contents.expect(tag::context(0));
        contents.expect(tag::INTEGER)?;
        // Algorithm, issuer and validity say nothing to those below.
        for _ in 0..3 {
            contents.sequence()?;
        }
        let subject = contents.expect(tag::SEQUENCE)?.whole.to_vec();
        let public_info = contents.expect(tag::SEQUENCE)?.whole.to_vec();
        let mut key_identifier = None;
        while let Some(element) = contents.next() {
            if element.tag != tag::context(3) {
                continue;
            }
            let mut extensions = Reader(element.content).sequence()?;
            while let Some(mut extension) = extensions.sequence() {
                let identifier = extension.expect(tag::OBJECT_IDENTIFIER)?.content;
                extension.expect(tag::BOOLEAN);
                let content = extension.expect(tag::OCTET_STRING)?.content;
                if identifier == SUBJECT_KEY_IDENTIFIER {
                    let content = Reader(content).expect(tag::OCTET_STRING)?.content;
                    key_identifier = Some(content.to_vec()).filter(|content| !content.is_empty());
                }
            }
        }
        Some(Self {
            subject,
            key_identifier,
            public_info,
        })
    }
}
