//! Addresses and networks, as Kubernetes has them in CEL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Args, Style, Table};
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::opaque::Opaque;
use crate::value::Value;

pub(super) const TABLE: Table = &[
    ("ip", Style::Plain, ip),
    ("ip", Style::Method, network_ip),
    ("isIP", Style::Plain, is_ip),
    ("ip.isCanonical", Style::Plain, is_canonical),
    ("family", Style::Method, family),
    ("isUnspecified", Style::Method, |args| {
        asks(args, |ip| ip.is_unspecified())
    }),
    ("isLoopback", Style::Method, |args| {
        asks(args, |ip| ip.is_loopback())
    }),
    ("isLinkLocalMulticast", Style::Method, |args| {
        asks(args, link_local_multicast)
    }),
    ("isLinkLocalUnicast", Style::Method, |args| {
        asks(args, link_local_unicast)
    }),
    ("isGlobalUnicast", Style::Method, |args| {
        asks(args, global_unicast)
    }),
    ("cidr", Style::Plain, cidr),
    ("isCIDR", Style::Plain, is_cidr),
    ("containsIP", Style::Method, contains_ip),
    ("containsCIDR", Style::Method, contains_cidr),
    ("masked", Style::Method, masked),
    ("prefixLength", Style::Method, prefix_length),
];

fn parse_ip(text: &str) -> Option<IpAddr> {
    let address: IpAddr = text.parse().ok()?;
    // As Kubernetes: an IPv4 address in the clothes of IPv6 is refused.
    match address {
        IpAddr::V6(six) if six.to_ipv4_mapped().is_some() => None,
        address => Some(address),
    }
}

fn parse_cidr(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = text.split_once('/')?;
    let address = parse_ip(address)?;
    if length.is_empty() || (length.len() > 1 && length.starts_with('0')) {
        return None;
    }
    if !length.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let length = length.parse().ok()?;
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
}

/// An address with only its first bits kept.
fn mask(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from(u32::from(four) & mask))
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from(u128::from(six) & mask))
        }
    }
}

fn link_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.octets()[..3] == [224, 0, 0],
        IpAddr::V6(six) => six.segments()[0] & 0xff0f == 0xff02,
    }
}

fn link_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => four.is_link_local(),
        IpAddr::V6(six) => six.segments()[0] & 0xffc0 == 0xfe80,
    }
}

fn global_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(four) if four.is_broadcast());
    !(broadcast
        || address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || link_local_unicast(address))
}

fn ip<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    if let Some(Value::Opaque(_)) = args.values.first() {
        return network_ip(args);
    }
    let text = args.text(0)?;
    let address = parse_ip(text).ok_or_else(|| Failure::new(format!("{text:?} is no IP address")))?;
    Ok(Value::opaque(Opaque::Ip(address)))
}

fn is_ip<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::Bool(parse_ip(args.text(0)?).is_some()))
}

fn is_canonical<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let text = args.text(0)?;
    let address = parse_ip(text).ok_or_else(|| Failure::new(format!("{text:?} is no IP address")))?;
    Ok(Value::Bool(address.to_string() == text))
}

pub(super) fn opaque<'a>(args: &'a Args<'_, '_>, index: usize) -> Result<&'a Opaque, Failure> {
    match args.values.get(index) {
        Some(Value::Opaque(opaque)) => Ok(opaque),
        _ => Err(args.refuse()),
    }
}

fn asks<'v>(args: &Args<'_, 'v>, question: impl Fn(IpAddr) -> bool) -> Evaluated<'v> {
    args.exactly::<1>()?;
    match opaque(args, 0)? {
        Opaque::Ip(address) => Ok(Value::Bool(question(*address))),
        _ => Err(args.refuse()),
    }
}

fn family<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    match opaque(args, 0)? {
        Opaque::Ip(address) => Ok(Value::Int(if address.is_ipv4() { 4 } else { 6 })),
        _ => Err(args.refuse()),
    }
}

fn network(args: &Args<'_, '_>, index: usize) -> Result<(IpAddr, u8), Failure> {
    match args.values.get(index) {
        Some(Value::Text(text)) => {
            parse_cidr(text).ok_or_else(|| Failure::new(format!("{:?} is no CIDR", &**text)))
        }
        Some(Value::Opaque(opaque)) => match &**opaque {
            Opaque::Cidr(address, length) => Ok((*address, *length)),
            _ => Err(args.refuse()),
        },
        _ => Err(args.refuse()),
    }
}

fn cidr<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    args.text(0)?;
    let (address, length) = network(args, 0)?;
    Ok(Value::opaque(Opaque::Cidr(address, length)))
}

fn is_cidr<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::Bool(parse_cidr(args.text(0)?).is_some()))
}

fn receiver(args: &Args<'_, '_>) -> Result<(IpAddr, u8), Failure> {
    opaque(args, 0)?;
    network(args, 0)
}

fn contains_ip<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let (base, length) = receiver(args)?;
    let address = match &args.values[1] {
        Value::Text(text) => {
            parse_ip(text).ok_or_else(|| Failure::new(format!("{:?} is no IP address", &**text)))?
        }
        _ => match opaque(args, 1)? {
            Opaque::Ip(address) => *address,
            _ => return Err(args.refuse()),
        },
    };
    let same_family = base.is_ipv4() == address.is_ipv4();
    Ok(Value::Bool(
        same_family && mask(base, length) == mask(address, length),
    ))
}

fn contains_cidr<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let (base, length) = receiver(args)?;
    let (address, inner) = network(args, 1)?;
    let same_family = base.is_ipv4() == address.is_ipv4();
    Ok(Value::Bool(
        same_family && inner >= length && mask(base, length) == mask(address, length),
    ))
}

fn network_ip<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::opaque(Opaque::Ip(receiver(args)?.0)))
}

fn masked<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let (address, length) = receiver(args)?;
    Ok(Value::opaque(Opaque::Cidr(mask(address, length), length)))
}

fn prefix_length<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::Int(i64::from(receiver(args)?.1)))
}
