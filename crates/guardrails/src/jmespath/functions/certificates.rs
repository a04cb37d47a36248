//! `x509_decode`: a certificate or a request for one, as Go's `crypto/x509` would write it as JSON. As in Kyverno
//! only RSA keys are read.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Arguments;
use super::der::{
    BIT_STRING, Element, IDENTIFIER, NULL, Reader, SEQUENCE, SET, UTC_TIME, decimal, identifier, small,
};
use super::extensions::{Extension, add_all, add_alternative_names};
use super::layouts::Moment;
use crate::jmespath::QueryError;

/// The longest certificate that is read, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// The longest number in one, in bytes: reading it takes the square of that.
const MAX_NUMBER: usize = 2048;

/// How many extensions or policies one may have, each of which is compared with all before it.
pub(super) const MOST: usize = 500;

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    args.world.budget.spend(args.text(0).len())?;
    match decode(args.text(0)) {
        Ok(fields) => Ok(Value::Object(fields)),
        Err(reason) => args.failed(reason),
    }
}

/// What a certificate says, or a request for one, in PEM.
pub(crate) fn decode(text: &str) -> Result<Map<String, Value>, &'static str> {
    let (label, bytes) = pem(text).ok_or("failed to decode PEM block")?;
    if bytes.len() > MAX_LENGTH {
        return Err("cannot read so long a certificate");
    }
    let read = match label {
        "CERTIFICATE" => certificate(&bytes),
        "CERTIFICATE REQUEST" => request(&bytes),
        _ => return Err("needs a PEM block that is a CERTIFICATE or CERTIFICATE REQUEST"),
    };
    read.ok_or("cannot read it: is it a certificate with an RSA key?")
}

