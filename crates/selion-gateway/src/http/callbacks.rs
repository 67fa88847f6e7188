//! What schedulers call, with their cluster's token: heartbeats, and the end of an idle cluster.

use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;

use super::body::Object;
use super::error::ApiError;
use super::identity::{identify, with_cookie};
use super::{App, Shared};
use crate::auth::Peer;

/// Whether the request carries the token of this cluster.
fn has_token(app: &App, name: &str, headers: &HeaderMap) -> bool {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((scheme, shown)) = value.split_once(' ') else { return false };
    scheme.eq_ignore_ascii_case("token")
        && app.manager.look(name, |cluster| cluster.token.matches(shown.trim())).unwrap_or(false)
}

pub(super) async fn heartbeat(
    State(app): Shared,
    Path(name): Path<String>,
    headers: HeaderMap,
    Object(body): Object,
) -> Result<StatusCode, ApiError> {
    if !has_token(&app, &name, &headers) {
        return Err(ApiError::unauthorized("token"));
    }
    let beat = serde_json::from_value(Value::Object(body)).map_err(|error| ApiError::invalid(error.to_string()))?;
    app.manager.beat(&name, beat);
    Ok(StatusCode::OK)
}

/// Ends a cluster: for its owner, for administrators, and for its own scheduler.
pub(super) async fn delete(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if has_token(&app, &name, &headers) {
        app.audit.write("scheduler", peer.address.ip(), "stop", Some(&name), "idle");
        app.manager.stop(&name, "its scheduler asked for it: nothing was computed for the idle timeout".into()).await;
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let (user, cookie) = identify(&app, &Method::DELETE, &headers, &peer).await?;
    match app.manager.look(&name, |cluster| cluster.user == user.name || user.admin) {
        Some(true) => {
            app.manager.stop(&name, format!("stopped by {}", user.name)).await;
            app.audit.write(&user.name, peer.address.ip(), "stop", Some(&name), "done");
        }
        Some(false) => {
            app.audit.write(&user.name, peer.address.ip(), "stop", Some(&name), "refused");
            return Err(ApiError::forbidden());
        }
        None => {}
    }
    Ok(with_cookie(StatusCode::NO_CONTENT.into_response(), cookie))
}
