//! What a `generate` rule makes, as written. `judge` fills in the variables; the operator makes the objects.

use serde_json::{Map, Value};

use crate::conditions::Conditions;
use crate::cursor::{Cursor, Refusal};
use crate::policy::{Entry, Reading, learn, read_conditions, read_context};

/// A `generate` rule.
#[derive(Debug, Clone)]
pub(crate) struct Generate {
    /// What was made follows its source and its trigger; otherwise it is made once.
    pub(crate) synchronize: bool,
    /// What was made stays when the policy goes.
    pub(crate) orphan: bool,
    /// Objects that are there when the policy comes are triggers too; `None` leaves it to the policy.
    pub(crate) existing: Option<bool>,
    pub(crate) make: Make,
}

/// What is made.
#[derive(Debug, Clone)]
pub(crate) enum Make {
    One(Pattern),
    Foreach(Vec<Foreach>),
}

/// `apiVersion`, `kind`, `namespace`, `name`, and `data`, `clone` or `cloneList`, as written.
#[derive(Debug, Clone)]
pub(crate) struct Pattern(pub(crate) Value);

/// Something for every element of a list.
#[derive(Debug, Clone)]
pub(crate) struct Foreach {
    pub(crate) list: String,
    pub(crate) context: Vec<Entry>,
    pub(crate) preconditions: Option<Conditions>,
    pub(crate) pattern: Pattern,
}

/// Takes away what belongs to the source of a copy alone; `moved` says whether the copy is in another namespace.
pub(crate) fn detach(metadata: &mut Map<String, Value>, moved: bool) {
    for key in [
        "uid",
        "selfLink",
        "creationTimestamp",
        "managedFields",
        "resourceVersion",
    ] {
        metadata.remove(key);
    }
    if moved {
        metadata.remove("ownerReferences");
    }
}

const PATTERN: [&str; 8] = [
    "apiVersion",
    "kind",
    "namespace",
    "name",
    "uid",
    "data",
    "clone",
    "cloneList",
];

impl Generate {
    pub(crate) fn read(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Generate, Refusal> {
        let own = [
            "generateExisting",
            "synchronize",
            "orphanDownstreamOnPolicyDelete",
            "foreach",
        ];
        cursor.only(&[own.as_slice(), &PATTERN].concat())?;
        let make = match cursor.field("foreach") {
            Some(list) => {
                for field in ["data", "clone", "cloneList"] {
                    if cursor.field(field).is_some() {
                        let reason = format!("{field} cannot stand beside foreach");
                        return Err(cursor.refuse_below(&format!("/{field}"), reason));
                    }
                }
                let items = list.items()?;
                let items = items.iter().map(|item| read_foreach(item, reading));
                Make::Foreach(items.collect::<Result<_, _>>()?)
            }
            None => Make::One(read_pattern(cursor, reading)?),
        };
        Ok(Generate {
            synchronize: cursor.flag("synchronize")?.unwrap_or(false),
            orphan: cursor.flag("orphanDownstreamOnPolicyDelete")?.unwrap_or(false),
            existing: cursor.flag("generateExisting")?,
            make,
        })
    }
}

fn read_foreach(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Foreach, Refusal> {
    let own = ["list", "context", "preconditions"];
    cursor.only(&[own.as_slice(), &PATTERN].concat())?;
    let list = cursor.required("list")?;
    reading.learn_list(&list)?;
    Ok(Foreach {
        list: list.string()?.to_owned(),
        context: read_context(cursor.field("context"), reading)?,
        preconditions: read_conditions(cursor.field("preconditions"), reading)?,
        pattern: read_pattern(cursor, reading)?,
    })
}

fn read_pattern(cursor: &Cursor<'_>, reading: &mut Reading<'_>) -> Result<Pattern, Refusal> {
    let ways = ["data", "clone", "cloneList"];
    let present = ways.into_iter().filter(|way| cursor.field(way).is_some()).count();
    if present > 1 {
        return Err(cursor.refuse(format!("only one of {} can be said here", ways.join(", "))));
    }
    for field in ["apiVersion", "kind", "namespace", "name"] {
        cursor.text(field)?;
    }
    if let Some(list) = cursor.field("cloneList") {
        list.only(&["namespace", "kinds", "selector"])?;
        list.text("namespace")?;
        if list.strings("kinds")?.is_empty() {
            return Err(list.refuse("kinds are needed here"));
        }
    } else {
        for field in ["apiVersion", "kind", "name"] {
            if cursor.text(field)?.unwrap_or_default().is_empty() {
                return Err(cursor.refuse(format!("the field {field} is missing")));
            }
        }
    }
    if let Some(clone) = cursor.field("clone") {
        clone.only(&["namespace", "name"])?;
        clone.required("name")?.string()?;
        clone.text("namespace")?;
    }
    if let Some(data) = cursor.field("data") {
        data.object()?;
    }
    let mut pattern = Map::new();
    for key in PATTERN {
        if let Some(field) = cursor.field(key) {
            learn(&field, reading)?;
            pattern.insert(key.to_owned(), field.value.clone());
        }
    }
    Ok(Pattern(Value::Object(pattern)))
}
