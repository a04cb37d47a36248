//! `platform policy apply`

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Instant;

use guardrails::report::Finding;
use guardrails::{Outcome, Verdict};
use operations::{
    ExitCode, OperationError, Places, PolicyApplication, PolicyApplyRequest, PolicyCluster, PolicyCounts,
    PolicyResult, Selection,
};
use serde_json::{Value, json};

use super::super::{print_exact, printed, reports};
use super::{now, stay_here};
use crate::args::{ClusterChoice, Global, Output, PolicyApply};
use crate::print::talk::Talk;
use crate::print::{data, plain, table, value};
use crate::session::connect_to;

/// Where that goes which policies make of resources.
enum Made {
    Shown,
    /// Nothing else is printed.
    Only,
    File(PathBuf),
    Folder(PathBuf),
}

impl Made {
    fn of(output: Output, only: bool) -> Result<Made, OperationError> {
        let Output::Other(place) = output else {
            return Ok(if only { Made::Only } else { Made::Shown });
        };
        let path = Path::new(place);
        // As in Kyverno's command line: what ends in yaml or yml is a file, anything else a folder.
        let is_file = path
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if is_file {
            std::fs::write(path, "").map_err(OperationError::io("write", path))?;
            return Ok(Made::File(path.to_owned()));
        }
        std::fs::create_dir_all(path).map_err(OperationError::io("make the folder", path))?;
        Ok(Made::Folder(path.to_owned()))
    }

    fn take(&self, result: &PolicyResult<'_>, quiet: bool) -> Result<(), OperationError> {
        let beside = result.targets.iter().chain(&result.generated).copied();
        let objects: Vec<&Value> = result.changed.into_iter().chain(beside).collect();
        if objects.is_empty() {
            return Ok(());
        }
        let mut text = String::new();
        for object in objects {
            text.push_str(&yaml::emit(object));
            text.push_str("---\n");
        }
        let path = match self {
            Made::Shown if quiet => return Ok(()),
            Made::Shown => {
                let text = format!(
                    "\npolicy {} applied to {}:\n{text}",
                    result.policy,
                    result.place()
                );
                return print_exact(&text).map(|_| ());
            }
            Made::Only => return print_exact(&text).map(|_| ()),
            Made::File(path) => path.clone(),
            Made::Folder(folder) => {
                let name = result.object["metadata"]["name"].as_str().unwrap_or_default();
                // A name leads nowhere else.
                let name = name.replace(['/', '\\', ':'], "-");
                folder.join(format!("{name}-mutated.yaml"))
            }
        };
        let mut file = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(OperationError::io("write", &path))?;
        std::io::Write::write_all(&mut file, text.as_bytes()).map_err(OperationError::io("write", &path))
    }
}

/// What is kept of a result for the end.
struct Kept {
    policy_kind: String,
    object: Value,
    file: String,
    place: (usize, usize),
    verdict: Verdict,
}

impl Kept {
    fn finding(&self) -> Finding<'_> {
        Finding {
            verdict: &self.verdict,
            policy_kind: &self.policy_kind,
            object: &self.object,
            file: Some(self.file.as_str()).filter(|file| !file.is_empty()),
            place: Some(self.place),
        }
    }
}

