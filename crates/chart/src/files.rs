//! The files of a chart that are neither templates nor its own description, as templates reach them through
//! `.Files`.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;

/// Files by their path in the chart. A selection shares the data with the whole.
#[derive(Clone, Default)]
pub(crate) struct Files {
    files: Arc<BTreeMap<String, Arc<[u8]>>>,
}

impl Files {
    pub(crate) fn new(files: impl IntoIterator<Item = (String, Arc<[u8]>)>) -> Self {
        Self {
            files: Arc::new(files.into_iter().collect()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, data)| (name.as_str(), &**data))
    }

    /// A file's bytes; nothing for one that is not there.
    pub(crate) fn get(&self, name: &str) -> &[u8] {
        self.files.get(name).map_or(&[], |data| data)
    }

    /// The lines of a file.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = String::from_utf8_lossy(self.get(name));
        if text.is_empty() {
            return Vec::new();
        }
        text.strip_suffix('\n')
            .unwrap_or(&text)
            .split('\n')
            .map(str::to_owned)
            .collect()
    }

    /// The files whose paths match a pattern.
    pub(crate) fn glob(&self, pattern: &str) -> Self {
        let pattern = Glob::new(pattern);
        Self::new(
            self.files
                .iter()
                .filter(|(name, _)| pattern.matches(name))
                .map(|(name, data)| (name.clone(), Arc::clone(data))),
        )
    }

    /// The files as YAML for a ConfigMap, under their names without folders.
    pub(crate) fn as_config(&self) -> String {
        self.flattened(|data| String::from_utf8_lossy(data).into_owned())
    }

    /// The same for a Secret.
    pub(crate) fn as_secrets(&self) -> String {
        self.flattened(|data| base64::engine::general_purpose::STANDARD.encode(data))
    }

    fn flattened(&self, text: impl Fn(&[u8]) -> String) -> String {
        let members: serde_json::Map<String, serde_json::Value> = self
            .iter()
            .map(|(name, data)| {
                let base = name.rsplit('/').next().unwrap_or(name);
                (base.to_owned(), serde_json::Value::String(text(data)))
            })
            .collect();
        let mut text = yaml::emit(&serde_json::Value::Object(members));
        if text.ends_with('\n') {
            text.pop();
        }
        text
    }
}

/// A pattern of `gobwas/glob` with `/` as separator: `*`, `**`, `?`, `[a-z]`, `[!a]`, `{a,b}` and escapes.
pub(crate) struct Glob {
    expression: Option<regex::Regex>,
}

impl Glob {
    pub(crate) fn new(pattern: &str) -> Self {
        let mut out = String::from("(?s)^");
        let mut characters = pattern.chars().peekable();
        let mut alternatives = 0_usize;
        while let Some(character) = characters.next() {
            match character {
                '*' if characters.peek() == Some(&'*') => {
                    characters.next();
                    out.push_str(".*");
                }
                '*' => out.push_str("[^/]*"),
                '?' => out.push_str("[^/]"),
                '\\' => out.push_str(&regex::escape(&characters.next().unwrap_or('\\').to_string())),
                '{' => {
                    alternatives += 1;
                    out.push_str("(?:");
                }
                '}' if alternatives > 0 => {
                    alternatives -= 1;
                    out.push(')');
                }
                ',' if alternatives > 0 => out.push('|'),
                '[' => {
                    out.push('[');
                    if characters.peek() == Some(&'!') {
                        characters.next();
                        out.push('^');
                    }
                    for inner in characters.by_ref() {
                        match inner {
                            ']' => break,
                            '-' => out.push('-'),
                            other => out.push_str(&regex::escape(&other.to_string())),
                        }
                    }
                    out.push(']');
                }
                other => out.push_str(&regex::escape(&other.to_string())),
            }
        }
        out.push('$');
        Self {
            expression: regex::RegexBuilder::new(&out).size_limit(1 << 20).build().ok(),
        }
    }

    /// Whether a path matches. A pattern that cannot be read matches everything, as in Helm.
    pub(crate) fn matches(&self, path: &str) -> bool {
        self.expression
            .as_ref()
            .is_none_or(|expression| expression.is_match(path))
    }
}
