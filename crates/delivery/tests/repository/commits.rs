//! Changes become commits, one on top of the other, and nothing else of the machine has a say in it.

use std::sync::Barrier;

use delivery::{ChangeSet, Error, Outcome, Repository};

use super::{change, committed, fresh, git, path};

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
