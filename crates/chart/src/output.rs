//! What a render looks like as text: the bytes that `helm template` prints, or parts of them.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::error::ChartError;
use crate::manifest::{Manifest, split};
use crate::render::Rendered;

/// Which parts of a render are wanted; those of `helm template` without options by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Print {
    /// The files of the `crds` folders, before everything else.
    pub crds: bool,
    /// No hooks.
    pub no_hooks: bool,
    /// No hooks that are tests.
    pub no_tests: bool,
}

/// One manifest as it was printed by a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece<'a> {
    /// The template it came from, as `chart/templates/deployment.yaml`.
    pub source: &'a str,
    /// Its text, without a separator.
    pub text: &'a str,
}

impl Rendered {
    /// What `helm template` prints: manifests with their sources, then hooks.
    pub fn text(&self) -> String {
        self.text_of(Print::default())
    }

    /// The same with other parts.
    pub fn text_of(&self, print: Print) -> String {
        // Writing to a string cannot fail.
        let mut text = String::new();
        for piece in self.plain_pieces(print) {
            let _ = writeln!(text, "---\n# Source: {}\n{}", piece.source, piece.text);
        }
        let mut out = text.trim().to_owned();
        out.push('\n');
        for piece in self.hook_pieces(print) {
            let _ = writeln!(out, "---\n# Source: {}\n{}", piece.source, piece.text);
        }
        out
    }

    /// The manifests one by one: CRDs, then objects, then hooks.
    pub fn pieces(&self, print: Print) -> Vec<Piece<'_>> {
        self.plain_pieces(print).chain(self.hook_pieces(print)).collect()
    }

    /// The objects, in the same order.
    ///
    /// # Errors
    /// If a file of the `crds` folders is wanted and cannot be read.
    pub fn objects_of(&self, print: Print) -> Result<Vec<Json>, ChartError> {
        let crds = if print.crds { self.crds()? } else { Vec::new() };
        let crds = crds.into_iter().map(|object| object.value);
        let plain = crds.chain(self.objects.iter().map(|object| object.value.clone()));
        let hooks = self
            .hook_manifests
            .iter()
            .filter(|hook| is_wanted(hook, print))
            .filter_map(|hook| hook.value.clone());
        Ok(plain.chain(hooks).collect())
    }

    /// What `helm template --show-only` prints: the manifests of the templates whose paths in the chart match one of
    /// some patterns (`*`, `?`, `[a-z]`, none of which reaches across a `/`), in the order of the patterns.
    ///
    /// # Errors
    /// If a pattern matches no template that prints anything.
    pub fn text_of_templates(
        &self,
        print: Print,
        patterns: &[impl AsRef<str>],
    ) -> Result<String, ChartError> {
        let whole = self.text_of(print);
        let manifests = split(&whole);
        let mut text = String::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            let matching: Vec<&str> = manifests
                .iter()
                .map(|(_, manifest)| *manifest)
                .filter(|manifest| path_of(manifest).is_some_and(|path| matches(pattern, path)))
                .collect();
            if matching.is_empty() {
                return Err(ChartError::NoTemplate(pattern.to_owned()));
            }
            for manifest in matching {
                let _ = writeln!(text, "---\n{manifest}");
            }
        }
        Ok(text)
    }

    fn plain_pieces(&self, print: Print) -> impl Iterator<Item = Piece<'_>> {
        let crds = self.crd_files.iter().filter(move |_| print.crds);
        crds.map(|(source, text)| Piece { source, text })
            .chain(self.manifests.iter().map(piece))
    }

    fn hook_pieces(&self, print: Print) -> impl Iterator<Item = Piece<'_>> {
        let hooks = self.hook_manifests.iter();
        hooks.filter(move |hook| is_wanted(hook, print)).map(piece)
    }
}

fn piece(manifest: &Manifest) -> Piece<'_> {
    Piece {
        source: &manifest.source,
        text: &manifest.content,
    }
}

fn is_wanted(hook: &Manifest, print: Print) -> bool {
    let is_test = || {
        let events = hook
            .value
            .as_ref()?
            .pointer("/metadata/annotations/helm.sh~1hook")?;
        let mut events = events.as_str()?.split(',');
        Some(events.any(|event| {
            matches!(
                event.trim().to_ascii_lowercase().as_str(),
                "test" | "test-success"
            )
        }))
    };
    !(print.no_hooks || print.no_tests && is_test() == Some(true))
}

