//! One container from one state to the next: waiting, running, terminated, and back.
//!
//! The state is the container's own status in the API; nothing else is remembered.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::images::{self, Image};
use super::script::{Failure, Script};
use crate::life::change::{About, Note};
use crate::life::object::{moment, name, namespace, number, seconds_after, stamp, text, uid, whole_second};

/// The first back-off of a container that crashed or an image that cannot be pulled, and the longest.
const FIRST_BACK_OFF: i64 = 10;
const LONGEST_BACK_OFF: i64 = 300;
/// What the API can count.
const MOST_RESTARTS: i64 = i32::MAX as i64;
/// A container that ran this long starts anew without waiting.
const LONG_RUN: i64 = 600;

/// What a container is looked at with.
pub(crate) struct Context<'a> {
    /// Its pod.
    pub(crate) pod: &'a Value,
    /// Its part of the pod's spec.
    pub(crate) spec: &'a Value,
    /// Its status so far, or null.
    pub(crate) before: &'a Value,
    /// What the pod's annotations ask for.
    pub(crate) script: &'a Script,
    /// How it is to fail.
    pub(crate) failure: Option<Failure>,
    /// Where its events belong.
    pub(crate) about: About,
    /// `Always`, `OnFailure` or `Never`.
    pub(crate) restart: Restart,
    /// Is it meant to end?
    pub(crate) ends: bool,
    /// Why it cannot be made.
    pub(crate) obstacle: Option<String>,
    /// Has a moment come that was waited for?
    pub(crate) woken: bool,
}

/// When a container is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restart {
    /// Whatever happened.
    Always,
    /// When it failed.
    OnFailure,
    /// Not at all.
    Never,
}

/// What became of a container.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Its new status.
    pub(crate) status: Value,
    /// What to tell.
    pub(crate) notes: Vec<Note>,
    /// When to look again.
    pub(crate) wake: Option<Timestamp>,
}

/// Moves a container as far as it goes now.
pub(crate) fn advance(context: &Context<'_>, now: Timestamp) -> Outcome {
    let mut run = Run {
        context,
        now,
        restarts: number(context.before, "/restartCount")
            .unwrap_or_default()
            .clamp(0, MOST_RESTARTS),
        state: context.before.get("state").cloned().unwrap_or_default(),
        last: context
            .before
            .get("lastState")
            .cloned()
            .filter(|last| last.get("terminated").is_some()),
        outcome: Outcome::default(),
    };
    // Start, crash, start again at once, crash, wait: a few steps and no more.
    for _ in 0..8 {
        if !run.step() {
            break;
        }
    }
    run.finish()
}

struct Run<'a, 'b> {
    context: &'a Context<'b>,
    now: Timestamp,
    restarts: i64,
    state: Value,
    last: Option<Value>,
    outcome: Outcome,
}

impl Run<'_, '_> {
    /// True when the state changed and may change again.
    fn step(&mut self) -> bool {
        if let Some(running) = self.state.get("running") {
            let started = moment(running, "/startedAt").unwrap_or(self.now);
            return self.end(started);
        }
        if let Some(terminated) = self.state.get("terminated").cloned() {
            return self.after(&terminated);
        }
        if text(&self.state, "/waiting/reason") == "CrashLoopBackOff" {
            let finished = self
                .last
                .as_ref()
                .and_then(|last| moment(last, "/terminated/finishedAt"));
            let again = seconds_after(finished.unwrap_or(self.now), back_off(self.restarts));
            if again > self.now {
                self.wake(again);
                return false;
            }
            self.restarts = (self.restarts + 1).min(MOST_RESTARTS);
        }
        self.start()
    }

    fn start(&mut self) -> bool {
        let image = text(self.context.spec, "/image");
        let pull_error = match images::judge(image) {
            Image::Invalid(message) => {
                if self.wait("InvalidImageName", &message) {
                    self.note_once(true, "InspectFailed", message);
                    self.note_once(true, "Failed", "Error: InvalidImageName".to_owned());
                }
                return false;
            }
            Image::Unreachable(message) => Some(message),
            Image::Pulls => (self.context.failure == Some(Failure::ImagePull)).then(|| images::absent(image)),
        };
        if let Some(error) = pull_error {
            self.pull_failed(image, &error);
            return false;
        }
        if let Some(obstacle) = self.context.obstacle.clone() {
            if self.wait("CreateContainerConfigError", &obstacle) {
                self.note(
                    false,
                    "Pulled",
                    format!("Successfully pulled image \"{image}\" (simulated)"),
                );
            }
            self.note_once(true, "Failed", format!("Error: {obstacle}"));
            return false;
        }
        if self.restarts == 0 {
            self.note(false, "Pulling", format!("Pulling image \"{image}\""));
            self.note(
                false,
                "Pulled",
                format!("Successfully pulled image \"{image}\" (simulated)"),
            );
        } else {
            self.note(
                false,
                "Pulled",
                format!("Container image \"{image}\" already present on machine (simulated)"),
            );
        }
        self.note(false, "Created", "Container created".to_owned());
        self.note(false, "Started", "Container started".to_owned());
        self.state = json!({"running": {"startedAt": stamp(self.now)}});
        true
    }

