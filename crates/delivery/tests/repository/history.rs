//! What came before: told per file, and taken back.

use std::collections::{BTreeMap, BTreeSet};

use delivery::{CommitId, Error, Outcome};

use super::{author, change, committed, fresh, git, path};

#[test]
fn reverting_restores_what_was_before() {
    let (_folder, repository, _) = fresh();
    let (kept, made) = (path("teams/demo/dev/kept.yaml"), path("teams/demo/dev/made.yaml"));
    committed(
        repository
            .commit(&change("Before", 1).write(kept.clone(), "one"))
            .unwrap(),
    );
    let both = committed(
        repository
            .commit(
                &change("Both", 2)
                    .write(kept.clone(), "two")
                    .write(made.clone(), "new"),
            )
            .unwrap(),
    );
    committed(
        repository
            .commit(&change("Elsewhere", 3).write(path("teams/x.yaml"), "x"))
            .unwrap(),
    );
    let time = jiff::Timestamp::from_second(1_700_000_100).unwrap();
    let revert = || repository.revert(&both, "Revert \"Both\"", &author(), time);
    let back = committed(revert().unwrap());
    assert_eq!(
        repository.read(&kept, &back).unwrap().as_deref(),
        Some(&b"one"[..])
    );
    assert_eq!(repository.read(&made, &back).unwrap(), None);
    assert_eq!(
        repository.read(&path("teams/x.yaml"), &back).unwrap().as_deref(),
        Some(&b"x"[..])
    );
    assert_eq!(revert().unwrap(), Outcome::NothingChanged { head: back });
    committed(
        repository
            .commit(&change("Again", 4).write(kept.clone(), "three"))
            .unwrap(),
    );
    let error = revert().unwrap_err();
    assert!(
        matches!(&error, Error::Conflict { paths, .. } if paths == &[kept.to_string()]),
        "{error}"
    );
}

#[test]
fn what_cannot_be_reverted_says_so() {
    let (_folder, repository, first) = fresh();
    let time = jiff::Timestamp::UNIX_EPOCH;
    let error = repository.revert(&first, "Revert", &author(), time).unwrap_err();
    assert!(error.to_string().contains("first commit"), "{error}");
    let nowhere = CommitId::new("0123456789012345678901234567890123456789").unwrap();
    let error = repository
        .revert(&nowhere, "Revert", &author(), time)
        .unwrap_err();
    assert!(matches!(error, Error::NoSuchCommit { .. }), "{error}");
    assert!(matches!(
        repository.tree(&nowhere, None),
        Err(Error::NoSuchCommit { .. })
    ));
    assert!(matches!(
        repository.read(&path("x"), &nowhere),
        Err(Error::NoSuchCommit { .. })
    ));
}

#[test]
fn history_is_told_per_file() {
    let (_folder, repository, first) = fresh();
    let (a, b) = (path("teams/a.yaml"), path("teams/b.yaml"));
    let one = committed(
        repository
            .commit(&change("One", 1).write(a.clone(), "1").write(b.clone(), "1"))
            .unwrap(),
    );
    let two = committed(
        repository
            .commit(&change("Two", 2).write(a.clone(), "2"))
            .unwrap(),
    );
    let log = repository.log(&two, Some(&a), 10).unwrap();
    let told: Vec<_> = log
        .iter()
        .map(|entry| (entry.id.clone(), entry.subject.as_str()))
        .collect();
    assert_eq!(told, [(two.clone(), "Two"), (one.clone(), "One")]);
    assert_eq!(log[0].author, author());
    assert_eq!(log[0].time.as_second(), 1_700_000_002);
    assert_eq!(repository.log(&two, None, 2).unwrap().len(), 2);

    let platform = path("platform/platform.yaml");
    let paths = BTreeSet::from([a.clone(), b.clone(), platform.clone(), path("teams/never.yaml")]);
    let last = repository.last_commit_touching(&paths, &two, None).unwrap();
    let expect = BTreeMap::from([
        (a.clone(), two.clone()),
        (b.clone(), one),
        (platform, first.clone()),
    ]);
    assert_eq!(last, expect);

    let three = committed(
        repository
            .commit(&change("Three", 3).write(b.clone(), "3"))
            .unwrap(),
    );
    let next = repository
        .last_commit_touching(&paths, &three, Some((&two, &last)))
        .unwrap();
    let mut expect = last;
    expect.insert(b, three.clone());
    assert_eq!(next, expect);
    assert!(repository.is_ancestor(&first, &three).unwrap());
    assert!(!repository.is_ancestor(&three, &first).unwrap());
}

#[test]
fn a_merge_counts_as_the_commit_that_brought_it_in() {
    let (folder, repository, _) = fresh();
    let clone = folder.path().join("clone");
    git(folder.path(), &["clone", "-q", "infra.git", "clone"]);
    git(&clone, &["checkout", "-q", "-b", "topic"]);
    std::fs::create_dir_all(clone.join("teams")).unwrap();
    std::fs::write(clone.join("teams/x.yaml"), "x").unwrap();
    git(&clone, &["add", "."]);
    git(&clone, &["commit", "-q", "-m", "Topic"]);
    git(&clone, &["checkout", "-q", "main"]);
    git(&clone, &["merge", "-q", "--no-ff", "-m", "Merge", "topic"]);
    git(&clone, &["push", "-q", "origin", "main"]);
    let head = repository.head().unwrap();
    let last = repository
        .last_commit_touching(&BTreeSet::from([path("teams/x.yaml")]), &head, None)
        .unwrap();
    assert_eq!(last[&path("teams/x.yaml")], head);
    let back = committed(
        repository
            .revert(&head, "Revert", &author(), jiff::Timestamp::UNIX_EPOCH)
            .unwrap(),
    );
    assert!(repository.read(&path("teams/x.yaml"), &back).unwrap().is_none());
}
