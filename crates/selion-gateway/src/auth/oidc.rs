//! Tokens of an OpenID Connect issuer.
//!
//! The issuer's own document says where its keys are; both are fetched when first needed, the keys again every ten minutes
//! and, at most every ten seconds, when a token names a key that is not known: that is how issuers change keys. Only
//! signatures by key pairs are accepted, and only in the algorithm that the key is for: neither `none`, nor an HMAC with the
//! public key as its secret.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::{AuthError, Known, User};
use crate::config;
use crate::http_client::{Trust, Url, get};
use crate::secret::Secret;

/// Keys are fetched again when they are this old.
const KEYS_MAX_AGE: Duration = Duration::from_secs(600);
/// And for the sake of an unknown key, or after a failure, not more often than this.
const ASK_PAUSE: Duration = Duration::from_secs(10);
/// Longer ones are no tokens.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug)]
pub struct Oidc {
    config: config::Oidc,
    issuer: Url,
    trust: Trust,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    by_id: HashMap<String, (Vec<Algorithm>, DecodingKey)>,
    fetched: Option<Instant>,
    asked: Option<Instant>,
}

impl Keys {
    fn find(&self, id: Option<&str>) -> Option<&(Vec<Algorithm>, DecodingKey)> {
        match id {
            Some(id) => self.by_id.get(id),
            None => self.by_id.values().next().filter(|_| self.by_id.len() == 1),
        }
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({:?})", self.by_id.keys())
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Oidc {
    pub(super) fn new(config: &config::Oidc) -> Result<Oidc, String> {
        let issuer = Url::parse(&config.issuer)?;
        let trust = Trust::new(config.ca.as_deref().map(Path::new))?;
        Ok(Oidc { config: config.clone(), issuer, trust, keys: Mutex::default() })
    }

    pub(super) async fn check(&self, token: &Secret) -> Result<Known, AuthError> {
        let refuse = |why: String| AuthError::Refused(why);
        let token = token.expose();
        if token.len() > TOKEN_BYTES_MAX {
            return Err(refuse("a token that is too long".into()));
        }
        let header = decode_header(token).map_err(|error| refuse(format!("no token: {error}")))?;
        if !is_asymmetric(header.alg) {
            return Err(refuse(format!("a token signed with {:?}", header.alg)));
        }
        let (algorithms, key) = self.key(header.kid.as_deref()).await?;
        if !algorithms.contains(&header.alg) {
            return Err(refuse(format!("a token signed with {:?}, for which its key is not", header.alg)));
        }
        let mut validation = Validation::new(header.alg);
        validation.set_audience(&[&self.config.audience]);
        validation.set_issuer(&[&self.config.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        validation.validate_nbf = true;
        validation.leeway = self.config.leeway.0.as_secs();
        let claims = decode::<Map<String, Value>>(token, &key, &validation)
            .map_err(|error| refuse(format!("the token: {error}")))?
            .claims;
        self.user_of(&claims)
    }

    fn user_of(&self, claims: &Map<String, Value>) -> Result<Known, AuthError> {
        let claim = &self.config.username_claim;
        let name = claims.get(claim).and_then(Value::as_str).filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| AuthError::Refused(format!("a token without the claim {claim:?}")))?.to_owned();
        let groups: Vec<String> = match claims.get(&self.config.groups_claim) {
            Some(Value::Array(groups)) => groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            Some(Value::String(group)) => vec![group.clone()],
            _ => Vec::new(),
        };
        let admin = groups.iter().any(|group| self.config.admin_groups.contains(group));
        let until_ms = claims.get("exp").and_then(Value::as_u64).map(|secs| secs.saturating_mul(1_000));
        Ok(Known { user: User { name, groups, admin }, until_ms })
    }

    /// The issuer's key of that name; its only key, if the token names none.
    async fn key(&self, id: Option<&str>) -> Result<(Vec<Algorithm>, DecodingKey), AuthError> {
        let mut keys = self.keys.lock().await;
        let is_old = keys.fetched.is_none_or(|fetched| fetched.elapsed() > KEYS_MAX_AGE);
        let may_ask = keys.asked.is_none_or(|asked| asked.elapsed() > ASK_PAUSE);
        if (is_old || keys.find(id).is_none()) && (may_ask || keys.fetched.is_none()) {
            keys.asked = Some(Instant::now());
            match self.fetch_keys().await {
                Ok(by_id) => {
                    keys.by_id = by_id;
                    keys.fetched = Some(Instant::now());
                }
                // Better the keys of before than none, until the issuer is back.
                Err(error) if keys.fetched.is_some() => {
                    tracing::warn!(%error, "the issuer's keys could not be renewed")
                }
                Err(error) => return Err(AuthError::Unavailable(error)),
            }
        }
        keys.find(id).cloned().ok_or_else(|| AuthError::Refused(format!("a token signed with the unknown key {id:?}")))
    }

    async fn fetch_keys(&self) -> Result<HashMap<String, (Vec<Algorithm>, DecodingKey)>, String> {
        let mut place = self.issuer.clone();
        place.path.push_str("/.well-known/openid-configuration");
        let discovery: Discovery = self.document(&place).await?;
        if discovery.issuer != self.config.issuer {
            return Err(format!("the issuer calls itself {:?}, not {:?}", discovery.issuer, self.config.issuer));
        }
        let place = Url::parse(&discovery.jwks_uri)?;
        if !place.https && !place.is_loopback() {
            return Err(format!("the issuer's keys are at {place}, which is not https"));
        }
        let set: JwkSetLoose = self.document(&place).await?;
        let usable = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(usable_keys(JwkSet { keys: usable.collect() }))
    }

    async fn document<T: serde::de::DeserializeOwned>(&self, place: &Url) -> Result<T, String> {
        let (status, body) = get(place, &self.trust, None).await.map_err(|error| error.to_string())?;
        if !status.is_success() {
            return Err(format!("{place} says {status}"));
        }
        serde_json::from_slice(&body).map_err(|error| format!("{place}: {error}"))
    }
}

/// A set of which some keys may be of kinds that nobody here knows.
#[derive(Deserialize)]
struct JwkSetLoose {
    keys: Vec<Value>,
}

fn is_asymmetric(algorithm: Algorithm) -> bool {
    !matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512)
}

fn usable_keys(set: JwkSet) -> HashMap<String, (Vec<Algorithm>, DecodingKey)> {
    let mut keys = HashMap::new();
    for jwk in set.keys {
        let Some(id) = jwk.common.key_id.clone() else { continue };
        if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            continue;
        }
        let mut algorithms = algorithms_of(&jwk.algorithm);
        if let Some(only) = jwk.common.key_algorithm.and_then(|name| name.to_string().parse::<Algorithm>().ok()) {
            algorithms.retain(|algorithm| *algorithm == only);
        }
        if let Ok(key) = DecodingKey::from_jwk(&jwk)
            && !algorithms.is_empty()
        {
            keys.insert(id, (algorithms, key));
        }
    }
    keys
}

/// What a key of this kind can sign with.
fn algorithms_of(parameters: &AlgorithmParameters) -> Vec<Algorithm> {
    match parameters {
        AlgorithmParameters::RSA(_) => {
            use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
            vec![RS256, RS384, RS512, PS256, PS384, PS512]
        }
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => vec![Algorithm::ES256],
            EllipticCurve::P384 => vec![Algorithm::ES384],
            _ => vec![],
        },
        AlgorithmParameters::OctetKeyPair(_) => vec![Algorithm::EdDSA],
        AlgorithmParameters::OctetKey(_) => vec![],
    }
}
