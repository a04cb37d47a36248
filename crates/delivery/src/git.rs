//! The one place that starts the `git` executable.
//!
//! Guarantees: the environment's `GIT_*` variables do not reach it (save the few that say how to reach a
//! remote), it never prompts, never runs a hook, never reads pathspec magic, and is stopped when it takes too
//! long or says too much. Callers pass options they wrote themselves; whatever came from a user is validated
//! by its type ([`crate::CommitId`], [`crate::RepoPath`], [`crate::Remote`]) or stands after `--`.
//! Knows nothing about what is in the repository.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};

/// How long git may work on the local disk.
pub(crate) const LOCAL: Duration = Duration::from_mins(1);
/// How long git may talk to a remote.
pub(crate) const NETWORK: Duration = Duration::from_mins(2);
/// As much of git's complaints as is worth keeping.
const COMPLAINT_LIMIT: usize = 16 * 1024;

/// Variables that say how to reach a remote; everything else named `GIT_*` is taken away.
const KEPT: [&str; 5] = [
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "GIT_ASKPASS",
    "GIT_SSL_CAINFO",
    "GIT_PROXY_COMMAND",
];

/// A git executable pointed at one repository.
#[derive(Debug, Clone)]
pub(crate) struct Git {
    program: PathBuf,
    directory: PathBuf,
}

/// What a finished git left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) output: Vec<u8>,
    pub(crate) complaint: String,
}

impl Git {
    pub(crate) fn at(directory: PathBuf) -> Self {
        Self {
            program: PathBuf::from("git"),
            directory,
        }
    }

    #[cfg(test)]
    pub(crate) fn with_program(mut self, program: &str) -> Self {
        self.program = PathBuf::from(program);
        self
    }

    /// Runs git to its end and fails unless it succeeds.
    pub(crate) fn run(&self, doing: &str, arguments: &[&str], input: &[u8], limit: usize) -> Result<Vec<u8>> {
        self.finish(doing, arguments, input, limit, LOCAL)?.success(doing)
    }

    /// Runs git to its end; what its exit status means is the caller's business.
    pub(crate) fn finish(
        &self,
        doing: &str,
        arguments: &[&str],
        input: &[u8],
        limit: usize,
        time: Duration,
    ) -> Result<Finished> {
        self.start(doing, arguments, limit, time)?.finish(input)
    }

    /// Starts git for a conversation.
    pub(crate) fn start(
        &self,
        doing: &str,
        arguments: &[&str],
        limit: usize,
        time: Duration,
    ) -> Result<Session> {
        let mut command = self.command();
        command
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|source| match source.kind() {
            // The directory may be what is missing; callers have looked at it before.
            std::io::ErrorKind::NotFound if self.directory.is_dir() => Error::GitMissing,
            _ => Error::Start {
                doing: doing.to_owned(),
                source,
            },
        })?;
        let (sender, output) = channel();
        if let Some(mut pipe) = child.stdout.take() {
            thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(count) = pipe.read(&mut buffer) {
                    if count == 0 || sender.send(buffer[..count].to_vec()).is_err() {
                        break;
                    }
                }
            });
        }
        let (sender, complaint) = channel();
        if let Some(mut pipe) = child.stderr.take() {
            thread::spawn(move || {
                let mut kept = Vec::new();
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                    let room = COMPLAINT_LIMIT.saturating_sub(kept.len());
                    kept.extend_from_slice(&buffer[..count.min(room)]);
                }
                let _ = sender.send(kept);
            });
        }
        let stdin = child.stdin.take();
        Ok(Session {
            doing: doing.to_owned(),
            child,
            stdin,
            output,
            complaint,
            line: Vec::new(),
            seen: 0,
            limit,
            time,
            deadline: Instant::now() + time,
        })
    }

    /// Removes the report that a failed `fast-import` leaves in the repository.
    pub(crate) fn sweep(&self, process: u32) {
        let _ = std::fs::remove_file(self.directory.join(format!("fast_import_crash_{process}")));
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("GIT_") && !KEPT.contains(&text.as_ref()) {
                command.env_remove(&name);
            }
        }
        command
            .current_dir(&self.directory)
            .env("GIT_DIR", ".")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_ALLOW_PROTOCOL", "file:https:http:ssh")
            .env("LC_ALL", "C")
            .args(["-c", "core.hooksPath=/dev/null"])
            .args(["-c", "core.fsmonitor=false"])
            .args(["-c", "core.fsync=committed,loose-object,reference"])
            .args(["-c", "gc.auto=0"])
            // What people set for their own eyes must not change what is read here.
            .args(["-c", "log.showSignature=false"])
            .args(["-c", "log.showRoot=true"])
            .args(["-c", "i18n.logOutputEncoding=UTF-8"]);
        command
    }
}

impl Finished {
    pub(crate) fn success(self, doing: &str) -> Result<Vec<u8>> {
        if self.status.success() {
            return Ok(self.output);
        }
        Err(Error::Git {
            doing: doing.to_owned(),
            detail: self.complaint,
        })
    }
}

/// A running git. Dropping it stops it.
pub(crate) struct Session {
    doing: String,
    child: Child,
    pub(crate) stdin: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    complaint: Receiver<Vec<u8>>,
    line: Vec<u8>,
    seen: usize,
    limit: usize,
    time: Duration,
    deadline: Instant,
}

