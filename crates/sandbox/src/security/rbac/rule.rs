//! One rule of a role.

use serde_json::{Value, json};

use crate::security::{Action, On};
use crate::verbs::texts;

/// Verbs on resources, or on paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) verbs: Vec<String>,
    pub(crate) groups: Vec<String>,
    pub(crate) resources: Vec<String>,
    /// The only objects meant; without any, all are.
    pub(crate) names: Vec<String>,
    pub(crate) urls: Vec<String>,
}

impl Rule {
    pub(crate) fn read(rule: &Value) -> Self {
        let words = |field: &str| texts(&rule[field]);
        Self {
            verbs: words("verbs"),
            groups: words("apiGroups"),
            resources: words("resources"),
            names: words("resourceNames"),
            urls: words("nonResourceURLs"),
        }
    }

    /// The rules of a role.
    pub(crate) fn all_of(role: &Value) -> Vec<Self> {
        role["rules"]
            .as_array()
            .into_iter()
            .flatten()
            .map(Self::read)
            .collect()
    }

    pub(crate) fn json(&self) -> Value {
        let mut json = json!({ "verbs": self.verbs });
        for (field, words) in [
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.urls),
        ] {
            if !words.is_empty() {
                json[field] = json!(words);
            }
        }
        json
    }

    /// Whether it allows an action.
    pub(crate) fn allows(&self, action: &Action) -> bool {
        if !has_or_all(&self.verbs, &action.verb) {
            return false;
        }
        match &action.on {
            On::Path(path) => self.urls.iter().any(|url| url == "*" || url_covers(url, path)),
            On::Resource(place) => {
                has_or_all(&self.groups, &place.group)
                    && self.covers_resource(&place.resource, &place.subresource)
                    && (self.names.is_empty() || self.names.contains(&place.name))
            }
        }
    }

    fn covers_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|known| {
            let of_any = known.strip_prefix("*/");
            known == "*"
                || (subresource.is_empty() && known == resource)
                || (!subresource.is_empty()
                    && (of_any == Some(subresource)
                        || known
                            .split_once('/')
                            .is_some_and(|known| known == (resource, subresource))))
        })
    }
}

/// Whether a word is among others, or all are meant.
pub(super) fn has_or_all(words: &[String], word: &str) -> bool {
    words.iter().any(|known| known == "*" || known == word)
}

/// Whether a path, or a pattern with a `*` at its end, covers another.
pub(super) fn url_covers(url: &str, path: &str) -> bool {
    url == path || (url.ends_with('*') && path.starts_with(url.trim_end_matches('*')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::Place;

    fn on(verb: &str, place: &str) -> Action {
        let parts: Vec<&str> = place.split('|').collect();
        let part = |at: usize| parts.get(at).copied().unwrap_or_default().to_owned();
        Action {
            verb: verb.to_owned(),
            on: On::Resource(Place {
                group: part(0),
                resource: part(1),
                subresource: part(2),
                namespace: String::new(),
                name: part(3),
            }),
        }
    }

    #[test]
    fn rules_on_resources() {
        let check = |rule: Value, verb: &str, place: &str, expect: bool| {
            let action = on(verb, place);
            assert_eq!(Rule::read(&rule).allows(&action), expect, "{rule} {verb} {place}");
        };
        let rule = |groups: &[&str], resources: &[&str], verbs: &[&str]| json!({ "apiGroups": groups, "resources": resources, "verbs": verbs });
        check(rule(&[""], &["pods"], &["get"]), "get", "|pods||a", true);
        check(rule(&[""], &["pods"], &["get"]), "list", "|pods", false);
        check(rule(&[""], &["pods"], &["*"]), "list", "|pods", true);
        check(rule(&["apps"], &["pods"], &["get"]), "get", "|pods||a", false);
        check(rule(&["*"], &["pods"], &["get"]), "get", "apps|pods||a", true);
        check(rule(&[""], &["pods"], &["get"]), "get", "|pods|log|a", false);
        check(rule(&[""], &["pods/log"], &["get"]), "get", "|pods|log|a", true);
        check(rule(&[""], &["pods/log"], &["get"]), "get", "|pods||a", false);
        check(rule(&[""], &["*/log"], &["get"]), "get", "|pods|log|a", true);
        check(rule(&[""], &["*/log"], &["get"]), "get", "|pods|status|a", false);
        check(rule(&[""], &["*/log"], &["get"]), "get", "|pods||a", false);
        check(rule(&[""], &["*"], &["get"]), "get", "|pods|log|a", true);
        check(rule(&[], &["pods"], &["get"]), "get", "|pods||a", false);
        check(json!({}), "get", "|pods||a", false);
        let named =
            json!({ "apiGroups": [""], "resources": ["pods"], "verbs": ["*"], "resourceNames": ["a"] });
        check(named.clone(), "get", "|pods||a", true);
        check(named.clone(), "get", "|pods||b", false);
        check(named, "list", "|pods", false);
    }

    #[test]
    fn rules_on_paths() {
        for (url, path, expect) in [
            ("/version", "/version", true),
            ("/version", "/version/", false),
            ("/healthz/*", "/healthz/ping", true),
            ("/healthz/*", "/healthz", false),
            ("*", "/anything", true),
            ("/a*", "/apis", true),
            ("/*/b", "/a/b", false),
        ] {
            let rule = Rule::read(&json!({ "nonResourceURLs": [url], "verbs": ["get"] }));
            let action = Action {
                verb: "get".to_owned(),
                on: On::Path(path.to_owned()),
            };
            assert_eq!(rule.allows(&action), expect, "{url} {path}");
        }
    }
}
