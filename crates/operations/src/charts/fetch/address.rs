//! Where something lies on the web: what an `http` or `https` address says, and what a relative one means there.
//! Nothing is fetched here.

use std::fmt::{self, Write as _};

use http::Uri;

/// An address without credentials in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) secure: bool,
    /// Host and port.
    pub(super) host: String,
    path: String,
    query: Option<String>,
}

impl Address {
    /// The start of a host.
    pub(super) fn of_host(secure: bool, host: &str) -> Result<Self, String> {
        Self {
            secure,
            host: host.to_ascii_lowercase(),
            path: "/".to_owned(),
            query: None,
        }
        .checked()
    }

    /// Reads an address. What is said about a wrong one does not repeat it: it may hold a password.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("an address begins with https:// or http://")?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err("an address begins with https:// or http://".to_owned()),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (host, rest) = rest.split_at(end);
        if host.contains('@') {
            return Err("an address must not hold a name or a password".to_owned());
        }
        let (path, query) = split_query(rest);
        Self {
            secure,
            host: host.to_ascii_lowercase(),
            path: plain_path(path),
            query,
        }
        .checked()
    }

    /// What a reference in something from here means: an address, or a path from here.
    pub(super) fn join(&self, reference: &str) -> Result<Self, String> {
        if reference.contains("://") {
            return Self::parse(reference);
        }
        if reference.starts_with("//") {
            let scheme = if self.secure { "https" } else { "http" };
            return Self::parse(&format!("{scheme}:{reference}"));
        }
        let (path, query) = split_query(reference);
        let path = if path.starts_with('/') {
            plain_path(path)
        } else {
            let folder = self.path.rfind('/').map_or("/", |at| &self.path[..=at]);
            plain_path(&format!("{folder}{path}"))
        };
        Self {
            path,
            query,
            ..self.clone()
        }
        .checked()
    }

    /// The same place as a folder.
    pub(super) fn folder(mut self) -> Self {
        if !self.path.ends_with('/') {
            self.path.push('/');
        }
        self
    }

    /// With another's query where it has none, on the same host.
    pub(super) fn with_query_of(mut self, other: &Self) -> Self {
        if self.query.is_none() && self.is_beside(other) {
            self.query.clone_from(&other.query);
        }
        self
    }

    /// With more in its query.
    pub(super) fn with_query(mut self, name: &str, value: &str) -> Self {
        let query = self.query.get_or_insert_default();
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~:/,".contains(&byte) {
                query.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(query, "%{byte:02X}");
            }
        }
        self
    }

    /// Whether the same server answers: what is told to one may be told to the other.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        self.secure == other.secure && self.host == other.host
    }

    /// For a request.
    pub(super) fn uri(&self) -> Result<Uri, String> {
        let scheme = if self.secure { "https" } else { "http" };
        let query = self.query.as_ref().map(|query| format!("?{query}"));
        let text = format!(
            "{scheme}://{}{}{}",
            self.host,
            self.path,
            query.unwrap_or_default()
        );
        text.parse::<Uri>()
            .map_err(|error| format!("the address is wrong: {error}"))
    }

    fn checked(self) -> Result<Self, String> {
        if self.host.is_empty() || self.host.starts_with(':') {
            return Err("the address names no host".to_owned());
        }
        self.uri()?;
        Ok(self)
    }
}

/// Without the query, which may hold a key.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.host, self.path)
    }
}

fn split_query(rest: &str) -> (&str, Option<String>) {
    let rest = rest.split('#').next().unwrap_or_default();
    match rest.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (rest, None),
    }
}

/// A path from the root, without `.` and `..`, and without characters that no address holds.
fn plain_path(path: &str) -> String {
    let mut steps: Vec<&str> = Vec::new();
    for step in path.trim_start_matches('/').split('/') {
        match step {
            "." => {}
            ".." => {
                steps.pop();
            }
            step => steps.push(step),
        }
    }
    if path.ends_with("/..") || path.ends_with("/.") {
        steps.push("");
    }
    format!("/{}", steps.join("/")).replace(' ', "%20")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_somewhere() {
        let check = |base: &str, reference: &str, expect: &str| {
            let base = Address::parse(base).unwrap();
            let found = base
                .join(reference)
                .map_or_else(|why| why, |to| to.uri().unwrap().to_string());
            assert_eq!(found, expect, "{reference} at {base}");
        };
        let base = "https://Charts.example.com/stable/?k=1";
        check(base, "a.tgz", "https://charts.example.com/stable/a.tgz");
        check(base, "../x/a b.tgz", "https://charts.example.com/x/a%20b.tgz");
        check(base, "../../../a.tgz", "https://charts.example.com/a.tgz");
        check(base, "/a.tgz?b=c#d", "https://charts.example.com/a.tgz?b=c");
        check(base, "//other:81/a", "https://other:81/a");
        check(base, "HTTP://other/./a", "http://other/a");
        check(
            base,
            "ftp://other/a",
            "an address begins with https:// or http://",
        );
        check(
            base,
            "https://me:secret@other/a",
            "an address must not hold a name or a password",
        );
        check("http://h", "a", "http://h/a");
    }

    #[test]
    fn addresses_are_shown_without_their_keys() {
        let address = Address::parse("https://h/a?key=secret").unwrap();
        assert_eq!(address.to_string(), "https://h/a");
        let more = address.with_query("scope", "repository:a/b:pull x&y");
        assert_eq!(
            more.uri().unwrap().to_string(),
            "https://h/a?key=secret&scope=repository:a/b:pull%20x%26y"
        );
        for wrong in ["https://", "https:///a", "https://h h/", "h/a", "https://:80/"] {
            assert!(Address::parse(wrong).is_err(), "{wrong}");
        }
    }
}
