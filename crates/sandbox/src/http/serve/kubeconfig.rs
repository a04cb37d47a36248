//! The file that lets kubectl in.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::credentials::Credentials;

/// The name of the cluster, the user and the context.
const NAME: &str = "sandbox";

pub(super) fn text(address: SocketAddr, credentials: &Credentials) -> String {
    let authority = STANDARD.encode(&credentials.authority);
    let token = &credentials.token;
    format!(
        "apiVersion: v1\n\
         kind: Config\n\
         current-context: {NAME}\n\
         clusters:\n\
         - name: {NAME}\n  \
           cluster:\n    \
             server: https://{address}\n    \
             certificate-authority-data: {authority}\n\
         users:\n\
         - name: {NAME}\n  \
           user:\n    \
             token: {token}\n\
         contexts:\n\
         - name: {NAME}\n  \
           context:\n    \
             cluster: {NAME}\n    \
             user: {NAME}\n    \
             namespace: default\n"
    )
}
