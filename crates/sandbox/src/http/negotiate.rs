//! The representation a client wants, from its `Accept` header.

use http::{HeaderMap, header};

use crate::status::ApiError;

/// How objects are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As they are.
    Whole,
    /// As the rows of a table for people.
    Table,
    /// Only their metadata.
    Metadata,
}

/// One entry of the header.
struct Offer<'a> {
    media_type: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Offer<'a> {
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
}

fn offers(headers: &HeaderMap) -> Vec<Offer<'_>> {
    let values = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .filter(|value| !value.trim().is_empty());
    values
        .flat_map(|value| value.split(','))
        .map(Offer::parse)
        .collect()
}

/// The first representation on the client's list that this server has.
pub(super) fn shape(headers: &HeaderMap) -> Result<Shape, ApiError> {
    let offers = offers(headers);
    if offers.is_empty() {
        return Ok(Shape::Whole);
    }
    let found = offers.iter().find_map(|offer| {
        let json = matches!(offer.media_type, "application/json" | "application/*" | "*/*");
        if !json {
            return None;
        }
        match offer.parameter("as") {
            "" => Some(Shape::Whole),
            "Table" if offer.parameter("v") == "v1" => Some(Shape::Table),
            "PartialObjectMetadata" | "PartialObjectMetadataList" => Some(Shape::Metadata),
            _ => None,
        }
    });
    found.ok_or_else(|| {
        ApiError::not_acceptable(
            "application/json, application/json;as=Table;v=v1;g=meta.k8s.io, \
             application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        )
    })
}

/// Whether discovery is wanted in one document (`apidiscovery.k8s.io/v2`) before any other form.
pub(super) fn wants_aggregated(headers: &HeaderMap) -> bool {
    let offers = offers(headers);
    let first = offers.iter().find(|offer| {
        offer.media_type == "application/json"
            && (offer.parameter("as").is_empty() || offer.parameter("v") == "v2")
    });
    first.is_some_and(|offer| {
        offer.parameter("g") == "apidiscovery.k8s.io" && offer.parameter("as") == "APIGroupDiscoveryList"
    })
}
