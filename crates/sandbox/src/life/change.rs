//! What a controller wants done: data, applied by the driver and by nobody else.

use jiff::Timestamp;
use serde_json::Value;

use super::kind::Kind;
use super::object::{name, namespace, text, uid};

/// What one look at one object led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Plan {
    /// To be done in this order; the first failure ends it.
    pub(crate) changes: Vec<Change>,
    /// When to look again even if nothing changes until then.
    pub(crate) wake: Option<Timestamp>,
}

impl Plan {
    /// Adds a change.
    pub(crate) fn push(&mut self, change: Change) {
        self.changes.push(change);
    }

    /// Adds an event about an object.
    pub(crate) fn note(&mut self, note: Note) {
        self.changes.push(Change::Note(note));
    }

    /// Asks to look again at `moment`, or earlier if an earlier moment was asked for.
    pub(crate) fn wake_at(&mut self, moment: Timestamp) {
        self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment)));
    }
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Change {
    /// Make an object.
    Create(Box<Creation>),
    /// Replace an object, provided it is still the version we read.
    Update(Kind, Value),
    /// Replace the status of an object, provided it is still the version we read or the one that an
    /// earlier change of the same plan made of it.
    Status(Kind, Value),
    /// Delete this very object.
    Delete(Target),
    /// Tell the user.
    Note(Note),
}

/// An object to make and what to say about it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Creation {
    /// Its kind.
    pub(crate) kind: Kind,
    /// The object; its name may be left to the API by `generateName`.
    pub(crate) object: Value,
    /// What to say when it was made; `{name}` stands for the name it got.
    pub(crate) done: Option<Note>,
    /// What to say when it could not be made; `{error}` stands for the reason.
    pub(crate) failed: Option<Note>,
}

/// An object to delete.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its namespace, or "".
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Its uid: an object of the same name that came later is left alone.
    pub(crate) uid: String,
    /// Without waiting for anything.
    pub(crate) now: bool,
}

impl Target {
    /// This very object.
    pub(crate) fn of(kind: Kind, object: &Value) -> Self {
        Self {
            kind,
            namespace: namespace(object).to_owned(),
            name: name(object).to_owned(),
            uid: uid(object).to_owned(),
            now: false,
        }
    }
}

/// An event, as `kubectl describe` shows it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Note {
    /// The object it is about.
    pub(crate) about: About,
    /// A warning, or business as usual.
    pub(crate) warning: bool,
    /// One word.
    pub(crate) reason: &'static str,
    /// A sentence.
    pub(crate) message: String,
    /// Said again it adds nothing: it describes a state that lasts.
    pub(crate) once: bool,
}

impl Note {
    /// Business as usual.
    pub(crate) fn normal(about: About, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            about,
            warning: false,
            reason,
            message: message.into(),
            once: false,
        }
    }

    /// Something to worry about.
    pub(crate) fn warning(about: About, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            about,
            warning: true,
            reason,
            message: message.into(),
            once: false,
        }
    }

    /// Not to be counted again while nothing changes.
    pub(crate) fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

/// The object an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct About {
    /// Its kind.
    pub(crate) kind: Kind,
    /// Its namespace, or "".
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Its uid.
    pub(crate) uid: String,
    /// Its version when the event happened.
    pub(crate) version: String,
    /// The part of it, such as `spec.containers{web}`, or "".
    pub(crate) field: String,
}

impl About {
    /// The object as a whole.
    pub(crate) fn new(kind: Kind, object: &Value) -> Self {
        Self {
            kind,
            namespace: namespace(object).to_owned(),
            name: name(object).to_owned(),
            uid: uid(object).to_owned(),
            version: text(object, "/metadata/resourceVersion").to_owned(),
            field: String::new(),
        }
    }

    /// A part of it.
    pub(crate) fn part(mut self, field: impl Into<String>) -> Self {
        self.field = field.into();
        self
    }
}