/// The first block of a PEM text: what it is, and its bytes.
fn pem(text: &str) -> Option<(&str, Vec<u8>)> {
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (label, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    // Headers end with an empty line.
    let body = match body.split_once("\n\n") {
        Some((headers, body)) if headers.contains(':') => body,
        _ => body,
    };
    let body: String = body.split_whitespace().collect();
    Some((label, STANDARD.decode(body).ok()?))
}

pub(super) fn bytes(content: &[u8]) -> Value {
    Value::String(STANDARD.encode(content))
}

/// Fields that are zero, false or null as long as nothing says otherwise.
const NUMBERS: [&str; 5] = [
    "KeyUsage",
    "MaxPathLen",
    "InhibitAnyPolicy",
    "InhibitPolicyMapping",
    "RequireExplicitPolicy",
];
const FLAGS: [&str; 7] = [
    "MaxPathLenZero",
    "BasicConstraintsValid",
    "IsCA",
    "PermittedDNSDomainsCritical",
    "InhibitAnyPolicyZero",
    "InhibitPolicyMappingZero",
    "RequireExplicitPolicyZero",
];
const LISTS: [&str; 19] = [
    "UnhandledCriticalExtensions",
    "ExtKeyUsage",
    "UnknownExtKeyUsage",
    "SubjectKeyId",
    "AuthorityKeyId",
    "OCSPServer",
    "IssuingCertificateURL",
    "PermittedDNSDomains",
    "ExcludedDNSDomains",
    "PermittedIPRanges",
    "ExcludedIPRanges",
    "PermittedEmailAddresses",
    "ExcludedEmailAddresses",
    "PermittedURIDomains",
    "ExcludedURIDomains",
    "CRLDistributionPoints",
    "PolicyIdentifiers",
    "Policies",
    "PolicyMappings",
];

fn certificate(bytes_of_it: &[u8]) -> Option<Map<String, Value>> {
    let mut whole = Reader(bytes_of_it);
    let mut outer = whole.expect(SEQUENCE)?.reader();
    if !whole.0.is_empty() {
        return None;
    }
    let signed = outer.expect(SEQUENCE)?;
    let algorithm = outer.expect(SEQUENCE)?;
    let signature = outer.expect(BIT_STRING)?;
    let mut inner = signed.reader();
    let version = match inner.optional(0xa0)? {
        Some(version) => small(version.reader().integer()?)?,
        None => 0,
    };
    let serial = inner.integer()?;
    if version > 2
        || serial.len() > MAX_NUMBER
        || serial.first()? & 0x80 != 0
        || inner.expect(SEQUENCE)?.content != algorithm.content
    {
        return None;
    }
    let issuer = inner.expect(SEQUENCE)?;
    let mut validity = inner.expect(SEQUENCE)?.reader();
    let (not_before, not_after) = (validity.next()?, validity.next()?);
    let subject = inner.expect(SEQUENCE)?;
    let key = inner.expect(SEQUENCE)?;
    let mut fields = common(&algorithm, &signature, &subject, &key)?;
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("Raw", bytes(bytes_of_it));
    set("RawTBSCertificate", bytes(signed.whole));
    set("RawIssuer", bytes(issuer.whole));
    set("Version", json!(version + 1));
    // Kyverno reads the number as a float.
    let serial = decimal(serial)
        .parse::<f64>()
        .ok()
        .filter(|number| number.is_finite())?;
    set("SerialNumber", json!(serial));
    set("Issuer", name(&issuer)?);
    set("NotBefore", moment(&not_before)?);
    set("NotAfter", moment(&not_after)?);
    for (names, value) in [
        (&NUMBERS[..], json!(0)),
        (&FLAGS[..], json!(false)),
        (&LISTS[..], Value::Null),
    ] {
        for name in names {
            set(name, value.clone());
        }
    }
    if version > 0 {
        inner.optional(0x81)?;
        inner.optional(0x82)?;
    }
    if version == 2
        && let Some(extensions) = inner.optional(0xa3)?
    {
        let mut list = Vec::new();
        for extension in extensions.reader().expect(SEQUENCE)?.reader().all()? {
            let extension = Extension::read(&extension)?;
            if list.len() >= MOST || list.iter().any(|known: &Extension<'_>| known.id == extension.id) {
                return None;
            }
            list.push(extension);
        }
        add_all(&mut fields, &list)?;
    }
    Some(fields)
}

fn request(bytes_of_it: &[u8]) -> Option<Map<String, Value>> {
    let mut whole = Reader(bytes_of_it);
    let mut outer = whole.expect(SEQUENCE)?.reader();
    if !whole.0.is_empty() {
        return None;
    }
    let signed = outer.expect(SEQUENCE)?;
    let algorithm = outer.expect(SEQUENCE)?;
    let signature = outer.expect(BIT_STRING)?;
    let mut inner = signed.reader();
    let version = small(inner.integer()?)?;
    let subject = inner.expect(SEQUENCE)?;
    let key = inner.expect(SEQUENCE)?;
    let mut fields = common(&algorithm, &signature, &subject, &key)?;
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("Raw", bytes(bytes_of_it));
    set("RawTBSCertificateRequest", bytes(signed.whole));
    set("Version", json!(version));
    set("Attributes", Value::Null);
    let mut asked: Vec<Extension<'_>> = Vec::new();
    for attribute in inner.expect(0xa0)?.reader().all()? {
        let Some((id, values)) = attribute_parts(&attribute) else {
            continue;
        };
        if id == [1, 2, 840, 113_549, 1, 9, 14]
            && let Some(first) = values.first()
        {
            for extension in (first.tag == SEQUENCE).then(|| first.reader().all())?? {
                let extension = Extension::read(&extension)?;
                if asked.len() >= MOST || asked.iter().any(|known| known.id == extension.id) {
                    return None;
                }
                asked.push(extension);
            }
        }
        if let Some(attribute) = pairs(&id, &values) {
            push(&mut fields, "Attributes", attribute);
        }
    }
    for extension in asked {
        push(&mut fields, "Extensions", extension.json());
        if extension.id == [2, 5, 29, 17] {
            add_alternative_names(&mut fields, extension.value)?;
        }
    }
    Some(fields)
}

/// What an attribute is, and its values; Go passes over one that it cannot read.
fn attribute_parts<'b>(attribute: &Element<'b>) -> Option<(Vec<u64>, Vec<Element<'b>>)> {
    let mut parts = (attribute.tag == SEQUENCE).then(|| attribute.reader())?;
    let id = identifier(parts.expect(IDENTIFIER)?.content)?;
    Some((id, parts.expect(SET)?.reader().all()?))
}

