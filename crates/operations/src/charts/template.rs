//! Rendering a chart as `helm template` does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use chart::{Capabilities, Chart, Print, Release, Rendered, Surroundings, render_values};
use rand::RngCore;
use serde_json::Value;

use super::{ChartReference, ChartValues, failed, load};
use crate::error::OperationError;

/// The version of Kubernetes that a chart is told of if nobody says another.
const KUBE_VERSION: &str = "v1.37.0";

/// What is to be rendered, and how.
#[derive(Clone, Debug, Default)]
pub struct TemplateRequest {
    /// The chart.
    pub chart: ChartReference,
    /// Its values.
    pub values: ChartValues,
    /// The release's name.
    pub name: Option<String>,
    /// A template that makes the release's name.
    pub name_template: Option<String>,
    /// The namespace it is told of; `default` by default.
    pub namespace: Option<String>,
    /// The version of Kubernetes it is told of.
    pub kube_version: Option<String>,
    /// API versions it is told of beside the usual ones.
    pub api_versions: Vec<String>,
    /// It is told that it replaces an earlier one.
    pub is_upgrade: bool,
    /// The files of `crds/` are printed as well.
    pub include_crds: bool,
    /// Hooks are left out.
    pub no_hooks: bool,
    /// Hooks that are tests are left out.
    pub skip_tests: bool,
    /// Only what these templates make is printed.
    pub show_only: Vec<String>,
}

/// A rendered chart.
pub struct Templated {
    /// The namespace of objects that name none.
    pub namespace: String,
    /// The release's name.
    pub release: String,
    print: Print,
    show_only: Vec<String>,
    chart: ChartReference,
    rendered: Rendered,
}

/// Renders a chart.
pub fn template_chart(request: &TemplateRequest) -> Result<Templated, OperationError> {
    let values = request.values.read()?;
    let chart = load(&request.chart)?;
    let surroundings = surroundings();
    let capabilities = capabilities(request.kube_version.as_deref(), &request.api_versions)?;
    let namespace = request.namespace.clone().unwrap_or_else(|| "default".to_owned());
    let mut release = Release {
        namespace: namespace.clone(),
        is_upgrade: request.is_upgrade,
        ..Release::default()
    };
    if let Some(template) = &request.name_template {
        release.name = name_of(template, &release, &capabilities, &surroundings)?;
    } else if let Some(name) = &request.name {
        release.name.clone_from(name);
    }
    check_name(&release.name)?;
    let rendered = render_values(&chart, &values, &release, &capabilities, &surroundings)
        .map_err(failed(&request.chart))?;
    Ok(Templated {
        namespace,
        release: release.name,
        print: Print {
            crds: request.include_crds,
            no_hooks: request.no_hooks,
            no_tests: request.skip_tests,
        },
        show_only: request.show_only.clone(),
        chart: request.chart.clone(),
        rendered,
    })
}

impl Templated {
    /// What `helm template` prints.
    pub fn text(&self) -> Result<String, OperationError> {
        if self.show_only.is_empty() {
            return Ok(self.rendered.text_of(self.print));
        }
        self.rendered
            .text_of_templates(self.print, &self.show_only)
            .map_err(failed(&self.chart))
    }

    /// The objects that are printed, in the order of the text.
    pub fn objects(&self) -> Result<Vec<Value>, OperationError> {
        if self.show_only.is_empty() {
            return self.all_objects();
        }
        let text = self.text()?;
        let documents = yaml::parse_all(&text)
            .map_err(|error| OperationError::invalid(format!("cannot read what was rendered: {error}")))?;
        let values = documents.into_iter().map(|document| document.value);
        Ok(values.filter(Value::is_object).collect())
    }

    /// The objects, whichever templates are to be shown.
    pub fn all_objects(&self) -> Result<Vec<Value>, OperationError> {
        self.rendered.objects_of(self.print).map_err(failed(&self.chart))
    }

