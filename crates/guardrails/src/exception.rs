//! `PolicyException`: objects that some rules let through, and until when.
//!
//! Two readings of our own, from annotations: `policies.towpath.dev/owner` and `/reason` say who answers for the
//! exception and why it is there, `policies.towpath.dev/expires` is its last day (`2026-12-31`, in UTC). After that
//! day it excepts nothing; and where nobody knows what day it is, an exception that expires excepts nothing either.

use serde_json::Value;

use crate::conditions::Conditions;
use crate::context::Context;
use crate::cursor::{Cursor, Origin, Refusal};
use crate::facts::Facts;
use crate::matching::{Match, Matcher, Subject};
use crate::pod_security::{Exclude, PodSecurity};
use crate::variables::Expressions;
use crate::wildcard;

const EXPIRES: &str = "policies.towpath.dev/expires";

/// How many rules and podSecurity controls one exception may name.
const MAX_ENTRIES: usize = 1_000;

/// A PolicyException, ready to be asked.
#[derive(Debug, Clone)]
pub(crate) struct Exception {
    /// `namespace/name`.
    pub(crate) name: String,
    background: bool,
    matches: Matcher,
    conditions: Option<Conditions>,
    /// Policies and their rules: a policy's whole name, patterns for the names of its rules.
    rules: Vec<(String, Vec<String>)>,
    /// Only these controls of podSecurity rules, when there are any.
    pub(crate) controls: Vec<Exclude>,
    expires: Option<Expiry>,
}

/// The last day an exception holds, as written and in days since 1970.
#[derive(Debug, Clone)]
pub(crate) struct Expiry {
    date: String,
    day: i64,
}

impl Expiry {
    /// Reads the annotation that says so.
    pub(crate) fn read(metadata: &Cursor<'_>) -> Result<Option<Expiry>, Refusal> {
        let annotations = metadata.string_map("annotations")?;
        let Some((_, date)) = annotations.into_iter().find(|(key, _)| key == EXPIRES) else {
            return Ok(None);
        };
        match day_of(&date) {
            Some(day) => Ok(Some(Expiry { date, day })),
            None => Err(metadata.refuse_below(
                "/annotations",
                format!("{EXPIRES}: {date:?} is not a date such as 2026-12-31"),
            )),
        }
    }

    /// Why the exception of this name does not hold any more, if so.
    pub(crate) fn over(&self, name: &str, facts: &dyn Facts) -> Option<String> {
        let date = &self.date;
        match facts.now() {
            None => Some(format!(
                "the exception {name} holds until {date}, and what day it is is not known here"
            )),
            Some((now, _)) if now.div_euclid(86_400) > self.day => {
                Some(format!("the exception {name} expired on {date}"))
            }
            Some(_) => None,
        }
    }
}

/// What an exception says about an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Excepted {
    Yes,
    No,
    /// It would, if its time were not over or unknown: why it does not.
    Over(String),
}

/// Whether a document is an exception for rules of Kyverno's own policies.
pub(crate) fn is_one(document: &Value) -> bool {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default();
    text("apiVersion").starts_with("kyverno.io/") && text("kind") == "PolicyException"
}

