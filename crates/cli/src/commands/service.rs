//! `platform service …`

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use operations::{
    CreateRequest, DeleteRequest, ExitCode, OperationError, create_service, delete_service, diff_service,
    get_service, list_services, render,
};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{print_exact, print_text, printed};
use crate::args::{Create, Delete, Diff, Get, Global, Output, Place, Render, Service};
use crate::home::Home;
use crate::print::talk::Talk;
use crate::print::{self, value};
use crate::session::{Purpose, Session, catalog};

pub(super) fn run(talk: &Talk, global: &Global, command: Service) -> Result<ExitCode, OperationError> {
    match command {
        Service::Render(request) => render_one(global, &request),
        Service::Create(request) => crate::runtime()?.block_on(create(talk, global, *request)),
        Service::List(place) => crate::runtime()?.block_on(list(global, &place)),
        Service::Get(request) => crate::runtime()?.block_on(get(global, &request)),
        Service::Diff(request) => crate::runtime()?.block_on(diff(talk, global, &request)),
        Service::Delete(request) => crate::runtime()?.block_on(delete(talk, global, request)),
    }
}

async fn create(talk: &Talk, global: &Global, request: Create) -> Result<ExitCode, OperationError> {
    if global.context.is_some() && request.place.team.is_none() {
        return Err(OperationError::invalid_hint(
            "which team is this service for?",
            "on a real cluster, name it with --team",
        ));
    }
    if global.output == Output::Table {
        talk.say(&super::greeting(global));
    }
    let scaffold = (!request.no_scaffold && request.language.is_some()).then(|| {
        request
            .dir
            .clone()
            .unwrap_or_else(|| PathBuf::from(&request.name))
    });
    let asked = CreateRequest {
        typed: typed(),
        name: request.name,
        team: request.place.team,
        environment: request.place.environment,
        language: request.language,
        golden_path: request.golden_path,
        autoscale: request.autoscale,
        route: request.route,
        host: request.host,
        schedule: request.schedule,
        time_zone: request.time_zone,
        replicas: request.replicas,
        database: request.database,
        cache: request.cache,
        image: request.image,
        port: request.port,
        size: request.size,
        scaffold,
        dry_run: request.dry_run,
        timeout: request.timeout,
    };
    let session = Session::open(global, Purpose::Change).await?;
    let cancel = interrupts();
    let outcome = create_service(&session.platform, &asked, talk, &cancel).await;
    session.close().await;
    let created = outcome?;
    let shown = print::create::value(&created);
    if request.dry_run && global.output == Output::Table {
        return print_text(&print::create::text(&created, "", ""));
    }
    let home = Home::find(global.home.as_deref())?;
    let kubectl = match &global.context {
        Some(name) => format!(
            "kubectl --context {name} -n {} get all",
            created.service.as_ref().map_or("", |s| &s.namespace)
        ),
        None => format!(
            "platform up, then kubectl --kubeconfig {} get pods -A",
            home.kubeconfig().display()
        ),
    };
    printed(value(global.output, &shown, || {
        print::create::text(
            &created,
            &flags(global, asked.team.as_ref(), asked.environment.as_ref()),
            &kubectl,
        )
    }))
}

/// The options that lead another command to the same service.
fn flags(global: &Global, team: Option<&String>, environment: Option<&String>) -> String {
    let mut flags = super::context_flag(global);
    if let Some(team) = team {
        flags = format!("{flags} --team {team}");
    }
    if let Some(environment) = environment {
        flags = format!("{flags} --environment {environment}");
    }
    flags
}

async fn list(global: &Global, place: &Place) -> Result<ExitCode, OperationError> {
    let session = Session::open(global, Purpose::Look).await?;
    let services = list_services(
        &session.platform,
        place.team.as_deref(),
        place.environment.as_deref(),
    )
    .await;
    session.close().await;
    let services = services?;
    printed(value(global.output, &services, || {
        print::service::list(&services)
    }))
}

async fn get(global: &Global, request: &Get) -> Result<ExitCode, OperationError> {
    let session = Session::open(global, Purpose::Look).await?;
    let (team, environment) = (
        request.place.team.as_deref(),
        request.place.environment.as_deref(),
    );
    let service = get_service(&session.platform, &request.name, team, environment).await;
    session.close().await;
    let service = service?;
    printed(value(global.output, &service, || print::service::one(&service)))
}

