//! Serves a sandbox until Ctrl-C: `cargo run -p sandbox --example serve -- [directory] [port] [bare]`.
//! With `bare` there are no controllers and no nodes, only the API.

use std::error::Error;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use sandbox::life::{self, LifeOptions};
use sandbox::{Options, Sandbox, ServeOptions};

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .map_or_else(|| std::env::temp_dir().join("sandbox"), PathBuf::from);
    let port: u16 = arguments.next().map_or(Ok(0), |port| port.parse())?;
    let bare = arguments.next().is_some_and(|word| word == "bare");
    let sandbox = Sandbox::open(Options {
        path: Some(directory.join("store.redb")),
        ..Options::default()
    })?;
    let serving = sandbox
        .serve(ServeOptions {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            publish_authority: !bare,
            ..ServeOptions::new(&directory)
        })
        .await?;
    println!(
        "{} serves a sandbox; export KUBECONFIG={}",
        serving.url(),
        serving.kubeconfig().display()
    );
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { stopped.await.unwrap_or_default() };
    let life = async {
        if bare {
            stopped.await;
        } else {
            life::run(sandbox.client("default"), LifeOptions::default(), stopped).await;
        }
    };
    let interrupted = async {
        let interrupted = tokio::signal::ctrl_c().await;
        drop(stop);
        interrupted
    };
    let ((), interrupted) = tokio::join!(life, interrupted);
    interrupted?;
    serving.shutdown().await;
    sandbox.close();
    Ok(())
}
