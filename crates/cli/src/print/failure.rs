//! Failures: what, why, what to do.

use clap::error::{ContextKind, ContextValue, ErrorKind};
use operations::{ExitCode, OperationError, Refusal};

use crate::print::talk::Talk;

/// Prints why a command failed and gives its exit code.
pub(crate) fn operation(talk: &Talk, error: &OperationError) -> ExitCode {
    let code = error.exit_code();
    if code == ExitCode::Interrupted {
        return code;
    }
    talk.say(&format!("{} {}", talk.bad("error:"), sentence(error)));
    if let OperationError::Refused { refusals } = error {
        for refusal in refusals {
            talk.say(&refused(refusal));
        }
        talk.say(&format!("Nothing was created.{}exit 3", " ".repeat(44)));
        return code;
    }
    if let Some(hint) = error.hint() {
        talk.say(&format!("  hint: {hint}"));
    }
    code
}

/// An error and its causes, each said once.
fn sentence(error: &OperationError) -> String {
    let mut words = error.to_string();
    // These tell their causes themselves, in the words of the one who refused.
    if matches!(error, OperationError::Cluster { .. } | OperationError::Io { .. } | OperationError::Git(_)) {
        return words;
    }
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        let text = inner.to_string();
        if !words.contains(&text) {
            words = format!("{words}: {text}");
        }
        source = inner.source();
    }
    words
}

fn refused(refusal: &Refusal) -> String {
    let mut lines = vec![format!("  rule     {} (enforced)", refusal.policy)];
    let value = refusal
        .value
        .as_ref()
        .map(|v| format!(" = {v}"))
        .unwrap_or_default();
    let at = refusal
        .path
        .as_deref()
        .map(|p| format!(", {p}"))
        .unwrap_or_default();
    if let Some(field) = &refusal.field {
        lines.push(format!("  field    {field}{value}"));
        lines.push(format!("           (the object: {}{at})", refusal.object));
    } else {
        lines.push(format!("  object   {}{at}{value}", refusal.object));
    }
    lines.push(format!(
        "  why      {}",
        refusal.why.as_ref().unwrap_or(&refusal.message)
    ));
    if let Some(hint) = &refusal.hint {
        lines.push(format!("  hint     {hint}"));
    }
    lines.join("\n")
}

/// Prints what is wrong with a command line and gives the exit code.
pub(crate) fn usage(talk: &Talk, error: &clap::Error) -> ExitCode {
    let text = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody is left to tell if this fails.
            drop(crate::print::data(&error.render().to_string()));
            return ExitCode::Done;
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            talk.say(error.render().to_string().trim_end());
            return ExitCode::Usage;
        }
        ErrorKind::UnknownArgument => {
            let given = text(ContextKind::InvalidArg).unwrap_or_default();
            let what = if given.starts_with('-') { "option" } else { "word" };
            talk.say(&format!("{} unexpected {what} '{given}'", talk.bad("error:")));
            if let Some(near) = text(ContextKind::SuggestedArg) {
                talk.say(&format!("  hint: did you mean '{near}'?"));
            } else {
                talk.say("  hint: --help shows the options");
            }
        }
        ErrorKind::InvalidSubcommand => {
            let given = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            talk.say(&format!("{} there is no command '{given}'", talk.bad("error:")));
            match text(ContextKind::SuggestedSubcommand) {
                Some(near) => talk.say(&format!("  hint: did you mean '{near}'?")),
                None => talk.say("  hint: --help shows the commands"),
            }
        }
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.split("\n\n").next().unwrap_or_default().trim_end();
            talk.say(&format!(
                "{} {}",
                talk.bad("error:"),
                first.trim_start_matches("error: ")
            ));
            talk.say("  hint: --help shows the options");
        }
    }
    ExitCode::Usage
}
