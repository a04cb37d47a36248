//! Provenance: which field of the intent a value in an object came from.
//!
//! A golden path is a program; no table can say where its output comes from. But `expand` is a function, so the
//! question has an exact answer: the field whose change changes the value. This asks it, field by field, on a
//! copy of the intent. It costs one render a field, so it is asked only when there is something to explain.

use api::{Application, ApplicationSpec};
use serde_json::Value;

use crate::expand::{Intent, expand};

/// A field of the intent and what it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The field, as a person says it: `spec.image`.
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
    let before = value_at(intent, kind, name, pointer)?;
    let spec = serde_json::to_value(&intent.application.spec).ok()?;
    let mut leaves = Vec::new();
    collect(&spec, String::new(), &mut leaves);
    leaves.truncate(FIELD_LIMIT);
    // The field that says the very same thing is the likeliest; the order among the others is the spec's own.
    leaves.sort_by_key(|(_, value)| **value != before);
    leaves.into_iter().find_map(|(path, value)| {
        let changed = change(&spec, &path)?;
        let application = Application {
            spec: changed,
            ..intent.application.clone()
        };
        let after = value_at(
            &Intent {
                application: &application,
                ..*intent
            },
            kind,
            name,
            pointer,
        )?;
        (after != before).then(|| Origin {
            field: format!("spec{}", words(&path)),
            value: value.clone(),
        })
    })
}

/// The value at a pointer after expansion, null when the object has nothing there; `None` without the object.
fn value_at(intent: &Intent<'_>, kind: &str, name: &str, pointer: &str) -> Option<Value> {
    let expansion = expand(intent).ok()?;
    let object = expansion.objects.iter().chain(&expansion.claims).find(|object| {
        object.get("kind").and_then(Value::as_str) == Some(kind)
            && object.pointer("/metadata/name").and_then(Value::as_str) == Some(name)
    })?;
    Some(object.pointer(pointer).cloned().unwrap_or_default())
}

fn collect<'a>(value: &'a Value, path: String, leaves: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                collect(
                    inner,
                    format!("{path}/{}", key.replace('~', "~0").replace('/', "~1")),
                    leaves,
                );
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

/// The spec with one leaf changed to another value of its kind, if such a spec exists.
fn change(spec: &Value, path: &str) -> Option<ApplicationSpec> {
    let mut spec = spec.clone();
    let leaf = spec.pointer_mut(path)?;
    *leaf = match &*leaf {
        Value::String(text) => other_text(text),
        Value::Number(number) => Value::from(number.as_i64()?.checked_add(1)?),
        Value::Bool(flag) => Value::from(!*flag),
        _ => return None,
    };
    serde_json::from_value(spec).ok()
}

/// Another text that the same field would still take: a larger amount, another name.
fn other_text(text: &str) -> Value {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    match text[..digits].parse::<u64>() {
        Ok(number) => Value::from(format!("{}{}", number.saturating_add(1), &text[digits..])),
        Err(_) => Value::from(format!("{text}x")),
    }
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
