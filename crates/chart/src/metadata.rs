//! `Chart.yaml`: what a chart says of itself.

use serde_json::{Map, Value as Json};

use crate::error::ChartError;
use crate::object::string_map;
use crate::value::{Declared, Entries, Value};
use crate::version::Version;

/// What `Chart.yaml` holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) api_version: String,
    pub(crate) app_version: String,
    pub(crate) description: String,
    /// `application`, `library` or empty.
    pub(crate) chart_type: String,
    /// The range of Kubernetes versions it is for.
    pub(crate) kube_version: String,
    home: String,
    pub(crate) icon: String,
    condition: String,
    tags: String,
    deprecated: bool,
    pub(crate) sources: Vec<String>,
    keywords: Vec<String>,
    /// Name, email and URL.
    maintainers: Vec<[String; 3]>,
    /// `None` where the file has none, which is no empty mapping.
    annotations: Option<Vec<(String, String)>>,
    /// `None` where the file does not speak of dependencies.
    pub(crate) dependencies: Option<Vec<Dependency>>,
}

/// A chart that another one is built from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) repository: String,
    pub(crate) condition: String,
    pub(crate) tags: Vec<String>,
    pub(crate) alias: String,
    pub(crate) imports: Vec<Import>,
}

/// Values that move from a subchart to its parent.
#[derive(Debug, Clone)]
pub(crate) enum Import {
    /// A table under the child's `exports`, taken to the parent's top.
    Export(String),
    /// A table of the child, taken to a place in the parent.
    Move { child: String, parent: String },
}

impl Metadata {
    /// Reads `Chart.yaml`.
    pub(crate) fn parse(text: &str, file: &str) -> Result<Self, ChartError> {
        let mut document = yaml::parse(text).map_err(|source| ChartError::Yaml {
            file: file.to_owned(),
            source,
        })?;
        whole_floats_as_text(&mut document, text);
        let Json::Object(fields) = document.value else {
            return Err(ChartError::Invalid(format!(
                "cannot load {file}: it holds no mapping"
            )));
        };
        let reader = Reader {
            fields: &fields,
            file,
        };
        let mut metadata = Self {
            name: reader.text("name")?,
            version: reader.text("version")?,
            api_version: reader.text("apiVersion")?,
            app_version: reader.text("appVersion")?,
            description: reader.text("description")?,
            chart_type: reader.text("type")?,
            kube_version: reader.text("kubeVersion")?,
            home: reader.text("home")?,
            icon: reader.text("icon")?,
            condition: reader.text("condition")?,
            tags: reader.text("tags")?,
            deprecated: fields.get("deprecated").and_then(Json::as_bool).unwrap_or(false),
            sources: reader.texts("sources")?,
            keywords: reader.texts("keywords")?,
            maintainers: Vec::new(),
            annotations: None,
            dependencies: None,
        };
        for maintainer in reader.list("maintainers")? {
            let Json::Object(maintainer) = maintainer else {
                continue;
            };
            let reader = Reader {
                fields: maintainer,
                file,
            };
            metadata
                .maintainers
                .push([reader.text("name")?, reader.text("email")?, reader.text("url")?]);
        }
        if let Some(Json::Object(annotations)) = fields.get("annotations") {
            let reader = Reader {
                fields: annotations,
                file,
            };
            let pairs = annotations.keys().map(|key| Ok((key.clone(), reader.text(key)?)));
            metadata.annotations = Some(pairs.collect::<Result<_, ChartError>>()?);
        }
        metadata.read_dependencies(&fields, file)?;
        // Helm 2 did not ask for it.
        if metadata.api_version.is_empty() {
            "v1".clone_into(&mut metadata.api_version);
        }
        Ok(metadata)
    }

