//! Failures: what, why, what to do.

use clap::CommandFactory;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use operations::{ExitCode, OperationError, Refusal};

use crate::args::Cli;
use crate::print::plain;
use crate::print::talk::Talk;

/// Prints why a command failed and gives its exit code.
pub(crate) fn operation(talk: &Talk, error: &OperationError) -> ExitCode {
    let code = error.exit_code();
    if code == ExitCode::Interrupted {
        return code;
    }
    talk.fail(&sentence(error));
    if let OperationError::Refused { refusals } = error {
        for refusal in refusals {
            talk.say(&refused(refusal));
        }
        talk.say(&format!("Nothing was created.{}exit 3", " ".repeat(44)));
        return code;
    }
    if let Some(hint) = error.hint() {
        talk.say(&format!("  hint: {}", plain::begin(&hint)));
    }
    code
}

/// An error and its causes, each said once.
fn sentence(error: &OperationError) -> String {
    let mut words = error.to_string();
    // These tell their causes themselves, in the words of the one who refused.
    if matches!(error, OperationError::Cluster { .. } | OperationError::Io { .. }) {
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
    without_numbers(&words)
}

/// `File exists (os error 17)` as `File exists`: the number helps nobody who can read.
fn without_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |said, part| {
        format!("{said}{}", part.split_once(')').map_or("", |(_, rest)| rest))
    })
}

fn refused(refusal: &Refusal) -> String {
    let place = match &refusal.enforced_in {
        Some(environment) => format!(" in {environment}"),
        None => String::new(),
    };
    let mut lines = vec![format!("  rule     {} (enforced{place})", refusal.policy)];
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

/// The help of a command by its words, `platform service`.
fn help_of(words: &str) -> String {
    let mut command = Cli::command();
    command.build();
    let inner = words
        .split_whitespace()
        .skip(1)
        .try_fold(&mut command, |command, word| command.find_subcommand_mut(word));
    inner
        .map(|command| command.render_help().to_string())
        .unwrap_or_default()
}

/// What `platform chart` has instead of an option of Helm's.
fn instead_of_helms(option: &str) -> Option<&'static str> {
    Some(match option {
        "--insecure-skip-tls-verify" => {
            "--ca-file FILE trusts a server's own certificate; one is always asked for"
        }
        "--devel" => "--version '>0.0.0-0' takes prereleases too",
        "--password" => "--password-stdin reads the password from standard input",
        "--cert-file" | "--key-file" => "--username NAME --password-stdin says who you are",
        "--pass-credentials" => "passwords are told to the server they are for, and to no other",
        "--verify" | "--keyring" => "digests are checked, signatures are not",
        _ => return None,
    })
}

/// Prints what is wrong with a command line and gives the exit code.
pub(crate) fn usage(talk: &Talk, error: &clap::Error) -> ExitCode {
    let text = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        // The likeliest suggestion is the last.
        Some(ContextValue::Strings(texts)) => texts.last().cloned(),
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
        // The same, where the environment has set an option already.
        ErrorKind::MissingSubcommand => {
            let given = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            talk.say(help_of(&given).trim_end());
            return ExitCode::Usage;
        }
        ErrorKind::UnknownArgument => {
            let given = text(ContextKind::InvalidArg).unwrap_or_default();
            let what = if given.starts_with('-') { "option" } else { "word" };
            talk.fail(&format!("unexpected {what} '{given}'"));
            let in_chart = error
                .get(ContextKind::Usage)
                .is_some_and(|usage| usage.to_string().contains("platform chart"));
            if let Some(instead) = instead_of_helms(&given).filter(|_| in_chart) {
                talk.say(&format!("  hint: {instead}"));
            } else if let Some(near) = text(ContextKind::SuggestedArg) {
                talk.say(&format!("  hint: did you mean '{near}'?"));
            } else {
                talk.say("  hint: --help shows the options");
            }
        }
        ErrorKind::InvalidSubcommand => {
            let given = text(ContextKind::InvalidSubcommand).unwrap_or_default();
            talk.fail(&format!("there is no command '{given}'"));
            match text(ContextKind::SuggestedSubcommand) {
                Some(near) => talk.say(&format!("  hint: did you mean '{near}'?")),
                None => talk.say("  hint: --help shows the commands"),
            }
        }
        _ => {
            let rendered = error.render().to_string();
            let first = rendered.split("\n\n").next().unwrap_or_default().trim_end();
            talk.fail(first.trim_start_matches("error: "));
            talk.say("  hint: --help shows the options");
        }
    }
    ExitCode::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_errors_are_left_out() {
        assert_eq!(
            without_numbers("cannot read x: File exists (os error 17)"),
            "cannot read x: File exists"
        );
        assert_eq!(without_numbers("a (os error 1): b (os error 2) c"), "a: b c");
        assert_eq!(without_numbers("as it is"), "as it is");
    }
}
