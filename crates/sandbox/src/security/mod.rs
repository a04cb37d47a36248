//! Who asks, and whether they may: authentication, impersonation, role-based access control, and the questions about
//! them that the API answers.
//!
//! From the ground up:
//!
//! - `user`: somebody, by name and groups; `action`: what a request wants, as rules are asked about it;
//! - `rbac`: what roles and bindings give to whom; `impersonate`: who may act as whom; `tokens`: signed words about a
//!   ServiceAccount; `certificate`: the words in a client's certificate. All of these are functions of what they are
//!   given and know nothing of HTTP, nor of the store, but for the index of `rbac`, which follows its changes;
//! - `authenticate`, `authorize`, `grants`, `issue`, `reviews`: the same for an [`Engine`](crate::engine::Engine), with
//!   the objects in its store.
//!
//! The words are those of the real API server.

mod action;
mod authenticate;
mod authorize;
mod certificate;
mod grants;
mod impersonate;
mod issue;
pub(crate) mod rbac;
mod reviews;
mod tokens;
mod user;

pub(crate) use action::{Action, On, Place};
pub(crate) use authenticate::Entrance;
pub(crate) use certificate::{ClientCertificates, Shown};
pub(crate) use impersonate::LastModes;
pub(crate) use issue::{openid, signer};
pub(crate) use reviews::is_question;
pub(crate) use tokens::Signer;
pub use user::User;
