//! A session: the platform a command works on, opened the way that fits.
//!
//! - Without `--context`: the sandbox. When `platform up` serves it, over HTTPS; else its store is opened here,
//!   and what the command needs to move runs in this process for as long as the command does.
//! - With `--context`: a real cluster, with its own infrastructure repository.

use std::path::Path;
use std::time::Duration;

use api::Group;
use delivery::{Author, CommitId, Repository};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use operations::{
    Catalog, Journal, Nudge, OperationError, Platform, Settings, Target, first_commit, installation,
    outside_definitions, prepare_cluster,
};
use sandbox::{OpenError, Sandbox};

use crate::args::Global;
use crate::engine::{Engine, open_sandbox, policies};
use crate::home::Home;

/// What a command means to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Look at things as they are.
    Look,
    /// Change something and wait for what comes of it.
    Change,
}

/// An open platform. [`Session::close`] it: background parts stop in order.
pub(crate) struct Session {
    pub platform: Platform,
    engine: Engine,
    sandbox: Option<Sandbox>,
}

/// How long a real cluster may take to say that it is there.
const HELLO: Duration = Duration::from_secs(10);

impl Session {
    /// Opens the platform that the options name.
    pub(crate) async fn open(global: &Global, purpose: Purpose) -> Result<Self, OperationError> {
        let home = Home::find(global.home.as_deref())?;
        home.make()?;
        match &global.context {
            None => Self::sandbox(&home, purpose).await,
            Some(name) => Self::context(&home, name, purpose).await,
        }
    }

    async fn sandbox(home: &Home, purpose: Purpose) -> Result<Self, OperationError> {
        let policies = policies()?;
        match open_sandbox(home.store(), &policies) {
            Ok(sandbox) => {
                let client = sandbox.client("default");
                let mut platform = platform(home, Target::Sandbox, client.clone(), None)?;
                prepare_cluster(&client, platform.group(), &outside_definitions()).await?;
                let mut engine = Engine::new();
                if purpose == Purpose::Change {
                    engine.live(client.clone());
                    engine.operate(&client, platform.group(), &policies);
                    engine.sync(&mut platform);
                }
                Ok(Self {
                    platform,
                    engine,
                    sandbox: Some(sandbox),
                })
            }
            Err(OpenError::InUse { .. }) => {
                let client = running(home).await?;
                let platform = platform(home, Target::Sandbox, client, None)?;
                Ok(Self {
                    platform,
                    engine: Engine::new(),
                    sandbox: None,
                })
            }
            Err(error) => Err(store_problem(home, error)),
        }
    }

    async fn context(home: &Home, name: &str, purpose: Purpose) -> Result<Self, OperationError> {
        let client = connect(name).await?;
        let installed = installation(&client).await?;
        let group = installed.as_ref().map(|installed| &installed.group);
        let mut platform = platform(home, Target::Context(name.to_owned()), client.clone(), group)?;
        let mut engine = Engine::new();
        if purpose == Purpose::Change {
            // Where the platform is installed, its own operator does the work.
            if installed.is_none() {
                prepare_cluster(&client, platform.group(), &[]).await?;
                engine.operate(&client, platform.group(), &policies()?);
            }
            engine.sync(&mut platform);
        }
        Ok(Self {
            platform,
            engine,
            sandbox: None,
        })
    }

    /// Stops what runs in the background and lets go of the store.
    pub(crate) async fn close(self) {
        self.engine.stop().await;
        if let Some(sandbox) = self.sandbox {
            sandbox.close();
        }
    }
}

/// The platform of a target: its repository is made at first use, with the group of the cluster if that has one.
pub(crate) fn platform(
    home: &Home,
    target: Target,
    client: Client,
    group: Option<&Group>,
) -> Result<Platform, OperationError> {
    let path = home.repository(&target);
    let fallback = Author::new("platform", "platform@localhost");
    let (repository, head) = open_repository(&path, &target, group, &fallback)?;
    let settings = Settings::read(&repository, &head)?;
    if let Some(group) = group.filter(|group| **group != settings.group) {
        return Err(OperationError::Conflict {
            message: format!(
                "the cluster's API group is {group}, and the infrastructure repository {} has {}",
                path.display(),
                settings.group
            ),
            hint: Some(
                "it is the repository of another platform: choose another --home, or another --context"
                    .to_owned(),
            ),
        });
    }
    let author = repository.author(&fallback);
    Ok(Platform {
        client,
        target,
        repository,
        settings,
        journal: Journal::at(home.root()),
        home: home.root().to_owned(),
        nudge: Nudge::Elsewhere,
        author,
    })
}

/// The repository of a target and its head; made at first use.
fn open_repository(
    path: &Path,
    target: &Target,
    group: Option<&Group>,
    fallback: &Author,
) -> Result<(Repository, CommitId), OperationError> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(OperationError::io("make the folder", parent))?;
    }
    let first = first_commit(
        &group.cloned().unwrap_or_default(),
        *target == Target::Sandbox,
        fallback.clone(),
        jiff::Timestamp::now(),
    )?;
    Ok(Repository::open_or_init(path, || first)?)
}

