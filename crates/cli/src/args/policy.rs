//! `platform policy …`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, Reports, any_output};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Run test suites of policies (kyverno-test.yaml), as kyverno test does
    Test(PolicyTest),
    /// Apply policies to resources and say what they make of them, as kyverno apply does
    Apply(Box<PolicyApply>),
    /// Say which services a policy would refuse before it is added or tightened
    Impact(PolicyImpact),
}

#[derive(Debug, Args)]
pub(crate) struct PolicyImpact {
    /// A file, or the name of a policy in platform/policies or of one that ships
    #[arg(value_name = "POLICY")]
    pub policy: String,
    /// The stage that it would have [default: as it is]
    #[arg(long, value_enum, value_name = "STAGE")]
    pub stage: Option<PolicyStage>,
    /// The environment in which it would have that stage [default: all]
    #[arg(long, short, value_name = "NAME")]
    pub environment: Option<String>,
    /// The folder of an infrastructure repository [default: the platform's own repository]
    #[arg(long, value_name = "FOLDER")]
    pub repository: Option<PathBuf>,
}

/// How far a policy goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum PolicyStage {
    /// It is not asked
    Off,
    /// It reports
    Audit,
    /// It reports and warns
    Warn,
    /// It refuses
    Enforce,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyTest {
    /// Folders that hold suites, at any depth
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub folders: Vec<String>,
    /// How the files of suites are called
    #[arg(long, short = 'f', value_name = "NAME", default_value = "kyverno-test.yaml")]
    pub file_name: String,
    /// Which results are looked at
    #[arg(
        long = "test-case-selector",
        short = 't',
        value_name = "SELECTOR",
        default_value = "policy=*,rule=*,resource=*"
    )]
    pub selector: String,
    /// How to print the results: json, yaml, markdown or junit
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "yaml", "markdown", "junit"])]
    pub output_format: Option<String>,
    /// The same; also table
    #[arg(id = "output", long = "output", short = 'o', value_name = "FORMAT", value_parser = any_output)]
    pub output: Option<Output>,
    /// Show failed results only
    #[arg(long)]
    pub fail_only: bool,
    /// Print no colours; none are printed
    #[arg(long)]
    pub remove_color: bool,
    /// Show what the rules say, too
    #[arg(long)]
    pub detailed_results: bool,
    /// Fail when no suite is found
    #[arg(long)]
    pub require_tests: bool,
    /// Ask registries about images; this program never does, and says so
    #[arg(long)]
    pub registry: bool,
    /// The branch of a Git repository; nothing is fetched, so this is refused
    #[arg(long, short = 'b', value_name = "NAME")]
    pub git_branch: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct PolicyApply {
    /// Files and folders with policies, or - for standard input
    #[arg(value_name = "POLICY", required = true)]
    pub policies: Vec<String>,
    /// Files and folders with the resources, or - for standard input (repeat or separate by commas)
    #[arg(
        long = "resource",
        alias = "resources",
        short = 'r',
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub resources: Vec<String>,
    /// JSON that is no Kubernetes object, for policies that judge such (repeat or separate by commas)
    #[arg(
        long,
        value_name = "FILE",
        value_delimiter = ',',
        conflicts_with = "resources"
    )]
    pub json: Vec<String>,
    /// Resources that policies may change while they judge others (repeat or separate by commas)
    #[arg(
        long = "target-resource",
        alias = "target-resources",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub targets: Vec<String>,
    /// Resources that are parameters of admission policies (repeat or separate by commas)
    #[arg(long = "parameter-resource", value_name = "FILE", value_delimiter = ',')]
    pub parameters: Vec<String>,
    /// A file or folder for what policies make of resources, or a format: table, json or yaml
    #[arg(id = "output", long = "output", short = 'o', value_name = "FILE", value_parser = any_output)]
    pub output: Option<Output>,
    /// Print only what policies make of the resources, for kubectl apply -f -
    #[arg(long, short = 'i')]
    pub stdin: bool,
    /// Who asks, from a file of kind UserInfo
    #[arg(long, short = 'u', value_name = "FILE")]
    pub userinfo: Option<String>,
    /// Values of variables: name=value (repeat or separate by commas)
    #[arg(long, short = 's', value_name = "NAME=VALUE", conflicts_with = "values_file")]
    pub set: Vec<String>,
    /// Values of variables, from a file of kind Values
    #[arg(long, short = 'f', value_name = "FILE")]
    pub values_file: Option<String>,
    /// Resources and images that CEL policies may ask for, from a file of kind Context
    #[arg(long, value_name = "FILE")]
    pub context_file: Option<String>,
    #[command(flatten)]
    pub reports: Reports,
    /// Count what an audited rule refuses as a warning
    #[arg(long)]
    pub audit_warn: bool,
    /// The exit code when there are warnings and nothing worse
    #[arg(long, value_name = "CODE", default_value_t = 0)]
    pub warn_exit_code: u8,
    /// Use that exit code when nothing passes, too
    #[arg(long)]
    pub warn_no_pass: bool,
    /// Exceptions from policies (repeat or separate by commas)
    #[arg(
        long = "exception",
        alias = "exceptions",
        short = 'e',
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub exceptions: Vec<String>,
    /// Take exceptions from among the resources
    #[arg(long, alias = "exceptions-with-resources")]
    pub exceptions_within_resources: bool,
    /// Take exceptions from among the policies
    #[arg(long)]
    pub exceptions_within_policies: bool,
    /// Show the results as a table
    #[arg(long, short = 't')]
    pub table: bool,
    /// In the table, show what the rules say
    #[arg(long)]
    pub detailed_results: bool,
    /// Print no colours; none are printed
    #[arg(long)]
    pub remove_color: bool,
    /// Go on with the next resource when one cannot be judged; this program always does
    #[arg(long)]
    pub continue_on_fail: bool,
    /// Definitions of kinds that the cluster of the policies knows (repeat or separate by commas)
    #[arg(
        long = "crd-paths",
        alias = "crd-path",
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub definitions: Vec<String>,
    /// Ask registries about images; this program never does, and says so
    #[arg(long)]
    pub registry: bool,
    /// The branch of a Git repository; nothing is fetched, so this is refused
    #[arg(long, short = 'b', value_name = "NAME")]
    pub git_branch: Option<String>,
}
