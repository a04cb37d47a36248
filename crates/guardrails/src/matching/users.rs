//! Who asks: subjects, roles and cluster roles of a block.

use crate::cursor::{Cursor, Refusal};
use crate::request::User;
use crate::wildcard;

/// Who asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Users {
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

impl Users {
    pub(super) fn read(cursor: &Cursor<'_>) -> Result<Users, Refusal> {
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

    pub(super) fn is_empty(&self) -> bool {
        self.subjects.is_empty() && self.roles.is_empty() && self.cluster_roles.is_empty()
    }

    /// Of subjects, roles and cluster roles, each that is named must hold.
    pub(super) fn hold(&self, user: &User) -> bool {
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
