//! `GoldenPath`: how the platform team offers a chart to the teams.

use kube::core::Object;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::status::Condition;
use crate::{Name, Problem};

/// One golden path.
pub type GoldenPath = Object<GoldenPathSpec, GoldenPathStatus>;

/// What a golden path is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenPathSpec {
    /// What it is for, in a line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub description: Option<String>,
    /// What runs on it. service when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<WorkloadKind>,
    /// The languages it is for; all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub languages: Vec<String>,
    /// Whether services follow it that name no path. Only one path can be the default.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub default: bool,
    /// Why nobody should begin with it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deprecated: Option<Deprecation>,
    /// Its versions. A service that names none follows the newest.
    #[schemars(length(min = 1, max = 100))]
    pub versions: Vec<GoldenPathVersion>,
}

/// What runs on a golden path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WorkloadKind {
    /// Answers requests.
    #[default]
    Service,
    /// Works in the background.
    Worker,
    /// Runs on a schedule.
    CronJob,
    /// Serves files.
    StaticSite,
}

/// Why nobody should begin with a golden path any more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deprecation {
    /// The reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The path to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub successor: Option<String>,
}

/// One version of a golden path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenPathVersion {
    /// The chart's version.
    #[schemars(length(min = 1, max = 64))]
    pub version: String,
    /// The digest of the chart, `sha256:…`; checked when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where the chart is.
    pub chart: ChartSource,
}

/// Where a chart is. One of the three.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartSource {
    /// A chart that ships with the platform, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedded: Option<String>,
    /// A folder of the infrastructure repository below `platform/golden-paths/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// The chart's files by path, filled in from `directory` on the way into the cluster.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
}

/// How a golden path is. Written by the operator alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GoldenPathStatus {
    /// The newest version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<String>,
    /// The generation of the spec this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The details, by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl WorkloadKind {
    /// The kind in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Worker => "worker",
            Self::CronJob => "cron-job",
            Self::StaticSite => "static-site",
        }
    }
}

impl GoldenPathSpec {
    /// How many bytes the charts inside one resource may take together, as JSON writes them: what fits into a
    /// cluster's store.
    pub const CHARTS_LIMIT: usize = 1 << 20;

    /// How many bytes the charts inside this resource take together, as JSON writes them.
    pub fn charts_size(&self) -> usize {
        let texts = self.versions.iter().flat_map(|version| &version.chart.files);
        texts
            .map(|(path, text)| path.len() + serde_json::Value::from(text.as_str()).to_string().len())
            .sum()
    }

    /// Everything wrong with this spec beyond its shape, for the golden path called `name`.
    pub fn problems(&self, name: &str) -> Vec<Problem> {
        let mut found = Vec::new();
        if let Err(error) = Name::parse("golden path", name) {
            found.push(Problem::new("metadata.name", error.to_string()));
        }
        for (index, version) in self.versions.iter().enumerate() {
            let field = format!("spec.versions[{index}]");
            if self.versions[..index]
                .iter()
                .any(|other| other.version == version.version)
            {
                found.push(Problem::new(
                    format!("{field}.version"),
                    format!("\"{}\" is listed twice", version.version.escape_default()),
                ));
            }
            let chart = &version.chart;
            let given = [
                chart.embedded.is_some(),
                chart.directory.is_some(),
                chart.directory.is_none() && !chart.files.is_empty(),
            ];
            if given.iter().filter(|given| **given).count() != 1 {
                found.push(
                    Problem::new(format!("{field}.chart"), "needs exactly one place of the chart")
                        .hint("embedded: NAME, or directory: platform/golden-paths/FOLDER"),
                );
            }
            if let Some(directory) = &chart.directory {
                let inside = directory
                    .strip_prefix("platform/golden-paths/")
                    .is_some_and(|rest| {
                        !rest.is_empty() && rest.split('/').all(|part| !matches!(part, "" | "." | ".."))
                    });
                if !inside {
                    found.push(
                        Problem::new(
                            format!("{field}.chart.directory"),
                            format!(
                                "\"{}\" is not below platform/golden-paths/",
                                directory.escape_default()
                            ),
                        )
                        .hint("such as platform/golden-paths/web-api"),
                    );
                }
            }
        }
        let size = self.charts_size();
        if size > Self::CHARTS_LIMIT {
            let message = format!(
                "its charts have {size} bytes together, at most {}",
                Self::CHARTS_LIMIT
            );
            found.push(
                Problem::new("spec.versions", message)
                    .hint("leave out old versions, and files that are not needed"),
            );
        }
        if self.versions.is_empty() {
            found.push(Problem::new("spec.versions", "lists no version"));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_problem_names_its_field() {
        let check = |versions: serde_json::Value, field: Option<&str>| {
            let spec: GoldenPathSpec = serde_json::from_value(json!({"versions": versions})).unwrap();
            let fields: Vec<String> = spec.problems("web").into_iter().map(|p| p.field).collect();
            assert_eq!(fields, field.into_iter().collect::<Vec<_>>());
        };
        let embedded = json!({"version": "1.0.0", "chart": {"embedded": "worker"}});
        check(json!([embedded]), None);
        check(json!([]), Some("spec.versions"));
        check(json!([embedded, embedded]), Some("spec.versions[1].version"));
        let large = "x".repeat(GoldenPathSpec::CHARTS_LIMIT);
        check(
            json!([{"version": "1.0.0", "chart": {"files": {"Chart.yaml": large}}}]),
            Some("spec.versions"),
        );
        check(
            json!([{"version": "1", "chart": {}}]),
            Some("spec.versions[0].chart"),
        );
        check(
            json!([{"version": "1", "chart": {"directory": "platform/golden-paths/../x"}}]),
            Some("spec.versions[0].chart.directory"),
        );
    }
}
