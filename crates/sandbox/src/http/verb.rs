//! From a request to the verb it asks for, and from the verb's result to an answer.

use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode};
use serde_json::json;

use super::json::Read;

use super::negotiate::{self, Meta, Offer, Shape, shape};
use super::path::{Path, ResourcePath, parse};
use super::query::Query;
use super::table::{Include, Style};
use super::{body, caller, lists, options, respond, table, watch};
use crate::User;
use crate::catalog::Source;
use crate::engine::Engine;
use crate::security::is_question;
use crate::status::ApiError;
use crate::store::Object;
use crate::verbs::{
    DeleteOptions, Deleted, ListOptions, Listed, Outcome, Patch, Propagation, Resume, ScaleChange, Target,
    Warnings, WatchOptions, WriteOptions,
};

/// Answers one request.
pub(super) async fn answer(engine: &Arc<Engine>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    caller::strike(engine, &parts).await?;
    let user = caller::admitted(engine, &parts)?;
    let path = parse(parts.uri.path())?;
    let query = Query::parse(&parts.uri)?;
    let Path::Resource(path) = path else {
        return super::discovery::answer(engine, &path, &parts);
    };
    // What is watched is read, and only collections and objects are.
    if path.watch && (parts.method != Method::GET || !path.subresource.is_empty()) {
        return Err(ApiError::method_not_allowed());
    }
    let target = target(engine, &path)?;
    let watched = path.watch || (target.name.is_empty() && query.flag("watch"));
    let call = Call {
        engine,
        user,
        target,
        method: parts.method,
        headers: parts.headers,
        query,
        watched,
        warnings: Warnings::default(),
    };
    if let Source::Custom(version) = &call.target.resource.source {
        call.warnings.add(version.deprecation.as_slice());
    }
    if call.target.resource.is("", "endpoints") {
        let word = "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice";
        call.warnings.add(&[word.to_owned()]);
    }
    match call.method {
        Method::GET => {
            let mut response = call.read().unwrap_or_else(|error| respond::failure(&error));
            respond::warn(&mut response, &call.warnings.take());
            Ok(response)
        }
        Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
            let bytes = body::read(body).await?;
            let warnings = call.warnings.clone();
            let answer = call.write(&bytes).await;
            let mut response = answer.unwrap_or_else(|error| respond::failure(&error));
            respond::warn(&mut response, &warnings.take());
            Ok(response)
        }
        _ => Err(ApiError::method_not_allowed()),
    }
}

/// One request to a resource.
struct Call<'a> {
    engine: &'a Arc<Engine>,
    user: User,
    target: Target,
    method: Method,
    headers: HeaderMap,
    query: Query,
    /// Whether a read asks for a watch. Of a single object only an old path can.
    watched: bool,
    /// What the client is to be told beside the answer.
    warnings: Warnings,
}

