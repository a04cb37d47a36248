//! The golden paths that there are: those that ship with the platform, and those that the platform team adds or puts
//! in their place with GoldenPath resources.
//!
//! Pure like the rest of the crate: the charts of resources come inside them (`chart.files`), whoever reads Git or a
//! cluster fills them in before. A golden path of one's own is closed: without hooks, new kinds and `lookup`, and
//! rendered the same whatever the time and the random values. Each chart is read once, when it is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use api::{
    Application, ApplicationSpec, Capabilities, Deprecation, EnvironmentSpec, GoldenPathReference,
    GoldenPathSpec, GoldenPathVersion, Group, Problem, WorkloadKind,
};
use chart::{Chart, ChartError, Rendered, Surroundings};
use kube::api::ObjectMeta;
use serde_json::Value;

use crate::builtin::{self, DEFAULT_GOLDEN_PATH, SERVICE_PATHS};
use crate::error::ExpandError;
use crate::expand::{GoldenPath, Intent, expand};
use crate::place::Place;

/// The golden paths that services can follow.
#[derive(Clone, Debug, Default)]
pub struct GoldenPaths {
    offers: BTreeMap<String, Offer>,
    unread: Vec<String>,
}

/// One golden path as it is offered.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What it is for, in a line, where the platform team says so.
    pub description: Option<String>,
    /// What runs on it.
    pub kind: WorkloadKind,
    /// The languages it is for; all when empty.
    pub languages: Vec<String>,
    /// Whether its resource says that it is the default.
    pub default: bool,
    /// Why nobody should begin with it any more.
    pub deprecated: Option<Deprecation>,
    /// Newest first.
    versions: Vec<Version>,
    /// What is wrong with the resource as a whole.
    problem: Option<Problem>,
}

#[derive(Clone, Debug)]
struct Version {
    /// What the resource says; nothing for a path that ships.
    source: Option<GoldenPathVersion>,
    number: String,
    loaded: Arc<OnceLock<Result<Arc<GoldenPath>, Flaw>>>,
}

/// Why a version cannot be followed.
#[derive(Clone, Debug)]
struct Flaw {
    why: String,
    hint: Option<String>,
}

impl Flaw {
    fn new(why: impl Into<String>, hint: &str) -> Self {
        Self {
            why: why.into(),
            hint: (!hint.is_empty()).then(|| hint.to_owned()),
        }
    }
}

impl GoldenPaths {
    /// Those that ship with the platform, and no others.
    pub fn shipped() -> Result<Self, ExpandError> {
        Self::default().replaced(Vec::new(), Vec::new())
    }

    /// Those that ship and those of the resources, by name; a resource of the same name wins. `unread` says of files
    /// that should hold a resource why they cannot be read.
    ///
    /// What was read of the same version before is kept.
    pub fn replaced(
        &self,
        resources: impl IntoIterator<Item = (String, GoldenPathSpec)>,
        unread: Vec<String>,
    ) -> Result<Self, ExpandError> {
        let mut offers = BTreeMap::new();
        for name in SERVICE_PATHS {
            offers.insert(name.to_owned(), Offer::shipped(name)?);
        }
        for (name, spec) in resources {
            let known = self.offers.get(&name);
            let offer = Offer::of(&name, spec, known);
            offers.insert(name, offer);
        }
        Ok(Self { offers, unread })
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.offers.keys().map(String::as_str)
    }

    /// What is offered under a name.
    pub fn get(&self, name: &str) -> Option<&Offer> {
        self.offers.get(name)
    }