/// An attribute whose values are lists of pairs; Go leaves out every other.
fn pairs(id: &[u64], values: &[Element<'_>]) -> Option<Value> {
    let mut lists = Vec::new();
    for list in values {
        if list.tag != SEQUENCE {
            return None;
        }
        let mut pairs = Vec::new();
        for pair in list.reader().all()? {
            let mut parts = (pair.tag == SEQUENCE).then(|| pair.reader())?;
            let kind = identifier(parts.expect(IDENTIFIER)?.content)?;
            pairs.push(json!({"Type": kind, "Value": any(&parts.next()?)?}));
        }
        lists.push(Value::Array(pairs));
    }
    Some(json!({"Type": id, "Value": lists}))
}

/// A value of any type, as far as Go knows its type.
fn any(element: &Element<'_>) -> Option<Value> {
    Some(match element.tag {
        0x01 => json!(Reader(element.whole).flag()?),
        0x02 => json!(small(element.number()?)?),
        0x03 => {
            let (unused, bits) = element.content.split_first()?;
            let length = (bits.len() * 8).checked_sub(usize::from(*unused))?;
            json!({"Bytes": STANDARD.encode(bits), "BitLength": length})
        }
        0x04 => bytes(element.content),
        0x06 => json!(identifier(element.content)?),
        0x17 | 0x18 => moment(element)?,
        0x0c | 0x12 | 0x13 | 0x14 | 0x16 | 0x1e => json!(text(element)?),
        _ => Value::Null,
    })
}

/// What certificates and requests for them have both.
fn common(
    algorithm: &Element<'_>,
    signature: &Element<'_>,
    subject: &Element<'_>,
    key: &Element<'_>,
) -> Option<Map<String, Value>> {
    let (unused, signature) = signature.content.split_first()?;
    if *unused != 0 {
        return None;
    }
    let mut fields = Map::new();
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("RawSubjectPublicKeyInfo", bytes(key.whole));
    set("RawSubject", bytes(subject.whole));
    set("Signature", bytes(signature));
    set("SignatureAlgorithm", json!(signature_algorithm(algorithm)?));
    set("PublicKeyAlgorithm", json!(1));
    set("PublicKey", public_key(key)?);
    set("Subject", name(subject)?);
    for name in [
        "Extensions",
        "ExtraExtensions",
        "DNSNames",
        "EmailAddresses",
        "IPAddresses",
        "URIs",
    ] {
        set(name, Value::Null);
    }
    Some(fields)
}

/// Go's number of an algorithm; 0 is one that it does not know.
fn signature_algorithm(algorithm: &Element<'_>) -> Option<u8> {
    let mut parts = algorithm.reader();
    let numbers = identifier(parts.expect(IDENTIFIER)?.content)?;
    Some(match numbers.as_slice() {
        [1, 2, 840, 113_549, 1, 1, 4] => 2,
        [1, 2, 840, 113_549, 1, 1, 5] | [1, 3, 14, 3, 2, 29] => 3,
        [1, 2, 840, 113_549, 1, 1, 11] => 4,
        [1, 2, 840, 113_549, 1, 1, 12] => 5,
        [1, 2, 840, 113_549, 1, 1, 13] => 6,
        [1, 2, 840, 10_040, 4, 3] => 7,
        [2, 16, 840, 1, 101, 3, 4, 3, 2] => 8,
        [1, 2, 840, 10_045, 4, 1] => 9,
        [1, 2, 840, 10_045, 4, 3, 2] => 10,
        [1, 2, 840, 10_045, 4, 3, 3] => 11,
        [1, 2, 840, 10_045, 4, 3, 4] => 12,
        [1, 2, 840, 113_549, 1, 1, 10] => salted(parts).unwrap_or(0),
        [1, 3, 101, 112] if parts.0.is_empty() => 16,
        _ => 0,
    })
}

/// RSA-PSS, when hash, mask and salt are those of one and the same hash.
fn salted(mut parts: Reader<'_>) -> Option<u8> {
    let hash = |mut holder: Reader<'_>| {
        let mut algorithm = holder.expect(SEQUENCE)?.reader();
        let id = identifier(algorithm.expect(IDENTIFIER)?.content)?;
        let rest = algorithm
            .optional(NULL)?
            .is_none_or(|null| null.content.is_empty());
        rest.then_some(id)
    };
    let mut parameters = parts.expect(SEQUENCE)?.reader();
    let own = hash(parameters.expect(0xa0)?.reader())?;
    let mut mask = parameters.expect(0xa1)?.reader().expect(SEQUENCE)?.reader();
    let generator = identifier(mask.expect(IDENTIFIER)?.content)?;
    let of_mask = hash(mask)?;
    let salt = small(parameters.expect(0xa2)?.reader().integer()?)?;
    if generator != [1, 2, 840, 113_549, 1, 1, 8] || of_mask != own {
        return None;
    }
    match (own.as_slice(), salt) {
        ([2, 16, 840, 1, 101, 3, 4, 2, 1], 32) => Some(13),
        ([2, 16, 840, 1, 101, 3, 4, 2, 2], 48) => Some(14),
        ([2, 16, 840, 1, 101, 3, 4, 2, 3], 64) => Some(15),
        _ => None,
    }
}

