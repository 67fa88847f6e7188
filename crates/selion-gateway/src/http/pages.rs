//! What people see: plain pages that need no script. Log in, my clusters, one cluster with its logs, stop.
//!
//! Everything that comes from outside is escaped where it is written; the pages run no scripts and load nothing, and the
//! headers say so. Forms are sent by our own pages only: `identity` looks at where a request comes from.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::{Form, Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::Deserialize;
use serde_json::Value;

use super::dashboards::encode;
use super::error::ApiError;
use super::identity::identify;
use super::more::{progress_object, worker_names};
use super::{App, Shared};
use crate::auth::{Authenticator, Peer, User};
use crate::backend::Role;
use crate::cluster::manager::now_ms;

/// A person's session lasts a working day, or as long as their token.
const PERSON_LIFE_MS: u64 = 8 * 3_600_000;
const LOG_LINES: usize = 200;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:#1c2430;\
background:#fbfbf9}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}table{border-collapse:collapse;width:100%}\
th,td{text-align:left;padding:.4rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}th{font-weight:600}\
.n{text-align:right!important;font-variant-numeric:tabular-nums}code,pre{font:13px/1.45 ui-monospace,monospace}\
pre{background:#f1f1ec;padding:.8rem;overflow:auto;max-height:28rem;white-space:pre-wrap}header{display:flex;gap:1rem;\
align-items:baseline;border-bottom:2px solid #2f6f4f;padding-bottom:.4rem}header form{margin-left:auto}\
button{font:inherit;padding:.2rem .8rem;border:1px solid #888;border-radius:4px;background:#fff;cursor:pointer}\
button.stop{border-color:#a33;color:#a33}input{font:inherit;padding:.3rem;width:20rem;max-width:100%;box-sizing:border-box}\
label{display:block;margin:.8rem 0}.RUNNING{color:#2f6f4f}.FAILED{color:#a33}.PENDING{color:#8a6d00}.STOPPED{color:#666}\
p.bad{color:#a33}.scroll{overflow-x:auto}";

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login_form).post(login))
        .route("/logout", post(logout))
        .route("/page/{name}", get(cluster))
        .route("/page/{name}/stop", post(stop))
}

/// A page, with headers that keep it to itself.
fn page(app: &App, title: &str, user: Option<&User>, content: &str) -> Response {
    let who = user.map_or(String::new(), |user| {
        format!(
            "<span>{}</span><form method=\"post\" action=\"{}/logout\"><button>Log out</button></form>",
            escape(&user.name),
            app.prefix
        )
    });
    let html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><style>{STYLE}</style></head><body>\
         <header><h1><a href=\"{prefix}/\" style=\"color:inherit;text-decoration:none\">Clusters</a></h1>{who}</header>\
         <main>{content}</main></body></html>\n",
        title = escape(title),
        prefix = app.prefix
    );
    let policy =
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "same-origin"),
    ];
    (headers, html).into_response()
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, letter| {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            letter => out.push(letter),
        }
        out
    })
}

/// The person who looks, or the way to the login.
async fn person(app: &App, method: &Method, headers: &HeaderMap, peer: &Peer, path: &str) -> Result<User, Response> {
    match identify(app, method, headers, peer).await {
        Ok((user, _)) => Ok(user),
        Err(error) if error.status() == StatusCode::UNAUTHORIZED && !matches!(app.auth, Authenticator::Proxy(_)) => {
            let next = format!("{}{path}", app.prefix);
            Err(Redirect::to(&format!("{}/login?next={}", app.prefix, encode(&next))).into_response())
        }
        Err(error) => Err(error.into_response()),
    }
}

async fn home(State(app): Shared, Extension(peer): Extension<Peer>, headers: HeaderMap) -> Response {
    let user = match person(&app, &Method::GET, &headers, &peer, "/").await {
        Ok(user) => user,
        Err(response) => return response,
    };
    let (mut mine, mut others) = (Vec::new(), Vec::new());
    app.manager.each(|cluster| {
        let entry = (cluster.phase.is_final(), u64::MAX - cluster.created_ms, row(&app, cluster, user.admin));
        if cluster.user == user.name {
            mine.push(entry);
        } else if user.admin {
            others.push(entry);
        }
    });
    let mut content = String::new();
    if mine.is_empty() {
        content.push_str("<p>You have no clusters.</p>");
    } else {
        content.push_str(&table(mine));
    }
    if !others.is_empty() {
        let _ = write!(content, "<h2>Everybody else's</h2>{}", table(others));
    }
    page(&app, "Clusters", Some(&user), &content)
}

