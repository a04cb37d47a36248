//! What a `mutate` rule changes: its patches as written, and how one patch is laid over one object.
//!
//! Patches come from policies, which are not trusted: every step is paid for from the rule's budget. Knows nothing
//! of requests and verdicts; `judge` fills in variables and goes through the elements of a `foreach`.

mod anchors;
pub(crate) mod json_patch;
pub(crate) mod strategic;

use ::cel::budget::{Budget, Exhausted, deeper_than};
use serde_json::Value;

use crate::MAX_DEPTH;
use crate::conditions::Conditions;
use crate::context::Context;
use crate::cursor::{Cursor, Refusal};
use crate::jmespath::QueryError;
use crate::policy::{Entry, Reading, learn, read_conditions, read_context};
use crate::variables::has_variables;

/// How deep `foreach` may nest.
const MAX_FOREACH: usize = 5;

/// How many targets a rule may name.
const MAX_TARGETS: usize = 100;

/// A `mutate` rule.
#[derive(Debug, Clone)]
pub(crate) struct Mutate {
    /// Objects that are there already and that are changed instead of the one that is asked about.
    pub(crate) targets: Vec<Target>,
    pub(crate) change: Change,
}

/// What is changed.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    Patch(Patch),
    Foreach(Vec<Foreach>),
}

/// One patch.
#[derive(Debug, Clone)]
pub(crate) enum Patch {
    Strategic(Value),
    /// The operations, parsed.
    Operations(Vec<Value>),
    /// The text of operations, to be read once its variables are filled in.
    Text(String),
}

/// A change for every element of a list.
#[derive(Debug, Clone)]
pub(crate) struct Foreach {
    pub(crate) list: String,
    /// From the last element to the first.
    pub(crate) descending: bool,
    pub(crate) context: Vec<Entry>,
    pub(crate) preconditions: Option<Conditions>,
    pub(crate) change: Change,
}

/// Objects to change: their kind, and their names or labels, with variables.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// `apiVersion`, `kind`, `namespace`, `name`, `selector`, as written.
    pub(crate) selector: Value,
    pub(crate) context: Vec<Entry>,
    pub(crate) preconditions: Option<Conditions>,
}

/// Why a patch cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    Exhausted(Exhausted),
    Failed(String),
}

impl From<Exhausted> for Fault {
    fn from(exhausted: Exhausted) -> Fault {
        Fault::Exhausted(exhausted)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Fault::Exhausted(exhausted) => exhausted.fmt(formatter),
            Fault::Failed(reason) => formatter.write_str(reason),
        }
    }
}

