//! What the chores print. The only place that writes to the terminal.

use std::io::{Write, stdout};
use std::time::Duration;

/// A plain line.
pub(crate) fn line(text: impl AsRef<str>) {
    // Whoever stopped reading has heard enough.
    let _ = writeln!(stdout().lock(), "{}", text.as_ref());
}

/// A heading before the output of a long step.
pub(crate) fn heading(text: &str) {
    line(format!("\n── {text}"));
}

/// A step that worked.
pub(crate) fn done(what: &str, took: Duration) {
    line(format!("  ✓ {what:<58} {}", duration(took)));
}

/// A step that did not work.
pub(crate) fn failed(what: &str, took: Duration) {
    line(format!("  ✗ {what:<58} {}", duration(took)));
}

/// A time as a person says it: `8 ms`, `1.4 s`, `3 min 07 s`.
pub(crate) fn duration(took: Duration) -> String {
    let milliseconds = took.as_millis();
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{:.1} s", took.as_secs_f64()),
        _ => format!("{} min {:02} s", took.as_secs() / 60, took.as_secs() % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_like_speech() {
        let check = |milliseconds, expect: &str| {
            assert_eq!(duration(Duration::from_millis(milliseconds)), expect);
        };
        check(0, "0 ms");
        check(999, "999 ms");
        check(1_400, "1.4 s");
        check(59_940, "59.9 s");
        check(60_000, "1 min 00 s");
        check(187_000, "3 min 07 s");
    }
}