impl Call<'_> {
    fn read(&self) -> Result<Response, ApiError> {
        let one = !self.target.name.is_empty();
        self.allow(if one { "get" } else { "list" })?;
        let shape = self.shape(match self.target.subresource.as_str() {
            "log" => Offer::Log,
            "" if !one => Offer::List,
            _ => Offer::Object,
        })?;
        options::list(&self.query)?;
        if !one || self.watched {
            self.query.limit()?;
            self.query.timeout()?;
        }
        if self.watched {
            return self.watch(shape);
        }
        if one && let Some(asked) = self.query.revision()? {
            self.engine.require_revision(asked)?;
        }
        let subresource = self.target.subresource.as_str();
        if subresource == "log" {
            options::log(&self.query, &self.target.name)?;
            let log = self.engine.log(&self.target, self.query.text("container"))?;
            return Ok(log.map_or_else(
                || StatusCode::NO_CONTENT.into_response(),
                |log| respond::text_plain(&log),
            ));
        }
        if !matches!(subresource, "" | "status") {
            let found = self.engine.get_subresource(&self.target)?;
            return match shape {
                Shape::Table(_) => self.show(StatusCode::OK, shape, &Object::unstored(found)),
                _ => Ok(respond::value(StatusCode::OK, &found)),
            };
        }
        if one {
            let object = self.engine.get(&self.target)?;
            return self.show(StatusCode::OK, shape, &object);
        }
        let (limit, asked) = (self.query.limit()?, self.query.revision()?);
        let exact = match self.query.text("resourceVersionMatch") {
            "" => limit.is_some(),
            matching => matching == "Exact",
        };
        let options = ListOptions {
            selector: self.query.selector(&self.target.resource)?,
            limit,
            resume: Resume::read(self.query.text("continue"))?,
            at_least: asked.filter(|_| !exact),
            exactly: asked.filter(|_| exact),
        };
        let listed = self.engine.list(&self.target, &options)?;
        self.show_list(shape, &listed)
    }

    /// What is to be shown, when the path has it.
    fn shape(&self, offer: Offer) -> Result<Shape, ApiError> {
        // Custom resources have no such paths of their own.
        if !self.target.resource.is_custom() {
            negotiate::routed(&self.headers, offer)?;
        }
        shape(&self.headers)
    }

    fn watch(&self, shape: Shape) -> Result<Response, ApiError> {
        negotiate::streams(&self.headers)?;
        let options = WatchOptions {
            selector: self.query.selector(&self.target.resource)?,
            since: self.query.watched_revision()?,
            initial_events: self
                .query
                .has("sendInitialEvents")
                .then(|| self.query.flag("sendInitialEvents")),
            bookmarks: self.query.flag("allowWatchBookmarks"),
        };
        let bookmarks = options.bookmarks;
        let watcher = match self.engine.watch(&self.target, options) {
            Err(error) if error.reason == "Expired" => return Ok(watch::expired(&error)),
            watcher => watcher?,
        };
        let style = match shape {
            Shape::Table(meta) => self.style(meta)?,
            _ => Style::new(Meta::V1, self.engine.now()),
        };
        let resource = Arc::clone(&self.target.resource);
        Ok(watch::stream(
            watcher,
            resource,
            (shape, style),
            bookmarks,
            self.query.timeout()?,
        ))
    }

    async fn write(self, bytes: &[u8]) -> Result<Response, ApiError> {
        let named = !self.target.name.is_empty();
        self.allow(match (&self.method, named) {
            (&Method::POST, _) => "create",
            (&Method::PUT, true) => "update",
            (&Method::PATCH, true) => "patch",
            (&Method::DELETE, true) => "delete",
            (&Method::DELETE, false) => "deletecollection",
            // What is changed is in one namespace.
            _ => return Err(ApiError::method_not_allowed()),
        })?;
        if self.target.resource.namespaced && self.target.namespace.is_empty() && !self.is_question() {
            return Err(ApiError::method_not_allowed());
        }
        let shape = self.shape(Offer::Object)?;
        if let Some(answer) = self.write_subresource(bytes).await? {
            return Ok(answer);
        }
        let outcome = match (&self.method, named) {
            (&Method::POST, false) => {
                let sent = self.sent(bytes)?;
                let options = WriteOptions {
                    twice: sent.twice,
                    ..self.write_options()?
                };
                if self.is_question() {
                    negotiate::whole(&self.headers)?;
                    // What is asked wrongly is refused like a write.
                    let answer = self.engine.answer(&self.target, sent.value, &self.user)?;
                    return Ok(respond::value(StatusCode::CREATED, &answer));
                }
                self.engine.create(&self.target, sent.value, &options).await?
            }
            (&Method::PUT, true) => {
                let sent = self.sent(bytes)?;
                let options = WriteOptions {
                    twice: sent.twice,
                    ..self.write_options()?
                };
                self.engine.update(&self.target, sent.value, &options).await?
            }
            (&Method::PATCH, true) => {
                let (kind, Read { value, twice }) =
                    body::patch(&self.headers, bytes, self.target.resource.is_custom())?;
                let options = WriteOptions {
                    twice,
                    ..self.write_options()?
                };
                let patch = Patch { kind, body: value };
                self.engine.patch(&self.target, patch, &options).await?
            }
            (&Method::DELETE, true) => return self.delete(bytes).await,
            (&Method::DELETE, false) => return self.delete_collection(bytes).await,
            _ => return Err(ApiError::method_not_allowed()),
        };
        let Outcome {
            object,
            code,
            warnings,
        } = outcome;
        self.warnings.add(&warnings);
        self.show(code, shape, &object)
    }

    /// The object that a write carries.
    fn sent(&self, bytes: &[u8]) -> Result<Read, ApiError> {
        let resource = &self.target.resource;
        let subresource = resource
            .subresources
            .iter()
            .find(|one| one.name == self.target.subresource);
        let kind = subresource.map_or(&resource.kind, |one| &one.speaks.2);
        body::object(&self.headers, bytes, kind)
    }

    fn is_question(&self) -> bool {
        is_question(&self.target.resource.group, &self.target.resource.plural)
    }

    /// Writes to subresources that are no face of the object itself.
    async fn write_subresource(&self, bytes: &[u8]) -> Result<Option<Response>, ApiError> {
        let engine = self.engine;
        let created =
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
        Ok(Some(match (self.target.subresource.as_str(), &self.method) {
            ("scale", method) => {
                let change = if *method == Method::PATCH {
                    let (kind, patch) = body::patch(&self.headers, bytes, self.target.resource.is_custom())?;
                    ScaleChange::patch(kind, patch.value)
                } else {
                    ScaleChange::Whole(self.sent(bytes)?.value)
                };
                let scale = engine.scale(&self.target, change, &self.write_options()?).await?;
                respond::value(StatusCode::OK, &scale)
            }
            ("finalize", _) => {
                let sent = self.sent(bytes)?.value;
                let outcome = engine
                    .finalize(&self.target, sent, &self.write_options()?)
                    .await?;
                self.show(outcome.code, Shape::Whole, &outcome.object)?
            }
            ("eviction", _) => {
                let sent = if bytes.is_empty() {
                    json!({})
                } else {
                    self.sent(bytes)?.value
                };
                let named = sent["metadata"]["name"].as_str().unwrap_or_default();
                if !named.is_empty() && named != self.target.name {
                    return Err(ApiError::bad_request(
                        "name in URL does not match name in Eviction object",
                    ));
                }
                let (how, dry_run) = options::delete(&self.query, &sent["deleteOptions"])?;
                let mut options = self.write_options()?;
                options.dry_run |= dry_run;
                engine.evict(&self.target, sent, &how, &options).await?;
                respond::value(StatusCode::CREATED, &created)
            }
            ("token", _) => {
                let sent = self.sent(bytes)?.value;
                self.write_options()?;
                respond::value(StatusCode::CREATED, &engine.issue_token(&self.target, sent)?)
            }
            ("binding", _) => {
                let sent = self.sent(bytes)?.value;
                engine.bind(&self.target, &sent, &self.write_options()?).await?;
                respond::value(StatusCode::CREATED, &created)
            }
            _ => return Ok(None),
        }))
    }

    /// Refuses verbs that the resource or subresource does not have.
    fn allow(&self, verb: &str) -> Result<(), ApiError> {
        let Target {
            resource,
            subresource,
            ..
        } = &self.target;
        if !subresource.is_empty() && !resource.has(subresource) {
            let running = matches!(subresource.as_str(), "exec" | "attach" | "portforward" | "proxy");
            if running && resource.is("", "pods") {
                self.engine.get(&self.target)?;
                let what =
                    format!("the pods of the sandbox are simulated: there is nothing to {subresource} to");
                return Err(ApiError::bad_request(what));
            }
            return Err(if resource.is_custom() {
                ApiError::not_found(resource.about(&self.target.name))
            } else {
                ApiError::no_such_resource()
            });
        }
        if resource.allows(subresource, verb) {
            Ok(())
        } else {
            Err(ApiError::method_not_allowed())
        }
    }

    async fn delete(&self, bytes: &[u8]) -> Result<Response, ApiError> {
        let (how, options) = self.delete_options(bytes)?;
        Ok(match self.engine.delete(&self.target, &how, &options).await? {
            Deleted::Gone(object) if !self.target.resource.shown_when_deleted() => {
                respond::value(StatusCode::OK, &respond::deleted(&self.target.resource, &object))
            }
            Deleted::Gone(object) | Deleted::Terminating(object) => {
                self.show(StatusCode::OK, Shape::Whole, &object)?
            }
        })
    }

    async fn delete_collection(&self, bytes: &[u8]) -> Result<Response, ApiError> {
        let (how, options) = self.delete_options(bytes)?;
        let selector = self.query.selector(&self.target.resource)?;
        let listed = self
            .engine
            .delete_collection(&self.target, selector, &how, &options)
            .await?;
        self.show_list(Shape::Whole, &listed)
    }

    fn write_options(&self) -> Result<WriteOptions, ApiError> {
        let kind = match self.method {
            Method::POST => "CreateOptions",
            Method::PUT => "UpdateOptions",
            Method::PATCH => "PatchOptions",
            _ => "DeleteOptions",
        };
        let options = options::write(&self.query, &self.headers, &self.user, kind)?;
        Ok(WriteOptions {
            named: !self.target.name.is_empty(),
            warnings: self.warnings.clone(),
            ..options
        })
    }

    fn delete_options(&self, bytes: &[u8]) -> Result<(DeleteOptions, WriteOptions), ApiError> {
        let given = if bytes.is_empty() {
            json!({})
        } else {
            body::object(&self.headers, bytes, "DeleteOptions")?.value
        };
        let (mut how, dry_run) = options::delete(&self.query, &given)?;
        let resource = &self.target.resource;
        if !how.said && resource.orphans() {
            how.propagation = Propagation::Orphan;
            if resource.is("batch", "jobs") {
                let word = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background \
                            to remove them or set propagationPolicy=Orphan to suppress this warning";
                self.warnings.add(&[word.to_owned()]);
            }
        }
        let mut options = self.write_options()?;
        options.dry_run |= dry_run;
        options.sent = options::shown_delete(&self.query, &given);
        Ok((how, options))
    }

    fn style(&self, meta: Meta) -> Result<Style, ApiError> {
        let include = match self.query.text("includeObject") {
            "None" => Include::None,
            "Object" => Include::Object,
            "" | "Metadata" => Include::Metadata,
            other => {
                return Err(ApiError::bad_request(format!(
                    "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: \
                     must be 'Metadata', 'Object', 'None', or empty"
                )));
            }
        };
        Ok(Style {
            include,
            ..Style::new(meta, self.engine.now())
        })
    }

    fn show(&self, code: StatusCode, shape: Shape, object: &Object) -> Result<Response, ApiError> {
        let resource = &self.target.resource;
        Ok(match shape {
            Shape::Whole => respond::json(code, respond::object_json(resource, object)),
            Shape::Metadata(meta) => respond::json(code, respond::metadata_json(object, meta)),
            Shape::MetadataList(_) => return Err(negotiate::no_list(resource)),
            Shape::Table(meta) => {
                respond::value(code, &table::of_one(resource, object, true, self.style(meta)?))
            }
        })
    }

    fn show_list(&self, shape: Shape, listed: &Listed) -> Result<Response, ApiError> {
        let resource = &self.target.resource;
        Ok(match shape {
            Shape::Whole => lists::whole(resource, listed),
            Shape::MetadataList(meta) => lists::metadata(meta, listed),
            Shape::Metadata(_) => return Err(negotiate::no_single(resource)),
            Shape::Table(meta) => {
                let table = table::of_list(resource, listed, self.style(meta)?);
                respond::value(StatusCode::OK, &table)
            }
        })
    }
}

fn target(engine: &Engine, path: &ResourcePath) -> Result<Target, ApiError> {
    let resource = engine.catalog().find(&path.group, &path.version, &path.plural)?;
    let misplaced = !resource.namespaced && !path.namespace.is_empty()
        || resource.namespaced && path.namespace.is_empty() && !path.name.is_empty();
    if misplaced {
        return Err(if resource.is_custom() {
            ApiError::no_such_page()
        } else {
            ApiError::no_such_resource()
        });
    }
    let name = path.name.as_str();
    if matches!(name, "." | "..") && (path.subresource.is_empty() || resource.has(&path.subresource)) {
        return Err(ApiError::bad_request(format!(
            "Name parameter invalid: {name:?}: may not be '{name}'"
        )));
    }
    Ok(Target {
        resource,
        namespace: path.namespace.clone(),
        name: path.name.clone(),
        subresource: path.subresource.clone(),
    })
}
