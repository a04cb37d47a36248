//! What is wrong with a chart, or could be better: its description, its values, its templates and what they print.
//! Finds what `helm lint` of Helm 4.3.1 finds, with the same severity, and says where.

mod description;
mod objects;

use serde_json::Value as Json;

use crate::chart::{Chart, read_values};
use crate::error::ChartError;
use crate::render::{Capabilities, Release, Surroundings, print_templates};
use crate::schema::Schema;
use crate::set::Values;
use crate::source::ChartFiles;
use crate::values::merge_tables;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It could be better.
    Info,
    /// It is against what charts should be, and may fail.
    Warning,
    /// The chart cannot be used like this.
    Error,
}

/// Something that lint found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file, by its path in the chart.
    pub file: String,
    /// The line, from 1, where there is one.
    pub line: Option<usize>,
    /// The column, from 1, where there is one.
    pub column: Option<usize>,
    /// What is wrong.
    pub message: String,
    /// What to do about it, where that is not plain.
    pub hint: Option<String>,
}

/// Findings as they come up.
struct Findings(Vec<Finding>);

impl Findings {
    fn add(&mut self, severity: Severity, file: &str, message: impl Into<String>) -> &mut Finding {
        self.0.push(Finding {
            severity,
            file: file.to_owned(),
            line: None,
            column: None,
            message: message.into(),
            hint: None,
        });
        let last = self.0.len() - 1;
        &mut self.0[last]
    }

    fn error(&mut self, file: &str, message: impl Into<String>) -> &mut Finding {
        self.add(Severity::Error, file, message)
    }

    fn warning(&mut self, file: &str, message: impl Into<String>) -> &mut Finding {
        self.add(Severity::Warning, file, message)
    }
}

impl Finding {
    fn at(&mut self, position: Option<yaml::Position>) -> &mut Self {
        self.line = position.map(|position| position.line);
        self.column = position.map(|position| position.column);
        self
    }

    fn hint(&mut self, hint: impl Into<String>) {
        self.hint = Some(hint.into());
    }
}

/// Looks through a chart, rendered with its own values and those that are given. Findings come in the order of
/// `Chart.yaml`, values, templates, `crds/`, dependencies.
pub fn lint(
    files: &ChartFiles,
    values: &Values,
    capabilities: &Capabilities,
    surroundings: &Surroundings,
) -> Vec<Finding> {
    let mut findings = Findings(Vec::new());
    description::check(files, &mut findings);
    check_values(files, values, &mut findings);
    match Chart::new(files) {
        Ok(chart) => {
            check_templates(&chart, files, values, capabilities, surroundings, &mut findings);
            check_definitions(&chart, &mut findings);
            check_dependencies(&chart, &mut findings);
        }
        Err(error) => {
            let known = findings.0.iter().any(|found| found.severity == Severity::Error);
            // What cannot be read has been told with its place.
            if !(known && matches!(error, ChartError::Yaml { .. } | ChartError::Invalid(_))) {
                findings.error("", format!("unable to load chart: {error}"));
            }
        }
    }
    findings.0
}

fn check_values(files: &ChartFiles, values: &Values, findings: &mut Findings) {
    const FILE: &str = "values.yaml";
    let Some(text) = files.text(FILE) else {
        findings.add(Severity::Info, FILE, "file does not exist");
        return;
    };
    let defaults = match read_values(text.as_bytes(), FILE) {
        Ok(defaults) => defaults,
        Err(ChartError::Yaml { source, .. }) => {
            findings
                .error(FILE, format!("unable to parse YAML: {}", source.message))
                .at(source.position);
            return;
        }
        Err(error) => {
            findings.error(FILE, error.to_string());
            return;
        }
    };
    let Some(schema) = files.files.get("values.schema.json") else {
        return;
    };
    if values.are_unchecked() {
        return;
    }
    let mut all = values.to_json();
    merge_tables(&mut all, defaults);
    let document = yaml::parse(&text).ok();
    for problem in Schema::new(std::sync::Arc::clone(schema)).problems(FILE, &Json::Object(all)) {
        let position = document
            .as_ref()
            .and_then(|document| document.position(&problem.path));
        let place = if problem.path.is_empty() {
            "the values"
        } else {
            &problem.path
        };
        findings
            .error(FILE, format!("{place}: {}", problem.message))
            .at(position);
    }
}

