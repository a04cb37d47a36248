//! `platform install` and `platform uninstall`.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use api::Group;
use delivery::Repository;
use operations::{
    ExitCode, InstallRequest, Installed, OperationError, Settings, Target, UninstallRequest, Uninstalled,
};

use super::service::interrupts;
use super::{print_exact, printed};
use crate::args::{Global, Install, Output, Uninstall};
use crate::home::Home;
use crate::print::talk::{Talk, time};
use crate::print::value;
use crate::session::{connect, platform};

/// Installs the platform on a cluster, or prints what that would apply.
pub(super) fn install(talk: &Talk, global: &Global, asked: Install) -> Result<ExitCode, OperationError> {
    let group = asked.api_group.as_deref().map(read_group).transpose()?;
    let mut request = InstallRequest {
        group,
        repository_group: None,
        image: asked.image,
        replicas: asked.replicas,
        webhook: match (asked.with_webhook, asked.without_webhook) {
            (true, _) => Some(true),
            (_, true) => Some(false),
            _ => None,
        },
        timeout: asked.timeout,
    };
    let context = match (&global.context, asked.print) {
        (None, true) => return print_exact(&operations::install_manifests(&request)?),
        (Some(_), true) => {
            return Err(OperationError::invalid_hint(
                "--print touches no cluster, and --context names one",
                "give one of the two",
            ));
        }
        (Some(context), false) => context,
        (None, false) => {
            return Err(OperationError::invalid_hint(
                "which cluster is the platform to be installed on?",
                "name it with --context, or print the objects with --print; the sandbox needs no install",
            ));
        }
    };
    let home = Home::find(global.home.as_deref())?;
    home.make()?;
    let target = Target::Context(context.clone());
    request.repository_group = repository_group(&home, &target)?;
    let begun = Instant::now();
    let installed = crate::runtime()?.block_on(async {
        let cancel = interrupts();
        let client = connect(context).await?;
        if global.output == Output::Table {
            talk.say(&format!(
                "Installing the platform on the cluster of context {context}.\n"
            ));
        }
        let installed = operations::install(&client, &request, talk, &cancel).await?;
        // The group is in the cluster by now, so the repository begins with the same one.
        platform(&home, target, client, Some(&read_group(&installed.group)?))?;
        Ok::<_, OperationError>(installed)
    });
    if matches!(installed, Err(OperationError::Interrupted)) {
        talk.say("Stopped. What was made stays; the same command goes on with it.");
    }
    let installed = installed?;
    printed(value(global.output, &installed, || {
        told(&installed, context, &time(begun.elapsed()))
    }))
}

fn read_group(text: &str) -> Result<Group, OperationError> {
    Group::parse(text)
        .map_err(|error| OperationError::invalid_hint(error.to_string(), "such as platform.company.com"))
}

/// The group of the infrastructure repository for a target, if there is one already.
fn repository_group(home: &Home, target: &Target) -> Result<Option<Group>, OperationError> {
    let path = home.repository(target);
    if !path.exists() {
        return Ok(None);
    }
    let (repository, head) = Repository::open(&path)?;
    Ok(Some(Settings::read(&repository, &head)?.group))
}

fn told(installed: &Installed, context: &str, took: &str) -> String {
    let count = |outcome: &str| installed.objects.iter().filter(|o| o.outcome == outcome).count();
    let counts: Vec<String> = ["created", "changed", "unchanged", "removed"]
        .iter()
        .filter(|outcome| count(outcome) > 0)
        .map(|outcome| format!("{} {outcome}", count(outcome)))
        .collect();
    let from = installed
        .previous_version
        .as_ref()
        .map(|version| format!(", upgraded from {version}"));
    let from = from.unwrap_or_default();
    let mut text = format!(
        "\nThe platform {} is installed on the cluster of context {context}{from}.  {}, {took}.\n",
        installed.version,
        counts.join(", "),
    );
    for object in installed.objects.iter().filter(|o| o.outcome != "unchanged") {
        text = format!("{text}  {:<9} {}\n", object.outcome, object.object);
    }
    format!(
        "{text}\nNext\n  a service         platform service create NAME --language go --team TEAM --context {context}\n  look at it        kubectl --context {context} --namespace {} get all\n  API group         {} (chosen once)\n  take it away      platform uninstall --context {context}\n",
        installed.namespace, installed.group,
    )
}

/// Takes the platform off a cluster.
pub(super) fn uninstall(talk: &Talk, global: &Global, asked: &Uninstall) -> Result<ExitCode, OperationError> {
    let Some(context) = &global.context else {
        return Err(OperationError::invalid_hint(
            "which cluster is the platform to be taken off?",
            "name it with --context",
        ));
    };
    if !asked.yes && !confirmed(context, asked)? {
        talk.say("Nothing was removed.");
        return Ok(ExitCode::Failed);
    }
    let request = UninstallRequest {
        everything: asked.everything,
        timeout: asked.timeout,
    };
    let uninstalled = crate::runtime()?.block_on(async {
        let cancel = interrupts();
        let client = connect(context).await?;
        operations::uninstall(&client, &request, talk, &cancel).await
    });
    if matches!(uninstalled, Err(OperationError::Interrupted)) {
        talk.say("Stopped. The same command goes on with it.");
    }
    let uninstalled = uninstalled?;
    printed(value(global.output, &uninstalled, || {
        taken_away(&uninstalled, context)
    }))
}

fn taken_away(uninstalled: &Uninstalled, context: &str) -> String {
    let mut text = match uninstalled.removed.len() {
        0 => format!("\nThe platform's operator was not on the cluster of context {context} any more.\n"),
        count => format!(
            "\nThe platform is taken off the cluster of context {context}: {count} {} removed.\n",
            if count == 1 { "object" } else { "objects" }
        ),
    };
    if !uninstalled.stays.is_empty() {
        text = format!(
            "{text}What stays, and keeps running: {}.\nA new platform install finds it again.\n",
            uninstalled.stays.join(", ")
        );
    }
    text
}

/// Asks, on a terminal; elsewhere the answer must have been given.
fn confirmed(context: &str, asked: &Uninstall) -> Result<bool, OperationError> {
    if !std::io::stdin().is_terminal() {
        return Err(OperationError::invalid_hint(
            "this takes the platform off a cluster, and there is nobody to ask",
            "add --yes",
        ));
    }
    let what = if asked.everything {
        "with its definitions and its namespace"
    } else {
        "services and data stay and keep running"
    };
    let mut err = std::io::stderr().lock();
    // If the question cannot be seen, the answer is no.
    let asked = write!(
        err,
        "Take the platform off the cluster of context {context} ({what})? [y/N] "
    )
    .and_then(|()| err.flush());
    let mut answer = String::new();
    Ok(asked.is_ok()
        && std::io::stdin().read_line(&mut answer).is_ok()
        && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
