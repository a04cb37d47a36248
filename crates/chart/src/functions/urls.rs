//! URLs taken apart and put together, as Go's `net/url` does it.

use super::Kind::{Dict as DictKind, Text};
use super::{Function, dict_of, fixed, key, string, text_of};
use crate::template::printing;
use crate::value::{Dict, Entries, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("urlParse", &[Text], |_, args| {
        let text = text_of(&args[0]);
        let parts = parse(&text)
            .map_err(|why| format!("unable to parse url: parse {}: {why}", printing::quote(&text)))?;
        let entries = [
            ("scheme", &parts.scheme),
            ("host", &parts.host),
            ("hostname", &parts.hostname().to_owned()),
            ("path", &parts.path),
            ("query", &parts.query),
            ("opaque", &parts.opaque),
            ("fragment", &parts.fragment),
            ("userinfo", &parts.userinfo),
        ]
        .map(|(name, value)| (key(name), Value::str(value)));
        Ok(Value::map(Entries::from(entries)))
    }),
    fixed("urlJoin", &[DictKind], |_, args| {
        string(join(dict_of(&args[0])?)?)
    }),
];

/// A URL taken apart. Path, host and fragment are decoded, the user is encoded.
#[derive(Default)]
struct Parts {
    scheme: String,
    opaque: String,
    userinfo: String,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

impl Parts {
    /// The host without its port and brackets.
    fn hostname(&self) -> &str {
        match self.host.strip_prefix('[') {
            Some(inner) => inner.split(']').next().unwrap_or(inner),
            None => self.host.rsplit_once(':').map_or(&self.host, |(name, _)| name),
        }
    }
}

/// Which part of a URL a text stands in: it decides what has to be encoded there.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    User,
    Host,
    Zone,
    Path,
    Fragment,
}

fn stands_for_itself(byte: u8, place: Place) -> bool {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        return true;
    }
    match place {
        Place::Host | Place::Zone => b"!$&'()*+,;=:[]<>\"".contains(&byte),
        Place::User => b"$&+,;=".contains(&byte),
        Place::Path => b"$&+,/:;=@".contains(&byte),
        Place::Fragment => b"$&+,/:;=?@!()*".contains(&byte),
    }
}

fn encoded(text: &str, place: Place) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if stands_for_itself(byte, place) {
            out.push(byte as char);
        } else {
            out.push('%');
            out.push_str(&super::hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

fn decoded(text: &str, place: Place) -> Result<String, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if byte != b'%' {
            let in_host = matches!(place, Place::Host | Place::Zone);
            if in_host && byte < 0x80 && !stands_for_itself(byte, place) {
                let character = printing::quote(&(byte as char).to_string());
                return Err(format!("invalid character {character} in host name"));
            }
            out.push(byte);
            continue;
        }
        let digits = text.as_bytes().get(at + 1..at + 3).unwrap_or(&[]);
        let value = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        let refuse = || {
            let end = (at + 3).min(text.len());
            let shown = String::from_utf8_lossy(&text.as_bytes()[at..end]);
            format!("invalid URL escape {}", printing::quote(&shown))
        };
        let value = value.ok_or_else(refuse)?;
        // A host encodes nothing but what is beyond ASCII; the name of a network card a little more.
        let is_wrong = match place {
            Place::Host => value < 0x80 && digits != b"25",
            Place::Zone => digits != b"25" && value != b' ' && !stands_for_itself(value, Place::Host),
            _ => false,
        };
        if is_wrong {
            return Err(refuse());
        }
        out.push(value);
        bytes.nth(1);
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn parse(text: &str) -> Result<Parts, String> {
    if text.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("net/url: invalid control character in URL".to_owned());
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let mut parts = Parts {
        fragment: decoded(fragment, Place::Fragment)?,
        ..Parts::default()
    };
    let (scheme, rest) = scheme(rest)?;
    parts.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    query.clone_into(&mut parts.query);
    if !rest.starts_with('/') {
        if !parts.scheme.is_empty() {
            rest.clone_into(&mut parts.opaque);
            return Ok(parts);
        }
        if rest.split('/').next().is_some_and(|first| first.contains(':')) {
            return Err("first path segment in URL cannot contain colon".to_owned());
        }
    }
    let mut path = rest;
    let has_authority = !parts.scheme.is_empty() || !rest.starts_with("///");
    if let Some(after) = rest.strip_prefix("//").filter(|_| has_authority) {
        let (authority, after) = after.split_at(after.find('/').unwrap_or(after.len()));
        path = after;
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user), address),
            None => (None, authority),
        };
        parts.host = host(address)?;
        if let Some(user) = user {
            parts.userinfo = userinfo(user)?;
        }
    }
    parts.path = decoded(path, Place::Path)?;
    Ok(parts)
}