    fn pull_failed(&mut self, image: &str, error: &str) {
        let reason = text(&self.state, "/waiting/reason").to_owned();
        let tried = matches!(reason.as_str(), "ErrImagePull" | "ImagePullBackOff")
            && text(self.context.before, "/image") == image;
        if !tried || (self.context.woken && reason == "ImagePullBackOff") {
            self.note(false, "Pulling", format!("Pulling image \"{image}\""));
            self.note(
                true,
                "Failed",
                format!("Failed to pull image \"{image}\": {error}"),
            );
            self.note(true, "Failed", "Error: ErrImagePull".to_owned());
        }
        if tried {
            if reason == "ErrImagePull" || self.context.woken {
                self.note(false, "BackOff", format!("Back-off pulling image \"{image}\""));
                self.note(true, "Failed", "Error: ImagePullBackOff".to_owned());
            }
            self.wait(
                "ImagePullBackOff",
                &format!("Back-off pulling image \"{image}\": ErrImagePull: {error}"),
            );
        } else {
            self.wait("ErrImagePull", error);
        }
        let since = moment(self.context.pod, "/status/startTime").unwrap_or_else(|| whole_second(self.now));
        self.wake(next_pull(since, self.now));
    }

    fn end(&mut self, started: Timestamp) -> bool {
        let crash = match self.context.failure {
            Some(Failure::Crash) => Some((self.context.script.exit_code.unwrap_or(1), "Error")),
            Some(Failure::Oom) => Some((self.context.script.exit_code.unwrap_or(137), "OOMKilled")),
            Some(Failure::ImagePull | Failure::Unready) | None => None,
        };
        let (code, reason) = match crash {
            Some((0, _)) => (0, "Completed"),
            Some(crash) => crash,
            None if self.context.ends => (0, "Completed"),
            None => return false,
        };
        let over = after(started, self.context.script.runs_for);
        if over > self.now {
            self.wake(over);
            return false;
        }
        let mut terminated = json!({
            "exitCode": code,
            "reason": reason,
            "startedAt": stamp(started),
            "finishedAt": stamp(over.max(started)),
            "containerID": container_id(self.context, self.restarts),
        });
        if code != 0 && !self.context.script.last_line.is_empty() {
            terminated["message"] = json!(self.context.script.last_line);
        }
        self.state = json!({"terminated": terminated});
        true
    }

    fn after(&mut self, terminated: &Value) -> bool {
        let failed = number(terminated, "/exitCode") != Some(0);
        let again = match self.context.restart {
            Restart::Always => true,
            Restart::OnFailure => failed,
            Restart::Never => false,
        };
        if !again {
            return false;
        }
        self.last = Some(json!({"terminated": terminated}));
        let started = moment(terminated, "/startedAt").unwrap_or(self.now);
        let finished = moment(terminated, "/finishedAt").unwrap_or(self.now);
        let long = finished.duration_since(started) >= SignedDuration::from_secs(LONG_RUN);
        if self.restarts == 0 || long {
            self.restarts = (self.restarts + 1).min(MOST_RESTARTS);
            return self.start();
        }
        let pod = self.context.pod;
        let (container, whole) = (
            text(self.context.spec, "/name"),
            format!("{}_{}({})", name(pod), namespace(pod), uid(pod)),
        );
        let seconds = go_duration(back_off(self.restarts));
        self.wait(
            "CrashLoopBackOff",
            &format!("back-off {seconds} restarting failed container={container} pod={whole}"),
        );
        self.note(
            true,
            "BackOff",
            format!("Back-off restarting failed container {container} in pod {whole}"),
        );
        true
    }

    /// Puts the container into a waiting state; true when that is news.
    fn wait(&mut self, reason: &str, message: &str) -> bool {
        let state = json!({"waiting": {"reason": reason, "message": message}});
        let news = self.state != state;
        self.state = state;
        news
    }

    fn wake(&mut self, moment: Timestamp) {
        self.outcome.wake = Some(self.outcome.wake.map_or(moment, |wake| wake.min(moment)));
    }

    fn note(&mut self, warning: bool, reason: &'static str, message: String) {
        let about = self.context.about.clone();
        self.outcome.notes.push(Note {
            about,
            warning,
            reason,
            message,
            once: false,
        });
    }

