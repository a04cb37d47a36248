//! What somebody is told whose request is refused: Kyverno's words, and what to do. No I/O.

use std::fmt::Write as _;

use guardrails::{Outcome, Verdict};

/// How many warnings one answer carries, and how long each may be: an API server cuts what goes beyond.
const WARNINGS: usize = 12;
const WARNING_LENGTH: usize = 250;
/// No refusal is longer than this.
const REFUSAL_LENGTH: usize = 16 * 1024;

/// Why a request is refused, as Kyverno puts it, with a hint below each policy that has one. `None` when nothing
/// refuses it. `object` is `Kind/namespace/name`.
pub fn refusal<'a>(object: &str, verdicts: impl IntoIterator<Item = &'a Verdict>) -> Option<String> {
    let refusals: Vec<&Verdict> = verdicts.into_iter().filter(|verdict| verdict.refuses()).collect();
    if refusals.is_empty() {
        return None;
    }
    let mut text = format!("\n\nresource {object} was blocked due to the following policies\n");
    let mut policies: Vec<&str> = Vec::new();
    for verdict in &refusals {
        if !policies.contains(&verdict.about.policy.as_str()) {
            policies.push(&verdict.about.policy);
        }
    }
    for policy in policies {
        // A string cannot fail to be written to.
        let _ = write!(text, "\n{policy}:\n");
        let mut hints: Vec<&str> = Vec::new();
        for verdict in refusals.iter().filter(|verdict| verdict.about.policy == policy) {
            let _ = writeln!(text, "  {}: '{}'", verdict.about.rule, verdict.message.trim());
            hints.extend(verdict.about.hint.as_deref().map(str::trim));
        }
        hints.dedup();
        for hint in hints {
            let _ = writeln!(text, "  hint: {hint}");
        }
    }
    Some(cut(&text, REFUSAL_LENGTH))
}

/// What a request that is let through is warned of. `loud` says of which policies failures that refuse nothing are
/// told.
pub(crate) fn warnings(verdicts: &[Verdict], loud: impl Fn(&str) -> bool) -> Vec<String> {
    let warns = |verdict: &&Verdict| match verdict.outcome {
        Outcome::Warn => true,
        Outcome::Fail | Outcome::Error => !verdict.enforce && loud(&verdict.about.policy),
        Outcome::Pass | Outcome::Skip => false,
    };
    let tell = |verdict: &Verdict| {
        let said = format!(
            "policy {}.{}: {}",
            verdict.about.policy,
            verdict.about.rule,
            verdict.message.trim()
        );
        let line = said.split_whitespace().collect::<Vec<_>>().join(" ");
        cut(&line, WARNING_LENGTH)
    };
    verdicts.iter().filter(warns).take(WARNINGS).map(tell).collect()
}

/// At most this many bytes, between two characters.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let end = (0..=limit.saturating_sub('…'.len_utf8()))
        .rev()
        .find(|&end| text.is_char_boundary(end));
    format!("{}…", &text[..end.unwrap_or_default()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use guardrails::{Policies, Request};
    use serde_json::json;

    fn verdicts(action: &str) -> Vec<Verdict> {
        let policy = format!(
            "{{apiVersion: kyverno.io/v1, kind: ClusterPolicy, metadata: {{name: teams, annotations: {{policies.towpath.dev/hint: Name one.}}}}, spec: {{rules: [
              {{name: has-team, match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}, validate: {{failureAction: {action}, message: A team is required, pattern: {{metadata: {{labels: {{team: '?*'}}}}}}}}}},
              {{name: has-cost, match: {{any: [{{resources: {{kinds: [ConfigMap]}}}}]}}, validate: {{failureAction: {action}, message: A cost centre is required, pattern: {{metadata: {{labels: {{cost: '?*'}}}}}}}}}}]}}}}"
        );
        let policies = Policies::load("a.yaml", &yaml::parse_all(&policy).unwrap()).unwrap();
        let object =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {}}});
        policies.evaluate(&Request::new(&object))
    }

    #[test]
    fn refusals_are_told_by_policy() {
        let told = refusal("ConfigMap/shop/a", &verdicts("Enforce")).unwrap();
        assert_eq!(
            told,
            "\n\nresource ConfigMap/shop/a was blocked due to the following policies\n\nteams:\n  has-team: 'validation error: A team is required. rule has-team failed at path /metadata/labels/team/'\n  has-cost: 'validation error: A cost centre is required. rule has-cost failed at path /metadata/labels/cost/'\n  hint: Name one.\n"
        );
        assert_eq!(refusal("ConfigMap/shop/a", &verdicts("Audit")), None);
    }

    #[test]
    fn only_loud_policies_warn() {
        assert!(warnings(&verdicts("Audit"), |_| false).is_empty());
        assert_eq!(
            warnings(&verdicts("Audit"), |policy| policy == "teams"),
            [
                "policy teams.has-team: validation error: A team is required. rule has-team failed at path /metadata/labels/team/",
                "policy teams.has-cost: validation error: A cost centre is required. rule has-cost failed at path /metadata/labels/cost/",
            ]
        );
        assert!(
            warnings(&verdicts("Enforce"), |_| true).is_empty(),
            "what refuses is no warning"
        );
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("üüü", 5), "ü…");
    }
}
