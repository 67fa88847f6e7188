//! Dashboards, behind the owner's login.
//!
//! `/clusters/{name}/x` is the scheduler's `/x`: bodies stream, redirects stay inside, WebSockets pass. The scheduler's
//! server sees neither the user's credentials nor our cookie, and cannot set cookies for this site.

use axum::Extension;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

use super::error::ApiError;
use super::identity::{identify, with_cookie};
use super::{App, Shared};
use crate::auth::Peer;
use crate::http_client::{Url, send};

/// Headers that are about one connection (RFC 9110 § 7.6.1).
const HOP: [HeaderName; 7] = [
    header::CONNECTION,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// `/clusters/{name}/` shows the status page.
pub(super) async fn root(State(app): Shared, Path(name): Path<String>) -> Redirect {
    Redirect::temporary(&format!("{}/clusters/{}/status", app.prefix, encode(&name)))
}

pub(super) async fn pass(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    Path((name, _)): Path<(String, String)>,
    request: Request,
) -> Response {
    let (user, cookie) = match identify(&app, request.method(), request.headers(), &peer).await {
        Ok(known) => known,
        Err(error) if error.status() == StatusCode::UNAUTHORIZED && wants_page(request.headers()) => {
            let next = format!("{}{}", app.prefix, request.uri().path());
            return Redirect::to(&format!("{}/login?next={}", app.prefix, encode(&next))).into_response();
        }
        Err(error) => return error.into_response(),
    };
    let seen = app.manager.look(&name, |cluster| (cluster.user == user.name, cluster.dashboard().map(str::to_owned)));
    let answer = match seen {
        None => Err(ApiError::unknown(&name)),
        Some((false, _)) => Err(ApiError::forbidden()),
        Some((true, None)) => Err(ApiError::new(StatusCode::NOT_FOUND, "this cluster shows no dashboard now")),
        Some((true, Some(target))) => forward(&app, &peer, &name, &target, request).await,
    };
    with_cookie(answer.into_response(), cookie)
}

/// Whether a person is looking, who can log in.
fn wants_page(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

async fn forward(app: &App, peer: &Peer, name: &str, target: &str, request: Request) -> Result<Response, ApiError> {
    let gone = |error: &dyn std::fmt::Display| {
        tracing::debug!(%error, cluster = name, "the dashboard does not answer");
        ApiError::new(StatusCode::BAD_GATEWAY, "the dashboard does not answer")
    };
    let url = Url::parse(target).map_err(|error| gone(&error))?;
    let (mut parts, body) = request.into_parts();
    let client_upgrade = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    let upgrade = parts.headers.get(header::UPGRADE).cloned();
    // What follows `/clusters/{name}` as it came, still encoded; the router has made sure that it is there.
    let path = parts.uri.path();
    let rest = path.splitn(4, '/').nth(3).unwrap_or_default();
    let query = parts.uri.query().map_or(String::new(), |query| format!("?{query}"));
    let mut headers = clean(&parts.headers);
    headers.remove(header::AUTHORIZATION);
    headers.remove(header::COOKIE);
    if let Some(others) = app.sessions.others(&parts.headers).and_then(|text| HeaderValue::try_from(text).ok()) {
        headers.insert(header::COOKIE, others);
    }
    headers.insert(header::HOST, HeaderValue::try_from(url.authority()).map_err(|error| gone(&error))?);
    if let Ok(value) = HeaderValue::try_from(peer.address.ip().to_string()) {
        headers.append("x-forwarded-for", value);
    }
    if let Some(upgrade) = &upgrade {
        headers.insert(header::UPGRADE, upgrade.clone());
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        // The scheduler's server compares the origin with the host that it sees.
        if headers.contains_key(header::ORIGIN) {
            let origin = format!("http://{}", url.authority());
            headers.insert(header::ORIGIN, HeaderValue::try_from(origin).map_err(|error| gone(&error))?);
        }
    }
    let mut onward = Request::new(body);
    *onward.method_mut() = parts.method;
    *onward.uri_mut() = format!("/{rest}{query}").parse::<Uri>().map_err(|error| gone(&error))?;
    *onward.headers_mut() = headers;
    let answer = send(&url, None, onward).await.map_err(|error| gone(&error))?;
    Ok(back(app, name, answer, client_upgrade))
}

/// The scheduler's answer, as the browser may see it.
fn back(
    app: &App,
    name: &str,
    mut answer: axum::http::Response<Incoming>,
    client: Option<hyper::upgrade::OnUpgrade>,
) -> Response {
    let inside = format!("{}/clusters/{name}", app.prefix);
    let mut headers = clean(answer.headers());
    headers.remove(header::SET_COOKIE);
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    if let Some(location) = location.filter(|location| location.starts_with('/') && !location.starts_with("//"))
        && let Ok(value) = HeaderValue::try_from(format!("{inside}{location}"))
    {
        headers.insert(header::LOCATION, value);
    }
    let status = answer.status();
    if status == StatusCode::SWITCHING_PROTOCOLS
        && let Some(client) = client
    {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = answer.headers().get(header::UPGRADE) {
            headers.insert(header::UPGRADE, protocol.clone());
        }
        let scheduler = hyper::upgrade::on(&mut answer);
        tokio::spawn(async move {
            if let (Ok(client), Ok(scheduler)) = tokio::join!(client, scheduler) {
                let (mut client, mut scheduler) = (TokioIo::new(client), TokioIo::new(scheduler));
                let _ = tokio::io::copy_bidirectional(&mut client, &mut scheduler).await;
            }
        });
        let mut response = Response::new(Body::empty());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        return response;
    }
    let mut response = Response::new(Body::new(answer.into_body()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// The headers that are not about one connection.
fn clean(headers: &HeaderMap) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    let kept = headers.iter().filter(|(name, _)| !HOP.contains(name) && !named.contains(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Percent-encodes what could mean something in a query or path.
pub(super) fn encode(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        use std::fmt::Write as _;
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(byte.into());
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
