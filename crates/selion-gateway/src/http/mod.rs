//! The HTTP side: REST, dashboards, pages.
//!
//! `clusters` has the routes of the stock client, exactly; `callbacks` those that schedulers call; `more` what is new;
//! `dashboards` the way to the schedulers' pages; `pages` what people see. `identity` finds out who asks; `error` is how a
//! refusal looks; `connection` serves one connection.

mod body;
mod callbacks;
mod clusters;
pub(crate) mod connection;
mod dashboards;
mod error;
mod identity;
mod more;
mod openapi;
mod pages;

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};

use crate::audit::Audit;
use crate::auth::Authenticator;
use crate::auth::session::Sessions;
use crate::cluster::manager::Manager;
use crate::metrics::{Metrics, RequestLabels};
use crate::secret::Secret;

/// The version that `/api/version` tells: that of the stock server whose routes these are.
const API_VERSION: &str = "2026.3.0";
/// Requests are small objects.
const BODY_BYTES_MAX: usize = 1 << 20;

/// What the handlers share.
pub(crate) struct App {
    /// All clusters.
    pub(crate) manager: Arc<Manager>,
    /// Who may come in.
    pub(crate) auth: Authenticator,
    /// Who has.
    pub(crate) sessions: Sessions,
    /// Who did what.
    pub(crate) audit: Audit,
    /// What is counted.
    pub(crate) metrics: Arc<Metrics>,
    /// What a scraper shows; without one, only this machine may ask.
    pub(crate) metrics_token: Option<Secret>,
    /// The path under which users see all this; empty, or from a slash on.
    pub(crate) prefix: String,
    /// Whether everybody seems to come from this machine, because a load balancer stands in front.
    pub(crate) is_fronted: bool,
}

type Shared = State<Arc<App>>;

/// All routes.
pub(crate) fn router(app: Arc<App>) -> Router {
    let for_users = Router::new()
        .route("/api/v1/options", get(clusters::options))
        .route("/api/v1/clusters/", get(clusters::list).post(clusters::create))
        .route("/api/v1/clusters/{name}/scale", post(clusters::scale))
        .route("/api/v1/clusters/{name}/adapt", post(clusters::adapt))
        .route("/api/v1/clusters/{name}/progress", get(more::progress))
        .route("/api/v1/clusters/{name}/logs", get(more::logs))
        .route("/api/v1/usage", get(more::usage))
        .route("/api/v1/user", get(more::user))
        .route("/api/v1/admin/clusters", get(more::all_clusters))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), identity::require_user))
        .route(
            "/api/v1/clusters/{name}",
            get(clusters::get)
                .route_layer(middleware::from_fn_with_state(Arc::clone(&app), identity::require_user))
                .delete(callbacks::delete),
        );
    let routes = Router::new()
        .route("/api/health", get(more::health))
        .route("/api/version", get(more::version))
        .route("/api/v1/openapi.json", get(openapi::document))
        .route("/metrics", get(more::metrics))
        .route("/api/v1/clusters/{name}/heartbeat", post(callbacks::heartbeat))
        .route("/clusters/{name}", any(dashboards::root))
        .route("/clusters/{name}/", any(dashboards::root))
        .route("/clusters/{name}/{*path}", any(dashboards::pass))
        .merge(for_users)
        .merge(pages::routes())
        .fallback(error::no_route)
        .method_not_allowed_fallback(error::no_method)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), count));
    let routes =
        if app.prefix.is_empty() { routes } else { Router::new().nest(&app.prefix, routes).fallback(error::no_route) };
    routes.with_state(app)
}

/// Counts requests and their time.
async fn count(State(app): Shared, request: Request, next: Next) -> Response {
    let begin = Instant::now();
    let method = request.method().as_str();
    // The method is the caller's text; only those that have routes are told apart.
    let method =
        if matches!(method, "GET" | "POST" | "DELETE" | "HEAD") { method.to_owned() } else { "other".to_owned() };
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let mut response = next.run(request).await;
    // Refusals of the framework are plain text, those of dashboards are not ours to change.
    if response.status().as_u16() >= 400 && !route.contains("/clusters/{name}/{*path}") && is_plain_text(&response) {
        response = error::of_text(response).await;
    }
    response.headers_mut().entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    app.metrics.seconds.observe(begin.elapsed().as_secs_f64());
    let labels = RequestLabels { method, route, status: response.status().as_u16() };
    app.metrics.requests.get_or_create(&labels).inc();
    response
}

fn is_plain_text(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}
