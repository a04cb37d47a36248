//! __NAME__ is an HTTP service of team __TEAM__.

// scaffold:if database or cache
mod binding;
// scaffold:end
// scaffold:if cache
mod cache;
// scaffold:end
// scaffold:if database
mod database;
// scaffold:end
mod log;
mod metrics;
mod service;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use service::{NAME, Service, VERSION, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info};

const DEFAULT_PORT: &str = "__PORT__";

#[tokio::main]
async fn main() -> ExitCode {
    log::start(env("LOG_LEVEL").as_deref());
    match run(&env).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            error!(error = problem, "stopped");
            ExitCode::FAILURE
        }
    }
}

/// An environment variable; none when it is empty.
fn env(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
}

/// Opens what the service needs and serves until it is told to stop.
async fn run(env: &dyn Fn(&str) -> Option<String>) -> Result<(), String> {
    let told = told_to_stop().map_err(|error| format!("watch for signals: {error}"))?;
    let drain = drain_time(env)?;
    // scaffold:if database or cache
    let mut service = Service::new();
    // scaffold:end
    // scaffold:if no database and no cache
    let service = Service::new();
    // scaffold:end
    // scaffold:if database
    database::Database::open(env)?.serve(&mut service);
    // scaffold:end
    // scaffold:if cache
    cache::Cache::open(env)?.serve(&mut service);
    // scaffold:end

    let port = env("PORT").unwrap_or_else(|| DEFAULT_PORT.to_owned());
    let number: u16 = port
        .parse()
        .map_err(|_| format!("PORT must be a port, not {port:?}"))?;
    let listener = TcpListener::bind(("::", number))
        .await
        .map_err(|error| format!("listen on port {port}: {error}"))?;
    info!(
        service = NAME,
        version = VERSION,
        port = number,
        "listening"
    );
    serve(listener, Arc::new(service), drain, told).await?;
    info!("stopped");
    Ok(())
}

/// Ends at SIGINT or SIGTERM. A second signal ends the process at once.
fn told_to_stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

/// How long the service keeps answering after it was told to stop, so that load balancers notice first:
/// `DRAIN_SECONDS`, by default 5.
fn drain_time(env: &dyn Fn(&str) -> Option<String>) -> Result<Duration, String> {
    let Some(text) = env("DRAIN_SECONDS") else {
        return Ok(Duration::from_secs(5));
    };
    match text.parse::<u8>() {
        Ok(seconds) => Ok(Duration::from_secs(seconds.into())),
        Err(_) => Err(format!(
            "DRAIN_SECONDS must be a number of seconds, not {text:?}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drain_time_is_a_number_of_seconds() {
        let drain = |text: Option<&str>| drain_time(&|_| text.map(str::to_owned));
        for (text, want) in [(None, 5), (Some("0"), 0), (Some("20"), 20)] {
            assert_eq!(drain(text), Ok(Duration::from_secs(want)), "{text:?}");
        }
        for text in ["-1", "soon", "1.5", "100000"] {
            assert!(drain(Some(text)).is_err(), "{text} is taken");
        }
    }
}
