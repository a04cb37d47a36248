//! `policy test`: suites of expectations, held against what the engine says. Counts as `kyverno test` counts.

mod prepare;
mod rows;

use std::path::Path;

use serde::Serialize;

use super::files;
use super::selector::Selector;
use super::suite::{self, Expectation, Found};
use crate::error::OperationError;
use prepare::Prepared;

/// What to test.
#[derive(Debug, Clone)]
pub struct PolicyTestRequest {
    /// Folders that are searched for suites.
    pub folders: Vec<String>,
    /// How the files of suites are called.
    pub file_name: String,
    /// Which expectations are looked at: `policy=*,rule=*,resource=*`.
    pub selector: String,
    /// Whether it is a mistake to find no suite.
    pub require_tests: bool,
    /// The time that policies see, as seconds and nanoseconds since 1970.
    pub now: Option<(i64, u32)>,
}

/// What came of all suites.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyTested {
    /// The suites, in the order in which they were found.
    pub suites: Vec<TestedSuite>,
    /// How many expectations were met.
    pub passed: usize,
    /// How many were met by nothing having been said.
    pub skipped: usize,
    /// How many were not.
    pub failed: usize,
}

/// What came of a suite.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestedSuite {
    /// Its file.
    pub file: String,
    /// Its name.
    pub name: String,
    /// Its expectations, one row for each object and rule.
    pub rows: Vec<TestRow>,
    /// What is odd about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// An expectation and what came of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TestRow {
    /// The policy.
    pub policy: String,
    /// The rule.
    pub rule: String,
    /// The object: `apps/v1/Deployment/shop/api`.
    pub resource: String,
    /// What was expected: pass, fail, skip, warn, error.
    pub want: String,
    /// What the engine says; `excluded` when it says nothing.
    pub got: String,
    /// Whether that is what was expected.
    pub ok: bool,
    /// In a few words, why.
    pub reason: String,
    /// What the rule says, or how an object differs.
    pub message: String,
}

/// Runs the suites of folders.
pub fn test_policies(request: &PolicyTestRequest) -> Result<PolicyTested, OperationError> {
    let selector = Selector::parse(&request.selector).map_err(|reason| {
        OperationError::invalid_hint(
            reason,
            "such as --test-case-selector policy=require-*,resource=good",
        )
    })?;
    let found = find(request)?;
    if found.is_empty() && request.require_tests {
        return Err(OperationError::invalid_hint(
            format!("no {} was found", request.file_name),
            "name the folder that holds it, or another name with --file-name",
        ));
    }
    let mut tested = PolicyTested::default();
    for found in found {
        let chosen: Vec<Expectation> = found
            .suite
            .results
            .iter()
            .filter_map(|expectation| selector.choose(expectation))
            .collect();
        if chosen.is_empty() {
            continue;
        }
        let mut prepared = Prepared::of(&found, request.now)?;
        let rows = prepared.run(&chosen);
        for row in &rows {
            match (row.ok, row.got.as_str()) {
                (false, _) => tested.failed += 1,
                (true, "excluded" | "invalid" | "skip") => tested.skipped += 1,
                (true, _) => tested.passed += 1,
            }
        }
        tested.suites.push(TestedSuite {
            file: found.file.display().to_string(),
            name: found.name,
            rows,
            warnings: std::mem::take(&mut prepared.warnings),
        });
    }
    Ok(tested)
}

fn find(request: &PolicyTestRequest) -> Result<Vec<Found>, OperationError> {
    let mut found = Vec::new();
    for folder in &request.folders {
        files::refuse_remote(folder)?;
        let path = Path::new(folder);
        let metadata = std::fs::metadata(path).map_err(OperationError::io("read", path))?;
        let suites = if metadata.is_file() {
            vec![path.to_owned()]
        } else {
            files::named(path, &request.file_name)?
        };
        for file in suites {
            found.extend(suite::read(&file)?);
        }
    }
    Ok(found)
}
