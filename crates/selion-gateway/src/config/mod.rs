//! The configuration: one TOML file, read whole, checked whole, before anything starts.
//!
//! Unknown keys are errors. Relative paths are relative to the file, so that state and logs lie beside it. What a table
//! means is said where it is used: `auth`, `backend`, `limits`, `settings`, `options`.

mod check;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::options::OptionSpec;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::units::{Bytes, Span};

/// The whole configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where everything is served: REST, scheduler traffic, dashboards and pages.
    pub address: SocketAddr,
    /// The database file.
    pub state: PathBuf,
    /// The keys that seal the database, one a line, the first seals; by default beside the state.
    pub keys: Option<PathBuf>,
    /// Where users see this gateway, if a load balancer or a prefix stands in between.
    pub public_url: Option<String>,
    /// The root that schedulers call back, with `/api`; by default this gateway's own address.
    pub api_url: Option<String>,
    /// What is logged: a level, or a filter as `tracing` reads it.
    #[serde(default = "default_log")]
    pub log: String,
    /// `text` or `json`.
    #[serde(default)]
    pub log_format: LogFormat,
    /// A file that gets one JSON line for everything that users do.
    pub audit_log: Option<PathBuf>,
    /// What a scraper of `/metrics` shows as its bearer token; without one, only this machine may ask.
    pub metrics_token: Option<Secret>,
    /// Certificate and key of the public port.
    pub tls: Option<Tls>,
    /// Who may come in.
    pub auth: Auth,
    /// Where clusters run.
    pub backend: Backend,
    /// What users may have at once.
    #[serde(default)]
    pub limits: Limits,
    /// What holds for every cluster, as it stands in the file; `Settings` once merged with profile and options.
    #[serde(default)]
    pub cluster: Map<String, Value>,
    /// Named sets of cluster settings.
    #[serde(default)]
    pub profile: BTreeMap<String, Map<String, Value>>,
    /// What users may choose.
    #[serde(default)]
    pub option: Vec<OptionSpec>,
    /// How long clusters that have ended stay listed, with their logs.
    #[serde(default = "default_keep")]
    pub keep_ended: Span,
    /// What happens to running clusters when the gateway is told to end.
    #[serde(default)]
    pub on_shutdown: OnShutdown,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One object a line.
    Json,
}

/// What happens to running clusters when the gateway is told to end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnShutdown {
    /// They run on, connections included, and the next start takes them over.
    #[default]
    Keep,
    /// They are stopped first.
    Stop,
}

/// Certificate and key of the public port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// Who may come in.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Auth {
    /// Tokens of an OpenID Connect issuer.
    Oidc(Oidc),
    /// Names and passwords from this file.
    Basic(Basic),
    /// Tokens of a JupyterHub.
    Jupyterhub(JupyterHub),
    /// A header set by a proxy that shows a certificate.
    Proxy(TrustedProxy),
}

/// Tokens of an OpenID Connect issuer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The issuer, exactly as its tokens say it.
    pub issuer: String,
    /// What tokens must be for.
    pub audience: String,
    /// The claim that names the user.
    #[serde(default = "default_username_claim")]
    pub username_claim: String,
    /// The claim with the user's groups.
    #[serde(default = "default_groups_claim")]
    pub groups_claim: String,
    /// Members of these groups see and stop all clusters.
    #[serde(default)]
    pub admin_groups: Vec<String>,
    /// How far clocks may differ.
    #[serde(default = "default_leeway")]
    pub leeway: Span,
    /// Certificates that the issuer's is checked against, PEM; by default the system's.
    pub ca: Option<PathBuf>,
}

/// Names and passwords from this file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    /// Name to argon2 hash, made by `selion gateway hash-password`.
    pub users: BTreeMap<String, Secret>,
    /// Group to its members.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Users who see and stop all clusters.
    #[serde(default)]
    pub admins: Vec<String>,
}

/// Tokens of a JupyterHub.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JupyterHub {
    /// The hub's API, up to and with `/hub/api`.
    pub api_url: String,
    /// If given, tokens need the scope of this service.
    pub service: Option<String>,
    /// Certificates that the hub's is checked against, PEM; by default the system's.
    pub ca: Option<PathBuf>,
}

/// A header set by a proxy that shows a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedProxy {
    /// Certificates that the proxy's is checked against, PEM.
    pub client_ca: PathBuf,
    /// The header with the user's name.
    #[serde(default = "default_user_header")]
    pub user_header: String,
    /// The header with the user's groups, commas between.
    pub groups_header: Option<String>,
    /// Members of these groups see and stop all clusters.
    #[serde(default)]
    pub admin_groups: Vec<String>,
}

/// Where clusters run.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Backend {
    /// Processes on this machine.
    Local(Local),
}

