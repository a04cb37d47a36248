//! What can go wrong with a chart: loading it, its values, its templates, and what they print.

use std::fmt::Write as _;
use std::path::PathBuf;

/// Why a chart could not be loaded or rendered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChartError {
    /// A file or folder of the chart could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The files are no chart, or one with something that is not allowed.
    #[error("{0}")]
    Invalid(String),
    /// A YAML file of the chart could not be read.
    #[error("cannot read {file}: {source}")]
    Yaml {
        /// The file's path in the chart.
        file: String,
        /// What is wrong, and where.
        source: yaml::Error,
    },
    /// A subchart could not be loaded.
    #[error("error unpacking subchart {name} in {chart}: {source}")]
    Subchart {
        /// The subchart's folder under `charts/`.
        name: String,
        /// The chart that holds it.
        chart: String,
        /// Why.
        source: Box<ChartError>,
    },
    /// The values do not fit the chart.
    #[error("{0}")]
    Values(String),
    /// An assignment of `--set` and its kin cannot be read.
    #[error("failed parsing {option} data {given:?}: {reason}")]
    Set {
        /// The option.
        option: &'static str,
        /// What was given to it; the beginning, if it is long.
        given: String,
        /// What is wrong.
        reason: String,
    },
    /// The values break the `values.schema.json` of the chart or of a subchart.
    #[error(
        "values don't meet the specifications of the schema(s) in the following chart(s):\n{}",
        list(problems)
    )]
    Schema {
        /// Every problem.
        problems: Vec<SchemaProblem>,
    },
    /// The chart is not for this version of Kubernetes.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion {
        /// The range of the chart.
        wanted: String,
        /// The version of the capabilities.
        found: String,
    },
    /// A template could not be read.
    #[error("parse error at ({template}:{line}): {message}")]
    Parse {
        /// The template, as `chart/templates/name.yaml`.
        template: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A template failed while it ran.
    #[error("{message}")]
    Template {
        /// The template that was rendered, as `chart/templates/name.yaml`.
        template: String,
        /// The line in it, from 1.
        line: usize,
        /// The column in it, from 0.
        column: usize,
        /// The whole chain, as `template: chart/templates/name.yaml:3:5: executing …: …`.
        message: String,
    },
    /// A template called `fail` or `required`.
    #[error("execution error at ({template}:{line}:{column}): {message}")]
    Refused {
        /// The template that was rendered.
        template: String,
        /// The line in it, from 1.
        line: usize,
        /// The column in it, from 0.
        column: usize,
        /// What the chart's author says.
        message: String,
    },
    /// Output was asked of a template that prints none.
    #[error("could not find template {0} in chart")]
    NoTemplate(String),
    /// What a template printed is no Kubernetes object.
    #[error("YAML parse error on {template}: {message}")]
    Manifest {
        /// The template.
        template: String,
        /// The line of its output, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

/// One way in which values break a schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaProblem {
    /// The chart whose schema it is.
    pub chart: String,
    /// Where in that chart's values, as an RFC 6901 pointer.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

fn list(problems: &[SchemaProblem]) -> String {
    let mut text = String::new();
    let mut chart = "";
    for problem in problems {
        if problem.chart != chart {
            chart = &problem.chart;
            text.push_str(chart);
            text.push_str(":\n");
        }
        // Writing to a string cannot fail.
        let _ = writeln!(text, "- at \'{}\': {}", problem.path, problem.message);
    }
    text.trim_end().to_owned()
}
