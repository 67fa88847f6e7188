//! `selion gateway`: serve, check the configuration, hash a password, renew the keys.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Serve clusters on demand to many users
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Gateway {
    /// The configuration
    #[arg(long, short, value_name = "FILE", default_value = "gateway.toml")]
    config: PathBuf,
    #[command(subcommand)]
    command: Option<GatewayCommand>,
}

#[derive(Subcommand)]
enum GatewayCommand {
    /// Say what is wrong with a configuration, or that nothing is
    CheckConfig {
        /// The configuration
        #[arg(long, short, value_name = "FILE")]
        config: Option<PathBuf>,
        /// The configuration, without its option's name
        #[arg(value_name = "FILE", conflicts_with = "config")]
        file: Option<PathBuf>,
    },
    /// Read a password, and print the hash for `[auth] users`
    HashPassword,
    /// Put a new key in front of those that seal the state; the next start seals everything anew
    RotateKeys {
        /// The configuration
        #[arg(long, short, value_name = "FILE", default_value = "gateway.toml")]
        config: PathBuf,
    },
}

/// The proxy of a gateway.
#[derive(Args)]
pub(crate) struct Proxy {
    run_directory: PathBuf,
}

impl Gateway {
    pub(crate) fn run(self) -> Result<(), String> {
        match self.command {
            None => selion_gateway::gateway(&self.config),
            Some(GatewayCommand::CheckConfig { config, file }) => {
                let path = config.or(file).unwrap_or(self.config);
                selion_gateway::check_config(&path)?;
                println!("{}: fine", path.display());
                Ok(())
            }
            Some(GatewayCommand::HashPassword) => hash_password(),
            Some(GatewayCommand::RotateKeys { config }) => {
                selion_gateway::rotate_keys(&config)?;
                println!("A new key seals from the next start on; once it has started, the old lines may be removed.");
                Ok(())
            }
        }
    }
}

impl Proxy {
    pub(crate) fn run(self) -> Result<(), String> {
        selion_gateway::run_proxy(&self.run_directory)
    }
}

/// From a pipe or, unseen, from a terminal; never from the command line, which others can read.
fn hash_password() -> Result<(), String> {
    let stdin = std::io::stdin();
    let password =
        if stdin.is_terminal() { selion_gateway::ask_secret("Password: ") } else { read_line(&mut stdin.lock()) };
    let password = password.map_err(|error| error.to_string())?;
    if password.is_empty() {
        return Err("an empty password is none".into());
    }
    println!("{}", selion_gateway::auth::hash_password(&password)?);
    Ok(())
}

fn read_line(from: &mut impl std::io::BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
