//! The command `selion`: reads its arguments and calls what does the work.

#![forbid(unsafe_code)]

mod gateway;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "selion", version, about = "Lazy chunked arrays and task graphs, on one machine and on many")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Gateway(gateway::Gateway),
    /// The proxy of a gateway, which starts it.
    #[command(hide = true)]
    GatewayProxy(gateway::Proxy),
}

/// Runs the command with these arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match cli.command {
        Command::Gateway(gateway) => gateway.run(),
        Command::GatewayProxy(proxy) => proxy.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("selion: {error}");
            ExitCode::FAILURE
        }
    }
}
