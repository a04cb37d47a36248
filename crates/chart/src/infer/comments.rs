//! What the comments of a values file say of which value: the lines right above a key, in the ways chart authors
//! write them. It reads lines, not YAML: what it does not understand has no description.

use std::collections::HashMap;

/// How long a description may be, in characters.
const MAX_LENGTH: usize = 1000;

/// Descriptions by path.
#[derive(Debug, Default)]
pub(super) struct Comments {
    by_path: HashMap<String, String>,
}

/// A key on the way to the current line.
struct Step {
    indent: usize,
    name: String,
}

impl Comments {
    pub(super) fn of(&self, path: &[&str]) -> Option<&str> {
        self.by_path.get(&path.join("\n")).map(String::as_str)
    }

    pub(super) fn read(text: &str) -> Self {
        let mut found = Self::default();
        let mut above: Vec<&str> = Vec::new();
        let mut path: Vec<Step> = Vec::new();
        // Lines deeper than this belong to a text or a list, and are not looked at.
        let mut skip: Option<usize> = None;
        for line in text.lines() {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if let Some(bound) = skip {
                if trimmed.is_empty() || indent > bound {
                    continue;
                }
                skip = None;
            }
            if let Some(comment) = trimmed.strip_prefix('#') {
                let comment = comment.trim_start_matches('#');
                if !found.parameter(comment) {
                    above.push(comment);
                }
                continue;
            }
            let comments = std::mem::take(&mut above);
            if trimmed.is_empty() {
                continue;
            }
            let Some((name, value)) = key(trimmed) else {
                // An element of a list, or the end of a document.
                skip = trimmed.starts_with("- ").then_some(indent);
                continue;
            };
            while path.last().is_some_and(|step| step.indent >= indent) {
                path.pop();
            }
            path.push(Step { indent, name });
            if value.starts_with(['|', '>']) {
                skip = Some(indent);
            }
            if let Some(description) = description(&comments) {
                let names: Vec<&str> = path.iter().map(|step| step.name.as_str()).collect();
                // What `@param` says wins.
                found.by_path.entry(names.join("\n")).or_insert(description);
            }
        }
        found
    }

    /// `@param image.tag [string] Which image`: says itself what it is about.
    fn parameter(&mut self, comment: &str) -> bool {
        let Some(rest) = comment.trim_start().strip_prefix("@param ") else {
            return false;
        };
        let Some((path, mut text)) = rest.trim_start().split_once(' ') else {
            return true;
        };
        text = text.trim_start();
        if let Some((_, after)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
            text = after.trim_start();
        }
        if !text.is_empty() {
            self.by_path.insert(path.replace('.', "\n"), shortened(text));
        }
        true
    }
}

/// A key of a block mapping and what follows its colon.
fn key(line: &str) -> Option<(String, &str)> {
    let (name, rest) = match line.chars().next()? {
        quote @ ('"' | '\'') => {
            let (name, rest) = line[1..].split_once(quote)?;
            (name, rest.strip_prefix(':')?)
        }
        '-' if line == "-" || line.starts_with("- ") || line.starts_with("---") => return None,
        _ => line
            .split_once(": ")
            .or_else(|| Some((line.trim_end().strip_suffix(':')?, "")))?,
    };
    let plain = !name.contains([' ', '#', '{', '[', ',']);
    plain.then(|| (name.to_owned(), rest.trim_start()))
}

/// What the comment lines above a key say: all of them, or from the last `--` on, as helm-docs has it. Lines that
/// are values which somebody commented out say nothing.
fn description(comments: &[&str]) -> Option<String> {
    let marked = comments
        .iter()
        .rposition(|line| line.trim_start().starts_with("-- "));
    let lines: Vec<&str> = match marked {
        Some(start) => comments[start..]
            .iter()
            .map(|line| line.trim())
            .filter(|line| !line.starts_with('@'))
            .map(|line| line.strip_prefix("-- ").unwrap_or(line))
            .collect(),
        None if comments.iter().any(|line| is_value(line)) => return None,
        None => comments.iter().map(|line| line.trim()).collect(),
    };
    let text = lines.join(" ");
    let text = text.trim();
    // `# -- (int) Number of pods` names a type first.
    let text = match text.strip_prefix('(').and_then(|text| text.split_once(") ")) {
        Some((kind, rest)) if marked.is_some() && !kind.contains(' ') => rest,
        _ => text,
    };
    text.contains(|c: char| c.is_alphabetic())
        .then(|| shortened(text))
}

/// Whether a comment looks like a line of YAML.
fn is_value(comment: &str) -> bool {
    let line = comment.trim();
    line.starts_with("- ")
        || line.ends_with(':')
        || line.split_once(": ").is_some_and(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-./\"'".contains(c))
                // A sentence may begin `Note: …`.
                && !name.starts_with(char::is_uppercase)
        })
}

fn shortened(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some((cut, _)) = text.char_indices().nth(MAX_LENGTH) {
        text.truncate(cut);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_belong_to_the_key_below() {
        let check = |text: &str, path: &[&str], expect: Option<&str>| {
            assert_eq!(Comments::read(text).of(path), expect, "{text}");
        };
        check("# How many.\na: 1\n", &["a"], Some("How many."));
        check("# How\n# many.\na: 1\n", &["a"], Some("How many."));
        check("# Far away.\n\na: 1\n", &["a"], None);
        check("a:\n  # Deep.\n  b: 1\n", &["a", "b"], Some("Deep."));
        check("a:\n  b: 1\n# Next.\nc: 1\n", &["c"], Some("Next."));
        check(
            "# -- (int) How many\n# pods.\na: 1\n",
            &["a"],
            Some("How many pods."),
        );
        check(
            "# Section\n# -- How many\n# @default -- 1\na: 1\n",
            &["a"],
            Some("How many"),
        );
        check(
            "## @param a.b [string] Which one\na:\n  ## Old.\n  b: 1\n",
            &["a", "b"],
            Some("Which one"),
        );
        check("# b: 1\n# c: 2\na: 1\n", &["a"], None);
        check("# Note: it counts.\na: 1\n", &["a"], Some("Note: it counts."));
        check("a: |\n  # No comment.\n  b: 1\nc: 1\n", &["a", "b"], None);
        check("a:\n- # Of an element.\n  b: 1\n", &["a", "b"], None);
        check(
            "\"a.b\": {}\n# Quoted.\n'c d': 1\n# Q2.\n\"e\": 1\n",
            &["e"],
            Some("Q2."),
        );
        check("# ====\na: 1\n", &["a"], None);
    }
}
