//! The repository against the real git, in temporary folders.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;

use delivery::{Author, ChangeSet, CommitId, Error, Outcome, Remote, RepoPath, Repository, Snapshot};

fn path(text: &str) -> RepoPath {
    RepoPath::new(text).unwrap()
}

fn author() -> Author {
    Author::new("Dana", "dana@example.com")
}

fn change(message: &str, seconds: i64) -> ChangeSet {
    ChangeSet::new(
        message,
        author(),
        jiff::Timestamp::from_second(1_700_000_000 + seconds).unwrap(),
    )
}

fn fresh() -> (tempfile::TempDir, Repository, CommitId) {
    let folder = tempfile::tempdir().unwrap();
    let first = change("Start", 0).write(path("platform/platform.yaml"), "group: platform.company.com\n");
    let (repository, head) = Repository::init(&folder.path().join("infra.git"), &first).unwrap();
    (folder, repository, head)
}

fn git(directory: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .args([
            "-c",
            "user.name=Eve",
            "-c",
            "user.email=eve@example.com",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

fn committed(outcome: Outcome) -> CommitId {
    match outcome {
        Outcome::Committed { id, .. } => id,
        Outcome::NothingChanged { head } => panic!("nothing changed at {head}"),
    }
}

#[test]
fn a_new_repository_is_bare_whole_and_its_own() {
    let (_folder, repository, head) = fresh();
    assert_eq!(repository.head().unwrap(), head);
    let read = repository.read(&path("platform/platform.yaml"), &head).unwrap();
    assert_eq!(read.as_deref(), Some(&b"group: platform.company.com\n"[..]));
    assert_eq!(repository.read(&path("platform"), &head).unwrap(), None);
    assert_eq!(repository.read(&path("teams/none.yaml"), &head).unwrap(), None);
    git(repository.path(), &["fsck", "--strict"]);
    assert_eq!(
        git(repository.path(), &["log", "--format=%an <%ae> %s", "main"]),
        "Dana <dana@example.com> Start\n"
    );
    let (again, same) = Repository::open(repository.path()).unwrap();
    assert_eq!((again.path(), same), (repository.path(), head));
    let beside: Vec<_> = std::fs::read_dir(repository.path().parent().unwrap())
        .unwrap()
        .collect();
    assert_eq!(beside.len(), 1, "no scratch folder is left");
}

#[test]
fn opening_says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: &str| Repository::open(&folder.path().join(name)).unwrap_err();
    assert!(matches!(open("missing"), Error::Missing { .. }));

    std::fs::create_dir(folder.path().join("plain")).unwrap();
    assert!(matches!(open("plain"), Error::NotARepository { .. }));

    std::fs::write(folder.path().join("file"), "").unwrap();
    assert!(matches!(open("file"), Error::NotARepository { .. }));

    git(folder.path(), &["init", "-q", "clone"]);
    assert!(matches!(open("clone"), Error::HasWorkTree { .. }));

    git(folder.path(), &["init", "-q", "--bare", "empty"]);
    let error = open("empty");
    assert!(matches!(error, Error::Unborn { .. }), "{error}");

    let (repository, _) = Repository::init(
        &folder.path().join("broken"),
        &change("Start", 0).write(path("platform/x"), "x"),
    )
    .unwrap();
    std::fs::write(repository.path().join("HEAD"), "nonsense").unwrap();
    let error = open("broken");
    assert!(matches!(error, Error::NotARepository { .. }), "{error}");

    let (repository, _) = Repository::init(
        &folder.path().join("hollow"),
        &change("Start", 0).write(path("platform/x"), "x"),
    )
    .unwrap();
    std::fs::remove_dir_all(repository.path().join("objects")).unwrap();
    std::fs::create_dir(repository.path().join("objects")).unwrap();
    let error = open("hollow");
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");

    for name in ["missing", "plain", "clone", "empty", "hollow"] {
        assert!(open(name).hint().is_some(), "{name}");
    }
}

#[test]
fn init_takes_nobodys_place() {
    let (_folder, repository, head) = fresh();
    let first = || change("Again", 1).write(path("platform/y"), "y");
    assert!(matches!(
        Repository::init(repository.path(), &first()),
        Err(Error::AlreadyThere { .. })
    ));
    let (_, found) = Repository::open_or_init(repository.path(), first).unwrap();
    assert_eq!(found, head);
}

#[test]
fn many_may_start_the_same_repository_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("deep/infra.git");
    let barrier = Barrier::new(4);
    let heads: BTreeSet<CommitId> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|number| {
                let (barrier, place) = (&barrier, &place);
                scope.spawn(move || {
                    barrier.wait();
                    let first = || change("Start", number).write(path("platform/x"), number.to_string());
                    Repository::open_or_init(place, first).unwrap().1
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(heads.len(), 1, "all see the one that won");
    assert_eq!(std::fs::read_dir(folder.path().join("deep")).unwrap().count(), 1);
}

#[test]
fn identical_content_makes_no_commit() {
    let (_folder, repository, head) = fresh();
    let same = change("Same", 1)
        .write(path("platform/platform.yaml"), "group: platform.company.com\n")
        .delete(path("teams/not/there.yaml"));
    assert_eq!(
        repository.commit(&same).unwrap(),
        Outcome::NothingChanged { head: head.clone() }
    );
    assert_eq!(
        repository.commit(&change("Empty", 2)).unwrap(),
        Outcome::NothingChanged { head }
    );
}

#[test]
fn a_commit_writes_and_deletes() {
    let (_folder, repository, head) = fresh();
    let strange = path("teams/demo/dev/applications/a \"b\" ü.yaml");
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend(b"\ndone\ncommit refs/heads/evil\n");
    let message = "Two files\n\ndone\nreset refs/heads/main\n";
    let one = committed(
        repository
            .commit(
                &change(message, 1)
                    .write(strange.clone(), bytes.clone())
                    .write(path("teams/x.yaml"), "x"),
            )
            .unwrap(),
    );
    assert_eq!(repository.head().unwrap(), one);
    assert_eq!(repository.read(&strange, &one).unwrap(), Some(bytes));
    assert_eq!(
        git(repository.path(), &["log", "-1", "--format=%B", "main"]).trim(),
        message.trim()
    );
    assert_eq!(
        git(repository.path(), &["rev-parse", "main^"]).trim(),
        head.as_str()
    );
    let outcome = repository
        .commit(
            &change("Fewer", 2)
                .delete(strange.clone())
                .delete(path("teams/none")),
        )
        .unwrap();
    let Outcome::Committed { id, paths } = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(paths, std::slice::from_ref(&strange));
    assert_eq!(repository.read(&strange, &id).unwrap(), None);
    assert_eq!(
        git(repository.path(), &["for-each-ref", "--format=%(refname)"]),
        "refs/heads/main\n"
    );
    git(repository.path(), &["fsck", "--strict"]);
}

#[test]
fn files_and_folders_do_not_replace_each_other() {
    let (_folder, repository, _) = fresh();
    let refused = |change: ChangeSet| {
        let error = repository.commit(&change).unwrap_err();
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
    };
    refused(change("Folder for file", 1).write(path("platform/platform.yaml/x"), "x"));
    refused(change("File for folder", 1).write(path("platform"), "x"));
    refused(change("All of it", 1).delete(path("platform")));
}

#[test]
fn two_writers_end_up_one_on_top_of_the_other() {
    let (_folder, repository, _) = fresh();
    let writers = 4;
    let rounds = 6;
    let barrier = Barrier::new(writers);
    std::thread::scope(|scope| {
        for writer in 0..writers {
            let (barrier, place) = (&barrier, repository.path());
            scope.spawn(move || {
                let (mine, _) = Repository::open(place).unwrap();
                barrier.wait();
                for round in 0..rounds {
                    let file = path(&format!("teams/demo/dev/applications/s{writer}-{round}.yaml"));
                    committed(
                        mine.commit(&change(&format!("{writer} {round}"), 1).write(file, "x"))
                            .unwrap(),
                    );
                }
            });
        }
    });
    let head = repository.head().unwrap();
    assert_eq!(
        repository.tree(&head, None).unwrap().files.len(),
        1 + writers * rounds
    );
    let count = git(
        repository.path(),
        &["rev-list", "--count", "--first-parent", "main"],
    );
    assert_eq!(count.trim(), (1 + writers * rounds).to_string());
    let reports: Vec<_> = std::fs::read_dir(repository.path())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .file_name()
                .to_string_lossy()
                .starts_with("fast_import")
        })
        .collect();
    assert!(reports.is_empty());
}

#[test]
fn a_change_decided_on_an_old_state_does_not_undo_a_newer_one() {
    let (_folder, repository, base) = fresh();
    let file = path("teams/demo/dev/applications/api.yaml");
    committed(
        repository
            .commit(&change("Theirs", 1).write(file.clone(), "theirs"))
            .unwrap(),
    );
    let mine = change("Mine", 2)
        .write(file.clone(), "mine")
        .based_on(base.clone());
    let error = repository.commit(&mine).unwrap_err();
    assert!(
        matches!(&error, Error::Conflict { paths, .. } if paths == &[file.to_string()]),
        "{error}"
    );
    // The same wish twice is no conflict, and neither is another file.
    let same = change("Same", 3)
        .write(file.clone(), "theirs")
        .based_on(base.clone());
    assert!(matches!(
        repository.commit(&same).unwrap(),
        Outcome::NothingChanged { .. }
    ));
    let other = change("Other", 4)
        .write(path("teams/other.yaml"), "x")
        .based_on(base);
    committed(repository.commit(&other).unwrap());
}

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

#[test]
fn hooks_and_the_environment_stay_out() {
    let (_folder, repository, _) = fresh();
    let hooks = repository.path().join("hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for name in ["reference-transaction", "post-update", "pre-receive"] {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(hooks.join(name), "#!/bin/sh\ntouch ran\nexit 1\n").unwrap();
        std::fs::set_permissions(hooks.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    committed(
        repository
            .commit(&change("With hooks", 1).write(path("teams/x.yaml"), "x"))
            .unwrap(),
    );
    assert!(!repository.path().join("ran").exists());
}

#[test]
fn a_remote_gets_the_change_on_top_and_is_never_forced() {
    let (folder, upstream, _) = fresh();
    let remote = Remote::new(upstream.path().to_str().unwrap()).unwrap();
    let (mirror, head) = Repository::mirror(&folder.path().join("mirror.git"), remote).unwrap();
    assert_eq!(head, upstream.head().unwrap());
    // Somebody else moves the remote; the mirror does not know yet.
    committed(
        upstream
            .commit(&change("Theirs", 1).write(path("teams/theirs.yaml"), "x"))
            .unwrap(),
    );
    let mine = committed(
        mirror
            .commit(&change("Mine", 2).write(path("teams/mine.yaml"), "x"))
            .unwrap(),
    );
    assert_eq!(upstream.head().unwrap(), mine);
    assert_eq!(mirror.head().unwrap(), mine);
    assert!(
        upstream
            .read(&path("teams/theirs.yaml"), &mine)
            .unwrap()
            .is_some()
    );
    assert_eq!(
        git(mirror.path(), &["for-each-ref", "--format=%(refname)"]),
        "refs/heads/main\n"
    );

    let later = committed(
        upstream
            .commit(&change("Later", 3).delete(path("teams/mine.yaml")))
            .unwrap(),
    );
    assert_eq!(mirror.fetch().unwrap(), later);
}

#[test]
fn writers_of_one_remote_retry_on_top_of_each_other() {
    let (folder, upstream, _) = fresh();
    let barrier = Barrier::new(3);
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (barrier, upstream, folder) = (&barrier, &upstream, folder.path());
            scope.spawn(move || {
                let remote = Remote::new(upstream.path().to_str().unwrap()).unwrap();
                let (mine, _) =
                    Repository::mirror(&folder.join(format!("mirror{writer}.git")), remote).unwrap();
                barrier.wait();
                for round in 0..3 {
                    let file = path(&format!("teams/w{writer}-{round}.yaml"));
                    committed(mine.commit(&change("Write", 1).write(file, "x")).unwrap());
                }
            });
        }
    });
    let head = upstream.head().unwrap();
    assert_eq!(upstream.tree(&head, None).unwrap().files.len(), 1 + 9);
}

#[test]
fn a_remote_that_says_no_is_quoted() {
    let (folder, upstream, _) = fresh();
    let remote = Remote::new(upstream.path().to_str().unwrap()).unwrap();
    let (mirror, _) = Repository::mirror(&folder.path().join("mirror.git"), remote).unwrap();
    git(upstream.path(), &["config", "receive.denyDeletes", "true"]);
    git(
        upstream.path(),
        &["config", "transfer.hideRefs", "refs/heads/main"],
    );
    let error = mirror
        .commit(&change("Mine", 2).write(path("teams/mine.yaml"), "x"))
        .unwrap_err();
    assert!(
        matches!(error, Error::Rejected { .. } | Error::Git { .. }),
        "{error}"
    );
    let gone = Remote::new(folder.path().join("gone.git").to_str().unwrap()).unwrap();
    let error = Repository::mirror(&folder.path().join("other.git"), gone).unwrap_err();
    assert!(error.to_string().contains("fetch from"), "{error}");
}