/// What Git says alone, for what needs no cluster.
pub(crate) fn catalog(global: &Global) -> Result<Catalog, OperationError> {
    let home = Home::find(global.home.as_deref())?;
    let target = global.context.clone().map_or(Target::Sandbox, Target::Context);
    let path = home.repository(&target);
    if target == Target::Sandbox {
        home.make()?;
        let fallback = Author::new("platform", "platform@localhost");
        let (repository, head) = open_repository(&path, &target, None, &fallback)?;
        return Catalog::at(&repository, &head);
    }
    if !path.exists() {
        return Err(OperationError::NotFound {
            what: "infrastructure repository",
            name: path.display().to_string(),
            place: None,
            hint: Some("it is made by the first: platform team create NAME --context NAME".to_owned()),
        });
    }
    let (repository, head) = Repository::open(&path)?;
    Catalog::at(&repository, &head)
}

/// A client of the sandbox that another process serves.
async fn running(home: &Home) -> Result<Client, OperationError> {
    let in_use = |why: &str| OperationError::Conflict {
        message: format!(
            "the sandbox in {} is in use by another process{why}",
            home.root().display()
        ),
        hint: Some(
            "wait for the other command to end, or keep the sandbox open for all with: platform up"
                .to_owned(),
        ),
    };
    let path = home.kubeconfig();
    let Ok(kubeconfig) = Kubeconfig::read_from(&path) else {
        return Err(in_use(""));
    };
    let Ok(mut config) = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
    else {
        return Err(in_use(&format!(", and {} cannot be used", path.display())));
    };
    config.connect_timeout = Some(HELLO);
    let client = Client::try_from(config).map_err(OperationError::cluster("speak to the sandbox"))?;
    // A kubeconfig may be left over from an earlier `platform up`.
    match tokio::time::timeout(HELLO, client.apiserver_version()).await {
        Ok(Ok(_)) => Ok(client),
        _ => Err(in_use("")),
    }
}

/// A client of a real cluster that has answered once.
pub(crate) async fn connect(name: &str) -> Result<Client, OperationError> {
    let options = KubeConfigOptions {
        context: Some(name.to_owned()),
        ..KubeConfigOptions::default()
    };
    let config = Config::from_kubeconfig(&options)
        .await
        .map_err(|error| OperationError::NotFound {
            what: "context",
            name: name.to_owned(),
            place: Some(format!("your kubeconfig ({error})")),
            hint: Some("kubectl config get-contexts shows those there are".to_owned()),
        })?;
    let hint = format!("is it running? try: kubectl --context {name} get --raw /readyz");
    answering(config, &format!("the cluster of context {name}"), hint).await
}

/// A client of the cluster that a kubeconfig names, by its context or else by its current one; without any kubeconfig,
/// of the cluster that this program runs in.
pub(crate) async fn connect_to(file: Option<&Path>, context: Option<&str>) -> Result<Client, OperationError> {
    let options = KubeConfigOptions {
        context: context.map(str::to_owned),
        ..KubeConfigOptions::default()
    };
    let config = match (file, context) {
        (None, Some(name)) => return connect(name).await,
        (None, None) => match Config::from_kubeconfig(&options).await {
            Ok(config) => Ok(config),
            Err(error) => Config::incluster().map_err(|_| error),
        },
        (Some(file), _) => match Kubeconfig::read_from(file) {
            Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
            Err(error) => Err(error),
        },
    };
    let config = config.map_err(|error| {
        let file = file.map_or_else(|| "your kubeconfig".to_owned(), |file| file.display().to_string());
        OperationError::invalid_hint(
            format!("which cluster? {file} names none: {error}"),
            "name one with --context or --kubeconfig; the sandbox has a kubeconfig while platform up runs",
        )
    })?;
    let hint = "is it running? try: kubectl get --raw /readyz".to_owned();
    answering(config, "the cluster", hint).await
}

/// A client of the cluster that this program runs in.
pub(crate) async fn connect_from_inside() -> Result<Client, OperationError> {
    let config = Config::incluster().map_err(|_| {
        OperationError::invalid_hint(
            "which cluster is the operator for?",
            "name it with --context, or run it in a pod of the cluster; the sandbox has its operator in: platform up",
        )
    })?;
    let hint = "does a network policy keep this pod from the API server?".to_owned();
    answering(config, "this cluster", hint).await
}

async fn answering(mut config: Config, which: &str, hint: String) -> Result<Client, OperationError> {
    config.connect_timeout = Some(HELLO);
    let url = config.cluster_url.to_string();
    let client = Client::try_from(config).map_err(OperationError::cluster(format!("speak to {which}")))?;
    match tokio::time::timeout(HELLO, client.apiserver_version()).await {
        Ok(Ok(_)) => Ok(client),
        Ok(Err(error)) => Err(OperationError::cluster(format!("reach {which} at {url}"))(error)),
        Err(_) => Err(OperationError::invalid_hint(
            format!("{which} at {url} does not answer"),
            hint,
        )),
    }
}

/// Why the store cannot be opened, and what to do.
pub(crate) fn store_problem(home: &Home, error: OpenError) -> OperationError {
    match error {
        OpenError::InUse { .. } => OperationError::Conflict {
            message: format!(
                "the sandbox in {} is in use by another process",
                home.root().display()
            ),
            hint: Some("is platform up running already? --home chooses another sandbox".to_owned()),
        },
        OpenError::Corrupt { path, why } => OperationError::invalid_hint(
            format!("the sandbox store {} cannot be read: {why}", path.display()),
            "move that file away to begin with an empty cluster; Git keeps the services, and platform up brings them back",
        ),
        OpenError::Unwritable { path, source } => OperationError::Io {
            doing: "write",
            path,
            source,
        },
        OpenError::Io { path, source } => OperationError::Io {
            doing: "open",
            path: path.unwrap_or_else(|| home.store()),
            source,
        },
    }
}
