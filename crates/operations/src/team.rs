//! Teams: made, looked at and taken away. A team is a file in Git; the operator makes its boundaries of it.

mod create;
mod delete;
mod holdings;
mod quota;
mod undo;
mod view;

use api::Team;
use kube::Api;

use crate::catalog::Catalog;
use crate::error::{OperationError, nearest};
use crate::platform::Platform;

pub use create::{TeamCreated, TeamRequest, create_team};
pub use delete::{DeleteTeamRequest, DeletedTeam, delete_team};
pub(crate) use undo::{undo_create, undo_delete};
pub use view::{NamespaceView, QuotaView, ServiceBrief, TeamSummary, TeamView, get_team, list_teams};

/// The commands, as journals write them.
pub(crate) const CREATE: &str = "team create";
pub(crate) const DELETE: &str = "team delete";

/// What a team's runs are about, as journals write it. No namespace and no service is called so.
fn subject(name: &str) -> String {
    format!("team {name}")
}

/// The teams of the cluster.
fn teams(platform: &Platform) -> Api<Team> {
    Api::all_with(
        platform.client.clone(),
        &platform.group().resource(api::Kind::Team),
    )
}

/// There is no such team; those there are, or the one that was meant.
pub(crate) fn missing(catalog: &Catalog, name: &str) -> OperationError {
    let all = catalog.teams();
    let hint = match nearest(name, all.iter().map(String::as_str)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None if all.is_empty() => "make it with: platform team create NAME".to_owned(),
        None => format!("there is {}; a new one: platform team create NAME", listed(&all)),
    };
    OperationError::NotFound {
        what: "team",
        name: name.chars().filter(|c| !c.is_control()).take(80).collect(),
        place: None,
        hint: Some(hint),
    }
}

/// Names in a line, no more than can be read.
pub(crate) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
