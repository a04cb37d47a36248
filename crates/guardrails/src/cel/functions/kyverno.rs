//! Kyverno's own libraries. What is outside is asked of the facts; a policy of a namespace asks within it.

use std::collections::BTreeMap;

use ::cel::{Args, Evaluated, Failure, Key, Style, Text, Value, key_text, no_overload};
use serde_json::{Value as Json, json};

use super::Table;
use crate::cel::foreign::{ImageReference, Own};
use crate::cel::targets::listed;
use crate::cel::world::World;
use crate::facts::{Call, Callee, Unavailable};

pub(super) const TABLE: Table = &[
    ("resource.Get", Style::Plain, resource_get),
    ("resource.get", Style::Plain, resource_get),
    ("resource.List", Style::Plain, resource_list),
    ("resource.list", Style::Plain, resource_list),
    ("resource.Post", Style::Plain, resource_post),
    ("resource.post", Style::Plain, resource_post),
    ("resource.ToGVR", Style::Plain, to_gvr),
    ("resource.toGVR", Style::Plain, to_gvr),
    ("globalContext.Get", Style::Plain, global_get),
    ("globalContext.get", Style::Plain, global_get),
    ("image.GetMetadata", Style::Plain, image_metadata),
    ("image.getMetadata", Style::Plain, image_metadata),
    ("image", Style::Plain, image),
    ("parseImageReference", Style::Plain, image),
    ("isImage", Style::Plain, is_image),
    ("containsDigest", Style::Method, |_, args| {
        Ok(Value::Bool(reference(args)?.by_digest))
    }),
    ("registry", Style::Method, |_, args| {
        Ok(Value::text(reference(args)?.registry.as_str()))
    }),
    ("repository", Style::Method, |_, args| {
        Ok(Value::text(reference(args)?.repository.as_str()))
    }),
    ("identifier", Style::Method, |_, args| {
        Ok(Value::text(reference(args)?.identifier.as_str()))
    }),
    ("tag", Style::Method, |_, args| identifier(args, false)),
    ("digest", Style::Method, |_, args| identifier(args, true)),
    ("generator.Apply", Style::Plain, generate),
    ("generator.apply", Style::Plain, generate),
    ("parseServiceAccount", Style::Plain, service_account),
    ("user.parseServiceAccount", Style::Plain, service_account),
    ("json.unmarshal", Style::Plain, json_unmarshal),
    ("json.marshal", Style::Plain, json_marshal),
    ("yaml.parse", Style::Plain, yaml_parse),
    ("listObjToMap", Style::Plain, objects_to_map),
    ("transform.listObjToMap", Style::Plain, objects_to_map),
];

/// What is answered, or nothing when it was asked for and is not there.
pub(super) fn answer<'v>(
    args: &Args<'_, 'v>,
    answer: Result<Json, Unavailable>,
) -> Result<Option<Value<'v>>, Failure> {
    match answer {
        Ok(json) => Value::made(json, args.budget).map(Some),
        Err(Unavailable::Missing(_)) => Ok(None),
        Err(Unavailable::Unknown(what)) => Err(Failure::unknown(&what)),
        Err(Unavailable::Failed(reason)) => Err(Failure::new(reason)),
    }
}

/// One thing in a path of the API: no more and no less.
fn segment(text: &str) -> Result<&str, Failure> {
    let fits = !text.is_empty()
        && text != "."
        && text != ".."
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte));
    if fits {
        Ok(text)
    } else {
        Err(Failure::new(format!("{text:?} is no name in the API")))
    }
}

