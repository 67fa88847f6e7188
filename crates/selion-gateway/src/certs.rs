//! The certificate of a cluster: self-signed ECDSA P-256, its own authority, for scheduler, workers and clients alike.
//!
//! Back-dated, because clocks differ. `renew` makes a new certificate for the same key and name, which whoever trusts the
//! old one accepts too until that ends.

use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};
use time::{Duration, OffsetDateTime};

use crate::secret::Secret;

const BACK_DATED: Duration = Duration::minutes(10);
/// How long a certificate counts.
pub const VALID: Duration = Duration::days(365);

/// A certificate and its key, both PEM.
#[derive(Debug)]
pub struct Pair {
    /// The certificate.
    pub certificate: String,
    /// The key, PKCS#8.
    pub key: Secret,
}

/// Makes key and certificate for a new cluster.
///
/// # Errors
/// If the system has no randomness to give.
pub fn make(cluster: &str) -> Result<Pair, rcgen::Error> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = sign(cluster, &key)?;
    Ok(Pair { certificate, key: Secret::new(key.serialize_pem()) })
}

/// Makes a new certificate for a cluster's key.
///
/// # Errors
/// If the key cannot be read.
pub fn renew(cluster: &str, key: &Secret) -> Result<String, rcgen::Error> {
    sign(cluster, &KeyPair::from_pem(key.expose())?)
}

fn sign(cluster: &str, key: &KeyPair) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new([cluster.to_owned(), "dask-internal".to_owned()])?;
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, "dask-internal");
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BACK_DATED;
    params.not_after = now + VALID;
    Ok(params.self_signed(key)?.pem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewing_keeps_the_key() {
        let pair = make("abc").unwrap();
        let renewed = renew("abc", &pair.key).unwrap();
        assert_ne!(renewed, pair.certificate);
        assert!(pair.key.expose().starts_with("-----BEGIN PRIVATE KEY-----"));
    }
}
