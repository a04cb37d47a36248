//! References: `$(./../path)` stands for the text at another place of the same value.

use ::cel::budget::Budget;
use serde_json::{Map, Value};

use crate::MAX_DEPTH;
use crate::jmespath::{QueryError, as_text};

/// The operators that may stand before the path of a reference.
const OPERATORS: [&str; 5] = [">=", "<=", ">", "<", "!"];

/// A value with its references resolved; `None` when there are none.
pub(crate) fn resolved(value: &Value, budget: &Budget) -> Result<Option<Value>, QueryError> {
    if !any(value, budget, 0)? {
        return Ok(None);
    }
    let mut walk = Walk {
        document: value,
        budget,
        path: Vec::new(),
    };
    walk.value(value).map(Some)
}

/// A key without its anchor: `=(name)` is `name`.
pub(crate) fn without_anchor(key: &str) -> &str {
    let Some(inner) = key.strip_suffix(')') else {
        return key;
    };
    let inner = inner
        .strip_prefix("+(")
        .or_else(|| inner.trim_start_matches(['=', '^', 'X', '<']).strip_prefix('('));
    inner.unwrap_or(key)
}

fn any(value: &Value, budget: &Budget, depth: usize) -> Result<bool, QueryError> {
    budget.spend(1)?;
    if depth > MAX_DEPTH {
        return Err(QueryError::Failed("the value nests too deep".to_owned()));
    }
    Ok(match value {
        Value::String(text) => text.contains("$("),
        Value::Array(items) => {
            for item in items {
                if any(item, budget, depth + 1)? {
                    return Ok(true);
                }
            }
            false
        }
        Value::Object(map) => {
            for (key, value) in map {
                if key.contains("$(") || any(value, budget, depth + 1)? {
                    return Ok(true);
                }
            }
            false
        }
        _ => false,
    })
}

struct Walk<'a> {
    document: &'a Value,
    budget: &'a Budget,
    path: Vec<String>,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value) -> Result<Value, QueryError> {
        self.budget.spend(1)?;
        Ok(match value {
            Value::String(text) => Value::String(self.text(text)?),
            Value::Array(items) => {
                let mut resolved = Vec::with_capacity(items.len());
                for (at, item) in items.iter().enumerate() {
                    self.path.push(at.to_string());
                    resolved.push(self.value(item)?);
                    self.path.pop();
                }
                Value::Array(resolved)
            }
            Value::Object(map) => {
                let mut resolved = Map::new();
                for (key, value) in map {
                    let new = self.text(key)?;
                    self.path.push(key.clone());
                    resolved.insert(new, self.value(value)?);
                    self.path.pop();
                }
                Value::Object(resolved)
            }
            other => other.clone(),
        })
    }

    fn text(&self, text: &str) -> Result<String, QueryError> {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find("$(") {
            let (before, reference) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('\\') {
                out.push_str(before);
                out.push_str("$(");
                rest = &reference[2..];
                continue;
            }
            out.push_str(before);
            // As far as the last parenthesis before a space.
            let word = reference.split(' ').next().unwrap_or_default();
            let Some(end) = word.rfind(')').filter(|end| *end > 2) else {
                out.push_str("$(");
                rest = &reference[2..];
                continue;
            };
            out.push_str(&self.reference(&reference[2..end])?);
            rest = &reference[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    fn reference(&self, reference: &str) -> Result<String, QueryError> {
        let failed = |why: &str| {
            let place = self.path.join("/");
            QueryError::Failed(format!(
                "failed to resolve $({reference}) at path /{place}: {why}"
            ))
        };
        let operator = OPERATORS
            .iter()
            .find(|operator| reference.starts_with(**operator))
            .copied()
            .unwrap_or_default();
        let path = &reference[operator.len()..];
        let mut steps: Vec<&str> = match path.strip_prefix('/') {
            Some(_) => Vec::new(),
            None => self.path.iter().map(String::as_str).collect(),
        };
        for step in path.split('/') {
            match step {
                "" | "." => {}
                ".." => {
                    steps.pop();
                }
                step => steps.push(step),
            }
        }
        let mut value = self.document;
        for step in steps {
            self.budget.spend(1)?;
            let wanted = without_anchor(step);
            let found = match value {
                Value::Object(map) => map
                    .iter()
                    .find(|(key, _)| without_anchor(key) == wanted)
                    .map(|(_, value)| value),
                Value::Array(items) => step.parse::<usize>().ok().and_then(|at| items.get(at)),
                _ => None,
            };
            value = found.ok_or_else(|| failed("there is nothing"))?;
        }
        match (value, operator) {
            (Value::String(text), operator) => {
                self.budget.spend(text.len() / 64)?;
                Ok(format!("{operator}{text}"))
            }
            (Value::Number(_), operator) if !operator.is_empty() => {
                Ok(format!("{operator}{}", as_text(value)))
            }
            _ => Err(failed("there is no text")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_resolved() {
        let document = |text: &str| json!({"spec": {"=(limits)": {"memory": "1Gi", "cpu": 2}, "requests": {"memory": text}, "list": ["a", "b"]}});
        let check = |text: &str, expect: Option<&str>| {
            let resolved = resolved(&document(text), &Budget::default());
            let seen = match &resolved {
                Ok(Some(value)) => value.pointer("/spec/requests/memory").and_then(Value::as_str),
                Ok(None) => Some(text),
                Err(_) => None,
            };
            assert_eq!(seen, expect, "{text}");
        };
        check("plain", Some("plain"));
        check("$(./../../limits/memory)", Some("1Gi"));
        check("$(<=./../../limits/memory)", Some("<=1Gi"));
        check("$(<=./../../limits/cpu)", Some("<=2"));
        check("$(/spec/limits/memory)", Some("1Gi"));
        check("$(/spec/list/1) is it", Some("b is it"));
        check("up to $(/spec/limits/memory)", Some("up to 1Gi"));
        check("\\$(/spec/limits/memory)", Some("$(/spec/limits/memory)"));
        check("$(./../../limits/cpu)", None);
        check("$(/spec/limits)", None);
        check("$(./../nothing)", None);
        check("$(", Some("$("));
    }

    #[test]
    fn keys_without_their_anchors() {
        for (key, expect) in [
            ("a", "a"),
            ("(a)", "a"),
            ("=(a)", "a"),
            ("+(a)", "a"),
            ("<(a)", "a"),
            ("a)", "a)"),
        ] {
            assert_eq!(without_anchor(key), expect);
        }
    }
}
