//! Functions of lists and sets.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::{Args, Style, Table, no_overload};
use crate::budget::Budget;
use crate::evaluate::Evaluated;
use crate::failure::Failure;
use crate::value::{Key, Value};

pub(super) const TABLE: Table = &[
    ("isSorted", Style::Method, is_sorted),
    ("includes", Style::Method, includes),
    ("sum", Style::Method, sum),
    ("min", Style::Method, min),
    ("max", Style::Method, max),
    ("slice", Style::Method, slice),
    ("flatten", Style::Method, flatten),
    ("sort", Style::Method, sort),
    ("distinct", Style::Method, distinct),
    ("first", Style::Method, first),
    ("last", Style::Method, last),
    ("lists.range", Style::Plain, range),
    ("sets.contains", Style::Plain, sets_contains),
    ("sets.equivalent", Style::Plain, sets_equivalent),
    ("sets.intersects", Style::Plain, sets_intersects),
];

fn ordered<'v>(name: &str, left: &Value<'v>, right: &Value<'v>) -> Result<Ordering, Failure> {
    match left.order(right) {
        Some(order) => order.ok_or_else(super::not_ordered),
        None => Err(no_overload(name, &[left.clone(), right.clone()])),
    }
}

fn is_sorted<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    for pair in args.items(0)?.windows(2) {
        if ordered(args.name, &pair[0], &pair[1])?.is_gt() {
            return Ok(Value::Bool(false));
        }
    }
    Ok(Value::Bool(true))
}

fn sum<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let mut items = args.items(0)?.into_iter();
    let Some(mut total) = items.next() else {
        return Ok(Value::Int(0));
    };
    if !matches!(
        total,
        Value::Int(_) | Value::UInt(_) | Value::Double(_) | Value::Duration(_)
    ) {
        return Err(args.refuse());
    }
    for item in items {
        total = super::arithmetic(super::super::parse::Operator::Add, total, item, args.budget)?;
    }
    Ok(total)
}

/// The first of the items that comes before, or after, all others; `None` of none.
pub(super) fn extreme<'v>(
    items: Vec<Value<'v>>,
    wanted: Ordering,
    order: impl Fn(&Value<'v>, &Value<'v>) -> Result<Ordering, Failure>,
) -> Result<Option<Value<'v>>, Failure> {
    let mut items = items.into_iter();
    let Some(mut best) = items.next() else {
        return Ok(None);
    };
    for item in items {
        if order(&item, &best)? == wanted {
            best = item;
        }
    }
    Ok(Some(best))
}

fn extreme_item<'v>(args: &Args<'_, 'v>, wanted: Ordering) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let order = |left: &Value<'v>, right: &Value<'v>| ordered(args.name, left, right);
    extreme(args.items(0)?, wanted, order)?
        .ok_or_else(|| Failure::new(format!("{} called on an empty list", args.name)))
}

fn min<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    extreme_item(args, Ordering::Less)
}

fn max<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    extreme_item(args, Ordering::Greater)
}

fn place<'v>(args: &Args<'_, 'v>, backwards: bool) -> Evaluated<'v> {
    let [_, wanted] = args.exactly()?;
    let items = args.items(0)?;
    let mut found = None;
    for (index, item) in items.iter().enumerate() {
        if item.same(wanted, args.budget)? {
            found = Some(index);
            if !backwards {
                break;
            }
        }
    }
    Ok(Value::Int(found.map_or(-1, |index| index as i64)))
}

pub(super) fn index_of<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    place(args, false)
}

pub(super) fn last_index_of<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    place(args, true)
}

/// Whether a value is in a list, or is the value itself.
fn includes<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [value, wanted] = args.exactly()?;
    Ok(Value::Bool(match value.list_len() {
        Some(_) => super::contains(value, wanted, args.budget)?,
        None => value.same(wanted, args.budget)?,
    }))
}

fn slice<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<3>()?;
    let items = args.items(0)?;
    let (from, to) = (usize::try_from(args.int(1)?), usize::try_from(args.int(2)?));
    match (from, to) {
        (Ok(from), Ok(to)) if from <= to && to <= items.len() => Value::list(items[from..to].to_vec()),
        _ => Err(Failure::new("a slice is outside of its list")),
    }
}