impl Session {
    /// Sends all of `input`, and takes all that git answers until it ends.
    pub(crate) fn finish(mut self, input: &[u8]) -> Result<Finished> {
        let input = input.to_vec();
        let mut stdin = self.stdin.take();
        // In a thread of its own: git may answer before it has read everything.
        let writer = thread::spawn(move || {
            if let Some(pipe) = stdin.as_mut() {
                // A git that stopped reading says why in its exit status.
                let _ = pipe.write_all(&input);
            }
        });
        let mut output = Vec::new();
        while let Some(chunk) = self.next_chunk()? {
            output.extend_from_slice(&chunk);
        }
        let (status, complaint) = self.end()?;
        // The pipe is closed now, so the writer has ended or is about to.
        let _ = writer.join();
        Ok(Finished {
            status,
            output,
            complaint,
        })
    }

    /// Sends bytes to git. A git that went away is no error here: [`Session::end`] says why.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        if let Some(pipe) = self.stdin.as_mut()
            && pipe.write_all(bytes).and_then(|()| pipe.flush()).is_err()
        {
            self.stdin = None;
        }
    }

    /// The next piece of output; `None` at the end.
    pub(crate) fn next_chunk(&mut self) -> Result<Option<Vec<u8>>> {
        if !self.line.is_empty() {
            return Ok(Some(std::mem::take(&mut self.line)));
        }
        match self
            .output
            .recv_timeout(self.deadline.saturating_duration_since(Instant::now()))
        {
            Ok(chunk) => {
                self.seen += chunk.len();
                if self.seen > self.limit {
                    return Err(Error::TooLarge {
                        what: "git's answer".to_owned(),
                        detail: format!("more than {} bytes to {}", self.limit, self.doing),
                    });
                }
                Ok(Some(chunk))
            }
            Err(RecvTimeoutError::Disconnected) => Ok(None),
            Err(RecvTimeoutError::Timeout) => Err(Error::TimedOut {
                doing: self.doing.clone(),
                limit: self.time,
            }),
        }
    }

    /// The next field of output up to `separator`; `None` at the end.
    pub(crate) fn next_field(&mut self, separator: u8) -> Result<Option<Vec<u8>>> {
        let mut field = Vec::new();
        while let Some(mut chunk) = self.next_chunk()? {
            if let Some(end) = chunk.iter().position(|byte| *byte == separator) {
                self.line = chunk.split_off(end + 1);
                chunk.pop();
                field.extend_from_slice(&chunk);
                return Ok(Some(field));
            }
            field.extend_from_slice(&chunk);
        }
        Ok((!field.is_empty()).then_some(field))
    }

    /// Closes git's input and waits for its end.
    pub(crate) fn end(&mut self) -> Result<(ExitStatus, String)> {
        self.stdin = None;
        while self.next_chunk()?.is_some() {}
        let status = self.child.wait().map_err(|source| Error::Io {
            doing: format!("wait for git to {}", self.doing),
            source,
        })?;
        let complaint = self
            .complaint
            .recv_timeout(Duration::from_secs(1))
            .unwrap_or_default();
        Ok((status, plain(&complaint)))
    }

    /// The process, for the names of files it leaves behind when it fails.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.stdin = None;
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Git's complaint as one line a user may see: no prefix, no control characters, no credentials.
fn plain(complaint: &[u8]) -> String {
    let text = String::from_utf8_lossy(complaint);
    let mut lines = text
        .lines()
        .map(|line| {
            line.trim_start_matches("fatal: ")
                .trim_start_matches("error: ")
                .trim()
        })
        .filter(|line| !line.is_empty());
    let mut shown: String = lines.by_ref().take(4).collect::<Vec<_>>().join("; ");
    shown.retain(|c| !c.is_control());
    without_credentials(&shown)
}

/// `https://user:token@host/x` as `https://host/x`.
pub(crate) fn without_credentials(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        shown.push_str(before);
        let authority = after
            .find(|c: char| c == '/' || c.is_whitespace())
            .unwrap_or(after.len());
        rest = match after[..authority].rfind('@') {
            Some(at) => &after[at + 1..],
            None => after,
        };
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expect: &str) {
        assert_eq!(without_credentials(input), expect);
    }

    #[test]
    fn credentials_do_not_reach_the_user() {
        check("https://git.example.com/a", "https://git.example.com/a");
        check("https://me:secret@git.example.com/a", "https://git.example.com/a");
        check(
            "cannot read 'https://token@h/x' and https://h/y@z",
            "cannot read 'https://h/x' and https://h/y@z",
        );
        check("git@host:team/x.git", "git@host:team/x.git");
        check("://", "://");
    }

    #[test]
    fn a_missing_git_is_said_plainly() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path().to_owned()).with_program("git-that-is-not-installed");
        let error = git.run("look", &["version"], b"", 100).unwrap_err();
        assert!(matches!(error, Error::GitMissing), "{error}");
        assert!(error.hint().unwrap().contains("install git"));
    }

    #[test]
    fn an_answer_has_a_limit() {
        let folder = tempfile::tempdir().unwrap();
        let git = Git::at(folder.path().to_owned());
        let error = git.run("list the options", &["help", "-a"], b"", 10).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
}
