//! The journal: what a run is about to do, written down before it does it.
//!
//! One file a run, one JSON record a line, each on disk before the step it speaks of. A run without a `finished`
//! record was left half done. A torn last line (the machine went down while writing) is a record that was never
//! written, and its step never began. No secret is ever in a record.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::OperationError;

/// A journal file is never larger than this; more is not ours.
const FILE_LIMIT: u64 = 1024 * 1024;
/// So many finished runs are kept.
const KEPT: usize = 200;

/// The folder of journals.
#[derive(Clone, Debug)]
pub struct Journal {
    folder: PathBuf,
}

/// What a run is for. Two runs with the same subject and digest are the same run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Subject {
    /// The command: `service create`.
    pub command: String,
    /// The cluster: `sandbox`, `context NAME`.
    pub target: String,
    /// `namespace/name`.
    pub service: String,
    /// A digest of everything that was asked for.
    pub digest: String,
    /// The command as it was typed, without values that could be secret.
    pub typed: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "record")]
enum Record {
    Begun {
        id: String,
        time: String,
        subject: Subject,
        facts: Value,
    },
    Starting {
        step: String,
        facts: Value,
    },
    Done {
        step: String,
        facts: Value,
    },
    Finished {
        outcome: Outcome,
        time: String,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    /// Everything was done.
    Done,
    /// Everything was undone.
    Undone,
}

/// One run, open for writing.
#[derive(Debug)]
pub(crate) struct Run {
    file: File,
    path: PathBuf,
    /// What is written so far.
    pub log: RunLog,
}

/// What a journal file says.
#[derive(Clone, Debug)]
pub(crate) struct RunLog {
    pub id: String,
    pub time: String,
    pub subject: Subject,
    pub facts: Value,
    steps: Vec<(String, Value, Option<Value>)>,
    pub outcome: Option<Outcome>,
}

/// A run, for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationSummary {
    /// Its id.
    pub id: String,
    /// When it began.
    pub time: String,
    /// The command.
    pub command: String,
    /// `namespace/name`.
    pub service: String,
    /// The cluster.
    pub target: String,
    /// `done`, `undone` or `half done`.
    pub state: &'static str,
    /// The step it reached.
    pub step: Option<String>,
}

impl Journal {
    /// The journal in a home folder; made at the first run.
    pub fn at(home: &Path) -> Self {
        Self {
            folder: home.join("operations"),
        }
    }

    /// Begins a run. `facts` is what undo must know of the time before.
    pub(crate) fn begin(
        &self,
        subject: Subject,
        facts: Value,
        now: jiff::Timestamp,
    ) -> Result<Run, OperationError> {
        fs::create_dir_all(&self.folder).map_err(OperationError::io("make the folder", &self.folder))?;
        self.forget_old();
        let id = format!(
            "{}-{:06x}",
            now.strftime("%Y%m%d-%H%M%S"),
            rand::random::<u32>() >> 8
        );
        let path = self.folder.join(format!("{id}.jsonl"));
        let file = OpenOptions::new()
            .create_new(true)
            .append(true)
            .open(&path)
            .map_err(OperationError::io("write", &path))?;
        let time = now.to_string();
        let log = RunLog {
            id: id.clone(),
            time: time.clone(),
            subject: subject.clone(),
            facts: facts.clone(),
            steps: Vec::new(),
            outcome: None,
        };
        let mut run = Run { file, path, log };
        run.write(&Record::Begun {
            id,
            time,
            subject,
            facts,
        })?;
        // The name of a new file is on disk only when its folder is.
        if let Ok(folder) = File::open(&self.folder) {
            folder
                .sync_all()
                .map_err(OperationError::io("write", &self.folder))?;
        }
        Ok(run)
    }

    /// Opens a run that was left half done, to go on with it.
    pub(crate) fn reopen(&self, log: RunLog) -> Result<Run, OperationError> {
        let path = self.folder.join(format!("{}.jsonl", log.id));
        let mut file = OpenOptions::new()
            .append(true)
            .open(&path)
            .map_err(OperationError::io("write", &path))?;
        // A torn last line must not swallow the next record.
        file.write_all(b"\n")
            .map_err(OperationError::io("write", &path))?;
        Ok(Run { file, path, log })
    }

