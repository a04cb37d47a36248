//! The use cases of the platform: create a service, look at it, render it, check a repository, delete it;
//! and install the platform on a cluster.
//!
//! What changes something is a saga: each step is written to a journal, with how to undo it, before it runs, so
//! that a failure, an interrupt or a kill leaves a finished run, an undone one, or one that the same command
//! resumes. Git comes first in every undo, so that nothing is made again while it is being removed.
//!
//! Nothing here prints: progress goes to a [`Reporter`], results are returned, and errors carry a hint.

mod blueprint;
mod bootstrap;
mod catalog;
mod charts;
mod check;
mod create;
mod delete;
mod diff;
mod environment;
mod error;
mod fault;
mod golden_path;
mod guard;
mod install;
mod journal;
mod offers;
mod operation;
mod platform;
mod policy;
mod progress;
mod render;
mod scaffold;
mod synced;
mod team;
mod view;
mod wait;

pub use blueprint::{Settings, first_commit};
pub use bootstrap::{outside_definitions, prepare_cluster};
pub use catalog::{Catalog, ServiceFile};
pub use charts::{
    ChartReference, ChartValues, Credentials, LintRequest, Linted, ObjectFinding, Remote, TemplateRequest,
    Templated, chart_schema, chart_values, check_in_cluster, check_offline, default_values, fetch_chart,
    find_chart, lint_chart, template_chart,
};
pub use check::{CheckFinding, CheckVerdict, Checked, check};
pub use create::{CreateRequest, Created, create_service};
pub use delete::{DeleteRequest, Deleted, delete_service};
pub use diff::{Action, FieldChange, ObjectChange, ObjectProblem, ServiceDiff, diff_service};
pub use environment::{EnvironmentView, get_environment, list_environments};
pub use error::{ExitCode, OperationError};
pub use golden_path::{Follower, GoldenPathView, VersionView, get_golden_path, list_golden_paths};
pub use guard::{Refusal, load_policies};
pub use install::{
    InstallRequest, Installation, Installed, MANAGER_INSTALL, UninstallRequest, Uninstalled, install,
    install_manifests, installation, uninstall,
};
pub use journal::{Journal, OperationSummary};
pub use operation::{resume_command, undo_operation};
pub use platform::{Nudge, Platform, Target};
pub use policy::{
    ClusterImpact, Effect, FieldToSet, Impact, ImpactCounts, ImpactException, ImpactFinding, ImpactRequest,
    ObjectImpact, Places, PolicyApplication, PolicyApplyRequest, PolicyCluster, PolicyCounts, PolicyResult,
    PolicyTestRequest, PolicyTested, Selection, Stage, TeamImpact, TestRow, TestedSuite, policy_impact,
    test_policies,
};
pub use progress::{Progress, Reporter, Silent};
pub use render::{RenderedService, render};
pub use scaffold::ScaffoldPlan;
pub use team::{
    DeleteTeamRequest, DeletedTeam, NamespaceView, QuotaView, ServiceBrief, TeamCreated, TeamRequest,
    TeamSummary, TeamView, create_team, delete_team, get_team, list_teams,
};
pub use view::{ChainLink, ObjectView, ServiceView, get_service, list_services};