impl Mutate {
    pub(crate) fn read(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Mutate, Refusal> {
        cursor.only(&[
            "mutateExistingOnPolicyUpdate",
            "targets",
            "patchStrategicMerge",
            "patchesJson6902",
            "foreach",
        ])?;
        cursor.flag("mutateExistingOnPolicyUpdate")?;
        let mut targets = Vec::new();
        if let Some(list) = cursor.field("targets") {
            let items = list.items()?;
            if items.is_empty() || items.len() > MAX_TARGETS {
                return Err(list.refuse(format!("a rule has between 1 and {MAX_TARGETS} targets")));
            }
            for item in items {
                targets.push(read_target(&item, reading)?);
            }
        }
        Ok(Mutate {
            targets,
            change: read_change(cursor, reading, 0)?,
        })
    }
}

fn read_target(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Target, Refusal> {
    cursor.only(&[
        "apiVersion",
        "kind",
        "namespace",
        "name",
        "uid",
        "selector",
        "context",
        "preconditions",
    ])?;
    cursor.required("kind")?.string()?;
    let mut selector = serde_json::Map::new();
    for key in ["apiVersion", "kind", "namespace", "name", "selector"] {
        if let Some(field) = cursor.field(key) {
            learn(&field, reading)?;
            selector.insert(key.to_owned(), field.value.clone());
        }
    }
    Ok(Target {
        selector: Value::Object(selector),
        context: read_context(cursor.field("context"), reading)?,
        preconditions: read_conditions(cursor.field("preconditions"), reading)?,
    })
}

fn read_change(cursor: &Cursor<'_>, reading: &mut Reading<'_>, depth: usize) -> Result<Change, Refusal> {
    let kinds = ["patchStrategicMerge", "patchesJson6902", "foreach"];
    let present: Vec<&str> = kinds
        .into_iter()
        .filter(|kind| cursor.field(kind).is_some_and(|field| field.value != ""))
        .collect();
    let [kind] = present.as_slice() else {
        return Err(cursor.refuse(format!("exactly one of {} is needed here", kinds.join(", "))));
    };
    let inner = cursor.required(kind)?;
    if deeper_than(inner.value, MAX_DEPTH) {
        return Err(inner.refuse(format!("the patch nests deeper than {MAX_DEPTH} levels")));
    }
    Ok(match *kind {
        "patchStrategicMerge" => {
            inner.object()?;
            refuse_anchors(&inner, inner.value, &mut String::new())?;
            learn(&inner, reading)?;
            Change::Patch(Patch::Strategic(inner.value.clone()))
        }
        "patchesJson6902" => {
            let text = inner.string()?;
            learn(&inner, reading)?;
            Change::Patch(if text.contains("{{") || text.contains("$(") {
                Patch::Text(text.to_owned())
            } else {
                let operations = json_patch::parse(text)
                    .map_err(|reason| inner.refuse(format!("cannot read the patch: {reason}")))?;
                json_patch::check(&inner, &operations)?;
                Patch::Operations(operations)
            })
        }
        _ => {
            if depth >= MAX_FOREACH {
                return Err(inner.refuse(format!("foreach nests deeper than {MAX_FOREACH} levels")));
            }
            let items = inner.items()?;
            let items = items.iter().map(|item| read_foreach(item, reading, depth));
            Change::Foreach(items.collect::<Result<_, _>>()?)
        }
    })
}

fn read_foreach(cursor: &Cursor<'_>, reading: &mut Reading<'_>, depth: usize) -> Result<Foreach, Refusal> {
    cursor.only(&[
        "list",
        "order",
        "context",
        "preconditions",
        "patchStrategicMerge",
        "patchesJson6902",
        "foreach",
    ])?;
    let list = cursor.required("list")?;
    reading.learn_list(&list)?;
    let change = read_change(cursor, reading, depth + 1)?;
    let descending = match cursor.text("order")? {
        // What a strategic merge adds to a list comes first, so the last element is added first.
        None | Some("") => matches!(change, Change::Patch(Patch::Strategic(_))),
        Some("Ascending") => false,
        Some("Descending") => true,
        Some(other) => {
            let reason = format!("{other:?} is neither Ascending nor Descending");
            return Err(cursor.refuse_below("/order", reason));
        }
    };
    Ok(Foreach {
        list: list.string()?.to_owned(),
        descending,
        context: read_context(cursor.field("context"), reading)?,
        preconditions: read_conditions(cursor.field("preconditions"), reading)?,
        change,
    })
}

/// Anchors that have no meaning in a patch would end up as keys of the object.
fn refuse_anchors(cursor: &Cursor<'_>, patch: &Value, pointer: &mut String) -> Result<(), Refusal> {
    let length = pointer.len();
    match patch {
        Value::Object(fields) => {
            for (written, value) in fields {
                pointer.push('/');
                pointer.push_str(&crate::pattern::escape(written));
                if let Some((anchors::Anchor::Other, key)) = anchors::split(written) {
                    let anchor = written.trim().chars().next().unwrap_or('=');
                    let reason = format!(
                        "the anchor {anchor}({key}) belongs to validate rules, a patch cannot use it"
                    );
                    return Err(cursor.refuse_below(pointer, reason));
                }
                refuse_anchors(cursor, value, pointer)?;
                pointer.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push('/');
                pointer.push_str(&index.to_string());
                refuse_anchors(cursor, item, pointer)?;
                pointer.truncate(length);
            }
        }
        _ => {}
    }
    Ok(())
}

impl Patch {
    /// The patch with its variables filled in.
    pub(crate) fn filled(&self, context: &Context<'_>) -> Result<Patch, QueryError> {
        Ok(match self {
            Patch::Strategic(patch) if has_variables(patch) => {
                let filled = context.fill(patch)?;
                context.budget.pay_for(&filled)?;
                Patch::Strategic(filled)
            }
            Patch::Text(text) => {
                let filled = match context.fill_text(text)? {
                    Value::String(text) => text,
                    other => other.to_string(),
                };
                context.budget.spend(filled.len() / 8)?;
                let operations = json_patch::parse(&filled)
                    .map_err(|reason| QueryError::Failed(format!("failed to decode patches: {reason}")))?;
                Patch::Operations(operations)
            }
            Patch::Strategic(patch) => Patch::Strategic(context.budget.copy(patch)?),
            Patch::Operations(operations) => Patch::Operations(operations.clone()),
        })
    }

    /// Lays the patch, filled in, over an object.
    pub(crate) fn apply(self, object: &mut Value, budget: &Budget) -> Result<(), Fault> {
        budget.pay_for(object)?;
        match self {
            Patch::Strategic(patch) => {
                budget.pay_for(&patch)?;
                match anchors::resolve(patch, object, budget)? {
                    Some(patch) => strategic::merge(object, patch, budget),
                    None => Ok(()),
                }
            }
            Patch::Operations(operations) => json_patch::apply(object, &operations, budget),
            Patch::Text(_) => Err(Fault::Failed("the patch still holds variables".to_owned())),
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]
mod tests;