/// An RSA key: its modulus and exponent.
fn public_key(key: &Element<'_>) -> Option<Value> {
    let mut key = key.reader();
    let mut algorithm = key.expect(SEQUENCE)?.reader();
    if identifier(algorithm.expect(IDENTIFIER)?.content)? != [1, 2, 840, 113_549, 1, 1, 1] {
        return None;
    }
    algorithm.expect(NULL)?;
    let (unused, bits) = key.expect(BIT_STRING)?.content.split_first()?;
    let mut numbers = Reader(bits).expect(SEQUENCE)?.reader();
    let (modulus, exponent) = (numbers.integer()?, small(numbers.integer()?)?);
    let positive = modulus.first()? & 0x80 == 0 && modulus != [0];
    if *unused != 0
        || !positive
        || modulus.len() > MAX_NUMBER
        || !(1..=i64::from(i32::MAX)).contains(&exponent)
    {
        return None;
    }
    Some(json!({"N": decimal(modulus), "E": exponent}))
}

/// A distinguished name.
fn name(name: &Element<'_>) -> Option<Value> {
    const PARTS: [(u64, &str); 7] = [
        (6, "Country"),
        (10, "Organization"),
        (11, "OrganizationalUnit"),
        (7, "Locality"),
        (8, "Province"),
        (9, "StreetAddress"),
        (17, "PostalCode"),
    ];
    let mut fields = Map::new();
    for (_, list) in PARTS {
        fields.insert(list.to_owned(), Value::Null);
    }
    fields.insert("SerialNumber".to_owned(), json!(""));
    fields.insert("CommonName".to_owned(), json!(""));
    fields.insert("ExtraNames".to_owned(), Value::Null);
    let mut names = Vec::new();
    for set in name.reader().all()? {
        if set.tag != SET {
            return None;
        }
        for pair in set.reader().all()? {
            let mut pair = (pair.tag == SEQUENCE).then(|| pair.reader())?;
            let numbers = identifier(pair.expect(IDENTIFIER)?.content)?;
            let value = text(&pair.next()?)?;
            names.push(json!({"Type": numbers, "Value": value}));
            let [2, 5, 4, last] = numbers.as_slice() else {
                continue;
            };
            match last {
                3 => fields.insert("CommonName".to_owned(), json!(value)),
                5 => fields.insert("SerialNumber".to_owned(), json!(value)),
                last => {
                    if let Some((_, list)) = PARTS.iter().find(|(number, _)| number == last) {
                        push(&mut fields, list, json!(value));
                    }
                    None
                }
            };
        }
    }
    let names = if names.is_empty() {
        Value::Null
    } else {
        Value::Array(names)
    };
    fields.insert("Names".to_owned(), names);
    Some(Value::Object(fields))
}

