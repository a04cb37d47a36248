//! Provenance: which field of the intent a value in an object came from.
//!
//! A golden path is a program; no table can say where its output comes from. But `expand` is a function, so the
//! question has an exact answer: the field whose change changes the value. This asks it, field by field, on a
//! copy of the intent: of the Application, overrides included, then of its Environment and its Team. It costs one
//! render a field, so it is asked only when there is something to explain; [`origin`] stops at the answer,
//! [`Provenance`] answers for every value of every object at the price of one pass.

use std::collections::BTreeMap;

use api::{Application, ApplicationSpec, EnvironmentSpec, TeamSpec};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::expand::{Expansion, Intent, expand};

/// A field of the intent and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The field, as a person says it: `spec.image`, or `Team payments spec.network.mesh`.
    pub field: String,
    /// What the intent says there.
    pub value: Value,
}

/// No more fields than this are tried for one answer.
const FIELD_LIMIT: usize = 200;

/// The field of the intent that decides the value at `pointer` in the object called `kind`/`name`.
///
/// `None` when no single field does: the value comes from the golden path or its defaults.
pub fn origin(intent: &Intent<'_>, kind: &str, name: &str, pointer: &str) -> Option<Origin> {
    let value_at = |expansion: &Expansion| {
        let object = objects(expansion).find(|object| key(object) == (kind, name))?;
        Some(object.pointer(pointer).cloned().unwrap_or_default())
    };
    let before = value_at(&expand(intent).ok()?)?;
    let mut fields = Field::all(intent);
    // The field that says the very same thing is the likeliest; the order among the others is the intent's own.
    fields.sort_by_key(|field| field.origin.value != before);
    fields.into_iter().find_map(|field| {
        let after = field.changed(intent)?;
        (value_at(&after)? != before).then_some(field.origin)
    })
}

/// Which fields of the intent the values of an expansion came from.
#[derive(Clone, Debug, Default)]
pub struct Provenance {
    /// By kind and name of the object, then by pointer.
    origins: BTreeMap<(String, String), BTreeMap<String, Origin>>,
}

impl Provenance {
    /// Asks for every field of the intent which values it decides.
    pub fn of(intent: &Intent<'_>) -> Self {
        let mut found = Self::default();
        let Ok(before) = expand(intent) else {
            return found;
        };
        for field in Field::all(intent) {
            let Some(after) = field.changed(intent) else {
                continue;
            };
            for object in objects(&before) {
                let (kind, name) = key(object);
                let Some(changed) = objects(&after).find(|other| key(other) == (kind, name)) else {
                    continue;
                };
                let mut pointers = Vec::new();
                differences(object, changed, String::new(), &mut pointers);
                let origins = found
                    .origins
                    .entry((kind.to_owned(), name.to_owned()))
                    .or_default();
                for pointer in pointers {
                    let same = object.pointer(&pointer) == Some(&field.origin.value);
                    if same || !origins.contains_key(&pointer) {
                        origins.insert(pointer, field.origin.clone());
                    }
                }
            }
        }
        found
    }

    /// The field that decides the value at `pointer` in the object called `kind`/`name`, or what stands around it.
    pub fn origin(&self, kind: &str, name: &str, pointer: &str) -> Option<&Origin> {
        let origins = self.origins.get(&(kind.to_owned(), name.to_owned()))?;
        let mut around = pointer;
        loop {
            if let Some(origin) = origins.get(around) {
                return Some(origin);
            }
            match around.rfind('/') {
                Some(end) => around = &around[..end],
                None => break,
            }
        }
        let inside = format!("{pointer}/");
        origins
            .range(inside.clone()..)
            .take_while(|(place, _)| place.starts_with(&inside))
            .map(|(_, origin)| origin)
            .next()
    }
}

/// One value that the intent holds.
struct Field {
    origin: Origin,
    source: Source,
    path: String,
}

#[derive(Clone, Copy)]
enum Source {
    Application,
    Environment,
    Team,
}

impl Field {
    fn all(intent: &Intent<'_>) -> Vec<Self> {
        let mut fields = Vec::new();
        let mut take = |source: Source, words_before: String, spec: Option<Value>| {
            let mut leaves = Vec::new();
            let Some(spec) = spec else { return };
            collect(&spec, String::new(), &mut leaves);
            fields.extend(leaves.into_iter().map(|(path, value)| Self {
                origin: Origin {
                    field: format!("{words_before}spec{}", words(&path)),
                    value: value.clone(),
                },
                source,
                path,
            }));
        };
        let of =
            |what: &str, name: &Option<String>| format!("{what} {} ", name.as_deref().unwrap_or_default());
        take(
            Source::Application,
            String::new(),
            serde_json::to_value(&intent.application.spec).ok(),
        );
        take(
            Source::Environment,
            of("Environment", &intent.place.environment),
            serde_json::to_value(intent.environment).ok(),
        );
        take(
            Source::Team,
            of("Team", &intent.place.team),
            intent.team.and_then(|team| serde_json::to_value(team).ok()),
        );
        fields.truncate(FIELD_LIMIT);
        fields
    }