/// Where objects of a kind are in the API, and the arguments that follow.
fn place(world: &World<'_>, args: &Args<'_, '_>, name: bool) -> Result<(String, String, usize), Failure> {
    let (version, resource, next) = match args.values.first() {
        Some(gvr) if gvr.map_len().is_some() => {
            let part = |name| {
                gvr.field(name)
                    .and_then(|value| value.as_text().map(str::to_owned))
                    .unwrap_or_default()
            };
            let (group, version) = (part("Group"), part("Version"));
            let version = if group.is_empty() {
                version
            } else {
                format!("{group}/{version}")
            };
            (version, part("Resource"), 1)
        }
        _ => (args.text(0)?.to_owned(), args.text(1)?.to_owned(), 2),
    };
    let mut path = match version.split_once('/') {
        None => format!("/api/{}", segment(&version)?),
        Some((group, version)) => format!("/apis/{}/{}", segment(group)?, segment(version)?),
    };
    let mut next = next;
    let namespace = if let Some(namespace) = world.namespace {
        namespace.to_owned()
    } else {
        next += 1;
        args.text(next - 1)?.to_owned()
    };
    if !namespace.is_empty() {
        path.push_str("/namespaces/");
        path.push_str(segment(&namespace)?);
    }
    let mut parts = resource.split('/');
    path.push('/');
    path.push_str(segment(parts.next().unwrap_or_default())?);
    if name {
        path.push('/');
        path.push_str(segment(args.text(next)?)?);
        next += 1;
    }
    for part in parts {
        path.push('/');
        path.push_str(segment(part)?);
    }
    Ok((path, resource, next))
}

fn ask<'v>(
    world: &World<'v>,
    args: &Args<'_, 'v>,
    path: String,
    data: Option<Json>,
) -> Result<Option<Value<'v>>, Failure> {
    args.budget.spend(1_000)?;
    answer(
        args,
        world.facts.call(&Call {
            to: Callee::Cluster(path),
            data,
        }),
    )
}

fn resource_get<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    let (path, _, next) = place(world, args, true)?;
    if next != args.len() {
        return Err(args.refuse());
    }
    Ok(ask(world, args, path, None)?.unwrap_or(Value::Null))
}

fn resource_list<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    let (mut path, resource, next) = place(world, args, false)?;
    if let Some(labels) = args.values.get(next) {
        let mut pairs = Vec::new();
        for (key, value) in labels
            .entries()
            .filter(|_| labels.map_len().is_some())
            .ok_or_else(|| args.refuse())?
        {
            let (Some(key), Some(value)) = (key.as_text(), value.as_text()) else {
                return Err(args.refuse());
            };
            let escaped = key.replace('/', "%2F");
            let fits = |text: &str| {
                text.bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-._/".contains(&byte))
            };
            if !fits(key) || !fits(value) {
                return Err(Failure::new(format!("{key}={value} is no label")));
            }
            pairs.push(format!("{escaped}%3D{value}"));
        }
        if !pairs.is_empty() {
            path.push_str("?labelSelector=");
            path.push_str(&pairs.join("%2C"));
        }
    }
    if args.len() > next + 1 {
        return Err(args.refuse());
    }
    ask(world, args, path, None)?
        .ok_or_else(|| Failure::new(format!("failed to list resource: there are no {resource}")))
}

fn resource_post<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    let data = args
        .values
        .last()
        .filter(|value| value.map_len().is_some())
        .ok_or_else(|| args.refuse())?;
    let data = data.to_json(args.budget)?;
    // Without a namespace the data is the third argument.
    let clustered = world.namespace.is_none() && args.len() == 3;
    let (path, _, next) = if clustered {
        let values = vec![args.values[0].clone(), args.values[1].clone(), Value::text("")];
        place(
            world,
            &Args {
                budget: args.budget,
                name: args.name,
                values,
                pattern: None,
            },
            false,
        )?
    } else {
        place(world, args, false)?
    };
    if !clustered && next + 1 != args.len() {
        return Err(args.refuse());
    }
    ask(world, args, path, Some(data))?
        .ok_or_else(|| Failure::new("failed to create resource: its kind is not there"))
}

fn to_gvr<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let (version, kind) = (args.text(0)?, args.text(1)?);
    let (resource, _) = world
        .facts
        .resource(version, kind)
        .map_err(|unavailable| Failure::new(format!("failed to map kind to resource: {unavailable}")))?;
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let entries = [("Group", group), ("Version", version), ("Resource", &resource)];
    Value::map(
        entries
            .into_iter()
            .map(|(key, value)| (Key::text(key), Value::text(value)))
            .collect(),
    )
}

fn global_get<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    let projection = match args.len() {
        1 => None,
        2 => Some(args.text(1)?).filter(|projection| !projection.is_empty()),
        _ => return Err(args.refuse()),
    };
    args.budget.spend(100)?;
    let found = world.facts.global(args.text(0)?, projection);
    Ok(answer(args, found)?.unwrap_or(Value::Null))
}

