//! The repository against the real git, in temporary folders.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

mod commits;
mod history;
mod remotes;
mod trees;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;

use delivery::{Author, ChangeSet, CommitId, Error, Outcome, RepoPath, Repository};

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
