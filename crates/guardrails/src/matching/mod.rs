//! Which objects a rule is about: `match` and `exclude`.
//!
//! Blocks under `any` are alternatives, those under `all` must all hold, and the old bare form
//! (`match.resources`) is one block. Within a block everything must hold, and of each list one item.

mod kind;
mod subject;
#[cfg(test)]
mod tests;
mod users;

use self::users::Users;
use crate::cursor::{Cursor, Refusal};
use crate::engine::Served;
use crate::request::{Operation, User};
use crate::selector::Selector;
use crate::wildcard;

pub(crate) use self::kind::Kind;
pub(crate) use self::subject::Subject;

/// A `match` or `exclude`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Matcher {
    blocks: Vec<Block>,
    combine: Combine,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Combine {
    #[default]
    Any,
    All,
}

/// One block of criteria.
#[derive(Debug, Clone, Default)]
pub(crate) struct Block {
    kinds: Vec<Kind>,
    names: Vec<String>,
    namespaces: Vec<String>,
    annotations: Vec<(String, String)>,
    selector: Option<Selector>,
    namespace_selector: Option<Selector>,
    operations: Vec<Operation>,
    users: Users,
}

/// What a matcher says about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Match {
    Yes,
    No,
    /// It depends on who asks.
    DependsOnUser,
}

impl Match {
    /// Both must hold.
    fn and(self, other: Match) -> Match {
        match (self, other) {
            (Match::No, _) | (_, Match::No) => Match::No,
            (Match::Yes, Match::Yes) => Match::Yes,
            _ => Match::DependsOnUser,
        }
    }

    /// One of both must hold.
    fn or(self, other: Match) -> Match {
        match (self, other) {
            (Match::Yes, _) | (_, Match::Yes) => Match::Yes,
            (Match::No, Match::No) => Match::No,
            _ => Match::DependsOnUser,
        }
    }

    fn from(holds: bool) -> Match {
        if holds { Match::Yes } else { Match::No }
    }
}

impl Matcher {
    /// Reads a `match` or `exclude`.
    pub(crate) fn read(cursor: &Cursor<'_>) -> Result<Matcher, Refusal> {
        cursor.only(&["any", "all", "resources", "subjects", "roles", "clusterRoles"])?;
        let list = |key: &str| match cursor.field(key) {
            None => Ok(Vec::new()),
            Some(list) => list
                .items()?
                .iter()
                .map(Block::read)
                .collect::<Result<Vec<_>, _>>(),
        };
        let (any, all) = (list("any")?, list("all")?);
        let bare = Cursor {
            value: cursor.value,
            ..cursor.clone()
        };
        let bare = Block::read_bare(&bare)?;
        if !any.is_empty() && !all.is_empty() {
            return Err(cursor.refuse("any and all cannot stand beside each other"));
        }
        if (!any.is_empty() || !all.is_empty()) && !bare.is_empty() {
            return Err(cursor.refuse("the old form cannot stand beside any or all"));
        }
        Ok(if !any.is_empty() {
            Matcher {
                blocks: any,
                combine: Combine::Any,
            }
        } else if !all.is_empty() {
            Matcher {
                blocks: all,
                combine: Combine::All,
            }
        } else if bare.is_empty() {
            Matcher::default()
        } else {
            Matcher {
                blocks: vec![bare],
                combine: Combine::All,
            }
        })
    }

    /// Whether nothing is said at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Whether an object is meant. Without anybody who asks, as in a scan, criteria about that are left out.
    pub(crate) fn matches(&self, subject: &Subject<'_>) -> Match {
        let nobody = subject.user.is_some_and(|user| *user == User::default());
        self.combined(|block| {
            if !nobody || block.users.is_empty() {
                block.matches(subject)
            } else {
                Match::from(!block.describes_nothing() && block.describes(subject))
            }
        })
    }

    /// Whether an object is left out.
    pub(crate) fn excludes(&self, subject: &Subject<'_>) -> Match {
        self.combined(|block| block.matches(subject))
    }

    fn combined(&self, each: impl Fn(&Block) -> Match) -> Match {
        let each = self.blocks.iter().map(each);
        match self.combine {
            Combine::Any => each.fold(Match::No, Match::or),
            Combine::All if self.blocks.is_empty() => Match::No,
            Combine::All => each.fold(Match::Yes, Match::and),
        }
    }

    /// Whether objects of a kind may be meant.
    pub(crate) fn may_mean(&self, served: &Served<'_>) -> bool {
        let silent = self.blocks.iter().all(|block| block.kinds.is_empty());
        let any_kind = silent || self.combine == Combine::Any;
        self.blocks.iter().any(|block| {
            if block.kinds.is_empty() {
                any_kind && served.is_preferred()
            } else {
                block.kinds.iter().any(|kind| kind.may_mean(served))
            }
        })
    }