    /// The name of the path that services follow which name none.
    pub fn default_name(&self) -> Result<&str, ExpandError> {
        let mut defaults = self.offers.iter().filter(|(_, offer)| offer.default);
        match (defaults.next(), defaults.next()) {
            (Some((one, _)), Some((other, _))) => Err(ExpandError::Unfit {
                path: one.clone(),
                why: format!("it says that it is the default, and so does {other}"),
                hint: Some("leave spec.default out of one of them".to_owned()),
            }),
            (Some((name, _)), None) => Ok(name),
            // One of those that cannot be read may be the default.
            (None, _) => match self.unread.first() {
                Some(why) => Err(ExpandError::Unfit {
                    path: DEFAULT_GOLDEN_PATH.to_owned(),
                    why: format!("another may be the default, which cannot be read: {why}"),
                    hint: Some("name a golden path, or put the file in order".to_owned()),
                }),
                None => Ok(DEFAULT_GOLDEN_PATH),
            },
        }
    }

    /// The golden path that is asked for: exactly that version, or the newest.
    pub fn resolve(&self, reference: Option<&GoldenPathReference>) -> Result<Arc<GoldenPath>, ExpandError> {
        let name = match reference {
            Some(reference) => &reference.name,
            None => self.default_name()?,
        };
        let offer = self.offers.get(name).ok_or_else(|| self.unknown(name))?;
        offer.usable(name)?;
        let wanted = reference.and_then(|reference| reference.version.as_deref());
        let version = offer
            .versions
            .iter()
            .find(|version| wanted.is_none_or(|wanted| version.number == wanted))
            .ok_or_else(|| ExpandError::UnknownVersion {
                path: name.to_owned(),
                version: wanted.unwrap_or_default().to_owned(),
                known: offer.versions().map(str::to_owned).collect(),
            })?;
        let path = version.load(name)?;
        match reference.and_then(|reference| reference.digest.as_deref()) {
            Some(digest) if digest != path.digest() => Err(ExpandError::WrongGoldenPath {
                wanted: format!("{} ({})", path.id(), digest.escape_default()),
                found: format!("{} ({})", path.id(), path.digest()),
            }),
            _ => Ok(path),
        }
    }

    fn unknown(&self, name: &str) -> ExpandError {
        let shown: String = name.escape_default().take(80).collect();
        match self.unread.first() {
            None => ExpandError::Unknown {
                what: "golden path",
                name: shown,
                known: self.names().map(str::to_owned).collect(),
            },
            Some(why) => ExpandError::Unfit {
                path: shown,
                why: format!("it is not among those that can be read: {why}"),
                hint: None,
            },
        }
    }

    /// Why a new service as `spec` says should not follow the path called `name`, though it could be rendered.
    pub fn misfits(&self, name: &str, spec: &ApplicationSpec) -> Vec<Problem> {
        let Some(offer) = self.offers.get(name) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        if let Some(language) = &spec.language
            && !offer.serves(language)
        {
            let others: Vec<&str> = self
                .offers
                .iter()
                .filter(|(_, other)| {
                    other.kind == offer.kind && other.serves(language) && other.deprecated.is_none()
                })
                .map(|(name, _)| name.as_str())
                .collect();
            let message = format!(
                "golden path {name} is for {}, not for {language}",
                offer.languages.join(", ")
            );
            let problem = Problem::new("spec.language", message);
            found.push(if others.is_empty() {
                problem
            } else {
                problem.hint(format!("for {language} there is {}", others.join(", ")))
            });
        }
        let scheduled = offer.kind == WorkloadKind::CronJob;
        match &spec.schedule {
            None if scheduled => found.push(
                Problem::new(
                    "spec.schedule",
                    format!("golden path {name} runs on a schedule, and none is given"),
                )
                .hint("such as \"0 3 * * *\" for every night at three"),
            ),
            Some(_) if !scheduled => {
                let others: Vec<&str> = self
                    .offers
                    .iter()
                    .filter(|(_, other)| other.kind == WorkloadKind::CronJob)
                    .map(|(name, _)| name.as_str())
                    .collect();
                found.push(
                    Problem::new(
                        "spec.schedule",
                        format!("golden path {name} runs always, not on a schedule"),
                    )
                    .hint(format!("for schedules there is {}", others.join(", "))),
                );
            }
            _ => {}
        }
        found
    }

