//! URLs taken apart and put together.

use super::Kind::{Dict as DictKind, Text};
use super::{Function, dict_of, fixed, key, string, text_of};
use crate::value::{Dict, Entries, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("urlParse", &[Text], |_, args| Ok(parse(&text_of(&args[0]))?)),
    fixed("urlJoin", &[DictKind], |_, args| {
        string(join(dict_of(&args[0])?)?)
    }),
];

fn parse(text: &str) -> Result<Value, String> {
    let refuse = |why: &str| format!("unable to parse url: parse {text:?}: {why}");
    if text.chars().any(|c| c.is_ascii_control()) {
        return Err(refuse("net/url: invalid control character in URL"));
    }
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let scheme_length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    let (scheme, rest) = match scheme_length {
        Some(0) if rest.starts_with(':') => return Err(refuse("missing protocol scheme")),
        Some(length)
            if rest[length..].starts_with(':') && rest.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            (rest[..length].to_ascii_lowercase(), &rest[length + 1..])
        }
        _ => (String::new(), rest),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (mut host, mut userinfo, mut path, mut opaque) = ("", "", rest, "");
    if let Some(after) = rest.strip_prefix("//") {
        let length = after.find('/').unwrap_or(after.len());
        host = &after[..length];
        path = &after[length..];
        if let Some((user, bare)) = host.rsplit_once('@') {
            userinfo = user;
            host = bare;
        }
    } else if !scheme.is_empty() && !rest.starts_with('/') {
        opaque = rest;
        path = "";
    }
    let hostname = match host.strip_prefix('[') {
        Some(inner) => inner.split(']').next().unwrap_or(inner),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    let entries = [
        ("scheme", scheme.as_str()),
        ("host", host),
        ("hostname", hostname),
        ("path", path),
        ("query", query),
        ("opaque", opaque),
        ("fragment", fragment),
        ("userinfo", userinfo),
    ];
    Ok(Value::map(
        entries
            .iter()
            .map(|(name, value)| (key(name), Value::str(value)))
            .collect::<Entries>(),
    ))
}

fn join(parts: &Dict) -> Result<String, String> {
    let part = |name: &str| match parts.get(name) {
        None => Ok(String::new()),
        Some(Value::Str(text)) => Ok(text.to_string()),
        Some(other) => Err(format!(
            "unable to parse {name} key, must be of type string, but {} found",
            other.kind()
        )),
    };
    let (scheme, host, path, userinfo) = (part("scheme")?, part("host")?, part("path")?, part("userinfo")?);
    let (query, opaque, fragment) = (part("query")?, part("opaque")?, part("fragment")?);
    let mut out = String::new();
    if !scheme.is_empty() {
        out.push_str(&scheme);
        out.push(':');
    }
    if opaque.is_empty() {
        if !scheme.is_empty() || !host.is_empty() || !userinfo.is_empty() {
            if !host.is_empty() || !path.is_empty() || !userinfo.is_empty() {
                out.push_str("//");
            }
            if !userinfo.is_empty() {
                out.push_str(&userinfo);
                out.push('@');
            }
            out.push_str(&host);
        }
        if !path.is_empty() && !path.starts_with('/') && !host.is_empty() {
            out.push('/');
        }
        out.push_str(&path);
    } else {
        out.push_str(&opaque);
    }
    for (sign, text) in [('?', query), ('#', fragment)] {
        if !text.is_empty() {
            out.push(sign);
            out.push_str(&text);
        }
    }
    Ok(out)
}
