//! What a pod's annotations ask its simulation to do. The names are part of the sandbox's contract
//! with its users and documented in `docs/sandbox.md`.

use jiff::SignedDuration;
use serde_json::Value;

use crate::life::object::annotation;

/// Fail: `image-pull`, `crash`, `unready` or `oom`.
const FAIL: &str = "sandbox.towpath.dev/fail";
/// The container that fails; without it, the first.
const CONTAINER: &str = "sandbox.towpath.dev/container";
/// The exit code of a crash; without it, 1 (137 for `oom`).
const EXIT_CODE: &str = "sandbox.towpath.dev/exit-code";
/// The last line a crashed container wrote.
const LAST_LINE: &str = "sandbox.towpath.dev/last-line";
/// How long a container runs before it crashes, or before it completes where it is meant to.
const RUNS_FOR: &str = "sandbox.towpath.dev/runs-for";
/// How long a container takes from its start to being ready.
const STARTUP: &str = "sandbox.towpath.dev/startup";

/// The longest time that may be asked for.
const LONGEST: SignedDuration = SignedDuration::from_hours(24 * 366);

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The image cannot be pulled.
    ImagePull,
    /// The container exits on its own.
    Crash,
    /// The container runs and never says it is ready.
    Unready,
    /// The container is killed for using too much memory.
    Oom,
}

/// What was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Script {
    fail: Option<Failure>,
    container: String,
    /// The exit code of a crash.
    pub(crate) exit_code: Option<i64>,
    /// The last line of a crashed container.
    pub(crate) last_line: String,
    /// How long containers that end run before they do.
    pub(crate) runs_for: SignedDuration,
    /// How long containers take to be ready.
    pub(crate) startup: SignedDuration,
    /// What could not be understood.
    pub(crate) complaints: Vec<String>,
}

impl Script {
    /// Reads a pod's annotations. What cannot be understood has no effect and is complained about.
    pub(crate) fn of(pod: &Value) -> Self {
        let mut script = Self {
            container: annotation(pod, CONTAINER).to_owned(),
            last_line: annotation(pod, LAST_LINE).to_owned(),
            ..Self::default()
        };
        script.fail = match annotation(pod, FAIL) {
            "" => None,
            "image-pull" => Some(Failure::ImagePull),
            "crash" => Some(Failure::Crash),
            "unready" => Some(Failure::Unready),
            "oom" => Some(Failure::Oom),
            other => {
                let known = "image-pull, crash, unready or oom";
                script
                    .complaints
                    .push(format!("{FAIL}: \"{other}\" is not one of {known}"));
                None
            }
        };
        let code = annotation(pod, EXIT_CODE);
        if !code.is_empty() {
            script.exit_code = code.parse().ok().filter(|code| (0..=255).contains(code));
            if script.exit_code.is_none() {
                script
                    .complaints
                    .push(format!("{EXIT_CODE}: \"{code}\" is not a number from 0 to 255"));
            }
        }
        script.runs_for = script.duration(pod, RUNS_FOR);
        script.startup = script.duration(pod, STARTUP);
        script
    }

    fn duration(&mut self, pod: &Value, key: &str) -> SignedDuration {
        let said = annotation(pod, key);
        if said.is_empty() {
            return SignedDuration::ZERO;
        }
        duration(said).unwrap_or_else(|| {
            self.complaints.push(format!(
                "{key}: \"{said}\" is not a duration such as 30s, 2m or 1h"
            ));
            SignedDuration::ZERO
        })
    }

    /// How a container of the pod is to fail.
    pub(crate) fn failure_of(&self, container: &str, is_first: bool) -> Option<Failure> {
        let meant = if self.container.is_empty() {
            is_first
        } else {
            self.container == container
        };
        self.fail.filter(|_| meant)
    }
}

/// `500ms`, `30s`, `2m`, `1h`, or several of them in a row.
fn duration(said: &str) -> Option<SignedDuration> {
    let mut total = SignedDuration::ZERO;
    let mut rest = said;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        rest = rest.get(digits..)?;
        let unit = rest
            .find(|letter: char| letter.is_ascii_digit())
            .unwrap_or(rest.len());
        let milliseconds = match rest.get(..unit)? {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        rest = rest.get(unit..)?;
        total = total.checked_add(SignedDuration::from_millis(number.checked_mul(milliseconds)?))?;
    }
    Some(total.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations() {
        let check = |said: &str, expect: Option<i64>| {
            assert_eq!(duration(said), expect.map(SignedDuration::from_millis), "{said}");
        };
        check("30s", Some(30_000));
        check("1m30s", Some(90_000));
        check("500ms", Some(500));
        check("2h", Some(7_200_000));
        check("30", None);
        check("s", None);
        check("-5s", None);
        check("5 s", None);
        check("99999999999999999999s", None);
        check("9223372036854775807h", None);
        check("ä5s", None);
        assert_eq!(duration("9999999h"), Some(LONGEST));
    }

    #[test]
    fn only_the_meant_container_fails() {
        let script = |annotations: Value| Script::of(&json!({"metadata": {"annotations": annotations}}));
        let first = script(json!({FAIL: "crash"}));
        assert_eq!(first.failure_of("web", true), Some(Failure::Crash));
        assert_eq!(first.failure_of("proxy", false), None);
        let named = script(json!({FAIL: "oom", CONTAINER: "proxy"}));
        assert_eq!(named.failure_of("web", true), None);
        assert_eq!(named.failure_of("proxy", false), Some(Failure::Oom));
    }

    #[test]
    fn what_is_not_understood_is_complained_about() {
        let script = Script::of(&json!({"metadata": {"annotations":
            {FAIL: "explode", EXIT_CODE: "256", STARTUP: "soon"}}}));
        assert_eq!(
            script.complaints,
            [
                "sandbox.towpath.dev/fail: \"explode\" is not one of image-pull, crash, unready or oom",
                "sandbox.towpath.dev/exit-code: \"256\" is not a number from 0 to 255",
                "sandbox.towpath.dev/startup: \"soon\" is not a duration such as 30s, 2m or 1h",
            ]
        );
        assert_eq!(script.failure_of("web", true), None);
    }
}
