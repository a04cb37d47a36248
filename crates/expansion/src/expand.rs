//! `expand`: one Application becomes its objects and its claims.

use api::{Application, Capabilities, EnvironmentSpec, Group, Problem, TeamSpec};
use chart::{Chart, Release, Surroundings};
use serde_json::Value;
use std::sync::Arc;

use crate::error::ExpandError;
use crate::place::Place;
use crate::route::WayIn;
use crate::{bounds, claim, golden_paths, overrides, values};

/// A golden path: a Helm chart that turns a service's values into objects.
#[derive(Debug)]
pub struct GoldenPath {
    chart: Arc<Chart>,
    name: String,
    /// Whether it came with the platform. What did not is rendered twice, to see that it renders the same always.
    shipped: bool,
}

/// Everything [`expand`] looks at.
#[derive(Clone, Copy, Debug)]
pub struct Intent<'a> {
    /// The platform's API group, which is also the domain of its labels.
    pub group: &'a Group,
    /// What a developer wants.
    pub application: &'a Application,
    /// Where it is to run.
    pub place: &'a Place,
    /// What its team says, where it belongs to one.
    pub team: Option<&'a TeamSpec>,
    /// What its environment says; nothing much where it belongs to none.
    pub environment: &'a EnvironmentSpec,
    /// What the cluster can hold.
    pub capabilities: &'a Capabilities,
    /// How it becomes objects.
    pub golden_path: &'a GoldenPath,
}

/// What an Application becomes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expansion {
    /// The service's own objects, in install order.
    pub objects: Vec<Value>,
    /// The `Database` and `Cache` claims; they outlive the service.
    pub claims: Vec<Value>,
    /// What the cluster cannot hold, and why.
    pub left_out: Vec<LeftOut>,
    /// The golden path, `name@version`.
    pub golden_path: String,
    /// Where it answers from outside the cluster.
    pub url: Option<String>,
    /// The image that runs, if any.
    pub image: Option<String>,
    /// How many copies are wanted.
    pub replicas: i32,
    /// Why nothing runs, where nothing is meant to.
    pub suspended: Option<&'static str>,
}

/// An object that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// `Kind name`.
    pub object: String,
    /// Why.
    pub reason: String,
}

impl GoldenPath {
    /// The golden path that a chart is which ships with the platform.
    pub(crate) fn shipped(chart: Chart) -> Self {
        let name = chart.name().to_owned();
        Self {
            chart: Arc::new(chart),
            name,
            shipped: true,
        }
    }

    /// The golden path called `name` that the platform team makes of a chart of its own.
    pub fn own(name: &str, chart: Chart) -> Self {
        Self {
            chart: Arc::new(chart),
            name: name.to_owned(),
            shipped: false,
        }
    }

