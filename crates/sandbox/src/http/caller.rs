//! Who sends a request: what its headers show, and whom they ask to act as.

use std::collections::BTreeMap;

use http::request::Parts;
use http::{HeaderMap, HeaderName, header};

use super::path::{percent_decode, segments};
use super::query::Query;
use crate::User;
use crate::engine::Engine;
use crate::security::{Action, Entrance};
use crate::status::ApiError;

const EXTRA: &str = "impersonate-extra-";

/// The user that a request is taken as, once it is known that this user may do what it wants.
pub(super) fn admitted(engine: &Engine, parts: &Parts) -> Result<User, ApiError> {
    let action = action(parts)?;
    let inside = Entrance::Inside(User::administrator());
    let entrance = parts.extensions.get::<Entrance>().unwrap_or(&inside);
    let asker = engine.authenticate(entrance, bearer(&parts.headers), &action)?;
    let user = match wanted(&parts.headers)? {
        Some(wanted) => engine.impersonate(&asker, &wanted, &action)?,
        None => asker,
    };
    engine.authorize(&user, &action)?;
    Ok(user)
}

/// Lets go wrong what a test wants to go wrong with this request.
pub(super) async fn strike(engine: &Engine, parts: &Parts) -> Result<(), ApiError> {
    match &engine.faults {
        Some(faults) => faults.strike(&action(parts)?, engine.clock()).await,
        None => Ok(()),
    }
}

fn action(parts: &Parts) -> Result<Action, ApiError> {
    let segments = segments(parts.uri.path())?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    // A query that cannot be read is refused later, and to those only who may ask at all.
    let query = Query::parse(&parts.uri).unwrap_or_default();
    let mut fields = query.text("fieldSelector").split(',');
    let named = fields.find_map(|field| {
        let name = field.strip_prefix("metadata.name=")?;
        Some(name.strip_prefix('=').unwrap_or(name))
    });
    let named = named.filter(|name| !name.is_empty());
    Ok(Action::of(&parts.method, &segments, query.flag("watch"), named))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let given = headers.get(header::AUTHORIZATION)?.to_str().ok()?.trim();
    let mut parts = given.splitn(3, ' ');
    let bearer = parts.next()?.eq_ignore_ascii_case("bearer");
    parts.next().filter(|token| bearer && !token.is_empty())
}

/// Whom the headers ask to act as, word by word; `None` when they name nobody.
fn wanted(headers: &HeaderMap) -> Result<Option<User>, ApiError> {
    let words = |name: &HeaderName| -> Vec<String> {
        let values = headers.get_all(name).iter();
        values
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    };
    let first = |name: &'static str| {
        let words = words(&HeaderName::from_static(name));
        words.into_iter().next().unwrap_or_default()
    };
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in headers.keys() {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            let key = percent_decode(key).unwrap_or_else(|| key.to_owned());
            extra.entry(key).or_default().extend(words(name));
        }
    }
    let user = User {
        name: first("impersonate-user"),
        uid: first("impersonate-uid"),
        groups: words(&HeaderName::from_static("impersonate-group")),
        extra,
    };
    match (user.name.is_empty(), user == User::default()) {
        (false, _) => Ok(Some(user)),
        (true, true) => Ok(None),
        (true, false) => Err(ApiError::bad_request(format!(
            "requested {} without impersonating a user name",
            in_go(&user)
        ))),
    }
}

/// A user as the real API server prints one.
fn in_go(user: &User) -> String {
    let words = |words: &[String]| match words {
        [] => "[]string(nil)".to_owned(),
        words => {
            let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
            format!("[]string{{{}}}", words.join(", "))
        }
    };
    let extra = user.extra.iter();
    let extra: Vec<String> = extra
        .map(|(key, values)| format!("{key:?}:{}", words(values)))
        .collect();
    let extra = if extra.is_empty() {
        "(nil)".to_owned()
    } else {
        format!("{{{}}}", extra.join(", "))
    };
    format!(
        "&user.DefaultInfo{{Name:{:?}, UID:{:?}, Groups:{}, Extra:map[string][]string{extra}}}",
        user.name,
        user.uid,
        words(&user.groups),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn headers_name_somebody_else() {
        let who = |pairs: &[(&'static str, &'static str)]| wanted(&headers(pairs));
        assert_eq!(who(&[("accept", "a/b")]), Ok(None));
        assert!(who(&[("impersonate-group", "a")]).is_err());
        assert!(who(&[("impersonate-extra-a", "b")]).is_err());
        let user = who(&[
            ("impersonate-user", "jo"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-extra-x%2fy", "1"),
            ("impersonate-uid", "7"),
        ]);
        let user = user.unwrap().unwrap();
        assert_eq!((user.name.as_str(), user.uid.as_str()), ("jo", "7"));
        assert_eq!(user.groups, ["a", "b"]);
        assert_eq!(user.extra["x/y"], ["1"]);
    }

    #[test]
    fn tokens_stand_in_one_header() {
        let check = |value: &'static str, expect: Option<&str>| {
            assert_eq!(bearer(&headers(&[("authorization", value)])), expect, "{value}");
        };
        check("Bearer a", Some("a"));
        check("bearer a", Some("a"));
        check(" Bearer a ", Some("a"));
        check("Bearer a b", Some("a"));
        check("Bearer", None);
        check("Bearer  a", None);
        check("Basic a", None);
        check("", None);
    }
}
