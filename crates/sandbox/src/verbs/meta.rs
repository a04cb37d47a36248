//! Reading and writing `metadata` of objects held as JSON.

use serde_json::{Map, Value};

use crate::status::{About, ApiError, Cause};

/// The string at a path of field names; empty when there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    let mut at = value;
    for step in path {
        match at.get(step) {
            Some(next) => at = next,
            None => return "",
        }
    }
    at.as_str().unwrap_or_default()
}

/// `metadata`, made when it is absent.
pub(super) fn metadata_mut(object: &mut Value) -> Result<&mut Map<String, Value>, ApiError> {
    let object = object
        .as_object_mut()
        .ok_or_else(|| ApiError::bad_request("the body of the request is not an object"))?;
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(Map::new()));
    if metadata.is_null() {
        *metadata = Value::Object(Map::new());
    }
    metadata
        .as_object_mut()
        .ok_or_else(|| ApiError::bad_request("metadata is not an object"))
}

/// Moves a field from the old metadata to the new, or removes it from the new when the old has none.
pub(super) fn carry(new: &mut Map<String, Value>, old: Option<&Map<String, Value>>, field: &str) {
    match old.and_then(|old| old.get(field)) {
        Some(value) => new.insert(field.to_owned(), value.clone()),
        None => new.remove(field),
    };
}

/// The finalizers of an object.
pub(super) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    let listed = object
        .get("metadata")
        .and_then(|metadata| metadata.get("finalizers"))
        .and_then(Value::as_array);
    listed.into_iter().flatten().filter_map(Value::as_str)
}

/// How long a name may be and what it may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum NameRule {
    /// RFC 1123 label: 63 characters.
    Label,
    /// RFC 1035 label: as above, beginning with a letter.
    Label1035,
    /// RFC 1123 subdomain: labels joined by dots, 253 characters.
    Subdomain,
    /// Whatever fits into a path.
    Path,
}

fn rule(group: &str, plural: &str) -> NameRule {
    match (group, plural) {
        ("", "namespaces") => NameRule::Label,
        ("", "services") => NameRule::Label1035,
        ("rbac.authorization.k8s.io", _) => NameRule::Path,
        _ => NameRule::Subdomain,
    }
}

/// Says what is wrong with an object's name, as the API server does.
pub(super) fn check_name(about: About<'_>, field: &str) -> Option<Cause> {
    let name = about.name;
    let label = |part: &str| {
        let edge =
            |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        part.len() <= 253
            && edge(part.bytes().next())
            && edge(part.bytes().last())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let (most, fits, why) = match rule(about.group, about.plural) {
        NameRule::Label => (
            63,
            label(name),
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
             and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ),
        NameRule::Label1035 => (
            63,
            label(name) && name.as_bytes()[0].is_ascii_lowercase(),
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
             character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
             validation is '[a-z]([-a-z0-9]*[a-z0-9])?')",
        ),
        NameRule::Subdomain => (
            253,
            name.split('.').all(label),
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
             must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
             '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ),
        NameRule::Path => (
            usize::MAX,
            name != "." && name != ".." && !name.contains(['/', '%', '\0']),
            "may not be '.' or '..' and may not contain '/' or '%'",
        ),
    };
    if name.len() > most {
        let message = format!("Invalid value: {name:?}: must be no more than {most} characters");
        return Some(Cause::new("FieldValueInvalid", field, message));
    }
    (!fits).then(|| {
        Cause::new(
            "FieldValueInvalid",
            field,
            format!("Invalid value: {name:?}: {why}"),
        )
    })
}
