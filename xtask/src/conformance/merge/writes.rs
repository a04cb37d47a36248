//! Writes and applies in a row: the library's package `merge`, and its test fixture.

use super::super::jmespath::equal;
use super::types::Types;
use super::{Outcome, Verdict, differs, fields, managers, read, write};
use crate::failure::Result;
use schema::{ApplyError, Element, Field, FieldSet, Ref, Schema};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

const CONVERTS: &str = "converts between API versions, which the sandbox does not";

/// Every case once, by name.
pub(super) fn replay(recording: &str) -> Result<Vec<Outcome>> {
    let (types, lines) = read(recording)?;
    let mut runs: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for line in lines {
        let run = line["run"].as_u64().unwrap_or_default();
        runs.entry(run).or_default().push(line);
    }
    // Some cases run a hundred times.
    let mut cases: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for steps in runs.into_values() {
        let name = text(&steps[0], "case");
        cases.entry(name).or_insert(steps);
    }
    cases
        .into_iter()
        .map(|(name, steps)| {
            let result = match case(&types, &steps)? {
                _ if converts(&steps) => Verdict::Apart(CONVERTS),
                None => Verdict::Equal,
                Some(difference) => Verdict::Differs(difference),
            };
            let area = name.split('/').next().unwrap_or_default();
            Ok(Outcome {
                area: format!("merge {area}"),
                name,
                result,
            })
        })
        .collect()
}

fn text(line: &Value, key: &str) -> String {
    line[key].as_str().unwrap_or_default().to_owned()
}

/// Whether a case needs what one version holds said in another.
fn converts(steps: &[Value]) -> bool {
    let same = |key: &str| steps.iter().all(|step| step[key] == steps[0][key]);
    let renames = steps[0]["converter"]
        .as_str()
        .is_some_and(|converter| converter.starts_with("merge_test."));
    renames && !same("version")
}

/// The first step at which our engine and the library part.
fn case(types: &Types, steps: &[Value]) -> Result<Option<String>> {
    let mut live: Option<Value> = None;
    for (number, step) in steps.iter().enumerate() {
        let mut schema = types.of(step)?;
        // An object of Kubernetes has metadata, and its managers there.
        let metadata = Field::new(Ref::own(Schema::any().clone()));
        schema.fields.insert("metadata".to_owned(), metadata);
        let version = text(step, "version");
        let ignored = fields(&step["ignored"][&version])?;
        let manager = text(step, "manager");
        let write = write(&manager, &version, &ignored);
        let mut object = step["object"].clone();
        if object.is_null() {
            object = json!({});
        }
        let outcome = if step["op"] == "update" {
            Ok(schema::update(&schema, live.as_ref(), object, &write))
        } else {
            schema::apply(&schema, live.as_ref(), &object, step["op"] == "force", &write)
        };
        let difference = match outcome {
            Ok(_) if !step["error"].is_null() => Some(differs("taken", &Value::Null, &step["error"])),
            Ok(written) => {
                let mut written = written.object;
                if let Some(fields) = written.as_object_mut() {
                    fields.entry("metadata").or_insert_with(|| json!({}));
                }
                let difference = after(&schema, &written, step, &ignored)?;
                live = Some(written);
                difference
            }
            Err(error) => refused(&error, step)?,
        };
        if let Some(difference) = difference {
            let step = format!("step {}, {} by {manager}\n", number + 1, text(step, "op"));
            return Ok(Some(format!("  {step}{difference}")));
        }
    }
    Ok(None)
}

fn refused(error: &ApplyError, step: &Value) -> Result<Option<String>> {
    if step["error"].is_null() {
        return Ok(Some(differs("refused", &json!(error.to_string()), &Value::Null)));
    }
    let mut ours = Vec::new();
    if let ApplyError::Conflicts { conflicts, .. } = error {
        ours.extend(
            conflicts
                .iter()
                .map(|conflict| format!("{} {}", conflict.manager, conflict.path)),
        );
    }
    let mut real = Vec::new();
    for (manager, paths) in step["conflicts"].as_object().into_iter().flatten() {
        for path in fields(paths)?.paths() {
            let path: String = path.iter().map(Element::to_string).collect();
            real.push(format!("{manager} {path}"));
        }
    }
    ours.sort();
    real.sort();
    Ok((ours != real).then(|| differs("conflicts", &json!(ours), &json!(real))))
}

