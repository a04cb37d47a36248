//! The two ways to write: server-side apply, and everything else.

use serde_json::{Value, json};

use super::compare::{compare, same};
use super::managed::{Managed, Operation, Owned, Owner, entries, forget, is_reset};
use super::ownership::prune_abandoned;
use super::remove::{fields_of, remove};
use super::typed::{Typed, mistakes};
use super::union::union;
use crate::defaults::zero_of;
use crate::error::{ApplyError, Conflict};
use crate::fields::{Element, FieldSet};
use crate::model::{Schema, Type};
use crate::{canonicalize, default, prepare, prune};

/// The annotation in which client-side `kubectl apply` keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Deeper objects than this are refused rather than walked.
const DEEPEST: usize = 128;

/// Who writes, and how.
#[derive(Debug, Clone)]
pub struct Write<'a> {
    /// The field manager.
    pub manager: &'a str,
    /// The API version of the write, such as `apps/v1`.
    pub api_version: &'a str,
    /// The subresource written to, empty for the resource itself.
    pub subresource: &'a str,
    /// The time of the write, RFC 3339 with seconds, in UTC.
    pub time: &'a str,
    /// The fields that this way of writing neither changes nor owns; see [`crate::reset_fields`].
    pub reset: &'a FieldSet,
}

/// The outcome of a write.
#[derive(Debug, Clone, PartialEq)]
pub struct Written {
    /// The object to store, `managedFields` included.
    pub object: Value,
    /// Whether anything but the times in `managedFields` differs from the live object. When not,
    /// `object` is the live object as it was, and need not be stored.
    pub changed: bool,
}

/// Server-side apply: lays a configuration over the live object (`None` to create it), by schema.
///
/// # Flow
/// Live and configuration are merged; what this manager applied before, does not apply now and
/// nobody else owns is taken away; fields that change under another owner are conflicts, which
/// `force` overrides by taking them over; `managedFields` is written; the result is
/// pruned, brought into canonical form and defaulted.
///
/// # Guarantees
/// Applying the same configuration twice changes nothing the second time. Fields of others that the
/// configuration does not name stay as they are.
///
/// # Known oddity, kept as upstream has it
/// A map of a custom resource that one manager applied empty, that another filled and then emptied
/// again, ends as null and is refused by validation.
///
/// # Errors
/// [`ApplyError::Conflicts`], or what is wrong with the configuration or the live `managedFields`.
/// The live object is never half changed.
pub fn apply(
    schema: &Schema,
    live: Option<&Value>,
    config: &Value,
    force: bool,
    write: &Write<'_>,
) -> Result<Written, ApplyError> {
    let first = apply_once(schema, live, config, force, write);
    match (&first, live) {
        // kubectl moving from client-side apply: what its own annotation says it wrote is its own.
        (Err(ApplyError::Conflicts { conflicts, paths }), Some(live)) if write.manager == "kubectl" => {
            let Some(own) = last_applied_fields(schema, live, write) else {
                return first;
            };
            if paths.difference(&own).is_empty() {
                return apply_once(schema, Some(live), config, true, write).map(|mut written| {
                    renew_last_applied(&mut written.object, config);
                    written
                });
            }
            let rest = paths.difference(&own);
            let texts: Vec<String> = rest
                .paths()
                .iter()
                .map(|path| crate::fields::path_text(path))
                .collect();
            let conflicts: Vec<Conflict> = conflicts
                .iter()
                .filter(|conflict| texts.contains(&conflict.path))
                .cloned()
                .collect();
            Err(ApplyError::Conflicts {
                conflicts,
                paths: rest,
            })
        }
        (Ok(_), Some(_)) if write.manager == "kubectl" => first.map(|mut written| {
            renew_last_applied(&mut written.object, config);
            written
        }),
        _ => first,
    }
}

