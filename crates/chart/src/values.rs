//! Coalescing values: what the user gives over what the chart and its subcharts set, with globals flowing
//! down and null taking defaults away. Follows Helm's `pkg/chart/common/util/coalesce.go` step by step.

use serde_json::{Map, Value as Json};

use crate::dependencies::Instance;

type Table = Map<String, Json>;

const GLOBAL: &str = "global";

/// The values for a chart and everything below it. Null takes away what it stands for.
pub(crate) fn coalesce_values(chart: &Instance<'_>, values: &Table) -> Result<Table, String> {
    let mut values = values.clone();
    coalesce(chart, &mut values, false)?;
    Ok(values)
}

/// The same, but nulls stay.
pub(crate) fn merge_values(chart: &Instance<'_>, values: &Table) -> Result<Table, String> {
    let mut values = values.clone();
    coalesce(chart, &mut values, true)?;
    Ok(values)
}

fn coalesce(chart: &Instance<'_>, values: &mut Table, merge: bool) -> Result<(), String> {
    coalesce_own(chart, values, merge);
    for child in &chart.children {
        let mut own = match values.remove(&child.name) {
            None => Table::new(),
            Some(Json::Object(own)) => own,
            Some(other) => {
                return Err(format!(
                    "type mismatch on {}: a mapping is wanted, not {other}",
                    child.name
                ));
            }
        };
        coalesce_globals(&mut own, values);
        coalesce(child, &mut own, merge)?;
        values.insert(child.name.clone(), Json::Object(own));
    }
    Ok(())
}

/// Lets a parent's globals flow into a child's values; the parent's win.
fn coalesce_globals(child: &mut Table, parent: &mut Table) {
    let mut own = match child.remove(GLOBAL) {
        None => Table::new(),
        Some(Json::Object(own)) => own,
        Some(other) => {
            child.insert(GLOBAL.to_owned(), other);
            return;
        }
    };
    if let Some(globals) = parent.get_mut(GLOBAL) {
        let Json::Object(globals) = globals else {
            child.insert(GLOBAL.to_owned(), Json::Object(own));
            return;
        };
        for (key, value) in globals.iter_mut() {
            match (value, own.get_mut(key)) {
                (Json::Object(theirs), Some(Json::Object(mine))) => {
                    let mut merged = theirs.clone();
                    merge_tables(&mut merged, std::mem::take(mine));
                    // Inner tables are shared in Helm, so the parent sees what the child adds to them.
                    for (name, inner) in theirs.iter_mut() {
                        if let (Json::Object(inner), Some(Json::Object(grown))) = (inner, merged.get(name)) {
                            inner.clone_from(grown);
                        }
                    }
                    *mine = merged;
                }
                (Json::Object(_), Some(_)) | (_, Some(Json::Object(_))) => {}
                (value, _) => {
                    own.insert(key.clone(), value.clone());
                }
            }
        }
    }
    child.insert(GLOBAL.to_owned(), Json::Object(own));
}

/// Fills in a chart's own defaults.
fn coalesce_own(chart: &Instance<'_>, values: &mut Table, merge: bool) {
    for (key, default) in chart.values.iter() {
        match values.get_mut(key) {
            Some(Json::Null) if !merge => {
                values.remove(key);
            }
            Some(Json::Object(given)) => {
                if let Json::Object(default) = default {
                    let merge = merge || chart.children.iter().any(|child| child.name == *key);
                    let mut default = default.clone();
                    if !merge {
                        clean_nulls(&mut default);
                    }
                    coalesce_tables(given, default, merge);
                }
            }
            Some(_) => {}
            None => {
                let mut default = default.clone();
                if !merge {
                    match &mut default {
                        Json::Null => continue,
                        Json::Object(table) => clean_nulls(table),
                        _ => {}
                    }
                }
                values.insert(key.clone(), default);
            }
        }
    }
}

/// Merges a table under another, nulls kept.
pub(crate) fn merge_tables(into: &mut Table, from: Table) {
    coalesce_tables(into, from, true);
}

fn coalesce_tables(into: &mut Table, mut from: Table, merge: bool) {
    let set: Vec<String> = from
        .iter()
        .filter(|(_, value)| !value.is_null())
        .map(|(key, _)| key.clone())
        .collect();
    for (key, value) in into.iter() {
        if value.is_null() {
            from.insert(key.clone(), Json::Null);
        }
    }
    for (key, value) in from {
        match into.get_mut(&key) {
            Some(Json::Null) if !merge && set.contains(&key) => {
                into.remove(&key);
            }
            None => {
                into.insert(key, value);
            }
            Some(Json::Object(inner)) => {
                if let Json::Object(value) = value {
                    coalesce_tables(inner, value, merge);
                }
            }
            Some(_) => {}
        }
    }
}

fn clean_nulls(table: &mut Table) {
    table.retain(|_, value| !value.is_null());
    for value in table.values_mut() {
        if let Json::Object(inner) = value {
            clean_nulls(inner);
        }
    }
}

/// Lays one map over another, table by table.
pub(crate) fn merge_maps(into: &mut Table, over: Table) {
    for (key, value) in over {
        match (into.get_mut(&key), value) {
            (Some(Json::Object(inner)), Json::Object(value)) => merge_maps(inner, value),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The table at a dotted path.
pub(crate) fn table<'values>(values: &'values Table, path: &str) -> Option<&'values Table> {
    path.split('.')
        .try_fold(values, |table, step| match table.get(step) {
            Some(Json::Object(inner)) => Some(inner),
            _ => None,
        })
}

/// The value at a dotted path that is no table.
pub(crate) fn path_value<'values>(values: &'values Table, path: &str) -> Option<&'values Json> {
    let (table_path, key) = path
        .rsplit_once('.')
        .map_or((None, path), |(table, key)| (Some(table), key));
    let table = table_path.map_or(Some(values), |path| table(values, path))?;
    table.get(key).filter(|value| !value.is_object())
}