    /// The same golden path under another name.
    pub(crate) fn named(&self, name: &str) -> Self {
        Self {
            chart: Arc::clone(&self.chart),
            name: name.to_owned(),
            shipped: self.shipped,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its version.
    pub fn version(&self) -> &str {
        self.chart.version()
    }

    /// What it is for, in a line.
    pub fn description(&self) -> &str {
        self.chart.description()
    }

    /// The digest of its files, `sha256:…`.
    pub fn digest(&self) -> &str {
        self.chart.digest()
    }

    /// `name@version`.
    pub fn id(&self) -> String {
        format!("{}@{}", self.name(), self.version())
    }

    /// Renders it for `what` into objects of one namespace.
    pub(crate) fn render(
        &self,
        what: &str,
        release: &str,
        namespace: &str,
        values: &Value,
        capabilities: &Capabilities,
    ) -> Result<Vec<Value>, ExpandError> {
        let release = Release {
            name: release.to_owned(),
            namespace: namespace.to_owned(),
            ..Release::default()
        };
        let mut known = chart::Capabilities::default();
        if let Some(version) = &capabilities.kubernetes {
            known.kube_version.clone_from(version);
        }
        known
            .api_versions
            .extend(capabilities.api_versions.iter().cloned());
        let failed = |source| ExpandError::Render {
            path: self.id(),
            what: what.to_owned(),
            source,
        };
        let render = |surroundings: &Surroundings| {
            chart::render_in(&self.chart, values, &release, &known, surroundings).map_err(failed)
        };
        let rendered = render(&Surroundings::default())?;
        if !self.shipped {
            let again = render(&golden_paths::elsewhere())?;
            if let Some(object) = golden_paths::difference(&rendered, &again) {
                return Err(self.refuse(
                    object,
                    "comes out different at another time or with other random values: golden paths always render the same",
                ));
            }
        }
        if let Some(hook) = rendered.hooks.first() {
            return Err(self.refuse(
                &hook.value,
                "is a hook: golden paths are applied as a whole, without hooks",
            ));
        }
        if let Some(crd) = rendered.crds().map_err(failed)?.first() {
            return Err(self.refuse(
                &crd.value,
                "defines a new kind: golden paths only use kinds that exist",
            ));
        }
        Ok(rendered.objects.into_iter().map(|object| object.value).collect())
    }

    pub(crate) fn refuse(&self, object: &Value, why: &str) -> ExpandError {
        ExpandError::Refused {
            path: self.id(),
            object: describe(object),
            why: why.to_owned(),
        }
    }
}

/// Turns an Application into its objects and claims.
///
/// The same intent gives the same result, always and everywhere. Objects come in install order, inside the
/// Application's namespace; kinds that the cluster cannot hold are left out and said.
pub fn expand(intent: &Intent<'_>) -> Result<Expansion, ExpandError> {
    let name = intent.application.metadata.name.as_deref().unwrap_or_default();
    let what = format!("Application {name}");
    let spec = &intent.application.spec;
    let problems = spec.problems(name);
    if !problems.is_empty() {
        return Err(ExpandError::Invalid { what, problems });
    }
    check_reference(intent)?;
    if let Some(environment) = &intent.place.environment {
        refuse_problems(
            format!("Environment {environment}"),
            intent.environment.problems(environment),
        )?;
    }

    let image = spec
        .image
        .clone()
        .or_else(|| intent.environment.first_image.clone());
    let suspended = match (&image, spec.paused) {
        (_, true) => Some("paused"),
        (None, false) => Some("waiting for the first image"),
        (Some(_), false) => None,
    };
    let replicas = match (&suspended, &spec.autoscaling) {
        (Some(_), _) => 0,
        (None, Some(autoscaling)) => autoscaling.least(),
        (None, None) => spec.replicas.unwrap_or(2),
    };
    let invalid = |problems| ExpandError::Invalid {
        what: what.clone(),
        problems,
    };
    let way_in = WayIn::of(intent).map_err(|problem| invalid(vec![problem]))?;
    let values = values::of_application(intent, way_in.as_ref(), image.as_deref(), suspended.is_some());
    let overrides = spec.overrides.clone().unwrap_or_default();
    let mut rendered = if overrides.values.is_empty() {
        rendered(intent, &what, &values)?
    } else {
        let merged = overrides::merged(&values, &overrides.values).map_err(invalid)?;
        rendered(intent, &what, &merged).map_err(|error| match rendered(intent, &what, &values) {
            // Without them all is well.
            Ok(_) => invalid(vec![Problem::new("spec.overrides.values", error.reason())]),
            Err(error) => error,
        })?
    };
    overrides::patch(intent, &mut rendered, &overrides.patches).map_err(invalid)?;

    // What runs on a schedule has no copies that stand.
    let stands = |object: &Value| matches!(type_of(object), ("apps/v1", "Deployment" | "StatefulSet"));
    let replicas = if rendered.iter().any(stands) { replicas } else { 0 };
    let mut expansion = Expansion {
        claims: claim::claims_of(intent),
        golden_path: intent.golden_path.id(),
        url: way_in.map(|way_in| way_in.url()),
        image,
        replicas,
        suspended,
        ..Expansion::default()
    };
    for object in rendered {
        match missing_kind(&object, intent.capabilities) {
            Some(reason) => expansion.left_out.push(LeftOut {
                object: describe(&object),
                reason,
            }),
            None => expansion.objects.push(object),
        }
    }
    Ok(expansion)
}

/// What the golden path makes of these values, inside its bounds.
fn rendered(intent: &Intent<'_>, what: &str, values: &Value) -> Result<Vec<Value>, ExpandError> {
    let path = intent.golden_path;
    let name = intent.application.metadata.name.as_deref().unwrap_or_default();
    let namespace = &intent.place.namespace;
    let mut objects = path.render(what, name, namespace, values, intent.capabilities)?;
    for object in &mut objects {
        confine(path, object, namespace)?;
    }
    match bounds::check(intent, &objects) {
        Ok(()) => Ok(objects),
        Err(refusal) => Err(ExpandError::Refused {
            path: path.id(),
            object: refusal.object,
            why: refusal.why,
        }),
    }
}

fn check_reference(intent: &Intent<'_>) -> Result<(), ExpandError> {
    let Some(wanted) = &intent.application.spec.golden_path else {
        return Ok(());
    };
    let path = intent.golden_path;
    let same = wanted.name == path.name()
        && wanted.version.as_deref().is_none_or(|v| v == path.version())
        && wanted.digest.as_deref().is_none_or(|d| d == path.digest());
    if same {
        return Ok(());
    }
    let mut words = wanted.name.clone();
    if let Some(version) = &wanted.version {
        words = format!("{words}@{version}");
    }
    if let Some(digest) = &wanted.digest {
        words = format!("{words} ({digest})");
    }
    Err(ExpandError::WrongGoldenPath {
        wanted: words,
        found: format!("{} ({})", path.id(), path.digest()),
    })
}

/// Keeps an object inside its service's namespace.
fn confine(path: &GoldenPath, object: &mut Value, namespace: &str) -> Result<(), ExpandError> {
    let (api_version, kind) = type_of(object);
    if builtin(api_version, kind).is_some_and(|known| !known.namespaced) {
        return Err(path.refuse(object, "is not inside a namespace: a service stays in its own"));
    }
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return Err(path.refuse(object, "has no metadata"));
    };
    match metadata.get("namespace").and_then(Value::as_str) {
        Some(given) if given == namespace => Ok(()),
        Some(_) => Err(path.refuse(object, "is in another namespace: a service stays in its own")),
        None => {
            metadata.insert("namespace".to_owned(), Value::from(namespace));
            Ok(())
        }
    }
}

/// Why the cluster cannot hold an object, if it cannot.
fn missing_kind(object: &Value, capabilities: &Capabilities) -> Option<String> {
    let (api_version, kind) = type_of(object);
    let known = builtin(api_version, kind).is_some()
        || capabilities
            .api_versions
            .iter()
            .any(|v| v == api_version || *v == format!("{api_version}/{kind}"));
    (!known).then(|| format!("the cluster has no {api_version}"))
}

/// What Kubernetes itself knows of a kind.
fn builtin(api_version: &str, kind: &str) -> Option<&'static schema::Kind> {
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
    schema::Schemas::builtin().kind(group, version, kind)
}

fn type_of(object: &Value) -> (&str, &str) {
    let read = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
    (read("apiVersion"), read("kind"))
}

/// `Kind name`, for messages.
pub(crate) fn describe(object: &Value) -> String {
    let name = object
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or("without a name");
    format!("{} {name}", type_of(object).1)
}

/// Problems as an error about `what`, if there are any.
pub(crate) fn refuse_problems(what: String, problems: Vec<Problem>) -> Result<(), ExpandError> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(ExpandError::Invalid { what, problems })
    }
}
