//! A mirror of a repository elsewhere: what is committed goes there first.

use std::sync::Barrier;

use delivery::{Error, Remote, Repository};

use super::{change, committed, fresh, git, path};

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
