//! All files of a commit, read at once.

use delivery::{RepoPath, Snapshot};

use super::{change, committed, fresh, git, path};

#[test]
fn a_tree_is_read_whole_and_hostile_entries_are_said() {
    let (folder, repository, _) = fresh();
    let clone = folder.path().join("clone");
    git(folder.path(), &["clone", "-q", "infra.git", "clone"]);
    std::fs::create_dir_all(clone.join("teams/demo/dev")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", clone.join("teams/demo/dev/link.yaml")).unwrap();
    std::fs::write(clone.join("teams/demo/dev/line\nbreak.yaml"), "x").unwrap();
    std::fs::write(clone.join("teams/demo/dev/back\\slash.yaml"), "x").unwrap();
    std::fs::write(
        clone.join("teams/demo/dev/huge.yaml"),
        vec![b'x'; 2 * 1024 * 1024],
    )
    .unwrap();
    std::fs::write(clone.join("teams/demo/dev/good.yaml"), "good").unwrap();
    std::fs::write(clone.join("elsewhere.yaml"), "not ours").unwrap();
    git(&clone, &["add", "."]);
    git(
        &clone,
        &[
            "update-index",
            "--add",
            "--cacheinfo",
            &format!("160000,{},teams/demo/dev/module", "1".repeat(40)),
        ],
    );
    git(&clone, &["commit", "-q", "-m", "Hostile"]);
    git(&clone, &["push", "-q", "origin", "main"]);
    let head = repository.head().unwrap();
    let snapshot = repository.tree(&head, None).unwrap();
    let names: Vec<_> = snapshot.files.keys().map(RepoPath::as_str).collect();
    assert_eq!(names, ["platform/platform.yaml", "teams/demo/dev/good.yaml"]);
    assert_eq!(
        &*snapshot.files[&path("teams/demo/dev/good.yaml")].contents,
        b"good"
    );
    let said: Vec<_> = snapshot.findings.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 5, "{said:#?}");
    for word in ["symbolic links", "submodules", "backslash", "control", "at most"] {
        assert!(
            said.iter().any(|finding| finding.contains(word)),
            "{word} in {said:#?}"
        );
    }
    // The same, read from the checked-out files: the submodule is not checked out there.
    let on_disk = Snapshot::of_folder(&clone).unwrap();
    assert_eq!(
        on_disk.files.keys().collect::<Vec<_>>(),
        snapshot.files.keys().collect::<Vec<_>>()
    );
    assert_eq!(on_disk.findings.len(), 4, "{:#?}", on_disk.findings);
}

#[test]
fn a_big_tree_is_read_again_from_what_is_known() {
    let (_folder, repository, _) = fresh();
    let mut many = change("Many", 1);
    for number in 0..2000 {
        many = many.write(
            path(&format!("teams/t{}/dev/a{number}.yaml", number % 50)),
            format!("number: {number}\n"),
        );
    }
    let head = committed(repository.commit(&many).unwrap());
    let first = repository.tree(&head, None).unwrap();
    assert_eq!(first.files.len(), 2001);
    assert_eq!(
        &*first.files[&path("teams/t7/dev/a1957.yaml")].contents,
        b"number: 1957\n"
    );
    let next = committed(
        repository
            .commit(&change("One", 2).write(path("teams/t7/dev/a1957.yaml"), "new"))
            .unwrap(),
    );
    let second = repository.tree(&next, Some(&first)).unwrap();
    assert_eq!(&*second.files[&path("teams/t7/dev/a1957.yaml")].contents, b"new");
    let (old, new) = (
        &first.files[&path("teams/t0/dev/a0.yaml")],
        &second.files[&path("teams/t0/dev/a0.yaml")],
    );
    assert!(std::sync::Arc::ptr_eq(&old.contents, &new.contents));
}
