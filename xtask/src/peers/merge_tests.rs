//! The tests of structured-merge-diff, run with a recorder between them and the library.
//!
//! The module is copied from where Go puts it into a folder of its own, the recorder (`conformance/merge`) is put beside
//! its packages, a few functions get other names so that the recorder stands in their place, and its tests run. What
//! they do and what comes of it is kept in the cache; nothing of it is in this repository.

use super::source::Source;
use super::{cache, go, write};
use crate::failure::{Doing, Result, fail};
use crate::process::{Scratch, run};
use crate::say;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The version that Kubernetes 1.36.3 is built with.
pub(crate) const MODULE: Source = Source {
    module: "sigs.k8s.io/structured-merge-diff/v6",
    version: "v6.3.3",
};

const LIMIT: Duration = Duration::from_mins(15);
/// Deeper folders than this are not copied.
const DEEPEST: u8 = 8;

/// The recorder: its files, and where they go in the copy.
const RECORDER: [(&str, &str); 4] = [
    (
        "internal/recording/recording.go",
        include_str!("../../../conformance/merge/recording.go"),
    ),
    (
        "fieldpath/recording.go",
        include_str!("../../../conformance/merge/fieldpath.go"),
    ),
    (
        "typed/recording.go",
        include_str!("../../../conformance/merge/typed.go"),
    ),
    (
        "internal/fixture/recording.go",
        include_str!("../../../conformance/merge/fixture.go"),
    ),
];

/// Where the recorder takes hold: file, what stands there, what stands there instead, how often.
const HOLDS: [(&str, &str, &str, usize); 15] = [
    ("typed/typed.go", "func AsTyped(", "func asTyped(", 1),
    (
        "typed/typed.go",
        "TypedValue) Merge(",
        "TypedValue) mergeWith(",
        1,
    ),
    (
        "typed/typed.go",
        "TypedValue) Compare(",
        "TypedValue) compareWith(",
        1,
    ),
    (
        "typed/typed.go",
        "TypedValue) ToFieldSet(",
        "TypedValue) fieldSet(",
        1,
    ),
    (
        "typed/typed.go",
        "TypedValue) RemoveItems(",
        "TypedValue) without(",
        1,
    ),
    ("typed/reconcile_schema.go", "func Reconcile", "func reconcile", 1),
    (
        STATE,
        "type State struct {",
        "type State struct {\n\tRecord *Run",
        1,
    ),
    (
        STATE,
        "type TestCase struct {",
        "type TestCase struct {\n\tRecordAs string",
        1,
    ),
    (STATE, "*State) UpdateObject(", "*State) updateObject(", 1),
    (STATE, "*State) ApplyObject(", "*State) applyObject(", 1),
    (STATE, "*State) Apply(", "*State) applyText(", 1),
    (STATE, "*State) Update(", "*State) updateText(", 1),
    (STATE, "(a Apply) run(", "(a Apply) runPlainly(", 1),
    (
        STATE,
        "\t\tParser:  parser,\n",
        "\t\tParser:  parser,\n\t\tRecord: tc.begin(converter),\n",
        2,
    ),
    (
        "merge/obsolete_versions_test.go",
        "\tstate := State{\n",
        "\tstate := State{\n\t\tRecord: Begin(t.Name(), converter),\n",
        2,
    ),
];
const STATE: &str = "internal/fixture/state.go";

/// What stands in the tests of the package `merge` where a case begins, and how its name is told.
const CASES: [(&str, &str); 2] = [
    (
        "\t\t\tif err := test.Test",
        "\t\t\tif err := test.On(t.Name()).Test",
    ),
    ("\t\t\tif test.Test(", "\t\t\tif test.On(t.Name()).Test("),
];

/// What the tests did.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Writes and applies in a row, one step a line.
    pub(crate) writes: String,
    /// Single operations on values, one a line.
    pub(crate) values: String,
}

/// The recording, made when it is not in the cache.
pub(crate) fn recording() -> Result<Recording> {
    let mut hash = Sha256::new();
    for text in RECORDER
        .iter()
        .map(|(_, text)| *text)
        .chain(HOLDS.iter().map(|hold| hold.2))
    {
        hash.update(text);
    }
    let mark = hash.finalize();
    let mark = mark
        .iter()
        .take(6)
        .fold(0_u64, |mark, byte| mark << 8 | u64::from(*byte));
    let folder = cache()?.join(format!("structured-merge-diff-{}-{mark:012x}", MODULE.version));
    if !folder.is_dir() {
        say::line(format!("  … recording {} {}", MODULE.module, MODULE.version));
        record(&folder)?;
    }
    let read = |name: &str| {
        let path = folder.join(name);
        fs::read_to_string(&path).doing(|| format!("read {}", path.display()))
    };
    Ok(Recording {
        writes: read("writes.jsonl")?,
        values: read("values.jsonl")?,
    })
}

fn record(folder: &Path) -> Result<()> {
    let scratch = Scratch::new()?;
    let copy = scratch.path().join("module");
    copy_all(&MODULE.folder()?, &copy, 0)?;
    for (path, text) in RECORDER {
        let path = copy.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).doing(|| format!("make {}", parent.display()))?;
        }
        write(&path, text)?;
    }
    for (file, from, to, times) in HOLDS {
        change(&copy.join(file), |text| {
            (text.matches(from).count() == times).then(|| text.replace(from, to))
        })?;
    }
    let tests = copy.join("merge");
    for entry in fs::read_dir(&tests)
        .doing(|| format!("read {}", tests.display()))?
        .flatten()
    {
        change(&entry.path(), |text| {
            Some(
                CASES
                    .iter()
                    .fold(text.to_owned(), |text, (from, to)| text.replace(from, to)),
            )
        })?;
    }
    let done = scratch.path().join("done");
    fs::create_dir_all(&done).doing(|| format!("make {}", done.display()))?;
    for (package, file, values) in [("./merge", "writes.jsonl", ""), ("./typed", "values.jsonl", "1")] {
        run(
            go(&copy)
                .args(["test", "-count=1", package])
                .env("RECORDING", done.join(file))
                .env("RECORDING_VALUES", values),
            LIMIT,
        )?
        .success(&format!("go test {package}"))?;
    }
    // In its place only when it is whole.
    let unfinished = folder.with_extension(format!("unfinished-{}", std::process::id()));
    copy_all(&done, &unfinished, 0)?;
    fs::rename(&unfinished, folder).doing(|| format!("put {} in place", folder.display()))
}

fn change(file: &PathBuf, change: impl Fn(&str) -> Option<String>) -> Result<()> {
    let text = fs::read_to_string(file).doing(|| format!("read {}", file.display()))?;
    match change(&text) {
        Some(text) => write(file, &text),
        None => fail!("{} is not as the recorder knows it", file.display()),
    }
}

/// Copies a folder; its files can be written to afterwards, as those in Go's cache cannot.
fn copy_all(from: &Path, to: &Path, depth: u8) -> Result<()> {
    if depth > DEEPEST {
        fail!("{} is nested too deep", from.display());
    }
    fs::create_dir_all(to).doing(|| format!("make {}", to.display()))?;
    for entry in fs::read_dir(from).doing(|| format!("read {}", from.display()))? {
        let entry = entry.doing(|| format!("read {}", from.display()))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_all(&path, &target, depth + 1)?;
        } else {
            let bytes = fs::read(&path).doing(|| format!("read {}", path.display()))?;
            fs::write(&target, bytes).doing(|| format!("write {}", target.display()))?;
        }
    }
    Ok(())
}
