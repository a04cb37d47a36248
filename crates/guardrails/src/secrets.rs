//! What Secrets hold stays out of verdicts: messages show `***` in its place, values are left out. Policies may still
//! look at it. Knows nothing of rules.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::verdict::Verdict;

/// What stands for a value.
const MASK: &str = "***";

/// Shorter values are not hidden: a message would hold them by chance, and there is nothing to guess.
const MIN_LENGTH: usize = 4;

/// Takes what the objects of a request hold out of what is said of them, if they are Secrets.
pub(crate) fn hide(verdicts: &mut [Verdict], objects: [Option<&Value>; 2]) {
    if verdicts.is_empty() || !objects.into_iter().flatten().any(is_secret) {
        return;
    }
    let mut held = Vec::new();
    for object in objects.into_iter().flatten().filter(|object| is_secret(object)) {
        for field in ["data", "stringData"] {
            let map = object.get(field).and_then(Value::as_object);
            for text in map.into_iter().flatten().filter_map(|(_, value)| value.as_str()) {
                let decoded = STANDARD.decode(text).ok();
                held.extend(decoded.and_then(|bytes| String::from_utf8(bytes).ok()));
                held.push(text.to_owned());
            }
        }
    }
    held.retain(|text| text.len() >= MIN_LENGTH);
    // What holds another is hidden first.
    held.sort_by_key(|text| std::cmp::Reverse(text.len()));
    held.dedup();
    for verdict in verdicts {
        for text in &held {
            if verdict.message.contains(text.as_str()) {
                verdict.message = verdict.message.replace(text.as_str(), MASK);
            }
        }
        let shown = verdict.path.as_deref().is_some_and(|path| {
            path.starts_with("/metadata/labels") || path == "/metadata/name" || path == "/type"
        });
        if !shown {
            verdict.value = None;
        }
    }
}

fn is_secret(object: &Value) -> bool {
    object.get("kind").is_some_and(|kind| kind == "Secret")
}
