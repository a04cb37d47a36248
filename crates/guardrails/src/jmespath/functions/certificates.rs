//! `x509_decode`: a certificate or a request for one, as Go's `crypto/x509` would write it as JSON. As in Kyverno
//! only RSA keys are read. What is not read here and yet is there is unknown, not absent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Arguments;
use super::der::{
    BIT_STRING, BOOLEAN, Element, IDENTIFIER, INTEGER, OCTET_STRING, Reader, SEQUENCE, SET, UTC_TIME,
    decimal, identifier,
};
use super::layouts::Moment;
use crate::jmespath::{QueryError, unknown};

/// The longest certificate that is read, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

pub(super) fn call(args: &Arguments<'_>) -> Result<Value, QueryError> {
    let Some((label, bytes)) = pem(args.text(0)) else {
        return args.failed("failed to decode PEM block");
    };
    if bytes.len() > MAX_LENGTH {
        return args.failed("cannot read so long a certificate");
    }
    args.world.budget.spend(bytes.len())?;
    let read = match label {
        "CERTIFICATE" => certificate(&bytes),
        "CERTIFICATE REQUEST" => request(&bytes),
        _ => return args.failed("needs a PEM block that is a CERTIFICATE or CERTIFICATE REQUEST"),
    };
    match read {
        Some(fields) => Ok(Value::Object(fields)),
        None => args.failed("cannot read it: is it a certificate with an RSA key?"),
    }
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

fn bytes(content: &[u8]) -> Value {
    Value::String(STANDARD.encode(content))
}

fn certificate(whole: &[u8]) -> Option<Map<String, Value>> {
    let mut outer = Reader(whole).expect(SEQUENCE)?.reader();
    let signed = outer.expect(SEQUENCE)?;
    let algorithm = outer.expect(SEQUENCE)?;
    let signature = outer.expect(BIT_STRING)?;
    let mut inner = signed.reader();
    let version = match inner.expect(0xa0) {
        Some(version) => *version.reader().expect(INTEGER)?.content.last()?,
        None => 0,
    };
    let serial = inner.expect(INTEGER)?;
    inner.expect(SEQUENCE)?;
    let issuer = inner.expect(SEQUENCE)?;
    let validity = inner.expect(SEQUENCE)?.reader().all()?;
    let subject = inner.expect(SEQUENCE)?;
    let key = inner.expect(SEQUENCE)?;
    let [not_before, not_after] = validity.as_slice() else {
        return None;
    };
    let mut fields = common(&algorithm, &signature, &subject, &key)?;
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("Raw", bytes(whole));
    set("RawTBSCertificate", bytes(signed.whole));
    set("RawIssuer", bytes(issuer.whole));
    set("Version", json!(u32::from(version) + 1));
    // Kyverno reads the number as a float.
    let serial = decimal(serial.content).parse::<f64>().ok()?;
    set("SerialNumber", json!(serial));
    set("Issuer", name(&issuer)?);
    set("NotBefore", moment(not_before)?);
    set("NotAfter", moment(not_after)?);
    let extensions = loop {
        match inner.next() {
            Some(element) if element.tag == 0xa3 => break Some(element.reader().expect(SEQUENCE)?),
            Some(_) => {}
            None => break None,
        }
    };
    for (name, value) in [
        ("KeyUsage", json!(0)),
        ("MaxPathLen", json!(0)),
        ("MaxPathLenZero", json!(false)),
        ("BasicConstraintsValid", json!(false)),
        ("IsCA", json!(false)),
        ("PermittedDNSDomainsCritical", json!(false)),
    ] {
        set(name, value);
    }
    for name in [
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
    ] {
        set(name, Value::Null);
    }
    add_extensions(&mut fields, extensions)?;
    Some(fields)
}

fn request(whole: &[u8]) -> Option<Map<String, Value>> {
    let mut outer = Reader(whole).expect(SEQUENCE)?.reader();
    let signed = outer.expect(SEQUENCE)?;
    let algorithm = outer.expect(SEQUENCE)?;
    let signature = outer.expect(BIT_STRING)?;
    let mut inner = signed.reader();
    let version = *inner.expect(INTEGER)?.content.last()?;
    let subject = inner.expect(SEQUENCE)?;
    let key = inner.expect(SEQUENCE)?;
    let mut fields = common(&algorithm, &signature, &subject, &key)?;
    let mut set = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    set("Raw", bytes(whole));
    set("RawTBSCertificateRequest", bytes(signed.whole));
    set("Version", json!(version));
    set("Attributes", Value::Null);
    let mut extensions = None;
    for attribute in listed(inner.expect(0xa0))? {
        let mut attribute = attribute.reader();
        if identifier(attribute.expect(IDENTIFIER)?.content)? == [1, 2, 840, 113_549, 1, 9, 14] {
            extensions = Some(attribute.expect(SET)?.reader().expect(SEQUENCE)?);
        }
        set("Attributes", unknown("Attributes of a certificate request"));
    }
    add_extensions(&mut fields, extensions)?;
    Some(fields)
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
    set("SignatureAlgorithm", signature_algorithm(algorithm)?);
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

fn signature_algorithm(algorithm: &Element<'_>) -> Option<Value> {
    let numbers = identifier(algorithm.reader().expect(IDENTIFIER)?.content)?;
    Some(match numbers.as_slice() {
        [1, 2, 840, 113_549, 1, 1, 4] => json!(2),
        [1, 2, 840, 113_549, 1, 1, 5] => json!(3),
        [1, 2, 840, 113_549, 1, 1, 11] => json!(4),
        [1, 2, 840, 113_549, 1, 1, 12] => json!(5),
        [1, 2, 840, 113_549, 1, 1, 13] => json!(6),
        [1, 2, 840, 10_045, 4, 1] => json!(9),
        [1, 2, 840, 10_045, 4, 3, 2] => json!(10),
        [1, 2, 840, 10_045, 4, 3, 3] => json!(11),
        [1, 2, 840, 10_045, 4, 3, 4] => json!(12),
        _ => unknown("SignatureAlgorithm of a certificate"),
    })
}

/// An RSA key: its modulus and exponent.
fn public_key(key: &Element<'_>) -> Option<Value> {
    let mut key = key.reader();
    let algorithm = identifier(key.expect(SEQUENCE)?.reader().expect(IDENTIFIER)?.content)?;
    if algorithm != [1, 2, 840, 113_549, 1, 1, 1] {
        return None;
    }
    let (_, bits) = key.expect(BIT_STRING)?.content.split_first()?;
    let mut numbers = Reader(bits).expect(SEQUENCE)?.reader();
    let (modulus, exponent) = (numbers.expect(INTEGER)?.content, numbers.expect(INTEGER)?.content);
    let negative = |number: &[u8]| number.first().is_none_or(|first| first & 0x80 != 0);
    if negative(modulus) || negative(exponent) || modulus.len() > 4096 {
        return None;
    }
    let exponent: u64 = decimal(exponent).parse().ok()?;
    Some(json!({"N": decimal(modulus), "E": exponent}))
}

/// A distinguished name.
fn name(name: &Element<'_>) -> Option<Value> {
    const LISTS: [(u64, &str); 7] = [
        (6, "Country"),
        (10, "Organization"),
        (11, "OrganizationalUnit"),
        (7, "Locality"),
        (8, "Province"),
        (9, "StreetAddress"),
        (17, "PostalCode"),
    ];
    let mut fields = Map::new();
    for (_, list) in LISTS {
        fields.insert(list.to_owned(), Value::Null);
    }
    fields.insert("SerialNumber".to_owned(), json!(""));
    fields.insert("CommonName".to_owned(), json!(""));
    fields.insert("ExtraNames".to_owned(), Value::Null);
    let mut names = Vec::new();
    for set in name.reader().all()? {
        for pair in set.reader().all()? {
            let mut pair = pair.reader();
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
                    if let Some((_, list)) = LISTS.iter().find(|(number, _)| number == last) {
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

fn push(fields: &mut Map<String, Value>, list: &str, value: Value) {
    match fields.get_mut(list) {
        Some(Value::Array(items)) => items.push(value),
        _ => {
            fields.insert(list.to_owned(), Value::Array(vec![value]));
        }
    }
}

/// A text: UTF-8, printable, IA5, T61 or of 16-bit letters.
fn text(element: &Element<'_>) -> Option<String> {
    match element.tag {
        0x0c | 0x12 | 0x13 | 0x16 => String::from_utf8(element.content.to_vec()).ok(),
        0x14 => Some(element.content.iter().map(|byte| char::from(*byte)).collect()),
        0x1e => {
            let letters = element.content.chunks(2).map(|pair| match pair {
                [high, low] => Some(u16::from_be_bytes([*high, *low])),
                _ => None,
            });
            String::from_utf16(&letters.collect::<Option<Vec<_>>>()?).ok()
        }
        _ => None,
    }
}

fn moment(element: &Element<'_>) -> Option<Value> {
    let text = std::str::from_utf8(element.content).ok()?;
    let layout = if element.tag == UTC_TIME {
        "060102150405Z0700"
    } else {
        "20060102150405Z0700"
    };
    let mut read = Moment::parse(layout, text)?.rfc_3339()?;
    // Years of two digits end at 2049.
    if element.tag == UTC_TIME && read.starts_with("20") && text.as_bytes().first()? > &b'4' {
        read.replace_range(..2, "19");
    }
    Some(Value::String(read))
}

/// What a list holds that may be left out.
fn listed(list: Option<Element<'_>>) -> Option<Vec<Element<'_>>> {
    list.map_or(Some(Vec::new()), |list| list.reader().all())
}

fn add_extensions(fields: &mut Map<String, Value>, extensions: Option<Element<'_>>) -> Option<()> {
    for extension in listed(extensions)? {
        let mut parts = extension.reader();
        let id = identifier(parts.expect(IDENTIFIER)?.content)?;
        let critical = parts.expect(BOOLEAN).is_some_and(|flag| flag.content != [0]);
        let value = parts.expect(OCTET_STRING)?.content;
        push(
            fields,
            "Extensions",
            json!({"Id": id, "Critical": critical, "Value": STANDARD.encode(value)}),
        );
        let mut reader = Reader(value);
        match id.as_slice() {
            [2, 5, 29, 14] => {
                fields.insert(
                    "SubjectKeyId".to_owned(),
                    bytes(reader.expect(OCTET_STRING)?.content),
                );
            }
            [2, 5, 29, 15] => {
                let bits = reader.expect(BIT_STRING)?.content.split_first()?.1;
                let usage = (0..9_usize).fold(0_u32, |usage, bit| {
                    let set = bits
                        .get(bit / 8)
                        .is_some_and(|byte| byte >> (7 - bit % 8) & 1 == 1);
                    usage | u32::from(set) << bit
                });
                fields.insert("KeyUsage".to_owned(), json!(usage));
            }
            [2, 5, 29, 17] => alternative_names(fields, &reader.expect(SEQUENCE)?)?,
            [2, 5, 29, 19] => basic_constraints(fields, &reader.expect(SEQUENCE)?)?,
            [2, 5, 29, 35] => {
                if let Some(key) = reader.expect(SEQUENCE)?.reader().expect(0x80) {
                    fields.insert("AuthorityKeyId".to_owned(), bytes(key.content));
                }
            }
            [2, 5, 29, 37] => {
                for usage in reader.expect(SEQUENCE)?.reader().all()? {
                    let numbers = identifier(usage.content)?;
                    match numbers.as_slice() {
                        [2, 5, 29, 37, 0] => push(fields, "ExtKeyUsage", json!(0)),
                        [1, 3, 6, 1, 5, 5, 7, 3, number @ 1..=9] => {
                            push(fields, "ExtKeyUsage", json!(number));
                        }
                        _ => push(fields, "UnknownExtKeyUsage", json!(numbers)),
                    }
                }
            }
            other => not_read(fields, other),
        }
    }
    Some(())
}

/// Extensions that are not read here leave the fields that they would fill unknown.
fn not_read(fields: &mut Map<String, Value>, id: &[u64]) {
    let names: &[&str] = match id {
        [2, 5, 29, 30] => &[
            "PermittedDNSDomainsCritical",
            "PermittedDNSDomains",
            "ExcludedDNSDomains",
            "PermittedIPRanges",
            "ExcludedIPRanges",
            "PermittedEmailAddresses",
            "ExcludedEmailAddresses",
            "PermittedURIDomains",
            "ExcludedURIDomains",
        ],
        [2, 5, 29, 31] => &["CRLDistributionPoints"],
        [2, 5, 29, 32] => &["PolicyIdentifiers", "Policies"],
        [1, 3, 6, 1, 5, 5, 7, 1, 1] => &["OCSPServer", "IssuingCertificateURL"],
        _ => &["UnhandledCriticalExtensions"],
    };
    for name in names
        .iter()
        .filter(|name| fields.contains_key(**name))
        .copied()
        .collect::<Vec<_>>()
    {
        fields.insert(name.to_owned(), unknown(&format!("{name} of a certificate")));
    }
}

fn basic_constraints(fields: &mut Map<String, Value>, constraints: &Element<'_>) -> Option<()> {
    let mut parts = constraints.reader();
    let authority = parts.expect(BOOLEAN).is_some_and(|flag| flag.content != [0]);
    let longest = match parts.expect(INTEGER) {
        Some(length) => decimal(length.content).parse::<i64>().ok()?,
        None => -1,
    };
    fields.insert("BasicConstraintsValid".to_owned(), json!(true));
    fields.insert("IsCA".to_owned(), json!(authority));
    fields.insert("MaxPathLen".to_owned(), json!(longest));
    fields.insert("MaxPathLenZero".to_owned(), json!(longest == 0));
    Some(())
}

fn alternative_names(fields: &mut Map<String, Value>, names: &Element<'_>) -> Option<()> {
    for name in names.reader().all()? {
        let text = || String::from_utf8(name.content.to_vec()).ok();
        match name.tag {
            0x81 => push(fields, "EmailAddresses", json!(text()?)),
            0x82 => push(fields, "DNSNames", json!(text()?)),
            0x86 => {
                fields.insert("URIs".to_owned(), unknown("URIs of a certificate"));
            }
            0x87 => {
                let address = match <[u8; 4]>::try_from(name.content) {
                    Ok(four) => std::net::IpAddr::from(four),
                    Err(_) => std::net::IpAddr::from(<[u8; 16]>::try_from(name.content).ok()?),
                };
                push(fields, "IPAddresses", json!(address.to_string()));
            }
            _ => {}
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jmespath::query;

    const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
MIICozCCAgygAwIBAgIUezD5SOLykI9vfZEr5YP8yHhScUEwDQYJKoZIhvcNAQEL\n\
BQAwQTELMAkGA1UEBhMCQ0gxDTALBgNVBAoMBFNob3AxDDAKBgNVBAsMA1dlYjEV\n\
MBMGA1UEAwwMc2hvcC5leGFtcGxlMCAXDTI2MTEyMTE0NDQ0MloYDzIxMjYxMDI4\n\
MTQ0NDQyWjBBMQswCQYDVQQGEwJDSDENMAsGA1UECgwEU2hvcDEMMAoGA1UECwwD\n\
V2ViMRUwEwYDVQQDDAxzaG9wLmV4YW1wbGUwgZ8wDQYJKoZIhvcNAQEBBQADgY0A\n\
MIGJAoGBANvjL8kAwOZ1lsyGM2DyuXVsS1bCnx/fBa4/WOKDXWTEBuqnw3+UDBYw\n\
HeCfq/NlNTB5dZIymVoBraLK35vE21TPXsSE8rqRlgPE4LhWFqf0qRj7f3b6SJFO\n\
btBzOgly78pnyqeSZPEe2L4UBF6dNdRLAiE5Ex+y3BCtpjBQ7WivAgMBAAGjgZUw\n\
gZIwHQYDVR0OBBYEFH0AKMV+xZ5AFMcK1IvlgYJxX2/zMB8GA1UdIwQYMBaAFH0A\n\
KMV+xZ5AFMcK1IvlgYJxX2/zMA8GA1UdEwEB/wQFMAMBAf8wHQYDVR0RBBYwFIIM\n\
c2hvcC5leGFtcGxlhwQKAAABMAsGA1UdDwQEAwIFoDATBgNVHSUEDDAKBggrBgEF\n\
BQcDATANBgkqhkiG9w0BAQsFAAOBgQBxnFcR5IZ1BW5TbYsWmSZz6SdaSahsDq8H\n\
Y4BlYPDcEuWV+H3SIyBlK3ITXTBKuRjbQ+ejqyXkzpI9PkUCi3PEgOM9wTn5tRoP\n\
yB+mh7Qm0fgzEq5JUDCc719L2Hy/tUtfbkXQuO++dVpLhRHuXXZe9y73H2uAIfqZ\n\
JG6WbmyaDg==\n\
-----END CERTIFICATE-----\n";

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
