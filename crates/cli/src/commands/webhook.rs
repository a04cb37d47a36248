//! `platform webhook`: judges what is written to a cluster, at its door, until it is told to stop.

use admission::{Lifetimes, Place, Telemetry, Webhook, WebhookOptions};
use api::SYSTEM_NAMESPACE;
use operations::{ExitCode, OperationError, installation};
use operator::{Election, TelemetryServer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::operator::{address_problem, identity, listen};
use super::service::interrupts;
use crate::args::{Global, Webhook as Asked};
use crate::session::{connect, connect_from_inside};

/// The lease for which webhooks stand: one of them keeps certificates and configurations.
const LEASE: &str = "platform-webhook";

pub(super) fn run(global: &Global, asked: &Asked) -> Result<ExitCode, OperationError> {
    crate::runtime()?.block_on(async {
        let stop = interrupts();
        let telemetry = Telemetry::default();
        let server = match asked.metrics {
            Some(address) => Some(listen(address, "--metrics").await?),
            None => None,
        };
        let serving = CancellationToken::new();
        let answers = server.map(|server: TelemetryServer| {
            tracing::info!(address = %server.address(), "answering probes and figures");
            tokio::spawn(server.run(telemetry.clone(), serving.clone()))
        });
        let outcome = Box::pin(serve(global, asked, &telemetry, &stop)).await;
        serving.cancel();
        if let Some(answers) = answers {
            // It ends when it is told to, or has ended already.
            drop(answers.await);
        }
        tracing::info!("stopped");
        outcome.map(|()| ExitCode::Done)
    })
}

async fn serve(
    global: &Global,
    asked: &Asked,
    telemetry: &Telemetry,
    stop: &CancellationToken,
) -> Result<(), OperationError> {
    let client = match &global.context {
        Some(context) => connect(context).await?,
        None => connect_from_inside().await?,
    };
    let Some(installed) = installation(&client).await? else {
        return Err(OperationError::invalid_hint(
            format!(
                "this cluster does not say which platform is installed: there is no ConfigMap {SYSTEM_NAMESPACE}/platform that this account may read"
            ),
            "install it with: platform install --context NAME",
        ));
    };
    let listener = TcpListener::bind(asked.listen)
        .await
        .map_err(|error| address_problem(asked.listen, "--listen", &error))?;
    let place = match &asked.url {
        Some(url) if url.starts_with("https://") => Place::Url(url.clone()),
        Some(url) => {
            return Err(OperationError::invalid_hint(
                format!("the API server asks webhooks over https, and not at {url}"),
                "such as --url https://127.0.0.1:9443",
            ));
        }
        None => Place::Service,
    };
    let options = WebhookOptions {
        group: installed.group,
        place,
        lifetimes: Lifetimes {
            leaf: asked.certificate_lifetime,
        },
    };
    let webhook = Webhook::new(client.clone(), options, telemetry.clone())
        .map_err(|error| OperationError::invalid(error.to_string()))?;
    tracing::info!(address = %asked.listen, version = env!("CARGO_PKG_VERSION"), "webhook ready to answer");
    let keeping = webhook.clone();
    let keep = |term: CancellationToken| {
        let (webhook, telemetry) = (keeping.clone(), telemetry.clone());
        async move {
            // The API server is told of a webhook that can answer.
            tokio::select! {
                () = webhook.has_read() => {}
                () = term.cancelled() => return,
            }
            telemetry.leads(true);
            webhook.keeper().keep(term).await;
            telemetry.leads(false);
        }
    };
    let election = Election::new(client, SYSTEM_NAMESPACE, LEASE, &identity());
    let (served, ()) = tokio::join!(webhook.run(listener, stop.clone()), async {
        if asked.alone {
            keep(stop.clone()).await;
        } else {
            election.run(stop.clone(), keep).await;
        }
    });
    served.map_err(|error| OperationError::invalid(error.to_string()))
}
