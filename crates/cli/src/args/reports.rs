//! Where verdicts are reported to: options that several commands have.

use clap::Args;
use operations::OperationError;

use super::Output;

#[derive(Clone, Debug, Args)]
pub(crate) struct Reports {
    /// Print a policy report
    #[arg(long, short = 'p')]
    pub policy_report: bool,
    /// How to print the report: yaml or json
    #[arg(long, value_name = "FORMAT", value_parser = ["yaml", "json"], default_value = "yaml")]
    pub output_format: String,
    /// Which report: wgpolicyk8s.io or openreports.io
    #[arg(long, value_name = "GROUP", value_parser = ["openreports.io", "wgpolicyk8s.io"], default_value = "openreports.io")]
    pub report_group: String,
    /// Write a SARIF log for code hosts to this file, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub sarif: Option<String>,
    /// Write JUnit XML for pipelines to this file, or - for standard output
    #[arg(long, value_name = "FILE")]
    pub junit: Option<String>,
}

impl Reports {
    /// Whether any is asked for.
    pub(crate) fn any(&self) -> bool {
        self.policy_report || self.sarif.is_some() || self.junit.is_some()
    }

    /// How many go to standard output, where nothing else may be then.
    fn printed(&self) -> usize {
        let stdout = |file: &Option<String>| usize::from(file.as_deref() == Some("-"));
        usize::from(self.policy_report) + stdout(&self.sarif) + stdout(&self.junit)
    }

    /// Whether one goes to standard output.
    pub(crate) fn on_stdout(&self) -> bool {
        self.printed() > 0
    }

    /// Refuses what nobody could take apart again.
    pub(crate) fn settle(&self, output: Output) -> Result<(), OperationError> {
        let format = usize::from(output != Output::Table);
        if self.printed() + format > 1 {
            return Err(OperationError::invalid_hint(
                "standard output takes one of these: --policy-report, --sarif -, --junit -, --output FORMAT",
                "write the others to files",
            ));
        }
        Ok(())
    }
}
