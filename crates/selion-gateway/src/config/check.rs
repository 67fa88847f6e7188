//! What a configuration of the right form may still not say.

use super::{Auth, Config};
use crate::engine;
use crate::http_client::Url;
use crate::options::Options;

impl Config {
    /// Everything that is wrong, one sentence each; empty if nothing is.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.check_auth(&mut problems);
        self.check_clusters(&mut problems);
        for (key, url) in [("public_url", &self.public_url), ("api_url", &self.api_url)] {
            if let Some(Err(error)) = url.as_deref().map(Url::parse) {
                problems.push(format!("{key}: {error}"));
            }
        }
        if let Some(tls) = &self.tls {
            for (key, path) in [("tls.cert", &tls.cert), ("tls.key", &tls.key)] {
                if let Err(error) = std::fs::File::open(path) {
                    problems.push(format!("{key}: cannot open {}: {error}", path.display()));
                }
            }
        }
        if !self.address.ip().is_loopback() && self.tls.is_none() && self.public_url.is_none() {
            problems.push(format!(
                "address: {} is not loopback, so passwords and tokens would cross the network in clear: give [tls] cert and \
                 key, or public_url = \"https://…\" of the load balancer that ends TLS in front",
                self.address
            ));
        }
        problems
    }

    fn check_auth(&self, problems: &mut Vec<String>) {
        match &self.auth {
            Auth::Oidc(oidc) => {
                check_peer("auth.issuer", &oidc.issuer, problems);
                for (key, value) in [
                    ("audience", &oidc.audience),
                    ("username_claim", &oidc.username_claim),
                    ("groups_claim", &oidc.groups_claim),
                ] {
                    if value.is_empty() {
                        problems.push(format!("auth.{key} is empty"));
                    }
                }
            }
            Auth::Basic(basic) => {
                if basic.users.is_empty() {
                    problems.push("auth.users is empty: nobody could come in".into());
                }
                for (user, hash) in &basic.users {
                    if argon2::password_hash::PasswordHash::new(hash.expose()).is_err() {
                        problems.push(format!(
                            "auth.users.{user} is no argon2 hash: make one with `selion gateway hash-password`"
                        ));
                    }
                    if user.is_empty() || user.contains(|c: char| c == ':' || c.is_control()) {
                        problems.push(format!("auth.users: {user:?} cannot be a name"));
                    }
                }
            }
            Auth::Jupyterhub(hub) => check_peer("auth.api_url", &hub.api_url, problems),
            Auth::Proxy(proxy) => {
                if self.tls.is_none() {
                    problems.push("auth.kind = \"proxy\" needs [tls]: the proxy shows its certificate there".into());
                }
                if let Err(error) = std::fs::File::open(&proxy.client_ca) {
                    problems.push(format!("auth.client_ca: cannot open {}: {error}", proxy.client_ca.display()));
                }
                for name in std::iter::once(&proxy.user_header).chain(&proxy.groups_header) {
                    if axum::http::HeaderName::try_from(name.as_str()).is_err() {
                        problems.push(format!("auth: {name:?} cannot be a header"));
                    }
                }
            }
        }
    }

    fn check_clusters(&self, problems: &mut Vec<String>) {
        match self.base_settings() {
            Err(error) => problems.push(error),
            Ok(settings) => {
                if engine::named(&settings.engine).is_none() {
                    problems.push(format!(
                        "cluster.engine: there is no {:?}, only {}",
                        settings.engine,
                        engine::NAMES.join(", ")
                    ));
                }
            }
        }
        match Options::new(self) {
            Err(error) => problems.push(error),
            Ok(options) => problems.extend(options.problems()),
        }
    }
}

/// Another server that decides who somebody is: plain HTTP only if it is on this machine.
fn check_peer(key: &str, url: &str, problems: &mut Vec<String>) {
    match Url::parse(url) {
        Err(error) => problems.push(format!("{key}: {error}")),
        Ok(url) if !url.https && !url.is_loopback() => {
            problems.push(format!("{key}: {url} must be https; plain http is only for loopback"));
        }
        Ok(_) => {}
    }
}