/// The scheme, if there is one, and what follows it.
fn scheme(text: &str) -> Result<(&str, &str), String> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..at], &text[at + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn host(address: &str) -> Result<String, String> {
    let check_port = |port: &str| {
        let is_port = port.is_empty()
            || port
                .strip_prefix(':')
                .is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
        if is_port {
            Ok(())
        } else {
            Err(format!("invalid port {} after host", printing::quote(port)))
        }
    };
    if address.starts_with('[') {
        let end = address.rfind(']').ok_or("missing ']' in host")?;
        check_port(&address[end + 1..])?;
        if let Some(zone) = address[..end].find("%25") {
            return Ok(format!(
                "{}{}{}",
                decoded(&address[..zone], Place::Host)?,
                decoded(&address[zone..end], Place::Zone)?,
                decoded(&address[end..], Place::Host)?
            ));
        }
    } else if let Some(colon) = address.rfind(':') {
        check_port(&address[colon..])?;
    }
    decoded(address, Place::Host)
}

/// User and password, encoded anew.
fn userinfo(text: &str) -> Result<String, String> {
    let is_valid =
        |character: char| character.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(character);
    if !text.chars().all(is_valid) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    let anew = |part: &str| decoded(part, Place::User).map(|part| encoded(&part, Place::User));
    match text.split_once(':') {
        Some((user, password)) => Ok(format!("{}:{}", anew(user)?, anew(password)?)),
        None => anew(text),
    }
}

fn join(members: &Dict) -> Result<String, String> {
    let member = |name: &str| match members.get(name) {
        None => Ok(String::new()),
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(other) => Err(format!(
            "unable to parse {name} key, must be of type string, but {} found",
            other.kind()
        )),
    };
    let parts = Parts {
        scheme: member("scheme")?,
        host: member("host")?,
        path: member("path")?,
        query: member("query")?,
        opaque: member("opaque")?,
        fragment: member("fragment")?,
        userinfo: member("userinfo")?,
    };
    let user = if parts.userinfo.is_empty() {
        None
    } else {
        let address = parse(&format!("proto://{}@host", parts.userinfo))
            .map_err(|why| format!("unable to parse userinfo in dict: {why}"))?;
        Some(address.userinfo)
    };
    let mut out = String::new();
    if !parts.scheme.is_empty() {
        out.push_str(&parts.scheme);
        out.push(':');
    }
    if parts.opaque.is_empty() {
        let has_authority = !parts.host.is_empty() || user.is_some();
        if has_authority || !parts.scheme.is_empty() {
            if has_authority || !parts.path.is_empty() {
                out.push_str("//");
            }
            if let Some(user) = &user {
                out.push_str(user);
                out.push('@');
            }
            out.push_str(&encoded(&parts.host, Place::Host));
        }
        let path = if parts.path == "*" {
            "*".to_owned()
        } else {
            encoded(&parts.path, Place::Path)
        };
        if !path.is_empty() && !path.starts_with('/') && !parts.host.is_empty() {
            out.push('/');
        }
        // A colon in the first part of a path would make a scheme of it.
        if out.is_empty() && path.split('/').next().is_some_and(|first| first.contains(':')) {
            out.push_str("./");
        }
        out.push_str(&path);
    } else {
        out.push_str(&parts.opaque);
    }
    if !parts.query.is_empty() {
        out.push('?');
        out.push_str(&parts.query);
    }
    if !parts.fragment.is_empty() {
        out.push('#');
        out.push_str(&encoded(&parts.fragment, Place::Fragment));
    }
    Ok(out)
}