fn apply_once(
    schema: &Schema,
    live: Option<&Value>,
    config: &Value,
    force: bool,
    write: &Write<'_>,
) -> Result<Written, ApplyError> {
    check_depth(config)?;
    if !config.is_object() {
        return Err(ApplyError::Config(
            "an applied configuration must be an object".to_owned(),
        ));
    }
    if entries(config).is_some() {
        return Err(ApplyError::ManagedFields);
    }
    let typed = Typed::root(schema);
    let problems = mistakes(typed, config);
    if !problems.is_empty() {
        return Err(ApplyError::Config(problems.join("\n")));
    }
    let before = Managed::decode(live.and_then(entries)).map_err(ApplyError::Live)?;
    let mut base = live.cloned().unwrap_or_else(|| empty_object(schema, config));
    forget(&mut base);
    let mut managed = before.clone();
    if managed.owners.is_empty() && live.is_some() {
        let nothing = empty_object(schema, &base);
        let owner = Owner::new(
            "before-first-apply",
            Operation::Update,
            write.api_version,
            write.subresource,
        );
        claim(&mut managed, typed, &nothing, &base, &owner, write).map_err(ApplyError::Live)?;
    }
    managed.follow_schema(typed);

    // Reset fields are taken off the configuration before it is merged, so that they stay as they
    // are in the object, whoever applies them.
    let mut config = config.clone();
    if !write.reset.is_empty() {
        config = remove(typed, &config, write.reset);
    }
    let merged = union(typed, &base, &config).map_err(ApplyError::Config)?;
    let owner = Owner::new(
        write.manager,
        Operation::Apply,
        write.api_version,
        write.subresource,
    );
    let last = managed.owners.get(&owner).cloned();
    let fields = fields_of(typed, &config).without_below(write.reset);
    managed.owners.insert(
        owner.clone(),
        Owned {
            api_version: write.api_version.to_owned(),
            fields,
            time: last.as_ref().and_then(|last| last.time.clone()),
        },
    );
    let mut object = prune_abandoned(typed, &merged, &managed, last.as_ref());
    let change = compare(typed, &base, &object)
        .map_err(ApplyError::Config)?
        .without_below(write.reset);
    if let Err(conflicts) = managed.hand_over(&change, Some(&owner), force) {
        let paths = managed
            .owners
            .iter()
            .filter(|(other, _)| **other != owner)
            .fold(FieldSet::new(), |all, (_, owned)| all.union(&owned.fields))
            .intersection(&change.written());
        return Err(ApplyError::Conflicts { conflicts, paths });
    }
    let untouched = live.is_some() && same(&base, &object);
    managed.strip(&owner);
    if !untouched && let Some(owned) = managed.owners.get_mut(&owner) {
        owned.time = Some(write.time.to_owned());
    }
    prune(schema, &mut object);
    canonicalize(schema, &mut object);
    default(schema, &mut object);
    Ok(finish(live, &base, &before, object, &managed))
}

/// Writes the `managedFields` of a create (`old` is `None`), an update, or a patch that is not an
/// apply. `new` is the object as it shall be stored; its reset fields are taken from the old object,
/// and it is [`prepare`]d first.
///
/// A client that sends `managedFields: []` (or one empty entry) clears them and stops tracking; one
/// that sends others sets them; one that sends none keeps those of the old object. Through a
/// subresource the old ones always stay.
pub fn update(schema: &Schema, old: Option<&Value>, new: Value, write: &Write<'_>) -> Written {
    let mut object = new;
    keep_reset(write.reset, old, &mut object);
    prepare(schema, &mut object);
    let before = Managed::decode(old.and_then(entries)).unwrap_or_default();
    let sent = entries(&object).filter(|_| write.subresource.is_empty()).cloned();
    forget(&mut object);
    let reset = sent.as_ref().is_some_and(is_reset);
    let mut managed = if reset {
        Managed::default()
    } else {
        match Managed::decode(sent.as_ref()) {
            Ok(sent) if !sent.owners.is_empty() => sent,
            _ => before.clone(),
        }
    };
    let typed = Typed::root(schema);
    let mut base = old.cloned().unwrap_or_else(|| empty_object(schema, &object));
    forget(&mut base);
    // An object without owners that exists already stays without, until it is first applied.
    if old.is_none() || !managed.owners.is_empty() {
        managed.follow_schema(typed);
        let owner = Owner::new(
            write.manager,
            Operation::Update,
            write.api_version,
            write.subresource,
        );
        // Items that have no name in their list cannot be compared; validation refuses such an
        // object, and until then its owners stay as they were.
        let tracked = claim(&mut managed, typed, &base, &object, &owner, write);
        if tracked.is_err() {
            managed = before.clone();
        }
        managed.cap_updaters();
    }
    finish(old, &base, &before, object, &managed)
}

