//! The routes of the stock client (reference § 2). The cluster object has exactly its keys: the client breaks on any other.

use std::time::Duration;

use axum::extract::{Path, Query, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Shared;
use super::body::{Object, count};
use super::error::ApiError;
use super::identity::Caller;
use crate::auth::{Peer, User};
use crate::cluster::manager::Scaled;
use crate::cluster::model::{Cluster, Phase};

/// A long poll is answered after this, whatever there is to say.
const WAIT_MAX: Duration = Duration::from_secs(20);
const STATUSES: [&str; 5] = ["PENDING", "RUNNING", "STOPPING", "STOPPED", "FAILED"];

/// The cluster as the stock client reads it. Credentials are for its owner, while it runs.
pub(super) fn cluster_object(cluster: &Cluster, with_credentials: bool) -> Value {
    let show = with_credentials && cluster.phase == Phase::Running;
    json!({
        "name": cluster.name,
        "status": cluster.phase.status(),
        "start_time": cluster.created_ms,
        "stop_time": cluster.stopped_ms,
        "options": cluster.options,
        "dashboard_route": cluster.dashboard().map(|_| format!("/clusters/{}/status", cluster.name)),
        "tls_cert": show.then_some(&cluster.certificate),
        "tls_key": show.then(|| cluster.key.expose()),
    })
}

pub(super) async fn options(State(app): Shared) -> Json<Value> {
    Json(json!({"cluster_options": app.manager.options().fields()}))
}

#[derive(Deserialize)]
pub(super) struct ListQuery {
    status: Option<String>,
}

pub(super) async fn list(
    State(app): Shared,
    Extension(user): Caller,
    Query(query): Query<ListQuery>,
) -> Result<Json<Map<String, Value>>, ApiError> {
    let wanted = match &query.status {
        None => vec!["PENDING", "RUNNING"],
        Some(text) => read_statuses(text)?,
    };
    let mut found: Vec<(u64, String, Value)> = Vec::new();
    app.manager.each(|cluster| {
        if cluster.user == user.name && wanted.contains(&cluster.phase.status()) {
            found.push((cluster.created_ms, cluster.name.clone(), cluster_object(cluster, false)));
        }
    });
    found.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    Ok(Json(found.into_iter().map(|(_, name, object)| (name, object)).collect()))
}

fn read_statuses(text: &str) -> Result<Vec<&'static str>, ApiError> {
    text.split(',')
        .map(|name| {
            let known = STATUSES.into_iter().find(|status| status.eq_ignore_ascii_case(name.trim()));
            known.ok_or_else(|| ApiError::invalid(format!("unknown status {name:?}: one of {}", STATUSES.join(", "))))
        })
        .collect()
}

pub(super) async fn create(
    State(app): Shared,
    Extension(user): Caller,
    Extension(peer): Extension<Peer>,
    Object(body): Object,
) -> Result<Response, ApiError> {
    let empty = Map::new();
    let asked = match body.get("cluster_options") {
        None | Some(Value::Null) => &empty,
        Some(Value::Object(options)) => options,
        Some(_) => return Err(ApiError::invalid("cluster_options must be an object")),
    };
    let engine = match body.get("engine") {
        None | Some(Value::Null) => None,
        Some(Value::String(engine)) => Some(engine.as_str()),
        Some(_) => return Err(ApiError::invalid("engine must be a string")),
    };
    let made = app.manager.create(&user, asked, engine).await;
    let outcome = made.as_ref().map_or_else(ToString::to_string, |_| "created".to_owned());
    app.audit.write(&user.name, peer.address.ip(), "create", made.as_deref().ok(), &outcome);
    let name = made?;
    app.metrics.clusters_created.inc();
    Ok((StatusCode::CREATED, Json(json!({"name": name}))).into_response())
}

