//! Passwords, tokens and keys as a type that cannot be printed.
//!
//! `expose` is the one way to the value. It is called where a value leaves on purpose: the files of a cluster's processes,
//! the owner's credentials in the REST answer, the sealed row of the database, and comparisons.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A text that neither `Debug` nor any log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// 32 hexadecimal digits from the system's random source.
    #[must_use]
    pub fn random() -> Secret {
        Secret(random_hex())
    }

    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether `other` is the same, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &str) -> bool {
        same_bytes(self.0.as_bytes(), other.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

/// 32 hexadecimal digits from the system's random source.
///
/// # Panics
/// If the system has no randomness to give, in which case nothing here can be safe.
#[must_use]
#[expect(clippy::expect_used, reason = "without randomness no secret can be made")]
pub fn random_hex() -> String {
    let mut bytes = [0_u8; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes).expect("the system's random source");
    bytes.iter().fold(String::with_capacity(32), |mut hex, byte| {
        use fmt::Write as _;
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Compares without telling by its duration where the two differ; lengths are not secret.
fn same_bytes(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (x, y)| differ | (x ^ y)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_value() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(***)");
    }

    #[test]
    fn only_equal_texts_match() {
        assert!(Secret::new("ab").matches("ab"));
        assert!(!Secret::new("ab").matches("ac"));
        assert!(!Secret::new("ab").matches("abc"));
    }
}