/// The path in its chart that a manifest names as its source, on whichever of its lines.
fn path_of(manifest: &str) -> Option<&str> {
    let named = manifest.split("# Source: ").skip(1);
    named
        .map(|rest| rest.lines().next().unwrap_or_default())
        .filter_map(|source| source.split_once('/'))
        .find(|(chart, path)| !chart.is_empty() && !path.is_empty())
        .map(|(_, path)| path)
}

/// Whether a path matches a pattern, as Go's `path.Match` says; a pattern that cannot be read matches nothing.
fn matches(pattern: &str, path: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let path: Vec<char> = path.chars().collect();
    // Where to go on if what follows the last star does not fit: the star takes one character more.
    let (mut at, mut on, mut star) = (0, 0, None);
    loop {
        let step = match pattern.get(at) {
            Some('*') => {
                star = Some((at + 1, on));
                at += 1;
                continue;
            }
            None if on == path.len() => return true,
            None => None,
            Some(_) => path.get(on).and_then(|character| one(&pattern[at..], *character)),
        };
        if let Some(length) = step {
            at += length;
            on += 1;
            continue;
        }
        match star {
            Some((after, from)) if path.get(from).is_some_and(|character| *character != '/') => {
                (at, on, star) = (after, from + 1, Some((after, from + 1)));
            }
            _ => return false,
        }
    }
}

/// How much of a pattern one character matches.
fn one(pattern: &[char], character: char) -> Option<usize> {
    match pattern {
        ['?', ..] => (character != '/').then_some(1),
        ['\\', escaped, ..] => (*escaped == character).then_some(2),
        ['[', class @ ..] => {
            let negated = class.first() == Some(&'^');
            let mut at = usize::from(negated);
            let mut found = false;
            loop {
                let low = bound(class, &mut at)?;
                let high = if class.get(at) == Some(&'-') {
                    at += 1;
                    bound(class, &mut at)?
                } else {
                    low
                };
                found |= (low..=high).contains(&character);
                if class.get(at) == Some(&']') {
                    return (found != negated && character != '/').then_some(at + 2);
                }
            }
        }
        [literal, ..] => (*literal == character).then_some(1),
        [] => None,
    }
}

/// A character of a class, and the place behind it.
fn bound(class: &[char], at: &mut usize) -> Option<char> {
    let escaped = class.get(*at) == Some(&'\\');
    *at += usize::from(escaped);
    let bound = *class.get(*at)?;
    *at += 1;
    (escaped || !matches!(bound, '-' | ']')).then_some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_as_go_reads_them() {
        let check = |pattern: &str, path: &str, expect: bool| {
            assert_eq!(matches(pattern, path), expect, "{pattern} on {path}");
        };
        check("templates/a.yaml", "templates/a.yaml", true);
        check("templates/a.yaml", "templates/a.yml", false);
        check("templates/*", "templates/a.yaml", true);
        check("templates/*", "templates/b/a.yaml", false);
        check("templates/*/*.yaml", "templates/b/a.yaml", true);
        check("*a*b*", "xaxbx", true);
        check("*a*b", "xaxbx", false);
        check("**", "a", true);
        check("**", "a/b", false);
        check("?.yaml", "a.yaml", true);
        check("?", "/", false);
        check("[a-c]x", "bx", true);
        check("[^a-c]x", "bx", false);
        check("[^a-c]x", "dx", true);
        check("[\\]]", "]", true);
        check("[", "[", false);
        check("[a", "a", false);
        check("[]a]", "a", false);
        check("\\*", "*", true);
        check("\\*", "a", false);
        check("{a,b}", "a", false);
        check("", "", true);
        check("", "a", false);
    }

    #[test]
    fn a_manifest_names_its_source() {
        let check = |text: &str, expect: Option<&str>| assert_eq!(path_of(text), expect, "{text}");
        check(
            "# Source: demo/templates/a.yaml\nkind: X\n",
            Some("templates/a.yaml"),
        );
        check(
            "kind: X\n# Source: demo/charts/b/crds/c.yaml",
            Some("charts/b/crds/c.yaml"),
        );
        check("# Source: demo\nkind: X\n", None);
        check("kind: X\n", None);
    }
}
