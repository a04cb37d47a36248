//! What the public suites of the two languages of policies have in common: a folder of files, and a sum.

use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::{Doing, Result, fail};
use crate::say;

/// The files of a suite, by `--suites` and their ending.
pub(super) fn files(language: &str, arguments: &[&str], ending: &str) -> Result<Vec<PathBuf>> {
    let ["--suites", folder] = arguments else {
        fail!("conformance {language} needs --suites and the folder that holds the suite's files")
    };
    let folder = Path::new(folder);
    let entries = fs::read_dir(folder).doing(|| format!("read {}", folder.display()))?;
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == ending));
    files.sort();
    if files.is_empty() {
        fail!("no *.{ending} was found in {}", folder.display());
    }
    Ok(files)
}

/// Prints how many cases came out as they should.
pub(super) fn sum(passed: u32, total: u32) -> Result<()> {
    if total == 0 {
        fail!("the suite has no cases");
    }
    let percent = f64::from(passed) * 100.0 / f64::from(total);
    say::line(format!("{passed} of {total} cases, {percent:.1} %"));
    Ok(())
}
