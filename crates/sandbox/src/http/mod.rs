//! The face of the server: paths, bodies, representations, and the HTTPS listener.
//!
//! Everything is one fallback handler, so that every answer, also to a path that leads nowhere, is a
//! `metav1.Status` or an object. What the verbs mean is not decided here.

mod about;
mod aggregated;
mod body;
mod caller;
mod discovery;
mod json;
mod lists;
mod negotiate;
mod openapi;
mod options;
mod path;
mod query;
mod respond;
pub(crate) mod serve;
mod table;
mod verb;
mod watch;
mod wire;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use futures::FutureExt;

use self::wire::Wish;
use crate::engine::Engine;
use crate::status::ApiError;

/// The server as a service.
pub(crate) fn router(engine: Arc<Engine>) -> Router {
    Router::new().fallback(handle).with_state(engine)
}

async fn handle(State(engine): State<Arc<Engine>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let wish = Wish::of(&parts);
    let request = Request::from_parts(parts, body);
    let answer = AssertUnwindSafe(verb::answer(&engine, request))
        .catch_unwind()
        .await;
    let response = match answer {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => respond::failure(&error),
        Err(_) => respond::failure(&ApiError::internal(
            "this request made the sandbox fail; please report it",
        )),
    };
    wish.fulfil(response).await
}
