//! A child process with a deadline, and what it said.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// No command may take longer than this.
const DEADLINE: Duration = Duration::from_secs(90);
/// What only a programmer would say.
const NOT_FOR_PEOPLE: [&str; 10] = [
    "Some(",
    "Err(",
    "Os {",
    "panicked",
    "RUST_BACKTRACE",
    "os error",
    "ServiceError",
    "kind:",
    "ErrorResponse",
    "\\\"",
];

/// Where a line was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stream {
    Out,
    Err,
}

/// A command that runs.
pub(crate) struct Running {
    child: Child,
    what: String,
    lines: Receiver<(Stream, String)>,
    stdout: String,
    stderr: String,
    deadline: Instant,
    said: Arc<Mutex<String>>,
}

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; none after a signal.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    what: String,
}

impl Running {
    pub(crate) fn start(mut command: Command, said: Arc<Mutex<String>>) -> Self {
        let what = command
            .get_args()
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        read(Stream::Out, child.stdout.take().unwrap(), sender.clone());
        read(Stream::Err, child.stderr.take().unwrap(), sender);
        Self {
            child,
            what,
            lines,
            stdout: String::new(),
            stderr: String::new(),
            deadline: Instant::now() + DEADLINE,
            said,
        }
    }

    /// The next line; `None` when the command says no more.
    fn next(&mut self) -> Option<String> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok((stream, line)) => {
                match stream {
                    Stream::Out => self.stdout.push_str(&line),
                    Stream::Err => self.stderr.push_str(&line),
                }
                self.said.lock().unwrap().push_str(&line);
                Some(line)
            }
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => {
                drop(self.child.kill());
                panic!(
                    "`{}` still runs after {DEADLINE:?}\nstdout:\n{}\nstderr:\n{}",
                    self.what, self.stdout, self.stderr
                );
            }
        }
    }

    /// Waits for a line with these words, and gives it.
    pub(crate) fn until(&mut self, words: &str) -> String {
        while let Some(line) = self.next() {
            if line.contains(words) {
                return line;
            }
        }
        panic!(
            "`{}` ended without saying {words:?}\nstdout:\n{}\nstderr:\n{}",
            self.what, self.stdout, self.stderr
        );
    }

    /// What Ctrl-C does.
    pub(crate) fn interrupt(&self) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(sent.success(), "no signal reached `{}`", self.what);
    }

    /// What `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
    }

    /// The deadline begins again: for what is meant to run long.
    pub(crate) fn more_time(&mut self) {
        self.deadline = Instant::now() + DEADLINE;
    }

    /// Waits for the end.
    pub(crate) fn finish(mut self) -> Output {
        while self.next().is_some() {}
        let code = self.child.wait().unwrap().code();
        let output = Output {
            code,
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
            what: std::mem::take(&mut self.what),
        };
        for said in [&output.stdout, &output.stderr] {
            let acts = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
            assert!(
                !said.chars().any(acts),
                "it may act on a terminal: {said:?}\n{output}"
            );
        }
        // Those who ask for the inside of things get it.
        let inside = output.what.contains(" -v");
        for word in NOT_FOR_PEOPLE.iter().filter(|_| !inside) {
            assert!(
                !output.stderr.contains(word),
                "{word:?} is not for people\n{output}"
            );
        }
        output
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            drop(self.child.kill());
            drop(self.child.wait());
        }
    }
}

fn read(stream: Stream, pipe: impl Read + Send + 'static, sender: Sender<(Stream, String)>) {
    std::thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while let Ok(1..) = pipe.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).into_owned();
            if sender.send((stream, text)).is_err() {
                break;
            }
            line.clear();
        }
    });
}

impl Output {
    /// The command must have ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self}");
        self
    }

    /// It must have said each of these on stderr.
    #[track_caller]
    pub(crate) fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "it does not say {word:?}\n{self}");
        }
        self
    }

    /// It must have ended with this code, an error and a hint.
    #[track_caller]
    pub(crate) fn fails(self, code: i32, words: &[&str]) -> Self {
        let output = self.exits(code).says(&["error: "]).says(words);
        let messages = output.stderr.lines().filter(|line| line.starts_with("error: "));
        assert_eq!(messages.count(), 1, "one message\n{output}");
        output
    }

    /// Its data.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON: {error}\n{self}"))
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            code,
            stdout,
            stderr,
            what,
        } = self;
        write!(
            f,
            "`{what}` ended with {code:?}\nstdout:\n{stdout}\nstderr:\n{stderr}"
        )
    }
}
