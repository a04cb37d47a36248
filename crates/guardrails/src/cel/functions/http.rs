//! Calls of services, as Kyverno has them in CEL. Whoever evaluates the policy makes them, or says that it does not.

use ::cel::{Args, Evaluated, Failure, Style, Value};
use serde_json::{Map, Value as Json};

use super::Table;
use crate::cel::foreign::Own;
use crate::cel::world::World;
use crate::facts::{Call, Callee, Unavailable};

pub(super) const TABLE: Table = &[
    ("http.Get", Style::Plain, |world, args| {
        http(world, args, None, false)
    }),
    ("http.get", Style::Plain, |world, args| {
        http(world, args, None, false)
    }),
    ("http.Post", Style::Plain, |world, args| {
        http(world, args, None, true)
    }),
    ("http.post", Style::Plain, |world, args| {
        http(world, args, None, true)
    }),
    ("http.Client", Style::Plain, http_client),
    ("http.client", Style::Plain, http_client),
    ("Get", Style::Method, |world, args| {
        client_call(world, args, false)
    }),
    ("get", Style::Method, |world, args| {
        client_call(world, args, false)
    }),
    ("Post", Style::Method, |world, args| {
        client_call(world, args, true)
    }),
    ("post", Style::Method, |world, args| {
        client_call(world, args, true)
    }),
];

fn headers(args: &Args<'_, '_>, index: usize) -> Result<Vec<(String, String)>, Failure> {
    let Some(headers) = args.values.get(index) else {
        return Ok(Vec::new());
    };
    let entries = headers
        .entries()
        .filter(|_| headers.map_len().is_some())
        .ok_or_else(|| args.refuse())?;
    let pairs = entries
        .iter()
        .map(|(key, value)| Some((key.as_text()?.to_owned(), value.as_text()?.to_owned())));
    pairs.collect::<Option<_>>().ok_or_else(|| args.refuse())
}

/// `http.Get(url, headers)` and `http.Post(url, data, headers)`: what was answered, as an object with `statusCode`. The
/// fields of the answer are its own, and all of it is its `body` as well.
fn http<'v>(world: &World<'v>, args: &Args<'_, 'v>, ca_bundle: Option<String>, post: bool) -> Evaluated<'v> {
    let most = if post { 3 } else { 2 };
    if args.len() > most || args.len() + 1 < most {
        return Err(args.refuse());
    }
    let url = args.text(0)?.to_owned();
    let data = if post {
        Some(args.values[1].to_json(args.budget)?)
    } else {
        None
    };
    let to = Callee::Service {
        url,
        ca_bundle,
        headers: headers(args, most - 1)?,
    };
    args.budget.spend(1_000)?;
    let (body, status) = match world.facts.call(&Call { to, data }) {
        Ok(body) => (body, 200),
        Err(Unavailable::Missing(_)) => (Json::Null, 404),
        Err(Unavailable::Unknown(what)) => return Err(Failure::unknown(&what)),
        Err(Unavailable::Failed(reason)) => return Err(Failure::new(format!("request failed: {reason}"))),
    };
    args.budget.pay_for(&body)?;
    let mut answer = Map::new();
    answer.insert("body".to_owned(), body.clone());
    if let Json::Object(fields) = body {
        answer.extend(fields);
    }
    answer.insert("statusCode".to_owned(), Json::from(status));
    Value::made(Json::Object(answer), args.budget)
}

fn http_client<'v>(_: &World<'v>, args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    Ok(Own::HttpClient(args.text(0)?.to_owned()).value())
}

fn client_call<'v>(world: &World<'v>, args: &Args<'_, 'v>, post: bool) -> Evaluated<'v> {
    let Some((client, values)) = args.values.split_first() else {
        return Err(args.refuse());
    };
    let Some(Own::HttpClient(bundle)) = Own::of(client) else {
        return Err(args.refuse());
    };
    let inner = Args {
        budget: args.budget,
        name: args.name,
        values: values.to_vec(),
        pattern: None,
    };
    http(world, &inner, Some(bundle.clone()), post)
}
