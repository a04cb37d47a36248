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
    /// Say which services, and with --context which objects of a cluster, a policy would refuse before it is added or
    /// tightened
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
    /// Files and folders with policies, or - for standard input; with --cluster and none, the cluster's own
    #[arg(value_name = "POLICY", required_unless_present = "cluster")]
    pub policies: Vec<String>,
    /// Files and folders with the resources, or - for standard input; with --cluster also names of its objects, as NAME
    /// or Kind/NAME (repeat or separate by commas)
    #[arg(
        long = "resource",
        alias = "resources",
        short = 'r',
        value_name = "FILE",
        value_delimiter = ','
    )]
    pub resources: Vec<String>,
    #[command(flatten)]
    pub cluster: ClusterChoice,
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

/// A cluster whose objects policies are applied to.
#[derive(Debug, Args)]
pub(crate) struct ClusterChoice {
    /// Apply policies to the objects of a cluster, and let it answer what policies ask; nothing is changed there
    #[arg(
        long,
        short = 'c',
        conflicts_with_all = ["targets", "parameters", "context_file", "definitions"]
    )]
    pub cluster: bool,
    /// The kubeconfig file that names the cluster
    #[arg(long, value_name = "FILE", conflicts_with = "definitions")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace whose objects are looked at [default: all]
    #[arg(long, short = 'n', value_name = "NAME")]
    pub namespace: Option<String>,
    /// Look at the objects that live in no namespace; with --namespace, at those too
    #[arg(long)]
    pub cluster_wide_resources: bool,
    /// How many objects are asked for at once
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub batch_size: u32,
    /// How many lists are read side by side; one after the other is fast enough, so this says nothing
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    pub concurrent: u32,
    /// Go on when a kind cannot be listed; that it cannot is an error at the end in any case
    #[arg(
        long,
        value_name = "BOOL",
        default_value_t = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        action = clap::ArgAction::Set
    )]
    pub continue_on_error: bool,
    /// Say how long reading the cluster took
    #[arg(long)]
    pub show_performance: bool,
    // What Kyverno's command line has and this program refuses with a reason.
    #[arg(long = "http-payload", hide = true, value_name = "FILE")]
    pub http_payloads: Vec<String>,
    #[arg(long = "envoy-payload", hide = true, value_name = "FILE")]
    pub envoy_payloads: Vec<String>,
    #[arg(long, hide = true)]
    pub generate_exceptions: bool,
    #[arg(long, hide = true, value_name = "DURATION")]
    pub generated_exception_ttl: Option<String>,
    #[arg(long, hide = true, value_name = "NAME")]
    pub username: Option<String>,
    #[arg(long, hide = true, value_name = "TEXT")]
    pub password: Option<String>,
}