    /// All runs, oldest first. Files that are not journals are passed over.
    pub(crate) fn runs(&self) -> Vec<RunLog> {
        let Ok(entries) = fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).collect();
        paths.retain(|p| p.extension().is_some_and(|e| e == "jsonl"));
        let mut runs: Vec<RunLog> = paths.iter().filter_map(|path| read(path)).collect();
        // An id tells the second alone.
        runs.sort_by_cached_key(|run| (run.time.parse::<jiff::Timestamp>().ok(), run.id.clone()));
        runs
    }

    /// The runs that were left half done, oldest first.
    pub(crate) fn unfinished(&self) -> Vec<RunLog> {
        let mut runs = self.runs();
        runs.retain(|run| run.outcome.is_none());
        runs
    }

    /// All runs for people, oldest first.
    pub fn summaries(&self) -> Vec<OperationSummary> {
        self.runs().iter().map(RunLog::summary).collect()
    }

    fn forget_old(&self) {
        let finished: Vec<_> = self
            .runs()
            .into_iter()
            .filter(|run| run.outcome.is_some())
            .collect();
        for run in finished.iter().take(finished.len().saturating_sub(KEPT)) {
            // Keeping one too many harms nobody.
            drop(fs::remove_file(self.folder.join(format!("{}.jsonl", run.id))));
        }
    }
}

impl Run {
    /// Writes down that a step is about to run.
    pub(crate) fn starting(&mut self, step: &str, facts: Value) -> Result<(), OperationError> {
        self.write(&Record::Starting {
            step: step.to_owned(),
            facts: facts.clone(),
        })?;
        self.log.steps.push((step.to_owned(), facts, None));
        Ok(())
    }

    /// Writes down that a step has run.
    pub(crate) fn done(&mut self, step: &str, facts: Value) -> Result<(), OperationError> {
        self.write(&Record::Done {
            step: step.to_owned(),
            facts: facts.clone(),
        })?;
        self.log.mark_done(step, facts);
        Ok(())
    }

    /// Writes down how the run ended.
    pub(crate) fn finish(&mut self, outcome: Outcome, now: jiff::Timestamp) -> Result<(), OperationError> {
        self.write(&Record::Finished {
            outcome,
            time: now.to_string(),
        })?;
        self.log.outcome = Some(outcome);
        Ok(())
    }

    fn write(&mut self, record: &Record) -> Result<(), OperationError> {
        let mut line = serde_json::to_vec(record).map_err(|e| OperationError::Io {
            doing: "write",
            path: self.path.clone(),
            source: std::io::Error::other(e),
        })?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .map_err(OperationError::io("write", &self.path))?;
        self.file
            .sync_data()
            .map_err(OperationError::io("write", &self.path))
    }
}

impl RunLog {
    /// What was written before a step, if it was about to run.
    pub(crate) fn started(&self, step: &str) -> Option<&Value> {
        self.steps
            .iter()
            .rev()
            .find(|(s, _, _)| s == step)
            .map(|(_, facts, _)| facts)
    }

    /// What was written after a step, if it has run.
    pub(crate) fn finished(&self, step: &str) -> Option<&Value> {
        self.steps
            .iter()
            .rev()
            .find(|(s, _, _)| s == step)
            .and_then(|(_, _, facts)| facts.as_ref())
    }

    pub(crate) fn summary(&self) -> OperationSummary {
        OperationSummary {
            id: self.id.clone(),
            time: self.time.clone(),
            command: self.subject.command.clone(),
            service: self.subject.service.clone(),
            target: self.subject.target.clone(),
            state: match self.outcome {
                Some(Outcome::Done) => "done",
                Some(Outcome::Undone) => "undone",
                None => "half done",
            },
            step: self.steps.last().map(|(step, _, _)| step.clone()),
        }
    }