impl Exception {
    pub(crate) fn read(origin: Origin<'_>, document: &Value) -> Result<Exception, Refusal> {
        let name = document.pointer("/metadata/name").and_then(Value::as_str);
        let origin = Origin {
            policy: name,
            ..origin
        };
        let root = Cursor::root(origin, document);
        root.only(&["apiVersion", "kind", "metadata", "spec", "status"])?;
        let version = root.required("apiVersion")?;
        if !matches!(
            version.string()?,
            "kyverno.io/v2" | "kyverno.io/v2beta1" | "kyverno.io/v2alpha1"
        ) {
            return Err(version.refuse(format!("there is no PolicyException of {}", version.string()?)));
        }
        let metadata = root.required("metadata")?;
        let name = metadata.required("name")?.string()?;
        let namespace = metadata.text("namespace")?.unwrap_or_default();
        let spec = root.required("spec")?;
        spec.only(&["background", "match", "conditions", "exceptions", "podSecurity"])?;
        let matcher = spec.required("match")?;
        matcher.only(&["any", "all"])?;
        let matches = Matcher::read(&matcher)?;
        if matches.is_empty() {
            return Err(matcher.refuse("the exception matches nothing"));
        }
        let conditions = spec.field("conditions");
        if let Some(conditions) = &conditions {
            conditions.only(&["any", "all"])?;
            match Expressions::default().learn(conditions.value) {
                Ok(None) => {}
                Ok(Some(reason)) | Err(reason) => return Err(conditions.refuse(reason)),
            }
        }
        let list = spec.required("exceptions")?;
        let items = list.items()?;
        if items.is_empty() || items.len() > MAX_ENTRIES {
            return Err(list.refuse(format!("an exception names between 1 and {MAX_ENTRIES} policies")));
        }
        let mut rules = Vec::with_capacity(items.len());
        for item in items {
            item.only(&["policyName", "ruleNames"])?;
            let policy = item.required("policyName")?;
            if policy.string()?.is_empty() {
                return Err(policy.refuse("an exception names a policy"));
            }
            item.required("ruleNames")?;
            rules.push((policy.string()?.to_owned(), item.strings("ruleNames")?));
        }
        Ok(Exception {
            name: if namespace.is_empty() {
                name.to_owned()
            } else {
                format!("{namespace}/{name}")
            },
            background: spec.flag("background")?.unwrap_or(true),
            matches,
            conditions: conditions
                .map(|conditions| Conditions::read(&conditions))
                .transpose()?,
            rules,
            controls: match spec.field("podSecurity") {
                Some(list) => PodSecurity::read_excludes(&list)?,
                None => Vec::new(),
            },
            expires: Expiry::read(&metadata)?,
        })
    }

    /// Whether it names a rule.
    pub(crate) fn names(&self, policy: &str, rule: &str) -> bool {
        self.rules.iter().any(|(name, rules)| {
            name == policy && rules.iter().any(|pattern| wildcard::matches(pattern, rule))
        })
    }

    /// Whether it lets an object through. Where that cannot be said it does not.
    pub(crate) fn holds(&self, subject: &Subject<'_>, background: bool, context: &Context<'_>) -> Excepted {
        if background && !self.background || self.matches.matches(subject) != Match::Yes {
            return Excepted::No;
        }
        let conditions = self
            .conditions
            .as_ref()
            .map(|conditions| conditions.judge(context));
        if !conditions.is_none_or(|judged| judged.is_ok_and(|judged| judged.holds)) {
            return Excepted::No;
        }
        let over = self
            .expires
            .as_ref()
            .and_then(|expires| expires.over(&self.name, context.facts));
        over.map_or(Excepted::Yes, Excepted::Over)
    }
}

/// The day of a date (`2026-12-31`) or of a moment that begins with one, in days since 1970.
fn day_of(date: &str) -> Option<i64> {
    let (date, rest) = date.split_at_checked(10)?;
    if !rest.is_empty() && !rest.starts_with('T') {
        return None;
    }
    let mut parts = date.splitn(3, '-').map(|part| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| part.parse::<i64>().ok()).flatten()
    });
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    let is_date = (1..=12).contains(&month) && (1..=calendar::days_in(year, month)).contains(&day);
    (is_date && year >= 1970).then(|| calendar::days_of(year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days() {
        let check = |date: &str, expect: Option<i64>| assert_eq!(day_of(date), expect, "{date}");
        check("1970-01-01", Some(0));
        check("1970-03-01", Some(59));
        check("2000-02-29", Some(11_016));
        check("2026-11-21", Some(20_778));
        check("2026-11-21T10:00:00Z", Some(20_778));
        for date in [
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "",
            "tomorrow",
            "2026-11-21 x",
            "+026-11-21",
            "é026-11-21",
        ] {
            check(date, None);
        }
    }
}
