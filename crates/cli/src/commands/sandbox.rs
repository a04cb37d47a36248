//! `platform sandbox`: the embedded Kubernetes API on its own, and its store as text.

use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Instant;

use operations::{ExitCode, OperationError};
use sandbox::{ImportError, OpenError, Options, Sandbox as Store, ServeOptions};

use super::serve::cannot_serve;
use super::service::interrupts;
use super::{print_text, printed};
use crate::args::{Global, Sandbox, SandboxExport, SandboxImport, SandboxServe};
use crate::engine::Engine;
use crate::home::Home;
use crate::print::talk::{Talk, time};
use crate::session::store_problem;

pub(super) fn run(talk: &Talk, global: &Global, command: Sandbox) -> Result<ExitCode, OperationError> {
    if global.context.is_some() {
        return Err(OperationError::invalid_hint(
            "the sandbox is on this machine, and --context names a real cluster",
            "leave --context out",
        ));
    }
    match command {
        Sandbox::Serve(asked) => crate::runtime()?.block_on(serve(talk, asked)),
        Sandbox::Export(asked) => export(talk, global, &asked),
        Sandbox::Import(asked) => import(talk, global, &asked),
    }
}

/// Serves the API alone, with what makes its objects move unless that is not wanted.
async fn serve(talk: &Talk, asked: SandboxServe) -> Result<ExitCode, OperationError> {
    let begun = Instant::now();
    let cancel = interrupts();
    // Goes with everything in it at the end.
    let mut passing = None;
    let folder = if let Some(folder) = asked.data {
        std::path::absolute(&folder).map_err(OperationError::io("find", folder))?
    } else {
        let made =
            tempfile::tempdir().map_err(OperationError::io("make a folder in", "the temporary folder"))?;
        passing.insert(made).path().to_owned()
    };
    let home = Home::at(folder.clone());
    home.make()?;
    let path = passing.is_none().then(|| home.store());
    let options = Options {
        path,
        ..Options::default()
    };
    let sandbox = Store::open(options).map_err(|error| cannot_open(&home, error))?;
    let kubeconfig = asked.kubeconfig.unwrap_or_else(|| home.kubeconfig());
    let options = ServeOptions {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, asked.port)),
        kubeconfig: Some(kubeconfig.clone()),
        ..ServeOptions::new(home.tls())
    };
    let serving = sandbox.serve(options).await.map_err(cannot_serve)?;
    let mut engine = Engine::new();
    if !asked.api_only {
        engine.live(sandbox.client("default"));
    }
    print_text(&format!(
        "Kubernetes API ready at https://{} in {}: {}.\n\n  kubectl --kubeconfig {} get namespaces\n\nCtrl-C stops it; {}.\n",
        serving.address(),
        time(begun.elapsed()),
        if asked.api_only {
            "no controllers, no nodes"
        } else {
            "pods are simulated"
        },
        kubeconfig.display(),
        match &passing {
            Some(_) => "nothing is kept".to_owned(),
            None => format!("everything is kept in {}", folder.display()),
        },
    ))?;
    cancel.cancelled().await;
    talk.say("Stopping.");
    engine.stop().await;
    serving.shutdown().await;
    // A kubeconfig that leads nowhere would only mislead.
    drop(std::fs::remove_file(kubeconfig));
    sandbox.close();
    Ok(ExitCode::Done)
}

fn cannot_open(home: &Home, error: OpenError) -> OperationError {
    let in_use = matches!(error, OpenError::InUse { .. });
    match store_problem(home, error) {
        OperationError::Conflict { message, .. } if in_use => OperationError::Conflict {
            message,
            hint: Some("stop what serves it with Ctrl-C, or choose another with --data".to_owned()),
        },
        other => other,
    }
}

/// The home of the sandbox that is meant.
fn home_of(global: &Global, data: Option<&Path>) -> Result<Home, OperationError> {
    match data {
        Some(folder) => std::path::absolute(folder)
            .map(Home::at)
            .map_err(OperationError::io("find", folder)),
        None => Home::find(global.home.as_deref()),
    }
}

fn export(talk: &Talk, global: &Global, asked: &SandboxExport) -> Result<ExitCode, OperationError> {
    let home = home_of(global, asked.store.data.as_deref())?;
    if !home.store().is_file() {
        return Err(OperationError::NotFound {
            what: "sandbox",
            name: home.root().display().to_string(),
            place: None,
            hint: Some("--home and --data choose another one".to_owned()),
        });
    }
    let options = Options {
        path: Some(home.store()),
        ..Options::default()
    };
    let sandbox = Store::open(options).map_err(|error| cannot_open(&home, error))?;
    let Some(path) = &asked.file else {
        let mut out = BufWriter::new(std::io::stdout().lock());
        return printed(sandbox.export(&mut out).map(drop));
    };
    let count = write_new(path, |file| sandbox.export(file))?;
    talk.say(&format!(
        "{count} objects are in {}, Secrets among them.",
        path.display()
    ));
    Ok(ExitCode::Done)
}

/// Writes a file that only its owner reads. It is there as a whole or not at all.
fn write_new<T>(
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<T>,
) -> Result<T, OperationError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let failed = || OperationError::io("write", path.to_owned());
    let mut file = BufWriter::new(options.open(path).map_err(failed())?);
    let written = write(&mut file).and_then(|value| {
        let file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_all().map(|()| value)
    });
    written.map_err(|error| {
        drop(std::fs::remove_file(path));
        failed()(error)
    })
}

fn import(talk: &Talk, global: &Global, asked: &SandboxImport) -> Result<ExitCode, OperationError> {
    let home = home_of(global, asked.store.data.as_deref())?;
    home.make()?;
    let from = match asked.file.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => asked.file.display().to_string(),
    };
    let refused = |error: ImportError| match error {
        ImportError::Store(error) => cannot_open(&home, error),
        ImportError::Used { .. } => OperationError::Conflict {
            message: error.to_string(),
            hint: Some("--data chooses another folder".to_owned()),
        },
        ImportError::Line { .. } => OperationError::invalid_hint(
            format!("{from}, {error}"),
            "what can be imported is what platform sandbox export wrote",
        ),
        ImportError::Read(source) => OperationError::io("read", asked.file.clone())(source),
        ImportError::Disk { .. } => OperationError::invalid(error.to_string()),
    };
    let store: PathBuf = home.store();
    let count = if asked.file == Path::new("-") {
        Store::import(&store, &mut BufReader::new(std::io::stdin()))
    } else {
        let file = File::open(&asked.file).map_err(OperationError::io("read", asked.file.clone()))?;
        Store::import(&store, &mut BufReader::new(file))
    };
    let count = count.map_err(refused)?;
    talk.say(&format!("{count} objects are in {}.", home.root().display()));
    Ok(ExitCode::Done)
}
