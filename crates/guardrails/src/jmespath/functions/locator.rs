//! A URI in a certificate, in the parts that Go's `net/url` has.

use ::cel::escapes::{escaped, unescaped};
use serde_json::{Value, json};

/// The parts of a URI; `None` when it is none.
pub(super) fn locator(text: &str) -> Option<Value> {
    if text.is_empty() || text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return None;
    }
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (scheme, rest) = match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        Some((first, _)) if !first.contains(['/', '?']) => return None,
        _ => (String::new(), text),
    };
    let lone_question = rest.ends_with('?') && rest.matches('?').count() == 1;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parts = json!({
        "Scheme": scheme, "Opaque": "", "User": null, "Host": "", "Path": "", "RawPath": "", "OmitHost": false,
        "ForceQuery": lone_question, "RawQuery": query, "Fragment": "", "RawFragment": "",
    });
    let (plain, raw) = decoded(fragment, b"$&+,/:;=?@!()*")?;
    (parts["Fragment"], parts["RawFragment"]) = (json!(plain), json!(raw));
    if !scheme.is_empty() && !rest.starts_with('/') {
        parts["Opaque"] = json!(rest);
        return Some(parts);
    }
    let mut path = rest;
    if let Some(authority) = rest.strip_prefix("//")
        && (!scheme.is_empty() || !rest.starts_with("///"))
    {
        let (authority, below) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if !is_host(host) || user.is_some_and(|user| decoded(user, b"").is_none()) {
            return None;
        }
        // What Go keeps of a user is not written.
        parts["User"] = user.map_or(Value::Null, |_| json!({}));
        parts["Host"] = json!(host);
        path = below;
    } else if !scheme.is_empty() && rest.starts_with('/') {
        parts["OmitHost"] = json!(true);
    }
    let (plain, raw) = decoded(path, b"$&+,/:;=@")?;
    (parts["Path"], parts["RawPath"]) = (json!(plain), json!(raw));
    Some(parts)
}

fn is_scheme(text: &str) -> bool {
    text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
}

/// A host that certificates may name: letters, digits, dots and dashes, and a port.
fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    host.is_empty() || (host.len() <= 253 && host.split('.').all(label))
}

/// A text with its escapes undone, and as it was written when it would not be written so again.
fn decoded(text: &str, kept: &[u8]) -> Option<(String, String)> {
    let plain = unescaped(text)?;
    let raw = if escaped(&plain, kept) == text {
        String::new()
    } else {
        text.to_owned()
    };
    Some((String::from_utf8_lossy(&plain).into_owned(), raw))
}
