//! Are two outputs the same? Documents are compared parsed and in order; what differs between two runs of Helm
//! itself counts as the same.

use super::render::Printed;
use serde_json::Value;

/// What a comparison says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Byte for byte.
    Identical,
    /// The same objects in the same order.
    SameObjects,
    /// The same, where Helm does not differ from itself.
    SameButVolatile,
    /// Both fail in the same words.
    BothFail,
    /// Both fail with the same class of message.
    BothFailAlike {
        ours: String,
        helm: String,
    },
    /// Both fail, for different reasons.
    BothFailElse {
        ours: String,
        helm: String,
    },
    /// The chart is not whole: a dependency is missing, and both say so.
    Incomplete,
    OnlyWeFail(String),
    OnlyHelmFails(String),
    Differs(String),
}

impl Verdict {
    /// Whether it counts as conforming; `None` for what is counted apart.
    pub(super) fn conforms(&self) -> Option<bool> {
        match self {
            Self::Incomplete => None,
            Self::Identical
            | Self::SameObjects
            | Self::SameButVolatile
            | Self::BothFail
            | Self::BothFailAlike { .. } => Some(true),
            Self::BothFailElse { .. } | Self::OnlyWeFail(_) | Self::OnlyHelmFails(_) | Self::Differs(_) => {
                Some(false)
            }
        }
    }

    /// Whether a second run of Helm could show that nothing differs.
    pub(super) fn is_difference(&self) -> bool {
        matches!(self, Self::Differs(_))
    }
}

/// Compares our output with Helm's, of two runs.
pub(super) fn compare(ours: &Printed, helm: &Printed, again: &Printed) -> Verdict {
    match (ours, helm) {
        (Ok(ours), Ok(helm)) if ours == helm => Verdict::Identical,
        (Ok(ours), Ok(helm)) => {
            let again = again.as_ref().unwrap_or(helm);
            match difference(&documents(ours), &documents(helm), &documents(again)) {
                Some(difference) => Verdict::Differs(difference),
                None if helm == again => Verdict::SameObjects,
                None => Verdict::SameButVolatile,
            }
        }
        (Err(ours), Err(helm)) => {
            let (mine, theirs) = (class(ours), class(helm));
            let (ours, helm) = (ours.clone(), helm.clone());
            if mine == "missing dependency" && theirs == mine {
                Verdict::Incomplete
            } else if words(&ours) == words(&helm) {
                Verdict::BothFail
            } else if mine == theirs {
                Verdict::BothFailAlike { ours, helm }
            } else {
                Verdict::BothFailElse { ours, helm }
            }
        }
        (Err(ours), Ok(_)) => Verdict::OnlyWeFail(ours.clone()),
        (Ok(_), Err(helm)) => Verdict::OnlyHelmFails(helm.clone()),
    }
}

/// A message in one line, without the advice that Helm adds and its layout of a template's error.
fn words(message: &str) -> String {
    let advice = "Use --debug flag to render out invalid YAML";
    let message = message.replace(advice, "").replace("template: ", "");
    let message = message
        .replace(": executing", " executing")
        .replace(": error calling", " error calling");
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What kind of mishap a message tells of.
pub(super) fn class(message: &str) -> &'static str {
    let has = |part: &str| message.contains(part);
    if message == "PANIC" {
        "panic"
    } else if has("missing in charts/ directory") {
        "missing dependency"
    } else if has("values don't meet the specifications") {
        "schema"
    } else if has("which is incompatible with Kubernetes") {
        "Kubernetes version"
    } else if has("execution error at (") {
        "refused by the chart"
    } else if has("parse error at (") || message.starts_with("parse error") {
        "template cannot be read"
    } else if has("YAML parse error on") || has("error converting YAML to JSON") && has("unable to build") {
        "manifest cannot be read"
    } else if has("error calling ") && !has("error calling include") && !has("error calling tpl") {
        "function failed"
    } else if has("executing \"") {
        "template failed"
    } else if has("library charts are not installable") {
        "library chart"
    } else if has("validation: ") || has("chart.metadata") {
        "metadata"
    } else {
        "chart cannot be loaded"
    }
}

/// A document: parsed, or as text if it cannot be.
#[derive(Debug, PartialEq)]
enum Document {
    Parsed(Value),
    Text(String),
}

/// Cuts an output where a line starts with `---`; what holds nothing but comments is left out.
fn documents(text: &str) -> Vec<Document> {
    let mut pieces = vec![String::new()];
    for line in text.lines() {
        if line.starts_with("---") {
            pieces.push(String::new());
        } else if let Some(piece) = pieces.last_mut() {
            piece.push_str(line);
            piece.push('\n');
        }
    }
    let mut documents = Vec::new();
    for piece in pieces {
        match yaml::parse(&piece) {
            Ok(read) if read.value.is_null() => {}
            Ok(read) => documents.push(Document::Parsed(read.value)),
            Err(_) => documents.push(Document::Text(piece)),
        }
    }
    documents
}

fn title(document: &Document) -> String {
    match document {
        Document::Parsed(value) => {
            let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
            format!("{} {}", text(&value["kind"]), text(&value["metadata"]["name"]))
        }
        Document::Text(text) => text.lines().next().unwrap_or_default().to_owned(),
    }
}