pub(super) fn push(fields: &mut Map<String, Value>, list: &str, value: Value) {
    match fields.get_mut(list) {
        Some(Value::Array(items)) => items.push(value),
        _ => {
            fields.insert(list.to_owned(), Value::Array(vec![value]));
        }
    }
}

/// A text: UTF-8, numeric, printable, T61, IA5 or of 16-bit letters.
fn text(element: &Element<'_>) -> Option<String> {
    let content = element.content;
    let printable = |byte: &u8| byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(byte);
    let fits = match element.tag {
        0x0c => true,
        0x12 => content.iter().all(|byte| byte.is_ascii_digit() || *byte == b' '),
        0x13 => content.iter().all(printable),
        0x14 => return Some(content.iter().map(|byte| char::from(*byte)).collect()),
        0x16 => content.is_ascii(),
        0x1e => {
            let content = content.strip_suffix(&[0, 0]).unwrap_or(content);
            let letter = |pair: &[u8]| match pair {
                [high, low] => char::from_u32(u32::from(u16::from_be_bytes([*high, *low])))
                    .filter(|letter| !matches!(letter, '\u{fffe}' | '\u{ffff}' | '\u{fdd0}'..='\u{fdef}')),
                _ => None,
            };
            return content.chunks(2).map(letter).collect();
        }
        _ => false,
    };
    String::from_utf8(content.to_vec()).ok().filter(|_| fits)
}

