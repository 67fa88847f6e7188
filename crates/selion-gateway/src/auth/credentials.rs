//! What an `Authorization` header says, in the schemes that clients have.
//!
//! The stock client knows Basic and JupyterHub's scheme only, so a token may also come in those: as the password, or as the
//! hub's token.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::AuthError;
use crate::secret::Secret;

/// A name and a secret, or a secret alone.
#[derive(Debug, PartialEq, Eq)]
pub enum Credentials {
    /// `Basic`
    Password {
        /// The name.
        user: String,
        /// The password.
        password: Secret,
    },
    /// `Bearer`, `jupyterhub`
    Token(Secret),
}

impl Credentials {
    /// Reads the header.
    ///
    /// # Errors
    /// If there is none, or it makes no sense.
    pub fn of(headers: &HeaderMap) -> Result<Credentials, AuthError> {
        let refuse = |why: &str| AuthError::Refused(why.to_owned());
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let value = values.next().ok_or(AuthError::Missing)?;
        if values.next().is_some() {
            return Err(refuse("two Authorization headers"));
        }
        let value = value.to_str().map_err(|_| refuse("an Authorization header that is not ASCII"))?;
        let (scheme, rest) =
            value.trim().split_once(' ').ok_or_else(|| refuse("an Authorization header without value"))?;
        let rest = rest.trim();
        match scheme.to_ascii_lowercase().as_str() {
            "basic" => {
                let bytes = BASE64.decode(rest).map_err(|_| refuse("Basic credentials that are not base64"))?;
                // The stock client encodes as Latin-1, others as UTF-8.
                let text = String::from_utf8(bytes)
                    .unwrap_or_else(|error| error.as_bytes().iter().map(|&byte| char::from(byte)).collect());
                let (user, password) =
                    text.split_once(':').ok_or_else(|| refuse("Basic credentials without a colon"))?;
                Ok(Credentials::Password { user: user.to_owned(), password: Secret::new(password) })
            }
            "bearer" | "jupyterhub" => Ok(Credentials::Token(Secret::new(rest))),
            _ => Err(refuse("an Authorization scheme that is not known")),
        }
    }

    /// The token, also if it came as a password.
    #[must_use]
    pub fn token(&self) -> &Secret {
        match self {
            Credentials::Password { password, .. } => password,
            Credentials::Token(token) => token,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: &str) -> Result<Credentials, AuthError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        Credentials::of(&headers)
    }

    #[test]
    fn schemes_are_known_in_any_case() {
        let token = Credentials::Token(Secret::new("t"));
        for value in ["Bearer t", "bearer  t", "JUPYTERHUB t"] {
            assert_eq!(of(value).unwrap(), token, "{value}");
        }
        let password = Credentials::Password { user: "a".into(), password: Secret::new("b:c") };
        assert_eq!(of(&format!("basic {}", BASE64.encode("a:b:c"))).unwrap(), password);
    }

    #[test]
    fn names_may_be_latin_1_or_utf_8() {
        for bytes in [&b"\xe9:x"[..], "é:x".as_bytes()] {
            let Credentials::Password { user, .. } = of(&format!("Basic {}", BASE64.encode(bytes))).unwrap() else {
                panic!()
            };
            assert_eq!(user, "é");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for value in ["", "Basic", "Basic !!!", "Basic YQ==", "Digest x", "token abc"] {
            assert!(matches!(of(value), Err(AuthError::Refused(_))), "{value:?}");
        }
        assert!(matches!(Credentials::of(&HeaderMap::new()), Err(AuthError::Missing)));
    }
}