fn render_one(global: &Global, request: &Render) -> Result<ExitCode, OperationError> {
    let catalog = catalog(global)?;
    let service = catalog.find(
        &request.name,
        request.place.team.as_deref(),
        request.place.environment.as_deref(),
    )?;
    let rendered = render(&catalog, &service)?;
    match global.output {
        Output::Json => {
            let list = json!({"apiVersion": "v1", "kind": "List", "items": rendered.objects});
            printed(value(Output::Json, &list, String::new))
        }
        Output::Table | Output::Yaml | Output::Other(_) => print_exact(&rendered.text()),
    }
}

/// Exits 0 where there is no difference, 1 where there is one, and with anything else after a failure.
async fn diff(talk: &Talk, global: &Global, request: &Diff) -> Result<ExitCode, OperationError> {
    let looked = async {
        let session = Session::open(global, Purpose::Look).await?;
        let (team, environment) = (
            request.place.team.as_deref(),
            request.place.environment.as_deref(),
        );
        let found = diff_service(&session.platform, &request.name, team, environment).await;
        session.close().await;
        found
    };
    let found = match looked.await {
        Ok(found) => found,
        Err(error) => {
            return Ok(match print::failure::operation(talk, &error) {
                ExitCode::Failed => ExitCode::Usage,
                other => other,
            });
        }
    };
    printed(value(global.output, &found, || print::diff::text(&found)))?;
    Ok(if !found.problems.is_empty() {
        ExitCode::Usage
    } else if found.changes.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

async fn delete(talk: &Talk, global: &Global, request: Delete) -> Result<ExitCode, OperationError> {
    let data = if request.with_data {
        " with its database, its cache and everything in them"
    } else {
        "; its data stays"
    };
    if !request.yes && !confirmed(&format!("service {}", request.name), data)? {
        talk.say("Nothing was deleted.");
        return Ok(ExitCode::Failed);
    }
    let asked = DeleteRequest {
        name: request.name,
        team: request.place.team,
        environment: request.place.environment,
        delete_data: request.with_data,
        timeout: request.timeout,
        typed: typed(),
    };
    let session = Session::open(global, Purpose::Change).await?;
    let outcome = delete_service(&session.platform, &asked, talk, &interrupts()).await;
    session.close().await;
    let deleted = outcome?;
    let flags = flags(global, asked.team.as_ref(), asked.environment.as_ref());
    printed(value(global.output, &deleted, || {
        let mut text = format!("\n{} is deleted from {}.\n", deleted.name, deleted.place);
        if !deleted.kept.is_empty() {
            text = format!(
                "{text}Its data stays: {}.\nA new {} finds it again; to delete it too: platform service delete {} --delete-data{flags}\n",
                deleted.kept.join(", "),
                deleted.name,
                deleted.name
            );
        }
        text
    }))
}

/// Asks, on a terminal; elsewhere the answer must have been given.
pub(super) fn confirmed(what: &str, with: &str) -> Result<bool, OperationError> {
    if !std::io::stdin().is_terminal() {
        return Err(OperationError::invalid_hint(
            format!("this deletes {what}, and there is nobody to ask"),
            "add --yes",
        ));
    }
    let mut err = std::io::stderr().lock();
    // If the question cannot be seen, the answer is no.
    if write!(err, "Delete {what}{with}? [y/N] ")
        .and_then(|()| err.flush())
        .is_err()
    {
        return Ok(false);
    }
    let mut answer = String::new();
    std::io::stdin()
        .read_line(&mut answer)
        .map_err(OperationError::io("read", "standard input"))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

/// The command as it was typed, for the journal. No option of these commands takes a secret.
pub(super) fn typed() -> String {
    let words = std::env::args().skip(1).map(|word| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', "'\\''"))
        }
    });
    std::iter::once("platform".to_owned())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Cancelled at the first Ctrl-C or SIGTERM. A second one ends the process at once: the journal knows.
pub(super) fn interrupts() -> CancellationToken {
    let cancel = CancellationToken::new();
    let told = cancel.clone();
    tokio::spawn(async move {
        signalled().await;
        told.cancel();
        signalled().await;
        std::process::exit(ExitCode::Interrupted.number().into());
    });
    cancel
}

async fn signalled() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
        }
        // Without the one there is still the other.
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}
