//! `platform up`: the sandbox with everything that makes it move, until it is told to stop.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use operations::{ExitCode, OperationError, Target, outside_definitions, prepare_cluster};
use sandbox::{ServeError, ServeOptions};

use super::print_text;
use super::service::interrupts;
use crate::args::{Global, Up};
use crate::engine::{Engine, open_sandbox, policies};
use crate::home::Home;
use crate::print::talk::{Talk, time};
use crate::session::{platform, store_problem};

/// Serves the sandbox with everything that makes it move, until Ctrl-C.
pub(super) fn up(talk: &Talk, global: &Global, up: &Up) -> Result<ExitCode, OperationError> {
    if global.context.is_some() {
        return Err(OperationError::invalid_hint(
            "up serves the sandbox, and --context names a real cluster",
            "for a real cluster there is: platform operator --context NAME",
        ));
    }
    let home = Home::find(global.home.as_deref())?;
    home.make()?;
    crate::runtime()?.block_on(serve(talk, &home, up))
}

async fn serve(talk: &Talk, home: &Home, up: &Up) -> Result<ExitCode, OperationError> {
    let begun = Instant::now();
    let cancel = interrupts();
    let policies = policies()?;
    let sandbox = open_sandbox(home.store(), &policies).map_err(|error| store_problem(home, error))?;
    let client = sandbox.client("default");
    let mut platform = platform(home, Target::Sandbox, client.clone(), None)?;
    prepare_cluster(&client, platform.group(), &outside_definitions()).await?;
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, up.port));
    let options = ServeOptions {
        address,
        kubeconfig: Some(home.kubeconfig()),
        ..ServeOptions::new(home.tls())
    };
    let serving = sandbox.serve(options).await.map_err(cannot_serve)?;
    let mut engine = Engine::new();
    engine.live(client.clone());
    engine.operate(&client, platform.group(), &policies);
    engine.sync(&mut platform);

    print_text(&format!(
        "Sandbox ready at https://{} in {}: pods are simulated.\n\n  kubectl     kubectl --kubeconfig {} get pods -A\n  services    platform service list\n\nCtrl-C stops it; everything is kept.\n",
        serving.address(),
        time(begun.elapsed()),
        home.kubeconfig().display(),
    ))?;
    cancel.cancelled().await;
    talk.say("Stopping.");
    engine.stop().await;
    serving.shutdown().await;
    // A kubeconfig that leads nowhere would only mislead.
    drop(std::fs::remove_file(home.kubeconfig()));
    sandbox.close();
    Ok(ExitCode::Done)
}

pub(super) fn cannot_serve(error: ServeError) -> OperationError {
    match error {
        ServeError::AddressInUse { address } => OperationError::Conflict {
            message: format!("port {} is in use by another program", address.port()),
            hint: Some("choose another with --port, or --port 0 for a free one".to_owned()),
        },
        other => OperationError::invalid(other.to_string()),
    }
}
