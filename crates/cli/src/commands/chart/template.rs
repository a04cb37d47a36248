//! `platform chart template`

use operations::{
    ChartReference, ExitCode, ObjectFinding, OperationError, TemplateRequest, Templated, check_in_cluster,
    check_offline, template_chart,
};

use super::super::{print_text, printed};
use super::{given, list, reference};
use crate::args::{Global, Output, Template};
use crate::print::talk::Talk;
use crate::print::value;
use crate::session::connect;

pub(super) fn run(talk: &Talk, global: &Global, asked: Template) -> Result<ExitCode, OperationError> {
    if global.context.is_some() && !asked.validate {
        return Err(OperationError::invalid_hint(
            "no cluster is asked for what a chart makes",
            "--context goes with --validate",
        ));
    }
    let mut what = asked.what;
    let chart = what.pop().unwrap_or_default();
    let name = what.pop();
    if name.is_some() && asked.generate_name {
        return Err(OperationError::invalid_hint(
            "the release has a name and --generate-name",
            "leave one of them out",
        ));
    }
    if name.is_some() && asked.named_by.is_some() {
        return Err(OperationError::invalid_hint(
            "the release has a name and a --name-template",
            "leave one of them out",
        ));
    }
    let (validate, folder, in_own_folder) = (asked.validate, asked.output_dir, asked.release_name);
    let request = TemplateRequest {
        chart: ChartReference {
            neighbours: asked.neighbours,
            ..reference(chart, asked.remote, Some(&asked.given))?
        },
        values: given(asked.given),
        name,
        name_template: asked.named_by,
        namespace: asked.namespace,
        kube_version: asked.kube_version,
        api_versions: asked.api_versions,
        is_upgrade: asked.is_upgrade,
        include_crds: asked.include_crds,
        no_hooks: asked.no_hooks,
        skip_tests: asked.skip_tests,
        show_only: asked.show_only,
    };
    let made = template_chart(&request)?;
    let findings = if validate {
        findings(global, &made)?
    } else {
        Vec::new()
    };
    match (folder, global.output) {
        (Some(mut folder), _) => {
            if in_own_folder {
                folder.push(&made.release);
            }
            let files = made.write(&folder)?;
            let lines = files.iter().map(|file| format!("wrote {}\n", file.display()));
            print_text(&lines.collect::<String>())?;
        }
        (None, Output::Table) => {
            print_text(&made.text()?)?;
        }
        (None, output) => {
            printed(value(output, &list(&made.objects()?), String::new))?;
        }
    }
    Ok(told(talk, &findings))
}

fn findings(global: &Global, made: &Templated) -> Result<Vec<ObjectFinding>, OperationError> {
    let objects = made.all_objects()?;
    match &global.context {
        None => Ok(check_offline(&objects, made.crds()?.iter())),
        Some(name) => crate::runtime()?.block_on(async {
            let client = connect(name).await?;
            check_in_cluster(&client, &objects, &made.namespace).await
        }),
    }
}

/// Says what a cluster would not take.
fn told(talk: &Talk, findings: &[ObjectFinding]) -> ExitCode {
    for finding in findings {
        let said = format!("{}: {}", finding.object, finding.message);
        if finding.unknown {
            talk.say(&format!("note: {said}"));
        } else {
            talk.fail(&said);
        }
    }
    if findings.iter().any(|finding| !finding.unknown) {
        ExitCode::Failed
    } else {
        ExitCode::Done
    }
}
