//! The API process: puts everything together, serves, and ends when told to.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Semaphore, watch};

use crate::audit::Audit;
use crate::auth::Authenticator;
use crate::auth::session::Sessions;
use crate::backend::Backend;
use crate::backend::local::Local;
use crate::cluster::manager::{Manager, Parts};
use crate::config::{self, Auth, Config, OnShutdown};
use crate::http::connection::Server;
use crate::http::{App, router};
use crate::http_client::{Url, add_certificates};
use crate::metrics::Metrics;
use crate::options::Options;
use crate::proxy::client::ProxyClient;
use crate::proxy::control::API_SOCKET;
use crate::proxy::passing::RunDirectory;
use crate::store::{Keys, Store};

/// Requests under way may take so long when the gateway ends.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// And clusters, if they are to end with it.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Connections that are served at once.
const CONNECTIONS_MAX: usize = 20_000;

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// Why it cannot start.
pub(crate) async fn serve(config: Config) -> Result<(), String> {
    // The first provider wins; there is only this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let run_directory = config.run_directory();
    let directory =
        RunDirectory::make(&run_directory).map_err(|error| format!("{}: {error}", run_directory.display()))?;
    let _lock = lock(&run_directory)?;
    let tls = config.tls.as_ref().map(|tls| server_config(tls, &config.auth)).transpose()?;
    let auth = Authenticator::new(&config.auth).map_err(|error| format!("[auth]: {error}"))?;
    let audit = Audit::open(config.audit_log.as_deref()).map_err(|error| format!("audit_log: {error}"))?;
    let keys = Keys::load(&config.key_file(), !config.state.exists()).map_err(|error| error.to_string())?;
    let (store, clusters) = Store::open(&config.state, keys).map_err(|error| error.to_string())?;
    let metrics = Arc::new(Metrics::default());

    // Before the proxy hands anything over, there is somebody to take it.
    let path = directory.socket(API_SOCKET);
    let _ = std::fs::remove_file(&path);
    let connections = UnixListener::bind(&path).map_err(|error| format!("{}: {error}", run_directory.display()))?;

    // A port that the system chooses must be known before schedulers are told what to call back.
    let proxy = ProxyClient::new(&run_directory, directory, config.address);
    let ways = clusters.iter().filter(|cluster| cluster.phase.is_active()).filter_map(crate::cluster::manager::way);
    let address = proxy.start(ways.collect()).await.map_err(|error| error.to_string())?;
    let api_url = config.api_url.clone().unwrap_or_else(|| own_api_url(address, &config));
    let backend = backend(&config, store.instance(), api_url).map_err(|error| format!("[backend]: {error}"))?;
    let parts = Parts {
        backend,
        store,
        proxy,
        options: Options::new(&config)?,
        limits: config.limits.clone(),
        keep_ended_ms: config.keep_ended.millis(),
        metrics: Arc::clone(&metrics),
    };
    let manager = Manager::start(parts, clusters).await?;
    let app = Arc::new(App {
        manager: Arc::clone(&manager),
        auth,
        sessions: Sessions::new(
            tls.is_some() || config.public_url.as_deref().is_some_and(|url| url.starts_with("https")),
        ),
        audit,
        metrics,
        metrics_token: config.metrics_token.clone(),
        prefix: prefix(&config),
        is_fronted: config.public_url.is_some(),
    });
    let (drain, draining) = watch::channel(false);
    let server = Arc::new(Server { router: router(app), tls: tls.map(Arc::new), draining });
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    tracing::info!("listening on {scheme}://{address}{}", prefix(&config));
    take_connections(connections, server).await.map_err(|error| error.to_string())?;

    tracing::info!("shutting down");
    manager.drain();
    if config.on_shutdown == OnShutdown::Stop {
        manager.stop_all(STOP_TIMEOUT).await;
    }
    drain.send_replace(true);
    let _ = tokio::time::timeout(DRAIN_TIMEOUT, drain.closed()).await;
    manager.finish().await;
    Ok(())
}

/// Serves what the proxy hands over, until a signal comes.
async fn take_connections(connections: UnixListener, server: Arc<Server>) -> std::io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        tokio::select! {
            accepted = connections.accept() => match accepted {
                Ok((unix, _)) => {
                    let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
                    let server = Arc::clone(&server);
                    tokio::spawn(async move {
                        server.serve(unix).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
        }
    }
}

/// One gateway at a time has a state; the lock goes with the process.
fn lock(run_directory: &Path) -> Result<std::fs::File, String> {
    let path = run_directory.join("lock");
    let complain = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file =
        std::fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|e| complain(&e))?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive)
        .map_err(|_| complain(&"another gateway runs with this state"))?;
    Ok(file)
}

fn prefix(config: &Config) -> String {
    let url = config.public_url.as_deref().and_then(|url| Url::parse(url).ok());
    url.map(|url| url.path).unwrap_or_default()
}

/// What schedulers on this machine call back. In clear, also with TLS: it does not leave the machine.
fn own_api_url(mut address: std::net::SocketAddr, config: &Config) -> String {
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            std::net::SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            std::net::SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    format!("http://{address}{}/api", prefix(config))
}

fn backend(config: &Config, instance: &str, api_url: String) -> std::io::Result<Box<dyn Backend>> {
    let config::Backend::Local(local) = &config.backend;
    let directory = local.directory.clone().unwrap_or_else(|| config.state.with_extension("clusters"));
    Ok(Box::new(Local::new(directory, instance.to_owned(), api_url, local.inherit.clone())?))
}

fn server_config(tls: &config::Tls, auth: &Auth) -> Result<ServerConfig, String> {
    let complain = |error: &dyn std::fmt::Display| format!("[tls]: {error}");
    let chain: Vec<_> = CertificateDer::pem_file_iter(&tls.cert)
        .map_err(|error| complain(&error))?
        .collect::<Result<_, _>>()
        .map_err(|error| complain(&error))?;
    let key = PrivateKeyDer::from_pem_file(&tls.key).map_err(|error| complain(&error))?;
    let builder = ServerConfig::builder();
    let builder = if let Auth::Proxy(proxy) = auth {
        let mut roots = RootCertStore::empty();
        add_certificates(&mut roots, &proxy.client_ca)?;
        // Schedulers call back without one; who has shown none is no trusted proxy.
        let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build();
        builder.with_client_cert_verifier(verifier.map_err(|error| complain(&error))?)
    } else {
        builder.with_no_client_auth()
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|error| complain(&error))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(server)
}
