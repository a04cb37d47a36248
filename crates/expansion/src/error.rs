//! Why intent could not become objects.

use api::Problem;

/// Why intent could not become objects.
#[derive(Debug, thiserror::Error)]
pub enum ExpandError {
    /// What was asked for is not well formed.
    #[error("{what} is not valid: {}", list(problems))]
    Invalid {
        /// The resource, such as `Application api-gateway`.
        what: String,
        /// Everything that is wrong with it.
        problems: Vec<Problem>,
    },
    /// The golden path is not the one that was asked for.
    #[error("golden path {wanted} is not the one at hand, {found}")]
    WrongGoldenPath {
        /// What the intent asks for.
        wanted: String,
        /// What was given to expand it.
        found: String,
    },
    /// The golden path's chart cannot be rendered.
    #[error("golden path {path} cannot be rendered for {what}")]
    Render {
        /// The golden path, `name@version`.
        path: String,
        /// The resource, such as `Application api-gateway`.
        what: String,
        /// What the chart engine says.
        #[source]
        source: chart::ChartError,
    },
    /// The golden path makes something that a golden path must not make.
    #[error("golden path {path} makes {object}, which {why}")]
    Refused {
        /// The golden path, `name@version`.
        path: String,
        /// The object, `Kind name`.
        object: String,
        /// Why it is refused.
        why: String,
    },
    /// A golden path does not have the version that was asked for.
    #[error("golden path {path} has no version \"{}\"", version.escape_default())]
    UnknownVersion {
        /// The golden path's name.
        path: String,
        /// The version that was asked for.
        version: String,
        /// Those that exist, newest first.
        known: Vec<String>,
    },
    /// A golden path is not in order.
    #[error("golden path {path} cannot be followed: {why}")]
    Unfit {
        /// The golden path, `name@version` where one is meant.
        path: String,
        /// What is wrong with it.
        why: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// A guardrail is not in order.
    #[error("the guardrails cannot be loaded: {why}")]
    Guardrails {
        /// Which, where, and what is wrong.
        why: String,
    },
    /// Something that ships with the platform is not there.
    #[error("this platform has no {what} called \"{name}\"")]
    Unknown {
        /// What was looked for: "golden path", "scaffold".
        what: &'static str,
        /// Its name.
        name: String,
        /// Those that exist.
        known: Vec<String>,
    },
}

impl ExpandError {
    /// The error with its causes, each said once.
    pub fn explained(&self) -> String {
        with_causes(self)
    }

    /// What went wrong, without which golden path it was.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Refused { object, why, .. } => format!("{object} {why}"),
            Self::Render { source, .. } => with_causes(source),
            other => other.to_string(),
        }
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { problems, .. } => problems.iter().find_map(|problem| problem.hint.clone()),
            Self::Unknown { known, .. } | Self::UnknownVersion { known, .. } => {
                Some(format!("there is {}", known.join(", ")))
            }
            Self::Unfit { hint, .. } => hint.clone(),
            Self::WrongGoldenPath { .. }
            | Self::Render { .. }
            | Self::Refused { .. }
            | Self::Guardrails { .. } => None,
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        words = format!("{words}: {inner}");
        source = inner.source();
    }
    words
}

fn list(problems: &[Problem]) -> String {
    problems
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}
