//! Which subcharts take part in a render, and under which name: conditions, tags, aliases and imported
//! values. Follows Helm's `pkg/chart/v2/util/dependencies.go`.

use std::borrow::Cow;

use serde_json::{Map, Value as Json};

use crate::chart::Chart;
use crate::metadata::{Dependency, Import};
use crate::values::{coalesce_values, merge_tables, merge_values, path_value, table};
use crate::version::is_compatible;

/// A chart in the tree of one render: under its name there, with the subcharts that take part.
pub(crate) struct Instance<'chart> {
    pub(crate) chart: &'chart Chart,
    /// Its alias, or its own name.
    pub(crate) name: String,
    /// Its default values, with what it imports.
    pub(crate) values: Cow<'chart, Map<String, Json>>,
    pub(crate) children: Vec<Instance<'chart>>,
    /// The dependencies that are enabled, if the chart names any.
    dependencies: Option<Vec<Dependency>>,
}

impl<'chart> Instance<'chart> {
    /// A chart with everything below it, nothing decided yet.
    fn whole(chart: &'chart Chart) -> Self {
        Self {
            chart,
            name: chart.metadata.name.clone(),
            values: Cow::Borrowed(&chart.values),
            children: chart.subcharts.iter().map(Self::whole).collect(),
            dependencies: chart.metadata.dependencies.clone(),
        }
    }

    /// The tree for a render with these values.
    pub(crate) fn resolve(chart: &'chart Chart, values: &Map<String, Json>) -> Result<Self, String> {
        let mut root = Self::whole(chart);
        if chart.subcharts.is_empty() && chart.metadata.dependencies.is_none() {
            return Ok(root);
        }
        root.enable(values, "")?;
        root.import()?;
        Ok(root)
    }

    fn enable(&mut self, values: &Map<String, Json>, path: &str) -> Result<(), String> {
        let Some(mut dependencies) = self.dependencies.take() else {
            return Ok(());
        };
        let found = std::mem::take(&mut self.children);
        let mut children: Vec<Self> = Vec::new();
        for child in &found {
            let is_named = dependencies.iter().any(|dependency| {
                dependency.name == child.name
                    && is_compatible(&dependency.version, &child.chart.metadata.version)
            });
            if !is_named {
                children.push(Self::whole(child.chart));
            }
        }
        for dependency in &mut dependencies {
            let child = found.iter().find(|child| {
                child.name == dependency.name
                    && is_compatible(&dependency.version, &child.chart.metadata.version)
            });
            if let Some(child) = child {
                let mut child = Self::whole(child.chart);
                if !dependency.alias.is_empty() {
                    child.name.clone_from(&dependency.alias);
                }
                children.push(child);
            }
            if !dependency.alias.is_empty() {
                dependency.name.clone_from(&dependency.alias);
            }
        }
        self.children = children;
        let coalesced = coalesce_values(self, values)?;
        let enabled: Vec<bool> = dependencies
            .iter()
            .map(|dependency| is_enabled(dependency, &coalesced, path))
            .collect();
        let disabled: Vec<&str> = dependencies
            .iter()
            .zip(&enabled)
            .filter(|(_, enabled)| !**enabled)
            .map(|(dependency, _)| dependency.name.as_str())
            .collect();
        self.children
            .retain(|child| !disabled.contains(&child.name.as_str()));
        let kept: Vec<Dependency> = dependencies
            .iter()
            .filter(|dependency| !disabled.contains(&dependency.name.as_str()))
            .cloned()
            .collect();
        for child in &mut self.children {
            let path = format!("{path}{}.", child.name);
            child.enable(&coalesced, &path)?;
        }
        self.dependencies = (!kept.is_empty()).then_some(kept);
        Ok(())
    }

    fn import(&mut self) -> Result<(), String> {
        for child in &mut self.children {
            child.import()?;
        }
        let Some(dependencies) = self.dependencies.take() else {
            return Ok(());
        };
        let mut own = merge_values(self, &Map::new())?;
        let mut imported = Map::new();
        for dependency in &dependencies {
            for import in &dependency.imports {
                let (child, parent) = match import {
                    Import::Export(name) => (format!("exports.{name}"), "."),
                    Import::Move { child, parent } => (child.clone(), parent.as_str()),
                };
                let Some(found) = table(&own, &format!("{}.{child}", dependency.name)) else {
                    continue;
                };
                merge_tables(&mut imported, nested(parent, found.clone()));
            }
        }
        merge_tables(&mut own, imported);
        self.values = Cow::Owned(own);
        Ok(())
    }

    /// The names of dependencies that `charts/` does not hold.
    pub(crate) fn missing(chart: &Chart) -> Vec<&str> {
        chart
            .metadata
            .dependencies
            .iter()
            .flatten()
            .filter(|dependency| {
                chart
                    .subcharts
                    .iter()
                    .all(|child| child.metadata.name != dependency.name)
            })
            .map(|dependency| dependency.name.as_str())
            .collect()
    }
}

/// A condition decides if it finds a boolean; otherwise the tags do.
fn is_enabled(dependency: &Dependency, values: &Map<String, Json>, path: &str) -> bool {
    for condition in dependency
        .condition
        .trim()
        .split(',')
        .filter(|condition| !condition.is_empty())
    {
        if let Some(Json::Bool(decided)) = path_value(values, &format!("{path}{condition}")) {
            return *decided;
        }
    }
    let Some(tags) = table(values, "tags") else {
        return true;
    };
    let set: Vec<bool> = dependency
        .tags
        .iter()
        .filter_map(|tag| tags.get(tag).and_then(Json::as_bool))
        .collect();
    set.is_empty() || set.contains(&true)
}

/// Puts a table at a dotted path.
fn nested(path: &str, table: Map<String, Json>) -> Map<String, Json> {
    if path == "." {
        return table;
    }
    path.rsplit('.').fold(table, |inner, step| {
        let mut outer = Map::new();
        outer.insert(step.to_owned(), Json::Object(inner));
        outer
    })
}
