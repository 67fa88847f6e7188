//! What the stock server does not have: progress, reasons, logs, usage, the view of administrators, metrics.

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::clusters::may_see;
use super::error::ApiError;
use super::identity::{Caller, is_from_here};
use super::{API_VERSION, Shared};
use crate::auth::{Peer, User};
use crate::backend::Role;
use crate::cluster::manager::now_ms;
use crate::cluster::model::{Cluster, Phase, Process};
use crate::metrics::StatusLabels;

const LOG_LINES: usize = 200;
const LOG_LINES_MAX: usize = 10_000;
/// Logs of workers in one answer; of more, the latest.
const LOG_WORKERS_MAX: usize = 50;

pub(super) async fn health() -> Json<Value> {
    Json(json!({"status": "pass"}))
}

pub(super) async fn version() -> Json<Value> {
    Json(json!({"version": API_VERSION}))
}

pub(super) async fn user(Extension(user): Caller) -> Json<User> {
    Json(user)
}

/// What a cluster is waiting for, in one word, and its workers.
pub(super) fn progress_object(cluster: &Cluster) -> Value {
    let stage = match (cluster.phase, &cluster.scheduler) {
        (Phase::Pending, Process::Launching) => "queued",
        (Phase::Pending, _) => "starting",
        (Phase::Routing, _) => "connecting",
        (Phase::Running, _) => "running",
        (Phase::Stopping, _) => "stopping",
        (Phase::Stopped, _) => "stopped",
        (Phase::Failed, _) => "failed",
    };
    let workers = |which: fn(&crate::cluster::model::Worker) -> bool| {
        cluster.workers.values().filter(|worker| which(worker)).count()
    };
    json!({
        "name": cluster.name,
        "user": cluster.user,
        "status": cluster.phase.status(),
        "stage": stage,
        "reason": cluster.reason,
        "engine": cluster.settings.engine,
        "workers": {
            "wanted": cluster.wanted,
            "starting": workers(|worker| !worker.joined && !worker.leaving),
            "running": workers(|worker| worker.joined && !worker.leaving),
            "closing": workers(|worker| worker.leaving),
        },
        "cores": cluster.cores(),
        "memory": cluster.memory(),
        "core_hours": core_hours(cluster),
        "created_time": cluster.created_ms,
        "running_time": cluster.running_ms,
        "stop_time": cluster.stopped_ms,
    })
}

/// What a cluster has used so far.
#[expect(clippy::cast_precision_loss, reason = "a report, not an account")]
pub(super) fn core_hours(cluster: &Cluster) -> f64 {
    let since_ms = if cluster.phase.is_final() { 0 } else { now_ms().saturating_sub(cluster.charged_ms) };
    let core_ms = cluster.core_ms + since_ms * u64::from(cluster.cores());
    (core_ms as f64 / 36.0).round() / 100_000.0
}

pub(super) async fn progress(
    State(app): Shared,
    Extension(user): Caller,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    may_see(&app, &user, &name)?;
    app.manager.look(&name, progress_object).map(Json).ok_or_else(|| ApiError::unknown(&name))
}

#[derive(Deserialize)]
pub(super) struct LogQuery {
    process: Option<String>,
    lines: Option<usize>,
}

/// The end of the logs: of all processes as an object, or of one as text.
pub(super) async fn logs(
    State(app): Shared,
    Extension(user): Caller,
    Path(name): Path<String>,
    Query(query): Query<LogQuery>,
) -> Result<Response, ApiError> {
    may_see(&app, &user, &name)?;
    let lines = query.lines.unwrap_or(LOG_LINES).min(LOG_LINES_MAX);
    let known = app.manager.look(&name, worker_names).ok_or_else(|| ApiError::unknown(&name))?;
    if let Some(process) = &query.process {
        let unknown = || ApiError::invalid(format!("{process:?} is no process of this cluster"));
        let role: Role = process.parse().map_err(|()| unknown())?;
        if let Role::Worker(worker) = &role
            && !known.contains(worker)
        {
            return Err(unknown());
        }
        let text = app.manager.log(&name, &role, lines).await;
        return Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response());
    }
    let mut workers = Map::new();
    for worker in known.into_iter().rev().take(LOG_WORKERS_MAX) {
        let text = app.manager.log(&name, &Role::Worker(worker.clone()), lines).await;
        workers.insert(worker, text.into());
    }
    let scheduler = app.manager.log(&name, &Role::Scheduler, lines).await;
    Ok(Json(json!({"scheduler": scheduler, "workers": workers})).into_response())
}

/// The workers that a cluster has and had.
pub(super) fn worker_names(cluster: &Cluster) -> Vec<String> {
    cluster.past_workers.iter().chain(cluster.workers.keys()).cloned().collect()
}

pub(super) async fn usage(State(app): Shared, Extension(user): Caller) -> Json<Value> {
    let (mut clusters, mut cores, mut memory, mut hours) = (0_u64, 0_u64, 0_u64, 0.0);
    app.manager.each(|cluster| {
        if cluster.user == user.name {
            clusters += u64::from(!cluster.phase.is_final());
            cores += u64::from(cluster.cores());
            memory += cluster.memory();
            hours += core_hours(cluster);
        }
    });
    Json(json!({
        "user": user.name, "clusters": clusters, "cores": cores, "memory": memory, "core_hours": hours,
        "limits": app.manager.limit(&user),
    }))
}

/// Every cluster of everybody, without credentials.
pub(super) async fn all_clusters(State(app): Shared, Extension(user): Caller) -> Result<Json<Vec<Value>>, ApiError> {
    if !user.admin {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "this is for administrators"));
    }
    let mut all = Vec::new();
    app.manager.each(|cluster| all.push(progress_object(cluster)));
    Ok(Json(all))
}

pub(super) async fn metrics(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let may = match &app.metrics_token {
        Some(token) => shown.strip_prefix("Bearer ").is_some_and(|shown| token.matches(shown.trim())),
        None => is_from_here(&app, &peer),
    };
    if !may {
        return Err(ApiError::unauthorized("Bearer"));
    }
    let (mut workers, mut cores) = (0, 0);
    let mut by_status: Map<String, Value> = ["PENDING", "RUNNING", "STOPPING", "STOPPED", "FAILED"]
        .into_iter()
        .map(|name| (name.to_owned(), 0.into()))
        .collect();
    app.manager.each(|cluster| {
        workers += i64::from(cluster.worker_count());
        cores += i64::from(cluster.cores());
        if let Some(count) = by_status.get_mut(cluster.phase.status()) {
            *count = (count.as_i64().unwrap_or(0) + 1).into();
        }
    });
    for (status, count) in by_status {
        app.metrics.clusters.get_or_create(&StatusLabels { status }).set(count.as_i64().unwrap_or(0));
    }
    app.metrics.workers.set(workers);
    app.metrics.cores.set(cores);
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], app.metrics.text()).into_response())
}
