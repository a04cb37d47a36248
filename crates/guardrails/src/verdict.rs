//! What an evaluation says.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::judge::Judged;

/// How a rule came out for an object: the results of a PolicyReport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The object keeps the rule.
    Pass,
    /// The object breaks the rule.
    Fail,
    /// The object breaks a rule that is not scored (`policies.kyverno.io/scored: "false"`) nor enforced.
    Warn,
    /// The rule could not be judged: a variable without a value, a construct this engine does not have, a
    /// fact that is not known here, a budget used up. Never the same as a pass.
    Error,
    /// The rule is about such objects, but a precondition or condition lets this one through.
    Skip,
}

impl Outcome {
    /// The word of a PolicyReport: `pass`, `fail`, `warn`, `error`, `skip`.
    pub fn word(self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail => "fail",
            Outcome::Warn => "warn",
            Outcome::Error => "error",
            Outcome::Skip => "skip",
        }
    }
}

/// What a rule does with an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Task {
    /// It judges the object.
    #[default]
    Validate,
    /// It changes the object, or others because of it.
    Mutate,
    /// It makes other objects.
    Generate,
    /// It asks who signed the object's images.
    VerifyImages,
    /// It deletes the object when its time has come.
    Delete,
}

impl Task {
    /// The word for it: `validate`, `mutate`, `generate`, `verifyImages`, `delete`.
    pub fn word(self) -> &'static str {
        match self {
            Task::Validate => "validate",
            Task::Mutate => "mutate",
            Task::Generate => "generate",
            Task::VerifyImages => "verifyImages",
            Task::Delete => "delete",
        }
    }
}

/// What a rule says of itself, whatever the object.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct About {
    /// The policy's name; a namespaced policy is `namespace/name`.
    pub policy: String,
    /// The rule's name; a rule made for pod controllers is `autogen-<rule>` or `autogen-cronjob-<rule>`.
    pub rule: String,
    /// What the rule does.
    pub task: Task,
    /// Why the policy exists, from its annotation `policies.towpath.dev/why`.
    pub why: Option<String>,
    /// What to do, from the annotation `policies.towpath.dev/hint.<rule>` or `policies.towpath.dev/hint`.
    pub hint: Option<String>,
    /// The controls of compliance frameworks that the policy serves, from the annotation
    /// `policies.towpath.dev/controls`, such as `CIS 5.2.12`.
    pub controls: Vec<String>,
    /// From the annotation `policies.kyverno.io/title`.
    pub title: Option<String>,
    /// From the annotation `policies.kyverno.io/severity`: critical, high, medium, low or info.
    pub severity: Option<String>,
    /// From the annotation `policies.kyverno.io/category`.
    pub category: Option<String>,
}

/// What one rule of one policy says about one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// The rule.
    pub about: Arc<About>,
    /// How it came out.
    pub outcome: Outcome,
    /// Whether the rule is enforced for this object: a failure or error refuses it then.
    pub enforce: bool,
    /// Where that holds, when an override for some namespaces says so: `shop-*`, or
    /// `namespaces with environment=production`.
    pub scope: Option<String>,
    /// The object: `Kind/name`.
    pub object: String,
    /// What happened, in Kyverno's words.
    pub message: String,
    /// Where in the object, as an RFC 6901 pointer. The place may not exist: then something is missing.
    pub path: Option<String>,
    /// The value seen there.
    pub value: Option<Value>,
    /// What the rule adds to reports: its `reportProperties`.
    pub properties: BTreeMap<String, String>,
    /// The PolicyException that let the object through, as `namespace/name`; several with commas.
    pub exception: Option<String>,
}

impl Verdict {
    /// What no rule says: something around the rules went wrong, and that is no pass.
    pub fn of_trouble(about: About, object: String, message: String) -> Self {
        Self {
            enforce: true,
            message,
            ..Self::blank(Arc::new(about), object)
        }
    }

    /// Before anything is said: an error.
    pub(crate) fn blank(about: Arc<About>, object: String) -> Self {
        Self {
            about,
            outcome: Outcome::Error,
            enforce: false,
            scope: None,
            object,
            message: String::new(),
            path: None,
            value: None,
            properties: BTreeMap::new(),
            exception: None,
        }
    }

    /// Takes over how a rule came out.
    pub(crate) fn say(&mut self, judged: Judged) {
        (self.outcome, self.message) = (judged.outcome, judged.message);
        (self.path, self.value) = (judged.path, judged.value);
        self.exception = judged.exception;
    }

    /// Whether this verdict keeps the object out: an enforced rule that failed or could not be judged.
    pub fn refuses(&self) -> bool {
        self.enforce && matches!(self.outcome, Outcome::Fail | Outcome::Error)
    }
}