    /// What is wrong with the path called `name`, by version: with its resource as a whole where there is none.
    ///
    /// Each chart is read and rendered for a plain service. What it refuses in its own words is its good right.
    pub fn flaws(&self, group: &Group, name: &str) -> Vec<(Option<String>, ExpandError)> {
        let Some(offer) = self.offers.get(name) else {
            return Vec::new();
        };
        if let Err(error) = offer.usable(name) {
            return vec![(None, error)];
        }
        let mut found = Vec::new();
        if offer.default
            && let Err(error) = self.default_name()
        {
            found.push((None, error));
        }
        for version in &offer.versions {
            let tried = version
                .load(name)
                .and_then(|path| try_out(group, &path, offer.kind));
            if let Err(error) = tried {
                found.push((Some(version.number.clone()), error));
            }
        }
        found
    }
}

impl Offer {
    fn shipped(name: &str) -> Result<Self, ExpandError> {
        let (number, description) = builtin::version_and_description(name)?;
        Ok(Self {
            description: Some(description),
            kind: builtin::workload_kind(name),
            languages: Vec::new(),
            default: false,
            deprecated: None,
            versions: vec![Version {
                source: None,
                number,
                loaded: Arc::default(),
            }],
            problem: None,
        })
    }

    fn of(name: &str, spec: GoldenPathSpec, before: Option<&Self>) -> Self {
        let problem = spec.problems(name).into_iter().next();
        let mut versions: Vec<Version> = spec
            .versions
            .into_iter()
            .map(|source| {
                let known = before
                    .into_iter()
                    .flat_map(|offer| &offer.versions)
                    .find(|version| version.source.as_ref() == Some(&source));
                Version {
                    number: source.version.clone(),
                    loaded: known.map(|known| Arc::clone(&known.loaded)).unwrap_or_default(),
                    source: Some(source),
                }
            })
            .collect();
        versions.sort_by(|one, other| chart::compare_versions(&other.number, &one.number));
        Self {
            description: spec.description,
            kind: spec.kind.unwrap_or_else(|| builtin::workload_kind(name)),
            languages: spec.languages,
            default: spec.default,
            deprecated: spec.deprecated,
            versions,
            problem,
        }
    }

    /// Its versions, newest first.
    pub fn versions(&self) -> impl Iterator<Item = &str> {
        self.versions.iter().map(|version| version.number.as_str())
    }

    /// Why nobody should begin with it any more, and what to use instead, in a line.
    pub fn deprecation(&self) -> Option<String> {
        let deprecated = self.deprecated.as_ref()?;
        let reason = deprecated
            .reason
            .as_deref()
            .unwrap_or("nobody should begin with it any more");
        Some(match &deprecated.successor {
            Some(successor) => format!("{reason}; use {successor} instead"),
            None => reason.to_owned(),
        })
    }

    fn serves(&self, language: &str) -> bool {
        self.languages.is_empty() || self.languages.iter().any(|known| known == language)
    }

    /// The resource as a whole must be in order.
    fn usable(&self, name: &str) -> Result<(), ExpandError> {
        match &self.problem {
            None => Ok(()),
            Some(problem) => Err(ExpandError::Unfit {
                path: name.to_owned(),
                why: problem.to_string(),
                hint: problem.hint.clone(),
            }),
        }
    }
}

impl Version {
    fn load(&self, name: &str) -> Result<Arc<GoldenPath>, ExpandError> {
        let loaded = self.loaded.get_or_init(|| match &self.source {
            Some(source) => read(name, source).map(Arc::new),
            None => builtin::golden_path(name).map_err(|error| Flaw::new(error.to_string(), "")),
        });
        loaded.clone().map_err(|flaw| ExpandError::Unfit {
            path: format!("{name}@{}", self.number),
            why: flaw.why,
            hint: flaw.hint,
        })
    }
}