fn difference(ours: &[Document], helm: &[Document], again: &[Document]) -> Option<String> {
    for (index, (mine, theirs)) in ours.iter().zip(helm).enumerate() {
        let found = match (mine, theirs) {
            (Document::Parsed(mine), Document::Parsed(theirs)) => {
                let again = match again.get(index) {
                    Some(Document::Parsed(again)) => again,
                    _ => theirs,
                };
                first(mine, theirs, again, "")
            }
            (mine, theirs) if mine == theirs => None,
            _ => Some(": one of them cannot be read as YAML".to_owned()),
        };
        if let Some(found) = found {
            let name = title(theirs);
            return Some(format!("document {} ({name}){found}", index + 1));
        }
    }
    (ours.len() != helm.len()).then(|| {
        let extra = ours.get(helm.len()).or_else(|| helm.get(ours.len())).map(title);
        let extra = extra.unwrap_or_default();
        format!(
            "{} documents, Helm has {}; the first more is {extra}",
            ours.len(),
            helm.len()
        )
    })
}

/// The first place where we differ from Helm, and Helm not from itself.
fn first(ours: &Value, helm: &Value, again: &Value, path: &str) -> Option<String> {
    if ours == helm {
        return None;
    }
    match (ours, helm, again) {
        (Value::Object(mine), Value::Object(theirs), Value::Object(again)) => {
            let same_keys = theirs.len() == again.len() && theirs.keys().all(|key| again.contains_key(key));
            if !same_keys {
                return None;
            }
            for (key, value) in theirs {
                let path = format!("{path}.{key}");
                match mine.get(key) {
                    None => return Some(format!("{path}: missing, Helm has {}", short(value))),
                    Some(own) => {
                        let found = first(own, value, again.get(key).unwrap_or(value), &path);
                        if found.is_some() {
                            return found;
                        }
                    }
                }
            }
            let extra = mine.iter().find(|(key, _)| !theirs.contains_key(*key))?;
            Some(format!("{path}.{}: {}, Helm has none", extra.0, short(extra.1)))
        }
        (Value::Array(mine), Value::Array(theirs), Value::Array(again))
            if mine.len() == theirs.len() && again.len() == theirs.len() =>
        {
            let mut all = mine.iter().zip(theirs).zip(again).enumerate();
            all.find_map(|(index, ((mine, theirs), again))| {
                first(mine, theirs, again, &format!("{path}[{index}]"))
            })
        }
        _ if helm != again => None,
        _ => {
            let (mine, theirs) = apart(ours, helm);
            Some(format!("{path}: {mine}, Helm has {theirs}"))
        }
    }
}

/// Two values, from shortly before they part.
fn apart(ours: &Value, helm: &Value) -> (String, String) {
    let (Value::String(mine), Value::String(theirs)) = (ours, helm) else {
        return (short(ours), short(helm));
    };
    let same = mine
        .chars()
        .zip(theirs.chars())
        .take_while(|(a, b)| a == b)
        .count();
    let from = same.saturating_sub(40);
    let cut = |text: &str| Value::String(text.chars().skip(from).collect());
    (short(&cut(mine)), short(&cut(theirs)))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was printed, or with a leading `!` an error.
    fn printed(text: &str) -> Printed {
        match text.strip_prefix('!') {
            Some(message) => Err(message.to_owned()),
            None => Ok(text.to_owned()),
        }
    }

    #[test]
    fn outputs_are_told_apart() {
        let between = |ours: &str, helm: &str, again: &str, expect: Verdict| {
            let [ours, helm, again] = [ours, helm, again].map(printed);
            assert_eq!(compare(&ours, &helm, &again), expect);
        };
        let check = |ours: &str, helm: &str, expect: Verdict| between(ours, helm, helm, expect);
        let one = "---\nkind: A\nv: 1\n";
        let differs = |what: &str| Verdict::Differs(what.to_owned());
        check(one, one, Verdict::Identical);
        check(
            one,
            "---\n# c\nkind: A\n\nv: 1\n---\n# no\n",
            Verdict::SameObjects,
        );
        between(
            one,
            "kind: A\nv: 2\n",
            "kind: A\nv: 3\n",
            Verdict::SameButVolatile,
        );
        check(
            one,
            "kind: A\nv: 2\n",
            differs("document 1 (A ?).v: 1, Helm has 2"),
        );
        check(
            one,
            "kind: A\nm: 2\nv: 1\n",
            differs("document 1 (A ?).m: missing, Helm has 2"),
        );
        check(
            one,
            "kind: A\nv: 1\n---\nkind: B\n",
            differs("1 documents, Helm has 2; the first more is B ?"),
        );
        check(one, "!x", Verdict::OnlyHelmFails("x".to_owned()));
        check("!x", one, Verdict::OnlyWeFail("x".to_owned()));
        check("!x", "!x\n", Verdict::BothFail);
        let (ours, helm) = (
            "execution error at (a:1:2): b".to_owned(),
            "execution error at (a:1:3): b".to_owned(),
        );
        check(
            "!execution error at (a:1:2): b",
            "!execution error at (a:1:3): b",
            Verdict::BothFailAlike {
                ours: ours.clone(),
                helm,
            },
        );
        check(
            "!execution error at (a:1:2): b",
            "!x",
            Verdict::BothFailElse {
                ours,
                helm: "x".to_owned(),
            },
        );
    }
}