    /// Takes the dependencies from a mapping: `Chart.yaml`, or `requirements.yaml` of old charts.
    pub(crate) fn read_dependencies(
        &mut self,
        fields: &Map<String, Json>,
        file: &str,
    ) -> Result<(), ChartError> {
        if !matches!(fields.get("dependencies"), Some(Json::Array(_))) {
            return Ok(());
        }
        let mut dependencies = Vec::new();
        for item in (Reader { fields, file }).list("dependencies")? {
            let Json::Object(item) = item else {
                return Err(ChartError::Invalid(
                    "validation: dependencies must not contain empty or null nodes".to_owned(),
                ));
            };
            let reader = Reader { fields: item, file };
            let mut imports = Vec::new();
            for import in reader.list("import-values")? {
                match import {
                    Json::String(name) => imports.push(Import::Export(name.clone())),
                    Json::Object(pair) => {
                        let reader = Reader { fields: pair, file };
                        imports.push(Import::Move {
                            child: reader.text("child")?,
                            parent: reader.text("parent")?,
                        });
                    }
                    _ => {}
                }
            }
            dependencies.push(Dependency {
                name: reader.text("name")?,
                version: reader.text("version")?,
                repository: reader.text("repository")?,
                condition: reader.text("condition")?,
                tags: reader.texts("tags")?,
                alias: reader.text("alias")?,
                imports,
            });
        }
        self.dependencies = Some(dependencies);
        Ok(())
    }

    /// Refuses what Helm refuses.
    pub(crate) fn validate(&self) -> Result<(), ChartError> {
        let refuse = |message: String| Err(ChartError::Invalid(format!("validation: {message}")));
        if self.name.is_empty() {
            return refuse("chart.metadata.name is required".to_owned());
        }
        if self.name == "." || self.name == ".." {
            return refuse(format!("chart.metadata.name {:?} is not allowed", self.name));
        }
        if self.name.contains('/') || self.name.chars().any(char::is_control) {
            return refuse(format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return refuse("chart.metadata.version is required".to_owned());
        }
        if Version::parse(&self.version).is_err() {
            return refuse(format!("chart.metadata.version {:?} is invalid", self.version));
        }
        if !matches!(self.chart_type.as_str(), "" | "application" | "library") {
            return refuse("chart.metadata.type must be application or library".to_owned());
        }
        let mut keys: Vec<&str> = Vec::new();
        for dependency in self.dependencies.iter().flatten() {
            let alias_is_fine = dependency
                .alias
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            if !alias_is_fine {
                return refuse(format!(
                    "dependency {:?} has disallowed characters in the alias",
                    dependency.name
                ));
            }
            let key = if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            };
            if keys.contains(&key.as_str()) {
                return refuse(format!("more than one dependency with name or alias {key:?}"));
            }
            keys.push(key);
        }
        Ok(())
    }

    /// Whether it only lends templates to others.
    pub(crate) fn is_library(&self) -> bool {
        self.chart_type.eq_ignore_ascii_case("library")
    }

    /// `.Chart`, for a chart that goes by this name.
    pub(crate) fn as_value(&self, name: &str, is_root: bool) -> Value {
        let list = |texts: &[String]| Value::list(texts.iter().map(|text| Value::str(text)).collect());
        let map = |pairs: Vec<(&str, Value)>| {
            Value::map(
                pairs
                    .into_iter()
                    .map(|(key, value)| (key.into(), value))
                    .collect::<Entries>(),
            )
        };
        let maintainers = self.maintainers.iter().map(|[name, email, url]| {
            map(vec![
                ("Name", Value::str(name)),
                ("Email", Value::str(email)),
                ("URL", Value::str(url)),
            ])
        });
        let dependencies = self.dependencies.iter().flatten().map(|dependency| {
            let name = if dependency.alias.is_empty() {
                &dependency.name
            } else {
                &dependency.alias
            };
            map(vec![
                ("Name", Value::str(name)),
                ("Version", Value::str(&dependency.version)),
                ("Repository", Value::str(&dependency.repository)),
                ("Condition", Value::str(&dependency.condition)),
                ("Tags", list(&dependency.tags)),
                ("Enabled", Value::Bool(true)),
                ("ImportValues", Value::list(Vec::new())),
                ("Alias", Value::str(&dependency.alias)),
            ])
        });
        let annotations = match &self.annotations {
            Some(pairs) => string_map(pairs),
            None => Value::declared(Entries::new(), Declared::NoStrings),
        };
        map(vec![
            ("Name", Value::str(name)),
            ("Home", Value::str(&self.home)),
            ("Sources", list(&self.sources)),
            ("Version", Value::str(&self.version)),
            ("Description", Value::str(&self.description)),
            ("Keywords", list(&self.keywords)),
            ("Maintainers", Value::list(maintainers.collect())),
            ("Icon", Value::str(&self.icon)),
            ("APIVersion", Value::str(&self.api_version)),
            ("Condition", Value::str(&self.condition)),
            ("Tags", Value::str(&self.tags)),
            ("AppVersion", Value::str(&self.app_version)),
            ("Deprecated", Value::Bool(self.deprecated)),
            ("Annotations", annotations),
            ("KubeVersion", Value::str(&self.kube_version)),
            ("Dependencies", Value::list(dependencies.collect())),
            ("Type", Value::str(&self.chart_type)),
            ("IsRoot", Value::Bool(is_root)),
        ])
    }
}

