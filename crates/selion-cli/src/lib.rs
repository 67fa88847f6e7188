//! The command `selion`: reads its arguments and calls what does the work.
//!
//! The executable is installed beside the interpreter as `selion-gateway` too, and then is `selion gateway`: the wheel's
//! `selion` script, which is Python, hands over to it. The gateway is no part of the extension module, because that would
//! grow by TLS, HTTP and a database that `import selion` never uses, and because a gateway within an interpreter would
//! take 20 MiB more in each of its two processes.

#![forbid(unsafe_code)]

mod gateway;

use std::ffi::OsString;
use std::path::Path;
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

/// The name under which the executable is the gateway alone.
const GATEWAY_NAME: &str = "selion-gateway";

/// Runs the command with these arguments, the program's name first.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let is_gateway = args.first().is_some_and(|name| Path::new(name).file_name() == Some(GATEWAY_NAME.as_ref()));
    if is_gateway && args.get(1).is_none_or(|first| first != selion_gateway::PROXY_ARGUMENT) {
        args.insert(1, "gateway".into());
    }
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