/// Processes on this machine.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Local {
    /// Where clusters have their files and logs; by default beside the state.
    pub directory: Option<PathBuf>,
    /// Variables of the gateway's own environment that clusters get too, besides the usual ones.
    #[serde(default)]
    pub inherit: Vec<String>,
}

/// What users may have at once.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    clusters_per_user: Option<u32>,
    cores_per_user: Option<u32>,
    memory_per_user: Option<Bytes>,
    /// For members of a group, instead; of several groups the most generous value counts.
    #[serde(default)]
    group: BTreeMap<String, Limit>,
}

/// What one user may have at once; nothing said, no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// Clusters that have not ended.
    pub clusters_per_user: Option<u32>,
    /// Cores of all schedulers and workers.
    pub cores_per_user: Option<u32>,
    /// Memory of all schedulers and workers.
    pub memory_per_user: Option<Bytes>,
}

impl Limits {
    /// What a member of `groups` may have: per value the most generous of their groups that say one, else everybody's.
    #[must_use]
    pub fn of(&self, groups: &[String]) -> Limit {
        fn most<T: Ord>(said: impl Iterator<Item = Option<T>>, everybody: Option<T>) -> Option<T> {
            said.flatten().max().or(everybody)
        }
        let mine = || groups.iter().filter_map(|group| self.group.get(group));
        Limit {
            clusters_per_user: most(mine().map(|limit| limit.clusters_per_user), self.clusters_per_user),
            cores_per_user: most(mine().map(|limit| limit.cores_per_user), self.cores_per_user),
            memory_per_user: most(mine().map(|limit| limit.memory_per_user), self.memory_per_user),
        }
    }
}

fn default_log() -> String {
    "info".into()
}
fn default_keep() -> Span {
    Span::secs(86_400)
}
fn default_username_claim() -> String {
    "preferred_username".into()
}
fn default_groups_claim() -> String {
    "groups".into()
}
fn default_leeway() -> Span {
    Span::secs(5)
}
fn default_user_header() -> String {
    "x-forwarded-user".into()
}

/// Why a configuration is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read {path}: {cause}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It is not TOML, or a key is unknown or of a wrong type.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        message: String,
    },
    /// It says what cannot be.
    #[error("{path}: {}", problems.join("\n  "))]
    Check {
        /// The file.
        path: PathBuf,
        /// One sentence each.
        problems: Vec<String>,
    },
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// What is wrong, all of it where possible.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let read = |cause| ConfigError::Read { path: path.into(), cause };
        let text = std::fs::read_to_string(path).map_err(read)?;
        let full = std::path::absolute(path).map_err(read)?;
        let mut config = Config::parse(&text).map_err(|message| ConfigError::Parse { path: path.into(), message })?;
        config.anchor(full.parent().unwrap_or(Path::new("/")));
        let problems = config.problems();
        if problems.is_empty() { Ok(config) } else { Err(ConfigError::Check { path: path.into(), problems }) }
    }

    /// Reads a configuration without checking more than its form.
    ///
    /// # Errors
    /// Where the form is wrong.
    pub fn parse(text: &str) -> Result<Config, String> {
        toml::from_str(text).map_err(|error| error.to_string().trim_end().to_owned())
    }

    /// The settings of a cluster before profile and options.
    ///
    /// # Errors
    /// If `[cluster]` does not make sense.
    pub fn base_settings(&self) -> Result<Settings, String> {
        Settings::merge(&[&self.cluster]).map_err(|error| format!("[cluster]: {error}"))
    }

    /// The folder of sockets and locks beside the state.
    #[must_use]
    pub fn run_directory(&self) -> PathBuf {
        with_suffix(&self.state, ".run")
    }

    /// The file of the keys that seal the state.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.keys.clone().unwrap_or_else(|| with_suffix(&self.state, ".keys"))
    }

    /// Makes every relative path one from `folder`.
    fn anchor(&mut self, folder: &Path) {
        let fix = |path: &mut PathBuf| *path = folder.join(&*path);
        fix(&mut self.state);
        self.keys.iter_mut().for_each(fix);
        self.audit_log.iter_mut().for_each(fix);
        if let Some(tls) = &mut self.tls {
            fix(&mut tls.cert);
            fix(&mut tls.key);
        }
        match &mut self.auth {
            Auth::Oidc(oidc) => oidc.ca.iter_mut().for_each(fix),
            Auth::Jupyterhub(hub) => hub.ca.iter_mut().for_each(fix),
            Auth::Proxy(proxy) => fix(&mut proxy.client_ca),
            Auth::Basic(_) => {}
        }
        let Backend::Local(local) = &mut self.backend;
        local.directory = Some(match &local.directory {
            Some(directory) => folder.join(directory),
            None => with_suffix(&self.state, ".clusters"),
        });
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}