    fn note_once(&mut self, warning: bool, reason: &'static str, message: String) {
        let about = self.context.about.clone();
        self.outcome.notes.push(Note {
            about,
            warning,
            reason,
            message,
            once: true,
        });
    }

    fn finish(mut self) -> Outcome {
        let image = text(self.context.spec, "/image").to_owned();
        let running = self
            .state
            .get("running")
            .and_then(|running| moment(running, "/startedAt"));
        let mut ready = false;
        if let Some(started) = running {
            let up = after(started, self.context.script.startup);
            ready = up <= self.now && self.context.failure != Some(Failure::Unready);
            if up > self.now {
                self.wake(up);
            }
            if self.context.failure == Some(Failure::Unready) {
                self.note_once(true, "Unhealthy", unready_message(self.context.spec));
            }
        }
        let completed = number(&self.state, "/terminated/exitCode") == Some(0) && self.context.ends;
        let was_made = running.is_some() || self.state.get("terminated").is_some() || self.last.is_some();

        let mut status = Map::new();
        status.insert("name".to_owned(), json!(text(self.context.spec, "/name")));
        status.insert("image".to_owned(), json!(image));
        status.insert(
            "imageID".to_owned(),
            json!(if was_made {
                format!("simulated://{image}")
            } else {
                String::new()
            }),
        );
        if was_made {
            status.insert(
                "containerID".to_owned(),
                json!(container_id(self.context, self.restarts)),
            );
        }
        status.insert("state".to_owned(), self.state);
        status.insert("lastState".to_owned(), self.last.unwrap_or_else(|| json!({})));
        status.insert("restartCount".to_owned(), json!(self.restarts));
        status.insert("started".to_owned(), json!(running.is_some()));
        status.insert("ready".to_owned(), json!(ready || completed));
        self.outcome.status = Value::Object(status);
        self.outcome
    }
}

fn container_id(context: &Context<'_>, restarts: i64) -> String {
    format!(
        "simulated://{}/{}/{restarts}",
        uid(context.pod),
        text(context.spec, "/name")
    )
}

fn after(start: Timestamp, length: SignedDuration) -> Timestamp {
    start.checked_add(length).unwrap_or(Timestamp::MAX)
}

fn back_off(restarts: i64) -> i64 {
    let doublings = u32::try_from(restarts.saturating_sub(1))
        .unwrap_or_default()
        .min(10);
    (FIRST_BACK_OFF << doublings).min(LONGEST_BACK_OFF)
}

/// Seconds as Go prints them: `10s`, `1m20s`, `5m0s`.
fn go_duration(seconds: i64) -> String {
    if seconds < 60 {
        format!("{seconds}s")
    } else {
        format!("{}m{}s", seconds / 60, seconds % 60)
    }
}

/// The next moment after `now` at which an image is tried again that was first tried at `since`.
fn next_pull(since: Timestamp, now: Timestamp) -> Timestamp {
    let mut wait = FIRST_BACK_OFF;
    let mut next = seconds_after(since, wait);
    while next <= now && wait < LONGEST_BACK_OFF {
        wait = (wait * 2).min(LONGEST_BACK_OFF);
        next = seconds_after(next, wait);
    }
    if next <= now {
        let behind = now.duration_since(next).as_secs() / LONGEST_BACK_OFF + 1;
        next = seconds_after(next, behind.saturating_mul(LONGEST_BACK_OFF));
    }
    next
}

fn unready_message(spec: &Value) -> String {
    let probe = spec.get("readinessProbe").unwrap_or(&Value::Null);
    let said = if probe.get("tcpSocket").is_some() {
        "dial tcp: connect: connection refused"
    } else if probe.get("exec").is_some() {
        "command exited with status 1"
    } else {
        "HTTP probe failed with statuscode: 503"
    };
    format!("Readiness probe failed: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_doubles_up_to_five_minutes() {
        let said = |restarts: i64| go_duration(back_off(restarts));
        assert_eq!(
            [1, 2, 3, 4, 5, 6, 7, MOST_RESTARTS].map(said),
            ["10s", "20s", "40s", "1m20s", "2m40s", "5m0s", "5m0s", "5m0s"]
        );
    }

    #[test]
    fn pulls_are_tried_again_less_and_less_often() {
        let start = Timestamp::from_second(1_000).unwrap();
        let check = |after: i64, expect: i64| {
            let next = next_pull(start, seconds_after(start, after));
            assert_eq!(next, seconds_after(start, expect), "{after} s");
        };
        check(0, 10);
        check(9, 10);
        check(10, 30);
        check(30, 70);
        check(310, 610);
        check(700, 910);
        check(100_000, 100_210);
    }
}