    /// The plain kinds a matcher can match, or `None` when it could be any kind.
    pub(crate) fn plain_kinds(&self) -> Option<Vec<&str>> {
        let mut kinds = Vec::new();
        for block in &self.blocks {
            if block.kinds.is_empty() || block.kinds.iter().any(|kind| wildcard::has_wildcard(&kind.name)) {
                // A block of `all` without kinds takes nothing away from the others.
                if self.combine == Combine::All && self.blocks.len() > 1 {
                    continue;
                }
                return None;
            }
            kinds.extend(block.kinds.iter().map(|kind| kind.name.as_str()));
        }
        (!kinds.is_empty()).then_some(kinds)
    }
}

impl Block {
    fn read(cursor: &Cursor<'_>) -> Result<Block, Refusal> {
        cursor.only(&["resources", "subjects", "roles", "clusterRoles"])?;
        let block = Block::read_bare(cursor)?;
        if block.is_empty() {
            Err(cursor.refuse("this block says nothing"))
        } else {
            Ok(block)
        }
    }

    fn read_bare(cursor: &Cursor<'_>) -> Result<Block, Refusal> {
        let mut block = Block {
            users: Users::read(cursor)?,
            ..Block::default()
        };
        let Some(resources) = cursor.field("resources") else {
            return Ok(block);
        };
        resources.only(&[
            "kinds",
            "name",
            "names",
            "namespaces",
            "annotations",
            "selector",
            "namespaceSelector",
            "operations",
        ])?;
        if let Some(kinds) = resources.field("kinds") {
            for item in kinds.items()? {
                let kind = Kind::parse(item.string()?).ok_or_else(|| item.refuse("this is no kind"))?;
                block.kinds.push(kind);
            }
        }
        block.names = resources.strings("names")?;
        if let Some(name) = resources.text("name")? {
            block.names.push(name.to_owned());
        }
        block.namespaces = resources.strings("namespaces")?;
        block.annotations = resources.string_map("annotations")?;
        block.selector = resources
            .field("selector")
            .map(|selector| Selector::read(&selector))
            .transpose()?;
        block.namespace_selector = resources
            .field("namespaceSelector")
            .map(|selector| Selector::read(&selector))
            .transpose()?;
        if let Some(operations) = resources.field("operations") {
            for item in operations.items()? {
                let operation = Operation::parse(item.string()?)
                    .ok_or_else(|| item.refuse("an operation is one of CREATE, UPDATE, DELETE, CONNECT"))?;
                block.operations.push(operation);
            }
        }
        Ok(block)
    }

    fn is_empty(&self) -> bool {
        self.users.is_empty() && self.describes_nothing()
    }

    /// Whether only who asks counts.
    fn describes_nothing(&self) -> bool {
        self.kinds.is_empty()
            && self.names.is_empty()
            && self.namespaces.is_empty()
            && self.annotations.is_empty()
            && self.selector.is_none()
            && self.namespace_selector.is_none()
            && self.operations.is_empty()
    }

    fn matches(&self, subject: &Subject<'_>) -> Match {
        if !self.describes(subject) {
            return Match::No;
        }
        match subject.user {
            _ if self.users.is_empty() => Match::Yes,
            Some(user) => Match::from(self.users.hold(user)),
            None => Match::DependsOnUser,
        }
    }

    /// Whether the object is one of those described, whoever asks.
    fn describes(&self, subject: &Subject<'_>) -> bool {
        (self.operations.is_empty() || self.operations.contains(&subject.operation))
            && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kind.matches(subject)))
            && (self.names.is_empty()
                || self
                    .names
                    .iter()
                    .any(|name| wildcard::matches(name, subject.name)))
            && self.namespaces_match(subject)
            && self.annotations.iter().all(|(key, value)| {
                subject
                    .annotations
                    .iter()
                    .any(|(name, text)| wildcard::matches(key, name) && wildcard::matches(value, text))
            })
            && self
                .selector
                .as_ref()
                .is_none_or(|selector| selector.matches(&subject.labels))
            && self.namespace_selector.as_ref().is_none_or(|selector| {
                // A namespace is not in a namespace.
                !subject.is_namespace && selector.matches(&subject.namespace_labels)
            })
    }

    fn namespaces_match(&self, subject: &Subject<'_>) -> bool {
        let namespace = if subject.is_namespace {
            subject.name
        } else {
            subject.namespace
        };
        self.namespaces.is_empty()
            || self
                .namespaces
                .iter()
                .any(|pattern| wildcard::matches(pattern, namespace))
    }
}
