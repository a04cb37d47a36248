//! What an Application may say beyond its shape.

mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{ApplicationSpec, KNOWN_ALERTS, Latency, Overrides, Slo};
use crate::claim::{CacheType, DatabaseType};
use crate::size::Size;
use crate::{Name, Problem};
use fields::{
    check_choice, check_http_path, check_image, check_port, check_port_number, check_resources,
    is_database_user, name_problem, seconds,
};
pub(crate) use fields::{is_host, is_object_name};
use schedule::{Schedule, time_zone};

impl ApplicationSpec {
    /// Everything wrong with this spec beyond its shape, for the service called `name`.
    ///
    /// What needs the cluster, the golden path or the team is judged elsewhere.
    pub fn problems(&self, name: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        if let Err(error) = Name::parse("service", name) {
            found.push(name_problem("metadata.name", &error));
        }
        if name == crate::DEPLOYER {
            found.push(Problem::new(
                "metadata.name",
                format!("\"{name}\" is the account that writes a namespace's services"),
            ));
        }
        if let Some(image) = &self.image {
            check_image(&mut found, image);
        }
        if let Some(language) = &self.language
            && Name::parse("language", language).is_err()
        {
            found.push(Problem::new(
                "spec.language",
                format!("\"{language}\" is not the name of a language"),
            ));
        }
        if let Some(replicas) = self.replicas
            && !(0..=1000).contains(&replicas)
        {
            found.push(Problem::new(
                "spec.replicas",
                format!("{replicas} is not between 0 and 1000"),
            ));
        }
        if let Some(size) = &self.size
            && let Err(error) = Size::service(size)
        {
            found.push(Problem::new("spec.size", error.to_string()));
        }
        if let Some(resources) = &self.resources {
            check_resources(&mut found, resources);
        }
        self.check_ports(&mut found);
        self.check_health(&mut found);
        self.check_env(&mut found);
        self.check_files(&mut found);
        self.check_dependencies(&mut found);
        self.check_callers(&mut found);
        self.check_stores(&mut found);
        self.check_running(&mut found);
        self.check_route(&mut found);
        if let Some(overrides) = &self.overrides {
            overrides.check(&mut found);
        }
        if let Some(monitoring) = &self.monitoring {
            for alert in monitoring
                .alerts
                .iter()
                .filter(|a| !KNOWN_ALERTS.contains(&a.as_str()))
            {
                found.push(
                    Problem::new("spec.monitoring.alerts", format!("unknown alert \"{alert}\""))
                        .hint(format!("there are {}", KNOWN_ALERTS.join(" and "))),
                );
            }
            if let Some(path) = &monitoring.path {
                check_http_path(&mut found, "spec.monitoring.path", path);
            }
            if let Some(slo) = &monitoring.slo {
                slo.check(&mut found);
            }
        }
        found
    }

    fn check_running(&self, found: &mut Vec<Problem>) {
        if let Some(autoscaling) = &self.autoscaling {
            if self.replicas.is_some() {
                found.push(
                    Problem::new("spec.replicas", "replicas and autoscaling cannot both be given")
                        .hint("the autoscaler decides between autoscaling.min and autoscaling.max"),
                );
            }
            let min = autoscaling.least();
            if min < 1 || autoscaling.max < min || autoscaling.max > 1000 {
                found.push(Problem::new(
                    "spec.autoscaling",
                    format!("{min} to {} is not a range from 1 to 1000", autoscaling.max),
                ));
            }
            if autoscaling.cpu.is_some_and(|cpu| !(1..=100).contains(&cpu)) {
                found.push(Problem::new(
                    "spec.autoscaling.cpu",
                    "is not a percentage from 1 to 100",
                ));
            }
        }
        if let Some(rollout) = &self.rollout {
            let amounts = [
                ("maxSurge", &rollout.max_surge),
                ("maxUnavailable", &rollout.max_unavailable),
            ];
            for (field, amount) in amounts {
                if let Some(amount) = amount
                    && !amount.is_valid()
                {
                    found.push(
                        Problem::new(
                            format!("spec.rollout.{field}"),
                            format!("{} is not a number of copies", amount.0),
                        )
                        .hint("such as 1 or 25%"),
                    );
                }
            }
            let surges = rollout.max_surge.as_ref().is_none_or(|share| !share.is_zero());
            let yields = rollout
                .max_unavailable
                .as_ref()
                .is_some_and(|share| !share.is_zero());
            if !surges && !yields {
                found.push(Problem::new(
                    "spec.rollout",
                    "with neither a copy more nor a copy less nothing could ever be replaced",
                ));
            }
        }
        if let Some(schedule) = &self.schedule
            && let Err(error) = Schedule::parse(schedule)
        {
            found.push(
                Problem::new(
                    "spec.schedule",
                    format!("\"{}\" is not a schedule: {error}", schedule.escape_default()),
                )
                .hint(
                    "five fields: minute, hour, day of month, month, day of week, such as \"*/15 * * * *\"",
                ),
            );
        }
        if let Some(zone) = &self.time_zone {
            if time_zone(zone).is_none() {
                found.push(
                    Problem::new(
                        "spec.timeZone",
                        format!("\"{}\" is not a time zone", zone.escape_default()),
                    )
                    .hint("such as Europe/Berlin"),
                );
            }
            if self.schedule.is_none() {
                found.push(Problem::new("spec.timeZone", "means nothing without a schedule"));
            }
        }
    }

