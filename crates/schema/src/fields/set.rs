//! Sets of field paths. A path is in the set or it is not; that a parent is in the set says nothing
//! of its children.

use std::collections::BTreeMap;

use super::element::Element;
use crate::model::Schema;

/// A set of field paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSet {
    nodes: BTreeMap<Element, Node>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// Whether the path that ends here is in the set.
    pub(crate) member: bool,
    /// The paths that go on from here.
    pub(crate) below: FieldSet,
}

impl Node {
    fn is_empty(&self) -> bool {
        !self.member && self.below.is_empty()
    }
}

impl FieldSet {
    /// The empty set.
    pub fn new() -> FieldSet {
        FieldSet::default()
    }

    /// A set of plain field paths, each a list of names.
    pub fn of_fields(paths: &[&[&str]]) -> FieldSet {
        let mut set = FieldSet::new();
        for path in paths {
            let path: Vec<Element> = path.iter().map(|name| Element::field(*name)).collect();
            set.insert(&path);
        }
        set
    }

    /// Whether no path is in the set.
    pub fn is_empty(&self) -> bool {
        self.nodes.values().all(Node::is_empty)
    }

    /// How many paths are in the set.
    pub fn len(&self) -> usize {
        self.nodes
            .values()
            .map(|node| usize::from(node.member) + node.below.len())
            .sum()
    }

    /// Adds a path (not its parents). The empty path, the object as a whole, is nobody's.
    pub fn insert(&mut self, path: &[Element]) {
        let Some((last, parents)) = path.split_last() else {
            return;
        };
        let mut set = self;
        for element in parents {
            set = &mut set.nodes.entry(element.clone()).or_default().below;
        }
        set.nodes.entry(last.clone()).or_default().member = true;
    }

    /// Whether a path is in the set.
    pub fn has(&self, path: &[Element]) -> bool {
        let Some((last, parents)) = path.split_last() else {
            return false;
        };
        let mut set = self;
        for element in parents {
            match set.nodes.get(element) {
                Some(node) => set = &node.below,
                None => return false,
            }
        }
        set.nodes.get(last).is_some_and(|node| node.member)
    }

    /// The paths that start with an element, without it.
    pub fn below(&self, element: &Element) -> Option<&FieldSet> {
        self.nodes
            .get(element)
            .map(|node| &node.below)
            .filter(|below| !below.is_empty())
    }

    /// Whether the path of this one element is in the set.
    pub fn has_element(&self, element: &Element) -> bool {
        self.nodes.get(element).is_some_and(|node| node.member)
    }

    /// Every path, parents before children, in order.
    pub fn paths(&self) -> Vec<Vec<Element>> {
        fn walk(set: &FieldSet, prefix: &mut Vec<Element>, found: &mut Vec<Vec<Element>>) {
            for (element, node) in &set.nodes {
                if node.member {
                    let mut path = prefix.clone();
                    path.push(element.clone());
                    found.push(path);
                }
            }
            for (element, node) in &set.nodes {
                prefix.push(element.clone());
                walk(&node.below, prefix, found);
                prefix.pop();
            }
        }
        let mut found = Vec::new();
        walk(self, &mut Vec::new(), &mut found);
        found
    }

    /// Paths in either set.
    #[must_use]
    pub fn union(&self, other: &FieldSet) -> FieldSet {
        let mut nodes = self.nodes.clone();
        for (element, node) in &other.nodes {
            match nodes.get_mut(element) {
                Some(own) => {
                    own.member |= node.member;
                    own.below = own.below.union(&node.below);
                }
                None => {
                    nodes.insert(element.clone(), node.clone());
                }
            }
        }
        FieldSet { nodes }
    }

    /// Paths in both sets.
    #[must_use]
    pub fn intersection(&self, other: &FieldSet) -> FieldSet {
        self.combine(|element, node| {
            let other = other.nodes.get(element)?;
            Some(Node {
                member: node.member && other.member,
                below: node.below.intersection(&other.below),
            })
        })
    }

    /// Paths in this set and not in the other.
    #[must_use]
    pub fn difference(&self, other: &FieldSet) -> FieldSet {
        self.combine(|element, node| {
            Some(match other.nodes.get(element) {
                Some(other) => Node {
                    member: node.member && !other.member,
                    below: node.below.difference(&other.below),
                },
                None => node.clone(),
            })
        })
    }

    /// Paths in this set that are neither in the other nor below one that is.
    #[must_use]
    pub fn without_below(&self, other: &FieldSet) -> FieldSet {
        self.combine(|element, node| match other.nodes.get(element) {
            Some(other) if other.member => None,
            Some(other) => Some(Node {
                member: node.member,
                below: node.below.without_below(&other.below),
            }),
            None => Some(node.clone()),
        })
    }

    fn combine(&self, keep: impl Fn(&Element, &Node) -> Option<Node>) -> FieldSet {
        let mut nodes = BTreeMap::new();
        for (element, node) in &self.nodes {
            if let Some(node) = keep(element, node).filter(|node| !node.is_empty()) {
                nodes.insert(element.clone(), node);
            }
        }
        FieldSet { nodes }
    }

    /// The set with every named struct field on the way to a path added. Items and map entries that
    /// are only passed through are not added: nobody need own them for their children to be owned.
    #[must_use]
    pub(crate) fn with_struct_fields(&self, schema: Option<&Schema>) -> FieldSet {
        let mut nodes = BTreeMap::new();
        for (element, node) in &self.nodes {
            let (named, child) = match (element, schema) {
                (Element::Field(name), Some(schema)) => {
                    (schema.fields.contains_key(name), schema.child(name))
                }
                (Element::Key(_), Some(schema)) => (false, schema.items.as_ref().map(crate::model::Ref::get)),
                _ => (false, None),
            };
            let below = node.below.with_struct_fields(child);
            let member = node.member || (named && !below.is_empty());
            nodes.insert(element.clone(), Node { member, below });
        }
        FieldSet { nodes }
    }

    pub(crate) fn nodes(&self) -> &BTreeMap<Element, Node> {
        &self.nodes
    }

    pub(crate) fn insert_node(&mut self, element: Element, node: Node) {
        if !node.is_empty() {
            self.nodes.insert(element, node);
        }
    }
}