fn flatten<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let depth = match args.len() {
        1 => 1,
        2 => args.int(1)?,
        _ => return Err(args.refuse()),
    };
    if depth < 0 {
        return Err(Failure::new("level must be non-negative"));
    }
    let mut flat = Vec::new();
    flatten_into(&mut flat, args.items(0)?, depth, args.budget)?;
    Value::list(flat)
}

/// Lists do not nest deeper than a value may, which bounds this.
fn flatten_into<'v>(
    flat: &mut Vec<Value<'v>>,
    items: Vec<Value<'v>>,
    depth: i64,
    budget: &Budget,
) -> Result<(), Failure> {
    budget.spend(1 + items.len())?;
    for item in items {
        match item.elements().filter(|_| depth > 0 && item.list_len().is_some()) {
            Some(inner) => flatten_into(flat, inner, depth - 1, budget)?,
            None => flat.push(item),
        }
    }
    Ok(())
}

fn sort<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let items = args.items(0)?;
    sort_pairs(
        items.into_iter().map(|item| (item.clone(), item)).collect(),
        args.budget,
    )
}

/// The second of each pair, in the order of the first.
pub(crate) fn sort_pairs<'v>(mut pairs: Vec<(Value<'v>, Value<'v>)>, budget: &Budget) -> Evaluated<'v> {
    budget.spend(pairs.len() * 8)?;
    for pair in pairs.windows(2) {
        if std::mem::discriminant(&pair[0].0) != std::mem::discriminant(&pair[1].0) {
            return Err(Failure::new("list elements must have the same type"));
        }
        ordered("sort", &pair[0].0, &pair[1].0)?;
    }
    if let Some((only, _)) = pairs.first() {
        ordered("sort", only, only)?;
    }
    pairs.sort_by(|(left, _), (right, _)| left.order(right).flatten().unwrap_or(Ordering::Equal));
    Value::list(pairs.into_iter().map(|(_, value)| value).collect())
}

fn distinct<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let mut seen = BTreeSet::new();
    let mut kept: Vec<Value<'v>> = Vec::new();
    for item in args.items(0)? {
        // Texts and numbers are found by their order, everything else by looking at all.
        if let Some(key) = Key::of(&item) {
            if seen.insert(key) {
                kept.push(item);
            }
            continue;
        }
        let mut known = false;
        for other in &kept {
            known = known || other.same(&item, args.budget)?;
        }
        if !known {
            kept.push(item);
        }
    }
    Value::list(kept)
}

fn first<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [list] = args.exactly()?;
    list.list_len().ok_or_else(|| args.refuse())?;
    list.item(0).map_or(Ok(Value::Optional(None)), Value::some)
}

fn last<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [list] = args.exactly()?;
    let length = list.list_len().ok_or_else(|| args.refuse())?;
    list.item(length.wrapping_sub(1))
        .map_or(Ok(Value::Optional(None)), Value::some)
}

fn range<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<1>()?;
    let count = args.int(0)?;
    args.budget.spend(usize::try_from(count).unwrap_or(0))?;
    Value::list((0..count).map(Value::Int).collect())
}

/// Whether every item of the second list is in the first.
fn within(args: &Args<'_, '_>, outer: usize, inner: usize) -> Result<bool, Failure> {
    let container = args.values.get(outer).ok_or_else(|| args.refuse())?;
    container.list_len().ok_or_else(|| args.refuse())?;
    for item in args.items(inner)? {
        if !super::contains(container, &item, args.budget)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn sets_contains<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    within(args, 0, 1).map(Value::Bool)
}

fn sets_equivalent<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    args.exactly::<2>()?;
    Ok(Value::Bool(within(args, 0, 1)? && within(args, 1, 0)?))
}

fn sets_intersects<'v>(args: &Args<'_, 'v>) -> Evaluated<'v> {
    let [left, _] = args.exactly()?;
    left.list_len().ok_or_else(|| args.refuse())?;
    for item in args.items(1)? {
        if super::contains(left, &item, args.budget)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}