fn moment(element: &Element<'_>) -> Option<Value> {
    let text = std::str::from_utf8(element.content).ok()?;
    let layout = match element.tag {
        UTC_TIME => "060102150405Z0700",
        0x18 => "20060102150405Z0700",
        _ => return None,
    };
    let mut read = Moment::parse(layout, text)?.rfc_3339()?;
    // Years of two digits end at 2049.
    if element.tag == UTC_TIME && read.starts_with("20") && text.as_bytes().first()? > &b'4' {
        read.replace_range(..2, "19");
    }
    Some(Value::String(read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jmespath::query;

    const CERTIFICATE: &str = include_str!("../../../tests/fixtures/certificate.pem");

    const REQUEST: &str = "-----BEGIN CERTIFICATE REQUEST-----\n\
MIIBZzCB0QIBADAoMRcwFQYDVQQKDA5zeXN0ZW06bWFzdGVyczENMAsGA1UEAwwE\n\
ZGFuYTCBnzANBgkqhkiG9w0BAQEFAAOBjQAwgYkCgYEA2+MvyQDA5nWWzIYzYPK5\n\
dWxLVsKfH98Frj9Y4oNdZMQG6qfDf5QMFjAd4J+r82U1MHl1kjKZWgGtosrfm8Tb\n\
VM9exITyupGWA8TguFYWp/SpGPt/dvpIkU5u0HM6CXLvymfKp5Jk8R7YvhQEXp01\n\
1EsCITkTH7LcEK2mMFDtaK8CAwEAAaAAMA0GCSqGSIb3DQEBCwUAA4GBAJmKXzx1\n\
izD+OZINTDuaRmrc1BJhysQTSUmrAGN3pnmFU1sEC9dwqkwSr7rnzrzCIkUn0X+X\n\
iX6zTWRmZVwusEIrbTKfA8yzDVGea/VYyva2N042fZ6gCyj5Z9ieDCE7m1V8TKHP\n\
OAwSM0LIFiJRjlFVsSlPHRvwVEuS7kBIsnW+\n\
-----END CERTIFICATE REQUEST-----\n";

    const MODULUS: &str = "154410217000418140369796913428762729998907110729224389833243698713602430062042524527217166802481285410019354190162971859918432117462093153086403551078578940234233401772725089507174693799256325295459532322630431178904075181849327528921356607361516428189920290753655093972423775250502332069127776459336274765999";

    #[test]
    fn certificates_and_requests() {
        let check = |text: &str, expression: &str, expect: Value| {
            let given = json!({"pem": text});
            let found = query(&format!("x509_decode(pem).{expression}"), &given);
            assert_eq!(found, Ok(expect), "{expression}");
        };
        check(CERTIFICATE, "Subject.CommonName", json!("shop.example"));
        check(CERTIFICATE, "Subject.Organization", json!(["Shop"]));
        check(
            CERTIFICATE,
            "Issuer.Names[0]",
            json!({"Type": [2, 5, 4, 6], "Value": "CH"}),
        );
        check(CERTIFICATE, "Issuer.Locality", json!(null));
        check(CERTIFICATE, "NotBefore", json!("2026-11-21T14:44:42Z"));
        check(CERTIFICATE, "NotAfter", json!("2126-10-28T14:44:42Z"));
        check(CERTIFICATE, "PublicKey", json!({"N": MODULUS, "E": 65537}));
        check(
            CERTIFICATE,
            "[Version, SignatureAlgorithm, PublicKeyAlgorithm]",
            json!([3, 4, 1]),
        );
        check(CERTIFICATE, "DNSNames", json!(["shop.example"]));
        check(CERTIFICATE, "IPAddresses", json!(["10.0.0.1"]));
        check(CERTIFICATE, "KeyUsage", json!(5));
        check(CERTIFICATE, "ExtKeyUsage", json!([1]));
        check(CERTIFICATE, "[BasicConstraintsValid, IsCA]", json!([true, true]));
        check(CERTIFICATE, "CRLDistributionPoints", json!(null));
        check(CERTIFICATE, "length(Extensions)", json!(6));
        check(CERTIFICATE, "SerialNumber > `1`", json!(true));
        check(REQUEST, "Subject.CommonName", json!("dana"));
        check(REQUEST, "Subject.Organization[0]", json!("system:masters"));
        check(REQUEST, "Version", json!(0));
        check(REQUEST, "PublicKey.N", json!(MODULUS));
    }

    /// A number takes the square of its length to read.
    #[test]
    fn a_long_serial_number_is_refused_before_it_costs() {
        let element = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).expect("it is short").to_be_bytes();
            let head = match length {
                [0, low @ 0..=0x7f] => vec![tag, low],
                [0, low] => vec![tag, 0x81, low],
                [high, low] => vec![tag, 0x82, high, low],
            };
            [&head, content].concat()
        };
        let with_serial = |length: usize| {
            let (_, der) = pem(CERTIFICATE).expect("PEM");
            let mut outer = Reader(&der).expect(SEQUENCE).expect("a certificate").reader();
            let mut signed = outer.expect(SEQUENCE).expect("what is signed").reader();
            let version = signed.next().expect("a version").whole;
            signed.next().expect("a serial number");
            let signed = [version, &element(2, &vec![0x7f; length]), signed.0].concat();
            let whole = element(0x30, &[&element(0x30, &signed)[..], outer.0].concat());
            let text = STANDARD.encode(whole);
            query(
                "x509_decode(@)",
                &json!(format!(
                    "-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----"
                )),
            )
        };
        assert!(with_serial(100).is_ok());
        assert!(with_serial(1000).is_err());
        let begun = std::time::Instant::now();
        assert!(with_serial(60_000).is_err());
        assert!(begun.elapsed() < std::time::Duration::from_secs(5));
    }

    #[test]
    fn what_is_no_certificate() {
        let cut = CERTIFICATE.replacen("MII", "MIA", 1);
        for text in [
            "",
            "x",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----",
            &cut,
        ] {
            assert!(
                query("x509_decode(pem)", &json!({"pem": text})).is_err(),
                "{text}"
            );
        }
        for at in 0..CERTIFICATE.len() {
            let mut forged = CERTIFICATE.as_bytes().to_vec();
            forged[at] = b'A';
            let forged = String::from_utf8(forged).expect("a text");
            let _ = query("x509_decode(pem)", &json!({"pem": forged}));
        }
    }
}