/// What is different in the object and its managers after a step.
fn after(schema: &Schema, written: &Value, step: &Value, ignored: &FieldSet) -> Result<Option<String>> {
    let (mut ours, mut real) = (written.clone(), step["live"].clone());
    if let Some(fields) = ours.as_object_mut() {
        fields.remove("metadata");
    }
    if real.is_null() {
        real = json!({});
    }
    // An API server has defaults filled in and takes no ignored fields; the library leaves both to it.
    schema::default(schema, &mut real);
    without(&mut ours, ignored);
    without(&mut real, ignored);
    if !equal(&ours, &real) {
        return Ok(Some(differs("object", &ours, &real)));
    }
    let mut expected = Vec::new();
    for (name, manager) in step["managers"].as_object().into_iter().flatten() {
        let set = fields(&manager["fields"])?.to_fields_v1();
        let (version, applied) = (&manager["version"], &manager["applied"]);
        expected.push((
            name.clone(),
            json!({"version": version, "applied": applied, "fields": set}),
        ));
    }
    let ours = managers(written);
    if ours == expected {
        return Ok(None);
    }
    let shown = |managers: Vec<(String, Value)>| {
        managers
            .into_iter()
            .map(|(name, manager)| json!({ name: manager }))
            .collect::<Value>()
    };
    Ok(Some(differs("managers", &shown(ours), &shown(expected))))
}

/// Takes fields away, whole.
fn without(object: &mut Value, paths: &FieldSet) {
    for path in paths.paths() {
        let mut place = object.as_object_mut();
        let Some((Element::Field(last), parents)) = path.split_last() else {
            continue;
        };
        for parent in parents {
            place = match (place, parent) {
                (Some(fields), Element::Field(name)) => fields.get_mut(name).and_then(Value::as_object_mut),
                _ => None,
            };
        }
        place.and_then(|fields: &mut Map<String, Value>| fields.remove(last));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    const TYPES: &str = r#"{"schema":0,"types":{"t":{"map":{"fields":{
        "a":{"type":{"inlined":{"scalar":"string"}}},"b":{"type":{"inlined":{"scalar":"string"}}}}}}}}"#;

    fn verdicts(lines: &[Value]) -> Vec<(String, bool)> {
        let mut recording = TYPES.replace('\n', "");
        for line in lines {
            let first = lines.iter().position(|other| other["case"] == line["case"]);
            let mut line = line.clone();
            for (key, value) in [
                ("run", json!(first)),
                ("types", json!(0)),
                ("type", json!({"named": "t"})),
                ("version", json!("v1")),
            ] {
                line[key] = value;
            }
            let _ = write!(recording, "\n{line}");
        }
        let outcomes = replay(&recording).unwrap();
        let told = |outcome: Outcome| (outcome.name, outcome.result == Verdict::Equal);
        outcomes.into_iter().map(told).collect()
    }

    fn step(
        case: &str,
        op: &str,
        manager: &str,
        object: &Value,
        live: &Value,
        managers: &[(&str, &[&str])],
    ) -> Value {
        let managers: Map<String, Value> = managers
            .iter()
            .map(|(name, fields)| {
                let fields: Map<String, Value> = fields
                    .iter()
                    .map(|field| (format!("f:{field}"), json!({})))
                    .collect();
                (
                    (*name).to_owned(),
                    json!({"version": "v1", "applied": op != "update", "fields": fields}),
                )
            })
            .collect();
        json!({"case": case, "op": op, "manager": manager, "object": object, "live": live,
            "managers": managers, "error": null})
    }

    #[test]
    fn objects_managers_and_conflicts_must_be_the_same() {
        let one = |case: &str, live: &Value, managers: &[(&str, &[&str])]| {
            step(case, "apply", "m", &json!({"a": "x"}), live, managers)
        };
        let good = one("good", &json!({"a": "x"}), &[("m", &["a"])]);
        let other_object = one("object", &json!({"a": "y"}), &[("m", &["a"])]);
        let other_managers = one("managers", &json!({"a": "x"}), &[("m", &["a", "b"])]);
        let mut first = one("conflict", &json!({"a": "x"}), &[("m", &["a"])]);
        let mut second = step(
            "conflict",
            "apply",
            "n",
            &json!({"a": "z"}),
            &json!({"a": "x"}),
            &[("m", &["a"])],
        );
        second["error"] = json!("conflict");
        second["conflicts"] = json!({"m": {"f:a": {}}});
        let mut missed = second.clone();
        missed["conflicts"] = json!({"m": {"f:b": {}}});
        let mut lines = vec![good, other_object, other_managers, first.clone(), second];
        first["case"] = json!("missed conflict");
        missed["case"] = json!("missed conflict");
        lines.extend([first, missed]);
        let expect = [
            ("conflict", true),
            ("good", true),
            ("managers", false),
            ("missed conflict", false),
            ("object", false),
        ];
        assert_eq!(
            verdicts(&lines),
            expect.map(|(name, equal)| (name.to_owned(), equal))
        );
    }
}