/// Reads the chart of a version, and sees that it is what the resource says.
fn read(name: &str, source: &GoldenPathVersion) -> Result<GoldenPath, Flaw> {
    let path = match &source.chart.embedded {
        Some(embedded) if SERVICE_PATHS.contains(&embedded.as_str()) => builtin::golden_path(embedded)
            .map_err(|error| Flaw::new(error.to_string(), ""))?
            .named(name),
        Some(embedded) => {
            return Err(Flaw::new(
                format!(
                    "no chart called \"{}\" ships with this platform",
                    embedded.escape_default()
                ),
                &format!("there is {}", SERVICE_PATHS.join(", ")),
            ));
        }
        None if source.chart.files.is_empty() => {
            let folder = source.chart.directory.as_deref().unwrap_or_default();
            return Err(Flaw::new(
                format!(
                    "the files of its chart are not there: {}",
                    folder.escape_default()
                ),
                "the sync loop fills them in from the infrastructure repository: commit the resource there",
            ));
        }
        None => GoldenPath::own(name, own_chart(source)?),
    };
    if path.version() != source.version {
        return Err(Flaw::new(
            format!("its Chart.yaml says version {}", path.version()),
            "both must say the same",
        ));
    }
    match &source.digest {
        Some(digest) if digest != path.digest() => Err(Flaw::new(
            format!("its digest is {}, not {}", path.digest(), digest.escape_default()),
            "a version that is in use must not change: give the changed chart a version of its own",
        )),
        _ => Ok(path),
    }
}

fn own_chart(source: &GoldenPathVersion) -> Result<Chart, Flaw> {
    let files = source.chart.files.iter();
    let chart = Chart::from_files(files.map(|(path, text)| (path.clone(), text.clone().into_bytes())))
        .map_err(|error| Flaw::new(error.to_string(), ""))?;
    match chart.line_of_call("lookup") {
        Some((file, line)) => Err(Flaw::new(
            format!("{file}:{line} uses lookup, which would ask a cluster"),
            "a golden path knows its values and nothing else: take what it needs from them",
        )),
        None => Ok(chart),
    }
}

/// Renders a golden path for a plain service.
fn try_out(group: &Group, path: &GoldenPath, kind: WorkloadKind) -> Result<(), ExpandError> {
    let application = Application {
        types: None,
        metadata: ObjectMeta {
            name: Some("trial".to_owned()),
            ..ObjectMeta::default()
        },
        spec: ApplicationSpec {
            image: Some("registry.example.com/trial:v1".to_owned()),
            schedule: (kind == WorkloadKind::CronJob).then(|| "0 3 * * *".to_owned()),
            ..ApplicationSpec::default()
        },
        status: None,
    };
    let intent = Intent {
        group,
        application: &application,
        place: &Place::of("trial", "trial"),
        team: None,
        environment: &EnvironmentSpec::default(),
        capabilities: &Capabilities::default(),
        golden_path: path,
    };
    match expand(&intent) {
        // A chart may ask for what not every service says.
        Ok(_)
        | Err(ExpandError::Render {
            source: ChartError::Refused { .. },
            ..
        }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Another time and other random values than those that count.
pub(crate) fn elsewhere() -> Surroundings {
    Surroundings {
        now: 1_900_000_000_000_000_000,
        seed: [0x5a; 32],
        ..Surroundings::default()
    }
}

/// An object of one render that the other does not have, if there is one.
pub(crate) fn difference<'a>(one: &'a Rendered, other: &'a Rendered) -> Option<&'a Value> {
    let pairs = one.objects.iter().zip(&other.objects);
    let changed = pairs
        .filter(|(left, right)| left.value != right.value)
        .map(|(left, _)| &left.value)
        .next();
    changed.or_else(|| {
        let common = one.objects.len().min(other.objects.len());
        let rest = one
            .objects
            .iter()
            .skip(common)
            .chain(other.objects.iter().skip(common));
        rest.map(|object| &object.value).next()
    })
}

#[cfg(test)]
mod tests;
