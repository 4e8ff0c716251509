//! The binary: everything is in the library, and all that prints is in `goldsmith::cli`.
use std::process::ExitCode;

fn main() -> ExitCode {
    goldsmith::cli::main()
}
