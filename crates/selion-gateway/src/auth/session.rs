//! Sessions: after the first request a cookie stands for the credentials.
//!
//! A key in memory, forgotten with the process: the stock client then shows its credentials again, unseen. Only a hash of
//! the cookie is kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::http::{HeaderMap, header};

use super::{Known, User};
use crate::secret::random_hex;

/// How long a session lasts from its first request.
pub const LIFE_MS: u64 = 600_000;
/// The oldest sessions go when there are more.
const SESSIONS_MAX: usize = 50_000;

/// All sessions.
#[derive(Debug)]
pub struct Sessions {
    cookie: String,
    secure: bool,
    open: Mutex<HashMap<Vec<u8>, Session>>,
}

#[derive(Debug)]
struct Session {
    user: User,
    until_ms: u64,
}

impl Sessions {
    /// None yet; `secure` cookies are sent back over TLS only.
    #[must_use]
    pub fn new(secure: bool) -> Sessions {
        Sessions { cookie: format!("selion-gateway-{}", &random_hex()[..8]), secure, open: Mutex::default() }
    }

    /// Whose session the request belongs to.
    #[must_use]
    pub fn user(&self, headers: &HeaderMap, now_ms: u64) -> Option<User> {
        let value = self.value(headers)?;
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get(&hash(value)).filter(|session| session.until_ms > now_ms).map(|session| session.user.clone())
    }

    /// Begins a session; gives the `Set-Cookie` for it. `life_ms` at most, and never longer than the credentials last.
    #[must_use]
    pub fn begin(&self, known: &Known, life_ms: u64, now_ms: u64) -> String {
        let value = random_hex();
        let until_ms = known.until_ms.unwrap_or(u64::MAX).min(now_ms + life_ms);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= SESSIONS_MAX {
            open.retain(|_, session| session.until_ms > now_ms);
        }
        if open.len() >= SESSIONS_MAX {
            open.clear();
        }
        open.insert(hash(&value), Session { user: known.user.clone(), until_ms });
        let secure = if self.secure { "; Secure" } else { "" };
        let secs = until_ms.saturating_sub(now_ms) / 1_000;
        format!("{}={value}; Max-Age={secs}; Path=/; HttpOnly; SameSite=Lax{secure}", self.cookie)
    }

    /// Ends the request's session; gives the `Set-Cookie` that removes it.
    #[must_use]
    pub fn end(&self, headers: &HeaderMap) -> String {
        if let Some(value) = self.value(headers) {
            self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash(value));
        }
        format!("{}=; Max-Age=0; Path=/", self.cookie)
    }

    /// The request's cookies without ours, for others to see; `None` if none is left.
    #[must_use]
    pub fn others(&self, headers: &HeaderMap) -> Option<String> {
        let others: Vec<&str> =
            cookies(headers).filter(|(name, _, _)| *name != self.cookie).map(|(_, _, whole)| whole).collect();
        (!others.is_empty()).then(|| others.join("; "))
    }

    fn value<'a>(&self, headers: &'a HeaderMap) -> Option<&'a str> {
        cookies(headers).find(|(name, _, _)| *name == self.cookie).map(|(_, value, _)| value)
    }
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = (&str, &str, &str)> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(';')).filter_map(|pair| {
        let whole = pair.trim();
        let (name, value) = whole.split_once('=')?;
        Some((name, value.trim_matches('"'), whole))
    })
}

fn hash(value: &str) -> Vec<u8> {
    ring::digest::digest(&ring::digest::SHA256, value.as_bytes()).as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(until_ms: Option<u64>) -> Known {
        Known { user: User { name: "alice".into(), groups: vec![], admin: false }, until_ms }
    }

    fn with_cookie(set: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, format!("a=b; {}", set.split(';').next().unwrap()).parse().unwrap());
        headers
    }

    #[test]
    fn a_session_ends_with_its_time_or_its_token() {
        let sessions = Sessions::new(false);
        let headers = with_cookie(&sessions.begin(&known(None), LIFE_MS, 0));
        assert_eq!(sessions.user(&headers, LIFE_MS - 1).unwrap().name, "alice");
        assert!(sessions.user(&headers, LIFE_MS).is_none());
        let headers = with_cookie(&sessions.begin(&known(Some(1_000)), LIFE_MS, 0));
        assert!(sessions.user(&headers, 999).is_some());
        assert!(sessions.user(&headers, 1_000).is_none());
    }

    #[test]
    fn our_cookie_is_not_shown_to_others() {
        let sessions = Sessions::new(true);
        let headers = with_cookie(&sessions.begin(&known(None), LIFE_MS, 0));
        assert_eq!(sessions.others(&headers).as_deref(), Some("a=b"));
        let _ = sessions.end(&headers);
        assert!(sessions.user(&headers, 0).is_none());
    }
}
