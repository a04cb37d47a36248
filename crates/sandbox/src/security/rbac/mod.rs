//! Role-based access control: what roles and bindings give to whom. Pure, but for `rights`, which follows the store.
//!
//! Reference: `plugin/pkg/auth/authorizer/rbac` and `pkg/registry/rbac` of Kubernetes.

mod aggregate;
mod cover;
mod defaults;
mod rights;
mod rule;

pub(crate) use aggregate::aggregated;
pub(crate) use cover::{missing, quoted};
pub(crate) use defaults::shipped;
pub(crate) use rights::{Decision, Rights, RoleRef};
pub(crate) use rule::Rule;

/// The API group of roles and bindings.
pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";