fn image_metadata<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let reference = args.text(0)?;
    args.budget.spend(1_000)?;
    let found = answer(args, world.facts.image(reference))?;
    found.ok_or_else(|| Failure::new(format!("failed to get image data: {reference} is not there")))
}

fn image<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let text = args.text(0)?;
    let image = ImageReference::parse(text)
        .ok_or_else(|| Failure::new(format!("could not parse reference: {text}")))?;
    Ok(Own::Image(image).value())
}

fn is_image<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Value::Bool(ImageReference::parse(args.text(0)?).is_some()))
}

fn reference<'a>(args: &'a Args<'_, '_>) -> Result<&'a ImageReference, Failure> {
    let [value] = args.exactly()?;
    match Own::of(value) {
        Some(Own::Image(image)) => Ok(image),
        _ => Err(args.refuse()),
    }
}

fn identifier<'v>(args: &Args<'_, 'v>, digest: bool) -> Evaluated<'v> {
    let image = reference(args)?;
    Ok(Value::text(if image.by_digest == digest {
        image.identifier.as_str()
    } else {
        ""
    }))
}

/// What is to be generated is kept, a list as its items; whoever asked for the evaluation makes it so.
fn generate<'v>(world: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    let namespace = args.text(0)?;
    if world.namespace.is_some_and(|own| own != namespace) {
        return Err(Failure::new(format!(
            "a policy of the namespace {} cannot generate into {namespace:?}",
            world.namespace.unwrap_or_default()
        )));
    }
    for object in args.items(1)? {
        if object.map_len().is_none() {
            return Err(no_overload(args.name, &[object]));
        }
        let object = object.to_json(args.budget)?;
        let mut generated = world.generated.borrow_mut();
        let made = listed(&object).map_err(Failure::new)?;
        args.budget.spend(made.len())?;
        generated.extend(made.into_iter().map(|object| (namespace.to_owned(), object)));
    }
    Ok(Value::Bool(true))
}

fn service_account<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let account = args
        .text(0)?
        .strip_prefix("system:serviceaccount:")
        .and_then(|rest| rest.split_once(':'));
    let (namespace, name) = account.unwrap_or_default();
    let entries = [("Namespace", namespace), ("Name", name)];
    Value::message(
        Text::Borrowed("user.ServiceAccount"),
        entries
            .into_iter()
            .map(|(key, value)| (Key::text(key), Value::text(value)))
            .collect(),
    )
}

fn json_unmarshal<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let text = args.text(0)?;
    args.budget.spend(text.len() / 8)?;
    let json =
        serde_json::from_str(text).map_err(|error| Failure::new(format!("the text is no JSON: {error}")))?;
    Value::made(json, args.budget)
}

fn json_marshal<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value] = args.exactly()?;
    Ok(Value::text(value.to_json(args.budget)?.to_string()))
}

fn yaml_parse<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let text = args.text(0)?;
    args.budget.spend(text.len())?;
    let documents =
        yaml::parse_all(text).map_err(|error| Failure::new(format!("the text is no YAML: {error}")))?;
    let json = documents
        .into_iter()
        .next()
        .map_or(json!(null), |document| document.value);
    Value::made(json, args.budget)
}

/// Two lists of maps to one map: a field of the first list's is the key, one of the second's the value.
fn objects_to_map<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<4>()?;
    let (keys, values) = (args.items(0)?, args.items(1)?);
    let (key_name, value_name) = (args.text(2)?.to_owned(), args.text(3)?.to_owned());
    if keys.len() != values.len() {
        return Err(Failure::new("listObjToMap must take lists of equal length"));
    }
    let mut entries = BTreeMap::new();
    for (key, value) in keys.iter().zip(&values) {
        if key.map_len().is_none() || value.map_len().is_none() {
            return Err(args.refuse());
        }
        let key = key
            .get(&Value::text(key_name.as_str()))
            .as_ref()
            .and_then(Key::of);
        let key = key
            .as_ref()
            .and_then(key_text)
            .ok_or_else(|| Failure::new("a key of the map is no text"))?;
        let value = value
            .get(&Value::text(value_name.as_str()))
            .unwrap_or(Value::Null);
        entries.insert(Key::Text(Text::from(key)), value);
    }
    Value::map(entries)
}