    fn check_route(&self, found: &mut Vec<Problem>) {
        let Some(route) = &self.route else { return };
        if let Some(host) = &route.host
            && !is_host(host)
        {
            found.push(
                Problem::new(
                    "spec.route.host",
                    format!("\"{}\" is not a host name", host.escape_default()),
                )
                .hint("such as api.example.com; no wildcard, no port, no scheme"),
            );
        }
        if let Some(path) = &route.path {
            check_http_path(found, "spec.route.path", path);
        }
    }

    fn check_ports(&self, found: &mut Vec<Problem>) {
        if self.port.is_some() && !self.ports.is_empty() {
            found.push(
                Problem::new("spec.ports", "port and ports cannot both be given")
                    .hint("move the port into ports"),
            );
        }
        if let Some(port) = self.port {
            check_port(found, "spec.port", port);
        }
        let mut names = BTreeSet::new();
        for (index, port) in self.ports.iter().enumerate() {
            let field = format!("spec.ports[{index}]");
            check_port(found, &format!("{field}.port"), port.port);
            if port.name.len() > 15 || Name::parse("port", &port.name).is_err() {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!("\"{}\" is not a port name: lowercase letters, digits and hyphens, at most 15 characters", port.name),
                ));
            }
            if !names.insert(&port.name) {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!("\"{}\" is used twice", port.name),
                ));
            }
            if let Some(protocol) = &port.protocol
                && !["TCP", "UDP", "SCTP"].contains(&protocol.as_str())
            {
                found.push(Problem::new(
                    format!("{field}.protocol"),
                    format!("\"{protocol}\" is not TCP, UDP or SCTP"),
                ));
            }
        }
    }

    fn check_health(&self, found: &mut Vec<Problem>) {
        let Some(health) = &self.health else { return };
        for (field, path) in [
            ("spec.health.path", &health.path),
            ("spec.health.ready", &health.ready),
        ] {
            if let Some(path) = path {
                check_http_path(found, field, path);
            }
        }
        if let Some(startup) = &health.startup
            && seconds(startup).is_none()
        {
            found.push(
                Problem::new(
                    "spec.health.startup",
                    format!("\"{startup}\" is not a duration between 1s and 1h"),
                )
                .hint("such as 30s or 2m"),
            );
        }
    }

    fn check_env(&self, found: &mut Vec<Problem>) {
        let mut names = BTreeSet::new();
        for (index, variable) in self.env.iter().enumerate() {
            let field = format!("spec.env[{index}]");
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
            if variable.name.is_empty()
                || variable.name.starts_with(|c: char| c.is_ascii_digit())
                || !variable.name.chars().all(plain)
            {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!(
                        "\"{}\" is not the name of an environment variable",
                        variable.name.escape_default()
                    ),
                ));
            }
            if !names.insert(&variable.name) {
                found.push(Problem::new(
                    format!("{field}.name"),
                    format!("\"{}\" is set twice", variable.name),
                ));
            }
            if variable.value.is_some() == variable.from.is_some() {
                found.push(Problem::new(
                    field,
                    "needs either a value or a from, and not both",
                ));
            }
        }
    }

    fn check_files(&self, found: &mut Vec<Problem>) {
        for name in self.config.keys() {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-';
            if name.is_empty() || name.len() > 253 || name.starts_with("..") || !name.chars().all(plain) {
                found.push(Problem::new(
                    "spec.config",
                    format!("\"{}\" cannot be a file name", name.escape_default()),
                ));
            }
        }
        for (index, secret) in self.secrets.iter().enumerate() {
            if !is_object_name(&secret.name) {
                found.push(Problem::new(
                    format!("spec.secrets[{index}].name"),
                    "is not the name of a secret",
                ));
            }
        }
        let mut paths = BTreeSet::new();
        for (index, storage) in self.storage.iter().enumerate() {
            let field = format!("spec.storage[{index}]");
            if !storage.path.starts_with('/')
                || storage.path == "/"
                || storage.path.contains("..")
                || storage.path.contains(':')
            {
                found.push(Problem::new(
                    format!("{field}.path"),
                    format!("\"{}\" is not an absolute folder", storage.path),
                ));
            }
            if !paths.insert(&storage.path) {
                found.push(Problem::new(
                    format!("{field}.path"),
                    format!("\"{}\" is used twice", storage.path),
                ));
            }
            if storage.size.milli().is_none_or(|n| n <= 0) {
                found.push(Problem::new(
                    format!("{field}.size"),
                    format!("\"{}\" is not an amount such as 10Gi", storage.size.0),
                ));
            }
        }
    }

    fn check_dependencies(&self, found: &mut Vec<Problem>) {
        for (index, dependency) in self.depends_on.iter().enumerate() {
            let field = format!("spec.dependsOn[{index}]");
            match (&dependency.application, &dependency.host) {
                (Some(application), None) => {
                    if let Err(error) = Name::parse("service", application) {
                        found.push(name_problem(&format!("{field}.application"), &error));
                    }
                }
                (None, Some(host)) if is_object_name(host) => {}
                (None, Some(host)) => {
                    found.push(Problem::new(
                        format!("{field}.host"),
                        format!("\"{}\" is not a host name", host.escape_default()),
                    ));
                }
                _ => found.push(Problem::new(
                    &field,
                    "needs either an application or a host, and not both",
                )),
            }
            if let Some(port) = dependency.port {
                check_port_number(found, &format!("{field}.port"), port);
            }
        }
    }

    fn check_callers(&self, found: &mut Vec<Problem>) {
        for (index, caller) in self.allow_from.iter().enumerate() {
            let field = format!("spec.allowFrom[{index}]");
            if caller.application.is_none() && caller.namespace.is_none() {
                found.push(Problem::new(&field, "needs an application, a namespace, or both"));
            }
            if let Some(application) = caller.application.as_deref().filter(|a| *a != "*")
                && let Err(error) = Name::parse("service", application)
            {
                found.push(name_problem(&format!("{field}.application"), &error));
            }
            if let Some(namespace) = &caller.namespace
                && (namespace.len() > 63 || namespace.contains('.') || !is_object_name(namespace))
            {
                found.push(Problem::new(
                    format!("{field}.namespace"),
                    format!("\"{}\" is not a namespace", namespace.escape_default()),
                ));
            }
        }
    }

    fn check_stores(&self, found: &mut Vec<Problem>) {
        if let Some(database) = &self.database {
            if let Some(size) = &database.size
                && let Err(error) = Size::database(size)
            {
                found.push(Problem::new("spec.database.size", error.to_string()));
            }
            if let Some(user) = &database.user
                && !is_database_user(user)
            {
                found.push(
                    Problem::new(
                        "spec.database.user",
                        format!("\"{}\" cannot be a database user", user.escape_default()),
                    )
                    .hint(
                        "a letter or underscore, then letters, digits and underscores, at most 63 characters",
                    ),
                );
            }
            check_choice(
                found,
                "spec.database.version",
                database.version.as_deref(),
                DatabaseType::VERSIONS,
            );
            check_choice(
                found,
                "spec.database.class",
                database.class.as_deref(),
                &["in-cluster"],
            );
        }
        if let Some(cache) = &self.cache {
            if let Some(size) = &cache.size
                && let Err(error) = Size::cache(size)
            {
                found.push(Problem::new("spec.cache.size", error.to_string()));
            }
            check_choice(
                found,
                "spec.cache.version",
                cache.version.as_deref(),
                CacheType::VERSIONS,
            );
            check_choice(found, "spec.cache.class", cache.class.as_deref(), &["in-cluster"]);
        }
    }
}