fn table(mut rows: Vec<(bool, u64, String)>) -> String {
    rows.sort();
    let rows: String = rows.into_iter().map(|(_, _, row)| row).collect();
    format!(
        "<div class=\"scroll\"><table><thead><tr><th>Cluster</th><th>State</th><th class=\"n\">Workers</th><th class=\"n\">Cores</th>\
         <th class=\"n\">Core-hours</th><th class=\"n\">Age</th><th></th></tr></thead><tbody>{rows}</tbody></table></div>"
    )
}

fn row(app: &App, cluster: &crate::cluster::model::Cluster, with_user: bool) -> String {
    let progress = progress_object(cluster);
    let (name, status, prefix) = (escape(&cluster.name), cluster.phase.status(), &app.prefix);
    let workers = &progress["workers"];
    let owner = if with_user { format!("<br>{}", escape(&cluster.user)) } else { String::new() };
    let dashboard = match cluster.dashboard() {
        Some(_) => format!(" <a href=\"{prefix}/clusters/{name}/status\">dashboard</a>"),
        None => String::new(),
    };
    let stop = if cluster.phase.is_active() {
        format!(
            "<form method=\"post\" action=\"{prefix}/page/{name}/stop\"><button class=\"stop\">Stop</button></form>"
        )
    } else {
        String::new()
    };
    let reason = cluster.reason.as_deref().and_then(|reason| reason.lines().next()).unwrap_or_default();
    format!(
        "<tr><td><a href=\"{prefix}/page/{name}\"><code>{short}</code></a>{owner}{dashboard}</td>\
         <td><span class=\"{status}\">{status}</span> {reason}</td><td class=\"n\">{running} of {wanted}</td>\
         <td class=\"n\">{cores}</td><td class=\"n\">{hours:.3}</td><td class=\"n\">{age}</td><td>{stop}</td></tr>",
        short = name.get(..8).unwrap_or(&name),
        reason = escape(reason),
        running = workers["running"],
        wanted = workers["wanted"],
        cores = cluster.cores(),
        hours = progress["core_hours"].as_f64().unwrap_or_default(),
        age = age(cluster.stopped_ms.unwrap_or_else(now_ms).saturating_sub(cluster.created_ms)),
    )
}

fn age(ms: u64) -> String {
    let secs = ms / 1_000;
    match secs {
        0..60 => format!("{secs} s"),
        60..3_600 => format!("{} min", secs / 60),
        3_600..86_400 => format!("{} h {} min", secs / 3_600, secs % 3_600 / 60),
        _ => format!("{} d {} h", secs / 86_400, secs % 86_400 / 3_600),
    }
}

async fn cluster(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let user = match person(&app, &Method::GET, &headers, &peer, &format!("/page/{}", encode(&name))).await {
        Ok(user) => user,
        Err(response) => return response,
    };
    if let Err(error) = super::clusters::may_see(&app, &user, &name) {
        return error.into_response();
    }
    let seen = app.manager.look(&name, |cluster| {
        (row(&app, cluster, true), cluster.reason.clone(), options(cluster), worker_names(cluster))
    });
    let Some((row, reason, options, workers)) = seen else { return ApiError::unknown(&name).into_response() };
    let mut content = table(vec![(false, 0, row)]);
    let _ = write!(content, "<p>Name: <code>{}</code></p>{options}", escape(&name));
    if let Some(reason) = reason {
        let _ = write!(content, "<h2>Why it ended</h2><pre>{}</pre>", escape(&reason));
    }
    let roles = std::iter::once(Role::Scheduler).chain(workers.into_iter().rev().take(20).map(Role::Worker));
    for role in roles {
        let log = app.manager.log(&name, &role, LOG_LINES).await;
        let title = match &role {
            Role::Scheduler => "Log of the scheduler".to_owned(),
            Role::Worker(worker) => format!("Log of worker {}", worker.get(..8).unwrap_or(worker)),
        };
        let _ = write!(content, "<h2>{}</h2><pre>{}</pre>", escape(&title), escape(&log));
    }
    page(&app, "Cluster", Some(&user), &content)
}

