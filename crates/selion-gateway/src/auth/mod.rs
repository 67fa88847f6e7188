//! Who is asking.
//!
//! One `Authenticator`, chosen by the configuration, turns a request's headers into a `User` or a refusal; `session` makes
//! that cheap by a cookie. There is no anonymous access. Refusals tell the caller no more than that; the log says why.

mod basic;
mod credentials;
mod jupyterhub;
mod oidc;
mod proxy;
pub mod session;

use axum::http::HeaderMap;
use serde::Serialize;

pub use basic::hash_password;
pub use credentials::Credentials;

use crate::config::Auth;

/// Somebody who has shown who they are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct User {
    /// The name that owns clusters.
    pub name: String,
    /// What limits may go by.
    pub groups: Vec<String>,
    /// Whether they see and stop others' clusters.
    pub admin: bool,
}

/// A user, and until when that is known, in milliseconds since the epoch; `None` is as long as a session lasts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Who.
    pub user: User,
    /// Until when.
    pub until_ms: Option<u64>,
}

/// Why nobody is known.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// Nothing was shown.
    #[error("no credentials")]
    Missing,
    /// What was shown is not accepted.
    #[error("{0}")]
    Refused(String),
    /// Whoever decides cannot be asked.
    #[error("{0}")]
    Unavailable(String),
}

/// How the connection came in.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    /// From where.
    pub address: std::net::SocketAddr,
    /// To which of our addresses.
    pub local: std::net::SocketAddr,
    /// Whether with TLS, ended here.
    pub tls: bool,
    /// Whether it showed a certificate that `client_ca` vouches for.
    pub certified: bool,
}

/// The way to know users.
#[derive(Debug)]
pub enum Authenticator {
    /// Tokens of an OpenID Connect issuer.
    Oidc(oidc::Oidc),
    /// Names and passwords from the configuration.
    Basic(basic::Basic),
    /// Tokens of a JupyterHub.
    JupyterHub(jupyterhub::JupyterHub),
    /// A header from a proxy with a certificate.
    Proxy(proxy::TrustedProxy),
}

impl Authenticator {
    /// The one that the configuration chooses.
    ///
    /// # Errors
    /// If a file it names cannot be used.
    pub fn new(config: &Auth) -> Result<Authenticator, String> {
        Ok(match config {
            Auth::Oidc(config) => Authenticator::Oidc(oidc::Oidc::new(config)?),
            Auth::Basic(config) => Authenticator::Basic(basic::Basic::new(config)),
            Auth::Jupyterhub(config) => Authenticator::JupyterHub(jupyterhub::JupyterHub::new(config)?),
            Auth::Proxy(config) => Authenticator::Proxy(proxy::TrustedProxy::new(config)),
        })
    }

    /// Finds out who sends these headers.
    ///
    /// # Errors
    /// Why that is not known.
    pub async fn authenticate(&self, headers: &HeaderMap, peer: &Peer) -> Result<Known, AuthError> {
        let known = match self {
            Authenticator::Proxy(proxy) => proxy.check(headers, peer)?,
            _ => {
                let credentials = Credentials::of(headers)?;
                match self {
                    Authenticator::Oidc(oidc) => oidc.check(credentials.token()).await?,
                    Authenticator::Basic(basic) => basic.check(&credentials).await?,
                    Authenticator::JupyterHub(hub) => hub.check(credentials.token()).await?,
                    Authenticator::Proxy(_) => return Err(AuthError::Missing),
                }
            }
        };
        // A name stands in logs, in lists and in job names; nothing there may mistake it for anything else.
        let name = &known.user.name;
        if name.is_empty() || name.len() > 255 || name.contains(char::is_control) {
            return Err(AuthError::Refused(format!("{name:?} cannot be a user's name")));
        }
        Ok(known)
    }

    /// What 401 tells the caller to show.
    #[must_use]
    pub fn challenge(&self) -> &'static str {
        match self {
            Authenticator::Oidc(_) => "Bearer",
            Authenticator::Basic(_) => "Basic realm=\"gateway\"",
            Authenticator::JupyterHub(_) => "jupyterhub",
            Authenticator::Proxy(_) => "Negotiate",
        }
    }
}
