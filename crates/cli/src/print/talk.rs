//! Talk: progress and notes on stderr, with colour only on a terminal that wants it.

use std::io::{self, IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use operations::{Progress, Reporter};

use crate::print::plain;

/// Talks on stderr.
#[derive(Debug)]
pub(crate) struct Talk {
    colour: bool,
    motion: bool,
    /// Whether an unfinished line stands on the terminal.
    pending: Mutex<bool>,
}

impl Talk {
    pub(crate) fn new() -> Self {
        let terminal = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb");
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        Self {
            colour: terminal && !plain,
            motion: terminal,
            pending: Mutex::new(false),
        }
    }

    /// Whether colour is wanted.
    pub(crate) fn colourful(&self) -> bool {
        self.colour
    }

    /// Lines of talk.
    pub(crate) fn say(&self, text: &str) {
        self.line(&plain::lines(text));
    }

    /// What went wrong. It is one thing, so lines of it that come from elsewhere stand below it.
    pub(crate) fn fail(&self, text: &str) {
        let text = plain::both_ends(text.trim_end()).replace('\n', "\n       ");
        self.line(&format!("{} {}", self.paint("error:", "31"), plain::lines(&text)));
    }

    /// Colours a text of this program, on a terminal that wants it.
    fn paint(&self, text: &str, code: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn line(&self, text: &str) {
        self.clear();
        // A stderr that cannot be written has nobody to tell.
        drop(writeln!(io::stderr().lock(), "{text}"));
    }

    fn clear(&self) {
        if let Ok(mut pending) = self.pending.lock()
            && std::mem::take(&mut *pending)
        {
            drop(write!(io::stderr().lock(), "\r\u{1b}[2K"));
        }
    }
}

impl Reporter for Talk {
    fn started(&self, what: &str) {
        if !self.motion {
            return;
        }
        self.clear();
        if let Ok(mut pending) = self.pending.lock() {
            let mut err = io::stderr().lock();
            *pending = write!(err, "  {} {}", self.paint("…", "2"), plain::line(what))
                .and_then(|()| err.flush())
                .is_ok();
        }
    }

    fn done(&self, progress: Progress) {
        let Progress {
            what,
            detail,
            took,
            place,
        } = progress;
        let line = format!("{what:<34} {detail:<26} {:>8}   {place}", time(took));
        let line = plain::line(line.trim_end());
        self.line(&format!("  {} {line}", self.paint("✓", "32")));
    }

    fn note(&self, text: &str) {
        self.say(&format!("  {text}"));
    }
}

/// A time as a person says it.
pub(crate) fn time(took: Duration) -> String {
    let millis = took.as_millis();
    match millis {
        0 => "<1 ms".to_owned(),
        1..1000 => format!("{millis} ms"),
        _ => format!("{:.1} s", took.as_secs_f64()),
    }
}
