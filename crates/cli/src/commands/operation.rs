//! `platform operation …`

use std::process::Command;

use operations::{ExitCode, Journal, OperationError, resume_command, undo_operation};

use super::printed;
use crate::args::{Global, Operation};
use crate::home::Home;
use crate::print::talk::Talk;
use crate::print::{table, value};
use crate::session::{Purpose, Session};

pub(super) fn run(talk: &Talk, global: &Global, command: Operation) -> Result<ExitCode, OperationError> {
    match command {
        Operation::List => list(global),
        Operation::Resume { id } => resume(talk, global, &id),
        Operation::Undo { id } => crate::runtime()?.block_on(undo(talk, global, &id)),
    }
}

fn list(global: &Global) -> Result<ExitCode, OperationError> {
    let home = Home::find(global.home.as_deref())?;
    let runs = Journal::at(home.root()).summaries();
    printed(value(global.output, &runs, || {
        if runs.is_empty() {
            return "There are no runs yet.\n".to_owned();
        }
        let rows: Vec<Vec<String>> = runs
            .iter()
            .map(|run| {
                let seconds = run
                    .time
                    .split('.')
                    .next()
                    .unwrap_or_default()
                    .trim_end_matches('Z');
                vec![
                    run.id.clone(),
                    seconds.to_owned(),
                    run.command.clone(),
                    run.service.clone(),
                    run.target.clone(),
                    run.state.to_owned(),
                ]
            })
            .collect();
        table(&["ID", "BEGUN", "COMMAND", "SERVICE", "WHERE", "STATE"], &rows)
    }))
}

/// Runs the command of the half-done run again: it goes on where it stopped.
fn resume(talk: &Talk, global: &Global, id: &str) -> Result<ExitCode, OperationError> {
    let home = Home::find(global.home.as_deref())?;
    let typed = resume_command(&Journal::at(home.root()), id)?;
    talk.say(&format!("  {typed}\n"));
    let Some(words) = words(&typed) else {
        return Err(OperationError::invalid(format!(
            "the journal of {id} holds no command that can be run again"
        )));
    };
    let program = std::env::current_exe().map_err(OperationError::io("find", "platform"))?;
    let status = Command::new(program)
        .args(words.iter().skip(1))
        .env("TOWPATH_HOME", home.root())
        .status()
        .map_err(OperationError::io("run", "platform"))?;
    Ok(match status.code() {
        Some(0) => ExitCode::Done,
        Some(3) => ExitCode::Refused,
        Some(5) => ExitCode::TimedOut,
        Some(6) => ExitCode::Conflict,
        Some(130) => ExitCode::Interrupted,
        _ => ExitCode::Failed,
    })
}

async fn undo(talk: &Talk, global: &Global, id: &str) -> Result<ExitCode, OperationError> {
    let session = Session::open(global, Purpose::Change).await?;
    let outcome = undo_operation(&session.platform, id, talk).await;
    session.close().await;
    outcome.map(|()| ExitCode::Done)
}

/// The words of a command as the journal writes it: plain, or in single quotes.
fn words(typed: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut any) = (false, false);
    let mut letters = typed.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => {
                quoted = !quoted;
                any = true;
            }
            '\\' if !quoted => word.push(letters.next()?),
            ' ' if !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            other => word.push(other),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    (!quoted && words.first().is_some_and(|w| w == "platform")).then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_read_as_it_was_written() {
        assert_eq!(
            words("platform service 'a b' 'it'\\''s'").unwrap(),
            ["platform", "service", "a b", "it's"]
        );
        assert_eq!(words("rm -rf x"), None);
        assert_eq!(words("platform 'x"), None);
    }
}