    /// What comes out with this field changed, if it can be changed.
    fn changed(&self, intent: &Intent<'_>) -> Option<Expansion> {
        let path = &self.path;
        match self.source {
            Source::Application => {
                changes(&intent.application.spec, path).find_map(|spec: ApplicationSpec| {
                    let application = Application {
                        spec,
                        ..intent.application.clone()
                    };
                    expand(&Intent {
                        application: &application,
                        ..*intent
                    })
                    .ok()
                })
            }
            Source::Environment => {
                changes(intent.environment, path).find_map(|environment: EnvironmentSpec| {
                    expand(&Intent {
                        environment: &environment,
                        ..*intent
                    })
                    .ok()
                })
            }
            Source::Team => changes(intent.team?, path).find_map(|team: TeamSpec| {
                expand(&Intent {
                    team: Some(&team),
                    ..*intent
                })
                .ok()
            }),
        }
    }
}

fn objects(expansion: &Expansion) -> impl Iterator<Item = &Value> {
    expansion.objects.iter().chain(&expansion.claims)
}

fn key(object: &Value) -> (&str, &str) {
    (
        object["kind"].as_str().unwrap_or_default(),
        object["metadata"]["name"].as_str().unwrap_or_default(),
    )
}

/// The innermost places in which two values differ.
fn differences(before: &Value, after: &Value, at: String, found: &mut Vec<String>) {
    match (before, after) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                let inner = format!("{at}/{}", escaped(key));
                match right.get(key) {
                    Some(other) => differences(value, other, inner, found),
                    None => found.push(inner),
                }
            }
            let added = right.keys().filter(|key| !left.contains_key(*key));
            found.extend(added.map(|key| format!("{at}/{}", escaped(key))));
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (index, (value, other)) in left.iter().zip(right).enumerate() {
                differences(value, other, format!("{at}/{index}"), found);
            }
        }
        _ if before != after => found.push(at),
        _ => {}
    }
}

fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn collect<'a>(value: &'a Value, path: String, leaves: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(map) if !takes_away(map) => {
            for (key, inner) in map {
                collect(inner, format!("{path}/{}", escaped(key)), leaves);
            }
        }
        Value::Array(items) => {
            for (index, inner) in items.iter().enumerate() {
                collect(inner, format!("{path}/{index}"), leaves);
            }
        }
        _ => leaves.push((path, value)),
    }
}

/// An operation of a JSON Patch that leaves less behind. No other value of it says more than that it is not there.
fn takes_away(map: &Map<String, Value>) -> bool {
    map.contains_key("path") && matches!(map.get("op").and_then(Value::as_str), Some("remove" | "move"))
}

/// Specs with one leaf changed to another value of its kind, the likeliest to be taken first; or without the leaf,
/// where it takes something away.
fn changes<T: Serialize + DeserializeOwned>(spec: &T, path: &str) -> impl Iterator<Item = T> + use<T> {
    let spec = serde_json::to_value(spec).unwrap_or_default();
    let others = match spec.pointer(path) {
        Some(Value::String(text)) => other_texts(text),
        Some(Value::Number(number)) => match number.as_i64() {
            Some(number) => vec![
                Value::from(number.saturating_add(1)),
                Value::from(number.saturating_sub(1)),
            ],
            None => number
                .as_f64()
                .map(|number| Value::from(number - 1.0))
                .into_iter()
                .collect(),
        },
        Some(Value::Bool(flag)) => vec![Value::from(!*flag)],
        _ => Vec::new(),
    };
    let without = match spec.pointer(path) {
        Some(Value::Null | Value::Object(_)) => without(spec.clone(), path),
        _ => None,
    };
    let path = path.to_owned();
    others
        .into_iter()
        .filter_map(move |other| {
            let mut spec = spec.clone();
            *spec.pointer_mut(&path)? = other;
            Some(spec)
        })
        .chain(without)
        .filter_map(|spec| serde_json::from_value(spec).ok())
}

/// A spec without the value at `path`.
fn without(mut spec: Value, path: &str) -> Option<Value> {
    let (around, last) = path.rsplit_once('/')?;
    match spec.pointer_mut(around)? {
        Value::Object(map) => map.remove(&last.replace("~1", "/").replace("~0", "~")).map(drop),
        Value::Array(items) => last
            .parse()
            .ok()
            .filter(|index| *index < items.len())
            .map(|index: usize| drop(items.remove(index))),
        _ => None,
    }?;
    Some(spec)
}

/// Words that stand for one another where a field takes only a few.
const CHOICES: [&[&str]; 9] = [
    &["small", "medium", "large"],
    &["linkerd", "istio", "cilium"],
    &["rolling", "recreate"],
    &["Retain", "Delete"],
    &["none", "read", "write"],
    &["TCP", "UDP"],
    &["ingress", "gateway"],
    &["high-error-rate", "high-latency"],
    &["7.0", "7.2", "7.4"],
];

/// Other texts that the same field would still take: another of its words, a larger or smaller amount, another name.
fn other_texts(text: &str) -> Vec<Value> {
    let word = CHOICES
        .iter()
        .filter(|choice| choice.contains(&text))
        .find_map(|choice| choice.iter().find(|word| **word != text));
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let number: Option<u64> = number.parse().ok();
    let amounts = number
        .into_iter()
        .flat_map(|number| [number.saturating_add(1), number.saturating_sub(1)])
        .map(|number| format!("{number}{unit}"));
    word.map(|word| (*word).to_owned())
        .into_iter()
        .chain(amounts)
        .chain([format!("{text}x"), format!("x{text}")])
        .map(Value::from)
        .collect()
}

/// `/env/0/value` as a person says it: `.env[0].value`.
fn words(path: &str) -> String {
    path.split('/').skip(1).fold(String::new(), |words, part| {
        let part = part.replace("~1", "/").replace("~0", "~");
        if !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()) {
            format!("{words}[{part}]")
        } else {
            format!("{words}.{part}")
        }
    })
}