/// Versions that are written as floats without a fraction, such as `72445e2`: data holds them as whole numbers, for
/// Helm they are floats.
fn whole_floats_as_text(document: &mut yaml::Document, text: &str) {
    /// Smaller ones have no exponent, so they are the same text.
    const EXPONENT_FROM: f64 = 1e6;
    for key in ["version", "appVersion"] {
        let found = document.value.get(key).filter(|value| value.is_i64());
        let Some(value) = found.and_then(Json::as_f64).filter(|v| v.abs() >= EXPONENT_FROM) else {
            continue;
        };
        let Some(place) = document.position(&format!("/{key}")) else {
            continue;
        };
        let line = text.lines().nth(place.line.saturating_sub(1)).unwrap_or_default();
        let digits: String = line
            .chars()
            .skip(place.column.saturating_sub(1))
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '+' | '-' | '_'))
            .collect();
        let is_float = digits.contains(['.', 'e', 'E']) && !digits.contains(['x', 'X']);
        if is_float && let Some(slot) = document.value.get_mut(key) {
            *slot = Json::String(yaml::format_float32(value));
        }
    }
}

/// Reads fields as Go would decode them into a struct: numbers and booleans become text where text is wanted.
struct Reader<'a> {
    fields: &'a Map<String, Json>,
    file: &'a str,
}

impl<'a> Reader<'a> {
    fn wrong<T>(&self, key: &str, found: &Json, wanted: &str) -> Result<T, ChartError> {
        let found = match found {
            Json::Array(_) => "a list",
            Json::Object(_) => "a mapping",
            _ => "a single value",
        };
        Err(ChartError::Invalid(format!(
            "cannot load {}: {key} must be {wanted}, not {found}",
            self.file
        )))
    }

    fn as_text(&self, key: &str, value: &Json) -> Result<String, ChartError> {
        let text = match value {
            Json::Null => String::new(),
            Json::String(text) => text.clone(),
            Json::Bool(value) => value.to_string(),
            Json::Number(number) if number.is_f64() => {
                yaml::format_float32(number.as_f64().unwrap_or_default())
            }
            Json::Number(number) => number.to_string(),
            other => return self.wrong(key, other, "text"),
        };
        // Blanks of all sorts become plain ones, and what cannot be seen is dropped.
        Ok(text
            .chars()
            .filter(|c| c.is_whitespace() || !c.is_control())
            .map(|c| if c.is_whitespace() { ' ' } else { c })
            .collect())
    }

    fn text(&self, key: &str) -> Result<String, ChartError> {
        self.fields
            .get(key)
            .map_or_else(|| Ok(String::new()), |value| self.as_text(key, value))
    }

    fn list(&self, key: &str) -> Result<&'a [Json], ChartError> {
        match self.fields.get(key) {
            None | Some(Json::Null) => Ok(&[]),
            Some(Json::Array(items)) => Ok(items),
            Some(other) => self.wrong(key, other, "a list"),
        }
    }

    fn texts(&self, key: &str) -> Result<Vec<String>, ChartError> {
        self.list(key)?
            .iter()
            .map(|item| self.as_text(key, item))
            .collect()
    }
}
