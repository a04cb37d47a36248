//! The representation a client wants, from its `Accept` header: how an answer is encoded, and which face of an object
//! it shows. Chosen as the real API server chooses, its oddities included.

use http::{HeaderMap, StatusCode, header};

use crate::catalog::Resource;
use crate::status::ApiError;

/// What built-in resources are answered in, in the words of the real API server. Here protobuf is only read: a client
/// that takes nothing else is refused.
const OFFERED: [&str; 3] = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
];
/// What lists are answered in besides, when they are watched.
const STREAMS: [&str; 2] = [
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Yaml,
}

/// The version of `meta.k8s.io` that tables and partial metadata are shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meta {
    V1,
    V1Beta1,
}

impl Meta {
    pub(super) fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

/// How objects are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As they are.
    Whole,
    /// As the rows of a table for people.
    Table(Meta),
    /// Only the metadata of one.
    Metadata(Meta),
    /// Only the metadata of each in a list.
    MetadataList(Meta),
}

/// One entry of the header.
struct Clause<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let parameters = parts.filter_map(|part| part.split_once('=')).collect();
        Self {
            media_type,
            parameters,
        }
    }

    fn parameter(&self, name: &str) -> &'a str {
        self.parameters
            .iter()
            .find(|(key, _)| *key == name)
            .map_or("", |(_, value)| value)
    }

    /// In thousandths; what is no number counts for everything.
    fn quality(&self) -> u32 {
        match self.parameter("q").parse::<f64>() {
            Ok(quality) if (0.0..1.0).contains(&quality) => (quality * 1000.0) as u32,
            _ => 1000,
        }
    }

    /// The first format that fits it.
    fn format(&self) -> Option<Format> {
        match self.media_type {
            "application/json" | "application/*" | "*/*" => Some(Format::Json),
            "application/yaml" => Some(Format::Yaml),
            _ => None,
        }
    }

    /// The shape asked for.
    fn shape(&self) -> Option<Shape> {
        let kind = self.parameter("as");
        if kind.is_empty() {
            return Some(Shape::Whole);
        }
        let meta = match (self.parameter("g"), self.parameter("v")) {
            ("meta.k8s.io", "v1") => Meta::V1,
            ("meta.k8s.io", "v1beta1") => Meta::V1Beta1,
            _ => return None,
        };
        match kind {
            "Table" => Some(Shape::Table(meta)),
            "PartialObjectMetadata" => Some(Shape::Metadata(meta)),
            "PartialObjectMetadataList" => Some(Shape::MetadataList(meta)),
            _ => None,
        }
    }
}

/// The entries of the header, the most wanted first.
fn clauses(headers: &HeaderMap) -> Vec<Clause<'_>> {
    let values = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut clauses: Vec<Clause<'_>> = values
        .flat_map(|value| value.split(','))
        .map(Clause::parse)
        .filter(|clause| !clause.media_type.is_empty())
        .collect();
    clauses.sort_by_key(|clause| (std::cmp::Reverse(clause.quality()), clause.media_type == "*/*"));
    clauses
}

/// What an answer about an object or a list is to be.
pub(super) fn shape(headers: &HeaderMap) -> Result<Shape, ApiError> {
    let clauses = clauses(headers);
    if clauses.is_empty() {
        return Ok(Shape::Whole);
    }
    let found = clauses
        .iter()
        .find_map(|clause| clause.format().and_then(|_| clause.shape()));
    found.ok_or_else(|| ApiError::not_acceptable(&OFFERED.join(", ")))
}

/// The metadata of one was asked for, and there is a list.
pub(super) fn no_single(resource: &Resource) -> ApiError {
    let kind = go_type(resource, &resource.list_kind);
    ApiError::not_shown(format!(
        "you requested PartialObjectMetadata, but the requested object is a list ({kind})"
    ))
}

/// The metadata of a list was asked for, and there is one object.
pub(super) fn no_list(resource: &Resource) -> ApiError {
    if resource.is_custom() {
        return ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "", "content is not a list");
    }
    let kind = go_type(resource, &resource.kind);
    ApiError::not_shown(format!(
        "you requested PartialObjectMetadataList, but the requested object is not a list ({kind})"
    ))
}

/// What the real server calls the type of an object; its refusals name it.
fn go_type(resource: &Resource, kind: &str) -> String {
    if resource.is_custom() {
        return "*unstructured.UnstructuredList".to_owned();
    }
    let package = resource.collection.group.split('.').next().unwrap_or_default();
    let package = if package.is_empty() { "core" } else { package };
    format!("*{package}.{kind}")
}

/// Refuses any shape but the whole, for what has no other.
pub(super) fn whole(headers: &HeaderMap) -> Result<(), ApiError> {
    let clauses = clauses(headers);
    let plain = |clause: &Clause<'_>| clause.format().is_some() && clause.parameter("as").is_empty();
    if clauses.is_empty() || clauses.iter().any(plain) {
        return Ok(());
    }
    Err(ApiError::not_acceptable(&OFFERED.join(", ")))
}

