//! Names that may be handed to git: paths inside the repository, commit ids, authors, remotes. Each can only
//! be made by validating, so that nothing a user typed is ever read as an option, a revision or a way out of
//! the repository. No I/O.

use std::fmt;

use crate::error::{Error, Result};

const PATH_LIMIT: usize = 1024;
const NAME_LIMIT: usize = 255;

/// A file's path inside the repository: relative, `/` between the parts, no way out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RepoPath(String);

impl RepoPath {
    /// Refuses absolute paths, empty parts, `.`, `..`, anything that git or a file system could take for
    /// `.git`, control characters, backslashes and overlong names.
    pub fn new(path: impl Into<String>) -> Result<Self> {
        let path = path.into();
        match fault(&path) {
            None => Ok(Self(path)),
            Some(reason) => Err(Error::BadPath { path, reason }),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The folders the path lies in, outermost first.
    pub(crate) fn folders(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices('/').map(|(end, _)| &self.0[..end])
    }

    /// The path as `git fast-import` wants it.
    pub(crate) fn quoted(&self) -> String {
        quoted(&self.0)
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A path between quotes; backslashes are refused by [`RepoPath::new`], so quotes are all there is to escape.
pub(crate) fn quoted(path: &str) -> String {
    format!("\"{}\"", path.replace('"', "\\\""))
}

fn fault(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("it is empty");
    }
    if path.len() > PATH_LIMIT {
        return Some("it is longer than 1024 bytes");
    }
    if path.starts_with('/') {
        return Some("it must be relative to the repository");
    }
    if path.chars().any(|c| c.is_control() || matches!(c, '\\' | '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')) {
        return Some("it has a control character, an invisible character or a backslash");
    }
    path.split('/').find_map(|part| {
        let lower = part.to_ascii_lowercase();
        if part.is_empty() {
            Some("it has an empty part")
        } else if part == "." || part == ".." {
            Some("it may not have . or .. as a part")
        } else if lower.trim_end_matches([' ', '.']) == ".git" || lower.starts_with("git~") {
            Some("no part may be called .git")
        } else if part.len() > NAME_LIMIT {
            Some("a part of it is longer than 255 bytes")
        } else {
            None
        }
    })
}

/// The full id of a commit, in lower-case hexadecimal (SHA-1 or SHA-256).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommitId(String);

impl CommitId {
    /// Takes a full id; abbreviations are refused since they may become ambiguous.
    pub fn new(id: impl Into<String>) -> Result<Self> {
        let id = id.into();
        let hexadecimal = id
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if hexadecimal && matches!(id.len(), 40 | 64) {
            Ok(Self(id))
        } else {
            Err(Error::BadName {
                what: "commit id",
                value: id,
                reason: "it must be the full hexadecimal id",
            })
        }
    }

    /// The full id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first seven digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who a commit is by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    name: String,
    email: String,
}

impl Author {
    /// Takes the name and the e-mail address; what git cannot hold in them (angle brackets, control
    /// characters) is left out, and what is empty then is filled by a plain word.
    pub fn new(name: &str, email: &str) -> Self {
        let tidy = |text: &str, fallback: &str| {
            let kept: String = text
                .chars()
                .filter(|c| !c.is_control() && !matches!(c, '<' | '>'))
                .take(200)
                .collect();
            let kept = kept
                .trim_matches(|c: char| c.is_whitespace() || matches!(c, '.' | ',' | ';'))
                .to_owned();
            if kept.is_empty() {
                fallback.to_owned()
            } else {
                kept
            }
        };
        Self {
            name: tidy(name, "platform"),
            email: tidy(email, "platform@localhost"),
        }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The e-mail address.
    pub fn email(&self) -> &str {
        &self.email
    }
}

/// A repository elsewhere that decides what is true: `https://`, `ssh://`, `git@host:path` or a local path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    url: String,
}

impl Remote {
    /// Refuses what git would read as an option or as a command to run.
    pub fn new(url: impl Into<String>) -> Result<Self> {
        let url = url.into();
        let reason = if url.is_empty() {
            "it is empty"
        } else if url.starts_with('-') {
            "it may not start with a hyphen"
        } else if url.contains("::") {
            "remote helpers are not allowed"
        } else if url.chars().any(char::is_control) {
            "it has a control character"
        } else {
            return Ok(Self { url });
        };
        Err(Error::BadName {
            what: "remote address",
            value: crate::git::without_credentials(&url),
            reason,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The address without credentials, for people.
    pub fn shown(&self) -> String {
        crate::git::without_credentials(&self.url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(path: &str, allowed: bool) {
        assert_eq!(RepoPath::new(path).is_ok(), allowed, "{path:?}");
    }

    #[test]
    fn only_paths_inside_the_repository() {
        check("teams/demo/dev/applications/api.yaml", true);
        check("README.md", true);
        check("teams/a \"quoted\" name.yaml", true);
        check(".gitignore", true);
        for bad in [
            "",
            "/etc/passwd",
            "../x",
            "teams/../../x",
            "teams/./x",
            "teams//x",
            "teams/",
            ".git/config",
            "teams/.GIT/hooks/post-update",
            "teams/git~1/x",
            ".git ./x",
            "a\\b",
            "a\nb",
            "a\0b",
            "teams/.g\u{200c}it/x",
        ] {
            check(bad, false);
        }
        check(&"x".repeat(256), false);
        check(&"x/".repeat(600), false);
    }

    #[test]
    fn only_full_commit_ids() {
        for (id, allowed) in [
            ("4f4e89a", false),
            ("HEAD", false),
            ("--all", false),
            ("45b983be36b73c0788dc9cbcb76cbb80fc7bb057", true),
            ("45B983be36b73c0788dc9cbcb76cbb80fc7bb057", false),
        ] {
            assert_eq!(CommitId::new(id).is_ok(), allowed, "{id}");
        }
    }

    #[test]
    fn remotes_that_run_commands_are_refused() {
        for (url, allowed) in [
            ("https://git.example.com/infra.git", true),
            ("git@git.example.com:infra.git", true),
            ("--upload-pack=touch /tmp/x", false),
            ("ext::sh -c id", false),
            ("", false),
        ] {
            assert_eq!(Remote::new(url).is_ok(), allowed, "{url}");
        }
    }

    #[test]
    fn authors_are_made_fit_for_git() {
        let author = Author::new("Da<na>\n", " dana@example.com ");
        assert_eq!((author.name(), author.email()), ("Dana", "dana@example.com"));
        let nobody = Author::new("...", "<>");
        assert_eq!(
            (nobody.name(), nobody.email()),
            ("platform", "platform@localhost")
        );
    }

    proptest! {
        #[test]
        fn an_accepted_path_never_leaves_the_repository(path in "[a-z./\\\\ ~\\-G\\x00-\\x20]{0,40}") {
            if let Ok(path) = RepoPath::new(path) {
                let parts: Vec<&str> = path.as_str().split('/').collect();
                prop_assert!(!parts.contains(&"..") && !parts.contains(&"") && !parts.contains(&".git"));
            }
        }
    }
}