fn options(cluster: &crate::cluster::model::Cluster) -> String {
    let rows: String = cluster
        .options
        .iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => text.clone(),
                // Users put secrets into environments.
                Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(", "),
                value => value.to_string(),
            };
            format!("<li>{}: {}</li>", escape(name), escape(&value))
        })
        .collect();
    if rows.is_empty() { String::new() } else { format!("<ul>{rows}</ul>") }
}

async fn stop(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Response {
    let user = match person(&app, &Method::POST, &headers, &peer, "/").await {
        Ok(user) => user,
        Err(response) => return response,
    };
    if let Err(error) = super::clusters::may_see(&app, &user, &name) {
        return error.into_response();
    }
    app.manager.stop(&name, format!("stopped by {}", user.name)).await;
    app.audit.write(&user.name, peer.address.ip(), "stop", Some(&name), "done");
    Redirect::to(&format!("{}/", app.prefix)).into_response()
}

#[derive(Deserialize)]
struct LoginForm {
    #[serde(default)]
    user: String,
    password: String,
    next: Option<String>,
}

async fn login_form(State(app): Shared, Query(query): Query<HashMap<String, String>>) -> Response {
    login_page(&app, query.get("next").map_or("", String::as_str), false)
}

fn login_page(app: &App, next: &str, failed: bool) -> Response {
    let complaint = if failed { "<p class=\"bad\">That was not accepted.</p>" } else { "" };
    let fields = match app.auth {
        Authenticator::Basic(_) => {
            "<label>Name<br><input name=\"user\" autocomplete=\"username\" autofocus required></label>\
             <label>Password<br><input name=\"password\" type=\"password\" autocomplete=\"current-password\" required></label>"
        }
        _ => {
            "<label>Token<br><input name=\"password\" type=\"password\" autocomplete=\"off\" autofocus required></label>"
        }
    };
    let content = format!(
        "{complaint}<form method=\"post\" action=\"{}/login\">{fields}<input type=\"hidden\" name=\"next\" value=\"{}\">\
         <button>Log in</button></form>",
        app.prefix,
        escape(next)
    );
    let mut response = page(app, "Log in", None, &content);
    if failed {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    response
}

/// Takes name and password, or a token, the same way as the API does: as an `Authorization` header.
async fn login(
    State(app): Shared,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    use base64::Engine as _;
    let site = headers.get("sec-fetch-site").and_then(|value| value.to_str().ok());
    if site.is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return ApiError::new(StatusCode::FORBIDDEN, "another site's page may not do this").into_response();
    }
    let next = form.next.unwrap_or_default();
    let text = format!("{}:{}", form.user, form.password.trim_end_matches(['\r', '\n']));
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text));
    let mut shown = HeaderMap::new();
    if let Ok(value) = HeaderValue::try_from(basic) {
        shown.insert(header::AUTHORIZATION, value);
    }
    match app.auth.authenticate(&shown, &peer).await {
        Ok(known) => {
            let cookie = app.sessions.begin(&known, PERSON_LIFE_MS, now_ms());
            app.audit.write(&known.user.name, peer.address.ip(), "login", None, "done");
            super::identity::with_cookie(Redirect::to(&own_path(&app, &next)).into_response(), Some(cookie))
        }
        Err(error) => {
            app.audit.write("-", peer.address.ip(), "login", None, &error.to_string());
            login_page(&app, &next, true)
        }
    }
}

/// Where to go after the login: only within this site.
fn own_path(app: &App, next: &str) -> String {
    let own = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    if own { next.to_owned() } else { format!("{}/", app.prefix) }
}

async fn logout(State(app): Shared, headers: HeaderMap) -> Response {
    let cookie = app.sessions.end(&headers);
    super::identity::with_cookie(Redirect::to(&format!("{}/login", app.prefix)).into_response(), Some(cookie))
}