/// Refuses a watch in a form that has no end.
pub(super) fn streams(headers: &HeaderMap) -> Result<(), ApiError> {
    if format(headers) == Format::Yaml {
        return Err(ApiError::not_acceptable(&STREAMS.join(", ")));
    }
    Ok(())
}

/// How the answer is to be encoded, whatever it is. What nobody can have is JSON.
pub(super) fn format(headers: &HeaderMap) -> Format {
    let clauses = clauses(headers);
    let known = |clause: &&Clause<'_>| is_discovery(clause) || clause.shape().is_some();
    let found = clauses.iter().filter(known).find_map(Clause::format);
    found.unwrap_or(Format::Json)
}

/// Whether the entry asks for indented JSON.
pub(super) fn pretty(headers: &HeaderMap) -> bool {
    let clauses = clauses(headers);
    clauses
        .first()
        .is_some_and(|clause| clause.parameter("pretty") == "1")
}

/// What a path offers is looked at before anything else, and without the finer points of the header.
pub(super) fn routed(headers: &HeaderMap, offer: Offer) -> Result<(), ApiError> {
    let clauses = clauses(headers);
    let offered = offer.names();
    let fits = |clause: &Clause<'_>| clause.media_type == "*/*" || offered.contains(&clause.media_type);
    if clauses.is_empty() || clauses.iter().any(fits) {
        return Ok(());
    }
    Err(ApiError::no_representation(&offered.join(", ")))
}

/// What a path can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// An object, or a document of discovery.
    Object,
    /// A list, which can be watched.
    List,
    /// What a container wrote.
    Log,
    /// JSON alone.
    Json,
}

impl Offer {
    fn names(self) -> Vec<&'static str> {
        let (before, after): (&[&str], &[&str]) = match self {
            Self::Object => (&[], &[]),
            Self::List => (&[], &STREAMS),
            Self::Log => (&["text/plain"], &[]),
            Self::Json => return vec![OFFERED[0]],
        };
        before.iter().chain(&OFFERED).chain(after).copied().collect()
    }
}

/// The first of these media types that the client names or, when it takes anything, the first of all.
pub(super) fn named<'a>(headers: &HeaderMap, offered: &[&'a str]) -> Option<&'a str> {
    let clauses = clauses(headers);
    if clauses.is_empty() {
        return offered.first().copied();
    }
    clauses.iter().find_map(|clause| match clause.media_type {
        "*/*" => offered.first().copied(),
        named => offered.iter().copied().find(|offered| *offered == named),
    })
}

/// Whether the client can unpack what is packed.
pub(super) fn unpacks(headers: &HeaderMap) -> bool {
    let encodings = headers.get(header::ACCEPT_ENCODING);
    let encodings = encodings
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    encodings
        .split(',')
        .any(|encoding| encoding.split(';').next().unwrap_or_default().trim() == "gzip")
}

fn is_discovery(clause: &Clause<'_>) -> bool {
    clause.parameter("g") == "apidiscovery.k8s.io"
        && clause.parameter("v") == "v2"
        && clause.parameter("as") == "APIGroupDiscoveryList"
}

/// Whether discovery is wanted in one document (`apidiscovery.k8s.io/v2`) before any other form.
pub(super) fn wants_aggregated(headers: &HeaderMap) -> bool {
    let clauses = clauses(headers);
    let known = clauses.iter().find(|clause| {
        clause.format().is_some() && (is_discovery(clause) || clause.parameter("as").is_empty())
    });
    known.is_some_and(is_discovery)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accept(text: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(text).unwrap());
        headers
    }

    #[test]
    fn the_most_wanted_form_that_there_is() {
        let check = |text: &str, expect: Option<(Format, Shape)>| {
            let headers = accept(text);
            let found = shape(&headers).ok().map(|shape| (format(&headers), shape));
            assert_eq!(found, expect, "{text}");
        };
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        check("*/*", Some((Format::Json, Shape::Whole)));
        check("*/*;q=0", Some((Format::Json, Shape::Whole)));
        check("application/*", Some((Format::Json, Shape::Whole)));
        check("application/yaml", Some((Format::Yaml, Shape::Whole)));
        check(table, Some((Format::Json, Shape::Table(Meta::V1))));
        check(
            "application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json",
            Some((Format::Json, Shape::Table(Meta::V1Beta1))),
        );
        check(
            &format!("text/html, application/json;q=0.3, {table};q=0.2, application/yaml;q=0.9"),
            Some((Format::Yaml, Shape::Whole)),
        );
        check(
            "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/yaml",
            Some((Format::Yaml, Shape::Whole)),
        );
        check("application/json;as=Table;v=v1;g=other.io", None);
        check("application/json;as=Table;v=v2;g=meta.k8s.io", None);
        check("application/json;as=Chair;v=v1;g=meta.k8s.io", None);
        check("text/html", None);
    }

    #[test]
    fn what_a_path_offers_is_told() {
        assert_eq!(routed(&HeaderMap::new(), Offer::Object), Ok(()));
        assert_eq!(routed(&accept("text/html, */*"), Offer::Object), Ok(()));
        let refused = routed(&accept("application/*"), Offer::Json).unwrap_err();
        assert_eq!(
            refused.message,
            "406: Not Acceptable\n\nAvailable representations: application/json"
        );
    }
}
