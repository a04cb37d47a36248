//! Which objects a rule is about: `match` and `exclude`.
//!
//! Blocks under `any` are alternatives, those under `all` must all hold, and the old bare form
//! (`match.resources`) is one block. Within a block everything must hold, and of each list one item.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cursor::{Cursor, Refusal};
use crate::engine::Served;
use crate::request::{Operation, Request, User};
use crate::selector::Selector;
use crate::wildcard;

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

/// Who asks.
#[derive(Debug, Clone, Default)]
struct Users {
    subjects: Vec<Who>,
    roles: Vec<String>,
    cluster_roles: Vec<String>,
}

/// A subject, its name with wildcards.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    User(String),
    Group(String),
}

/// A kind selector: `Pod`, `apps/v1/Deployment`, `*/scale`, `Pod/exec`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    group: String,
    version: String,
    pub(crate) name: String,
    subresource: String,
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

/// The facts about an object that matching looks at.
pub(crate) struct Subject<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) operation: Operation,
    pub(crate) labels: BTreeMap<&'a str, &'a str>,
    pub(crate) annotations: BTreeMap<&'a str, &'a str>,
    pub(crate) namespace_labels: BTreeMap<&'a str, &'a str>,
    /// Whether the object itself is a Namespace.
    is_namespace: bool,
    /// Who asks, where that is known.
    user: Option<&'a User>,
}

impl<'a> Subject<'a> {
    /// Reads the facts from an object.
    pub(crate) fn of(
        object: &'a Value,
        namespace_labels: &'a BTreeMap<String, String>,
        operation: Operation,
        subresource: &'a str,
    ) -> Subject<'a> {
        let metadata = object.get("metadata");
        let text = |map: Option<&'a Value>, field: &str| {
            let value = map.and_then(|map| map.get(field));
            value.and_then(Value::as_str).unwrap_or_default()
        };
        let map = |field: &str| -> BTreeMap<&'a str, &'a str> {
            let map = metadata.and_then(|metadata| metadata.get(field));
            map.and_then(Value::as_object)
                .into_iter()
                .flatten()
                .filter_map(|(key, value)| Some((key.as_str(), value.as_str()?)))
                .collect()
        };
        let api_version = text(Some(object), "apiVersion");
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = text(Some(object), "kind");
        let name = match text(metadata, "name") {
            "" => text(metadata, "generateName"),
            name => name,
        };
        Subject {
            group,
            version,
            kind,
            is_namespace: kind == "Namespace",
            user: None,
            name,
            namespace: text(metadata, "namespace"),
            subresource,
            operation,
            labels: map("labels"),
            annotations: map("annotations"),
            namespace_labels: namespace_labels
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_str()))
                .collect(),
        }
    }

    /// As a request has it: who asks, and the kind that something beneath an object belongs to.
    pub(crate) fn asked_in(mut self, request: &Request<'a>) -> Subject<'a> {
        self.user = request.user;
        if let Some((api_version, kind)) = request.parent {
            (self.group, self.version) = api_version.split_once('/').unwrap_or(("", api_version));
            self.kind = kind;
        }
        self
    }
}

impl Users {
    fn read(cursor: &Cursor<'_>) -> Result<Users, Refusal> {
        let mut users = Users {
            subjects: Vec::new(),
            roles: cursor.strings("roles")?,
            cluster_roles: cursor.strings("clusterRoles")?,
        };
        if let Some(list) = cursor.field("subjects") {
            for subject in list.items()? {
                subject.only(&["kind", "name", "namespace", "apiGroup"])?;
                let (kind, name) = (
                    subject.required("kind")?,
                    subject.required("name")?.string()?.to_owned(),
                );
                users.subjects.push(match kind.string()? {
                    "User" => Who::User(name),
                    "Group" => Who::Group(name),
                    "ServiceAccount" => {
                        let namespace = subject.text("namespace")?.unwrap_or_default();
                        Who::User(format!("system:serviceaccount:{namespace}:{name}"))
                    }
                    other => {
                        return Err(kind.refuse(format!("{other:?} is none of User, Group, ServiceAccount")));
                    }
                });
            }
        }
        Ok(users)
    }

    fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.roles.is_empty() && self.cluster_roles.is_empty()
    }

    /// Of subjects, roles and cluster roles, each that is named must hold.
    fn hold(&self, user: &User) -> bool {
        let named = |wanted: &[String], has: &[String]| {
            wanted.is_empty() || wanted.iter().any(|wanted| has.contains(wanted))
        };
        let is = |who: &Who| match who {
            Who::User(name) => wildcard::matches(name, &user.name),
            Who::Group(name) => user.groups.iter().any(|group| wildcard::matches(name, group)),
        };
        named(&self.roles, &user.roles)
            && named(&self.cluster_roles, &user.cluster_roles)
            && (self.subjects.is_empty() || self.subjects.iter().any(is))
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
        let version = |kind: &Kind| match kind.version.as_str() {
            "*" => served.is_preferred(),
            version => wildcard::matches(version, served.version),
        };
        let means = |kind: &Kind| {
            version(kind)
                && wildcard::matches(&kind.group, served.group)
                && wildcard::matches(&kind.name, served.kind)
                && wildcard::matches(&kind.subresource, "")
        };
        let silent = self.blocks.iter().all(|block| block.kinds.is_empty());
        let any_kind = silent || self.combine == Combine::Any;
        self.blocks.iter().any(|block| {
            if block.kinds.is_empty() {
                any_kind && served.is_preferred()
            } else {
                block.kinds.iter().any(means)
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

impl Kind {
    /// Reads `kind`, `version/kind`, `group/version/kind`, each with `/subresource` or `.subresource`.
    pub(crate) fn parse(text: &str) -> Option<Kind> {
        let new = |group: &str, version: &str, kind: &str, subresource: &str| {
            Some(Kind {
                group: group.to_owned(),
                version: version.to_owned(),
                name: kind.to_owned(),
                subresource: subresource.to_owned(),
            })
        };
        let mut parts: Vec<&str> = text.split('/').collect();
        let last = parts.pop()?;
        parts.extend(last.split('.'));
        if parts.iter().any(|part| part.is_empty()) {
            return None;
        }
        match parts.as_slice() {
            [kind] => new("*", "*", kind, ""),
            ["*", "*"] => new("*", "*", "*", "*"),
            ["*", sub] if sub.to_lowercase() == *sub => new("*", "*", "*", sub),
            [version, kind] if is_version(version) => new("*", version, kind, ""),
            [kind, sub] => new("*", "*", kind, sub),
            [version, kind, sub] if is_version(version) => new("*", version, kind, sub),
            [group, version, kind] => new(group, version, kind, ""),
            [group, version, kind, sub] => new(group, version, kind, sub),
            _ => None,
        }
    }

    fn matches(&self, subject: &Subject<'_>) -> bool {
        let same_kind = wildcard::matches(&self.group, subject.group)
            && wildcard::matches(&self.version, subject.version)
            && wildcard::matches(&self.name, subject.kind);
        // Ephemeral containers arrive as a subresource of a pod; policies for pods mean them too.
        let ephemeral =
            subject.kind == "Pod" && subject.group.is_empty() && subject.subresource == "ephemeralcontainers";
        same_kind && (ephemeral || wildcard::matches(&self.subresource, subject.subresource))
    }
}

/// `v1`, `v1beta1`, `*`.
fn is_version(text: &str) -> bool {
    if text == "*" {
        return true;
    }
    let Some(rest) = text.strip_prefix('v') else {
        return false;
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    ["alpha", "beta"]
        .iter()
        .find_map(|stage| rest.split_once(stage))
        .map_or_else(|| digits(rest), |(major, minor)| digits(major) && digits(minor))
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "tables of json! literals read better by value"
)]
mod tests {
    use super::*;
    use crate::cursor::Origin;
    use serde_json::json;

    const ORIGIN: Origin<'_> = Origin {
        source: "test",
        document: None,
        policy: None,
    };

    fn read(matcher: &Value) -> Result<Matcher, Refusal> {
        Matcher::read(&Cursor::root(ORIGIN, matcher))
    }

    fn deployment() -> Value {
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {
                "name": "api-1",
                "namespace": "shop-dev",
                "labels": {"app": "api", "tier": "web"},
                "annotations": {"owner.io/team": "shop"},
            },
        })
    }

    #[track_caller]
    fn check(matcher: Value, expect: Match) {
        let object = deployment();
        let labels = BTreeMap::from([("environment".to_owned(), "dev".to_owned())]);
        let subject = Subject::of(&object, &labels, Operation::Create, "");
        assert_eq!(
            read(&matcher).expect("a matcher").matches(&subject),
            expect,
            "{matcher}"
        );
    }

    fn resources(resources: Value, expect: Match) {
        check(json!({"any": [{"resources": resources}]}), expect);
    }

    #[test]
    fn criteria() {
        for (field, yes, no) in [
            ("kinds", json!(["Pod", "Deployment"]), json!(["Pod"])),
            (
                "kinds",
                json!(["apps/v1/Deployment"]),
                json!(["apps/v1beta1/Deployment"]),
            ),
            (
                "kinds",
                json!(["apps/*/Deployment"]),
                json!(["batch/*/Deployment"]),
            ),
            ("kinds", json!(["v1/Deployment"]), json!(["v2/Deployment"])),
            ("kinds", json!(["*"]), json!(["Deployment/scale"])),
            ("kinds", json!(["Deploy*"]), json!(["*/scale"])),
            ("kinds", json!(["*/*"]), json!(["deployment"])),
            ("name", json!("api-*"), json!("api")),
            ("names", json!(["x", "api-?"]), json!(["x"])),
            ("namespaces", json!(["shop-*"]), json!(["shop"])),
            (
                "annotations",
                json!({"owner.io/*": "shop"}),
                json!({"owner.io/*": "bank"}),
            ),
            (
                "selector",
                json!({"matchLabels": {"app": "api"}}),
                json!({"matchLabels": {"app": "web"}}),
            ),
            (
                "selector",
                json!({"matchLabels": {"a*": "a?i"}}),
                json!({"matchLabels": {"b*": "*"}}),
            ),
            (
                "selector",
                json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web"]}]}),
                json!({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}),
            ),
            (
                "selector",
                json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
                json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
            ),
            (
                "namespaceSelector",
                json!({"matchLabels": {"environment": "dev"}}),
                json!({"matchLabels": {"environment": "production"}}),
            ),
            ("operations", json!(["CREATE", "UPDATE"]), json!(["DELETE"])),
        ] {
            resources(json!({field: yes}), Match::Yes);
            resources(json!({field: no}), Match::No);
        }
    }

    #[test]
    fn forms() {
        let yes = json!({"resources": {"kinds": ["Deployment"]}});
        let no = json!({"resources": {"kinds": ["Pod"]}});
        check(yes.clone(), Match::Yes);
        check(no.clone(), Match::No);
        check(json!({"any": [no, yes]}), Match::Yes);
        check(json!({"all": [no, yes]}), Match::No);
        check(
            json!({"all": [yes, {"resources": {"namespaces": ["shop-dev"]}}]}),
            Match::Yes,
        );
        // Criteria of one block must all hold.
        check(
            json!({"resources": {"kinds": ["Deployment"], "names": ["other"]}}),
            Match::No,
        );
    }

    #[test]
    fn subjects_depend_on_who_asks() {
        let user = json!([{"kind": "User", "name": "dana"}]);
        check(json!({"any": [{"subjects": user}]}), Match::DependsOnUser);
        check(
            json!({"any": [{"resources": {"kinds": ["Pod"]}, "subjects": user}]}),
            Match::No,
        );
        check(
            json!({"any": [{"clusterRoles": ["cluster-admin"]}, {"resources": {"kinds": ["Deployment"]}}]}),
            Match::Yes,
        );
        check(
            json!({"all": [{"clusterRoles": ["cluster-admin"]}, {"resources": {"kinds": ["Deployment"]}}]}),
            Match::DependsOnUser,
        );
        check(
            json!({"all": [{"roles": ["a"]}, {"resources": {"kinds": ["Pod"]}}]}),
            Match::No,
        );
    }

    #[test]
    fn who_asks() {
        let user = User {
            name: "system:serviceaccount:shop:deployer".to_owned(),
            groups: vec!["system:authenticated".to_owned(), "team-a".to_owned()],
            roles: vec!["shop:edit".to_owned()],
            cluster_roles: vec!["view".to_owned()],
            ..User::default()
        };
        let nobody = User::default();
        let object = deployment();
        let labels = BTreeMap::new();
        let check = |users: Value, expect: Match, excluded_by_nobody: Match| {
            let mut block = users;
            block["resources"] = json!({"kinds": ["Deployment"]});
            let matcher = read(&json!({"any": [block]})).expect("a matcher");
            let mut request = Request::new(&object);
            request.user = Some(&user);
            let subject = || Subject::of(&object, &labels, Operation::Create, "");
            assert_eq!(
                matcher.matches(&subject().asked_in(&request)),
                expect,
                "{matcher:?}"
            );
            assert_eq!(
                matcher.excludes(&subject().asked_in(&request)),
                expect,
                "{matcher:?}"
            );
            assert_eq!(matcher.matches(&subject()), Match::DependsOnUser);
            request.user = Some(&nobody);
            assert_eq!(matcher.matches(&subject().asked_in(&request)), Match::Yes);
            assert_eq!(
                matcher.excludes(&subject().asked_in(&request)),
                excluded_by_nobody
            );
        };
        let (yes, no) = (Match::Yes, Match::No);
        let subject = |kind: &str, name: &str| json!({"subjects": [{"kind": kind, "name": name}]});
        check(
            json!({"subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "dep*"}]}),
            yes,
            no,
        );
        check(
            json!({"subjects": [{"kind": "ServiceAccount", "namespace": "bank", "name": "deployer"}]}),
            no,
            no,
        );
        check(subject("User", "system:serviceaccount:shop:*"), yes, no);
        check(subject("User", "deployer"), no, no);
        check(subject("User", "*"), yes, yes);
        check(subject("Group", "team-?"), yes, no);
        check(subject("Group", "team-b"), no, no);
        check(json!({"roles": ["shop:edit", "x"]}), yes, no);
        check(json!({"roles": ["edit"]}), no, no);
        check(json!({"clusterRoles": ["view"]}), yes, no);
        check(json!({"clusterRoles": ["view"], "roles": ["x"]}), no, no);
        check(json!({"clusterRoles": ["admin"]}), no, no);
    }

    #[test]
    fn what_is_beneath_an_object() {
        let scale = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a", "namespace": "n"}});
        let mut request = Request::new(&scale);
        (request.subresource, request.parent) = ("scale", Some(("apps/v1", "Deployment")));
        let none = BTreeMap::new();
        let check = |kind: &str, expect: Match| {
            let subject = Subject::of(&scale, &none, Operation::Update, "scale").asked_in(&request);
            let matcher = read(&json!({"resources": {"kinds": [kind]}})).expect("read");
            assert_eq!(matcher.matches(&subject), expect, "{kind}");
        };
        check("Deployment/scale", Match::Yes);
        check("apps/v1/Deployment/scale", Match::Yes);
        check("*/scale", Match::Yes);
        check("StatefulSet/scale", Match::No);
        check("Deployment", Match::No);
        check("Scale", Match::No);
    }

    #[test]
    fn a_namespace_is_matched_by_its_own_name() {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop-dev"}});
        let labels = BTreeMap::from([("environment".to_owned(), "dev".to_owned())]);
        let subject = Subject::of(&object, &labels, Operation::Create, "");
        let matches = |resources: Value| {
            read(&json!({"resources": resources}))
                .expect("read")
                .matches(&subject)
        };
        assert_eq!(matches(json!({"namespaces": ["shop-*"]})), Match::Yes);
        assert_eq!(
            matches(json!({"namespaceSelector": {"matchLabels": {"environment": "dev"}}})),
            Match::No
        );
    }

    #[test]
    fn subresources() {
        let object = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}});
        let none = BTreeMap::new();
        let check = |kind: &str, subresource: &str, expect: Match| {
            let subject = Subject::of(&object, &none, Operation::Connect, subresource);
            let matcher = read(&json!({"resources": {"kinds": [kind]}})).expect("read");
            assert_eq!(matcher.matches(&subject), expect, "{kind} on {subresource:?}");
        };
        check("Pod/exec", "exec", Match::Yes);
        check("Pod.exec", "exec", Match::Yes);
        check("v1/Pod/exec", "exec", Match::Yes);
        check("Pod/*", "exec", Match::Yes);
        check("*/exec", "exec", Match::Yes);
        check("*/*", "exec", Match::Yes);
        check("Pod", "exec", Match::No);
        check("Pod/exec", "", Match::No);
        check("Pod", "ephemeralcontainers", Match::Yes);
    }

    #[test]
    fn what_cannot_be_read() {
        for matcher in [
            json!({"any": [{"resources": {"kinds": ["Pod"], "knids": []}}]}),
            json!({"any": [{}]}),
            json!({"any": [{"resources": {"kinds": ["Pod"]}}], "all": [{"resources": {"kinds": ["Pod"]}}]}),
            json!({"any": [{"resources": {"kinds": ["Pod"]}}], "resources": {"kinds": ["Pod"]}}),
            json!({"resources": {"kinds": "Pod"}}),
            json!({"resources": {"kinds": ["a//b"]}}),
            json!({"resources": {"operations": ["create"]}}),
            json!({"subjects": [{"kind": "Team", "name": "a"}]}),
            json!({"subjects": [{"kind": "User"}]}),
            json!({"roles": "a"}),
            json!({"resources": {"selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}}),
            json!({"resources": {"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}}),
            json!([]),
        ] {
            assert!(read(&matcher).is_err(), "{matcher}");
        }
    }
}