pub(super) fn run(talk: &Talk, global: &Global, asked: &PolicyApply) -> Result<ExitCode, OperationError> {
    stay_here(talk, asked.git_branch.as_deref(), asked.registry)?;
    refuse(&asked.cluster)?;
    if asked.resources.is_empty() && asked.json.is_empty() && !asked.cluster.cluster {
        return Err(OperationError::invalid_hint(
            "there is nothing to apply policies to",
            "name files or folders with --resource, or take the objects of a cluster with --cluster",
        ));
    }
    let format = match global.output {
        Output::Json | Output::Yaml => Some(global.output),
        _ => None,
    };
    asked.reports.settle(format.unwrap_or(Output::Table))?;
    // Kept until the end: the cluster is asked by the policies, too.
    let runtime = crate::runtime()?;
    let mut request = request(asked)?;
    let begun = Instant::now();
    request.cluster = cluster(talk, global, &asked.cluster, &runtime)?;
    let application = PolicyApplication::prepare(request)?;
    if asked.cluster.show_performance {
        talk.say(&format!(
            "{} resource(s) in {:.2} s",
            application.resources(),
            begun.elapsed().as_secs_f64()
        ));
    }
    for unseen in &application.unseen {
        if !asked.cluster.continue_on_error {
            return Err(OperationError::invalid_hint(
                unseen.clone(),
                "--continue-on-error goes on with what can be seen",
            ));
        }
        talk.say(&format!("error: {unseen}"));
    }
    for refusal in &application.refused {
        talk.say(&format!("error: {refusal}"));
    }
    for other in &application.others {
        talk.say(&format!("warning: {other}"));
    }
    if application.rules() == 0 && application.refused.is_empty() {
        talk.say("warning: there is no policy there, so nothing is judged");
    } else if application.resources() == 0 {
        talk.say("warning: there is no resource there, so nothing is judged");
    }
    let made = Made::of(global.output, asked.stdin)?;
    let quiet = asked.stdin || asked.reports.on_stdout() || asked.table || format.is_some();
    if !quiet {
        let exceptions = match application.exceptions {
            0 => String::new(),
            count => format!(" with {count} exception(s)"),
        };
        printed(data(&format!(
            "\nApplying {} policy rule(s) to {} resource(s){exceptions}...\n",
            application.rules(),
            application.resources()
        )))?;
    }
    let keep = quiet || asked.reports.any();
    let mut kept: Vec<Kept> = Vec::new();
    let mut places = Places::default();
    let counts = application.each(|result| {
        made.take(result, quiet)?;
        if !quiet {
            printed(data(&plain::lines(&told(&application, result, asked.audit_warn))))?;
        }
        if keep {
            kept.extend(result.verdicts.iter().map(|verdict| Kept {
                policy_kind: result.policy_kind.to_owned(),
                object: outline(result.object),
                file: result.file.to_owned(),
                place: places.of(result.file, result.line, verdict),
                verdict: (*verdict).clone(),
            }));
        }
        Ok(())
    })?;
    let findings: Vec<Finding<'_>> = kept.iter().map(Kept::finding).collect();
    reports::write(
        &findings,
        &asked.reports,
        "platform policy apply",
        asked.audit_warn,
    )?;
    if asked.reports.policy_report {
        // It has been printed.
    } else if let Some(format) = format {
        let results: Vec<Value> = kept
            .iter()
            .map(|kept| told_to_programs(&application, kept))
            .collect();
        printed(value(
            format,
            &json!({"counts": counts, "results": results}),
            String::new,
        ))?;
    } else if asked.table {
        print_table(&application, &kept, asked.detailed_results)?;
    } else if !quiet {
        let PolicyCounts {
            pass,
            fail,
            warn,
            error,
            skip,
        } = counts;
        printed(data(&format!(
            "\npass: {pass}, fail: {fail}, warn: {warn}, error: {error}, skip: {skip} \n"
        )))?;
    }
    Ok(code(&counts, asked))
}

/// Refuses what Kyverno's command line has and this one has not.
fn refuse(asked: &ClusterChoice) -> Result<(), OperationError> {
    let refused = [
        (
            !asked.http_payloads.is_empty() || !asked.envoy_payloads.is_empty(),
            "requests of web servers and of Envoy are not judged: policies are about objects of Kubernetes and JSON",
            "JSON that is no object goes in by --json",
        ),
        (
            asked.generate_exceptions || asked.generated_exception_ttl.is_some(),
            "exceptions are not generated: each has somebody who answers for it, a reason and an end",
            "write a PolicyException with the annotations policies.towpath.dev/owner, /reason and /expires",
        ),
        (
            asked.username.is_some() || asked.password.is_some(),
            "repositories are not fetched, so nobody logs in to one",
            "git clone it first, then give the folder",
        ),
    ];
    match refused.into_iter().find(|(asked, _, _)| *asked) {
        None => Ok(()),
        Some((_, what, hint)) => Err(OperationError::invalid_hint(what, hint)),
    }
}

/// The cluster that was asked for.
fn cluster(
    talk: &Talk,
    global: &Global,
    asked: &ClusterChoice,
    runtime: &tokio::runtime::Runtime,
) -> Result<Option<(PolicyCluster, Selection)>, OperationError> {
    if !asked.cluster {
        let beside = asked.kubeconfig.is_some() || asked.namespace.is_some() || asked.cluster_wide_resources;
        if beside || global.context.is_some() {
            talk.say("warning: no cluster is asked without --cluster");
        }
        return Ok(None);
    }
    let connecting = connect_to(asked.kubeconfig.as_deref(), global.context.as_deref());
    let client = runtime.block_on(connecting)?;
    let cluster = PolicyCluster::look(client, runtime.handle().clone())?;
    let selection = Selection {
        namespace: asked.namespace.clone(),
        cluster_wide: asked.cluster_wide_resources,
        page: asked.batch_size,
    };
    Ok(Some((cluster, selection)))
}