impl Slo {
    fn check(&self, found: &mut Vec<Problem>) {
        if self
            .availability
            .is_some_and(|share| !(50.0..=99.999).contains(&share))
        {
            found.push(
                Problem::new("spec.monitoring.slo.availability", "is not between 50 and 99.999")
                    .hint("a percentage of requests, such as 99.9"),
            );
        }
        if let Some(latency) = &self.latency
            && let Some(p99) = &latency.p99
            && latency.p99_milliseconds().is_none()
        {
            found.push(
                Problem::new(
                    "spec.monitoring.slo.latency.p99",
                    format!(
                        "\"{}\" is not a duration between 1ms and 60s",
                        p99.escape_default()
                    ),
                )
                .hint("such as 300ms or 2s"),
            );
        }
    }
}

impl Latency {
    /// What 99 of a hundred requests stay under, in milliseconds.
    pub fn p99_milliseconds(&self) -> Option<u32> {
        let text = self.p99.as_deref()?;
        let (number, factor) = match text.strip_suffix("ms") {
            Some(number) => (number, 1),
            None => (text.strip_suffix('s')?, 1000),
        };
        let milliseconds = number.parse::<u32>().ok()?.checked_mul(factor)?;
        (1..=60_000).contains(&milliseconds).then_some(milliseconds)
    }
}

impl Overrides {
    /// More than this in one Application is no longer an exception.
    const MOST_BYTES: usize = 64 * 1024;

    fn check(&self, found: &mut Vec<Problem>) {
        let size = serde_json::to_string(self).map_or(usize::MAX, |text| text.len());
        if size > Self::MOST_BYTES {
            found.push(
                Problem::new("spec.overrides", "hold more than 64 KiB")
                    .hint("a service this different wants a golden path of its own"),
            );
        }
        for (index, patch) in self.patches.iter().enumerate() {
            let field = format!("spec.overrides.patches[{index}]");
            if !patch.patch.is_object() && !patch.patch.is_array() {
                found.push(
                    Problem::new(
                        format!("{field}.patch"),
                        "is neither an object nor a list of operations",
                    )
                    .hint("the fields to set, or JSON Patch operations"),
                );
            }
            if patch.target.kind.is_empty() {
                found.push(Problem::new(format!("{field}.target.kind"), "names no kind"));
            }
        }
    }
}
