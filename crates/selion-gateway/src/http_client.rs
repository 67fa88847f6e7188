//! One request to another server: issuer, hub, a scheduler's plug-in, a scheduler's dashboard.
//!
//! A connection per request, because these calls are rare, and every step has a limit. HTTPS is checked against the
//! system's certificates or those of a file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Documents of issuers and hubs are a few KB.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// An `http` or `https` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Whether it is `https`.
    pub https: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, without the slash at its end.
    pub path: String,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address is none.
    #[error("{0}")]
    Url(String),
    /// Nobody answers, or not in time, or not in HTTP.
    #[error("{url} cannot be reached: {cause}")]
    Reach {
        /// Who.
        url: String,
        /// Why.
        cause: String,
    },
}

impl Url {
    /// Reads an address.
    ///
    /// # Errors
    /// A sentence saying what is wrong.
    pub fn parse(text: &str) -> Result<Url, String> {
        let complain = || format!("{text:?} is no http:// or https:// address");
        let uri: axum::http::Uri = text.parse().map_err(|_| complain())?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(complain()),
        };
        if uri.query().is_some() || uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(complain());
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(complain)?;
        Ok(Url {
            https,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(if https { 443 } else { 80 }),
            path: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Whether it is surely on this machine.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }

    /// Host and port as they stand in addresses and in `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", if self.https { "https" } else { "http" }, self.authority(), self.path)
    }
}

/// Certificates to check others' with.
#[derive(Clone)]
pub struct Trust(Arc<rustls::ClientConfig>);

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trust")
    }
}

impl Trust {
    /// Those of the file, or the system's.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn new(ca: Option<&Path>) -> Result<Trust, String> {
        let mut roots = rustls::RootCertStore::empty();
        match ca {
            Some(path) => add_certificates(&mut roots, path)?,
            None => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            }
        }
        let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        Ok(Trust(Arc::new(config)))
    }
}

/// Adds the certificates of a PEM file.
///
/// # Errors
/// If it has none, or cannot be read.
pub fn add_certificates(roots: &mut rustls::RootCertStore, path: &Path) -> Result<(), String> {
    let complain = |error: &dyn fmt::Display| format!("cannot use the certificates of {}: {error}", path.display());
    let certificates = rustls::pki_types::CertificateDer::pem_file_iter(path).map_err(|error| complain(&error))?;
    for certificate in certificates {
        roots.add(certificate.map_err(|error| complain(&error))?).map_err(|error| complain(&error))?;
    }
    if roots.is_empty() { Err(complain(&"there are none")) } else { Ok(()) }
}

/// GETs a small document.
///
/// # Errors
/// If there is no answer; any status is one.
pub async fn get(
    url: &Url,
    trust: &Trust,
    authorization: Option<HeaderValue>,
) -> Result<(StatusCode, Bytes), FetchError> {
    let mut request = Request::get(if url.path.is_empty() { "/" } else { &url.path })
        .header(header::HOST, url.authority())
        .header(header::ACCEPT, "application/json");
    if let Some(mut value) = authorization {
        value.set_sensitive(true);
        request = request.header(header::AUTHORIZATION, value);
    }
    whole(url, Some(trust), request.body(Body::empty())).await
}

/// POSTs JSON over plain HTTP.
///
/// # Errors
/// If there is no answer; any status is one.
pub async fn post(url: &Url, authorization: HeaderValue, json: String) -> Result<(StatusCode, Bytes), FetchError> {
    let request = Request::post(&url.path)
        .header(header::HOST, url.authority())
        .header(header::AUTHORIZATION, authorization)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::CONTENT_LENGTH, json.len());
    whole(url, None, request.body(Body::from(json))).await
}

async fn whole(
    url: &Url,
    trust: Option<&Trust>,
    request: Result<Request<Body>, axum::http::Error>,
) -> Result<(StatusCode, Bytes), FetchError> {
    let request = request.map_err(|error| FetchError::Url(error.to_string()))?;
    let reach = |cause: String| FetchError::Reach { url: url.to_string(), cause };
    let exchange = async {
        let response = send(url, trust, request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok((status, body.map_err(|error| reach(error.to_string()))?.to_bytes()))
    };
    timeout(ANSWER_TIMEOUT, exchange).await.map_err(|_| reach("no answer in time".into()))?
}

/// Sends one request and gives the answer, of which only the head is there yet. Upgrades work.
///
/// # Errors
/// If there is no answer.
pub async fn send(url: &Url, trust: Option<&Trust>, request: Request<Body>) -> Result<Response<Incoming>, FetchError> {
    let reach = |cause: String| FetchError::Reach { url: url.to_string(), cause };
    let connect = TcpStream::connect((url.host.as_str(), url.port));
    let stream = timeout(CONNECT_TIMEOUT, connect)
        .await
        .map_err(|_| reach("no connection in time".into()))?
        .map_err(|error| reach(error.to_string()))?;
    let _ = stream.set_nodelay(true);
    match (url.https, trust) {
        (false, _) => exchange(TokioIo::new(stream), request).await.map_err(reach),
        (true, None) => Err(reach("https is not expected here".into())),
        (true, Some(trust)) => {
            let name = ServerName::try_from(url.host.clone()).map_err(|error| reach(error.to_string()))?;
            let handshake = TlsConnector::from(Arc::clone(&trust.0)).connect(name, stream);
            let stream = timeout(CONNECT_TIMEOUT, handshake)
                .await
                .map_err(|_| reach("no TLS handshake in time".into()))?
                .map_err(|error| reach(error.to_string()))?;
            exchange(TokioIo::new(stream), request).await.map_err(reach)
        }
    }
}

async fn exchange<T>(io: T, request: Request<Body>) -> Result<Response<Incoming>, String>
where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(io).await.map_err(|error| error.to_string())?;
    tokio::spawn(connection.with_upgrades());
    sender.send_request(request).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_default_ports_and_no_slash_at_the_end() {
        let url = Url::parse("https://hub.example.org/hub/api/").unwrap();
        assert_eq!((url.port, url.path.as_str(), url.is_loopback()), (443, "/hub/api", false));
        assert_eq!(url.to_string(), "https://hub.example.org:443/hub/api");
        assert!(Url::parse("http://[::1]:9000").unwrap().is_loopback());
        assert!(Url::parse("http://127.0.0.1:9000").unwrap().is_loopback());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "localhost:80", "ftp://x", "http://", "http://a@b/", "http://x/?q"] {
            assert!(Url::parse(text).is_err(), "{text}");
        }
    }
}
