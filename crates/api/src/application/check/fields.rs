//! What a single field may say, wherever in an Application it stands: names, hosts, ports, paths, images, amounts.

use crate::application::HealthChecks;
use crate::quantity::{Quantity, Resources};
use crate::{NameError, Problem};

/// A host name of at least two labels, without a wildcard.
pub(crate) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.len() <= 253 && text.split('.').count() > 1 && text.split('.').all(label)
}

/// Whole seconds of a duration such as `30s`, `2m` or `1h`, between one second and one hour.
pub(super) fn seconds(text: &str) -> Option<u32> {
    let (number, factor) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 3600),
        _ => return None,
    };
    let seconds = number.parse::<u32>().ok()?.checked_mul(factor)?;
    (1..=3600).contains(&seconds).then_some(seconds)
}

impl HealthChecks {
    /// How long the service may take to start, in whole seconds.
    pub fn startup_seconds(&self) -> Option<u32> {
        self.startup.as_deref().and_then(seconds)
    }
}

pub(super) fn name_problem(field: &str, error: &NameError) -> Problem {
    let problem = Problem::new(field, error.to_string());
    match &error.suggestion {
        Some(suggestion) => problem.hint(suggestion),
        None => problem,
    }
}

pub(super) fn check_choice(found: &mut Vec<Problem>, field: &str, given: Option<&str>, known: &[&str]) {
    if let Some(given) = given
        && !known.contains(&given)
    {
        found.push(
            Problem::new(field, format!("\"{}\" is not offered", given.escape_default()))
                .hint(format!("there is {}", known.join(", "))),
        );
    }
}

pub(super) fn check_port(found: &mut Vec<Problem>, field: &str, port: i32) {
    check_port_number(found, field, port);
    if (1..1024).contains(&port) {
        found.push(
            Problem::new(
                field,
                format!("{port} is a privileged port, and services do not run as root"),
            )
            .hint("use a port from 1024 up, such as 8080"),
        );
    }
}

/// Any port, such as that of somebody else's service.
pub(super) fn check_port_number(found: &mut Vec<Problem>, field: &str, port: i32) {
    if !(1..=65535).contains(&port) {
        found.push(Problem::new(field, format!("{port} is not a port: 1 to 65535")));
    }
}

pub(super) fn check_http_path(found: &mut Vec<Problem>, field: &str, path: &str) {
    if !path.starts_with('/') || path.len() > 512 || path.chars().any(|c| c.is_whitespace() || c.is_control())
    {
        found.push(Problem::new(
            field,
            format!("\"{}\" is not a path that starts with /", path.escape_default()),
        ));
    }
}

pub(super) fn check_image(found: &mut Vec<Problem>, image: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/:@+".contains(c);
    if image.is_empty()
        || image.len() > 512
        || !image.chars().all(plain)
        || image.starts_with(['-', '/', ':', '@'])
    {
        found.push(
            Problem::new(
                "spec.image",
                format!("\"{}\" is not an image", image.escape_default()),
            )
            .hint("such as registry.internal/team/service:v1"),
        );
    }
}

pub(super) fn check_resources(found: &mut Vec<Problem>, resources: &Resources) {
    for (side, amounts) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        for (what, amount) in amounts {
            if amount.milli().is_none() {
                found.push(
                    Problem::new(
                        format!("spec.resources.{side}.{what}"),
                        format!("\"{}\" is not an amount", amount.0),
                    )
                    .hint("such as 100m for CPU and 256Mi for memory"),
                );
            }
        }
    }
    for (what, request) in &resources.requests {
        if let (Some(request), Some(limit)) = (
            request.milli(),
            resources.limits.get(what).and_then(Quantity::milli),
        ) && request > limit
        {
            found.push(Problem::new(
                format!("spec.resources.requests.{what}"),
                "is more than its limit",
            ));
        }
    }
}

pub(crate) fn is_object_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    !text.is_empty()
        && text.len() <= 253
        && text.chars().all(inner)
        && text.starts_with(edge)
        && text.ends_with(edge)
}

pub(super) fn is_database_user(text: &str) -> bool {
    text.len() <= 63
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}
