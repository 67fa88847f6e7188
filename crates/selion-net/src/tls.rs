//! Encryption, with certificates of one authority on both ends. What names a certificate holds does not matter: the
//! machines of a cluster come and go, and who has a certificate of its authority belongs to it.

use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::{Address, HandshakeError, Stream};

/// What is needed to encrypt connections, both those that are made and those that are accepted.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    acceptor: TlsAcceptor,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls(…)")
    }
}

/// Why certificates are of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// One of the texts is not what it should be.
    #[error("{0} is not in PEM form: {1}")]
    Pem(&'static str, String),
    /// They do not fit.
    #[error("the certificates cannot be used: {0}")]
    Unfit(String),
}

/// Certificates, as texts in PEM form.
#[derive(Clone)]
pub struct Pem {
    /// Of the authority that both ends trust.
    pub ca: String,
    /// Of a process, with those between it and the authority.
    pub cert: String,
    /// Its private key.
    pub key: String,
}

impl Pem {
    /// A new authority and one certificate of it, for all processes of one cluster.
    ///
    /// # Errors
    /// If the system gives no random numbers.
    pub fn generate() -> Result<Pem, TlsError> {
        use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
        let unfit = |error: rcgen::Error| TlsError::Unfit(error.to_string());
        let authority_key = KeyPair::generate().map_err(unfit)?;
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "selion authority");
        let ca = authority.self_signed(&authority_key).map_err(unfit)?.pem();
        let key = KeyPair::generate().map_err(unfit)?;
        let mut params = CertificateParams::new(vec!["selion".to_owned()]).map_err(unfit)?;
        params.distinguished_name.push(DnType::CommonName, "selion");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let cert = params.signed_by(&key, &Issuer::new(authority, authority_key)).map_err(unfit)?.pem();
        Ok(Pem { ca, cert, key: key.serialize_pem() })
    }
}

impl Tls {
    /// Of certificates.
    ///
    /// # Errors
    /// If they cannot be used.
    pub fn new(pem: &Pem) -> Result<Tls, TlsError> {
        let unfit = |error: rustls::Error| TlsError::Unfit(error.to_string());
        let mut roots = RootCertStore::empty();
        for cert in certificates("the certificate of the authority", &pem.ca)? {
            roots.add(cert).map_err(unfit)?;
        }
        let roots = Arc::new(roots);
        let certs = certificates("the certificate", &pem.cert)?;
        let key = PrivateKeyDer::from_pem_slice(pem.key.as_bytes())
            .map_err(|error| TlsError::Pem("the private key", error.to_string()))?;
        let provider = Arc::new(ring::default_provider());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| TlsError::Unfit(error.to_string()))?;
        let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .with_client_cert_verifier(clients)
            .with_single_cert(certs.clone(), key.clone_key())
            .map_err(unfit)?;
        let client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(OfAuthority { roots, provider }))
            .with_client_auth_cert(certs, key)
            .map_err(unfit)?;
        Ok(Tls { connector: Arc::new(client).into(), acceptor: Arc::new(server).into() })
    }

    pub(crate) async fn connect(&self, address: &Address, socket: TcpStream) -> Result<Stream, HandshakeError> {
        let name = ServerName::try_from(address.host.clone())
            .map_err(|_| HandshakeError::Tls(format!("{} is not the name of a machine", address.host)))?;
        match self.connector.connect(name, socket).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(TlsStream::Client(stream)))),
            Err(error) => match error.kind() {
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
                    let plain = Address { tls: false, ..address.clone() };
                    Err(HandshakeError::Tls(format!(
                        "the other end closed the connection when it was to be encrypted: it may be {plain}, without TLS"
                    )))
                }
                _ => Err(Tls::refused(error)),
            },
        }
    }

    pub(crate) async fn accept(&self, socket: TcpStream) -> Result<Stream, HandshakeError> {
        let stream = self.acceptor.accept(socket).await.map_err(Tls::refused)?;
        Ok(Stream::Tls(Box::new(TlsStream::Server(stream))))
    }

    /// What a broken connection means, if it was encryption that broke it.
    pub(crate) fn refused(error: io::Error) -> HandshakeError {
        use rustls::{AlertDescription, CertificateError, Error, InvalidMessage};
        let cause = match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            None => return HandshakeError::Io(error),
            Some(Error::AlertReceived(
                AlertDescription::UnknownCA
                | AlertDescription::BadCertificate
                | AlertDescription::DecryptError
                | AlertDescription::CertificateRequired
                | AlertDescription::CertificateUnknown
                | AlertDescription::CertificateExpired,
            )) => "the other end does not accept this one's certificate".to_owned(),
            Some(Error::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature)) => {
                "the certificate of the other end is not of the authority that is trusted here".to_owned()
            }
            Some(Error::NoCertificatesPresented) => "the other end has no certificate".to_owned(),
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                "the other end does not speak TLS".to_owned()
            }
            Some(other) => format!("no encrypted connection: {other}"),
        };
        HandshakeError::Tls(cause)
    }
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let certs: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match certs {
        Ok(certs) if certs.is_empty() => Err(TlsError::Pem(what, "there is no certificate in it".to_owned())),
        Ok(certs) => Ok(certs),
        Err(error) => Err(TlsError::Pem(what, error.to_string())),
    }
}

/// Accepts servers with a certificate of the authority, whatever they are called.
#[derive(Debug)]
struct OfAuthority {
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for OfAuthority {
    fn verify_server_cert(
        &self,
        cert: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let cert = ParsedCertificate::try_from(cert)?;
        let algorithms = self.provider.signature_verification_algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&cert, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("only TLS 1.3 is spoken".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