fn request(asked: &PolicyApply) -> Result<PolicyApplyRequest, OperationError> {
    let reads = asked
        .policies
        .iter()
        .chain(&asked.resources)
        .any(|place| place == "-");
    let stdin = if reads {
        let mut text = String::new();
        let read = std::io::stdin().lock().read_to_string(&mut text);
        read.map_err(OperationError::io("read", "standard input"))?;
        Some(text)
    } else {
        None
    };
    Ok(PolicyApplyRequest {
        policies: asked.policies.clone(),
        resources: asked.resources.clone(),
        json: asked.json.clone(),
        targets: asked.targets.clone(),
        parameters: asked.parameters.clone(),
        user_info: asked.userinfo.clone(),
        set: asked.set.clone(),
        values_file: asked.values_file.clone(),
        context_file: asked.context_file.clone(),
        exceptions: asked.exceptions.clone(),
        exceptions_within_resources: asked.exceptions_within_resources,
        exceptions_within_policies: asked.exceptions_within_policies,
        definitions: asked.definitions.clone(),
        audit_warn: asked.audit_warn,
        now: Some(now()),
        cluster: None,
        stdin,
    })
}

/// An object as far as reports name it.
fn outline(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!({
        "apiVersion": object["apiVersion"],
        "kind": object["kind"],
        "metadata": {
            "name": metadata["name"],
            "namespace": metadata["namespace"],
            "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"],
        },
    })
}

/// What one policy says of one object, if it finds fault.
fn told(application: &PolicyApplication, result: &PolicyResult<'_>, audit_warn: bool) -> String {
    let mut text = String::new();
    let place = result.place();
    let failed: Vec<&&Verdict> = result
        .verdicts
        .iter()
        .filter(|verdict| matches!(verdict.outcome, Outcome::Fail | Outcome::Warn))
        .collect();
    if !failed.is_empty() {
        let warned = failed
            .iter()
            .all(|verdict| application.counted(verdict) == Outcome::Warn);
        let how = if warned && audit_warn {
            "failed as audit warning"
        } else {
            "failed"
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "policy {} -> resource {place} {how}:", result.policy);
        for (index, verdict) in failed.iter().enumerate() {
            let message = if verdict.message.is_empty() {
                "validation failed"
            } else {
                &verdict.message
            };
            let _ = writeln!(text, "{} - {} {message}", index + 1, verdict.about.rule);
            if let Some(hint) = &verdict.about.hint {
                let _ = writeln!(text, "  hint  {hint}");
            }
        }
    }
    for verdict in result
        .verdicts
        .iter()
        .filter(|verdict| verdict.outcome == Outcome::Error)
    {
        let _ = writeln!(
            text,
            "policy {} -> resource {place} error:\n  {} {}",
            result.policy, verdict.about.rule, verdict.message
        );
    }
    text
}

fn told_to_programs(application: &PolicyApplication, kept: &Kept) -> Value {
    let verdict = &kept.verdict;
    json!({
        "policy": verdict.about.policy,
        "policyKind": kept.policy_kind,
        "rule": verdict.about.rule,
        "task": verdict.about.task.word(),
        "resource": kept.object,
        // What a cluster has stands in no file.
        "file": Some(&kept.file).filter(|file| !file.is_empty()),
        "line": Some(kept.place.0).filter(|line| *line > 0),
        "result": application.counted(verdict).word(),
        "enforced": verdict.enforce,
        "message": verdict.message,
        "path": verdict.path,
        "value": verdict.value,
        "why": verdict.about.why,
        "hint": verdict.about.hint,
    })
}

fn print_table(application: &PolicyApplication, kept: &[Kept], detailed: bool) -> Result<(), OperationError> {
    let mut head = vec!["ID", "POLICY", "RULE", "RESOURCE", "RESULT"];
    if detailed {
        head.push("MESSAGE");
    }
    let text = |object: &Value, pointer: &str| {
        let text = object.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let cells = |(index, kept): (usize, &Kept)| {
        let mut cells = vec![
            (index + 1).to_string(),
            kept.verdict.about.policy.clone(),
            kept.verdict.about.rule.clone(),
            format!(
                "{}/{}/{}",
                text(&kept.object, "/metadata/namespace"),
                text(&kept.object, "/kind"),
                text(&kept.object, "/metadata/name")
            ),
            application.counted(&kept.verdict).word().to_owned(),
        ];
        if detailed {
            cells.push(plain::begin(&kept.verdict.message).into_owned());
        }
        cells
    };
    let rows: Vec<Vec<String>> = kept.iter().enumerate().map(cells).collect();
    print_exact(&table(&head, &rows))?;
    Ok(())
}

/// The exit code that Kyverno's command line has.
fn code(counts: &PolicyCounts, asked: &PolicyApply) -> ExitCode {
    if counts.fail > 0 || counts.error > 0 {
        ExitCode::Failed
    } else if (counts.warn > 0 && asked.warn_exit_code != 0) || (counts.pass == 0 && asked.warn_no_pass) {
        ExitCode::Other(asked.warn_exit_code)
    } else {
        ExitCode::Done
    }
}
