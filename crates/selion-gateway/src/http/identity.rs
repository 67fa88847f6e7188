//! Finds out who asks: by the session's cookie, else by the credentials.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::error::ApiError;
use super::{App, Shared};
use crate::auth::session::LIFE_MS;
use crate::auth::{AuthError, Peer, User};
use crate::cluster::manager::now_ms;

/// The user who asks, put into the request by `require_user`.
pub(super) type Caller = Extension<User>;

/// Who asks; and, if that was found out anew, the cookie for their next request.
pub(super) async fn identify(
    app: &App,
    method: &Method,
    headers: &HeaderMap,
    peer: &Peer,
) -> Result<(User, Option<String>), ApiError> {
    if !headers.contains_key(header::AUTHORIZATION)
        && let Some(user) = app.sessions.user(headers, now_ms())
    {
        refuse_foreign_sites(method, headers)?;
        return Ok((user, None));
    }
    match app.auth.authenticate(headers, peer).await {
        Ok(known) => {
            let cookie = app.sessions.begin(&known, LIFE_MS, now_ms());
            Ok((known.user, Some(cookie)))
        }
        Err(AuthError::Missing) => match app.sessions.user(headers, now_ms()) {
            Some(user) => Ok((user, None)),
            None => Err(ApiError::unauthorized(app.auth.challenge())),
        },
        Err(AuthError::Refused(why)) => {
            app.metrics.auth_refused.inc();
            app.audit.write("-", peer.address.ip(), "authenticate", None, &why);
            Err(ApiError::unauthorized(app.auth.challenge()))
        }
        Err(AuthError::Unavailable(why)) => {
            tracing::error!(%why, "users cannot be authenticated");
            Err(ApiError::new(StatusCode::BAD_GATEWAY, "whoever knows the users cannot be asked right now"))
        }
    }
}

/// A cookie is sent along also when another site's page makes the request: such a request may look, but change nothing.
fn refuse_foreign_sites(method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    let is_own = site.is_none_or(|site| matches!(site, "same-origin" | "none"));
    if is_own || matches!(*method, Method::GET | Method::HEAD) {
        Ok(())
    } else {
        Err(ApiError::new(StatusCode::FORBIDDEN, "another site's page may not do this"))
    }
}

/// Lets only known users through.
pub(super) async fn require_user(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    mut request: Request,
    next: Next,
) -> Response {
    let (user, cookie) = match identify(&app, request.method(), request.headers(), &peer).await {
        Ok(known) => known,
        Err(error) => return error.into_response(),
    };
    request.extensions_mut().insert(user);
    let response = next.run(request).await;
    with_cookie(response, cookie)
}

/// Sets the cookie on an answer that is no refusal.
pub(super) fn with_cookie(mut response: Response, cookie: Option<String>) -> Response {
    if let Some(cookie) = cookie
        && response.status().as_u16() < 400
        && let Ok(value) = HeaderValue::try_from(cookie)
    {
        response.headers_mut().append(header::SET_COOKIE, value);
    }
    response
}

/// Whether the request comes from this machine itself.
pub(super) fn is_from_here(app: &Arc<App>, peer: &Peer) -> bool {
    !app.is_fronted && (peer.address.ip().is_loopback() || peer.address.ip() == peer.local.ip())
}
