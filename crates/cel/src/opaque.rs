//! Values that are more than their fields: addresses, quantities, versions, and what a host adds.

use std::any::Any;
use std::fmt::{Debug, Display};
use std::net::IpAddr;

use serde_json::Value as Json;

use crate::quantity::Quantity;
use crate::semver::Version;

/// A value of a type that only functions look into.
#[derive(Debug)]
pub enum Opaque {
    /// An address.
    Ip(IpAddr),
    /// A block of addresses, by how many bits they share.
    Cidr(IpAddr, u8),
    /// A URL.
    Url(Url),
    /// A quantity.
    Quantity(Quantity),
    /// A version, and how it was written.
    Semver(Version, String),
    /// A format of names, such as `dns1123Label`.
    Format(&'static str),
    /// Of a type that the host has.
    Foreign(Box<dyn Foreign>),
}

/// The parts of an absolute URL, or of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    pub(crate) written: String,
    pub(crate) scheme: String,
    /// With the port, as written.
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) query: String,
}

/// A value of a type that only the functions of a host know; as a text it is what JSON has of it.
pub trait Foreign: Debug + Display {
    /// The name of its type.
    fn type_name(&self) -> &'static str;

    /// Whether another value is the same.
    fn same(&self, other: &dyn Foreign) -> bool;

    /// The value itself, for those who know its type.
    fn as_any(&self) -> &dyn Any;
}

/// Versions are the same whatever is said of their builds.
impl PartialEq for Opaque {
    fn eq(&self, other: &Opaque) -> bool {
        match (self, other) {
            (Opaque::Semver(left, _), Opaque::Semver(right, _)) => left == right,
            (Opaque::Quantity(left), Opaque::Quantity(right)) => left == right,
            (Opaque::Ip(left), Opaque::Ip(right)) => left == right,
            (Opaque::Cidr(left, length), Opaque::Cidr(right, other)) => (left, length) == (right, other),
            (Opaque::Url(left), Opaque::Url(right)) => left == right,
            (Opaque::Format(left), Opaque::Format(right)) => left == right,
            (Opaque::Foreign(left), Opaque::Foreign(right)) => left.same(&**right),
            _ => false,
        }
    }
}

impl Opaque {
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Opaque::Ip(_) => "net.IP",
            Opaque::Cidr(..) => "net.CIDR",
            Opaque::Url(_) => "kubernetes.URL",
            Opaque::Quantity(_) => "kubernetes.Quantity",
            Opaque::Semver(..) => "kubernetes.Semver",
            Opaque::Format(_) => "kubernetes.NamedFormat",
            Opaque::Foreign(foreign) => foreign.type_name(),
        }
    }

    pub(crate) fn to_json(&self) -> Json {
        Json::String(self.to_string())
    }
}

impl std::fmt::Display for Opaque {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Opaque::Ip(address) => write!(formatter, "{address}"),
            Opaque::Cidr(address, length) => write!(formatter, "{address}/{length}"),
            Opaque::Url(url) => formatter.write_str(&url.written),
            Opaque::Quantity(quantity) => write!(formatter, "{quantity}"),
            Opaque::Semver(_, written) => formatter.write_str(written),
            Opaque::Format(name) => formatter.write_str(name),
            Opaque::Foreign(foreign) => write!(formatter, "{foreign}"),
        }
    }
}