    fn mark_done(&mut self, step: &str, facts: Value) {
        if let Some(entry) = self.steps.iter_mut().rev().find(|(s, _, _)| s == step) {
            entry.2 = Some(facts);
        }
    }
}

fn read(path: &Path) -> Option<RunLog> {
    let mut text = String::new();
    File::open(path)
        .ok()?
        .take(FILE_LIMIT)
        .read_to_string(&mut text)
        .ok()?;
    let mut log: Option<RunLog> = None;
    for record in text.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match (record, &mut log) {
            (
                Record::Begun {
                    id,
                    time,
                    subject,
                    facts,
                },
                None,
            ) => {
                // The id names the file to write to: a file that claims another one is not ours.
                if path.file_stem().and_then(|s| s.to_str()) != Some(&id) {
                    return None;
                }
                log = Some(RunLog {
                    id,
                    time,
                    subject,
                    facts,
                    steps: Vec::new(),
                    outcome: None,
                });
            }
            (Record::Starting { step, facts }, Some(log)) => log.steps.push((step, facts, None)),
            (Record::Done { step, facts }, Some(log)) => log.mark_done(&step, facts),
            (Record::Finished { outcome, .. }, Some(log)) => log.outcome = Some(outcome),
            _ => {}
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn subject() -> Subject {
        Subject {
            command: "service create".into(),
            target: "sandbox".into(),
            service: "demo-dev/api".into(),
            digest: "d".into(),
            typed: "platform service create api".into(),
        }
    }

    #[test]
    fn a_run_is_read_back_as_far_as_it_was_written() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        let mut run = journal
            .begin(subject(), json!({"claims": []}), jiff::Timestamp::UNIX_EPOCH)
            .unwrap();
        run.starting("commit", json!({"path": "x"})).unwrap();
        let [log] = &journal.unfinished()[..] else {
            panic!("one run")
        };
        assert_eq!(
            (log.started("commit"), log.finished("commit")),
            (Some(&json!({"path": "x"})), None)
        );

        let mut run = journal.reopen(log.clone()).unwrap();
        run.done("commit", json!({"id": "abc"})).unwrap();
        assert_eq!(
            journal.unfinished()[0].finished("commit"),
            Some(&json!({"id": "abc"}))
        );
        run.finish(Outcome::Undone, jiff::Timestamp::UNIX_EPOCH).unwrap();
        assert!(journal.unfinished().is_empty());
        assert_eq!(journal.summaries()[0].state, "undone");
    }

    #[test]
    fn a_torn_line_is_a_record_never_written() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        let run = journal
            .begin(subject(), json!(null), jiff::Timestamp::UNIX_EPOCH)
            .unwrap();
        let path = run.path.clone();
        drop(run);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(br#"{"record":"starting","step":"com"#).unwrap();
        let log = journal.unfinished().remove(0);
        assert_eq!(log.started("commit"), None);
        journal
            .reopen(log)
            .unwrap()
            .starting("commit", json!(null))
            .unwrap();
        assert!(journal.unfinished()[0].started("commit").is_some());
    }

    #[test]
    fn runs_of_the_same_second_keep_their_order() {
        let home = tempfile::tempdir().unwrap();
        let journal = Journal::at(home.path());
        let begun: Vec<String> = (0..8)
            .map(|millisecond| {
                let now = jiff::Timestamp::from_millisecond(millisecond).unwrap();
                journal.begin(subject(), json!(null), now).unwrap().log.id
            })
            .collect();
        let read: Vec<String> = journal.runs().into_iter().map(|run| run.id).collect();
        assert_eq!(read, begun);
    }

    #[test]
    fn foreign_files_are_passed_over() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir(home.path().join("operations")).unwrap();
        fs::write(home.path().join("operations/x.jsonl"), "hello\n\u{0}").unwrap();
        fs::write(home.path().join("operations/notes.txt"), "hello").unwrap();
        assert!(Journal::at(home.path()).summaries().is_empty());
    }
}
