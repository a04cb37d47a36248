//! Child processes: each in a group of its own, all of them written down, so that exactly what was started is
//! stopped, also on Ctrl-C and when a chore fails. Scratch folders and other traces are kept in the same book.
//!
//! Knows nothing of what the processes are for.

use crate::failure::{Doing, Failure, Result, fail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{PipeReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process has to stop on its own after it was asked to.
const GRACE: Duration = Duration::from_secs(8);

struct Book {
    /// Set by Ctrl-C: nothing may be started any more.
    stopping: bool,
    /// Children that run, or whose end nobody has heard of yet. Those with higher numbers were started later.
    running: BTreeMap<u64, Running>,
    started: u64,
    /// What else goes at the end, and how.
    traces: BTreeMap<PathBuf, fn(&Path)>,
}

struct Running {
    /// The process id, which is the id of its group too.
    group: Pid,
    ended: Option<std::io::Result<ExitStatus>>,
}

static BOOK: Mutex<Book> = Mutex::new(Book {
    stopping: false,
    running: BTreeMap::new(),
    started: 0,
    traces: BTreeMap::new(),
});

/// Told whenever a child has ended or a daemon has said something.
static NEWS: Condvar = Condvar::new();

/// Held by whoever ends this process, so that it is not ended twice at once.
static ENDING: Mutex<()> = Mutex::new(());

fn book() -> MutexGuard<'static, Book> {
    BOOK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes Ctrl-C, SIGTERM and SIGHUP stop what was started and remove the scratch folders before leaving with 130.
pub(crate) fn stop_on_signals() -> Result<()> {
    ctrlc::set_handler(|| {
        // Kept until the process is gone: the main thread, whose work has just failed, waits for us there.
        let _ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        book().stopping = true;
        stop_all();
        std::process::exit(130);
    })
    .doing(|| "watch for Ctrl-C".to_owned())
}

/// Stops all that still runs, the youngest first, and removes all scratch folders.
pub(crate) fn stop_everything() {
    let _ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
    stop_all();
}

fn stop_all() {
    loop {
        let youngest = book().running.keys().next_back().copied();
        match youngest {
            Some(number) => stop(number),
            None => break,
        }
    }
    let traces = std::mem::take(&mut book().traces);
    for (path, remove) in traces {
        remove(&path);
    }
}

/// What a finished process left behind.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The standard output of a process that ended with 0; else a failure that holds what it said.
    pub(crate) fn success(self, what: &str) -> Result<String> {
        if self.status.success() {
            return Ok(self.stdout);
        }
        let said = [self.stdout.trim(), self.stderr.trim()].join("\n");
        Err(Failure::new(format!(
            "{what} ended with {}:\n{}",
            self.status,
            said.trim()
        )))
    }
}

/// Runs a command to its end and collects what it prints; stopped when it takes longer than `limit`.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<Finished> {
    let name = name_of(command);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = spawn(command, &name)?;
    let stdout = collect(child.stdout.take());
    let stderr = collect(child.stderr.take());
    let number = write_down(child, None);
    let status = wait(number, &name, limit);
    let text = |thread: thread::JoinHandle<Vec<u8>>| {
        String::from_utf8_lossy(&thread.join().unwrap_or_default()).into_owned()
    };
    let (stdout, stderr) = (text(stdout), text(stderr));
    match status {
        Ok(status) => Ok(Finished {
            status,
            stdout,
            stderr,
        }),
        Err(failure) => fail!("{failure}; it had said:\n{stdout}{stderr}"),
    }
}

/// Runs a command to its end with its output going where ours goes; stopped when it takes longer than `limit`.
pub(crate) fn run_aloud(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    let name = name_of(command);
    command.stdin(Stdio::null());
    let child = spawn(command, &name)?;
    let number = write_down(child, None);
    wait(number, &name, limit)
}

fn spawn(command: &mut Command, name: &str) -> Result<Child> {
    command.process_group(0).spawn().doing(|| format!("run {name}"))
}

/// Puts a child into the book; a child started while we are stopping is stopped at once. Where somebody reads what it
/// says, it has ended when that is read to the end.
fn write_down(mut child: Child, read: Option<Receiver<()>>) -> u64 {
    let mut book = book();
    book.started += 1;
    let number = book.started;
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    book.running.insert(number, Running { group, ended: None });
    let stopping = book.stopping;
    drop(book);
    thread::spawn(move || {
        let ended = child.wait();
        // Stragglers of its group.
        let _ = killpg(group, Signal::SIGKILL);
        if let Some(read) = read {
            // Who left the group may have its output too, and go on.
            let _ = read.recv_timeout(GRACE);
        }
        if let Some(running) = self::book().running.get_mut(&number) {
            running.ended = Some(ended);
        }
        NEWS.notify_all();
    });
    if stopping {
        stop(number);
    }
    number
}

