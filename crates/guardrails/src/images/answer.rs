//! What whoever verifies images answers: a digest, or a map with the `digest` and, by their types, `attestations`.

use serde_json::Value;

/// The digest that an answer is about: `sha256:…`, or a map that has it as `digest` or in `resolvedImage`.
pub(crate) fn digest_of(answer: &Value) -> Option<String> {
    let text = answer.as_str().or_else(|| answer.get("digest")?.as_str());
    let text = text.or_else(|| {
        answer
            .get("resolvedImage")?
            .as_str()?
            .rsplit_once('@')
            .map(|(_, digest)| digest)
    })?;
    text.starts_with("sha256:").then(|| text.to_owned())
}

/// The statements of a type that were verified: a list under `attestations` and the type.
pub(crate) fn statements_of<'a>(answer: &'a Value, kind: &str) -> Option<&'a [Value]> {
    let statements = answer.get("attestations")?.get(kind)?.as_array()?;
    Some(statements)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn digests_and_statements() {
        let check = |answer: Value, digest: Option<&str>, statements: usize| {
            assert_eq!(digest_of(&answer).as_deref(), digest, "{answer}");
            let found = statements_of(&answer, "sbom").map_or(0, <[Value]>::len);
            assert_eq!(found, statements, "{answer}");
        };
        check(json!("sha256:00"), Some("sha256:00"), 0);
        check(json!("latest"), None, 0);
        check(json!({"resolvedImage": "a/b@sha256:00"}), Some("sha256:00"), 0);
        check(
            json!({"digest": "sha256:00", "attestations": {"sbom": [{}, {}]}}),
            Some("sha256:00"),
            2,
        );
        check(json!({"attestations": {"other": [{}], "sbom": {}}}), None, 0);
    }
}
