//! The executable `selion`.

use std::process::ExitCode;

fn main() -> ExitCode {
    selion_cli::run(std::env::args_os())
}
