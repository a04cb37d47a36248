//! The part of kubectl's JSONPath that printer columns use: fields, quoted fields, indices, `[*]`, and filters that
//! compare one field with a literal.
//!
//! Reference: `k8s.io/client-go/util/jsonpath`.

use serde_json::Value;

/// Values one path may find; more are not shown.
const MOST: usize = 100;

/// A path that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Index(i64),
    All,
    /// The items whose field, reached by the names, equals the literal (or does not).
    Filter {
        names: Vec<String>,
        equal: bool,
        literal: Value,
    },
}

impl JsonPath {
    /// Reads a path such as `.status.conditions[?(@.type=="Ready")].status`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
            .unwrap_or(text);
        let mut rest = text.strip_prefix('$').unwrap_or(text);
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.as_bytes()[0] {
                b'.' => field(&rest[1..])?,
                b'[' => bracket(&rest[1..])?,
                _ if steps.is_empty() => field(rest)?,
                _ => return None,
            };
            steps.extend(step);
            rest = after;
        }
        Some(Self(steps))
    }

    /// What the path leads to, in order.
    pub(crate) fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.0 {
            found = found
                .into_iter()
                .flat_map(|value| step.follow(value))
                .take(MOST)
                .collect();
        }
        found
    }

    /// The value a path of plain fields leads to.
    pub(crate) fn fields(&self) -> Option<Vec<&str>> {
        self.0
            .iter()
            .map(|step| match step {
                Step::Field(name) => Some(name.as_str()),
                _ => None,
            })
            .collect()
    }
}

impl Step {
    fn follow<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let items = || value.as_array().map(Vec::as_slice).unwrap_or_default();
        match self {
            Self::Field(name) => value.get(name).into_iter().collect(),
            Self::Index(index) => {
                let index = if *index < 0 {
                    index + items().len() as i64
                } else {
                    *index
                };
                usize::try_from(index)
                    .ok()
                    .and_then(|index| items().get(index))
                    .into_iter()
                    .collect()
            }
            Self::All => match value {
                Value::Array(items) => items.iter().collect(),
                Value::Object(fields) => fields.values().collect(),
                _ => Vec::new(),
            },
            Self::Filter {
                names,
                equal,
                literal,
            } => items()
                .iter()
                .filter(|item| {
                    let field = names.iter().try_fold(*item, |at, name| at.get(name));
                    field.is_some_and(|field| (field == literal) == *equal)
                })
                .collect(),
        }
    }
}

/// A field after its dot; a dot that a bracket follows names nothing.
fn field(text: &str) -> Option<(Option<Step>, &str)> {
    let mut name = String::new();
    let mut letters = text.char_indices();
    let mut end = text.len();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => name.push(letters.next()?.1),
            '.' | '[' => {
                end = at;
                break;
            }
            letter => name.push(letter),
        }
    }
    let rest = &text[end..];
    match name.as_str() {
        "" if rest.is_empty() || rest.starts_with('[') => Some((None, rest)),
        "" => None,
        "*" => Some((Some(Step::All), rest)),
        _ => Some((Some(Step::Field(name)), rest)),
    }
}

/// What stands in brackets.
fn bracket(text: &str) -> Option<(Option<Step>, &str)> {
    if let Some(filter) = text.strip_prefix("?(") {
        let end = closing(filter, ")]")?;
        return Some((Some(parse_filter(&filter[..end])?), &filter[end + 2..]));
    }
    let end = closing(text, "]")?;
    let inner = text[..end].trim();
    let rest = &text[end + 1..];
    let step = match quoted(inner) {
        Some(name) => Step::Field(name.to_owned()),
        None if inner == "*" => Step::All,
        None => Step::Index(inner.parse().ok()?),
    };
    Some((Some(step), rest))
}

/// Where `end` first stands outside of quotes.
fn closing(text: &str, end: &str) -> Option<usize> {
    let mut quote = None;
    for (at, letter) in text.char_indices() {
        match quote {
            Some(open) if open == letter => quote = None,
            None if matches!(letter, '"' | '\'') => quote = Some(letter),
            None if text[at..].starts_with(end) => return Some(at),
            _ => {}
        }
    }
    None
}

fn quoted(text: &str) -> Option<&str> {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

fn parse_filter(text: &str) -> Option<Step> {
    let (left, right, equal) = match text.split_once("==") {
        Some((left, right)) => (left, right, true),
        None => text.split_once("!=").map(|(left, right)| (left, right, false))?,
    };
    let names = JsonPath::parse(left.trim().strip_prefix('@')?)?;
    let names = names.fields()?.into_iter().map(str::to_owned).collect();
    let right = right.trim();
    let literal = match quoted(right) {
        Some(text) => Value::String(text.to_owned()),
        None => serde_json::from_str(right).ok()?,
    };
    Some(Step::Filter {
        names,
        equal,
        literal,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find_what_kubectl_finds() {
        let object = json!({
            "metadata": { "labels": { "app.kubernetes.io/name": "web" } },
            "spec": { "list": [{ "a": 1 }, { "a": 2 }] },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "Old", "status": "False" }] },
        });
        let check = |path: &str, expect: Value| {
            assert_eq!(
                json!(JsonPath::parse(path).unwrap().find(&object)),
                expect,
                "{path}"
            );
        };
        check(".spec.list[0].a", json!([1]));
        check(".spec.list[-1].a", json!([2]));
        check(".spec.list[*].a", json!([1, 2]));
        check("{.spec.list[7].a}", json!([]));
        check(".status.conditions[?(@.type==\"Ready\")].status", json!(["True"]));
        check(".status.conditions[?(@.type=='Ready')].status", json!(["True"]));
        check(".status.conditions[?(@.type!='Ready')].status", json!(["False"]));
        check(".metadata.labels.app\\.kubernetes\\.io/name", json!(["web"]));
        check(".metadata.labels['app.kubernetes.io/name']", json!(["web"]));
        check(".nothing.at.all", json!([]));
    }

    #[test]
    fn paths_that_are_none_are_refused() {
        for path in [
            ".a[",
            ".a[x]",
            "..a",
            ".a[?(@.b)]",
            ".a[?(b==1)]",
            ".a\\",
            ".a[0]b",
        ] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_path_fails(path in "[.\\[\\]?()@=!'\"a*0-9\\\\-]{0,24}") {
            if let Some(path) = JsonPath::parse(&path) {
                path.find(&json!({ "a": [{ "a": 1 }, 2] }));
            }
        }
    }
}