pub(super) async fn get(
    State(app): Shared,
    Extension(user): Caller,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    may_see(&app, &user, &name)?;
    if wants_to_wait(query.as_deref().unwrap_or_default()) {
        app.manager.wait(&name, WAIT_MAX).await;
    }
    let object = app.manager.look(&name, |cluster| cluster_object(cluster, cluster.user == user.name));
    object.map(Json).ok_or_else(|| ApiError::unknown(&name))
}

/// `?wait`, `?wait=1` or any other number but 0.
fn wants_to_wait(query: &str) -> bool {
    query.split('&').any(|pair| match pair.split_once('=') {
        None => pair == "wait",
        Some(("wait", "")) => true,
        Some(("wait", value)) => value.parse::<i64>().is_ok_and(|number| number != 0),
        Some(_) => false,
    })
}

/// Whether the caller may look at the cluster, or why not.
pub(super) fn may_see(app: &super::App, user: &User, name: &str) -> Result<(), ApiError> {
    match app.manager.look(name, |cluster| cluster.user == user.name || user.admin) {
        None => Err(ApiError::unknown(name)),
        Some(false) => Err(ApiError::forbidden()),
        Some(true) => Ok(()),
    }
}

/// Whether it is the caller's own cluster, or why not.
fn is_own(app: &super::App, user: &User, name: &str) -> Result<(), ApiError> {
    match app.manager.look(name, |cluster| cluster.user == user.name) {
        None => Err(ApiError::unknown(name)),
        Some(false) => Err(ApiError::forbidden()),
        Some(true) => Ok(()),
    }
}

fn scaled(scaled: Scaled) -> Json<Value> {
    Json(json!({"ok": scaled.ok, "msg": scaled.message}))
}

pub(super) async fn scale(
    State(app): Shared,
    Extension(user): Caller,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    Object(body): Object,
) -> Result<Json<Value>, ApiError> {
    is_own(&app, &user, &name)?;
    let wanted = count(&body, "count")?.ok_or_else(|| ApiError::invalid("count must be a non-negative integer"))?;
    let done = app.manager.scale(&name, wanted).await;
    app.audit.write(&user.name, peer.address.ip(), "scale", Some(&name), &outcome(&done));
    Ok(scaled(done?))
}

pub(super) async fn adapt(
    State(app): Shared,
    Extension(user): Caller,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    Object(body): Object,
) -> Result<Json<Value>, ApiError> {
    is_own(&app, &user, &name)?;
    let (minimum, maximum) = (count(&body, "minimum")?, count(&body, "maximum")?);
    let active = match body.get("active") {
        None | Some(Value::Null) => true,
        Some(Value::Bool(active)) => *active,
        Some(other) => return Err(ApiError::invalid(format!("active must be true or false, got {other}"))),
    };
    if let (Some(minimum), Some(maximum)) = (minimum, maximum)
        && minimum > maximum
    {
        return Err(ApiError::invalid(format!("minimum {minimum} is more than maximum {maximum}")));
    }
    let done = app.manager.adapt(&name, minimum, maximum, active).await;
    app.audit.write(&user.name, peer.address.ip(), "adapt", Some(&name), &outcome(&done));
    Ok(scaled(done?))
}

fn outcome(done: &Result<Scaled, crate::cluster::manager::ManagerError>) -> String {
    match done {
        Ok(Scaled { message: Some(message), .. }) => message.clone(),
        Ok(_) => "done".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_asked_for_by_name_or_number() {
        for query in ["wait", "wait=1", "wait=-2", "a=b&wait", "wait="] {
            assert!(wants_to_wait(query), "{query}");
        }
        for query in ["", "wait=0", "wait=x", "waiting", "a=wait"] {
            assert!(!wants_to_wait(query), "{query}");
        }
    }

    #[test]
    fn statuses_are_known_in_any_case() {
        assert_eq!(read_statuses("running, Failed").unwrap(), ["RUNNING", "FAILED"]);
        assert!(read_statuses("").is_err());
        assert!(read_statuses("RUNNING,dancing").is_err());
    }
}