/// Moves what changed from `old` to `new` over to an updater.
fn claim(
    managed: &mut Managed,
    typed: Typed<'_>,
    old: &Value,
    new: &Value,
    owner: &Owner,
    write: &Write<'_>,
) -> Result<(), String> {
    let change = compare(typed, old, new)?.without_below(write.reset);
    // Scaling is tracked only where somebody owns the number already.
    if write.subresource == "scale" && managed.everything().intersection(&change.written()).is_empty() {
        return Ok(());
    }
    // Everyone loses what was written, the writer's own earlier entry included: it comes back below.
    let hand_over = managed.hand_over(&change, None, true);
    debug_assert!(hand_over.is_ok());
    let mut mine = Managed::default();
    mine.owners.insert(
        owner.clone(),
        Owned {
            api_version: write.api_version.to_owned(),
            fields: change.written(),
            time: None,
        },
    );
    mine.strip(owner);
    if let Some(mut owned) = mine.owners.remove(owner) {
        if let Some(previous) = managed.owners.get(owner) {
            owned.fields = owned.fields.union(&previous.fields);
        }
        // The scale subresource has never kept times.
        owned.time = (write.subresource != "scale").then(|| write.time.to_owned());
        managed.owners.insert(owner.clone(), owned);
    }
    Ok(())
}

/// Puts the reset fields of the old object in place of the new one's.
fn keep_reset(reset: &FieldSet, old: Option<&Value>, new: &mut Value) {
    for (element, node) in reset.nodes() {
        let (Element::Field(name), Some(fields)) = (element, new.as_object_mut()) else {
            continue;
        };
        let before = old.and_then(|old| old.get(name));
        if node.member {
            match before {
                Some(before) => fields.insert(name.clone(), before.clone()),
                None => fields.remove(name),
            };
        } else if let Some(value) = fields.get_mut(name) {
            keep_reset(&node.below, before, value);
        } else if let Some(before) = before {
            // Only the reset fields below come back with it.
            let mut value = json!({});
            keep_reset(&node.below, Some(before), &mut value);
            fields.insert(name.clone(), value);
        }
    }
}

fn finish(
    live: Option<&Value>,
    base: &Value,
    before: &Managed,
    mut object: Value,
    managed: &Managed,
) -> Written {
    if let Some(live) = live
        && same(base, &object)
        && managed.same_but_times(before)
    {
        return Written {
            object: live.clone(),
            changed: false,
        };
    }
    managed.write_into(&mut object);
    Written {
        object,
        changed: true,
    }
}

/// The object that a create is compared with: what the server would hold of a kind with nothing set.
fn empty_object(schema: &Schema, like: &Value) -> Value {
    let mut object = if schema.typed {
        empty_struct(schema, 0)
    } else {
        json!({})
    };
    for name in ["apiVersion", "kind"] {
        if let Some(value) = like.get(name) {
            object[name] = value.clone();
        }
    }
    object
}

fn empty_struct(schema: &Schema, depth: usize) -> Value {
    let mut object = serde_json::Map::new();
    for (name, field) in &schema.fields {
        let target = field.schema.get();
        if field.always && depth < DEEPEST {
            let zero = match target.kind {
                Type::Object => empty_struct(target, depth + 1),
                _ => zero_of(target),
            };
            object.insert(name.clone(), zero);
        } else if schema.required.contains(name)
            && (target.kind == Type::Array || (target.kind == Type::Object && target.fields.is_empty()))
        {
            object.insert(name.clone(), Value::Null);
        }
    }
    Value::Object(object)
}

fn check_depth(value: &Value) -> Result<(), ApplyError> {
    fn within(value: &Value, left: usize) -> bool {
        match value {
            Value::Array(items) => left > 0 && items.iter().all(|item| within(item, left - 1)),
            Value::Object(fields) => left > 0 && fields.values().all(|value| within(value, left - 1)),
            _ => true,
        }
    }
    if within(value, DEEPEST) {
        Ok(())
    } else {
        Err(ApplyError::Config(format!(
            "the object is nested deeper than {DEEPEST} levels"
        )))
    }
}

/// What client-side apply last wrote and the live object still holds as written.
fn last_applied_fields(schema: &Schema, live: &Value, write: &Write<'_>) -> Option<FieldSet> {
    let text = live
        .pointer("/metadata/annotations")?
        .get(LAST_APPLIED)?
        .as_str()?;
    let applied: Value = serde_json::from_str(text).ok()?;
    if applied["apiVersion"].as_str()? != write.api_version {
        return None;
    }
    let typed = Typed::root(schema);
    let change = compare(typed, &applied, live).ok()?;
    Some(
        fields_of(typed, &applied)
            .difference(&change.written())
            .difference(&change.removed),
    )
}

/// Keeps the client-side annotation, where there is one, in step with what kubectl applied.
fn renew_last_applied(object: &mut Value, config: &Value) {
    let Some(annotation) = object
        .pointer_mut("/metadata/annotations")
        .and_then(|annotations| annotations.get_mut(LAST_APPLIED))
    else {
        return;
    };
    let mut applied = config.clone();
    if let Some(annotations) = applied
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.remove(LAST_APPLIED);
    }
    *annotation = Value::String(format!("{applied}\n"));
}
