//! `platform team …`

use api::{Contacts, TeamNetwork, TeamSpec};
use operations::{
    DeleteTeamRequest, ExitCode, OperationError, TeamRequest, create_team, delete_team, get_team, list_teams,
};

use super::service::{confirmed, interrupts, typed};
use super::{print_text, printed};
use crate::args::{CreateTeam, DeleteTeam, GetTeam, Global, Output, Team};
use crate::print::talk::Talk;
use crate::print::{self, value};
use crate::session::{Purpose, Session};

pub(super) fn run(talk: &Talk, global: &Global, command: Team) -> Result<ExitCode, OperationError> {
    let runtime = crate::runtime()?;
    match command {
        Team::Create(request) => runtime.block_on(create(talk, global, *request)),
        Team::List => runtime.block_on(list(global)),
        Team::Get(request) => runtime.block_on(get(global, &request)),
        Team::Delete(request) => runtime.block_on(delete(talk, global, request)),
    }
}

async fn create(talk: &Talk, global: &Global, request: CreateTeam) -> Result<ExitCode, OperationError> {
    if global.output == Output::Table {
        talk.say(&super::greeting(global));
    }
    let dry_run = request.dry_run;
    let asked = wish(request);
    let session = Session::open(global, Purpose::Change).await?;
    let outcome = create_team(&session.platform, &asked, talk, &interrupts()).await;
    session.close().await;
    let created = outcome?;
    if dry_run && global.output == Output::Table {
        return print_text(&print::team::created(&created, ""));
    }
    let flags = super::context_flag(global);
    printed(value(
        global.output,
        &print::team::created_value(&created),
        || print::team::created(&created, &flags),
    ))
}

/// What was typed, as a team's spec.
fn wish(request: CreateTeam) -> TeamRequest {
    let contacts = Contacts {
        chat: request.chat,
        mail: request.mail,
        on_call: request.on_call,
    };
    let network = TeamNetwork {
        allow_from: request.allow_from,
        mesh: request.mesh.map(Into::into),
    };
    let spec = TeamSpec {
        display_name: request.display_name,
        owner: request.owner,
        contacts: (contacts != Contacts::default()).then_some(contacts),
        cost_centre: request.cost_centre,
        registry: request.registry,
        groups: request.groups,
        workloads: request.workloads.map(Into::into),
        hosts: request.hosts,
        network: (network != TeamNetwork::default()).then_some(network),
        environments: Vec::new(),
    };
    TeamRequest {
        name: request.name,
        spec,
        environments: request.environments,
        quotas: request.quotas,
        dry_run: request.dry_run,
        timeout: request.timeout,
        typed: typed(),
    }
}

async fn list(global: &Global) -> Result<ExitCode, OperationError> {
    let session = Session::open(global, Purpose::Look).await?;
    let teams = list_teams(&session.platform).await;
    session.close().await;
    let teams = teams?;
    printed(value(global.output, &teams, || print::team::list(&teams)))
}

async fn get(global: &Global, request: &GetTeam) -> Result<ExitCode, OperationError> {
    let session = Session::open(global, Purpose::Look).await?;
    let team = get_team(&session.platform, &request.name).await;
    session.close().await;
    let team = team?;
    printed(value(global.output, &team, || print::team::one(&team)))
}

async fn delete(talk: &Talk, global: &Global, request: DeleteTeam) -> Result<ExitCode, OperationError> {
    let namespaces = if request.delete_namespaces {
        " with its namespaces"
    } else {
        "; its namespaces stay"
    };
    if !request.yes && !confirmed(&format!("team {}", request.name), namespaces)? {
        talk.say("Nothing was deleted.");
        return Ok(ExitCode::Failed);
    }
    let asked = DeleteTeamRequest {
        name: request.name,
        delete_namespaces: request.delete_namespaces,
        timeout: request.timeout,
        typed: typed(),
    };
    let session = Session::open(global, Purpose::Change).await?;
    let outcome = delete_team(&session.platform, &asked, talk, &interrupts()).await;
    session.close().await;
    let deleted = outcome?;
    let flags = super::context_flag(global);
    printed(value(global.output, &deleted, || {
        print::team::deleted(&deleted, &flags)
    }))
}
