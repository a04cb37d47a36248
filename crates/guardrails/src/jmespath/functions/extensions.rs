//! What the extensions of a certificate say, as Go's `crypto/x509` would write it as JSON.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::certificates::{MOST, bytes, push};
use super::der::{
    BIT_STRING, Element, IDENTIFIER, OCTET_STRING, Reader, SEQUENCE, dotted, identifier, small,
};
use super::locator::locator;

type Fields = Map<String, Value>;

/// One extension, not yet looked into.
pub(super) struct Extension<'b> {
    pub(super) id: Vec<u64>,
    critical: bool,
    pub(super) value: &'b [u8],
}

impl<'b> Extension<'b> {
    pub(super) fn read(element: &Element<'b>) -> Option<Extension<'b>> {
        let mut parts = (element.tag == SEQUENCE).then(|| element.reader())?;
        Some(Extension {
            id: identifier(parts.expect(IDENTIFIER)?.content)?,
            critical: parts.flag()?,
            value: parts.expect(OCTET_STRING)?.content,
        })
    }

    pub(super) fn json(&self) -> Value {
        json!({"Id": self.id, "Critical": self.critical, "Value": STANDARD.encode(self.value)})
    }
}

/// Adds all extensions of a certificate to its fields; `None` when one cannot be read.
pub(super) fn add_all(fields: &mut Fields, extensions: &[Extension<'_>]) -> Option<()> {
    for extension in extensions {
        push(fields, "Extensions", extension.json());
        let understood = add(fields, extension)?;
        if extension.critical && !understood {
            push(fields, "UnhandledCriticalExtensions", json!(extension.id));
        }
    }
    Some(())
}

/// Adds what one extension says; whether it was understood.
fn add(fields: &mut Fields, extension: &Extension<'_>) -> Option<bool> {
    let mut reader = Reader(extension.value);
    let [2, 5, 29, number] = extension.id.as_slice() else {
        if extension.id != [1, 3, 6, 1, 5, 5, 7, 1, 1] {
            return Some(false);
        }
        return (!extension.critical)
            .then(|| add_authorities(fields, reader))?
            .map(|()| true);
    };
    match number {
        // Neither may be critical.
        14 | 35 if extension.critical => return None,
        14 => {
            let id = bytes(reader.expect(OCTET_STRING)?.content);
            fields.insert("SubjectKeyId".to_owned(), id);
        }
        15 => {
            let usage = key_usage(reader.expect(BIT_STRING)?.content)?;
            fields.insert("KeyUsage".to_owned(), json!(usage));
        }
        17 => return add_alternative_names(fields, extension.value),
        19 => add_basic_constraints(fields, reader)?,
        30 => return add_name_constraints(fields, reader, extension.critical),
        31 => add_revocations(fields, reader)?,
        32 => add_policies(fields, reader)?,
        33 => {
            for mapping in reader.expect(SEQUENCE)?.reader().all()? {
                let mut parts = (mapping.tag == SEQUENCE).then(|| mapping.reader())?;
                let mut id = || identifier(parts.expect(IDENTIFIER)?.content);
                let (issuer, subject) = (dotted(&id()?), dotted(&id()?));
                let mapping = json!({"IssuerDomainPolicy": issuer, "SubjectDomainPolicy": subject});
                push(fields, "PolicyMappings", mapping);
            }
        }
        35 => {
            if let Some(key) = reader.expect(SEQUENCE)?.reader().optional(0x80)? {
                fields.insert("AuthorityKeyId".to_owned(), bytes(key.content));
            }
        }
        36 => {
            let mut parts = reader.expect(SEQUENCE)?.reader();
            for (tag, name) in [(0x80, "RequireExplicitPolicy"), (0x81, "InhibitPolicyMapping")] {
                if let Some(limit) = parts.optional(tag)? {
                    add_limit(fields, name, small(limit.number()?)?);
                }
            }
        }
        37 => add_usages(fields, reader)?,
        54 => add_limit(fields, "InhibitAnyPolicy", small(reader.integer()?)?),
        _ => return Some(false),
    }
    Some(true)
}

/// A number, and beside it whether it is there and zero.
fn add_limit(fields: &mut Fields, name: &str, limit: i64) {
    fields.insert(name.to_owned(), json!(limit));
    fields.insert(format!("{name}Zero"), json!(limit == 0));
}

/// The first nine bits, the first of which is worth 1.
fn key_usage(content: &[u8]) -> Option<u32> {
    let (unused, bits) = content.split_first()?;
    let length = (bits.len() * 8).checked_sub(usize::from(*unused))?;
    let set = |bit: usize| {
        bits.get(bit / 8)
            .is_some_and(|byte| byte >> (7 - bit % 8) & 1 == 1)
    };
    let usage = (0..length.min(9)).fold(0, |usage, bit| usage | u32::from(set(bit)) << bit);
    let spare = bits
        .last()
        .map_or(0, |last| last & ((1_u16 << unused.min(&8)) - 1) as u8);
    (*unused < 8 && spare == 0).then_some(usage)
}

fn add_basic_constraints(fields: &mut Fields, mut reader: Reader<'_>) -> Option<()> {
    let mut parts = reader.expect(SEQUENCE)?.reader();
    let authority = parts.flag()?;
    let longest = if parts.0.first() == Some(&0x02) {
        small(parts.integer()?)?
    } else {
        -1
    };
    add_limit(fields, "MaxPathLen", longest);
    fields.insert("BasicConstraintsValid".to_owned(), json!(true));
    fields.insert("IsCA".to_owned(), json!(authority));
    Some(())
}

fn ascii(content: &[u8]) -> Option<&str> {
    std::str::from_utf8(content).ok().filter(|text| text.is_ascii())
}

/// Adds the other names of who the certificate is for; whether there is one that is understood.
pub(super) fn add_alternative_names(fields: &mut Fields, value: &[u8]) -> Option<bool> {
    let mut understood = false;
    for name in Reader(value).expect(SEQUENCE)?.reader().all()? {
        let (list, value) = match name.tag {
            0x81 => ("EmailAddresses", json!(ascii(name.content)?)),
            0x82 => ("DNSNames", json!(ascii(name.content)?)),
            0x86 => ("URIs", locator(ascii(name.content)?)?),
            0x87 => ("IPAddresses", json!(address(name.content)?)),
            _ => continue,
        };
        push(fields, list, value);
        understood = true;
    }
    Some(understood)
}

/// An address as Go writes it: one of IPv4 in the clothes of IPv6 is one of IPv4.
fn address(content: &[u8]) -> Option<String> {
    let address = match <[u8; 4]>::try_from(content) {
        Ok(four) => IpAddr::from(four),
        Err(_) => IpAddr::from(<[u8; 16]>::try_from(content).ok()?).to_canonical(),
    };
    Some(address.to_string())
}

fn add_name_constraints(fields: &mut Fields, mut reader: Reader<'_>, critical: bool) -> Option<bool> {
    let mut parts = reader.expect(SEQUENCE)?.reader();
    let (permitted, excluded) = (parts.optional(0xa0)?, parts.optional(0xa1)?);
    if !parts.0.is_empty() || !reader.0.is_empty() {
        return None;
    }
    let mut understood = true;
    let mut any = false;
    for (prefix, trees) in [("Permitted", permitted), ("Excluded", excluded)] {
        for tree in trees.map_or(Some(Vec::new()), |trees| trees.reader().all())? {
            any = true;
            let base = (tree.tag == SEQUENCE).then(|| tree.reader().next())??;
            let (list, value) = match base.tag {
                0x81 => ("EmailAddresses", json!(domain(base.content)?)),
                0x82 => ("DNSDomains", json!(domain(base.content)?)),
                0x86 => ("URIDomains", json!(domain(base.content)?)),
                0x87 => ("IPRanges", range(base.content)?),
                _ => {
                    understood = false;
                    continue;
                }
            };
            push(fields, &format!("{prefix}{list}"), value);
        }
    }
    fields.insert("PermittedDNSDomainsCritical".to_owned(), json!(critical));
    any.then_some(understood)
}

/// A domain, all below one when it begins with a dot, or the address of somebody there.
fn domain(content: &[u8]) -> Option<&str> {
    let text = ascii(content)?;
    let (user, domain) = text.rsplit_once('@').unwrap_or(("-", text));
    let labels = domain.strip_prefix('.').unwrap_or(domain);
    let fits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    (fits(user) && (domain.is_empty() || labels.split('.').all(fits))).then_some(text)
}

/// An address and its mask, which has no gaps.
fn range(content: &[u8]) -> Option<Value> {
    let (base, mask) = content.split_at_checked(content.len() / 2)?;
    let mut ones = mask
        .iter()
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
    let whole = ones.by_ref().skip_while(|bit| *bit == 1).all(|bit| bit == 0);
    (whole && base.len() == mask.len())
        .then(|| Some(json!({"IP": address(base)?, "Mask": STANDARD.encode(mask)})))?
}

/// Where lists of revoked certificates are.
fn add_revocations(fields: &mut Fields, mut reader: Reader<'_>) -> Option<()> {
    for point in reader.expect(SEQUENCE)?.reader().all()? {
        let mut parts = (point.tag == SEQUENCE).then(|| point.reader())?;
        let Some(name) = parts.optional(0xa0)? else {
            continue;
        };
        let mut names = name.reader().expect(0xa0)?.reader();
        while let Some(place) = names.optional(0x86)? {
            push(
                fields,
                "CRLDistributionPoints",
                json!(String::from_utf8_lossy(place.content)),
            );
        }
    }
    Some(())
}

/// Who can be asked about the certificate, and where its issuer's is.
fn add_authorities(fields: &mut Fields, mut reader: Reader<'_>) -> Option<()> {
    for access in reader.expect(SEQUENCE)?.reader().all()? {
        let mut parts = (access.tag == SEQUENCE).then(|| access.reader())?;
        let method = identifier(parts.expect(IDENTIFIER)?.content)?;
        let Some(place) = parts.optional(0x86)? else {
            continue;
        };
        let list = match method.as_slice() {
            [1, 3, 6, 1, 5, 5, 7, 48, 1] => "OCSPServer",
            [1, 3, 6, 1, 5, 5, 7, 48, 2] => "IssuingCertificateURL",
            _ => continue,
        };
        push(fields, list, json!(String::from_utf8_lossy(place.content)));
    }
    Some(())
}

fn add_policies(fields: &mut Fields, mut reader: Reader<'_>) -> Option<()> {
    let (mut numbers, mut texts) = (Vec::new(), Vec::new());
    for policy in reader.expect(SEQUENCE)?.reader().all()? {
        let mut parts = (policy.tag == SEQUENCE).then(|| policy.reader())?;
        let id = identifier(parts.expect(IDENTIFIER)?.content)?;
        let text = json!(dotted(&id));
        if texts.len() >= MOST || texts.contains(&text) {
            return None;
        }
        numbers.push(json!(id));
        texts.push(text);
    }
    fields.insert("PolicyIdentifiers".to_owned(), Value::Array(numbers));
    if !texts.is_empty() {
        fields.insert("Policies".to_owned(), Value::Array(texts));
    }
    Some(())
}

/// What the key may be used for.
fn add_usages(fields: &mut Fields, mut reader: Reader<'_>) -> Option<()> {
    for usage in reader.expect(SEQUENCE)?.reader().all()? {
        let numbers = (usage.tag == IDENTIFIER).then(|| identifier(usage.content))??;
        let known = match numbers.as_slice() {
            [2, 5, 29, 37, 0] => Some(0),
            [1, 3, 6, 1, 5, 5, 7, 3, number @ 1..=9] => Some(*number),
            [1, 3, 6, 1, 4, 1, 311, 10, 3, 3] => Some(10),
            [2, 16, 840, 1, 113_730, 4, 1] => Some(11),
            [1, 3, 6, 1, 4, 1, 311, 2, 1, 22] => Some(12),
            [1, 3, 6, 1, 4, 1, 311, 61, 1, 1] => Some(13),
            _ => None,
        };
        match known {
            Some(number) => push(fields, "ExtKeyUsage", json!(number)),
            None => push(fields, "UnknownExtKeyUsage", json!(numbers)),
        }
    }
    Some(())
}
