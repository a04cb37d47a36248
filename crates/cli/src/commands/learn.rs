//! `platform completion` and `platform man`: what can be typed, for shells and for readers.

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::{Shell as Known, generate};
use clap_mangen::Man;
use operations::{ExitCode, OperationError};

use super::print_exact;
use crate::args::{Cli, Shell};
use crate::print::talk::Talk;

/// Prints a shell's completions to stdout.
pub(super) fn completion(shell: Shell) -> Result<ExitCode, OperationError> {
    let shell = match shell {
        Shell::Bash => Known::Bash,
        Shell::Zsh => Known::Zsh,
        Shell::Fish => Known::Fish,
        Shell::Power => Known::PowerShell,
    };
    let mut text = Vec::new();
    generate(shell, &mut Cli::command(), "platform", &mut text);
    print_exact(&String::from_utf8_lossy(&text))
}

/// Writes a page for each command, `platform-service-create.1` and so on.
pub(super) fn man(talk: &Talk, folder: &Path) -> Result<ExitCode, OperationError> {
    fs::create_dir_all(folder).map_err(OperationError::io("make the folder", folder))?;
    let mut root = Cli::command();
    root.build();
    let mut open = vec![root];
    let mut count = 0;
    while let Some(command) = open.pop() {
        open.extend(
            command
                .get_subcommands()
                .filter(|inner| !inner.is_hide_set())
                .cloned(),
        );
        write(command, folder)?;
        count += 1;
    }
    talk.say(&format!(
        "{count} pages in {}. Read one with: man -l {}",
        folder.display(),
        folder.join("platform.1").display()
    ));
    Ok(ExitCode::Done)
}

fn write(command: Command, folder: &Path) -> Result<(), OperationError> {
    let page = Man::new(command);
    let path = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)
        .map_err(OperationError::io("write", &path))?;
    fs::write(&path, text).map_err(OperationError::io("write", &path))
}
