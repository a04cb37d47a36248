//! URLs, as Kubernetes has them in CEL: what Go takes for the target of a request.

use std::collections::BTreeMap;

use super::network::opaque;
use super::{Args, Style, Table};
use crate::escapes::{self, escaped};
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::opaque::{Opaque, Url};
use crate::value::{Key, Text, Value};

pub(super) const TABLE: Table = &[
    ("url", Style::Plain, url),
    ("isURL", Style::Plain, is_url),
    ("getScheme", Style::Method, |args| {
        part(args, |url| url.scheme.clone())
    }),
    ("getHost", Style::Method, |args| {
        part(args, |url| url.host.clone())
    }),
    ("getHostname", Style::Method, |args| {
        part(args, |url| host_and_port(&url.host).0)
    }),
    ("getPort", Style::Method, |args| {
        part(args, |url| host_and_port(&url.host).1)
    }),
    ("getEscapedPath", Style::Method, |args| {
        part(args, |url| url.path.clone())
    }),
    ("getQuery", Style::Method, query),
];

/// Whether a text is a URL.
pub(super) fn is_url_text(text: &str) -> bool {
    parts(text).is_some()
}

/// A URL with a scheme, or an absolute path.
fn parse_url(text: &str) -> Option<Url> {
    // What is checked is all of it; what is taken ends before the fragment.
    parts(text)?;
    parts(text.split_once('#').map_or(text, |(before, _)| before)).map(|url| Url {
        written: text.to_owned(),
        ..url
    })
}

fn parts(text: &str) -> Option<Url> {
    if text.is_empty() || text.bytes().any(|byte| byte.is_ascii_control()) {
        return None;
    }
    let (scheme, rest) = scheme_of(text)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut url = Url {
        written: String::new(),
        scheme: scheme.to_lowercase(),
        host: String::new(),
        path: String::new(),
        query: query.to_owned(),
    };
    if !rest.starts_with('/') {
        // `mailto:somebody`, or the server as a whole.
        if scheme.is_empty() {
            rest.clone_into(&mut url.path);
        }
        return (!scheme.is_empty() || text == "*").then_some(url);
    }
    let mut path = rest;
    if let Some(authority) = rest.strip_prefix("//")
        && !scheme.is_empty()
    {
        let (authority, below) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let of_user = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
        if !user.bytes().all(of_user) || unescaped(user).is_none() {
            return None;
        }
        url.host = host_of(host)?;
        path = below;
    }
    url.path = escaped_path(path)?;
    Some(url)
}

/// The scheme, which may be missing but not be empty, and what follows it.
fn scheme_of(text: &str) -> Option<(&str, &str)> {
    let end = text
        .bytes()
        .position(|byte| !(byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)))
        .unwrap_or(text.len());
    if !text.starts_with(|first: char| first.is_ascii_alphabetic() || first == ':')
        || text[end..].get(..1) != Some(":")
    {
        return Some(("", text));
    }
    (end > 0).then(|| (&text[..end], &text[end + 1..]))
}

fn is_port(text: &str) -> bool {
    let digits = text.strip_prefix(':');
    text.is_empty() || digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A host with its port, escapes undone.
fn host_of(host: &str) -> Option<String> {
    let of_host =
        |byte: u8| byte >= 0x80 || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte);
    if !host.bytes().all(of_host) {
        return None;
    }
    if let Some(inner) = host.strip_prefix('[') {
        let (address, port) = inner.rsplit_once(']')?;
        let (address, zone) = address
            .split_once("%25")
            .map_or((address, None), |(a, zone)| (a, Some(zone)));
        if address.parse::<std::net::Ipv6Addr>().is_err() || !is_port(port) || zone == Some("") {
            return None;
        }
        let zone = zone.map_or(Some(String::new()), |zone| Some(format!("%{}", unescaped(zone)?)))?;
        return Some(format!("[{address}{zone}]{port}"));
    }
    if let Some(colon) = host.rfind(':')
        && !is_port(&host[colon..])
    {
        return None;
    }
    // Within a host only a percent sign and what is beyond ASCII is written in escapes.
    let mut rest = host;
    while let Some((_, after)) = rest.split_once('%') {
        let digits = after.get(..2)?;
        let byte = u8::from_str_radix(digits, 16).ok()?;
        if byte < 0x80 && digits != "25" {
            return None;
        }
        rest = &after[2..];
    }
    unescaped(host)
}

/// The name of a host and its port, without brackets.
fn host_and_port(host: &str) -> (String, String) {
    let colon = host.rfind(':').filter(|colon| is_port(&host[*colon..]));
    let (name, port) = colon.map_or((host, ""), |colon| (&host[..colon], &host[colon + 1..]));
    let name = name
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(name);
    (name.to_owned(), port.to_owned())
}

/// A path as it is written when it is written well, else with what needs it in escapes.
fn escaped_path(path: &str) -> Option<String> {
    const KEPT: &[u8] = b"$&+,/:;=@";
    let bytes = escapes::unescaped(path)?;
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!'()*[]%".contains(&byte) || KEPT.contains(&byte);
    if path.bytes().all(plain) {
        return Some(path.to_owned());
    }
    Some(escaped(&bytes, KEPT))
}

fn unescaped(text: &str) -> Option<String> {
    escapes::unescaped(text).map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn url<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let text = args.text(0)?;
    let url = parse_url(text).ok_or_else(|| Failure::new(format!("{text:?} is no URL")))?;
    Ok(Value::opaque(Opaque::Url(url)))
}

fn is_url<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::Bool(is_url_text(args.text(0)?)))
}

fn part<'v>(args: &Args<'_, 'v>, choose: impl Fn(&Url) -> String) -> Evaluated<'v> {
    args.exactly::<1>()?;
    match opaque(args, 0)? {
        Opaque::Url(url) => Ok(Value::text(choose(url))),
        _ => Err(args.refuse()),
    }
}

fn query<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let Opaque::Url(url) = opaque(args, 0)? else {
        return Err(args.refuse());
    };
    let mut fields: BTreeMap<Key<'v>, Vec<Value<'v>>> = BTreeMap::new();
    for pair in url
        .query
        .split('&')
        .filter(|pair| !pair.is_empty() && !pair.contains(';'))
    {
        args.budget.spend(1)?;
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let plain = |text: &str| unescaped(&text.replace('+', " "));
        if let (Some(key), Some(value)) = (plain(key), plain(value)) {
            fields
                .entry(Key::Text(Text::from(key)))
                .or_default()
                .push(Value::text(value));
        }
    }
    let fields = fields
        .into_iter()
        .map(|(key, values)| Ok((key, Value::list(values)?)));
    Value::map(fields.collect::<Result<_, Failure>>()?)
}
