//! Names and passwords from the configuration, as argon2 hashes.
//!
//! Argon2 is slow on purpose: 19 MiB and tens of milliseconds. Two checks at most run at once, away from the threads that
//! serve; what was right is remembered for a while, as a keyed hash. A name that does not exist takes as long as a wrong
//! password.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use ring::hmac;
use tokio::sync::Semaphore;

use super::{AuthError, Credentials, Known, User};
use crate::config;
use crate::secret::Secret;

const AT_ONCE: usize = 2;
const REMEMBERED_FOR: Duration = Duration::from_secs(300);
const REMEMBERED_MAX: usize = 10_000;
/// A hash of nothing that anybody knows, for names that do not exist.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2VsaW9uLW5vYm9keQ$Wm5vYm9keSBrbm93cyB0aGlzIHZhbHVlIGF0IGFsbCE";

#[derive(Debug)]
pub struct Basic {
    users: BTreeMap<String, Secret>,
    groups: BTreeMap<String, Vec<String>>,
    admins: Vec<String>,
    checks: Arc<Semaphore>,
    key: hmac::Key,
    remembered: Mutex<HashMap<Vec<u8>, Instant>>,
}

impl Basic {
    pub(super) fn new(config: &config::Basic) -> Basic {
        Basic {
            users: config.users.clone(),
            groups: config.groups.clone(),
            admins: config.admins.clone(),
            checks: Arc::new(Semaphore::new(AT_ONCE)),
            key: hmac::Key::new(hmac::HMAC_SHA256, crate::secret::random_hex().as_bytes()),
            remembered: Mutex::default(),
        }
    }

    pub(super) async fn check(&self, credentials: &Credentials) -> Result<Known, AuthError> {
        let Credentials::Password { user, password } = credentials else {
            return Err(AuthError::Refused("a token, where passwords are asked for".into()));
        };
        let seen = hmac::sign(&self.key, format!("{user}:{}", password.expose()).as_bytes()).as_ref().to_vec();
        if !self.remembers(&seen) {
            self.verify(user, password).await?;
            self.remember(seen);
        }
        let groups = self.groups.iter().filter(|(_, members)| members.contains(user)).map(|(group, _)| group.clone());
        let user = User { name: user.clone(), groups: groups.collect(), admin: self.admins.contains(user) };
        Ok(Known { user, until_ms: None })
    }

    async fn verify(&self, user: &str, password: &Secret) -> Result<(), AuthError> {
        let hash = self.users.get(user).map_or(NOBODY, Secret::expose).to_owned();
        let password = password.clone();
        let permit = Arc::clone(&self.checks).acquire_owned().await;
        let check = move || {
            let _permit = permit;
            PasswordHash::new(&hash)
                .is_ok_and(|hash| Argon2::default().verify_password(password.expose().as_bytes(), &hash).is_ok())
        };
        match tokio::task::spawn_blocking(check).await {
            Ok(true) if self.users.contains_key(user) => Ok(()),
            _ => Err(AuthError::Refused(format!("wrong name or password for {user:?}"))),
        }
    }

    fn remembers(&self, seen: &[u8]) -> bool {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        remembered.get(seen).is_some_and(|since| since.elapsed() < REMEMBERED_FOR)
    }

    fn remember(&self, seen: Vec<u8>) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(seen, Instant::now());
    }
}

/// The hash of a password as the configuration wants it.
///
/// # Errors
/// If the system has no randomness to give.
pub fn hash_password(password: &str) -> Result<String, String> {
    let salt = SaltString::encode_b64(crate::secret::random_hex().as_bytes()).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::DEFAULT);
    argon2.hash_password(password.as_bytes(), &salt).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_of_a_known_name_is_accepted() {
        let hash = Secret::new(hash_password("open sesame").unwrap());
        let users = BTreeMap::from([("alice".to_owned(), hash)]);
        let groups = BTreeMap::from([("staff".to_owned(), vec!["alice".to_owned()])]);
        let basic = Basic::new(&config::Basic { users, groups, admins: vec![] });
        let show =
            |user: &str, password: &str| Credentials::Password { user: user.into(), password: Secret::new(password) };
        for _ in 0..2 {
            let known = basic.check(&show("alice", "open sesame")).await.unwrap();
            assert_eq!(known.user.groups, ["staff"]);
        }
        for (user, password) in [("alice", "x"), ("alice", ""), ("bob", "open sesame"), ("", "")] {
            assert!(basic.check(&show(user, password)).await.is_err(), "{user}");
        }
    }

    #[test]
    fn the_hash_for_unknown_names_costs_as_much() {
        let hash = PasswordHash::new(NOBODY).unwrap();
        assert_eq!(Params::try_from(&hash).unwrap().m_cost(), Params::DEFAULT.m_cost());
    }
}
