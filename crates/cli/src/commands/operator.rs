//! `platform operator`: keeps a cluster true until it is told to stop. What the installed Deployment runs.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;

use api::{Group, SYSTEM_NAMESPACE};
use kube::Client;
use operations::{ExitCode, OperationError, Target, installation, prepare_cluster};
use operator::{Election, Telemetry, TelemetryServer};
use tokio_util::sync::CancellationToken;

use super::service::interrupts;
use crate::args::{Global, Operator};
use crate::engine::policies;
use crate::home::Home;
use crate::session::{connect, connect_from_inside, platform};

/// The lease for which operators stand.
const LEASE: &str = "platform-operator";

pub(super) fn run(global: &Global, asked: &Operator) -> Result<ExitCode, OperationError> {
    crate::runtime()?.block_on(async {
        let stop = interrupts();
        let telemetry = Telemetry::default();
        let server = match asked.listen {
            Some(address) => Some(listen(address, "--listen").await?),
            None => None,
        };
        // Probes are answered from the beginning, so that a slow cluster is not taken for a dead operator.
        let serving = CancellationToken::new();
        let answers = server.map(|server| {
            tracing::info!(address = %server.address(), "answering probes and figures");
            tokio::spawn(server.run(telemetry.clone(), serving.clone()))
        });
        let outcome = operate(global, asked, &telemetry, &stop).await;
        telemetry.stops();
        serving.cancel();
        if let Some(answers) = answers {
            // It ends when it is told to, or has ended already.
            drop(answers.await);
        }
        tracing::info!("stopped");
        outcome.map(|()| ExitCode::Done)
    })
}

async fn operate(
    global: &Global,
    asked: &Operator,
    telemetry: &Telemetry,
    stop: &CancellationToken,
) -> Result<(), OperationError> {
    let client = match &global.context {
        Some(context) => connect(context).await?,
        None => connect_from_inside().await?,
    };
    let group = group(global, &client).await?;
    tracing::info!(
        group = group.as_str(),
        version = env!("CARGO_PKG_VERSION"),
        "operator ready"
    );
    let work = |term: CancellationToken| {
        let (client, group, telemetry) = (client.clone(), group.clone(), telemetry.clone());
        async move {
            let policies = match policies() {
                Ok(policies) => policies,
                Err(error) => return tracing::error!(%error, "the guardrails that ship cannot be loaded"),
            };
            let actor = match admission::Actor::new(client.clone(), group.clone(), policies.clone()) {
                Ok(actor) => actor,
                Err(error) => return tracing::error!(%error, "what policies decide cannot be carried out"),
            };
            let operator =
                operator::Operator::new(client.clone(), group, policies.clone()).with_telemetry(telemetry);
            let scanner = admission::Scanner::new(client.clone(), policies.clone());
            tokio::join!(
                policies.follow(client, term.clone()),
                Box::pin(scanner.run(term.clone())),
                Box::pin(actor.run(term.clone())),
                operator.run(term)
            );
        }
    };
    if asked.alone {
        telemetry.leads(true);
        work(stop.clone()).await;
    } else {
        let election = Election::new(client.clone(), SYSTEM_NAMESPACE, LEASE, &identity());
        election
            .with_telemetry(telemetry.clone())
            .run(stop.clone(), work)
            .await;
    }
    Ok(())
}

/// The group under which the platform is installed. Where it is not, and somebody runs an operator for a context
/// all the same, the cluster is made ready for it.
async fn group(global: &Global, client: &Client) -> Result<Group, OperationError> {
    if let Some(installed) = installation(client).await? {
        return Ok(installed.group);
    }
    let Some(context) = &global.context else {
        return Err(OperationError::invalid_hint(
            format!(
                "this cluster does not say which platform is installed: there is no ConfigMap {SYSTEM_NAMESPACE}/platform that this account may read"
            ),
            "install it with: platform install --context NAME",
        ));
    };
    let home = Home::find(global.home.as_deref())?;
    home.make()?;
    let platform = platform(&home, Target::Context(context.clone()), client.clone(), None)?;
    prepare_cluster(client, platform.group(), &[]).await?;
    Ok(platform.group().clone())
}

/// Takes the address for probes and figures, which `option` names.
pub(super) async fn listen(address: SocketAddr, option: &str) -> Result<TelemetryServer, OperationError> {
    TelemetryServer::bind(address)
        .await
        .map_err(|error| address_problem(address, option, &error))
}

/// Why nobody can listen at an address.
pub(super) fn address_problem(address: SocketAddr, option: &str, error: &std::io::Error) -> OperationError {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => OperationError::Conflict {
            message: format!("port {} is in use by another program", address.port()),
            hint: Some(format!("choose another with {option}, or port 0 for a free one")),
        },
        _ => OperationError::invalid_hint(
            format!("cannot listen at {address}: {error}"),
            format!("choose another address with {option}"),
        ),
    }
}

/// Who stands for the lease: the pod, or this very process and no other.
pub(super) fn identity() -> String {
    let pod = std::env::var("POD_NAME").ok().filter(|name| !name.is_empty());
    let chance = RandomState::new().hash_one(std::process::id());
    format!(
        "{}_{chance:016x}",
        pod.unwrap_or_else(|| format!("process-{}", std::process::id()))
    )
}