fn check_templates(
    chart: &Chart,
    files: &ChartFiles,
    values: &Values,
    capabilities: &Capabilities,
    surroundings: &Surroundings,
    findings: &mut Findings,
) {
    const FOLDER: &str = "templates/";
    if !files.files.keys().any(|path| path.starts_with(FOLDER)) {
        findings.warning(FOLDER, "directory does not exist");
        return;
    }
    let release = Release {
        name: "test-release".to_owned(),
        ..Release::default()
    };
    let printed = match print_templates(chart, values, &release, capabilities, surroundings) {
        Ok(printed) => printed,
        // Told with its places already.
        Err(ChartError::Schema { .. }) => return,
        Err(error) => {
            rendering(chart, &error, findings);
            return;
        }
    };
    for template in &chart.templates {
        let extension = std::path::Path::new(&template.path)
            .extension()
            .and_then(|extension| extension.to_str())
            .unwrap_or_default();
        if !matches!(extension, "yaml" | "yml" | "tpl" | "txt") {
            findings.error(
                &template.path,
                format!(
                    "file extension '.{extension}' not valid. Valid extensions are .yaml, .yml, .tpl, or .txt"
                ),
            );
        }
        if !matches!(extension.to_ascii_lowercase().as_str(), "yaml" | "yml") {
            continue;
        }
        let source = format!("{}/{}", chart.name(), template.path);
        if let Some((_, text)) = printed.files.iter().find(|(name, _)| *name == source) {
            objects::check(&template.path, text, capabilities, findings);
        }
    }
}

/// A chart that cannot be rendered, with the place of it.
fn rendering(chart: &Chart, error: &ChartError, findings: &mut Findings) {
    let prefix = format!("{}/", chart.name());
    let inner = |template: &str| template.strip_prefix(&prefix).unwrap_or(template).to_owned();
    match error {
        ChartError::Refused {
            template,
            line,
            column,
            message,
        } => {
            let found = findings.add(Severity::Info, &inner(template), message.clone());
            found.line = Some(*line);
            found.column = Some(*column + 1);
            found.hint("with these values the chart refuses to be rendered, so what it makes was not checked: give it more with -f or --set");
        }
        ChartError::Template {
            template,
            line,
            column,
            message,
        } => {
            let found = findings.error(&inner(template), message.clone());
            (found.line, found.column) = (Some(*line).filter(|line| *line > 0), Some(*column + 1));
        }
        ChartError::Parse {
            template,
            line,
            message,
        } => {
            findings
                .error(&inner(template), format!("parse error: {message}"))
                .line = Some(*line);
        }
        other => {
            findings.error("templates/", other.to_string());
        }
    }
}

fn check_definitions(chart: &Chart, findings: &mut Findings) {
    for (path, text) in &chart.crds {
        let documents = match yaml::parse_all(text) {
            Ok(documents) => documents,
            Err(error) => {
                findings
                    .error(path, format!("unable to parse YAML: {}", error.message))
                    .at(error.position);
                continue;
            }
        };
        for document in documents {
            if document.value.is_null() {
                continue;
            }
            let is_definition = document.value["kind"] == "CustomResourceDefinition";
            let group = document.value["apiVersion"].as_str().unwrap_or_default();
            if !group.starts_with("apiextensions.k8s.io") {
                findings
                    .error(path, "apiVersion is not in 'apiextensions.k8s.io'")
                    .line = Some(document.line());
            }
            if !is_definition {
                findings
                    .error(path, "object kind is not 'CustomResourceDefinition'")
                    .line = Some(document.line());
            }
        }
    }
}

fn check_dependencies(chart: &Chart, findings: &mut Findings) {
    let named: Vec<&str> = chart
        .metadata
        .dependencies
        .iter()
        .flatten()
        .map(|dependency| dependency.name.as_str())
        .collect();
    let held: Vec<&str> = chart.subcharts.iter().map(Chart::name).collect();
    let unnamed: Vec<&str> = held
        .iter()
        .copied()
        .filter(|name| !named.contains(name))
        .collect();
    if !unnamed.is_empty() {
        findings.error(
            "Chart.yaml",
            format!(
                "chart metadata is missing these dependencies: {}",
                unnamed.join(",")
            ),
        );
    }
    let missing: Vec<&str> = named
        .iter()
        .copied()
        .filter(|name| !held.contains(name))
        .collect();
    if !missing.is_empty() {
        findings
            .warning(
                "charts/",
                format!(
                    "chart directory is missing these dependencies: {}",
                    missing.join(",")
                ),
            )
            .hint("helm dependency build CHART fetches them");
    }
}
