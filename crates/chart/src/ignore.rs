//! `.helmignore`: which files of a folder do not belong to the chart.

use crate::files::Glob;

struct Rule {
    glob: Glob,
    negated: bool,
    only_folders: bool,
    /// Matched against the name alone.
    by_name: bool,
}

/// The rules of a `.helmignore`, and Helm's own.
pub(crate) struct Rules {
    rules: Vec<Rule>,
}

impl Rules {
    /// Reads the file. `**` is not supported, as in Helm.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rules = Self { rules: Vec::new() };
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
            rules.add(line)?;
        }
        rules.add("templates/.?*")?;
        Ok(rules)
    }

    fn add(&mut self, line: &str) -> Result<(), String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(());
        }
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported".to_owned());
        }
        let (negated, rule) = line.strip_prefix('!').map_or((false, line), |rule| (true, rule));
        let (only_folders, rule) = rule.strip_suffix('/').map_or((false, rule), |rule| (true, rule));
        let by_name = !rule.contains('/');
        let rule = rule.strip_prefix('/').unwrap_or(rule);
        // Braces mean nothing here.
        let escaped: String = rule
            .chars()
            .flat_map(|c| {
                if matches!(c, '{' | '}' | ',') {
                    vec!['\\', c]
                } else {
                    vec![c]
                }
            })
            .collect();
        self.rules.push(Rule {
            glob: Glob::new(&escaped),
            negated,
            only_folders,
            by_name,
        });
        Ok(())
    }

    /// Whether a file or a folder by itself is ignored, whatever becomes of the folders above it.
    pub(crate) fn ignores_entry(&self, path: &str, is_folder: bool) -> bool {
        let name = path.rsplit('/').next().unwrap_or(path);
        for rule in &self.rules {
            let matches = rule.glob.matches(if rule.by_name { name } else { path });
            if rule.negated {
                // A negated rule ignores what it does not match: Helm's own reading.
                if rule.only_folders && !is_folder || !matches {
                    return true;
                }
            } else if matches && (is_folder || !rule.only_folders) {
                return true;
            }
        }
        false
    }

    /// Whether a file, or a folder on the way to it, is ignored.
    pub(crate) fn ignores(&self, path: &str) -> bool {
        path.match_indices('/')
            .any(|(slash, _)| self.ignores_entry(&path[..slash], true))
            || self.ignores_entry(path, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &str, path: &str, expect: bool) {
        assert_eq!(
            Rules::parse(rules).unwrap().ignores(path),
            expect,
            "{path} under {rules:?}"
        );
    }

    #[test]
    fn rules_are_read_as_helm_reads_them() {
        check("", "templates/a.yaml", false);
        check("", "templates/.hidden", true);
        check("*.md", "README.md", true);
        check("*.md", "docs/README.md", true);
        check("/README.md", "README.md", true);
        check("/README.md", "docs/README.md", false);
        check("ci/", "ci/values.yaml", true);
        check("ci/", "ci", false);
        check("docs/*.txt", "docs/a.txt", true);
        check("docs/*.txt", "docs/b/a.txt", false);
        check("# *.md\n\n", "README.md", false);
        check("[a-c].txt", "b.txt", true);
        check("file?.txt", "file1.txt", true);
        check("!*.yaml", "a.txt", true);
        check("!*.yaml", "a.yaml", false);
        assert!(Rules::parse("**/a").is_err());
    }
}
