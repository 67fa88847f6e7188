//! A header that names the user, believed only from a proxy that showed a certificate in the TLS handshake.

use axum::http::HeaderMap;

use super::{AuthError, Known, Peer, User};
use crate::config;

#[derive(Debug)]
pub struct TrustedProxy {
    user_header: String,
    groups_header: Option<String>,
    admin_groups: Vec<String>,
}

impl TrustedProxy {
    pub(super) fn new(config: &config::TrustedProxy) -> TrustedProxy {
        TrustedProxy {
            user_header: config.user_header.clone(),
            groups_header: config.groups_header.clone(),
            admin_groups: config.admin_groups.clone(),
        }
    }

    pub(super) fn check(&self, headers: &HeaderMap, peer: &Peer) -> Result<Known, AuthError> {
        if !peer.certified {
            return Err(AuthError::Refused("the connection showed no certificate of the proxy".into()));
        }
        let name = one(headers, &self.user_header)?.ok_or(AuthError::Missing)?.to_owned();
        let groups: Vec<String> = match &self.groups_header {
            Some(header) => one(headers, header)?
                .unwrap_or_default()
                .split(',')
                .map(|group| group.trim().to_owned())
                .filter(|group| !group.is_empty())
                .collect(),
            None => Vec::new(),
        };
        let admin = groups.iter().any(|group| self.admin_groups.contains(group));
        Ok(Known { user: User { name, groups, admin }, until_ms: None })
    }
}

/// The value of a header that stands there once at most: a second one might be a client's own.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, AuthError> {
    let refuse = |why: &str| AuthError::Refused(format!("{name}: {why}"));
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refuse("it is there twice"));
    }
    std::str::from_utf8(value.as_bytes()).map(Some).map_err(|_| refuse("it is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_counts_only_with_the_certificate_and_once() {
        let proxy = TrustedProxy {
            user_header: "x-user".into(),
            groups_header: Some("x-groups".into()),
            admin_groups: vec!["ops".into()],
        };
        let address = "127.0.0.1:1".parse().unwrap();
        let peer = |certified| Peer { address, local: address, tls: true, certified };
        let mut headers = HeaderMap::new();
        assert!(matches!(proxy.check(&headers, &peer(true)), Err(AuthError::Missing)));
        headers.insert("x-user", "alice".parse().unwrap());
        headers.insert("x-groups", "staff, ops".parse().unwrap());
        let known = proxy.check(&headers, &peer(true)).unwrap();
        assert!(known.user.admin && known.user.groups == ["staff", "ops"]);
        assert!(matches!(proxy.check(&headers, &peer(false)), Err(AuthError::Refused(_))));
        headers.append("x-user", "bob".parse().unwrap());
        assert!(matches!(proxy.check(&headers, &peer(true)), Err(AuthError::Refused(_))));
    }
}
