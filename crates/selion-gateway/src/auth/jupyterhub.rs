//! Tokens of a JupyterHub, which is asked whose they are.

use std::path::Path;

use axum::http::{HeaderValue, StatusCode};
use serde::Deserialize;

use super::{AuthError, Known, User};
use crate::config;
use crate::http_client::{Trust, Url, get};
use crate::secret::Secret;

#[derive(Debug)]
pub struct JupyterHub {
    user: Url,
    service: Option<String>,
    trust: Trust,
}

#[derive(Deserialize)]
struct Reply {
    name: String,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    admin: bool,
    #[serde(default)]
    scopes: Vec<String>,
}

impl JupyterHub {
    pub(super) fn new(config: &config::JupyterHub) -> Result<JupyterHub, String> {
        let mut user = Url::parse(&config.api_url)?;
        user.path.push_str("/user");
        let trust = Trust::new(config.ca.as_deref().map(Path::new))?;
        Ok(JupyterHub { user, service: config.service.clone(), trust })
    }

    pub(super) async fn check(&self, token: &Secret) -> Result<Known, AuthError> {
        let header = HeaderValue::try_from(format!("token {}", token.expose()))
            .map_err(|_| AuthError::Refused("a token that cannot stand in a header".into()))?;
        let (status, body) = get(&self.user, &self.trust, Some(header))
            .await
            .map_err(|error| AuthError::Unavailable(error.to_string()))?;
        match status {
            StatusCode::OK => self.user_of(&body),
            status if status.is_client_error() => Err(AuthError::Refused(format!("the hub says {status}"))),
            status => Err(AuthError::Unavailable(format!("the hub says {status}"))),
        }
    }

    fn user_of(&self, body: &[u8]) -> Result<Known, AuthError> {
        let reply: Reply = serde_json::from_slice(body)
            .map_err(|error| AuthError::Unavailable(format!("the hub's answer makes no sense: {error}")))?;
        if let Some(service) = &self.service {
            let own = format!("access:services!service={service}");
            if !reply.scopes.iter().any(|scope| *scope == own || scope == "access:services") {
                return Err(AuthError::Refused(format!("the token of {} lacks the scope {own}", reply.name)));
            }
        }
        let kind = reply.kind.as_deref().unwrap_or("user");
        // A service and a user of the same name are two.
        let name =
            if kind != "user" || reply.name.contains(':') { format!("{kind}:{}", reply.name) } else { reply.name };
        Ok(Known { user: User { name, groups: reply.groups, admin: reply.admin }, until_ms: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub(service: Option<&str>) -> JupyterHub {
        JupyterHub {
            user: Url::parse("http://127.0.0.1:1/hub/api/user").unwrap(),
            service: service.map(str::to_owned),
            trust: Trust::new(None).unwrap(),
        }
    }

    #[test]
    fn services_cannot_take_users_names() {
        let name = |body: &[u8]| hub(None).user_of(body).unwrap().user.name;
        assert_eq!(name(br#"{"name": "alice", "kind": "user"}"#), "alice");
        assert_eq!(name(br#"{"name": "alice", "kind": "service"}"#), "service:alice");
        assert_eq!(name(br#"{"name": "service:alice", "kind": "user"}"#), "user:service:alice");
    }

    #[test]
    fn a_named_service_needs_its_scope() {
        let hub = hub(Some("gw"));
        assert!(hub.user_of(br#"{"name": "a", "scopes": ["access:services!service=gw"]}"#).is_ok());
        assert!(hub.user_of(br#"{"name": "a", "scopes": ["access:services"]}"#).is_ok());
        assert!(hub.user_of(br#"{"name": "a", "scopes": ["access:services!service=other"]}"#).is_err());
    }
}