    /// The definitions of new kinds that the chart brings, printed or not.
    pub fn crds(&self) -> Result<Vec<Value>, OperationError> {
        let crds = self.rendered.crds().map_err(failed(&self.chart))?;
        Ok(crds.into_iter().map(|object| object.value).collect())
    }

    /// Writes each template's manifests to a file of its path under a folder; gives the files.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, OperationError> {
        let mut files: BTreeMap<&str, String> = BTreeMap::new();
        for piece in self.rendered.pieces(self.print) {
            // Writing to a string cannot fail.
            let _ = writeln!(
                files.entry(piece.source).or_default(),
                "---\n# Source: {}\n{}",
                piece.source,
                piece.text
            );
        }
        let mut written = Vec::new();
        for (source, text) in files {
            let path = folder.join(source);
            let parent = path.parent().unwrap_or(folder);
            fs::create_dir_all(parent).map_err(OperationError::io("make the folder", parent))?;
            fs::write(&path, text).map_err(OperationError::io("write", &path))?;
            written.push(path);
        }
        Ok(written)
    }
}

/// The time, and chance, as they are.
pub(super) fn surroundings() -> Surroundings {
    let mut seed = [0; 32];
    rand::rng().fill_bytes(&mut seed);
    Surroundings {
        now: jiff::Timestamp::now().as_nanosecond(),
        seed,
        ..Surroundings::default()
    }
}

/// What templates see of a cluster.
pub(super) fn capabilities(
    kube_version: Option<&str>,
    api_versions: &[String],
) -> Result<Capabilities, OperationError> {
    let mut capabilities = Capabilities {
        kube_version: KUBE_VERSION.to_owned(),
        ..Capabilities::default()
    };
    if let Some(version) = kube_version {
        let bare = version.strip_prefix('v').unwrap_or(version);
        let numbers = bare.split(['-', '+']).next().unwrap_or_default();
        let mut parts = numbers.split('.');
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !parts.clone().all(is_number) || parts.by_ref().count() > 3 {
            return Err(OperationError::invalid_hint(
                format!("{version:?} is no version of Kubernetes"),
                "write it as 1.34, or as v1.34.2",
            ));
        }
        version.clone_into(&mut capabilities.kube_version);
    }
    let more = api_versions.iter().flat_map(|list| list.split(','));
    capabilities.api_versions.extend(more.map(str::to_owned));
    Ok(capabilities)
}

/// The name that a template makes.
fn name_of(
    template: &str,
    release: &Release,
    capabilities: &Capabilities,
    surroundings: &Surroundings,
) -> Result<String, OperationError> {
    let files = [
        (
            "Chart.yaml",
            "apiVersion: v2\nname: name-template\nversion: 0.0.1\n",
        ),
        ("templates/NOTES.txt", template),
    ];
    let files = files.map(|(path, text)| (path.to_owned(), text.as_bytes().to_vec()));
    let made = Chart::from_files(files).and_then(|chart| {
        render_values(
            &chart,
            &chart::Values::default(),
            release,
            capabilities,
            surroundings,
        )
    });
    let wrong = |why: String| {
        OperationError::invalid_hint(
            format!("--name-template makes no name: {why}"),
            "for instance: --name-template 'demo-{{ randAlphaNum 5 | lower }}'",
        )
    };
    let made = made.map_err(|error| wrong(error.to_string()))?;
    made.notes.ok_or_else(|| wrong("it prints nothing".to_owned()))
}

/// Refuses what Helm refuses.
fn check_name(name: &str) -> Result<(), OperationError> {
    const LONGEST: usize = 53;
    let is_label = |label: &str| {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = label.as_bytes();
        bytes.first().is_some_and(|b| plain(*b))
            && bytes.last().is_some_and(|b| plain(*b))
            && bytes.iter().all(|b| plain(*b) || *b == b'-')
    };
    if name.len() <= LONGEST && name.split('.').all(is_label) {
        return Ok(());
    }
    Err(OperationError::invalid_hint(
        format!("{name:?} cannot be the name of a release"),
        format!("lowercase letters, digits, hyphens and dots, at most {LONGEST}"),
    ))
}
