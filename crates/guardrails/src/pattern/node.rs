//! A pattern read into a tree, once.

use serde_json::{Map, Value};

use super::scalar::Scalar;
use crate::MAX_DEPTH;
use crate::wildcard;

/// A pattern, or a part of one.
#[derive(Debug, Clone)]
pub(crate) enum Node {
    Leaf(Scalar),
    Map(Fields),
    List(Vec<Node>),
}

/// The keys of a map pattern in the order in which they are judged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fields {
    /// `()`, `=()`, `X()` and `^()`: judged first, in the order of the keys as written.
    pub(crate) anchors: Vec<Field>,
    /// Plain keys and `<()`: judged when the anchors let the map through.
    pub(crate) fields: Vec<Field>,
}

/// One key of a map pattern.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) anchor: Anchor,
    /// The key without its anchor.
    pub(crate) key: String,
    /// The key as written, by which Kyverno remembers whether an anchor was ever met.
    pub(crate) written: String,
    /// The key may hold wildcards: labels and annotations under `metadata`.
    pub(crate) wildcard: bool,
    pub(crate) pattern: Node,
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// No anchor: the value must match.
    None,
    /// `()`: if the value matches, the rest of the map must; otherwise the map is let through.
    Condition,
    /// `<()`: if the value does not match, the whole rule is skipped.
    Global,
    /// `=()`: if the key is there, its value must match.
    Equality,
    /// `X()`: the key must not be there.
    Negation,
    /// `^()`: at least one item of the list must match.
    Existence,
}

/// Why a pattern cannot be read, and where in it (RFC 6901, relative to the pattern).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PatternError {
    pub(crate) pointer: String,
    pub(crate) reason: String,
}

impl Node {
    /// Reads a pattern.
    pub(crate) fn compile(pattern: &Value) -> Result<Node, PatternError> {
        compile(pattern, &mut String::new(), 0, Place::Elsewhere)
    }
}

/// Where the walk is, as far as wildcards in keys are concerned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Elsewhere,
    Metadata,
    LabelsOrAnnotations,
}

fn compile(pattern: &Value, pointer: &mut String, depth: usize, place: Place) -> Result<Node, PatternError> {
    if depth > MAX_DEPTH {
        return Err(refuse(
            pointer,
            format!("the pattern nests deeper than {MAX_DEPTH} levels"),
        ));
    }
    if let Some(leaf) = Scalar::parse(pattern) {
        return Ok(Node::Leaf(leaf));
    }
    let length = pointer.len();
    match pattern {
        Value::Array(items) => {
            let mut nodes = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&index.to_string());
                nodes.push(compile(item, pointer, depth + 1, Place::Elsewhere)?);
                pointer.truncate(length);
            }
            Ok(Node::List(nodes))
        }
        Value::Object(map) => compile_map(map, pointer, depth, place),
        _ => Err(refuse(
            pointer,
            "the pattern holds a value of an unknown kind".to_owned(),
        )),
    }
}

fn compile_map(
    map: &Map<String, Value>,
    pointer: &mut String,
    depth: usize,
    place: Place,
) -> Result<Node, PatternError> {
    let length = pointer.len();
    let mut result = Fields::default();
    // Kyverno judges `<()` and keys with anchors below them before the others, last key first.
    let (mut first, mut last) = (Vec::new(), Vec::new());
    for (written, value) in map {
        pointer.push('/');
        pointer.push_str(&escape(written));
        let (anchor, key) = split_anchor(written).map_err(|reason| refuse(pointer, reason))?;
        let inner = match (place, key) {
            (_, "metadata") => Place::Metadata,
            (Place::Metadata, "labels" | "annotations") => Place::LabelsOrAnnotations,
            _ => Place::Elsewhere,
        };
        if anchor == Anchor::Existence && !is_list_of_maps(value) {
            return Err(refuse(pointer, "the anchor ^() needs a list of maps".to_owned()));
        }
        let pattern = compile(value, pointer, depth + 1, inner)?;
        pointer.truncate(length);
        let field = Field {
            anchor,
            key: key.to_owned(),
            written: written.clone(),
            wildcard: place == Place::LabelsOrAnnotations && wildcard::has_wildcard(key),
            pattern,
        };
        match anchor {
            Anchor::None if field.pattern.has_anchors() => first.push(field),
            Anchor::Global => first.push(field),
            Anchor::None => last.push(field),
            _ => result.anchors.push(field),
        }
    }
    first.reverse();
    first.append(&mut last);
    result.fields = first;
    Ok(Node::Map(result))
}

