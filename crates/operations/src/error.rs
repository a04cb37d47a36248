//! What can go wrong in a use case, what the person can do about it, and the exit code that says so.

use std::io::ErrorKind;
use std::path::PathBuf;

use crate::guard::Refusal;

/// What a command's exit says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// It is done.
    Done,
    /// It failed.
    Failed,
    /// It was called wrongly.
    Usage,
    /// A guardrail refused it.
    Refused,
    /// There is no such thing.
    NotFound,
    /// It is still going on.
    TimedOut,
    /// Something else holds or has it.
    Conflict,
    /// The cluster or the file system forbids it.
    NotAllowed,
    /// The person stopped it.
    Interrupted,
    /// What the person asked for, such as the code for warnings.
    Other(u8),
}

impl ExitCode {
    /// The number that the process ends with.
    pub fn number(self) -> u8 {
        match self {
            ExitCode::Done => 0,
            ExitCode::Failed => 1,
            ExitCode::Usage => 2,
            ExitCode::Refused => 3,
            ExitCode::NotFound => 4,
            ExitCode::TimedOut => 5,
            ExitCode::Conflict => 6,
            ExitCode::NotAllowed => 7,
            ExitCode::Interrupted => 130,
            ExitCode::Other(number) => number,
        }
    }
}

/// Why a use case did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperationError {
    /// What was asked for cannot be.
    #[error("{message}")]
    Invalid {
        /// What is wrong.
        message: String,
        /// What to type instead.
        hint: Option<String>,
    },
    /// Guardrails refuse it. Nothing was written.
    #[error("{}", if refusals.len() == 1 { "a guardrail refuses this service".to_owned() } else { format!("{} guardrails refuse this service", refusals.len()) })]
    Refused {
        /// Which, why, and what to do.
        refusals: Vec<Refusal>,
    },
    /// There is no such thing.
    #[error("there is no {what} called \"{name}\"{}", place.as_ref().map(|p| format!(" in {p}")).unwrap_or_default())]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
        /// Where.
        place: Option<String>,
        /// What to type instead.
        hint: Option<String>,
    },
    /// Something else has it already.
    #[error("{message}")]
    Conflict {
        /// What is in the way.
        message: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// It goes on, but the time is up.
    #[error("{what} is still going on after {seconds} s: {state}")]
    TimedOut {
        /// What was waited for.
        what: String,
        /// How long.
        seconds: u64,
        /// How far it is.
        state: String,
        /// How to look at it.
        hint: String,
    },
    /// The account in use lacks rights. Nothing was written.
    #[error("{message}")]
    NotAllowed {
        /// What it may not do.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// An object that the platform itself needs could not be applied or removed.
    #[error("cannot {doing} {object}: {problem}")]
    Object {
        /// "apply" or "remove".
        doing: &'static str,
        /// Which object.
        object: String,
        /// Why.
        #[source]
        problem: apply::Problem,
    },
    /// The service stands but is not well.
    #[error("{service} is {health}: {reason}")]
    Unhealthy {
        /// The service.
        service: String,
        /// In one word.
        health: String,
        /// The first cause.
        reason: String,
        /// What to do about it.
        hint: String,
    },
    /// The cluster does not take what Git asks for.
    #[error("the cluster does not take {file}: {reason}")]
    NotTaken {
        /// The file in the infrastructure repository.
        file: String,
        /// What the cluster says.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The person stopped it; what had been done was undone.
    #[error("stopped")]
    Interrupted,
    /// A file or folder cannot be read or written.
    #[error("cannot {doing} {}: {}", path.display(), plain(source))]
    Io {
        /// What was being done: "write", "read", "make the folder".
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// A scaffold has a mistake.
    #[error("the scaffold cannot be used: {file}{}: {why}", line.map(|l| format!(":{l}")).unwrap_or_default())]
    Scaffold {
        /// The file with the mistake, where the scaffold comes from.
        file: String,
        /// The line, from 1, where the mistake has one.
        line: Option<usize>,
        /// What is wrong.
        why: String,
    },
    /// A chart, or what was given to it, has a mistake.
    #[error("cannot use the chart {chart}: {source}")]
    Chart {
        /// The chart, as it was named.
        chart: String,
        /// What is wrong.
        source: Box<chart::ChartError>,
    },
    /// A chart cannot be fetched.
    #[error("cannot fetch {place}: {why}")]
    Fetch {
        /// What was to be fetched, without any secret.
        place: String,
        /// Why not.
        why: String,
        /// What to do about it.
        hint: Option<String>,
        /// The exit code that says this.
        exit: ExitCode,
    },
    /// Git says no.
    #[error(transparent)]
    Git(#[from] delivery::Error),
    /// Intent cannot become objects.
    #[error(transparent)]
    Expand(#[from] expansion::ExpandError),
    /// The cluster says no.
    #[error("cannot {doing}: {}", cluster(source))]
    Cluster {
        /// What was being done.
        doing: String,
        /// What the cluster says.
        #[source]
        source: Box<kube::Error>,
    },
    /// A background task ended unexpectedly.
    #[error("{0} stopped unexpectedly")]
    Stopped(&'static str),
}

impl OperationError {
    /// Something that cannot be, without a hint.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            hint: None,
        }
    }

    /// Something that cannot be, and what to type instead.
    pub fn invalid_hint(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Invalid {
            message: message.into(),
            hint: Some(hint.into()),
        }
    }

    /// For `map_err` on calls to the cluster.
    pub fn cluster(doing: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Cluster {
            doing,
            source: Box::new(source),
        }
    }

    /// For `map_err` on files.
    pub fn io(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { doing, path, source }
    }

    /// The exit code that says this.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Invalid { .. } | Self::Expand(expansion::ExpandError::Invalid { .. }) => ExitCode::Usage,
            Self::Chart { source, .. } => match source.as_ref() {
                chart::ChartError::NoTemplate(_) => ExitCode::NotFound,
                chart::ChartError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => {
                    ExitCode::NotAllowed
                }
                _ => ExitCode::Failed,
            },
            Self::Fetch { exit, .. } => *exit,
            Self::Refused { .. } => ExitCode::Refused,
            Self::NotFound { .. }
            | Self::Expand(
                expansion::ExpandError::Unknown { .. } | expansion::ExpandError::UnknownVersion { .. },
            ) => ExitCode::NotFound,
            Self::Conflict { .. }
            | Self::Git(delivery::Error::Conflict { .. } | delivery::Error::Contended { .. }) => {
                ExitCode::Conflict
            }
            Self::TimedOut { .. } => ExitCode::TimedOut,
            Self::NotAllowed { .. } | Self::NotTaken { .. } => ExitCode::NotAllowed,
            Self::Object { problem, .. } => match problem {
                apply::Problem::Refused { code: 401 | 403, .. } => ExitCode::NotAllowed,
                apply::Problem::BelongsToOther { .. }
                | apply::Problem::BeingDeleted
                | apply::Problem::Conflict(_) => ExitCode::Conflict,
                _ => ExitCode::Failed,
            },
            Self::Interrupted => ExitCode::Interrupted,
            Self::Io { source, .. }
                if matches!(
                    source.kind(),
                    ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                ExitCode::NotAllowed
            }
            Self::Cluster { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.code == 401 || status.code == 403 => ExitCode::NotAllowed,
                kube::Error::Api(status) if status.code == 409 => ExitCode::Conflict,
                _ => ExitCode::Failed,
            },
            _ => ExitCode::Failed,
        }
    }

    /// What to do about it, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TimedOut { hint, .. } | Self::Unhealthy { hint, .. } | Self::NotAllowed { hint, .. } => {
                Some(hint.clone())
            }
            Self::Object { problem, .. } => problem.hint(),
            Self::Invalid { hint, .. }
            | Self::Fetch { hint, .. }
            | Self::NotFound { hint, .. }
            | Self::Conflict { hint, .. }
            | Self::NotTaken { hint, .. } => hint.clone(),
            Self::Git(delivery::Error::Git { detail, .. })
                if ["No space left", "Out of diskspace", "File too large"]
                    .iter()
                    .any(|words| detail.contains(words)) =>
            {
                Some(FULL.to_owned())
            }
            Self::Git(error) => error.hint(),
            Self::Expand(error) => error.hint(),
            Self::Chart { source, .. } => crate::charts::hint(source),
            Self::Io { doing, source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                    Some(FULL.to_owned())
                }
                ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
                    Some("choose a folder you may write to, with --home, TOWPATH_HOME or --dir".to_owned())
                }
                _ if *doing == "make the folder" => {
                    Some("choose another folder, with --home or TOWPATH_HOME".to_owned())
                }
                _ => None,
            },
            Self::Cluster { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.code == 403 => {
                    Some("ask for the rights named above, or choose another --context".to_owned())
                }
                kube::Error::Api(status) if status.code == 401 => {
                    Some("log in to the cluster again".to_owned())
                }
                kube::Error::Api(status)
                    if status.code == 507 || status.message.contains("could not store the change") =>
                {
                    Some(FULL.to_owned())
                }
                kube::Error::HyperError(_) | kube::Error::Service(_) => Some(
                    "is the cluster running and reachable? try kubectl --context NAME get --raw /readyz"
                        .to_owned(),
                ),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The name that was most likely meant: at most two letters away.
pub(crate) fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    const FAR: usize = 100;
    let near = known.into_iter().filter(|_| given.len() < FAR);
    near.map(|name| (strsim::levenshtein(name, given), name))
        .filter(|(distance, _)| *distance <= 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// What to do where nothing more can be written.
const FULL: &str =
    "free some space on the disk, or raise the limit (ulimit -f), and run the same command again";

/// What an I/O error means, without the number.
fn plain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotFound => "it does not exist".to_owned(),
        ErrorKind::StorageFull => "the disk is full".to_owned(),
        ErrorKind::ReadOnlyFilesystem => "the file system is read-only".to_owned(),
        ErrorKind::AlreadyExists => "something else is there".to_owned(),
        ErrorKind::NotADirectory => "a file is where a folder would have to be".to_owned(),
        _ => without_number(error.to_string()),
    }
}

/// What the system says, without the number of the error.
pub(crate) fn without_number(text: String) -> String {
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

/// What the cluster says, in its own words where it has some.
fn cluster(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => without_number(status.message.clone()),
        // The outer layers only say that a request failed; the innermost says why.
        other => {
            let mut inner: &dyn std::error::Error = other;
            while let Some(source) = inner.source() {
                inner = source;
            }
            without_number(inner.to_string())
        }
    }
}
