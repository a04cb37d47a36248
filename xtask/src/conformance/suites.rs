//! Values that charts are tested with: the `set` and `values` of their helm-unittest suites. What the suites assert is
//! not looked at; Helm says what is right.

use super::charts::{Values, entries, is_yaml};
use serde_json::{Map, Value};
use std::fs;
use std::path::Path;

/// How many tests of one chart are taken.
const MAX_TESTS: usize = 60;
/// How deep suites may lie in the folder for tests.
const MAX_DEPTH: usize = 4;
/// How long a list may become by naming an element.
const MAX_INDEX: usize = 100;

/// The values of all tests of a chart, each once.
pub(super) fn values(chart: &Path) -> Vec<Values> {
    let mut found = Vec::new();
    for folder in ["tests", "unittests"] {
        collect(chart, folder, 0, &mut found);
    }
    found
}

fn collect(chart: &Path, folder: &str, depth: usize, found: &mut Vec<Values>) {
    for (name, is_folder) in entries(&chart.join(folder)).unwrap_or_default() {
        let path = format!("{folder}/{name}");
        if is_folder && depth < MAX_DEPTH {
            collect(chart, &path, depth + 1, found);
        } else if is_yaml(&name) {
            let text = fs::read_to_string(chart.join(&path)).unwrap_or_default();
            // Suites that are templates themselves are not read.
            for document in yaml::parse_all(&text).unwrap_or_default() {
                let files = chart.join(folder);
                of_suite(&document.value, &path, &files, found);
            }
        }
    }
}

fn of_suite(suite: &Value, path: &str, folder: &Path, found: &mut Vec<Values>) {
    for (index, test) in suite["tests"].as_array().into_iter().flatten().enumerate() {
        let mut values = Value::Object(Map::new());
        let is_whole = [suite, test].iter().all(|level| {
            let files = level["values"].as_array().into_iter().flatten();
            let mut files = files.map(|file| file.as_str().and_then(|file| read(&folder.join(file))));
            let fits = files.all(|over| over.map(|over| merge(&mut values, over)).is_some());
            fits && level["set"]
                .as_object()
                .into_iter()
                .flatten()
                .all(|(key, value)| {
                    steps(key).is_some_and(|steps| set(&mut values, &steps, value.clone()).is_some())
                })
        });
        let is_new = found.iter().all(|known| match known {
            Values::Made { values: known, .. } => *known != values,
            _ => true,
        });
        if is_whole
            && is_new
            && found.len() < MAX_TESTS
            && values.as_object().is_some_and(|it| !it.is_empty())
        {
            found.push(Values::Made {
                name: format!("{path} test {}", index + 1),
                values,
            });
        }
    }
}

fn read(path: &Path) -> Option<Value> {
    let text = fs::read_to_string(path).ok()?;
    let first = yaml::parse_all(&text).ok()?.into_iter().next()?;
    first.value.is_object().then_some(first.value)
}

fn merge(into: &mut Value, over: Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over,
    }
}

/// A step on the way to a value.
#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// Reads `a.b[0]["c.d"]`.
fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (inner, after) = after.split_once(']')?;
            let name = inner.trim_matches(['"', '\'']);
            steps.push(if name == inner {
                Step::Index(inner.parse().ok().filter(|index| *index <= MAX_INDEX)?)
            } else {
                Step::Key(name.to_owned())
            });
            rest = after;
        } else {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            let mut key = String::new();
            let mut characters = rest.char_indices();
            let mut end = rest.len();
            while let Some((at, character)) = characters.next() {
                match character {
                    '.' | '[' => {
                        end = at;
                        break;
                    }
                    '\\' => key.push(characters.next()?.1),
                    other => key.push(other),
                }
            }
            if key.is_empty() {
                return None;
            }
            steps.push(Step::Key(key));
            rest = &rest[end..];
        }
    }
    Some(steps)
}

fn set(into: &mut Value, steps: &[Step], value: Value) -> Option<()> {
    let Some((step, rest)) = steps.split_first() else {
        *into = value;
        return Some(());
    };
    match step {
        Step::Key(key) => {
            if into.is_null() {
                *into = Value::Object(Map::new());
            }
            set(
                into.as_object_mut()?.entry(key).or_insert(Value::Null),
                rest,
                value,
            )
        }
        Step::Index(index) => {
            if into.is_null() {
                *into = Value::Array(Vec::new());
            }
            let items = into.as_array_mut()?;
            if items.len() <= *index {
                items.resize(index + 1, Value::Null);
            }
            set(&mut items[*index], rest, value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_values_of_tests_are_found() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("tests/values")).unwrap();
        let write = |path: &str, text: &str| fs::write(folder.path().join(path), text).unwrap();
        write("tests/values/more.yaml", "a: {x: 1}\n");
        write(
            "tests/web_test.yaml",
            "suite: web\nset: {b: 1}\ntests:\n- set:\n    a.l[1].c: 2\n    d[\"e.f\"]: 3\n    g\\.h: 4\n- it: same\n- it: same again\n- values: [values/more.yaml]\n- values: [gone.yaml]\n",
        );
        let found: Vec<(String, Value)> = values(folder.path())
            .into_iter()
            .filter_map(|values| match values {
                Values::Made { name, values } => Some((name, values)),
                _ => None,
            })
            .collect();
        let named = |index, values| (format!("tests/web_test.yaml test {index}"), values);
        let expect = [
            named(
                1,
                json!({"a": {"l": [null, {"c": 2}]}, "b": 1, "d": {"e.f": 3}, "g.h": 4}),
            ),
            named(2, json!({"b": 1})),
            named(4, json!({"a": {"x": 1}, "b": 1})),
        ];
        assert_eq!(found, expect);
    }
}