impl Node {
    fn has_anchors(&self) -> bool {
        match self {
            Node::Leaf(_) => false,
            Node::List(items) => items.iter().any(Node::has_anchors),
            Node::Map(map) => {
                !map.anchors.is_empty()
                    || map
                        .fields
                        .iter()
                        .any(|field| field.anchor != Anchor::None || field.pattern.has_anchors())
            }
        }
    }
}

fn is_list_of_maps(value: &Value) -> bool {
    value
        .as_array()
        .is_some_and(|items| items.iter().all(Value::is_object))
}

/// Splits `=(key)` into its anchor and `key`.
fn split_anchor(written: &str) -> Result<(Anchor, &str), String> {
    let trimmed = written.trim();
    let Some(inside) = trimmed.strip_suffix(')') else {
        return Ok((Anchor::None, written));
    };
    let Some((sign, key)) = inside.split_once('(') else {
        return Ok((Anchor::None, written));
    };
    if key.is_empty() {
        return Ok((Anchor::None, written));
    }
    Ok(match sign {
        "" => (Anchor::Condition, key),
        "<" => (Anchor::Global, key),
        "=" => (Anchor::Equality, key),
        "X" => (Anchor::Negation, key),
        "^" => (Anchor::Existence, key),
        "+" => {
            return Err(format!(
                "the anchor +({key}) belongs to mutate rules, a validate rule cannot use it"
            ));
        }
        _ => (Anchor::None, written),
    })
}

fn refuse(pointer: &str, reason: String) -> PatternError {
    PatternError {
        pointer: pointer.to_owned(),
        reason,
    }
}

/// One step of a JSON pointer (RFC 6901).
pub(crate) fn escape(key: &str) -> std::borrow::Cow<'_, str> {
    if key.contains(['~', '/']) {
        std::borrow::Cow::Owned(key.replace('~', "~0").replace('/', "~1"))
    } else {
        std::borrow::Cow::Borrowed(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn anchors_are_read_from_keys() {
        let check = |written: &str, expect: Result<(Anchor, &str), ()>| {
            assert_eq!(split_anchor(written).map_err(|_| ()), expect, "{written}");
        };
        check("name", Ok((Anchor::None, "name")));
        check("(name)", Ok((Anchor::Condition, "name")));
        check("=(name)", Ok((Anchor::Equality, "name")));
        check("X(name)", Ok((Anchor::Negation, "name")));
        check("^(name)", Ok((Anchor::Existence, "name")));
        check("<(name)", Ok((Anchor::Global, "name")));
        check("+(name)", Err(()));
        check("()", Ok((Anchor::None, "()")));
        check("a(b)", Ok((Anchor::None, "a(b)")));
        check("(a)b", Ok((Anchor::None, "(a)b")));
    }

    #[test]
    fn what_cannot_be_read_says_where() {
        let check = |pattern: Value, pointer: &str| {
            assert_eq!(Node::compile(&pattern).expect_err("refused").pointer, pointer);
        };
        check(json!({"spec": {"+(a)": 1}}), "/spec/+(a)");
        check(json!({"spec": {"^(a)": {"b": 1}}}), "/spec/^(a)");
        check(json!({"a/b": [{"^(a)": "x"}]}), "/a~1b/0/^(a)");
    }

    #[test]
    fn a_pattern_that_is_too_deep_is_refused() {
        let mut pattern = json!("x");
        for _ in 0..=MAX_DEPTH {
            pattern = json!({"a": pattern});
        }
        assert!(
            Node::compile(&pattern)
                .expect_err("refused")
                .reason
                .contains("deeper than")
        );
    }
}
