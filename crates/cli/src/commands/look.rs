//! `platform environment …` and `platform golden-path …`: what Git says, without a cluster.

use operations::{
    ExitCode, OperationError, get_environment, get_golden_path, list_environments, list_golden_paths,
};

use super::printed;
use crate::args::{Environment, Global, GoldenPath};
use crate::print::{look, value};
use crate::session::catalog;

pub(super) fn environment(global: &Global, command: Environment) -> Result<ExitCode, OperationError> {
    let catalog = catalog(global)?;
    match command {
        Environment::List => {
            let all = list_environments(&catalog)?;
            printed(value(global.output, &all, || look::environments(&all)))
        }
        Environment::Get(asked) => {
            let one = get_environment(&catalog, &asked.name)?;
            printed(value(global.output, &one, || look::environment(&one)))
        }
    }
}

pub(super) fn golden_path(global: &Global, command: GoldenPath) -> Result<ExitCode, OperationError> {
    let catalog = catalog(global)?;
    match command {
        GoldenPath::List => {
            let all = list_golden_paths(&catalog)?;
            printed(value(global.output, &all, || look::golden_paths(&all)))
        }
        GoldenPath::Get(asked) => {
            let one = get_golden_path(&catalog, &asked.name)?;
            printed(value(global.output, &one, || look::golden_path(&one)))
        }
    }
}
