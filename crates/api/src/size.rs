//! Named sizes: what `small` means for a service, a database and a cache.

use crate::quantity::{Quantity, Resources};
use std::collections::BTreeMap;

/// What a size stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Size {
    /// What the container asks for and may use.
    pub resources: Resources,
    /// How much disk, where the thing keeps data.
    pub storage: Quantity,
}

/// A size that nobody can read, with those that can be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} size \"{given}\"; there are {known}")]
pub struct SizeError {
    /// What was given.
    pub given: String,
    /// What it was to size: "service", "database" or "cache".
    pub what: &'static str,
    /// The sizes that exist, in words.
    pub known: &'static str,
}

/// requests.cpu, requests.memory, limits.cpu, limits.memory, storage
type Row = (&'static str, [&'static str; 5]);

const SERVICE: &[Row] = &[
    ("small", ["100m", "128Mi", "500m", "512Mi", "1Gi"]),
    ("medium", ["250m", "256Mi", "1", "1Gi", "5Gi"]),
    ("large", ["1", "1Gi", "2", "2Gi", "10Gi"]),
];
const DATABASE: &[Row] = &[
    ("small", ["250m", "256Mi", "1", "1Gi", "10Gi"]),
    ("medium", ["1", "2Gi", "2", "4Gi", "50Gi"]),
    ("large", ["2", "8Gi", "4", "16Gi", "200Gi"]),
];
const CACHE: &[Row] = &[
    ("small", ["100m", "128Mi", "500m", "256Mi", "1Gi"]),
    ("medium", ["250m", "512Mi", "1", "1Gi", "4Gi"]),
    ("large", ["500m", "2Gi", "2", "4Gi", "16Gi"]),
];

impl Size {
    /// The size of a service.
    pub fn service(name: &str) -> Result<Self, SizeError> {
        named(SERVICE, name).ok_or_else(|| error("service", name, "small, medium and large"))
    }

    /// The size of a database of the in-cluster class, which also reads Cloud SQL tiers: `db-custom-2-8192` is
    /// 2 CPUs and 8192 MiB.
    pub fn database(name: &str) -> Result<Self, SizeError> {
        named(DATABASE, name).or_else(|| tier(name)).ok_or_else(|| {
            error(
                "database",
                name,
                "small, medium, large and db-custom-CPUS-MEBIBYTES",
            )
        })
    }

    /// The size of a cache of the in-cluster class.
    pub fn cache(name: &str) -> Result<Self, SizeError> {
        named(CACHE, name).ok_or_else(|| error("cache", name, "small, medium and large"))
    }
}

fn error(what: &'static str, given: &str, known: &'static str) -> SizeError {
    SizeError {
        given: given.chars().take(80).collect(),
        what,
        known,
    }
}

fn named(table: &[Row], name: &str) -> Option<Size> {
    table
        .iter()
        .find(|(n, _)| *n == name)
        .map(|(_, [rc, rm, lc, lm, storage])| Size {
            resources: resources(rc, rm, lc, lm),
            storage: Quantity::from(*storage),
        })
}

fn tier(name: &str) -> Option<Size> {
    let (cpus, mebibytes) = name.strip_prefix("db-custom-")?.split_once('-')?;
    let cpus: u32 = cpus.parse().ok().filter(|n| (1..=96).contains(n))?;
    let mebibytes: u32 = mebibytes.parse().ok().filter(|n| (256..=655_360).contains(n))?;
    let (cpu, memory) = (cpus.to_string(), format!("{mebibytes}Mi"));
    Some(Size {
        resources: resources(&cpu, &memory, &cpu, &memory),
        storage: Quantity::from("10Gi"),
    })
}

fn resources(request_cpu: &str, request_memory: &str, limit_cpu: &str, limit_memory: &str) -> Resources {
    let pair = |cpu: &str, memory: &str| {
        BTreeMap::from([
            ("cpu".to_owned(), Quantity::from(cpu)),
            ("memory".to_owned(), Quantity::from(memory)),
        ])
    };
    Resources {
        requests: pair(request_cpu, request_memory),
        limits: pair(limit_cpu, limit_memory),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cloud_sql_tiers_are_sizes() {
        let size = Size::database("db-custom-2-8192").unwrap();
        assert_eq!(size.resources.limits["cpu"], Quantity::from("2"));
        assert_eq!(size.resources.limits["memory"], Quantity::from("8192Mi"));
        for bad in [
            "db-custom-2",
            "db-custom-0-8192",
            "db-custom-2-8192-x",
            "db-f1-micro",
            "huge",
            "",
        ] {
            assert!(Size::database(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_never_exceeds_its_limit() {
        for table in [SERVICE, DATABASE, CACHE] {
            for (name, _) in table {
                let size = named(table, name).unwrap();
                for (key, request) in &size.resources.requests {
                    assert!(
                        request.milli() <= size.resources.limits[key].milli(),
                        "{name} {key}"
                    );
                }
            }
        }
    }
}
