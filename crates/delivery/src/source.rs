//! The source repository of a new service: a folder of files becomes a Git repository with one commit.

use std::path::Path;

use crate::change::ChangeSet;
use crate::error::Result;
use crate::git::Git;
use crate::repository::Repository;

/// Makes `folder` a Git repository whose first commit is `first`. The files of that commit must be in the folder
/// already; afterwards `git status` there has nothing to say.
pub fn begin(folder: &Path, first: &ChangeSet) -> Result<()> {
    let inner = folder.join(".git");
    Repository::init(&inner, first)?;
    let git = Git::at(inner);
    git.run(
        "set up the source repository",
        &["config", "core.bare", "false"],
        b"",
        4096,
    )?;
    git.run("set up the source repository", &["read-tree", "HEAD"], b"", 4096)?;
    Ok(())
}

/// Whether nobody has committed to the repository in `folder` since [`begin`].
pub fn untouched(folder: &Path) -> bool {
    let opened = Repository::open(&folder.join(".git"));
    opened
        .and_then(|(repository, head)| repository.log(&head, None, 2))
        .is_ok_and(|log| log.len() == 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::{Author, RepoPath};
    use std::process::Command;

    #[test]
    fn the_folder_is_a_clean_repository_until_somebody_commits() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("main.go"), "package main\n").unwrap();
        let first = ChangeSet::new(
            "Begin",
            Author::new("Ann", "ann@example.com"),
            jiff::Timestamp::UNIX_EPOCH,
        )
        .write(RepoPath::new("main.go").unwrap(), "package main\n");
        begin(folder.path(), &first).unwrap();
        let git = |arguments: &[&str]| {
            let output = Command::new("git")
                .current_dir(folder.path())
                .args(arguments)
                .output()
                .unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        assert_eq!(git(&["status", "--porcelain"]), "");
        assert_eq!(git(&["log", "--format=%an %s"]), "Ann Begin\n");
        assert!(untouched(folder.path()));
        git(&[
            "-c",
            "user.name=x",
            "-c",
            "user.email=x@x",
            "commit",
            "-q",
            "--allow-empty",
            "-m",
            "work",
        ]);
        assert!(!untouched(folder.path()));
    }
}
