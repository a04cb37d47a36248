//! Ends the process at a named point of a run, so that tests can prove that every point is survived.
//!
//! Only in debug builds: a release has none of this.

/// Ends the process, as a kill would, when `TOWPATH_TEST_KILL` names this point as `step:when`.
#[cfg(debug_assertions)]
pub(crate) fn point(step: &str, when: &str) {
    if std::env::var("TOWPATH_TEST_KILL").is_ok_and(|wanted| wanted == format!("{step}:{when}")) {
        std::process::abort();
    }
}

/// A release goes on.
#[cfg(not(debug_assertions))]
pub(crate) fn point(_step: &str, _when: &str) {}