fn name_of(command: &Command) -> String {
    Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error still counts.
            let _ = stream.read_to_end(&mut bytes);
        }
        bytes
    })
}

/// The exit status once the process has ended, waited for at most so long; it leaves the book then.
fn ended(number: u64, limit: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    let mut book = book();
    loop {
        let Some(running) = book.running.get_mut(&number) else {
            fail!("stopped")
        };
        if let Some(status) = running.ended.take() {
            book.running.remove(&number);
            return status.doing(|| "look after a process".to_owned()).map(Some);
        }
        match news(book, started, limit) {
            Some(later) => book = later,
            None => return Ok(None),
        }
    }
}

/// Waits for news; nothing when time is up.
fn news(book: MutexGuard<'_, Book>, started: Instant, limit: Duration) -> Option<MutexGuard<'_, Book>> {
    let left = limit.checked_sub(started.elapsed())?;
    let (book, _) = NEWS
        .wait_timeout(book, left)
        .unwrap_or_else(PoisonError::into_inner);
    Some(book)
}

fn wait(number: u64, name: &str, limit: Duration) -> Result<ExitStatus> {
    if let Some(status) = ended(number, limit)? {
        return Ok(status);
    }
    stop(number);
    fail!(
        "{name} did not end within {}; it was stopped",
        crate::say::duration(limit)
    );
}

fn signal(number: u64, signal: Signal) {
    if let Some(running) = book().running.get(&number)
        && running.ended.is_none()
    {
        let _ = killpg(running.group, signal);
    }
}

/// Asks a process group to stop, and kills it when it does not.
fn stop(number: u64) {
    signal(number, Signal::SIGTERM);
    while let Ok(None) = ended(number, GRACE) {
        signal(number, Signal::SIGKILL);
    }
}

/// Writes what a daemon says into its log, and tells whoever waits for it; what comes back ends when it is silent for
/// good.
fn keep(mut said: PipeReader, mut log: File) -> Receiver<()> {
    let (reading, read) = mpsc::channel();
    thread::spawn(move || {
        let mut piece = [0; 16 * 1024];
        while let Ok(length @ 1..) = said.read(&mut piece) {
            // A full disk is no reason to stop the process.
            let _ = log.write_all(&piece[..length]);
            // Whoever has just looked in vain waits already.
            drop(book());
            NEWS.notify_all();
        }
        drop(reading);
    });
    read
}

/// A process that runs beside us until this value is dropped; what it prints goes to a file.
#[derive(Debug)]
pub(crate) struct Daemon {
    name: String,
    number: u64,
    log: PathBuf,
}

impl Daemon {
    /// Starts `command` with its output in `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let name = name_of(command);
        let what = || format!("write {}", log.display());
        let file = File::create(log).doing(what)?;
        let (said, mouth) = std::io::pipe().doing(what)?;
        let second = mouth.try_clone().doing(what)?;
        command.stdin(Stdio::null()).stdout(mouth).stderr(second);
        let child = spawn(command, &name);
        // Ours are closed, or its silence would never be heard.
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Self {
            name,
            number: write_down(child?, Some(keep(said, file))),
            log: log.to_owned(),
        })
    }

    /// Waits until it has said these words; fails when it ends without them, or when that takes longer than `limit`.
    pub(crate) fn says(&self, words: &str, limit: Duration) -> Result<()> {
        let started = Instant::now();
        let mut book = book();
        loop {
            let over = book
                .running
                .get(&self.number)
                .is_none_or(|running| running.ended.is_some());
            // In this order: what it said before it ended counts.
            if self.output().contains(words) {
                return Ok(());
            }
            if over {
                drop(book);
                self.check()?;
                fail!("{} was stopped", self.name);
            }
            match news(book, started, limit) {
                Some(later) => book = later,
                None => fail!(
                    "waited {} for {} to say {words:?}; its last lines:\n{}",
                    crate::say::duration(limit),
                    self.name,
                    self.last_lines()
                ),
            }
        }
    }

    /// Looks again whenever it has said something, until `is` holds; fails when it ends before, or when that takes longer
    /// than `limit`.
    pub(crate) fn until(&self, what: &str, limit: Duration, is: impl Fn() -> bool) -> Result<()> {
        let started = Instant::now();
        loop {
            let said = self.output().len();
            if is() {
                return Ok(());
            }
            self.check()?;
            let late = || {
                fail!(
                    "waited {} for {what}; the last lines of {}:\n{}",
                    crate::say::duration(limit),
                    self.name,
                    self.last_lines()
                )
            };
            // It may say something whenever it is looked at.
            if started.elapsed() > limit {
                return late();
            }
            let mut book = book();
            while self.output().len() == said {
                match news(book, started, limit) {
                    Some(later) => book = later,
                    None => return late(),
                }
                let ended = |running: &Running| running.ended.is_some();
                if book.running.get(&self.number).is_none_or(ended) {
                    break;
                }
            }
        }
    }

    /// The process id.
    pub(crate) fn id(&self) -> Result<u32> {
        match book().running.get(&self.number) {
            Some(running) => Ok(running.group.as_raw().unsigned_abs()),
            None => fail!("{} is not running", self.name),
        }
    }

    /// Fails, with the end of its output, when the process is not running any more.
    pub(crate) fn check(&self) -> Result<()> {
        match ended(self.number, Duration::ZERO)? {
            None => Ok(()),
            Some(status) => fail!(
                "{} ended with {status}; its last lines:\n{}",
                self.name,
                self.last_lines()
            ),
        }
    }

    /// Asks the process to stop, and leaves it to do so.
    pub(crate) fn terminate(&self) {
        signal(self.number, Signal::SIGTERM);
    }

    /// Ends the process at once, as a crash would.
    pub(crate) fn kill(&self) -> Result<()> {
        signal(self.number, Signal::SIGKILL);
        wait(self.number, &self.name, GRACE).map(drop)
    }

    /// What the process printed so far.
    pub(crate) fn output(&self) -> String {
        let bytes = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How the process ended; stopped when it takes longer than `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> Result<ExitStatus> {
        wait(self.number, &self.name, limit)
    }

    /// The end of what the process printed.
    pub(crate) fn last_lines(&self) -> String {
        let text = self.output();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        stop(self.number);
    }
}

/// Something that this run made on the machine and takes away again when this is dropped.
#[derive(Debug)]
pub(crate) struct Trace(PathBuf);

impl Trace {
    /// What is at `path`, and how it goes.
    pub(crate) fn new(path: PathBuf, remove: fn(&Path)) -> Self {
        book().traces.insert(path.clone(), remove);
        Self(path)
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        // What is not in the book any more is being removed by whoever ends the process.
        let remove = book().traces.remove(&self.0);
        if let Some(remove) = remove {
            remove(&self.0);
        }
    }
}

/// A folder of our own in the system's temporary place, readable by us alone, removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(Trace);

impl Scratch {
    /// A new empty folder.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("towpath-")
            .tempdir()
            .doing(|| "make a temporary folder".to_owned())?
            .keep();
        Ok(Self(Trace::new(folder, |folder| {
            let _ = fs::remove_dir_all(folder);
        })))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn output_and_status_come_back() {
        let finished = run(
            &mut shell("echo out; echo err >&2; exit 3"),
            Duration::from_mins(1),
        )
        .unwrap();
        assert_eq!(
            (finished.stdout.as_str(), finished.stderr.as_str()),
            ("out\n", "err\n")
        );
        assert_eq!(finished.status.code(), Some(3));
        let said = finished.success("the script").unwrap_err().to_string();
        assert!(said.contains("out\nerr"), "{said}");
    }

    #[test]
    fn a_process_that_takes_too_long_is_stopped() {
        let failure = run(&mut shell("echo word; sleep 600"), Duration::from_millis(50))
            .unwrap_err()
            .to_string();
        assert!(failure.contains("sh did not end within 50 ms"), "{failure}");
    }

    #[test]
    fn a_daemon_is_stopped_with_its_children() {
        let scratch = Scratch::new().unwrap();
        let script = "sleep 600 & echo $!; wait";
        let daemon = Daemon::start(&mut shell(script), &scratch.path().join("log")).unwrap();
        daemon.says("\n", MINUTE).unwrap();
        let status = PathBuf::from(format!("/proc/{}/stat", daemon.output().trim()));
        assert!(status.exists());
        drop(daemon);
        // Nothing tells when a process of somebody else is gone.
        let started = Instant::now();
        while fs::read_to_string(&status).is_ok_and(|state| !state.contains(") Z ")) {
            assert!(started.elapsed() < MINUTE, "the child goes on");
            thread::yield_now();
        }
    }

    #[test]
    fn a_daemon_that_ends_early_is_reported_with_its_last_words() {
        let scratch = Scratch::new().unwrap();
        let daemon = Daemon::start(
            &mut shell("echo no such flag; exit 1"),
            &scratch.path().join("log"),
        )
        .unwrap();
        let failure = daemon.says("ready", MINUTE).unwrap_err().to_string();
        assert!(failure.contains("no such flag"), "{failure}");
    }

    #[test]
    fn a_scratch_folder_goes_with_its_value() {
        let scratch = Scratch::new().unwrap();
        let path = scratch.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(scratch);
        assert!(!path.exists());
    }
}
